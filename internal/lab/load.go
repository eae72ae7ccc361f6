package lab

import (
	"errors"
	"slices"
	"strings"

	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/series"
	"github.com/seriesctl/seriesctl/testplan"
)

// Load draws the matrix of a Spec from what the store holds: the only way a Result is made, while a run goes
// on and long after. What the plan's other kernels show is beside it: their prefixes in Prefix.Kernels, their cases after
// the others.
func Load(st *store.Store, spec *Spec) (*Result, error) { return NewLoader(st, spec).Load() }

// Loader is Load for who does it again and again: what it has read of a run it keeps, as a stored run never changes. It is not
// for several goroutines at once.
type Loader struct {
	st       *store.Store
	spec     *Spec
	more     []*Loader           // of the plan's other kernels
	cases    map[string]Case     // by key
	read     map[string]*reading // by image
	examiner testplan.Examiner
}

// NewLoader makes one that has read nothing yet. The Spec must not change.
func NewLoader(st *store.Store, spec *Spec) *Loader {
	l := &Loader{st: st, spec: spec, cases: map[string]Case{}, read: map[string]*reading{}}
	for _, c := range spec.Cases {
		l.cases[c.Key] = c
	}
	for _, other := range spec.More {
		l.more = append(l.more, NewLoader(st, other))
	}
	return l
}

// Load is the function Load.
func (l *Loader) Load() (*Result, error) {
	r, _, err := l.load()
	if err != nil {
		return nil, err
	}
	cells := [][]Cell{r.Cells}
	for _, other := range l.more {
		o, _, err := other.load()
		if err != nil {
			return nil, err
		}
		for i := range o.Prefixes {
			r.Prefixes[i].Kernels = append(r.Prefixes[i].Kernels, o.Prefixes[i])
		}
		for i := range o.Subsets {
			r.Subsets[i].add(&o.Subsets[i])
		}
		r.Cases = append(r.Cases, o.Cases...)
		r.Attributions = append(r.Attributions, o.Attributions...)
		r.Undecided = append(r.Undecided, o.Undecided...)
		cells = append(cells, o.Cells)
	}
	if len(cells) > 1 {
		r.Cells = nil
		for i := range r.Prefixes {
			for _, list := range cells {
				n := len(list) / len(r.Prefixes)
				r.Cells = append(r.Cells, list[i*n:(i+1)*n]...)
			}
		}
	}
	return r, nil
}

// load is Load for one kernel, and the state that a strategy sees.
func load(st *store.Store, spec *Spec) (*Result, *State, error) { return NewLoader(st, spec).load() }

func (l *Loader) load() (*Result, *State, error) {
	st, spec := l.st, l.spec
	l.examiner.Forget()
	r := &Result{Series: spec.Series, Subject: spec.Subject, Base: spec.Base, Config: spec.Config, Accel: spec.Accel,
		Prefixes: []Prefix{}, Cases: []testplan.Case{}, Cells: []Cell{}, Attributions: []testplan.Attribution{}, Undecided: []Undecided{}}
	state := &State{last: len(spec.Patches) - 1, Lost: map[CellID]bool{}, blank: map[CellID]int{}, examiner: &l.examiner}
	first := map[string]int{} // image → lowest prefix that has it
	for _, v := range spec.Variants {
		p, err := prefix(st, spec, &v)
		if err != nil {
			return nil, nil, err
		}
		if p.Image != "" {
			if k, ok := first[p.Image]; ok {
				p.SameImageAs = &k
			} else {
				first[p.Image] = p.Index
			}
		}
		r.Prefixes = append(r.Prefixes, p)
	}
	records, err := l.readRecords(r.Prefixes)
	if err != nil {
		return nil, nil, err
	}
	state.Cases, state.Cost = records.cases, measure(r.Prefixes, records).Cost
	for _, c := range state.Cases {
		r.Cases = append(r.Cases, c.Case)
	}
	for i := range spec.Variants {
		column, cells := state.column(i, r.Prefixes[i], records.runs[i])
		r.Cells = append(r.Cells, cells...)
		state.Columns = append(state.Columns, column)
	}
	if err := addChecks(st, spec, r.Prefixes); err != nil {
		return nil, nil, err
	}
	if r.Subsets, err = l.readSubsets(state, first); err != nil {
		return nil, nil, err
	}
	for c := range state.Cases {
		in := state.inquire(c, testplan.Question{Confidence: spec.limits().Confidence}, spec.limits())
		for _, a := range in.Attributions {
			// Columns are known by their prefix; with a subset of the patches that is not the patch's number.
			a.Patch, a.First = spec.Patches[a.Patch], spec.Patches[a.First]
			r.Attributions = append(r.Attributions, a)
		}
		if in.Bad && !in.settled() {
			r.Undecided = append(r.Undecided, in.more())
		}
		for i := range r.Subsets {
			state.compare(in, len(state.Columns)+i, &r.Subsets[i])
		}
	}
	return r, state, nil
}

// column is what was seen on the variant at place i, for a strategy and as cells.
func (s *State) column(i int, p Prefix, runs map[string][]record) (testplan.Column, []Cell) {
	column := testplan.Column{Prefix: p.Index, Pending: p.Status == PrefixPending, Runs: map[string][]testplan.Judgement{}}
	if p.Status == PrefixOK {
		column.Image = p.Image
	}
	var cells []Cell
	for k, c := range s.Cases {
		cell, judged := cell(p, c, runs[c.Key])
		column.Runs[c.Name] = judged
		s.Lost[CellID{i, k}] = cell.infra >= infraTries || cell.blank >= infraTries || cell.blank > 0 && cell.Runs == 0
		s.blank[CellID{i, k}] = cell.blank
		cells = append(cells, cell)
	}
	return column, cells
}

// prefix reads how far a variant is.
func prefix(st *store.Store, spec *Spec, v *Variant) (Prefix, error) {
	p := Prefix{Kernel: spec.Kernel, Index: v.Index, Patch: spec.patch(v), Subject: v.Subject, Tree: string(v.Tree), Warnings: noWarnings, Status: PrefixPending}
	switch v.Status {
	case series.Conflict:
		p.Status = PrefixConflict
		if len(v.Conflicts) > 0 {
			p.Detail = v.Conflicts[0].String()
		}
		return p, nil
	case series.Blocked:
		p.Status = PrefixBlocked
		return p, nil
	}
	b, err := st.Build(v.Key)
	if errors.Is(err, store.ErrNotFound) {
		return p, nil
	} else if err != nil {
		return p, err
	}
	p.Image, p.BuildSeconds, p.Compiled, p.Log, p.Detail = b.Image, b.Seconds, b.Compiled, b.Log, b.Detail
	p.Files = filesOf(b.Files, v.Files)
	p.Coverage = coverage(p.Files)
	if b.Warnings != nil {
		p.Warnings = b.Warnings
	}
	p.Status = PrefixOK
	if b.Image == "" {
		p.Status = PrefixBuildFailed
		return p, nil
	}
	boot, err := st.Boot(bootKey(b.Image, spec.Machine))
	switch {
	case err == nil:
		p.Status, p.Detail, p.Log = PrefixBootFailed, boot.Detail, boot.Log
	case !errors.Is(err, store.ErrNotFound):
		return p, err
	}
	return p, nil
}

// cell draws one cell and the judgements of its runs that have an outcome.
func cell(p Prefix, c Case, stored []record) (Cell, []testplan.Judgement) {
	cell := Cell{Prefix: p.Index, Case: c.Name, State: CellNone, InheritedFrom: p.SameImageAs}
	switch p.Status {
	case PrefixPending:
		cell.State = CellQueued
		return cell, nil
	case PrefixOK:
	default:
		return cell, nil
	}
	var runs []testplan.Judgement
	why := ""
	for _, s := range stored {
		if s.infra != "" {
			cell.infra++
			continue
		}
		cell.infra = 0
		j := judge(c, s)
		if j.Outcome == testplan.None {
			cell.blank++
			why = j.Signature
			continue
		}
		runs = append(runs, j)
	}
	cell.State = CellDone
	cell.Runs = len(runs)
	switch {
	case len(runs) > 0:
		cell.Outcome, cell.Signature, cell.Agree, cell.Confidence = testplan.Verdict(runs)
		cell.Flaky = slices.ContainsFunc(runs, func(j testplan.Judgement) bool { return j.Outcome != cell.Outcome })
	case cell.blank > 0:
		cell.State, cell.Signature = CellSkipped, why
		if why != testplan.Skipped {
			cell.State = CellAbsent
		}
	case cell.infra > 0:
		cell.Outcome, cell.Signature = testplan.Infra, stored[len(stored)-1].infra
	default:
		cell.State = CellQueued
	}
	return cell, runs
}

// Runs reads the runs of one cell, oldest first.
func Runs(st *store.Store, spec *Spec, prefixIndex int, caseName string) ([]Run, error) {
	for _, other := range spec.More {
		if slices.ContainsFunc(other.Cases, func(c Case) bool { _, ok := subtestOf(c, caseName); return ok }) {
			return Runs(st, other, prefixIndex, caseName)
		}
	}
	var runs []Run
	for i := range spec.rows() {
		v := spec.row(i)
		if v.Index != prefixIndex || v.Key == "" {
			continue
		}
		b, err := st.Build(v.Key)
		if errors.Is(err, store.ErrNotFound) {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
		for _, c := range spec.Cases {
			sub, ok := subtestOf(c, caseName)
			if !ok {
				continue
			}
			stored, err := st.Runs(b.Image, c.Key)
			if err != nil {
				return nil, err
			}
			for _, s := range stored {
				runs = append(runs, Run{ID: s.ID, Judgement: judge(sub, newRecord(c, s)), Observation: s.Observation, Command: c.Command, Disk: c.Disk})
			}
		}
	}
	return runs, nil
}

func pointers(list []Prefix) []*Prefix {
	var out []*Prefix
	for i := range list {
		out = append(out, &list[i])
	}
	return out
}

// Overlay marks in r what a run is doing now.
func Overlay(r *Result, s Status) {
	for _, p := range r.rows() {
		if s.Build == nil || p.Index != s.Build.Prefix {
			continue
		}
		for _, k := range append([]*Prefix{p}, pointers(p.Kernels)...) {
			if k.Kernel == s.Build.Kernel && k.Status == PrefixPending {
				k.Status = PrefixBuilding
			}
		}
	}
	type id struct {
		prefix int
		name   string
	}
	all := r.cells()
	cells := make(map[id]*Cell, len(all))
	for _, c := range all {
		cells[id{c.Prefix, c.Case}] = c
	}
	for _, w := range s.Wanted {
		if c := cells[id{w.Prefix, w.Case}]; c != nil && c.Runs < w.Runs {
			c.Wanted = w.Runs
		}
	}
	for _, a := range s.Running {
		for _, c := range all {
			if a.Prefix == c.Prefix && (a.Case == c.Case || strings.HasPrefix(c.Case, a.Case+":")) {
				c.State, c.Started, c.Log = CellRunning, a.Started, a.Log
			}
		}
	}
}
