package testplan

import "math"

// manner is one way for a case to fail where it is bad: at what rate, and how often with another symptom than its
// stretch's. All that is unknown about it is spread over a few of them.
//
// Their weights are a prior that is reasoned, not fitted to real runs.
type manner struct {
	weight float64 // its probability
	rate   float64 // of bad runs
	other  float64 // of the bad runs, those with another symptom: a race has several places to hang
	flaky  bool    // it shows in some runs only
}

const (
	several = 0.1  // share of other symptoms from which on a case is one that shows several
	rarest  = 0.05 // rate of a flaky case: telling rarer failures from none takes more runs than a person waits for
	fluke   = 1.0 / 2000
)

var (
	// A case that always fails does so nearly: the machine has other things to do, too.
	always = []manner{{weight: 0.60, rate: 0.9995}, {weight: 0.25, rate: 0.995}, {weight: 0.10, rate: 0.97}, {weight: 0.05, rate: 0.90}}
	// Of a flaky one not even the order of magnitude is known.
	flaky = logUniform(16)
	// One symptom, one now and then, or any.
	others = []manner{{weight: 0.80, other: 0.01}, {weight: 0.18, other: 0.10}, {weight: 0.02, other: 0.5}}
)

func logUniform(n int) []manner {
	var out []manner
	for i := range n {
		out = append(out, manner{1 / float64(n), math.Pow(rarest, (float64(i)+0.5)/float64(n)), 0, true})
	}
	return out
}

// A reproducer is written until it shows its bug, and one that does so in some runs only is declared to be flaky
// (Case.Flaky): 3 of 100 others are so all the same. When somebody has seen the case change, as who bisects has, one
// of 1000 is.
const (
	undeclared = 0.03
	observed   = 0.001
)

// manners are those of a case that is flaky with some probability.
func manners(flakes float64, symptoms int) []manner {
	var out []manner
	add := func(m manner, share float64) {
		m.weight *= share
		if symptoms == 1 {
			out = append(out, m)
			return
		}
		for _, o := range others {
			out = append(out, manner{m.weight * o.weight, m.rate, o.other, m.flaky})
		}
	}
	for _, m := range always {
		if flakes < 1 {
			add(m, 1-flakes)
		}
	}
	for _, m := range flaky {
		add(m, flakes)
	}
	return out
}

// shows returns the probability of each state that a run may show, on a kernel in one of them. A good kernel's run is
// bad when the machine had other things to do.
func (m manner) shows(state, states int) []float64 {
	out := make([]float64, states)
	symptoms := float64(states - 1)
	bad := m.rate
	if state == 0 {
		bad = fluke
	}
	out[0] = 1 - bad
	for x := 1; x < states; x++ {
		switch {
		case state == 0 || states == 2:
			out[x] = bad / symptoms
		case x == state:
			out[x] = bad * (1 - m.other)
		default:
			out[x] = bad * m.other / (symptoms - 1)
		}
	}
	return out
}
