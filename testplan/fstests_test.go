package testplan

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seriesctl/seriesctl/qemu"
)

const tinyFstests = "testdata/fstests"

// fstestsPlan writes a plan beside a copy of the tiny checkout and loads it.
func fstestsPlan(t *testing.T, dir, entry string) (*Plan, error) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, "fstests")); err != nil {
		if err := os.CopyFS(filepath.Join(dir, "fstests"), os.DirFS(tinyFstests)); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "plan.yaml")
	text := "filesystems:\n  ext4: {mkfs: mkfs.ext4 -q -F, size: 1G}\n  gfs2: {mkfs: mkfs.gfs2 -O, size: 1G, options: acl}\n  tmpfs: {type: tmpfs}\n" +
		"cases:\n  - " + entry + "\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return Load(file)
}

func caseNames(p *Plan) []string {
	var out []string
	for _, c := range p.Cases {
		out = append(out, c.Name)
	}
	return out
}

func TestFstestsPlan(t *testing.T) {
	dir := t.TempDir()
	tests := []struct{ name, entry, want string }{
		{"tests", `fstests: {path: fstests, tests: [generic/003, generic/001]}`, "ext4/generic/003 ext4/generic/001 gfs2/generic/003 gfs2/generic/001"},
		{"patterns", `fstests: {path: fstests, tests: ["generic/00[12]"], filesystems: [gfs2]}`, "gfs2/generic/001 gfs2/generic/002"},
		{"a group of the tests' own", `fstests: {path: fstests, groups: [mmap], filesystems: [ext4]}`, "ext4/generic/003 ext4/generic/004"},
		{"a group from a list", `fstests: {path: fstests, groups: [old], filesystems: [ext4]}`, "ext4/shared/032"},
		{"a group has the tests of the file system", `fstests: {path: fstests, groups: [quick]}`, "ext4/ext4/001 ext4/generic/001 ext4/generic/002 gfs2/generic/001 gfs2/generic/002"},
		{"a group of one directory", `fstests: {path: fstests, groups: [ext4/quick]}`, "ext4/ext4/001"},
		{"each once", `fstests: {path: fstests, tests: [generic/003], groups: [mmap], filesystems: [ext4]}`, "ext4/generic/003 ext4/generic/004"},
		{"exclude", `fstests: {path: fstests, groups: [all], exclude: ["*/00[1-5]", dangerous, shared/all, freeze], filesystems: [ext4]}`, "ext4/generic/006 ext4/generic/008"},
		{"a test of one file system", `fstests: {path: fstests, tests: [ext4/001]}`, "ext4/ext4/001"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := fstestsPlan(t, dir, tt.entry)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(caseNames(p), " "); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
	p, err := fstestsPlan(t, dir, `{fstests: {path: fstests, tests: [generic/001], filesystems: [gfs2], timeout: 7m, scratch: false}, runs: 3, expect: fail EFAULT}`)
	if err != nil {
		t.Fatal(err)
	}
	c := p.Cases[0]
	if c.Kind != KindFstests || c.Reproducer != "generic/001" || c.Runs != 3 || c.Expect.String() != "fail EFAULT" || c.Group() != "gfs2" {
		t.Errorf("got %+v", c)
	}
	want := qemu.Case{Argv: []string{fstestProgram, "generic/001", "-O"}, Filesystem: "gfs2", Timeout: 7 * time.Minute, System: true}
	if !slices.Equal(c.Run.Argv, want.Argv) || c.Run.Timeout != want.Timeout || !c.Run.System || c.Run.Scratch || c.Run.Filesystem != "gfs2" {
		t.Errorf("got %+v, want %+v", c.Run, want)
	}
	if p.Filesystems[0].Scratch || p.Filesystems[1].Scratch {
		t.Error("a scratch disk that nobody asked for")
	}
	p, err = fstestsPlan(t, dir, `fstests: {path: fstests, groups: [mmap, ext4/quick], filesystems: [ext4]}`)
	if err != nil {
		t.Fatal(err)
	}
	if !p.Filesystems[0].Scratch || p.Filesystems[1].Scratch || p.Cases[0].Run.Timeout != fstestTimeout {
		t.Errorf("got %+v", p.Filesystems)
	}
	if got := []GroupTests{{"mmap", "ext4", 2}, {"ext4/quick", "ext4", 1}}; !slices.Equal(p.Fstests.Groups, got) || p.Fstests.Path != filepath.Join(dir, "fstests") {
		t.Errorf("got %+v", p.Fstests)
	}
}

func TestFstestsNeeds(t *testing.T) {
	p, err := fstestsPlan(t, t.TempDir(), `fstests: {path: fstests, tests: [generic/001], filesystems: [gfs2]}`)
	if err != nil {
		t.Fatal(err)
	}
	f, ok := p.SystemFiles("built")
	if got := strings.Join(f.Needed, " "); !ok || got != "awk bash bc df fsck.gfs2 mkfs mkfs.gfs2 mount perl sed umount xfs_io" {
		t.Errorf("got %s, %t", got, ok)
	}
	if p, err = fstestsPlan(t, t.TempDir(), `reproducer: sanity`); err != nil {
		t.Fatal(err)
	}
	if _, ok := p.SystemFiles("built"); ok {
		t.Error("a system for a plan without fstests")
	}
}

func TestFstestsPlanErrors(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "empty", "tests"), 0o755); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ entry, want, hint string }{
		{`fstests: {tests: [generic/001]}`, "6:14: fstests: no path", ""},
		{`fstests: {path: fstests}`, "6:14: fstests: no tests and no groups", ""},
		{`fstests: {path: nowhere, tests: [generic/001]}`, "6:21: path: DIR/nowhere: no checkout of fstests: it has no common/rc", "git clone"},
		{`fstests: {path: empty, tests: [generic/001]}`, "6:21: path: DIR/empty: no checkout of fstests: it has no common/rc", "git clone"},
		{`fstests: {path: fstests, tests: [generic/010]}`, `6:38: the checkout has no test "generic/010"`, "did you mean generic/001"},
		{`fstests: {path: fstests, tests: [generic/001, xfs/001]}`, `6:51: the checkout has no test "xfs/001"`, "tests are named like ext4/001"},
		{`fstests: {path: fstests, tests: [ext4/001], filesystems: [gfs2]}`, "6:38: test ext4/001 is for file systems that the entry has not", ""},
		{`fstests: {path: fstests, groups: [mmpa]}`, `6:39: the checkout has no group "mmpa"`, "did you mean mmap"},
		{`fstests: {path: fstests, groups: [auto], exclude: [dngerous]}`, `6:56: exclude: the checkout has no test and no group "dngerous"`, "did you mean dangerous"},
		{`fstests: {path: fstests, groups: [auto], exclude: [generic/099]}`, `6:56: exclude: the checkout has no test and no group "generic/099"`, "did you mean"},
		{`fstests: {path: fstests, groups: [mmap], exclude: [generic/all]}`, "6:5: fstests: nothing is left to run", ""},
		{`fstests: {path: fstests, groups: [auto], filesystems: [tmpfs]}`, "6:59: fstests: file system tmpfs is not on a disk", ""},
		{`fstests: {path: fstests, groups: [auto], timeout: 2h}`, "6:55: timeout", ""},
		{`fstests: {path: fstests, group: [auto]}`, "6:30: fstests: unknown key", "groups"},
		{`{fstests: {path: fstests, groups: [auto]}, name: x}`, "6:48: case: unknown key", ""},
		{"fstests: {path: fstests, groups: [mmap]}\n  - fstests: {path: ../fstests, groups: [mmap]}", "7:21: path: a plan has one checkout of fstests, DIR/fstests", "two plans"},
		{"fstests: {path: fstests, groups: [mmap]}\n  - fstests: {path: fstests, tests: [generic/003]}", "7:5: case ext4/generic/003 twice", ""},
	}
	for _, tt := range tests {
		_, err := fstestsPlan(t, dir, tt.entry)
		var pe *PlanError
		if !errors.As(err, &pe) {
			t.Errorf("%s: got %v, want an error", tt.entry, err)
			continue
		}
		if got := strings.ReplaceAll(err.Error(), dir, "DIR"); !strings.Contains(got, "plan.yaml:"+tt.want) {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.entry, got, tt.want)
		}
		if !strings.Contains(pe.Hint(), tt.hint) {
			t.Errorf("%s: hint %q, want %q", tt.entry, pe.Hint(), tt.hint)
		}
	}
}

// TestFstestsHash edits files of a checkout: only the tests that they belong to may get another hash.
func TestFstestsHash(t *testing.T) {
	dir := t.TempDir()
	hashes := func() map[string]string {
		p, err := fstestsPlan(t, dir, `fstests: {path: fstests, groups: [all], filesystems: [ext4]}`)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for _, c := range p.Cases {
			out[c.Reproducer] = c.Hash
		}
		return out
	}
	edits := []struct {
		file string
		want []string
	}{
		{"tests/generic/001", []string{"generic/001"}},
		{"tests/generic/002.out", []string{"generic/002"}},
		{"tests/generic/002.cfg", []string{"generic/002"}},
		{"tests/shared/group", nil},
		{"common/rc", nil}, // in the key of the system
		{"src/say.c", nil},
	}
	for _, e := range edits {
		before := hashes()
		f, err := os.OpenFile(filepath.Join(dir, "fstests", e.file), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err == nil {
			_, err = f.WriteString("# edited\n")
			f.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		var changed []string
		for name, h := range hashes() {
			if before[name] != h {
				changed = append(changed, name)
			}
		}
		if !slices.Equal(changed, e.want) {
			t.Errorf("%s: changes %v, want %v", e.file, changed, e.want)
		}
	}
	if h := hashes(); len(slices.Compact(slices.Sorted(maps.Values(h)))) != len(h) {
		t.Error("two tests have the same hash")
	}
}

func TestFstestsSelect(t *testing.T) {
	p, err := fstestsPlan(t, t.TempDir(), "fstests: {path: fstests, tests: [generic/001, generic/003, ext4/001]}\n  - reproducer: sanity")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ glob, want string }{
		{"generic/001", "ext4/generic/001 gfs2/generic/001"},
		{"generic/*", "ext4/generic/001 ext4/generic/003 gfs2/generic/001 gfs2/generic/003"},
		{"gfs2/*", "gfs2/generic/001 gfs2/generic/003 gfs2/sanity"},
		{"gfs2/generic/*", "gfs2/generic/001 gfs2/generic/003"},
		{"*/sanity", "ext4/sanity gfs2/sanity tmpfs/sanity"},
		{"sanity", "ext4/sanity gfs2/sanity tmpfs/sanity"},
		{"*", "ext4/generic/001 ext4/generic/003 ext4/ext4/001 ext4/sanity gfs2/generic/001 gfs2/generic/003 gfs2/sanity tmpfs/sanity"},
	} {
		s, err := p.Select([]string{tt.glob})
		if err != nil {
			t.Errorf("%s: %v", tt.glob, err)
		} else if got := strings.Join(caseNames(s), " "); got != tt.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.glob, got, tt.want)
		}
	}
}

func TestJudgeFstest(t *testing.T) {
	warning := &qemu.Crash{Type: "WARNING", Title: "WARNING in ext4_set_page_dirty", Report: "WARNING: CPU: 0"}
	bug := &qemu.Crash{Type: "BUG", Title: "kernel BUG in gfs2_glock_nq", Fatal: true, Report: "kernel BUG at fs/gfs2/glock.c:1"}
	diff := func(lines ...string) string {
		return "fstests: output\n  --- expected\n  +++ written\n  @@ -1 +1 @@\n   QA output\n  " + strings.Join(lines, "\n  ") + "\n"
	}
	exited := func(status int, output string) qemu.Observation {
		return qemu.Observation{Exited: true, Status: status, Output: output}
	}
	with := func(o qemu.Observation, c *qemu.Crash) qemu.Observation { o.Crash = c; return o }
	tests := []struct {
		name string
		o    qemu.Observation
		want Judgement
	}{
		{"pass", exited(0, "result: test pass\n"), Judgement{Pass, "", "result: test pass"}},
		{"pass, and a warning", with(exited(0, "result: test pass\n"), warning), Judgement{Warn, warning.Title, "WARNING: CPU: 0"}},
		{"pass, and a warning that it wants", with(exited(0, "fstests: dmesg\nresult: test pass\n"), warning), Judgement{Pass, "", "result: test pass"}},
		{"pass, and a BUG", with(exited(0, "fstests: dmesg\nresult: test pass\n"), bug), Judgement{Crash, bug.Title, bug.Report}},
		{"skip", exited(0, "result: test skip needs SCRATCH_DEV\n"), Judgement{None, "not run: needs SCRATCH_DEV", "result: test skip needs SCRATCH_DEV"}},
		{"skip without a reason", exited(0, "result: test skip \n"), Judgement{None, "not run:", "result: test skip"}},
		{"skip, and a warning", with(exited(0, "result: test skip x\n"), warning), Judgement{Warn, warning.Title, "WARNING: CPU: 0"}},
		{"skip is said by the last line alone", exited(1, "result: test skip x\nresult: test fail output\n"), Judgement{Fail, "output mismatch", "output mismatch"}},
		{"exit", exited(1, "result: test fail exit=3\n"), Judgement{Fail, "exit 3", "exit 3"}},
		{"exit and other output", exited(1, diff("+pread: Bad address")+"result: test fail exit=1 output\n"), Judgement{Fail, "exit 1 EFAULT", "wrote: pread: Bad address"}},
		{"other output", exited(1, diff("-a", "+b")+"result: test fail output\n"), Judgement{Fail, "output mismatch", "wrote: b"}},
		{"missing output", exited(1, diff("-a")+"result: test fail output\n"), Judgement{Fail, "output mismatch", "did not write: a"}},
		{"an errno that is expected", exited(1, diff("-x: Bad address", "+x: ok")+"result: test fail output\n"), Judgement{Fail, "output mismatch", "wrote: x: ok"}},
		{"errnos, each once and not all", exited(1, diff("+a: Invalid argument", "+b: Bad address", "+c: Bad address", "+d: File exists", "+e: Text file busy")+"result: test fail output\n"),
			Judgement{Fail, "output mismatch EEXIST EFAULT EINVAL", "wrote: a: Invalid argument"}},
		{"an errno in another section", exited(1, "fstests: full\n  +x: Bad address\nresult: test fail output\n"), Judgement{Fail, "output mismatch", "output mismatch"}},
		{"no golden", exited(1, "result: test fail golden\n"), Judgement{Fail, "no expected output", "no expected output"}},
		{"inconsistent", exited(1, "fstests: fsck\n  bad\nresult: test fail test-fs\n"), Judgement{Fail, "test fs inconsistent", "test fs inconsistent"}},
		{"all of it", exited(1, "result: test fail exit=1 output test-fs scratch-fs\n"), Judgement{Fail, "exit 1+test fs inconsistent+scratch fs inconsistent", "exit 1+test fs inconsistent+scratch fs inconsistent"}},
		{"a failure stays one with a warning", with(exited(1, "result: test fail exit=1\n"), warning), Judgement{Fail, "exit 1", "exit 1"}},
		{"no result", exited(0, "bash: not found\n"), Judgement{Infra, "no result", "the script that runs the test ended with status 0 and no result"}},
		{"no result, status", exited(125, ""), Judgement{Infra, "no result", "the script that runs the test ended with status 125 and no result"}},
		{"another result", exited(0, "result: pass\n"), Judgement{Infra, "no result", "the script that runs the test ended with status 0 and no result"}},
		{"a failure of nothing", exited(1, "result: test fail\n"), Judgement{Infra, "no result", "the script that runs the test ended with status 1 and no result"}},
		{"an unknown failure", exited(1, "result: test fail rm=1\n"), Judgement{Infra, "no result", "the script that runs the test ended with status 1 and no result"}},
		{"an exit status of no program", exited(1, "result: test fail exit=4711\n"), Judgement{Infra, "no result", "the script that runs the test ended with status 1 and no result"}},
		{"killed", qemu.Observation{Exited: true, Signal: 9}, Judgement{Fail, "signal SIGKILL", "killed by SIGKILL"}},
		{"time up", qemu.Observation{TimedOut: true, Output: "result: test pass\n"}, Judgement{Timeout, "", "still moving when its time was up"}},
		{"BUG", qemu.Observation{Crash: bug}, Judgement{Crash, bug.Title, bug.Report}},
		{"deadlock", qemu.Observation{Hang: &qemu.Hang{Tasks: []qemu.Stack{
			{Comm: "bash", State: "S", Frames: []string{"do_wait+0x1/0x2", "kernel_wait4+0x1/0x2"}},
			{Comm: "mmap-rw-fault", State: "D", Frames: []string{"gfs2_glock_wait+0x1/0x2", "gfs2_glock_nq+0x1/0x2", "gfs2_fault+0x1/0x2"}}}}},
			Judgement{Deadlock, "gfs2_glock_nq", ""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := (&Case{Kind: KindFstests}).Judge(tt.o)
			if tt.want.Outcome == Deadlock { // which function it is put down to is judgeHang's business
				got.Evidence, tt.want.Signature = "", got.Signature
			}
			if got != tt.want {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

// FuzzJudgeFstest feeds what a hostile guest may write.
func FuzzJudgeFstest(f *testing.F) {
	f.Add(1, "fstests: output\n  +x: Bad address\nresult: test fail exit=1 output\n")
	f.Fuzz(func(t *testing.T, status int, output string) {
		j := (&Case{Kind: KindFstests}).Judge(qemu.Observation{Exited: true, Status: status, Output: output})
		if len(j.Signature) > 203 || len(j.Evidence) > 203 || strings.ContainsAny(j.Signature+j.Evidence, "\n\x1b") {
			t.Errorf("got %+v", j)
		}
	})
}

// TestFstestsCheckout reads a real checkout: SERIESCTL_FSTESTS.
func TestFstestsCheckout(t *testing.T) {
	dir := os.Getenv("SERIESCTL_FSTESTS")
	if dir == "" {
		t.Skip("SERIESCTL_FSTESTS is not the path of a checkout of fstests")
	}
	c, err := readCheckout(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.names) < 500 {
		t.Errorf("%d tests", len(c.names))
	}
	for _, name := range c.names {
		if len(c.tests[name]) == 0 && !strings.HasPrefix(name, "selftest/") {
			t.Errorf("%s is in no group", name)
		}
	}
	if !slices.Contains(c.group("auto", "gfs2"), "generic/001") || slices.Contains(c.group("auto", "gfs2"), "xfs/002") || !slices.Contains(c.group("auto", "xfs"), "xfs/002") {
		t.Error("group auto is not what check makes of it")
	}
	t.Logf("%d tests, %d groups, %d in mmap for gfs2", len(c.names), len(c.groups()), len(c.group("mmap", "gfs2")))
}
