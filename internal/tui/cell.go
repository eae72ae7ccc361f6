package tui

import (
	"fmt"
	"strings"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/report"
	"github.com/seriesctl/seriesctl/testplan"
)

// cellView is what is known of one cell: its runs and, of the run that is shown, a tab each for the facts, the
// stacks, the crash report, the output and the console.
type cellView struct {
	pager
	prefix   int
	caseName string
	row, col int // in the matrix it was opened from

	loading bool
	runs    []lab.Run
	log     string // the prefix's build or boot log, when there is no image
	err     error

	run  int
	file File // the open console
}

func newCellView(l look, m *matrix) *cellView {
	row, col := m.grid.row, m.grid.col
	p := m.At(row, col)
	v := &cellView{pager: pager{look: l}, prefix: p.Index, caseName: m.Case(col).Name, row: row, col: col, loading: true}
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
	keep := v.chosen()
	v.close()
	v.file, v.tabs, v.tab = f, nil, 0
	best := "console"
	if len(v.runs) > 0 {
		run := v.runs[v.run]
		o := run.Observation
		if o.Hang != nil {
			v.add("stacks", report.Stacks(o.Hang))
		}
		if o.Crash != nil {
			v.add("report", o.Crash.Report)
		}
		v.add("output", o.Output)
		v.add("facts", strings.Join(report.Facts(run), "\n"))
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

func (v *cellView) close() {
	if v.file != nil {
		// It was only read: nothing can be lost by a failed close.
		_ = v.file.Close()
		v.file = nil
	}
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
