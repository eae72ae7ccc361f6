package qemu

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// stream reads one of QEMU's sockets and hands on what comes, from its own goroutine.
type stream struct {
	conn   *net.UnixConn
	handle func([]byte)

	mu    sync.Mutex // one flush at a time
	marks chan chan struct{}
	done  chan struct{}
}

func newStream(conn *net.UnixConn, handle func([]byte)) *stream {
	s := &stream{conn: conn, handle: handle, marks: make(chan chan struct{}, 1), done: make(chan struct{})}
	go s.read()
	return s
}

func (s *stream) read() {
	defer close(s.done)
	buf := make([]byte, 32<<10)
	for {
		n, err := s.conn.Read(buf)
		if n > 0 {
			s.handle(buf[:n])
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			_ = s.conn.SetReadDeadline(time.Time{})
			mark := <-s.marks
			s.drain(buf)
			close(mark)
			continue
		}
		if err != nil {
			return
		}
	}
}

// drain handles what is in the socket's buffer.
func (s *stream) drain(buf []byte) {
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(fd uintptr) bool {
		for {
			n, err := syscall.Read(int(fd), buf)
			if n > 0 {
				s.handle(buf[:n])
			}
			if err != nil && err != syscall.EINTR || err == nil && n == 0 {
				return true
			}
		}
	})
}

// flush returns when everything QEMU had written has been handled. QEMU writes a device's bytes to the socket before it
// answers the monitor, so after "stop" has answered this is all of them.
func (s *stream) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	mark := make(chan struct{})
	s.marks <- mark
	_ = s.conn.SetReadDeadline(time.Unix(1, 0))
	select {
	case <-mark:
	case <-s.done:
		select {
		case <-s.marks:
		default:
		}
	}
}

func (s *stream) close() {
	_ = s.conn.Close()
	<-s.done
}
