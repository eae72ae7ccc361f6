package lab

import (
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
