package qemu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/seriesctl/seriesctl/internal/xec"
)

// diskKey is what a file system's image depends on: the command, the size and the mkfs program itself.
func diskKey(fs Filesystem) (string, error) {
	if !fs.hasDisk() {
		return "none", nil
	}
	mkfs, err := findMkfs(fs)
	if err != nil {
		return "", err
	}
	k := newKey("disk")
	k.add(fmt.Sprint(fs.Size), fmt.Sprintf("%q", fs.Mkfs))
	if err := k.addFile(mkfs); err != nil {
		return "", &InfraError{Op: "read " + mkfs, Err: err}
	}
	return k.sum(), nil
}

func findMkfs(fs Filesystem) (string, error) {
	p, err := xec.Find(fs.Mkfs[0])
	if err != nil {
		return "", &InfraError{Op: "make file system " + fs.Name, Err: fmt.Errorf("%s: not installed", fs.Mkfs[0]),
			Hint: "install " + mkfsPackage(fs.Mkfs[0])}
	}
	return p, nil
}

// mkfsPackage is the package that has a mkfs program, by Debian's name.
func mkfsPackage(prog string) string {
	switch filepath.Base(prog) {
	case "mkfs.gfs2":
		return "gfs2-utils"
	case "mkfs.ext4", "mkfs.ext3", "mkfs.ext2", "mke2fs":
		return "e2fsprogs"
	case "mkfs.xfs":
		return "xfsprogs"
	case "mkfs.btrfs":
		return "btrfs-progs"
	case "mkfs.f2fs":
		return "f2fs-tools"
	}
	return "the package of " + filepath.Base(prog)
}

// makeDisk returns the raw image of a file system, made in dir when it is not there: a sparse file, written once and
// never again.
func makeDisk(ctx context.Context, fs Filesystem, dir string) (string, error) {
	k, err := diskKey(fs)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, fs.Name+"-"+k[:16]+".img")
	if fs.Name != filepath.Base(fs.Name) {
		path = filepath.Join(dir, "fs-"+k[:16]+".img")
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	op := "make file system " + fs.Name
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", &InfraError{Op: op, Err: err}
	}
	f, err := os.CreateTemp(dir, "mkfs-*")
	if err != nil {
		return "", &InfraError{Op: op, Err: err}
	}
	defer os.Remove(f.Name())
	err = f.Truncate(fs.Size)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return "", &InfraError{Op: op, Err: err, Hint: spaceHint(err)}
	}
	mkfs, err := findMkfs(fs)
	if err != nil {
		return "", err
	}
	args := append(append([]string{}, fs.Mkfs[1:]...), f.Name())
	if err := (xec.Cmd{Name: mkfs, Args: args}).Run(ctx); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", &InfraError{Op: op, Err: err}
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return "", &InfraError{Op: op, Err: err}
	}
	return path, nil
}

// overlay makes a qcow2 image at path: copy-on-write over the raw image backing, or empty of the given size when backing
// is "".
func overlay(path, backing string, size int64) error {
	if backing != "" {
		abs, err := filepath.Abs(backing)
		if err != nil {
			return &InfraError{Op: "make disk", Err: err}
		}
		fi, err := os.Stat(abs)
		if err != nil {
			return &InfraError{Op: "make disk", Err: err}
		}
		backing, size = abs, fi.Size()
	}
	if err := writeQcow2(path, backing, size); err != nil {
		return &InfraError{Op: "make disk", Err: err, Hint: spaceHint(err)}
	}
	return nil
}

func spaceHint(err error) string {
	if errors.Is(err, syscall.ENOSPC) {
		return "free disk space, or move the workspace"
	}
	return ""
}
