package series

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"hash"
	"io"
	"runtime"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
)

// maxBlob is the largest file, in bytes, that a patch may make or touch.
const maxBlob = 128 << 20

// cachedBytes is how much of the objects read or made lately is kept in memory.
const cachedBytes = 96 << 20

var errNoObject = errors.New("no such object")

// MissingObjectError is an object that a source refers to but does not have, as in a partial clone.
type MissingObjectError struct {
	ID  Hash
	Err error
}

func (e *MissingObjectError) Error() string {
	return fmt.Sprintf("object %s is not in the repository: %v", e.ID, e.Err)
}

func (e *MissingObjectError) Unwrap() error { return e.Err }

// Hint says what the user can do.
func (e *MissingObjectError) Hint() string {
	return "if the source is a partial clone, let git fetch the files first: git -C SOURCE checkout REV"
}

// backend reads the objects of a source. An object it does not have is errNoObject.
type backend interface {
	object(ctx context.Context, id plumbing.Hash) (plumbing.ObjectType, []byte, error)
	close() error
}

type gitObject struct {
	kind plumbing.ObjectType
	data []byte
}

// objects is all objects there are: those of a source, those in the workspace's repository, and new ones
// that are only in memory until flush. Its methods may be called from several goroutines.
type objects struct {
	repo *Repo // nil where new objects are never stored
	base backend
	own  *catFiles // of repo; nil without one

	mu       sync.Mutex
	pending  map[plumbing.Hash]gitObject
	newBytes int                        // in pending
	stored   map[plumbing.Hash]struct{} // what flush has stored
	cache    map[plumbing.Hash]gitObject
	size     int // bytes in cache
	trees    map[plumbing.Hash][]treeEntry
	entries  int // in trees
}

func newObjects(r *Repo, b backend) *objects {
	o := &objects{
		repo: r, base: b,
		pending: map[plumbing.Hash]gitObject{},
		stored:  map[plumbing.Hash]struct{}{},
		cache:   map[plumbing.Hash]gitObject{},
		trees:   map[plumbing.Hash][]treeEntry{},
	}
	if r != nil {
		o.own = newCatFiles(context.Background(), r.dir) // git starts when it is needed
	}
	return o
}

// put adds a new object; it is in memory only until flush.
func (o *objects) put(kind plumbing.ObjectType, data []byte) plumbing.Hash {
	// What is hashed here comes by mail: plumbing's hash is the one that withstands made-up collisions.
	id := plumbing.ComputeHash(kind, data)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.add(id, gitObject{kind, data})
	return id
}

// add is put for an object whose id is known; o.mu is held.
func (o *objects) add(id plumbing.Hash, obj gitObject) {
	if _, ok := o.stored[id]; ok {
		return
	}
	if _, ok := o.pending[id]; !ok {
		o.pending[id] = obj
		o.newBytes += len(obj.data)
	}
}

// get reads an object of the kind.
func (o *objects) get(ctx context.Context, id plumbing.Hash, kind plumbing.ObjectType) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	obj, err := o.load(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read %s %s: %w", kind, id, err)
	}
	if obj.kind != kind {
		return nil, fmt.Errorf("read %s %s: it is a %s", kind, id, obj.kind)
	}
	return obj.data, nil
}

// load gives an object from memory or from where it is stored.
func (o *objects) load(ctx context.Context, id plumbing.Hash) (gitObject, error) {
	o.mu.Lock()
	obj, ok := o.pending[id]
	if !ok {
		obj, ok = o.cache[id]
	}
	o.mu.Unlock()
	if ok {
		return obj, nil
	}
	obj, err := o.read(ctx, id)
	if err == nil {
		o.remember(id, obj)
	}
	return obj, err
}

// read reads an object from where it is stored, keeping nothing.
func (o *objects) read(ctx context.Context, id plumbing.Hash) (gitObject, error) {
	kind, data, err := o.base.object(ctx, id)
	if !errors.Is(err, errNoObject) || o.own == nil {
		return gitObject{kind, data}, err
	}
	kind, data, err = o.own.object(ctx, id)
	if err == nil && plumbing.ComputeHash(kind, data) != id {
		err = fmt.Errorf("object in %s is damaged", o.repo.dir)
	}
	return gitObject{kind, data}, err
}

// copyBlob writes a blob from where it is stored, or from memory, to w.
func (o *objects) copyBlob(ctx context.Context, id plumbing.Hash, w io.Writer) error {
	if t, ok := o.base.(*plainTree); ok {
		if err := t.copyFile(id, w); !errors.Is(err, errNoObject) {
			return err
		}
	}
	data, err := o.blob(ctx, id)
	if err == nil {
		_, err = w.Write(data)
	}
	return err
}

// blob reads a blob from where it is stored, or one that is only in memory yet, keeping nothing.
func (o *objects) blob(ctx context.Context, id plumbing.Hash) ([]byte, error) {
	obj, err := o.read(ctx, id)
	if errors.Is(err, errNoObject) {
		return o.get(ctx, id, plumbing.BlobObject)
	}
	return obj.data, err
}

func (o *objects) remember(id plumbing.Hash, obj gitObject) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rememberLocked(id, obj)
}

func (o *objects) rememberLocked(id plumbing.Hash, obj gitObject) {
	if len(obj.data) > cachedBytes/4 {
		return
	}
	if o.size+len(obj.data) > cachedBytes {
		clear(o.cache)
		o.size = 0
	}
	if _, ok := o.cache[id]; !ok {
		o.cache[id] = obj
		o.size += len(obj.data)
	}
}

// flush stores what put added, as one pack: a file for each object takes ten times as long.
func (o *objects) flush(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.pending) == 0 {
		return nil
	}
	if err := o.repo.writePack(o.pending); err != nil {
		return fmt.Errorf("store objects in %s: %w", o.repo.dir, err)
	}
	for id, obj := range o.pending {
		o.stored[id] = struct{}{}
		o.rememberLocked(id, obj)
	}
	clear(o.pending)
	o.newBytes = 0
	return nil
}

// isStored notes that the repository has these objects.
func (o *objects) isStored(ids []plumbing.Hash) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, id := range ids {
		if obj, ok := o.pending[id]; ok {
			o.rememberLocked(id, obj)
			o.newBytes -= len(obj.data)
			delete(o.pending, id)
		}
		o.stored[id] = struct{}{}
	}
}

// workers is how many goroutines share work that is bound by the processor and the disk at once.
func workers() int { return min(max(runtime.GOMAXPROCS(0), 2), 8) }

// hashLocalBlob is the id of a blob that comes from the user's own disk; faster than plumbing's hash.
func hashLocalBlob(data []byte) plumbing.Hash { return hashLocal("blob", data) }

func hashLocal(kind string, data []byte) plumbing.Hash {
	h := newLocalHash(kind, int64(len(data)))
	h.Write(data)
	return plumbing.Hash(h.Sum(nil))
}

// newLocalHash hashes an object of size bytes that is written to it.
func newLocalHash(kind string, size int64) hash.Hash {
	h := sha1.New()
	fmt.Fprintf(h, "%s %d\x00", kind, size)
	return h
}
