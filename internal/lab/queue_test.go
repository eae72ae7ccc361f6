package lab

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// A case that is asked about round after round boots each image once, where there is room for its machine.
func TestMachinesStayBooted(t *testing.T) {
	for idle, kept := range map[int]bool{0: false, 4: true} {
		e, f := newFake(t, 4, "read", "flaky")
		e.Idle = idle
		e.Spec.Cases[1].Flaky = true
		f.outcome = func(key, program string, nth int) string {
			if program == "flaky" && key < "k2" && nth%2 == 0 {
				return "EFAULT"
			}
			return "pass"
		}
		closed := 0
		f.closed = func(string) { closed++ }
		r := mustRun(t, e)
		if r.Totals.Boots != len(f.boots) || (len(f.boots) == 4) != kept || closed != len(f.boots) {
			t.Errorf("idle %d: %d boots (%v) for %d runs, %d closed", idle, r.Totals.Boots, f.boots, r.Totals.Runs, closed)
		}
	}
}

// When nothing more is built and one image has many cells left, both workers run them.
func TestIdleWorkerHelps(t *testing.T) {
	cases := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	e, f := newFake(t, 1, cases...)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var running atomic.Int32
	both := make(chan struct{})
	f.hold = func(ctx context.Context, _, program string) {
		if program == "" {
			return
		}
		if running.Add(1) == 2 {
			close(both)
		}
		select { // until there are two machines at work
		case <-both:
		case <-ctx.Done():
		}
	}
	r, err := e.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.boots) != 2 || r.Totals.Runs != len(cases) || len(f.runs) != len(cases) {
		t.Errorf("%d boots, runs %v", len(f.boots), f.runs)
	}
}

// Few cells are not worth a boot.
func TestFewCellsAreNotShared(t *testing.T) {
	e, f := newFake(t, 1, "a", "b", "c")
	mustRun(t, e)
	if len(f.boots) != 1 || len(f.runs) != 3 {
		t.Errorf("boots %v, runs %v", f.boots, f.runs)
	}
}

// Cases that hung on one image, two seconds each, are the first on the next, and a few of them are worth a boot.
func TestSlowCasesAreFirst(t *testing.T) {
	e, f := newFake(t, 2, "a", "b", "hang", "halt")
	e.Workers = 1
	f.outcome = func(_, program string, _ int) string {
		if program[0] == 'h' {
			return "hang"
		}
		return "pass"
	}
	mustRun(t, e)
	want := []string{"k0 a", "k0 b", "k0 hang", "k0 halt", "k1 hang", "k1 halt", "k1 a", "k1 b"}
	if len(f.runs) < len(want) || !slices.Equal(f.runs[:len(want)], want) {
		t.Errorf("got %v", f.runs)
	}

	cells := func(names ...string) *job {
		j := &job{}
		for _, name := range names {
			j.cells = append(j.cells, wanted{c: Case{Key: name}, want: 1})
		}
		return j
	}
	q := &queue{slow: map[string]bool{}}
	q.change.L = &q.mu
	for _, name := range []string{"hang", "halt", "mended"} {
		q.ran(Case{Key: name}, 2*time.Second)
	}
	q.ran(Case{Key: "mended"}, 100*time.Millisecond)
	for _, tt := range []struct {
		j    *job
		want bool
	}{{cells("a", "hang"), true}, {cells("hang", "halt"), true}, {cells("a", "b", "mended"), false}, {cells("hang"), false}} {
		if q.shareable(tt.j) != tt.want {
			t.Errorf("%v: want %v", tt.j.cells, tt.want)
		}
	}
}
