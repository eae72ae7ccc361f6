package lab

import (
	"strings"
	"testing"
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
