package tui

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/seriesctl/seriesctl/internal/report/reporttest"
	"github.com/seriesctl/seriesctl/series"
)

// parts is a world whose series can be applied in parts: patch 9 does not go on without patch 8.
type parts struct {
	*world
	opened, closed int
	tried          [][]int
	err            error
}

func (p *parts) Subsets(context.Context) (Subsets, error) {
	if p.err != nil {
		return nil, p.err
	}
	p.opened++
	return p, nil
}

func (p *parts) Close() error { p.closed++; return nil }

func (p *parts) Whole() *series.Series { return p.series }

func (p *parts) Try(_ context.Context, patches []int) ([]series.Variant, error) {
	p.tried = append(p.tried, patches)
	out := []series.Variant{{Status: series.Applied}}
	for i, n := range patches {
		v := series.Variant{Index: i + 1, Status: series.Applied, How: series.Exact}
		switch {
		case out[i].Status != series.Applied:
			v.Status = series.Blocked
		case n == 9 && !slices.Contains(patches, 8):
			v.Status = series.Conflict
			v.Conflicts = []series.ConflictedHunk{{File: "fs/gfs2/file.c", Hunk: 2, Line: 436, Reason: "context differs \x1b[31m"}}
		}
		out = append(out, v)
	}
	return out, nil
}

func subsetOf(t *testing.T, width, height int, o Options) (*term, *parts) {
	w := rfc()
	w.result.Prefixes[6].Status = "ok" // so that prefixes beyond it were run
	p := &parts{world: w}
	s := &term{t, w, newModel(p, o)}
	s.size(width, height)
	return s, p
}

func TestSubsetGolden(t *testing.T) {
	for name, keys := range map[string][]string{
		"subset":          {"j", "j", "j", "j", "t"},
		"subset-conflict": {"j", "j", "j", "j", "t", "G", "space"},
		"subset-none":     {"t"},
		"subset-help":     {"t", "?"},
	} {
		for _, o := range []Options{{}, {Color: true}, {ASCII: true}} {
			for _, size := range [][2]int{{60, 15}, {80, 24}, {200, 60}} {
				s, _ := subsetOf(t, size[0], size[1], o)
				s.keys(keys...)
				s.golden(name, o)
			}
		}
	}
}

func TestSubset(t *testing.T) {
	s, p := subsetOf(t, 100, 30, Options{})
	s.keys("j", "j", "j", "j", "t")
	s.has("[x]   4 exact")
	s.has("[ ]   5")
	s.has("this is prefix 4, which was run")
	s.keys("G", "space")
	s.has("[x]   9 conflict")
	s.has("patch 9 does not apply")
	s.has("fs/gfs2/file.c: hunk 2 at line 436: context differs")
	s.keys("r")
	s.has("patch 9 does not apply without those left out; a takes in what is needed")
	s.keys("k", "space")
	s.has("[x]   9 exact")
	s.keys("A")
	s.has("9 of 9 patches")
	s.keys("A")
	s.has("0 of 9 patches")
	s.keys("r")
	s.has("no patch is ticked")
	s.keys("j", "A", "g", "G", "space", "r")
	s.has("it is prefix 8, which the matrix has")
	s.keys("A", "A")
	s.keys("A")
	s.keys("g", "space", "/", "p", "a", "r", "t", "enter", "space")
	if got := p.tried[len(p.tried)-1]; !slices.Equal(got, []int{2, 3, 5, 6, 7, 8, 9}) {
		t.Errorf("tried %v", got)
	}
	s.keys("q")
	if p.opened != 1 || p.closed != 1 {
		t.Errorf("opened %d times, closed %d times", p.opened, p.closed)
	}
	s.has("0 base")
}

// What was asked for before the last tick, or before the screen was closed, is not shown.
func TestSubsetDropsOldAnswers(t *testing.T) {
	s, p := subsetOf(t, 100, 30, Options{})
	s.keys("G", "t")
	s.has("[x]   9 exact")
	x := s.m.top().(*subsetScreen)
	old := x.try()
	s.keys("A")
	s.send(old())
	if len(x.states) != 0 || !strings.Contains(s.text(), "no patch is ticked") {
		t.Errorf("an old answer is shown:\n%s", s.text())
	}
	late := x.open()
	s.keys("q")
	s.send(late())
	if p.opened != p.closed {
		t.Errorf("opened %d times, closed %d times", p.opened, p.closed)
	}
}

func TestSubsetWithoutASource(t *testing.T) {
	s, p := subsetOf(t, 80, 24, Options{})
	p.err = errors.New("no source is known to apply to")
	s.keys("t", "space", "a", "A", "r", "/", "x", "enter", "j")
	s.has("no source is known to apply to")
	s.keys("q")
	s = newScreen(t, rfc(), 80, 24, Options{})
	s.keys("t")
	s.has("subsets are not available here")
}

// Patches that the matrix shows folded are in a subset like the others.
func TestSubsetOfAFoldedMatrix(t *testing.T) {
	w := rfc()
	s := newScreen(t, w, 80, 24, Options{})
	s.keys("j", "j", "j", "j", "Z")
	x := newSubsetScreen(s.m.stack[0].(*matrixScreen), nil)
	for n := 1; n <= 9; n++ {
		if x.ticked[n] != (n <= 4) {
			t.Errorf("patch %d: ticked %v", n, x.ticked[n])
		}
		if row := x.row(n); row != n {
			t.Errorf("patch %d is in row %d", n, row)
		}
	}
}

// shop is a workspace of a series that can be applied in parts.
type shop struct {
	*house
	parts *parts
}

func (s *shop) Open(string) (Source, error) { return s.parts, nil }

func shopOf(t *testing.T, width, height int) (*term, *shop) {
	w := rfc()
	w.result.Prefixes[6].Status = "ok"
	h := &shop{&house{world: w, entries: []Entry{{ID: w.result.Series, Subject: "x"}}, works: true, stays: true}, &parts{world: w}}
	return enter(t, h, w, width, height, Options{}), h
}

// r runs what is ticked, goes back to the matrix, and the cursor goes to the row as soon as it is there.
func TestSubsetRuns(t *testing.T) {
	s, h := shopOf(t, 100, 30)
	h.works = false
	s.keys("t", "A", "g", "space", "j", "j", "space", "G", "k", "k", "space", "k", "space", "r")
	if got := h.asked[len(h.asked)-1]; got != s.w.result.Series+": run --subset 2,4-5,8-9" {
		t.Fatalf("asked %q", got)
	}
	s.has("subset 2,4-5,8-9 runs as a row of its own")
	s.has("0 base")
	next := reporttest.Subsets()
	next.Subsets[2].Patches = []int{2, 4, 5, 8, 9}
	s.w.result = next
	s.send(changedMsg{})
	s.has(" {2,4-5,8-9} 5 patches")
	s.keys("k", "k", "t")
	s.has("4 of 9 patches")
	s.has("run together: fixes 1 case")
}

func TestSubsetDoesNotRunBesideARun(t *testing.T) {
	s, h := shopOf(t, 100, 30)
	h.status = Status{Running: true}
	s.send(changedMsg{})
	s.keys("t", "A", "g", "space", "r")
	s.has("a run goes on; r when it is done")
	h.status = Status{}
	h.err = errors.New("no room")
	s.send(changedMsg{})
	s.keys("r")
	s.has("no room")
	s.has("8 of 9 patches")
	h.err, h.ends, h.said, h.works = nil, errors.New("exit status 2"), "seriesctl: run subset: the last matrix is of another base\nhint: run\n", false
	s.keys("r")
	s.has("run subset: the last matrix is of another base (run)") // an error is not hidden
}

// A row of a subset does what other rows do, by its name.
func TestRowOfASubset(t *testing.T) {
	h := &house{world: subsets(), entries: []Entry{{ID: "x-v1", Subject: "x"}}}
	s := lobby(t, h, 100, 30, Options{})
	id := h.world.result.Series
	for _, tt := range []struct {
		keys []string
		want string
	}{
		{[]string{"G", "k", "k", "R"}, id + ": run --subset 2,4-6 --cases gfs2/read-self --more 1"},
		{[]string{"s"}, id + ": shell 2,4-6 --case gfs2/read-self"},
		{[]string{"j", "s"}, id + ": shell '{7}' --case gfs2/read-self"},
		{[]string{"d", "y"}, id + ": run --drop-subset 7"},
	} {
		s.keys(tt.keys...)
		if got := h.asked[len(h.asked)-1]; got != tt.want {
			t.Errorf("%v: asked %q, want %q", tt.keys, got, tt.want)
		}
	}
	n := len(h.asked)
	s.keys("g", "d")
	s.has("only the row of a subset can be dropped")
	if len(h.asked) != n {
		t.Errorf("asked %q", h.asked[n:])
	}
}

// Folding, filters and the search see the prefixes as without subsets.
func TestMatrixWithSubsetsIsFolded(t *testing.T) {
	s := newScreen(t, subsets(), 100, 40, Options{})
	s.keys("Z")
	s.has("{2,4-6}")
	s.keys("a", "f", "s", "t", "i", "l", "l", "enter")
	s.has("2 of 18 cases (still)")
}

// Keys that are typed before the source is open are taken when it is.
func TestTypesAhead(t *testing.T) {
	s, _ := subsetOf(t, 80, 24, Options{})
	_, opened := s.m.Update(tea.KeyPressMsg(tea.Key{Code: 't', Text: "t"}))
	for _, key := range "Z/j" {
		_, cmd := s.m.Update(tea.KeyPressMsg(tea.Key{Code: key, Text: string(key)}))
		if cmd != nil {
			t.Errorf("%q was taken", key)
		}
	}
	s.has("opening the source")
	s.send(opened())
	s.has("/j")
	if s.m.prompt == nil || len(s.m.ahead) > 0 {
		t.Errorf("prompt %v, %d keys wait", s.m.prompt, len(s.m.ahead))
	}

	// Who sees that it waits and leaves does not wait.
	s, _ = subsetOf(t, 80, 24, Options{})
	now := time.Now()
	s.m.now = func() time.Time { return now }
	_, opened = s.m.Update(tea.KeyPressMsg(tea.Key{Code: 't', Text: "t"}))
	_, _ = s.m.Update(tea.KeyPressMsg(tea.Key{Code: 'j', Text: "j"}))
	s.keys("q")
	s.has("opening the source")
	now = now.Add(patience)
	s.keys("q")
	s.send(opened())
	if _, ok := s.m.top().(*matrixScreen); !ok || len(s.m.ahead) > 0 {
		t.Errorf("%T is shown, %d keys wait", s.m.top(), len(s.m.ahead))
	}
}
