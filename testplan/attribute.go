package testplan

import (
	"maps"
	"math"
	"slices"
)

// Column is one prefix of the matrix and what was seen on it.
type Column struct {
	Prefix int // 0 is the base; columns are in rising order of it, none twice
	// Image is the hash of the prefix's image. Columns with the same hash are the same kernel: what was seen on one
	// was seen on all of them. "" is a prefix without one (conflict, build failure): nothing is known of it.
	Image string
	// Runs are the runs of each case, by the case's name. Columns of one image may all hold them or only one of
	// them: the longest list counts. Infra runs are no evidence.
	Runs map[string][]Judgement
}

// ClaimAt is the least probability at which a change is put down to one patch.
const ClaimAt = 0.8

// Attribute says what each patch does to each case; patches that do nothing to a case are not listed. The
// order is that of cases, then of patches.
//
// The model, per case: from prefix to prefix the case is in one of the states good (as the plan expects) or bad with one
// of the symptoms seen, and changes it at most three times. In a good stretch a run is bad with
// probability noise. In a bad stretch it is bad with an unknown rate, usually near 1, and then it nearly always
// shows that stretch's symptom. A stretch may be followed by one of the same symptom at another rate: rarer is
// not fixed. All paths are summed over, the rates integrated: the probabilities are exact for the model.
//
// A change is put down to a patch when its probability is at least ClaimAt. When no single patch reaches that, because
// there is no image between two prefixes or because the runs do not tell, but several neighbours together do, the
// effect is Undetermined, for the patches First..Patch. Before and After are the states, "OUTCOME SIGNATURE".
//
// It is a pure function. 40 prefixes cost a few milliseconds a case.
func Attribute(matrix []Column, cases []Case) []Attribution {
	var out []Attribution
	for _, c := range cases {
		out = append(out, attributeCase(matrix, c)...)
	}
	return out
}

// State is an outcome with its signature, as reports show it: "crash kernel BUG in gfs2_glock_nq", "pass".
func State(j Judgement) string {
	if j.Signature == "" {
		return string(j.Outcome)
	}
	return string(j.Outcome) + " " + j.Signature
}

func attributeCase(matrix []Column, c Case) []Attribution {
	e := gather(matrix, c)
	if len(e.states) == 1 || len(e.counts) < 2 {
		return nil // nothing bad was ever seen, or it is one kernel
	}
	p := e.posterior()
	var out []Attribution
	for from := range e.states {
		for to := range e.states {
			if from == to {
				continue
			}
			mass := make([]float64, len(e.counts))
			for i := range mass {
				mass[i] = p[i][from][to]
			}
			for _, w := range windows(mass, 1, len(mass)-1) {
				a := Attribution{Case: c.Name, Patch: e.prefix[w.last].first, Before: e.states[from], After: e.states[to], Probability: w.mass}
				switch {
				case to == 0:
					a.Effect = Fixes
				case from == 0:
					a.Effect = Regresses
				default:
					a.Effect = ChangesSymptom
				}
				if first := e.prefix[w.first-1].last + 1; first != a.Patch {
					a.Effect, a.First = Undetermined, first
				}
				out = append(out, a)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Attribution) int { return a.Patch - b.Patch })
	return out
}

// evidence is what is known about one case. Neighbouring columns of one image are one kernel.
type evidence struct {
	states []string // 0 is good; then the symptoms, sorted
	prefix []span   // of each kernel
	counts [][]int  // [kernel][state]: how many runs
	// tied are kernels that are the same image with others between them, as a patch and its revert make: they are
	// in one state. Their runs are counted at the first.
	tied [][]int
}

// span is the first and the last prefix of a kernel.
type span struct{ first, last int }

// maxTied bounds how many sets of tied kernels the posterior honours: each multiplies its cost by the number of states.
const maxTied = 2

func gather(matrix []Column, c Case) *evidence {
	e := &evidence{states: []string{c.Expect.String()}}
	var image []string // of each kernel
	runs := make(map[string][]Judgement)
	symptoms := make(map[string]bool)
	for _, col := range matrix {
		if n := len(image); n > 0 && col.Image != "" && image[n-1] == col.Image {
			e.prefix[n-1].last = col.Prefix
		} else {
			image = append(image, col.Image)
			e.prefix = append(e.prefix, span{col.Prefix, col.Prefix})
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

	e.counts = make([][]int, len(image))
	at := make(map[string][]int)
	for k, img := range image {
		e.counts[k] = make([]int, len(e.states))
		if img == "" {
			continue
		}
		if at[img] = append(at[img], k); len(at[img]) > 1 {
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

// window is a run of boundaries that holds a change; boundary i is between kernels i-1 and i.
type window struct {
	first, last int
	mass        float64
}

// windows finds in boundaries lo..hi the shortest runs that hold a change with probability ClaimAt, the most
// probable first, and goes on left and right of it.
func windows(mass []float64, lo, hi int) []window {
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
		if best.mass >= ClaimAt {
			best.mass = math.Min(best.mass, 1)
			return slices.Concat(windows(mass, lo, best.first-1), []window{best}, windows(mass, best.last+1, hi))
		}
	}
	return nil
}
