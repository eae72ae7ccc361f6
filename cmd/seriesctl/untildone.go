package main

import (
	"context"
	"io"
	"os"
)

// untilDone is f for reading, which fails when ctx ends, also while it waits for what comes through a pipe or from a terminal. It may
// go on reading f then.
func untilDone(ctx context.Context, f *os.File) io.Reader {
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		return f // its size is asked for
	}
	r, w := io.Pipe()
	go func() {
		_, err := io.Copy(w, f)
		_ = w.CloseWithError(err)
	}()
	context.AfterFunc(ctx, func() { _ = w.CloseWithError(ctx.Err()) })
	return r
}
