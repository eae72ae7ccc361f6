package series

import (
	"fmt"
	"strings"
	"testing"
)

func TestNeeds(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"base-commit: v6.12-rc3\n", "v6.12-rc3  [] "},
		{"base-commit: f435c12df7c0ecf20ab8937859e63cddffacabb4\nprerequisite-patch-id: abc\nprerequisite-message-id: <a@b.c>\nchange-id: 20240101-x-9\n",
			"f435c12df7c0ecf20ab8937859e63cddffacabb4  [abc a@b.c] 20240101-x-9"},
		{"Depends-on: https://lore.kernel.org/all/a@b.c/\nBased-on: <d@e.f>\nDepends-on: another series\n", "  [a@b.c d@e.f] "},
		{"This series is based on v6.1-rc2.\n", " v6.1-rc2 [] "},
		{"They are based on top of the net tree at 0123456789ab\n", " 0123456789ab [] "},
		{"based on next-20240102, and tested\n", " next-20240102 [] "},
		{"The decision is based on what the user wants.\n", "  [] "},
	} {
		n := readNeeds(c.in)
		got := fmt.Sprintf("%s %s %v %s", n.base, n.wordsBase, n.prerequisites, n.changeID)
		if got != c.want {
			t.Errorf("%q: got %q, want %q", c.in, got, c.want)
		}
	}
}

// TestTextProblems checks that a doubt about the text of a patch is said.
func TestTextProblems(t *testing.T) {
	mail := func(kind, text string) string {
		return "From: A <a@b.c>\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nMessage-ID: <1@b.c>\nSubject: [PATCH] x\n" + kind + "\n" + text + "\n---\n" + testDiff
	}
	for _, c := range []struct{ name, mail, kind, detail string }{
		{"utf-8", mail("Content-Type: text/plain; charset=utf-8\n", "J\u00f6rg"), "", ""},
		{"latin-1", mail("Content-Type: text/plain; charset=iso-8859-1\n", "J\xf6rg"), "", ""},
		{"not utf-8", mail("Content-Type: text/plain; charset=utf-8\n", "J\xf6rg"), "wrong-charset", "not utf-8"},
		{"not ascii", mail("Content-Type: text/plain; charset=us-ascii\n", "J\xf6rg"), "wrong-charset", "not us-ascii"},
		{"unknown", mail("Content-Type: text/plain; charset=no-such\n", "J\xf6rg"), "wrong-charset", `"no-such" is not known`},
		{"not gb2312", mail("Content-Type: text/plain; charset=gb2312\n", "\xff\xff"), "wrong-charset", "not gb2312"},
		{"latin-1 in the diff only", mail("Content-Type: text/plain; charset=utf-8\n", "x") + " \xf6\n", "", ""},
		{"scissors", mail("", "hello\n-- >8 --\nwhy"), "scissors", "all of it is kept"},
		{"no scissors", mail("", "hello\n8< is\n---------- x"), "", ""},
	} {
		box, err := ParseMbox([]byte(mboxrdFrom + c.mail))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got := box.Series[0].Problems
		switch {
		case c.kind == "" && len(got) == 0:
		case c.kind == "" || len(got) != 1 || got[0].Kind != c.kind || !strings.Contains(got[0].Detail, c.detail):
			t.Errorf("%s: problems %v", c.name, got)
		}
	}
}
