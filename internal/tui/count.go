package tui

import (
	"slices"
	"strconv"

	tea "charm.land/bubbletea/v2"
)

// countable is a screen of which the n-th thing or line, from 1, can be gone to.
type countable interface{ number(n int) }

// Bounds of a count: the lines of a log are counted one by one, and a move is done as often as it says.
const (
	countMost = 99_999
	timesMost = 1_000
)

// digits is the label of what counts.
const digits = "1-9"

// digit adds to the count that the next key takes, and says whether the key is a digit of one, and nothing else here.
func (m *model) digit(b *Binding, key string) bool {
	counts := b != nil && b.Label == digits || key == "0" && m.count > 0
	if !counts {
		return false
	}
	n, _ := strconv.Atoi(key)
	if n += 10 * m.count; n <= countMost {
		m.count = n
	}
	m.said = strconv.Itoa(m.count)
	return true
}

// repeated is what a key does with the count that was typed before it: moving is done so many times, G goes to a number.
func (m *model) repeated(b *Binding) tea.Cmd {
	n := m.count
	m.count = 0
	s, ok := m.top().(countable)
	switch {
	case n > 0 && ok && (slices.Contains(b.keys, "G") || slices.Contains(b.keys, "g")):
		s.number(n)
		return nil
	case n == 0 || !slices.ContainsFunc(b.keys, func(key string) bool { return slices.Contains(moves, key) }):
		return b.do()
	}
	var cmds []tea.Cmd
	n = min(n, timesMost)
	for on := m.top(); n > 0 && m.top() == on; n-- {
		cmds = append(cmds, b.do())
	}
	return tea.Batch(cmds...)
}

// moves are keys that mean moving wherever they are bound.
var moves = []string{"j", "k", "h", "l", "]", "[", "J", "K", "N", "ctrl+d", "ctrl+u", "pgdown", "pgup", "tab", "shift+tab"}

func (s *matrixScreen) number(n int) {
	if row, _ := s.place(n, ""); row >= 0 {
		s.grid.moveTo(row, s.grid.col, s.matrix)
		return
	}
	s.m.said = "there is no prefix " + strconv.Itoa(n)
}

func (s *workspaceScreen) number(n int) { s.move(n-1, len(s.entries)) }

func (s *subsetScreen) number(n int) { s.move(n-1, s.size()) }

func (s *bisectScreen) number(n int) { s.move(n, s.size()) } // the base is 0

// number goes to a line.
func (v *pager) number(n int) {
	if w := v.window(); w != nil {
		w.start()
		w.scroll(n - 1)
	}
}
