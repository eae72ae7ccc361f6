package tui

import (
	"fmt"

	tea "charm.land/bubbletea/v2"

	"github.com/seriesctl/seriesctl/internal/plain"
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
	const indent = 19 // of what a key does
	for _, b := range t.Bindings {
		for i, line := range plain.Wrap(b.Help, width-indent-1) {
			label := ""
			if i == 0 {
				label = b.Label
			}
			h.lines = append(h.lines, l.cut(fmt.Sprintf("   %-*s %s", indent-4, label, line), width))
		}
	}
	if len(t.Legend) > 0 {
		h.lines = append(h.lines, "", l.paint(bold, " What the words mean"), "")
		for _, w := range t.Legend {
			for i, line := range plain.Wrap(w, width-6) {
				if i > 0 {
					line = "  " + line
				}
				h.lines = append(h.lines, l.cut("   "+line, width))
			}
		}
	}
	return h
}

// last is how far the overlay scrolls.
func (h *help) last() int { return max(len(h.lines)-h.height+1, 0) }

// helped takes a key of the overlay.
func (m *model) helped(key string) tea.Cmd {
	h := m.help
	screen := max(h.height-1, 1)
	by := map[string]int{"j": 1, "down": 1, "k": -1, "up": -1, "ctrl+d": screen / 2, "ctrl+u": -screen / 2, "space": screen, "pgdown": screen,
		"pgup": -screen, "b": -screen, "g": -len(h.lines), "home": -len(h.lines), "G": len(h.lines), "end": len(h.lines)}
	switch lines, ok := by[key]; {
	case ok:
		h.top = min(max(h.top+lines, 0), h.last())
	case key == "ctrl+c" || key == "Q":
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
	last, where := " any other key closes", ""
	if h.last() > 0 {
		last = " j k Space PgUp g G scroll, any other key closes"
		switch h.top {
		case 0:
			where = "top "
		case h.last():
			where = "end "
		default:
			where = fmt.Sprintf("%d%% ", 100*h.top/h.last())
		}
	}
	return append(lines, h.paint(faint, h.ends(last, where, h.width)))
}
