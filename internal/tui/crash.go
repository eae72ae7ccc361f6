package tui

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/seriesctl/seriesctl/internal/plain"
)

// CrashError is a mistake of this program. The terminal was given back before.
type CrashError struct {
	What string // of the panic, in one line
	File string // where the report is, "" where it could not be written
}

func (e *CrashError) Error() string {
	if e.File == "" {
		return "show workspace: crashed: " + e.What
	}
	return fmt.Sprintf("show workspace: crashed: %s; the report is %s", e.What, e.File)
}

// Hint says what can be done.
func (e *CrashError) Hint() string {
	return "nothing that was run is lost; the report helps whoever mends it"
}

// guard runs a model and its commands; the first panic of theirs ends the program as quitting does.
type guard struct {
	tea.Model
	*crash
	drawn func() // the screen is to be drawn
}

type crash struct {
	mu    sync.Mutex
	what  string
	stack []byte
	quit  func()
}

// run shows m until it quits, and does o.Beside meanwhile.
func run(m tea.Model, o Options, opts ...tea.ProgramOption) error {
	var p *tea.Program
	var c pace
	g := guard{m, &crash{}, func() { c.changed(p) }}
	p = tea.NewProgram(g, opts...)
	g.quit = func() { go p.Quit() }
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	if o.Beside != nil {
		wg.Go(func() {
			defer g.caught()
			o.Beside(ctx)
		})
	}
	_, err := p.Run()
	cancel()
	wg.Wait()
	if g.what != "" {
		return g.report(o.Reports)
	}
	return err
}

// caught is deferred by all that may panic.
func (c *crash) caught() {
	r := recover()
	if r == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.what == "" {
		c.what, c.stack = plain.Line(fmt.Sprint(r)), debug.Stack()
		c.quit()
	}
}

// report writes what is known of the crash to a file in dir.
func (c *crash) report(dir string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := &CrashError{What: c.what}
	f, err := os.CreateTemp(dir, "crash-"+time.Now().Format("20060102-150405")+"-*.txt")
	if err != nil {
		return e
	}
	_, err = fmt.Fprintf(f, "%s\n%s\n\n%s", strings.Join(os.Args, " "), c.what, c.stack)
	if cerr := f.Close(); err == nil && cerr == nil {
		e.File = f.Name()
		if abs, err := filepath.Abs(e.File); err == nil {
			e.File = abs
		}
	}
	return e
}

func (g guard) Init() (cmd tea.Cmd) {
	defer g.caught()
	return g.watch(g.Model.Init())
}

func (g guard) Update(msg tea.Msg) (next tea.Model, cmd tea.Cmd) {
	next = g
	defer g.caught()
	_, cmd = g.Model.Update(msg)
	return g, g.watch(cmd)
}

func (g guard) View() (v tea.View) {
	defer g.caught()
	defer g.drawn()
	return g.Model.View()
}

// watch is cmd, its panics caught, and those of the commands it leads to.
func (g guard) watch(cmd tea.Cmd) tea.Cmd {
	if cmd == nil {
		return nil
	}
	return func() (msg tea.Msg) {
		defer g.caught()
		msg = cmd()
		if batch, ok := msg.(tea.BatchMsg); ok {
			for i, c := range batch {
				batch[i] = g.watch(c)
			}
		}
		return msg
	}
}
