package series

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
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
