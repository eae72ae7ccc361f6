package qemu

import (
	"os"
	"time"
)

// How often what a guest prints is written to the file of a console that is followed, and how often in a flood, of which what
// is kept changes.
const (
	followEvery = 200 * time.Millisecond
	floodEvery  = time.Second
)

// follow writes the record to a file while it grows, with the bounds that it has, until stop is called; then all of it is
// there. A reader finds what was there where it was, but for what comes behind the beginning of a flood. What can't be written is
// left to save to complain of.
func (c *console) follow(path string) (stop func()) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return func() {}
	}
	done, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		defer func() { _ = f.Close() }()
		w := follower{c: c, f: f}
		tick := time.NewTicker(followEvery)
		defer tick.Stop()
		for {
			select {
			case <-done:
				w.write()
				return
			case <-tick.C:
				if !w.flooded || time.Since(w.at) >= floodEvery {
					w.write()
				}
			}
		}
	}()
	return func() { close(done); <-over }
}

// follower is how far a console's file is.
type follower struct {
	c       *console
	f       *os.File
	total   int       // bytes that the guest had printed
	head    int       // bytes of the record's beginning that are in the file
	flooded bool      // there is more than the beginning
	at      time.Time // when it was written last
}

func (w *follower) write() {
	c := w.c
	c.mu.Lock()
	if c.total == w.total {
		c.mu.Unlock()
		return
	}
	begin := w.head
	text := append([]byte{}, c.head[begin:]...)
	text = append(text, c.rest()...)
	w.total, w.head, w.flooded = c.total, len(c.head), c.headFull
	c.mu.Unlock()
	w.at = time.Now()
	if _, err := w.f.WriteAt(text, int64(begin)); err == nil {
		_ = w.f.Truncate(int64(begin + len(text)))
	}
}
