package lab

import (
	"fmt"

	"github.com/seriesctl/seriesctl/testplan"
)

// buildAll is the number of patches up to which a matrix builds every prefix.
const buildAll = 10

// mostTogether bounds State.together: a matrix builds until no greater share of the pairs of patches could hide what they do
// to a case. About one case in seven changes twice, so that less than one in 100 is missed for it; that is what not
// building everything costs, whatever is chosen.
const mostTogether = 0.075

// Matrix is the strategy of `run`: it asks what each patch does to each case. Up to buildAll patches it builds every
// prefix and adapts only the repeats; beyond, it builds where that tells most.
//
// Every cell of a kernel that is built has its least runs. Then a case gets runs, each where it tells most for the
// seconds it takes, until its answer is as probable as wanted and both sides of each change are confirmed, or
// its limit is reached. When all have theirs, it goes on building until few pairs of patches can hide a change.
type Matrix struct {
	Limits
	All bool // build every prefix, however many there are
}

// Next implements Strategy.
func (m Matrix) Next(s *State) ([]Want, string) {
	var wants []Want
	var all, undecided []*inquiry
	for c := range s.Cases {
		in := s.inquire(c, testplan.Question{Confidence: m.Confidence}, m.Limits)
		all = append(all, in)
		n := len(wants)
		wants = append(wants, m.lacking(in)...)
		if len(wants) > n {
			continue
		}
		if in.known() && in.answered() {
			wants = append(wants, in.confirm()...)
		}
		if len(wants) == n && !in.settled() {
			undecided = append(undecided, in)
		}
	}
	var waiting []*inquiry
	for _, in := range undecided {
		if at, _ := in.best(); at >= 0 && (!in.known() || in.answered()) {
			wants = append(wants, Want{CellID{at, in.c}, in.batch(at)})
		} else {
			waiting = append(waiting, in)
		}
	}
	why := fmt.Sprintf("%d of %d cases are undecided", len(undecided), len(s.Cases))
	if len(wants) > 0 {
		return wants, why
	}
	open := waiting
	if s.together() > mostTogether {
		open = all
	}
	col, _ := s.worth(open)
	for _, in := range open {
		if col >= 0 && in.may(col) {
			wants = append(wants, Want{CellID{col, in.c}, in.least()})
		}
	}
	switch {
	case len(wants) > 0 && len(waiting) == 0:
		return wants, fmt.Sprintf("prefix %d would show what two patches hide", s.Columns[col].Prefix)
	case len(wants) > 0:
		return wants, why
	case len(waiting) > 0:
		return nil, fmt.Sprintf("%d of %d cases stay undecided", len(waiting), len(s.Cases))
	}
	return nil, "every case is decided"
}

// lacking lists the kernels of a case that have fewer runs than the least. With many prefixes those that
// are not built are left alone, but for the base and the last.
func (m Matrix) lacking(in *inquiry) []Want {
	var out []Want
	first, last := -1, -1
	for i, open := range in.Open {
		if open {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	all := m.All || len(in.Open)-1 <= buildAll
	for i := range in.Open {
		want := in.least()
		if in.can(i) && in.Runs[i] < want && (all || i == first || i == last || in.s.Columns[i].Image != "") {
			out = append(out, Want{CellID{i, in.c}, want})
		}
	}
	return out
}
