package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seriesctl/seriesctl/series"
	"github.com/seriesctl/seriesctl/testplan"
)

// withSubset adds a subset, of the key "s", to the matrix of a fake lab.
func withSubset(e *Engine, patches ...int) {
	e.Spec.Keep(Variant{Variant: series.Variant{Status: series.Applied, Tree: series.Hash("ts")}, Subset: patches, Key: "s"})
}

// rfcLike fails as the RFC does: a crash until patch 2, then an error until patch 4. The kernel of a subset is known by its key.
func rfcLike(subset string) func(key, program string, nth int) string {
	return func(key, program string, _ int) string {
		state := map[string]string{"k0": "hang", "k1": "hang", "k2": "EFAULT", "k3": "EFAULT", "k4": "pass", "s": subset}[key]
		if program != "read" {
			return "pass"
		}
		return state
	}
}

func said(list []Comparison) string {
	var out []string
	for _, c := range list {
		out = append(out, fmt.Sprintf("%s %s: %s, %s", c.Effect, c.Case, c.Before, c.After))
	}
	return strings.Join(out, "; ")
}

func TestSubsetIsARowBesideThePrefixes(t *testing.T) {
	for _, tt := range []struct{ state, base, whole string }{
		{"hang", "", "regresses read: pass, deadlock gfs2_glock_wait"},
		{"EFAULT", "changes-symptom read: deadlock gfs2_glock_wait, fail read EFAULT", "regresses read: pass, fail read EFAULT"},
		{"pass", "fixes read: deadlock gfs2_glock_wait, pass", ""},
	} {
		e, f := newFake(t, 5, "read", "sanity")
		f.outcome = rfcLike(tt.state)
		want := mustRun(t, e).Attributions
		before, prefixRuns, totals := len(f.builds), len(f.runs), e.totals.Runs
		withSubset(e, 2, 4)
		e.Strategy = e.Spec.Beside([]int{2, 4})
		r := mustRun(t, e)
		if got := f.builds[before:]; !slices.Equal(got, []string{"s"}) {
			t.Errorf("%s: built %v", tt.state, got)
		}
		// A run for each case, and few more of the one that fails.
		if n := len(f.runs) - prefixRuns; n > 6 || r.Totals.Runs != totals+n {
			t.Errorf("%s: %d runs: %v", tt.state, n, f.runs[prefixRuns:])
		}
		row := r.Row([]int{2, 4})
		if row == nil || row.Index != 5 || row.Patch != 4 || row.Status != PrefixOK || len(row.Cells) != 2 {
			t.Fatalf("%s: row %+v", tt.state, row)
		}
		if got := said(row.Base); got != tt.base {
			t.Errorf("%s beside the base: %s", tt.state, got)
		}
		if got := said(row.Whole); got != tt.whole {
			t.Errorf("%s beside the series: %s", tt.state, got)
		}
		same := func(a, b testplan.Attribution) bool {
			return a.Patch == b.Patch && a.Effect == b.Effect && a.Case == b.Case
		}
		if len(r.Prefixes) != 5 || len(r.Cells) != 10 || !slices.EqualFunc(r.Attributions, want, same) {
			t.Errorf("%s: the prefixes changed: %d, %d cells, %+v instead of %+v", tt.state, len(r.Prefixes), len(r.Cells), r.Attributions, want)
		}
		runs := len(f.runs)
		if mustRun(t, e); len(f.runs) != runs {
			t.Errorf("%s: the same command ran %v", tt.state, f.runs[runs:])
		}
	}
}

// What has the image of a prefix has its runs. A few more are for the base, which the matrix did not compare with it.
func TestSubsetWithTheImageOfAPrefix(t *testing.T) {
	e, f := newFake(t, 5, "read", "sanity")
	f.outcome = rfcLike("")
	mustRun(t, e)
	f.image["s"] = "k3"
	runs := len(f.runs)
	withSubset(e, 1, 3)
	e.Strategy = e.Spec.Beside([]int{1, 3})
	row := mustRun(t, e).Row([]int{1, 3})
	if len(f.runs) > runs+5 || slices.Contains(f.runs[runs:], "k3 sanity") || row.SameImageAs == nil || *row.SameImageAs != 3 || row.Cells[0].InheritedFrom == nil || row.Cells[0].Signature != "read EFAULT" {
		t.Fatalf("ran %v, row %+v", f.runs[runs:], row)
	}
	if got := said(row.Base) + " | " + said(row.Whole); got != "changes-symptom read: deadlock gfs2_glock_wait, fail read EFAULT | regresses read: pass, fail read EFAULT" {
		t.Errorf("got %s", got)
	}
}

// Without a matrix only what the subset is compared with is built.
func TestSubsetFirst(t *testing.T) {
	e, f := newFake(t, 5, "read")
	f.outcome = rfcLike("pass")
	withSubset(e, 2, 4)
	e.Strategy = e.Spec.Beside([]int{2, 4})
	row := mustRun(t, e).Row([]int{2, 4})
	slices.Sort(f.builds)
	if !slices.Equal(f.builds, []string{"k0", "k4", "s"}) || said(row.Base) != "fixes read: deadlock gfs2_glock_wait, pass" || row.Whole == nil || len(row.Whole) != 0 {
		t.Fatalf("built %v, row %+v", f.builds, row)
	}
}

// The matrix fills its subsets, too, after the prefixes; other strategies do not know them.
func TestMatrixFillsItsSubsets(t *testing.T) {
	e, f := newFake(t, 5, "read", "sanity")
	f.outcome = rfcLike("pass")
	withSubset(e, 2, 4)
	r := mustRun(t, e)
	if f.builds[len(f.builds)-1] != "s" || r.Row([]int{2, 4}).Cells[0].Outcome != testplan.Pass {
		t.Fatalf("built %v, rows %+v", f.builds, r.Subsets)
	}
	runs := len(f.runs)
	e.Strategy = &Further{Runs: 1}
	mustRun(t, e)
	if got := f.runs[runs:]; len(got) != 10 || slices.ContainsFunc(got, func(run string) bool { return run[0] == 's' }) {
		t.Errorf("further runs of the prefixes: %v", got)
	}
	runs = len(f.runs)
	e.Strategy = &Further{Runs: 1, Subsets: e.Spec.Beside([]int{2, 4}).Rows}
	mustRun(t, e)
	if got := f.runs[runs:]; len(got) != 2 || got[0][0] != 's' || got[1][0] != 's' {
		t.Errorf("further runs of the subset: %v", got)
	}
}

// Where the lab fails on the base nothing is said beside it, though the prefixes behind it were run.
func TestSubsetBesideNothing(t *testing.T) {
	e, f := newFake(t, 5, "read")
	like := rfcLike("pass")
	f.outcome = func(key, program string, nth int) string {
		if key == "k0" {
			return "infra"
		}
		return like(key, program, nth)
	}
	withSubset(e, 2, 4)
	row := mustRun(t, e).Row([]int{2, 4})
	if got := said(row.Base); got != "" || row.Cells[0].Outcome != testplan.Pass {
		t.Errorf("beside a base without a verdict: %s; %+v", got, row.Cells)
	}
}

func TestInterruptedSubsetResumes(t *testing.T) {
	e, f := newFake(t, 3, "a", "b", "c")
	mustRun(t, e)
	withSubset(e, 2)
	e.Strategy = e.Spec.Beside([]int{2})
	ctx, cancel := context.WithCancel(context.Background())
	runs := len(f.runs)
	f.onRun = func() {
		if len(f.runs) == runs+2 {
			cancel()
		}
	}
	if _, err := e.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	f.onRun = nil
	e = &Engine{Store: e.Store, Spec: e.Spec, Maker: f, Strategy: e.Strategy}
	mustRun(t, e)
	if got := f.runs[runs:]; len(got) != 3 {
		t.Errorf("ran %v", got)
	}
}

func TestSubsetWithoutAKernel(t *testing.T) {
	e, f := newFake(t, 3, "read")
	f.unbuilt["s"] = true
	withSubset(e, 2)
	e.Spec.Keep(Variant{Variant: series.Variant{Status: series.Conflict, Conflicts: []series.ConflictedHunk{{File: "a.c", Hunk: 1, Line: 2, Reason: "context differs"}}}, Subset: []int{1, 2}})
	r := mustRun(t, e)
	if s := r.Subsets[0]; s.Status != PrefixBuildFailed || s.Detail == "" || s.Cells[0].State != CellNone {
		t.Errorf("got %+v", s)
	}
	if s := r.Subsets[1]; s.Status != PrefixConflict || s.Detail != "a.c: hunk 1 at line 2: context differs" || s.Index != 4 {
		t.Errorf("got %+v", s)
	}
}

func TestKeepAndDropSubsets(t *testing.T) {
	e, _ := newFake(t, 3, "read")
	other := *e.Spec
	e.Spec.More = []*Spec{&other}
	for _, s := range []*Spec{e.Spec, &other} {
		s.Keep(Variant{Subset: []int{2}, Key: "a"})
		s.Keep(Variant{Subset: []int{1, 2}, Key: "b"})
		s.Keep(Variant{Subset: []int{2}, Key: "c"})
	}
	if s := e.Spec.Subsets; len(s) != 2 || s[0].Key != "c" || s[0].Index != 3 || s[1].Index != 4 || e.Spec.Where(4) != "subset 1-2" || e.Spec.Where(2) != "prefix 2" {
		t.Fatalf("got %+v", s)
	}
	if e.Spec.Drop([]int{1}) || !e.Spec.Drop([]int{2}) {
		t.Error("dropped what is not there, or not what is")
	}
	for _, s := range []*Spec{e.Spec, &other} {
		if len(s.Subsets) != 1 || s.Subsets[0].Index != 3 || s.Subsets[0].Key != "b" {
			t.Errorf("left %+v", s.Subsets)
		}
	}
}

// What a run does is laid over the row of a subset as over a prefix.
func TestOverlayOfASubset(t *testing.T) {
	e, f := newFake(t, 3, "read", "sanity")
	mustRun(t, e)
	withSubset(e, 2)
	e.Strategy = e.Spec.Beside([]int{2})
	var during []*Result
	e.Watch = func(s Status) {
		r, err := Load(e.Store, e.Spec)
		if err != nil {
			t.Error(err)
			return
		}
		Overlay(r, s)
		during = append(during, r)
		for i := range s.Running {
			if s.Running[i].Where() != "subset 2" {
				t.Errorf("%+v is %s", s.Running[i], s.Running[i].Where())
			}
		}
	}
	e.Workers = 1
	mustRun(t, e)
	has := func(is func(row *SubsetRow) bool) bool {
		return slices.ContainsFunc(during, func(r *Result) bool { return is(&r.Subsets[0]) })
	}
	if !has(func(row *SubsetRow) bool { return row.Status == PrefixBuilding }) ||
		!has(func(row *SubsetRow) bool { return row.Cells[0].State == CellRunning && row.Cells[1].Wanted == 1 }) {
		t.Errorf("never building or running; builds %v", f.builds)
	}
}

func TestList(t *testing.T) {
	for want, list := range map[string][]int{"": nil, "4": {4}, "2,4-6": {2, 4, 5, 6}, "1-3": {1, 2, 3}} {
		if got := List(list); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
