package tui

import (
	tea "charm.land/bubbletea/v2"
)

// binding is one entry of the key table, which the short help, the ? overlay and Update all read.
type binding struct {
	keys  []string // as Bubble Tea names them
	label string   // as a person reads them
	brief string   // what the short help says of it, key and all; "" keeps it out
	help  string
	do    func(*model) tea.Cmd
}

// onMatrix is the key table of the matrix.
func onMatrix() []binding {
	move := func(rows, cols int) func(*model) tea.Cmd {
		return func(m *model) tea.Cmd { m.matrix.grid.move(rows, cols, m.matrix); return nil }
	}
	page := func(halves int) func(*model) tea.Cmd {
		return func(m *model) tea.Cmd {
			m.matrix.grid.move(halves*max(m.matrix.grid.bodyRows()/2, 1), 0, m.matrix)
			return nil
		}
	}
	to := func(place func(m *model) (row, col int)) func(*model) tea.Cmd {
		return func(m *model) tea.Cmd {
			row, col := place(m)
			m.matrix.grid.moveTo(row, col, m.matrix)
			return nil
		}
	}
	return append([]binding{
		{[]string{"enter"}, "Enter", "Enter open", "open the cell: its runs, console and stacks", (*model).open},
		{[]string{"p"}, "p", "p patch", "open the patch: message, diff, replies, what it needs", (*model).openPatch},
		{[]string{"j", "down"}, "j, down", "", "next patch", move(1, 0)},
		{[]string{"k", "up"}, "k, up", "", "patch before", move(-1, 0)},
		{[]string{"h", "left"}, "h, left", "", "case to the left", move(0, -1)},
		{[]string{"l", "right"}, "l, right", "", "case to the right", move(0, 1)},
		{[]string{"]"}, "]", "", "next patch that does something", func(m *model) tea.Cmd { return m.nextEffect(1) }},
		{[]string{"["}, "[", "[ ] effects", "patch before that does something", func(m *model) tea.Cmd { return m.nextEffect(-1) }},
		{[]string{"g", "home"}, "g, Home", "", "first patch", to(func(m *model) (int, int) { return 0, m.matrix.grid.col })},
		{[]string{"G", "end"}, "G, End", "", "last patch", to(func(m *model) (int, int) { return m.matrix.Rows(), m.matrix.grid.col })},
		{[]string{"0", "^"}, "0", "", "first case", to(func(m *model) (int, int) { return m.matrix.grid.row, 0 })},
		{[]string{"$"}, "$", "", "last case", to(func(m *model) (int, int) { return m.matrix.grid.row, m.matrix.Cols() })},
		{[]string{"ctrl+d"}, "^d", "", "half a screen down", page(1)},
		{[]string{"ctrl+u"}, "^u", "", "half a screen up", page(-1)},
		{[]string{"space", "pgdown"}, "Space, PgDn", "", "a screen down", page(2)},
		{[]string{"pgup"}, "PgUp", "", "a screen up", page(-2)},
		{[]string{"/"}, "/", "/ find", "find a patch or case by a part of its name", (*model).ask},
		{[]string{"n"}, "n", "", "next find", func(m *model) tea.Cmd { return m.again(1) }},
		{[]string{"N"}, "N", "", "find before", func(m *model) tea.Cmd { return m.again(-1) }},
		{[]string{"q", "esc"}, "q, Esc", "", "close the help or quit", (*model).quit},
	}, everywhere()...)
}

// onCell is the key table of a cell.
func onCell() []binding {
	return append(append(onText("next of stacks, report, output, facts, console"), []binding{
		{[]string{"]"}, "]", "", "the same case with the next patch", func(m *model) tea.Cmd { return m.neighbour(1) }},
		{[]string{"["}, "[", "[ ] patch", "the same case without this patch", func(m *model) tea.Cmd { return m.neighbour(-1) }},
		{[]string{"J"}, "J", "", "next run", func(m *model) tea.Cmd { return m.nextRun(1) }},
		{[]string{"K"}, "K", "J K run", "run before", func(m *model) tea.Cmd { return m.nextRun(-1) }},
		{[]string{"p"}, "p", "p diff", "open the patch: message, diff, replies, what it needs", (*model).openPatch},
		{[]string{"q", "esc"}, "q, Esc", "q back", "back to the matrix", (*model).closeCell},
	}...), everywhere()...)
}

// onPatch is the key table of a patch.
func onPatch() []binding {
	return append(append(onText("next of patch, thread, needs, build, cases"), []binding{
		{[]string{"]"}, "]", "", "next patch", func(m *model) tea.Cmd { return m.nextPatch(1) }},
		{[]string{"["}, "[", "[ ] patch", "patch before; before the first the cover letter", func(m *model) tea.Cmd { return m.nextPatch(-1) }},
		{[]string{"z"}, "z", "z quotes", "show quoted parts whole, or fold them", func(m *model) tea.Cmd { m.patch.fold(); return nil }},
		{[]string{"q", "esc", "p"}, "q, Esc, p", "q back", "back to where it was opened", (*model).closePatch},
	}...), everywhere()...)
}

// onText are the keys of all texts with tabs; tabs says what Tab goes through.
func onText(tabs string) []binding {
	scroll := func(lines func(w *window) int) func(*model) tea.Cmd {
		return func(m *model) tea.Cmd {
			if w := m.window(); w != nil {
				w.scroll(lines(w))
			}
			return nil
		}
	}
	half := func(n int) func(*model) tea.Cmd {
		return scroll(func(w *window) int { return n * max(w.height/2, 1) })
	}
	by := func(n int) func(*model) tea.Cmd { return scroll(func(*window) int { return n }) }
	return []binding{
		{[]string{"tab"}, "Tab", "Tab next tab", tabs, func(m *model) tea.Cmd { return m.nextTab(1) }},
		{[]string{"shift+tab"}, "Shift-Tab", "", "tab before", func(m *model) tea.Cmd { return m.nextTab(-1) }},
		{[]string{"j", "down"}, "j, down", "", "a line down", by(1)},
		{[]string{"k", "up"}, "k, up", "", "a line up", by(-1)},
		{[]string{"h", "left"}, "h, left", "", "scroll to the left", func(m *model) tea.Cmd { return m.sideways(-8) }},
		{[]string{"l", "right"}, "l, right", "", "scroll to the right", func(m *model) tea.Cmd { return m.sideways(8) }},
		{[]string{"ctrl+d"}, "^d", "", "half a screen down", half(1)},
		{[]string{"ctrl+u"}, "^u", "", "half a screen up", half(-1)},
		{[]string{"space", "pgdown"}, "Space, PgDn", "", "a screen down", half(2)},
		{[]string{"pgup", "b"}, "PgUp", "", "a screen up", half(-2)},
		{[]string{"g", "home"}, "g, Home", "", "to the start", func(m *model) tea.Cmd { return m.edge(false) }},
		{[]string{"G", "end"}, "G, End", "", "to the end, and follow it", func(m *model) tea.Cmd { return m.edge(true) }},
		{[]string{"/"}, "/", "/ find", "find text in this tab", (*model).ask},
		{[]string{"n"}, "n", "", "next find", func(m *model) tea.Cmd { return m.again(1) }},
		{[]string{"N"}, "N", "", "find before", func(m *model) tea.Cmd { return m.again(-1) }},
	}
}

func everywhere() []binding {
	return []binding{
		{[]string{"?"}, "?", "? help", "this list", func(m *model) tea.Cmd { m.help, m.helpTop = true, 0; return nil }},
		{[]string{"Q", "ctrl+c"}, "Q", "Q quit", "quit (asks if jobs run)", (*model).quit},
		{[]string{"ctrl+z"}, "^z", "", "suspend", func(*model) tea.Cmd { return tea.Suspend }},
		{[]string{"ctrl+l"}, "^l", "", "draw anew", func(*model) tea.Cmd { return tea.ClearScreen }},
	}
}

// short is the short help of a key table, as much of it as fits.
func short(table []binding, width int) string {
	s := ""
	for _, b := range table {
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

// bindingFor finds a key in a table.
func bindingFor(table []binding, key string) *binding {
	for i := range table {
		for _, k := range table[i].keys {
			if k == key {
				return &table[i]
			}
		}
	}
	return nil
}
