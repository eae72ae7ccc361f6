package tui

import (
	"cmp"
	"slices"
	"time"
	"unicode"

	tea "charm.land/bubbletea/v2"
)

// redraw is the least time between two looks at the Source: 20 a second.
const redraw = 50 * time.Millisecond

// model is the frame: a stack of screens, what is asked for in the last line, and what goes on. Update changes it,
// View draws it; both run in one goroutine.
type model struct {
	look
	src    feed // a Workspace, or a Source alone
	status Status

	width, height int
	stack         []screen // the last is shown; never empty
	first         tea.Cmd  // what is done when the interface starts, nil for nothing

	help   *help   // over the screen; nil while closed
	prompt *prompt // in the last line; nil while nothing is asked for
	wanted string  // what was searched for last
	said   string  // one line about the last key, until the next
	whole  bool    // the screen has the terminal to itself
	below  int     // lines below the body that the screens were fitted for
	light  bool    // the terminal's background is

	ahead    []tea.KeyPressMsg // keys for the shown screen, which waits for what they are about
	since    time.Time         // the first of them was typed then
	count    int               // that was typed for the next key, 0 for none
	starting int               // commands that are being started: what they will show takes the next keys

	history []string      // commands that were asked for, oldest first
	pipes   []string      // the same of pipes
	finds   []string      // the same of what was searched for
	quiet   *quiet        // the command that works behind the screen, nil while none does
	outputs []*startedMsg // commands that go on when the interface is left, and those that did
	clicked click         // the last one

	now   func() time.Time
	still bool // a test: nothing happens by itself, and there is no terminal to lend
}

func newFrame(src feed, o Options) *model {
	return &model{look: look{o.Color, o.ASCII}, src: src, status: src.Status(), now: time.Now}
}

// newModel shows one series.
func newModel(src Source, o Options) *model {
	m := newFrame(src, o)
	s := newMatrixScreen(m, src)
	m.push(s)
	m.first = s.measure()
	return m
}

// newRoot shows a workspace; where there is one series it opens it, while the workspace is shown and takes keys.
func newRoot(ws Workspace, o Options) *model {
	m := newFrame(ws, o)
	s := newWorkspaceScreen(m, ws)
	m.push(s)
	if len(s.entries) == 1 {
		m.first = s.open()
	}
	return m
}

// Messages to Update.
type (
	changedMsg struct{ open bool } // the Source has something new; open: and may have more
	listenMsg  struct{}
)

// Init starts to listen to the Source, and asks the terminal for its background; one that does not answer is taken for dark.
func (m *model) Init() tea.Cmd {
	if !m.color {
		return tea.Batch(m.listen(), m.first)
	}
	return tea.Batch(m.listen(), m.first, tea.RequestBackgroundColor)
}

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
	cmd := m.take(msg)
	if n := m.footer(); n != m.below {
		m.below = n
		m.fit()
	}
	return m, cmd
}

func (m *model) take(msg tea.Msg) (cmd tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
		if m.help != nil {
			top := m.help.top
			m.help = newHelp(m.look, m.tableOf(m.top()), m.width, m.height)
			m.help.top = min(top, m.help.last())
		}
		m.fit()
	case tea.BackgroundColorMsg:
		m.light = !msg.IsDark()
	case tea.KeyPressMsg:
		for _, key := range m.apart(msg) {
			cmd = tea.Batch(cmd, m.key(key))
		}
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
		cmd = tea.Batch(cmd, m.replay())
	case tea.MouseWheelMsg:
		cmd = m.wheel(tea.Mouse(msg))
	case tea.MouseClickMsg:
		cmd = m.click(tea.Mouse(msg))
	case thenMsg:
		cmd = m.started(msg)
		m.fit()
		cmd = tea.Batch(cmd, m.replay())
	case endedMsg:
		if msg.err != nil {
			m.said = msg.err.Error()
		}
	case quietMsg:
		m.quiet, m.said = nil, msg.said
		m.fit()
	case quietTick:
		cmd = m.watchQuiet()
		m.fit()
	}
	return cmd
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

// apart is a key with Alt as the two keys that came as it: Esc and one typed right after it are the same bytes, and no key here has Alt.
func (m *model) apart(msg tea.KeyPressMsg) []tea.KeyPressMsg {
	if !msg.Mod.Contains(tea.ModAlt) || m.prompt != nil {
		return []tea.KeyPressMsg{msg}
	}
	after := tea.Key{Code: msg.Code, Mod: msg.Mod &^ tea.ModAlt}
	if letter := cmp.Or(msg.ShiftedCode, msg.Code); after.Mod&^tea.ModShift == 0 && unicode.IsPrint(letter) {
		after.Text = string(letter)
	}
	return []tea.KeyPressMsg{{Code: tea.KeyEscape}, tea.KeyPressMsg(after)}
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
	if s, ok := m.top().(searching); ok && key == "esc" && s.giveUp() {
		m.said = "the search was given up"
		return m.replay()
	}
	if key == "esc" && m.count > 0 {
		m.count = 0
		return nil
	}
	b := m.tableOf(m.top()).binding(key)
	if m.waits() && !m.atOnce(b) {
		if len(m.ahead) == 0 {
			m.since = m.now()
		}
		if len(m.ahead) < aheadMax {
			m.ahead = append(m.ahead, msg)
		}
		return nil
	}
	if m.digit(b, key) {
		return nil
	}
	if b == nil {
		m.count = 0
		return nil
	}
	m.ahead = nil
	return m.repeated(b)
}

const (
	aheadMax = 100                    // bounds the keys that wait for a screen
	patience = 500 * time.Millisecond // who leaves later has seen that the screen waits, and does not want the keys before
)

// waits says whether the shown screen has not got yet what its keys are about, or another is about to be shown.
func (m *model) waits() bool {
	w, ok := m.top().(waiting)
	return m.starting > 0 || ok && w.waits()
}

// atOnce says whether a key does not wait: it is not behind one that does, and leaves the screen, works on all, or goes on to another
// patch, whatever is not read yet of this one; or it leaves, and who types it has waited.
func (m *model) atOnce(b *Binding) bool {
	if b == nil {
		return false
	}
	leaves, neighbour := slices.Contains(b.keys, "esc") || slices.Contains(b.keys, "q"), b.keys[0] == "[" || b.keys[0] == "]"
	everywhere := slices.ContainsFunc(m.everywhere(), func(e Binding) bool { return e.keys[0] == b.keys[0] })
	switch {
	case slices.Contains(b.keys, "ctrl+c"):
		return true
	case len(m.ahead) == 0:
		return m.starting == 0 && (leaves || everywhere || neighbour)
	}
	return leaves && m.now().Sub(m.since) >= patience
}

// replay takes the keys that waited: who types ahead loses nothing.
func (m *model) replay() tea.Cmd {
	var cmds []tea.Cmd
	for len(m.ahead) > 0 && !m.waits() {
		key, rest := m.ahead[0], m.ahead[1:]
		cmds = append(cmds, m.key(key))
		m.ahead = rest
	}
	return tea.Batch(cmds...)
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

// home goes back to the lowest screen.
func (m *model) home() tea.Cmd {
	if len(m.stack) == 1 {
		return nil
	}
	for len(m.stack) > 2 {
		m.drop()
	}
	return m.pop()
}

// quit leaves the interface. A run that was started here may go on in the background or be interrupted, as the user says.
func (m *model) quit() tea.Cmd {
	if m.status = m.src.Status(); m.status.Running && !m.status.Elsewhere {
		label := "Let the run go on in the background? y/n, Esc stays here"
		if m.width >= 100 {
			label = "Let the run go on in the background? y; n interrupts it, the same command resumes; Esc stays here"
		}
		m.prompt = &prompt{label: label, yes: m.exit, no: m.interruptAndExit, also: []string{"Q", "ctrl+c"}}
		m.fit()
		return nil
	}
	return m.exit()
}

func (m *model) interruptAndExit() tea.Cmd {
	if i, ok := can[Interrupter](m, m.src, "interrupting is"); !ok {
		return nil
	} else if err := i.Interrupt(); err != nil {
		m.said = err.Error()
		return nil
	}
	return m.exit()
}

func (m *model) exit() tea.Cmd {
	for _, s := range m.stack {
		s.close()
	}
	for _, o := range m.outputs {
		// It was only read.
		_ = o.out.Close()
	}
	return tea.Quit
}

// fit shares the screen out: title, body, sentence, status and short help.
func (m *model) fit() {
	if m.width == 0 {
		return
	}
	height := m.height
	if !m.whole {
		height -= 1 + m.footer()
	}
	for _, s := range m.stack {
		s.resize(m.width, max(height, 1))
	}
}
