package lab

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/testplan"
)

// record is a stored run, and what its output says where that is KTAP.
type record struct {
	store.Run
	ktap *testplan.KTAP
}

func newRecord(c Case, s store.Run) record {
	one := record{Run: s}
	if c.KTAP && s.Infra == "" {
		one.ktap = testplan.ParseKTAP(s.Observation.Output)
	}
	return one
}

// judge judges a stored run: judging is a pure function, so a better judge applies to old runs too.
func judge(c Case, r record) testplan.Judgement {
	switch {
	case r.Infra != "":
		return testplan.Judgement{Outcome: testplan.Infra, Signature: r.Infra, Evidence: r.Infra}
	case r.ktap != nil:
		return c.JudgeKTAP(r.Observation, r.ktap)
	}
	return c.Judge(r.Observation)
}

// records are the stored runs of a Spec's cases.
type records struct {
	cases []Case                // the Spec's, each followed by the subtests that its runs have shown: they share its runs
	runs  []map[string][]record // by variant and key
}

// readRecords reads the runs of all cells that have an image, and finds the subtests in them.
func readRecords(st *store.Store, spec *Spec, prefixes []Prefix) (*records, error) {
	r := &records{}
	outputs := map[string][]*testplan.KTAP{}
	for _, p := range prefixes {
		runs := map[string][]record{}
		r.runs = append(r.runs, runs)
		if p.Status != PrefixOK {
			continue
		}
		for _, c := range spec.Cases {
			stored, err := st.Runs(p.Image, c.Key)
			if err != nil {
				return nil, err
			}
			for _, s := range stored {
				one := newRecord(c, s)
				if runs[c.Key] = append(runs[c.Key], one); one.ktap != nil {
					outputs[c.Key] = append(outputs[c.Key], one.ktap)
				}
			}
		}
	}
	for _, c := range spec.Cases {
		r.cases = append(r.cases, c)
		for _, sub := range c.Subtests(outputs[c.Key]) {
			r.cases = append(r.cases, Case{Case: sub, Key: c.Key})
		}
	}
	return r, nil
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
