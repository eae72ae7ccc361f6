package testplan

import (
	"maps"
	"math"
	"slices"
)

// Verdict draws a cell's verdict from its runs: the outcome and signature that most runs have, how many have it, and
// the probability that one more run would have it too. Infra runs do not count, unless there are no others: then
// the outcome is Infra and the confidence 0. Of two that are equally frequent the one that is no pass wins, then
// the first in the alphabet. Without runs the outcome is "".
func Verdict(runs []Judgement) (outcome Outcome, signature string, agree int, confidence float64) {
	type key struct {
		o Outcome
		s string
	}
	count := make(map[key]int)
	infra := make(map[key]int)
	n := 0
	for _, j := range runs {
		if j.Outcome == Infra {
			infra[key{j.Outcome, j.Signature}]++
			continue
		}
		count[key{j.Outcome, j.Signature}]++
		n++
	}
	most := func(m map[key]int) key {
		keys := slices.SortedFunc(maps.Keys(m), func(a, b key) int {
			switch {
			case m[a] != m[b]:
				return m[b] - m[a]
			case (a.o == Pass) != (b.o == Pass):
				if b.o == Pass {
					return -1
				}
				return 1
			case State(Judgement{Outcome: a.o, Signature: a.s}) < State(Judgement{Outcome: b.o, Signature: b.s}):
				return -1
			}
			return 1
		})
		return keys[0]
	}
	if n == 0 {
		if len(infra) == 0 {
			return "", "", 0, 0
		}
		k := most(infra)
		return k.o, k.s, infra[k], 0
	}
	k := most(count)
	a, b := count[k], n-count[k]
	return k.o, k.s, a, again(a, b)
}

// again is the probability that the next run agrees with those of before, of which agree did and differ did not: nearly
// all cells always show the same, and of the others nothing is known.
func again(agree, differ int) float64 {
	p := func(agree int) float64 {
		a, d := float64(agree), float64(differ)
		sum := 0.0
		for _, m := range always {
			sum += m.weight * math.Pow(m.rate, a) * math.Pow(1-m.rate, d)
		}
		lb, _ := math.Lgamma(a + 1)
		ld, _ := math.Lgamma(d + 1)
		ln, _ := math.Lgamma(a + d + 2)
		return (1-undeclared)*sum + undeclared*math.Exp(lb+ld-ln)
	}
	return p(agree+1) / p(agree)
}
