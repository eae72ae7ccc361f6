package main

import (
	"context"
	"os"
	"sync"
	"time"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/internal/tui"
	"github.com/seriesctl/seriesctl/series"
)

const (
	// pollEvery is how often the TUI looks for news in the workspace; looking costs one pragma and one stat.
	pollEvery = 250 * time.Millisecond
	// clockEvery is how often it draws without news while a case runs: the matrix says for how long.
	clockEvery = time.Second
)

func (a *app) runTUI(ctx context.Context) error {
	o := a.options(a.out)
	st, err := a.open(false)
	if err != nil {
		return err
	}
	defer func() { _ = st.Close() }()
	s, err := find(st, "")
	if err != nil {
		return err
	}
	src := &workspace{st: st, s: s, changes: make(chan struct{}, 1)}
	if err := src.refresh(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { src.poll(ctx) })
	err = tui.Run(ctx, src, tui.Options{Color: o.Color, ASCII: o.ASCII})
	cancel()
	wg.Wait()
	return err
}

var _ interface {
	tui.Source
	tui.CellSource
	tui.PatchSource
	tui.SubsetSource
	tui.BisectSource
} = (*workspace)(nil)

// workspace is the TUI's view of a workspace: the results in the database, and what a run in this or another
// process says it does.
type workspace struct {
	st      *store.Store
	s       *series.Series
	changes chan struct{}

	mu     sync.Mutex
	spec   *lab.Spec
	result *lab.Result
	status lab.Status
	busy   bool
	err    error
}

// poll refreshes the view whenever the workspace changed, until ctx ends.
func (w *workspace) poll(ctx context.Context) {
	t := time.NewTicker(pollEvery)
	defer t.Stop()
	var version int64
	var stamp time.Time
	wasBusy := false
	var told time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		v, err := w.st.Version()
		busy := w.st.Busy()
		var now time.Time
		if fi, serr := os.Stat(w.st.Status()); serr == nil {
			now = fi.ModTime()
		}
		news := err != nil || v != version || !now.Equal(stamp) || busy != wasBusy
		if !news && (!w.running() || time.Since(told) < clockEvery) {
			continue
		}
		if news {
			version, stamp, wasBusy = v, now, busy
			if err == nil {
				err = w.refresh()
			}
			w.mu.Lock()
			w.err = err
			w.mu.Unlock()
		}
		told = time.Now()
		select {
		case w.changes <- struct{}{}:
		default:
		}
	}
}

// running says whether a case runs.
func (w *workspace) running() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.busy && len(w.status.Running) > 0
}

// refresh reads the matrix and lays over it what is going on.
func (w *workspace) refresh() error {
	var spec lab.Spec
	result := &lab.Result{Series: w.s.ID, Subject: w.s.Subject}
	if err := w.st.Matrix(w.s.ID, &spec); err == nil {
		if result, err = lab.Load(w.st, &spec); err != nil {
			return err
		}
	}
	busy := w.st.Busy()
	status, err := lab.ReadStatus(w.st.Status())
	if err != nil || status.Series != w.s.ID {
		status, busy = lab.Status{}, false
	}
	if busy {
		lab.Overlay(result, status)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.spec, w.result, w.status, w.busy = &spec, result, status, busy
	return nil
}

func (w *workspace) Result() *lab.Result {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.result
}

func (w *workspace) Changes() <-chan struct{} { return w.changes }

func (w *workspace) Status() tui.Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.busy {
		return tui.Status{Err: w.err}
	}
	return tui.Status{Running: true, Elsewhere: true, Line: statusLine(w.status), Done: w.status.CellsDone, Total: w.status.CellsTotal, Err: w.err}
}

func (w *workspace) Runs(prefix int, caseName string) ([]lab.Run, error) {
	w.mu.Lock()
	spec := w.spec
	w.mu.Unlock()
	return lab.Runs(w.st, spec, prefix, caseName)
}

func (w *workspace) Series() (*series.Series, error) { return w.s, nil }

func (w *workspace) Open(path string) (tui.File, error) { return openArtefact(w.st, path) }
