package xec

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// Detached is a process in a session of its own, which goes on when seriesctl ends and its terminal closes.
type Detached struct {
	pid  int
	done chan struct{}
	err  error
}

// Detach starts c with all its output in out. Of c only Name, Args, Dir and Env count: nothing ends the process but
// itself or Interrupt.
func (c Cmd) Detach(out *os.File) (*Detached, error) {
	cmd := exec.Command(c.Name, c.Args...)
	cmd.Dir = c.Dir
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, &Error{Name: filepath.Base(c.Name), Args: cmd.Args, Status: -1, Err: err}
	}
	d := &Detached{pid: cmd.Process.Pid, done: make(chan struct{})}
	go func() {
		defer close(d.done)
		if err := cmd.Wait(); err != nil {
			d.err = &Error{Name: filepath.Base(c.Name), Args: cmd.Args, Status: cmd.ProcessState.ExitCode(), Err: err}
		}
	}()
	return d, nil
}

// PID is the process's id.
func (d *Detached) PID() int { return d.pid }

// Done is closed when the process has ended.
func (d *Detached) Done() <-chan struct{} { return d.done }

// Wait waits for the process to end; it may be called from several goroutines.
func (d *Detached) Wait() error {
	<-d.done
	return d.err
}

// Interrupt asks the process to end, as Ctrl-C would.
func (d *Detached) Interrupt() error {
	select {
	case <-d.done:
		return nil
	default:
		return Interrupt(d.pid)
	}
}

// Interrupt asks a process to end, as Ctrl-C would.
func Interrupt(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGINT); err != nil {
		return fmt.Errorf("interrupt process %d: %w", pid, err)
	}
	return nil
}
