package lab

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/qemu"
	"github.com/seriesctl/seriesctl/testplan"
)

// record is what is kept of a stored run: how it is judged, and what its output says where that is KTAP.
type record struct {
	id      int64
	seconds float64
	infra   string
	judged  testplan.Judgement
	// Of a case that prints KTAP the run itself: its subtests are judged by it, too.
	ktap        *testplan.KTAP
	observation qemu.Observation
}

func newRecord(c Case, s store.Run) record {
	one := record{id: s.ID, seconds: s.Observation.Duration.Seconds(), infra: s.Infra}
	switch {
	case s.Infra != "":
		one.judged = testplan.Judgement{Outcome: testplan.Infra, Signature: s.Infra, Evidence: s.Infra}
	case c.KTAP:
		one.ktap, one.observation = testplan.ParseKTAP(s.Observation.Output), s.Observation
	default:
		one.judged = c.Judge(s.Observation)
	}
	return one
}

// judge judges a stored run: judging is a pure function, so a better judge applies to old runs too.
func judge(c Case, r record) testplan.Judgement {
	if r.ktap != nil {
		return c.JudgeKTAP(r.observation, r.ktap)
	}
	return r.judged
}

// records are the stored runs of a Spec's cases.
type records struct {
	cases []Case                // the Spec's, each followed by the subtests that its runs have shown: they share its runs
	runs  []map[string][]record // by variant and key
}

// reading is how far the runs of an image have been read.
type reading struct {
	last int64               // the newest run
	runs map[string][]record // by key, oldest first
}

// readRecords reads the runs of all cells that have an image, and finds the subtests in them.
func (l *Loader) readRecords(prefixes []Prefix) (*records, error) {
	r := &records{}
	for _, p := range prefixes {
		if p.Status != PrefixOK {
			r.runs = append(r.runs, nil)
			continue
		}
		read, err := l.readImage(p.Image)
		if err != nil {
			return nil, err
		}
		r.runs = append(r.runs, read)
	}
	for _, c := range l.spec.Cases {
		r.cases = append(r.cases, c)
		var outputs []*testplan.KTAP
		for _, runs := range r.runs {
			for _, one := range runs[c.Key] {
				if one.ktap != nil {
					outputs = append(outputs, one.ktap)
				}
			}
		}
		for _, sub := range c.Subtests(outputs) {
			r.cases = append(r.cases, Case{Case: sub, Key: c.Key})
		}
	}
	return r, nil
}

// readImage reads the runs of an image that are new.
func (l *Loader) readImage(image string) (map[string][]record, error) {
	img := l.read[image]
	if img == nil {
		img = &reading{runs: map[string][]record{}}
		l.read[image] = img
	}
	wanted := func(cell string) bool { _, ok := l.cases[cell]; return ok }
	err := l.st.RunsAfter(image, img.last, wanted, func(cell string, s store.Run) {
		img.last = s.ID
		img.runs[cell] = append(img.runs[cell], newRecord(l.cases[cell], s))
	})
	return img.runs, err
}

// subtestOf is c, or the subtest of it that has the name.
func subtestOf(c Case, name string) (Case, bool) {
	sub, ok := strings.CutPrefix(name, c.Name)
	if !ok || sub != "" && (sub[0] != ':' || !c.KTAP) {
		return c, false
	}
	c.Name, c.Subtest = name, strings.TrimPrefix(sub, ":")
	return c, true
}

// BisectSubtest is Bisect for a subtest of the Spec's one case: no run need have shown it yet.
type BisectSubtest struct {
	Limits
	Name string
}

// Next implements Strategy.
func (b BisectSubtest) Next(s *State) ([]Want, string) {
	if c := slices.IndexFunc(s.Cases, func(c Case) bool { return c.Name == b.Name }); c >= 0 {
		return Bisect{b.Limits, c}.Next(s)
	}
	in := s.inquire(0, testplan.Question{Confidence: b.Confidence}, b.Limits)
	open := func(o bool) bool { return o }
	first := slices.IndexFunc(in.Open, open)
	last := len(in.Open) - 1
	for last >= 0 && !in.Open[last] {
		last--
	}
	for _, i := range []int{first, last} { // a subtest may be new, or go
		if i >= 0 && in.can(i) && in.Runs[i] == 0 {
			return []Want{{CellID{i, 0}, 1}}, "no run has shown the subtest yet"
		}
	}
	return nil, "no run shows the subtest"
}

// place finds a case, or a subtest that a run has shown.
func (s *State) place(name string) (int, error) {
	c := slices.IndexFunc(s.Cases, func(c Case) bool { return c.Name == name })
	if c < 0 {
		return 0, fmt.Errorf("find %s: no run of %s shows such a subtest", name, s.Cases[0].Name)
	}
	return c, nil
}
