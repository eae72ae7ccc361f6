package series

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/seriesctl/seriesctl/internal/xec"
)

// trees merges whole trees with git merge-tree, which also follows renames. It works in a repository of its
// own that borrows the objects of the source's and the workspace's, and goes when it is done.
func (m *merge) trees() (outcome, error) {
	git, ok := m.s.objects.source().(*catFiles)
	if !ok {
		return outcome{}, noMergef("the source is a plain tree, in which git cannot follow renames")
	}
	dir, err := os.MkdirTemp("", "seriesctl-merge-")
	if err != nil {
		return outcome{}, fmt.Errorf("merge trees: %w", err)
	}
	defer os.RemoveAll(dir)
	out, err := m.mergeTrees(dir, objectsDir(git.all[0].gitDir))
	if err != nil && m.ctx.Err() != nil {
		err = m.ctx.Err()
	}
	return out, err
}

func (m *merge) mergeTrees(dir, sourceObjects string) (outcome, error) {
	scratch, err := OpenRepo(dir)
	if err != nil {
		return outcome{}, err
	}
	for _, objects := range []string{filepath.Join(m.s.repo.dir, "objects"), sourceObjects} {
		if err := scratch.addAlternate(objects); err != nil {
			return outcome{}, fmt.Errorf("merge trees: %w", err)
		}
	}
	w := newObjects(scratch, m.s.objects)
	m.s.objects.copyPending(w.pending)
	// merge-tree takes commits, and finds the base of the merge itself.
	who := object.Signature{Name: "seriesctl", Email: "seriesctl@localhost", When: time.Unix(0, 0).UTC()}
	commit := func(tree plumbing.Hash, parents ...plumbing.Hash) (plumbing.Hash, error) {
		return w.putCommit(&object.Commit{Author: who, Committer: who, Message: "merge\n", TreeHash: tree, ParentHashes: parents})
	}
	base, err := commit(m.base)
	if err != nil {
		return outcome{}, err
	}
	ours, err := commit(m.ours, base)
	if err != nil {
		return outcome{}, err
	}
	theirs, err := commit(m.theirs, base)
	if err != nil {
		return outcome{}, err
	}
	if err := w.flush(m.ctx); err != nil {
		return outcome{}, err
	}
	said, err := gitCommand(dir, "-c", "merge.directoryRenames=false", "-c", "diff.algorithm=myers",
		"merge-tree", "--write-tree", "-z", "--messages", ours.String(), theirs.String()).Output(m.ctx)
	var e *xec.Error
	switch {
	case errors.As(err, &e) && e.Status == 1:
		return outcome{conflicts: mergeConflicts(said)}, nil
	case errors.As(err, &e) && e.Status > 1:
		return outcome{}, noMergef("git merge-tree: %s", gitSays(e))
	case err != nil:
		return outcome{}, err
	}
	id, _, _ := bytes.Cut(said, []byte{0})
	if text := strings.TrimSpace(string(id)); isFullID(text) {
		tree := plumbing.NewHash(text)
		defer func() { _ = w.own.close() }()
		return outcome{tree: tree, how: ThreeWay}, m.adopt(w.own, tree, m.ours)
	}
	return outcome{}, noMergef("git merge-tree gives no tree")
}

// adopt takes the objects of a tree that from has and another tree has not.
func (m *merge) adopt(from *catFiles, tree, other plumbing.Hash) error {
	if tree == other {
		return nil
	}
	kind, data, err := from.object(m.ctx, tree)
	if err != nil || kind != plumbing.TreeObject {
		return fmt.Errorf("read merged tree %s: %w", tree, errors.Join(err, m.ctx.Err()))
	}
	entries, err := decodeTree(data)
	if err != nil {
		return fmt.Errorf("read merged tree %s: %w", tree, err)
	}
	old, err := m.s.objects.tree(m.ctx, other)
	if err != nil {
		return err
	}
	had := map[string]treeEntry{}
	for _, e := range old {
		had[e.name] = e
	}
	for _, e := range entries {
		was := had[e.name]
		switch {
		case was.id == e.id || e.mode&modeType == modeGitlink:
		case e.isDir():
			if !was.isDir() {
				was.id = plumbing.ZeroHash
			}
			if err := m.adopt(from, e.id, was.id); err != nil {
				return err
			}
		default:
			_, data, err := from.object(m.ctx, e.id)
			if err != nil {
				return fmt.Errorf("read merged file %s: %w", e.name, err)
			}
			m.s.objects.put(plumbing.BlobObject, data)
		}
	}
	m.s.objects.put(plumbing.TreeObject, data)
	return nil
}

// mergeConflicts reads what merge-tree -z says of conflicts: the tree, the stages of the files in conflict,
// then for each message the paths it is about, its kind and its text.
func mergeConflicts(said []byte) []ConflictedHunk {
	fields := strings.Split(string(said), "\x00")
	i := 1
	files := map[string]bool{}
	var order []string
	for ; i < len(fields) && fields[i] != ""; i++ {
		if _, name, ok := strings.Cut(fields[i], "\t"); ok && !files[name] {
			files[name] = true
			order = append(order, name)
		}
	}
	why := map[string]string{}
	for i++; i < len(fields); {
		var n int
		if _, err := fmt.Sscan(fields[i], &n); err != nil || n < 0 || i+n+2 >= len(fields) {
			break
		}
		kind := fields[i+n+1]
		if strings.HasPrefix(kind, "CONFLICT") {
			for _, p := range fields[i+1 : i+1+n] {
				if why[p] == "" {
					why[p] = kind
				}
			}
		}
		i += n + 3
	}
	var out []ConflictedHunk
	for _, name := range order {
		reason := "three-way merge: conflict"
		if kind := why[name]; kind != "" {
			reason = "three-way merge: " + kind
		}
		out = append(out, ConflictedHunk{File: oneLine(name), Reason: oneLine(reason)})
	}
	if out == nil {
		out = []ConflictedHunk{{Reason: "three-way merge: conflict"}}
	}
	return out
}
