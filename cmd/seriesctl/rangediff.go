package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/pattern"
	"github.com/seriesctl/seriesctl/internal/plain"
	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/internal/xec"
	"github.com/seriesctl/seriesctl/series"
)

func (a *app) rangeDiffCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "range-diff FROM TO",
		Short: "how the patches of two revisions differ",
		Long: `range-diff shows which patches of two series of the workspace are the same, and how the others differ. Where both were
run it is git range-diff of what was applied; else the patches are paired by what they change and by their subjects.`,
		Hidden: true,
		Args:   takes(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			st, err := a.open(false)
			if err != nil {
				return err
			}
			defer func() { _ = st.Close() }()
			from, err := find(st, args[0])
			if err != nil {
				return err
			}
			to, err := find(st, args[1])
			if err != nil {
				return err
			}
			out, err := rangeDiff(cmd.Context(), st, from, to)
			if err == nil {
				_, err = fmt.Fprint(a.out, plain.Text(out))
			}
			return err
		},
	}
}

func rangeDiff(ctx context.Context, st *store.Store, from, to *series.Series) (string, error) {
	if a, b := appliedRange(st, from.ID), appliedRange(st, to.ID); a != nil && b != nil {
		c := xec.Cmd{Name: "git", Args: []string{"--git-dir=" + st.Git(), "range-diff", "--no-color", a.span, b.span},
			Env: []string{"GIT_ALTERNATE_OBJECT_DIRECTORIES=" + a.objects + ":" + b.objects}}
		if out, err := c.Output(ctx); err == nil || ctx.Err() != nil {
			return string(out), err
		}
		// A source may have gone; the mail is still there.
	}
	return patchDiff(ctx, from, to)
}

// applied commits of a series and where the objects of their base are.
type commitRange struct{ span, objects string }

// appliedRange is what the last run of a series applied, nil when that is not all of it.
func appliedRange(st *store.Store, id string) *commitRange {
	var spec lab.Spec
	if st.Matrix(id, &spec) != nil || len(spec.Variants) < 2 {
		return nil
	}
	for i, v := range spec.Variants {
		if v.Index != i || v.Commit == "" {
			return nil
		}
	}
	objects := filepath.Join(spec.Asked.Source, ".git", "objects")
	if _, err := os.Stat(objects); err != nil {
		objects = filepath.Join(spec.Asked.Source, "objects")
	}
	return &commitRange{string(spec.Variants[0].Commit) + ".." + string(spec.Variants[len(spec.Variants)-1].Commit), objects}
}

// patchDiff compares the patches as the mail has them.
func patchDiff(ctx context.Context, from, to *series.Series) (string, error) {
	old := slices.Clone(from.Patches)
	take := func(match func(p *series.Patch) bool) *series.Patch {
		i := slices.IndexFunc(old, match)
		if i < 0 {
			return nil
		}
		p := old[i]
		old = slices.Delete(old, i, i+1)
		return p
	}
	pairs := make([]*series.Patch, len(to.Patches))
	for i, p := range to.Patches {
		pairs[i] = take(func(q *series.Patch) bool { return q.PatchID == p.PatchID })
	}
	for i, p := range to.Patches {
		if pairs[i] == nil {
			pairs[i] = take(func(q *series.Patch) bool { return strings.EqualFold(q.Subject, p.Subject) })
		}
	}
	var out strings.Builder
	for i, p := range to.Patches {
		q := pairs[i]
		if q == nil {
			fmt.Fprintf(&out, "-:  ----------- > %2d:  %.11s %s\n", p.Index, p.PatchID, p.Subject)
			continue
		}
		diff, err := textDiff(ctx, patchText(q), patchText(p))
		if err != nil {
			return "", err
		}
		sign := "="
		if diff != "" {
			sign = "!"
		}
		fmt.Fprintf(&out, "%2d:  %.11s %s %2d:  %.11s %s\n%s", q.Index, q.PatchID, sign, p.Index, p.PatchID, p.Subject, diff)
	}
	for _, q := range old {
		fmt.Fprintf(&out, "%2d:  %.11s <  -:  ----------- %s\n", q.Index, q.PatchID, q.Subject)
	}
	return out.String(), nil
}

// volatile is what changes in a diff when nothing of the patch does.
var volatile = pattern.New(`(?m)^index [0-9a-f.]+.*\n|^(@@) -[0-9,]+ \+[0-9,]+ (@@)`)

// patchText is a patch as it is compared: message and diff, without what only says where.
func patchText(p *series.Patch) []byte {
	text := "Author: " + p.Author + "\n\n" + strings.TrimRight(p.CommitMessage, "\n") + "\n---\n" + string(p.Diff)
	return []byte(volatile.ReplaceAllStringFunc(text, func(m string) string {
		if strings.HasPrefix(m, "@@") {
			return "@@ @@"
		}
		return ""
	}))
}

// textDiff is the diff of two texts, indented, "" when they are the same.
func textDiff(ctx context.Context, a, b []byte) (string, error) {
	if bytes.Equal(a, b) {
		return "", nil
	}
	dir, err := os.MkdirTemp("", "seriesctl-")
	if err != nil {
		return "", fmt.Errorf("compare patches: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for name, text := range map[string][]byte{"a": a, "b": b} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return "", fmt.Errorf("compare patches: %w", err)
		}
	}
	out, err := xec.Cmd{Name: "git", Args: []string{"diff", "--no-index", "--no-color", "--no-ext-diff", "a", "b"}, Dir: dir}.Output(ctx)
	if failed := (*xec.Error)(nil); err != nil && (!errors.As(err, &failed) || failed.Status != 1) {
		return "", fmt.Errorf("compare patches: %w", err)
	}
	var lines strings.Builder
	seen := false
	for line := range strings.SplitAfterSeq(string(out), "\n") {
		if seen = seen || strings.HasPrefix(line, "@@"); seen && line != "" {
			lines.WriteString("    " + line)
		}
	}
	return lines.String(), nil
}
