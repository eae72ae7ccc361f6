package series

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestGuessBase makes a series on a commit in the middle of a history, and finds that commit again.
func TestGuessBase(t *testing.T) {
	needGit(t)
	dir := t.TempDir()
	git := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
			"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b.c", "GIT_AUTHOR_DATE=2024-01-01T10:00:00Z",
			"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b.c", "GIT_COMMITTER_DATE=2024-01-01T10:00:00Z")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	write := func(name string, n int) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(fmt.Sprintf("%s\nline %d\nend\n", name, n)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	commit := func(n int, names ...string) string {
		t.Helper()
		for _, name := range names {
			write(name, n)
		}
		git("add", "-A")
		git("commit", "-q", "-m", fmt.Sprint(n))
		return git("rev-parse", "HEAD")
	}
	git("init", "-q", "-b", "main")
	commit(0, "f", "g", "h")
	commit(1, "f")
	made := commit(2, "g")
	git("checkout", "-q", "-b", "topic")
	write("f", 100)
	write("new", 1)
	commit(3)
	write("f", 101)
	write("g", 101)
	git("mv", "h", "i")
	commit(4)
	mail := git("format-patch", "--stdout", made+"..topic")
	git("checkout", "-q", "main")
	git("branch", "-q", "-D", "topic")
	commit(5, "h")
	commit(6, "f")
	commit(7, "g")
	git("tag", "v7")

	box, err := ParseMbox([]byte(mail + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	s := box.Series[0]
	best := func() Guess {
		t.Helper()
		told := 0
		list, err := GuessBase(context.Background(), dir, s, func(candidates int) { told = candidates })
		if err != nil || len(list) < 2 {
			t.Fatalf("got %v, %v", list, err)
		}
		if told != len(list) {
			t.Errorf("told of %d candidates, there are %d", told, len(list))
		}
		return list[0]
	}
	if g := best(); string(g.Commit) != made || g.Matches != 2 || g.Files != 2 || len(g.Differ) != 0 || g.Why != "touches the same files" {
		t.Errorf("got %+v, want %s", g, made)
	}
	git("tag", "old", made)
	if g := best(); string(g.Commit) != made || g.Name != "old" {
		t.Errorf("got %+v, want old", g)
	}
	s.BaseCommit = "old"
	if g := best(); string(g.Commit) != made || g.Why != "named as base-commit" {
		t.Errorf("got %+v", g)
	}
	s.BaseCommit = "--output=x"
	if g := best(); g.Name != "old" {
		t.Errorf("got %+v", g)
	}

	for stop := 1; stop < 8; stop++ {
		// Ctrl-C while the candidates come.
		ctx, cancel := context.WithCancel(context.Background())
		_, err := GuessBase(ctx, dir, s, func(candidates int) {
			if candidates == stop {
				cancel()
			}
		})
		if stopped := ctx.Err() != nil; stopped != errors.Is(err, context.Canceled) || stop == 1 && !stopped {
			t.Errorf("cancelled at %d: %v", stop, err)
		}
		cancel()
	}

	git("tag", "-d", "old")
	git("checkout", "-q", "--orphan", "other", "v7")
	git("commit", "-q", "-m", "squashed")
	git("branch", "-q", "-D", "main")
	git("tag", "-d", "v7")
	if list, err := GuessBase(context.Background(), dir, s, nil); err != nil || len(list) != 1 || list[0].Matches != 0 || strings.Join(list[0].Differ, " ") != "f g" {
		t.Errorf("without the base: got %v, %v", list, err)
	}
	if list, err := GuessBase(context.Background(), t.TempDir(), s, nil); err != nil || len(list) != 0 {
		t.Errorf("no repository: got %v, %v", list, err)
	}
	for _, p := range s.Patches {
		p.Diff = bytes.ReplaceAll(p.Diff, []byte("\nindex "), []byte("\nxedni "))
	}
	if list, err := GuessBase(context.Background(), dir, s, nil); err != nil || len(list) != 0 {
		t.Errorf("no index lines: got %v, %v", list, err)
	}
}
