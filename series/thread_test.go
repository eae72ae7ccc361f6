package series

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// testMail writes a mail. parent "" starts a thread; body "diff" is a patch of its own for every subject.
func testMail(id, parent, subject, body string) string {
	m := "From: A B <a@b.c>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nSubject: " + subject + "\n"
	if id != "" {
		m += "Message-ID: <" + id + ">\n"
	}
	if parent != "" {
		m += "In-Reply-To: <" + parent + ">\n"
	}
	if body == "diff" {
		_, name, _ := strings.Cut(subject, "] ")
		body = "why " + id + "\n\nSigned-off-by: A B <a@b.c>\n---\n" + strings.ReplaceAll(testDiff, "/f", "/"+strings.ReplaceAll(name, " ", "-"))
	}
	return m + "\n" + body
}

// later moves a mail to another day of the month.
func later(mail string, day int) string {
	return strings.Replace(mail, "Mon, 1 Jan", fmt.Sprintf("%d Jan", day), 1)
}

// from changes the sender of a mail.
func from(mail, who string) string { return strings.Replace(mail, "A B <a@b.c>", who, 1) }

func mboxOf(mails []string) []byte {
	var raw []byte
	for _, m := range mails {
		raw = appendMboxrd(raw, []byte(m))
	}
	return raw
}

// threadCases are threads as people make them. want is the picked series: id, then the subjects of its
// patches by index, then the disposition of every message, then the kinds of its problems.
var threadCases = []struct {
	name  string
	mails []string
	want  string
}{
	{"cover, patches out of order, replies", []string{
		testMail("2", "0", "[PATCH 2/2] two", "diff"), testMail("0", "", "[PATCH 0/2] all", "words"), testMail("1", "0", "[PATCH 1/2] one", "diff"),
		testMail("r", "2", "Re: [PATCH 2/2] two", "> x\nno"), testMail("rr", "r", "Re: [PATCH 2/2] two", "yes")},
		"all-v1 1:one 2:two(1,2) | patch cover patch reply reply |"},
	{"no cover", []string{testMail("1", "", "[PATCH 1/2] one", "diff"), testMail("2", "1", "[PATCH 2/2] two", "diff")},
		"one-v1 1:one 2:two | patch patch |"},
	{"no threading, no ids", []string{testMail("", "", "[PATCH 1/2] one", "diff"), testMail("", "", "[PATCH 2/2] two", "diff")},
		"one-v1 1:one 2:two | patch patch |"},
	{"missing patch", []string{testMail("0", "", "[PATCH 0/3] all", "x"), testMail("1", "0", "[PATCH 1/3] one", "diff"), testMail("3", "0", "[PATCH 3/3] three", "diff")},
		"all-v1 1:one 3:three | cover patch patch | missing-patch"},
	{"a letter without a number", []string{
		testMail("0", "", "all of it", "words"), testMail("1", "0", "[PATCH 1/2] one", "diff"), testMail("2", "0", "[PATCH 2/2] two", "diff"),
		testMail("r", "0", "Re: all of it", "good")},
		"all-of-it-v1 1:one 2:two | cover patch patch reply |"},
	{"a report is no letter", []string{
		testMail("0", "", "it crashes", "words"), later(testMail("1", "0", "[PATCH 1/2] one", "diff"), 2), later(testMail("2", "1", "[PATCH 2/2] two", "diff"), 2)},
		"one-v1 1:one 2:two | not-a-patch patch patch |"},
	{"sent again in answer to itself", []string{testMail("1", "", "[PATCH v2] one", "diff"), testMail("2", "1", "[PATCH v2 RESEND] one", "diff")},
		"one-v2-2 1:one | superseded patch | two-postings"},
	{"one run, a version on one patch only", []string{
		testMail("20240101100000.1-1-a@b.c", "", "[PATCH 1/2 v2] one", "diff"), testMail("20240101100000.1-2-a@b.c", "20240101100000.1-1-a@b.c", "[PATCH 2/2] two", "diff")},
		"one-v2 1:one 2:two | patch patch | mixed-versions"},
	{"cover with another total", []string{
		testMail("0", "", "[PATCH v6 0/1] all", "words"), testMail("1", "0", "[PATCH 1/2] one", "diff"), testMail("2", "0", "[PATCH 2/2] two", "diff")},
		"all-v6 1:one 2:two | cover patch patch | mixed-versions"},
	{"a small series in answer to a cover", []string{
		testMail("0", "", "[PATCH 0/2] all", "words"), testMail("x", "0", "[PATCH 1/1] other", "diff"),
		testMail("1", "0", "[PATCH 1/2] one", "diff"), testMail("2", "0", "[PATCH 2/2] two", "diff")},
		"other-v1 1:other | superseded patch superseded superseded | two-postings"},
	{"single patches of one re-roll, each in answer to the old one", []string{
		testMail("1", "", "[PATCH 1/3] one", "diff"), testMail("2", "1", "[PATCH 2/3] two", "diff"), testMail("3", "1", "[PATCH 3/3] three", "diff"),
		later(testMail("22", "2", "[PATCH v2 2/3] two", "diff"), 2), later(testMail("23", "3", "[PATCH v2 3/3] three", "diff"), 3)},
		"two-v2 1:one 2:two 3:three | patch superseded superseded patch patch | partial-reroll several-revisions"},
	{"somebody's fix on top is not the series", []string{
		testMail("1", "", "[PATCH] one", "diff"), from(later(testMail("f", "1", "[PATCH] fix it", "diff"), 2), "Bot <bot@x.y>")},
		"one-v1 1:one | patch other-series | several-series"},
	{"missing cover", []string{testMail("1", "gone", "[PATCH 1/2] one", "diff"), testMail("2", "gone", "[PATCH 2/2] two", "diff")},
		"one-v1 1:one 2:two | patch patch | missing-cover"},
	{"a version on the cover only", []string{testMail("0", "", "[PATCH v3 0/2] all", "x"), testMail("1", "0", "[PATCH 1/2] one", "diff"), testMail("2", "0", "[PATCH 2/2] two", "diff")},
		"all-v3 1:one 2:two | cover patch patch | mixed-versions"},
	{"a version on the patches only", []string{testMail("0", "", "[PATCH 0/2] all", "x"), testMail("1", "0", "[PATCH v3 1/2] one", "diff"), testMail("2", "0", "[PATCH v3 2/2] two", "diff")},
		"all-v3 1:one 2:two | cover patch patch | mixed-versions"},
	{"one more than the total", []string{testMail("0", "", "[PATCH 0/1] all", "x"), testMail("1", "0", "[PATCH 1/1] one", "diff"), testMail("2", "0", "[PATCH 2/1] two", "diff")},
		"all-v1 1:one 2:two | cover patch patch | extra-patch"},
	{"an unmarked patch", []string{testMail("0", "", "[PATCH 0/2] all", "x"), testMail("1", "0", "[PATCH 1/2] one", "diff"), testMail("2", "0", "two, forgotten", "diff")},
		"all-v1 1:one | cover patch other-series | missing-patch unplaced-patch several-series"},
	{"somebody else's unmarked patch", []string{testMail("1", "", "[PATCH 1/1] one", "diff"), from(testMail("2", "1", "try this", "diff"), "O P <o@p.q>")},
		"one-v1 1:one(1) | patch reply | unplaced-patch"},
	{"files of two authors, a letter of a third", []string{from(testMail("", "", "[PATCH 0/2] all", "x"), "C <c@d.e>"), testMail("", "", "[PATCH 1/2] one", "diff"), from(testMail("", "", "[PATCH 2/2] two", "diff"), "O P <o@p.q>")},
		"all-v1 1:one 2:two | cover patch patch |"},
	{"v2 in a thread of its own with another letter", []string{
		testMail("1", "", "[PATCH 1/2] one", "diff"), testMail("2", "1", "[PATCH 2/2] two", "diff"),
		later(testMail("v1", "", "[PATCH v2 1/2] first", "diff"), 2), later(testMail("v2", "v1", "[PATCH v2 2/2] two", "diff"), 2)},
		"first-v2 1:first 2:two | other-series other-series patch patch | several-series"},
	{"v2 without the letter v1 had", []string{
		testMail("0", "", "[PATCH 0/2] all", "x"), testMail("1", "0", "[PATCH 1/2] one", "diff"), testMail("2", "0", "[PATCH 2/2] two", "diff"),
		later(testMail("v1", "", "[PATCH v2 1/2] one", "diff"), 2), later(testMail("v2", "v1", "[PATCH v2 2/2] two", "diff"), 2)},
		"one-v2 1:one 2:two | superseded superseded superseded patch patch | several-revisions"},
	{"half of v2 without a thread", []string{
		testMail("1", "", "[PATCH 1/2] one", "diff"), testMail("2", "1", "[PATCH 2/2] two", "diff"), later(testMail("v2", "gone", "[PATCH v2 2/2] two again", "diff"), 2)},
		"two-again-v2 1:one 2:two again | patch superseded patch | partial-reroll several-revisions"},
	{"the same change-id", []string{
		testMail("1", "", "[PATCH] one", "diff") + "change-id: 20240101-x-1\n", later(testMail("v2", "", "[PATCH v2] renamed", "diff"), 2) + "change-id: 20240101-x-1\n"},
		"renamed-v2 1:renamed | superseded patch | several-revisions"},
	{"what only looks like a diff", []string{testMail("1", "", "[PATCH] one", "why\n\n--- a/f\n+++ b/f\n@@@ -1,1 +1,1 @@@\n-a\n+b\n")},
		"one-v1 1:one | patch | damaged-patch"},
	{"two lists", []string{testMail("1", "", "[PATCH] one", "diff"), testMail("1", "", "[list] [PATCH] one", "diff")},
		"one-v1 1:one | patch duplicate | duplicate"},
	{"a diff in a reply", []string{testMail("1", "", "[PATCH] one", "diff"), testMail("2", "1", "Re: [PATCH] one", "why not\n\n"+testDiff)},
		"one-v1 1:one(1) | patch reply |"},
	{"v2 in reply to v1", []string{
		testMail("0", "", "[PATCH 0/1] all", "x"), testMail("1", "0", "[PATCH 1/1] one", "diff"),
		later(testMail("v0", "0", "[PATCH v2 0/1] all", "x"), 2), later(testMail("v1", "v0", "[PATCH v2 1/1] one", "diff"), 2), testMail("r", "1", "Re: [PATCH 1/1] one", "no")},
		"all-v2 1:one | superseded superseded cover patch reply | several-revisions"},
	{"re-roll of one patch as v2", []string{
		testMail("0", "", "[PATCH 0/2] all", "x"), testMail("1", "0", "[PATCH 1/2] one", "diff"), testMail("2", "0", "[PATCH 2/2] two", "diff"),
		later(testMail("v2", "2", "[PATCH v2 2/2] two again", "diff"), 2)},
		"all-v2 1:one 2:two again | cover patch superseded patch | partial-reroll several-revisions"},
	{"v3 of one patch, in answer to v1, after v2 of another", []string{ // as if <156022833285.3227089.11990489625041926920.stgit@magnolia> went on
		testMail("0", "", "[PATCH 0/2] all", "x"), testMail("1", "0", "[PATCH 1/2] one", "diff"), testMail("2", "0", "[PATCH 2/2] two", "diff"),
		later(testMail("v1", "1", "[PATCH v2 1/2] one again", "diff"), 2), later(testMail("v2", "2", "[PATCH v3 2/2] two again", "diff"), 3)},
		"all-v3 1:one again 2:two again | cover superseded superseded patch patch | partial-reroll several-revisions"},
	{"re-roll as v1.1", []string{
		testMail("0", "", "[PATCH 0/2] all", "x"), testMail("1", "0", "[PATCH 1/2] one", "diff"), testMail("2", "0", "[PATCH 2/2] two", "diff"),
		testMail("2.1", "2", "[PATCH v1.1 2/2] two again", "diff")},
		"all-v1 1:one 2:two again | cover patch superseded patch | reroll"},
	{"two postings of one revision", []string{
		testMail("0", "", "[PATCH 0/1] all", "x"), testMail("1", "0", "[PATCH 1/1] one", "diff"),
		later(testMail("b0", "", "[PATCH 0/1] all", "y"), 3), later(testMail("b1", "b0", "[PATCH 1/1] one", "diff"), 3)},
		"all-v1-2 1:one | superseded superseded cover patch | two-postings"},
	{"a patch sent again", []string{
		testMail("0", "", "[PATCH 0/1] all", "x"), testMail("1", "0", "[PATCH 1/1] one", "diff"), later(testMail("1b", "0", "[PATCH 1/1] one", "diff"), 2)},
		"all-v1 1:one | cover superseded patch | patch-sent-twice"},
	{"the cover sent again", []string{
		testMail("0", "", "[PATCH 0/1] all", "x"), testMail("1", "0", "[PATCH 1/1] one", "diff"), testMail("0b", "0", "[PATCH 0/1] all", "x corrected")},
		"all-v1 1:one | cover patch duplicate | duplicate"},
	{"unnumbered patches under a letter", []string{
		testMail("0", "", "[RFC] all", "x"), testMail("1", "0", "[PATCH] one", "diff"), later(testMail("2", "0", "[PATCH] two", "diff"), 2)},
		"all-v1 1:one 2:two | cover patch patch |"},
	{"unnumbered files", []string{testMail("", "", "[PATCH] one", "diff"), testMail("", "", "[PATCH] two", "diff")},
		"one-v1 1:one 2:two | patch patch |"},
	{"somebody else's patch in the thread", []string{
		testMail("0", "", "[PATCH 0/2] all", "x"), testMail("1", "0", "[PATCH 1/2] one", "diff"), testMail("2", "0", "[PATCH 2/2] two", "diff"),
		from(testMail("o", "2", "[PATCH] other", "diff"), "O P <o@p.q>")},
		"all-v1 1:one 2:two | cover patch patch other-series | several-series"},
	{"a reply tied by its subject", []string{
		testMail("0", "", "[PATCH 0/1] all", "x"), testMail("1", "0", "[PATCH 1/1] one", "diff"), testMail("r", "elsewhere", "Re: [PATCH 1/1] one", "no")},
		"all-v1 1:one(1) | cover patch reply |"},
	{"a reply over a message that is not there", []string{
		testMail("1", "", "[PATCH] one", "diff"), strings.Replace(testMail("r", "gone", "Re: [PATCH] one", "no"), "\n\n", "\nReferences: <1> <gone>\n\n", 1)},
		"one-v1 1:one(2) | patch reply |"},
	{"other mail", []string{testMail("1", "", "[PATCH] one", "diff"), testMail("x", "", "lunch", "at noon")},
		"one-v1 1:one | patch not-a-patch |"},
	{"unreadable", []string{testMail("1", "", "[PATCH] one", "diff"), "\nwords\n"},
		"one-v1 1:one | patch unreadable | unreadable-message"},
	{"a numbered mail without its diff", []string{
		testMail("0", "", "[PATCH 0/2] all", "x"), testMail("1", "0", "[PATCH 1/2] one", "lost"), testMail("2", "0", "[PATCH 2/2] two", "diff")},
		"all-v1 2:two | cover reply patch | missing-patch no-diff"},
	{"References in a loop", []string{testMail("1", "2", "[PATCH 1/2] one", "diff"), testMail("2", "1", "[PATCH 2/2] two", "diff"), testMail("a", "b", "Re: x", "y"), testMail("b", "a", "Re: x", "y")},
		"one-v1 1:one 2:two | patch patch not-a-patch not-a-patch |"},
	{"several attached patches", []string{attachTwo()},
		"two-patches-v1 1:one 2:two | patch |"},
	{"a kernel release in the prefix", []string{testMail("1", "", "[PATCH v5.10 1/2] one", "diff"), testMail("2", "1", "[PATCH v5.10 2/2] two", "diff")},
		"one-v1 1:one 2:two | patch patch |"},
	{"two series of one sender with the same numbers", []string{
		testMail("a0", "", "[PATCH 0/1] first", "x"), testMail("a1", "a0", "[PATCH 1/1] one", "diff"),
		later(testMail("b0", "", "[PATCH 0/1] second", "x"), 2), later(testMail("b1", "b0", "[PATCH 1/1] two", "diff"), 2)},
		"second-v1 1:two | other-series other-series cover patch | several-series"},
}

func attachTwo() string {
	m := "From: A B <a@b.c>\nMessage-ID: <1>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nSubject: two patches\nContent-Type: multipart/mixed; boundary=xx\n\n--xx\nContent-Type: text/plain\n\nhere they are\n"
	for _, name := range []string{"one", "two"} {
		m += "--xx\nContent-Type: text/x-patch; name=" + name + ".patch\nContent-Disposition: attachment\n\nFrom " + sha + " Mon Sep 17 00:00:00 2001\n" + testMail("", "", "[PATCH] "+name, "diff")
	}
	return m + "--xx--\n"
}

// brief writes a series as threadCases do.
func brief(s *Series) string {
	out := []string{s.ID}
	for _, p := range s.Patches {
		row := fmt.Sprintf("%d:%s", p.Index, p.Subject)
		var depths []string
		for _, r := range p.Replies {
			depths = append(depths, fmt.Sprint(r.Depth))
		}
		if len(depths) > 0 {
			row += "(" + strings.Join(depths, ",") + ")"
		}
		out = append(out, row)
	}
	out = append(out, "|")
	for _, m := range s.Messages {
		out = append(out, string(m.Disposition))
	}
	out = append(out, "|")
	for _, p := range s.Problems {
		out = append(out, p.Kind)
	}
	return strings.Join(out, " ")
}

func TestThreads(t *testing.T) {
	for _, c := range threadCases {
		t.Run(c.name, func(t *testing.T) {
			box, err := ParseMbox(mboxOf(c.mails))
			if err != nil {
				t.Fatal(err)
			}
			s, err := box.Pick(0)
			if err != nil {
				t.Fatal(err)
			}
			if got := brief(s); got != c.want {
				t.Errorf("\n got %s\nwant %s\n%v", got, c.want, s.Problems)
			}
			for _, s := range box.Series {
				checkSeries(t, s)
			}
		})
	}
}

// TestDataThreads checks what a maintainer expects of each real thread; each file is named for what is odd.
func TestDataThreads(t *testing.T) {
	want := map[string]struct {
		id                               string
		patches, total, replies, covered int
		dispositions                     string
	}{
		"ctime-quoted-printable.mbox":                      {"fs-add-some-missing-ctime-updates-v1", 9, 9, 6, 2, "1 cover 9 patch 8 reply"},
		"dlm-PATCHv2-RESEND.mbox":                          {"fs-dlm-fixes-and-change-listen-socket-handling-v2", 13, 13, 0, 0, "1 cover 13 patch"},
		"fallthrough-141-mostly-missing.mbox":              {"fix-fall-through-warnings-for-clang-v1", 1, 141, 2, 53, "1 cover 1 patch 55 reply"},
		"gfs2-cleanups-apply-to-5.10.mbox":                 {"gfs2-various-cleanups-v1", 4, 4, 3, 0, "1 cover 4 patch 3 reply"},
		"gfs2-jdata-revokes-quoted-printable.mbox":         {"gfs2-jdata-transactions-not-reserving-enough-v1", 6, 6, 1, 2, "1 cover 6 patch 3 reply"},
		"gfs2-log-space-rfc.mbox":                          {"some-log-space-management-cleanups-v1", 12, 12, 3, 0, "1 cover 12 patch 3 reply"},
		"gfs2-mmap-rfc-v1-prerequisite.mbox":               {"gfs2-fix-mmap-locking-for-write-faults-v1", 1, 1, 0, 0, "1 patch"},
		"gfs2-mmap-rfc-v1.mbox":                            {"gfs2-handle-page-faults-during-read-and-write-v1", 9, 9, 13, 2, "1 cover 9 patch 15 reply"},
		"gfs2-mmap-v2.mbox":                                {"gfs2-fix-mmap-page-fault-deadlocks-v2", 6, 6, 3, 2, "1 cover 6 patch 5 reply"},
		"gfs2-mmap-v3.mbox":                                {"gfs2-fix-mmap-page-fault-deadlocks-v3", 7, 7, 12, 0, "1 cover 7 patch 12 reply"},
		"gfs2-stable-multi-tree-0of1.mbox":                 {"gfs2-always-check-inode-size-of-inline-inodes-v1", 1, 1, 0, 0, "1 cover 1 patch"},
		"iomap-folio-ops-rfc-v3-and-v4-in-one-thread.mbox": {"turn-iomap-page-ops-into-iomap-folio-ops-v4", 7, 7, 0, 0, "1 cover 7 patch 15 reply 8 superseded"},
		"overlayfs-v13-duplicates.mbox":                    {"overlayfs-override-creds-off-v13", 5, 5, 0, 0, "1 cover 1 duplicate 5 patch"},
		"pks-pmem-rfc-58-partial.mbox":                     {"pmem-introduce-stray-write-protection-for-pmem-v1", 58, 58, 33, 0, "1 cover 58 patch 33 reply"},
		"readahead-v6-two-postings-in-one-thread.mbox":     {"change-readahead-api-v6", 19, 19, 67, 8, "1 cover 19 patch 78 reply 13 superseded"},
		"vfs-setflags-stgit-with-extra-patch.mbox":         {"vfs-clean-up-setflags-and-fssetxattr-option-v2", 4, 4, 4, 0, "1 cover 4 patch 6 reply 1 superseded"},
	}
	for _, file := range dataFiles(t) {
		name := filepath.Base(file)
		w, ok := want[name]
		if !ok {
			continue
		}
		t.Run(name, func(t *testing.T) {
			box, err := ParseMbox(readFile(t, file))
			if err != nil {
				t.Fatal(err)
			}
			s, err := box.Pick(0)
			if err != nil {
				t.Fatal(err)
			}
			counts := map[string]int{}
			for _, m := range s.Messages {
				counts[string(m.Disposition)]++
			}
			var got []string
			for d, n := range counts {
				got = append(got, fmt.Sprint(n, " ", d))
			}
			slices.SortFunc(got, func(a, b string) int { return strings.Compare(strings.Fields(a)[1], strings.Fields(b)[1]) })
			replies := 0
			for _, p := range s.Patches {
				replies += len(p.Replies)
			}
			if s.ID != w.id || len(s.Patches) != w.patches || s.Total != w.total || replies != w.replies || len(s.CoverReplies) != w.covered {
				t.Errorf("%s: %d of %d patches, %d replies to patches, %d to the cover", s.ID, len(s.Patches), s.Total, replies, len(s.CoverReplies))
			}
			if d := strings.Join(got, " "); d != w.dispositions {
				t.Errorf("dispositions %s, want %s", d, w.dispositions)
			}
			for _, s := range box.Series {
				checkSeries(t, s)
			}
		})
	}
}
