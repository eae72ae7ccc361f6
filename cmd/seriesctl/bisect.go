package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/report"
	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/series"
	"github.com/seriesctl/seriesctl/testplan"
)

func (a *app) bisectCommand() *cobra.Command {
	var f sourceFlags
	var r runFlags
	var before, after string
	var w which
	var manual bool
	cmd := &cobra.Command{
		Use:         "bisect [SERIES] --case CASE",
		Annotations: annotated(ofSeries, goesOn),
		Short:       "find the patch that changes a case, with as few builds as possible",
		Long: `bisect builds and runs the prefixes that tell most about one case, until it knows the patch that changes it as
well as --confidence wants, or that none does. A case that fails only sometimes is repeated. Prefixes that do
not apply, build or boot are passed over; the answer may then be a range. What run has found counts, and the
other way round. Of a plan's kernels it takes the first, or the one that --case names: debug:gfs2/read-self.

With --manual you judge: at each step the case has been run, or without --case the kernel is there for a shell, and you
say good, bad or skip. It can be left and gone on with at any time. The same without a dialogue, as git bisect has it:

  seriesctl bisect --manual [SERIES] STEP [PREFIX…|FILE]

where STEP is start, good, bad, skip, undo, log, replay or reset.`,
		Example: `  seriesctl bisect --case gfs2/read-self --source ~/linux
  seriesctl bisect --manual --case gfs2/read-self
  seriesctl bisect --manual good 0
  seriesctl bisect --manual log >answers`,
		Args: func(cmd *cobra.Command, args []string) error {
			if manual {
				return nil
			}
			return takes(0, 1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := r.check(&f); err != nil {
				return err
			}
			if manual {
				return a.bisectByHand(cmd.Context(), args, judging{f: &f, r: &r, which: w, old: before, new: after})
			}
			if before != "" || after != "" {
				return &userError{"bisect series: terms are for --manual", ""}
			}
			if w.none() {
				return &userError{"bisect series: no case given", "like `seriesctl bisect --case gfs2/read-self`"}
			}
			id, _ := seriesAnd(args, 0)
			return a.with(id, func(st *store.Store, s *series.Series) error {
				name, err := a.theCase(st, s, &f, w)
				if err != nil {
					return err
				}
				of, subtest := splitSubtest(name)
				r.cases = []string{of}
				return a.bisect(cmd.Context(), st, s, &f, &r, subtest)
			})
		},
	}
	f.add(cmd)
	r.add(cmd)
	fl := cmd.Flags()
	fl.StringVar(&w.name, "case", "", "the `case` to bisect: gfs2/read-self")
	fl.StringSliceVar(&w.globs, "cases", nil, "the same as a `glob` that means one case: 'gfs2/read-s*'; may be repeated")
	fl.BoolVar(&manual, "manual", false, "ask at each step")
	fl.StringVar(&before, "term-old", "", "with --manual: what you say before the change, instead of good: a `word` like broken")
	fl.StringVar(&after, "term-new", "", "with --manual: what you say behind it, instead of bad: a `word` like fixed")
	return cmd
}

// which is the case that a bisection is about: by its name, or by globs that mean one.
type which struct {
	name  string
	globs []string
}

func (w which) none() bool { return w.name == "" && len(w.globs) == 0 }

// theCase is the name of the case that is meant, "" for none.
func (a *app) theCase(st *store.Store, s *series.Series, f *sourceFlags, w which) (string, error) {
	if len(w.globs) == 0 {
		return w.name, nil
	}
	own, flags := *a, *f // a session that goes on has a plan and a source of its own
	plan, _, err := own.planOf(st, s, &flags)
	if err != nil {
		return "", err
	}
	if plan, err = plan.Select(w.globs); err != nil {
		return "", err
	}
	of, _ := splitSubtest(w.name)
	var names []string
	for _, c := range plan.Cases {
		switch ok, err := c.Match(of); {
		case w.name != "" && err == nil && ok:
			return w.name, nil
		case w.name == "":
			names = append(names, c.Name)
		}
	}
	if len(names) == 1 {
		return names[0], nil
	}
	if w.name != "" {
		return "", &userError{fmt.Sprintf("bisect series: --cases does not mean --case %s", w.name), "one of the two is enough"}
	}
	return "", manyCases("--cases", names)
}

// splitSubtest splits the name of a subtest, gfs2/mm:mkdirty, into that of its case and the rest; a kernel's name has its colon
// before the slash.
func splitSubtest(name string) (of, subtest string) {
	at := strings.LastIndexByte(name, '/') + 1
	if i := strings.IndexByte(name[at:], ':'); i >= 0 {
		return name[:at+i], name[at+i:]
	}
	return name, ""
}

func (a *app) bisect(ctx context.Context, st *store.Store, s *series.Series, f *sourceFlags, r *runFlags, subtest string) error {
	return a.inLab(ctx, st, s, f, r, func(j *labJob) error {
		if err := one(j.specs[0]); err != nil {
			return err
		}
		if err := j.only(st, s); err != nil {
			return err
		}
		spec := j.specs[0]
		name, strategy := spec.Cases[0].Name+subtest, lab.Strategy(lab.Bisecting(spec, 0))
		if subtest != "" {
			strategy = lab.BisectSubtest{Limits: lab.Bisecting(spec, 0).Limits, Name: name}
		}
		totals, err := j.run(ctx, strategy)
		if err != nil {
			return err
		}
		b, err := lab.Bisected(st, spec, name)
		if err != nil {
			return err
		}
		b.Totals = totals
		if a.json {
			err = report.WriteJSON(a.out, b)
		} else {
			err = report.Bisection(a.out, b, a.options(a.out))
		}
		if err != nil {
			return err
		}
		if err := conflict(s, j.applied.patches, j.applied.variants); err != nil {
			return err
		}
		return bisected(b)
	})
}

// only leaves of a job what a bisection asks: the first kernel, without the checks. The matrix that is asked for stays what it
// was: this is another question to the same runs.
func (j *labJob) only(st *store.Store, s *series.Series) error {
	if _, err := keepMatrix(st, s.ID, j.specs[0]); err != nil {
		return err
	}
	spec := *j.specs[0]
	spec.Checks, spec.More, spec.Subsets = nil, nil, nil
	j.specs = []*lab.Spec{&spec}
	return nil
}

// one refuses to bisect several cases at once.
func one(spec *lab.Spec) error {
	if len(spec.Cases) == 1 {
		return nil
	}
	var names []string
	for _, c := range spec.Cases {
		names = append(names, c.Name)
	}
	return manyCases("--case", names)
}

func manyCases(flag string, names []string) error {
	return &userError{fmt.Sprintf("bisect series: %s means %d cases", flag, len(names)), "one of " + strings.Join(names, ", ")}
}

// bisected ends a bisection: errFound when the patch breaks the case, the lab's trouble when that is why there is no
// answer.
func bisected(b *lab.Bisection) error {
	switch b.Effect {
	case testplan.Regresses:
		return errFound
	case testplan.Undetermined:
		for _, c := range b.Cells {
			if c.Outcome == testplan.Infra {
				return labFailed(c, fmt.Sprintf("prefix %d", c.Prefix))
			}
		}
		if b.Manual == nil && b.Needs == nil {
			return errFound // no two kernels
		}
	}
	return nil
}
