package lab

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seriesctl/seriesctl/testplan"
)

func TestOutlook(t *testing.T) {
	e, _ := bisectFake(t, 9)
	before, err := Outlooks(e.Store, e.Spec, "read")
	if err != nil {
		t.Fatal(err)
	}
	if len(before.Next) != 1 || before.Next[0].Variant != 0 || before.Why == "" || before.Cell(0) != nil {
		t.Errorf("before anything was run: next %+v (%s)", before.Next, before.Why)
	}
	mustBisect(t, e)
	o, err := Outlooks(e.Store, e.Spec, "read")
	if err != nil {
		t.Fatal(err)
	}
	if o.Patch != 6 || len(o.Next) != 0 || o.Cell(6) == nil {
		t.Errorf("found patch %d, next %+v", o.Patch, o.Next)
	}
	for i, p := range o.Change {
		if (p > 0.9) != (i == 6) {
			t.Errorf("patch %d: %.3f", i, p)
		}
	}
	if _, err := Outlooks(e.Store, e.Spec, "none"); err == nil || !strings.Contains(err.Error(), "no case none") {
		t.Errorf("got %v", err)
	}
}

// The cases of a State have the subtests between them: a case behind one that has subtests is not at its place in the Spec.
func TestOutlookBehindSubtests(t *testing.T) {
	e, _ := ktapFake(t)
	mustRun(t, e)
	for name, patch := range map[string]int{"tmpfs/plain": 0, "tmpfs/mm:b": 2} {
		o, err := Outlooks(e.Store, e.Spec, name)
		if err != nil || o.Case != name || o.Patch != patch {
			t.Errorf("%s: got %+v, %v", name, o, err)
		}
	}
}

// TestUndecidedCountsWhatIsLackingAgainstChance has a case whose answer is probable enough, and which may be a flaky one all the same. By
// what is left to know of the answer two runs would do; they would not rule that out.
func TestUndecidedCountsWhatIsLackingAgainstChance(t *testing.T) {
	letters := map[rune]testplan.Judgement{'.': {Outcome: testplan.Pass}, 'B': {Outcome: testplan.Crash, Signature: "kernel BUG"}, 'E': {Outcome: testplan.Fail, Signature: "read EFAULT"}}
	s := &State{Cost: defaultCost, Lost: map[CellID]bool{}, Cases: []Case{{Case: testplan.Case{Name: "c"}}}}
	for p, word := range []string{"BBB", "BB.B", "...", "....", "BB.B", "EE.E", "EEE"} {
		var runs []testplan.Judgement
		for _, l := range word {
			runs = append(runs, letters[l])
		}
		s.Columns = append(s.Columns, testplan.Column{Prefix: p, Image: fmt.Sprint(p), Runs: map[string][]testplan.Judgement{"c": runs}})
	}
	in := s.inquire(0, testplan.Question{Confidence: 0.95}, (&Spec{Runs: 1, Confirm: 2}).limits())
	u := in.more()
	if !in.answered() || in.settled() || u.Runs < 4 || u.Runs > 20 {
		t.Errorf("answered %v, settled %v, %+v", in.answered(), in.settled(), u)
	}
}
