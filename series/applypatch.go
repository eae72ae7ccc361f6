package series

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// outcome is what applying one diff to one tree gives: a tree, or the places where it does not fit.
type outcome struct {
	tree      plumbing.Hash
	how       How
	conflicts []ConflictedHunk
}

// howRank orders the ways from the best to the one a person should look at.
var howRank = map[How]int{"": 0, Exact: 1, Offset: 2, Fuzz: 3, ThreeWay: 4, ByResolution: 5}

func worse(a, b How) How {
	if howRank[b] > howRank[a] {
		return b
	}
	return a
}

// misfit is a file that a patch cannot be applied to; it becomes a ConflictedHunk.
type misfit struct {
	hunk, line int
	reason     string
}

func (m *misfit) Error() string { return m.reason }

func misfitf(format string, a ...any) error { return &misfit{reason: fmt.Sprintf(format, a...)} }

// applyDiff applies a diff to a tree as `git am` does: all of it or nothing. The error is only for what is
// not the patch's fault: an object that cannot be read, a context that ended.
func (o *objects) applyDiff(ctx context.Context, tree plumbing.Hash, diff []byte, fuzz int) (outcome, error) {
	files, err := parseDiff(diff)
	if err == nil && len(files) == 0 {
		err = &diffError{line: 1, reason: "no diff in it"}
	}
	var bad *diffError
	if errors.As(err, &bad) {
		return outcome{conflicts: []ConflictedHunk{{File: bad.file, Reason: oneLine(bad.Error())}}}, nil
	}
	if err != nil {
		return outcome{}, err
	}
	a := &applier{
		o: o, ctx: ctx, root: tree, fuzz: fuzz, how: Exact,
		effort: effort{ctx: ctx},
		done:   map[string]*result{}, going: map[string]bool{}, links: map[string]linkChange{},
	}
	for _, f := range files {
		a.announce(f)
	}
	for _, f := range files {
		if err := a.file(f); err != nil {
			return outcome{}, err
		}
	}
	if len(a.conflicts) == 0 {
		tree, err = a.write()
		var clash *pathClash
		if errors.As(err, &clash) {
			a.conflict(clash.path, misfitf("path is both a file and a directory"))
		} else if err != nil {
			return outcome{}, err
		}
	}
	if len(a.conflicts) > 0 {
		return outcome{conflicts: a.conflicts}, nil
	}
	return outcome{tree: tree, how: a.how}, nil
}

// applier applies the files of one patch. The rules, also where they are odd, are those of git's apply.c:
// every file is checked and patched first, then all old names are taken away, then all new ones put.
type applier struct {
	o         *objects
	ctx       context.Context
	root      plumbing.Hash
	fuzz      int
	how       How
	effort    effort
	conflicts []ConflictedHunk

	done    map[string]*result // what this patch has made of a path so far; nil: it has gone
	going   map[string]bool    // paths that this patch takes away sooner or later
	links   map[string]linkChange
	results []*result
}

type linkChange struct{ stays, goes bool }

type result struct {
	f    *fileDiff
	mode uint32
	data []byte
}

func (a *applier) conflict(file string, err error) {
	c := ConflictedHunk{File: oneLine(file), Reason: oneLine(err.Error())}
	var m *misfit
	if errors.As(err, &m) {
		c.Hunk, c.Line = m.hunk, m.line
	}
	a.conflicts = append(a.conflicts, c)
}

// oneLine makes text that came by mail fit for one line of a terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// announce notes what f will do, before any file is patched.
func (a *applier) announce(f *fileDiff) {
	if f.newName == "" || f.isRename {
		a.going[f.oldName] = true
	}
	if f.oldName != "" && f.oldMode&modeType == modeSymlink && (f.isRename || f.isDelete == yes) {
		c := a.links[f.oldName]
		c.goes = true
		a.links[f.oldName] = c
	}
	if f.newName != "" && f.newMode&modeType == modeSymlink {
		c := a.links[f.newName]
		c.stays = true
		a.links[f.newName] = c
	}
}

// file checks and patches one file; what is the patch's fault becomes a conflict.
func (a *applier) file(f *fileDiff) error {
	r, err := a.patched(f)
	var m *misfit
	switch {
	case errors.As(err, &m):
		a.conflict(f.name(), err)
		return nil
	case errors.Is(err, errSearchLimit):
		a.conflict(f.name(), misfitf("%v", errSearchLimit))
		return nil
	case err != nil:
		return err
	case r == nil: // its hunks are among the conflicts already
		return nil
	}
	a.results = append(a.results, r)
	if f.newName != "" {
		a.done[f.newName] = r
	}
	if f.newName == "" || f.isRename {
		a.done[f.oldName] = nil
	}
	return nil
}

func (a *applier) patched(f *fileDiff) (*result, error) {
	for _, side := range []struct {
		name string
		mode uint32
	}{{f.oldName, f.oldMode}, {f.newName, f.newMode}} {
		if side.name != "" {
			if why := badPath(side.name, side.mode); why != "" {
				return nil, misfitf("%s", why)
			}
		}
	}
	old, err := a.preimage(f)
	if err != nil {
		return nil, err
	}
	if f.newName != "" && (f.isNew == yes || f.isRename || f.isCopy) {
		if err := a.mayCreate(f.newName); err != nil {
			return nil, err
		}
		if f.newMode == 0 {
			f.newMode = f.oldMode
			if f.isNew == yes {
				f.newMode = modeFile
			}
		}
	}
	if f.newName != "" && f.oldName != "" {
		if f.newMode == 0 {
			f.newMode = f.oldMode
		}
		if (f.oldMode^f.newMode)&modeType != 0 {
			return nil, misfitf("mode changes from %o to %o", f.oldMode, f.newMode)
		}
	}
	if f.isDelete == no && f.newName != "" {
		if link, err := a.beyondLink(f.newName); err != nil {
			return nil, err
		} else if link != "" {
			return nil, misfitf("path leads through the symbolic link %s", link)
		}
	}
	data, ok, err := a.contents(f, old)
	if err != nil || !ok {
		return nil, err
	}
	if f.isDelete == yes && len(data) > 0 {
		return nil, misfitf("deletes the file but leaves contents in it")
	}
	if len(data) > maxBlob {
		return nil, misfitf("result of %d bytes: the limit is %d", len(data), maxBlob)
	}
	return &result{f: f, mode: f.newMode, data: data}, nil
}

// preimage reads the old file, and settles whether f makes it.
func (a *applier) preimage(f *fileDiff) ([]byte, error) {
	if f.oldName == "" {
		return nil, nil
	}
	var (
		mode uint32
		data []byte
	)
	prev, seen := a.done[f.oldName]
	// What git takes for a change to this patch's own result.
	own := seen && !f.isCopy && !f.isRename
	if own && prev == nil {
		return nil, misfitf("file has been renamed or deleted by the same patch")
	}
	if own {
		mode, data = prev.mode, prev.data
	} else {
		e, ok, err := a.o.find(a.ctx, a.root, f.oldName)
		if err != nil {
			return nil, err
		}
		switch {
		case (!ok || e.isDir()) && f.isNew == unknown:
			f.isNew, f.isDelete, f.oldName = yes, no, ""
			return nil, nil
		case !ok:
			return nil, misfitf("no such file")
		case e.isDir():
			return nil, misfitf("it is a directory")
		}
		mode = e.mode
		if mode&modeType == modeGitlink {
			data = []byte("Subproject commit " + e.id.String() + "\n")
		} else if data, err = a.o.get(a.ctx, e.id, plumbing.BlobObject); err != nil {
			return nil, err
		}
	}
	if f.isNew == unknown {
		f.isNew = no
	}
	if f.oldMode == 0 {
		f.oldMode = mode
	}
	if (mode^f.oldMode)&modeType != 0 {
		return nil, misfitf("file has mode %o, not %o", mode, f.oldMode)
	}
	if f.newMode == 0 && f.isDelete == no {
		f.newMode = mode
	}
	return data, nil
}

// mayCreate says whether the patch may put a new file at path.
func (a *applier) mayCreate(path string) error {
	prev, seen := a.done[path]
	if seen && prev == nil || a.going[path] && !seen {
		return nil
	}
	e, ok, err := a.o.find(a.ctx, a.root, path)
	if err != nil {
		return err
	}
	if ok && !e.isDir() {
		return misfitf("file exists already")
	}
	return nil
}

// beyondLink gives the symbolic link that path would go through, "" when there is none.
func (a *applier) beyondLink(path string) (string, error) {
	for {
		i := strings.LastIndexByte(path, '/')
		if i < 0 {
			return "", nil
		}
		path = path[:i]
		c := a.links[path]
		if c.stays {
			return path, nil
		}
		if c.goes {
			continue
		}
		e, ok, err := a.o.find(a.ctx, a.root, path)
		if err != nil {
			return "", err
		}
		if ok && e.mode&modeType == modeSymlink {
			return path, nil
		}
	}
}

// contents makes the new contents; ok is false when hunks do not fit, which are then among the conflicts.
func (a *applier) contents(f *fileDiff, old []byte) (data []byte, ok bool, err error) {
	if f.isBinary {
		data, err = a.binaryContents(f, old)
		return data, err == nil, err
	}
	if len(f.hunks) == 0 {
		return old, true, nil
	}
	im := newImage(old)
	ok = true
	for i := range f.hunks {
		h := &f.hunks[i]
		how, fits, err := im.apply(h, a.fuzz, &a.effort)
		if err != nil {
			return nil, false, err
		}
		if !fits {
			ok = false
			a.conflict(f.name(), &misfit{hunk: i + 1, line: max(h.oldPos, 1), reason: im.whyNot(h, &a.effort)})
			continue
		}
		a.how = worse(a.how, how)
	}
	return im.bytes(), ok, nil
}

func (a *applier) binaryContents(f *fileDiff, old []byte) ([]byte, error) {
	oldID, newID := plumbing.NewHash(f.oldID), plumbing.NewHash(f.newID)
	if !isFullID(f.oldID) || !isFullID(f.newID) {
		return nil, misfitf("binary patch without full index line")
	}
	if f.oldName != "" {
		if plumbing.ComputeHash(plumbing.BlobObject, old) != oldID {
			return nil, misfitf("binary patch is for other contents (%s)", f.oldID)
		}
	} else if len(old) > 0 {
		return nil, misfitf("binary patch is for an empty file")
	}
	if newID.IsZero() {
		return nil, nil
	}
	if f.binary == nil {
		data, err := a.o.get(a.ctx, newID, plumbing.BlobObject)
		if errors.Is(err, errNoObject) {
			return nil, misfitf("binary patch without data")
		}
		return data, err
	}
	data, err := f.binary.apply(old)
	if err != nil {
		return nil, misfitf("%v", err)
	}
	if plumbing.ComputeHash(plumbing.BlobObject, data) != newID {
		return nil, misfitf("binary patch gives other contents than it says (%s)", f.newID)
	}
	return data, nil
}

func isFullID(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil && len(s) == 40
}

// write makes the tree out of the results.
func (a *applier) write() (plumbing.Hash, error) {
	edits := map[string]treeEdit{}
	for _, r := range a.results {
		if f := r.f; f.isDelete == yes || f.isNew != yes && !f.isCopy {
			edits[f.oldName] = treeEdit{}
		}
	}
	for _, r := range a.results {
		if r.f.isDelete == yes || r.f.newName == "" {
			continue
		}
		var e treeEdit
		switch r.mode & modeType {
		case modeSymlink:
			if bytes.IndexByte(r.data, 0) >= 0 {
				a.conflict(r.f.newName, misfitf("symbolic link to a path with a NUL"))
				return plumbing.ZeroHash, nil
			}
			e = treeEdit{modeSymlink, a.o.put(plumbing.BlobObject, r.data)}
		case modeGitlink, modeDir:
			id, ok := bytes.CutPrefix(r.data, []byte("Subproject commit "))
			text := string(bytes.TrimSuffix(id, []byte("\n")))
			if !ok || !isFullID(text) {
				a.conflict(r.f.newName, misfitf("corrupt patch of a submodule"))
				return plumbing.ZeroHash, nil
			}
			e = treeEdit{modeGitlink, plumbing.NewHash(text)}
		default:
			e = treeEdit{canonicalFileMode(r.mode), a.o.put(plumbing.BlobObject, r.data)}
		}
		edits[r.f.newName] = e
	}
	return a.o.edit(a.ctx, a.root, edits)
}
