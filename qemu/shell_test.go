package qemu

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// testShell is a shell with the programs and the ext4 disk of the tests. Its Stdin is to be set.
func testShell(t *testing.T) (*Shell, *screen) {
	t.Helper()
	kernel := bootKernel(t)
	cache := t.TempDir()
	m := testMachine(t, cache)
	out := newScreen()
	return &Shell{Kernel: kernel, Machine: m, Dir: filepath.Join(t.TempDir(), "vm"), Disks: cache,
		Stdout: out, Stderr: io.Discard, Note: func(line string) { t.Log("note:", line); _, _ = out.notes.Write([]byte(line + "\n")) }}, out
}

// screen is what a shell wrote, to wait on.
type screen struct {
	mu    sync.Mutex
	text  bytes.Buffer
	more  chan struct{}
	notes bytes.Buffer
}

func newScreen() *screen { return &screen{more: make(chan struct{}, 1)} }

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(b)
	select {
	case s.more <- struct{}{}:
	default:
	}
	return len(b), nil
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// await waits until the text after what was awaited before has want.
func (s *screen) await(t *testing.T, want string) {
	t.Helper()
	give := time.After(time.Minute)
	for {
		s.mu.Lock()
		i := bytes.Index(s.text.Bytes(), []byte(want))
		if i >= 0 {
			s.text.Next(i + len(want))
		}
		s.mu.Unlock()
		if i >= 0 {
			return
		}
		select {
		case <-s.more:
		case <-give:
			t.Fatalf("%q never came; there is %q", want, s)
		}
	}
}

func TestShellRunsAScript(t *testing.T) {
	s, out := testShell(t)
	var stderr bytes.Buffer
	s.Stderr = &stderr
	s.Stdin = strings.NewReader(`pwd
echo "$REPRO_DIR"
grep -c ' /fs/ext4 ext4 ' /proc/mounts
grep -c ' /dev/shm tmpfs ' /proc/mounts
ls -d /bin/spin
dmesg | grep -c Linux.version
head -c 300000 /dev/zero | tr '\0' x
echo
echo oops >&2
cat /proc/sys/kernel/panic_on_oops
exit 7
`)
	status, err := s.Run(t.Context())
	if err != nil || status != 7 {
		t.Fatalf("got status %d, %v; %q, %q", status, err, out, stderr.String())
	}
	want := "/fs/ext4\n/fs/ext4\n1\n1\n/bin/spin\n1\n" + strings.Repeat("x", 300000) + "\n0\n"
	if out.String() != want || stderr.String() != "oops\n" {
		t.Fatalf("got %.200q, %q", out, stderr.String())
	}
	if !strings.Contains(out.notes.String(), "mount /dev/fs-wrong /fs/wrong: No such device") {
		t.Errorf("notes: %q", out.notes.String())
	}
	left, err := os.ReadDir(s.Dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestShellOfASignal(t *testing.T) {
	s, _ := testShell(t)
	s.Stdin = strings.NewReader("kill -KILL $$\n")
	if status, err := s.Run(t.Context()); err != nil || status != 128+9 {
		t.Fatalf("got status %d, %v", status, err)
	}
}

func TestShellOnATerminal(t *testing.T) {
	s, out := testShell(t)
	in, person := io.Pipe()
	resize := make(chan [2]int)
	s.Stdin, s.Rows, s.Cols, s.Resize = in, 33, 101, resize
	type end struct {
		status int
		err    error
	}
	ended := make(chan end)
	go func() {
		status, err := s.Run(t.Context())
		ended <- end{status, err}
	}()
	typed := func(s string) {
		if _, err := person.Write([]byte(s)); err != nil {
			t.Error(err)
		}
	}
	typed("stty size\n")
	out.await(t, "33 101")
	resize <- [2]int{44, 55}
	typed("stty size; tty\n")
	out.await(t, "44 55")
	out.await(t, "/dev/pts/0")
	typed("sleep 1000; echo st''ill\n")
	out.await(t, "sleep 1000")
	time.Sleep(200 * time.Millisecond)
	typed("\x03")
	typed("echo ba''ck $?; exit 3\n")
	out.await(t, "back 130")
	if e := <-ended; e.err != nil || e.status != 3 {
		t.Fatalf("got %+v", e)
	}
}

func TestShellOnTheConsole(t *testing.T) {
	s, out := testShell(t)
	in, person := io.Pipe()
	s.Stdin, s.Rows, s.Cols, s.Console = in, 24, 80, true
	ended := make(chan error)
	go func() {
		status, err := s.Run(t.Context())
		if status != 5 {
			t.Errorf("got status %d", status)
		}
		ended <- err
	}()
	out.await(t, "Linux version")
	out.await(t, "guest:")
	for _, line := range []string{"tty\r", "echo '<4>from the kernel' >/dev/kmsg\r"} {
		if _, err := person.Write([]byte(line)); err != nil {
			t.Error(err)
		}
	}
	out.await(t, "/dev/ttyS0")
	out.await(t, "] from the kernel")
	if _, err := person.Write([]byte("exit 5\r")); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

func TestShellOfADyingKernel(t *testing.T) {
	s, _ := testShell(t)
	s.Stdin = strings.NewReader("echo 1 >/proc/sys/kernel/panic_on_oops; echo c >/proc/sysrq-trigger\n")
	_, err := s.Run(t.Context())
	var died *DiedError
	if !errors.As(err, &died) || died.Crash == nil {
		t.Fatalf("got %v", err)
	}
	s, _ = testShell(t)
	s.Stdin = strings.NewReader("echo b >/proc/sysrq-trigger\n")
	if _, err = s.Run(t.Context()); !errors.As(err, &died) || died.Crash != nil {
		t.Fatalf("got %v", err)
	}
}

func TestShellWhoseTerminalGoesAway(t *testing.T) {
	s, out := testShell(t)
	in, person := io.Pipe()
	s.Stdin, s.Rows, s.Cols = in, 24, 80
	go func() {
		out.await(t, "guest:")
		_ = person.Close()
	}()
	if status, err := s.Run(t.Context()); err != nil || status != 128+1 {
		t.Fatalf("got status %d, %v", status, err)
	}
}

func TestShellIsCancelled(t *testing.T) {
	s, out := testShell(t)
	in, _ := io.Pipe()
	s.Stdin, s.Rows, s.Cols = in, 24, 80
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := s.Run(ctx)
		ended <- err
	}()
	out.await(t, "guest:")
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
}

// The debugger's stub answers before the guest's first instruction, and the guest goes on when told to.
func TestShellWaitsForTheDebugger(t *testing.T) {
	s, out := testShell(t)
	s.GDB = GDBWait
	s.Dir, _ = os.MkdirTemp("", "sh") // gdb's socket has a short path
	t.Cleanup(func() { _ = os.RemoveAll(s.Dir) })
	s.Stdin = strings.NewReader("echo up; exit 4\n")
	said := make(chan struct{})
	var once sync.Once
	s.Note = func(line string) {
		if strings.HasPrefix(line, "gdb ") {
			once.Do(func() { close(said) })
		}
	}
	ended := make(chan error)
	go func() {
		status, err := s.Run(t.Context())
		if status != 4 {
			t.Errorf("got status %d", status)
		}
		ended <- err
	}()
	<-said
	conn, err := net.Dial("unix", filepath.Join(s.Dir, gdbSocket))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ask := func(packet string) string {
		if _, err := conn.Write([]byte(packet)); err != nil {
			t.Fatal(err)
		}
		var all []byte
		for bytes.Count(all, []byte("#")) == 0 {
			b := make([]byte, 4096)
			n, err := conn.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, b[:n]...)
		}
		return string(all)
	}
	if a := ask("$?#3f"); !strings.Contains(a, "$T05") && !strings.Contains(a, "$S05") {
		t.Fatalf("the stub says %q", a)
	}
	if strings.Contains(out.String(), "up") {
		t.Fatal("the guest did not wait")
	}
	if _, err := conn.Write([]byte("+$c#63")); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil || out.String() != "up\n" {
		t.Fatalf("got %v, %q", err, out)
	}
}

func TestToolArchiveIsMadeOnce(t *testing.T) {
	dir := t.TempDir()
	a, err := toolArchive(t.Context(), dir, []string{"sh"})
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(a)
	if err != nil {
		t.Fatal(err)
	}
	b, err := toolArchive(t.Context(), dir, []string{"cat", "sh"})
	if err != nil || a != b {
		t.Fatalf("got %q, %v; before %q", b, err, a)
	}
	if after, _ := os.Stat(b); !after.ModTime().Equal(before.ModTime()) {
		t.Error("made twice")
	}
	if left, _ := filepath.Glob(dir + "/tools-*"); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	t.Logf("%d bytes", before.Size())
}
