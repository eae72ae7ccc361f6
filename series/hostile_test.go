package series

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func newFileDiff(path, mode string) string {
	return fmt.Sprintf("diff --git a/%s b/%s\nnew file mode %s\n--- /dev/null\n+++ b/%s\n@@ -0,0 +1 @@\n+evil\n", path, path, mode, path)
}

// binaryDiff is a binary patch of f, with data deflated behind the size it claims.
func binaryDiff(t testing.TB, method string, claimed int, data []byte) string {
	t.Helper()
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	// The contents of f in TestHostilePatches, and those of no file.
	fmt.Fprintf(&b, "diff --git a/f b/f\nindex 587be6b4c3f93f93c489c0111bba5596147a26cb..%s 100644\nGIT binary patch\n%s %d\n", strings.Repeat("7", 40), method, claimed)
	for rest := z.Bytes(); len(rest) > 0; {
		n := min(len(rest), 52)
		length := byte('A' + n - 1)
		if n > 26 {
			length = byte('a' + n - 27)
		}
		b.WriteByte(length)
		for i := 0; i < n; i += 4 {
			var four [4]byte
			copy(four[:], rest[i:n])
			acc := binary.BigEndian.Uint32(four[:])
			var five [5]byte
			for j := 4; j >= 0; j-- {
				five[j] = base85[acc%85]
				acc /= 85
			}
			b.Write(five[:])
		}
		b.WriteByte('\n')
		rest = rest[n:]
	}
	return b.String() + "\n"
}

// Each is refused in one line that says why, soon, and without much memory; nothing is written anywhere.
func TestHostilePatches(t *testing.T) {
	dir := newGitRepo(t, map[string]string{"f": "x\n", "d/g": "x\n", "link": "@/tmp", "many": strings.Repeat("x\n", 300_000)})
	s := openTestSource(t, dir, "")
	// A delta that copies all of f, and again, to far more than there is memory.
	bomb := binary.AppendUvarint(binary.AppendUvarint(nil, 2), 1<<40)
	liar := binary.AppendUvarint(binary.AppendUvarint(nil, 2), 100<<20)
	for range 1 << 20 {
		bomb = append(bomb, 0x90, 2)
		liar = append(liar, 0x90, 2)
	}
	outside := binary.AppendUvarint(binary.AppendUvarint(nil, 2), 1<<20)
	outside = append(outside, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff)
	link := strings.Replace(newFileDiff("l", "120000"), "evil", "/etc", 1) + "\\ No newline at end of file\n"
	for _, tc := range []struct {
		name, why string
		diffs     []string
	}{
		{"above the tree", "outside the tree", []string{newFileDiff("../x", "100644")}},
		{"above, from below", "outside the tree", []string{newFileDiff("d/../../x", "100644")}},
		{"absolute after the prefix", "absolute path", []string{newFileDiff("/etc/x", "100644")}},
		{".git", "into .git", []string{newFileDiff(".git/hooks/pre-commit", "100755")}},
		{".git itself", "into .git", []string{newFileDiff(".git", "100644")}},
		{".git below", "into .git", []string{newFileDiff("d/.git/config", "100644")}},
		{".GIT", "into .git", []string{newFileDiff(".GIT/config", "100644")}},
		{"NTFS short name", "into .git", []string{newFileDiff("GIT~1/config", "100644")}},
		{"NTFS stream", "into .git", []string{newFileDiff(".git::$INDEX_ALLOCATION/config", "100644")}},
		{"NTFS trailing dot", "into .git", []string{newFileDiff(".git./config", "100644")}},
		{"NTFS trailing blank", "into .git", []string{newFileDiff(".git /config", "100644")}},
		{"NTFS backslash", "into .git", []string{"diff --git \"a/d\\\\.git\\\\config\" \"b/d\\\\.git\\\\config\"\nnew file mode 100644\n"}},
		{"HFS ignored character", "into .git", []string{newFileDiff(".g\u200cit/config", "100644")}},
		{"rename into .git", "into .git", []string{"diff --git a/f b/.git/x\nsimilarity index 100%\nrename from f\nrename to .git/x\n"}},
		{"copy out of .git", "into .git", []string{"diff --git a/.git/config b/c\nsimilarity index 100%\ncopy from .git/config\ncopy to c\n"}},
		{"link .gitmodules", ".gitmodules as a symbolic link", []string{newFileDiff(".gitmodules", "120000")}},
		{"through a link of the tree", "symbolic link link", []string{newFileDiff("link/x", "100644")}},
		{"through a link of an earlier patch", "symbolic link l", []string{link, newFileDiff("l/passwd", "100644")}},
		{"through a link of the same patch", "symbolic link l", []string{link + newFileDiff("l/passwd", "100644")}},
		{"read through a link", "", []string{link, "--- a/l/passwd\n+++ b/l/passwd\n@@ -1 +1 @@\n-root\n+evil\n"}},
		{"NUL in a path", "NUL", []string{"diff --git \"a/x\\000y\" \"b/x\\000y\"\nnew file mode 100644\n--- /dev/null\n+++ \"b/x\\000y\"\n@@ -0,0 +1 @@\n+y\n"}},
		{"deep path", "too deep", []string{newFileDiff(strings.Repeat("a/", 1000)+"x", "100644")}},
		{"long path", "too long", []string{newFileDiff(strings.Repeat("a", 5000), "100644")}},
		{"2^31 lines", "", []string{"--- a/f\n+++ b/f\n@@ -1,2147483648 +1,2147483648 @@\n x\n"}},
		{"2^31-1 lines", "hunk ends before its 2147483647", []string{"--- a/f\n+++ b/f\n@@ -1,2147483647 +1,2147483647 @@\n x\n"}},
		{"2^64 lines", "", []string{"--- a/f\n+++ b/f\n@@ -1,18446744073709551616 +1,1 @@\n x\n"}},
		{"at line 2^31-1", "context", []string{"--- a/f\n+++ b/f\n@@ -2147483647 +2147483647 @@\n-no\n+y\n"}},
		{"search without end", "takes too long", []string{"--- a/many\n+++ b/many\n@@ -2,150002 +2,150002 @@\n" + strings.Repeat(" x\n", 150_000) + "-y\n+z\n x\n"}},
		{"delta bomb", "limit is", []string{binaryDiff(t, "delta", len(bomb), bomb)}},
		{"delta that lies", "corrupt binary delta", []string{binaryDiff(t, "delta", len(liar), liar)}},
		{"delta outside its source", "corrupt binary delta", []string{binaryDiff(t, "delta", len(outside), outside)}},
		{"literal bomb", "limit is", []string{binaryDiff(t, "literal", 1<<33, []byte("x"))}},
		{"literal inflates to more", "does not have the 10 bytes", []string{binaryDiff(t, "literal", 10, make([]byte, 100<<20))}},
		{"literal of other contents", "other contents", []string{binaryDiff(t, "literal", 3, []byte("abc"))}},
		{"many hunks", "", []string{"--- a/many\n+++ b/many\n" + strings.Repeat("@@ -1,2 +1,2 @@\n-y\n+z\n x\n", 20_000)}},
		{"control characters", "", []string{newFileDiff("../\x1b]0;evil\a\x1b[2J", "100644")}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var patches []*Patch
			for i, d := range tc.diffs {
				patches = append(patches, &Patch{Index: i + 1, Subject: "x", Diff: []byte(d)})
			}
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			start := time.Now()
			for _, o := range []ApplyOptions{{}, {Fuzz: 3}, {ThreeWay: true}} {
				v, err := s.Prefixes(t.Context(), patches, o)
				if err != nil {
					t.Fatal(err)
				}
				last := v[len(v)-1]
				if last.Status != Conflict || len(last.Conflicts) == 0 {
					t.Fatalf("%+v: got %+v", o, last)
				}
				for _, c := range last.Conflicts {
					if line := c.String(); strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f }) || len(line) > 6000 {
						t.Errorf("%+v: conflict is not one line: %q", o, line)
					}
				}
				if got := fmt.Sprint(last.Conflicts); !o.ThreeWay && !strings.Contains(got, tc.why) {
					t.Errorf("%+v: got %.300s, want %q", o, got, tc.why)
				}
			}
			runtime.ReadMemStats(&after)
			// Allocated in all, for three ways to apply; what is in use at once is less.
			used := after.TotalAlloc - before.TotalAlloc
			if used > 2<<30 {
				t.Errorf("%d MB", used>>20)
			}
			t.Logf("%v, %d MB", time.Since(start), used>>20)
		})
	}
	if _, err := os.Lstat(filepath.Join(filepath.Dir(s.repo.dir), "x")); err == nil {
		t.Error("a file was written outside")
	}
}
