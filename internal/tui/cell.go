package tui

import (
	"fmt"
	"io"
	"strings"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/report"
	"github.com/seriesctl/seriesctl/testplan"
)

// cellView is what is known of one cell: its runs and, of the run that is shown, a tab each for the facts, the
// stacks, the crash report, the output and the console.
type cellView struct {
	look
	prefix   int
	caseName string
	row, col int // in the matrix it was opened from

	loading bool
	runs    []lab.Run
	log     string // the prefix's build or boot log, when there is no image
	err     error

	run  int
	tabs []tab
	tab  int
	file File // the open console

	width, height int
	hits          string // what the last search found, for the status line
}

// tab is one view of a run.
type tab struct {
	name string
	win  *window
}

func newCellView(l look, m *matrix) *cellView {
	row, col := m.grid.row, m.grid.col
	p := m.Prefix(row)
	v := &cellView{look: l, prefix: p.Index, caseName: m.Case(col).Name, row: row, col: col, loading: true}
	if p.Status != lab.PrefixOK {
		v.log = p.Log
	}
	return v
}

// logPath is the file that the shown run's console, or the prefix's log, is in; "" for none.
func (v *cellView) logPath() string {
	if len(v.runs) > 0 {
		return v.runs[v.run].Observation.Console
	}
	return v.log
}

// setRuns takes the runs and shows the newest.
func (v *cellView) setRuns(runs []lab.Run, err error) {
	shown := int64(-1)
	if len(v.runs) > 0 {
		shown = v.runs[v.run].ID
	}
	v.loading, v.runs, v.err = false, runs, err
	v.run = max(len(runs)-1, 0)
	for i, r := range runs {
		if r.ID == shown {
			v.run = i
		}
	}
}

// build makes the tabs of the shown run and opens the one with the evidence that decided it.
func (v *cellView) build(f File, size int64, err error) {
	keep := ""
	if v.tab < len(v.tabs) {
		keep = v.tabs[v.tab].name
	}
	v.close()
	v.file, v.tabs, v.tab = f, nil, 0
	add := func(name, text string) {
		if text = strings.TrimRight(text, "\n"); text != "" {
			v.tabs = append(v.tabs, tab{name, newWindow(v.look, strings.NewReader(text), int64(len(text)))})
		}
	}
	best := "console"
	if len(v.runs) > 0 {
		run := v.runs[v.run]
		o := run.Observation
		if o.Hang != nil {
			add("stacks", report.Stacks(o.Hang))
		}
		if o.Crash != nil {
			add("report", o.Crash.Report)
		}
		add("output", o.Output)
		add("facts", strings.Join(report.Facts(run), "\n"))
		switch run.Judgement.Outcome {
		case testplan.Deadlock, testplan.Livelock:
			best = "stacks"
		case testplan.Crash, testplan.Warn:
			best = "report"
		case testplan.Fail:
			best = "output"
		}
	}
	if path := v.logPath(); path != "" {
		name := "console"
		if len(v.runs) == 0 {
			name = "log"
		}
		w := newWindow(v.look, strings.NewReader(""), 0)
		if err != nil {
			w.err = err
		} else if f != nil {
			w = newWindow(v.look, f, size)
		}
		v.tabs = append(v.tabs, tab{name, w})
	}
	v.choose(best)
	v.choose(keep)
	v.resize(v.width, v.height)
}

func (v *cellView) choose(name string) {
	for i, t := range v.tabs {
		if t.name == name {
			v.tab = i
		}
	}
}

func (v *cellView) close() {
	if v.file != nil {
		// It was only read: nothing can be lost by a failed close.
		_ = v.file.Close()
		v.file = nil
	}
}

// window is the shown tab's, nil when there is none.
func (v *cellView) window() *window {
	if v.tab < len(v.tabs) {
		return v.tabs[v.tab].win
	}
	return nil
}

func (v *cellView) resize(width, height int) {
	v.width, v.height = width, height
	for _, t := range v.tabs {
		t.win.resize(width, height-1)
	}
}

// reader is what a search in the shown tab reads.
func (v *cellView) reader() (io.ReaderAt, int64) {
	w := v.window()
	return w.r, w.size
}

// runLine says which run is shown and what decided it.
func (v *cellView) runLine() string {
	switch {
	case v.err != nil:
		return " cannot read the runs: " + v.text(v.err.Error())
	case v.loading:
		return " reading the runs" + v.pick("…", "...")
	case len(v.runs) == 0 && v.log != "":
		return " no runs: the prefix has no image; its log:"
	case len(v.runs) == 0:
		return " no runs yet"
	}
	j := v.runs[v.run].Judgement
	s := fmt.Sprintf(" run %d of %d: %s", v.run+1, len(v.runs), j.Outcome)
	if j.Evidence != "" {
		s += ": " + j.Evidence
	}
	return v.text(s)
}

// view draws the tabs and the shown one's window in v.height lines.
func (v *cellView) view() []string {
	var names strings.Builder
	used := 0
	for i, t := range v.tabs {
		name := " " + t.name + " "
		if i == v.tab {
			name = "[" + t.name + "]"
		}
		if used += len(name) + 1; used > v.width-8 {
			break
		}
		st := faint
		if i == v.tab {
			st = bold
		}
		names.WriteString(" " + v.paint(st, name))
	}
	line := names.String()
	if w := v.window(); w != nil {
		right := w.place()
		if v.hits != "" {
			right = v.text(v.hits) + "  " + right
		}
		right = v.cut(right, max(v.width-used-2, 5))
		line += spaces(v.width-used-textWidth(right)-1) + v.paint(faint, right)
	}
	lines := []string{line}
	if w := v.window(); w != nil {
		lines = append(lines, w.view()...)
	}
	for len(lines) < v.height {
		lines = append(lines, "")
	}
	return lines[:max(v.height, 1)]
}
