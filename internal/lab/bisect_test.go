package lab

import (
	"fmt"
	"math"
	"testing"

	"github.com/seriesctl/seriesctl/series"
	"github.com/seriesctl/seriesctl/testplan"
)

var bisectLimits = Limits{Confidence: 0.95, Runs: 1, Confirm: 2, Most: 40}

// fixedWorld has one case that is bad on some prefixes, always.
func fixedWorld(bad []bool) *world {
	w := &world{truths: []truth{{rate: 1, bad: bad}}}
	for p := range bad {
		w.image = append(w.image, fmt.Sprint("i", p))
	}
	return w
}

func TestBisectTakesAsFewBuildsAsThereAreBits(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5, 7, 8, 9, 15, 16, 20} {
		for patch := 1; patch <= n+1; patch++ { // n+1: none changes it
			for _, fix := range []bool{true, false} {
				bad := make([]bool, n+1)
				for p := range bad {
					bad[p] = (p < patch) == fix
				}
				s := simulate(fixedWorld(bad))
				b := Bisect{bisectLimits, 0}
				s.follow(b)
				at := b.found(b.inquire(s.state))
				if most := 1 + int(math.Ceil(math.Log2(float64(n+1)))); s.builds > most || s.runs > most+8 {
					t.Errorf("%d patches, patch %d, fix %v: %d builds, want the base and %d; %d runs", n, patch, fix, s.builds, most-1, s.runs)
				}
				switch {
				case patch > n && at == nil:
				case at == nil || at.Patch != patch || at.Effect != map[bool]testplan.Effect{true: testplan.Fixes, false: testplan.Regresses}[fix]:
					t.Errorf("%d patches, patch %d, fix %v: got %+v", n, patch, fix, at)
				}
			}
		}
	}
}

func bisectFake(t *testing.T, n int) (*Engine, *fakeLab) {
	e, f := newFake(t, n, "read")
	e.Strategy = Bisect{e.Spec.limits(), 0}
	f.outcome = func(key, _ string, _ int) string {
		var prefix int
		_, _ = fmt.Sscanf(key, "k%d", &prefix)
		return map[bool]string{true: "EFAULT", false: "pass"}[prefix < 6]
	}
	return e, f
}

func mustBisect(t *testing.T, e *Engine) *Bisection {
	t.Helper()
	mustRun(t, e)
	b, err := Bisected(e.Store, e.Spec, e.Spec.Cases[0].Name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBisectPassesOverWhatHasNoImage(t *testing.T) {
	e, f := bisectFake(t, 10)
	f.unbuilt["k5"], f.unbooted["k6"] = true, true
	e.Spec.Variants[7].Status, e.Spec.Variants[7].Key = series.Conflict, ""
	b := mustBisect(t, e)
	if b.Effect != testplan.Fixes || b.First != 5 || b.Patch != 8 || fmt.Sprint(b.Skipped) != "[5 6 7]" {
		t.Errorf("got %+v", b)
	}
}

func TestBisectNamesThePatch(t *testing.T) {
	e, f := bisectFake(t, 10)
	b := mustBisect(t, e)
	if b.Effect != testplan.Fixes || b.First != 0 || b.Patch != 6 || len(b.Skipped) != 0 || b.Probability < 0.95 || len(f.builds) > 5 {
		t.Errorf("got %+v, builds %v", b, f.builds)
	}
	again := &Engine{Store: e.Store, Spec: e.Spec, Strategy: e.Strategy, Maker: &fakeLab{nth: map[string]int{}}, Workers: 2}
	if r := mustRun(t, again); r.Totals.Builds+r.Totals.Runs != 0 {
		t.Errorf("the second time: %+v", r.Totals)
	}
}

func TestBisectSaysThatNothingChanges(t *testing.T) {
	e, f := bisectFake(t, 10)
	f.outcome = func(string, string, int) string { return "hang" }
	b := mustBisect(t, e)
	if b.Effect != testplan.NoEffect || b.Patch != 0 || b.Probability < 0.95 {
		t.Errorf("got %+v", b)
	}
}

func TestBisectOfWhatTheLabCannotRunIsUndetermined(t *testing.T) {
	e, f := bisectFake(t, 4)
	f.outcome = func(string, string, int) string { return "infra" }
	b := mustBisect(t, e)
	if b.Effect != testplan.Undetermined || b.Patch != 0 || b.Needs == nil || b.Needs.Runs < b.Needs.Builds {
		t.Errorf("got %+v, needs %+v", b, b.Needs)
	}
}

// Where an earlier run has built every prefix, a bisection still chooses.
func TestBisectDoesNotRunAllThatIsBuilt(t *testing.T) {
	e, f := bisectFake(t, 20)
	for _, v := range e.Spec.Variants {
		if err := e.Image(t.Context(), v); err != nil {
			t.Fatal(err)
		}
	}
	if b := mustBisect(t, e); b.Patch != 6 || b.Effect != testplan.Fixes || len(f.runs) > 14 {
		t.Errorf("got %+v by %d runs: %v", b, len(f.runs), f.runs)
	}
}

// Where only the base has a kernel nobody can say that no patch changes the case.
func TestBisectWithoutTwoKernels(t *testing.T) {
	e, _ := bisectFake(t, 4)
	for i := 1; i < len(e.Spec.Variants); i++ {
		v := &e.Spec.Variants[i]
		v.Status, v.Key = series.Blocked, ""
	}
	b := mustBisect(t, e)
	if b.Effect != testplan.Undetermined || b.Needs != nil || len(b.Skipped) != len(e.Spec.Variants)-1 {
		t.Errorf("got %+v", b)
	}
}

func TestBisectSaysWhereItCanNotLook(t *testing.T) {
	e, _ := bisectFake(t, 10)
	for i := 4; i < 10; i++ {
		v := &e.Spec.Variants[i]
		if v.Key, v.Status = "", series.Blocked; i == 4 {
			v.Status = series.Conflict
		}
	}
	if b := mustBisect(t, e); b.Effect != testplan.NoEffect || fmt.Sprint(b.Skipped) != "[4 5 6 7 8 9]" {
		t.Errorf("got %+v", b)
	}
}

// What the matrix knows of other changes of the case is not hidden behind the one that is named.
func TestBisectTellsOfTheOtherChange(t *testing.T) {
	e, f := bisectFake(t, 10)
	f.outcome = func(key, _ string, _ int) string {
		var prefix int
		_, _ = fmt.Sscanf(key, "k%d", &prefix)
		switch {
		case prefix < 4:
			return "hang"
		case prefix < 9:
			return "EFAULT"
		}
		return "pass"
	}
	all := &Engine{Store: e.Store, Spec: e.Spec, Maker: f, Workers: 2}
	mustRun(t, all)
	b := mustBisect(t, e)
	got := fmt.Sprint(b.Patch, b.Effect)
	for _, o := range b.Others {
		got += fmt.Sprint(", ", o.Patch, o.Effect)
	}
	if got != "4changes-symptom, 9fixes" && got != "9fixes, 4changes-symptom" {
		t.Errorf("got %s", got)
	}
}
