package tui

import (
	"io"
	"strings"
)

// pager is a screen of tabs, each a window on a text, of which one is shown.
type pager struct {
	look
	tabs          []tab
	tab           int
	width, height int
	hits          string // what the last search found, for the line of tabs
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

// reader is what a search in the shown tab reads.
func (v *pager) reader() (io.ReaderAt, int64) {
	w := v.window()
	return w.r, w.size
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

// tabLine names the tabs, and says where in the shown one the window is.
func (v *pager) tabLine() string {
	var names strings.Builder
	used := 0
	for i, t := range v.tabs {
		name := " " + t.name + " "
		if i == v.tab {
			name = "[" + t.name + "]"
		}
		if used += len(name) + 1; used > v.width-8 {
			break
		}
		st := faint
		if i == v.tab {
			st = bold
		}
		names.WriteString(" " + v.paint(st, name))
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
