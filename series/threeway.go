package series

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/seriesctl/seriesctl/internal/xec"
)

// noMerge is why a three-way merge cannot be tried.
type noMerge struct{ reason string }

func (e *noMerge) Error() string { return e.reason }

func noMergef(format string, a ...any) error { return &noMerge{oneLine(fmt.Sprintf(format, a...))} }

// threeWay applies a diff that does not fit by merging, as `git am -3` does: the blobs that its index lines
// name make a tree of the touched files, the diff is applied to that, and what it changes there is merged
// into head's tree. A *noMerge is a merge that cannot be tried.
func (s *Source) threeWay(ctx context.Context, head Variant, diff []byte) (outcome, error) {
	files, err := parseDiff(diff)
	if err != nil || len(files) == 0 {
		return outcome{}, noMergef("the diff cannot be read")
	}
	ours := plumbing.NewHash(string(head.Tree))
	base, err := s.fakeAncestor(ctx, head, files)
	if err != nil {
		return outcome{}, err
	}
	theirs, err := s.objects.applyDiff(ctx, base, diff, 0)
	if err != nil {
		return outcome{}, err
	}
	if theirs.conflicts != nil {
		return outcome{}, noMergef("it does not apply to the blobs that its index lines name either")
	}
	m := &merge{s: s, ctx: ctx, base: base, ours: ours, theirs: theirs.tree}
	out, plain, err := m.files(files)
	if err == nil && !plain {
		out, err = m.trees()
	}
	return out, err
}

// fakeAncestor makes the tree that the diff was made on, of the files it touches.
func (s *Source) fakeAncestor(ctx context.Context, head Variant, files []*fileDiff) (plumbing.Hash, error) {
	edits := map[string]treeEdit{}
	for _, f := range files {
		name := f.oldName
		if name == "" {
			name = f.newName
		}
		if f.isNew == yes {
			continue
		}
		if why := badPath(name, f.oldMode); why != "" {
			return plumbing.ZeroHash, noMergef("%s", why)
		}
		id, err := s.indexBlob(ctx, head, name, f.oldID)
		var none *noMerge
		if errors.As(err, &none) && len(f.hunks) == 0 && !f.isBinary {
			// A pure rename or change of mode says no blob: git takes the one that is there.
			var e treeEntry
			var ok bool
			if e, ok, err = s.objects.find(ctx, plumbing.NewHash(string(head.Tree)), name); err == nil && (!ok || e.isDir()) {
				err = noMergef("%s is not there", name)
			}
			id = e.id
		}
		if err != nil {
			return plumbing.ZeroHash, err
		}
		mode := f.oldMode
		if mode&modeType == 0 || mode&modeType == 0o100000 {
			mode = canonicalFileMode(mode)
		}
		edits[name] = treeEdit{mode, id}
	}
	tree, err := s.objects.edit(ctx, plumbing.ZeroHash, edits)
	var clash *pathClash
	if errors.As(err, &clash) {
		err = noMergef("%v", clash)
	}
	return tree, err
}

// indexBlob finds the blob that an index line names, mostly by the beginning of its id: among the states of
// the file on the way from the base to head, then in the source.
func (s *Source) indexBlob(ctx context.Context, head Variant, name, prefix string) (plumbing.Hash, error) {
	if len(prefix) < 4 || strings.Trim(prefix, "0123456789abcdef") != "" || strings.Trim(prefix, "0") == "" {
		return plumbing.ZeroHash, noMergef("no index line names the blob of %s", name)
	}
	for at := plumbing.NewHash(string(head.Commit)); ; {
		c, err := s.objects.commit(ctx, at)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		e, ok, err := s.objects.find(ctx, c.TreeHash, name)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		if ok && !e.isDir() && strings.HasPrefix(e.id.String(), prefix) {
			return e.id, nil
		}
		if at == s.commit || len(c.ParentHashes) == 0 {
			break
		}
		at = c.ParentHashes[0]
	}
	git, ok := s.objects.source().(*catFiles)
	if !ok {
		return plumbing.ZeroHash, noMergef("the source is a plain tree, which does not have the blob %s of %s", prefix, name)
	}
	id, err := git.blob(ctx, prefix)
	if errors.Is(err, errNoObject) {
		err = noMergef("the source does not have the blob %s of %s", prefix, name)
	}
	return id, err
}

// blob finds the only blob whose id begins with prefix.
func (c *catFiles) blob(ctx context.Context, prefix string) (plumbing.Hash, error) {
	list, err := gitCommand(c.all[0].gitDir, "rev-parse", "--disambiguate="+prefix).Output(ctx)
	if err != nil {
		return plumbing.ZeroHash, fmt.Errorf("find blob %s: %w", prefix, err)
	}
	var found []plumbing.Hash
	for id := range strings.FieldsSeq(string(list)) {
		if len(id) != 40 {
			continue
		}
		kind, _, err := c.object(ctx, plumbing.NewHash(id))
		if err != nil && !errors.Is(err, errNoObject) {
			return plumbing.ZeroHash, err
		}
		if err == nil && kind == plumbing.BlobObject {
			found = append(found, plumbing.NewHash(id))
		}
	}
	if len(found) != 1 {
		return plumbing.ZeroHash, errNoObject
	}
	return found[0], nil
}

func (o *objects) commit(ctx context.Context, id plumbing.Hash) (*object.Commit, error) {
	data, err := o.get(ctx, id, plumbing.CommitObject)
	if err != nil {
		return nil, err
	}
	return decodeCommit(data)
}

// merge merges what differs between base and theirs into ours.
type merge struct {
	s                  *Source
	ctx                context.Context
	base, ours, theirs plumbing.Hash
}

// files merges file by file, with git merge-file, which finds differences as git am does. plain is false
// when it is not that simple: when files come, go, move or are not regular files.
func (m *merge) files(files []*fileDiff) (out outcome, plain bool, err error) {
	o := m.s.objects
	edits := map[string]treeEdit{}
	type job struct {
		f                  *fileDiff
		base, ours, theirs treeEntry
	}
	var jobs []job
	for _, f := range files {
		if f.oldName != f.newName || slices.ContainsFunc(jobs, func(j job) bool { return j.f.newName == f.newName }) {
			return out, false, nil
		}
		j := job{f: f}
		for _, side := range []struct {
			tree plumbing.Hash
			e    *treeEntry
		}{{m.base, &j.base}, {m.ours, &j.ours}, {m.theirs, &j.theirs}} {
			e, ok, err := o.find(m.ctx, side.tree, f.newName)
			if err != nil {
				return out, true, err
			}
			if !ok || e.mode&modeType != 0o100000 {
				return out, false, nil
			}
			*side.e = e
		}
		jobs = append(jobs, j)
	}
	for _, j := range jobs {
		mode := treeEdit{mode: canonicalFileMode(j.ours.mode)}
		if mode.mode == canonicalFileMode(j.base.mode) {
			mode.mode = canonicalFileMode(j.theirs.mode)
		}
		var conflicts []ConflictedHunk
		if mode.id, conflicts, err = m.blob(j.f, j.base.id, j.ours.id, j.theirs.id); err != nil {
			return out, true, err
		}
		out.conflicts = append(out.conflicts, conflicts...)
		edits[j.f.newName] = mode
	}
	if out.conflicts == nil {
		out.how = ThreeWay
		out.tree, err = o.edit(m.ctx, m.ours, edits)
	}
	return out, true, err
}

// blob merges one file.
func (m *merge) blob(f *fileDiff, base, ours, theirs plumbing.Hash) (plumbing.Hash, []ConflictedHunk, error) {
	switch {
	case ours == base || ours == theirs:
		return theirs, nil, nil
	case theirs == base:
		return ours, nil, nil
	}
	o := m.s.objects
	var sides [3][]byte
	for i, id := range []plumbing.Hash{ours, base, theirs} {
		data, err := o.get(m.ctx, id, plumbing.BlobObject)
		if err != nil {
			return plumbing.ZeroHash, nil, err
		}
		if bytes.IndexByte(data[:min(len(data), 8000)], 0) >= 0 {
			return plumbing.ZeroHash, []ConflictedHunk{{File: oneLine(f.name()), Reason: "binary file changed on both sides"}}, nil
		}
		sides[i] = data
	}
	merged, clean, err := mergeFile(m.ctx, sides[0], sides[1], sides[2])
	if err != nil {
		return plumbing.ZeroHash, nil, err
	}
	if clean {
		return o.put(plumbing.BlobObject, merged), nil, nil
	}
	conflicts, err := m.conflictingHunks(f, sides[0], sides[1])
	return plumbing.ZeroHash, conflicts, err
}

// maxConflictingHunks is how many hunks of a file are tried one by one to say which of them conflict.
const maxConflictingHunks = 64

// conflictingHunks says which hunks, each alone, conflict with what ours makes of base.
func (m *merge) conflictingHunks(f *fileDiff, ours, base []byte) ([]ConflictedHunk, error) {
	file := oneLine(f.name())
	var conflicts []ConflictedHunk
	for i := range f.hunks[:min(len(f.hunks), maxConflictingHunks)] {
		h := f.hunks[i]
		im := newImage(base)
		h.newPos = h.oldPos // the hunks before it are not there
		if _, ok, err := im.apply(&h, 0, &effort{ctx: m.ctx}); err != nil || !ok {
			continue
		}
		_, clean, err := mergeFile(m.ctx, ours, base, im.bytes())
		if err != nil {
			return nil, err
		}
		if !clean {
			conflicts = append(conflicts, ConflictedHunk{
				File: file, Hunk: i + 1, Line: max(h.oldPos, 1), Reason: "three-way merge: the same lines have been changed here too",
			})
		}
	}
	if conflicts == nil {
		conflicts = []ConflictedHunk{{File: file, Reason: "three-way merge: conflict"}}
	}
	return conflicts, nil
}

// mergeFile merges texts with git merge-file; clean is false where they conflict.
func mergeFile(ctx context.Context, ours, base, theirs []byte) (merged []byte, clean bool, err error) {
	dir, err := os.MkdirTemp("", "seriesctl-merge-")
	if err != nil {
		return nil, false, fmt.Errorf("merge files: %w", err)
	}
	defer os.RemoveAll(dir)
	for name, data := range map[string][]byte{"ours": ours, "base": base, "theirs": theirs} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return nil, false, fmt.Errorf("merge files: %w", err)
		}
	}
	cmd := gitCommand(filepath.Join(dir, "none"), "merge-file", "-q", "-p", "ours", "base", "theirs")
	cmd.Dir = dir
	merged, err = cmd.Output(ctx)
	var e *xec.Error
	if errors.As(err, &e) && e.Status > 0 && e.Status < 128 {
		return nil, false, nil // the status is the number of conflicts
	}
	return merged, err == nil, err
}
