package tui

import (
	"fmt"

	tea "charm.land/bubbletea/v2"

	"github.com/seriesctl/seriesctl/internal/lab"
)

// cellScreen is a cell of the matrix it was opened from, and goes along its column.
type cellScreen struct {
	*cellView
	m       *model
	home    *matrixScreen
	src     CellSource
	serial  int    // of the newest command; answers to older ones are dropped
	looking bool   // at a console that grows: there will be a lookMsg
	reading bool   // the run that is to be shown
	opened  string // path of the console that is open
}

// Answers to the commands of a cellScreen.
type (
	runsMsg struct {
		serial int
		runs   []lab.Run
		err    error
		before *earlier
	}
	fileMsg struct {
		serial int
		path   string
		file   File
		size   int64
		err    error
	}
	grownMsg struct {
		serial int
		size   int64
	}
	lookMsg struct{}
)

func newCellScreen(home *matrixScreen, src CellSource) *cellScreen {
	return &cellScreen{m: home.m, home: home, src: src, cellView: newCellView(home.look, home.matrix)}
}

// open shows the cell under the matrix's cursor, in the tab that was open before, where it has that.
func (s *cellScreen) open() tea.Cmd {
	tab := s.choice()
	s.leave()
	s.cellView = newCellView(s.m.look, s.home.matrix)
	s.wanted = tab
	s.m.fit()
	return s.begin()
}

// begin reads the cell; keys wait for it.
func (s *cellScreen) begin() tea.Cmd {
	s.reading = true
	return s.loadRuns()
}

func (s *cellScreen) waits() bool { return s.reading || s.pager.waits() }

// leave gives up the cell that is shown.
func (s *cellScreen) leave() {
	s.serial++
	s.stopSearch()
	s.cellView.close()
}

func (s *cellScreen) close() { s.leave() }

// cell is the one that is shown.
func (s *cellScreen) cell() (prefix int, caseName string, ok bool) { return s.prefix, s.caseName, true }

func (s *cellScreen) table() Table {
	return Table{Title: "Cell", Bindings: append(s.keys(s, s.m, "next of run, stacks, report, output, before, by hand, console"), []Binding{
		{[]string{"]"}, "]", "", "the same case with the next patch", func() tea.Cmd { return s.neighbour(1) }},
		{[]string{"["}, "[", "[ ] patch", "the same case without this patch", func() tea.Cmd { return s.neighbour(-1) }},
		{[]string{"J"}, "J", "", "next run", func() tea.Cmd { return s.nextRun(1) }},
		{[]string{"K"}, "K", "J K run", "run before", func() tea.Cmd { return s.nextRun(-1) }},
		{[]string{"o"}, "o", "o oops", "the console where the report begins", s.toOops},
		{[]string{"c"}, "c", "", "the console where the case began", does(func() {
			if s.stopSearch(); !s.toCase() {
				s.m.said = "where the case began is not known of this run"
			}
		})},
		{[]string{"q", "esc"}, "q, Esc", "q back", "back to the matrix", s.m.pop},
		{[]string{"p"}, "p", "p patch", "open the patch: message, diff, replies, what it needs", s.openPatch},
	}...)}
}

// openPatch shows the patch of the cell's prefix.
func (s *cellScreen) openPatch() tea.Cmd { return s.home.openPatch() }

func (s *cellScreen) update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case changedMsg:
		return s.recheck()
	case shownMsg:
		// The patch that was over it may have gone to another row.
		if !s.home.blank() && s.row != s.home.grid.row {
			return s.open()
		}
	case runsMsg:
		if msg.serial == s.serial {
			return s.takeRuns(msg)
		}
	case fileMsg:
		if msg.serial == s.serial {
			s.stopSearch()
			s.reading, s.opened = false, msg.path
			s.build(msg.file, msg.size, msg.err)
			if s.live && len(s.runs) == 0 {
				s.con.end()
				return s.lookAgain()
			}
		} else if msg.file != nil {
			// It was only opened: nothing can be lost by a failed close.
			_ = msg.file.Close()
		}
	case grownMsg:
		if msg.serial == s.serial && s.file != nil && len(s.tabs) > 0 {
			s.con.grow(msg.size)
		}
	case lookMsg:
		if s.looking = false; s.m.has(s) && s.live && len(s.runs) == 0 {
			return tea.Batch(s.stat(), s.lookAgain())
		}
	case foundMsg:
		s.found(msg, s.m)
	}
	return nil
}

func (s *cellScreen) loadRuns() tea.Cmd {
	s.serial++
	serial, prefix, name, before := s.serial, s.prefix, s.caseName, s.before
	return ask(s, func() tea.Msg {
		runs, err := s.src.Runs(prefix, name)
		if before != nil {
			e := *before
			e.runs, e.err = s.src.Runs(e.prefix, name)
			before = &e
		}
		return runsMsg{serial, runs, err, before}
	})
}

func (s *cellScreen) takeRuns(msg runsMsg) tea.Cmd {
	s.before = msg.before
	s.setRuns(msg.runs, msg.err)
	if s.file != nil && s.logPath() == s.opened {
		s.reading = false
		s.layOut(true)
		return s.stat()
	}
	return s.openLog()
}

// openLog opens the console of the shown run.
func (s *cellScreen) openLog() tea.Cmd {
	s.serial++
	serial, path := s.serial, s.logPath()
	return ask(s, func() tea.Msg {
		if path == "" {
			return fileMsg{serial: serial}
		}
		f, err := s.src.Open(path)
		if err != nil {
			return fileMsg{serial: serial, path: path, err: err}
		}
		fi, err := f.Stat()
		if err != nil {
			_ = f.Close()
			return fileMsg{serial: serial, path: path, err: err}
		}
		return fileMsg{serial, path, f, fi.Size(), nil}
	})
}

// recheck looks whether the cell has new runs or its log has grown.
func (s *cellScreen) recheck() tea.Cmd {
	x := s.home.matrix
	s.row, s.col = x.place(s.prefix, s.caseName)
	if s.loading || s.row < 0 || s.col < 0 {
		return nil
	}
	s.whileNone(x)
	if c := x.Cell(s.row, s.col); c != nil && c.Runs != len(s.runs) {
		return s.loadRuns()
	}
	if s.logPath() != s.opened {
		return s.openLog()
	}
	return s.stat()
}

func (s *cellScreen) stat() tea.Cmd {
	f, serial := s.file, s.serial
	if f == nil {
		return nil
	}
	return ask(s, func() tea.Msg {
		fi, err := f.Stat()
		if err != nil {
			// The cell was left meanwhile.
			return nil
		}
		return grownMsg{serial, fi.Size()}
	})
}

// lookAgain has a console that grows looked at after a while.
func (s *cellScreen) lookAgain() tea.Cmd {
	if s.looking {
		return nil
	}
	s.looking = true
	return s.m.later(s, logEvery, lookMsg{})
}

// toOops looks for the incident of the run in its console.
func (s *cellScreen) toOops() tea.Cmd {
	text := s.oops()
	if s.choose(tabConsole); text == "" || s.chosen() != tabConsole {
		s.m.said = "no report in this run's console"
		return nil
	}
	s.window().hit, s.window().top = -1, 0
	return s.find(s, text, 1)
}

// neighbour shows the same case some prefixes further.
func (s *cellScreen) neighbour(step int) tea.Cmd {
	x := s.home.matrix
	row := x.grid.row + step
	if row < 0 || row >= x.Rows() {
		s.m.said = "no prefix beyond this one"
		return nil
	}
	x.grid.move(step, 0, x)
	return s.open()
}

func (s *cellScreen) nextRun(step int) tea.Cmd {
	to := s.run + step
	if to < 0 || to >= len(s.runs) {
		s.m.said = "no further run"
		return nil
	}
	s.stopSearch()
	s.run, s.hits, s.reading = to, "", true
	return s.openLog()
}

func (s *cellScreen) title() (left, right string) {
	if s.row >= 0 && s.col >= 0 {
		right, _ = s.home.parts(s.row, s.col)
	}
	return fmt.Sprintf("%s  %s: %s", s.text(s.caseName), s.where, s.subject), right
}

func (s *cellScreen) sentence() (head, text string) { return "", s.home.words() }

// resize leaves a line for what is said of the run.
func (s *cellScreen) resize(width, height int) { s.cellView.resize(width, height-1) }

// click goes to the tab that is named there.
func (s *cellScreen) click(x, y int) bool { return y == 1 && s.clickTab(x) }

func (s *cellScreen) view() []string {
	return append([]string{s.paint(bold, s.cut(s.runLine(), s.width))}, s.cellView.view()...)
}
