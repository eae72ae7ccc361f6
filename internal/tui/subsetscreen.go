package tui

import (
	"context"
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/report"
	"github.com/seriesctl/seriesctl/series"
)

// subsetScreen is the patches of the series with a tick beside each: what is ticked is applied to the base at once, and
// what the rest of the series knows of it is said.
type subsetScreen struct {
	look
	m    *model
	home *matrixScreen
	src  SubsetSource

	subsets Subsets // nil until the source is open
	series  *series.Series
	graph   *series.Graph
	err     error // why the source is not

	ticked map[int]bool
	known  *lab.Subset
	states map[int]series.Variant // of the ticked patches, as they were tried last
	tried  bool                   // states are of what is ticked now
	base   *series.Variant        // that nothing applies to, nil when the base itself is well

	cancel       context.CancelFunc // of what goes on
	serial       int                // of the newest command; answers to older ones are dropped
	list                            // of the patches
	width, lines int
}

// Answers to a subsetScreen.
type (
	openedMsg struct {
		serial  int
		subsets Subsets
		graph   *series.Graph
		err     error
	}
	triedMsg struct {
		serial   int
		patches  []int
		variants []series.Variant
		err      error
	}
)

// newSubsetScreen has the patches of the cursor's prefix, or subset, ticked.
func newSubsetScreen(home *matrixScreen, src SubsetSource) *subsetScreen {
	s := &subsetScreen{look: home.look, m: home.m, home: home, src: src, ticked: map[int]bool{}, known: &lab.Subset{}}
	switch {
	case home.Rows() == 0:
	case home.Subset(home.grid.row) != nil:
		for _, n := range home.Subset(home.grid.row).Patches {
			s.ticked[n] = true
		}
	default:
		for row := range home.last(home.grid.row) + 1 {
			if n := home.all.Prefix(row).Patch; n > 0 {
				s.ticked[n] = true
			}
		}
	}
	return s
}

// work gives the context of the next command, whose answer is the only one that counts.
func (s *subsetScreen) work() (context.Context, int) {
	if s.cancel != nil {
		s.cancel()
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.serial++
	return ctx, s.serial
}

// open opens the source and finds what the patches need of each other.
func (s *subsetScreen) open() tea.Cmd {
	ctx, serial := s.work()
	return ask(s, func() tea.Msg {
		subsets, err := s.src.Subsets(ctx)
		if err != nil {
			return openedMsg{serial: serial, err: err}
		}
		return openedMsg{serial, subsets, series.Depend(subsets.Whole().Patches), nil}
	})
}

// try applies what is ticked.
func (s *subsetScreen) try() tea.Cmd {
	if s.subsets == nil {
		return nil
	}
	patches := s.chosen()
	s.known, s.tried = lab.Consider(s.home.result, s.graph, patches), false
	ctx, serial := s.work()
	return ask(s, func() tea.Msg {
		variants, err := s.subsets.Try(ctx, patches)
		return triedMsg{serial, patches, variants, err}
	})
}

func (s *subsetScreen) update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case openedMsg:
		if msg.serial != s.serial {
			if msg.subsets != nil {
				_ = msg.subsets.Close()
			}
			return nil
		}
		if s.err = msg.err; s.err != nil {
			return nil
		}
		s.subsets, s.series, s.graph = msg.subsets, msg.subsets.Whole(), msg.graph
		for i, p := range s.series.Patches {
			if s.ticked[p.Index] {
				s.at = i
			}
		}
		return s.try()
	case triedMsg:
		if msg.serial == s.serial {
			s.take(msg)
		}
	case changedMsg:
		if s.subsets != nil {
			s.known = lab.Consider(s.home.result, s.graph, s.chosen())
		}
	}
	return nil
}

// take keeps what applying gave: the first variant is the base.
func (s *subsetScreen) take(msg triedMsg) {
	if s.err = msg.err; s.err != nil {
		return
	}
	s.states, s.base, s.tried = map[int]series.Variant{}, nil, true
	if v := msg.variants[0]; v.Status != series.Applied {
		s.base = &v
	}
	for i, n := range msg.patches {
		s.states[n] = msg.variants[i+1]
	}
}

func (s *subsetScreen) close() {
	s.serial++
	if s.cancel != nil {
		s.cancel()
	}
	if s.subsets != nil {
		_ = s.subsets.Close()
	}
}

// chosen is what is ticked, in the order of the series.
func (s *subsetScreen) chosen() []int {
	var out []int
	for _, p := range s.series.Patches {
		if s.ticked[p.Index] {
			out = append(out, p.Index)
		}
	}
	return out
}

// patch is the one under the cursor, nil for none.
func (s *subsetScreen) patch() *series.Patch {
	if s.series == nil || s.at >= len(s.series.Patches) {
		return nil
	}
	return s.series.Patches[s.at]
}

func (s *subsetScreen) table() Table {
	tick := func(choose func(n int) bool) func() tea.Cmd {
		return func() tea.Cmd {
			if s.subsets == nil {
				return nil
			}
			for _, p := range s.series.Patches {
				s.ticked[p.Index] = choose(p.Index)
			}
			return s.try()
		}
	}
	t := Table{Title: "Subset", Bindings: append([]Binding{
		{[]string{"space", "x"}, "Space, x", "Space tick", "take the patch in or out", s.toggle},
		{[]string{"a"}, "a", "a needed", "take in all that the ticked patches need", func() tea.Cmd {
			if s.subsets == nil {
				return nil
			}
			all := s.graph.Closure(s.chosen()...)
			return tick(func(n int) bool { return slices.Contains(all, n) })()
		}},
		{[]string{"A"}, "A", "A all", "take in all patches, or take all out", func() tea.Cmd {
			all := s.subsets == nil || len(s.known.Patches) < len(s.series.Patches)
			return tick(func(int) bool { return all })()
		}},
		{[]string{"r"}, "r", "r run", "build and run this subset, as one more row of the matrix", s.run},
	}, s.keys(s.size, "space")...), Legend: []string{
		"[x] is in the subset",
		"exact, offset, fuzz, 3way, resolution: how it goes on to the base with the ticked ones before it",
		"conflict does not apply; blocked one before it does not",
		"NEEDED is not ticked, and a ticked patch needs it",
		"spare is ticked, but no ticked patch needs it and no case says that it does anything",
		"FIX, REG, chg (in the line) what the patch does in the matrix of the prefixes, on top of all patches before it",
	}}
	t.Bindings = append(t.Bindings, s.m.finding("find a patch by a part of its subject", s.search)...)
	t.Bindings = append(t.Bindings, Binding{[]string{"q", "esc"}, "q, Esc", "q back", "back to the matrix", s.m.pop})
	return t
}

func (s *subsetScreen) toggle() tea.Cmd {
	p := s.patch()
	if p == nil {
		return nil
	}
	s.ticked[p.Index] = !s.ticked[p.Index]
	return s.try()
}

func (s *subsetScreen) run() tea.Cmd {
	switch {
	case s.subsets == nil:
	case len(s.known.Patches) == 0:
		s.m.said = "no patch is ticked"
	case s.known.Ran >= 0:
		s.m.said = fmt.Sprintf("it is prefix %d, which the matrix has", s.known.Ran)
	case s.m.status.Running:
		s.m.said = "a run goes on; r when it is done"
	case s.tried && s.conflict() != 0:
		s.m.said = s.applies() + "; a takes in what is needed"
	default:
		return s.start()
	}
	return nil
}

// start runs what is ticked, and goes to its row.
func (s *subsetScreen) start() tea.Cmd {
	patches := s.known.Patches
	return s.m.behind("run --subset "+lab.List(patches), func() tea.Cmd {
		s.home.await = patches
		var cmd tea.Cmd
		if s.m.top() == s {
			cmd = s.m.pop()
		}
		s.home.refresh()
		s.m.said = "subset " + lab.List(patches) + " runs as a row of its own, below the prefixes"
		return cmd
	})
}

// conflict is the first ticked patch that does not apply, 0 where all do.
func (s *subsetScreen) conflict() int {
	for _, n := range s.known.Patches {
		if s.states[n].Status == series.Conflict {
			return n
		}
	}
	return 0
}

func (s *subsetScreen) search(text string, step int) tea.Cmd {
	if s.series == nil {
		return nil
	}
	list := s.series.Patches
	for i := s.at + step; i >= 0 && i < len(list); i += step {
		if strings.Contains(strings.ToLower(list[i].Subject), strings.ToLower(text)) {
			s.move(i, s.size())
			return nil
		}
	}
	s.m.said = fmt.Sprintf("no further patch holds %q", text)
	return nil
}

func (s *subsetScreen) waits() bool { return s.subsets == nil && s.err == nil }

func (s *subsetScreen) title() (left, right string) {
	r := s.home.result
	left = "subset  " + s.text(r.Series)
	if s.series != nil {
		right = fmt.Sprintf("%d of %d patches", len(s.known.Patches), len(s.series.Patches))
	}
	return left, right
}

// sentence is about the subset as a whole.
func (s *subsetScreen) sentence() (head, text string) {
	switch {
	case s.subsets == nil || s.err != nil:
		return "", ""
	case len(s.known.Patches) == 0:
		return "", "no patch is ticked; Space ticks"
	}
	who := "patches " + report.Ranges(s.known.Patches)
	if len(s.known.Patches) == 1 {
		who = fmt.Sprintf("patch %d", s.known.Patches[0])
	}
	return who, s.applies() + "; " + report.SubsetText(s.known)
}

// steady: on a low screen the words about the cursor's patch are wanted more.
func (s *subsetScreen) steady() bool { return s.m.height >= highScreen }

// applies says in words how what is ticked goes on.
func (s *subsetScreen) applies() string {
	if !s.tried {
		return "applying" + s.pick("…", "...")
	}
	if s.base != nil {
		return "the prerequisites do not apply to the base"
	}
	if n := s.conflict(); n != 0 {
		return fmt.Sprintf("patch %d does not apply without those left out", n)
	}
	return "they apply to the base"
}

func (s *subsetScreen) resize(width, height int) {
	s.width, s.lines = width, height
	s.height = s.rows()
}

// size is how many patches there are.
func (s *subsetScreen) size() int {
	if s.series == nil {
		return 0
	}
	return len(s.series.Patches)
}

// rows is how many patches fit: on a high screen a third is left for words about the one under the cursor.
func (s *subsetScreen) rows() int {
	n := s.lines
	if s.lines >= 10 {
		n -= s.lines / 3
	}
	return max(min(n, s.size()), 1)
}

func (s *subsetScreen) view() []string {
	switch {
	case s.err != nil:
		return s.trouble(s.err, s.width)
	case s.subsets == nil:
		return []string{"", " opening the source" + s.pick("…", "...")}
	case len(s.series.Patches) == 0:
		return []string{"", " The series has no patches."}
	}
	s.show(s.at, s.at, s.size())
	var lines []string
	for i := s.top; i < min(s.top+s.height, s.size()); i++ {
		lines = append(lines, s.line(i))
	}
	if room := s.lines - len(lines) - 1; room > 0 {
		more := s.more(s.patch())
		lines = append(lines, s.paint(faint, strings.Repeat(s.pick("─", "-"), s.width)))
		lines = append(lines, more[:min(len(more), room)]...)
	}
	return lines
}

// line is one patch: tick, number, how it goes on, what it does, its subject.
func (s *subsetScreen) line(i int) string {
	p := s.series.Patches[i]
	tick := "[ ]"
	if s.ticked[p.Index] {
		tick = "[x]"
	}
	word, st := s.word(p.Index)
	does := ""
	if row := s.row(p.Index); row >= 0 {
		does = s.home.does[row]
	}
	const state, effects = 10, 12
	left := fmt.Sprintf(" %s %3d ", tick, p.Index)
	if i == s.at {
		return s.paint(bar, s.pad(left+s.pad(word, state)+" "+s.pad(does, effects)+" "+s.text(p.Subject), s.width))
	}
	room := max(s.width-len(left)-state-effects-2, 0)
	return left + s.paint(st, s.pad(word, state)) + " " + s.paint(effectStyle(does), s.pad(does, effects)) + " " + s.cut(s.text(p.Subject), room)
}

// effectStyle is the colour of what a patch does.
func effectStyle(does string) style {
	mark, _, _ := strings.Cut(does, " ")
	switch mark {
	case "FIX", "REG", "chg", "rar", "oft":
		return markStyle(mark)
	}
	return faint
}

// word says how a patch stands in the subset.
func (s *subsetScreen) word(n int) (string, style) {
	if !s.ticked[n] {
		if slices.ContainsFunc(s.known.Lacking, func(e series.Edge) bool { return e.Needs == n }) {
			return "NEEDED", changed
		}
		return "", normal
	}
	v, ok := s.states[n]
	switch {
	case !s.tried || !ok:
		return s.pick("…", "..."), faint
	case v.Status == series.Conflict:
		return "conflict", bad
	case v.Status != series.Applied:
		return string(v.Status), faint
	case slices.Contains(s.known.Spare, n):
		return "spare", doubt
	}
	return string(v.How), good
}

// row is a patch's row in the report's matrix, -1 where it has none.
func (s *subsetScreen) row(n int) int {
	for row := range s.home.all.Prefixes() {
		if s.home.all.Prefix(row).Patch == n {
			return row
		}
	}
	return -1
}

// more says of one patch why it does not apply, what it needs, and what needs it.
func (s *subsetScreen) more(p *series.Patch) []string {
	var out []string
	say := func(st style, text string) { out = append(out, s.paint(st, s.cut(" "+s.text(text), s.width))) }
	if v := s.base; v != nil {
		say(bad, "before it: "+conflictText(*v))
	}
	if v, ok := s.states[p.Index]; ok && s.tried && s.ticked[p.Index] {
		for _, c := range v.Conflicts {
			say(bad, c.String())
		}
	}
	for _, e := range s.known.Lacking {
		if e.Patch == p.Index {
			say(changed, fmt.Sprintf("needs %d, not ticked: %s", e.Needs, report.EdgeText(e, report.Options{ASCII: s.ascii})))
		}
	}
	for _, e := range s.known.Lacking {
		if e.Needs == p.Index {
			say(changed, fmt.Sprintf("needed by %d: %s", e.Patch, report.EdgeText(e, report.Options{ASCII: s.ascii})))
		}
	}
	for _, a := range s.home.result.Attributions {
		if a.Patch == p.Index {
			say(normal, report.AttributionText(a))
		}
	}
	for _, line := range strings.Split(strings.TrimRight(report.PatchDeps(s.graph, p.Index, report.Options{Width: s.width - 1, ASCII: s.ascii}), "\n"), "\n") {
		say(faint, strings.TrimPrefix(line, " "))
	}
	return out
}

func conflictText(v series.Variant) string {
	if len(v.Conflicts) == 0 {
		return string(v.Status)
	}
	return v.Conflicts[0].String()
}
