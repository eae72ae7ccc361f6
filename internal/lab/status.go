package lab

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Status is what a run is doing now. It is for watching only: nothing depends on it.
type Status struct {
	PID        int        `json:"pid"`
	Series     string     `json:"series"`
	Build      *Activity  `json:"build,omitempty"`   // nil when nothing is being built
	Running    []Activity `json:"running,omitempty"` // one per VM at work
	CellsDone  int        `json:"cells_done"`
	CellsTotal int        `json:"cells_total"`      // of this round, as far as known
	Wanted     []Wanted   `json:"wanted,omitempty"` // what of this round is not done, in its order
	Left       []Left     `json:"left,omitempty"`   // what was given up, in this run or before, oldest first
	Started    time.Time  `json:"started"`
}

// Activity is one thing going on.
type Activity struct {
	Prefix  int       `json:"prefix"`           // its index; that of a subset goes on from the last prefix
	Subset  string    `json:"subset,omitempty"` // "2,4-6", of a subset
	Kernel  string    `json:"kernel,omitempty"` // of a build or boot: the plan's kernel
	Case    string    `json:"case,omitempty"`   // of a run
	Step    string    `json:"step,omitempty"`   // of a build or boot: "compiling", "booting"
	File    string    `json:"file,omitempty"`
	Done    int       `json:"done,omitempty"`
	Total   int       `json:"total,omitempty"` // 0: unknown
	Log     string    `json:"log,omitempty"`   // its output or console so far, relative to the workspace
	Started time.Time `json:"started"`
}

// Where is "prefix 3" or "subset 2,4-6".
func (a *Activity) Where() string {
	if a.Subset != "" {
		return "subset " + a.Subset
	}
	return fmt.Sprintf("prefix %d", a.Prefix)
}

// Wanted is a cell that a run still has to get to a number of runs.
type Wanted struct {
	Prefix int    `json:"prefix"`
	Case   string `json:"case"`
	Runs   int    `json:"runs"` // in all, those that there are included
}

// plan starts the counts of a round.
func (e *Engine) plan(jobs []*job) {
	var list []Wanted
	for _, j := range jobs {
		for _, w := range j.cells {
			list = append(list, Wanted{j.variant.Index, w.c.Name, w.want})
		}
	}
	e.activity(func(s *Status) {
		started := s.Started
		if started.IsZero() {
			started = time.Now()
		}
		*s = Status{PID: os.Getpid(), Series: e.Spec.Series, CellsTotal: len(list), Wanted: list, Left: s.Left, Started: started}
	})
}

// done notes that nothing more is to be done for a cell.
func (e *Engine) done(prefix int, name string) {
	e.activity(func(s *Status) {
		s.CellsDone++
		s.Wanted = slices.DeleteFunc(slices.Clone(s.Wanted), func(w Wanted) bool { return w.Prefix == prefix && w.Case == name })
	})
}

// drop notes that cells will not be run.
func (e *Engine) drop(v Variant, cells []wanted) {
	e.activity(func(s *Status) {
		s.CellsTotal -= len(cells)
		s.Wanted = slices.DeleteFunc(slices.Clone(s.Wanted), func(w Wanted) bool {
			return w.Prefix == v.Index && slices.ContainsFunc(cells, func(c wanted) bool { return c.c.Name == w.Case })
		})
	})
}

// logs notes where the console of a VM's activity is written.
func (e *Engine) logs(a Activity) {
	e.activity(func(s *Status) {
		s.Running = slices.Clone(s.Running)
		for i := range s.Running {
			if s.Running[i].is(a) {
				s.Running[i].Log = a.Log
			}
		}
	})
}

// is says whether two are the same, whatever is known of it.
func (a Activity) is(b Activity) bool {
	return a.Prefix == b.Prefix && a.Case == b.Case && a.Started.Equal(b.Started)
}

// running notes the start (+1) or the end (-1) of an activity of a VM.
func (e *Engine) running(a Activity, change int) {
	a.Subset = e.Spec.subset(a.Prefix)
	e.activity(func(s *Status) {
		if change > 0 {
			s.Running = append(slices.Clone(s.Running), a)
			return
		}
		s.Running = slices.DeleteFunc(slices.Clone(s.Running), a.is)
	})
}

func (e *Engine) activity(change func(*Status)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change(&e.status)
	if b := e.status.Build; b != nil && b.Subset == "" {
		if name := e.Spec.subset(b.Prefix); name != "" {
			named := *b
			named.Subset = name
			e.status.Build = &named
		}
	}
	if e.Watch != nil {
		e.Watch(e.status)
	}
}

// WriteStatus replaces the status file in one step, so that a reader never sees half of it.
func WriteStatus(path string, s Status) error {
	doc, err := json.Marshal(s)
	if err != nil {
		return err
	}
	tmp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".tmp")
	if err := os.WriteFile(tmp, doc, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// ReadStatus reads the status file of a run.
func ReadStatus(path string) (s Status, err error) {
	doc, err := os.ReadFile(path)
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(doc, &s)
}
