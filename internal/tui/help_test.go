package tui

import (
	"strings"
	"testing"
)

// The overlay says everything, however narrow, and is read as any text: by lines, screens and to its ends, also after a resize.
func TestHelpIsReadAsATextIs(t *testing.T) {
	s := newScreen(t, rfc(), 60, 15, Options{})
	s.keys("?")
	s.has(" top")
	var all strings.Builder
	for range s.m.help.last() + 1 {
		all.WriteString(strings.SplitN(s.text(), "\n", 2)[0] + " ")
		s.keys("j")
	}
	s.has(" end")
	all.WriteString(s.text())
	got := strings.Join(strings.Fields(all.String()), " ")
	for _, b := range s.m.tableOf(s.m.top()).Bindings {
		if want := b.Label + " " + b.Help; !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	s.keys("g")
	for _, tt := range []struct {
		key string
		top int
	}{{"j", 1}, {"space", 15}, {"k", 14}, {"b", 0}, {"ctrl+d", 7}, {"ctrl+u", 0}, {"G", s.m.help.last()}, {"home", 0}, {"space", 14}} {
		if s.keys(tt.key); s.m.help == nil || s.m.help.top != tt.top {
			t.Fatalf("%s: %+v", tt.key, s.m.help)
		}
	}
	s.size(60, 14)
	if s.m.help.top != 14 {
		t.Errorf("after a resize it begins with line %d", s.m.help.top)
	}
	s.keys("G")
	s.size(200, 60)
	if h := s.m.help; h.top != h.last() {
		t.Errorf("it begins with line %d of %d", h.top, h.last())
	}
	s.keys("q")
	s.has("Enter open")
}
