package testplan

import (
	"math"
	"slices"
)

// maxChanges is how often a case may change along a series.
const maxChanges = 3

// The priors over paths, reasoned as those of the rates. Half of the cases are not touched by a series, and each
// further change is about a third as likely as the one before.
var changePrior = [maxChanges + 1]float64{0.50, 0.34, 0.12, 0.04}

const (
	goodFirst = 0.5  // the base is good
	sameBug   = 0.05 // a change from a bad stretch is one of rate only
	otherBug  = 0.30 // it is one of symptom, where several are known; else it is a fix
	sameRate  = 0.9  // a case that breaks fails at the rate it has had before
)

// posterior is what the runs say about one case. Boundary i is between kernels i-1 and i; [0] is empty of meaning.
type posterior struct {
	change [][][]float64 // [i][a][b]: probability of a change at boundary i from state a to state b
	state  [][]float64   // [k][a]: that kernel k is in state a
	tells  []float64     // [k]: nats that one more run on kernel k tells about the path
	parts  []float64     // [k]: nats by which it parts the changes of likely from the rival that is nearest to them
	likely []int         // the most probable state of each kernel; -1 where there is none to be had
	sure   float64       // probability of all of likely together
	known  float64       // of those of likely that are of kernels with runs
	same   float64       // probability that no kernel differs from another in state
	none   float64       // probability that nothing changes, not even a rate
	flaky  float64       // probability that it fails in some runs only
	chance float64       // how many times more probable the runs are by the nearest rival than is allowed
	fickle float64       // the same, of those rivals whose manners are more probable than not
}

// posterior is what the evidence says, which is not changed by who asks. It sums over all paths: forward over what comes up to a
// kernel, backward over what comes behind it. Tied kernels are handled by summing over the states they may share.
func (e *evidence) posterior() *posterior {
	n, s := len(e.counts), len(e.states)
	c := e.chain()
	var sums []*pass
	norm := math.Inf(-1)
	e.assign(func(forced []int) {
		if f := c.forward(slices.Clone(forced)); !math.IsInf(f.total, -1) {
			sums, norm = append(sums, f), logAdd(norm, f.total)
		}
	})
	p := &posterior{change: cube(n, s, s), state: rows(n, s), tells: make([]float64, n), parts: make([]float64, n), likely: make([]int, n)}
	j := c.joint()
	for _, f := range sums {
		c.collect(p, j, f, c.backward(f.forced), norm)
	}
	c.tells(p, j)
	forced := make([]int, n)
	for k := range p.likely {
		for a, x := range p.state[k] {
			if x > p.state[k][p.likely[k]] {
				p.likely[k] = a
			}
		}
		if e.closed[k] {
			p.likely[k] = -1
		}
		forced[k] = -1
		if slices.Max(e.counts[e.lender[k]]) > 0 {
			forced[k] = p.likely[k]
		}
	}
	c.rivals(p, j, e)
	// What is tied and has no runs may be counted in more states than one.
	share := func(forced []int) float64 { return min(math.Exp(c.forward(forced).total-norm), 1) }
	p.sure = share(p.likely)
	if p.known = p.sure; !slices.Equal(forced, p.likely) {
		p.known = share(forced)
	}
	for a := range s {
		for k := range forced {
			forced[k] = a
		}
		p.same += share(forced)
	}
	return p
}

// assign calls f with each way the tied kernels can share states; -1 is a kernel that is not tied.
func (e *evidence) assign(f func(forced []int)) {
	forced := make([]int, len(e.counts))
	for i := range forced {
		forced[i] = -1
	}
	var set func(t int)
	set = func(t int) {
		if t == len(e.tied) {
			f(forced)
			return
		}
		for state := range e.states {
			for _, k := range e.tied[t] {
				forced[k] = state
			}
			set(t + 1)
		}
	}
	set(0)
}

// chain is the model of one case: a Markov chain along the kernels, of which a place is a state and a manner to fail in.
// A good kernel has a manner too: the one its case fails in before or behind.
type chain struct {
	n, s, r int                     // kernels, states, manners
	manners []manner                // their weights are the prior
	emit    [][]float64             // [k][a*r+m]: likelihood of the runs of kernel k there, its greatest being 1
	shows   [][]float64             // [a*r+m][x]: that a run there shows state x
	prior   [maxChanges + 1]float64 // log probability of a path with so many changes, by place
	step    [][]float64             // probability that a change from a leads to b
	keep    [][]float64             // and that the manner stays then; else it is another one of its kind
	kind    []int                   // [m]: whether a manner is flaky
	redraw  []float64               // [m]: its probability among those of its kind
	guise   []guise                 // [m]
}

func (e *evidence) chain() *chain {
	c := &chain{n: len(e.counts), s: len(e.states), manners: e.manners, r: len(e.manners)}
	c.step, c.keep = steps(c.s)
	places := 1.0
	for t := range c.prior {
		c.prior[t] = math.Inf(-1)
		if t < c.n {
			c.prior[t] = math.Log(e.changes[t]) - math.Log(places)
		}
		places = places * float64(c.n-1-t) / float64(t+1)
	}
	logs := rows(c.s*c.r, c.s)
	for a := range c.s {
		for _, m := range c.manners {
			c.shows = append(c.shows, m.shows(a, c.s))
		}
	}
	for h, shows := range c.shows {
		for x, p := range shows {
			logs[h][x] = math.Log(p)
		}
	}
	var all [2]float64
	for _, m := range c.manners {
		c.kind = append(c.kind, map[bool]int{true: 1}[m.flaky])
		c.guise = append(c.guise, m.guise())
		all[c.kind[len(c.kind)-1]] += m.weight
	}
	for m, manner := range c.manners {
		c.redraw = append(c.redraw, manner.weight/all[c.kind[m]])
	}
	c.emit = rows(c.n, c.s*c.r)
	for k, count := range e.counts {
		most := math.Inf(-1)
		for h := range c.emit[k] {
			for x, n := range count {
				if n > 0 {
					c.emit[k][h] += float64(n) * logs[h][x]
				}
			}
			most = max(most, c.emit[k][h])
		}
		for h, x := range c.emit[k] {
			c.emit[k][h] = math.Exp(max(x-most, -smallest)) // never 0: what one kernel rules out others may want back
		}
	}
	return c
}

// smallest is the logarithm, negated, of what a kernel may at least leave of a probability.
const smallest = 300

// pass are the sums over the paths up to each kernel or behind it, by the number of their changes: the value of
// [k][t][a*r+m] is to be multiplied by exp(scale[k][t]).
type pass struct {
	at     [][maxChanges + 1][]float64
	scale  [][maxChanges + 1]float64
	forced []int   // [k]: the state kernel k has to be in, -1 for any
	total  float64 // logarithm of the sum of all
}

func (c *chain) pass(forced []int) *pass {
	f := &pass{at: make([][maxChanges + 1][]float64, c.n), scale: make([][maxChanges + 1]float64, c.n), forced: forced}
	values := rows(c.n*(maxChanges+1), c.s*c.r)
	for k := range f.at {
		for t := range f.at[k] {
			f.at[k][t], f.scale[k][t] = values[k*(maxChanges+1)+t], math.Inf(-1)
		}
	}
	return f
}

// put sets [k][t] of f to what is left of the sum of stay and move, and scales it.
func (c *chain) put(f *pass, k, t int, stay, move []float64, stayScale, moveScale float64) {
	ref := max(stayScale, moveScale)
	if math.IsInf(ref, -1) {
		return
	}
	lo, hi := c.block(f.forced[k])
	out, stay := f.at[k][t][lo:hi], stay[lo:hi]
	x, most := math.Exp(stayScale-ref), 0.0
	if math.IsInf(moveScale, -1) {
		for h := range out {
			out[h] = x * stay[h]
			most = max(most, out[h])
		}
	} else {
		y, move := math.Exp(moveScale-ref), move[lo:hi]
		for h := range out {
			out[h] = x*stay[h] + y*move[h]
			most = max(most, out[h])
		}
	}
	if most == 0 {
		return
	}
	for h := range out {
		out[h] /= most
	}
	f.scale[k][t] = ref + math.Log(most)
}

// forward sums over the kernels up to each, itself included.
func (c *chain) forward(forced []int) *pass {
	f := c.pass(forced)
	stay, move := make([]float64, c.s*c.r), make([]float64, c.s*c.r)
	for k := range c.n {
		for t := range min(maxChanges, k) + 1 {
			if k == 0 {
				for a := range c.s {
					start := goodFirst
					if a > 0 {
						start = (1 - goodFirst) / float64(c.s-1)
					}
					for m, manner := range c.manners {
						stay[a*c.r+m] = start * manner.weight
					}
				}
				c.see(stay, stay, k, forced)
				c.put(f, k, t, stay, nil, 0, math.Inf(-1))
				continue
			}
			c.see(stay, f.at[k-1][t], k, forced)
			moved := math.Inf(-1)
			if t > 0 {
				moved = f.scale[k-1][t-1]
				c.arrive(move, f, k, t)
				c.see(move, move, k, forced)
			}
			c.put(f, k, t, stay, move, f.scale[k-1][t], moved)
		}
	}
	f.total = math.Inf(-1)
	for t, last := range f.at[c.n-1] {
		f.total = logAdd(f.total, c.prior[t]+f.scale[c.n-1][t]+math.Log(sum(last)))
	}
	return f
}

// backward sums over the kernels behind each.
func (c *chain) backward(forced []int) *pass {
	g := c.pass(forced)
	stay, move := make([]float64, c.s*c.r), make([]float64, c.s*c.r)
	for k := c.n - 1; k >= 0; k-- {
		for t := range min(maxChanges, c.n-1-k) + 1 {
			if k == c.n-1 {
				for h := range stay {
					stay[h] = 1
				}
				c.put(g, k, t, stay, nil, 0, math.Inf(-1))
				continue
			}
			c.see(stay, g.at[k+1][t], k+1, forced)
			moved := math.Inf(-1)
			if t > 0 {
				moved = g.scale[k+1][t-1]
				c.see(move, g.at[k+1][t-1], k+1, forced)
				c.depart(move)
			}
			c.put(g, k, t, stay, move, g.scale[k+1][t], moved)
		}
	}
	return g
}

// see puts into out what the runs of kernel k leave of in.
func (c *chain) see(out, in []float64, k int, forced []int) {
	lo, hi := c.block(forced[k])
	clear(out[:lo])
	clear(out[hi:])
	emit := c.emit[k]
	for h := lo; h < hi; h++ {
		out[h] = in[h] * emit[h]
	}
}

// block is the part of a row that holds a state, all of it for -1.
func (c *chain) block(state int) (lo, hi int) {
	if state < 0 {
		return 0, c.s * c.r
	}
	return state * c.r, (state + 1) * c.r
}

// may says whether kernel k may be in a state.
func (f *pass) may(k, state int) bool { return f.forced[k] < 0 || f.forced[k] == state }

// arrive puts into out where the change t leads that is just before kernel k.
func (c *chain) arrive(out []float64, f *pass, k, t int) {
	clear(out)
	in := f.at[k-1][t-1]
	for b := range c.s {
		if !f.may(k, b) {
			continue
		}
		var fresh [2]float64
		to := out[b*c.r : (b+1)*c.r]
		for a := range c.s {
			step, keep := c.step[a][b], c.keep[a][b]
			if step == 0 || !f.may(k-1, a) {
				continue
			}
			for m, x := range in[a*c.r : (a+1)*c.r] {
				to[m] += step * keep * x
				fresh[c.kind[m]] += step * (1 - keep) * x
			}
		}
		for m, kind := range c.kind {
			to[m] += fresh[kind] * c.redraw[m]
		}
	}
}

// depart replaces what is behind a change by what is so before it.
func (c *chain) depart(v []float64) {
	in := slices.Clone(v)
	clear(v)
	for b := range c.s {
		from := in[b*c.r : (b+1)*c.r]
		fresh := c.fresh(from)
		for a := range c.s {
			step, keep := c.step[a][b], c.keep[a][b]
			if step == 0 {
				continue
			}
			for m, x := range from {
				v[a*c.r+m] += step * (keep*x + (1-keep)*fresh[c.kind[m]])
			}
		}
	}
}

// fresh is the mean over the manners of each kind.
func (c *chain) fresh(v []float64) (mean [2]float64) {
	for m, x := range v {
		mean[c.kind[m]] += c.redraw[m] * x
	}
	return mean
}

// guise is what may look like a change and is none, a set of bits.
type guise int

const (
	flakes guise = 1 << iota // the case is flaky
	mixes                    // it shows several symptoms
	guises
)

func (m manner) guise() (g guise) {
	if m.flaky {
		g |= flakes
	}
	if m.other >= several {
		g |= mixes
	}
	return g
}

// joint is, for each kernel, the probability of a state with so many changes before and behind it in a manner of a guise, and of
// each outcome of a run together with that: [k][place(before, behind, a, guise)][1+x], the first being the sum.
func (c *chain) joint() [][][]float64 {
	return cube(c.n, c.place(maxChanges, maxChanges, c.s-1, guises-1)+1, c.s+1)
}

func (c *chain) place(before, behind, a int, of guise) int {
	return ((before*(maxChanges+1)+behind)*c.s+a)*int(guises) + int(of)
}

// collect adds to p and j what a forward and a backward pass hold, of which norm is the logarithm of the whole.
func (c *chain) collect(p *posterior, j [][][]float64, f, g *pass, norm float64) {
	seen := make([]float64, c.s*c.r)
	for k := range c.n {
		for before, at := range f.at[k] {
			for behind := range maxChanges + 1 - before {
				w := math.Exp(c.prior[before+behind] + f.scale[k][before] + g.scale[k][behind] - norm)
				if w == 0 {
					continue
				}
				for a := range c.s {
					cells := j[k][c.place(before, behind, a, 0):]
					for m, of := range c.guise {
						h := a*c.r + m
						x := w * at[h] * g.at[k][behind][h]
						p.state[k][a] += x
						cell := cells[of]
						cell[0] += x
						for y, q := range c.shows[h] {
							cell[1+y] += x * q
						}
						if k == 0 && before+behind == 0 {
							p.none += x
						}
					}
				}
			}
		}
		for behind := range maxChanges {
			if k == 0 {
				break
			}
			c.see(seen, g.at[k][behind], k, f.forced)
			for before := range maxChanges - behind {
				w := math.Exp(c.prior[before+behind+1] + f.scale[k-1][before] + g.scale[k][behind] - norm)
				if w == 0 {
					continue
				}
				for b := range c.s {
					to := seen[b*c.r : (b+1)*c.r]
					fresh := c.fresh(to)
					for a := range c.s {
						sum, keep := 0.0, c.keep[a][b]
						for m, x := range f.at[k-1][before][a*c.r : (a+1)*c.r] {
							sum += x * (keep*to[m] + (1-keep)*fresh[c.kind[m]])
						}
						p.change[k][a][b] += w * c.step[a][b] * sum
					}
				}
			}
		}
	}
}

// tells sets for each kernel how many nats one more run on it tells about the path: the mutual information of
// its outcome and of the kernel's state with the number of changes before and behind it, rates integrated.
func (c *chain) tells(p *posterior, j [][][]float64) {
	next, cell := make([]float64, c.s), make([]float64, c.s+1)
	for k := range c.n {
		clear(next)
		within, flaky := 0.0, 0.0
		for i := 0; i < len(j[k]); i += int(guises) {
			clear(cell)
			for g, part := range j[k][i : i+int(guises)] {
				if guise(g)&flakes != 0 {
					flaky += part[0]
				}
				for x, w := range part {
					cell[x] += w
				}
			}
			for x, w := range cell[1:] {
				next[x] += w
				if w > 0 {
					within -= w * math.Log(w/cell[0])
				}
			}
		}
		p.tells[k] = max(entropy(next)-within, 0)
		p.flaky = max(p.flaky, flaky)
	}
}

// rivals compare the changes of likely with what needs fewer: a case that is flaky, or shows several symptoms, looks by chance as
// if it changed, or changed once more. For the nearest of these they set the ratio of the evidence, and for each kernel how
// many nats one more run is expected to tell against it.
func (c *chain) rivals(p *posterior, j [][][]float64, e *evidence) {
	changes, last := 0, -1
	for _, a := range p.likely {
		if a >= 0 && last >= 0 && a != last {
			changes++
		}
		if a >= 0 {
			last = a
		}
	}
	for _, of := range []guise{flakes, mixes} {
		prior := 0.0
		for m, manner := range c.manners {
			if c.guise[m]&of != 0 {
				prior += manner.weight
			}
		}
		for n := 1; prior > 0 && n <= min(max(changes, 1), maxChanges); n++ {
			c.rival(p, j, of, n, prior, sum(e.changes[:n]))
		}
	}
}

// rival is the one that wears a guise and changes less than n times; prior is the probability of its manners, few that of so few
// changes.
func (c *chain) rival(p *posterior, j [][][]float64, of guise, n int, prior, few float64) {
	// [k][x]: that the case changes n times or more, or is the rival, and that one more run on kernel k shows state x.
	often, other := rows(c.n, c.s), rows(c.n, c.s)
	fickle := 0.0
	for k := range c.n {
		for before := range maxChanges + 1 {
			for behind := range maxChanges + 1 - before {
				for a := range c.s {
					for is, cell := range j[k][c.place(before, behind, a, 0):][:guises] {
						wears := guise(is)&of != 0
						if k == 0 && wears {
							fickle += cell[0]
						}
						into := often[k]
						if before+behind < n {
							into = other[k]
						}
						if before+behind < n && !wears {
							continue
						}
						for x, w := range cell[1:] {
							into[x] += w
						}
					}
				}
			}
		}
	}
	chance := sum(other[0]) / (few * prior) * (1 - few) / sum(often[0]) / bounds[of]
	if fickle > 0.5 {
		p.fickle = max(p.fickle, chance)
	}
	if chance < p.chance {
		return
	}
	p.chance = chance
	for k := range c.n {
		p.parts[k] = 0
		all, rest := sum(often[k]), sum(other[k])
		for x, w := range often[k] {
			if w > 0 && other[k][x] > 0 {
				p.parts[k] += w / all * math.Log(w/all*rest/other[k][x])
			}
		}
	}
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

// steps returns the probability of the state after a change by the state before it, and that the manner is kept.
func steps(states int) (step, keep [][]float64) {
	step, keep = rows(states, states), rows(states, states)
	fixed := 1 - sameBug
	if states > 2 {
		fixed -= otherBug
	}
	for a := range states {
		for b := range states {
			switch {
			case a == 0 && b == 0: // no change
			case a == 0:
				step[a][b], keep[a][b] = 1/float64(states-1), sameRate
			case b == 0:
				step[a][b], keep[a][b] = fixed, 1
			case a == b:
				step[a][b] = sameBug
			default:
				step[a][b] = otherBug / float64(states-2)
			}
		}
	}
	return step, keep
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

func sum(xs []float64) (s float64) {
	for _, x := range xs {
		s += x
	}
	return s
}

func rows(n, m int) [][]float64 {
	all, out := make([]float64, n*m), make([][]float64, n)
	for i := range out {
		out[i] = all[i*m : (i+1)*m : (i+1)*m]
	}
	return out
}

func cube(n, m, l int) [][][]float64 {
	all, out := rows(n*m, l), make([][][]float64, n)
	for i := range out {
		out[i] = all[i*m : (i+1)*m]
	}
	return out
}
