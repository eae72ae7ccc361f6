package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/report"
	"github.com/seriesctl/seriesctl/internal/store"
)

// statusEvery is how often the status file is written at most: what another terminal's TUI sees.
const statusEvery = 250 * time.Millisecond

// watcher shows what an engine does: on standard error, and in the status file for other processes. What these ask for
// it passes on.
type watcher struct {
	st   *store.Store
	p    *report.Progress
	spec *lab.Spec

	mu     sync.Mutex
	engine *lab.Engine // that works now
	latest lab.Status
	dirty  bool
	stop   chan struct{}
	done   sync.WaitGroup
	once   sync.Once
}

func newWatcher(st *store.Store, p *report.Progress, spec *lab.Spec) *watcher {
	w := &watcher{st: st, p: p, spec: spec, stop: make(chan struct{})}
	lab.TakeRequests(st.Requests()) // those that no run was there for
	if last, err := lab.ReadStatus(st.Status()); err == nil {
		w.latest.Left = last.Left
	}
	w.done.Go(func() {
		t := time.NewTicker(statusEvery)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				w.flush()
				w.serve()
			case <-w.stop:
				return
			}
		}
	})
	return w
}

// status takes the engine's state; it must not block.
func (w *watcher) status(s lab.Status) {
	w.mu.Lock()
	w.latest, w.dirty = s, true
	w.mu.Unlock()
	w.p.Step(report.Step{What: statusLine(s), Stage: "cells", Done: s.CellsDone, Total: s.CellsTotal})
}

// over takes the engine that works from now on. It goes on with what those before it left.
func (w *watcher) over(e *lab.Engine) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.engine = e
	e.Inherit(w.latest.Left)
}

// serve passes on what other processes ask for.
func (w *watcher) serve() {
	w.mu.Lock()
	e := w.engine
	w.mu.Unlock()
	if e == nil {
		return
	}
	for _, r := range lab.TakeRequests(w.st.Requests()) {
		e.Do(r)
	}
}

func (w *watcher) flush() {
	w.mu.Lock()
	s, dirty := w.latest, w.dirty
	w.dirty = false
	w.mu.Unlock()
	if dirty {
		// Only for watching: a full disk shows elsewhere.
		_ = lab.WriteStatus(w.st.Status(), s)
	}
}

// event prints one finished step.
func (w *watcher) event(ev lab.Event) {
	if ev.Prefix < 0 {
		w.p.Finished(ev.Text)
		return
	}
	if ev.Case == "" {
		w.p.Finished(fmt.Sprintf("%s: %s", w.spec.Where(ev.Prefix), ev.Text))
		return
	}
	w.p.Finished(fmt.Sprintf("%s: %s: %s", w.spec.Where(ev.Prefix), ev.Case, ev.Text))
}

func (w *watcher) close() {
	w.once.Do(func() {
		close(w.stop)
		w.done.Wait()
		w.mu.Lock()
		// That no process is named says that this one came to its end.
		w.latest, w.dirty = lab.Status{Left: w.latest.Left}, true
		w.mu.Unlock()
		w.flush()
	})
}

// statusLine says in one line what a run does now.
func statusLine(s lab.Status) string {
	var line string
	add := func(part string) {
		if line != "" {
			line += " · "
		}
		line += part
	}
	if b := s.Build; b != nil {
		part := b.Where()
		if b.Kernel != "" {
			part += " as " + b.Kernel
		}
		part += ": " + b.Step
		if b.File != "" {
			part += " " + b.File
		}
		switch {
		case b.Total > 0:
			part += fmt.Sprintf(" %d/%d", b.Done, b.Total)
		case b.Done > 0:
			part += fmt.Sprintf(" %d", b.Done)
		}
		add(part)
	}
	for _, r := range s.Running {
		what := r.Case
		if what == "" {
			what = r.Step
		}
		add(r.Where() + ": " + what)
	}
	return line
}
