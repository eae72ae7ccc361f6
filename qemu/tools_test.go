package qemu

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRunScript: a script of the user's, with the host's programs and a directory of its own, in a real guest.
func TestRunScript(t *testing.T) {
	kernel := bootKernel(t)
	dir := t.TempDir()
	suite := filepath.Join(dir, "suite")
	writeMode(t, filepath.Join(suite, "data", "words"), "one\ntwo\nthree\n", 0o644)
	writeMode(t, filepath.Join(suite, "inner.sh"), "#!/usr/bin/env bash\n[[ $1 == two ]] && echo inner ran\nexit 3\n", 0o755)
	if err := os.Symlink("data/words", filepath.Join(suite, "link")); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, "run.sh")
	writeMode(t, script, `#!/bin/bash
set -e
cd "$(dirname "$0")/suite"
words=$(sort link | tr '\n' ' ')
echo "words: ${words% }"
./inner.sh two || echo "status $?"
dd if=/dev/zero of=/mnt/file bs=4096 count=3 2>/dev/null
stat -c '%s %n' /mnt/file
[ -x data/words ] || echo not executable
exit "$1"
`, 0o644)
	m := testMachine(t, dir)
	m.Tools = []string{"bash", "dd"}
	m.Files = map[string]string{"/case/run.sh": script, "/case/suite": suite}
	v, err := Start(t.Context(), kernel, m, filepath.Join(dir, "vm"), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	c := Case{Argv: []string{"bash", "/case/run.sh", "77"}, Filesystem: "ext4", Timeout: 20 * time.Second, Tools: []string{"bash", "dd"}}
	o, err := v.Run(t.Context(), c, filepath.Join(dir, "console"))
	if err != nil {
		t.Fatal(err)
	}
	want := "words: one three two\ninner ran\nstatus 3\n12288 /mnt/file\nnot executable\n"
	if !o.Exited || o.Status != 77 || o.Output != want {
		t.Errorf("got %+v, want output %q", o, want)
	}
	if _, err := v.Run(t.Context(), Case{Argv: []string{"bash"}, Tools: []string{"bash", "mkfs.ext4"}}, filepath.Join(dir, "console")); err == nil || !strings.Contains(err.Error(), `no tool "mkfs.ext4"`) {
		t.Errorf("a tool that the machine lacks: %v", err)
	}
}

func writeMode(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func TestToolsThatAreMissing(t *testing.T) {
	_, err := toolArchive(t.Context(), t.TempDir(), []string{"sh", "no-such-tool"})
	var infra *InfraError
	if !errors.As(err, &infra) || !strings.Contains(err.Error(), "find no-such-tool: not installed") || infra.Hint == "" {
		t.Errorf("got %v", err)
	}
	if _, err := (Machine{Tools: []string{"no-such-tool"}}).Key(); err == nil || !strings.Contains(err.Error(), "no-such-tool") {
		t.Errorf("got %v", err)
	}
}

// TestFilesHash: what a case brings is known by names, contents, targets and whether it can be executed.
func TestFilesHash(t *testing.T) {
	dir := t.TempDir()
	hash := func() string {
		h, err := FilesHash(dir)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	seen := map[string]bool{}
	for _, step := range []func(){
		func() { writeMode(t, filepath.Join(dir, "a"), "1", 0o644) },
		func() { writeMode(t, filepath.Join(dir, "a"), "2", 0o644) },
		func() { _ = os.Chmod(filepath.Join(dir, "a"), 0o755) },
		func() { _ = os.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "b")) },
		func() { _ = os.Symlink("b", filepath.Join(dir, "l")) },
		func() { _ = os.Remove(filepath.Join(dir, "l")); _ = os.Symlink("c", filepath.Join(dir, "l")) },
	} {
		step()
		h := hash()
		if seen[h] {
			t.Errorf("step %d: the hash of before", len(seen))
		}
		seen[h] = true
	}
	_ = os.Chmod(filepath.Join(dir, "b"), 0o700)
	if h := hash(); !seen[h] {
		t.Error("who may read counts")
	}
	if err := os.Truncate(filepath.Join(dir, "b"), filesMaxSize+1); err != nil {
		t.Fatal(err)
	}
	if _, err := FilesHash(dir); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("too much: %v", err)
	}
}
