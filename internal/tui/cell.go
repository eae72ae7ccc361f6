package tui

import (
	"fmt"
	"strings"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/plain"
	"github.com/seriesctl/seriesctl/internal/report"
	"github.com/seriesctl/seriesctl/testplan"
)

// cellView is what is known of one cell: its runs and, of the run that is shown, what decided it, a tab each for the stacks,
// the crash report and the output, how the prefix before did, how to do it by hand, and the console.
type cellView struct {
	pager
	series   string
	prefix   int    // its index
	where    string // "prefix 4"
	argument string // what a command calls it
	subject  string // of its last patch
	caseName string
	kernel   string // the name of the plan's kernel it runs on
	row, col int    // in the matrix it was opened from

	loading bool
	runs    []lab.Run
	before  *earlier // nil for the base
	log     string   // the prefix's build or boot log, when there is no image, or the console of the run that goes on
	live    bool     // it is a console
	err     error

	run  int
	file File    // the open console
	con  *window // on it
}

// Names of a cell's tabs.
const (
	tabRun     = "run"
	tabStacks  = "stacks"
	tabReport  = "report"
	tabOutput  = "output"
	tabBefore  = "before"
	tabHand    = "by hand"
	tabConsole = "console"
	tabLog     = "log"
)

func newCellView(l look, m *matrix) *cellView {
	row, col := m.grid.row, m.grid.col
	p, c := m.At(row, col), m.Case(col)
	v := &cellView{pager: pager{look: l}, series: m.all.Result.Series, prefix: p.Index, where: m.Where(row), argument: m.all.Argument(m.last(row)), subject: m.subject(row), caseName: c.Name, kernel: c.Kernel, row: row, col: col,
		loading: true, before: m.earlier(row, col)}
	v.whileNone(m)
	return v
}

// whileNone finds what there is to see while no run is stored.
func (v *cellView) whileNone(m *matrix) {
	p := m.At(v.row, v.col)
	if p.Index != v.prefix {
		return // it is folded away
	}
	if c := m.Cell(v.row, v.col); c != nil && c.State == lab.CellRunning && c.Log != "" {
		v.log, v.live = c.Log, true
	} else if p.Status != lab.PrefixOK {
		v.log, v.live = p.Log, false
	}
}

// logPath is the file that the shown run's console, or the prefix's log, is in; "" for none.
func (v *cellView) logPath() string {
	if r := v.shown(); r != nil {
		return r.Observation.Console
	}
	return v.log
}

// shown is the run that is shown, nil when there is none.
func (v *cellView) shown() *lab.Run {
	if v.run < len(v.runs) {
		return &v.runs[v.run]
	}
	return nil
}

// setRuns takes the runs and shows the newest.
func (v *cellView) setRuns(runs []lab.Run, err error) {
	shown := int64(-1)
	if r := v.shown(); r != nil {
		shown = r.ID
	}
	v.loading, v.runs, v.err = false, runs, err
	v.run = max(len(runs)-1, 0)
	for i, r := range runs {
		if r.ID == shown {
			v.run = i
		}
	}
}

// build makes the tabs of the shown run, with its console in f, and opens the one that was open.
func (v *cellView) build(f File, size int64, err error) {
	v.close()
	v.file = f
	v.con = newWindow(v.look, strings.NewReader(""), 0)
	switch {
	case err != nil:
		v.con.err = err
	case f != nil:
		v.con = newWindow(v.look, f, size)
	}
	v.layOut(false)
}

// layOut makes the tabs for the width there is; with stay each page remains where it is, about.
func (v *cellView) layOut(stay bool) {
	keep, old := v.choice(), v.tabs
	v.tabs, v.tab = nil, 0
	if run := v.shown(); run != nil {
		o := run.Observation
		v.page(tabRun, v.runText(run))
		if o.Hang != nil {
			v.page(tabStacks, v.stacks(run))
		}
		if o.Crash != nil {
			v.add(tabReport, o.Crash.Report)
		}
		v.add(tabOutput, o.Output)
		v.page(tabBefore, v.beforeText(run))
		v.page(tabHand, v.handText(run))
	}
	if v.logPath() != "" {
		name := tabConsole
		if len(v.runs) == 0 && !v.live {
			name = tabLog
		}
		v.tabs = append(v.tabs, tab{name, v.con})
	}
	v.stay(keep)
	for _, was := range old {
		for _, is := range v.tabs {
			if stay && is.name == was.name && is.win != v.con && is.win.size > 0 {
				is.win.top = lineAt(is.win, min(was.win.top, is.win.size-1))
			}
		}
	}
	v.pager.resize(v.width, v.height)
}

// page adds a tab of the program's own words, with headings.
func (v *cellView) page(name, text string) {
	if w := v.add(name, text); w != nil {
		w.style = pageStyle
	}
}

// pageStyle sets headings apart, lines that are not indented, and what is new and what is gone in a comparison.
func pageStyle(line string) style {
	switch {
	case strings.HasPrefix(line, "  + "):
		return bold
	case strings.HasPrefix(line, "  - "):
		return faint
	case line == "" || line[0] == ' ':
		return normal
	}
	return bold
}

// resize lays the pages out anew for another width.
func (v *cellView) resize(width, height int) {
	if width != v.width && len(v.tabs) > 0 {
		v.width, v.height = width, height
		v.layOut(true)
	}
	v.pager.resize(width, height)
}

// lineAt is where the line begins that an offset is in.
func lineAt(w *window, at int64) int64 {
	if start, err := lineStart(w.r, at); err == nil {
		return start
	}
	return 0
}

// room is how many columns a page has.
func (v *cellView) room() int { return max(v.width-2, 20) }

// runText is what the shown run showed: its outcome and what decided it first, then the facts, the other runs, and the text
// that the evidence is from.
func (v *cellView) runText(run *lab.Run) string {
	var b strings.Builder
	j := run.Judgement
	v.wrap(&b, "", outcomeOf(j))
	facts := report.Facts(*run)
	if j.Evidence != "" {
		v.wrap(&b, "  ", j.Evidence)
		facts = facts[1:] // it begins with the evidence
	}
	b.WriteByte('\n')
	for _, f := range facts {
		if !strings.HasPrefix(f, "by hand: ") { // has a tab of its own
			v.wrap(&b, "  ", f)
		}
	}
	if len(v.runs) > 1 {
		fmt.Fprintf(&b, "\n%d runs\n", len(v.runs))
		for i, r := range v.runs {
			mark := " "
			if i == v.run {
				mark = ">"
			}
			line := fmt.Sprintf("%s %*d  %6.1f s  %s", mark, len(fmt.Sprint(len(v.runs))), i+1, r.Observation.Duration.Seconds(), outcomeOf(r.Judgement))
			b.WriteString(v.cut(v.text(line), v.room()) + "\n")
		}
	}
	o := run.Observation
	section := func(name, text string) {
		if text = strings.TrimRight(text, "\n"); text != "" {
			b.WriteString("\n" + name + "\n" + text + "\n")
		}
	}
	switch {
	case o.Hang != nil:
		section("Stacks", v.stacks(run))
	case o.Crash != nil:
		section("Report", indent(o.Crash.Report))
	}
	section("Output", indent(o.Output))
	return b.String()
}

// wrap appends s in lines of the page's width.
func (v *cellView) wrap(b *strings.Builder, before, s string) {
	for _, line := range plain.Wrap(v.text(s), v.room()-len(before)) {
		b.WriteString(before + line + "\n")
	}
}

func outcomeOf(j testplan.Judgement) string {
	if j.Signature == "" {
		return string(j.Outcome)
	}
	return fmt.Sprintf("%s: %s", j.Outcome, plain.Line(j.Signature))
}

func indent(text string) string {
	text = strings.TrimRight(text, "\n")
	if text == "" {
		return ""
	}
	return "  " + strings.ReplaceAll(text, "\n", "\n  ")
}

func (v *cellView) close() {
	if v.file != nil {
		// It was only read: nothing can be lost by a failed close.
		_ = v.file.Close()
		v.file = nil
	}
}

// oops is a text of the console that the run's incident begins with; "" where it has none.
func (v *cellView) oops() string {
	run := v.shown()
	if run == nil {
		return ""
	}
	switch o := run.Observation; {
	case o.Crash != nil:
		for line := range strings.Lines(o.Crash.Report) {
			if line = strings.TrimSpace(line); line != "" {
				return line
			}
		}
	case o.Hang != nil:
		return "sysrq: Show Blocked State"
	}
	return ""
}

// toCase shows the console where the case began, and says whether that is known.
func (v *cellView) toCase() bool {
	v.choose(tabConsole)
	w, run := v.window(), v.shown()
	if w == nil || run == nil || run.Observation.CaseAt <= 0 || run.Observation.CaseAt >= w.size {
		return false
	}
	w.show(lineAt(w, run.Observation.CaseAt))
	return true
}

// runLine says which run is shown and what decided it.
func (v *cellView) runLine() string {
	switch {
	case v.err != nil:
		return " cannot read the runs: " + v.text(v.err.Error())
	case v.loading:
		return " reading the runs" + v.pick("…", "...")
	case len(v.runs) == 0 && v.live:
		return " its first run goes on; the console so far:"
	case len(v.runs) == 0 && v.log != "":
		return " no runs: the prefix has no image; its log:"
	case len(v.runs) == 0:
		return " no runs yet"
	}
	j := v.runs[v.run].Judgement
	s := fmt.Sprintf(" run %d of %d: %s", v.run+1, len(v.runs), j.Outcome)
	if j.Evidence != "" && v.chosen() != tabRun { // that tab begins with it

		s += ": " + j.Evidence
	}
	return v.text(s)
}
