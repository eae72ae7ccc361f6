package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/testplan"
)

func TestBisectionSaysWhat(t *testing.T) {
	cells := []lab.Cell{{Prefix: 3, Case: "gfs2/a", Outcome: testplan.Fail, Signature: "read EFAULT", Runs: 2, Agree: 2, Confidence: 1}}
	for name, tc := range map[string]struct {
		b    lab.Bisection
		want []string
	}{
		"one patch": {lab.Bisection{Case: "gfs2/a", Patch: 4, Subject: "gfs2: x\x1b[31m", Effect: testplan.Fixes, Before: "fail read EFAULT", After: "pass", Probability: 0.97, Cells: cells},
			[]string{`patch 4 "gfs2: x`, "fixes gfs2/a: fail (read EFAULT) → pass (97% sure)", "prefix 3: fail (read EFAULT) (2 runs)"}},
		"a range": {lab.Bisection{Case: "gfs2/a", First: 4, Patch: 6, Effect: testplan.Regresses, Before: "pass", After: "fail", Probability: 1, Skipped: []int{4, 5}},
			[]string{"one of patches 4-6 regresses gfs2/a", "prefixes 4-5 have no kernel"}},
		"and another": {lab.Bisection{Case: "gfs2/a", Patch: 9, Effect: testplan.Fixes, Before: "fail", After: "pass", Probability: 1,
			Others: []testplan.Attribution{{Patch: 4, Effect: testplan.ChangesSymptom, Before: "deadlock f", After: "fail", Probability: 0.96}}},
			[]string{"patch 9 fixes gfs2/a", "it changes again: patch 4 changes the symptom of it: deadlock (f) → fail (96% sure)"}},
		"by hand": {lab.Bisection{First: 4, Patch: 6, Effect: testplan.Fixes, Before: "bad", After: "good", Probability: 1, Skipped: []int{4, 5}, Manual: &lab.Manual{}},
			[]string{"one of patches 4-6 fixes what was judged: bad → good", "prefixes 4-5 were skipped"}},
		"by hand, none": {lab.Bisection{Effect: testplan.NoEffect, Before: "bad", After: "bad", Manual: &lab.Manual{}}, []string{"no patch changes what was judged: bad at both ends"}},
		"by hand, lost": {lab.Bisection{Effect: testplan.Undetermined, Manual: &lab.Manual{}}, []string{"undetermined: no prefix is left that could be judged"}},
		"none":          {lab.Bisection{Case: "gfs2/a", Effect: testplan.NoEffect, Probability: 0.98}, []string{"no patch changes gfs2/a (98% sure)"}},
		"no two kernels": {lab.Bisection{Case: "gfs2/a", Effect: testplan.Undetermined, Skipped: []int{1, 2}},
			[]string{"undetermined: there are no two kernels to compare gfs2/a on", "prefixes 1-2 have no kernel"}},
		"unknown": {lab.Bisection{Case: "gfs2/a", Effect: testplan.Undetermined, Probability: 0.6, Needs: &lab.Undecided{Runs: 40, Builds: 1, Seconds: 60}},
			[]string{"undetermined", "60% sure", "to know: about 40 runs and 1 build, 1 min 0 s"}},
		"unknowable": {lab.Bisection{Case: "gfs2/a", Effect: testplan.Undetermined, Probability: 0.6, Needs: &lab.Undecided{Case: "gfs2/a", Sure: 0.6}},
			[]string{"undetermined", "nothing that can be run here would tell"}},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := Bisection(&out, &tc.b, Options{Width: 200}); err != nil {
				t.Fatal(err)
			}
			for _, w := range tc.want {
				if !strings.Contains(out.String(), w) {
					t.Errorf("no %q in\n%s", w, &out)
				}
			}
			if strings.Contains(out.String(), "\x1b") {
				t.Errorf("an escape got through: %q", out.String())
			}
		})
	}
}

func TestReportSaysWhatIsUndecidedAndRarer(t *testing.T) {
	r := &lab.Result{Prefixes: []lab.Prefix{{Status: lab.PrefixOK}, {Index: 1, Patch: 1, Subject: "x", Status: lab.PrefixOK}},
		Cases:        []testplan.Case{{Name: "gfs2/a", Filesystem: "gfs2"}},
		Cells:        []lab.Cell{{Case: "gfs2/a", State: lab.CellDone, Outcome: testplan.Fail, Runs: 9, Agree: 9}, {Prefix: 1, Case: "gfs2/a", State: lab.CellDone, Outcome: testplan.Pass, Runs: 9, Agree: 7, Flaky: true}},
		Attributions: []testplan.Attribution{{Case: "gfs2/a", Patch: 1, Effect: testplan.Rarer, Before: "fail", After: "fail", Probability: 0.96}},
		Undecided:    []lab.Undecided{{Case: "gfs2/a", Sure: 0.8, Runs: 30, Seconds: 18}}}
	for _, format := range []string{"text", "markdown"} {
		var out bytes.Buffer
		if err := Write(&out, format, r, Options{Width: 200}); err != nil {
			t.Fatal(err)
		}
		for _, w := range []string{"makes rarer, but does not fix,", "is undecided (80% sure): about 30 runs, 18 s would tell"} {
			if !strings.Contains(out.String(), w) {
				t.Errorf("%s: no %q in\n%s", format, w, &out)
			}
		}
	}
}

// What a plan expects to fail is shown as it is, so the report says that it was expected.
func TestReportSaysWhatIsExpected(t *testing.T) {
	expect := testplan.Expect{Outcome: testplan.Fail, Words: []string{"EFAULT"}}
	r := &lab.Result{Prefixes: []lab.Prefix{{Status: lab.PrefixOK}},
		Cases: []testplan.Case{{Name: "gfs2/a", Filesystem: "gfs2", Expect: expect}, {Name: "gfs2/b", Filesystem: "gfs2"}, {Name: "gfs2/c", Filesystem: "gfs2", Expect: expect}},
		Cells: []lab.Cell{{Case: "gfs2/a", State: lab.CellDone, Outcome: testplan.Fail, Signature: "read EFAULT", Runs: 1, Agree: 1}}}
	for format, want := range map[string]string{"text": "the plan expects fail (EFAULT) of gfs2/a, gfs2/c\n", "markdown": "- the plan expects `fail (EFAULT)` of `gfs2/a`, `gfs2/c`\n"} {
		var out bytes.Buffer
		if err := Write(&out, format, r, Options{Width: 200}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s: no %q in\n%s", format, want, &out)
		}
	}
}
