package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
)

// typing is standard input shared by a dialogue and the shells that it opens: what one has not read is there for the
// next.
type typing struct {
	chunks <-chan []byte // closed at the end of input
	mu     sync.Mutex    // held by the one that reads
	rest   []byte
}

// newTyping reads r until its end, no further than it is asked to.
func newTyping(r io.Reader) *typing {
	chunks := make(chan []byte)
	go func() {
		defer close(chunks)
		for {
			buf := make([]byte, 4096)
			n, err := r.Read(buf)
			if n > 0 {
				chunks <- buf[:n]
			}
			if err != nil {
				return
			}
		}
	}()
	return &typing{chunks: chunks}
}

// maxTyped is the longest line that a dialogue reads, in bytes.
const maxTyped = 4096

// line reads a line, without its end. At the end of input it is io.EOF.
func (t *typing) line(ctx context.Context) (string, error) {
	var line []byte
	for {
		var b [1]byte
		n, err := t.read(ctx, b[:])
		switch {
		case ctx.Err() != nil:
			return "", ctx.Err()
		case err != nil && len(line) == 0:
			return "", err
		case err != nil || n == 1 && b[0] == '\n':
			return strings.TrimSuffix(string(line), "\r"), nil
		case len(line) == maxTyped:
			return "", errors.New("read standard input: a line of more than 4096 bytes")
		}
		line = append(line, b[:n]...)
	}
}

// read reads what is there, or waits for it or for the end of ctx, which is io.EOF and takes nothing.
func (t *typing) read(ctx context.Context, b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.rest) == 0 {
		select {
		case <-ctx.Done():
			return 0, io.EOF
		case chunk, ok := <-t.chunks:
			if !ok {
				return 0, io.EOF
			}
			t.rest = chunk
		}
	}
	if ctx.Err() != nil {
		return 0, io.EOF
	}
	n := copy(b, t.rest)
	t.rest = t.rest[n:]
	return n, nil
}

// until is what is typed until ctx ends, as a reader.
func (t *typing) until(ctx context.Context) io.Reader { return typedUntil{t, ctx} }

type typedUntil struct {
	t   *typing
	ctx context.Context
}

func (u typedUntil) Read(b []byte) (int, error) { return u.t.read(u.ctx, b) }
