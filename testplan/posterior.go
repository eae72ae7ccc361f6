package testplan

import "math"

// The model's constants. The rate of a bad stretch is a mixture: most bugs that a reproducer was written for show
// nearly always, the others at any rate.
const (
	maxChanges = 3
	noise      = 0.002 // a good kernel's run is bad
	always     = 0.85  // weight of Beta(alwaysA, alwaysB); the rest is uniform
	alwaysA    = 20.0
	alwaysB    = 0.2
	otherA     = 0.5 // a bad run shows another symptom than its stretch's: Beta(otherA, otherB)
	otherB     = 10.0
	goodFirst  = 0.5  // the base is good
	sameBug    = 0.08 // a change from a bad stretch is one of rate only
	otherBug   = 0.30 // it is one of symptom, where several are known; else it is a fix
)

// changePrior is the probability of 0, 1, 2 and 3 changes; the places are equally probable.
var changePrior = [maxChanges + 1]float64{0.45, 0.34, 0.16, 0.05}

// posterior returns the probability of a change at boundary i from state a to state b as [i][a][b]. Boundary i is
// between kernels i-1 and i; [0] is empty of meaning.
//
// It sums over all paths by dynamic programming: forward over what ends before a boundary, backward over
// what begins behind it. Tied kernels are handled by summing over the states they may share.
func (e *evidence) posterior() [][][]float64 {
	n, s := len(e.counts), len(e.states)
	sum := make([][][]float64, n)
	for i := range sum {
		sum[i] = make([][]float64, s)
		for a := range sum[i] {
			sum[i][a] = make([]float64, s)
		}
	}
	forced := make([]int, n)
	for i := range forced {
		forced[i] = -1
	}
	// Each assignment's weights share one scale: that of the first total that is possible.
	scale, total := math.Inf(-1), 0.0
	segments := e.segments()
	var assign func(t int)
	assign = func(t int) {
		if t < len(e.tied) {
			for state := range s {
				for _, k := range e.tied[t] {
					forced[k] = state
				}
				assign(t + 1)
			}
			for _, k := range e.tied[t] {
				forced[k] = -1
			}
			return
		}
		d := e.paths(segments, forced)
		if math.IsInf(d.total, -1) {
			return
		}
		if math.IsInf(scale, -1) {
			scale = d.total
		}
		total += math.Exp(d.total - scale)
		for i := 1; i < n; i++ {
			for a := range s {
				for b := range s {
					sum[i][a][b] += math.Exp(d.change(i, a, b) - scale)
				}
			}
		}
	}
	assign(0)
	for i := range sum {
		for a := range sum[i] {
			for b := range sum[i][a] {
				sum[i][a][b] /= total
			}
		}
	}
	return sum
}

// segments returns the log likelihood of kernels i..j as one stretch in a state: [state][i][j].
func (e *evidence) segments() [][][]float64 {
	n, s := len(e.counts), len(e.states)
	out := make([][][]float64, s)
	count := make([]int, s)
	for state := range out {
		out[state] = make([][]float64, n)
		for i := range n {
			out[state][i] = make([]float64, n)
			clear(count)
			for j := i; j < n; j++ {
				fresh := j == i
				for k, c := range e.counts[j] {
					count[k] += c
					fresh = fresh || c > 0
				}
				if fresh {
					out[state][i][j] = likelihood(count, state)
				} else {
					out[state][i][j] = out[state][i][j-1]
				}
			}
		}
	}
	return out
}

// likelihood returns the log probability of runs with these counts by state in a stretch of a state.
func likelihood(count []int, state int) float64 {
	bad := 0
	for _, c := range count[1:] {
		bad += c
	}
	symptoms := float64(len(count) - 1)
	if state == 0 {
		return float64(count[0])*math.Log1p(-noise) + float64(bad)*math.Log(noise/symptoms)
	}
	rate := ratePrior(float64(bad), float64(count[0]))
	if symptoms == 1 {
		return rate
	}
	own, other := float64(count[state]), float64(bad-count[state])
	return rate + logBeta(otherA+other, otherB+own) - logBeta(otherA, otherB) - other*math.Log(symptoms-1)
}

// dynamics are the sums over paths, as logarithms.
type dynamics struct {
	// forward[t][j][a]: kernels 0..j with t changes, the last stretch being a and ending at j.
	// backward[t][i][a]: kernels i.. with t changes, the first stretch being a and beginning at i.
	forward, backward [maxChanges + 1][][]float64
	prior             [maxChanges + 1]float64 // of a path with so many changes, by place
	step              [][]float64             // of a change from a to b
	total             float64
}

// change returns the log weight of all paths with a change at boundary i from a to b.
func (d *dynamics) change(i, a, b int) float64 {
	sum := math.Inf(-1)
	for before := range maxChanges {
		for after := range maxChanges - before {
			sum = logAdd(sum, d.prior[before+after+1]+d.forward[before][i-1][a]+d.backward[after][i][b])
		}
	}
	return sum + d.step[a][b]
}

// paths sums over the paths in which each kernel k with forced[k] >= 0 is in that state.
func (e *evidence) paths(segments [][][]float64, forced []int) *dynamics {
	n, s := len(e.counts), len(e.states)
	d := &dynamics{step: steps(s), total: math.Inf(-1)}
	places := 1.0
	for t := range d.prior {
		d.prior[t] = math.Inf(-1)
		if t < n {
			d.prior[t] = math.Log(changePrior[t]) - math.Log(places)
		}
		places = places * float64(n-1-t) / float64(t+1)
		d.forward[t], d.backward[t] = table(n, s), table(n, s)
	}
	// reach[i][a] is the last kernel up to which a stretch in state a that begins at i can go.
	reach := make([][]int, n+1)
	reach[n] = make([]int, s)
	for i := n - 1; i >= 0; i-- {
		reach[i] = make([]int, s)
		for a := range s {
			switch {
			case forced[i] >= 0 && forced[i] != a:
				reach[i][a] = i - 1
			case i == n-1:
				reach[i][a] = i
			default:
				reach[i][a] = reach[i+1][a]
			}
		}
	}
	for a := range s {
		first := math.Log(goodFirst)
		if a > 0 {
			first = math.Log((1 - goodFirst) / float64(s-1))
		}
		for j := 0; j <= reach[0][a]; j++ {
			d.forward[0][j][a] = first + segments[a][0][j]
		}
		for i := range n {
			if reach[i][a] == n-1 {
				d.backward[0][i][a] = segments[a][i][n-1]
			}
		}
	}
	for t := 1; t <= maxChanges; t++ {
		for a := range s {
			for i := 1; i < n; i++ {
				begin := math.Inf(-1)
				for from := range s {
					begin = logAdd(begin, d.forward[t-1][i-1][from]+d.step[from][a])
				}
				for j := i; j <= reach[i][a] && !math.IsInf(begin, -1); j++ {
					d.forward[t][j][a] = logAdd(d.forward[t][j][a], begin+segments[a][i][j])
				}
			}
			for next := 1; next < n; next++ {
				rest := math.Inf(-1)
				for to := range s {
					rest = logAdd(rest, d.step[a][to]+d.backward[t-1][next][to])
				}
				for i := next - 1; i >= 0 && reach[i][a] >= next-1 && !math.IsInf(rest, -1); i-- {
					d.backward[t][i][a] = logAdd(d.backward[t][i][a], segments[a][i][next-1]+rest)
				}
			}
		}
	}
	for t := range d.prior {
		for a := range s {
			d.total = logAdd(d.total, d.prior[t]+d.forward[t][n-1][a])
		}
	}
	return d
}

// steps returns the log probability of the state after a change, by the state before it.
func steps(states int) [][]float64 {
	out := table(states, states)
	fixed := 1 - sameBug
	if states > 2 {
		fixed -= otherBug
	}
	for a := range states {
		for b := range states {
			switch {
			case a == 0 && b == 0: // no change
			case a == 0:
				out[a][b] = -math.Log(float64(states - 1))
			case b == 0:
				out[a][b] = math.Log(fixed)
			case a == b:
				out[a][b] = math.Log(sameBug)
			default:
				out[a][b] = math.Log(otherBug / float64(states-2))
			}
		}
	}
	return out
}

// table returns n rows of m logarithms of zero.
func table(n, m int) [][]float64 {
	out := make([][]float64, n)
	for i := range out {
		out[i] = make([]float64, m)
		for j := range out[i] {
			out[i][j] = math.Inf(-1)
		}
	}
	return out
}

// logAdd returns log(exp(a) + exp(b)).
func logAdd(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	if math.IsInf(b, -1) {
		return a
	}
	return a + math.Log1p(math.Exp(b-a))
}

// logBeta returns the logarithm of the beta function.
func logBeta(a, b float64) float64 {
	x, _ := math.Lgamma(a)
	y, _ := math.Lgamma(b)
	z, _ := math.Lgamma(a + b)
	return x + y - z
}
