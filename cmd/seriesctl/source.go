package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/report"
	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/series"
)

// sourceFlags are the flags that say on what a series is applied, and how.
type sourceFlags struct {
	lab.Asked
}

func (f *sourceFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.Source, "source", "", "git repository or unpacked source tree in `dir` to apply on; never written to (default: that of the last run)")
	fl.StringVar(&f.Base, "base", "", "`revision` to apply on, or auto: the commit whose files are most as the patches expect them (default: HEAD; a plain tree has none)")
	fl.StringSliceVar(&f.Prerequisites, "prerequisite", nil, "`mbox` of patches that go on before the series; may be repeated")
	fl.StringVar(&f.Patches, "patches", "", "only these patches, in this order, a `list` like 1-4,7")
	fl.StringVar(&f.Resolutions, "resolutions", "", "`dir`ectory of patches resolved by hand")
	fl.IntVar(&f.Fuzz, "fuzz", 0, "`lines` of context that may differ, as with patch(1)")
	fl.BoolVar(&f.ThreeWay, "3way", false, "merge a patch that does not apply, as git am -3 does, where the source has the blobs it names")
}

// applied is a series on its base.
type applied struct {
	repo     *series.Repo
	source   *series.Source
	series   *series.Series
	patches  []*series.Patch
	options  series.ApplyOptions
	variants []series.Variant
}

func (a *applied) close() {
	if a.source != nil {
		_ = a.source.Close()
	}
}

// defaults takes what the flags leave open from the last run of the series, when no source is named.
func (f *sourceFlags) defaults(st *store.Store, s *series.Series) {
	if f.Source != "" {
		return
	}
	var last lab.Spec
	if st.Matrix(s.ID, &last) != nil {
		return
	}
	said := f.Asked
	f.Asked = last.Asked
	f.Base = cmp.Or(said.Base, f.Base)
	f.Resolutions = cmp.Or(said.Resolutions, f.Resolutions)
	f.Patches = cmp.Or(said.Patches, f.Patches)
	f.Fuzz = cmp.Or(said.Fuzz, f.Fuzz)
	f.ThreeWay = said.ThreeWay || f.ThreeWay
	if len(said.Prerequisites) > 0 {
		f.Prerequisites = said.Prerequisites
	}
}

// absolute makes the paths independent of the current directory, so that they can be kept.
func (f *sourceFlags) absolute() error {
	var err error
	abs := func(p *string) {
		if *p != "" && err == nil {
			*p, err = filepath.Abs(*p)
		}
	}
	abs(&f.Source)
	abs(&f.Resolutions)
	for i := range f.Prerequisites {
		abs(&f.Prerequisites[i])
	}
	return err
}

// apply applies the series of that name as the flags say.
func (f *sourceFlags) apply(ctx context.Context, st *store.Store, s *series.Series, p *report.Progress) (*applied, error) {
	out, err := f.open(ctx, st, s, p)
	if err != nil {
		return nil, err
	}
	out.variants, err = out.source.Prefixes(ctx, out.patches, out.options)
	if err != nil {
		out.close()
		return nil, err
	}
	return out, nil
}

// open opens what the series is to be applied to as the flags say.
func (f *sourceFlags) open(ctx context.Context, st *store.Store, s *series.Series, p *report.Progress) (*applied, error) {
	f.defaults(st, s)
	if f.Source == "" {
		return nil, &userError{"apply " + s.ID + ": no source given", "--source DIR: a git repository or an unpacked kernel source"}
	}
	if err := f.absolute(); err != nil {
		return nil, err
	}
	if f.Base == "auto" {
		p.Step(report.Step{What: "looking for the base", Stage: "base"})
		best, err := series.GuessBase(ctx, f.Source, s, func(candidates int) {
			p.Step(report.Step{What: fmt.Sprintf("looking for the base among %d commits", candidates), Stage: "base"})
		})
		if err != nil {
			return nil, err
		}
		if len(best) == 0 || best[0].Matches == 0 {
			return nil, &userError{"guess base of " + s.ID + ": no commit of " + f.Source + " has a file as the patches expect it", "name the commit with --base REV"}
		}
		p.Finished("base " + best[0].String() + " (" + best[0].Why + ")")
		f.Base = string(best[0].Commit)
	}
	out := &applied{series: s, patches: s.Patches}
	if f.Patches != "" {
		list, err := parseList("patches", f.Patches, 1, s.Total)
		if err != nil {
			return nil, err
		}
		if out.patches, err = subset(s, list); err != nil {
			return nil, err
		}
	} else if err := complete("apply", s); err != nil {
		return nil, err
	}
	out.options = series.ApplyOptions{Resolutions: f.Resolutions, Fuzz: f.Fuzz, ThreeWay: f.ThreeWay}
	for _, path := range f.Prerequisites {
		box, err := series.Read(ctx, []string{path}, nil)
		if err != nil {
			return nil, err
		}
		pre, err := box.Pick(0)
		if err != nil {
			return nil, err
		}
		out.options.Prerequisites = append(out.options.Prerequisites, pre.Patches...)
	}
	var err error
	if out.repo, err = series.OpenRepo(st.Git()); err != nil {
		return nil, err
	}
	out.source, err = out.repo.OpenSource(ctx, f.Source, f.Base, func(what string, done, total int) {
		p.Step(report.Step{What: what, Stage: what, Done: done, Total: total})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// subset picks patches by their numbers.
func subset(s *series.Series, list []int) ([]*series.Patch, error) {
	byIndex := map[int]*series.Patch{}
	for _, p := range s.Patches {
		byIndex[p.Index] = p
	}
	var out []*series.Patch
	seen := map[int]bool{}
	for _, n := range list {
		switch {
		case byIndex[n] == nil:
			return nil, &userError{fmt.Sprintf("apply %s: patch %d/%d is missing", s.ID, n, s.Total), "there are --patches " + presentPatches(s)}
		case seen[n]:
			return nil, &userError{fmt.Sprintf("read --patches: patch %d is named twice", n), ""}
		}
		seen[n] = true
		out = append(out, byIndex[n])
	}
	return out, nil
}

// conflict returns the error for the first variant that does not apply, nil when all do.
func conflict(s *series.Series, patches []*series.Patch, variants []series.Variant) error {
	for i, v := range variants {
		if v.Status != series.Conflict {
			continue
		}
		what, n := "a prerequisite", 0
		if i > 0 {
			n = patches[i-1].Index
			what = fmt.Sprintf("patch %d %q", n, v.Subject)
		}
		why := "conflict"
		if len(v.Conflicts) > 0 {
			why = v.Conflicts[0].String()
		}
		return &foundError{fmt.Sprintf("apply %s: %s does not apply: %s", s.ID, what, why),
			"try another --base, its --prerequisite, or give the patch resolved by hand in --resolutions DIR"}
	}
	return nil
}

// betterBase is a hint that names the commit the series was more likely made on than head, or else the hint
// there is.
func (f *sourceFlags) betterBase(ctx context.Context, s *series.Series, head series.Hash, hint string) string {
	list, err := series.GuessBase(ctx, f.Source, s, nil)
	if err != nil || len(list) == 0 {
		return hint // only a hint is lost
	}
	matches := 0
	for _, g := range list {
		if g.Commit == head {
			matches = g.Matches
		}
	}
	if list[0].Matches <= matches {
		return hint
	}
	return fmt.Sprintf("--base %s may be what it was made on: %s (HEAD: %d)", list[0].Name, list[0].String(), matches)
}

func (a *app) applyCommand() *cobra.Command {
	var f sourceFlags
	cmd := &cobra.Command{
		Use:         "apply [SERIES]",
		Annotations: annotated(ofSeries),
		Short:       "apply the series on a base, patch by patch",
		Long: `apply puts the patches on the base, in memory, as git am would, and prints per prefix how the patch went
on, its commit and its tree. Commits live in the workspace's own repository; the source is never written to.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, _ := seriesAnd(args, 0)
			return a.with(name, func(st *store.Store, s *series.Series) error { return a.applySeries(cmd.Context(), st, s, &f) })
		},
	}
	f.add(cmd)
	return cmd
}

// applySeries applies s and prints how each patch went on.
func (a *app) applySeries(ctx context.Context, st *store.Store, s *series.Series, f *sourceFlags) error {
	p := a.progress()
	ap, err := f.apply(ctx, st, s, p)
	p.Close()
	if err != nil {
		return err
	}
	defer ap.close()
	commit, tree := ap.source.Base()
	base := report.Base{Commit: commit, Tree: tree}
	if a.json {
		err = report.ApplyJSON(a.out, base, ap.variants)
	} else {
		err = report.Apply(a.out, base, ap.variants, a.options(a.out))
	}
	if err != nil {
		return err
	}
	err = conflict(s, ap.patches, ap.variants)
	if found := (*foundError)(nil); f.Base == "" && errors.As(err, &found) {
		found.hint = f.betterBase(ctx, s, commit, found.hint)
	}
	return err
}

// progress shows on standard error what a command does.
func (a *app) progress() *report.Progress {
	o := a.options(a.err)
	width := func() int { return a.options(a.err).Width }
	return report.NewProgress(a.err, report.ProgressOptions{Terminal: isTerminal(a.err), Quiet: a.quiet, Width: width, Color: o.Color, ASCII: o.ASCII})
}
