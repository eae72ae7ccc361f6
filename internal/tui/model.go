package tui

import (
	"time"

	tea "charm.land/bubbletea/v2"
)

// redraw is the least time between two looks at the Source: 20 a second.
const redraw = 50 * time.Millisecond

// model is the frame: a stack of screens, what is asked for in the last line, and what goes on. Update changes it,
// View draws it; both run in one goroutine.
type model struct {
	look
	src    Source
	status Status

	width, height int
	stack         []screen // the last is shown; never empty

	help   *help   // over the screen; nil while closed
	prompt *prompt // in the last line; nil while nothing is asked for
	wanted string  // what was searched for last
	said   string  // one line about the last key, until the next
}

func newModel(src Source, o Options) *model {
	m := &model{look: look{o.Color, o.ASCII}, src: src, status: src.Status()}
	m.push(newMatrixScreen(m, src))
	return m
}

// Messages to Update.
type (
	changedMsg struct{ open bool } // the Source has something new; open: and may have more
	listenMsg  struct{}
)

// Init starts to listen to the Source.
func (m *model) Init() tea.Cmd { return m.listen() }

// listen waits for a token of the Source.
func (m *model) listen() tea.Cmd {
	ch := m.src.Changes()
	if ch == nil {
		return nil
	}
	return func() tea.Msg {
		_, open := <-ch
		return changedMsg{open}
	}
}

// Update takes one message.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	var cmd tea.Cmd
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
		if m.help != nil {
			m.help = newHelp(m.look, m.tableOf(m.top()), m.width, m.height)
		}
		m.fit()
	case tea.KeyPressMsg:
		cmd = m.key(msg)
	case tea.PasteMsg:
		if m.prompt != nil {
			m.prompt.insert(msg.Content)
		}
	case changedMsg:
		cmd = m.changed(msg)
	case listenMsg:
		cmd = m.listen()
	case answer:
		cmd = msg.to.update(msg.msg)
		m.fit()
	}
	return m, cmd
}

// changed tells all screens, from the lowest, that the Source has something new.
func (m *model) changed(msg changedMsg) tea.Cmd {
	m.status = m.src.Status()
	var cmds []tea.Cmd
	if msg.open {
		cmds = append(cmds, tea.Tick(redraw, func(time.Time) tea.Msg { return listenMsg{} }))
	}
	for _, s := range m.stack {
		cmds = append(cmds, s.update(msg))
	}
	m.fit()
	return tea.Batch(cmds...)
}

// key gives a key to the first that takes keys now.
func (m *model) key(msg tea.KeyPressMsg) tea.Cmd {
	key := msg.String()
	m.said = ""
	switch {
	case m.prompt != nil:
		return m.prompted(key, msg.Text)
	case m.help != nil:
		return m.helped(key)
	}
	if b := m.tableOf(m.top()).binding(key); b != nil {
		return b.do()
	}
	return nil
}

// top is the screen that is shown.
func (m *model) top() screen { return m.stack[len(m.stack)-1] }

// push shows a screen over the others.
func (m *model) push(s screen) {
	m.stack = append(m.stack, s)
	m.fit()
}

// pop closes the screen that is shown; closing the last one is quitting.
func (m *model) pop() tea.Cmd {
	if len(m.stack) == 1 {
		return m.quit()
	}
	m.drop()
	cmd := m.top().update(shownMsg{})
	m.fit()
	return cmd
}

func (m *model) drop() {
	m.top().close()
	m.stack[len(m.stack)-1] = nil
	m.stack = m.stack[:len(m.stack)-1]
}

// quit leaves the interface, after a yes when a run would end with it.
func (m *model) quit() tea.Cmd {
	if m.status = m.src.Status(); m.status.Running && !m.status.Elsewhere {
		m.prompt = &prompt{label: "A run goes on; the same command resumes it. Quit? y/n", yes: m.exit, also: []string{"Q", "ctrl+c"}}
		m.fit()
		return nil
	}
	return m.exit()
}

func (m *model) exit() tea.Cmd {
	for _, s := range m.stack {
		s.close()
	}
	return tea.Quit
}

// fit shares the screen out: title, body, sentence, status and short help.
func (m *model) fit() {
	if m.width == 0 {
		return
	}
	for _, s := range m.stack {
		s.resize(m.width, max(m.height-1-m.footer(), 1))
	}
}
