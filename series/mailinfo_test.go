package series

import (
	"strings"
	"testing"
)

const testDiff = "diff --git a/f b/f\nindex 1111111..2222222 100644\n--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n-a\n+b\n c\n"

// mails are mails that git-mailinfo can read, each for one of its rules.
var mails = map[string]string{
	"plain":              "From: A B <a@b.c>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nSubject: [PATCH] s: t\n\nbody\n\nSigned-off-by: A B <a@b.c>\n---\n f | 2 +-\n\n" + testDiff + "-- \n2.39.5\n",
	"folded subject":     "From: A <a@b.c>\nDate: Mon, 1 Jan 2024 10:00:00 GMT\nSubject: [L]\n [PATCH 1/2] a long\n\tsubject\n\nbody\n---\n" + testDiff,
	"encoded words":      "From: =?UTF-8?Q?J=C3=B6rg_M?= <a@b.c>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nSubject: =?utf-8?b?w7xi?=\n =?utf-8?q?er_x?= y\n\nbody\n---\n" + testDiff,
	"latin-1 words":      "From: =?iso-8859-1?q?J=F6rg?= <a@b.c>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nSubject: =?ISO-8859-1?Q?=FCber?=\n\nbody\n---\n" + testDiff,
	"comment name":       "From: a@b.c (A. (the) B)\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nSubject: x\n\nbody\n---\n" + testDiff,
	"quoted name":        "From: \"B, A \\\"Q\\\" (x)\" <a@b.c>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nSubject: x\n\nbody\n---\n" + testDiff,
	"address only":       "From: a@b.c\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nSubject: x\n\nbody\n---\n" + testDiff,
	"name with address":  "From: \"x@y via z\" <a@b.c>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nSubject: x\n\nbody\n---\n" + testDiff,
	"short name":         "From: A <a@b.c>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nSubject: Re: re: [a] [b]: Re: x\n\nbody\n---\n" + testDiff,
	"in-body header":     "From: A B <a@b.c>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nSubject: x\n\nFrom: C D <c@d.e>\nDate: Tue, 2 Jan 2024 11:00:00 -0800\nSubject: [PATCH] another\n subject\n\nbody\n---\n" + testDiff,
	"in-body, no blank":  "From: A B <a@b.c>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nSubject: x\n\nFrom: C D <c@d.e>\nbody\n---\n" + testDiff,
	"in-body From later": "From: A B <a@b.c>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nSubject: x\n\nbody\n\nFrom: C D <c@d.e>\n---\n" + testDiff,
	"in-body [PATCH]":    "From: A B <a@b.c>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nSubject: x\n\n[PATCH] the real one\n\nbody\n---\n" + testDiff,
	"in-body >From":      "From: A B <a@b.c>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nSubject: x\n\n>From " + sha + " Mon Sep 17 00:00:00 2001\nFrom: C D <c@d.e>\n\nbody\n---\n" + testDiff,
	"no separator":       "From: A B <a@b.c>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nSubject: x\n\nbody\n\n" + testDiff,
	"not a separator":    "From: A B <a@b.c>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nSubject: x\n\nbody\n--- \n---- \n" + testDiff,
	"dashes in the body": "From: A B <a@b.c>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nSubject: x\n\nbody\n---x\n ---\n--  \nmore\n---\t\n" + testDiff,
	"Index line":         "From: A B <a@b.c>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nSubject: x\n\nbody\nIndex: f\n=====\n" + testDiff,
	"blank lines":        "From: A B <a@b.c>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nSubject: x\n\n\n\nbody  \n\n\n\nmore\t\n\n---\n" + testDiff,
	"quoted-printable":   "From: A B <a@b.c>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nSubject: x\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: quoted-printable\n\nb=C3=B6dy a=\n long =3D line =zz\n---\n" + strings.ReplaceAll(testDiff, "\n c\n", "\n=20c\n"),
	"base64":             "From: A B <a@b.c>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nSubject: x\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: base64\n\nYm9keQotLS0KZGlmZiAtLWdpdCBhL2YgYi9mCmluZGV4IDExMTExMTEuLjIyMjIyMjIgMTAwNjQ0\nCi0tLSBhL2YKKysrIGIvZgpAQCAtMSwyICsxLDIgQEAKLWEKK2IKIGMK\n",
	"latin-1 body":       "From: A B <a@b.c>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nSubject: x\nContent-Type: text/plain; charset=iso-8859-1\n\nb\xf6dy\n---\n" + strings.ReplaceAll(testDiff, "+b", "+\xf6"),
	"iso-2022-jp body":   "From: A B <a@b.c>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nSubject: x\nContent-Type: text/plain; charset=iso-2022-jp\n\n\x1b$B$\"\x1b(B\n---\n" + testDiff,
	"format=flowed":      "From: A B <a@b.c>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nSubject: x\nContent-Type: text/plain; charset=us-ascii; format=flowed\n\na flowed \nline\n from\n---\n" + strings.ReplaceAll(testDiff, "\n c\n", "\n  c\n"),
	"flowed, delsp":      "From: A B <a@b.c>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nSubject: x\nContent-Type: text/plain; format=flowed; delsp=yes\n\na flowed \nline\n---\n" + strings.ReplaceAll(testDiff, "\n c\n", "\n  c\n"),
	"attached": "From: A B <a@b.c>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nSubject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"xx\"\n\nThis is MIME.\n--xx\nContent-Type: text/plain; charset=UTF-8\n\nbody\n---\n f | 2 +-\n--xx\n" +
		"Content-Type: text/x-patch; name=\"x.patch\"\nContent-Disposition: attachment; filename=\"x.patch\"\nContent-Transfer-Encoding: 8bit\n\n" + testDiff + "--xx--\n",
	"two files": "From: A B <a@b.c>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nSubject: x\n\nbody\n---\n" + testDiff + strings.ReplaceAll(testDiff, "/f", "/g") + "-- \n2.39.5\n\n_______\nlist footer\n",
	"mode, rename, binary": "From: A B <a@b.c>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nSubject: x\n\nbody\n---\ndiff --git a/m b/m\nold mode 100644\nnew mode 100755\n" +
		"diff --git a/old name b/new name\nsimilarity index 100%\nrename from old name\nrename to new name\n" +
		"diff --git a/e b/e\nnew file mode 100644\nindex 0000000..e69de29\n" +
		"diff --git a/bin b/bin\nindex 0000000000000000000000000000000000000000..1111111111111111111111111111111111111111 100644\nGIT binary patch\nliteral 1\nIcmZPo000310RR91\n\nliteral 0\nHcmV?d00001\n\n" + testDiff + "-- \n2.39.5\n",
	"no newline at end": "From: A B <a@b.c>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nSubject: x\n\nbody\n---\n" +
		"diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n\\ No newline at end of file\n-- \n2.39.5\n",
	"deletion":                            "From: A B <a@b.c>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nSubject: x\n\nbody\n---\ndiff --git a/d b/d\ndeleted file mode 100644\nindex 1111111..0000000\n--- a/d\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n-- \n2.39.5\n",
	"signature that looks like a removal": "From: A B <a@b.c>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nSubject: x\n\nbody\n---\n" + testDiff + "-- \nA B\n+ not a line\n",
}

func TestMailinfoRules(t *testing.T) {
	needGit(t)
	for name, mail := range mails {
		t.Run(name, func(t *testing.T) { compareWithGit(t, []byte(mail)) })
	}
}

// TestDiffIsWholeHunks checks that the signature and the words after the last hunk are cut, and that a hunk
// keeps a removed line that reads like a signature.
func TestDiffIsWholeHunks(t *testing.T) {
	diff := strings.ReplaceAll(testDiff, "-a\n", "-- \n")
	got := cutDiff([]byte(" f | 2 +-\n 1 file changed\n\n" + diff + "-- \n2.39.5\n\n--- words\nFrom the list\n"))
	if string(got.text) != diff || got.damage != "" || got.insertions != 1 || got.deletions != 1 {
		t.Errorf("got %q, damage %q, +%d -%d", got.text, got.damage, got.insertions, got.deletions)
	}
}

// TestCutDiffKeepsItsInput checks that a diff with text between its files is put together in new memory.
func TestCutDiffKeepsItsInput(t *testing.T) {
	patch := "diff --git is what made this:\n" + testDiff + "words\ndiff --git\n" + testDiff + "-- \n"
	in := []byte(patch)
	got := cutDiff(in)
	if string(in) != patch {
		t.Errorf("the patch became %q", in)
	}
	if string(got.text) != testDiff+testDiff {
		t.Errorf("got %q", got.text)
	}
}

func TestDamagedHunk(t *testing.T) {
	for name, diff := range map[string]string{
		"cut off":  strings.TrimSuffix(testDiff, " c\n"),
		"wrapped":  strings.ReplaceAll(testDiff, "+b\n", "+b\nwrapped\n"),
		"too long": strings.ReplaceAll(testDiff, "-a\n", "-a\n-a\n-a\n"),
		"no file":  strings.ReplaceAll(testDiff, "--- a/f\n", ""),
		"lone":     testDiff + "words\n@@ -7 +7 @@\n-a\n+b\n",
		"huge":     strings.ReplaceAll(testDiff, "-1,2", "-1,2147483647"),
	} {
		got := cutDiff([]byte(diff))
		if got.damage == "" {
			t.Errorf("%s: no damage seen in %q", name, got.text)
		}
	}
}

func TestAuthorThroughList(t *testing.T) {
	mail := "From: A B via L <l@lists.example>\nReply-To: A B <a@b.c>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nSubject: [PATCH] x\n\nbody\n---\n" + testDiff
	p, problems := readPatch(parseMessage([]byte(mail)))
	if p.Author != "A B <a@b.c>" || len(problems) != 1 || problems[0].Kind != "author-rewritten" {
		t.Errorf("author %q, problems %v", p.Author, problems)
	}
	// A From: line in the body is the author's own word.
	p, problems = readPatch(parseMessage([]byte(strings.Replace(mail, "\n\nbody", "\n\nFrom: C <c@d.e>\n\nbody", 1))))
	if p.Author != "C <c@d.e>" || len(problems) != 0 {
		t.Errorf("author %q, problems %v", p.Author, problems)
	}
}

func TestHTMLCopyIsNotRead(t *testing.T) {
	mail := "From: A B <a@b.c>\nSubject: Re: x\nContent-Type: multipart/alternative; boundary=xx\n\n--xx\nContent-Type: text/plain\n\nwords\n--xx\nContent-Type: text/html\n\n<p>words</p>\n--xx--\n"
	if got := parseMessage([]byte(mail)).text(); got != "words\n" {
		t.Errorf("text is %q", got)
	}
}

func TestMessageIDs(t *testing.T) {
	long := strings.Repeat("x", maxID)
	for value, want := range map[string]string{
		"<a@b>":                          "a@b",
		" <a@b> (comment)\t<c@d>":        "a@b c@d",
		"<a@b><c@d>":                     "a@b c@d",
		"<<a@b>>":                        "a@b",
		"<a <b@c> d> <> < e@f> <g\th>":   "b@c",
		"a@b":                            "",
		"<a@b":                           "",
		"":                               "",
		"<" + long + "> <" + long + "x>": long,
	} {
		if got := strings.Join(messageIDs(value), " "); got != want {
			t.Errorf("%.60q: got %.60q, want %.60q", value, got, want)
		}
	}
	if n := len(messageIDs(strings.Repeat("<a@b>", maxIDs+1))); n != maxIDs {
		t.Errorf("%d ids", n)
	}
}

// TestOctetsAreText reads a mail whose only part its list's software calls octets, and does not take octets
// that are no text for words.
func TestOctetsAreText(t *testing.T) {
	const head = "From: A B <a@b.c>\nSubject: [PATCH] x\nContent-Type: multipart/mixed; boundary=B\n\n--B\nContent-Type: application/octet-stream\n\n"
	if p, _ := readPatch(parseMessage([]byte(head + "why\n---\n" + testDiff + "--B--\n"))); p == nil || p.CommitMessage != "x\n\nwhy\n" {
		t.Errorf("got %+v", p)
	}
	if m := parseMessage([]byte(head + "a\x00b\n--B--\n")); len(m.parts) != 0 {
		t.Errorf("parts %v", m.parts)
	}
}
