package series

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// write puts files into a new directory and returns it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var twoPatches = []string{testMail("1", "", "[PATCH 1/2] one", "diff"), testMail("2", "1", "[PATCH 2/2] two", "diff")}

func TestReadInputs(t *testing.T) {
	mbox := string(mboxOf(twoPatches))
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte(mbox))
	_ = z.Close()
	dir := write(t, map[string]string{
		"t.mbox": mbox, "t.mbox.gz": packed.String(), "crlf.mbox": strings.ReplaceAll(mbox, "\n", "\r\n"),
		"maildir/cur/1:2,S": twoPatches[0], "maildir/new/2": twoPatches[1], "maildir/tmp/3": "half",
		"files/0001-one.patch": twoPatches[0], "files/0002-two.patch": twoPatches[1], "files/.hidden": "no",
		"quilt/series": "b.patch # first\na.patch\n", "quilt/b.patch": "one\n\nwhy\n\n" + testDiff, "quilt/a.patch": "two\n\nwhy\n\n" + testDiff,
		"hg/one": "# HG changeset patch\n# User A B <a@b.c>\n# Date 1704099600 -3600\n# Node ID 12\none\n\nwhy\n\n" + testDiff,
		"hg/two": "# HG changeset patch\n# User A B <a@b.c>\n# Date 1704099600 -3600\ntwo\n\nwhy\n\n" + testDiff,
		"one":    "\n" + testDiff, "two": testDiff,
	})
	in := func(names ...string) []string {
		for i := range names {
			names[i] = filepath.Join(dir, names[i])
		}
		return names
	}
	for name, inputs := range map[string][]string{
		"mbox": in("t.mbox"), "gzip": in("t.mbox.gz"), "CRLF": in("crlf.mbox"), "maildir": in("maildir"), "directory": in("files"),
		"files": in("files/0001-one.patch", "files/0002-two.patch"), "stdin": {"-"}, "quilt": in("quilt"), "mercurial": in("hg"), "bare diffs": in("one", "two"),
	} {
		box, err := Read(context.Background(), inputs, strings.NewReader(mbox))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		s := box.Series[0]
		if len(box.Series) != 1 || len(s.Patches) != 2 || s.Patches[0].Subject != "one" || s.Patches[1].Subject != "two" {
			t.Errorf("%s: %s", name, brief(s))
		}
		if name == "mercurial" && (s.Patches[0].Author != "A B <a@b.c>" || s.Patches[0].Date.Format("15:04 -0700") != "10:00 +0100") {
			t.Errorf("%s: author %s, date %s", name, s.Patches[0].Author, s.Patches[0].Date)
		}
		again, err := ParseMbox(mboxText(t, box))
		if err != nil {
			t.Errorf("%s: from what it writes: %v", name, err)
			continue
		}
		a, _ := json.Marshal(box.Series)
		b, _ := json.Marshal(again.Series)
		if !bytes.Equal(a, b) {
			t.Errorf("%s: what it writes gives another result:\n%s\n%s", name, a, b)
		}
	}
}

func TestReadGitRange(t *testing.T) {
	needGit(t)
	repo := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", repo, "-c", "user.name=A B", "-c", "user.email=a@b.c"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
	git("init", "-q")
	for _, name := range []string{"base", "one", "two"} {
		if err := os.WriteFile(filepath.Join(repo, name), []byte(name+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		git("add", ".")
		git("commit", "-q", "-m", name+"\n\nFrom here on at 10:00:00 2024\nA: b")
	}
	git("config", "format.attach", "yes")
	git("config", "format.subjectPrefix", "odd")
	box, err := Read(context.Background(), []string{repo + ":HEAD~2..HEAD"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := brief(box.Series[0]); got != "one-v1 1:one 2:two | patch patch |" {
		t.Errorf("got %s", got)
	}
	for _, input := range []string{repo + ":HEAD..HEAD", repo + ":no..HEAD", "/no/such/repository:a..b"} {
		_, err := Read(context.Background(), []string{input}, nil)
		checkInputError(t, input, err)
	}
}

func checkInputError(t *testing.T, input string, err error) {
	t.Helper()
	var e *InputError
	if !errors.As(err, &e) || e.Hint() == "" || strings.Contains(err.Error(), "\n") {
		t.Errorf("%s: %v", input, err)
	}
}

func TestReadErrors(t *testing.T) {
	dir := write(t, map[string]string{
		"empty": "", "words": "just words\n", "replies.mbox": string(mboxOf([]string{testMail("r", "x", "Re: [PATCH] x", "no")})),
		"cut.gz": "\x1f\x8b\x08", "emptydir/.keep": "",
	})
	for input, want := range map[string]string{
		filepath.Join(dir, "none.mbox"):    "no such file or directory",
		filepath.Join(dir, "empty"):        "there is no mail in it",
		filepath.Join(dir, "words"):        "no patch in 1 message (0 cover letters, 0 replies)",
		filepath.Join(dir, "replies.mbox"): "no patch in 1 message (0 cover letters, 1 reply)",
		filepath.Join(dir, "cut.gz"):       "unexpected EOF",
		filepath.Join(dir, "emptydir"):     "there is no mail in it",
		"https://lore.kernel.org/all/a@b/": "mail from an archive is not fetched here",
		"20210531170123.243771-1-a@b.c":    "mail from an archive is not fetched here",
	} {
		_, err := Read(context.Background(), []string{input}, nil)
		checkInputError(t, input, err)
		if got, want := err.Error(), "read "+input+": "+want; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Read(ctx, []string{dir}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// endless is a gzip bomb's content.
type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

func TestInputIsBounded(t *testing.T) {
	r := &reader{left: 1 << 10}
	if _, err := r.all(endless{}); err == nil {
		t.Error("an endless input is read")
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = io.CopyN(z, endless{}, 1<<20)
	_ = z.Close()
	r = &reader{left: 1 << 12}
	if _, err := r.all(&packed); err == nil {
		t.Error("a gzip bomb is unpacked")
	}
}

func TestPickRevision(t *testing.T) {
	box, err := ParseMbox(mboxOf([]string{testMail("1", "", "[PATCH] one", "diff"), later(testMail("2", "", "[PATCH v2] one", "diff"), 2)}))
	if err != nil {
		t.Fatal(err)
	}
	for revision, want := range map[int]string{0: "one-v2", 1: "one-v1", 2: "one-v2"} {
		s, err := box.Pick(revision)
		if err != nil || s.ID != want {
			t.Errorf("revision %d: %v, %v", revision, s, err)
		}
	}
	_, err = box.Pick(3)
	checkInputError(t, "revision 3", err)
	if got := len(box.Series[1].Problems); got != 0 {
		t.Errorf("Pick changed the mailbox: %d problems", got)
	}
}

// TestListsAreNeverNull checks the JSON contract: an empty list is [].
func TestListsAreNeverNull(t *testing.T) {
	box, err := ParseMbox(mboxOf([]string{testMail("1", "", "[PATCH] one", "no trailer\n---\n"+testDiff)}))
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(box.Series[0])
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(data, []byte("null")) {
		t.Errorf("null in %s", data)
	}
}
