package series

import (
	"fmt"
	"strings"
	"testing"
)

// trailerText writes trailers as tests expect them: "[{Key Value from} {Key Value from stale}]".
func trailerText(list []Trailer) string {
	out := []string{}
	for _, t := range list {
		s := "{" + t.Key + " " + t.Value + " " + t.From
		if t.Stale {
			s += " stale"
		}
		out = append(out, s+"}")
	}
	return fmt.Sprint(out)
}

func TestMessageTrailers(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"x\n\nbody\n\nFixes: 12 (\"x\")\nSigned-off-by: A <a@b>\n", `[{Fixes 12 ("x") patch} {Signed-off-by A <a@b> patch}]`},
		{"x\n\nbody: not one\nmore\n", "[]"},
		{"Subject: only\n", "[]"},
		{"x\n\nLink: https://a/b\n", "[{Link https://a/b patch}]"},
		{"x\n\nCc: A <a@b>,\n  B <b@c>\nAcked-by: C <c@d>\n", "[{Cc A <a@b>, B <b@c> patch} {Acked-by C <c@d> patch}]"},
		{"x\n\nSigned-off-by: A <a@b>\n[B: mended]\nSigned-off-by: B <b@c>\n", "[{Signed-off-by A <a@b> patch} {Signed-off-by B <b@c> patch}]"},
		{"x\n\nOne sentence.\nAnother: with a colon\n", "[]"},
	} {
		if got := trailerText(messageTrailers(c.in)); got != c.want {
			t.Errorf("%q: got %s, want %s", c.in, got, c.want)
		}
	}
}

func TestReplyTrailers(t *testing.T) {
	const me = "A B <a@b.c>"
	for _, c := range []struct{ in, own, others string }{
		{"Reviewed-by: A B <a@b.c>\n", "[{Reviewed-by A B <a@b.c> reply}]", "[]"},
		{"> Reviewed-by: A B <a@b.c>\n", "[]", "[]"},
		{"acked-BY: A B <other@b.c>\n", "[{acked-BY A B <other@b.c> reply}]", "[]"},
		{"Tested-by: O P <o@p.q>\n", "[]", "[{Tested-by O P <o@p.q> reply}]"},
		{"Signed-off-by: A B <a@b.c>\nFixes: 12\nReviewed-by: nobody\n", "[{Signed-off-by A B <a@b.c> reply}]", "[]"},
		{"Fixes: 0123456789ab (\"x\")\nFixes: what was broken\nLink: https://a.b/c\nLink: no\n", "[{Fixes 0123456789ab (\"x\") reply} {Link https://a.b/c reply}]", "[]"},
		{"Tested-by: A B <a+test@b.c> # on arm64\n", "[{Tested-by A B <a+test@b.c> # on arm64 reply}]", "[]"},
		{"Tested-by: Another Name <a@mail.b.c>\n", "[{Tested-by Another Name <a@mail.b.c> reply}]", "[]"},
		{"Tested-by: Another Name <a@x.mail.b.c>\n", "[]", "[{Tested-by Another Name <a@x.mail.b.c> reply}]"},
		{"Tested-by: Another Name <a@xb.c>\n", "[]", "[{Tested-by Another Name <a@xb.c> reply}]"},
		{"Reviewed-by: A B (corp) <a@b.c<mailto:a@b.c>>\n", "[{Reviewed-by A B (corp) <a@b.c> reply}]", "[]"},
		{"Reviewed-by: A B\n<a@b.c>\n", "[{Reviewed-by A B <a@b.c> reply}]", "[]"},
		{"Cc: stable@vger.kernel.org\nFrom: A B <a@b.c>\n", "[]", "[]"},
		{"hello\n-- \nReviewed-by: A B <a@b.c>\n", "[]", "[]"},
		{"diff --git a/x b/x\n+Reviewed-by: A B <a@b.c>\n Acked-by: A B <a@b.c>\n", "[]", "[]"},
		{"diff --git a/x b/x\n@@ -1 +1 @@ by: us\n-a\n+b\n\nReviewed-by: A B <a@b.c>\n", "[{Reviewed-by A B <a@b.c> reply}]", "[]"},
	} {
		own, others := replyTrailers(c.in, me)
		if trailerText(own) != c.own || trailerText(others) != c.others {
			t.Errorf("%q: got %v and %v", c.in, own, others)
		}
	}
}

// TestTrailerThroughList checks that a list that rewrites From does not lose the trailers of those it rewrites,
// and gives nobody another's name.
func TestTrailerThroughList(t *testing.T) {
	via := "'O P' via L <l@lists.x>"
	s := mustSeries(t,
		testMail("1", "", "[PATCH] one", "diff"),
		from(testMail("r", "1", "Re: [PATCH] one", "Acked-by: O P <o@p.q>\n"), via+"\nReply-To: O P <o@p.q>"),
		from(testMail("s", "1", "Re: [PATCH] one", "Reviewed-by: O P <o@elsewhere>\n"), via),
		from(testMail("t", "1", "Re: [PATCH] one", "Tested-by: Q <q@p.q>\n"), via),
	)
	if got, want := fmt.Sprint(s.Patches[0].Trailers), "[{Signed-off-by A B <a@b.c> patch false} {Acked-by O P <o@p.q> reply false} {Reviewed-by O P <o@elsewhere> reply false}]"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if len(s.Problems) != 1 || s.Problems[0].Kind != "trailer-identity" {
		t.Errorf("problems %v", s.Problems)
	}
}

// mustSeries is the newest series of the mails.
func mustSeries(t *testing.T, mails ...string) *Series {
	t.Helper()
	box, err := ParseMbox(mboxOf(mails))
	if err != nil {
		t.Fatal(err)
	}
	return box.Series[len(box.Series)-1]
}

// TestCoverTrailers checks that a trailer in answer to the cover letter is for every patch, once.
func TestCoverTrailers(t *testing.T) {
	box, err := ParseMbox(mboxOf([]string{
		testMail("0", "", "[PATCH 0/2] all", "x"), testMail("1", "0", "[PATCH 1/2] one", "diff"), testMail("2", "0", "[PATCH 2/2] two", "diff"),
		from(testMail("r", "0", "Re: [PATCH 0/2] all", "Reviewed-by: O P <o@p.q>\n"), "O P <o@p.q>"),
		from(testMail("s", "2", "Re: [PATCH 2/2] two", "reviewed-by: \"O P\" <O@p.q>\nAcked-by: X <x@y.z>\n"), "O P <o@p.q>"),
	}))
	if err != nil {
		t.Fatal(err)
	}
	s := box.Series[0]
	for _, p := range s.Patches {
		if got := trailerText(p.Trailers); got != "[{Signed-off-by A B <a@b.c> patch} {Reviewed-by O P <o@p.q> reply}]" {
			t.Errorf("patch %d: %s", p.Index, got)
		}
	}
	if len(s.Problems) != 1 || s.Problems[0].Kind != "trailer-identity" {
		t.Errorf("problems %v", s.Problems)
	}
}

func TestDependencies(t *testing.T) {
	cover := "words\n\nbase-commit: v6.12-rc3\nprerequisite-patch-id: 1234567890123456789012345678901234567890\nprerequisite-message-id: <a@b>\n"
	box, err := ParseMbox(mboxOf([]string{testMail("0", "", "[PATCH 0/1] all", cover), testMail("1", "0", "[PATCH 1/1] one", "diff")}))
	if err != nil {
		t.Fatal(err)
	}
	s := box.Series[0]
	if s.BaseCommit != "v6.12-rc3" || fmt.Sprint(s.Prerequisites) != "[1234567890123456789012345678901234567890 a@b]" {
		t.Errorf("base %q, prerequisites %q", s.BaseCommit, s.Prerequisites)
	}
	box, err = ParseMbox(mboxOf([]string{testMail("1", "", "[PATCH] one", "why\n---\n"+testDiff+"\nbase-commit: abc123\n-- \n2.39\n")}))
	if err != nil {
		t.Fatal(err)
	}
	if got := box.Series[0].BaseCommit; got != "abc123" {
		t.Errorf("base %q", got)
	}
}

// TestStaleTrailers checks that what a reply gave to an older revision is kept for a patch that is the same,
// and shown as stale for one that was changed.
func TestStaleTrailers(t *testing.T) {
	changed := strings.NewReplacer("\n+b\n", "\n+bb\n").Replace
	review := func(id, to, subject, key string) string {
		return from(testMail(id, to, subject, key+": O P <o@p.q>\n"), "O P <o@p.q>")
	}
	box, err := ParseMbox(mboxOf([]string{
		testMail("0", "", "[PATCH 0/2] all", "x"), testMail("1", "0", "[PATCH 1/2] one", "diff"), testMail("2", "0", "[PATCH 2/2] two", "diff"),
		review("r1", "1", "Re: [PATCH 1/2] one", "Reviewed-by"), review("r2", "2", "Re: [PATCH 2/2] two", "Reviewed-by"),
		review("r0", "0", "Re: [PATCH 0/2] all", "Tested-by"),
		testMail("v0", "", "[PATCH v2 0/2] all", "x"), testMail("v1", "v0", "[PATCH v2 1/2] one", "diff"), changed(testMail("v2", "v0", "[PATCH v2 2/2] two", "diff")),
		review("r3", "v2", "Re: [PATCH v2 2/2] two", "Acked-by"),
	}))
	if err != nil {
		t.Fatal(err)
	}
	s, err := box.Pick(2)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		"[{Signed-off-by A B <a@b.c> patch} {Reviewed-by O P <o@p.q> reply} {Tested-by O P <o@p.q> reply}]",
		"[{Signed-off-by A B <a@b.c> patch} {Acked-by O P <o@p.q> reply} {Reviewed-by O P <o@p.q> reply stale} {Tested-by O P <o@p.q> reply stale}]",
	} {
		if got := trailerText(s.Patches[i].Trailers); got != want {
			t.Errorf("patch %d:\n got %s\nwant %s", i+1, got, want)
		}
	}
}
