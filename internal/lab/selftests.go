package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seriesctl/seriesctl/qemu"
	"github.com/seriesctl/seriesctl/series"
	"github.com/seriesctl/seriesctl/testplan"
)

// Tree is a kernel tree that self-tests are built from.
type Tree struct {
	Source *series.Source
	Hash   series.Hash // "" for none, as of a series that does not apply
}

// Selftests builds the self-tests that the plan's cases are of and puts them into the machine. They are kept by the tree's hash.
// trees has each tree that the plan names. The notes say what was built now, what does not build here, and what the kernel lacks for a
// collection.
func (h *Host) Selftests(ctx context.Context, p *testplan.Plan, trees map[string]Tree, progress func(Activity)) (notes []string, err error) {
	b := &selftestBuild{host: h, trees: trees, progress: progress, note: func(line string) { notes = append(notes, line) }}
	defer func() { err = errors.Join(err, b.close()) }()
	for _, s := range p.Selftests() {
		tree := trees[s.Tree]
		if tree.Hash == "" {
			return notes, fmt.Errorf("build self-tests %s: the series does not apply", s.Collection)
		}
		c, dir, err := b.get(ctx, s)
		if err != nil {
			return notes, err
		}
		h.Machine.Files[s.Inside()] = dir
		notes = append(notes, selftestNotes(p, s, c, tree)...)
	}
	return notes, nil
}

// selftestBuild builds collections of one tree after the other, each tree checked out once.
type selftestBuild struct {
	host     *Host
	trees    map[string]Tree
	progress func(Activity)
	note     func(line string)

	dir   string // for the tree at hand
	held  *os.File
	tree  string
	maker *qemu.Kselftest
}

// get returns a collection and where it is, built now where it is not kept.
func (b *selftestBuild) get(ctx context.Context, s testplan.Selftests) (*qemu.Collection, string, error) {
	tree := b.trees[s.Tree]
	toolchain, err := qemu.Toolchain(ctx)
	if err != nil {
		return nil, "", err
	}
	kept := b.host.Store.Selftests(qemu.SelftestsKey(string(tree.Hash), toolchain))
	for _, name := range namesOf(s.Collection) {
		dir := filepath.Join(kept, strings.ReplaceAll(name, "/", "-"))
		if c, err := qemu.ReadCollection(dir); err == nil {
			return c, dir, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, "", err
		}
	}
	if err := b.open(ctx, s.Tree, tree); err != nil {
		return nil, "", err
	}
	all := b.maker.Collections()
	for _, name := range namesOf(s.Collection) {
		if !slices.Contains(all, name) {
			continue
		}
		dir := filepath.Join(kept, strings.ReplaceAll(name, "/", "-"))
		b.progress(Activity{Step: "building self-tests " + name})
		c, err := b.maker.Build(ctx, name, dir)
		if err == nil {
			b.note("built self-tests " + name)
		}
		return c, dir, err
	}
	return nil, "", &NoCollectionError{s.Collection, all}
}

// namesOf are what a collection is called in newer and older trees: mm was vm until Linux 6.3.
func namesOf(collection string) []string {
	switch collection {
	case "mm":
		return []string{"mm", "vm"}
	case "vm":
		return []string{"vm", "mm"}
	}
	return []string{collection}
}

// open checks a tree out.
func (b *selftestBuild) open(ctx context.Context, name string, tree Tree) error {
	if b.dir != "" && b.tree == name {
		return nil
	}
	if err := b.close(); err != nil {
		return err
	}
	parent := b.host.Store.Selftests("")
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return fmt.Errorf("build self-tests: %w", err)
	}
	const prefix = ".build-"
	clearHeld(parent, prefix)
	var err error
	if b.dir, b.held, err = heldDir(parent, prefix); err != nil {
		return fmt.Errorf("build self-tests: %w", err)
	}
	b.tree = name
	src := filepath.Join(b.dir, "src")
	_, err = tree.Source.Checkout(ctx, tree.Hash, src, func(done, total int) {
		b.progress(Activity{Step: "checking out for the self-tests", Done: done, Total: total})
	})
	if err != nil {
		return fmt.Errorf("check out for the self-tests: %w", err)
	}
	b.maker = &qemu.Kselftest{Source: src, Dir: b.dir, Log: filepath.Join(b.host.Store.Logs(), "build-selftests.log"),
		Jobs: b.host.Builder.Jobs, Sandbox: b.host.Builder.Sandbox,
		Progress: func(p qemu.Progress) {
			b.progress(Activity{Step: p.Step, File: p.File, Done: p.Done, Total: p.Total})
		}}
	return nil
}

// close removes what the tree at hand took.
func (b *selftestBuild) close() error {
	dir := b.dir
	if b.dir = ""; dir == "" {
		return nil
	}
	return errors.Join(os.RemoveAll(dir), b.held.Close())
}

// NoCollectionError is a collection of self-tests that the tree has not.
type NoCollectionError struct {
	Name string
	All  []string
}

func (e *NoCollectionError) Error() string {
	return fmt.Sprintf("build self-tests %s: the tree has no such collection", e.Name)
}

// Hint names those that may be meant.
func (e *NoCollectionError) Hint() string { return testplan.DidYouMean(e.Name, e.All) }

// selftestNotes say what of a collection does not build here, and which options that it asks for the plan's kernels lack.
func selftestNotes(p *testplan.Plan, s testplan.Selftests, c *qemu.Collection, tree Tree) []string {
	var out []string
	for _, u := range c.Unbuilt {
		line := fmt.Sprintf("self-test %s:%s is not built: %s", s.Collection, u.Name, u.Reason)
		if u.Hint != "" {
			line += " (" + u.Hint + ")"
		}
		out = append(out, line)
	}
	for _, name := range namesOf(s.Collection) {
		config, err := tree.Source.ReadFile(tree.Hash, "tools/testing/selftests/"+name+"/config")
		if err != nil {
			continue // most have none
		}
		if lacks := p.Lacks(string(config)); len(lacks) > 0 {
			out = append(out, fmt.Sprintf("self-tests %s ask for options that the kernel lacks; some tests may skip or fail: %s", name, strings.Join(lacks, " ")))
		}
		break
	}
	return out
}
