package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/qemu"
	"github.com/seriesctl/seriesctl/series"
)

func TestExitCodes(t *testing.T) {
	denied := &fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}
	for name, tt := range map[string]struct {
		err  error
		code int
	}{
		"done":                          {nil, exitDone},
		"a finding":                     {fmt.Errorf("run: %w", errFound), exitFound},
		"mail that may not be read":     {&series.InputError{Verb: "read", Object: "x", Err: denied}, exitUsage},
		"a source that may not be read": {&series.SourceError{Dir: "x", Err: denied}, exitUsage},
		"a source without a kernel":     {&qemu.NoKernelError{}, exitUsage},
		"a workspace to be read only":   {&store.ReadOnlyError{Op: "lock workspace x"}, exitLab},
		"a workspace that is not ours":  {&store.DirError{Op: "make workspace x", Err: syscall.EACCES}, exitLab},
		"a workspace that is a file":    {&store.DirError{Op: "make workspace x", Err: syscall.ENOTDIR}, exitUsage},
		"interrupted while mail comes":  {&series.InputError{Verb: "read", Object: "-", Err: context.Canceled}, exitInterrupted},
		"a full disk":                   {fmt.Errorf("store run: %w", syscall.ENOSPC), exitLab},
		"anything else":                 {errors.New("x"), exitUsage},
	} {
		if code, _ := classify(tt.err); code != tt.code {
			t.Errorf("%s: exit code %d, want %d", name, code, tt.code)
		}
	}
}
