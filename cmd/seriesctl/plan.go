package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/report"
	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/internal/xec"
	"github.com/seriesctl/seriesctl/series"
	"github.com/seriesctl/seriesctl/testplan"
)

func (a *app) planCommand() *cobra.Command {
	plan := &cobra.Command{Use: "plan", Short: "write or check a test plan",
		Long: `A plan says what to build and which cases to run: kernel, virtual machine, file systems, reproducers and other tests, and how
often. It is testplan.yaml in the current directory, or what --plan names: a file, or a plan that is part of seriesctl,
mmap-deadlock (the default) or page-faults. The guide describes it.`}
	plan.AddCommand(&cobra.Command{
		Use:   "check [FILE]",
		Short: "validate a plan file and say what it asks for",
		Long: `check reads a plan, that of --plan where none is named, and prints what it asks for: kernels with their options, file systems,
cases. An error in it names line and column.`,
		Args: takes(0, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				a.plan = args[0]
			}
			p, name, err := a.loadPlan()
			if err != nil {
				return err
			}
			warnings := planWarnings(p)
			if a.json {
				return report.WriteJSON(a.out, newPlanJSON(name, p, warnings))
			}
			if err := a.printPlan(name, p); err != nil {
				return err
			}
			for _, w := range warnings {
				if _, err := fmt.Fprintf(a.err, "warning: %s\n", w); err != nil {
					return err
				}
			}
			return nil
		},
	}, a.planNewCommand())
	return plan
}

// planFile is where a plan is looked for, and written.
const planFile = "testplan.yaml"

func (a *app) planNewCommand() *cobra.Command {
	var f sourceFlags
	var out string
	var force bool
	cmd := &cobra.Command{
		Use:   "new [SERIES]",
		Short: "write a plan to start from, suggested for a series where there is one",
		Long: `new writes a plan with comments; without a series it is one to start from. For the series of the workspace it suggests one: the file systems of what the patches touch,
the reproducers that reach it, and what running it takes. With a source, or that of the last run, also the options without which
touched files would not be compiled. Edit it; plan check validates.`,
		Args: takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, _ := seriesAnd(args, 0)
			text, err := a.suggest(cmd.Context(), name, &f)
			if err != nil {
				return err
			}
			return a.writePlan(out, text, force)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVarP(&out, "output", "o", planFile, "`file` to write, - for standard output")
	cmd.Flags().BoolVar(&force, "force", false, "overwrite it")
	return cmd
}

// suggest writes the plan for the series of that name, or one to start from where there is no series.
func (a *app) suggest(ctx context.Context, name string, f *sourceFlags) (string, error) {
	st, err := a.open(false)
	if err != nil {
		if dir, derr := a.workspaceDir(); name == "" && derr == nil && missing(dir) {
			return testplan.Suggest(testplan.Touched{})
		}
		return "", err
	}
	defer func() { _ = st.Close() }()
	switch rows, err := st.Series(); {
	case err != nil:
		return "", err
	case len(rows) == 0 && name == "":
		return testplan.Suggest(testplan.Touched{})
	}
	s, err := find(st, name)
	if err != nil {
		return "", err
	}
	t := testplan.Touched{Title: s.Subject}
	patches := s.Patches
	if f.defaults(st, s); f.Source != "" {
		p := a.progress()
		ap, err := f.apply(ctx, st, s, p)
		p.Close()
		if err != nil {
			return "", err
		}
		defer ap.close()
		patches = ap.patches
		if tree := lastTree(ap); tree != "" {
			t.Read = func(path string) ([]byte, error) { return ap.source.ReadFile(tree, path) }
		}
	}
	for _, p := range patches {
		t.Files = append(t.Files, p.Files...)
	}
	slices.Sort(t.Files)
	t.Files = slices.Compact(t.Files)
	m, err := measured(st, s)
	if err != nil {
		return "", err
	}
	prefixes := len(patches) + 1
	t.Costs = func(cells int) string { return report.Estimate(m, prefixes, cells) }
	return testplan.Suggest(t)
}

func missing(dir string) bool {
	_, err := os.Stat(dir)
	return errors.Is(err, fs.ErrNotExist)
}

// lastTree is the tree with as much of the series as applies.
func lastTree(ap *applied) series.Hash {
	for _, v := range slices.Backward(ap.variants) {
		if v.Status == series.Applied {
			return v.Tree
		}
	}
	return ""
}

// measured is what the last run of a series took.
func measured(st *store.Store, s *series.Series) (lab.Measured, error) {
	var last lab.Spec
	if err := st.Matrix(s.ID, &last); errors.Is(err, store.ErrNotFound) {
		return lab.Measure(st, nil)
	} else if err != nil {
		return lab.Measured{}, err
	}
	return lab.Measure(st, &last)
}

// writePlan writes text to a file that is not there yet, unless forced, and says what it asks for.
func (a *app) writePlan(path, text string, force bool) error {
	switch {
	case path == "-" && a.json:
		return &userError{"write plan -: a plan is YAML, no JSON", "-o FILE, or without --json"}
	case path == "-":
		_, err := io.WriteString(a.out, text)
		return err
	}
	if _, err := os.Lstat(path); err == nil && !force {
		return &userError{fmt.Sprintf("write plan %s: it exists", path), "--force overwrites it, -o FILE writes another"}
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err == nil {
		_, err = tmp.WriteString(text)
		err = errors.Join(err, tmp.Chmod(0o644), tmp.Sync(), tmp.Close())
		if err == nil && force {
			err = os.Rename(tmp.Name(), path)
		} else if err == nil {
			err = os.Link(tmp.Name(), path) // fails where another was faster
		}
		_ = os.Remove(tmp.Name())
	}
	if err != nil {
		return fmt.Errorf("write plan %s: %w", path, reason(err))
	}
	p, err := testplan.Load(path)
	if err != nil {
		return err
	}
	if a.json {
		return report.WriteJSON(a.out, newPlanJSON(path, p, planWarnings(p)))
	}
	var names []string
	for _, fs := range p.Filesystems {
		names = append(names, fs.Name)
	}
	_, err = fmt.Fprintf(a.out, "%s: %s on %s; edit it, then `seriesctl plan check`\n", path, report.Count(len(p.Cases), "case"), strings.Join(names, ", "))
	return err
}

// planJSON is a valid plan as --json prints it.
type planJSON struct {
	File        string             `json:"file"` // or the name of an embedded one
	Name        string             `json:"name"`
	Kernels     []testplan.Kernel  `json:"kernels"`
	Filesystems []string           `json:"filesystems"`
	Cases       []testplan.Case    `json:"cases"`
	Warnings    []testplan.Warning `json:"warnings"`
}

func newPlanJSON(file string, p *testplan.Plan, warnings []testplan.Warning) planJSON {
	out := planJSON{File: file, Name: p.Name, Kernels: p.All(), Filesystems: []string{},
		Cases: p.Cases, Warnings: append([]testplan.Warning{}, warnings...)}
	for i := range out.Kernels {
		k := &out.Kernels[i]
		k.Fragments, k.Options = append([]string{}, k.Fragments...), append([]string{}, k.Options...)
	}
	for _, fs := range p.Filesystems {
		out.Filesystems = append(out.Filesystems, fs.Name)
	}
	return out
}

// planWarnings says what of a valid plan will most likely not do what is meant, and what this host lacks for it.
func planWarnings(p *testplan.Plan) []testplan.Warning {
	list := p.Warnings()
	for _, n := range needs(p, false) {
		if _, err := xec.Find(n.program); err != nil {
			list = append(list, testplan.Warning{Text: "this host has no " + n.program, Hint: "`seriesctl doctor` says which package has it"})
		}
	}
	return list
}

func (a *app) printPlan(name string, p *testplan.Plan) error {
	line := fmt.Sprintf("%s: %s: %s, %s", name, p.Name, report.Count(len(p.Cases), "case"), report.Count(len(p.Filesystems), "file system"))
	for _, k := range p.All() {
		line += ", kernel "
		if k.Name != "" {
			line += k.Name + ": "
		}
		line += strings.Join(append(append([]string{k.Config}, k.Fragments...), k.Options...), " + ")
	}
	if _, err := fmt.Fprintln(a.out, line); err != nil {
		return err
	}
	if p.Fstests != nil {
		for _, g := range p.Fstests.Groups {
			if _, err := fmt.Fprintf(a.out, "  group %s on %s: %s\n", g.Group, g.Filesystem, report.Count(g.Tests, "test")); err != nil {
				return err
			}
		}
	}
	for _, c := range p.Cases {
		if _, err := fmt.Fprintf(a.out, "  %s\n", c.Name); err != nil {
			return err
		}
	}
	return nil
}
