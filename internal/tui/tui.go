// Package tui is the terminal interface: the matrix of a series, live while a run goes on, under each cell
// its runs with console and stacks, and under each row its patch with the replies to it.
//
// It guarantees that nothing from mail or consoles reaches the terminal unsanitised, that a log is a window on
// its file and never in memory, that it draws at most 20 times a second and not at all while nothing
// changes. It starts no work: it reads a Source, which the command implements over the workspace.
//
// The frame (model) holds a stack of screens. To add one: write a type that is a screen in a file of its own; give
// it the frame and what it shows when it is made; list its keys in table(), which is all that the short help, the
// ? overlay and the manual page know of it; do slow things in a command made with ask, whose answer comes back to
// update; push it from a key of another screen, and name it in Keys. What only some Sources can do is an interface
// of its own beside Source, which the screen asks for with can.
package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/series"
)

// Source is the interface's view of the world. Its methods, and those of the abilities below that it has as
// well, may be called from any goroutine.
type Source interface {
	// Result is the latest snapshot, never nil, not changed after it was handed out. It is cheap.
	Result() *lab.Result
	// Changes gives a token when there is something new; tokens may be coalesced. It is nil when nothing runs,
	// and may be closed when nothing will change any more.
	Changes() <-chan struct{}
	// Status is what goes on now.
	Status() Status
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
	// Elsewhere says that the run is another process's: it goes on when the TUI is left.
	Elsewhere bool
	Line      string // "building prefix 3: compiling fs/gfs2/file.c"
	Done      int    // of Total cells; Total 0 is not known
	Total     int
	Err       error // why the run ended early
}

// Options is how to draw.
type Options struct {
	Color bool
	ASCII bool
}

// Run shows src until the user quits or ctx ends. It takes the terminal over and gives it back, also after a
// panic. Quitting while a run goes on is asked about first; ending the run is the caller's.
func Run(ctx context.Context, src Source, o Options) error {
	opts := []tea.ProgramOption{tea.WithContext(ctx)}
	if !o.Color {
		opts = append(opts, tea.WithColorProfile(colorprofile.ASCII))
	}
	_, err := tea.NewProgram(newModel(src, o), opts...).Run()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, tea.ErrInterrupted):
		return context.Canceled
	case err != nil:
		return fmt.Errorf("show matrix: %w", err)
	}
	return nil
}

// Keys are the key tables of all screens.
func Keys() []Table {
	m := &model{}
	var out []Table
	for _, s := range []screen{&matrixScreen{m: m, matrix: &matrix{}}, &cellScreen{m: m, cellView: &cellView{}}, &patchScreen{m: m, patchView: &patchView{}}, &subsetScreen{m: m}, &bisectScreen{m: m}} {
		out = append(out, m.tableOf(s))
	}
	return out
}
