package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/internal/tui"
	"github.com/seriesctl/seriesctl/series"
)

// How often the TUI looks for news in the workspace. Looking costs one pragma, one stat and one fcntl; where nothing has
// happened for a while it is done less often.
const (
	pollFirst = 50 * time.Millisecond // after the first screen
	pollEvery = 250 * time.Millisecond
	pollIdle  = time.Second
	idleAfter = 10 * time.Second
	// clockEvery is how often it draws without news while a case runs: the matrix says for how long.
	clockEvery = time.Second
)

// tuiGCPercent makes the collector wait until the interface is there: it opens with 10 MB, and keeps half of that.
const tuiGCPercent = 400

func (a *app) runTUI(ctx context.Context) error {
	if t := os.Getenv("TERM"); t == "" || t == "dumb" {
		return &userError{fmt.Sprintf("show workspace: a terminal of the kind %q can't show it", t),
			"`seriesctl list`, `report` and `log` print the same; TERM says what the terminal can"}
	}
	o := a.options(a.out)
	dir, err := a.workspaceDir()
	if err != nil {
		return err
	}
	debug.SetGCPercent(tuiGCPercent)
	go tui.Warm()
	w := newWorkspaceView(a, dir)
	if err := w.open(); err != nil {
		return err
	}
	err = tui.Run(ctx, w, tui.Options{Color: o.Color, ASCII: o.ASCII, Reports: w.reports(), Beside: w.poll})
	return errors.Join(err, w.close())
}

var _ interface {
	tui.Workspace
	tui.Commander
	tui.Toolbox
	tui.Interrupter
	tui.JobSource
	tui.Skipper
	tui.Retrier
} = (*workspaceView)(nil)

// workspaceView is the TUI's view of a workspace: the results in the database, and what a run in this or another
// process says it does.
type workspaceView struct {
	a       *app
	dir     string
	changes chan struct{}
	wanted  atomic.Bool   // somebody looks at the entries
	nudge   chan struct{} // has poll look at once
	soon    atomic.Bool   // there will be something new soon

	seen      glance // both are of the goroutine that polls
	described int64  // the version that the entries were read of, 0 for none

	mu      sync.Mutex
	st      *store.Store // nil while there is no workspace
	entries []tui.Entry
	heads   map[string]*head
	readers map[string]*matrixReader // by series
	shown   *seriesView              // the series that was opened last
	status  lab.Status
	busy    bool
	killed  int // the process of a run that left no word of its end, 0 for none
	err     error
	own     int // the process of the run that was started here, 0 for none
}

func newWorkspaceView(a *app, dir string) *workspaceView {
	return &workspaceView{a: a, dir: dir, changes: make(chan struct{}, 1), nudge: make(chan struct{}, 1),
		heads: map[string]*head{}, readers: map[string]*matrixReader{}}
}

// head is what the mail says of a series.
type head struct {
	work, subject, author string
	date                  time.Time
	patches, total        int
	err                   error
}

// open opens the workspace where there is one now, and reads what the first screen shows.
func (w *workspaceView) open() error {
	if w.store() == nil {
		st, err := store.Open(w.dir, false)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		w.mu.Lock()
		w.st = st
		w.mu.Unlock()
	}
	// Before reading: what comes meanwhile is read again.
	var err error
	if w.seen, err = w.glance(); err != nil {
		return err
	}
	if err := w.list(); err != nil {
		return err
	}
	return w.refresh()
}

func (w *workspaceView) close() error {
	if st := w.store(); st != nil {
		return st.Close()
	}
	return nil
}

func (w *workspaceView) store() *store.Store {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.st
}

// reports is where the report of a crash goes.
func (w *workspaceView) reports() string {
	if w.store() == nil {
		return os.TempDir()
	}
	return w.dir
}

// glance is what tells whether anything in the workspace has changed.
type glance struct {
	version int64     // of the database
	status  time.Time // when the status file was written
	busy    bool
}

func (w *workspaceView) glance() (g glance, err error) {
	st := w.store()
	if g.version, err = st.Version(); err != nil {
		return g, err
	}
	g.busy = st.Busy()
	if fi, err := os.Stat(st.Status()); err == nil {
		g.status = fi.ModTime()
	}
	return g, nil
}

// poll refreshes the view whenever the workspace changed, until ctx ends.
func (w *workspaceView) poll(ctx context.Context) {
	t := time.NewTimer(pollFirst)
	defer t.Stop()
	lately, told := time.Now(), time.Time{}
	nudge := (chan struct{})(nil) // at first it waits: the one series that there is may be what is shown next
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			nudge = w.nudge
		case <-nudge:
		}
		news, err := w.look(ctx)
		if news || w.running() && time.Since(told) >= clockEvery {
			told = time.Now()
			w.changed(err)
		}
		if news || w.soon.Swap(false) {
			lately = time.Now()
		}
		if time.Since(lately) < idleAfter {
			t.Reset(pollEvery)
		} else {
			t.Reset(pollIdle)
		}
	}
}

// running says whether a case runs.
func (w *workspaceView) running() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.busy && len(w.status.Running) > 0
}

// look reads what has changed, and says whether anything has.
func (w *workspaceView) look(ctx context.Context) (news bool, err error) {
	if w.store() == nil {
		err := w.open()
		return err != nil || w.store() != nil, err
	}
	now, err := w.glance()
	if err != nil {
		return true, err
	}
	if news = now != w.seen; news {
		w.seen = now
		if err := w.refresh(); err != nil {
			return true, err
		}
	}
	// Somebody looks at the entries, which were not read since the last change.
	if w.described != now.version && w.wanted.Swap(false) {
		err, news = w.describe(ctx, w.described != 0), true
		w.described = now.version
	}
	return news, err
}

// changed tells that there is something new.
func (w *workspaceView) changed(err error) {
	w.mu.Lock()
	w.err = err
	w.mu.Unlock()
	select {
	case w.changes <- struct{}{}:
	default:
	}
}

// refresh reads what goes on, and the matrix that is shown.
func (w *workspaceView) refresh() error {
	w.mu.Lock()
	st, shown := w.st, w.shown
	w.mu.Unlock()
	busy := st.Busy()
	status, err := lab.ReadStatus(st.Status())
	killed := 0
	if err != nil || !busy {
		killed, status = status.PID, lab.Status{Left: status.Left}
	}
	w.mu.Lock()
	w.status, w.busy, w.killed = status, busy, killed
	w.mu.Unlock()
	if shown != nil {
		return shown.refresh(status)
	}
	return nil
}

// list reads which series there are.
func (w *workspaceView) list() error {
	rows, err := w.store().Series()
	if err != nil {
		return err
	}
	var entries []tui.Entry
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, r := range rows {
		e := tui.Entry{ID: r.ID, Work: workOf(r), Revision: r.Revision, Current: i == 0}
		if h := w.heads[r.Mail+r.ID]; h != nil {
			e.Work, e.Subject, e.Author, e.Date, e.Patches, e.Total, e.Err = h.work, h.subject, h.author, h.date, h.patches, h.total, h.err
		}
		for _, old := range w.entries {
			if old.ID == e.ID {
				e.Result = old.Result
			}
		}
		entries = append(entries, e)
	}
	w.entries = entries
	return nil
}

// workOf tells revisions of one series by their ids, until the mail is read.
func workOf(r store.SeriesRow) string {
	return strings.TrimSuffix(r.ID, fmt.Sprintf("-v%d", r.Revision))
}

// describe reads of each series what its mail and its results say. Results are read again when the workspace has changed.
func (w *workspaceView) describe(ctx context.Context, again bool) error {
	st := w.store()
	rows, err := st.Series()
	if err != nil {
		return err
	}
	for i, r := range rows {
		if ctx.Err() != nil {
			return nil
		}
		w.mu.Lock()
		known := w.heads[r.Mail+r.ID] != nil
		w.mu.Unlock()
		if known {
			continue
		}
		// All that came with the same mail at once.
		box, err := mailOf(st, r)
		for _, other := range rows[i:] {
			if other.Mail == r.Mail {
				w.keep(other, box, err)
			}
		}
	}
	if err := w.list(); err != nil {
		return err
	}
	w.mu.Lock()
	entries := append([]tui.Entry{}, w.entries...)
	status, shown := w.status, w.shown
	w.mu.Unlock()
	for i, e := range entries {
		if shown != nil && shown.id == e.ID {
			entries[i].Result = shown.ran()
			continue
		}
		if e.Result != nil && !again {
			continue
		}
		if _, r, err := w.reader(e.ID).read(status); err == nil {
			entries[i].Result = r
		} else if !errors.Is(err, store.ErrNotFound) {
			entries[i].Err = err
		}
	}
	w.mu.Lock()
	w.entries = entries
	w.mu.Unlock()
	return nil
}

// keep remembers what the mail says of a stored series.
func (w *workspaceView) keep(r store.SeriesRow, box *series.Mailbox, err error) {
	h := &head{work: workOf(r), err: err}
	if err == nil {
		var s *series.Series
		if s, h.err = seriesOf(box, r); s != nil {
			h.subject, h.author, h.date, h.patches, h.total = s.Subject, s.Author, s.Date, len(s.Patches), s.Total
			if s.ChangeID != "" {
				h.work = s.ChangeID
			}
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heads[r.Mail+r.ID] = h
}

// Entries implements tui.Workspace.
func (w *workspaceView) Entries() []tui.Entry {
	if !w.wanted.Swap(true) {
		select {
		case w.nudge <- struct{}{}:
		default:
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.entries
}

// reader is the one that reads the matrix of a series.
func (w *workspaceView) reader(id string) *matrixReader {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.readers[id] == nil {
		w.readers[id] = &matrixReader{st: w.st, id: id}
	}
	return w.readers[id]
}

// Changes implements tui.Workspace.
func (w *workspaceView) Changes() <-chan struct{} { return w.changes }

// Status implements tui.Workspace.
func (w *workspaceView) Status() tui.Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.busy {
		err := w.err
		if err == nil && w.killed != 0 {
			err = fmt.Errorf("killed (process %d); :run resumes", w.killed)
		}
		return tui.Status{Err: err}
	}
	s := w.status
	line := statusLine(s)
	if line == "" {
		line = "preparing"
	}
	return tui.Status{Running: true, Elsewhere: w.own == 0 || s.PID != 0 && s.PID != w.own, Series: s.Series, Line: line,
		Done: s.CellsDone, Total: s.CellsTotal, Err: w.err}
}

// Open implements tui.Workspace.
func (w *workspaceView) Open(id string) (tui.Source, error) {
	w.wanted.Store(false)
	reader := w.reader(id)
	w.mu.Lock()
	s, status := w.shown, w.status
	if s == nil || s.id != id {
		s = &seriesView{w: w, st: w.st, id: id, reader: reader}
		w.shown = s // before it is read: what comes meanwhile is then read again
	}
	w.mu.Unlock()
	if s.Result() != nil {
		return s, nil
	}
	if err := s.refresh(status); err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.shown == s {
			w.shown = nil
		}
		return nil, err
	}
	return s, nil
}

// Jobs implements tui.JobSource.
func (w *workspaceView) Jobs() (lab.Status, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status, w.busy
}

// OpenLog implements tui.JobSource.
func (w *workspaceView) OpenLog(path string) (tui.File, error) { return openArtefact(w.store(), path) }
