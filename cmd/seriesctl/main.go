// Command seriesctl tells a kernel maintainer what each patch of a series does: it applies and builds every
// prefix, boots each in a virtual machine, runs reproducers on it, and compares.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/seriesctl/seriesctl/internal/plain"
	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/internal/tui"
	"github.com/seriesctl/seriesctl/internal/xec"
	"github.com/seriesctl/seriesctl/qemu"
	"github.com/seriesctl/seriesctl/series"
)

// Exit codes, as CONTRACT names them.
const (
	exitDone        = 0
	exitFound       = 1 // done, and something is wrong with the series
	exitUsage       = 2 // usage or bad input
	exitLab         = 3 // the lab failed
	exitInterrupted = 130
)

func main() {
	os.Exit(run(untilSignal(), os.Args[1:]))
}

// untilSignal is a context that ends with the first signal to end; the second ends the program at once. A Ctrl-C that is
// for a process which has the terminal for a while is not for us.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		defer cancel()
		for s := range signals {
			if s != os.Interrupt || !xec.OnTerminal() {
				signal.Stop(signals)
				return
			}
		}
	}()
	return ctx
}

// run is the program without the process: it returns the exit code.
func run(ctx context.Context, args []string) int {
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	root := a.rootCommand()
	root.SetArgs(args)
	return a.exit(root.ExecuteContext(ctx))
}

// errFound ends a command that did its work and found something wrong with the series; the output has said what.
var errFound = errors.New("found something wrong with the series")

// statusError ends a command with the exit status of what it ran.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// hinter is an error that knows what the user can do.
type hinter interface{ Hint() string }

// userError is bad input that no package has a type for.
type userError struct{ reason, hint string }

func (e *userError) Error() string { return e.reason }
func (e *userError) Hint() string  { return e.hint }

// foundError is something wrong with the series that needs a line of its own.
type foundError struct{ reason, hint string }

func (e *foundError) Error() string { return e.reason }
func (e *foundError) Hint() string  { return e.hint }

// exit prints err, one line and a hint, and returns its exit code.
func (a *app) exit(err error) int {
	if status := statusError(0); errors.As(err, &status) {
		return int(status)
	}
	code, hint := classify(err)
	if code == exitDone || errors.Is(err, errFound) {
		return code
	}
	line := plain.Line
	if a.ascii {
		line = func(s string) string { return plain.ASCII(plain.Line(s)) }
	}
	if code == exitInterrupted {
		fmt.Fprintln(a.err, "seriesctl: interrupted")
	} else {
		fmt.Fprintln(a.err, "seriesctl: "+line(err.Error()))
	}
	if hint != "" {
		fmt.Fprintln(a.err, "hint: "+line(hint))
	}
	return code
}

// classify gives the exit code of an error and what the user can do about it.
func classify(err error) (code int, hint string) {
	var h hinter
	if errors.As(err, &h) {
		hint = h.Hint()
	}
	var (
		infra  *qemu.InfraError
		busy   *store.BusyError
		config *qemu.ConfigError
		found  *foundError
		crash  *tui.CrashError
		input  *series.InputError
		source *series.SourceError
	)
	switch {
	case err == nil:
		return exitDone, ""
	case errors.Is(err, context.Canceled):
		return exitInterrupted, "the same command resumes; nothing finished is lost"
	case errors.Is(err, errFound), errors.As(err, &found):
		return exitFound, hint
	case errors.Is(err, syscall.ENOSPC):
		return exitLab, "free some space, or put the workspace elsewhere with --workspace; the same command resumes"
	case errors.As(err, &infra):
		if hint == "" {
			hint = infra.Hint
		}
		if hint == "" {
			hint = "`seriesctl doctor` checks this host"
		}
		return exitLab, hint
	case errors.As(err, &busy):
		return exitLab, hint
	case errors.As(err, &config):
		if hint == "" {
			hint = "change the plan's fragments or options; `seriesctl plan check` shows them"
		}
		return exitUsage, hint
	case errors.As(err, &crash):
		return exitLab, hint
	case errors.Is(err, exec.ErrNotFound):
		return exitLab, "`seriesctl doctor` says what is missing and how to get it"
	case errors.As(err, &input), errors.As(err, &source):
		return exitUsage, hint // whatever the reason: it may be a permission
	case errors.Is(err, fs.ErrPermission):
		return exitLab, hint
	}
	return exitUsage, hint
}
