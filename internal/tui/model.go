package tui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/plain"
)

// redraw is the least time between two looks at the Source: 20 a second.
const redraw = 50 * time.Millisecond

// model is the state of the interface. Update changes it, View draws it; both run in one goroutine.
type model struct {
	look
	src    Source
	result *lab.Result
	status Status

	width, height int
	matrix        *matrix
	cell          *cellView  // nil while none is open
	patch         *patchView // over the matrix or the cell; nil while none is open

	help    bool
	helpTop int
	asking  bool   // for what to find
	asked   string // the text so far
	wanted  string // what was searched for last
	leaving bool   // asks whether to quit
	said    string // one line about the last key, until the next

	cancel context.CancelFunc // of the search that goes on
	serial int                // of the newest command of the cell; answers to older ones are dropped
	asks   int                // of patches, likewise
}

func newModel(src Source, o Options) *model {
	l := look{o.Color, o.ASCII}
	m := &model{look: l, src: src, matrix: &matrix{look: l}}
	m.refresh()
	return m
}

// Messages to Update.
type (
	changedMsg struct{ open bool } // the Source has something new; open: and may have more
	listenMsg  struct{}
	runsMsg    struct {
		serial int
		runs   []lab.Run
		err    error
	}
	fileMsg struct {
		serial int
		file   File
		size   int64
		err    error
	}
	grownMsg struct {
		serial int
		size   int64
	}
	patchMsg struct {
		ask  int
		view *patchView
	}
	foundMsg struct {
		serial int
		in     *pager
		at     int64
		err    error
	}
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

func (m *model) refresh() {
	m.status = m.src.Status()
	if r := m.src.Result(); r != m.result {
		m.result = r
		m.matrix.load(r)
	}
}

// Update takes one message.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
		m.fit()
	case tea.KeyPressMsg:
		return m, m.key(msg)
	case tea.PasteMsg:
		if m.asking {
			m.asked += plain.Line(msg.Content)
		}
	case changedMsg:
		m.refresh()
		m.fit()
		var cmds []tea.Cmd
		if msg.open {
			cmds = append(cmds, tea.Tick(redraw, func(time.Time) tea.Msg { return listenMsg{} }))
		}
		if m.cell != nil {
			cmds = append(cmds, m.recheck())
		}
		return m, tea.Batch(cmds...)
	case listenMsg:
		return m, m.listen()
	case runsMsg:
		return m, m.takeRuns(msg)
	case fileMsg:
		if m.cell == nil || msg.serial != m.serial {
			if msg.file != nil {
				_ = msg.file.Close()
			}
			return m, nil
		}
		m.cell.build(msg.file, msg.size, msg.err)
		m.fit()
	case grownMsg:
		if m.cell != nil && msg.serial == m.serial && m.cell.file != nil && len(m.cell.tabs) > 0 {
			m.cell.tabs[len(m.cell.tabs)-1].win.grow(msg.size)
		}
	case patchMsg:
		m.takePatch(msg)
	case foundMsg:
		m.found(msg)
	}
	return m, nil
}

// fit shares the screen out: title, body, sentence, status and short help.
func (m *model) fit() {
	if m.width == 0 {
		return
	}
	body := max(m.height-1-m.footer(), 1)
	m.matrix.resize(m.width, body)
	if m.cell != nil {
		// The line about the run is above the tabs.
		m.cell.resize(m.width, body-1)
	}
	if m.patch != nil {
		m.patch.resize(m.width, body-1)
	}
}

// footer is how many lines are below the body.
func (m *model) footer() int {
	n := 1 + m.sentenceLines()
	if m.statusLine() != "" {
		n++
	}
	return n
}

// sentenceLines is how many lines the words about the cell under the cursor get: on a high screen one more,
// for the patch's whole subject.
func (m *model) sentenceLines() int {
	if m.height < 20 {
		return 2
	}
	return 3
}

func (m *model) key(msg tea.KeyPressMsg) tea.Cmd {
	key := msg.String()
	m.said = ""
	switch {
	case m.leaving:
		m.leaving = false
		if key == "y" || key == "Y" || key == "Q" || key == "ctrl+c" {
			return m.exit()
		}
		return nil
	case m.asking:
		return m.typed(key, msg.Text)
	case m.help:
		lines := len(m.helpLines())
		switch key {
		case "j", "down", "space", "pgdown":
			m.helpTop = min(m.helpTop+1, max(lines-m.height+2, 0))
		case "k", "up", "pgup":
			m.helpTop = max(m.helpTop-1, 0)
		case "ctrl+c", "Q":
			m.help = false
			return m.quit()
		default:
			m.help = false
		}
		return nil
	}
	b := bindingFor(m.table(), key)
	if b == nil {
		return nil
	}
	if m.cell == nil && m.matrix.Cols() == 0 && key != "?" && key != "q" && key != "Q" && key != "esc" && key != "ctrl+c" && key != "ctrl+z" {
		return nil
	}
	return b.do(m)
}

// table is the key table of what is shown.
func (m *model) table() []binding {
	switch {
	case m.patch != nil:
		return onPatch()
	case m.cell != nil:
		return onCell()
	}
	return onMatrix()
}

// pager is the text that is shown, nil while it is the matrix.
func (m *model) pager() *pager {
	switch {
	case m.patch != nil:
		return &m.patch.pager
	case m.cell != nil:
		return &m.cell.pager
	}
	return nil
}

// window is the text window that keys act on, nil while there is none.
func (m *model) window() *window {
	if p := m.pager(); p != nil {
		return p.window()
	}
	return nil
}

func (m *model) quit() tea.Cmd {
	if m.status = m.src.Status(); m.status.Running && !m.status.Elsewhere {
		m.leaving = true
		m.fit()
		return nil
	}
	return m.exit()
}

func (m *model) exit() tea.Cmd {
	m.stopSearch()
	if m.cell != nil {
		m.cell.close()
	}
	return tea.Quit
}

// open shows the cell under the cursor.
func (m *model) open() tea.Cmd {
	if m.cell != nil {
		m.cell.close()
	}
	m.stopSearch()
	m.cell = newCellView(m.look, m.matrix)
	m.fit()
	return m.loadRuns()
}

func (m *model) closeCell() tea.Cmd {
	m.stopSearch()
	m.cell.close()
	m.cell = nil
	m.serial++
	m.fit()
	return nil
}

// openPatch shows the patch of the cursor's row.
func (m *model) openPatch() tea.Cmd {
	m.stopSearch()
	m.asks++
	ask, src, x, row := m.asks, m.src, *m.matrix, m.matrix.grid.row
	return func() tea.Msg {
		s, err := src.Series()
		return patchMsg{ask, newPatchView(&x, row, s, err)}
	}
}

func (m *model) takePatch(msg patchMsg) {
	if msg.ask != m.asks {
		return
	}
	if m.patch != nil {
		msg.view.choose(m.patch.chosen())
	}
	m.patch = msg.view
	m.fit()
}

func (m *model) closePatch() tea.Cmd {
	m.stopSearch()
	m.asks++
	m.patch = nil
	m.fit()
	if m.cell != nil && m.cell.row != m.matrix.grid.row {
		return m.open()
	}
	return nil
}

// nextPatch shows the patch some rows further.
func (m *model) nextPatch(step int) tea.Cmd {
	row := m.matrix.grid.row + step
	if row < 0 || row >= m.matrix.Rows() {
		m.said = "no patch beyond this one"
		return nil
	}
	m.matrix.grid.move(step, 0, m.matrix)
	return m.openPatch()
}

func (m *model) loadRuns() tea.Cmd {
	m.serial++
	serial, src, prefix, name := m.serial, m.src, m.cell.prefix, m.cell.caseName
	return func() tea.Msg {
		runs, err := src.Runs(prefix, name)
		return runsMsg{serial, runs, err}
	}
}

func (m *model) takeRuns(msg runsMsg) tea.Cmd {
	if m.cell == nil || msg.serial != m.serial {
		return nil
	}
	before := m.cell.logPath()
	m.cell.setRuns(msg.runs, msg.err)
	if m.cell.file != nil && m.cell.logPath() == before {
		return m.stat()
	}
	return m.openLog()
}

// openLog opens the console of the shown run.
func (m *model) openLog() tea.Cmd {
	m.serial++
	serial, src, path := m.serial, m.src, m.cell.logPath()
	return func() tea.Msg {
		if path == "" {
			return fileMsg{serial: serial}
		}
		f, err := src.Open(path)
		if err != nil {
			return fileMsg{serial: serial, err: err}
		}
		fi, err := f.Stat()
		if err != nil {
			_ = f.Close()
			return fileMsg{serial: serial, err: err}
		}
		return fileMsg{serial, f, fi.Size(), nil}
	}
}

// recheck looks whether the shown cell has new runs or its log has grown.
func (m *model) recheck() tea.Cmd {
	row, col := m.cell.row, m.cell.col
	if m.cell.loading || row >= m.matrix.Rows() || col >= m.matrix.Cols() {
		return nil
	}
	if p := m.matrix.At(row, col); p.Index == m.cell.prefix && p.Status != lab.PrefixOK {
		m.cell.log = p.Log
	}
	if c := m.matrix.Cell(row, col); c != nil && c.Runs != len(m.cell.runs) {
		return m.loadRuns()
	}
	return m.stat()
}

func (m *model) stat() tea.Cmd {
	f, serial := m.cell.file, m.serial
	if f == nil {
		return nil
	}
	return func() tea.Msg {
		fi, err := f.Stat()
		if err != nil {
			// The view was closed meanwhile.
			return nil
		}
		return grownMsg{serial, fi.Size()}
	}
}

// neighbour shows the same case some prefixes further.
func (m *model) neighbour(step int) tea.Cmd {
	row := m.matrix.grid.row + step
	if row < 0 || row >= m.matrix.Rows() {
		m.said = "no prefix beyond this one"
		return nil
	}
	m.matrix.grid.move(step, 0, m.matrix)
	return m.open()
}

// nextEffect moves to the next patch that does something to a case, and to that case.
func (m *model) nextEffect(step int) tea.Cmd {
	g := &m.matrix.grid
	for row := g.row + step; row >= 0 && row < m.matrix.Rows(); row += step {
		if m.matrix.Mark(row, g.col) != "" {
			g.moveTo(row, g.col, m.matrix)
			return nil
		}
		for col := range m.matrix.Cols() {
			if m.matrix.Mark(row, col) != "" {
				g.moveTo(row, col, m.matrix)
				return nil
			}
		}
	}
	m.said = "no further patch does anything to a case"
	return nil
}

func (m *model) nextTab(step int) tea.Cmd {
	if p := m.pager(); len(p.tabs) > 0 {
		m.stopSearch()
		p.tab, p.hits = wrapIndex(p.tab+step, len(p.tabs)), ""
	}
	return nil
}

func (m *model) nextRun(step int) tea.Cmd {
	to := m.cell.run + step
	if to < 0 || to >= len(m.cell.runs) {
		m.said = "no further run"
		return nil
	}
	m.stopSearch()
	m.cell.run, m.cell.hits = to, ""
	return m.openLog()
}

func (m *model) sideways(columns int) tea.Cmd {
	if w := m.window(); w != nil {
		w.x = max(w.x+columns, 0)
	}
	return nil
}

func (m *model) edge(end bool) tea.Cmd {
	switch w := m.window(); {
	case w == nil:
	case end:
		w.end()
	default:
		w.start()
	}
	return nil
}

func (m *model) ask() tea.Cmd {
	m.asking, m.asked = true, ""
	return nil
}

// typed takes a key of the line that asks what to find.
func (m *model) typed(key, text string) tea.Cmd {
	switch key {
	case "esc", "ctrl+c":
		m.asking = false
	case "enter":
		m.asking = false
		if m.asked != "" {
			m.wanted = m.asked
		}
		return m.again(1)
	case "backspace":
		if r := []rune(m.asked); len(r) > 0 {
			m.asked = string(r[:len(r)-1])
		} else {
			m.asking = false
		}
	case "ctrl+u":
		m.asked = ""
	default:
		m.asked += plain.Line(text)
	}
	return nil
}

// again finds what was asked for last, forward or back.
func (m *model) again(step int) tea.Cmd {
	if m.wanted == "" {
		return nil
	}
	if m.pager() == nil {
		if !m.matrix.find(m.wanted, step) {
			m.said = fmt.Sprintf("no patch or case holds %q", m.wanted)
		}
		return nil
	}
	w := m.window()
	if w == nil {
		return nil
	}
	m.stopSearch()
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel = cancel
	m.pager().hits = "searching" + m.pick("…", "...")
	from := w.top
	if w.hit >= 0 {
		from = w.hit
		if step > 0 {
			_, from = w.line(w.hit)
		}
	}
	serial, in, text := m.serial, m.pager(), m.wanted
	r, size := m.pager().reader()
	return func() tea.Msg {
		at, err := search(ctx, r, size, from, text, step < 0)
		return foundMsg{serial, in, at, err}
	}
}

func (m *model) stopSearch() {
	if m.cancel != nil {
		m.cancel()
		m.cancel = nil
	}
}

func (m *model) found(msg foundMsg) {
	p := m.pager()
	if p == nil || p != msg.in || msg.serial != m.serial || errors.Is(msg.err, context.Canceled) || errors.Is(msg.err, os.ErrClosed) {
		return
	}
	m.stopSearch()
	w := p.window()
	switch {
	case w == nil:
	case msg.err != nil:
		p.hits = msg.err.Error()
	case msg.at < 0:
		p.hits = fmt.Sprintf("no more %q", m.wanted)
	default:
		p.hits = fmt.Sprintf("/%s", m.wanted)
		w.show(msg.at)
	}
}

// sentence says in words what the cursor's patch does to the cursor's case.
func (m *model) sentence() string {
	if m.matrix.Cols() == 0 || m.matrix.Rows() == 0 {
		return ""
	}
	s := m.matrix.Sentence(m.matrix.grid.row, m.matrix.grid.col)
	if m.ascii {
		s = plain.ASCII(s)
	}
	return s
}

// statusLine is what runs now, "" when nothing does.
func (m *model) statusLine() string {
	s := m.status
	switch {
	case s.Err != nil:
		return " the run ended early: " + m.text(s.Err.Error())
	case !s.Running:
		return ""
	}
	if s.Total <= 0 {
		return " " + m.text(s.Line)
	}
	const width = 12
	full := min(max(width*s.Done/s.Total, 0), width)
	gauge := "[" + strings.Repeat(m.pick("━", "#"), full) + strings.Repeat(m.pick("·", "."), width-full) + "]"
	return fmt.Sprintf(" %s %d/%d  %s", gauge, s.Done, s.Total, m.text(s.Line))
}
