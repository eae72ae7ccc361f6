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

// TestSimulatedBuilds compares the builds of a matrix of 20 patches with building everything, and both with what must be
// built.
func TestSimulatedBuilds(t *testing.T) {
	n := min(simulations(t, 8), 500)
	for _, cases := range []int{5, 1} {
		for _, all := range []bool{false, true} {
			rng := seed(t, 406)
			sum, builds, runs, whole := &tally{}, 0, 0, 0
			least := map[float64]int{0.95: 0, 0.98: 0}
			for range n {
				w := plant(rng, 21, cases, mixed)
				for sure := range least {
					if !all {
						least[sure] += oracle(w, sure)
					}
				}
				s := simulate(w)
				s.follow(Matrix{Limits: matrixLimits, All: all})
				builds += s.builds
				runs += s.runs
				right := true
				for _, a := range s.answers() {
					sum.add(a)
					right = right && a.exact
				}
				if right {
					whole++
				}
			}
			t.Logf("%d cases, all built %-5v: exact %.1f%% of %d cases, %.1f%% of %d matrices, a wrong patch %.2f%%; %.2f builds, of which an oracle needs %.2f to be sure at 0.95 and %.2f at 0.98; %.1f runs a case",
				cases, all, 100*share(sum.exact, sum.n), sum.n, 100*share(whole, n), n, 100*share(sum.wrong, sum.n), share(builds, n), share(least[0.95], n), share(least[0.98], n), share(sum.runs, sum.n))
			if most := 0.65 * 21; !all && (share(builds, n) > most+4/math.Sqrt(float64(n)) || share(sum.exact, sum.n) < 0.93) {
				t.Errorf("%d cases: %.2f builds, exact in %.3f; want at most %.2f builds", cases, share(builds, n), share(sum.exact, sum.n), most)
			}
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
