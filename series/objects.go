package series

import (
	"bytes"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/storage/memory"
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
	repo *Repo
	base backend

	mu      sync.Mutex
	pending map[plumbing.Hash]gitObject
	cache   map[plumbing.Hash]gitObject
	size    int // bytes in cache
	trees   map[plumbing.Hash][]treeEntry
}

func newObjects(r *Repo, b backend) *objects {
	return &objects{
		repo: r, base: b,
		pending: map[plumbing.Hash]gitObject{},
		cache:   map[plumbing.Hash]gitObject{},
		trees:   map[plumbing.Hash][]treeEntry{},
	}
}

// put adds a new object; it is in memory only until flush.
func (o *objects) put(kind plumbing.ObjectType, data []byte) plumbing.Hash {
	// What is hashed here comes by mail: plumbing's hash is the one that withstands made-up collisions.
	id := plumbing.ComputeHash(kind, data)
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, ok := o.pending[id]; !ok {
		o.pending[id] = gitObject{kind, data}
	}
	return id
}

// get reads an object of the kind.
func (o *objects) get(ctx context.Context, id plumbing.Hash, kind plumbing.ObjectType) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	o.mu.Lock()
	obj, ok := o.pending[id]
	if !ok {
		obj, ok = o.cache[id]
	}
	o.mu.Unlock()
	if !ok {
		var err error
		if obj, err = o.read(ctx, id); err != nil {
			return nil, fmt.Errorf("read %s %s: %w", kind, id, err)
		}
		o.remember(id, obj)
	}
	if obj.kind != kind {
		return nil, fmt.Errorf("read %s %s: it is a %s", kind, id, obj.kind)
	}
	return obj.data, nil
}

// read reads an object from where it is stored, keeping nothing.
func (o *objects) read(ctx context.Context, id plumbing.Hash) (gitObject, error) {
	if o.repo.hasLoose(id) {
		return o.readOwn(id)
	}
	kind, data, err := o.base.object(ctx, id)
	if errors.Is(err, errNoObject) {
		// Somebody may have packed the workspace's repository.
		if own, ownErr := o.readOwn(id); ownErr == nil {
			return own, nil
		}
	}
	return gitObject{kind, data}, err
}

func (o *objects) readOwn(id plumbing.Hash) (gitObject, error) {
	st := o.repo.storage()
	defer st.Close()
	// Has comes first because EncodedObject goes on to the alternates, with go-git's reader.
	if st.HasEncodedObject(id) != nil {
		return gitObject{}, errNoObject
	}
	eo, err := st.EncodedObject(plumbing.AnyObject, id)
	if err != nil {
		return gitObject{}, err
	}
	r, err := eo.Reader()
	if err != nil {
		return gitObject{}, err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return gitObject{}, err
	}
	if plumbing.ComputeHash(eo.Type(), data) != id {
		return gitObject{}, fmt.Errorf("object in %s is damaged", o.repo.dir)
	}
	return gitObject{eo.Type(), data}, nil
}

func (o *objects) remember(id plumbing.Hash, obj gitObject) {
	o.mu.Lock()
	defer o.mu.Unlock()
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

// flush stores what put added: blobs first, then trees, then commits, so that an object that is there
// means that all it refers to is.
func (o *objects) flush(ctx context.Context) error {
	for _, kind := range []plumbing.ObjectType{plumbing.BlobObject, plumbing.TreeObject, plumbing.CommitObject} {
		var todo []storedObject
		o.mu.Lock()
		for id, obj := range o.pending {
			if obj.kind == kind {
				todo = append(todo, storedObject{id, obj})
			}
		}
		o.mu.Unlock()
		if len(todo) >= packFrom {
			pack := memory.NewStorage()
			ids := make([]plumbing.Hash, len(todo))
			for i, it := range todo {
				if err := putIn(pack, it.obj.kind, it.obj.data); err != nil {
					return fmt.Errorf("store %s objects in %s: %w", kind, o.repo.dir, err)
				}
				ids[i] = it.id
			}
			if err := o.repo.writePack(pack, ids); err != nil {
				return fmt.Errorf("store %s objects in %s: %w", kind, o.repo.dir, err)
			}
			o.stored(todo)
			continue
		}
		err := inParallel(ctx, len(todo), func() func(int) error {
			st := o.repo.storage()
			return func(i int) error {
				if o.repo.hasLoose(todo[i].id) {
					return nil
				}
				return putIn(st, todo[i].obj.kind, todo[i].obj.data)
			}
		})
		if err != nil {
			return fmt.Errorf("store %s objects in %s: %w", kind, o.repo.dir, err)
		}
		o.stored(todo)
	}
	return nil
}

// packFrom is from how many objects on they are stored as one pack instead of a file each: a source's trees.
const packFrom = 512

type storedObject struct {
	id  plumbing.Hash
	obj gitObject
}

// stored notes that objects are on the disk.
func (o *objects) stored(all []storedObject) {
	for _, it := range all {
		o.mu.Lock()
		delete(o.pending, it.id)
		o.mu.Unlock()
		o.remember(it.id, it.obj)
	}
}

// workers is how many goroutines share work that is bound by the processor and the disk at once.
func workers() int { return min(max(runtime.GOMAXPROCS(0), 2), 8) }

// inParallel calls do(0) to do(n-1) from several goroutines, each with a function of its own made by
// worker, until one fails or ctx ends.
func inParallel(ctx context.Context, n int, worker func() func(i int) error) error {
	k := min(workers(), n)
	if k == 0 {
		return ctx.Err()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		next int
	)
	for range k {
		wg.Go(func() {
			do := worker()
			for ctx.Err() == nil {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= n {
					return
				}
				if err := do(i); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// hashLocalBlob is the id of a blob that comes from the user's own disk; faster than plumbing's hash.
func hashLocalBlob(data []byte) plumbing.Hash { return hashLocal("blob", data) }

func hashLocal(kind string, data []byte) plumbing.Hash {
	h := sha1.New()
	var head bytes.Buffer
	head.WriteString(kind)
	head.WriteByte(' ')
	head.WriteString(strconv.Itoa(len(data)))
	head.WriteByte(0)
	h.Write(head.Bytes())
	h.Write(data)
	return plumbing.Hash(h.Sum(nil))
}
