package lab

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seriesctl/seriesctl/qemu"
	"github.com/seriesctl/seriesctl/testplan"
)

// ktapFake is a case mm beside a plain one. In mm: a passes; b fails up to prefix 1, then passes; c is there from prefix 1
// on and fails otherwise on prefix 3; d is skipped; the kernel dies on prefix 4 after a.
func ktapFake(t *testing.T) (*Engine, *fakeLab) {
	e, f := newFake(t, 5, "tmpfs/mm", "tmpfs/plain")
	e.Spec.Cases[0].KTAP = true
	f.outcome = func(key, program string, _ int) string {
		if program != "tmpfs/mm" {
			return "pass"
		}
		switch key {
		case "k0":
			return "says 1..3\nok 1 a\nnot ok 2 b # exit=1\nok 3 d # SKIP no\n"
		case "k1":
			return "says 1..4\nok 1 a\nnot ok 2 b # exit=1\nnot ok 3 c # exit=1\nok 4 d # SKIP no\n"
		case "k3":
			return "says 1..4\nok 1 a\nok 2 b\nnot ok 3 c # exit=2\nok 4 d # SKIP no\n"
		case "k4":
			return "says 1..4\nok 1 a\n"
		}
		return "says 1..4\nok 1 a\nok 2 b\nnot ok 3 c # exit=1\nok 4 d # SKIP no\n"
	}
	return e, f
}

// row writes the cells of a case: its outcome and signature, or its state.
func row(r *Result, name string) string {
	var out []string
	for _, c := range r.Cells {
		if c.Case == name {
			s := strings.TrimSpace(string(c.Outcome) + " " + c.Signature)
			if c.Outcome == "" {
				s = strings.TrimSpace(string(c.State) + ": " + c.Signature)
			}
			out = append(out, s)
		}
	}
	return strings.Join(out, "|")
}

func effects(r *Result) string {
	var out []string
	for _, a := range r.Attributions {
		out = append(out, fmt.Sprintf("%d %s %s", a.Patch, a.Effect, a.Case))
	}
	slices.Sort(out)
	return strings.Join(out, "|")
}

func TestSubtestsAreCases(t *testing.T) {
	e, f := ktapFake(t)
	r, err := e.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"tmpfs/mm":    "fail subtests|fail subtests|fail subtests|fail subtests|fail missing results",
		"tmpfs/mm:a":  "pass|pass|pass|pass|pass",
		"tmpfs/mm:b":  "fail exit 1|fail exit 1|pass|pass|absent: not reached",
		"tmpfs/mm:c":  "absent: absent|fail exit 1|fail exit 1|fail exit 2|absent: not reached",
		"tmpfs/mm:d":  "skipped: skipped|skipped: skipped|skipped: skipped|skipped: skipped|absent: not reached",
		"tmpfs/plain": "pass|pass|pass|pass|pass",
	} {
		if got := row(r, name); got != want {
			t.Errorf("%s: got  %s\nwant %s", name, got, want)
		}
	}
	// The matrix has the subtests behind their case, and as many cells as cases and prefixes.
	var names []string
	for _, c := range r.Cases {
		names = append(names, c.Name)
	}
	if got := strings.Join(names, " "); got != "tmpfs/mm tmpfs/mm:a tmpfs/mm:b tmpfs/mm:d tmpfs/mm:c tmpfs/plain" || len(r.Cells) != len(names)*5 {
		t.Errorf("got %s, %d cells", got, len(r.Cells))
	}
	// Another failure is another symptom, of a subtest too.
	if got, want := effects(r), "2 fixes tmpfs/mm:b|3 changes-symptom tmpfs/mm:c|4 changes-symptom tmpfs/mm"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if len(r.Undecided) != 0 {
		t.Errorf("undecided: %+v", r.Undecided)
	}
	// One run gives all its subtests.
	for _, c := range r.Cells {
		if c.Case == "tmpfs/mm" || c.Case == "tmpfs/mm:a" {
			if n := f.nth[fmt.Sprintf("k%d tmpfs/mm", c.Prefix)]; c.Runs != n {
				t.Errorf("%s on %d has %d runs, %d were made", c.Case, c.Prefix, c.Runs, n)
			}
		}
	}
	before := len(f.runs)
	again, err := e.Run(t.Context())
	if err != nil || len(f.runs) != before || row(again, "tmpfs/mm:b") != row(r, "tmpfs/mm:b") {
		t.Errorf("again: %d more runs, %v", len(f.runs)-before, err)
	}
	// The runs of a subtest are its case's, judged for it.
	runs, err := Runs(e.Store, e.Spec, 1, "tmpfs/mm:b")
	if err != nil || len(runs) == 0 || runs[0].Judgement.Signature != "exit 1" || !strings.Contains(runs[0].Observation.Output, "not ok 2 b") {
		t.Errorf("got %+v %v", runs, err)
	}
	if runs, err := Runs(e.Store, e.Spec, 1, "tmpfs/plain:b"); err != nil || len(runs) != 0 {
		t.Errorf("a case without subtests: got %+v %v", runs, err)
	}
}

// TestSkippedCellsAreNoEvidence: a script that does not apply on some kernels is asked once there, and decides nothing.
func TestSkippedCellsAreNoEvidence(t *testing.T) {
	e, f := newFake(t, 4, "run")
	e.Spec.Cases[0].Kind = testplan.KindScript
	f.outcome = func(key, _ string, nth int) string {
		switch {
		case key == "k0" || key == "k2":
			return "exit 77"
		case key == "k1" && nth == 1:
			return "exit 77" // once, by chance
		case key == "k3":
			return "EFAULT"
		}
		return "pass"
	}
	r, err := e.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := row(r, "run"), "skipped: skipped|skipped: skipped|skipped: skipped|fail read EFAULT"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if len(r.Attributions) != 0 || f.nth["k0 run"] != 1 {
		t.Errorf("got %s; %d runs where it skips", effects(r), f.nth["k0 run"])
	}
	// A second run of the cell that skipped by chance is wanted by hand, and counts.
	e.Spec.Runs = 2
	e.Strategy = wantAll{}
	if r, err = e.Run(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got := row(r, "run"); !strings.HasPrefix(got, "skipped: skipped|pass|skipped: skipped|fail") {
		t.Errorf("got %s", got)
	}
	for _, c := range r.Cells {
		if c.Prefix == 1 && c.Runs != 1 {
			t.Errorf("a skipped run counts: %+v", c)
		}
	}
}

// wantAll asks for one run of evidence of each cell.
type wantAll struct{}

func (wantAll) Next(s *State) ([]Want, string) {
	var out []Want
	for i, col := range s.Columns {
		for c := range s.Cases {
			if len(col.Runs[s.Cases[c].Name]) == 0 && s.blank[CellID{i, c}] < 2 {
				out = append(out, Want{CellID{i, c}, 1})
			}
		}
	}
	return out, ""
}

func TestBisectOfASubtest(t *testing.T) {
	e, _ := ktapFake(t)
	e.Spec.Cases = e.Spec.Cases[:1]
	e.Strategy = BisectSubtest{e.Spec.limits(), "tmpfs/mm:b"}
	if _, err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	b, err := Bisected(e.Store, e.Spec, "tmpfs/mm:b")
	if err != nil || b.Patch != 2 || b.Effect != testplan.Fixes || b.Case != "tmpfs/mm:b" {
		t.Errorf("got %+v %v", b, err)
	}
}

// TestBisectOfNoSubtest: nobody has seen it, and nobody will.
func TestBisectOfNoSubtest(t *testing.T) {
	e, f := ktapFake(t)
	e.Spec.Cases = e.Spec.Cases[:1]
	e.Strategy = BisectSubtest{e.Spec.limits(), "tmpfs/mm:z"}
	if _, err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(f.runs) != 2 {
		t.Errorf("ran %v, want the first and the last prefix", f.runs)
	}
	if _, err := Bisected(e.Store, e.Spec, "tmpfs/mm:z"); err == nil || !strings.Contains(err.Error(), "no run of tmpfs/mm shows such a subtest") {
		t.Errorf("got %v", err)
	}
}

// TestKeysOfCases: what a case needs of the machine is in the keys of its cells, and in no others.
func TestKeysOfCases(t *testing.T) {
	h := &Host{Machine: qemu.Machine{Tools: []string{"dd", "sh"}, Files: map[string]string{"/case/x": "/x"}, Programs: map[string]string{"a": "/a"}}}
	if m := h.machineFor(testplan.Case{}); m.Tools != nil || m.Files != nil || m.Programs != nil {
		t.Errorf("got %+v", m)
	}
	if m := h.machineFor(testplan.Case{Run: qemu.Case{Tools: []string{"sh"}}}); !slices.Equal(m.Tools, []string{"sh"}) || m.Files != nil {
		t.Errorf("got %+v", m)
	}
}

// What goes on is the case, also where only a subtest of it wants runs: giving the case up reaches it.
func TestSubtestsAreNotRunThemselves(t *testing.T) {
	e, f := ktapFake(t)
	e.Spec.Cases = e.Spec.Cases[:1]
	e.Strategy = BisectSubtest{e.Spec.limits(), "tmpfs/mm:b"}
	e.Skip(Activity{Prefix: 2, Case: "tmpfs/mm"})
	e.Watch = func(s Status) {
		for _, a := range s.Running {
			if strings.Contains(a.Case, ":") {
				t.Errorf("runs %s", a.Case)
			}
		}
		for _, w := range s.Wanted {
			if strings.Contains(w.Case, ":") {
				t.Errorf("wants %s", w.Case)
			}
		}
	}
	mustRun(t, e)
	if n := f.nth["k2 tmpfs/mm"]; n != 0 {
		t.Errorf("given up, and run %d times", n)
	}
}
