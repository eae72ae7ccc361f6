package qemu

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/u-root/u-root/pkg/cpio"
)

// What a case brings into the guest is in the guest's memory: a directory has at most as many files, and bytes.
const (
	filesMax     = 20000
	filesMaxSize = 256 << 20
)

// file is one file of a directory that goes into the guest.
type file struct {
	rel  string // "." for a file that is named itself
	path string
	info fs.FileInfo
}

// filesIn lists a file, or the regular files and symbolic links of a directory, in order. What is beyond the bounds is
// an *InfraError.
func filesIn(root string) ([]file, error) {
	var out []file
	size := int64(0)
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if p == root && err == nil {
			info, err = os.Stat(p) // itself it may be a link
		}
		if err != nil || info.IsDir() {
			return err
		}
		if !info.Mode().IsRegular() && info.Mode()&fs.ModeSymlink == 0 {
			return nil
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		out = append(out, file{rel, p, info})
		if size += info.Size(); len(out) > filesMax || size > filesMaxSize {
			return fmt.Errorf("more than %d files or %d MiB", filesMax, filesMaxSize>>20)
		}
		return nil
	})
	if err != nil {
		return nil, &InfraError{Op: "collect " + root + " for the guest", Err: err, Hint: "a case's files are in the guest's memory: bring less"}
	}
	return out, nil
}

// FilesHash is a hash of a file or directory: names, modes and contents.
func FilesHash(root string) (string, error) {
	files, err := filesIn(root)
	if err != nil {
		return "", err
	}
	k := newKey("files")
	for _, f := range files {
		k.add(f.rel, fmt.Sprint(f.info.Mode()&(fs.ModeType|0o100)))
		if f.info.Mode().IsRegular() {
			err = k.addFile(f.path)
		} else {
			var target string
			target, err = os.Readlink(f.path)
			k.add(target)
		}
		if err != nil {
			return "", &InfraError{Op: "read " + f.path, Err: err}
		}
	}
	return k.sum(), nil
}

// fileRecords lists what goes into the guest: path there → file or directory here, and the libraries that programs
// among them take.
func fileRecords(ctx context.Context, paths map[string]string) ([]cpio.Record, error) {
	t := &tree{have: map[string]bool{}}
	for _, to := range sortedKeys(paths) {
		files, err := filesIn(paths[to])
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			name := path.Join(to, filepath.ToSlash(f.rel))
			if !f.info.Mode().IsRegular() {
				target, err := os.Readlink(f.path)
				if err != nil {
					return nil, &InfraError{Op: "read " + f.path, Err: err}
				}
				t.link(name, target)
				continue
			}
			err := t.program(ctx, name, f.path)
			if err != nil && ctx.Err() == nil {
				err = t.add(name, f.path, f.info.Mode()) // no program
			}
			if err != nil {
				return nil, &InfraError{Op: "read " + f.path, Err: err}
			}
		}
	}
	cpio.MakeAllReproducible(t.records)
	return t.records, nil
}
