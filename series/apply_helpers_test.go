package series

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// gitEnv is an environment in which git does what it does by default.
func gitEnv(extra ...string) []string {
	return append(os.Environ(), append([]string{
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C",
		"GIT_AUTHOR_NAME=A U Thor", "GIT_AUTHOR_EMAIL=author@example.com", "GIT_AUTHOR_DATE=2021-05-31T19:01:02+0200",
		"GIT_COMMITTER_NAME=A U Thor", "GIT_COMMITTER_EMAIL=author@example.com", "GIT_COMMITTER_DATE=2021-05-31T19:01:02+0200",
	}, extra...)...)
}

// tryGit runs git in dir.
func tryGit(dir string, stdin []byte, env []string, args ...string) (string, error) {
	var errs bytes.Buffer
	c := exec.Command("git", args...)
	c.Dir, c.Env, c.Stdin, c.Stderr = dir, gitEnv(env...), bytes.NewReader(stdin), &errs
	out, err := c.Output()
	if err != nil {
		err = fmt.Errorf("git %s: %w: %s%s", strings.Join(args, " "), err, out, errs.Bytes())
	}
	return strings.TrimSpace(string(out)), err
}

func mustGit(t testing.TB, dir string, args ...string) string {
	t.Helper()
	out, err := tryGit(dir, nil, nil, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// writeTree writes files into dir; a name's contents may be "@target" for a link, "!…" for an executable
// and "-" for none.
func writeTree(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for _, removed := range []bool{true, false} {
		for name, text := range files {
			path := filepath.Join(dir, name)
			if removed {
				// ENOTDIR: what is above it is a file still.
				if err := os.RemoveAll(path); err != nil && !errors.Is(err, syscall.ENOTDIR) {
					t.Fatal(err)
				}
				continue
			}
			if text == "-" {
				continue
			}
			if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
			var err error
			switch {
			case strings.HasPrefix(text, "@"):
				err = os.Symlink(text[1:], path)
			case strings.HasPrefix(text, "!"):
				err = os.WriteFile(path, []byte(text[1:]), 0o777)
			default:
				err = os.WriteFile(path, []byte(text), 0o666)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// newGitRepo makes a repository with one commit of these files.
func newGitRepo(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	mustGit(t, dir, "init", "-q", "-b", "main")
	writeTree(t, dir, files)
	commitAll(t, dir, "base")
	return dir
}

func commitAll(t testing.TB, dir, message string) string {
	t.Helper()
	mustGit(t, dir, "add", "-A", "-f")
	mustGit(t, dir, "commit", "-q", "--allow-empty", "-m", message)
	return mustGit(t, dir, "rev-parse", "HEAD")
}

// mailPatches makes Patch values of mails, with git's own reader.
func mailPatches(t testing.TB, mbox []byte) []*Patch {
	t.Helper()
	dir := t.TempDir()
	if _, err := tryGit(dir, mbox, nil, "mailsplit", "--keep-cr", "-o"+dir); err != nil {
		t.Fatal(err)
	}
	mails, err := filepath.Glob(filepath.Join(dir, "[0-9]*"))
	if err != nil {
		t.Fatal(err)
	}
	var patches []*Patch
	for _, m := range mails {
		mail, err := os.ReadFile(m)
		if err != nil {
			t.Fatal(err)
		}
		info, err := tryGit(dir, mail, nil, "mailinfo", filepath.Join(dir, "msg"), filepath.Join(dir, "diff"))
		if err != nil {
			t.Fatal(err)
		}
		msg, _ := os.ReadFile(filepath.Join(dir, "msg"))
		diff, _ := os.ReadFile(filepath.Join(dir, "diff"))
		if !bytes.Contains(append([]byte("\n"), diff...), []byte("\ndiff --git ")) {
			continue // a cover letter or an answer
		}
		f := map[string]string{}
		for line := range strings.SplitSeq(info, "\n") {
			if k, v, ok := strings.Cut(line, ": "); ok {
				f[k] = v
			}
		}
		date, err := time.Parse("Mon, 2 Jan 2006 15:04:05 -0700", f["Date"])
		if err != nil {
			t.Fatal(err)
		}
		patches = append(patches, &Patch{
			Index: len(patches) + 1, Subject: f["Subject"], Author: f["Author"] + " <" + f["Email"] + ">", Date: date,
			CommitMessage: strings.TrimRight(f["Subject"]+"\n\n"+string(msg), "\n") + "\n", Diff: diff,
		})
	}
	return patches
}

// openTestSource opens dir with a repository of its own.
func openTestSource(t testing.TB, dir, rev string) *Source {
	t.Helper()
	r, err := OpenRepo(filepath.Join(t.TempDir(), "objects.git"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.OpenSource(t.Context(), dir, rev, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// gitApply applies a diff to a tree with git; ok is false where git refuses.
func gitApply(t testing.TB, repo, tree string, diff []byte) (result string, ok bool) {
	t.Helper()
	index := "GIT_INDEX_FILE=" + filepath.Join(t.TempDir(), "index")
	env := []string{index}
	if _, err := tryGit(repo, nil, env, "read-tree", tree); err != nil {
		t.Fatal(err)
	}
	if _, err := tryGit(repo, diff, env, "apply", "--cached", "-"); err != nil {
		return err.Error(), false
	}
	out, err := tryGit(repo, nil, env, "write-tree")
	if err != nil {
		t.Fatal(err)
	}
	return out, true
}
