package series

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
	"golang.org/x/sys/unix"
)

// Checkout makes dir hold exactly tree and gives the paths, sorted and relative to dir, that it wrote or
// removed. A file that is as it should be keeps its time stamps, so that make rebuilds only what changed.
//
// What the last Checkout left in dir is recorded in the file dir.tree beside it; then only what differs
// from that is written, and changes others made to dir since are not looked for. Without a record (the
// first time, after an interruption, a restart of the machine, or when dir is another directory than it
// was) every file is compared, and files that the tree does not have are removed.
//
// Nothing outside dir is touched, whatever links the tree or dir hold. progress, which may be nil, is told
// how many files are done.
func (s *Source) Checkout(ctx context.Context, tree Hash, dir string, progress func(done, total int)) (changed []string, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("check out %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("check out %s: %w", dir, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("check out %s: %w", dir, err)
	}
	defer root.Close()
	c := &checkout{s: s, ctx: ctx, root: root, progress: progress}
	to := plumbing.NewHash(string(tree))
	recorded := dir + ".tree"
	if from, ok := readRecord(recorded, dir); ok {
		if from == to {
			return nil, nil
		}
		if err := c.plan(from, to, ""); err == nil {
			// From here on dir is neither the one nor the other.
			if err := os.Remove(recorded); err != nil {
				return nil, fmt.Errorf("check out %s: %w", dir, err)
			}
			err = c.changes()
			return c.finish(recorded, dir, to, err)
		} else if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	if err := os.Remove(recorded); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("check out %s: %w", dir, err)
	}
	return c.finish(recorded, dir, to, c.all(to))
}

func (c *checkout) finish(recorded, dir string, tree plumbing.Hash, err error) ([]string, error) {
	if err == nil {
		err = writeRecord(recorded, dir, tree)
	}
	if err != nil {
		return nil, fmt.Errorf("check out %s: %w", dir, err)
	}
	slices.Sort(c.changed)
	return slices.Compact(c.changed), nil
}

// record is the text of a record: the tree, and what tells that dir is still the one that was written. The
// files are not synced to the disk, so after a restart of the machine the record is not trusted.
func record(dir string, tree plumbing.Hash) (string, error) {
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return "", &fs.PathError{Op: "lstat", Path: dir, Err: err}
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("tree %s\ndir %d:%d\nboot %s\n", tree, st.Dev, st.Ino, strings.TrimSpace(string(boot))), nil
}

func readRecord(file, dir string) (plumbing.Hash, bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return plumbing.ZeroHash, false
	}
	line, _, _ := strings.Cut(string(text), "\n")
	id := strings.TrimPrefix(line, "tree ")
	want, err := record(dir, plumbing.NewHash(id))
	return plumbing.NewHash(id), err == nil && want == string(text)
}

func writeRecord(file, dir string, tree plumbing.Hash) error {
	text, err := record(dir, tree)
	if err != nil {
		return err
	}
	return writeFileAtomic(file, []byte(text))
}

// checkout is one Checkout at work.
type checkout struct {
	s        *Source
	ctx      context.Context
	root     *os.Root
	progress func(done, total int)

	removes []string        // files and whole directories to remove, deepest last
	writes  []checkoutWrite // files to write
	isDir   map[string]bool // directories seen to be no links

	mu          sync.Mutex
	changed     []string
	done, total int
}

type checkoutWrite struct {
	path string
	e    treeEntry
}

// plan lists what differs between two trees.
func (c *checkout) plan(from, to plumbing.Hash, prefix string) error {
	if from == to {
		return nil
	}
	a, err := c.entries(from)
	if err != nil {
		return err
	}
	b, err := c.entries(to)
	if err != nil {
		return err
	}
	old := map[string]treeEntry{}
	for _, e := range a {
		old[e.name] = e
	}
	for _, e := range b {
		name := prefix + e.name
		o, had := old[e.name]
		delete(old, e.name)
		if had && o.mode == e.mode && o.id == e.id {
			continue
		}
		if had && o.isDir() != e.isDir() {
			if err := c.planRemove(o, name); err != nil {
				return err
			}
			o.id = plumbing.ZeroHash
		}
		if !e.isDir() {
			c.writes = append(c.writes, checkoutWrite{name, e})
			continue
		}
		if !had {
			o.id = plumbing.ZeroHash
		}
		if err := c.plan(o.id, e.id, name+"/"); err != nil {
			return err
		}
	}
	for _, e := range old {
		if err := c.planRemove(e, prefix+e.name); err != nil {
			return err
		}
	}
	return nil
}

// planRemove lists the removal of an entry, and all files in it as changed.
func (c *checkout) planRemove(e treeEntry, name string) error {
	c.removes = append(c.removes, name)
	return c.files(e, name, func(path string, _ treeEntry) { c.changed = append(c.changed, path) })
}

// files calls fn with all files that an entry is or holds.
func (c *checkout) files(e treeEntry, name string, fn func(string, treeEntry)) error {
	if !e.isDir() {
		fn(name, e)
		return nil
	}
	entries, err := c.entries(e.id)
	if err != nil {
		return err
	}
	for _, sub := range entries {
		if err := c.files(sub, name+"/"+sub.name, fn); err != nil {
			return err
		}
	}
	return nil
}

// entries gives a tree's entries, if all their names can be files.
func (c *checkout) entries(id plumbing.Hash) ([]treeEntry, error) {
	entries, err := c.s.objects.tree(c.ctx, id)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if strings.Contains(e.name, "/") || badPath(e.name, e.mode) != "" && !strings.Contains(e.name, `\`) {
			return nil, fmt.Errorf("tree %s: %q cannot be a file's name", id, e.name)
		}
	}
	return entries, nil
}

// changes does what plan has listed.
func (c *checkout) changes() error {
	c.isDir = map[string]bool{".": true}
	c.total = len(c.writes)
	for _, name := range c.removes {
		if err := c.root.RemoveAll(name); err != nil {
			return err
		}
	}
	for _, w := range c.writes {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		if err := c.ensureDir(path.Dir(w.path)); err != nil {
			return err
		}
		if err := c.root.RemoveAll(w.path); err != nil {
			return err
		}
		if err := c.write(c.root, w.path, w.e); err != nil {
			return err
		}
		c.count(1, w.path)
	}
	return nil
}

// ensureDir makes sure that dir and all above it are directories, not links to some.
func (c *checkout) ensureDir(dir string) error {
	if c.isDir[dir] {
		return nil
	}
	if err := c.ensureDir(path.Dir(dir)); err != nil {
		return err
	}
	fi, err := c.root.Lstat(dir)
	if err == nil && !fi.IsDir() {
		if err := c.root.Remove(dir); err != nil {
			return err
		}
		err = fs.ErrNotExist
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = c.root.Mkdir(dir, 0o777)
	}
	if err == nil {
		c.isDir[dir] = true
	}
	return err
}

// write makes a file that is not there.
func (c *checkout) write(root *os.Root, name string, e treeEntry) error {
	if e.mode&modeType == modeGitlink {
		return root.Mkdir(name, 0o777) // what is in a submodule is not in the tree
	}
	if e.mode&modeType == modeSymlink {
		target, err := c.s.objects.blob(c.ctx, e.id)
		if err != nil {
			return err
		}
		return root.Symlink(string(target), name)
	}
	perm := fs.FileMode(0o666)
	if e.mode&0o100 != 0 {
		perm = 0o777
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	return errors.Join(c.s.objects.copyBlob(c.ctx, e.id, f), f.Close())
}

// count counts n files done, of which those named have changed.
func (c *checkout) count(n int, changed ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.done
	c.done += n
	c.changed = append(c.changed, changed...)
	if c.progress != nil && (before/256 != c.done/256 || c.done == c.total) {
		c.progress(c.done, c.total)
	}
}

// all compares all of dir with the tree, and mends it.
func (c *checkout) all(tree plumbing.Hash) error {
	err := c.files(treeEntry{mode: modeDir, id: tree}, "", func(string, treeEntry) { c.total++ })
	if err != nil {
		return err
	}
	tasks := newTaskStack()
	tasks.push(func() error { return c.dir(tasks, tree, ".") })
	return tasks.run(c.ctx)
}

// dir makes one directory, which is there, hold what the tree says.
func (c *checkout) dir(tasks *taskStack, tree plumbing.Hash, name string) error {
	entries, err := c.entries(tree)
	if err != nil {
		return err
	}
	root, err := c.root.OpenRoot(name)
	if err != nil {
		return err
	}
	defer root.Close()
	there, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	disk := map[string]fs.DirEntry{}
	for _, d := range there {
		disk[d.Name()] = d
	}
	var changed []string
	for _, e := range entries {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		at := path.Join(name, e.name)
		d := disk[e.name]
		delete(disk, e.name)
		switch {
		case e.isDir() && d != nil && d.IsDir():
		case e.isDir():
			if d != nil {
				if err := root.Remove(e.name); err != nil {
					return err
				}
			}
			if err := root.Mkdir(e.name, 0o777); err != nil {
				return err
			}
		case d != nil && c.same(root, d, e):
		default:
			if d != nil {
				if err := root.RemoveAll(e.name); err != nil {
					return err
				}
			}
			if err := c.write(root, e.name, e); err != nil {
				return err
			}
			changed = append(changed, at)
		}
		if e.isDir() {
			tasks.push(func() error { return c.dir(tasks, e.id, at) })
		} else {
			c.count(1)
		}
	}
	for extra := range disk {
		if err := root.RemoveAll(extra); err != nil {
			return err
		}
		changed = append(changed, path.Join(name, extra))
	}
	c.count(0, changed...)
	return nil
}

// same says whether a file on the disk is the entry's.
func (c *checkout) same(root *os.Root, d fs.DirEntry, e treeEntry) bool {
	fi, err := d.Info()
	if err != nil {
		return false
	}
	switch e.mode & modeType {
	case modeGitlink:
		return fi.IsDir()
	case modeSymlink:
		target, err := root.Readlink(e.name)
		return err == nil && hashLocalBlob([]byte(target)) == e.id
	}
	if !fi.Mode().IsRegular() || (fi.Mode()&0o100 != 0) != (e.mode&0o100 != 0) {
		return false
	}
	f, err := root.Open(e.name)
	if err != nil {
		return false
	}
	defer f.Close()
	id, _, err := copyHashed(io.Discard, f, fi.Size())
	return err == nil && id == e.id
}
