package lab

import (
	"fmt"

	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/testplan"
)

// Outlook is where the automatic bisection of a case stands: what the stored runs tell, what it would run next, and why.
type Outlook struct {
	*Bisection
	Prefixes []Prefix
	// Change is, by place in Prefixes, the probability that its last patch changes the case. It does not trust, as the
	// bisection does, that there is one change: it is the matrix's.
	Change []float64
	Next   []Want    // what it would run next, by place in Prefixes; nothing when it is done
	Why    string    // of Next
	Left   Undecided // what it would take, when it is not done
}

// Outlooks says where the bisection of the case or subtest of that name stands, for a spec or one of its other kernels.
func Outlooks(st *store.Store, spec *Spec, name string) (*Outlook, error) {
	for _, one := range append([]*Spec{spec}, spec.More...) {
		for _, c := range one.Cases {
			if _, ok := subtestOf(c, name); ok {
				return outlook(st, one, name)
			}
		}
	}
	return nil, fmt.Errorf("bisect: there is no case %s", name)
}

func outlook(st *store.Store, spec *Spec, name string) (*Outlook, error) {
	bare := *spec
	bare.Checks, bare.More, bare.Subsets = nil, nil, nil
	r, state, err := load(st, &bare)
	if err != nil {
		return nil, err
	}
	c, err := state.place(name)
	if err != nil {
		return nil, err
	}
	strategy := Bisecting(&bare, c)
	all := state.inquire(c, testplan.Question{Confidence: strategy.Confidence}, strategy.Limits)
	o := &Outlook{Bisection: bisected(&bare, r, state, c), Prefixes: r.Prefixes, Change: all.Change, Left: strategy.inquire(state).more()}
	o.Next, o.Why = strategy.Next(state)
	return o, nil
}

// Cell is the case's cell on a prefix, nil when it was not run there.
func (o *Outlook) Cell(prefix int) *Cell {
	for i := range o.Cells {
		if c := &o.Cells[i]; c.Prefix == prefix {
			return c
		}
	}
	return nil
}
