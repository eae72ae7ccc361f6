package tui

import (
	"slices"
	"strings"

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
	if _, ok := s.(at); ok {
		t.Bindings = append(t.Bindings, []Binding{
			{[]string{"R"}, "R", "", "run the case under the cursor once more", m.rerun},
			{[]string{"s"}, "s", "", "a shell in the virtual machine of the prefix", m.shell},
		}...)
	}
	if _, ok := s.(text); ok {
		t.Bindings = append(t.Bindings, []Binding{
			{[]string{"e"}, "e", "", "open a copy of the text in $EDITOR", m.edit},
			{[]string{"|"}, "|", "", "pipe the text to a command or $PAGER", m.pipe},
		}...)
	}
	for _, b := range m.everywhere() {
		// A screen may give a key another meaning.
		if t.binding(b.keys[0]) == nil {
			t.Bindings = append(t.Bindings, b)
		}
	}
	return t
}

// everywhere is the keys that work on all screens.
func (m *model) everywhere() []Binding {
	return []Binding{
		{[]string{":"}, ":", ": command", "any command of seriesctl, for the shown series: run, apply, report, bisect and so on", m.askCommand},
		{[]string{"1", "2", "3", "4", "5", "6", "7", "8", "9"}, digits, "", "a count for the next key: 3j moves three times, 12G goes to patch or line 12", func() tea.Cmd { return nil }},
		{[]string{"w"}, "w", "w jobs", "what runs: builds, virtual machines, commands, with their output", m.openJobs},
		{[]string{"W"}, "W", "", "the series of the workspace", m.home},
		{[]string{"x"}, "x", "", "interrupt the run; the same command resumes", m.cancel},
		{[]string{"O"}, "O", "", "the whole terminal for this screen, or as before", does(func() { m.whole = !m.whole; m.fit() })},
		{[]string{"?"}, "?", "? help", "this list", func() tea.Cmd {
			m.help = newHelp(m.look, m.tableOf(m.top()), m.width, m.height)
			return nil
		}},
		{[]string{"Q", "ctrl+c"}, "Q, ^c", "Q quit", "quit (asks if jobs run)", m.quit},
		{[]string{"ctrl+z"}, "^z", "", "suspend", func() tea.Cmd { return tea.Suspend }},
		{[]string{"ctrl+l"}, "^l", "", "draw anew", func() tea.Cmd { return tea.ClearScreen }},
	}
}

// finding is the keys of a search; find goes on to the next place that holds text, step -1 to the one before.
func (m *model) finding(help string, find func(text string, step int) tea.Cmd) []Binding {
	again := func(step int) func() tea.Cmd {
		return func() tea.Cmd {
			if m.wanted == "" {
				m.said = "nothing was searched for yet; / searches"
				return nil
			}
			return find(m.wanted, step)
		}
	}
	asks := func() tea.Cmd {
		m.prompt = &prompt{label: "/", history: m.finds, enter: func(text string) tea.Cmd {
			if text != "" {
				m.wanted, m.finds = text, append(slices.DeleteFunc(m.finds, func(f string) bool { return f == text }), text)
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

// short is the short help, as much of it as fits; how to get help and how to leave always do.
func (t Table) short(width int) string {
	last := ""
	for _, key := range []string{"?", "Q"} {
		if b := t.binding(key); b != nil && b.brief != "" {
			last += "  " + b.brief
		}
	}
	s := ""
	for _, b := range t.Bindings {
		if b.brief == "" || strings.Contains(last, "  "+b.brief) {
			continue
		}
		item := "  " + b.brief
		if len(s)+len(item)+len(last)-1 > width {
			break
		}
		s += item
	}
	return (s + last)[1:]
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
