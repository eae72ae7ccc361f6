package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"github.com/seriesctl/seriesctl/internal/pattern"
	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/series"
	"github.com/seriesctl/seriesctl/testplan"
)

// Session is a bisection by hand: what a person says of the prefixes, and what follows from it.
//
// It trusts, as git bisect does, that there is one change; answers that would need a second are refused. Which way it goes
// the answers say: the base may be good and the end bad, or the other way round. Prefixes that do not apply, build or boot
// are passed over, and those with the same image share an answer. Its methods do no I/O: Refresh tells it what is known
// of the kernels, OpenSession and Keep are how it outlives a process.
type Session struct {
	Case    string   `json:"case,omitempty"`     // that is judged, or a subtest of it; "" when a person judges in a shell
	TermOld string   `json:"term_old,omitempty"` // what is said before the change; "" for good and bad, either way round
	TermNew string   `json:"term_new,omitempty"`
	Answers []Answer `json:"answers"` // in the order given, one a prefix
	Spec    *Spec    `json:"spec"`    // what is bisected

	points []point // by Spec.Variants
	cost   Cost
	cold   bool // nothing was built yet: the first build compiles everything
	cells  []Cell
}

// Answer is what was said of one prefix.
type Answer struct {
	Prefix int         `json:"prefix"`
	Commit series.Hash `json:"commit"`
	Word   string      `json:"answer"` // one of Session.Words, or "skip"
}

// point is one prefix.
type point struct {
	Prefix
	commit series.Hash
	subst  string // the image, or the commit where there is none yet: what has the same gets the same answer
}

// Step is where a Session stands: what to judge next, and what is left.
type Step struct {
	Done   bool // no prefix is left to judge: Finding has the answer
	Prefix int  // to judge next, -1 when Done
	// First to Last are the patches of which one makes the change; 0 until both of its sides are known.
	First int
	Last  int
	Steps int // answers still needed, at most
	// Seconds that building, booting and running for these takes: by the builds that were made, or the default (Guess).
	Seconds float64
	Guess   bool
}

// AnswerError is an answer that a Session does not take.
type AnswerError struct{ reason, hint string }

func (e *AnswerError) Error() string { return "bisect by hand: " + e.reason }

// Hint says what can be done.
func (e *AnswerError) Hint() string { return e.hint }

// The words of git bisect, and the word for a prefix that can't be judged.
const (
	WordGood = "good"
	WordBad  = "bad"
	WordSkip = "skip"
)

// The words for a series that repairs something: git bisect does not let good follow bad.
const (
	WordBroken = "broken"
	WordFixed  = "fixed"
)

var termPattern = pattern.New(`^[a-z][a-z0-9-]{0,31}$`)

// reserved are the words that mean something else to git bisect or to us.
var reserved = []string{WordSkip, "start", "undo", "log", "replay", "reset", "next", "view", "visualize", "terms", "run", "help"}

// NewSession starts to bisect the prefixes of spec. Case is its case, or a subtest of that, or "". Terms are what is said before and
// behind the change, both or none. Refresh must be called before it is asked anything.
func NewSession(spec *Spec, caseName, termOld, termNew string) (*Session, error) {
	s := &Session{Case: caseName, Answers: []Answer{}, Spec: spec}
	return s, s.setTerms(termOld, termNew)
}

func (s *Session) setTerms(before, after string) error {
	if before == WordGood && after == WordBad {
		before, after = "", ""
	}
	if before == "" && after == "" {
		s.TermOld, s.TermNew = "", ""
		return nil
	}
	for _, t := range []string{before, after} {
		if !termPattern.MatchString(t) || slices.Contains(reserved, t) || before == after || t == WordGood || t == WordBad {
			return &AnswerError{fmt.Sprintf("%q and %q can't be the terms", before, after), "two other words of lower-case letters, like broken and fixed"}
		}
	}
	s.TermOld, s.TermNew = before, after
	return nil
}

// Words are the two answers there are: with terms the one before the change first, else good and bad.
func (s *Session) Words() [2]string {
	if s.TermOld == "" {
		return [2]string{WordGood, WordBad}
	}
	return [2]string{s.TermOld, s.TermNew}
}

// Good says that a prefix is good: with terms, that it is as before the change. An answer that is refused is an
// *AnswerError and changes nothing.
func (s *Session) Good(prefix int) error { return s.Answer(prefix, s.Words()[0]) }

// Bad says that a prefix is bad: with terms, that it is as behind the change.
func (s *Session) Bad(prefix int) error { return s.Answer(prefix, s.Words()[1]) }

// Skip says that a prefix can't be judged.
func (s *Session) Skip(prefix int) error { return s.Answer(prefix, WordSkip) }

// Answer says one of Words or "skip" of a prefix. Saying the same again is nothing; what was skipped can be judged later.
func (s *Session) Answer(prefix int, word string) error {
	words := s.Words()
	if word != WordSkip && !slices.Contains(words[:], word) {
		return &AnswerError{fmt.Sprintf("%q is no answer here", word), fmt.Sprintf("%s, %s or skip", words[0], words[1])}
	}
	i, err := s.at(prefix)
	if err != nil {
		return err
	}
	if s.points[i].commit == "" {
		return &AnswerError{fmt.Sprintf("prefix %d has no kernel: it does not apply", prefix), "it is passed over without being asked for"}
	}
	old := s.said(prefix)
	switch {
	case old == word:
		return nil
	case old != "" && old != WordSkip:
		return &AnswerError{fmt.Sprintf("prefix %d is %s already", prefix, old), fmt.Sprintf("`undo %d` takes that back", prefix)}
	}
	before := s.Answers
	s.Answers = append(slices.DeleteFunc(slices.Clone(before), func(a Answer) bool { return a.Prefix == prefix }),
		Answer{prefix, s.points[i].commit, word})
	if err := s.consistent(prefix, word); err != nil {
		s.Answers = before
		return err
	}
	return nil
}

// Latest is for Undo: the last answer.
const Latest = -1

// Undo takes an answer back, of a prefix or the Latest, and returns it.
func (s *Session) Undo(prefix int) (Answer, error) {
	at := len(s.Answers) - 1
	if prefix != Latest {
		at = slices.IndexFunc(s.Answers, func(a Answer) bool { return a.Prefix == prefix })
	}
	if at < 0 {
		if prefix == Latest {
			return Answer{}, &AnswerError{"nothing to undo: there is no answer yet", ""}
		}
		return Answer{}, &AnswerError{fmt.Sprintf("nothing to undo: there is no answer for prefix %d", prefix), "without a number it takes the last answer back"}
	}
	a := s.Answers[at]
	s.Answers = slices.Delete(slices.Clone(s.Answers), at, at+1)
	return a, nil
}

// at is a prefix's place.
func (s *Session) at(prefix int) (int, error) {
	i := slices.IndexFunc(s.points, func(p point) bool { return p.Index == prefix })
	if i < 0 {
		return 0, &AnswerError{fmt.Sprintf("there is no prefix %d", prefix), fmt.Sprintf("there are %d to %d", s.points[0].Index, s.points[len(s.points)-1].Index)}
	}
	return i, nil
}

// said is the answer for a prefix itself, "" for none.
func (s *Session) said(prefix int) string {
	for _, a := range s.Answers {
		if a.Prefix == prefix {
			return a.Word
		}
	}
	return ""
}

// word is what is known of a point: what was said of it, or of another with the same image; "" for nothing.
func (s *Session) word(i int) string {
	if w := s.said(s.points[i].Index); w != "" {
		return w
	}
	for j := range s.points {
		if s.points[j].subst == s.points[i].subst && s.points[i].subst != "" {
			if w := s.said(s.points[j].Index); w != "" {
				return w
			}
		}
	}
	return ""
}

// judged lists the points of which good or bad is known, in order.
func (s *Session) judged() []int {
	var out []int
	for i := range s.points {
		if w := s.word(i); w != "" && w != WordSkip {
			out = append(out, i)
		}
	}
	return out
}

// change is where the answers change: the points on both sides; not ok while they do not.
func (s *Session) change() (before, after int, ok bool) {
	list := s.judged()
	for k := 1; k < len(list); k++ {
		if s.word(list[k-1]) != s.word(list[k]) {
			return list[k-1], list[k], true
		}
	}
	return 0, 0, false
}

// consistent refuses answers that change twice, or against the terms. The last answer was word, of prefix.
func (s *Session) consistent(prefix int, word string) error {
	var turns [][2]int
	list := s.judged()
	for k := 1; k < len(list); k++ {
		if s.word(list[k-1]) != s.word(list[k]) {
			turns = append(turns, [2]int{list[k-1], list[k]})
		}
	}
	const hint = "`undo` takes the last answer back, `undo N` that of a prefix; where it comes and goes, `skip`"
	if len(turns) > 1 {
		var has []string
		for _, t := range turns {
			for _, i := range t {
				if p := s.points[i].Index; p != prefix {
					has = append(has, fmt.Sprintf("prefix %d is %s", p, s.word(i)))
				}
			}
		}
		has = slices.Compact(has)
		return &AnswerError{fmt.Sprintf("prefix %d can't be %s: %s, and there is one change only", prefix, word, join(has)), hint}
	}
	if len(turns) == 1 && s.TermOld != "" && s.word(turns[0][0]) != s.TermOld {
		a, b := turns[0][0], turns[0][1]
		return &AnswerError{fmt.Sprintf("prefix %d is %s and prefix %d %s: %s comes before %s", s.points[a].Index, s.word(a), s.points[b].Index, s.word(b), s.TermOld, s.TermNew), hint}
	}
	return nil
}

// join writes a list as people do.
func join(list []string) string {
	out := ""
	for i, s := range list {
		switch {
		case i == 0:
		case i == len(list)-1:
			out += " and "
		default:
			out += ", "
		}
		out += s
	}
	return out
}

// open says whether a point can be judged and is not.
func (s *Session) open(i int) bool {
	p := &s.points[i]
	return p.commit != "" && (p.Status == PrefixOK || p.Status == PrefixPending) && s.word(i) == ""
}

// Next says what to judge next: first both ends, then what halves the patches that are left. Of two that do so equally it
// takes the one that is built.
func (s *Session) Next() Step {
	before, after, ok := s.change()
	if !ok {
		return s.nextEnd()
	}
	step := Step{Prefix: -1, First: s.points[before].Index + 1, Last: s.points[after].Index}
	var list []int
	for i := before + 1; i < after; i++ {
		if s.open(i) {
			list = append(list, i)
		}
	}
	list = s.distinct(list)
	step.Steps = bits.Len(uint(len(list)))
	s.price(&step, list)
	if len(list) == 0 {
		step.Done = true
		return step
	}
	best := list[(len(list)-1)/2]
	if other := list[len(list)/2]; s.points[best].Image == "" && s.points[other].Image != "" {
		best = other
	}
	step.Prefix = s.points[best].Index
	return step
}

// nextEnd is Next while both sides of the change are not known: the first that can be judged, then the last.
func (s *Session) nextEnd() Step {
	step := Step{Prefix: -1}
	var list []int
	for i := range s.points {
		if s.open(i) {
			list = append(list, i)
		}
	}
	list = s.distinct(list)
	known := s.judged()
	need := func(i int) {
		if step.Prefix < 0 {
			step.Prefix = s.points[i].Index
		}
		step.Steps++
	}
	if len(list) > 0 {
		if first := list[0]; len(known) == 0 || first < known[0] {
			need(first)
		}
		if last := list[len(list)-1]; (len(known) == 0 || last > known[len(known)-1]) && (len(list) > 1 || step.Steps == 0) {
			need(last)
		}
	}
	if step.Done = step.Steps == 0; step.Done {
		return step
	}
	step.Steps += bits.Len(uint(max(len(list)-step.Steps, 0)))
	s.price(&step, list)
	return step
}

// distinct leaves one of the points that have the same image.
func (s *Session) distinct(list []int) []int {
	var out []int
	for _, i := range list {
		if !slices.ContainsFunc(out, func(j int) bool { return s.points[j].subst == s.points[i].subst }) {
			out = append(out, i)
		}
	}
	return out
}

// price says what the steps take when they are among the points of list.
func (s *Session) price(step *Step, list []int) {
	unbuilt := 0
	for _, i := range list {
		if s.points[i].Image == "" {
			unbuilt++
		}
	}
	builds := min(unbuilt, step.Steps)
	step.Seconds = float64(step.Steps)*(s.cost.Boot+s.cost.Run) + float64(builds)*s.cost.Build
	if s.cold && builds > 0 {
		step.Seconds += s.cost.First - s.cost.Build
		step.Guess = true
	}
}

// Point is what is known of a prefix; ok is false when there is none.
func (s *Session) Point(prefix int) (p Prefix, ok bool) {
	i, err := s.at(prefix)
	if err != nil {
		return p, false
	}
	return s.points[i].Prefix, true
}

// Cell is the case's cell on a prefix, nil when it was not run there.
func (s *Session) Cell(prefix int) *Cell {
	for i := range s.cells {
		if c := &s.cells[i]; c.Prefix == prefix && c.Outcome != "" {
			return c
		}
	}
	return nil
}

// Propose is what the runs of the case say of a prefix, as one of Words; "" where they say nothing, or where nobody knows
// which of the terms is which.
func (s *Session) Propose(prefix int) string {
	c := s.Cell(prefix)
	if c == nil || c.Outcome == testplan.Infra {
		return ""
	}
	expect := s.Spec.Cases[0].Expect
	if one, ok := subtestOf(s.Spec.Cases[0], s.Case); ok && one.Subtest != "" {
		expect = one.Subexpect[one.Subtest]
	}
	met := expect.Met(testplan.Judgement{Outcome: c.Outcome, Signature: c.Signature})
	switch {
	case s.TermOld == "" && met, s.TermOld == WordBroken && s.TermNew == WordFixed && !met:
		return s.Words()[0]
	case s.TermOld == "", s.TermOld == WordBroken && s.TermNew == WordFixed:
		return s.Words()[1]
	}
	return ""
}

// PassedOver are the prefixes that can't be judged, with the status that says why; PrefixPending for what was skipped.
func (s *Session) PassedOver() map[int]PrefixStatus {
	out := map[int]PrefixStatus{}
	for i := range s.points {
		p := &s.points[i]
		switch {
		case s.word(i) == WordSkip:
			out[p.Index] = PrefixPending
		case s.word(i) == "" && !s.open(i):
			out[p.Index] = p.Status
		}
	}
	return out
}

// Finding is what the answers say, as the document that the automatic bisection gives: undetermined until Next is Done.
func (s *Session) Finding() *Bisection {
	step := s.Next()
	b := &Bisection{Series: s.Spec.Series, Case: s.Case, Effect: testplan.Undetermined, Skipped: []int{}, Cells: []Cell{},
		Manual: &Manual{Answers: s.Answers, Next: &step.Prefix, Steps: step.Steps, Seconds: step.Seconds}}
	if step.Done {
		b.Manual.Next = nil
	}
	for _, c := range s.cells {
		if c.Outcome != "" {
			b.Cells = append(b.Cells, c)
		}
	}
	before, after, changes := s.change()
	switch {
	case !step.Done:
	case changes:
		p := &s.points[after]
		b.Patch, b.Subject, b.Before, b.After, b.Probability = p.Patch, p.Subject, s.word(before), s.word(after), 1
		b.Effect = effectOf(b.Before, b.After)
		for i := before + 1; i < after; i++ {
			b.Skipped = append(b.Skipped, s.points[i].Index)
		}
		if first := s.points[before].Index + 1; first < p.Index {
			b.First = s.Spec.Patches[first]
		}
	case len(s.judged()) > 1:
		b.Effect, b.Probability = testplan.NoEffect, 1
		b.Before = s.word(s.judged()[0])
		b.After = b.Before
	}
	return b
}

func effectOf(before, after string) testplan.Effect {
	switch {
	case before == WordGood && after == WordBad:
		return testplan.Regresses
	case before == WordBad && after == WordGood, before == WordBroken && after == WordFixed:
		return testplan.Fixes
	}
	return testplan.ChangesSymptom
}

// Manual is what a bisection by hand has beside: part of the document of `bisect --manual --json`.
type Manual struct {
	Answers []Answer `json:"answers"`
	Next    *int     `json:"next"` // prefix to judge, null when done
	Steps   int      `json:"steps"`
	Seconds float64  `json:"seconds"`
}

// Refresh reads what the store knows of the prefixes: which have an image, which have none to be had, what the case did.
func (s *Session) Refresh(st *store.Store) error {
	spec := *s.Spec
	spec.Checks, spec.More = nil, nil
	r, state, err := load(st, &spec)
	if err != nil {
		return err
	}
	// A case and its subtests have cells of their own; the question is of one of them.
	own := slices.DeleteFunc(slices.Clone(r.Cells), func(c Cell) bool { return c.Case != s.Case })
	s.points, s.cells, s.cost, s.cold = nil, own, state.Cost, true
	for i, p := range r.Prefixes {
		v := spec.Variants[i]
		pt := point{Prefix: p, subst: p.Image}
		if v.Status == series.Applied {
			pt.commit = v.Commit
			if pt.subst == "" {
				pt.subst = string(v.Tree)
			}
		}
		s.cold = s.cold && p.Image == ""
		s.points = append(s.points, pt)
	}
	return nil
}

// Same says whether other bisects the same prefixes for the same question.
func (s *Session) Same(spec *Spec, caseName string) bool {
	if s.Case != caseName {
		return false
	}
	return slices.EqualFunc(s.Spec.Variants, spec.Variants, func(a, b Variant) bool { return a.Index == b.Index && a.Commit == b.Commit })
}

func sessionKey(series string) string { return "bisect by hand " + series }

// OpenSession reads the bisection of a series that Keep stored, refreshed; store.ErrNotFound where there is none.
func OpenSession(st *store.Store, seriesID string) (*Session, error) {
	doc, err := st.Fact(sessionKey(seriesID))
	if err != nil {
		return nil, err
	}
	s := &Session{}
	if err := json.Unmarshal([]byte(doc), s); err != nil {
		return nil, fmt.Errorf("read bisection of %s: %w", seriesID, err)
	}
	if s.Spec == nil || len(s.Spec.Variants) == 0 {
		return nil, fmt.Errorf("read bisection of %s: %w", seriesID, errors.New("it has no prefixes"))
	}
	return s, s.Refresh(st)
}

// Keep stores the session: when it returns nil every answer is on disk. There is one a series.
func (s *Session) Keep(st *store.Store) error {
	doc, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("store bisection: %w", err)
	}
	return st.PutFact(sessionKey(s.Spec.Series), string(doc))
}

// DropSession forgets the bisection of a series.
func DropSession(st *store.Store, seriesID string) error { return st.DropFact(sessionKey(seriesID)) }

// oneCell asks for runs of one cell, and nothing else.
type oneCell struct{ want Want }

// OneCell is the strategy that asks for runs of one cell until it has so many in all.
func OneCell(variant, c, runs int) Strategy { return oneCell{Want{CellID{variant, c}, runs}} }

// Next implements Strategy.
func (o oneCell) Next(s *State) ([]Want, string) {
	in := s.inquire(o.want.Case, testplan.Question{}, Limits{})
	if in.can(o.want.Variant) && in.Runs[o.want.Variant] < o.want.Runs {
		return []Want{o.want}, ""
	}
	return nil, ""
}
