package series

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

// FuzzTrailers checks that trailers written as a block are read as they are, that quoted ones are none, and
// that telling persons and trailers apart does not depend on the order.
func FuzzTrailers(f *testing.F) {
	for _, text := range []string{
		"s\n\nbody\n\nSigned-off-by: A B <a@b.c>\nCc: stable@k.org # 5.10+\n",
		"s\n\nReviewed-by: A Very\n  Long Name <a@b.c>\n[x: fixed]\nSigned-off-by: C <c@d.e>\n(cherry picked from commit 12)\n",
		"> Acked-by: X <x@y.z>\n\nTested-by: A B <a@b.c> # arm64\nReviewed-by: A B\n<a@mail.b.c>\nFixes: 0123456789ab (\"x\")\nLink: https://x/y\n-- \nAcked-by: A B <a@b.c>\n",
		"Acked-by: \"B, A\" <a+x@b.c><mailto:a@b.c>\nAcked-by: b@c.d (A B)\n",
	} {
		f.Add(text, "A B <a@b.c>")
	}
	f.Add("Reviewed-by: a b <x@y>\n", "\"B, A\" <a@b.c>")
	f.Fuzz(func(t *testing.T, text, from string) {
		own := messageTrailers(text)
		if !reflect.DeepEqual(own, messageTrailers(text)) {
			t.Fatal("the same message has other trailers")
		}
		block := "s\n\n"
		for _, tr := range own {
			if tr.From != "patch" || tr.Key == "" || tr.Value == "" || strings.Contains(tr.Key+tr.Value, "\n") {
				t.Fatalf("bad trailer %+v", tr)
			}
			block += tr.Key + ": " + tr.Value + "\n"
		}
		if again := messageTrailers(block); !reflect.DeepEqual(own, again) {
			t.Fatalf("written as a block they are\n%+v\nnot\n%+v", again, own)
		}

		given, others := replyTrailers(text, from)
		all := append(slices.Clone(given), others...)
		if len(all) > strings.Count(text, "\n")+1 {
			t.Fatalf("%d trailers in %d lines", len(all), strings.Count(text, "\n")+1)
		}
		var list []Trailer
		for _, tr := range all {
			if tr.From != "reply" || tr.Key == "" || strings.ContainsAny(tr.Key+tr.Value, "\n") {
				t.Fatalf("bad trailer %+v", tr)
			}
			list = addTrailer(list, tr)
			if n := len(addTrailer(list, tr)); n != len(list) || !hasTrailer(list, tr) {
				t.Fatalf("%+v is not found again in %+v", tr, list)
			}
			if sameValue(tr.Value, from) != sameValue(from, tr.Value) {
				t.Fatalf("%q and %q are the same in one direction only", tr.Value, from)
			}
		}
		for _, tr := range others {
			if p, ok := trailerPerson(tr.Value); !ok || samePerson(p, from) {
				t.Fatalf("%+v is of %q", tr, from)
			}
		}
		quoted := "> " + strings.ReplaceAll(text, "\n", "\n> ")
		if a, b := replyTrailers(quoted, from); len(a)+len(b) > 0 {
			t.Fatalf("quoted trailers count: %+v %+v", a, b)
		}
		if a, b := replyTrailers("-- \n"+text, from); len(a)+len(b) > 0 {
			t.Fatalf("a signature's trailers count: %+v %+v", a, b)
		}
	})
}

// inputMessages is what a file of these contents gives.
func inputMessages(t *testing.T, data []byte, name string) ([][]byte, bool) {
	t.Helper()
	r := &reader{left: 1 << 22}
	text, err := r.all(bytes.NewReader(data))
	if err != nil {
		return nil, false
	}
	r.add(text, name)
	return r.messages, true
}

// FuzzInput checks what a file is taken for: that packed, or with CRLF at the ends of its lines, it is the
// same; that nothing of it is dropped; and that a bare diff stays the diff it is.
func FuzzInput(f *testing.F) {
	for _, text := range []string{
		"# HG changeset patch\n# User A B <a@b.c>\n# Date 1704099600 -3600\n# Node ID 12\none\n\nwhy\n\n" + testDiff,
		"From: A B <a@b.c>\n\ndescription\n\n---\n f | 2 +-\n\n" + testDiff, "one\n\nwhy\n---\n" + testDiff, testDiff, "\n\n" + testDiff,
		"\xef\xbb\xbfFrom: A <a@b.c>\nSubject: x\n\nb\n", "Index: f\n===\n" + testDiff, "From x\n", "\x1f\x8b\x08",
		string(mboxOf(twoPatches)), twoPatches[0],
	} {
		f.Add([]byte(text), "0001-x.patch")
	}
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		messages, ok := inputMessages(t, data, name)
		if !ok {
			return
		}
		total := 0
		for _, m := range messages {
			total += len(m)
		}
		if text := data[leadingBlank(data):]; total > 3*(len(data)+len(name))+200 && // bytes that are no UTF-8
			!bytes.HasPrefix(text, []byte{0x1f, 0x8b}) {
			t.Fatalf("%d bytes give %d", len(data), total)
		}
		if !bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
			if again, ok := inputMessages(t, packed(t, data), name); !ok || !reflect.DeepEqual(messages, again) {
				t.Fatalf("packed it is\n%q\nnot\n%q", again, messages)
			}
		}
		if !bytes.ContainsAny(data, "\r\x1f") && !bytes.Contains(bytes.ToLower(data), []byte("content-length")) {
			crlf := bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n"))
			if again, ok := inputMessages(t, crlf, name); !ok || !reflect.DeepEqual(messages, again) {
				t.Fatalf("with CRLF it is\n%q\nnot\n%q", again, messages)
			}
		}
		if len(messages) == 0 {
			if len(bytes.Trim(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), "\r\n")) > 0 {
				t.Fatal("nothing is made of it")
			}
			return
		}
		box, err := parseMessages(messages, "x")
		if err != nil {
			return
		}
		seen := 0
		for _, s := range box.Series {
			checkSeries(t, s)
		}
		for _, s := range box.Series[:1] {
			seen += len(s.Messages)
		}
		if seen < len(messages) {
			t.Fatalf("%d of %d messages are accounted for", seen, len(messages))
		}
	})
}

// FuzzArchiveLink checks that what is fetched for a link or message-id is a thread of one message-id, on the
// archive or on the link's own host, and that the address fetched names the same thread.
func FuzzArchiveLink(f *testing.F) {
	for _, link := range []string{
		"https://lore.kernel.org/r/a@b.c", "https://lore.kernel.org/all/a@b.c/", "https://lore.kernel.org/linux-mm/a%2Bb@c/T/#u",
		"lore.kernel.org/r/a@b.c", "<a@b.c>", "id:a@b.c", "a/../b@c.d", "https://patch.msgid.link/a@b.c", "http://user:x@h/l/a@b.c/raw?x=1#y",
		"https://lore.kernel.org/all/%3Ca@b.c%3E/t.mbox.gz", "https://[::1]:80/l/a@b.c/", "https://lore.kernel.org/all/a%252Fb@c/",
		"https://patchwork.kernel.org/project/x/patch/a@b.c/", "https://groups.google.com/d/msgid/x/a%40b.c",
	} {
		f.Add(link)
	}
	f.Fuzz(func(t *testing.T, input string) {
		a := &Archive{URL: "http://mirror.example/pub"}
		id, address, err := a.thread(input)
		if err != nil {
			var refused *InputError
			if !errors.As(err, &refused) || refused.Hint() == "" || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Fatalf("%q", err)
			}
			return
		}
		if before, after, ok := strings.Cut(id, "@"); !ok || before == "" || after == "" || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			t.Fatalf("message-id %q", id)
		}
		to, err := url.Parse(address)
		if err != nil || to.User != nil || to.RawQuery != "" || to.Fragment != "" || to.Host == "" || to.Scheme != "http" && to.Scheme != "https" {
			t.Fatalf("address %q: %v", address, err)
		}
		parts := strings.Split(to.EscapedPath(), "/")
		if last := len(parts) - 1; parts[last] != "t.mbox.gz" || !listName.MatchString(parts[last-2]) {
			t.Fatalf("address %q", address)
		} else if got, err := url.PathUnescape(parts[last-1]); err != nil || got != id {
			t.Fatalf("address %q names %q, not %q", address, got, id)
		}
		if to.Host == "mirror.example" && len(parts) != 5 || to.Host != "mirror.example" && len(parts) != 4 {
			t.Fatalf("address %q", address)
		}
		// A link to that host needs no other archive.
		id2, address2, err := (&Archive{URL: to.Scheme + "://" + to.Host}).thread(address)
		if want := strings.Replace(address, "/pub/", "/", 1); err != nil || id2 != id || address2 != want && address2 != address {
			t.Fatalf("%q becomes %q, %q, %v", address, id2, address2, err)
		}
	})
}

// roundTrip is a server without a network.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// FuzzArchiveAnswer checks that only a whole packed mbox is taken for a thread, whatever a server sends, and
// that an error is one line.
func FuzzArchiveAnswer(f *testing.F) {
	thread := mboxOf(twoPatches)
	f.Add(200, thread, true, 0)
	f.Add(200, thread, true, 9)
	f.Add(200, thread, false, 0)
	f.Add(404, []byte("<html>"), false, 0)
	f.Add(302, []byte("x"), false, 0)
	f.Add(503, []byte{}, true, 3)
	f.Fuzz(func(t *testing.T, status int, body []byte, pack bool, cut int) {
		if status < 200 || status > 999 {
			return
		}
		sent := body
		if pack {
			sent = packed(t, body)
		}
		sent = sent[:len(sent)-min(max(cut, 0), len(sent))]
		a := &Archive{URL: "http://a.example", Client: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Status: fmt.Sprintf("%d \x1b[31m", status), Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(sent)), Request: r, ContentLength: -1}, nil
		})}}
		last := int64(0)
		a.Progress = func(_ string, done, total int64) {
			if done < last || total < done {
				t.Fatalf("%d of %d bytes after %d", done, total, last)
			}
			last = done
		}
		got, err := a.get(t.Context(), "x@y.z", "http://a.example/all/x@y.z/t.mbox.gz")
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Fatalf("%q", err)
			}
			if pack && cut <= 0 && status == 200 && bytes.HasPrefix(body, []byte("From ")) && len(body) > 5 {
				t.Fatalf("a thread is refused: %v", err)
			}
			return
		}
		if status != 200 || !bytes.Equal(got, sent) {
			t.Fatalf("status %d gives %d of %d bytes", status, len(got), len(sent))
		}
		r, err := gzip.NewReader(bytes.NewReader(got))
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(r); err != nil || !bytes.HasPrefix(text, []byte("From ")) {
			t.Fatalf("%q %v", text, err)
		}
	})
}

// encode85 writes data as the lines of a git binary patch.
func encode85(data []byte) string {
	var b strings.Builder
	for len(data) > 0 {
		n := min(len(data), 52)
		if n <= 26 {
			b.WriteByte(byte('A' + n - 1))
		} else {
			b.WriteByte(byte('a' + n - 27))
		}
		line := append(slices.Clone(data[:n]), 0, 0, 0)
		for i := 0; i < n; i += 4 {
			acc := binary.BigEndian.Uint32(line[i:])
			var group [5]byte
			for j := 4; j >= 0; j-- {
				group[j] = base85[acc%85]
				acc /= 85
			}
			b.Write(group[:])
		}
		b.WriteByte('\n')
		data = data[n:]
	}
	return b.String() + "\n"
}

func deflated(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// FuzzBinaryPatch writes a change between two files as git does, as a literal and as a delta, and reads it back.
func FuzzBinaryPatch(f *testing.F) {
	f.Add([]byte("a\x00b"), []byte("a\x00c"))
	f.Add([]byte{}, []byte{})
	f.Add(bytes.Repeat([]byte("0123456789abcdef"), 40), bytes.Repeat([]byte("0123456789abcdeg"), 41))
	f.Fuzz(func(t *testing.T, old, new []byte) {
		for method, data := range map[string][]byte{"literal": new, "delta": packfile.DiffDelta(old, new)} {
			diff := fmt.Sprintf("diff --git a/f b/f\nindex %s..%s 100644\nGIT binary patch\n%s %d\n%s",
				plumbing.ComputeHash(plumbing.BlobObject, old), plumbing.ComputeHash(plumbing.BlobObject, new), method, len(data), encode85(deflated(t, data)))
			if c := cutDiff([]byte(diff + "-- \n2.39\n")); c.damage != "" || string(c.text) != diff {
				t.Fatalf("cut: %s %q", c.damage, c.text)
			}
			files, err := parseDiff([]byte(diff))
			if err != nil || len(files) != 1 || files[0].binary == nil {
				t.Fatalf("%s: %v %v", method, files, err)
			}
			got, err := files[0].binary.apply(old)
			if err != nil || !bytes.Equal(got, new) {
				t.Fatalf("%s: got %q %v, want %q", method, got, err, new)
			}
		}
	})
}

// FuzzDelta compares with another reader of deltas, and bounds what is made of one.
func FuzzDelta(f *testing.F) {
	f.Add([]byte("abc"), packfile.DiffDelta([]byte("abc"), []byte("abcabc")))
	f.Add([]byte("x"), []byte{1, 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Add(bytes.Repeat([]byte("0123456789abcdef"), 40), packfile.DiffDelta(bytes.Repeat([]byte("0123456789abcdef"), 40), bytes.Repeat([]byte("0123456789abcdeg"), 41)))
	f.Fuzz(func(t *testing.T, old, delta []byte) {
		got, err := applyDelta(old, delta)
		if err == nil {
			_, rest, _ := deltaSize(delta)
			if want, _, _ := deltaSize(rest); uint64(len(got)) != want || want > maxBlob {
				t.Fatalf("%d bytes, not %d", len(got), want)
			}
		}
		size, rest, ok := deltaSize(delta)
		if want, _, ok2 := deltaSize(rest); !ok || !ok2 || len(old) == 0 || len(delta) < 4 || size > 1<<30 || want > 1<<20 {
			return // the other has its own limits, and takes a delta without a second size, which git refuses
		}
		want, err2 := packfile.PatchDelta(old, delta)
		if (err == nil) != (err2 == nil) || err == nil && !bytes.Equal(got, want) {
			t.Fatalf("got %q %v, the other %q %v", got, err, want, err2)
		}
	})
}

// FuzzCutDiff checks that what is cut out of a mail's patch part is what git would apply of the whole.
func FuzzCutDiff(f *testing.F) {
	for _, text := range []string{
		testDiff, "---\n f | 2 +-\n\n" + testDiff + "-- \n2.39.5\n\n_______\nlist@x\n",
		"diff --git a/f b/g\nsimilarity index 90%\nrename from f\nrename to g\nindex 1..2 100644\n--- a/f\n+++ b/g\n@@ -1 +1 @@\n-a\n+b\n\\ No newline at end of file\n",
		"diff --git a/f b/f\nold mode 100644\nnew mode 100755\ndiff --git a/e b/e\nnew file mode 100644\nindex 0000000..e69de29\n",
		"diff --git a/b b/b\nindex f76dd238ade08917e6712764a16a22005a50573d..0123456789012345678901234567890123456789 100644\nGIT binary patch\ndelta 6\nNcmZo*U|?WOU;qFB0003v\n\nliteral 0\nHcmV?d00001\n\n",
		"--- a/f\t2020-01-01\n+++ b/f\n@@ -1,2 +0,0 @@\n-a\n-b\n--- x\n", "Index: f\n--- f.orig\n+++ f\n@@ -0,0 +1 @@\n+x\n@@ -9 +9 @@\n-a\n+b\n",
		"diff --git \"a/\\303\\274\" \"b/\\303\\274\"\ndeleted file mode 120000\n--- \"a/\\303\\274\"\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n\\ No newline at end of file\n",
		"diff --git a/f b/f\nBinary files a/f and b/f differ\n", "diff --git a/x y/b z\n--- a/x\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, patch []byte) {
		c := cutDiff(patch)
		if again := cutDiff(patch); !reflect.DeepEqual(c, again) {
			t.Fatal("the same patch is cut otherwise")
		}
		if len(c.text) > len(patch) || c.insertions+c.deletions > bytes.Count(patch, []byte("\n"))+1 {
			t.Fatalf("%d bytes of %d, %d and %d lines", len(c.text), len(patch), c.insertions, c.deletions)
		}
		for _, file := range c.stats {
			if file.Insertions < 0 || file.Deletions < 0 {
				t.Fatalf("%+v", file)
			}
		}
		if c.damage != "" {
			return
		}
		if again := cutDiff(c.text); again.damage != "" || !bytes.Equal(again.text, c.text) || !reflect.DeepEqual(again.stats, c.stats) {
			t.Fatalf("cut again it is\n%q %s\nnot\n%q", again.text, again.damage, c.text)
		}
		whole, err := parseDiff(patch)
		if err != nil {
			return // what is cut away may be what git refuses
		}
		cut, err := parseDiff(c.text)
		if err != nil || !reflect.DeepEqual(whole, cut) {
			t.Fatalf("whole it is %s\ncut %s %v", dumpFiles(whole), dumpFiles(cut), err)
		}
	})
}

func dumpFiles(files []*fileDiff) string {
	var b strings.Builder
	for _, f := range files {
		fmt.Fprintf(&b, "%+v ", *f)
	}
	return b.String()
}

// FuzzGitRange reads ranges of a real repository: whatever they say, git writes nothing, and an answer is the
// commits that rev-list finds, or one line of error.
func FuzzGitRange(f *testing.F) {
	needGit(f)
	for _, revs := range []string{"HEAD~2..HEAD", "..", "HEAD~2...HEAD", "HEAD..", "..HEAD~1", "--output=x..HEAD", "HEAD^{/one}..HEAD", "-o..x", "@{0}..@", "HEAD~9..HEAD", "HEAD..HEAD", "a\x00..b", "^HEAD..HEAD", "x\ny..HEAD", "\xff\n\x1b..'"} {
		f.Add(revs)
	}
	root := f.TempDir()
	repo := filepath.Join(root, "repo")
	writeTree(f, repo, map[string]string{"f": "0\n"})
	mustGit(f, repo, "init", "-q", "-b", "main")
	commitAll(f, repo, "base")
	for _, name := range []string{"one", "two"} {
		writeTree(f, repo, map[string]string{"f": name + "\n"})
		commitAll(f, repo, name)
	}
	mustGit(f, repo, "gc", "-q")
	before := listing(f, root)
	f.Fuzz(func(t *testing.T, revs string) {
		input := repo + ":" + revs
		m := gitRange.FindStringSubmatch(input)
		if m == nil || m[1] != repo {
			return
		}
		r := &reader{left: 1 << 20}
		err := r.git(context.Background(), input, m[1], m[2])
		if after := listing(t, root); after != before {
			t.Fatalf("before:\n%s\nafter:\n%s", before, after)
		}
		if err != nil {
			var refused *InputError
			if !errors.As(err, &refused) || refused.Hint() == "" || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Fatalf("%q", err)
			}
			return
		}
		list, err := tryGit(repo, nil, nil, "rev-list", "--no-merges", "--end-of-options", m[2], "--")
		if n := len(strings.Fields(list)); err != nil || n != len(r.messages) {
			t.Fatalf("%d messages, rev-list finds %d: %v", len(r.messages), n, err)
		}
	})
}

// listing is every file below dir with its size.
func listing(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			fmt.Fprintln(&b, path, info.Mode(), info.Size())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
