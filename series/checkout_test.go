package series

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// holds fails the test unless dir holds exactly the tree.
func holds(t *testing.T, dir string, tree Hash) {
	t.Helper()
	s := openTestSource(t, dir, "")
	if _, got := s.Base(); got != tree {
		t.Errorf("%s holds tree %s, not %s", dir, got, tree)
	}
}

func TestCheckout(t *testing.T) {
	base := map[string]string{
		"f": "1\n", "d/g": "2\n", "d/run": "!x\n", "l": "@f", "deep/er/x": "x\n", "to-dir": "file\n", "to-link/y": "y\n", "away/1/2": "z\n",
	}
	change := map[string]string{
		"f": "one\n", "d/run": "x\n", "l": "@d", "new/n": "n\n", "to-dir": "-", "to-dir/z": "z\n", "to-link": "-", "away": "-",
	}
	repo := newGitRepo(t, base)
	commitAll(t, repo, "same")
	plain := t.TempDir()
	writeTree(t, plain, base)
	for name, source := range map[string]string{"git": repo, "plain": plain} {
		t.Run(name, func(t *testing.T) {
			work := newGitRepo(t, base)
			writeTree(t, work, change)
			writeTree(t, work, map[string]string{"to-link": "@f"})
			commitAll(t, work, "change")
			diff, err := tryGit(work, nil, nil, "diff", "--binary", "--full-index", "--no-renames", "HEAD~1", "HEAD")
			if err != nil {
				t.Fatal(err)
			}
			s := openTestSource(t, source, "")
			v, err := s.Prefixes(t.Context(), []*Patch{{Subject: "x", Diff: []byte(diff + "\n")}}, ApplyOptions{})
			if err != nil || v[1].Status != Applied {
				t.Fatalf("%+v %v", v, err)
			}
			dir := filepath.Join(t.TempDir(), "tree")
			checkout := func(tree Hash) []string {
				t.Helper()
				done, total := 0, 0
				changed, err := s.Checkout(t.Context(), tree, dir, func(d, n int) { done, total = d, n })
				if err != nil {
					t.Fatal(err)
				}
				if done != total {
					t.Errorf("progress ends at %d of %d", done, total)
				}
				holds(t, dir, tree)
				return changed
			}
			if got := checkout(v[0].Tree); len(got) != 8 {
				t.Errorf("first checkout wrote %q", got)
			}
			before, err := os.Stat(filepath.Join(dir, "d/g"))
			if err != nil {
				t.Fatal(err)
			}
			differ := []string{"away/1/2", "d/run", "f", "l", "new/n", "to-dir", "to-dir/z", "to-link", "to-link/y"}
			if got := checkout(v[1].Tree); !slices.Equal(got, differ) {
				t.Errorf("changed %q, want %q", got, differ)
			}
			if got := checkout(v[1].Tree); len(got) != 0 {
				t.Errorf("nothing to do, and changed %q", got)
			}
			if got := checkout(v[0].Tree); !slices.Equal(got, differ) {
				t.Errorf("back: changed %q, want %q", got, differ)
			}
			// Without its record all is compared, and what is not of the tree goes.
			if err := os.Remove(dir + ".tree"); err != nil {
				t.Fatal(err)
			}
			writeTree(t, dir, map[string]string{"d/run": "!y\n", "stray": "s\n", "d/stray/s": "s\n", "l": "@nowhere", "deep/er": "file\n", "f": "-"})
			want := []string{"d/run", "d/stray", "deep/er/x", "f", "l", "stray"}
			if got := checkout(v[0].Tree); !slices.Equal(got, want) {
				t.Errorf("mended %q, want %q", got, want)
			}
			after, err := os.Stat(filepath.Join(dir, "d/g"))
			if err != nil || !after.ModTime().Equal(before.ModTime()) {
				t.Errorf("a file that did not change has another time: %v %v", after, err)
			}
		})
	}
}

// A record is not trusted after an interruption, nor for another directory of the same name.
func TestCheckoutAfterInterruption(t *testing.T) {
	files := map[string]string{}
	for _, n := range strings.Fields("a b c d e f g h") {
		files[n] = n + "\n"
	}
	repo := newGitRepo(t, files)
	s := openTestSource(t, repo, "")
	var diff strings.Builder
	for n := range files {
		diff.Write(lineDiff(n, n, n+n))
	}
	v, err := s.Prefixes(t.Context(), []*Patch{{Subject: "x", Diff: []byte(diff.String())}}, ApplyOptions{})
	if err != nil || v[1].Status != Applied {
		t.Fatalf("%+v %v", v, err)
	}
	dir := filepath.Join(t.TempDir(), "tree")
	if _, err := s.Checkout(t.Context(), v[0].Tree, dir, nil); err != nil {
		t.Fatal(err)
	}
	ctx := &endsAfter{Context: t.Context(), checks: 6}
	if _, err := s.Checkout(ctx, v[1].Tree, dir, nil); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if _, err := os.Stat(dir + ".tree"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an interrupted checkout left its record: %v", err)
	}
	if _, err := s.Checkout(t.Context(), v[0].Tree, dir, nil); err != nil {
		t.Fatal(err)
	}
	holds(t, dir, v[0].Tree)
	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	if changed, err := s.Checkout(t.Context(), v[0].Tree, dir, nil); err != nil || len(changed) != len(files) {
		t.Errorf("into a new directory: %q %v", changed, err)
	}
	holds(t, dir, v[0].Tree)
}

// endsAfter is a context that is cancelled when it has been asked checks times.
type endsAfter struct {
	context.Context
	checks int
}

func (c *endsAfter) Err() error {
	if c.checks--; c.checks < 0 {
		return context.Canceled
	}
	return nil
}

// Links, of the tree or planted by a build, do not lead a checkout out of its directory.
func TestCheckoutStaysInside(t *testing.T) {
	outside := t.TempDir()
	repo := newGitRepo(t, map[string]string{"d/f": "1\n", "link": "@" + outside, "up": "@../../.."})
	s := openTestSource(t, repo, "")
	v, err := s.Prefixes(t.Context(), []*Patch{{Subject: "x", Diff: append(lineDiff("d/f", "1", "2"), "--- /dev/null\n+++ b/d/new\n@@ -0,0 +1 @@\n+2\n"...)}}, ApplyOptions{})
	if err != nil || v[1].Status != Applied {
		t.Fatalf("%+v %v", v, err)
	}
	dir := filepath.Join(t.TempDir(), "tree")
	if _, err := s.Checkout(t.Context(), v[0].Tree, dir, nil); err != nil {
		t.Fatal(err)
	}
	writeTree(t, outside, map[string]string{"f": "mine\n"})
	if err := os.Rename(filepath.Join(dir, "d"), filepath.Join(dir, "e")); err != nil {
		t.Fatal(err)
	}
	writeTree(t, dir, map[string]string{"d": "@" + outside})
	if _, err := s.Checkout(t.Context(), v[1].Tree, dir, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(dir + ".tree"); err != nil {
		t.Fatal(err)
	}
	writeTree(t, dir, map[string]string{"d": "@" + outside})
	if _, err := s.Checkout(t.Context(), v[1].Tree, dir, nil); err != nil {
		t.Fatal(err)
	}
	holds(t, dir, v[1].Tree)
	if got, err := os.ReadFile(filepath.Join(outside, "f")); err != nil || string(got) != "mine\n" {
		t.Errorf("a file outside was touched: %q %v", got, err)
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 {
		t.Errorf("outside there is %v %v", entries, err)
	}
}

func BenchmarkCheckoutNext(b *testing.B) {
	repo := newGitRepo(b, map[string]string{"d/f": "1\n", "g": "1\n"})
	s := openTestSource(b, repo, "")
	v, err := s.Prefixes(b.Context(), []*Patch{{Subject: "x", Date: time.Unix(1, 0), Diff: lineDiff("d/f", "1", "2")}}, ApplyOptions{})
	if err != nil {
		b.Fatal(err)
	}
	dir := filepath.Join(b.TempDir(), "tree")
	for i := 0; b.Loop(); i++ {
		if _, err := s.Checkout(b.Context(), v[i%2].Tree, dir, nil); err != nil {
			b.Fatal(err)
		}
	}
}
