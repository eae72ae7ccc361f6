package tui

import (
	"fmt"
	"slices"

	tea "charm.land/bubbletea/v2"
)

// patchScreen is the patch under the cursor of a matrix, and takes the cursor along to other patches.
type patchScreen struct {
	*patchView
	m       *model
	home    *matrixScreen
	src     PatchSource
	serial  int // of the newest command; answers to older ones are dropped
	reading bool
}

// patchMsg is a patch that was read.
type patchMsg struct {
	serial int
	view   *patchView
}

// newPatchScreen shows nothing yet; load does.
func newPatchScreen(home *matrixScreen, src PatchSource) *patchScreen {
	row := home.grid.row
	return &patchScreen{m: home.m, home: home, src: src,
		patchView: &patchView{pager: pager{look: home.look}, row: row, number: home.Prefix(row).Patch, loading: true}}
}

// load reads the patch under the cursor; until it is there the one before is shown.
func (s *patchScreen) load() tea.Cmd {
	s.stopSearch()
	s.serial++
	s.reading = true
	serial, x, row := s.serial, s.home.whole(), s.home.grid.row
	return ask(s, func() tea.Msg {
		all, err := s.src.Series()
		v := newPatchView(x, x.grid.row, all, &s.home.deps, err)
		v.row = row // of what is shown
		return patchMsg{serial, v}
	})
}

func (s *patchScreen) update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case patchMsg:
		if msg.serial == s.serial {
			s.stopSearch()
			s.reading = false
			msg.view.stay(s.choice())
			s.patchView = msg.view
		}
	case changedMsg:
		s.refresh()
	case foundMsg:
		s.found(msg, s.m)
	}
	return nil
}

// refresh puts what a run has shown meanwhile into the tabs that are about it.
func (s *patchScreen) refresh() {
	x := s.home.whole()
	row := slices.IndexFunc(x.shown.rows, func(r span) bool { return x.all.Prefix(r.first).Patch == s.number && x.all.Subset(r.first) == nil })
	if s.reading || s.subset != nil || row < 0 || s.m.top() != screen(s) {
		return
	}
	for _, t := range s.tabs {
		switch t.name {
		case tabBuild:
			t.win.replace(buildText(x, row))
		case tabCases:
			t.win.replace(casesText(x, row))
		}
	}
}

func (s *patchScreen) waits() bool { return s.reading || s.pager.waits() }

func (s *patchScreen) close() {
	s.serial++
	s.stopSearch()
}

func (s *patchScreen) table() Table {
	return Table{Title: "Patch", Bindings: append(s.keys(s, s.m, "next of patch, thread, needs, build, cases"), []Binding{
		{[]string{"]"}, "]", "", "next patch", func() tea.Cmd { return s.next(1) }},
		{[]string{"["}, "[", "[ ] patch", "patch before; before the first the cover letter", func() tea.Cmd { return s.next(-1) }},
		{[]string{"z"}, "z", "z quotes", "show quoted parts whole, or fold them", does(s.fold)},
		{[]string{"q", "esc", "p"}, "q, Esc, p", "q back", "back to where it was opened", s.m.pop},
	}...)}
}

// next shows the patch some rows further.
func (s *patchScreen) next(step int) tea.Cmd {
	x := s.home.matrix
	row := x.grid.row + step
	if row < 0 || row >= x.Rows() {
		s.m.said = "no patch beyond this one"
		return nil
	}
	x.grid.move(step, 0, x)
	return s.load()
}

func (s *patchScreen) title() (left, right string) {
	x, r := s.home.matrix, s.home.result
	if s.row < x.Rows() && x.Subset(s.row) != nil {
		return x.Where(s.row) + ": " + x.subject(s.row), x.Does(s.row)
	}
	if s.row >= x.Rows() || s.number == 0 {
		return s.text(r.Subject), s.text(r.Series)
	}
	return fmt.Sprintf("patch %d: %s", s.number, x.subjectOf(x.last(s.row))), x.Does(s.row)
}

func (s *patchScreen) sentence() (head, text string) { return "", s.home.words() }

func (s *patchScreen) silent() bool { return s.home.unrun() }

// resize leaves a line for what is said of the patch.
func (s *patchScreen) resize(width, height int) { s.patchView.resize(width, height-1) }

// click goes to the tab that is named there.
func (s *patchScreen) click(x, y int) bool { return y == 1 && s.clickTab(x) }

// scrollAt scrolls the replies where they stand beside the patch.
func (s *patchScreen) scrollAt(x, _, lines int) bool {
	if !s.split() {
		return false
	}
	name := s.left().name
	if x > s.left().win.width {
		name = thread
	}
	for _, t := range s.tabs {
		if t.name == name {
			t.win.scroll(lines)
		}
	}
	return true
}

func (s *patchScreen) view() []string {
	return append([]string{s.paint(bold, s.cut(s.headLine(), s.width))}, s.patchView.view()...)
}
