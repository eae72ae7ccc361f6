package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// BusyError is a workspace in which another process builds and runs.
type BusyError struct {
	Dir string
	PID int // 0 when not known
}

func (e *BusyError) Error() string {
	who := ""
	if e.PID != 0 {
		who = fmt.Sprintf(" (process %d)", e.PID)
	}
	return fmt.Sprintf("lock workspace %s: another seriesctl works in it%s", e.Dir, who)
}

// Hint says what can be done.
func (e *BusyError) Hint() string {
	return "watch it with `seriesctl`, wait for it, or use another --workspace"
}

// Lock takes the right to build and run in the workspace; the kernel releases it when the process ends,
// however it ends. Reading needs no lock.
func (s *Store) Lock() (unlock func(), err error) {
	f, err := os.OpenFile(s.path("lock"), os.O_RDWR|os.O_CREATE, 0o644)
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, unix.EROFS):
		return nil, &ReadOnlyError{Op: "lock workspace " + s.Dir}
	case err != nil:
		return nil, &DirError{Op: "lock workspace " + s.Dir, Err: reason(err)}
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) // which flock(1) takes, too
	if err == nil {
		// Nobody else has this one then. It can be asked for without being taken, see Busy.
		err = unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
	}
	if err != nil {
		defer func() { _ = f.Close() }()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock workspace %s: %w", s.Dir, err)
		}
		return nil, &BusyError{Dir: s.Dir, PID: s.Owner()}
	}
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return func() { _ = f.Close() }, nil
}

// Owner is the process that builds and runs in the workspace, or did last; 0 when it is not known.
func (s *Store) Owner() int {
	f, err := os.Open(s.path("lock"))
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }()
	var buf [32]byte
	n, _ := f.ReadAt(buf[:], 0)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(buf[:n])))
	return pid
}

// Busy says whether a process builds and runs in the workspace. It asks and locks nothing: who takes the lock at that moment
// must get it.
func (s *Store) Busy() bool {
	f, err := os.Open(s.path("lock"))
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	return unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &lock) == nil && lock.Type != unix.F_UNLCK
}
