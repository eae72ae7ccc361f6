package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/seriesctl/seriesctl/internal/plain"
)

// View draws the screen.
func (m *model) View() tea.View {
	screen := strings.Join(m.lines(), "\n")
	if m.light {
		screen = onLight.Replace(screen)
	}
	v := tea.NewView(screen)
	v.AltScreen = true
	v.MouseMode = tea.MouseModeCellMotion
	v.WindowTitle = "seriesctl"
	return v
}

// lines is the screen, a string a line, at most m.height of them.
func (m *model) lines() []string {
	if m.width <= 0 || m.height <= 0 {
		return nil
	}
	if m.width < 30 || m.height < 8 {
		return []string{m.cut("too small: 30x8 at least", m.width)}
	}
	if m.help != nil {
		return m.help.view()
	}
	if m.whole {
		return m.wholeScreen()
	}
	left, right := m.top().title()
	lines := append([]string{m.paint(bar, m.ends(" "+left, right+" ", m.width))}, m.top().view()...)
	if room := m.height - m.footer(); len(lines) > room {
		lines = lines[:room]
	} else {
		for len(lines) < room {
			lines = append(lines, "")
		}
	}
	lines = append(lines, m.sentenceBlock()...)
	if s := m.statusLine(); s != "" {
		st := moving
		if m.status.Err != nil {
			st = bad
		}
		lines = append(lines, m.paint(st, m.cut(s, m.width)))
	}
	return append(lines, m.lastLine())
}

// wholeScreen is the screen alone; what is asked for or to say comes over its last line.
func (m *model) wholeScreen() []string {
	lines := m.top().view()
	for len(lines) < m.height {
		lines = append(lines, "")
	}
	lines = lines[:m.height]
	if m.prompt != nil || m.said != "" {
		lines[m.height-1] = m.lastLine()
	}
	return lines
}

// footer is how many lines are below the body.
func (m *model) footer() int {
	n := 1 + m.sentenceLines()
	if m.statusLine() != "" {
		n++
	}
	return n
}

// highScreen is the height from which there is room for a line above the words about what is under the cursor.
const highScreen = 20

// sentenceLines is how many lines the words about what is under the cursor get: on a high screen one more, for the
// line above them; a screen that says nothing there has none.
func (m *model) sentenceLines() int {
	if s, ok := m.top().(silent); ok && s.silent() && !m.saidLong() {
		return 0
	}
	n, head := 2, 0
	if m.height >= highScreen {
		n, head = 3, 1
	}
	long := func(head int, text string) int {
		return max(n, min(head+len(plain.Wrap(text, m.width-1)), m.height/3))
	}
	if m.saidLong() {
		return long(0, m.said)
	}
	if s, ok := m.top().(steady); ok && s.steady() {
		_, text := m.top().sentence()
		return long(head, text)
	}
	return n
}

// sentenceBlock is the words about what is under the cursor in their lines; what does not fit is cut.
func (m *model) sentenceBlock() []string {
	n := m.sentenceLines()
	if n == 0 {
		return nil
	}
	out := make([]string, 0, n)
	head, sentence := m.top().sentence()
	long := m.saidLong()
	if long {
		head, sentence = "", m.said
	}
	if m.height >= highScreen && head != "" {
		out = append(out, m.paint(bold, m.cut(" "+head, m.width)))
	}
	if m.ascii {
		sentence = plain.ASCII(sentence)
	}
	text := plain.Wrap(sentence, m.width-1)
	if room := n - len(out); len(text) > room {
		text[room-1] = strings.Join(text[room-1:], " ")
		text = text[:room]
	}
	for _, line := range text {
		if line != "" {
			line = " " + m.cut(line, m.width-1)
			if long {
				line = m.paint(changed, line)
			}
		}
		out = append(out, line)
	}
	for len(out) < n {
		out = append(out, "")
	}
	return out
}

// statusLine is what runs now, "" when nothing does.
func (m *model) statusLine() string {
	s := m.status
	switch {
	case m.quiet != nil:
		line := m.quiet.line
		if m.quiet.last != "" {
			line += ": " + m.quiet.last
		}
		return " :" + m.text(line)
	case s.Err != nil:
		return " the run ended early: " + m.text(s.Err.Error())
	case !s.Running:
		return ""
	}
	if s.Series != "" && s.Series != m.series() {
		s.Line = m.cut(m.text(s.Series), 24) + ": " + s.Line
	}
	if s.Total <= 0 {
		return " " + m.text(s.Line)
	}
	const width = 12
	full := min(max(width*s.Done/s.Total, 0), width)
	gauge := "[" + strings.Repeat(m.pick("━", "#"), full) + strings.Repeat(m.pick("·", "."), width-full) + "]"
	return fmt.Sprintf(" %s %d/%d  %s", gauge, s.Done, s.Total, m.text(s.Line))
}

// saidLong says whether what is to say needs more than the last line.
func (m *model) saidLong() bool { return !m.whole && textWidth(m.said) >= m.width }

// lastLine is what is asked for, or what is to say of the last key, or the short help.
func (m *model) lastLine() string {
	switch {
	case m.prompt != nil:
		return m.prompt.view(m.look, m.width)
	case m.said != "" && !m.saidLong():
		return m.paint(changed, m.cut(" "+m.text(m.said), m.width))
	}
	return m.paint(faint, m.tableOf(m.top()).short(m.width))
}
