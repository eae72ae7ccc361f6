package tui

import (
	"slices"

	tea "charm.land/bubbletea/v2"

	"github.com/seriesctl/seriesctl/internal/plain"
)

// prompt is the last line while it asks for something: a text, or yes or no.
type prompt struct {
	label string
	text  string                    // typed so far
	enter func(text string) tea.Cmd // takes the text; nil for a question
	yes   func() tea.Cmd            // takes a yes; any other key is a no
	also  []string                  // keys that mean yes beside y
}

// prompted takes a key of the prompt.
func (m *model) prompted(key, text string) tea.Cmd {
	p := m.prompt
	if p.enter == nil {
		m.prompt = nil
		if key == "y" || key == "Y" || slices.Contains(p.also, key) {
			return p.yes()
		}
		return nil
	}
	switch key {
	case "esc", "ctrl+c":
		m.prompt = nil
	case "enter":
		m.prompt = nil
		return p.enter(p.text)
	case "backspace":
		if r := []rune(p.text); len(r) > 0 {
			p.text = string(r[:len(r)-1])
		} else {
			m.prompt = nil
		}
	case "ctrl+u":
		p.text = ""
	default:
		p.insert(text)
	}
	return nil
}

// insert appends what was typed or pasted.
func (p *prompt) insert(text string) {
	if p.enter != nil {
		p.text += plain.Line(text)
	}
}

// view is the prompt in one line.
func (p *prompt) view(l look, width int) string {
	if p.enter == nil {
		return l.paint(bold, l.cut(" "+p.label, width))
	}
	return l.cut(" "+p.label+l.text(p.text)+l.pick("█", "_"), width)
}
