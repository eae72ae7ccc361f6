package tui

import "testing"

func TestCounts(t *testing.T) {
	s := newScreen(t, rfc(), 80, 24, Options{})
	for _, tt := range []struct {
		keys     string
		row, col int
	}{
		{"3 j", 3, 0}, {"2 k", 1, 0}, {"4 l", 1, 4}, {"0", 1, 0}, {"1 0 j", 9, 0}, {"4 G", 4, 0}, {"1 g", 1, 0}, {"2 esc j", 2, 0},
		{"5 x esc j", 3, 0}, // interrupting is not done five times
		{"2 a j", 4, 0},
		{"9 9 9 9 9 9 9 k", 0, 0},
	} {
		s.types(tt.keys)
		if g := s.matrix().grid; g.row != tt.row || g.col != tt.col {
			t.Fatalf("%s: row %d, column %d", tt.keys, g.row, g.col)
		}
		if s.m.count != 0 {
			t.Errorf("%s: %d is left", tt.keys, s.m.count)
		}
	}
	s.types("1 2")
	s.has(" 12")
	s.types("esc 7 7 G")
	s.has("there is no prefix 77")

	s.types("4 G enter shift+tab 2 0 G")
	s.has("line 20 of")
	if top := s.text(); top == "" || s.m.top().(*cellScreen).window().top != s.m.top().(*cellScreen).window().at[0] {
		t.Error(top)
	}
	s.types("1 0 j")
	if w := s.m.top().(*cellScreen).window(); w.lines[0] == "" || w.lines[0][15:22] != "line 30" {
		t.Errorf("at %q", w.lines[0])
	}
	s.types("2 [")
	s.has("prefix 2")
}
