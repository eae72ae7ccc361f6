package series

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

func numbered(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format+"\n", i+1)
	}
	return b.String()
}

var kindsBase = map[string]string{
	"text": numbered(60, "line %d"), "dir/sub/deep.c": numbered(30, "int v%d;"), "dir/other.h": "one\n",
	"noeol": "a\nb\nc", "crlf": "one\r\ntwo\r\nthree\r\nfour\r\n", "empty": "", "script": "!#!/bin/sh\nexit 0\n",
	"link": "@text", "binary": "\x00\x01\x02" + strings.Repeat("some bytes \x00", 200), "gone.c": "bye\n",
	"with space": "x\ny\n", "tab\tname": "x\n", "ünicode": "x\n", "a-b": "1\n", "a.c": "2\n", "a/x": "3\n",
}

// Every kind of change git can send: git am is the oracle for the tree, and, as the committer is made the
// author, for the commit.
func TestPrefixesGiveWhatGitAmGives(t *testing.T) {
	lines := kindsBase["text"]
	for _, tc := range []struct {
		name   string
		change map[string]string
		format []string
	}{
		{name: "edit", change: map[string]string{"text": strings.Replace(lines, "line 30\n", "line thirty\n", 1)}},
		{name: "two hunks, two files", change: map[string]string{
			"text":           strings.NewReplacer("line 3\n", "", "line 50\n", "line 50\nmore\n").Replace(lines),
			"dir/sub/deep.c": strings.Replace(kindsBase["dir/sub/deep.c"], "v7", "w7", 1)}},
		{name: "first and last line", change: map[string]string{"text": "new\n" + strings.TrimSuffix(lines, "line 60\n")}},
		{name: "new file in new directories", change: map[string]string{"x/y/z/new.c": "int x;\n"}},
		{name: "new empty file", change: map[string]string{"new": ""}},
		{name: "new executable", change: map[string]string{"tool": "!run\n"}},
		{name: "delete", change: map[string]string{"gone.c": "-"}},
		{name: "delete empty", change: map[string]string{"empty": "-"}},
		{name: "delete the last of a directory", change: map[string]string{"dir/sub/deep.c": "-", "dir/other.h": "-"}},
		{name: "empty a file", change: map[string]string{"gone.c": ""}},
		{name: "fill an empty file", change: map[string]string{"empty": "full\n"}},
		{name: "mode", change: map[string]string{"script": "#!/bin/sh\nexit 0\n", "gone.c": "!bye\n"}},
		{name: "mode and text", change: map[string]string{"script": "#!/bin/sh\nexit 1\n"}},
		{name: "rename", change: map[string]string{"text": "-", "dir/renamed": lines}},
		{name: "rename with changes", change: map[string]string{"text": "-", "dir/renamed": strings.Replace(lines, "line 9\n", "nine\n", 1)}},
		{name: "swap", change: map[string]string{"text": kindsBase["dir/sub/deep.c"], "dir/sub/deep.c": lines}, format: []string{"-B", "-M"}},
		{name: "copy", change: map[string]string{"copied": lines}, format: []string{"-C", "--find-copies-harder"}},
		{name: "copy with changes", change: map[string]string{"copied": strings.Replace(lines, "line 9\n", "nine\n", 1), "text": lines + "more\n"}, format: []string{"-C"}},
		{name: "link changed", change: map[string]string{"link": "@dir/other.h"}},
		{name: "link to file", change: map[string]string{"link": "no link\n"}},
		{name: "file to link", change: map[string]string{"gone.c": "@text"}},
		{name: "new link", change: map[string]string{"dir/l": "@../text"}},
		{name: "newline at end added", change: map[string]string{"noeol": "a\nb\nc\n"}},
		{name: "newline at end taken", change: map[string]string{"gone.c": "bye"}},
		{name: "no newline, change before", change: map[string]string{"noeol": "A\nb\nc"}},
		{name: "crlf", change: map[string]string{"crlf": "one\r\n2\r\nthree\r\nfour\r\n"}},
		{name: "crlf to lf", change: map[string]string{"crlf": "one\ntwo\nthree\nfour\n"}},
		{name: "binary", change: map[string]string{"binary": kindsBase["binary"] + "\x00tail"}},
		{name: "binary literal", change: map[string]string{"binary": "\x00\xff\xfe other"}},
		{name: "new binary", change: map[string]string{"b.bin": "\x00\x01\xff"}},
		{name: "delete binary", change: map[string]string{"binary": "-"}},
		{name: "empty binary", change: map[string]string{"binary": ""}},
		{name: "odd names", change: map[string]string{"with space": "x\nz\n", "tab\tname": "y\n", "ünicode": "y\n", "q\"uote\\": "new\n"}},
		{name: "file to directory", change: map[string]string{"gone.c": "-", "gone.c/x": "new\n"}},
		{name: "directory to file", change: map[string]string{"a/x": "-", "a": "new\n"}},
		{name: "no prefix of names in order", change: map[string]string{"a/y": "new\n", "a-c": "new\n", "a.d": "new\n"}},
		{name: "no context", change: map[string]string{"text": strings.Replace(lines, "line 30\n", "line thirty\n", 1)}, format: []string{"-U0"}},
		{name: "one line of context", change: map[string]string{"text": strings.Replace(lines, "line 30\n", "", 1)}, format: []string{"-U1"}},
		{name: "whole file as context", change: map[string]string{"text": strings.Replace(lines, "line 30\n", "", 1)}, format: []string{"-U100"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := newGitRepo(t, kindsBase)
			base := mustGit(t, dir, "rev-parse", "HEAD")
			writeTree(t, dir, tc.change)
			commitAll(t, dir, "dir: change\n\nWhy it is\nneeded.\n\nSigned-off-by: A U Thor <author@example.com>")
			mail := mustGit(t, dir, append([]string{"format-patch", "--stdout", "--binary", "--full-index", "-1"}, tc.format...)...) + "\n"
			mustGit(t, dir, "reset", "-q", "--hard", base)
			mustGit(t, dir, "clean", "-qfdx")
			s := openTestSource(t, dir, "")
			patches := mailPatches(t, []byte(mail))
			if len(patches) != 1 {
				t.Fatalf("%d patches in\n%s", len(patches), mail)
			}
			got, err := s.Prefixes(t.Context(), patches, ApplyOptions{})
			if err != nil {
				t.Fatal(err)
			}
			_, amErr := tryGit(dir, []byte(mail), nil, "am", "-q", "--keep-cr", "--committer-date-is-author-date")
			if amErr != nil {
				if got[1].Status != Conflict {
					t.Fatalf("git am refuses (%v), and this gives %+v", amErr, got[1])
				}
				return
			}
			want := Variant{
				Index: 1, Subject: "dir: change", Status: Applied, How: Exact,
				Commit: Hash(mustGit(t, dir, "rev-parse", "HEAD")), Tree: Hash(mustGit(t, dir, "rev-parse", "HEAD^{tree}")),
			}
			if g := got[1]; g.Tree != want.Tree || g.Commit != want.Commit || g.Status != want.Status || g.Subject != want.Subject {
				t.Errorf("got  %+v\nwant %+v\n%s", g, want, mail)
			}
			if fsck := mustGit(t, s.repo.dir, "fsck", "--no-dangling", string(got[1].Commit)); fsck != "" {
				t.Errorf("git fsck: %s", fsck)
			}
		})
	}
}

// Diffs written by hand that git apply takes, or does not.
func TestDiffsByHandAsGitApplies(t *testing.T) {
	base := map[string]string{
		"f": numbered(20, "l%d"), "g": "x\n", "d/h": "h\n", "link": "@d", "noeol": "a\nb", "rep": strings.Repeat("same\n", 9), "f.orig": "o\n",
		"tree/a/b": "1\n",
	}
	dir := newGitRepo(t, base)
	tree := mustGit(t, dir, "rev-parse", "HEAD^{tree}")
	s := openTestSource(t, dir, "")
	for name, diff := range map[string]string{
		"traditional":                 "--- a/f\t2020-01-01 00:00:00\n+++ b/f\n@@ -2,3 +2,3 @@\n l2\n-l3\n+three\n l4\n",
		"traditional new":             "--- /dev/null\n+++ b/new\n@@ -0,0 +1 @@\n+new\n",
		"traditional epoch":           "--- a/new\t1970-01-01 00:00:00.000000000 +0000\n+++ b/new\t2020-01-01 00:00:00.000000000 +0000\n@@ -0,0 +1 @@\n+new\n",
		"traditional unknown new":     "--- a/new\n+++ b/new\n@@ -0,0 +1 @@\n+new\n",
		"traditional delete":          "--- a/g\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n",
		"traditional orig":            "--- a/f.orig\n+++ b/f\n@@ -2,3 +2,3 @@\n l2\n-l3\n+three\n l4\n",
		"traditional no directory":    "--- f\n+++ f\n@@ -2,3 +2,3 @@\n l2\n-l3\n+three\n l4\n",
		"index line only":             "diff --git a/f b/f\nindex 123..456 100644\n",
		"garbage between":             "hello\n\ndiff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -2,3 +2,3 @@\n l2\n-l3\n+three\n l4\n-- \n2.30\n\ndiff --git a/g b/g\n--- a/g\n+++ b/g\n@@ -1 +1 @@\n-x\n+y\n",
		"signature at hunk":           "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -2,3 +2,3 @@\n l2\n-l3\n+three\n l4\n-- \n",
		"hunk short":                  "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -2,4 +2,4 @@\n l2\n-l3\n+three\n l4\n",
		"hunk long":                   "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -2,2 +2,2 @@\n l2\n-l3\n+three\n l4\n",
		"hunk huge":                   "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1,2147483648 +1,2147483648 @@\n l2\n-l3\n+three\n l4\n",
		"hunk without file":           "@@ -2,3 +2,3 @@\n l2\n-l3\n+three\n l4\n",
		"hunk without change":         "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -2,2 +2,2 @@\n l2\n l3\n",
		"offset down":                 "--- a/f\n+++ b/f\n@@ -2,3 +2,3 @@\n l9\n-l10\n+ten\n l11\n",
		"offset up":                   "--- a/f\n+++ b/f\n@@ -15,3 +15,3 @@\n l9\n-l10\n+ten\n l11\n",
		"position past the end":       "--- a/f\n+++ b/f\n@@ -500,3 +500,3 @@\n l9\n-l10\n+ten\n l11\n",
		"ambiguous nearest":           "--- a/rep\n+++ b/rep\n@@ -4,2 +4,3 @@\n same\n+new\n same\n",
		"ambiguous again":             "--- a/rep\n+++ b/rep\n@@ -2,2 +2,3 @@\n same\n+new\n same\n@@ -3,2 +4,3 @@\n same\n+new\n same\n",
		"start of file elsewhere":     "--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n-l5\n+five\n l6\n l7\n",
		"end of file elsewhere":       "--- a/f\n+++ b/f\n@@ -4,3 +4,3 @@\n l5\n l6\n-l7\n+seven\n",
		"overlap":                     "--- a/f\n+++ b/f\n@@ -2,3 +2,3 @@\n l2\n-l3\n+three\n l4\n@@ -4,3 +4,3 @@\n l4\n-l5\n+five\n l6\n",
		"out of order":                "--- a/f\n+++ b/f\n@@ -12,3 +12,3 @@\n l12\n-l13\n+13\n l14\n@@ -4,3 +4,3 @@\n l4\n-l5\n+five\n l6\n",
		"file twice":                  "--- a/f\n+++ b/f\n@@ -2,3 +2,3 @@\n l2\n-l3\n+three\n l4\n--- a/f\n+++ b/f\n@@ -2,3 +2,3 @@\n l2\n-three\n+3\n l4\n",
		"blank context without blank": "--- a/f\n+++ b/f\n@@ -2,3 +2,3 @@\n l2\n\n-l3\n+three\n",
		"eof mark in other language":  "--- a/noeol\n+++ b/noeol\n@@ -1,2 +1,2 @@\n a\n-b\n\\ Kein Zeilenumbruch am Dateiende.\n+c\n\\ Kein Zeilenumbruch am Dateiende.\n",
		"eof mark against newline":    "--- a/g\n+++ b/g\n@@ -1 +1 @@\n-x\n\\ No newline at end of file\n+y\n\\ No newline at end of file\n",
		"eof context against newline": "--- a/f\n+++ b/f\n@@ -2,3 +2,3 @@\n l2\n-l3\n+three\n l4\n\\ No newline at end of file\n",
		"new over existing":           "diff --git a/g b/g\nnew file mode 100644\n--- /dev/null\n+++ b/g\n@@ -0,0 +1 @@\n+y\n",
		"new over directory":          "diff --git a/d b/d\nnew file mode 100644\n--- /dev/null\n+++ b/d\n@@ -0,0 +1 @@\n+y\n",
		"new below file":              "diff --git a/g/x b/g/x\nnew file mode 100644\n--- /dev/null\n+++ b/g/x\n@@ -0,0 +1 @@\n+y\n",
		"new through link":            "diff --git a/link/x b/link/x\nnew file mode 100644\n--- /dev/null\n+++ b/link/x\n@@ -0,0 +1 @@\n+y\n",
		"edit through link":           "diff --git a/link/h b/link/h\n--- a/link/h\n+++ b/link/h\n@@ -1 +1 @@\n-h\n+y\n",
		"new link, then through it":   "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+d\n\\ No newline at end of file\ndiff --git a/l/x b/l/x\nnew file mode 100644\n--- /dev/null\n+++ b/l/x\n@@ -0,0 +1 @@\n+y\n",
		"link gone, then a directory": "diff --git a/link b/link\ndeleted file mode 120000\n--- a/link\n+++ /dev/null\n@@ -1 +0,0 @@\n-d\n\\ No newline at end of file\ndiff --git a/link/x b/link/x\nnew file mode 100644\n--- /dev/null\n+++ b/link/x\n@@ -0,0 +1 @@\n+y\n",
		"delete, then new":            "diff --git a/g b/g\ndeleted file mode 100644\n--- a/g\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\ndiff --git a/g b/g\nnew file mode 100755\n--- /dev/null\n+++ b/g\n@@ -0,0 +1 @@\n+y\n",
		"new, then delete":            "diff --git a/n b/n\nnew file mode 100644\n--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+y\ndiff --git a/n b/n\ndeleted file mode 100644\n--- a/n\n+++ /dev/null\n@@ -1 +0,0 @@\n-y\n",
		"new, then edit":              "diff --git a/n b/n\nnew file mode 100644\n--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+y\ndiff --git a/n b/n\n--- a/n\n+++ b/n\n@@ -1 +1 @@\n-y\n+z\n",
		"delete, then edit":           "diff --git a/g b/g\ndeleted file mode 100644\n--- a/g\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\ndiff --git a/g b/g\n--- a/g\n+++ b/g\n@@ -1 +1 @@\n-x\n+z\n",
		"rename, then edit old":       "diff --git a/g b/n\nrename from g\nrename to n\ndiff --git a/g b/g\n--- a/g\n+++ b/g\n@@ -1 +1 @@\n-x\n+z\n",
		"rename, then edit new":       "diff --git a/g b/n\nrename from g\nrename to n\ndiff --git a/n b/n\n--- a/n\n+++ b/n\n@@ -1 +1 @@\n-x\n+z\n",
		"swap by renames":             "diff --git a/g b/f\nrename from g\nrename to f\ndiff --git a/f b/g\nrename from f\nrename to g\n",
		"rename onto existing":        "diff --git a/g b/f\nrename from g\nrename to f\n",
		"delete leaves contents":      "diff --git a/f b/f\ndeleted file mode 100644\n--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-l1\n",
		"mode of another type":        "diff --git a/g b/g\nold mode 120000\nnew mode 100644\n",
		"mode wrong but a file":       "diff --git a/g b/g\nold mode 100755\nnew mode 100644\n",
		"mode to link":                "diff --git a/g b/g\nold mode 100644\nnew mode 120000\n",
		"mode garbage":                "diff --git a/g b/g\nold mode 9\nnew mode 100644\n",
		"new and delete":              "diff --git a/g b/g\nnew file mode 100644\ndeleted file mode 100644\n",
		"names disagree":              "diff --git a/f b/f\n--- a/g\n+++ b/f\n@@ -1 +1 @@\n-x\n+y\n",
		"no such file":                "diff --git a/nope b/nope\n--- a/nope\n+++ b/nope\n@@ -1 +1 @@\n-x\n+y\n",
		"outside":                     "diff --git a/../x b/../x\nnew file mode 100644\n--- /dev/null\n+++ b/../x\n@@ -0,0 +1 @@\n+y\n",
		"dot":                         "diff --git a/./x b/./x\nnew file mode 100644\n--- /dev/null\n+++ b/./x\n@@ -0,0 +1 @@\n+y\n",
		"absolute":                    "diff --git a//x b//x\nnew file mode 100644\n--- /dev/null\n+++ b//x\n@@ -0,0 +1 @@\n+y\n",
		"into .git":                   "diff --git a/.git/x b/.git/x\nnew file mode 100644\n--- /dev/null\n+++ b/.git/x\n@@ -0,0 +1 @@\n+y\n",
		"into .GIT":                   "diff --git a/d/.GIT/x b/d/.GIT/x\nnew file mode 100644\n--- /dev/null\n+++ b/d/.GIT/x\n@@ -0,0 +1 @@\n+y\n",
		"into git~1":                  "diff --git a/git~1/x b/git~1/x\nnew file mode 100644\n--- /dev/null\n+++ b/git~1/x\n@@ -0,0 +1 @@\n+y\n",
		"into .git with a stream":     "diff --git a/.git::$INDEX_ALLOCATION/x b/.git::$INDEX_ALLOCATION/x\nnew file mode 100644\n--- /dev/null\n+++ b/.git::$INDEX_ALLOCATION/x\n@@ -0,0 +1 @@\n+y\n",
		"into .git with a backslash":  "diff --git \"a/d\\\\.git\\\\x\" \"b/d\\\\.git\\\\x\"\nnew file mode 100644\n--- /dev/null\n+++ \"b/d\\\\.git\\\\x\"\n@@ -0,0 +1 @@\n+y\n",
		"a file like .git":            "diff --git a/.gitx b/.gitx\nnew file mode 100644\n--- /dev/null\n+++ b/.gitx\n@@ -0,0 +1 @@\n+y\n",
		".gitmodules as a link":       "diff --git a/.gitmodules b/.gitmodules\nnew file mode 120000\n--- /dev/null\n+++ b/.gitmodules\n@@ -0,0 +1 @@\n+y\n",
		"submodule":                   "diff --git a/sm b/sm\nnew file mode 160000\n--- /dev/null\n+++ b/sm\n@@ -0,0 +1 @@\n+Subproject commit 0123456789012345678901234567890123456789\n",
		"submodule corrupt":           "diff --git a/sm b/sm\nnew file mode 160000\n--- /dev/null\n+++ b/sm\n@@ -0,0 +1 @@\n+Subproject\n",
		"binary without data":         "diff --git a/f b/f\nindex 1234567..89abcde 100644\nBinary files a/f and b/f differ\n",
		"binary for other contents":   "diff --git a/g b/g\nindex 0123456789012345678901234567890123456789..587be6b4c3f93f93c489c0111bba5596147a26cb 100644\nGIT binary patch\nliteral 2\nJcmb=J00031\n\n",
		"empty patch":                 "nothing here\n",
		"empty directory goes":        "diff --git a/tree/a/b b/tree/a/b\ndeleted file mode 100644\n--- a/tree/a/b\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n",
		"header cut":                  "diff --git a/f b/f\n--- a/f\n+++ b/f",
		"insertion only, no context":  "--- a/f\n+++ b/f\n@@ -5,0 +6 @@\n+new\n",
		"double slash":                "--- a/d//h\n+++ b/d//h\n@@ -1 +1 @@\n-h\n+y\n",
		"all removed":                 "--- a/g\n+++ b/g\n@@ -1 +0,0 @@\n-x\n",
	} {
		t.Run(name, func(t *testing.T) {
			want, ok := gitApply(t, dir, tree, []byte(diff))
			out, err := s.objects.applyDiff(t.Context(), plumbing.NewHash(tree), []byte(diff), 0)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case ok && out.tree.String() != want:
				t.Errorf("git gives tree %s, this gives %+v", want, out)
			case !ok && len(out.conflicts) == 0:
				t.Errorf("git refuses (%s), this applies", want)
			}
			for _, c := range out.conflicts {
				if c.Reason == "" || strings.Contains(c.Reason, "\n") {
					t.Errorf("conflict %+v: reason is not one line", c)
				}
			}
		})
	}
}

// Look-alikes that git refuses only where such file systems are in use.
func TestPathsIntoGitOnOtherFileSystems(t *testing.T) {
	for path, bad := range map[string]bool{
		".g\u200cit/x": true, "a/.gi\ufefft": true, ".git. /x": true, ".Git...": true, "GIT~1": true, "a\\..\\b": true,
		".gitignore": false, "git": false, "a..b/c": false, "...": false, "x.git": false, ".git2/x": false,
		"a/": true, "a//b": true, "": true, "/etc": true, "a/../b": true, "./a": true,
	} {
		if got := badPath(path, modeFile); (got != "") != bad {
			t.Errorf("badPath(%q) = %q", path, got)
		}
	}
}

// Diffs by git between random files, applied to files that have drifted and mangled on the way: this
// applies where git does, with the same tree.
func TestRandomDiffsAsGitApplies(t *testing.T) {
	rounds := 150
	if testing.Short() {
		rounds = 20
	}
	rng := rand.New(rand.NewSource(1))
	words := []string{"{", "}", "", "\treturn 0;", "int a;", "if (x)", "x", "y \r"}
	randomLines := func(n int) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = words[rng.Intn(len(words))]
			if rng.Intn(3) == 0 {
				out[i] += fmt.Sprint(rng.Intn(40))
			}
		}
		return out
	}
	edit := func(lines []string, n int) []string {
		lines = append([]string(nil), lines...)
		for range n {
			at := rng.Intn(len(lines) + 1)
			end := min(len(lines), at+rng.Intn(4))
			lines = append(lines[:at:at], append(randomLines(rng.Intn(4)), lines[end:]...)...)
		}
		return lines
	}
	join := func(lines []string) string {
		s := strings.Join(lines, "\n")
		if rng.Intn(4) > 0 && s != "" {
			s += "\n"
		}
		return s
	}
	dir := newGitRepo(t, map[string]string{"keep": "1\n"})
	applied := 0
	var (
		s     *Source
		trees []string
		diffs [][]byte
	)
	for range rounds {
		a, b := map[string]string{}, map[string]string{}
		drift := map[string]string{}
		for _, name := range []string{"f", "d/g", "d/h"} {
			lines := randomLines(rng.Intn(60))
			a[name] = join(lines)
			b[name] = join(edit(lines, rng.Intn(4)))
			drift[name] = join(edit(lines, rng.Intn(3)))
			if rng.Intn(2) == 0 {
				drift[name] = a[name]
			}
			switch rng.Intn(12) {
			case 0:
				b[name] = "-"
			case 1:
				b[name], b[name+".new"], a[name+".new"], drift[name+".new"] = "-", b[name], "-", "-"
			}
		}
		writeTree(t, dir, a)
		mustGit(t, dir, "add", "-A")
		ta := mustGit(t, dir, "write-tree")
		writeTree(t, dir, b)
		mustGit(t, dir, "add", "-A")
		tb := mustGit(t, dir, "write-tree")
		writeTree(t, dir, drift)
		mustGit(t, dir, "add", "-A")
		trees = append(trees, mustGit(t, dir, "write-tree"))
		diff, err := tryGit(dir, nil, nil, "diff", "--full-index", "-M", fmt.Sprintf("-U%d", rng.Intn(5)), ta, tb)
		if err != nil {
			t.Fatal(err)
		}
		text := []byte(diff + "\n")
		if rng.Intn(2) == 0 && len(text) > 10 {
			for range 1 + rng.Intn(3) {
				switch i := rng.Intn(len(text)); rng.Intn(4) {
				case 0:
					text[i] = " +-@\\\n0123456789ax"[rng.Intn(18)]
				case 1:
					text = append(text[:i:i], text[min(len(text), i+1+rng.Intn(3)):]...)
				case 2:
					j := min(len(text), i+rng.Intn(80))
					text = bytes.Join([][]byte{text[:j], text[i:]}, nil)
				case 3:
					if nl := bytes.IndexByte(text[i:], '\n'); nl >= 0 {
						text = append(text[:i:i], text[i+nl:]...)
					}
				}
				if len(text) < 10 {
					break
				}
			}
		}
		diffs = append(diffs, text)
	}
	s = openTestSource(t, dir, "")
	for i, diff := range diffs {
		want, ok := gitApply(t, dir, trees[i], diff)
		out, err := s.objects.applyDiff(t.Context(), plumbing.NewHash(trees[i]), diff, 0)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			applied++
		}
		if ok != (len(out.conflicts) == 0) || ok && out.tree.String() != want {
			t.Errorf("round %d: git gives %v %s, this gives %+v\non tree %s\n%s", i, ok, want, out, trees[i], diff)
		}
	}
	if applied < rounds/10 || applied > rounds*9/10 {
		t.Errorf("%d of %d diffs apply: the test does not test", applied, rounds)
	}
}

func TestFuzzLikePatch(t *testing.T) {
	dir := newGitRepo(t, map[string]string{"f": numbered(20, "l%d")})
	s := openTestSource(t, dir, "")
	_, tree := s.Base()
	for _, tc := range []struct {
		diff  string
		needs int // fuzz; -1: not even with 3
	}{
		{"@@ -4,7 +4,7 @@\n l4\n l5\n l6\n-l7\n+seven\n l8\n l9\n l10\n", 0},
		{"@@ -4,7 +4,7 @@\n XX\n l5\n l6\n-l7\n+seven\n l8\n l9\n l10\n", 1},
		{"@@ -4,7 +4,7 @@\n l4\n l5\n l6\n-l7\n+seven\n l8\n XX\n l10\n", 2},
		{"@@ -4,7 +4,7 @@\n l4\n l5\n XX\n-l7\n+seven\n l8\n l9\n l10\n", 3},
		{"@@ -4,7 +4,7 @@\n l4\n l5\n l6\n-XX\n+seven\n l8\n l9\n l10\n", -1},
	} {
		for fuzz := range 4 {
			out, err := s.objects.applyDiff(t.Context(), plumbing.NewHash(string(tree)), []byte("--- a/f\n+++ b/f\n"+tc.diff), fuzz)
			if err != nil {
				t.Fatal(err)
			}
			fits := tc.needs >= 0 && fuzz >= tc.needs
			if fits != (len(out.conflicts) == 0) {
				t.Errorf("fuzz %d: %+v for\n%s", fuzz, out, tc.diff)
				continue
			}
			if !fits {
				continue
			}
			if how := map[bool]How{true: Exact, false: Fuzz}[tc.needs == 0]; out.how != how {
				t.Errorf("fuzz %d: how is %q, not %q", fuzz, out.how, how)
			}
			e, _, err := s.objects.find(t.Context(), out.tree, "f")
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.objects.get(t.Context(), e.id, plumbing.BlobObject)
			if want := strings.Replace(numbered(20, "l%d"), "l7\n", "seven\n", 1); err != nil || string(got) != want {
				t.Errorf("fuzz %d: got %s %v", fuzz, got, err)
			}
		}
	}
}

// What a person reads of a patch that does not apply.
func TestConflictsSayWhere(t *testing.T) {
	dir := newGitRepo(t, map[string]string{"f": numbered(40, "line %d"), "g": "x\n"})
	s := openTestSource(t, dir, "")
	_, tree := s.Base()
	diff := "diff --git a/f b/f\n--- a/f\n+++ b/f\n" +
		"@@ -3,3 +3,3 @@\n line 3\n-line 4\n+four\n line 5\n" +
		"@@ -10,4 +10,4 @@\n line 20\n line 21\n-line XX\n+new\n line 23\n" +
		"@@ -30,3 +30,3 @@\n no\n-such\n+new\n lines\n" +
		"diff --git a/nope b/nope\n--- a/nope\n+++ b/nope\n@@ -1 +1 @@\n-x\n+y\n" +
		"diff --git a/g b/g\n--- a/g\n+++ b/g\n@@ -1,2 +1,2 @@\n-y\n+x\n x\n"
	out, err := s.objects.applyDiff(t.Context(), plumbing.NewHash(string(tree)), []byte(diff), 0)
	if err != nil {
		t.Fatal(err)
	}
	want := []ConflictedHunk{
		{"f", 2, 10, `context differs; nearest is line 20, 3 of 4 lines the same; line 22 is "line 22", not "line XX"`},
		{"f", 3, 30, "context not found"},
		{"nope", 0, 0, "no such file"},
		{"g", 1, 1, "context not found"},
	}
	if len(out.conflicts) != len(want) {
		t.Fatalf("got %+v", out.conflicts)
	}
	for i, c := range out.conflicts {
		if c != want[i] {
			t.Errorf("got  %+v\nwant %+v", c, want[i])
		}
	}
	already, err := s.objects.applyDiff(t.Context(), plumbing.NewHash(string(tree)),
		[]byte("--- a/f\n+++ b/f\n@@ -3,3 +3,3 @@\n line 3\n-four\n+line 4\n line 5\n"), 0)
	if err != nil || len(already.conflicts) != 1 || already.conflicts[0].Reason != "already there at line 3" {
		t.Errorf("got %+v %v", already, err)
	}
}

// A patch that claims or does too much ends in a conflict, soon.
func TestHostileDiffsAreBounded(t *testing.T) {
	same := strings.Repeat("x\n", 200_000)
	dir := newGitRepo(t, map[string]string{"f": same, "bin": "\x00"})
	s := openTestSource(t, dir, "")
	_, tree := s.Base()
	bomb := "diff --git a/n b/n\nnew file mode 100644\nindex 0000000000000000000000000000000000000000..0123456789012345678901234567890123456789\nGIT binary patch\n"
	for name, diff := range map[string]string{
		"quadratic search":  "--- a/f\n+++ b/f\n@@ -1,100001 +1,100001 @@\n" + strings.Repeat(" x\n", 100_000) + "-y\n+z\n",
		"literal too large": bomb + "literal 99999999999\nJcmb=J00031\n\n",
		"literal lies":      bomb + "literal 100000000\nJcmb=J00031\n\n",
		"huge counts":       "--- a/f\n+++ b/f\n@@ -1,2147483647 +1,2147483647 @@\n x\n",
		"counts overflow":   "--- a/f\n+++ b/f\n@@ -1,99999999999999999999 +1 @@\n x\n",
	} {
		start := time.Now()
		out, err := s.objects.applyDiff(t.Context(), plumbing.NewHash(string(tree)), []byte(diff), 0)
		if err != nil || len(out.conflicts) == 0 {
			t.Errorf("%s: got %+v %v", name, out, err)
		}
		if d := time.Since(start); d > time.Minute {
			t.Errorf("%s: took %v", name, d)
		}
	}
	// A delta that copies its source over and over.
	delta := []byte{1, 0xff, 0xff, 0xff, 0xff, 0x7f}
	if _, err := applyDelta([]byte("x"), delta); err == nil {
		t.Error("delta to 32 GiB was not refused")
	}
}

func FuzzApplyDiff(f *testing.F) {
	f.Add([]byte("--- a/f\n+++ b/f\n@@ -2,3 +2,3 @@\n l2\n-l3\n+three\n l4\n"))
	f.Add([]byte("diff --git a/f b/n\nsimilarity index 90%\nrename from f\nrename to n\n--- a/f\n+++ b/n\n@@ -1 +1 @@\n-l1\n+1\n"))
	f.Add([]byte("diff --git a/b b/b\nindex f76dd238ade08917e6712764a16a22005a50573d..0123456789012345678901234567890123456789 100644\nGIT binary patch\ndelta 6\nNcmZo*U|?WOU;qFB0003v\n\nliteral 0\nHcmV?d00001\n\n"))
	dir, err := os.MkdirTemp("", "fuzz")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { os.RemoveAll(dir) })
	writeTree(f, dir, map[string]string{"f": numbered(20, "l%d"), "b": "\x00", "d/g": "x", "link": "@d"})
	s := openTestSource(f, dir, "")
	f.Fuzz(func(t *testing.T, diff []byte) {
		out, err := s.objects.applyDiff(t.Context(), s.tree, diff, len(diff)%3)
		if err != nil {
			t.Fatal(err)
		}
		if out.tree.IsZero() == (len(out.conflicts) == 0) {
			t.Fatalf("%+v", out)
		}
		s.objects.mu.Lock()
		for id, o := range s.objects.pending {
			if o.kind == plumbing.BlobObject || id != s.tree {
				delete(s.objects.pending, id)
			}
		}
		clear(s.objects.trees)
		s.objects.mu.Unlock()
	})
}
