package lab

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/seriesctl/seriesctl/testplan"
)

// subtests is a State of 41 prefixes, all built, with a test of 1,000 subtests that was run three times on each: 5% fail
// always, 4% are mended by a patch, 1% flake, the others pass.
func subtests() *State {
	rng := rand.New(rand.NewPCG(1, 407))
	s := &State{Cost: defaultCost, Lost: map[CellID]bool{}}
	for p := range 41 {
		s.Columns = append(s.Columns, testplan.Column{Prefix: p, Image: fmt.Sprint("i", p), Runs: map[string][]testplan.Judgement{}})
	}
	for c := range 1000 {
		name := fmt.Sprint("test:", c)
		s.Cases = append(s.Cases, Case{Case: testplan.Case{Name: name}, Key: "test"})
		mended, rate := 1+rng.IntN(40), 0.0
		switch {
		case c%20 == 0:
			mended, rate = 41, 1
		case c%25 == 1:
			rate = 1
		case c%100 == 2:
			mended, rate = 41, 0.3
		}
		for p := range s.Columns {
			for range 3 {
				j := testplan.Judgement{Outcome: testplan.Pass}
				if p < mended && rng.Float64() < rate {
					j = testplan.Judgement{Outcome: testplan.Fail, Signature: "not ok"}
				}
				s.Columns[p].Runs[name] = append(s.Columns[p].Runs[name], j)
			}
		}
	}
	return s
}

// again gives every subtest one more run on a prefix, as it had before.
func (s *State) again(prefix int) {
	for name, runs := range maps.Clone(s.Columns[prefix].Runs) {
		s.Columns[prefix].Runs[name] = append(runs, runs[0])
	}
}

// BenchmarkMatrixNext asks what is next for 1,000 subtests: at first, and after every further run.
func BenchmarkMatrixNext(b *testing.B) {
	m := Matrix{Limits: matrixLimits}
	b.Run("first", func(b *testing.B) {
		s := subtests()
		for b.Loop() {
			s.examiner = nil
			m.Next(s)
		}
	})
	b.Run("round", func(b *testing.B) {
		s := subtests()
		for n := 0; b.Loop(); n++ {
			s.again(n % 41)
			m.Next(s)
			s.examiner.Forget()
		}
	})
	b.Run("nothing new", func(b *testing.B) {
		s := subtests()
		for b.Loop() {
			m.Next(s)
		}
	})
}

func TestTogether(t *testing.T) {
	// A letter is an image, "?" is not built, "-" can't be.
	for text, want := range map[string]float64{
		"abcde": 0, "a???e": 1, "a?c?e": 2.0 / 6, "a-c?e": 1.0 / 6, "a---e": 0, "aa??e": 1, "aac?e": 1.0 / 3, "ab": 0,
	} {
		s := &State{}
		for p, c := range text {
			col := testplan.Column{Prefix: p, Pending: c == '?'}
			if c != '?' && c != '-' {
				col.Image = string(c)
			}
			s.Columns = append(s.Columns, col)
		}
		if got := s.together(); got != want {
			t.Errorf("%s: %.3f, want %.3f", text, got, want)
		}
	}
}

// When every case is answered, a matrix goes on building until few pairs of patches are together.
func TestMatrixParts(t *testing.T) {
	s := simulate(fixedWorld(make([]bool, 31)))
	s.follow(Matrix{Limits: matrixLimits})
	if s.state.together() > mostTogether || s.builds > 20 {
		t.Errorf("%d builds leave %.3f of the pairs together", s.builds, s.state.together())
	}
}

// What is remembered is what would be worked out, and the answers carry their own case's name.
func TestExaminerRemembers(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 408))
	var x testplan.Examiner
	for range 30 {
		w := plant(rng, 9, 4, mixed)
		w.truths[3] = w.truths[2]
		s := simulate(w)
		for c := range w.truths {
			for p := range w.image {
				s.do([]Want{{CellID{p, c}, 1 + c%2}})
			}
		}
		for p := range s.state.Columns {
			runs := s.state.Columns[p].Runs
			runs["c3"] = runs["c2"]
		}
		for _, one := range []bool{false, true} {
			for _, c := range s.state.Cases {
				q := testplan.Question{OneChange: one}
				got, want := x.Examine(s.state.Columns, c.Case, q), testplan.Examine(s.state.Columns, c.Case, q)
				if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
					t.Fatalf("%s: %+v, want %+v", c.Name, got, want)
				}
			}
		}
		x.Forget()
	}
}
