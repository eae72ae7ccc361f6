package tui

import (
	"io"
	"strings"
	"testing"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/testplan"
)

func TestBreakMail(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"short", "    as it is", "    as it is"},
		{"prose", "    one two three four five", "    one two three\n    four five"},
		{"quoted", "  > > one two three four", "  > > one two three\n  > > four"},
		{"a word", "    https://example.org/a", "    https://example.\n    org/a"},
		{"who writes", "* One <one@a.org>, today", "* One <one@a.org>,\n  today"},
		{"wide", "    日本語の件名は長いです", "    日本語の件名は長\n    いです"},
		{"exactly", "    one two three four\nx", "    one two three\n    four\nx"},
		{"a diff", "    one two three four five\n---\n+    one two three four five", "    one two three\n    four five\n---\n+    one two three four five"},
		{"hostile", "    \x1b[2Jone two three four", "    one two three\n    four"},
		{"combining marks", "    e\u0301e\u0301e\u0301 two three four", "    e\u0301e\u0301e\u0301 two three\n    four"},
	}
	for _, tt := range tests {
		if got := breakMail(tt.text, 20); got != tt.want {
			t.Errorf("%s:\n%s\nwanted\n%s", tt.name, got, tt.want)
		}
	}
}

// A line may be as long as a mail.
func TestBreakALongLine(t *testing.T) {
	line := strings.Repeat("日本語e\u0301 ", 30_000)
	got := breakMail("> "+line, 60)
	joined := strings.ReplaceAll(strings.ReplaceAll(got, "> ", ""), "\n", "")
	if strings.ReplaceAll(joined, " ", "") != strings.ReplaceAll(line, " ", "") {
		t.Error("something is lost")
	}
}

// A mail is read whole at 60 columns, stays where it is when the terminal becomes wider, and goes to $EDITOR as it was sent.
func TestMailIsBrokenAtTheWidth(t *testing.T) {
	w := rfc()
	long := strings.Repeat("every word of a long line is read ", 20)
	w.series.Patches[3].Replies[0].Body = "first\n" + strings.Repeat("between\n", 40) + long + "\nlast"
	s := newScreen(t, w, 60, 15, Options{})
	s.keys("j", "j", "j", "j", "p", "tab")
	for range 12 {
		s.keys("ctrl+d")
		if text := s.text(); strings.Contains(text, "long l…") {
			t.Fatalf("cut:\n%s", text)
		}
		if strings.Contains(s.text(), "every word") {
			break
		}
	}
	s.size(100, 15)
	s.has("every word of a long line")
	_, r := s.m.shown()
	if all, err := io.ReadAll(r); err != nil || !strings.Contains(string(all), strings.TrimSpace(long)) {
		t.Errorf("%v, given away:\n%s", err, all)
	}
}

// What a run shows while the patch is read stands in its tabs.
func TestPatchIsLive(t *testing.T) {
	w := rfc()
	s := newScreen(t, w, 80, 24, Options{})
	s.keys("j", "j", "p", "tab", "tab", "tab")
	s.has("[cases]")
	r := rfc().result
	for i := range r.Cells {
		if c := &r.Cells[i]; c.Prefix == 2 && c.Case == r.Cases[0].Name {
			*c = lab.Cell{Prefix: 2, Case: c.Case, State: lab.CellDone, Outcome: testplan.Livelock, Runs: 3}
		}
	}
	w.result = r
	s.send(changedMsg{false})
	s.has("LIVE")
}
