package main

import (
	"context"
	"errors"
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
	var name string
	cmd := &cobra.Command{
		Use:   "bisect [SERIES] --case CASE",
		Short: "find the patch that changes a case, with as few builds as possible",
		Long: `bisect builds and runs the prefixes that tell most about one case, until it knows the patch that changes it as
well as --confidence wants, or that none does. A case that fails only sometimes is repeated. Prefixes that do
not apply, build or boot are passed over; the answer may then be a range. What run has found counts, and the
other way round. Of a plan's kernels it takes the first, or the one that --case names: debug:gfs2/read-self.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if name == "" {
				return &userError{"bisect: no case given", "like `seriesctl bisect --case gfs2/read-self`"}
			}
			id, _ := seriesAnd(args, 0)
			of, subtest := splitSubtest(name)
			r.cases = []string{of}
			return a.with(id, func(st *store.Store, s *series.Series) error {
				return a.bisect(cmd.Context(), st, s, &f, &r, subtest)
			})
		},
	}
	f.add(cmd)
	r.add(cmd)
	cmd.Flags().StringVar(&name, "case", "", "the `case` to bisect: gfs2/read-self")
	return cmd
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
		// The matrix that is asked for stays what it was: this is another question to the same runs.
		var last lab.Spec
		if err := st.Matrix(s.ID, &last); errors.Is(err, store.ErrNotFound) {
			err = st.PutMatrix(s.ID, j.specs[0])
			if err != nil {
				return err
			}
		} else if err != nil {
			return err
		}
		spec := *j.specs[0]
		spec.Checks, spec.More = nil, nil
		j.specs = []*lab.Spec{&spec}
		strategy := lab.Strategy(lab.Bisecting(&spec, 0))
		if subtest != "" {
			strategy = lab.BisectSubtest{Limits: lab.Bisecting(&spec, 0).Limits, Name: spec.Cases[0].Name + subtest}
		}
		totals, err := j.run(ctx, strategy)
		if err != nil {
			return err
		}
		at, err := lab.PlaceOf(st, &spec, spec.Cases[0].Name+subtest)
		if err != nil {
			return err
		}
		b, err := lab.Bisected(st, &spec, at)
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

// one refuses to bisect several cases at once.
func one(spec *lab.Spec) error {
	if len(spec.Cases) == 1 {
		return nil
	}
	var names []string
	for _, c := range spec.Cases {
		names = append(names, c.Name)
	}
	return &userError{fmt.Sprintf("bisect: --case means %d cases", len(names)), "one of " + strings.Join(names, ", ")}
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
				return labFailed(c)
			}
		}
	}
	return nil
}
