package series

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
)

// What a power cut leaves of a pack, or of a file of one object, is made whole by the next apply.
func TestStoredObjectsSurviveDamage(t *testing.T) {
	dir := newGitRepo(t, map[string]string{"f": "1\n", "d/g": "x\n"})
	r, err := OpenRepo(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	patches := []*Patch{{Subject: "1", Diff: lineDiff("f", "1", "2")}, {Subject: "2", Diff: lineDiff("d/g", "x", "y")}}
	apply := func() Variant {
		t.Helper()
		s, err := r.OpenSource(t.Context(), dir, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		v, err := s.Prefixes(t.Context(), patches, ApplyOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return v[2]
	}
	v := apply()
	check := func(what string) {
		t.Helper()
		if out := mustGit(t, r.dir, "fsck", "--full", "--strict"); strings.Contains(out, "error") {
			t.Errorf("%s: %s", what, out)
		}
		if out := mustGit(t, r.dir, "show", string(v.Commit)+":d/g"); out != "y" {
			t.Errorf("%s: d/g is %q", what, out)
		}
	}
	check("new")
	packs, err := filepath.Glob(filepath.Join(r.dir, "objects", "pack", "*.*"))
	if err != nil || len(packs) != 2 {
		t.Fatal(packs, err)
	}
	for _, path := range packs {
		whole := readFile(t, path)
		flipped := append([]byte(nil), whole...)
		flipped[len(flipped)/2] ^= 1
		for what, damaged := range map[string][]byte{"empty": nil, "cut": whole[:len(whole)/2], "flipped": flipped} {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, damaged, 0o666); err != nil {
				t.Fatal(err)
			}
			if again := apply(); again.Commit != v.Commit {
				t.Errorf("%s: commit is %s, was %s", what, again.Commit, v.Commit)
			}
			check(filepath.Ext(path) + " " + what)
		}
	}
	// As an older version has written it: a file of its own, cut off.
	loose := filepath.Join(r.dir, "objects", string(v.Tree)[:2], string(v.Tree)[2:])
	if err := os.MkdirAll(filepath.Dir(loose), 0o777); err != nil {
		t.Fatal(err)
	}
	for _, damaged := range []string{"", "x\x01"} {
		if err := os.WriteFile(loose, []byte(damaged), 0o666); err != nil {
			t.Fatal(err)
		}
		s := openTestSource(t, dir, "")
		s.objects.own = newCatFiles(t.Context(), r.dir)
		if got, err := s.ReadFile(v.Tree, "d/g"); err != nil || string(got) != "y\n" {
			t.Errorf("d/g is %q %v", got, err)
		}
		if again := apply(); again.Commit != v.Commit {
			t.Errorf("commit is %s, was %s", again.Commit, v.Commit)
		}
	}
}

// Nothing is written for what is only tried; what is applied again is not written again.
func TestOnlyPrefixesStores(t *testing.T) {
	dir := newGitRepo(t, map[string]string{"f": "1\n"})
	s := openTestSource(t, dir, "")
	packs := func() int {
		all, err := filepath.Glob(filepath.Join(s.repo.dir, "objects", "*", "*"))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, p := range all {
			if filepath.Base(filepath.Dir(p)) != "info" {
				n++
			}
		}
		return n
	}
	before := packs()
	patches := []*Patch{{Subject: "1", Diff: lineDiff("f", "1", "2")}, {Subject: "2", Diff: lineDiff("f", "2", "3")}}
	tried, err := s.Try(t.Context(), patches, ApplyOptions{})
	if err != nil || tried[2].Status != Applied || packs() != before {
		t.Errorf("%+v %v; %d objects, were %d", tried, err, packs(), before)
	}
	if v, err := s.Try(t.Context(), []*Patch{patches[1], patches[0]}, ApplyOptions{}); err != nil || v[1].Status != Conflict || v[2].Status != Blocked {
		t.Errorf("%+v %v", v, err)
	}
	v, err := s.Prefixes(t.Context(), patches, ApplyOptions{})
	if err != nil || v[2].Commit != tried[2].Commit || packs() != before+2 {
		t.Errorf("%+v %v; %d objects", v, err, packs())
	}
	mustGit(t, s.repo.dir, "rev-list", "--objects", string(v[2].Commit))
	if _, err := s.Prefixes(t.Context(), patches, ApplyOptions{}); err != nil || packs() != before+2 {
		t.Errorf("%v; %d objects", err, packs())
	}
}

// Objects of every size come out of a pack as they were: a stored block has at most 65535 bytes.
func TestPackOfAnySize(t *testing.T) {
	needGit(t)
	r, err := OpenRepo(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	all := map[plumbing.Hash]gitObject{}
	for _, size := range []int{0, 1, 0xfffe, 0xffff, 0x10000, 2 * 0xffff, 200_000} {
		data := bytes.Repeat([]byte("0123456\n"), size/8+1)[:size]
		all[plumbing.ComputeHash(plumbing.BlobObject, data)] = gitObject{plumbing.BlobObject, data}
	}
	if err := r.writePack(all); err != nil {
		t.Fatal(err)
	}
	mustGit(t, r.dir, "fsck", "--full", "--strict")
	read := newCatFiles(t.Context(), r.dir)
	defer func() { _ = read.close() }()
	for id, want := range all {
		kind, data, err := read.object(t.Context(), id)
		if err != nil || kind != want.kind || !bytes.Equal(data, want.data) {
			t.Errorf("%d bytes: got a %s of %d, %v", len(want.data), kind, len(data), err)
		}
	}
}
