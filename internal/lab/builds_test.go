package lab

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// oracle is the least number of builds that can decide every case of w, for who knows the answer and only has to
// prove it: where what was built is known for sure, the truth has to have a probability of at least sure. It
// shares the beliefs of the model in how often cases change, but not those in rates: runs are free.
func oracle(w *world, sure float64) int {
	n := len(w.image)
	built := make([]bool, n)
	built[0], built[n-1] = true, true
	for _, t := range w.truths {
		for _, c := range t.changes {
			built[c.patch-1], built[c.patch] = true, true
		}
	}
	var free []int
	count := 0
	for p, b := range built {
		if b {
			count++
		} else {
			free = append(free, p)
		}
	}
	// prove says whether so many more builds can do, from free[at:] on.
	var prove func(at, more int) bool
	prove = func(at, more int) bool {
		if more == 0 {
			return w.proven(built, sure)
		}
		for ; at+more <= len(free); at++ {
			built[free[at]] = true
			ok := prove(at+1, more-1)
			built[free[at]] = false
			if ok {
				return true
			}
		}
		return false
	}
	more := 0
	for more < len(free) && !prove(0, more) {
		more++
	}
	return count + more
}

// proven says whether the states of what is built leave each case's truth a probability of at least sure.
func (w *world) proven(built []bool, sure float64) bool {
	prior := [...]float64{0.50, 0.34, 0.12, 0.04} // of so many changes
	places := 0                                   // where they may be
	joined := make([]bool, len(built))
	for p := 1; p < len(built); p++ {
		if joined[p] = built[p] && built[p-1] && w.image[p] == w.image[p-1]; !joined[p] {
			places++
		}
	}
	choose := 1.0
	for t := range prior {
		prior[t] /= max(choose, 1)
		choose = choose * float64(places-t) / float64(t+1)
	}
	for _, t := range w.truths {
		var paths [len(prior)][2]float64 // so many lead here, by changes and state
		paths[0] = [2]float64{1, 1}
		for p := range built {
			if p > 0 && !joined[p] {
				for x := len(prior) - 1; x > 0; x-- {
					paths[x][0], paths[x][1] = paths[x][0]+paths[x-1][1], paths[x][1]+paths[x-1][0]
				}
			}
			if built[p] {
				not := map[bool]int{true: 0, false: 1}[t.bad[p]]
				for x := range paths {
					paths[x][not] = 0
				}
			}
		}
		all := 0.0
		for x, weight := range prior {
			all += weight * (paths[x][0] + paths[x][1])
		}
		if prior[len(t.changes)] < sure*all {
			return false
		}
	}
	return true
}

// paired is the mean of differences that are drawn together, and half of its 95% interval.
func paired(differences []float64) (mean, half float64) {
	n := float64(len(differences))
	for _, d := range differences {
		mean += d / n
	}
	squares := 0.0
	for _, d := range differences {
		squares += (d - mean) * (d - mean)
	}
	return mean, 1.96 * math.Sqrt(squares/(n-1)/n)
}

// TestSimulatedBuilds compares the builds of a matrix of 20 patches with building everything: the same truths, and the same
// runs where both run.
func TestSimulatedBuilds(t *testing.T) {
	matrices := min(simulations(t, 12), 500)
	for _, cases := range []int{5, 1} {
		n := matrices * 5 / cases
		rng := seed(t, 406)
		var some, every tally
		var lost, more []float64 // share of cases; seconds
		builds := 0
		least := map[float64]int{0.95: 0, 0.98: 0}
		for range n {
			w := plant(rng, 21, cases, mixed)
			for sure := range least {
				least[sure] += oracle(w, sure)
			}
			var exact, seconds [2]float64
			for i, sum := range []*tally{&some, &every} {
				s := simulate(w)
				s.follow(Matrix{Limits: matrixLimits, All: i == 1})
				for _, a := range s.answers() {
					sum.add(a)
					if a.exact {
						exact[i]++
					}
				}
				if i == 0 {
					builds += s.builds
				}
				seconds[i] = float64(s.builds)*(s.state.Cost.Build+s.state.Cost.Boot) + float64(s.runs)*s.state.Cost.Run
			}
			lost = append(lost, (exact[1]-exact[0])/float64(cases))
			more = append(more, seconds[0]-seconds[1])
		}
		loss, half := paired(lost)
		later, _ := paired(more)
		t.Logf("%d matrices of 21 kernels, %d cases: exact %.1f%% of cases, %.1f%% when all is built: %.2f%% lost (95%%: %.2f to %.2f); a wrong patch %.2f%% and %.2f%%; %.2f builds, %.1f%% fewer; %.1f runs a case, %.1f when all is built; %+.0f s",
			n, cases, 100*share(some.exact, some.n), 100*share(every.exact, every.n), 100*loss, 100*(loss-half), 100*(loss+half),
			100*share(some.wrong, some.n), 100*share(every.wrong, every.n), share(builds, n), 100-100*share(builds, n*21), share(some.runs, some.n), share(every.runs, every.n), later)
		t.Logf("who knows the answer needs %.2f builds to prove it at 0.95, %.2f at 0.98", share(least[0.95], n), share(least[0.98], n))
		if most := 0.65 * 21; share(builds, n) > most+4/math.Sqrt(float64(n)) || loss-half > 0.01 || share(some.exact, some.n) < 0.93 {
			t.Errorf("%d cases: %.2f builds, %.3f of the cases lost (%.3f); want at most %.2f builds, and 1%%", cases, share(builds, n), loss, half, most)
		}
	}
}

func TestOracle(t *testing.T) {
	for _, tc := range []struct {
		changes []int
		most    int
	}{
		{[]int{}, 8},
		{[]int{10}, 8},
		{[]int{5, 15}, 9},
	} {
		bad := make([]bool, 21)
		w := fixedWorld(bad)
		for _, c := range tc.changes {
			w.truths[0].changes = append(w.truths[0].changes, change{patch: c})
			for p := c; p < len(bad); p++ {
				bad[p] = !bad[p]
			}
		}
		got := oracle(w, 0.95)
		for range 200 { // no set of fewer builds that chance finds proves it
			built := make([]bool, 21)
			for _, p := range rand.Perm(21)[:got-1] {
				built[p] = true
			}
			if w.proven(built, 0.95) {
				t.Errorf("%v: %d builds prove it: %v", tc.changes, got-1, built)
			}
		}
		if got > tc.most || slices.Contains(tc.changes, 0) {
			t.Errorf("%v: %d builds, want at most %d", tc.changes, got, tc.most)
		}
	}
}

// A case of 20 patches that fails always or never is decided with at least 35% fewer builds.
func TestMatrixBuildsWhereItTells(t *testing.T) {
	for patch := range 21 { // 0: none changes it
		bad := make([]bool, 21)
		for p := range bad {
			bad[p] = p < patch
		}
		s := simulate(fixedWorld(bad))
		s.follow(Matrix{Limits: matrixLimits})
		if s.builds > 13 {
			t.Errorf("patch %d: %d builds", patch, s.builds)
		}
		var named []int
		for _, a := range s.answers()[0].claims {
			named = append(named, a.Patch)
		}
		if patch == 0 && len(named) > 0 || patch > 0 && !slices.Equal(named, []int{patch}) {
			t.Errorf("patch %d: %v is named", patch, named)
		}
	}
}
