package series

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// Repo is the workspace's own bare git repository, where all new blobs, trees and commits go. It is an
// ordinary repository that `git` can read. Its methods may be called from several goroutines.
type Repo struct {
	dir string // absolute
}

// OpenRepo opens the repository in dir, and makes it when there is none.
func OpenRepo(dir string) (*Repo, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open object store %s: %w", dir, err)
	}
	r := &Repo{dir: abs}
	if _, err := os.Stat(filepath.Join(abs, "HEAD")); err == nil {
		return r, nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("open object store %s: %w", dir, err)
	}
	if err := r.create(); err != nil {
		return nil, fmt.Errorf("create object store %s: %w", dir, err)
	}
	return r, nil
}

// create makes an empty bare repository; HEAD comes last, so that one half made is made again.
func (r *Repo) create() error {
	if err := os.MkdirAll(r.dir, 0o777); err != nil {
		return err
	}
	st := r.storage()
	if err := st.Init(); err != nil {
		return err
	}
	cfg := config.NewConfig()
	cfg.Core.IsBare = true
	// Nothing refers to the variants: a collection would take them away.
	cfg.Raw.Section("gc").SetOption("auto", "0").SetOption("pruneExpire", "never")
	if err := st.SetConfig(cfg); err != nil {
		return err
	}
	return st.SetReference(plumbing.NewSymbolicReference(plumbing.HEAD, plumbing.NewBranchReferenceName("main")))
}

// storage gives a go-git view of the repository. Each is for one goroutine.
func (r *Repo) storage() *filesystem.Storage {
	return filesystem.NewStorage(osfs.New(r.dir), cache.NewObjectLRU(cache.MiByte))
}

// hasLoose says whether the object is in the repository as a file of its own, as almost all that
// this package writes is.
func (r *Repo) hasLoose(id plumbing.Hash) bool {
	hex := id.String()
	_, err := os.Lstat(filepath.Join(r.dir, "objects", hex[:2], hex[2:]))
	return err == nil
}

// putIn stores an object.
func putIn(st storer.EncodedObjectStorer, kind plumbing.ObjectType, data []byte) error {
	o := &plumbing.MemoryObject{}
	o.SetType(kind)
	if _, err := o.Write(data); err != nil {
		return err
	}
	_, err := st.SetEncodedObject(o)
	return err
}

// writePack stores objects of from as one pack.
func (r *Repo) writePack(from storer.EncodedObjectStorer, ids []plumbing.Hash) (err error) {
	st := r.storage()
	w, err := st.PackfileWriter()
	if err != nil {
		return err
	}
	slices.SortFunc(ids, func(a, b plumbing.Hash) int { return bytes.Compare(a[:], b[:]) }) // same objects, same pack
	_, err = packfile.NewEncoder(w, from, false).Encode(ids, 0)
	return errors.Join(err, w.Close(), st.Close())
}
