package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/seriesctl/seriesctl/qemu"
)

// Image makes the image of v where it is missing and stores how that ended. A tree that does not build is a
// *qemu.BuildError.
func (e *Engine) Image(ctx context.Context, v Variant) error {
	if e.Maker.HasImage(v.Key) {
		return nil
	}
	if err := e.build(ctx, &job{variant: v}); err != nil {
		return err
	}
	b, err := e.Store.Build(v.Key)
	if err == nil && b.Image == "" {
		err = &qemu.BuildError{Diagnostics: b.Warnings, Log: b.Log}
	}
	return err
}

// shellDir is how the names of shells' directories begin.
const shellDir = "shell-"

// gdbPath is the longest path that a debugger's socket can have.
const gdbPath = 100

// Shell is an interactive guest of the image built under key, in a directory of its own that the returned function removes;
// it needs no lock on the workspace. The caller sets the streams.
func (h *Host) Shell(key string) (*qemu.Shell, func() error, error) {
	img, err := h.Builder.Image(key)
	if err != nil {
		return nil, nil, fmt.Errorf("open shell: %w", err)
	}
	base, err := filepath.Abs(h.Store.Dir)
	if err != nil {
		return nil, nil, fmt.Errorf("open shell: %w", err)
	}
	if len(base)+len(shellDir)+20 > gdbPath {
		base = os.TempDir()
	}
	clearHeld(base, shellDir)
	dir, held, err := heldDir(base, shellDir)
	if err != nil {
		return nil, nil, fmt.Errorf("open shell: %w", err)
	}
	s := &qemu.Shell{Kernel: img.Kernel, Machine: h.Machine, Dir: dir, Disks: h.Store.Disks()}
	return s, func() error { return errors.Join(os.RemoveAll(dir), held.Close()) }, nil
}
