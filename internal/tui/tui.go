// Package tui is the terminal interface: the series of a workspace, of each the matrix, live while a run goes on, under
// each cell its runs with console and stacks, and under each row its patch with the replies to it.
//
// It guarantees that nothing from mail or consoles reaches the terminal unsanitised, that a log is a window on
// its file and never in memory, that it draws at most 20 times a second and not at all while nothing
// changes. It starts no process: it reads a Workspace and its Sources, which the command implements, and asks them for
// commands.
//
// The frame (model) holds a stack of screens. To add one: write a type that is a screen in a file of its own; give
// it the frame and what it shows when it is made; list its keys in table(), which is all that the short help, the
// ? overlay and the manual page know of it; do slow things in a command made with ask, whose answer comes back to
// update; push it from a key of another screen, and name it in Keys. What only some Sources or Workspaces can do is an
// interface of its own, which the screen asks for with can. What only some screens can do is one, too: clicked, at, text.
package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/series"
)

// Workspace is the interface's view of a workspace. Its methods, and those of the abilities that it has as well (Commander,
// Toolbox, Interrupter, JobSource), may be called from any goroutine.
type Workspace interface {
	feed
	// Entries are its series, the one that was loaded last first. It is cheap; what is not read yet is left out, and comes
	// with a change.
	Entries() []Entry
	// Open is one of its series. It may take a while.
	Open(id string) (Source, error)
}

// feed is what the frame listens to: a Workspace, or a Source alone.
type feed interface {
	// Changes gives a token when there is something new; tokens may be coalesced. It is nil when nothing runs,
	// and may be closed when nothing will change any more.
	Changes() <-chan struct{}
	// Status is what goes on now.
	Status() Status
}

// Entry is one series of a Workspace.
type Entry struct {
	ID       string
	Work     string // the same for all revisions of a series
	Subject  string // "" until its mail was read
	Revision int
	Author   string
	Date     time.Time
	Patches  int // that there are
	Total    int // that there should be
	Current  bool
	Result   *lab.Result // nil when it was not run yet
	Err      error       // why it can't be read
}

// Source is the interface's view of a series. Its methods, and those of the abilities below that it has as
// well, may be called from any goroutine.
type Source interface {
	feed
	// Result is the latest snapshot, never nil, not changed after it was handed out. It is cheap.
	Result() *lab.Result
}

// CellSource is a Source that has the runs of its cells.
type CellSource interface {
	// Runs are the stored runs of a cell, oldest first.
	Runs(prefix int, caseName string) ([]lab.Run, error)
	// Open opens a log by its path relative to the workspace.
	Open(path string) (File, error)
}

// PatchSource is a Source that has the patches of its series.
type PatchSource interface {
	// Series is the series with its patches and the replies. It may take a while.
	Series() (*series.Series, error)
}

// File is a log as the interface reads it: a part at a time. *os.File is one.
type File interface {
	io.ReaderAt
	io.Closer
	Stat() (fs.FileInfo, error)
}

// Status is what runs now.
type Status struct {
	Running bool
	Series  string // whose run it is, "" when there is but one
	// Elsewhere says that the run is another process's: it goes on when the TUI is left.
	Elsewhere bool
	Line      string // "building prefix 3: compiling fs/gfs2/file.c"
	Done      int    // of Total cells; Total 0 is not known
	Total     int
	Err       error // why the run ended early
}

// Options is how to draw.
type Options struct {
	Color   bool
	ASCII   bool
	Reports string // directory for the report of a crash
	// Beside is done beside the interface, until ctx ends with it; nil for nothing. A panic of it is one of the interface.
	Beside func(ctx context.Context)
}

// Run shows ws until the user quits or ctx ends. It takes the terminal over and gives it back, also after a panic, which is
// a *CrashError. Quitting while a run goes on that would not outlive it is asked about first.
func Run(ctx context.Context, ws Workspace, o Options) error {
	// Signals end ctx; Bubble Tea would take a SIGTERM for a wish to quit.
	opts := []tea.ProgramOption{tea.WithContext(ctx), tea.WithoutSignalHandler()}
	if o.Color {
		// That is decided, also against NO_COLOR, which Bubble Tea would look at again.
		opts = append(opts, tea.WithEnvironment(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "NO_COLOR=") })))
	} else {
		opts = append(opts, tea.WithColorProfile(colorprofile.ASCII))
	}
	err := run(newRoot(ws, o), o, opts...)
	var crash *CrashError
	switch {
	case errors.As(err, &crash):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fmt.Errorf("show workspace: %w", err)
	}
	return nil
}

// Warm prepares what the first screen would wait for: the widths of all characters. It may be called beside anything.
func Warm() { textWidth("…") }

// Everywhere is the keys that work on all screens, but where a screen gives one another meaning.
func Everywhere() Table { return Table{Title: "Everywhere", Bindings: (&model{}).everywhere()} }

// Keys are the key tables of all screens, with those that work everywhere.
func Keys() []Table {
	m := &model{}
	var out []Table
	for _, s := range []screen{&workspaceScreen{m: m}, &matrixScreen{m: m, matrix: &matrix{}}, &cellScreen{m: m, cellView: &cellView{}}, &patchScreen{m: m, patchView: &patchView{}}, &subsetScreen{m: m}, &bisectScreen{m: m}, &outputScreen{m: m}, &jobsScreen{m: m}} {
		out = append(out, m.tableOf(s))
	}
	return out
}
