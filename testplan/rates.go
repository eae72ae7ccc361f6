package testplan

import "math"

// rates is a prior over the rate at which runs of a kernel are bad: a mixture of a beta distribution and of points.
//
// The priors are reasoned, then adjusted on simulated matrices until what is stated was right as often as it says; they
// are not fitted to real runs:
//
//   - A reproducer is written until it shows its bug, and one that does so in some runs only is declared to
//     be flaky (Case.Flaky): of 100 others 97 show it nearly always. Beta(20, 0.2) has mean 0.99 and most of its mass at 1.
//   - Of a flaky one not even the order of magnitude is known: log-uniform. It ends at 0.05, as telling rarer
//     failures from none takes more runs than a person waits for.
//   - A good kernel's run is bad once in 500 times: the machine had other things to do.
type rates struct {
	weight   float64 // log, of the beta distribution
	a, b, ab rising
	points   []point
}

// point is one rate, as logarithms.
type point struct{ weight, bad, good float64 }

var (
	goodRate = newRates(1, 1, 499)
	sureRate = newRates(0.97, 20, 0.2)
	// onceRate is for bisecting, where somebody has seen the case change.
	onceRate  = newRates(0.999, 20, 0.2)
	flakyRate = newRates(0, 1, 1)
	// otherRate is how often a bad run shows another symptom than its stretch's: a race has several places to hang.
	otherRate = newRates(1, 0.5, 10)
)

const (
	rarest   = 0.05 // rate of a flaky case
	gridSize = 16   // points that stand for the log-uniform distribution
)

// newRates is weight of Beta(a, b), the rest log-uniform.
func newRates(weight, a, b float64) *rates {
	r := &rates{weight: math.Log(weight), a: newRising(a), b: newRising(b), ab: newRising(a + b)}
	for i := 0; i < gridSize && weight < 1; i++ {
		log := math.Log(rarest) * (float64(i) + 0.5) / gridSize
		r.points = append(r.points, point{math.Log((1 - weight) / gridSize), log, math.Log1p(-math.Exp(log))})
	}
	return r
}

// likelihood returns the log probability of bad and good runs in one order, the rate integrated.
func (r *rates) likelihood(bad, good int) float64 {
	sum := math.Inf(-1)
	if !math.IsInf(r.weight, -1) {
		sum = r.weight + r.a.at(bad) + r.b.at(good) - r.ab.at(bad+good)
	}
	for _, p := range r.points {
		sum = logAdd(sum, p.weight+float64(bad)*p.bad+float64(good)*p.good)
	}
	return sum
}

// next returns the probability that one more run is bad.
func (r *rates) next(bad, good int) float64 {
	return math.Exp(r.likelihood(bad+1, good) - r.likelihood(bad, good))
}

// rising is the logarithm of the rising factorial: of Γ(a+n)/Γ(a) for n = 0, 1, …
type rising struct {
	a     float64
	first []float64
}

func newRising(a float64) rising {
	r := rising{a, make([]float64, 512)}
	for n := 1; n < len(r.first); n++ {
		r.first[n] = r.first[n-1] + math.Log(a+float64(n-1))
	}
	return r
}

func (r *rising) at(n int) float64 {
	if n < len(r.first) {
		return r.first[n]
	}
	x, _ := math.Lgamma(r.a + float64(n))
	y, _ := math.Lgamma(r.a)
	return x - y
}

// logAdd returns log(exp(a) + exp(b)).
func logAdd(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	if b-a < -40 || math.IsInf(b, -1) {
		return a
	}
	return a + math.Log1p(math.Exp(b-a))
}
