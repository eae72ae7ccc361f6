package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/report"
	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/series"
	"github.com/seriesctl/seriesctl/testplan"
)

// withMatrix opens the series of that name and what is known of its last run.
func (a *app) withMatrix(name string, do func(st *store.Store, spec *lab.Spec, r *lab.Result) error) error {
	return a.with(name, func(st *store.Store, s *series.Series) error {
		var spec lab.Spec
		if err := st.Matrix(s.ID, &spec); errors.Is(err, store.ErrNotFound) {
			return &userError{fmt.Sprintf("read results of %s: it was not run yet", s.ID), "`seriesctl run --source DIR`"}
		} else if err != nil {
			return err
		}
		r, err := lab.Load(st, &spec)
		if err != nil {
			return err
		}
		return do(st, &spec, r)
	})
}

func (a *app) reportCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:         "report [SERIES]",
		Annotations: annotated(ofSeries),
		Short:       "the matrix and what each patch does, as text, Markdown or JSON",
		Long: `report prints what is known of the matrix that was asked for last: each case on each prefix, and what each patch does
to it. It builds and runs nothing, and may be called while a run goes on.`,
		Example: `  seriesctl report --format markdown >>reply.txt`,
		Args:    takes(0, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			name, _ := seriesAnd(args, 0)
			if a.json {
				format = "json"
			}
			return a.withMatrix(name, func(_ *store.Store, _ *lab.Spec, r *lab.Result) error {
				return report.Write(a.out, format, r, a.options(a.out))
			})
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "`format`: text, markdown or json")
	return cmd
}

func (a *app) logCommand() *cobra.Command {
	return &cobra.Command{
		Use:         "log [SERIES] PREFIX CASE",
		Annotations: annotated(ofSeries),
		Short:       "a cell's runs: evidence, output, stacks, console",
		Long: `log prints the runs of a case on a prefix: the outcome of each and what decided it, what the case printed, the stacks of its
threads where it hung (who holds what, and who waits for whom), and the console.`,
		Example: `  seriesctl log 4 gfs2/read-self`,
		Args:    takes(2, 3),
		RunE: func(_ *cobra.Command, args []string) error {
			name, rest := seriesAnd(args, 2)
			at, err := readRow("log", rest[0])
			if err != nil {
				return err
			}
			return a.withMatrix(name, func(st *store.Store, spec *lab.Spec, r *lab.Result) error {
				return a.printLog(st, spec, r, at, rest[1])
			})
		},
	}
}

// printLog prints the runs of one cell.
func (a *app) printLog(st *store.Store, spec *lab.Spec, r *lab.Result, at lab.Variant, name string) error {
	cell, err := cellOf(r, at, name)
	if err != nil {
		return err
	}
	runs, err := lab.Runs(st, spec, cell.Prefix, cell.Case)
	if err != nil {
		return err
	}
	if a.json {
		if runs == nil {
			runs = []lab.Run{}
		}
		return report.WriteJSON(a.out, runs)
	}
	if len(runs) == 0 {
		_, err := fmt.Fprintln(a.out, report.NewMatrix(r).SentenceOf(cell))
		return err
	}
	return report.Log(a.out, at.Name(), cell, runs, opener(st), a.options(a.out))
}

// opener opens artefacts by the names the database has for them, and nothing outside the workspace.
func opener(st *store.Store) func(string) (io.ReadCloser, error) {
	return func(path string) (io.ReadCloser, error) { return openArtefact(st, path) }
}

func openArtefact(st *store.Store, path string) (*os.File, error) {
	if !filepath.IsLocal(path) {
		return nil, fmt.Errorf("open %s: not in the workspace", path)
	}
	return os.Open(filepath.Join(st.Dir, path))
}

// noCase is the error for a case that a plan or matrix has not, with those that may have been meant.
func noCase(name, where string, names []string) error {
	return &userError{fmt.Sprintf("find case %s: the %s has none of that name", name, where), testplan.DidYouMean(name, names)}
}

func cellOf(r *lab.Result, at lab.Variant, name string) (lab.Cell, error) {
	known, prefix, cells := false, at.Index, r.Cells
	if at.Subset != nil {
		row := r.Row(at.Subset)
		if row == nil {
			return lab.Cell{}, &userError{fmt.Sprintf("find %s: it was not run", at.Name()), "`seriesctl run --" + rowFlag(at) + "` makes it"}
		}
		prefix, cells = row.Index, row.Cells
	}
	for _, c := range cells {
		if c.Case == name {
			known = true
			if c.Prefix == prefix {
				return c, nil
			}
		}
	}
	if known {
		return lab.Cell{}, &userError{fmt.Sprintf("find prefix %d: the matrix has none of that number", prefix), fmt.Sprintf("it has %d to %d", r.Prefixes[0].Index, r.Prefixes[len(r.Prefixes)-1].Index)}
	}
	var names []string
	for _, c := range r.Cases {
		names = append(names, c.Name)
	}
	return lab.Cell{}, noCase(name, "matrix", names)
}
