package series

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func lineDiff(file, from, to string) []byte {
	return []byte("--- a/" + file + "\n+++ b/" + file + "\n@@ -1 +1 @@\n-" + from + "\n+" + to + "\n")
}

func TestPrefixesBlockAndResolve(t *testing.T) {
	dir := newGitRepo(t, map[string]string{"f": "1\n", "p": "1\n"})
	s := openTestSource(t, dir, "")
	patches := []*Patch{
		{Index: 1, Subject: "one", Diff: lineDiff("f", "1", "2")},
		{Index: 2, Subject: "gfs2: Two  of\tthem", Author: "A <a@b>", Diff: lineDiff("f", "7", "3"), CommitMessage: "gfs2: Two\n\nWhy.\n"},
		{Index: 3, Subject: "three", Diff: lineDiff("f", "3", "4")},
	}
	statuses := func(v []Variant) string {
		var out []string
		for _, v := range v {
			out = append(out, string(v.Status)+":"+string(v.How))
		}
		return strings.Join(out, " ")
	}
	v, err := s.Prefixes(t.Context(), patches, ApplyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := statuses(v), "applied: applied:exact conflict: blocked:"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if v[2].Tree != "" || v[3].Tree != "" || len(v[2].Conflicts) != 1 {
		t.Errorf("got %+v", v)
	}

	res := t.TempDir()
	mail := func(subject string, diff []byte) string {
		return "From 0 Mon Sep 17 00:00:00 2001\nFrom: x <x@x>\nSubject: " + subject + "\n\n---\n f | 2 +-\n\n" + string(diff) + "-- \n2.39\n"
	}
	writeTree(t, res, map[string]string{
		"0002-two.patch":   mail("[PATCH v2 2/3] gfs2: two of\n them", lineDiff("f", "2", "3")),
		"0009-two.patch":   mail("[PATCH] gfs2: Two of them", lineDiff("f", "no", "3")),
		"0001-one.patch":   mail("[PATCH] one", lineDiff("f", "1", "not needed")),
		"0003-other.patch": mail("[PATCH] other", lineDiff("f", "3", "x")),
		"README":           "not a patch\n",
	})
	o := ApplyOptions{Resolutions: res, Prerequisites: []*Patch{{Subject: "pre", Diff: lineDiff("p", "1", "2")}}}
	if v, err = s.Prefixes(t.Context(), patches, o); err != nil {
		t.Fatal(err)
	}
	if got, want := statuses(v), "applied:exact applied:exact applied:resolution applied:exact"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := mustGit(t, s.repo.dir, "log", "-1", "--format=%an <%ae>%n%B", string(v[2].Commit)); got != "A <a@b>\ngfs2: Two\n\nWhy." {
		t.Errorf("commit is %s", got)
	}
	for path, want := range map[string]string{"f": "4\n", "p": "2\n"} {
		if got, err := s.ReadFile(v[3].Tree, path); err != nil || string(got) != want {
			t.Errorf("%s is %q %v", path, got, err)
		}
	}

	o.Prerequisites[0].Diff = lineDiff("p", "7", "2")
	_, err = s.Prefixes(t.Context(), patches, o)
	var pre *PrerequisiteError
	if !errors.As(err, &pre) || hintOf(err) == "" || !strings.Contains(err.Error(), `apply prerequisite "pre": p hunk 1 (line 1): `) {
		t.Errorf("got %v", err)
	}
	if _, err = s.Prefixes(t.Context(), patches, ApplyOptions{Resolutions: filepath.Join(res, "none")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = s.Prefixes(ctx, patches, ApplyOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// What comes by mail cannot break out of a commit's fields.
func TestSignature(t *testing.T) {
	for author, want := range map[string]string{
		"A U Thor <a@b.c>":           "A U Thor <a@b.c> 0 +0000",
		"Evil <x@y>\nparent 0 <z@z>": "Evil x@yparent 0 <z@z> 0 +0000",
		"\"Quoted, Name.\" <a@b>":    "Quoted, Name <a@b> 0 +0000",
		"a@b.c":                      "a@b.c <a@b.c> 0 +0000",
		"<a@b.c>":                    "a@b.c <a@b.c> 0 +0000",
		"":                           " <> 0 +0000",
		"Jöhn <j@x>":                 "Jöhn <j@x> 0 +0000",
	} {
		sig := signature(author, time.Time{})
		var b strings.Builder
		if err := sig.Encode(&b); err != nil {
			t.Fatal(err)
		}
		if b.String() != want {
			t.Errorf("%q: %q, want %q", author, b.String(), want)
		}
	}
}

// realSeries gives the RFC the program was conceived for, its prerequisite and the kernel it was tried on.
func realSeries(t testing.TB) (source string, patches []*Patch, o ApplyOptions) {
	source = os.Getenv("SERIESCTL_LINUX_5_10")
	if source == "" {
		t.Skip("SERIESCTL_LINUX_5_10 does not name a linux-source-5.10 (5.10.223-1)")
	}
	data := os.Getenv("SERIESCTL_DATA")
	if data == "" {
		data = "../../shared/data"
	}
	read := func(name string) []*Patch {
		mbox, err := os.ReadFile(filepath.Join(data, "series", name))
		if errors.Is(err, os.ErrNotExist) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		return mailPatches(t, mbox)
	}
	return source, read("gfs2-mmap-rfc-v1.mbox"), ApplyOptions{
		Prerequisites: read("gfs2-mmap-rfc-v1-prerequisite.mbox"),
		Resolutions:   filepath.Join(data, "fixups", "linux-5.10"),
	}
}

func TestRealSeries(t *testing.T) {
	source, patches, o := realSeries(t)
	s := openTestSource(t, source, "")
	v, err := s.Prefixes(t.Context(), patches, o)
	if err != nil {
		t.Fatal(err)
	}
	// Trees 0 to 5 are those of git am 2.39 in a repository with `git add -A -f` of the source.
	want := []struct {
		how  How
		tree Hash
	}{
		{Offset, "9f76294a9fc9e1cfc46f9c02a7c757289093a556"},
		{Offset, "ab6487ddde81b198afec989f0ddcd7f68baed121"},
		{Offset, "4fd7bd7cccd2ff3cba71096be5d201da11336397"},
		{Exact, "779c9b791a21059dea1e145a6ee8fdd64a27df90"},
		{Offset, "127431e10711204149eff3a8151e68e99c24a4b2"},
		{Offset, "a0bf97f94c303748e66c888f1b3f07b38d1c8354"},
		{ByResolution, ""}, {Offset, ""}, {ByResolution, ""}, {ByResolution, ""},
	}
	if len(v) != len(want) {
		t.Fatalf("%d variants, want %d", len(v), len(want))
	}
	for i, w := range want {
		if v[i].Status != Applied || v[i].How != w.how || w.tree != "" && v[i].Tree != w.tree {
			t.Errorf("prefix %d: %+v, want %+v", i, v[i], w)
		}
	}
}

// What opening a plain kernel source costs when its files are known already.
func BenchmarkOpenPlainWarm(b *testing.B) {
	source, _, _ := realSeries(b)
	r, err := OpenRepo(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	open := func() {
		s, err := r.OpenSource(b.Context(), source, "", nil)
		if err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
	open()
	for b.Loop() {
		open()
	}
}
