package report

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/report/reporttest"
	"github.com/seriesctl/seriesctl/testplan"
)

// A subset is a row below the prefixes, and its sentences are about the base and the whole series.
func TestSubsetSentences(t *testing.T) {
	r := reporttest.Subsets()
	m := NewMatrix(r)
	if m.Rows() != 13 || m.Prefixes() != 10 || m.Name(10) != "{2,4-6}" || m.Argument(10) != "2,4-6" || m.Argument(11) != "{7}" || m.Name(9) != "9" {
		t.Fatalf("%d rows, %d prefixes, %s, %s", m.Rows(), m.Prefixes(), m.Name(10), m.Argument(11))
	}
	for want, at := range map[string][2]int{
		"subset 2,4-6 fixes gfs2/cross-two-files: deadlock (gfs2_glock_wait, inode_dio_wait) → pass, as the whole series does (1 run)":                          {10, 7},
		"subset 2,4-6 changes the symptom of gfs2/read-self: crash (kernel BUG in gfs2_glock_nq) → fail (read EFAULT), the whole series: pass (1 run)":          {10, 0},
		"subset 2,4-6 leaves gfs2/direct-read-data as on the base: deadlock (gfs2_glock_wait, inode_dio_wait), the whole series: pass (1 run)":                  {10, 3},
		"subset 2,4-6 leaves ext4/sanity as on the base: pass, as the whole series does (1 run)":                                                                {10, 17},
		"subset 7 does not build: build kernel: fs/gfs2/glock.c:12: implicit declaration of function 'glock_outer'":                                             {11, 0},
		"gfs2/direct-read-hole is running on subset 4,9":                                                                                                        {12, 2},
		"gfs2/readv-self is queued on subset 4,9, for 1 run":                                                                                                    {12, 5},
		"subset 4,9 has gfs2/read-self: fail (read EFAULT), the base: crash (kernel BUG in gfs2_glock_nq); not put down to the patches, prefix 9: pass (1 run)": {12, 0},
	} {
		if got := m.Sentence(at[0], at[1]); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if got := m.Does(10); got != "FIX 1 chg 5" {
		t.Errorf("does %q", got)
	}
}

// What is said of the patches, and every field that others rely on, is the same with subsets as without.
func TestSubsetsAreNoPrefixes(t *testing.T) {
	with, without := reporttest.Subsets(), reporttest.RFC()
	var a, b map[string]any
	if err := json.Unmarshal([]byte(write(t, "json", with, Options{})), &a); err != nil {
		t.Fatal(err)
	}
	doc := write(t, "json", without, Options{})
	if err := json.Unmarshal([]byte(doc), &b); err != nil {
		t.Fatal(err)
	}
	subsets, _ := a["subsets"].([]any)
	if delete(a, "subsets"); len(subsets) != 3 || strings.Contains(doc, "subsets") {
		t.Fatalf("%d subsets", len(subsets))
	}
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	if string(x) != string(y) {
		t.Error("the other fields differ")
	}
	first, _ := subsets[0].(map[string]any)
	for _, key := range []string{"patches", "status", "tree", "image", "same_image_as", "build_seconds", "compiled", "warnings", "cells", "beside_base", "beside_series"} {
		if _, ok := first[key]; !ok {
			t.Errorf("no %s in %v", key, first)
		}
	}
	n, w := NewMatrix(without).Notes(), NewMatrix(with).Notes()
	if len(n) != len(w) {
		t.Errorf("%d notes about patches, %d without subsets", len(w), len(n))
	}
}

func TestConsideredSubsetThatWasRun(t *testing.T) {
	r := reporttest.Subsets()
	s := &lab.Subset{Patches: []int{2, 4, 5, 6}, Ran: -1, Row: r.Row([]int{2, 4, 5, 6})}
	if got := SubsetText(s); got != "run together: fixes 1 case, changes the symptom of 5 cases; 7 cases otherwise than the whole series" {
		t.Errorf("got %s", got)
	}
	if r.Row([]int{2, 4, 5}) != nil {
		t.Error("another subset is taken for it")
	}
	if effectVerb(testplan.NoEffect, 0, 0) != "has no effect on" {
		t.Error("the verb of a case that is left")
	}
}
