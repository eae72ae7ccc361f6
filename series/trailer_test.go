package series

import (
	"fmt"
	"testing"
)

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
		if got := fmt.Sprint(messageTrailers(c.in)); got != c.want {
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
		{"Signed-off-by: A B <a@b.c>\nFixes: 12\nReviewed-by: nobody\n", "[]", "[]"},
		{"diff --git a/x b/x\n+Reviewed-by: A B <a@b.c>\nReviewed-by: A B <a@b.c>\n", "[]", "[]"},
	} {
		own, others := replyTrailers(c.in, me)
		if fmt.Sprint(own) != c.own || fmt.Sprint(others) != c.others {
			t.Errorf("%q: got %v and %v", c.in, own, others)
		}
	}
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
		if got := fmt.Sprint(p.Trailers); got != "[{Signed-off-by A B <a@b.c> patch} {Reviewed-by O P <o@p.q> reply}]" {
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
