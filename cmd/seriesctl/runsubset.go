package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/report"
	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/series"
	"github.com/seriesctl/seriesctl/testplan"
)

// checkSubsets finds flags that make no sense with --subset.
func (r *runFlags) checkSubsets(f *sourceFlags) error {
	switch {
	case len(r.subsets) == 0:
	case r.prefixes != "":
		return &userError{"read --subset: --prefixes are other rows of the matrix", "one after the other: a subset is kept when it was run"}
	case f.Patches != "":
		return &userError{"read --subset: --patches makes another series of it", "--subset is one row beside the matrix, --patches a matrix of its own"}
	}
	return nil
}

// readSubset reads "2,4-6" into numbers of patches of s, ascending: a subset goes on in the order of the series.
func readSubset(flag, text string, s *series.Series) ([]int, error) {
	list, err := parseList(flag, strings.Trim(text, "{}"), 1, s.Total)
	if err != nil {
		return nil, err
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// readSubsets are those that are asked for, but for prefixes that the matrix has.
func (a *app) readSubsets(st *store.Store, s *series.Series, r *runFlags, patches []*series.Patch, p *report.Progress) ([][]int, error) {
	var last lab.Spec
	if err := st.Matrix(s.ID, &last); err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	var out [][]int
	for _, text := range r.subsets {
		list, err := readSubset("subset", text, s)
		if err != nil {
			return nil, err
		}
		k := len(list)
		is := k <= len(patches) && slices.EqualFunc(list, patches[:min(k, len(patches))], func(n int, p *series.Patch) bool { return n == p.Index })
		if is && slices.ContainsFunc(last.Variants, func(v lab.Variant) bool { return v.Index == k }) {
			p.Finished(fmt.Sprintf("patches %s are prefix %d, which the matrix has", lab.List(list), k))
			continue
		}
		out = append(out, list)
	}
	return out, nil
}

// subsetVariants applies the subsets that the matrix keeps, and those that are asked for; these must apply.
func (ap *applied) subsetVariants(ctx context.Context, st *store.Store, asked [][]int, p *report.Progress) ([]lab.Variant, error) {
	var last lab.Spec
	if err := st.Matrix(ap.series.ID, &last); err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	var out []lab.Variant
	add := func(list []int) error {
		v, err := ap.subsetVariant(ctx, list)
		if err == nil {
			v.Index = len(ap.variants) + len(out)
			out = append(out, v)
		}
		return err
	}
	for _, v := range last.Subsets {
		err := add(v.Subset)
		if bad := (*userError)(nil); errors.As(err, &bad) { // the mail was loaded again, with fewer patches
			p.Finished(fmt.Sprintf("%s is dropped: %v", v.Name(), err))
		} else if err != nil {
			return nil, err
		}
	}
	graph := series.Depend(ap.series.Patches)
	for _, list := range asked {
		at := slices.IndexFunc(out, func(v lab.Variant) bool { return slices.Equal(v.Subset, list) })
		if at < 0 {
			if err := add(list); err != nil {
				return nil, err
			}
			at = len(out) - 1
		}
		v := &out[at]
		if v.Status != series.Applied {
			return nil, ap.doesNotApply(ctx, v)
		}
		if line := report.Lacking(lab.Consider(&lab.Result{}, graph, list)); line != "" {
			p.Finished(v.Name() + ": by the diffs " + line + ": it may not build")
		}
	}
	return out, nil
}

// subsetVariant is the base with exactly these patches on it, or where they stop to apply.
func (ap *applied) subsetVariant(ctx context.Context, list []int) (lab.Variant, error) {
	patches, err := subset(ap.series, list)
	if err != nil {
		return lab.Variant{}, err
	}
	variants, err := ap.source.Prefixes(ctx, patches, ap.options)
	if err != nil {
		return lab.Variant{}, err
	}
	at := slices.IndexFunc(variants, func(v series.Variant) bool { return v.Status != series.Applied })
	if at < 0 {
		at = len(variants) - 1
	}
	v := lab.Variant{Variant: variants[at], Subset: list}
	for _, p := range patches {
		v.Files = append(v.Files, p.Files...)
	}
	slices.Sort(v.Files)
	v.Files = slices.Compact(v.Files)
	return v, nil
}

// doesNotApply is the error for a subset that does not, with what it needs.
func (ap *applied) doesNotApply(ctx context.Context, v *lab.Variant) error {
	why := string(v.Status)
	if len(v.Conflicts) > 0 {
		why = v.Conflicts[0].String()
	}
	hint := "no patch of the series helps; give the patch resolved by hand in --resolutions DIR"
	if more := ap.needs(ctx, v.Subset); len(more) > 0 {
		all := slices.Sorted(slices.Values(slices.Concat(v.Subset, more)))
		hint = fmt.Sprintf("it needs %s: --subset %s applies", lab.List(more), lab.List(all))
	}
	return &foundError{fmt.Sprintf("apply %s: %s: %s does not apply: %s", ap.series.ID, v.Name(), quoted(v.Subject), why), hint}
}

// needs are patches with which a subset applies, none of which can be left out; nil where there are none.
func (ap *applied) needs(ctx context.Context, list []int) []int {
	applies := func(more []int) bool {
		patches, err := subset(ap.series, slices.Sorted(slices.Values(slices.Concat(list, more))))
		if err != nil {
			return false
		}
		variants, err := ap.source.Try(ctx, patches, ap.options)
		return err == nil && variants[len(variants)-1].Status == series.Applied
	}
	var more []int
	for _, p := range ap.series.Patches {
		if p.Index < slices.Max(list) && !slices.Contains(list, p.Index) {
			more = append(more, p.Index)
		}
	}
	if !applies(more) {
		return nil
	}
	for i := len(more) - 1; i >= 0; i-- {
		if fewer := slices.Delete(slices.Clone(more), i, i+1); applies(fewer) {
			more = fewer
		}
	}
	return more
}

// keepSubsets adds the subsets of j to the matrix that was asked for last, which else stays what it was, and leaves of j what is
// to be run of them. Without a matrix that of j is it.
func (j *labJob) keepSubsets(st *store.Store, id string) (*lab.Spec, error) {
	asked, err := keepMatrix(st, id, j.specs[0])
	if err != nil {
		return nil, err
	}
	kernels := append([]*lab.Spec{asked}, asked.More...)
	if len(kernels) != len(j.specs) {
		return nil, otherMatrix("another plan")
	}
	for i, k := range kernels {
		now := j.specs[i]
		if why := differs(k, now); why != "" {
			return nil, otherMatrix(why)
		}
		for _, v := range now.Subsets {
			k.Keep(v)
		}
		one := *k
		one.Checks, one.More = nil, nil
		one.Runs, one.Confidence = now.Runs, now.Confidence
		// Those of now: what is kept does not hold how a case is run.
		one.Cases = slices.DeleteFunc(slices.Clone(now.Cases), func(c lab.Case) bool {
			return !slices.ContainsFunc(k.Cases, func(o lab.Case) bool { return o.Key == c.Key })
		})
		j.specs[i] = &one
	}
	return asked, st.PutMatrix(id, asked)
}

// differs says in what a spec is of another matrix than the one that is kept, "" for nothing.
func differs(kept, now *lab.Spec) string {
	switch {
	case kept.Base != now.Base:
		return "another base"
	case !slices.Equal(kept.Patches, now.Patches):
		return "other patches"
	case kept.Config != now.Config:
		return "another config"
	case kept.Accel != now.Accel:
		return "another accelerator"
	}
	both := false
	for _, c := range now.Cases {
		i := slices.IndexFunc(kept.Cases, func(k lab.Case) bool { return k.Name == c.Name })
		if i >= 0 && kept.Cases[i].Key != c.Key {
			return "another case " + c.Name
		}
		both = both || i >= 0 // a matrix of chosen cases has not all of the plan's
	}
	if !both {
		return "other cases"
	}
	for _, v := range now.Variants {
		if slices.ContainsFunc(kept.Variants, func(k lab.Variant) bool { return k.Index == v.Index && k.Key != v.Key }) {
			return "another compiler or another resolution"
		}
	}
	return ""
}

func otherMatrix(why string) error {
	return &userError{"run subset: the last matrix is of " + why, "--subset without flags for source and plan takes those of the last run; or `seriesctl run` first"}
}

// dropSubset forgets a row of the matrix.
func (a *app) dropSubset(st *store.Store, s *series.Series, text string) error {
	list, err := readSubset("drop-subset", text, s)
	if err != nil {
		return err
	}
	unlock, err := st.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	var spec lab.Spec
	if err := st.Matrix(s.ID, &spec); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if !spec.Drop(list) {
		hint := "`seriesctl run --subset` makes one"
		var names []string
		for _, v := range spec.Subsets {
			names = append(names, lab.List(v.Subset))
		}
		if len(names) > 0 {
			hint = "there are " + strings.Join(names, " and ")
		}
		return &userError{"drop subset: the matrix has no subset " + lab.List(list), hint}
	}
	if err := st.PutMatrix(s.ID, &spec); err != nil {
		return err
	}
	if !a.quiet {
		fmt.Fprintf(a.err, "subset %s is no row of the matrix any more; its results stay\n", lab.List(list))
	}
	return nil
}

// verdictOfSubsets ends a run of subsets: errFound when one has no kernel where the base has one, or breaks a case.
func verdictOfSubsets(r *lab.Result, asked [][]int) error {
	for _, list := range asked {
		row := r.Row(list)
		if row == nil {
			continue
		}
		for n, k := range kernelsOf(&row.Prefix) {
			failed := k.Status == lab.PrefixBuildFailed || k.Status == lab.PrefixBootFailed
			if failed && (len(r.Prefixes) == 0 || !k.FailsAs(kernelsOf(&r.Prefixes[0])[n])) {
				return errFound
			}
		}
		for _, c := range row.Base {
			if c.Effect == testplan.Regresses || c.Effect == testplan.MoreOften {
				return errFound
			}
		}
		for _, c := range row.Cells {
			if c.Outcome == testplan.Infra {
				return labFailed(c, "subset "+row.Name())
			}
		}
	}
	return baseHasNone(r)
}

// mostPatches is more than a series has.
const mostPatches = 9999

// readRow reads how a command line names a row of the matrix: the prefix 4, the subset 2,4-6, the subset {4}.
func readRow(command, text string) (at lab.Variant, err error) {
	if n, err := strconv.Atoi(text); err == nil && n >= 0 {
		at.Index = n
		return at, nil
	}
	list, err := parseList("subset", strings.Trim(text, "{}"), 1, mostPatches)
	if err != nil {
		return at, &userError{fmt.Sprintf("find prefix %q: it is neither a number nor a subset", text), fmt.Sprintf("like `seriesctl %s 4`, or 2,4-6 for a subset that was run", command)}
	}
	slices.Sort(list)
	at.Subset = slices.Compact(list)
	return at, nil
}

// sameRow says whether two variants are one row of the matrix.
func sameRow(a, b lab.Variant) bool {
	if a.Subset != nil || b.Subset != nil {
		return slices.Equal(a.Subset, b.Subset)
	}
	return a.Index == b.Index
}

// rowFlag is the flag of run that means a row.
func rowFlag(at lab.Variant) string {
	if at.Subset != nil {
		return "subset " + lab.List(at.Subset)
	}
	return fmt.Sprintf("prefixes %d", at.Index)
}
