package tui

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// pager is a screen of tabs, each a window on a text, of which one is shown.
type pager struct {
	look
	tabs          []tab
	tab           int
	width, height int
	hits          string // what the last search found, for the line of tabs
	named         []tabEnd
	wanted        string // the tab that the user is in, also where there is none of that name
	fell          string // the tab that is shown for it then

	cancel   context.CancelFunc // of the search that goes on, nil while none does
	searches int                // answers to older searches are dropped
}

// tabEnd is where the name of a tab ends in the line of tabs.
type tabEnd struct{ tab, column int }

// clickTab goes to the tab that is named at a column, and says whether one is.
func (v *pager) clickTab(column int) bool {
	for _, n := range v.named {
		if column < n.column {
			v.nextTab(n.tab - v.tab)
			return true
		}
	}
	return false
}

// tab is one text of a pager.
type tab struct {
	name string
	win  *window
}

// add appends a tab with a text; an empty one gets none.
func (v *pager) add(name, text string) *window {
	text = strings.TrimRight(text, "\n")
	if text == "" {
		return nil
	}
	w := newWindow(v.look, strings.NewReader(text), int64(len(text)))
	v.tabs = append(v.tabs, tab{name, w})
	return w
}

// choose shows the tab of that name, if there is one.
func (v *pager) choose(name string) {
	for i, t := range v.tabs {
		if t.name == name {
			v.tab = i
		}
	}
}

// chosen is the shown tab's name, "" without tabs.
func (v *pager) chosen() string {
	if v.tab < len(v.tabs) {
		return v.tabs[v.tab].name
	}
	return ""
}

// choice is the tab that the user is in, also where another is shown for want of it.
func (v *pager) choice() string {
	if c := v.chosen(); c != "" && c != v.fell {
		return c
	}
	return v.wanted
}

// stay shows the tab of that name, or remembers it for texts that have one.
func (v *pager) stay(name string) {
	v.choose(name)
	v.wanted, v.fell = name, ""
	if c := v.chosen(); c != name {
		v.fell = c
	}
}

// window is the shown tab's, nil when there is none.
func (v *pager) window() *window {
	if v.tab < len(v.tabs) {
		return v.tabs[v.tab].win
	}
	return nil
}

func (v *pager) resize(width, height int) {
	v.width, v.height = width, height
	for _, t := range v.tabs {
		t.win.resize(width, height-1)
	}
}

// keys are those of all texts, for the screen that shows them; tabs says what Tab goes through, "" where there is one text.
func (v *pager) keys(s screen, m *model, tabs string) []Binding {
	scroll := func(lines func(w *window) int) func() tea.Cmd {
		return does(func() {
			if w := v.window(); w != nil {
				w.scroll(lines(w))
			}
		})
	}
	by := func(n int) func() tea.Cmd { return scroll(func(*window) int { return n }) }
	half := func(n int) func() tea.Cmd {
		return scroll(func(w *window) int { return n * max(w.height/2, 1) })
	}
	var all []Binding
	if tabs != "" {
		all = []Binding{
			{[]string{"tab"}, "Tab", "Tab next tab", tabs, does(func() { v.nextTab(1) })},
			{[]string{"shift+tab"}, "Shift-Tab", "", "tab before", does(func() { v.nextTab(-1) })},
		}
	}
	all = append(all, []Binding{
		{[]string{"j", "down", "enter"}, "j, down, Enter", "", "a line down", by(1)},
		{[]string{"k", "up"}, "k, up", "", "a line up", by(-1)},
		{[]string{"h", "left"}, "h, left", "", "scroll to the left", does(func() { v.sideways(-8) })},
		{[]string{"l", "right"}, "l, right", "", "scroll to the right", does(func() { v.sideways(8) })},
		{[]string{"ctrl+d"}, "^d", "", "half a screen down", half(1)},
		{[]string{"ctrl+u"}, "^u", "", "half a screen up", half(-1)},
		{[]string{"space", "pgdown", "ctrl+f"}, "Space, PgDn, ^f", "", "a screen down", half(2)},
		{[]string{"pgup", "b", "ctrl+b"}, "PgUp, b, ^b", "", "a screen up", half(-2)},
		{[]string{"g", "home"}, "g, Home", "", "to the start", does(func() { v.edge(false) })},
		{[]string{"G", "end"}, "G, End", "", "to the end, and follow it", does(func() { v.edge(true) })},
	}...)
	return append(all, m.finding("find text in this tab", func(text string, step int) tea.Cmd { return v.find(s, text, step) })...)
}

func (v *pager) nextTab(step int) {
	if len(v.tabs) > 0 {
		v.stopSearch()
		v.tab, v.hits = wrapIndex(v.tab+step, len(v.tabs)), ""
	}
}

func (v *pager) sideways(columns int) {
	if w := v.window(); w != nil {
		w.x = max(w.x+columns, 0)
	}
}

func (v *pager) edge(end bool) {
	switch w := v.window(); {
	case w == nil:
	case end:
		w.end()
	default:
		w.start()
	}
}

// foundMsg is the end of a search.
type foundMsg struct {
	in     *pager
	serial int
	text   string
	back   bool
	at     int64
	err    error
}

// find searches the shown tab from the last find on, forward or back; the answer goes to s.
func (v *pager) find(s screen, text string, step int) tea.Cmd {
	w := v.window()
	if w == nil {
		return nil
	}
	v.stopSearch()
	ctx, cancel := context.WithCancel(context.Background())
	v.cancel = cancel
	v.hits = "searching" + v.pick("…", "...")
	from := w.top
	if w.hit >= 0 {
		from = w.hit
		if step > 0 {
			_, from = w.line(w.hit)
		}
	}
	serial, r, size := v.searches, w.r, w.size
	return ask(s, func() tea.Msg {
		at, err := search(ctx, r, size, from, text, step < 0)
		return foundMsg{v, serial, text, step < 0, at, err}
	})
}

// stopSearch gives up the search that goes on.
func (v *pager) stopSearch() {
	v.searches++
	if v.cancel != nil {
		v.cancel()
		v.cancel, v.hits = nil, ""
	}
}

// waits says whether a search goes on: keys are about what it finds.
func (v *pager) waits() bool { return v.cancel != nil }

// giveUp gives up the search that goes on, and says whether one did.
func (v *pager) giveUp() bool {
	if v.cancel == nil {
		return false
	}
	v.stopSearch()
	return true
}

// found shows what a search found, unless it was given up meanwhile, or tells m why nothing.
func (v *pager) found(msg foundMsg, m *model) {
	if msg.in != v || msg.serial != v.searches {
		return
	}
	v.stopSearch()
	switch {
	case errors.Is(msg.err, context.Canceled), errors.Is(msg.err, os.ErrClosed):
	case msg.err != nil:
		m.said = msg.err.Error()
	case msg.at < 0 && msg.back:
		m.said = fmt.Sprintf("no %q before", msg.text)
	case msg.at < 0:
		m.said = fmt.Sprintf("no more %q", msg.text)
	default:
		v.hits = "/" + msg.text
		v.window().show(msg.at)
	}
}

// view draws the tabs and the shown one's window in v.height lines.
func (v *pager) view() []string {
	lines := []string{v.tabLine()}
	if w := v.window(); w != nil {
		lines = append(lines, w.view()...)
	}
	return v.fill(lines)
}

// fill makes lines v.height of them.
func (v *pager) fill(lines []string) []string {
	for len(lines) < v.height {
		lines = append(lines, "")
	}
	return lines[:max(v.height, 1)]
}

// tabLine names the tabs, and says where in the shown one the window is. Where not all names fit they stand closer, and the first
// give way to the shown one.
func (v *pager) tabLine() string {
	const place = 8 // columns for where the window is
	tight, from := false, 0
	end := func(last int) int {
		n := 1
		for _, t := range v.tabs[from : last+1] {
			if n += textWidth(t.name) + 1; !tight {
				n += 2
			}
		}
		return n
	}
	last := len(v.tabs) - 1
	tight = end(last) > v.width-place
	for from < v.tab && end(v.tab) > v.width-place {
		from++
	}
	for last > v.tab && end(last) > v.width-place {
		last--
	}
	var names strings.Builder
	used := 0
	v.named = v.named[:0]
	put := func(st style, i int, s string) {
		used += textWidth(s)
		names.WriteString(v.paint(st, s))
		v.named = append(v.named, tabEnd{i, used})
	}
	for i := from; i <= last; i++ {
		before, after := " ", ""
		switch {
		case i == v.tab:
			before, after = "[", "]"
		case tight && i == v.tab+1 && i > from:
			before = ""
		}
		if !tight {
			before, after = " "+before, cmp.Or(after, " ")
		}
		st := faint
		if i == v.tab {
			st = bold
		}
		put(st, i, before+v.tabs[i].name+after)
	}
	line := names.String()
	if w := v.window(); w != nil {
		right := w.place()
		if v.hits != "" {
			right = v.text(v.hits) + "  " + right
		}
		right = v.cut(right, max(v.width-used-2, 5))
		line += spaces(v.width-used-textWidth(right)-1) + v.paint(faint, right)
	}
	return line
}
