package testplan

import (
	"maps"
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
	return k.o, k.s, a, sureRate.next(a, b)
}
