package tui

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// list is a cursor on one of some things, and which of the lines that show them are visible.
type list struct {
	at, top, height int
}

// move puts the cursor on one of n.
func (l *list) move(to, n int) { l.at = max(min(to, n-1), 0) }

// show moves the window so that lines from to to are visible, of n.
func (l *list) show(from, to, n int) {
	l.top = min(l.top, from)
	l.top = max(l.top, to-l.height+1)
	l.top = max(min(l.top, n-l.height), 0)
}

// keys are those that move in a list of as many lines as n says, but for those that the screen has taken for something else.
func (l *list) keys(n func() int, taken ...string) []Binding {
	by := func(lines func() int) func() tea.Cmd {
		return does(func() { l.move(l.at+lines(), n()) })
	}
	lines := func(k int) func() int { return func() int { return k } }
	half := func(k int) func() int { return func() int { return k * max(l.height/2, 1) } }
	all := []Binding{
		{[]string{"j", "down"}, "j, down", "", "next", by(lines(1))},
		{[]string{"k", "up"}, "k, up", "", "one before", by(lines(-1))},
		{[]string{"ctrl+d"}, "^d", "", "half a screen down", by(half(1))},
		{[]string{"ctrl+u"}, "^u", "", "half a screen up", by(half(-1))},
		{[]string{"space", "pgdown", "ctrl+f"}, "Space, PgDn, ^f", "", "a screen down", by(half(2))},
		{[]string{"pgup", "ctrl+b"}, "PgUp, ^b", "", "a screen up", by(half(-2))},
		{[]string{"g", "home"}, "g, Home", "", "first", does(func() { l.move(0, n()) })},
		{[]string{"G", "end"}, "G, End", "", "last", does(func() { l.move(n()-1, n()) })},
	}
	for i := range all {
		b := &all[i]
		labels := strings.Split(b.Label, ", ") // one a key
		for k := len(b.keys) - 1; k >= 0; k-- {
			if slices.Contains(taken, b.keys[k]) {
				b.keys, labels = slices.Delete(b.keys, k, k+1), slices.Delete(labels, k, k+1)
			}
		}
		b.Label = strings.Join(labels, ", ")
	}
	return all
}
