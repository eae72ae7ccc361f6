package series

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func hintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// Every kind of repository gives the same base, and a patch goes onto it.
func TestOpenSourceKindsOfRepository(t *testing.T) {
	origin := newGitRepo(t, map[string]string{"f": "one\n", "d/g": "two\n"})
	first := mustGit(t, origin, "rev-parse", "HEAD")
	mustGit(t, origin, "tag", "-a", "-m", "v1", "v1")
	writeTree(t, origin, map[string]string{"f": "three\n"})
	commitAll(t, origin, "second")
	head := mustGit(t, origin, "rev-parse", "HEAD")
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
	if got := mustGit(t, sparse, "config", "extensions.worktreeConfig"); got != "true" {
		t.Fatalf("extensions.worktreeConfig is %q", got)
	}
	packed := clone("--bare", origin)
	mustGit(t, packed, "gc", "-q")
	for name, tc := range map[string]struct{ dir, rev, commit string }{
		"work tree":       {origin, "", head},
		"tag":             {origin, "v1", first},
		"relation":        {origin, "HEAD~1", first},
		"short id":        {origin, first[:10], first},
		"bare":            {packed, "main", head},
		"git directory":   {filepath.Join(origin, ".git"), "", head},
		"linked":          {linked, "", head},
		"alternates":      {clone("-s", origin), "", head},
		"shallow":         {clone("--depth=1", "file://"+origin), "", head},
		"worktree config": {sparse, "", head},
	} {
		t.Run(name, func(t *testing.T) {
			s := openTestSource(t, tc.dir, tc.rev)
			if commit, _ := s.Base(); string(commit) != tc.commit {
				t.Errorf("base is %s, not %s", commit, tc.commit)
			}
			v, err := s.Prefixes(t.Context(), []*Patch{{Subject: "x", Diff: []byte("--- a/d/g\n+++ b/d/g\n@@ -1 +1 @@\n-two\n+2\n")}}, ApplyOptions{})
			if err != nil || v[1].Status != Applied {
				t.Fatalf("%+v %v", v, err)
			}
			if got, err := s.ReadFile(v[1].Tree, "d/g"); err != nil || string(got) != "2\n" {
				t.Errorf("d/g is %q %v", got, err)
			}
			// With the alternate, git finds all that the variant is made of.
			if got := mustGit(t, s.repo.dir, "show", string(v[1].Commit)+":f"); !strings.HasPrefix("one three", got) && got != "three" {
				t.Errorf("f is %q", got)
			}
		})
	}
}

// A partial clone is used as far as it goes, and never fetches.
func TestPartialCloneDoesNotFetch(t *testing.T) {
	origin := newGitRepo(t, map[string]string{"f": "one\n", "d/g": "two\n"})
	mustGit(t, origin, "config", "uploadpack.allowFilter", "true")
	dir := filepath.Join(t.TempDir(), "partial")
	mustGit(t, origin, "clone", "-q", "--bare", "--filter=blob:none", "file://"+origin, dir)
	s := openTestSource(t, dir, "")
	_, tree := s.Base()
	for range 2 {
		_, err := s.ReadFile(tree, "f")
		if err == nil {
			t.Fatal("a blob that is not there was read")
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("error is not one line: %v", err)
		}
	}
	if hint := hintOf(func() error { _, err := s.ReadFile(tree, "f"); return err }()); !strings.Contains(hint, "partial clone") {
		t.Errorf("hint is %q", hint)
	}
	v, err := s.Prefixes(t.Context(), []*Patch{{Subject: "x", Diff: []byte("diff --git a/n b/n\nnew file mode 100644\n--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+2\n")}}, ApplyOptions{})
	if err != nil || v[1].Status != Applied {
		t.Errorf("a new file needs no blobs: %+v %v", v, err)
	}
}

func TestOpenSourceErrors(t *testing.T) {
	empty := t.TempDir()
	mustGit(t, empty, "init", "-q")
	sha256 := t.TempDir()
	mustGit(t, sha256, "init", "-q", "--object-format=sha256")
	commitAll(t, sha256, "base")
	newer := newGitRepo(t, map[string]string{"f": "1\n"})
	mustGit(t, newer, "config", "core.repositoryFormatVersion", "1")
	mustGit(t, newer, "config", "extensions.futureThing", "true")
	reftable := newGitRepo(t, map[string]string{"f": "1\n"})
	mustGit(t, reftable, "config", "core.repositoryFormatVersion", "1")
	mustGit(t, reftable, "config", "extensions.refStorage", "reftable")
	dangling := filepath.Join(t.TempDir(), "linked")
	repo := newGitRepo(t, map[string]string{"f": "1\n"})
	mustGit(t, repo, "worktree", "add", "-q", "--detach", dangling)
	writeTree(t, dangling, map[string]string{".git": "gitdir: /nowhere/.git/worktrees/x\n"})
	r, err := OpenRepo(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		dir, rev, want string
		hint           bool
	}{
		{"/no/such/directory", "", "open source /no/such/directory: no such file or directory", true},
		{filepath.Join(repo, "f"), "", "not a directory", true},
		{repo, "v9.9", "no commit v9.9", true},
		{repo, "HEAD\nHEAD", "no commit HEAD?HEAD", true},
		{repo, "HEAD:f", "no commit HEAD:f", true},
		{empty, "", "no commit HEAD", true},
		{sha256, "", "SHA-256", true},
		{newer, "", "futurething", true},
		{reftable, "", "open source " + reftable + ": ", true}, // git from 2.45 on knows it, and finds no refs here
		{dangling, "", "not a git repository", true},
		{t.TempDir(), "HEAD", "plain source tree", true},
	} {
		_, err := r.OpenSource(t.Context(), tc.dir, tc.rev, nil)
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s %q: %v", tc.dir, tc.rev, err)
		}
		if tc.hint && hintOf(err) == "" {
			t.Errorf("%s %q: no hint", tc.dir, tc.rev)
		}
	}
}

// The user's environment may be that of a hook, for another repository.
func TestOpenSourceIgnoresGitEnvironment(t *testing.T) {
	repo := newGitRepo(t, map[string]string{"f": "1\n"})
	head := mustGit(t, repo, "rev-parse", "HEAD")
	t.Setenv("GIT_DIR", "/nowhere")
	t.Setenv("GIT_OBJECT_DIRECTORY", "/nowhere/objects")
	s := openTestSource(t, repo, "")
	if commit, _ := s.Base(); string(commit) != head {
		t.Errorf("base is %s, not %s", commit, head)
	}
}

var plainFiles = map[string]string{
	"f": "one\n", "d/g": "two\n", "d/run": "!x\n", "d/empty": "", "l": "@d/g", "dangling": "@nowhere", ".gitignore": "*\n",
	"a-b": "1\n", "a.c": "2\n", "a/x": "3\n", "a0": "4\n", "with space/ü\n": "x\n", "d/.gitattributes": "",
}

// The tree of a plain source is that of git add -A -f, and the source is as it was.
func TestPlainTreeIsWhatGitAdds(t *testing.T) {
	dir := t.TempDir()
	writeTree(t, dir, plainFiles)
	for _, d := range []string{"hollow/in", "x/.git"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	other := t.TempDir()
	mustGit(t, other, "init", "-q")
	mustGit(t, other, "--work-tree="+dir, "add", "-A", "-f")
	want := mustGit(t, other, "write-tree")
	s := openTestSource(t, dir, "")
	commit, tree := s.Base()
	if string(tree) != want {
		t.Errorf("tree is %s, not %s:\n%s", tree, want, mustGit(t, s.repo.dir, "ls-tree", string(tree)))
	}
	again := openTestSource(t, dir, "")
	if c, _ := again.Base(); c != commit {
		t.Errorf("base commit is %s, then %s", commit, c)
	}
	if got, err := s.ReadFile(tree, "l"); err != nil || string(got) != "d/g" {
		t.Errorf("link is %q %v", got, err)
	}
	if _, err := s.ReadFile(tree, "d"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("reading a directory: %v", err)
	}
}

func TestEmptyPlainTree(t *testing.T) {
	s := openTestSource(t, t.TempDir(), "")
	if _, tree := s.Base(); tree != "4b825dc642cb6eb9a060e54bf8d69288fbee4904" {
		t.Errorf("tree is %s", tree)
	}
	v, err := s.Prefixes(t.Context(), []*Patch{{Subject: "x", Diff: []byte("--- /dev/null\n+++ b/d/n\n@@ -0,0 +1 @@\n+2\n")}}, ApplyOptions{})
	if err != nil || v[1].Status != Applied {
		t.Errorf("%+v %v", v, err)
	}
}

// The stat cache never hides a change: not of the same size, in the same moment, with the time put back.
func TestPlainTreeSeesChanges(t *testing.T) {
	dir := t.TempDir()
	writeTree(t, dir, plainFiles)
	r, err := OpenRepo(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	open := func() (Hash, *Source) {
		s, err := r.OpenSource(t.Context(), dir, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		_, tree := s.Base()
		fresh := openTestSource(t, dir, "")
		if _, want := fresh.Base(); tree != want {
			t.Fatalf("with a cache the tree is %s, without %s", tree, want)
		}
		return tree, s
	}
	open()
	old := time.Now().Add(-time.Hour)
	for _, name := range []string{"f", "d/g"} {
		if err := os.Chtimes(filepath.Join(dir, name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(racyTime + 100*time.Millisecond) // so that the stats are trusted
	before, _ := open()
	for i, change := range []map[string]string{
		{"f": "ONE\n"}, {"d/g": "-"}, {"new/x": "x\n"}, {"d/run": "x\n"}, {"l": "@d"}, {"new/x": "-"}, {"f": "two\n"}, {"f": "six\n"},
		{"d": "-"}, {"d": "now a file\n"},
	} {
		writeTree(t, dir, change)
		if _, ok := change["f"]; ok {
			if err := os.Chtimes(filepath.Join(dir, "f"), old, old); err != nil {
				t.Fatal(err)
			}
		}
		tree, _ := open()
		if tree == before {
			t.Errorf("change %d is not seen", i)
		}
		before = tree
	}
	// A damaged cache is none.
	cache := r.statCachePath(dir)
	data, err := os.ReadFile(cache)
	if err != nil {
		t.Fatal(err)
	}
	for _, damaged := range [][]byte{data[:len(data)/2], append(append([]byte(nil), data[:len(data)-30]...), make([]byte, 30)...), nil} {
		if err := os.WriteFile(cache, damaged, 0o666); err != nil {
			t.Fatal(err)
		}
		if tree, _ := open(); tree != before {
			t.Errorf("with a damaged cache the tree is %s", tree)
		}
	}
}

// A file that changes while the source is in use is an error, not another tree.
func TestSourceChangedUnderneath(t *testing.T) {
	dir := t.TempDir()
	writeTree(t, dir, plainFiles)
	s := openTestSource(t, dir, "")
	_, tree := s.Base()
	writeTree(t, dir, map[string]string{"f": "ONE\n", "d/g": "-"})
	for _, name := range []string{"f", "d/g"} {
		_, err := s.ReadFile(tree, name)
		var changed *SourceChangedError
		if !errors.As(err, &changed) || hintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A source of many directories is stored as a pack; git reads it.
func TestPlainTreeOfManyDirectories(t *testing.T) {
	files := map[string]string{}
	for i := range 600 {
		files[fmt.Sprintf("d%d/f", i)] = fmt.Sprintln(i)
	}
	dir := t.TempDir()
	writeTree(t, dir, files)
	s := openTestSource(t, dir, "")
	commit, _ := s.Base()
	if n := strings.Count(mustGit(t, s.repo.dir, "ls-tree", "-r", string(commit)), "\n") + 1; n != len(files) {
		t.Errorf("git finds %d files of %d", n, len(files))
	}
	v, err := s.Prefixes(t.Context(), []*Patch{{Subject: "x", Diff: lineDiff("d7/f", "7", "8")}}, ApplyOptions{})
	if err != nil || v[1].Status != Applied {
		t.Fatalf("%+v %v", v, err)
	}
	// With only the repository to read from, the trees are found in it.
	s.objects = newObjects(s.repo, &plainTree{root: &plainDir{}})
	if got, err := s.ReadFile(v[1].Tree, "d7/f"); err != nil || string(got) != "8\n" {
		t.Errorf("d7/f is %q %v", got, err)
	}
}

// A source that is named through a link is what the link leads to.
func TestSourceThroughALink(t *testing.T) {
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	if err := os.Mkdir(tree, 0o755); err != nil {
		t.Fatal(err)
	}
	writeTree(t, tree, map[string]string{"f": "1\n", "d/g": "2\n"})
	link := filepath.Join(dir, "link")
	if err := os.Symlink("tree", link); err != nil {
		t.Fatal(err)
	}
	if got, want := openTestSource(t, link, "").tree, openTestSource(t, tree, "").tree; got != want {
		t.Errorf("got tree %v through the link, %v without", got, want)
	}
}
