package tui

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/series"
	"github.com/seriesctl/seriesctl/testplan"
)

// hunt is a world whose cases can be bisected.
type hunt struct {
	*world
	now  *lab.Outlook
	hand *lab.Session
	kept int
	err  error
	new  func() *lab.Session
}

func (h *hunt) Bisect(string) (*lab.Outlook, *lab.Session, error) { return h.now, h.hand, h.err }

func (h *hunt) Answer(_ string, do func(*lab.Session) error) (*lab.Session, error) {
	s := h.hand
	if s == nil {
		s = h.new()
	}
	if err := do(s); err != nil {
		return nil, err
	}
	h.hand = s
	h.kept++
	return s, nil
}

func hunting(t *testing.T, width, height int, o Options) (*term, *hunt) {
	t.Helper()
	w := rfc()
	name := w.result.Cases[0].Name
	h := &hunt{world: w, now: &lab.Outlook{
		Bisection: &lab.Bisection{Case: name, Effect: testplan.Undetermined, Probability: 0.6, Needs: &lab.Undecided{Runs: 3, Builds: 1, Seconds: 20}},
		Prefixes:  w.result.Prefixes, Change: make([]float64, len(w.result.Prefixes)),
		Next: []lab.Want{{CellID: lab.CellID{Variant: 5}, Runs: 2}}, Why: "prefix 5 tells most again", Left: lab.Undecided{Runs: 3, Builds: 1, Seconds: 20},
	}}
	for _, c := range w.result.Cells {
		if c.Case == name && c.Prefix%3 == 0 && c.Outcome != "" {
			h.now.Cells = append(h.now.Cells, c)
		}
	}
	h.now.Change[4], h.now.Change[9] = 0.9, 0.2
	h.new = func() *lab.Session {
		st, err := store.Open(filepath.Join(t.TempDir(), "w"), true)
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		spec := &lab.Spec{Series: "x"}
		for i, p := range w.result.Prefixes {
			v := series.Variant{Index: i, Subject: p.Subject, Status: series.Applied, Commit: series.Hash(fmt.Sprintf("%040d", i)), Tree: series.Hash(fmt.Sprint("tree", i))}
			spec.Variants, spec.Patches = append(spec.Variants, lab.Variant{Variant: v}), append(spec.Patches, i)
		}
		s, err := lab.NewSession(spec, "", "", "")
		if err = errors.Join(err, s.Refresh(st)); err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := &term{t, w, newModel(h, o)}
	s.size(width, height)
	return s, h
}

func TestBisectGolden(t *testing.T) {
	for name, keys := range map[string][]string{
		"bisect":      {"b"},
		"bisect-hand": {"b", "k", "k", "k", "k", "k", "b", "G", "g"},
		"bisect-help": {"b", "?"},
	} {
		for _, o := range []Options{{}, {Color: true}, {ASCII: true}} {
			for _, size := range [][2]int{{60, 15}, {80, 24}, {200, 60}} {
				s, _ := hunting(t, size[0], size[1], o)
				s.keys(keys...)
				s.golden(name, o)
			}
		}
	}
}

func TestBisectByHand(t *testing.T) {
	s, h := hunting(t, 100, 30, Options{})
	s.keys("b")
	s.has("next: prefix 5 tells most again")
	if x := s.m.top().(*bisectScreen); x.at != 5 {
		t.Errorf("the cursor is at %d, not at what is next", x.at)
	}
	s.keys("u")
	s.has("nothing to undo")
	s.keys("k", "k", "k", "k", "k", "b", "G", "g")
	s.has("patches 1-9 are left")
	x := s.m.top().(*bisectScreen)
	if x.at != x.next() {
		t.Errorf("the cursor is at %d, next is %d", x.at, x.next())
	}
	s.keys("b")                   // prefix 4
	s.keys("home", "j", "j", "g") // a good one between two that are bad
	s.has("can't be good")
	s.keys("n")
	for range 9 {
		s.keys("x")
	}
	s.has("one of patches 5-9")
	s.keys("u", "u")
	if h.hand.Next().Done || h.kept < 5 {
		t.Errorf("undo did not open it again: kept %d", h.kept)
	}
	s.keys("enter")
	s.has("prefix ")
	s.keys("q", "r")
	s.has("seriesctl bisect --case")
	s.keys("q")
	s.has("0 base")
}

func TestBisectTroubles(t *testing.T) {
	s, h := hunting(t, 80, 24, Options{})
	h.err = errors.New("read run: disk \x1b[31mfailed")
	h.now = nil
	s.keys("b", "g", "j", "x", "enter", "n", "r", "u")
	if text := s.text(); !strings.Contains(text, "disk failed") {
		t.Errorf("the error is not shown:\n%s", text)
	}
	s = newScreen(t, rfc(), 80, 24, Options{})
	s.keys("b")
	s.has("bisections are not available here")
}

// Where the matrix below has rows folded, what is done from here is still about the prefix under the cursor.
func TestBisectOfAFoldedMatrix(t *testing.T) {
	s, h := hunting(t, 100, 30, Options{})
	s.keys("Z", "b", "G")
	prefix, name, ok := s.m.top().(*bisectScreen).cell()
	if want := len(h.now.Prefixes) - 1; !ok || prefix != want || name != h.now.Case {
		t.Errorf("got prefix %d of %s, %v, want %d", prefix, name, ok, want)
	}
	s.keys("enter")
	s.has("prefix 9")
}
