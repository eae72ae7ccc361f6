package series

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// Modes of tree entries, as git writes them.
const (
	modeDir     = 0o040000
	modeFile    = 0o100644
	modeExec    = 0o100755
	modeSymlink = 0o120000
	modeGitlink = 0o160000
	modeType    = 0o170000
)

// maxDepth is how deep directories may nest.
const maxDepth = 256

type treeEntry struct {
	name string
	mode uint32
	id   plumbing.Hash
}

func (e treeEntry) isDir() bool { return e.mode&modeType == modeDir }

// compareEntries is git's order: a directory sorts as if its name ended in "/".
func compareEntries(a, b treeEntry) int {
	n := min(len(a.name), len(b.name))
	if c := strings.Compare(a.name[:n], b.name[:n]); c != 0 {
		return c
	}
	end := func(e treeEntry) byte {
		switch {
		case len(e.name) > n:
			return e.name[n]
		case e.isDir():
			return '/'
		}
		return 0
	}
	if c := cmp.Compare(end(a), end(b)); c != 0 {
		return c
	}
	return cmp.Compare(len(a.name), len(b.name))
}

func encodeTree(entries []treeEntry) []byte {
	size := 0
	for _, e := range entries {
		size += len("100644 ") + len(e.name) + 1 + len(e.id)
	}
	b := make([]byte, 0, size)
	for _, e := range entries {
		b = strconv.AppendUint(b, uint64(e.mode), 8)
		b = append(b, ' ')
		b = append(b, e.name...)
		b = append(b, 0)
		b = append(b, e.id[:]...)
	}
	return b
}

func decodeTree(data []byte) ([]treeEntry, error) {
	var entries []treeEntry
	for len(data) > 0 {
		sp := bytes.IndexByte(data, ' ')
		if sp < 0 {
			return nil, fmt.Errorf("bad tree entry")
		}
		mode, err := strconv.ParseUint(string(data[:sp]), 8, 32)
		nul := bytes.IndexByte(data, 0)
		if err != nil || nul < sp || len(data) < nul+1+len(plumbing.Hash{}) {
			return nil, fmt.Errorf("bad tree entry")
		}
		e := treeEntry{name: string(data[sp+1 : nul]), mode: uint32(mode)}
		data = data[nul+1:]
		data = data[copy(e.id[:], data):]
		entries = append(entries, e)
	}
	return entries, nil
}

// tree gives the entries of a tree, which must not be changed; the zero hash is the empty tree.
func (o *objects) tree(ctx context.Context, id plumbing.Hash) ([]treeEntry, error) {
	if id.IsZero() {
		return nil, nil
	}
	o.mu.Lock()
	t, ok := o.trees[id]
	o.mu.Unlock()
	if ok {
		return t, nil
	}
	data, err := o.get(ctx, id, plumbing.TreeObject)
	if err != nil {
		return nil, err
	}
	if t, err = decodeTree(data); err != nil {
		return nil, fmt.Errorf("read tree %s: %w", id, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.keepTree(id, t)
	return t, nil
}

// putTree adds a tree with these entries, in any order.
func (o *objects) putTree(entries []treeEntry) plumbing.Hash {
	slices.SortFunc(entries, compareEntries)
	id := o.put(plumbing.TreeObject, encodeTree(entries))
	o.mu.Lock()
	defer o.mu.Unlock()
	o.keepTree(id, entries)
	return id
}

// keptEntries is how many entries of decoded trees are kept: about 100 MB.
const keptEntries = 1 << 20

// keepTree remembers a decoded tree; o.mu is held.
func (o *objects) keepTree(id plumbing.Hash, entries []treeEntry) {
	if _, ok := o.trees[id]; ok {
		return
	}
	if o.entries += len(entries); o.entries > keptEntries {
		clear(o.trees)
		o.entries = len(entries)
	}
	o.trees[id] = entries
}

// find gives the entry at path, a "/"-separated path; ok is false where there is none.
func (o *objects) find(ctx context.Context, root plumbing.Hash, path string) (e treeEntry, ok bool, err error) {
	id := root
	for {
		name, rest, more := strings.Cut(path, "/")
		entries, err := o.tree(ctx, id)
		if err != nil {
			return treeEntry{}, false, err
		}
		i := slices.IndexFunc(entries, func(e treeEntry) bool { return e.name == name })
		if i < 0 {
			return treeEntry{}, false, nil
		}
		if !more {
			return entries[i], true, nil
		}
		if !entries[i].isDir() {
			return treeEntry{}, false, nil
		}
		id, path = entries[i].id, rest
	}
}

// treeEdit puts mode and id at a path, or with mode 0 takes away what file is there.
type treeEdit struct {
	mode uint32
	id   plumbing.Hash
}

// pathClash is a path that would have to be a file and a directory at once.
type pathClash struct{ path string }

func (e *pathClash) Error() string { return e.path + " is both a file and a directory" }

// edit gives the root tree with the edits made to it. Directories come and go with what is in them, as in
// git's index. A *pathClash is an edit that cannot be made.
func (o *objects) edit(ctx context.Context, root plumbing.Hash, edits map[string]treeEdit) (plumbing.Hash, error) {
	id, err := o.editDir(ctx, root, "", edits)
	if err == nil && id.IsZero() {
		id = o.putTree(nil)
	}
	return id, err
}

// editDir is edit for the directory named by prefix ("" or ending in "/"); a directory that ends up empty
// is the zero hash.
func (o *objects) editDir(ctx context.Context, dir plumbing.Hash, prefix string, edits map[string]treeEdit) (plumbing.Hash, error) {
	old, err := o.tree(ctx, dir)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	leaf := map[string]treeEdit{}
	below := map[string]map[string]treeEdit{}
	for path, e := range edits {
		name, rest, more := strings.Cut(path, "/")
		if !more {
			leaf[name] = e
			continue
		}
		if below[name] == nil {
			below[name] = map[string]treeEdit{}
		}
		below[name][rest] = e
	}
	entries := make([]treeEntry, 0, len(old)+len(leaf)+len(below))
	for _, e := range old {
		sub, hasSub := below[e.name]
		l, hasLeaf := leaf[e.name]
		switch {
		case e.isDir() && hasSub:
			delete(below, e.name)
			if e.id, err = o.editDir(ctx, e.id, prefix+e.name+"/", sub); err != nil {
				return plumbing.ZeroHash, err
			}
			if e.id.IsZero() {
				continue
			}
		case !e.isDir() && hasLeaf:
			delete(leaf, e.name)
			if l.mode == 0 {
				continue
			}
			e.mode, e.id = l.mode, l.id
		case e.mode&modeType == 0o100000:
			e.mode = canonicalFileMode(e.mode) // as git's index has it
		}
		entries = append(entries, e)
	}
	kept := len(entries)
	for name, l := range leaf {
		if l.mode != 0 {
			entries = append(entries, treeEntry{name, l.mode, l.id})
		}
	}
	for name, sub := range below {
		id, err := o.editDir(ctx, plumbing.ZeroHash, prefix+name+"/", sub)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		if !id.IsZero() {
			entries = append(entries, treeEntry{name, modeDir, id})
		}
	}
	if len(entries) == 0 {
		return plumbing.ZeroHash, nil
	}
	if len(entries) > kept {
		names := make(map[string]bool, len(entries))
		for _, e := range entries {
			if names[e.name] {
				return plumbing.ZeroHash, &pathClash{prefix + e.name}
			}
			names[e.name] = true
		}
	}
	return o.putTree(entries), nil
}

func canonicalFileMode(mode uint32) uint32 {
	if mode&0o100 != 0 {
		return modeExec
	}
	return modeFile
}

// badPath says why a path that came by mail may not be touched, "" when it may. The rules are those of
// git's verify_path with core.protectHFS and core.protectNTFS both set.
func badPath(path string, mode uint32) string {
	switch {
	case path == "":
		return "empty path"
	case len(path) > 4096:
		return "path too long"
	case strings.HasPrefix(path, "/"):
		return "absolute path"
	case strings.IndexByte(path, 0) >= 0:
		return "path with a NUL"
	case strings.Count(path, "/") > maxDepth:
		return "path too deep"
	}
	// On NTFS a backslash separates too.
	for _, name := range strings.FieldsFunc(strings.ReplaceAll(path, "//", "/\x00/"), func(r rune) bool { return r == '/' || r == '\\' }) {
		switch {
		case name == "\x00" || name == ".":
			return "path is not in its plain form"
		case name == "..":
			return "path leads outside the tree"
		case isGitName(name, ".git", "git~1"):
			return "path leads into .git"
		case mode&modeType == modeSymlink && isGitName(name, ".gitmodules", "gitmod~1"):
			return ".gitmodules as a symbolic link"
		}
	}
	if strings.HasSuffix(path, "/") {
		return "path is not in its plain form"
	}
	return ""
}

// isGitName says whether some file system takes name for long (or its DOS short form).
func isGitName(name, long, short string) bool {
	// HFS+ leaves these out of a comparison.
	visible := strings.Map(func(r rune) rune {
		switch {
		case r >= 0x200c && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x206a && r <= 0x206f, r == 0xfeff:
			return -1
		}
		return r
	}, name)
	// NTFS leaves out trailing dots and spaces, and ":" begins the name of a stream.
	if i := strings.IndexByte(visible, ':'); i >= 0 {
		visible = visible[:i]
	}
	visible = strings.TrimRight(visible, ". ")
	return strings.EqualFold(visible, long) || strings.EqualFold(visible, short)
}
