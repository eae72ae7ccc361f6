package series

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"golang.org/x/sys/unix"
)

// plainTree is an unpacked source tree, hashed. Its tree is the one of `git add -A -f && git write-tree` in
// a repository without attributes: .git is left out, .gitignore is not honoured, and empty directories and
// files that are neither regular nor symbolic links do not count.
type plainTree struct {
	dir  string
	root *plainDir

	dirs  map[plumbing.Hash]*plainDir
	once  sync.Once
	files map[plumbing.Hash]plainPlace // of one file with these contents
}

type plainPlace struct {
	dir  *plainDir
	file int32
}

type plainDir struct {
	path  string // below dir, "" for the root
	files []plainFile
	subs  []*plainDir
	tree  plumbing.Hash // zero when nothing is in it
}

type plainFile struct {
	name string
	stat fileStat
	id   plumbing.Hash
}

// fileStat is what says that a file is as it was: a write changes ctime, whatever is done to mtime.
type fileStat struct {
	size, mtime, ctime int64 // bytes; ns
	ino                uint64
	mode               uint32
}

func (f plainFile) treeMode() uint32 {
	if f.stat.mode&unix.S_IFMT == unix.S_IFLNK {
		return modeSymlink
	}
	return canonicalFileMode(f.stat.mode)
}

// racyTime is how old a change must be for the stat to be trusted: longer than any file system's clock tick.
const racyTime = 2 * time.Second

// SourceChangedError is a file of a plain source that is not as it was when the source was opened.
type SourceChangedError struct{ Path string }

func (e *SourceChangedError) Error() string {
	return fmt.Sprintf("read source %s: it has changed since the source was opened", e.Path)
}

// Hint says what the user can do.
func (e *SourceChangedError) Hint() string {
	return "leave the source alone while it is in use, and run the command again"
}

// scanPlain reads dir, hashing the files that old, which may be nil, does not know as they are.
func scanPlain(ctx context.Context, dir string, old *plainDir, progress func(done int)) (*plainTree, error) {
	w := &plainWalk{
		dir: dir, ctx: ctx, tasks: newTaskStack(), progress: progress,
		trusted: time.Now().Add(-racyTime).UnixNano(),
	}
	root := &plainDir{}
	w.tasks.push(func() error { return w.read(root, old) })
	if err := w.tasks.run(ctx); err != nil {
		return nil, err
	}
	t := &plainTree{dir: dir, root: root, dirs: map[plumbing.Hash]*plainDir{}}
	if !t.hash(root, old) {
		root.tree = hashLocal("tree", nil)
		t.dirs[root.tree] = root
	}
	return t, nil
}

type plainWalk struct {
	dir      string
	ctx      context.Context
	tasks    *taskStack
	progress func(done int)
	trusted  int64 // ns; what changed later is hashed again

	mu   sync.Mutex
	done int
}

func (w *plainWalk) read(d, old *plainDir) error {
	full := filepath.Join(w.dir, d.path)
	fd, err := unix.Open(full, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("read source: %w", &os.PathError{Op: "open", Path: full, Err: err})
	}
	defer unix.Close(fd)
	if strings.Count(d.path, "/") > maxDepth {
		return fmt.Errorf("read source %s: directories nest too deep", full)
	}
	names, err := readNames(fd)
	if err != nil {
		return fmt.Errorf("read source: %w", &os.PathError{Op: "read", Path: full, Err: err})
	}
	slices.Sort(names)
	var oldFiles []plainFile
	var oldSubs []*plainDir
	if old != nil {
		oldFiles, oldSubs = old.files, old.subs
	}
	d.files = make([]plainFile, 0, len(names))
	var stale []int
	for _, name := range names {
		if name == ".git" {
			continue
		}
		var st unix.Stat_t
		if err := unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return fmt.Errorf("read source: %w", &os.PathError{Op: "lstat", Path: filepath.Join(full, name), Err: err})
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFDIR:
			for len(oldSubs) > 0 && filepath.Base(oldSubs[0].path) < name {
				oldSubs = oldSubs[1:]
			}
			var oldSub *plainDir
			if len(oldSubs) > 0 && filepath.Base(oldSubs[0].path) == name {
				oldSub = oldSubs[0]
			}
			sub := &plainDir{path: joinPath(d.path, name)}
			d.subs = append(d.subs, sub)
			w.tasks.push(func() error { return w.read(sub, oldSub) })
		case unix.S_IFREG, unix.S_IFLNK:
			f := plainFile{name: name, stat: fileStat{
				size: st.Size, mtime: st.Mtim.Nano(), ctime: st.Ctim.Nano(), ino: st.Ino, mode: st.Mode,
			}}
			for len(oldFiles) > 0 && oldFiles[0].name < name {
				oldFiles = oldFiles[1:]
			}
			if len(oldFiles) > 0 && oldFiles[0].name == name && oldFiles[0].stat == f.stat {
				f.id = oldFiles[0].id
			} else {
				stale = append(stale, len(d.files))
			}
			d.files = append(d.files, f)
		}
	}
	w.count(len(d.files) - len(stale))
	for chunk := range slices.Chunk(stale, 16) {
		w.tasks.push(func() error {
			for _, i := range chunk {
				if err := w.hash(d, &d.files[i]); err != nil {
					return err
				}
			}
			w.count(len(chunk))
			return w.ctx.Err()
		})
	}
	return nil
}

func (w *plainWalk) count(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.done
	w.done += n
	if w.progress != nil && before/512 != w.done/512 {
		w.progress(w.done)
	}
}

func (w *plainWalk) hash(d *plainDir, f *plainFile) error {
	path := filepath.Join(w.dir, d.path, f.name)
	id, err := hashPlain(path, f.treeMode(), f.stat.size)
	if err != nil {
		return fmt.Errorf("read source: %w", err)
	}
	f.id = id
	if f.stat.ctime > w.trusted || f.stat.mtime > w.trusted {
		// It may be written again within the same tick of the clock: no later stat will equal this.
		f.stat = fileStat{mode: f.stat.mode}
	}
	return nil
}

// readPlain reads what the blob of a file is made of.
func readPlain(path string, mode uint32) ([]byte, error) {
	if mode == modeSymlink {
		target, err := os.Readlink(path)
		return []byte(target), err
	}
	return os.ReadFile(path)
}

// hashPlain gives the id of a file's blob. The file must have size bytes.
func hashPlain(path string, mode uint32, size int64) (plumbing.Hash, error) {
	if mode == modeSymlink {
		target, err := os.Readlink(path)
		return hashLocalBlob([]byte(target)), err
	}
	f, err := os.Open(path)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	defer f.Close()
	id, n, err := copyHashed(io.Discard, f, size)
	if err == nil && n != size {
		err = &SourceChangedError{path}
	}
	return id, err
}

// copyBuffers are those of copyHashed: some headers of the kernel have 20 MB, and several are read at once.
var copyBuffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// copyHashed copies r to w and gives the id of a blob with these contents, when they are size bytes, and how many they are.
func copyHashed(w io.Writer, r io.Reader, size int64) (plumbing.Hash, int64, error) {
	h := newLocalHash("blob", size)
	buf := copyBuffers.Get().(*[64 << 10]byte)
	defer copyBuffers.Put(buf)
	// Wrapped, as a file's own ways to copy pass the buffer by.
	n, err := io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(h, w)}, struct{ io.Reader }{r}, buf[:])
	return plumbing.Hash(h.Sum(nil)), n, err
}

func readNames(fd int) ([]string, error) {
	var names []string
	buf := make([]byte, 32<<10)
	for {
		n, err := unix.ReadDirent(fd, buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n <= 0 {
			return names, err
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
}

func joinPath(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// hash gives d its tree, which is old's where all in it is as it was; false when d is empty.
func (t *plainTree) hash(d, old *plainDir) bool {
	same := old != nil && len(d.files) == len(old.files)
	for i := 0; same && i < len(d.files); i++ {
		f, o := &d.files[i], &old.files[i]
		same = f.name == o.name && f.id == o.id && f.treeMode() == o.treeMode()
	}
	olds := map[string]*plainDir{}
	if old != nil {
		for _, o := range old.subs {
			olds[o.path] = o
		}
	}
	kept := d.subs[:0]
	for _, sub := range d.subs {
		o := olds[sub.path]
		if !t.hash(sub, o) {
			continue
		}
		same = same && o != nil && o.tree == sub.tree
		kept = append(kept, sub)
	}
	d.subs = kept
	if len(d.files)+len(d.subs) == 0 {
		return false
	}
	if same && len(d.subs) == len(old.subs) {
		d.tree = old.tree
	} else {
		d.tree = hashLocal("tree", encodeTree(d.entries()))
	}
	t.dirs[d.tree] = d
	return true
}

func (d *plainDir) entries() []treeEntry {
	entries := make([]treeEntry, 0, len(d.files)+len(d.subs))
	for _, f := range d.files {
		entries = append(entries, treeEntry{f.name, f.treeMode(), f.id})
	}
	for _, s := range d.subs {
		entries = append(entries, treeEntry{filepath.Base(s.path), modeDir, s.tree})
	}
	slices.SortFunc(entries, compareEntries)
	return entries
}

// walk calls fn with d and all below it.
func (d *plainDir) walk(fn func(*plainDir)) {
	fn(d)
	for _, s := range d.subs {
		s.walk(fn)
	}
}

// object is part of backend. Blobs are read from the tree when they are asked for, and must still be what
// they were.
func (t *plainTree) object(ctx context.Context, id plumbing.Hash) (plumbing.ObjectType, []byte, error) {
	if d := t.dirs[id]; d != nil {
		return plumbing.TreeObject, encodeTree(d.entries()), nil
	}
	path, mode, err := t.find(id)
	if err != nil {
		return 0, nil, err
	}
	data, err := readPlain(path, mode)
	if errors.Is(err, os.ErrNotExist) || err == nil && hashLocalBlob(data) != id {
		return 0, nil, &SourceChangedError{path}
	}
	return plumbing.BlobObject, data, err
}

// copyFile writes the blob id, which is a regular file, to w, with no more than a buffer of it in memory.
func (t *plainTree) copyFile(id plumbing.Hash, w io.Writer) error {
	path, mode, err := t.find(id)
	if err != nil {
		return err
	}
	if mode == modeSymlink {
		return errNoObject
	}
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return &SourceChangedError{path}
	}
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	got, _, err := copyHashed(w, f, fi.Size())
	if err == nil && got != id {
		return &SourceChangedError{path}
	}
	return err
}

// find gives the path and the tree mode of a file with the contents of the blob id.
func (t *plainTree) find(id plumbing.Hash) (path string, mode uint32, err error) {
	t.once.Do(func() {
		n := 0
		t.root.walk(func(d *plainDir) { n += len(d.files) })
		t.files = make(map[plumbing.Hash]plainPlace, n)
		t.root.walk(func(d *plainDir) {
			for i := range d.files {
				t.files[d.files[i].id] = plainPlace{d, int32(i)}
			}
		})
	})
	at, ok := t.files[id]
	if !ok {
		return "", 0, errNoObject
	}
	f := at.dir.files[at.file]
	return filepath.Join(t.dir, at.dir.path, f.name), f.treeMode(), nil
}

func (t *plainTree) close() error { return nil }
