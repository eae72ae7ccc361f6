package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/plain"
	"github.com/seriesctl/seriesctl/internal/report/reporttest"
	"github.com/seriesctl/seriesctl/qemu"
)

var dlm = []qemu.FileUse{{File: "fs/gfs2/lock_dlm.c", Use: qemu.UseNotCompiled, Needs: []qemu.Need{
	{Option: "CONFIG_GFS2_FS_LOCKING_DLM", Depends: "NET && DLM", Unmet: []string{"NET", "DLM"}}}}}

// A test of code that was not compiled proves nothing: it is never "no effect".
func TestNotCompiledIsSaid(t *testing.T) {
	r := reporttest.RFC()
	for i := range r.Prefixes {
		switch p := &r.Prefixes[i]; p.Index {
		case 1:
			p.Coverage, p.Files = lab.CoverageNone, dlm
		case 2:
			p.Coverage = lab.CoveragePart
			p.Files = append([]qemu.FileUse{{File: "fs/gfs2/file.c", Use: qemu.UseCompiled, Objects: 1}}, dlm...)
		case 3:
			p.Coverage, p.Files = lab.CoverageNoCode, []qemu.FileUse{{File: "MAINTAINERS", Use: qemu.UseNotCode}}
		case 4, 5:
			p.Coverage = lab.CoverageNone // 4 does something: a Kconfig default may
			p.Files = []qemu.FileUse{{File: "include/linux/x.h", Use: qemu.UseHeader}}
		}
	}
	m := NewMatrix(r)
	for row, want := range []string{"", "not built", "", "", "FIX 1 chg 5", "not built"} {
		if got := m.Does(row); got != want {
			t.Errorf("row %d: got %q, want %q", row, got, want)
		}
	}
	if got, want := m.Sentence(1, 0), "patch 1 was not compiled: fs/gfs2/lock_dlm.c needs CONFIG_GFS2_FS_LOCKING_DLM (depends on NET, DLM); gfs2/read-self: crash"; !strings.HasPrefix(got, want) {
		t.Errorf("got %q", got)
	}
	for _, format := range []string{"text", "markdown"} {
		got := strings.ReplaceAll(strings.Join(strings.Fields(write(t, format, r, Options{Width: 1000})), " "), "`", "")
		for _, want := range []string{
			"not compiled: fs/gfs2/lock_dlm.c needs CONFIG_GFS2_FS_LOCKING_DLM (depends on NET, DLM)",
			"no effect on any case; not compiled: fs/gfs2/lock_dlm.c needs",
			"no code of the kernel",
			"not compiled: include/linux/x.h nothing that is compiled includes it",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("%s does not say %q:\n%s", format, want, got)
			}
		}
	}
	if got := write(t, "text", r, Options{Width: 80}); strings.Count(got, "\n   not built\n") < 2 {
		t.Errorf("the rows are not marked:\n%s", got)
	}
}

func TestChecksAreTold(t *testing.T) {
	r := reporttest.RFC()
	unused := qemu.Diagnostic{File: "fs/gfs2/file.c", Line: 431, Kind: "warning", Text: "unused variable 'ip'", Excerpt: "  431 |\tint ip;\n      |\t    ^~"}
	many := make([]qemu.Diagnostic, 9)
	for i := range many {
		many[i] = qemu.Diagnostic{Kind: "error", Text: "SPACING: |evil` \x1b[31m"}
	}
	for i := range r.Prefixes {
		p := &r.Prefixes[i]
		p.Checks = []lab.Check{{Name: "builds", Status: lab.CheckOK}, {Name: "warnings"}, {Name: "checkpatch", Status: lab.CheckOK}}
		switch p.Index {
		case 2:
			p.Checks[1] = lab.Check{Name: "warnings", Status: lab.CheckFound, New: []qemu.Diagnostic{unused}}
			p.Checks[2] = lab.Check{Name: "checkpatch", Status: lab.CheckFound, New: many}
		case 6:
			p.Checks[0].Status = lab.CheckFailed
		}
	}
	got := write(t, "text", r, Options{Width: 80})
	for _, want := range []string{
		"\n             0    1    2    3    4    5    6    7    8    9\n  builds     ok   ok   ok   ok   ok   ok   FAIL ok   ok   ok\n",
		"\n  warnings   -    -    1    -", "\n  checkpatch ok   ok   9    ok",
		"\n  patch 2, warnings: fs/gfs2/file.c:431: warning: unused variable 'ip'\n        431 |    int ip;\n", "\n  patch 2, checkpatch: and 4 more\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if md := write(t, "markdown", r, Options{}); !strings.Contains(md, "| `builds` | ok | ok | ok | ok | ok | ok | FAIL |") || strings.Contains(md, "\x1b") || strings.Contains(got, "\x1b") {
		t.Errorf("got\n%s", md)
	}
	for i, line := range strings.Split(write(t, "text", r, Options{Width: 40}), "\n") {
		if n := plain.Width(line); n > 40 {
			t.Errorf("line %d takes %d columns: %s", i+1, n, line)
		}
	}
}

func TestForeseen(t *testing.T) {
	all := []qemu.FileUse{{File: "fs/gfs2/file.c", Use: qemu.UseCompiled, Expected: true}, {File: "x.h", Use: qemu.UseHeader, Expected: true}}
	one := lab.Prefix{Patch: 1, Coverage: lab.CoverageAll, Files: all}
	two := lab.Prefix{Patch: 7, Coverage: lab.CoverageNone, Files: dlm}
	three := lab.Prefix{Patch: 8, Coverage: lab.CoveragePart, Files: append(all, dlm...)}
	four := two
	four.Patch = 9
	more := dlm[0]
	more.File = "fs/gfs2/more.c"
	if got, want := leftOut(&lab.Prefix{Files: []qemu.FileUse{dlm[0], more, {File: "arch/arm/x.c", Use: qemu.UseNotCompiled}}}), "arch/arm/x.c is for another architecture; fs/gfs2/lock_dlm.c, fs/gfs2/more.c need CONFIG_GFS2_FS_LOCKING_DLM (depends on NET, DLM)"; got != want {
		t.Errorf("got %q", got)
	}
	if got := Foreseen([]lab.Prefix{one}); len(got) != 1 || !strings.Contains(got[0], "every source file") {
		t.Errorf("got %q", got)
	}
	got := strings.Join(Foreseen([]lab.Prefix{one, two, three, four}), "\n")
	const why = "fs/gfs2/lock_dlm.c needs CONFIG_GFS2_FS_LOCKING_DLM (depends on NET, DLM)"
	if want := "patches 7, 9: will not be compiled: " + why + "\npatch 8: will be compiled in part: " + why; got != want {
		t.Errorf("got %q", got)
	}
	if got := Foreseen(nil); got != nil {
		t.Errorf("got %q", got)
	}
}

// A plan's second kernel has columns of its own, and a prefix that only it can't build is not "ok".
func TestOtherKernelsColumns(t *testing.T) {
	r := reporttest.RFC()
	n := len(r.Cases)
	for i := range n {
		c := r.Cases[i]
		c.Kernel, c.Name = "debug", "debug:"+c.Name
		r.Cases = append(r.Cases, c)
	}
	for i := range r.Prefixes {
		k := r.Prefixes[i]
		k.Kernel = "debug"
		if k.Index == 3 {
			k.Status, k.Detail = lab.PrefixBuildFailed, "mm/x.c:1: error: no"
		}
		r.Prefixes[i].Kernels = []lab.Prefix{k}
	}
	for _, c := range r.Cells[:len(r.Cells):len(r.Cells)] {
		if c.Case = "debug:" + c.Case; c.Prefix == 3 {
			c.State, c.Outcome, c.Runs = lab.CellNone, "", 0
		}
		r.Cells = append(r.Cells, c)
	}
	m := NewMatrix(r)
	if got := m.Word(3, n); got != "bld" {
		t.Errorf("cell without an image: %q", got)
	}
	if got := m.Word(3, 0); got != "BUG" {
		t.Errorf("the same of the first kernel: %q", got)
	}
	if got := m.Does(3); got != "bld" {
		t.Errorf("does %q", got)
	}
	if got, want := m.Sentence(3, n), "patch 3 does not build: mm/x.c:1: error: no"; got != want {
		t.Errorf("got %q", got)
	}
	got := write(t, "text", r, Options{Width: 200})
	for _, want := range []string{"debug:gfs2/read-self", "does not build as debug: mm/x.c:1: error: no"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestFoundIsWhatTheBuildShowed(t *testing.T) {
	r := reporttest.RFC()
	r.Prefixes[1].Coverage, r.Prefixes[1].Files = lab.CoverageNone, dlm
	r.Prefixes[1].Checks = []lab.Check{{Name: "builds", Status: lab.CheckOK}, {Name: "warnings", Status: lab.CheckFound, New: []qemu.Diagnostic{
		{File: "a.c", Line: 3, Kind: "warning", Text: "unused", Excerpt: "  3 | x"}}}}
	want := "not compiled: fs/gfs2/lock_dlm.c needs CONFIG_GFS2_FS_LOCKING_DLM (depends on NET, DLM)\nwarnings: a.c:3: warning: unused\n      3 | x"
	if got := strings.Join(NewMatrix(r).Found(1), "\n"); got != want {
		t.Errorf("got %q", got)
	}
	if got := NewMatrix(r).Found(0); got != nil {
		t.Errorf("got %q", got)
	}
}

// A base that does not build is nobody's, and neither are the prefixes that fail as it does.
func TestBrokenBase(t *testing.T) {
	r := reporttest.RFC()
	r.Attributions = nil
	for i := range r.Prefixes {
		p := &r.Prefixes[i]
		p.Status, p.Image, p.SameImageAs = lab.PrefixBuildFailed, "", nil
		if p.Detail = fmt.Sprintf("build kernel: fs/a.c:%d: no", 3+i); i == 7 {
			p.Detail = "build kernel: fs/b.c:1: no"
		}
	}
	for i := range r.Cells {
		r.Cells[i] = lab.Cell{Prefix: r.Cells[i].Prefix, Case: r.Cells[i].Case, State: lab.CellNone}
	}
	var got []string
	for _, n := range NewMatrix(r).Notes() {
		got = append(got, n.who()+" "+n.said())
	}
	want := []string{
		"the base does not build: build kernel: fs/a.c:3: no",
		"patches 1-6, 9 effect not known: without it the kernel does not build either",
		"patch 7 does not build: build kernel: fs/b.c:1: no",
		"patch 8 does not build: build kernel: fs/a.c:11: no",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
