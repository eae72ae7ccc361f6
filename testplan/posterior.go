package testplan

import "math"

// maxChanges is how often a case may change along a series.
const maxChanges = 3

// The priors over paths, reasoned as those of the rates. Half of the cases are not touched by a series, and each
// further change is about a third as likely as the one before.
var changePrior = [maxChanges + 1]float64{0.50, 0.34, 0.12, 0.04}

const (
	goodFirst = 0.5  // the base is good
	sameBug   = 0.05 // a change from a bad stretch is one of rate only
	otherBug  = 0.30 // it is one of symptom, where several are known; else it is a fix
)

// posterior is what the runs say about one case. Boundary i is between kernels i-1 and i; [0] is empty of meaning.
type posterior struct {
	change  [][][]float64 // [i][a][b]: probability of a change at boundary i from state a to state b
	stretch [][][]float64 // [a][i][j]: that kernels i..j are one stretch in state a
	state   [][]float64   // [k][a]: that kernel k is in state a
	likely  []int         // the most probable state of each kernel; -1 where there is none to be had
	sure    float64       // probability of all of likely together
	same    float64       // probability that no kernel differs from another in state
	none    float64       // probability that nothing changes, not even a rate
}

// posterior sums over all paths by dynamic programming: forward over what ends before a boundary, backward over
// what begins behind it. Tied kernels are handled by summing over the states they may share.
func (e *evidence) posterior() *posterior {
	n, s := len(e.counts), len(e.states)
	p := &posterior{change: cube(n, s, s), stretch: cube(s, n, n), state: make([][]float64, n), likely: make([]int, n)}
	segments := e.segments()
	forced := make([]int, n)
	for i := range forced {
		forced[i] = -1
	}
	// Each assignment's weights share one scale: that of the first total that is possible.
	scale, total := math.Inf(-1), 0.0
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
		for a := range s {
			if d.reach[0][a] == n-1 {
				p.none += math.Exp(d.prior[0] + d.begin[0][0][a] + segments[a][0][n-1] - scale)
			}
		}
		for i := range n {
			for a := range s {
				for b := 0; b < s && i > 0; b++ {
					p.change[i][a][b] += math.Exp(d.change(i, a, b) - scale)
				}
				for j := i; j <= d.reach[i][a]; j++ {
					p.stretch[a][i][j] += math.Exp(d.stretch(a, i, j) - scale)
				}
			}
		}
	}
	assign(0)
	for _, c := range [][][][]float64{p.change, p.stretch} {
		for i := range c {
			for a := range c[i] {
				for b := range c[i][a] {
					c[i][a][b] /= total
				}
			}
		}
	}
	p.none /= total
	p.marginals()
	for k := range p.likely {
		for a, x := range p.state[k] {
			if x > p.state[k][p.likely[k]] {
				p.likely[k] = a
			}
		}
		if e.closed[k] {
			p.likely[k] = -1
		}
	}
	share := func(forced []int) float64 {
		return math.Exp(e.paths(segments, forced).total-scale) / total
	}
	p.sure = share(p.likely)
	for a := range s {
		for k := range forced {
			forced[k] = a
		}
		p.same += share(forced)
	}
	return p
}

// marginals fills state from stretch.
func (p *posterior) marginals() {
	n := len(p.state)
	for k := range p.state {
		p.state[k] = make([]float64, len(p.stretch))
	}
	for a := range p.stretch {
		delta := make([]float64, n+1)
		for i := range n {
			for j := i; j < n; j++ {
				delta[i] += p.stretch[a][i][j]
				delta[j+1] -= p.stretch[a][i][j]
			}
		}
		sum := 0.0
		for k := range n {
			sum += delta[k]
			p.state[k][a] = sum
		}
	}
}

// segments returns the log likelihood of kernels i..j as one stretch in a state: [state][i][j].
func (e *evidence) segments() [][][]float64 {
	n, s := len(e.counts), len(e.states)
	out := cube(s, n, n)
	count := make([]int, s)
	for i := range n {
		clear(count)
		for j := i; j < n; j++ {
			fresh := j == i
			for k, c := range e.counts[j] {
				count[k] += c
				fresh = fresh || c > 0
			}
			for state := range s {
				if fresh {
					out[state][i][j] = e.likelihood(count, state)
				} else {
					out[state][i][j] = out[state][i][j-1]
				}
			}
		}
	}
	return out
}

// likelihood returns the log probability of runs with these counts by state in a stretch of a state.
func (e *evidence) likelihood(count []int, state int) float64 {
	good, bad := count[0], 0
	for _, c := range count[1:] {
		bad += c
	}
	symptoms := len(count) - 1
	if state == 0 {
		return goodRate.likelihood(bad, good) - float64(bad)*math.Log(float64(symptoms))
	}
	rate := e.rates.likelihood(bad, good)
	if symptoms == 1 {
		return rate
	}
	other := bad - count[state]
	return rate + otherRate.likelihood(other, count[state]) - float64(other)*math.Log(float64(symptoms-1))
}

// predict fills p with the probability that the next run in a stretch of a state, with these counts so far,
// shows each state.
func (e *evidence) predict(count []int, state int, p []float64) {
	good, bad := count[0], 0
	for _, c := range count[1:] {
		bad += c
	}
	mix := e.rates
	if state == 0 {
		mix = goodRate
	}
	next := mix.next(bad, good)
	p[0] = 1 - next
	symptoms := float64(len(count) - 1)
	for x := range p[1:] {
		switch {
		case state == 0 || symptoms == 1:
			p[x+1] = next / symptoms
		case x+1 == state:
			p[x+1] = next * (1 - otherRate.next(bad-count[state], count[state]))
		default:
			p[x+1] = next * otherRate.next(bad-count[state], count[state]) / (symptoms - 1)
		}
	}
}

// tells returns for each kernel how many nats one more run on it tells about the path: the mutual information of
// its outcome and the path, rates integrated.
func (e *evidence) tells(p *posterior) []float64 {
	n, s := len(e.counts), len(e.states)
	marginal := make([][]float64, n+1) // of the outcome, as differences along the kernels
	for k := range marginal {
		marginal[k] = make([]float64, s)
	}
	within := make([]float64, n+1) // expected entropy of the outcome when the path is known
	count, next := make([]int, s), make([]float64, s)
	for i := range n {
		clear(count)
		for j := i; j < n; j++ {
			for k, c := range e.counts[j] {
				count[k] += c
			}
			for a := range s {
				w := p.stretch[a][i][j]
				if w < 1e-7 {
					continue
				}
				e.predict(count, a, next)
				for x, q := range next {
					marginal[i][x] += w * q
					marginal[j+1][x] -= w * q
				}
				h := w * entropy(next)
				within[i] += h
				within[j+1] -= h
			}
		}
	}
	out := make([]float64, n)
	h := 0.0
	clear(next)
	for k := range n {
		h += within[k]
		for x := range next {
			next[x] += marginal[k][x]
		}
		out[k] = max(entropy(next)-h, 0)
	}
	return out
}

// entropy is in nats.
func entropy(p []float64) float64 {
	h := 0.0
	for _, x := range p {
		if x > 0 {
			h -= x * math.Log(x)
		}
	}
	return h
}

// dynamics are the sums over paths, as logarithms.
type dynamics struct {
	// begin[t][i][a]: kernels 0..i-1 with t changes, the last to a at boundary i.
	// forward[t][j][a]: kernels 0..j with t changes, the last stretch being a and ending at j.
	// rest[t][j][a]: kernels j+1.. after a stretch in a that ends at j, with t changes, the first at boundary j+1.
	// backward[t][i][a]: kernels i.. with t changes, the first stretch being a and beginning at i.
	begin, forward, rest, backward [maxChanges + 1][][]float64
	segments                       [][][]float64
	reach                          [][]int                 // [i][a]: the last kernel up to which a stretch in a that begins at i can go
	prior                          [maxChanges + 1]float64 // of a path with so many changes, by place
	step                           [][]float64             // of a change from a to b
	total                          float64
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

// stretch returns the log weight of all paths in which kernels i..j are one stretch in a.
func (d *dynamics) stretch(a, i, j int) float64 {
	sum := math.Inf(-1)
	for before := range maxChanges + 1 {
		for after := range maxChanges + 1 - before {
			sum = logAdd(sum, d.prior[before+after]+d.begin[before][i][a]+d.rest[after][j][a])
		}
	}
	return sum + d.segments[a][i][j]
}

// paths sums over the paths in which each kernel k with forced[k] >= 0 is in that state.
func (e *evidence) paths(segments [][][]float64, forced []int) *dynamics {
	n, s := len(e.counts), len(e.states)
	d := &dynamics{segments: segments, step: steps(s), reach: e.reach(forced), total: math.Inf(-1)}
	places := 1.0
	for t := range d.prior {
		d.prior[t] = math.Inf(-1)
		if t < n {
			d.prior[t] = math.Log(e.changes[t]) - math.Log(places)
		}
		places = places * float64(n-1-t) / float64(t+1)
		d.begin[t], d.forward[t], d.rest[t], d.backward[t] = table(n, s), table(n, s), table(n, s), table(n, s)
	}
	for t := 0; t <= maxChanges; t++ {
		for a := range s {
			if t == 0 {
				d.begin[0][0][a] = math.Log(goodFirst)
				if a > 0 {
					d.begin[0][0][a] = math.Log((1 - goodFirst) / float64(s-1))
				}
				d.rest[0][n-1][a] = 0
			}
			for i := 1; i < n && t > 0; i++ {
				for b := range s {
					d.begin[t][i][a] = logAdd(d.begin[t][i][a], d.forward[t-1][i-1][b]+d.step[b][a])
					d.rest[t][i-1][a] = logAdd(d.rest[t][i-1][a], d.step[a][b]+d.backward[t-1][i][b])
				}
			}
			for i := range n {
				for j := i; j <= d.reach[i][a]; j++ {
					d.forward[t][j][a] = logAdd(d.forward[t][j][a], d.begin[t][i][a]+segments[a][i][j])
					d.backward[t][i][a] = logAdd(d.backward[t][i][a], segments[a][i][j]+d.rest[t][j][a])
				}
			}
			d.total = logAdd(d.total, d.prior[t]+d.forward[t][n-1][a])
		}
	}
	return d
}

// reach returns the last kernel up to which a stretch can go, by its first kernel and its state.
func (e *evidence) reach(forced []int) [][]int {
	n, s := len(e.counts), len(e.states)
	out := make([][]int, n)
	for i := n - 1; i >= 0; i-- {
		out[i] = make([]int, s)
		for a := range s {
			switch {
			case forced[i] >= 0 && forced[i] != a:
				out[i][a] = i - 1
			case i == n-1:
				out[i][a] = i
			default:
				out[i][a] = max(out[i+1][a], i)
			}
		}
	}
	return out
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

func cube(n, m, l int) [][][]float64 {
	out := make([][][]float64, n)
	for i := range out {
		out[i] = make([][]float64, m)
		for j := range out[i] {
			out[i][j] = make([]float64, l)
		}
	}
	return out
}

// table returns n rows of m logarithms of zero.
func table(n, m int) [][]float64 {
	all := make([]float64, n*m)
	for i := range all {
		all[i] = math.Inf(-1)
	}
	out := make([][]float64, n)
	for i := range out {
		out[i] = all[i*m : (i+1)*m]
	}
	return out
}
