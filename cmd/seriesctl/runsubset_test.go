package main

import (
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/qemu"
	"github.com/seriesctl/seriesctl/series"
	"github.com/seriesctl/seriesctl/testplan"
)

// letter is a mail.
type letter string

func (l letter) WriteTo(w io.Writer) (int64, error) {
	n, err := io.WriteString(w, string(l))
	return int64(n), err
}

// withSeries is a workspace with a series "s".
func withSeries(t *testing.T) *store.Store {
	t.Helper()
	st, err := store.Open(filepath.Join(t.TempDir(), "ws"), true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	if err := st.PutSeries(letter("mail"), store.SeriesRow{ID: "s"}); err != nil {
		t.Fatal(err)
	}
	return st
}

// specWith is what a run of two prefixes and these cases asks for.
func specWith(cases ...string) *lab.Spec {
	s := &lab.Spec{Series: "s", Base: "a", Accel: "tcg", Patches: []int{0, 1}}
	for i := range 2 {
		s.Variants = append(s.Variants, lab.Variant{Variant: series.Variant{Index: i, Status: series.Applied}, Key: "a"})
	}
	for _, c := range cases {
		s.Cases = append(s.Cases, lab.Case{Case: testplan.Case{Name: c, Run: qemu.Case{Argv: []string{c}}}, Key: "key of " + c})
	}
	return s
}

// A subset joins the matrix that was asked for last, and of that only the subset is run, as the plan of now says. What is kept
// of a case does not say how it is run: taken from there it ended in a panic.
func TestKeepSubsets(t *testing.T) {
	st := withSeries(t)
	kept := specWith("read", "write", "cross")
	kept.Checks = []string{"checkpatch"}
	if err := st.PutMatrix("s", kept); err != nil {
		t.Fatal(err)
	}
	now := specWith("read", "cross", "new")
	now.Runs = 3
	now.Subsets = []lab.Variant{{Variant: series.Variant{Index: 2, Status: series.Applied}, Subset: []int{1, 3}, Key: "x"}}
	j := &labJob{specs: []*lab.Spec{now}, subsets: [][]int{{1, 3}}}
	asked, err := j.keepSubsets(st, "s")
	if err != nil {
		t.Fatal(err)
	}
	if len(asked.Cases) != 3 || len(asked.Subsets) != 1 || len(asked.Checks) != 1 || asked.Runs != 0 {
		t.Errorf("the matrix is now %+v", asked)
	}
	run := j.specs[0]
	if len(run.Cases) != 2 || run.Cases[0].Run.Argv == nil || run.Cases[1].Name != "cross" || run.Checks != nil || run.Runs != 3 {
		t.Errorf("is to be run: %+v", run)
	}
	if b := run.Beside(j.subsets...); len(b.Rows) != 1 || b.Rows[0] != 2 {
		t.Errorf("strategy %+v", b)
	}

	for want, other := range map[string]func(s *lab.Spec){
		"another base":        func(s *lab.Spec) { s.Base = "b" },
		"other patches":       func(s *lab.Spec) { s.Patches = []int{0, 2} },
		"another config":      func(s *lab.Spec) { s.Config = "c" },
		"another accelerator": func(s *lab.Spec) { s.Accel = "kvm" },
		"another case read":   func(s *lab.Spec) { s.Cases[0].Key = "another" },
		"other cases":         func(s *lab.Spec) { s.Cases = s.Cases[2:] },
		"another compiler":    func(s *lab.Spec) { s.Variants[1].Key = "another" },
		"another plan":        func(s *lab.Spec) { s.More = []*lab.Spec{specWith("read")} },
	} {
		now := specWith("read", "cross", "new")
		other(now)
		j := &labJob{specs: append([]*lab.Spec{now}, now.More...)}
		if _, err := j.keepSubsets(st, "s"); err == nil || !strings.Contains(err.Error(), "the last matrix is of "+want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

func TestReadRow(t *testing.T) {
	for text, want := range map[string]string{"4": "prefix 4", "0": "prefix 0", "2,4-6": "subset 2,4-6", "{4}": "subset 4", "{6,2}": "subset 2,6", "3-4": "subset 3-4"} {
		if at, err := readRow("log", text); err != nil || at.Name() != want {
			t.Errorf("%s: got %s, %v", text, at.Name(), err)
		}
	}
	for _, text := range []string{"", "x", "-1", "4-2", "{}", "0-3"} {
		if at, err := readRow("log", text); err == nil {
			t.Errorf("%q is %s", text, at.Name())
		}
	}
}
