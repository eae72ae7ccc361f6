package tui

import (
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/report"
	"github.com/seriesctl/seriesctl/internal/xec"
	"github.com/seriesctl/seriesctl/testplan"
)

// workspaceScreen is the series of a Workspace, the revisions of one together, newest first.
type workspaceScreen struct {
	m       *model
	ws      Workspace
	entries []Entry // in the order they are shown in
	list
	width, height int
	current       string // the series that was loaded last
	opening       string // the series that is being opened
}

// seriesMsg is a series that was opened.
type seriesMsg struct {
	id  string
	src Source
	err error
}

func newWorkspaceScreen(m *model, ws Workspace) *workspaceScreen {
	s := &workspaceScreen{m: m, ws: ws}
	s.refresh()
	return s
}

// refresh takes the Workspace's entries; the cursor stays on its series, but goes to one that was loaded meanwhile.
func (s *workspaceScreen) refresh() {
	on := ""
	if e := s.entry(); e != nil {
		on = e.ID
	}
	s.entries = arrange(s.ws.Entries())
	to := slices.IndexFunc(s.entries, func(e Entry) bool { return e.ID == on })
	if c := slices.IndexFunc(s.entries, func(e Entry) bool { return e.Current }); c >= 0 && s.entries[c].ID != s.current {
		to, s.current = c, s.entries[c].ID
	}
	s.move(to, len(s.entries))
}

// arrange puts the revisions of a series together, the newest first, in the order in which the series come.
func arrange(entries []Entry) []Entry {
	place := map[string]int{}
	for _, e := range entries {
		if _, ok := place[e.Work]; !ok {
			place[e.Work] = len(place)
		}
	}
	out := slices.Clone(entries)
	slices.SortStableFunc(out, func(a, b Entry) int {
		if a.Work != b.Work {
			return place[a.Work] - place[b.Work]
		}
		return b.Revision - a.Revision
	})
	return out
}

// entry is the one under the cursor, nil when there is none.
func (s *workspaceScreen) entry() *Entry {
	if s.at < len(s.entries) {
		return &s.entries[s.at]
	}
	return nil
}

func (s *workspaceScreen) update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case changedMsg:
		if s.m.top() == screen(s) {
			s.refresh()
		}
	case shownMsg:
		s.refresh()
	case seriesMsg:
		if msg.id != s.opening {
			return nil
		}
		s.opening = ""
		if s.m.top() != screen(s) {
			return nil
		}
		if msg.err != nil {
			s.m.said = msg.err.Error()
			return nil
		}
		x := newMatrixScreen(s.m, msg.src)
		s.m.push(x)
		return x.measure()
	}
	return nil
}

func (s *workspaceScreen) table() Table {
	n := func() int { return len(s.entries) }
	t := Table{Title: "Series", Bindings: append([]Binding{
		{[]string{"enter"}, "Enter", "Enter open", "open the series: its matrix", s.open},
		{[]string{"l"}, "l", "l load", "load a series: a file, a directory, a message-id or a link as pasted", s.load},
		{[]string{"d"}, "d", "d range-diff", "what changed since another revision", s.diff},
	}, s.keys(n)...)}
	t.Bindings = append(t.Bindings, s.m.finding("find a series by a part of its subject, id or author", s.find)...)
	t.Bindings = append(t.Bindings,
		Binding{[]string{"q"}, "q", "", "quit", s.m.pop},
		// Who leaves screens with Esc does not fall out of the program.
		Binding{[]string{"esc"}, "Esc", "", "nothing: there is no screen below", does(func() { s.m.said = "this is the first screen; q quits" })})
	return t
}

func (s *workspaceScreen) open() tea.Cmd {
	e := s.entry()
	if e == nil {
		return nil
	}
	id := e.ID
	s.opening = id
	return ask(s, func() tea.Msg {
		src, err := s.ws.Open(id)
		return seriesMsg{id, src, err}
	})
}

// load asks what to load.
func (s *workspaceScreen) load() tea.Cmd {
	var files func(string) []string
	if c, ok := s.m.src.(Commander); ok {
		files = func(text string) []string { return c.Complete("load " + text) }
	}
	s.m.prompt = &prompt{label: "load: ", complete: files, enter: func(input string) tea.Cmd {
		if input = strings.TrimSpace(input); input == "" {
			return nil
		}
		return s.m.quietly("load -- "+xec.Quote(input), "loaded ")
	}}
	return nil
}

// diff asks with which revision to compare the one under the cursor.
func (s *workspaceScreen) diff() tea.Cmd {
	e := s.entry()
	if e == nil {
		return nil
	}
	with, ids := "", []string{}
	for i, other := range s.entries {
		ids = append(ids, other.ID)
		// The revision before stands below, the one after above.
		if other.Work == e.Work && (i == s.at-1 || i == s.at+1) {
			with = other.ID
		}
	}
	to := e.ID
	s.m.prompt = &prompt{label: "range-diff from: ", text: with, complete: func(string) []string { return ids }, enter: func(from string) tea.Cmd {
		if from = strings.TrimSpace(from); from == "" {
			return nil
		}
		return s.m.command("range-diff " + xec.Quote(from) + " " + xec.Quote(to))
	}}
	return nil
}

func (s *workspaceScreen) find(text string, step int) tea.Cmd {
	for i := range s.entries {
		at := wrapIndex(s.at+step*(i+1), len(s.entries))
		e := s.entries[at]
		if strings.Contains(strings.ToLower(e.ID+" "+e.Subject+" "+e.Author), strings.ToLower(text)) {
			s.at = at
			return nil
		}
	}
	s.m.said = fmt.Sprintf("no series holds %q", text)
	return nil
}

func (s *workspaceScreen) resize(width, height int) {
	s.width, s.height, s.list.height = width, height, height
}

func (s *workspaceScreen) waits() bool { return s.opening != "" }

func (s *workspaceScreen) title() (left, right string) {
	left, right = "seriesctl", fmt.Sprintf("%d series", len(s.entries))
	if lines, _ := s.lines(); len(lines) > s.height {
		right = fmt.Sprintf("%d/%s", s.at+1, right)
	}
	return left, right
}

func (s *workspaceScreen) sentence() (head, text string) {
	e := s.entry()
	switch {
	case e == nil:
		return "", ""
	case e.Err != nil:
		return e.ID, s.m.text(e.Err.Error())
	case e.Result == nil && e.Subject == "":
		return e.ID, "reading"
	case e.Result == nil:
		return e.ID, "Not run yet. Enter opens it and says how to begin."
	}
	return e.ID, achieved(e.Result)
}

// achieved says how many cases each patch does something to.
func achieved(r *lab.Result) string {
	type deed struct {
		patch  int
		effect testplan.Effect
	}
	cases := map[deed]int{}
	var deeds []deed
	for _, a := range r.Attributions {
		d := deed{a.Patch, a.Effect}
		if cases[d]++; cases[d] == 1 {
			deeds = append(deeds, d)
		}
	}
	slices.SortStableFunc(deeds, func(a, b deed) int { return a.patch - b.patch })
	var parts []string
	for i, d := range deeds {
		verb := map[testplan.Effect]string{testplan.Fixes: "fixes", testplan.Regresses: "regresses", testplan.ChangesSymptom: "changes the symptom of",
			testplan.Rarer: "makes rarer the failure of", testplan.MoreOften: "makes more frequent the failure of"}[d.effect]
		if verb == "" {
			verb = "may change"
		}
		if i > 0 && deeds[i-1].patch == d.patch {
			parts[len(parts)-1] += fmt.Sprintf(", %s %d", verb, cases[d])
		} else {
			parts = append(parts, fmt.Sprintf("patch %d %s %s", d.patch, verb, report.Count(cases[d], "case")))
		}
	}
	if parts == nil {
		return "no patch is known to do anything to a case"
	}
	return strings.Join(parts, "; ")
}

func (s *workspaceScreen) close() {}

// click puts the cursor on the series of a line.
func (s *workspaceScreen) click(_, y int) bool {
	_, of := s.lines()
	if y += s.top; y < 0 || y >= len(of) || of[y] < 0 {
		return false
	}
	s.at = of[y]
	return true
}

func (s *workspaceScreen) view() []string {
	if len(s.entries) == 0 {
		return s.empty()
	}
	lines, of := s.lines()
	at := slices.Index(of, s.at)
	first := at
	if s.at == 0 || s.entries[s.at].Work != s.entries[s.at-1].Work {
		first-- // its heading
	}
	s.show(first, at, len(lines))
	return lines[s.top:min(len(lines), s.top+s.height)]
}

// lines are all, and of each which entry it is, -1 for a heading.
func (s *workspaceScreen) lines() (lines []string, of []int) {
	for i, e := range s.entries {
		if i == 0 || e.Work != s.entries[i-1].Work {
			subject := e.Subject
			if subject == "" {
				subject = e.ID
			}
			lines, of = append(lines, s.m.paint(bold, s.m.ends(" "+s.m.text(subject), s.m.text(name(e.Author))+" ", s.width))), append(of, -1)
		}
		lines, of = append(lines, s.row(i)), append(of, i)
	}
	return lines, of
}

// row is the line of a revision.
func (s *workspaceScreen) row(i int) string {
	l, e := s.m.look, s.entries[i]
	mark := "  "
	if i == s.at {
		mark = l.pick("▸ ", "> ")
	}
	date := ""
	if !e.Date.IsZero() {
		date = e.Date.Format("2006-01-02")
	}
	longest := 0
	for _, other := range s.entries {
		longest = max(longest, len(size(other)))
	}
	text := fmt.Sprintf(" %sv%-3d %-10s  %-*s  ", mark, e.Revision, date, longest, size(e))
	word, st := s.m.state(e)
	if i == s.at {
		return l.paint(bar, l.pad(text+word, s.width))
	}
	return l.cut(text+l.paint(st, word), s.width)
}

// size says how many patches a series has.
func size(e Entry) string {
	switch {
	case e.Subject == "":
		return ""
	case e.Patches != e.Total:
		return fmt.Sprintf("%d of %s", e.Patches, patches(e.Total))
	}
	return patches(e.Total)
}

// state says in a few words how far a series is.
func (m *model) state(e Entry) (string, style) {
	if m.status.Running && m.status.Series == e.ID {
		word := "running"
		if m.status.Total > 0 {
			word += fmt.Sprintf(" %d of %d cells", m.status.Done, m.status.Total)
		}
		return word, moving
	}
	switch {
	case e.Err != nil:
		return "cannot be read", ours
	case e.Subject == "":
		return m.pick("…", "..."), faint
	case e.Result == nil:
		return "loaded", faint
	}
	return state(e.Result)
}

// state says how far a run came, and what it showed.
func state(r *lab.Result) (string, style) {
	for _, p := range r.Prefixes {
		if p.Status == lab.PrefixConflict {
			return fmt.Sprintf("conflict in patch %d", p.Patch), bad
		}
	}
	var words []string
	st := normal
	fixes, regressions := 0, 0
	for _, a := range r.Attributions {
		switch a.Effect {
		case testplan.Fixes:
			fixes++
		case testplan.Regresses, testplan.MoreOften:
			regressions++
		}
	}
	if fixes > 0 {
		words, st = append(words, fmt.Sprintf("FIX %d", fixes)), good
	}
	if regressions > 0 {
		words, st = append(words, fmt.Sprintf("REG %d", regressions)), bad
	}
	done, all := 0, 0
	for _, c := range r.Cells {
		if c.State == lab.CellNone {
			continue
		}
		all++
		if c.State == lab.CellDone {
			done++
		}
	}
	return strings.Join(append(words, fmt.Sprintf("%d of %d cells run", done, all)), "  "), st
}

// name is the person of an address.
func name(author string) string {
	who, _, _ := strings.Cut(author, " <")
	return who
}

// empty says what to do where there is no series.
func (s *workspaceScreen) empty() []string {
	lines := []string{"", s.m.paint(bold, " No series here yet."), ""}
	for _, c := range [][2]string{
		{"l", "load one: an mbox, a maildir, patches, a message-id, a link"},
		{":doctor", "check what this host has and lacks"},
		{":help", "what else there is"},
	} {
		lines = append(lines, s.m.cut(fmt.Sprintf("   %-8s %s", c[0], c[1]), s.width))
	}
	return append(lines, "", s.m.paint(faint, s.m.cut(" From a shell: seriesctl load THREAD.mbox", s.width)))
}
