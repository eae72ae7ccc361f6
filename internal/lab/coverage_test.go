package lab

import (
	"reflect"
	"testing"

	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/qemu"
)

func TestCoverage(t *testing.T) {
	in := qemu.FileUse{Use: qemu.UseCompiled, Objects: 1}
	out := qemu.FileUse{Use: qemu.UseNotCompiled}
	needs := qemu.FileUse{Use: qemu.UseNotCompiled, Expected: true, Needs: []qemu.Need{{Option: "CONFIG_X"}}}
	perhaps := qemu.FileUse{Use: qemu.UseNotCompiled, Expected: true} // another file may include it
	header := qemu.FileUse{Use: qemu.UseHeader, Objects: 3}
	unused := qemu.FileUse{Use: qemu.UseHeader}
	doc, build := qemu.FileUse{Use: qemu.UseNotCode}, qemu.FileUse{Use: qemu.UseBuild}
	for _, tt := range []struct {
		want  Coverage
		files []qemu.FileUse
	}{
		{"", nil}, {CoverageAll, []qemu.FileUse{in, header, doc, build}}, {CoverageNone, []qemu.FileUse{out, build, doc}}, {CoverageNone, []qemu.FileUse{unused}},
		{CoverageNone, []qemu.FileUse{needs}}, {CoveragePart, []qemu.FileUse{in, out}}, {CoveragePart, []qemu.FileUse{header, out}},
		{CoverageNoCode, []qemu.FileUse{doc, doc}}, {"", []qemu.FileUse{build, doc}}, {"", []qemu.FileUse{perhaps}}, {"", []qemu.FileUse{{Use: qemu.UseHeader, Expected: true}}},
	} {
		if got := coverage(tt.files); got != tt.want {
			t.Errorf("%+v: got %q, want %q", tt.files, got, tt.want)
		}
	}
}

func TestCoverageIsThatOfThePatchsOwnFiles(t *testing.T) {
	e, _ := newFake(t, 3, "read")
	uses := []qemu.FileUse{{File: "a.c", Use: qemu.UseCompiled, Objects: 1}, {File: "b.c", Use: qemu.UseNotCompiled}}
	for i := range e.Spec.Variants {
		v := &e.Spec.Variants[i]
		v.Files = [][]string{nil, {"b.c"}, {"a.c", "other.c"}}[i]
		if err := e.Store.PutBuild(v.Key, store.Build{Image: v.Key, Files: uses}); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Load(e.Store, e.Spec)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []Coverage{"", CoverageNone, ""} { // of prefix 2 a build for another series knows one file only
		if p := r.Prefixes[i]; p.Coverage != want {
			t.Errorf("prefix %d: %q, want %q", i, p.Coverage, want)
		}
	}
}

// What a check says is stored, and a patch is charged with what the prefix before did not have.
func TestChecksAreDoneOnceAndCompared(t *testing.T) {
	e, f := newFake(t, 3, "read")
	e.Spec.Checks = []string{qemu.CheckPatch, qemu.CheckW1}
	old := qemu.Diagnostic{File: "a.c", Line: 3, Kind: "warning", Text: "old"}
	moved := old
	moved.Line = 9
	fresh := qemu.Diagnostic{File: "a.c", Line: 4, Kind: "warning", Text: "new"}
	other := qemu.Diagnostic{File: "b.c", Line: 4, Kind: "warning", Text: "of another patch's file"}
	for i := range e.Spec.Variants {
		v := &e.Spec.Variants[i]
		v.Files = []string{"a.c"}
		v.Checks = map[string]string{qemu.CheckW1: "w1 " + v.Key}
		if i > 0 {
			v.Checks[qemu.CheckPatch] = "cp " + v.Key
		}
	}
	said := map[string][]qemu.Diagnostic{
		"k1 checkpatch": {{Kind: "error", Text: "SPACING: x"}},
		"k0 W=1":        {old}, "k1 W=1": {moved, fresh, other}, "k2 W=1": {moved, fresh, other},
	}
	f.said = func(key, check string) []qemu.Diagnostic { return said[key+" "+check] }
	r := mustRun(t, e)
	want := []CheckStatus{CheckOK, CheckOK, CheckFound, CheckFound}
	for i, c := range r.Prefixes[1].Checks {
		if c.Status != want[i] {
			t.Errorf("%s: %q, want %q", c.Name, c.Status, want[i])
		}
	}
	if got := r.Prefixes[1].Checks[3].New; !reflect.DeepEqual(got, []qemu.Diagnostic{fresh}) {
		t.Errorf("new: %v", got)
	}
	if c := r.Prefixes[2].Checks; c[2].Status != CheckOK || c[3].Status != CheckOK {
		t.Errorf("prefix 2: %+v", c)
	}
	done := len(f.checks)
	if mustRun(t, e); len(f.checks) != done || done != 5 {
		t.Errorf("%d checks, then %v", done, f.checks[done:])
	}
}

func TestCheckThatCanNotBeDoneIsNoFinding(t *testing.T) {
	e, f := newFake(t, 3, "read")
	e.Spec.Checks = []string{qemu.CheckSparse}
	for i := range e.Spec.Variants {
		e.Spec.Variants[i].Checks = map[string]string{qemu.CheckSparse: "sparse " + e.Spec.Variants[i].Key}
	}
	r := mustRun(t, e)
	if c := r.Prefixes[1].Checks[2]; c.Status != CheckNone || len(f.checks) != 1 {
		t.Errorf("%+v, tried %v", c, f.checks)
	}
}
