package series

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// snapshot is every name below dir with all that a write would change.
func snapshot(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		text := fmt.Sprint(fi.Mode(), fi.Size(), fi.ModTime().UnixNano())
		if fi.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text += fmt.Sprintf(" %x", sha256.Sum256(data))
		}
		all[path] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Whatever is done on top of a source, nothing in it changes: no file, no time, nothing in .git.
func TestSourceIsNeverWritten(t *testing.T) {
	text := numbered(30, "line %d")
	origin := newGitRepo(t, map[string]string{"f": text, "d/g": "two\n", "link": "@f"})
	writeTree(t, origin, map[string]string{"f": strings.Replace(text, "line 9\n", "nine\n", 1), "moved": "-"})
	merges := []byte(mustGit(t, origin, "diff") + "\n")
	writeTree(t, origin, map[string]string{"d/g": "-", "d/moved": "two\n"})
	mustGit(t, origin, "add", "-A")
	renames := []byte(mustGit(t, origin, "diff", "--cached", "-M", "HEAD") + "\n")
	mustGit(t, origin, "reset", "-q", "--hard")
	writeTree(t, origin, map[string]string{"f": strings.Replace(text, "line 12\n", "twelve\n", 1), "untracked": "x\n"})
	mustGit(t, origin, "commit", "-q", "-am", "ours")
	writeTree(t, origin, map[string]string{"d/g": "dirty\n"}) // the index is stale: git would refresh it
	mustGit(t, origin, "config", "uploadpack.allowFilter", "true")
	clone := func(args ...string) string {
		dir := filepath.Join(t.TempDir(), "clone")
		mustGit(t, origin, append(append([]string{"clone", "-q"}, args...), dir)...)
		return dir
	}
	linked := filepath.Join(t.TempDir(), "linked")
	mustGit(t, origin, "worktree", "add", "-q", "--detach", linked)
	sparse := clone(origin)
	mustGit(t, sparse, "sparse-checkout", "set", "--cone", "d")
	plain := t.TempDir()
	writeTree(t, plain, map[string]string{"f": text, "d/g": "two\n", "link": "@f"})
	for name, tc := range map[string]struct{ dir, also string }{
		"work tree": {dir: origin}, "bare": {dir: clone("--bare", origin)}, "linked": {linked, origin},
		"alternates": {clone("-s", origin), origin}, "shallow": {dir: clone("--depth=1", "file://"+origin)},
		"partial": {clone("--bare", "--filter=blob:none", "file://"+origin), origin}, "worktree config": {dir: sparse}, "plain": {dir: plain},
	} {
		t.Run(name, func(t *testing.T) {
			var before []map[string]string
			for _, dir := range []string{tc.dir, tc.also} {
				if dir != "" {
					before = append(before, snapshot(t, dir))
				}
			}
			s := openTestSource(t, tc.dir, "")
			patches := []*Patch{
				{Subject: "new", Diff: []byte(newFileDiff("new", "100644"))},
				{Subject: "merges", Diff: merges}, {Subject: "renames", Diff: renames},
			}
			for _, o := range []ApplyOptions{{}, {ThreeWay: true}, {Fuzz: 2}} {
				for _, apply := range []func() ([]Variant, error){
					func() ([]Variant, error) { return s.Prefixes(t.Context(), patches, o) },
					func() ([]Variant, error) { return s.Try(t.Context(), patches[1:], o) },
				} {
					v, err := apply()
					if err != nil && name == "partial" {
						if strings.Contains(err.Error(), "\n") || hintOf(err) == "" {
							t.Errorf("%v; hint %q", err, hintOf(err))
						}
						continue
					}
					if err != nil {
						t.Fatal(err)
					}
					if name == "partial" || name == "plain" || !o.ThreeWay {
						continue
					}
					if last := v[len(v)-1]; last.Status != Applied && name != "shallow" {
						t.Errorf("%+v: %+v", o, v)
					}
				}
			}
			if name != "partial" {
				_, tree := s.Base()
				if _, err := s.Checkout(t.Context(), tree, filepath.Join(t.TempDir(), "tree"), nil); err != nil {
					t.Fatal(err)
				}
			}
			for i, dir := range []string{tc.dir, tc.also} {
				if dir == "" {
					continue
				}
				after := snapshot(t, dir)
				for path, was := range before[i] {
					if after[path] != was {
						t.Errorf("%s: was %s, is %q", path, was, after[path])
					}
				}
				for path := range after {
					if _, ok := before[i][path]; !ok {
						t.Errorf("%s: is new", path)
					}
				}
			}
		})
	}
}

// A repository whose refs are in a form that git does not know here is refused by what git says, in one line;
// where git knows it, it is used. Its HEAD is what such a repository really has.
func TestReftable(t *testing.T) {
	dir := newGitRepo(t, map[string]string{"f": "1\n"})
	if _, err := tryGit(t.TempDir(), nil, nil, "init", "-q", "--ref-format=reftable"); err == nil {
		dir = t.TempDir()
		mustGit(t, dir, "init", "-q", "--ref-format=reftable")
		writeTree(t, dir, map[string]string{"f": "1\n"})
		commitAll(t, dir, "base")
		s := openTestSource(t, dir, "")
		v, err := s.Prefixes(t.Context(), []*Patch{{Subject: "x", Diff: lineDiff("f", "1", "2")}}, ApplyOptions{})
		if err != nil || v[1].Status != Applied {
			t.Errorf("%+v %v", v, err)
		}
		return
	}
	mustGit(t, dir, "config", "core.repositoryFormatVersion", "1")
	mustGit(t, dir, "config", "extensions.refStorage", "reftable")
	writeTree(t, dir, map[string]string{".git/HEAD": "ref: refs/heads/.invalid\n", ".git/refs/heads": "this repository uses the reftable format\n"})
	r, err := OpenRepo(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.OpenSource(t.Context(), dir, "", nil)
	if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "refstorage") {
		t.Errorf("got %v", err)
	}
}
