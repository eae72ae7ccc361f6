package tui

import (
	"slices"

	tea "charm.land/bubbletea/v2"
)

// Table is the keys of a screen: the short help, the ? overlay, the manual page and Update all read it.
type Table struct {
	Title    string
	Bindings []Binding
	Legend   []string // what the words on the screen mean
}

// Binding is one entry of a Table.
type Binding struct {
	keys  []string // as Bubble Tea names them
	Label string   // as a person reads them
	brief string   // what the short help says of it, key and all; "" keeps it out
	Help  string
	do    func() tea.Cmd
}

// tableOf is the keys of a screen with those that work everywhere.
func (m *model) tableOf(s screen) Table {
	t := s.table()
	t.Bindings = append(t.Bindings, []Binding{
		{[]string{"?"}, "?", "? help", "this list", func() tea.Cmd {
			m.help = newHelp(m.look, m.tableOf(m.top()), m.width, m.height)
			return nil
		}},
		{[]string{"Q", "ctrl+c"}, "Q", "Q quit", "quit (asks if jobs run)", m.quit},
		{[]string{"ctrl+z"}, "^z", "", "suspend", func() tea.Cmd { return tea.Suspend }},
		{[]string{"ctrl+l"}, "^l", "", "draw anew", func() tea.Cmd { return tea.ClearScreen }},
	}...)
	return t
}

// finding is the keys of a search; find goes on to the next place that holds text, step -1 to the one before.
func (m *model) finding(help string, find func(text string, step int) tea.Cmd) []Binding {
	again := func(step int) func() tea.Cmd {
		return func() tea.Cmd {
			if m.wanted == "" {
				return nil
			}
			return find(m.wanted, step)
		}
	}
	asks := func() tea.Cmd {
		m.prompt = &prompt{label: "/", enter: func(text string) tea.Cmd {
			if text != "" {
				m.wanted = text
			}
			return again(1)()
		}}
		return nil
	}
	return []Binding{
		{[]string{"/"}, "/", "/ find", help, asks},
		{[]string{"n"}, "n", "", "next find", again(1)},
		{[]string{"N"}, "N", "", "find before", again(-1)},
	}
}

// does makes what a key does from what needs no command.
func does(do func()) func() tea.Cmd {
	return func() tea.Cmd { do(); return nil }
}

// short is the short help, as much of it as fits.
func (t Table) short(width int) string {
	s := ""
	for _, b := range t.Bindings {
		if b.brief == "" {
			continue
		}
		item := b.brief
		if s != "" {
			item = "  " + item
		}
		if len(s)+len(item)+1 > width {
			break
		}
		s += item
	}
	return " " + s
}

// binding finds a key.
func (t Table) binding(key string) *Binding {
	for i, b := range t.Bindings {
		if slices.Contains(b.keys, key) {
			return &t.Bindings[i]
		}
	}
	return nil
}
