package tui

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/seriesctl/seriesctl/internal/plain"
)

// prompt is the last line while it asks for something: a text, or yes or no.
type prompt struct {
	label    string
	text     string                    // typed so far
	enter    func(text string) tea.Cmd // takes the text; nil for a question
	history  []string                  // texts before, oldest first
	back     int                       // how far up in the history
	typed    string                    // what was there before going up
	complete func(text string) string  // what Tab makes of a text; nil for nothing
	yes      func() tea.Cmd            // takes a yes
	no       func() tea.Cmd            // takes an n; any other key leaves all as it was. nil: n does, too
	also     []string                  // keys that mean yes beside y
}

// prompted takes a key of the prompt.
func (m *model) prompted(key, text string) tea.Cmd {
	p := m.prompt
	if p.enter == nil {
		m.prompt = nil
		switch {
		case key == "y", key == "Y", slices.Contains(p.also, key):
			return p.yes()
		case key == "n" && p.no != nil:
			return p.no()
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
	case "ctrl+w":
		p.text = p.text[:strings.LastIndexByte(strings.TrimRight(p.text, " "), ' ')+1]
	case "up", "ctrl+p":
		p.recall(1)
	case "down", "ctrl+n":
		p.recall(-1)
	case "tab":
		if p.complete != nil {
			p.text = p.complete(p.text)
		}
	default:
		p.insert(text)
	}
	return nil
}

// recall goes back in the history, or forth to what was typed.
func (p *prompt) recall(step int) {
	to := p.back + step
	if to < 0 || to > len(p.history) {
		return
	}
	if p.back == 0 {
		p.typed = p.text
	}
	if p.back = to; to == 0 {
		p.text = p.typed
	} else {
		p.text = p.history[len(p.history)-to]
	}
}

// insert appends what was typed or pasted.
func (p *prompt) insert(text string) {
	if p.enter != nil {
		p.text += plain.Line(text)
	}
}

// view is the prompt in one line; of a text that is too long the end.
func (p *prompt) view(l look, width int) string {
	if p.enter == nil {
		return l.paint(bold, l.cut(" "+p.label, width))
	}
	text := l.text(p.text)
	label := l.cut(" "+p.label, max(width/2, 1))
	if over := textWidth(label) + textWidth(text) + 1 - width; over > 0 {
		text = l.tail() + cutLeft(text, over+1)
	}
	return l.cut(label+text+l.pick("█", "_"), width)
}
