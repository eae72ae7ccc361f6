package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/plain"
)

// matrixScreen is the matrix of a Source.
type matrixScreen struct {
	*matrix
	m      *model
	src    Source
	result *lab.Result
	await  []int // patches of the subset to go to as soon as it is there
	sizes  map[int]extent
	deps   depends
}

func newMatrixScreen(m *model, src Source) *matrixScreen {
	s := &matrixScreen{matrix: &matrix{look: m.look}, m: m, src: src}
	s.refresh()
	return s
}

// refresh takes the Source's latest snapshot.
func (s *matrixScreen) refresh() {
	if r := s.src.Result(); r != s.result {
		s.result = r
		s.load(r)
	}
	if row := s.result.Row(s.await); row != nil {
		_, name := s.cursor()
		s.reveal(row.Index, name)
		s.await = nil
	}
}

func (s *matrixScreen) update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case changedMsg:
		s.refresh()
	case extentsMsg:
		s.sizes = msg
	}
	return nil
}

func (s *matrixScreen) close() {}

// cell is the one under the cursor; of a folded file system no case.
func (s *matrixScreen) cell() (prefix int, caseName string, ok bool) {
	if s.blank() {
		return 0, "", false
	}
	if len(s.shown.cols[s.grid.col]) > 1 {
		return s.Prefix(s.grid.row).Index, "", true
	}
	return s.Prefix(s.grid.row).Index, s.Case(s.grid.col).Name, true
}

// blank says whether there is no cell to be at.
func (s *matrixScreen) blank() bool { return s.Rows() == 0 || s.Cols() == 0 }

func (s *matrixScreen) table() Table {
	g := &s.grid
	move := func(rows, cols int) func() tea.Cmd { return does(func() { g.move(rows, cols, s.matrix) }) }
	page := func(halves int) func() tea.Cmd {
		return does(func() { g.move(halves*max(g.bodyRows()/2, 1), 0, s.matrix) })
	}
	to := func(place func() (row, col int)) func() tea.Cmd {
		return does(func() {
			row, col := place()
			g.moveTo(row, col, s.matrix)
		})
	}
	t := Table{Title: "Matrix", Bindings: []Binding{
		{[]string{"enter"}, "Enter", "Enter open", "open the cell: its runs, console and stacks", s.openCell},
		{[]string{"p"}, "p", "p patch", "open the patch: message, diff, replies, what it needs", s.openPatch},
		{[]string{"b"}, "b", "b bisect", "bisect the case: which patch changes it, by the runs or by hand", s.openBisect},
		{[]string{"t"}, "t", "t subset", "tick patches: do they apply alone, what do they need, what do they fix; run them as one more row", s.openSubset},
		{[]string{"j", "down"}, "j, down", "", "next patch", move(1, 0)},
		{[]string{"k", "up"}, "k, up", "", "patch before", move(-1, 0)},
		{[]string{"h", "left"}, "h, left", "", "case to the left", move(0, -1)},
		{[]string{"l", "right"}, "l, right", "", "case to the right", move(0, 1)},
		{[]string{"]"}, "]", "", "next patch that does something", does(func() { s.nextEffect(1) })},
		{[]string{"["}, "[", "", "patch before that does something", does(func() { s.nextEffect(-1) })},
		{[]string{"g", "home"}, "g, Home", "", "first patch", to(func() (int, int) { return 0, g.col })},
		{[]string{"G", "end"}, "G, End", "", "last patch", to(func() (int, int) { return g.rows, g.col })},
		{[]string{"0", "^"}, "0, ^", "", "first case", to(func() (int, int) { return g.row, 0 })},
		{[]string{"$"}, "$", "", "last case", to(func() (int, int) { return g.row, g.cols })},
		{[]string{"ctrl+d"}, "^d", "", "half a screen down", page(1)},
		{[]string{"ctrl+u"}, "^u", "", "half a screen up", page(-1)},
		{[]string{"space", "pgdown", "ctrl+f"}, "Space, PgDn, ^f", "", "a screen down", page(2)},
		{[]string{"pgup", "ctrl+b"}, "PgUp, ^b", "", "a screen up", page(-2)},
		{[]string{"f"}, "f", "f filter", "show only some cases: a pattern as in --cases or a part of the name; changes, bad, still (bad at the end)", s.askFilter},
		{[]string{"o"}, "o", "", "sort the cases: in the plan's order, by effect, by name", does(func() { s.m.said = "cases " + s.sort().String() })},
		{[]string{"z"}, "z", "", "fold the cases of the file system into one column, or unfold them", does(s.fold)},
		{[]string{"Z"}, "Z", "", "fold the patches that do nothing, or unfold them", does(s.foldQuiet)},
		{[]string{"d"}, "d", "", "drop the subset under the cursor: its row goes, its results stay", s.dropSubset},
		{[]string{"a"}, "a", "", "show everything again, in the plan's order", does(s.showAll)},
	}, Legend: []string{
		"ok passes", "FAIL wrong data or errno", "HANG deadlock", "LIVE livelock", "BUG kernel crash", "WARN kernel warning",
		"TIME still moving at its time limit", "flky runs disagree", "infr the lab failed, no evidence", "run " + s.pick("▸", ">") + "12s running, for how long", "que queued", "HANG" + s.pick("…", ".") + " HANG 2/5 more runs are queued; 2 of 5 are done",
		s.pick("·", ".") + " not run yet", "bld boot conf blkd the prefix has no image: does not build, boot, apply; blocked",
		"FIX or + the patch fixes the case", "REG or ! the patch breaks it", "chg or ~ the patch changes the symptom", "? the patch may change it",
		"not built (beside a patch) none of its code is compiled, so no test says anything of it",
		"flky 71% how sure it is, where that is less than 95%", "= (beside a patch) it is known to do nothing to any case",
		"=3 (beside a patch) the image is the same as prefix 3's",
		"{2,4-6} just these patches on the base (t, then r); what they do is said beside the base",
	}}
	t.Bindings = append(t.Bindings, s.m.finding("find a patch or case by a part of its name", s.search)...)
	t.Bindings = append(t.Bindings, Binding{[]string{"q", "esc"}, "q, Esc", "", "back to the series of the workspace, or quit", s.m.pop})
	return t
}

// openCell shows the cell under the cursor.
func (s *matrixScreen) openCell() tea.Cmd {
	if s.blank() {
		return s.openPatch() // it is all there is
	}
	if s.unfold() {
		return nil
	}
	src, ok := can[CellSource](s.m, s.src, "cells are")
	if !ok {
		return nil
	}
	c := newCellScreen(s, src)
	s.m.push(c)
	return c.begin()
}

// openPatch shows the patch of the cursor's row.
func (s *matrixScreen) openPatch() tea.Cmd {
	if s.blank() && !s.unrun() {
		return nil
	}
	src, ok := can[PatchSource](s.m, s.src, "patches are")
	if !ok {
		return nil
	}
	p := newPatchScreen(s, src)
	s.m.push(p)
	return p.load()
}

// openBisect shows the bisection of the cursor's case.
func (s *matrixScreen) openBisect() tea.Cmd {
	if s.blank() {
		s.m.said = "there is no case here yet"
		return nil
	}
	if len(s.shown.cols[s.grid.col]) > 1 && s.unfold() {
		return nil
	}
	src, ok := can[BisectSource](s.m, s.src, "bisections are")
	if !ok {
		return nil
	}
	x := newBisectScreen(s, src)
	s.m.push(x)
	return x.read()
}

// dropSubset asks whether the row of the cursor's subset shall go.
func (s *matrixScreen) dropSubset() tea.Cmd {
	if s.blank() || s.Subset(s.grid.row) == nil {
		s.m.said = "only the row of a subset can be dropped"
		return nil
	}
	name := s.Subset(s.grid.row).Name()
	s.m.prompt = &prompt{label: fmt.Sprintf("Drop subset %s? Its results stay. y/n", name), yes: func() tea.Cmd {
		return s.m.quietly("run --drop-subset "+name, "")
	}}
	return nil
}

// openSubset shows the patches with a tick beside each.
func (s *matrixScreen) openSubset() tea.Cmd {
	src, ok := can[SubsetSource](s.m, s.src, "subsets are")
	if !ok {
		return nil
	}
	x := newSubsetScreen(s, src)
	s.m.push(x)
	return x.open()
}

// nextEffect moves to the next patch that does something to a case, and to that case.
func (s *matrixScreen) nextEffect(step int) {
	g := &s.grid
	for row := g.row + step; row >= 0 && row < s.Rows(); row += step {
		if s.Cols() > 0 && s.Mark(row, g.col) != "" {
			g.moveTo(row, g.col, s.matrix)
			return
		}
		for col := range s.Cols() {
			if s.Mark(row, col) != "" {
				g.moveTo(row, col, s.matrix)
				return
			}
		}
	}
	s.m.said = "no further patch does anything to a case"
}

// askFilter asks for what to show only.
func (s *matrixScreen) askFilter() tea.Cmd {
	label := "only: "
	if s.m.width >= 80 {
		label = "only (" + onlyChanges + ", " + onlyBad + ", " + onlyStill + ", gfs2/*, *-self): "
	}
	s.m.prompt = &prompt{label: label, enter: func(text string) tea.Cmd {
		if err := s.filter(text); err != nil {
			s.m.said = err.Error()
		}
		return nil
	}}
	return nil
}

func (s *matrixScreen) search(text string, step int) tea.Cmd {
	if !s.find(text, step) {
		s.m.said = fmt.Sprintf("no patch or case holds %q", text)
	}
	return nil
}

func (s *matrixScreen) title() (left, right string) {
	r := s.result
	left = "seriesctl"
	if r.Series != "" {
		left = s.text(r.Series)
	}
	if r.Subject != "" {
		left += "  " + s.text(r.Subject)
	}
	if h := s.hidden(); h != "" {
		left = h + "; a shows all  " + left
	}
	var ends []string
	if base := s.text(r.Base); base != "" && s.m.width >= 70 {
		ends = append(ends, "base "+plain.Cut(base, 12, ""))
	}
	if r.Accel != "" {
		ends = append(ends, s.text(r.Accel))
	}
	if n := s.Rows(); n > s.grid.bodyRows() {
		ends = append(ends, fmt.Sprintf("%d/%d", s.grid.row, n-1))
	}
	return left, strings.Join(ends, "  ")
}

// words says what the cursor's patch does to the cursor's case.
func (s *matrixScreen) words() string {
	if s.blank() {
		return ""
	}
	return s.Sentence(s.grid.row, s.grid.col)
}

func (s *matrixScreen) sentence() (head, text string) {
	if s.unrun() {
		return s.Name(s.grid.row) + " " + s.subject(s.grid.row), s.next()
	}
	if s.blank() {
		return "", ""
	}
	row := s.grid.row
	if s.shown.rows[row].folded() {
		return s.subject(row), s.words()
	}
	return s.Name(row) + " " + s.subject(row), s.words()
}

func (s *matrixScreen) view() []string {
	switch {
	case !s.blank():
		return s.grid.view(s.matrix)
	case s.all.Rows() > 0 && s.all.Cols() > 0:
		// The filter left some when it was set.
		return []string{"", s.paint(bold, s.cut(" No case is left to show: "+s.hidden()+". a shows all.", s.m.width))}
	case s.unrun():
		return s.patchList()
	}
	return s.empty()
}

// running says whether a run of this series goes on.
func (s *matrixScreen) running() bool {
	return s.m.status.Running && (s.m.status.Series == "" || s.m.status.Series == s.result.Series)
}

const runBegins = "The run begins; the matrix comes with the first prefix."

// empty says what to do next where there is no matrix yet.
func (s *matrixScreen) empty() []string {
	lines := []string{""}
	next := func(commands ...[2]string) {
		lines = append(lines, "")
		longest := 0
		for _, c := range commands {
			longest = max(longest, len(c[0]))
		}
		for _, c := range commands {
			lines = append(lines, s.cut(fmt.Sprintf("   %-*s  %s", longest, c[0], c[1]), s.m.width))
		}
	}
	running := s.running()
	switch {
	case running:
		lines = append(lines, s.paint(bold, " "+runBegins))
	case s.result.Series == "":
		lines = append(lines, s.paint(bold, " No series here yet."))
		next([2]string{"W", "the series of the workspace"}, [2]string{":load THREAD.mbox", "read a series from mail"}, [2]string{":doctor", "check this host"})
	default:
		lines = append(lines, s.paint(bold, " The series is loaded; nothing has been run yet."))
		next([2]string{":apply --source LINUX", "does it apply?"}, [2]string{":run --source LINUX", "what does each patch do?"})
	}
	if !running {
		lines = append(lines, "", s.paint(faint, s.cut(" From a shell the same, with seriesctl before it; this screen is live.", s.m.width)))
	}
	return lines
}
