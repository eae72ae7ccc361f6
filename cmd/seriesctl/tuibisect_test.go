package main

import (
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/series"
)

// Keys that are pressed faster than answers are kept count all the same.
func TestQuickAnswers(t *testing.T) {
	st := withSeries(t)
	spec := specWith("read")
	for i := range spec.Variants {
		spec.Variants[i].Commit = series.Hash(strings.Repeat(strconv.Itoa(i+1), 40))
	}
	v := &seriesView{st: st, id: "s", spec: spec}
	for range 2 {
		say(t, v, func(s *lab.Session) error { return s.Good(0) }, func(s *lab.Session) error { return s.Bad(1) })
		if s, err := lab.OpenSession(st, "s"); err != nil || len(s.Answers) != 2 {
			t.Fatalf("got %+v, %v", s, err)
		}
		undo := func(s *lab.Session) error { _, err := s.Undo(lab.Latest); return err }
		say(t, v, undo, undo)
		if s, err := lab.OpenSession(st, "s"); err != nil || len(s.Answers) != 0 {
			t.Fatalf("got %+v, %v", s, err)
		}
	}
}

func say(t *testing.T, v *seriesView, all ...func(*lab.Session) error) {
	t.Helper()
	var wg sync.WaitGroup
	for _, do := range all {
		wg.Go(func() {
			if _, err := v.Answer("read", do); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// A subtest has no case of its own in the spec.
func TestBisectASubtestByHand(t *testing.T) {
	spec := specWith("tmpfs/mm", "tmpfs/plain")
	spec.Cases[0].KTAP = true
	if s, err := begin(spec, "tmpfs/mm:mkdirty"); err != nil || s.Case != "tmpfs/mm:mkdirty" || len(s.Spec.Cases) != 1 || s.Spec.Cases[0].Name != "tmpfs/mm" {
		t.Errorf("got %+v, %v", s, err)
	}
	if _, err := begin(spec, "tmpfs/plain:x"); err == nil {
		t.Error("a case without subtests has one")
	}
}
