package lab

import (
	"fmt"
	"math"

	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/testplan"
)

// Bisect is the strategy of `bisect`: it asks for the one patch that changes a case, with as few builds as it can.
// A deterministic case of N patches takes the base and ⌈log2(N+1)⌉ builds more, "no patch changes it" included.
//
// It trusts, as git bisect does, that the case changes once, but not blindly: what contradicts that is seen.
// Prefixes without an image are passed over, and the answer may then be a range.
type Bisect struct {
	Limits
	Case int // its place in the State
}

// Bisecting is the Bisect of a case of spec.
func Bisecting(spec *Spec, c int) Bisect {
	b := Bisect{spec.limits(), c}
	b.Extra = 0 // it is the one case that is asked about
	return b
}

// withoutImage are the prefixes that are known to have none.
func withoutImage(r *Result) []int {
	list := []int{}
	for _, p := range r.Prefixes {
		if p.Status != PrefixOK && p.Status != PrefixPending && p.Status != PrefixBuilding {
			list = append(list, p.Index)
		}
	}
	return list
}

// noneToCompare says whether at most one of several prefixes has an image, or may have one.
func noneToCompare(r *Result) bool {
	return len(r.Prefixes) > 1 && len(r.Prefixes)-len(withoutImage(r)) < 2
}

// Next implements Strategy.
func (b Bisect) Next(s *State) ([]Want, string) {
	in := b.inquire(s)
	least := in.least()
	for i := range in.Open {
		// What an earlier run has built need not all be run: it is there to be chosen from.
		if in.can(i) && (in.Runs[i] > 0 || in.spent == 0) && in.Runs[i] < least {
			return []Want{{CellID{i, b.Case}, least}}, fmt.Sprintf("prefix %d has %d of %s", s.Columns[i].Prefix, in.Runs[i], plural(least, "run"))
		}
	}
	at := b.found(in)
	if at != nil && in.known() || !in.changes() && in.settled() {
		if wants := in.confirm(); len(wants) > 0 {
			return wants, "both sides of the change have to be confirmed"
		}
		if at == nil {
			return nil, "no patch changes the case"
		}
		return nil, "the change is found"
	}
	if wants := in.confirm(); len(wants) > 0 && in.adjacent() {
		return wants, "the change looks to be there"
	}
	run, rate := in.best()
	build, worth := s.worth([]*inquiry{in})
	switch {
	case run >= 0 && rate >= worth:
		return []Want{{CellID{run, b.Case}, in.batch(run)}}, fmt.Sprintf("prefix %d tells most again", s.Columns[run].Prefix)
	case build >= 0:
		return []Want{{CellID{build, b.Case}, least}}, fmt.Sprintf("prefix %d halves what is left", s.Columns[build].Prefix)
	}
	if at != nil {
		return nil, "the change is found"
	}
	return nil, "the runs do not tell"
}

func (b Bisect) inquire(s *State) *inquiry {
	return s.inquire(b.Case, testplan.Question{Confidence: b.Confidence, OneChange: true}, b.Limits)
}

// found is the change that no more builds can narrow, nil for none.
func (b Bisect) found(in *inquiry) *testplan.Attribution {
	for i, a := range in.Attributions {
		if a.Effect == testplan.Rarer || a.Effect == testplan.MoreOften || a.Effect == testplan.Undetermined && (!in.Certain || in.between(a.First, a.Patch)) {
			continue
		}
		return &in.Attributions[i]
	}
	return nil
}

// adjacent says whether the prefixes beside each probable change were run: nothing is left between them.
func (in *inquiry) adjacent() bool {
	for i, d := range in.Differs {
		if d && in.Runs[i] == 0 {
			return false
		}
	}
	return in.changes()
}

// between says whether a prefix from first to before last can be run.
func (in *inquiry) between(first, last int) bool {
	for i, open := range in.Open {
		if p := in.s.Columns[i].Prefix; open && p >= first && p < last {
			return true
		}
	}
	return false
}

// Undecided is a case whose answer is not as probable as wanted, and what it would take.
type Undecided struct {
	Case string  `json:"case"`
	Sure float64 `json:"sure"` // probability of the most probable answer
	// What it would take is estimated from what the next run would tell.
	Runs    int     `json:"runs"`
	Builds  int     `json:"builds"`
	Seconds float64 `json:"seconds"`
}

// more estimates what it would take to be sure: the entropy there is over what one run tells, or the evidence that is lacking
// against chance over what one run gives.
func (in *inquiry) more() Undecided {
	u := Undecided{Case: in.s.Cases[in.c].Name, Sure: in.Sure}
	left, tells := math.Max(surprise(in.Sure)-surprise(in.limits.Confidence), 0.05), in.Tells
	if in.known() && in.answered() {
		left, tells = in.Lacks, in.Parts
	}
	most := 0.0
	doubt := 0.0
	for i := range in.Open {
		switch {
		case !in.can(i):
		case in.s.Columns[i].Image != "":
			most = math.Max(most, tells[i])
		default:
			doubt += in.Doubt[i]
		}
	}
	if most > 0 {
		u.Runs = max(1, int(math.Ceil(left/most)))
	}
	// Each build answers at most one question of yes and no.
	u.Builds = int(math.Ceil(math.Log2(1 + doubt/math.Ln2)))
	u.Runs = max(u.Runs, u.Builds)
	u.Seconds = math.Round(float64(u.Runs)*in.s.Cost.Run + float64(u.Builds)*(in.s.Cost.Build+in.s.Cost.Boot))
	return u
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// surprise is the entropy of being right with probability p, in nats.
func surprise(p float64) float64 {
	if p <= 0 || p >= 1 {
		return 0
	}
	return -p*math.Log(p) - (1-p)*math.Log(1-p)
}

// Bisection is what bisecting a case found: the document of `bisect --json`.
type Bisection struct {
	Series string `json:"series"`
	Case   string `json:"case"`
	// Patch changes the case; with First, one of First..Patch does: the prefixes between have no image. 0 when no patch
	// is found.
	Patch   int    `json:"patch"`
	First   int    `json:"first,omitempty"`
	Subject string `json:"subject"` // of Patch
	// Effect is fixes, regresses or changes-symptom; no-effect when no patch changes the case, undetermined when
	// the runs do not tell, or no two prefixes have a kernel.
	Effect      testplan.Effect `json:"effect"`
	Before      string          `json:"before"`
	After       string          `json:"after"`
	Probability float64         `json:"probability"` // of all that; of the most probable answer when undetermined
	Skipped     []int           `json:"skipped"`     // prefixes in the range that have no image
	Needs       *Undecided      `json:"needs"`       // what it would take, when undetermined; nil where nothing would do
	Cells       []Cell          `json:"cells"`       // of the case, where it was run
	Totals      Totals          `json:"totals"`
	// Others are other changes that the runs at hand show: the case changes more than once.
	Others []testplan.Attribution `json:"others,omitempty"`
	Manual *Manual                `json:"manual,omitempty"` // of a bisection by hand
}

// Bisected says what the stored runs tell about the one patch that changes a case, or a subtest that a run has shown.
func Bisected(st *store.Store, spec *Spec, name string) (*Bisection, error) {
	r, state, err := load(st, spec)
	if err != nil {
		return nil, err
	}
	c, err := state.place(name)
	if err != nil {
		return nil, err
	}
	return bisected(spec, r, state, c), nil
}

// bisected is Bisected for the c-th case of a State.
func bisected(spec *Spec, r *Result, state *State, c int) *Bisection {
	strategy, name := Bisecting(spec, c), state.Cases[c].Name
	in := strategy.inquire(state)
	b := &Bisection{Series: spec.Series, Case: name, Skipped: []int{}, Cells: []Cell{}}
	for _, cell := range r.Cells {
		if cell.Case == name && cell.Outcome != "" {
			b.Cells = append(b.Cells, cell)
		}
	}
	at := strategy.found(in)
	for _, a := range r.Attributions {
		determined := a.Effect == testplan.Fixes || a.Effect == testplan.Regresses || a.Effect == testplan.ChangesSymptom
		if at != nil && a.Case == name && determined && a.Patch != spec.Patches[at.Patch] {
			b.Others = append(b.Others, a)
		}
	}
	switch {
	case at != nil:
		b.Patch, b.First, b.Effect, b.Before, b.After, b.Probability = spec.Patches[at.Patch], spec.Patches[at.First], at.Effect, at.Before, at.After, at.Probability
		if b.Effect == testplan.Undetermined {
			b.Effect = at.Kind
		}
		for _, p := range r.Prefixes {
			if p.Index == at.Patch {
				b.Subject = p.Subject
			}
			if at.First > 0 && p.Index >= at.First && p.Index < at.Patch {
				b.Skipped = append(b.Skipped, p.Index)
			}
		}
	case len(b.Cells) < 2 && noneToCompare(r):
		b.Effect, b.Probability, b.Skipped = testplan.Undetermined, in.Sure, withoutImage(r)
	case !in.changes() && in.settled() && in.spent > 0:
		b.Effect, b.Probability = testplan.NoEffect, max(in.Sure, in.Same)
		b.Skipped = withoutImage(r)
	default:
		needs := in.more()
		b.Effect, b.Probability, b.Needs = testplan.Undetermined, in.Sure, &needs
	}
	return b
}
