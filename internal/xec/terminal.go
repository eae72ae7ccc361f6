package xec

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"time"
)

// onTerminal counts the processes that have the user's terminal; lately is when the last one ended, in ns since 1970.
var (
	onTerminal atomic.Int32
	lately     atomic.Int64
)

// OnTerminal says whether a process of this program has the user's terminal now, or had it a moment ago. Ctrl-C is then
// that process's: the kernel sends SIGINT to all that the terminal runs, and this program may come to read its own when
// that process has ended of it.
func OnTerminal() bool {
	const moment = 500 * time.Millisecond
	return onTerminal.Load() > 0 || time.Since(time.Unix(0, lately.Load())) < moment
}

// Terminal is a process that has the user's terminal until it ends: an editor, a pager, a shell. It stays in this
// program's process group, so that the terminal's keys (^C, ^Z) reach both, and has the user's environment. The
// streams default to those of this program.
type Terminal struct {
	Name string // looked up in PATH
	Args []string
	Env  []string // KEY=value, added to the inherited environment

	stdin          io.Reader
	stdout, stderr io.Writer
}

// SetStdin, SetStdout and SetStderr give streams that nothing was given for before.
func (t *Terminal) SetStdin(r io.Reader)  { t.stdin = r }
func (t *Terminal) SetStdout(w io.Writer) { t.stdout = w }
func (t *Terminal) SetStderr(w io.Writer) { t.stderr = w }

// Run runs t to its end. What it printed on standard error the user has seen: it is not in the *Error.
func (t *Terminal) Run() error {
	cmd := exec.Command(t.Name, t.Args...)
	cmd.Env = append(os.Environ(), t.Env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = t.stdin, t.stdout, t.stderr
	onTerminal.Add(1)
	defer func() {
		lately.Store(time.Now().UnixNano())
		onTerminal.Add(-1)
	}()
	if err := cmd.Run(); err != nil {
		e := &Error{Name: filepath.Base(t.Name), Args: cmd.Args, Status: -1, Err: err}
		if cmd.ProcessState != nil {
			e.Status = cmd.ProcessState.ExitCode()
		}
		return e
	}
	return nil
}
