package series

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// gitTool runs git with stdin and returns what it prints; ok is false when git fails.
func gitTool(t testing.TB, env []string, stdin []byte, args ...string) (string, bool) {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Stdin = bytes.NewReader(stdin)
	cmd.Env = append(append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "LC_ALL=C.UTF-8"), env...)
	cmd.Dir = t.TempDir()
	out, err := cmd.Output()
	return string(out), err == nil
}

func needGit(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git to compare with")
	}
}

// TestMailinfoOracle compares every patch of every thread with what git-mailinfo, git-stripspace and
// git-patch-id make of the same mail.
func TestMailinfoOracle(t *testing.T) {
	needGit(t)
	for _, file := range dataFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			n := 0
			for _, raw := range splitMbox(readFile(t, file)) {
				m := parseMessage(raw)
				if m.bad != "" || !newEntry(parseMessage(raw), 0).isPatch() {
					continue
				}
				n++
				compareWithGit(t, raw)
			}
			t.Logf("%d patches compared", n)
		})
	}
}

func compareWithGit(t *testing.T, raw []byte) {
	t.Helper()
	p, _ := readPatch(parseMessage(raw))
	dir := t.TempDir()
	info, ok := gitTool(t, nil, raw, "mailinfo", filepath.Join(dir, "msg"), filepath.Join(dir, "patch"))
	if !ok {
		t.Errorf("git mailinfo refuses what is read as %q", p.Subject)
		return
	}
	want := map[string]string{}
	for line := range strings.Lines(info) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		want[key] = value
	}
	name := p.Subject
	check := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%q: %s:\n got %q\nwant %q", name, what, got, want)
		}
	}
	check("subject", p.Subject, want["Subject"])
	check("author", p.Author, want["Author"]+" <"+want["Email"]+">")
	message, _ := gitTool(t, nil, []byte(want["Subject"]+"\n\n"+string(readFile(t, filepath.Join(dir, "msg")))), "stripspace")
	check("message", p.CommitMessage, message)
	ident, _ := gitTool(t, []string{"GIT_AUTHOR_NAME=x", "GIT_AUTHOR_EMAIL=x", "GIT_AUTHOR_DATE=" + want["Date"]}, nil, "var", "GIT_AUTHOR_IDENT")
	check("date", fmt.Sprintf("x <x> %d %s", p.Date.Unix(), p.Date.Format("-0700")), strings.TrimSpace(ident))

	patch := readFile(t, filepath.Join(dir, "patch"))
	for _, how := range []string{"--numstat", "--summary"} {
		got, _ := gitTool(t, nil, p.Diff, "apply", how)
		wanted, _ := gitTool(t, nil, patch, "apply", how)
		check("git apply "+how, got, wanted)
	}
	id, _ := gitTool(t, nil, p.Diff, "patch-id", "--stable")
	check("patch-id", p.PatchID, strings.Split(id+" ", " ")[0])
	id, _ = gitTool(t, nil, patch, "patch-id", "--stable")
	check("patch-id of the whole mail", p.PatchID, strings.Split(id+" ", " ")[0])
	if !bytes.Contains(patch, p.Diff) {
		t.Errorf("%q: the diff is no part of git's", name)
	}
}
