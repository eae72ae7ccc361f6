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

	last     int            // the last prefix of the series
	blank    map[CellID]int // runs that are no evidence; they count for none of those that are wanted
	examiner *testplan.Examiner
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

// Cost is what things take, in seconds. First is the build that compiles everything.
type Cost struct{ First, Build, Boot, Run float64 }

// defaultCost is that of a small kernel without KVM; builds and runs that were made say better.
var defaultCost = Cost{First: 170, Build: 15, Boot: 1.5, Run: 0.6}

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
	left   int // runs that the limits leave the case
}

func (s *State) inquire(c int, q testplan.Question, l Limits) *inquiry {
	columns := s.Columns
	for i, col := range s.Columns {
		if s.Lost[CellID{i, c}] && len(col.Runs[s.Cases[c].Name]) == 0 {
			if &columns[0] == &s.Columns[0] {
				columns = slices.Clone(columns)
			}
			columns[i].Image, columns[i].Pending = "", false // as good as none
		}
	}
	if s.examiner == nil {
		s.examiner = &testplan.Examiner{}
	}
	in := &inquiry{Study: s.examiner.Examine(columns, s.Cases[c].Case, q), c: c, s: s, limits: l}
	for i, n := range in.Runs {
		in.spent += n
		if in.Open[i] {
			in.open++
			if s.Columns[i].Image != "" {
				in.built++
			}
		}
	}
	in.left = in.allowed()
	return in
}

// may says whether the case can have more runs on a column.
func (in *inquiry) may(col int) bool {
	return in.can(col) && in.Runs[col] < concentrate*in.limits.Most && in.left > 0
}

// can says whether the case can be run on a column at all.
func (in *inquiry) can(col int) bool { return in.Open[col] && !in.s.Lost[CellID{col, in.c}] }

// least is the least runs of a cell.
func (in *inquiry) least() int { return max(in.limits.Runs, in.s.Cases[in.c].Runs, 1) }

// allowed is how many more runs the limits allow the case.
func (in *inquiry) allowed() int {
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

// The confidence bounds the doubt about one case. A case that is flaky takes its share of it nearly all, as others, which
// fail always, take next to nothing; so it gets less, for the matrix to be as right as that. Where not all is built it
// gets still less: what the builds would have told is paid back in runs, which are cheaper.
const (
	flakyDoubt   = 0.25
	unbuiltFlaky = 0.1
)

// settled says whether the case is decided: its answer is probable enough, and no chance hit where it is that something
// changes.
func (in *inquiry) settled() bool {
	return in.known() && in.answered() && (!in.changes() || in.Certain)
}

// answered says whether the most probable answer is probable enough, what was not built included.
func (in *inquiry) answered() bool { return max(in.Sure, in.Same) >= in.limits.Confidence }

// known says whether the runs tell enough about the kernels that were run.
func (in *inquiry) known() bool {
	doubt := 1 - in.limits.Confidence
	if in.Flaky > 0.5 {
		if in.built < in.open {
			doubt *= unbuiltFlaky
		} else {
			doubt *= flakyDoubt
		}
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
		if r := tells[i] / in.s.Cost.Run; r > rate*(1+1e-9) && in.s.Columns[i].Image != "" && in.may(i) {
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

// together is the share of the pairs of patches between which nothing was built, but can be. A case that one of such a
// pair changes and the other changes back looks as if nothing did.
func (s *State) together() float64 {
	nothing := func(i int) bool { return s.Columns[i].Image != "" && s.Columns[i].Image == s.Columns[i-1].Image } // the patch does that
	pairs, together := 0, 0
	for i := 1; i < len(s.Columns); i++ {
		built, pending := false, false
		for j := i + 1; j < len(s.Columns) && !nothing(i); j++ {
			built, pending = built || s.Columns[j-1].Image != "", pending || s.Columns[j-1].Pending
			if nothing(j) {
				continue
			}
			if pairs++; pending && !built {
				together++
			}
		}
	}
	return float64(together) / float64(max(pairs, 1))
}

// batch is how many runs a cell shall have when it gets more: they come in growing steps, as each step boots.
func (in *inquiry) batch(col int) int { return in.Runs[col] + min(max(1, in.Runs[col]/4), in.left) }
