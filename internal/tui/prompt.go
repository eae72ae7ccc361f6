package tui

import (
	"slices"
	"strings"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"github.com/seriesctl/seriesctl/internal/plain"
)

// prompt is the last line while it asks for something: a text, or yes or no.
type prompt struct {
	label    string
	text     string                     // typed so far, before the cursor
	rest     string                     // after it
	enter    func(text string) tea.Cmd  // takes the text; nil for a question
	history  []string                   // texts before, oldest first
	back     int                        // how far up in the history
	typed    string                     // what was there before going up
	complete func(text string) []string // what the last word of a text can be; nil for nothing
	offers   []string                   // of the last Tab, when it left more than one; the next ones go through them
	offered  int                        // how many were shown
	yes      func() tea.Cmd             // takes a yes
	no       func() tea.Cmd             // takes an n; any other key leaves all as it was. nil: n does, too
	also     []string                   // keys that mean yes beside y
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
	if key != "tab" {
		p.offers = nil
	}
	switch key {
	case "esc", "ctrl+c":
		m.prompt = nil
	case "enter":
		m.prompt = nil
		return p.enter(p.text + p.rest)
	case "backspace":
		if p.text+p.rest == "" {
			m.prompt = nil
		}
		p.text, _ = lastRune(p.text)
	case "delete", "ctrl+d":
		_, p.rest = firstRune(p.rest)
	case "left", "ctrl+b":
		text, r := lastRune(p.text)
		p.text, p.rest = text, r+p.rest
	case "right", "ctrl+f":
		r, rest := firstRune(p.rest)
		p.text, p.rest = p.text+r, rest
	case "home", "ctrl+a":
		p.text, p.rest = "", p.text+p.rest
	case "end", "ctrl+e":
		p.text, p.rest = p.text+p.rest, ""
	case "ctrl+k":
		p.rest = ""
	case "ctrl+u":
		p.text = ""
	case "ctrl+w":
		p.text = p.text[:strings.LastIndexByte(strings.TrimRight(p.text, " "), ' ')+1]
	case "up", "ctrl+p":
		p.recall(1)
	case "down", "ctrl+n":
		p.recall(-1)
	case "tab":
		p.tab()
	default:
		p.insert(text)
	}
	return nil
}

// tab makes the word before the cursor as long as all that it can be agree; the next ones go through them.
func (p *prompt) tab() {
	if p.complete == nil {
		return
	}
	word := strings.LastIndexByte(p.text, ' ') + 1
	if len(p.offers) > 0 {
		p.text = p.text[:word] + p.offers[p.offered%len(p.offers)]
		p.offered++
		return
	}
	var fit []string
	for _, w := range p.complete(p.text) {
		if strings.HasPrefix(w, p.text[word:]) {
			fit = append(fit, w)
		}
	}
	if len(fit) == 0 {
		return
	}
	common := fit[0]
	for _, w := range fit[1:] {
		for !strings.HasPrefix(w, common) {
			common = common[:len(common)-1]
		}
	}
	switch {
	case len(fit) > 1:
		p.offers, p.offered = fit, 0
	case !strings.HasSuffix(common, "/"):
		common += " "
	}
	p.text = p.text[:word] + common
}

// lastRune is s without its last character, and that; firstRune is its first character, and the rest.
func lastRune(s string) (rest, r string) {
	_, n := utf8.DecodeLastRuneInString(s)
	return s[:len(s)-n], s[len(s)-n:]
}

func firstRune(s string) (r, rest string) {
	_, n := utf8.DecodeRuneInString(s)
	return s[:n], s[n:]
}

// recall goes back in the history, or forth to what was typed.
func (p *prompt) recall(step int) {
	to := p.back + step
	if to < 0 || to > len(p.history) {
		return
	}
	if p.back == 0 {
		p.typed = p.text + p.rest
	}
	p.rest = ""
	if p.back = to; to == 0 {
		p.text = p.typed
	} else {
		p.text = p.history[len(p.history)-to]
	}
}

// insert puts in what was typed or pasted.
func (p *prompt) insert(text string) {
	if p.enter != nil {
		p.text += plain.Line(text)
	}
}

// view is the prompt in one line; of a text that is too long what is around the cursor.
func (p *prompt) view(l look, width int) string {
	if p.enter == nil {
		return l.paint(bold, l.cut(" "+p.label, width))
	}
	text := l.text(p.text)
	label := l.cut(" "+p.label, max(width/2, 1))
	if over := textWidth(label) + textWidth(text) + 1 - width; over > 0 {
		text = l.tail() + cutLeft(text, over+1)
	}
	cursor := l.pick("█", "_")
	if p.rest == "" {
		return l.cut(label+text+cursor, width)
	}
	under, after := firstRune(l.text(p.rest))
	line := label + text
	if room := width - textWidth(line) - textWidth(under); room >= 0 {
		return line + l.paint(bar, under) + l.cut(after, room)
	}
	return l.cut(line+cursor, width)
}
