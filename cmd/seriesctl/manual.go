package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/plain"
	"github.com/seriesctl/seriesctl/internal/report"
	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/qemu"
	"github.com/seriesctl/seriesctl/series"
)

// manualVerbs are the words that can follow `bisect --manual`, beside the session's terms.
var manualVerbs = []string{"start", lab.WordGood, lab.WordBad, lab.WordSkip, "undo", "log", "replay", "reset"}

// judging is one bisection by hand.
type judging struct {
	a     *app
	st    *store.Store
	s     *series.Series
	f     *sourceFlags
	r     *runFlags
	which // the case; none for what the session has
	old   string
	new   string
	sess  *lab.Session // nil while there is none
}

// bisectByHand does `bisect --manual ARGS`.
func (a *app) bisectByHand(ctx context.Context, args []string, h judging) error {
	st, err := a.open(false)
	if err != nil {
		return err
	}
	defer func() { _ = st.Close() }()
	name, verb, rest, err := manualArgs(st, args)
	if err != nil {
		return err
	}
	if name == "" {
		name = a.series
	}
	if h.s, err = find(st, name); err != nil {
		return err
	}
	h.a, h.st = a, st
	if h.name, err = a.theCase(st, h.s, h.f, h.which); err != nil {
		return err
	}
	if h.sess, err = lab.OpenSession(st, h.s.ID); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	switch verb {
	case "":
		return h.dialogue(ctx)
	case "start":
		if len(rest) > 0 {
			return &userError{fmt.Sprintf("bisect by hand: start takes no %q", rest[0]), "like `seriesctl bisect --manual start --case gfs2/read-self`"}
		}
		if err := h.begin(ctx); err != nil {
			return err
		}
		return h.stand()
	case "replay":
		return h.replay(ctx, rest)
	case "reset":
		return lab.DropSession(st, h.s.ID)
	}
	if h.sess == nil {
		return &userError{fmt.Sprintf("bisect by hand: no bisection of %s by hand is under way", h.s.ID), "`seriesctl bisect --manual start` begins one"}
	}
	if verb == "log" {
		if a.json {
			return report.WriteJSON(a.out, h.sess.Finding())
		}
		_, err := io.WriteString(a.out, h.sess.Log())
		return err
	}
	prefixes, err := h.prefixes(verb, rest)
	if err != nil {
		return err
	}
	for _, p := range prefixes {
		if err := answer(h.sess, verb, p); err != nil {
			return err
		}
	}
	if err := h.keep(); err != nil {
		return err
	}
	return h.stand()
}

// manualArgs splits "[SERIES] [VERB [ARG…]]". A word that is neither a verb nor a term of the session names the series.
func manualArgs(st *store.Store, args []string) (name, verb string, rest []string, err error) {
	terms := func(name string) []string {
		s, err := find(st, name)
		if err != nil {
			return nil
		}
		sess, err := lab.OpenSession(st, s.ID)
		if err != nil {
			return nil
		}
		words := sess.Words()
		return words[:]
	}
	switch {
	case len(args) == 0:
		return "", "", nil, nil
	case slices.Contains(manualVerbs, args[0]) || slices.Contains(terms(""), args[0]):
		return "", args[0], args[1:], nil
	case len(args) == 1:
		return args[0], "", nil, nil
	case slices.Contains(manualVerbs, args[1]) || slices.Contains(terms(args[0]), args[1]):
		return args[0], args[1], args[2:], nil
	}
	return "", "", nil, &userError{fmt.Sprintf("bisect by hand: %q is not known", args[1]), "one of " + strings.Join(manualVerbs, ", ") + ", or nothing for a dialogue"}
}

// prefixes reads what an answer is about: the prefixes named, else the one that is next, and for undo the last answer.
func (h *judging) prefixes(verb string, words []string) ([]int, error) {
	if len(words) == 0 {
		if verb == "undo" {
			return []int{lab.Latest}, nil
		}
		step := h.sess.Next()
		if step.Done {
			return nil, &userError{"bisect by hand: nothing is left to judge", "`seriesctl bisect --manual` shows the answer; undo takes the last one back, reset begins anew"}
		}
		return []int{step.Prefix}, nil
	}
	var out []int
	for _, w := range words {
		n, err := strconv.Atoi(w)
		if err != nil || n < 0 {
			return nil, &userError{fmt.Sprintf("bisect by hand: %q is not a prefix", plain.Line(w)), "like `" + verb + " 4`"}
		}
		out = append(out, n)
	}
	return out, nil
}

// answer does a verb that changes the answers.
func answer(s *lab.Session, verb string, prefix int) error {
	if verb == "undo" {
		_, err := s.Undo(prefix)
		return err
	}
	return s.Answer(prefix, verb)
}

// keep stores the answers and what follows from them.
func (h *judging) keep() error {
	if err := h.sess.Keep(h.st); err != nil {
		return err
	}
	return h.sess.Refresh(h.st)
}

// begin starts a session, unless one is under way.
func (h *judging) begin(ctx context.Context) error {
	if h.sess != nil && !h.sess.Next().Done {
		return underWay(h.sess)
	}
	h.sess = nil
	hand, err := h.prepare(ctx)
	if err != nil {
		return err
	}
	hand.close()
	return nil
}

// underWay refuses to start where there is a bisection.
func underWay(s *lab.Session) error {
	what := "one"
	if s.Case != "" {
		what = "that of " + s.Case
	}
	return &userError{fmt.Sprintf("bisect by hand: another bisection by hand is under way: %s, with %d answers", what, len(s.Answers)), "`seriesctl bisect --manual` goes on with it, `… log` keeps its answers, `… reset` ends it"}
}

// prepare makes the lab for what the flags ask for, or for what the session has, and a session where there is none.
func (h *judging) prepare(ctx context.Context) (*hand, error) {
	if s := h.sess; s != nil {
		if h.name == "" {
			h.name = s.Case
		}
		if h.f.Source == "" {
			h.f.fill(s.Spec.Asked)
		}
		if h.r.prefixes == "" {
			var list []string
			for _, v := range s.Spec.Variants {
				list = append(list, strconv.Itoa(v.Index))
			}
			h.r.prefixes = strings.Join(list, ",")
		}
	}
	h.r.cases = nil
	if h.name != "" {
		of, _ := splitSubtest(h.name)
		h.r.cases = []string{of}
	}
	p := h.a.progress()
	defer p.Close()
	j, err := h.a.prepare(ctx, h.st, h.s, h.f, h.r, p)
	if err != nil {
		return nil, err
	}
	spec, err := h.spec(j)
	if err == nil {
		err = h.session(spec)
	}
	if err != nil {
		j.applied.close()
		return nil, err
	}
	return &hand{a: h.a, st: h.st, job: j, noSandbox: h.r.noSandbox}, nil
}

// spec is what is asked of the first kernel, of the one case or of none.
func (h *judging) spec(j *labJob) (*lab.Spec, error) {
	if h.name != "" {
		if err := one(j.specs[0]); err != nil {
			return nil, err
		}
	}
	if err := j.only(h.st, h.s); err != nil {
		return nil, err
	}
	if h.name == "" {
		j.specs[0].Cases = nil
	}
	return j.specs[0], nil
}

// session makes the session for spec, or finds that the one there is goes on.
func (h *judging) session(spec *lab.Spec) error {
	name := ""
	if len(spec.Cases) > 0 {
		_, subtest := splitSubtest(h.name)
		name = spec.Cases[0].Name + subtest
	}
	if h.sess != nil && !h.sess.Same(spec, name) {
		if !h.sess.Next().Done {
			return underWay(h.sess)
		}
		h.sess = nil
	}
	if h.sess != nil {
		h.sess.Spec = spec
		return h.keep()
	}
	var err error
	if h.sess, err = lab.NewSession(spec, name, h.old, h.new); err != nil {
		return err
	}
	return h.keep()
}

// stand prints where the bisection stands, or what it has found.
func (h *judging) stand() error {
	b := h.sess.Finding()
	done := b.Manual.Next == nil
	switch {
	case h.a.json:
		if err := report.WriteJSON(h.a.out, b); err != nil {
			return err
		}
	case !done:
		return report.Standing(h.a.out, h.sess, h.a.options(h.a.out))
	default:
		if err := report.Bisection(h.a.out, b, h.a.options(h.a.out)); err != nil {
			return err
		}
	}
	if !done {
		return nil
	}
	return bisected(b)
}

// replay puts the answers of a log in the place of those there are.
func (h *judging) replay(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return &userError{"bisect by hand: replay needs a log", "like `seriesctl bisect --manual replay FILE`, or - for standard input"}
	}
	if h.sess == nil {
		if err := h.begin(ctx); err != nil {
			return err
		}
	}
	r := io.Reader(h.a.in)
	if args[0] != "-" {
		f, err := os.Open(args[0])
		if err != nil {
			return replayError(args[0], err)
		}
		defer func() { _ = f.Close() }()
		r = f
	}
	if err := h.sess.Replay(r); err != nil {
		return err
	}
	if err := h.keep(); err != nil {
		return err
	}
	return h.stand()
}

func replayError(name string, err error) error {
	return &userError{fmt.Sprintf("replay %s: %v", plain.Line(name), reason(err)), "a file that `git bisect log` or `seriesctl bisect --manual log` wrote"}
}

// kernels is what a dialogue does with kernels.
type kernels interface {
	// Image makes a prefix's image where it is missing; one that can't be had is known to the store then.
	Image(ctx context.Context, prefix int) error
	// Run runs the case on a prefix until it has so many runs in all.
	Run(ctx context.Context, prefix, runs int) error
	// Shell opens a shell in a prefix's kernel, or does one command in it.
	Shell(ctx context.Context, prefix int, command string) error
}

// dialogue asks a person, prefix by prefix, until the answer is in.
func (h *judging) dialogue(ctx context.Context) error {
	if h.sess != nil && h.sess.Next().Done && h.name == "" && h.f.Source == "" {
		return h.stand()
	}
	k, err := h.prepare(ctx)
	if err != nil {
		return err
	}
	defer k.close()
	talk := *h.a
	if h.a.json {
		talk.out, talk.json = h.a.err, false
	}
	k.a = &talk
	k.in = newTyping(h.a.in)
	d := &talker{a: &talk, h: h, k: k, in: k.in, echo: !isTerminal(h.a.in)}
	if err := d.talk(ctx); err != nil {
		return err
	}
	if h.a.json || h.sess.Next().Done {
		b := h.sess.Finding()
		b.Totals = k.totals
		if h.a.json {
			err = report.WriteJSON(h.a.out, b)
		} else {
			err = report.Bisection(h.a.out, b, h.a.options(h.a.out))
		}
		if err != nil || b.Manual.Next != nil {
			return err
		}
		return bisected(b)
	}
	return nil
}

// hand is the real lab of a dialogue.
type hand struct {
	a         *app
	st        *store.Store
	job       *labJob
	in        *typing
	noSandbox bool
	totals    lab.Totals
}

func (k *hand) close() { k.job.applied.close() }

// locked does one thing in the workspace. Between the steps it is free: a person may take long.
func (k *hand) locked(do func(p *report.Progress) error) error {
	unlock, err := k.st.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := k.job.hosts[0].Clear(); err != nil {
		return err
	}
	p := k.a.progress()
	defer p.Close()
	k.job.p = p
	return do(p)
}

// place is a prefix's place in the Spec.
func (k *hand) place(prefix int) int {
	return slices.IndexFunc(k.job.specs[0].Variants, func(v lab.Variant) bool { return v.Index == prefix })
}

func (k *hand) Image(ctx context.Context, prefix int) error {
	v := k.job.specs[0].Variants[k.place(prefix)]
	if k.job.hosts[0].HasImage(v.Key) {
		return nil
	}
	return k.locked(func(*report.Progress) error {
		begin := time.Now()
		err := k.job.image(ctx, v)
		if failed := (*qemu.BuildError)(nil); errors.As(err, &failed) {
			err = nil // the store knows
		}
		if err == nil {
			k.totals.Add(lab.Totals{Builds: 1, Seconds: time.Since(begin).Seconds()})
		}
		return err
	})
}

func (k *hand) Run(ctx context.Context, prefix, runs int) error {
	return k.locked(func(*report.Progress) error {
		totals, err := k.job.run(ctx, lab.OneCell(k.place(prefix), 0, runs))
		k.totals.Add(totals)
		return err
	})
}

func (k *hand) Shell(ctx context.Context, prefix int, command string) error {
	if err := k.Image(ctx, prefix); err != nil {
		return err
	}
	v := k.job.specs[0].Variants[k.place(prefix)]
	if !k.job.hosts[0].HasImage(v.Key) {
		return nil // it does not build
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t, stdin := &terminal{}, io.Reader(strings.NewReader(command+"\n"))
	if command == "" {
		if !isTerminal(k.a.in) || !isTerminal(k.a.out) {
			return &userError{"bisect by hand: a shell needs a terminal", "`s COMMAND` does one command in it"}
		}
		var err error
		if t, err = k.a.openTerminal(); err != nil {
			return err
		}
		stdin = k.in.until(ctx)
	}
	return k.a.inShell(ctx, k.job.hosts[0], v.Key, v.Name(), t, stdin, nil, &shellFlags{})
}
