package testplan

import (
	"encoding/binary"
	"maps"
	"math"
	"slices"
)

// DefaultConfidence is the least probability at which a change is put down to one patch.
const DefaultConfidence = 0.95

// Column is one prefix of the matrix and what was seen on it.
type Column struct {
	Prefix int // 0 is the base; columns are in rising order of it, none twice
	// Image is the hash of the prefix's image. Columns with the same hash are the same kernel: what was seen on one
	// was seen on all of them. "" is a prefix without one (conflict, build failure): nothing is known of it.
	Image   string
	Pending bool // without Image: it was not built yet
	// Runs are the runs of each case, by the case's name. Columns of one image may all hold them or only one of
	// them: the longest list counts. Infra runs are no evidence.
	Runs map[string][]Judgement
}

// Question is what is asked of the runs of a case.
type Question struct {
	Confidence float64 // the least probability of a claim; 0 is DefaultConfidence
	// OneChange says that the case is believed to change once, at any patch or at none with equal probability, as
	// bisecting does. Else half of the cases are believed not to be touched.
	OneChange bool
}

func (q Question) confidence() float64 {
	if q.Confidence == 0 {
		return DefaultConfidence
	}
	return q.Confidence
}

// To accuse a patch of what flakes is worse than to be off by one. So a claim needs the probability that nothing
// changes at all to be below (1-confidence)*accuse.
const accuse = 0.2

// A case that is flaky, or shows several symptoms, looks changed, or changed once more, when one watches it long enough. So runs go on
// until they are so many times more probable with all the changes that a case seems to have than with fewer of them and such a
// case. By Ville's inequality no more than that share of such cases ever get there. It is a bound on evidence, not on a
// posterior, so that it holds where all cases are flaky and nobody said so. A symptom taken for another accuses nobody of
// breaking or mending something: less will do. Where runs end before, a case that was seen to be so needs a third of that evidence
// for a claim.
var bounds = [guises]float64{flakes: 0.001, mixes: 0.01}

// Attribute says what each patch does to each case; patches that do nothing to a case are not listed. The
// order is that of cases, then of patches.
//
// The model, per case: from prefix to prefix the case is in one of the states good (as the plan expects) or bad with one
// of the symptoms seen, and changes it at most three times. In a good stretch a run is bad with a rate near 0, in a
// bad stretch with an unknown one, and then it nearly always shows that stretch's symptom. A case either fails always or is
// flaky, everywhere; when it breaks again it mostly does so at the rate it had. A stretch may be followed by one
// of the same symptom at another rate: rarer is not fixed. All paths and rates are summed over: the probabilities are
// exact for the model.
//
// A change is put down to a patch when its probability is at least the confidence asked for. When no single patch
// reaches that, because there is no image between two prefixes or because the runs do not tell, but several
// neighbours together do, the effect is Undetermined, for the patches First..Patch. Before and After are the
// states, "OUTCOME SIGNATURE".
//
// It is a pure function. 40 prefixes cost a few milliseconds a case.
func Attribute(matrix []Column, cases []Case, q Question) []Attribution {
	var out []Attribution
	for _, c := range cases {
		e := gather(matrix, c, q)
		if !e.seen || len(e.counts) < 2 {
			continue // nothing bad was ever seen, or it is one kernel
		}
		out = append(out, e.attributions(e.posterior(), c.Name, q)...)
	}
	return out
}

// Study is what the runs of a case say, and what more of them would say.
type Study struct {
	Attributions []Attribution
	Sure         float64 // probability of the most probable states of all prefixes together
	Known        float64 // of those of the prefixes that have runs
	Same         float64 // probability that no patch changes the case, whatever its state
	Bad          bool    // a run was bad
	Flaky        float64 // probability that it fails in some runs only
	Certain      bool    // that some patches change the case, as many as it seems, is sure enough to name them
	Lacks        float64 // nats of Parts that this wants
	// By column; a column that shares another's image has its values at the first of them, and zeros.
	Tells   []float64 // nats that one more run tells about the changes
	Parts   []float64 // nats by which it parts the changes there seem to be from a case that is flaky or shows several symptoms
	Doubt   []float64 // nats that knowing the prefix's state would tell
	Runs    []int     // runs that are evidence
	Change  []float64 // probability that the case is in another state than before it
	Begins  []bool    // its state is not that of the next column before it that can be run
	Differs []bool    // its state is not that of the next column before or after it that can be run
	Open    []bool    // it has an image or may get one, and is the first with it
}

// Examine studies one case. It is a pure function.
func Examine(matrix []Column, c Case, q Question) *Study { return new(Examiner).Examine(matrix, c, q) }

// Examiner is Examine with a memory: a case with the runs that it had before, or that another one has, as most of a
// test's subtests do, costs next to nothing. Its zero value is ready; it is for one goroutine.
type Examiner struct {
	now, before map[string]*posterior // by history
}

// Forget drops what nobody has asked for since the last Forget.
func (x *Examiner) Forget() { x.now, x.before = nil, x.now }

func (x *Examiner) posterior(e *evidence) *posterior {
	key := e.history()
	p := x.now[key]
	if p == nil {
		p = x.before[key]
	}
	if p == nil {
		p = e.posterior()
	}
	if x.now == nil {
		x.now = map[string]*posterior{}
	}
	x.now[key] = p
	return p
}

// Examine studies one case.
func (x *Examiner) Examine(matrix []Column, c Case, q Question) *Study {
	e := gather(matrix, c, q)
	n := len(matrix)
	s := &Study{Tells: make([]float64, n), Parts: make([]float64, n), Doubt: make([]float64, n), Runs: make([]int, n),
		Change: make([]float64, n), Begins: make([]bool, n), Differs: make([]bool, n), Open: make([]bool, n)}
	if len(e.counts) == 0 {
		return s
	}
	p := x.posterior(e)
	if e.seen && len(e.counts) > 1 {
		s.Attributions = e.attributions(p, c.Name, q)
	}
	s.Sure, s.Known, s.Same, s.Bad, s.Flaky, s.Certain = p.sure, p.known, p.same, e.seen, p.flaky, e.certain(p, q)
	if !s.Certain && p.chance > 1 {
		s.Lacks = math.Log(p.chance)
	}
	last := -1
	for k, tells := range p.tells {
		if e.closed[k] {
			continue
		}
		at := e.lender[k]
		if at == k {
			col := e.column[k]
			s.Open[col], s.Tells[col], s.Parts[col], s.Doubt[col] = true, tells, p.parts[k], entropy(p.state[k])
			for a := range e.states {
				for b := range e.states {
					if a != b {
						s.Change[col] += p.change[k][a][b]
					}
				}
			}
			for _, c := range e.counts[k] {
				s.Runs[col] += c
			}
		}
		if last >= 0 && p.likely[last] != p.likely[k] {
			s.Begins[e.column[k]] = true
			s.Differs[e.column[e.lender[last]]], s.Differs[e.column[at]] = true, true
		}
		last = k
	}
	return s
}

// accuses says whether the runs are good enough to name a patch.
func (e *evidence) accuses(p *posterior, q Question) bool {
	return p.none <= (1-q.confidence())*accuse && (q.OneChange || p.fickle <= 3)
}

// certain says whether the runs are no chance hit. Who bisects asks about one case that was seen to change, so that there the
// posterior says it.
func (e *evidence) certain(p *posterior, q Question) bool {
	return p.none <= (1-q.confidence())*accuse && (q.OneChange || p.chance <= 1)
}

// State is an outcome with its signature, as reports show it: "crash kernel BUG in gfs2_glock_nq", "pass".
func State(j Judgement) string {
	if j.Signature == "" {
		return string(j.Outcome)
	}
	return string(j.Outcome) + " " + j.Signature
}

// attributions are the changes that p makes sure enough.
func (e *evidence) attributions(p *posterior, name string, q Question) []Attribution {
	var out []Attribution
	mass := make([]float64, len(e.counts))
	for from := range e.states {
		for to := range e.states {
			for i := range mass {
				mass[i] = p.change[i][from][to]
			}
			for _, w := range windows(mass, 1, len(mass)-1, q.confidence()) {
				a := Attribution{Case: name, Patch: e.prefix[w.last].first, Before: e.states[from], After: e.states[to], Probability: w.mass}
				switch {
				case from == to && e.rarer(w, from):
					a.Effect = Rarer
				case from == to:
					a.Effect = MoreOften
				case to == 0:
					a.Effect = Fixes
				case from == 0:
					a.Effect = Regresses
				default:
					a.Effect = ChangesSymptom
				}
				a.Kind = a.Effect
				first := e.prefix[w.first-1].last + 1
				if first != a.Patch || from != to && !e.accuses(p, q) {
					a.Effect, a.First = Undetermined, first
				}
				out = append(out, a)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Attribution) int { return a.Patch - b.Patch })
	return out
}

// rarer says whether a symptom that does not go away shows less often behind w than before it.
func (e *evidence) rarer(w window, state int) bool {
	rate := func(k, step int) float64 {
		bad, n := 0, 0
		for ; k >= 0 && k < len(e.counts); k += step {
			if c := e.counts[k]; c[state] > 0 || n == 0 {
				bad += c[state]
				for _, x := range c {
					n += x
				}
			}
		}
		return float64(bad) / float64(max(n, 1))
	}
	return rate(w.last, +1) < rate(w.first-1, -1)
}

// evidence is what is known about one case. Neighbouring columns of one image are one kernel.
type evidence struct {
	states  []string // 0 is good; then the symptoms, sorted; one is made up where none was seen
	seen    bool     // a symptom
	flakes  float64  // probability that it fails in some runs only
	manners []manner // how it may fail
	changes [maxChanges + 1]float64
	prefix  []span  // of each kernel
	column  []int   // of each kernel: its first
	lender  []int   // of each kernel: the one that has its runs
	closed  []bool  // of each kernel: there is no image and will be none
	counts  [][]int // [kernel][state]: how many runs
	// tied are kernels that are the same image with others between them, as a patch and its revert make: they are
	// in one state. Their runs are counted at the first.
	tied [][]int
}

// span is the first and the last prefix of a kernel.
type span struct{ first, last int }

// maxTied bounds how many sets of tied kernels the posterior honours: each multiplies its cost by the number of states.
const maxTied = 2

func gather(matrix []Column, c Case, q Question) *evidence {
	e := &evidence{states: []string{c.Expect.String()}, flakes: undeclared, changes: changePrior}
	switch {
	case c.Flaky:
		e.flakes = 1
	case q.OneChange:
		e.flakes = observed
	}
	var image []string // of each kernel
	runs := make(map[string][]Judgement, len(matrix))
	symptoms := make(map[string]bool)
	for i, col := range matrix {
		if n := len(image); n > 0 && col.Image != "" && image[n-1] == col.Image {
			e.prefix[n-1].last = col.Prefix
		} else {
			image = append(image, col.Image)
			e.prefix = append(e.prefix, span{col.Prefix, col.Prefix})
			e.column = append(e.column, i)
			e.closed = append(e.closed, col.Image == "" && !col.Pending)
		}
		if r := col.Runs[c.Name]; col.Image != "" && len(r) > len(runs[col.Image]) {
			runs[col.Image] = r
		}
	}
	for _, list := range runs {
		for _, j := range list {
			if j.Outcome != Infra && !c.Expect.Met(j) {
				symptoms[State(j)] = true
			}
		}
	}
	e.states = append(e.states, slices.Sorted(maps.Keys(symptoms))...)
	if e.seen = len(symptoms) > 0; !e.seen {
		e.states = append(e.states, "")
	}
	e.manners = manners(e.flakes, len(e.states)-1)
	if q.OneChange {
		e.changes = oneChange(len(image))
	}

	e.counts = make([][]int, len(image))
	at := make(map[string][]int, len(image))
	for k, img := range image {
		e.counts[k] = make([]int, len(e.states))
		e.lender = append(e.lender, k)
		if img == "" {
			continue
		}
		if at[img] = append(at[img], k); len(at[img]) > 1 {
			e.lender[k] = at[img][0]
			continue
		}
		for _, j := range runs[img] {
			switch {
			case j.Outcome == Infra:
			case c.Expect.Met(j):
				e.counts[k][0]++
			default:
				e.counts[k][1+slices.Index(e.states[1:], State(j))]++
			}
		}
	}
	for _, img := range image {
		if len(at[img]) > 1 && len(e.tied) < maxTied {
			e.tied = append(e.tied, at[img])
			delete(at, img)
		}
	}
	return e
}

// history is all that the posterior depends on.
func (e *evidence) history() string {
	var b []byte
	for _, prior := range []float64{e.flakes, e.changes[0]} {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(prior))
	}
	b = binary.AppendUvarint(b, uint64(len(e.states)))
	for k, counts := range e.counts {
		// Runs are counted at the lender.
		closed := map[bool]uint64{true: 1}[e.closed[k]]
		b = binary.AppendUvarint(b, uint64(e.lender[k])<<1|closed)
		for _, n := range counts {
			b = binary.AppendUvarint(b, uint64(n))
		}
	}
	return string(b)
}

// oneChange is the prior of bisecting n kernels: one change at each boundary or none, all equally probable; that there are more
// is fifty times less so.
func oneChange(n int) [maxChanges + 1]float64 {
	none := 1 / float64(max(n, 1))
	more := none / 50
	return [maxChanges + 1]float64{none, 1 - none - more, more * 3 / 4, more / 4}
}

// window is a run of boundaries that holds a change; boundary i is between kernels i-1 and i.
type window struct {
	first, last int
	mass        float64
}

// windows finds in boundaries lo..hi the shortest runs that hold a change with a probability of at least claim, the
// most probable first, and goes on left and right of it.
func windows(mass []float64, lo, hi int, claim float64) []window {
	if lo > hi || sum(mass[lo:hi+1]) < claim {
		return nil
	}
	for width := 1; width <= hi-lo+1; width++ {
		var best window
		for first := lo; first+width-1 <= hi; first++ {
			sum := 0.0
			for i := first; i < first+width; i++ {
				sum += mass[i]
			}
			if sum > best.mass+1e-12 {
				best = window{first, first + width - 1, sum}
			}
		}
		if best.mass >= claim {
			best.mass = math.Min(best.mass, 1)
			return slices.Concat(windows(mass, lo, best.first-1, claim), []window{best}, windows(mass, best.last+1, hi, claim))
		}
	}
	return nil
}
