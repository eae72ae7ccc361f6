package tui

import (
	"fmt"

	tea "charm.land/bubbletea/v2"
)

// help is the overlay that lists the keys of the screen under it.
type help struct {
	look
	lines         []string
	width, height int // of the terminal
	top           int
}

func newHelp(l look, t Table, width, height int) *help {
	h := &help{look: l, width: width, height: height, lines: []string{l.paint(bold, " "+t.Title), ""}}
	for _, b := range t.Bindings {
		h.lines = append(h.lines, l.cut(fmt.Sprintf("   %-12s %s", b.Label, b.Help), width))
	}
	if len(t.Legend) > 0 {
		h.lines = append(h.lines, "", l.paint(bold, " Cells"), "")
		for _, w := range t.Legend {
			h.lines = append(h.lines, l.cut("   "+w, width))
		}
	}
	return h
}

// helped takes a key of the overlay.
func (m *model) helped(key string) tea.Cmd {
	h := m.help
	switch key {
	case "j", "down", "space", "pgdown":
		h.top = min(h.top+1, max(len(h.lines)-h.height+1, 0))
	case "k", "up", "pgup":
		h.top = max(h.top-1, 0)
	case "ctrl+c", "Q":
		m.help = nil
		return m.quit()
	default:
		m.help = nil
	}
	return nil
}

// view draws the overlay over the whole terminal.
func (h *help) view() []string {
	body := h.height - 1
	lines := append([]string{}, h.lines[h.top:min(len(h.lines), h.top+body)]...)
	for len(lines) < body {
		lines = append(lines, "")
	}
	last := " any other key closes"
	if len(h.lines) > body {
		last = " j k scroll, any other key closes"
	}
	return append(lines, h.paint(faint, h.cut(last, h.width)))
}
