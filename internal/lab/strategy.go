package lab

import (
	"math"
	"slices"

	"github.com/seriesctl/seriesctl/testplan"
)

// Strategy decides what to run next. It is a pure function of what is known: an interrupted run goes on where
// it was, and the same observations lead to the same questions.
type Strategy interface {
	// Next returns what is wanted now, and in words why; nothing when the strategy is done, and why.
	Next(s *State) (wants []Want, why string)
}

// State is what is known of a matrix.
type State struct {
	Columns []testplan.Column // one a prefix
	Subsets []testplan.Column // one a subset: no strategy for prefixes sees them, as they are no steps of the series
	Cases   []Case
	Lost    map[CellID]bool // cells that the lab fails to run, and those that skip themselves
	Cost    Cost

	last    int                                                                        // the last prefix of the series
	blank   map[CellID]int                                                             // runs that are no evidence; they count for none of those that are wanted
	examine func(matrix []testplan.Column, c int, q testplan.Question) *testplan.Study // nil is testplan.Examine
}

// row is the column of a variant by its place: the prefixes, then the subsets.
func (s *State) row(i int) *testplan.Column {
	if i < len(s.Columns) {
		return &s.Columns[i]
	}
	return &s.Subsets[i-len(s.Columns)]
}

// CellID is a cell by the places of its variant, the prefixes before the subsets, and its case in the Spec.
type CellID struct{ Variant, Case int }

// Want is a cell and how many runs it shall have in all. Its variant is built first where it is not.
type Want struct {
	CellID
	Runs int
}

// Cost is what things take, in seconds.
type Cost struct{ Build, Boot, Run float64 }

// defaultCost is that of a small kernel without KVM; builds that were made say better.
var defaultCost = Cost{Build: 15, Boot: 1.5, Run: 0.6}

// Limits are how far a strategy goes for a case.
type Limits struct {
	Confidence float64 // it stops where the answer is as probable
	Runs       int     // least runs of a cell
	Confirm    int     // least runs of the cells on both sides of a change
	Most       int     // runs of a case: so many for each of its kernels, on average; a single cell may take more
	Extra      int     // beyond the least runs, of a case that nobody declared to be flaky; 0 for no such limit
}

// concentrate is how many times Limits.Most one cell may take: the runs that decide are those beside a change.
const concentrate = 6

// inquiry is one case under study.
type inquiry struct {
	*testplan.Study
	c      int
	s      *State
	limits Limits
	spent  int // runs
	open   int // columns that can be run
	built  int
}

func (s *State) inquire(c int, q testplan.Question, l Limits) *inquiry {
	columns := slices.Clone(s.Columns)
	for i := range columns {
		if s.Lost[CellID{i, c}] && len(columns[i].Runs[s.Cases[c].Name]) == 0 {
			columns[i].Image, columns[i].Pending = "", false // as good as none
		}
	}
	examine := s.examine
	if examine == nil {
		examine = func(m []testplan.Column, c int, q testplan.Question) *testplan.Study {
			return testplan.Examine(m, s.Cases[c].Case, q)
		}
	}
	in := &inquiry{Study: examine(columns, c, q), c: c, s: s, limits: l}
	for i, n := range in.Runs {
		in.spent += n
		if in.Open[i] {
			in.open++
			if s.Columns[i].Image != "" {
				in.built++
			}
		}
	}
	return in
}

// may says whether the case can have more runs on a column.
func (in *inquiry) may(col int) bool {
	return in.can(col) && in.Runs[col] < concentrate*in.limits.Most && in.left() > 0
}

// can says whether the case can be run on a column at all.
func (in *inquiry) can(col int) bool { return in.Open[col] && !in.s.Lost[CellID{col, in.c}] }

// least is the least runs of a cell.
func (in *inquiry) least() int { return max(in.limits.Runs, in.s.Cases[in.c].Runs, 1) }

// left is how many runs the limits leave the case.
func (in *inquiry) left() int {
	left := in.limits.Most*in.open - in.spent
	if in.limits.Extra == 0 || in.s.Cases[in.c].Flaky {
		return left
	}
	extra := 0
	for _, n := range in.Runs {
		extra += max(n-in.least(), 0)
	}
	return min(left, in.limits.Extra-extra)
}

// The confidence bounds the doubt about one case. Two kinds of case take their share of it nearly all, as others, which
// fail always and are built everywhere, take next to nothing; so they get less, for the matrix to be as right as that.
const (
	flakyDoubt   = 0.25 // of the doubt that the confidence allows, in the runs of a case that is flaky
	unbuiltDoubt = 0.8  // in all, of a case that is not run on every kernel
)

// settled says whether the case is decided: its answer is probable enough, and no chance hit where it is that something
// changes.
func (in *inquiry) settled() bool {
	return in.known() && in.answered() && (!in.changes() || in.Certain)
}

// answered says whether the most probable answer is probable enough, what was not built included.
func (in *inquiry) answered() bool {
	doubt := 1 - in.limits.Confidence
	if in.built < in.open {
		doubt *= unbuiltDoubt
	}
	return max(in.Sure, in.Same) >= 1-doubt
}

// known says whether the runs tell enough about the kernels that were run.
func (in *inquiry) known() bool {
	doubt := 1 - in.limits.Confidence
	if in.Flaky > 0.5 {
		doubt *= flakyDoubt
	}
	return max(in.Known, in.Same) >= 1-doubt
}

// changes says whether the most probable states differ.
func (in *inquiry) changes() bool { return slices.Contains(in.Differs, true) }

// confirm lists the columns beside a change that are built and have too few runs.
func (in *inquiry) confirm() []Want {
	var out []Want
	for i, beside := range in.Differs {
		if beside && in.can(i) && in.s.Columns[i].Image != "" && in.Runs[i] < in.limits.Confirm {
			out = append(out, Want{CellID{i, in.c}, in.limits.Confirm})
		}
	}
	return out
}

// best is the column with an image where a run tells most, -1 for none, and what it tells, in nats a second. Where nothing
// but chance is left to be ruled out it is the run that does that.
func (in *inquiry) best() (col int, rate float64) {
	tells := in.Tells
	if in.known() && in.answered() {
		tells = in.Parts
	}
	col = -1
	for i := range in.Open {
		if r := tells[i] / in.s.Cost.Run; in.s.Columns[i].Image != "" && in.may(i) && r > rate*(1+1e-9) {
			col, rate = i, r
		}
	}
	return col, rate
}

// build is what building a column and running the case there would tell, in nats, and the seconds of those runs. It is
// taken to be run as often as the others were.
func (in *inquiry) build(col int) (nats, seconds float64) {
	if !in.may(col) {
		return 0, 0
	}
	times := 1 + float64(in.spent)/float64(max(in.built, 1))
	return math.Min(in.Tells[col]*times, in.Doubt[col]), times * in.s.Cost.Run
}

// worth is the column without an image that is most worth building, -1 for none, in nats a second: all cases
// that are open gain by it.
func (s *State) worth(open []*inquiry) (col int, rate float64) {
	col = -1
	for i := range s.Columns {
		if s.Columns[i].Image != "" {
			continue
		}
		nats, seconds := 0.0, s.Cost.Build+s.Cost.Boot
		for _, in := range open {
			n, t := in.build(i)
			nats, seconds = nats+n, seconds+t
		}
		if r := nats / seconds; r > rate*(1+1e-9) {
			col, rate = i, r
		}
	}
	return col, rate
}

// batch is how many runs a cell shall have when it gets more: they come in growing steps, as each step boots.
func (in *inquiry) batch(col int) int { return in.Runs[col] + min(max(1, in.Runs[col]/4), in.left()) }
