// Package ptytest is a terminal for tests: what a program draws on it can be waited for, and keys be typed. No command
// uses it.
package ptytest

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Terminal is a pseudo-terminal.
type Terminal struct {
	Program *os.File // the side that a program has
	t       testing.TB
	user    *os.File
	mu      sync.Mutex
	got     bytes.Buffer
	done    chan struct{}
}

// Open opens a terminal of a size; it is closed when the test ends.
func Open(t testing.TB, cols, rows int) *Terminal {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(user.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(rows), Col: uint16(cols)})
	}
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	term := &Terminal{Program: program, t: t, user: user, done: make(chan struct{})}
	go term.read()
	t.Cleanup(func() {
		_ = program.Close()
		_ = user.Close()
		<-term.done
	})
	return term
}

func (t *Terminal) read() {
	defer close(t.done)
	buf := make([]byte, 32<<10)
	for {
		n, err := t.user.Read(buf)
		t.mu.Lock()
		t.got.Write(buf[:n])
		t.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Output is all that was drawn, escape sequences included.
func (t *Terminal) Output() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.got.String()
}

// Type types keys.
func (t *Terminal) Type(keys string) {
	t.t.Helper()
	if _, err := t.user.WriteString(keys); err != nil {
		t.t.Fatal(err)
	}
}

// Wait waits until text was drawn, in one piece, since a point of the output; the point after it is the result.
func (t *Terminal) Wait(from int, text string) int {
	t.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if i := strings.Index(t.Output()[from:], text); i >= 0 {
			return from + i + len(text)
		}
	}
	t.t.Fatalf("%q was not drawn; got %q", text, t.Output()[from:])
	return 0
}

// Cooked says whether the terminal is as a shell wants it: lines, echo, signals.
func (t *Terminal) Cooked() bool {
	t.t.Helper()
	s, err := unix.IoctlGetTermios(int(t.Program.Fd()), unix.TCGETS)
	if err != nil {
		t.t.Fatal(err)
	}
	const cooked = unix.ICANON | unix.ECHO | unix.ISIG
	return s.Lflag&cooked == cooked
}
