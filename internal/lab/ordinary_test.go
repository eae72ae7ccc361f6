package lab

import (
	"testing"

	"github.com/seriesctl/seriesctl/testplan"
)

// ordinary has 10 kernels and 30 cases that fail always or never; a patch changes half of them.
func ordinary() *world {
	w := fixedWorld(make([]bool, 10))
	w.truths = nil
	for i := range 30 {
		bad := make([]bool, 10)
		for p := range bad {
			bad[p] = i%4 < 2 != (i%2 == 1 && p > i%9)
		}
		t := truth{rate: 1, bad: bad}
		for p := 1; p < len(bad); p++ {
			if bad[p] != bad[p-1] {
				t.changes = append(t.changes, change{p, map[bool]testplan.Effect{true: testplan.Regresses, false: testplan.Fixes}[bad[p]]})
			}
		}
		w.truths = append(w.truths, t)
	}
	return w
}

// TestOrdinaryMatrix is what a run costs where nothing is flaky.
func TestOrdinaryMatrix(t *testing.T) {
	s := simulate(ordinary())
	s.follow(Matrix{Limits: matrixLimits})
	fixed := 0
	for i, a := range s.answers() {
		fixed += 10 + 2*len(a.changes)
		if !a.exact {
			t.Errorf("case %d: %v is not found", i, a.changes)
		}
	}
	if s.runs > fixed+18 {
		t.Errorf("%d runs, a fixed rule takes %d", s.runs, fixed)
	}
	t.Logf("%d runs, a fixed rule takes %d", s.runs, fixed)
}
