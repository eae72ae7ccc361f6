// Package xec starts every process seriesctl starts.
//
// It guarantees, for each of them: standard error is captured into the error, the whole process group is
// killed when the context ends, the process dies with seriesctl (parent-death signal), standard input is
// empty unless given, and the locale and terminal of the user do not change what it prints.
// Two kinds are otherwise, and say so: a Terminal is the user's own for a while, a Detached goes on without us.
package xec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// stderrTail is how much of a process's standard error an Error keeps, in bytes.
const stderrTail = 16 << 10

// killDelay is how long a process group has to end after SIGTERM before it gets SIGKILL.
const killDelay = 2 * time.Second

// Error is a process that could not be started, was killed, or exited with a status other than 0.
type Error struct {
	Name   string // the program, without its directory
	Args   []string
	Status int    // exit status; -1 when it did not exit by itself
	Stderr string // the last 16 KiB of its standard error
	Err    error  // what os/exec said
}

func (e *Error) Error() string {
	line := lastLine(e.Stderr)
	if line == "" {
		return fmt.Sprintf("%s: %v", e.Name, e.Err)
	}
	return fmt.Sprintf("%s: %v: %s", e.Name, e.Err, line)
}

func (e *Error) Unwrap() error { return e.Err }

// Cmd is one process to run. The zero value of every optional field is the sensible default.
type Cmd struct {
	Name  string // program, looked up in PATH
	Args  []string
	Dir   string    // working directory
	Env   []string  // KEY=value, added to the inherited environment (LC_ALL=C.UTF-8 is always set)
	Stdin io.Reader // nothing when nil
	// Stdout and Stderr receive the output as it comes; both may be nil. What goes to Stderr is kept for
	// the Error too.
	Stdout, Stderr io.Writer
	Files          []*os.File // inherited as descriptors 3, 4, …
	// Grace is how long the group may take to end after SIGTERM; 0 is 2 s, negative kills at once.
	Grace time.Duration
}

// Run runs c to its end. A non-zero exit, a failed start and a cancelled context are an *Error; after a
// cancelled context errors.Is(err, ctx.Err()) holds.
func (c Cmd) Run(ctx context.Context) error {
	p, err := c.Start(ctx)
	if err != nil {
		return err
	}
	return p.Wait()
}

// Output runs c and returns its standard output.
func (c Cmd) Output(ctx context.Context) ([]byte, error) {
	var out bytes.Buffer
	c.Stdout = &out
	err := c.Run(ctx)
	return out.Bytes(), err
}

// Process is a started Cmd.
type Process struct {
	ctx    context.Context
	cmd    *exec.Cmd
	stderr *tail
	done   chan struct{}
	err    error
}

// Start starts c and returns while it runs. The caller must call Wait.
func (c Cmd) Start(ctx context.Context) (*Process, error) {
	t := &tail{max: stderrTail}
	cmd := exec.CommandContext(ctx, c.Name, c.Args...)
	cmd.Dir = c.Dir
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	cmd.Env = append(cmd.Env, c.Env...)
	cmd.Stdin = c.Stdin
	cmd.Stdout = c.Stdout
	cmd.ExtraFiles = c.Files
	cmd.Stderr = t
	if c.Stderr != nil {
		cmd.Stderr = io.MultiWriter(t, c.Stderr)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	grace := c.Grace
	if grace == 0 {
		grace = killDelay
	}
	cmd.Cancel = func() error {
		if grace < 0 {
			return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		}
		return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
	}
	cmd.WaitDelay = max(grace, 0) + time.Second

	p := &Process{ctx: ctx, cmd: cmd, stderr: t, done: make(chan struct{})}
	started := make(chan error, 1)
	// The parent-death signal fires when the thread that forked ends, not the process: hold one thread for
	// as long as the child lives.
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.done)
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		started <- nil
		err := cmd.Wait()
		// Whatever the leader left behind goes too.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		p.err = p.wrap(err)
	}()
	if err := <-started; err != nil {
		return nil, p.wrap(err)
	}
	return p, nil
}

// Wait waits for the process to end; it may be called from several goroutines.
func (p *Process) Wait() error {
	<-p.done
	return p.err
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// PID is the process's id, which is its process group's too.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Kill kills the whole process group at once.
func (p *Process) Kill() { _ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) }

func (p *Process) wrap(err error) error {
	if err == nil {
		return nil
	}
	e := &Error{Name: filepath.Base(p.cmd.Path), Args: p.cmd.Args, Status: -1, Stderr: p.stderr.String(), Err: err}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		e.Status = exit.ExitCode()
	}
	if cause := p.ctx.Err(); cause != nil && !errors.Is(err, cause) {
		e.Err = cause
	}
	return e
}

// Find returns the path of a program, looking in PATH and then in the system directories that are often
// missing from a user's PATH (/usr/sbin, /sbin), where mkfs tools live.
func Find(name string) (string, error) {
	if p, err := exec.LookPath(name); err == nil {
		return p, nil
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		p := filepath.Join(dir, name)
		if fi, err := os.Stat(p); err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0 {
			return p, nil
		}
	}
	return "", fmt.Errorf("find %s: %w", name, exec.ErrNotFound)
}

// tail keeps the last max bytes written to it.
type tail struct {
	buf []byte
	max int
}

func (t *tail) Write(b []byte) (int, error) {
	t.buf = append(t.buf, b...)
	if len(t.buf) > 2*t.max {
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-t.max:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	if len(t.buf) > t.max {
		return string(t.buf[len(t.buf)-t.max:])
	}
	return string(t.buf)
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	if i := strings.LastIndexByte(s, '\n'); i >= 0 {
		s = s[i+1:]
	}
	return s
}
