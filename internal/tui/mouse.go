package tui

import (
	"time"

	tea "charm.land/bubbletea/v2"
)

// twice is the longest time between the clicks of a double one.
const twice = 400 * time.Millisecond

// click is where and when the mouse was pressed.
type click struct {
	x, y int
	at   time.Time
}

// wheel goes three lines on, as the keys would.
func (m *model) wheel(mouse tea.Mouse) tea.Cmd {
	key := map[tea.MouseButton]string{tea.MouseWheelDown: "down", tea.MouseWheelUp: "up", tea.MouseWheelLeft: "left", tea.MouseWheelRight: "right"}[mouse.Button]
	if key == "" || m.prompt != nil {
		return nil
	}
	times := 3
	if mouse.Button == tea.MouseWheelLeft || mouse.Button == tea.MouseWheelRight {
		times = 1
	} else if s, ok := m.top().(scrolled); ok && m.help == nil {
		lines := times
		if mouse.Button == tea.MouseWheelUp {
			lines = -times
		}
		if s.scrollAt(mouse.X, m.bodyLine(mouse.Y), lines) {
			return nil
		}
	}
	var cmds []tea.Cmd
	for range times {
		if m.help != nil {
			cmds = append(cmds, m.helped(key))
		} else if b := m.tableOf(m.top()).binding(key); b != nil {
			cmds = append(cmds, b.do())
		}
	}
	return tea.Batch(cmds...)
}

// bodyLine is the line of the screen's own that a line of the terminal is.
func (m *model) bodyLine(y int) int {
	if !m.whole {
		y-- // the title
	}
	return y
}

// click puts the cursor where the mouse is; twice at the same place opens what is there.
func (m *model) click(mouse tea.Mouse) tea.Cmd {
	if mouse.Button != tea.MouseLeft || m.prompt != nil || m.help != nil {
		return nil
	}
	now := click{mouse.X, mouse.Y, m.now()}
	double := now.x == m.clicked.x && now.y == m.clicked.y && now.at.Sub(m.clicked.at) <= twice
	m.clicked = now
	y := m.bodyLine(mouse.Y)
	s, ok := m.top().(clicked)
	if !ok || y < 0 || !s.click(mouse.X, y) {
		return nil
	}
	m.said = ""
	if _, reads := m.top().(text); double && !reads {
		m.clicked = click{}
		if b := m.tableOf(m.top()).binding("enter"); b != nil {
			return b.do()
		}
	}
	if j, ok := m.top().(*jobsScreen); ok {
		return j.refresh()
	}
	return nil
}
