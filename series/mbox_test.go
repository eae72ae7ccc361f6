package series

import (
	"bytes"
	"strings"
	"testing"
)

const sha = "0123456789012345678901234567890123456789"

func TestSplitMbox(t *testing.T) {
	const date = " Mon Jan  1 10:00:00 2024\n"
	for _, c := range []struct {
		name, in string
		want     []string
	}{
		{"two messages", "From a@b" + date + "A: 1\n\nx\n\nFrom a@b" + date + "A: 2\n\ny\n", []string{"A: 1\n\nx\n", "A: 2\n\ny\n"}},
		{"mboxrd", "From mboxrd@z Thu Jan  1 00:00:00 1970\nA: 1\n\n>From x\n>>From y\n> From z\n", []string{"A: 1\n\nFrom x\n>From y\n> From z\n"}},
		{"format-patch quotes nothing", "From " + sha + " Mon Sep 17 00:00:00 2001\nA: 1\n\n>From x\n", []string{"A: 1\n\n>From x\n"}},
		{"body line that starts From", "From a@b" + date + "A: 1\n\nFrom what I see at 10:00:00 2024\nit works\n", []string{"A: 1\n\nFrom what I see at 10:00:00 2024\nit works\n"}},
		{"body line that starts From, after a blank", "From a@b" + date + "A: 1\n\nx\n\nFrom here on\nB: no\n", []string{"A: 1\n\nx\n\nFrom here on\nB: no\n"}},
		{"separator without a blank line before it", "From a@b" + date + "A: 1\n\nx\nFrom a@b" + date + "A: 2\n\ny\n", []string{"A: 1\n\nx\n", "A: 2\n\ny\n"}},
		{"mboxcl2", "From a@b" + date + "Content-Length: 71\nA: 1\n\n" + strings.Repeat("x", 22) + "\nFrom a@b" + date + "B: no\n>From x\n" + "\nFrom a@b" + date + "A: 2\n\ny\n",
			[]string{"Content-Length: 71\nA: 1\n\n" + strings.Repeat("x", 22) + "\nFrom a@b" + date + "B: no\n>From x\n", "A: 2\n\ny\n"}},
		{"wrong Content-Length", "From a@b" + date + "Content-Length: 9999\nA: 1\n\nx\n", []string{"Content-Length: 9999\nA: 1\n\nx\n"}},
		{"CRLF", "From a@b Mon Jan  1 10:00:00 2024\r\nA: 1\r\n\r\nx\r\n\r\nFrom a@b Mon Jan  1 10:00:00 2024\r\nA: 2\r\n\r\ny\r\n", []string{"A: 1\n\nx\n", "A: 2\n\ny\n"}},
		{"numeric zone", "From a@b Mon Jan  1 10:00:00 2024 +0100\nA: 1\n\nx\n", []string{"A: 1\n\nx\n"}},
		{"no mbox", "A: 1\n\nx\n", nil},
		{"nothing", "", nil},
		{"separator alone", "From a@b" + date, []string{""}},
	} {
		var got []string
		for _, m := range splitMbox([]byte(c.in)) {
			got = append(got, string(m))
		}
		if strings.Join(got, "\x00") != strings.Join(c.want, "\x00") || len(got) != len(c.want) {
			t.Errorf("%s:\n got %q\nwant %q", c.name, got, c.want)
		}
	}
}

// TestMboxrdRoundTrip writes messages and reads them back: the same bytes but for a newline at the end.
func TestMboxrdRoundTrip(t *testing.T) {
	msgs := [][]byte{
		[]byte("A: 1\n\nFrom x\n>From y\n\n\n"),
		[]byte("A: 1\nContent-Length: 3\n\nno newline"),
		[]byte("Content-Length: 13\nA: 1\n\nabcde\nFrom x\n"),
		[]byte("A: 1\n\nFrom " + sha + " Mon Sep 17 00:00:00 2001\nB: 2\n"),
	}
	var raw []byte
	for _, m := range msgs {
		raw = appendMboxrd(raw, m)
	}
	got := splitMbox(raw)
	if len(got) != len(msgs) {
		t.Fatalf("%d messages, want %d", len(got), len(msgs))
	}
	for i := range msgs {
		if want := append(bytes.TrimSuffix(msgs[i], []byte("\n")), '\n'); !bytes.Equal(got[i], want) {
			t.Errorf("message %d: got %q, want %q", i, got[i], want)
		}
	}
}

// TestShortSeparators cuts an mbox whose separators have no date, and no other at such lines.
func TestShortSeparators(t *testing.T) {
	const mail = "From: A <a@b.c>\nSubject: x\n\nwords\n\n"
	if got := splitMbox([]byte("From nobody\n" + mail + "From nobody\n" + mail + "From here\nto: there\n")); len(got) != 2 {
		t.Errorf("%d messages: %q", len(got), got)
	}
	if got := splitMbox([]byte("From nobody Mon Jan  1 10:00:00 2024\n" + mail + "From nobody\nto: there\n")); len(got) != 1 {
		t.Errorf("%d messages: %q", len(got), got)
	}
}
