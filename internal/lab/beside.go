package lab

import (
	"fmt"
	"slices"

	"github.com/seriesctl/seriesctl/testplan"
)

// A subset is no step of the series: what it does is said beside the base and beside the whole series. For each the subset is
// taken as the next kernel behind a chain of prefixes that ends there. So what they showed counts, above all whether the
// case is flaky, and a run of the subset tells as much as one of a prefix.

// List writes ascending numbers as flags take them: "1-3,6".
func List(numbers []int) string {
	s := ""
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		if s != "" {
			s += ","
		}
		s += fmt.Sprint(numbers[i])
		if j > i {
			s += fmt.Sprintf("-%d", numbers[j])
		}
		i = j + 1
	}
	return s
}

// Keep adds the subset of other that has those patches to s, which is for the same kernel, or takes it anew.
func (s *Spec) Keep(v Variant) {
	if i := s.place(v.Subset); i >= 0 {
		v.Index = s.Subsets[i].Index
		s.Subsets[i] = v
		return
	}
	v.Index = len(s.Patches) + len(s.Subsets)
	s.Subsets = append(s.Subsets, v)
}

// Drop takes the subset of those patches out of s and its other kernels, and says whether it was there. What was seen on it
// stays in the store.
func (s *Spec) Drop(patches []int) bool {
	i := s.place(patches)
	if i < 0 {
		return false
	}
	for _, k := range append([]*Spec{s}, s.More...) {
		k.Subsets = slices.Delete(k.Subsets, i, i+1)
		for n := i; n < len(k.Subsets); n++ {
			k.Subsets[n].Index--
		}
	}
	return true
}

// place is where the subset of those patches is among the subsets, -1 where it is not.
func (s *Spec) place(patches []int) int {
	return slices.IndexFunc(s.Subsets, func(v Variant) bool { return slices.Equal(v.Subset, patches) })
}

// Beside is a strategy for the subsets of those patches, for all of them where none is named.
func (s *Spec) Beside(subsets ...[]int) Beside {
	b := Beside{Limits: s.limits(), Rows: []int{}}
	for i, v := range s.Subsets {
		if len(subsets) == 0 || slices.ContainsFunc(subsets, func(p []int) bool { return slices.Equal(p, v.Subset) }) {
			b.Rows = append(b.Rows, len(s.Variants)+i)
		}
	}
	return b
}

// Row is the subset of those patches, nil where it was not run.
func (r *Result) Row(patches []int) *SubsetRow {
	for i := range r.Subsets {
		if slices.Equal(r.Subsets[i].Patches, patches) {
			return &r.Subsets[i]
		}
	}
	return nil
}

// rows are the prefixes and the subsets.
func (r *Result) rows() []*Prefix {
	all := pointers(r.Prefixes)
	for i := range r.Subsets {
		all = append(all, &r.Subsets[i].Prefix)
	}
	return all
}

// cells are those of the prefixes and of the subsets.
func (r *Result) cells() []*Cell {
	all := make([]*Cell, 0, len(r.Cells))
	lists := [][]Cell{r.Cells}
	for i := range r.Subsets {
		lists = append(lists, r.Subsets[i].Cells)
	}
	for _, list := range lists {
		for i := range list {
			all = append(all, &list[i])
		}
	}
	return all
}

// add takes what another kernel of the plan shows of the same subset.
func (r *SubsetRow) add(o *SubsetRow) {
	r.Kernels = append(r.Kernels, o.Prefix)
	r.Cells = append(r.Cells, o.Cells...)
	r.Base = append(r.Base, o.Base...)
	r.Whole = append(r.Whole, o.Whole...)
}

// readSubsets reads what was seen on the subsets, and gives it to s; images are the prefixes'.
func (l *Loader) readSubsets(s *State, images map[string]int) ([]SubsetRow, error) {
	var rows []SubsetRow
	var prefixes []Prefix
	for i := range l.spec.Subsets {
		v := &l.spec.Subsets[i]
		p, err := prefix(l.st, l.spec, v)
		if err != nil {
			return nil, err
		}
		if k, ok := images[p.Image]; ok && p.Image != "" {
			p.SameImageAs = &k
		}
		prefixes = append(prefixes, p)
		rows = append(rows, SubsetRow{Patches: v.Subset, Prefix: p, Base: []Comparison{}, Whole: []Comparison{}})
	}
	if len(rows) == 0 {
		return nil, nil
	}
	records, err := l.readRecords(prefixes)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		var column testplan.Column
		column, rows[i].Cells = s.column(len(s.Columns)+i, rows[i].Prefix, records.runs[i])
		s.Subsets = append(s.Subsets, column)
	}
	return rows, nil
}

// compare says in r what the subset at place row does to a case; in is what is known of the case on the prefixes.
func (s *State) compare(in *inquiry, row int, r *SubsetRow) {
	base, whole := s.ends(in, row)
	if base != nil {
		r.Base = append(r.Base, base.differs(in.limits.Confidence)...)
	}
	if whole != nil {
		r.Whole = append(r.Whole, whole.differs(in.limits.Confidence)...)
	}
}

// duel is one case on a chain of kernels that ends with the one that the subset is compared with, and the subset.
type duel struct {
	sub  *State
	rows []int // places in the whole State of the columns of sub
}

// ends are a subset beside the base and beside the whole series; nil where these are not among the columns or have no kernel.
func (s *State) ends(in *inquiry, row int) (base, whole *duel) {
	last := len(s.Columns) - 1
	if last >= 0 && s.Columns[0].Prefix == 0 {
		base = s.duel(in, row, 0)
	}
	if last > 0 && s.last == s.Columns[last].Prefix {
		whole = s.duel(in, row, last)
	}
	return base, whole
}

// duel is the subset at place row beside the prefix at place end, with the prefixes behind that.
func (s *State) duel(in *inquiry, row, end int) *duel {
	if c := s.Columns[end]; c.Image == "" && !c.Pending {
		return nil
	}
	if c := s.row(row); c.Image == "" && !c.Pending {
		return nil
	}
	d := &duel{rows: append(s.chain(in, end), row)}
	d.sub = &State{Cases: s.Cases[in.c : in.c+1], Cost: s.Cost, Lost: map[CellID]bool{}, blank: map[CellID]int{}, examiner: s.examiner}
	for i, at := range d.rows {
		column := *s.row(at)
		column.Prefix = i
		d.sub.Columns = append(d.sub.Columns, column)
		d.sub.Lost[CellID{i, 0}] = s.Lost[CellID{at, in.c}]
	}
	return d
}

// mostStates is how many states of a case there are in a chain at most: with the subset it may then change as often as the
// model of testplan lets it.
const mostStates = 3

// chain are the places of the prefixes that were run, the farthest from end first, up to end.
func (s *State) chain(in *inquiry, end int) []int {
	name, step := s.Cases[in.c].Name, -1
	if end == 0 {
		step = 1
	}
	out := []int{end}
	for i, states := end+step, 1; i >= 0 && i < len(s.Columns); i += step {
		if in.Begins[max(i, i-step)] {
			states++
		}
		if states > mostStates {
			break
		}
		if s.Columns[i].Image != "" && len(s.Columns[i].Runs[name]) > 0 {
			out = append(out, i)
		}
	}
	slices.Reverse(out)
	return out
}

// differs is how the case does on the subset beside the end of the chain.
func (d *duel) differs(confidence float64) []Comparison {
	end, name := d.sub.Columns[len(d.rows)-2], d.sub.Cases[0].Name
	if len(end.Runs[name]) == 0 {
		return nil // the kernels behind it are not what is asked about
	}
	var out []Comparison
	in := d.sub.inquire(0, testplan.Question{Confidence: confidence}, Limits{})
	for _, a := range in.Attributions {
		if a.Patch == len(d.rows)-1 {
			out = append(out, Comparison{a.Case, a.Effect, a.Before, a.After, a.Probability})
		}
	}
	return out
}

// Beside is the strategy for subsets: it asks what each does beside the base and beside the whole series. Of the prefixes it
// builds no others than these two, and the subsets themselves.
type Beside struct {
	Limits
	Rows []int // places of the subsets
}

// Next implements Strategy.
func (b Beside) Next(s *State) ([]Want, string) {
	goals := map[CellID]int{}
	var order []CellID
	want := func(at CellID, runs int) {
		if goals[at] == 0 {
			order = append(order, at)
		}
		goals[at] = max(goals[at], runs)
	}
	undecided := 0
	for c := range s.Cases {
		in := s.inquire(c, testplan.Question{Confidence: b.Confidence}, b.Limits)
		before := len(order)
		for _, row := range b.Rows {
			if col := s.row(row); col.Image == "" && !col.Pending || s.Lost[CellID{row, c}] {
				continue
			}
			if have := len(s.row(row).Runs[s.Cases[c].Name]); have < in.least() {
				want(CellID{row, c}, in.least())
			}
			base, whole := s.ends(in, row)
			for _, d := range []*duel{base, whole} {
				if d == nil {
					continue
				}
				limits := b.Limits
				limits.Runs = 1 // more are wanted of the subset only
				wants, _ := Matrix{Limits: limits}.Next(d.sub)
				for _, w := range wants {
					want(CellID{d.rows[w.Variant], c}, w.Runs)
				}
			}
		}
		if len(order) > before {
			undecided++
		}
	}
	var wants []Want
	for _, at := range order {
		wants = append(wants, Want{at, goals[at]})
	}
	if len(wants) == 0 {
		return nil, "nothing more would tell of the subsets"
	}
	return wants, fmt.Sprintf("%d of %d cases are undecided on %s", undecided, len(s.Cases), plural(len(b.Rows), "subset"))
}

// inTurn is one strategy after the other.
type inTurn []Strategy

// Next implements Strategy.
func (t inTurn) Next(s *State) (wants []Want, why string) {
	for _, one := range t {
		wants, said := one.Next(s)
		if len(wants) > 0 {
			return wants, said
		}
		if why != "" {
			why += "; "
		}
		why += said
	}
	return nil, why
}
