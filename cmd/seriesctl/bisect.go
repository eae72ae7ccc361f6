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
	var name string
	cmd := &cobra.Command{
		Use:         "bisect [SERIES] --case CASE",
		Annotations: annotated(ofSeries, goesOn),
		Short:       "find the patch that changes a case, with as few builds as possible",
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
			r.cases = []string{name}
			return a.with(id, func(st *store.Store, s *series.Series) error {
				return a.bisect(cmd.Context(), st, s, &f, &r)
			})
		},
	}
	f.add(cmd)
	r.add(cmd)
	cmd.Flags().StringVar(&name, "case", "", "the `case` to bisect: gfs2/read-self")
	return cmd
}

func (a *app) bisect(ctx context.Context, st *store.Store, s *series.Series, f *sourceFlags, r *runFlags) error {
	return a.inLab(ctx, st, s, f, r, func(j *labJob) error {
		if err := one(j.specs[0]); err != nil {
			return err
		}
		if _, err := keepMatrix(st, s.ID, j.specs[0]); err != nil {
			return err
		}
		spec := *j.specs[0]
		spec.Checks, spec.More = nil, nil
		j.specs = []*lab.Spec{&spec}
		totals, err := j.run(ctx, lab.Bisecting(&spec, 0))
		if err != nil {
			return err
		}
		b, err := lab.Bisected(st, &spec, 0)
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
