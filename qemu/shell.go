package qemu

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Shell is a virtual machine for a person: a shell in a guest that has the machine's file systems under /fs/NAME and its
// programs and the host's tools in PATH. It takes no snapshot and keeps nothing. Unlike in a run the kernel goes on after an oops.
type Shell struct {
	Kernel  string // an ELF vmlinux
	Machine Machine
	Dir     string // private directory; its files are removed at the end
	Disks   string // cache of file systems, agent and tools, as for Start

	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Note           func(line string) // what the person should know; not nil

	Rows, Cols int           // of the terminal; 0 for none: then stdin is a script, and stdout and stderr are kept apart
	Resize     <-chan [2]int // rows and columns, when they change
	Term       string        // TERM
	Console    bool          // the shell runs on the serial console, among what the kernel prints, from the first byte on
	GDB        GDB
}

// GDB says whether QEMU listens for a debugger.
type GDB string

// The ways to debug a guest.
const (
	NoGDB   GDB = ""
	GDBRun  GDB = "run"  // the guest runs
	GDBWait GDB = "wait" // the guest waits for the debugger before its first instruction
)

// gdbSocket is where QEMU listens for gdb, in the shell's directory.
const gdbSocket = "gdb.sock"

// DiedError is a guest whose kernel ended while a person was in it.
type DiedError struct {
	Crash *Crash // nil when the console shows none
}

func (e *DiedError) Error() string {
	if e.Crash == nil {
		return "shell: the guest reset itself"
	}
	return "shell: the kernel died: " + e.Crash.Title
}

// Run boots the guest and serves until its shell ends, whose exit status it returns (128 and the signal's number for one
// that a signal ended), or until ctx ends. Errors: *BootError, *DiedError, *InfraError or ctx.Err().
func (s *Shell) Run(ctx context.Context) (status int, err error) {
	kernel, err := filepath.Abs(s.Kernel)
	if err != nil {
		return 0, &InfraError{Op: "find kernel", Err: err}
	}
	program, err := shellOf()
	if err != nil {
		return 0, err
	}
	var x extras
	if s.GDB != NoGDB {
		x.args = append(x.args, "-gdb", "unix:"+gdbSocket+",server=on,wait=off")
		if s.GDB == GDBWait {
			x.args = append(x.args, "-S")
		}
	}
	if s.Console {
		x.echo = s.Stdout
	}
	m := s.Machine.withDefaults()
	m.Tools = append(slices.Clone(m.Tools), filepath.Base(program))
	g, err := launch(ctx, kernel, m, s.Dir, s.Disks, x)
	if err != nil {
		return 0, err
	}
	defer func() {
		g.kill()
		err = errors.Join(err, removeFiles(s.Dir, m, gdbSocket, "boot.log"))
	}()
	if s.GDB != NoGDB {
		s.Note(fmt.Sprintf("gdb -ex 'target remote %s' %s", filepath.Join(s.Dir, gdbSocket), kernel))
	}
	in := &shellInput{g: g, console: s.Console, nonce: nonce()}
	if s.Console {
		go in.pump(s.Stdin)
	}
	if s.GDB == GDBWait || s.Console {
		err = g.whenever(ctx) // stopped by a person, or watched by one: no deadline makes sense
	} else {
		err = g.toAgent(ctx)
	}
	if err != nil {
		return 0, err
	}
	if err := in.send("shell", s.command(program)); err != nil {
		return 0, &InfraError{Op: "start shell", Err: g.death(err)}
	}
	if !s.Console {
		go in.pump(s.Stdin)
	}
	if s.Resize != nil {
		go in.resize(s.Resize)
	}
	return s.serve(ctx, g, in.nonce)
}

// command is the data of the message that starts the shell (see agent/shell.c).
func (s *Shell) command(program string) []byte {
	mode := "pipe"
	switch {
	case s.Console:
		mode = "console"
	case s.Rows > 0:
		mode = "tty"
	}
	words := []string{mode, fmt.Sprintf("%d %d", s.Rows, s.Cols), program, fmt.Sprint(len(s.Machine.Filesystems))}
	for i, f := range s.Machine.Filesystems {
		words = append(words, f.Name, serial(i, f), f.Type, f.Options)
	}
	term := s.Term
	if term == "" {
		term = "dumb"
	}
	words = append(words, "PATH=/bin", "HOME=/tmp", "LANG=C.UTF-8", "PS1=guest:\\w# ", "TERM="+term)
	if len(s.Machine.Filesystems) > 0 {
		words = append(words, "REPRO_DIR=/fs/"+s.Machine.Filesystems[0].Name)
	}
	var b []byte
	for _, w := range words {
		b = append(append(b, strings.ReplaceAll(w, "\x00", "")...), 0)
	}
	return b
}

// serve hands on what the guest says until the shell ends.
func (s *Shell) serve(ctx context.Context, g *guest, nonce string) (int, error) {
	l := g.listen()
	defer g.unlisten(l)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	seen, told := 0, ""
	for {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-g.process.Done():
			return 0, &InfraError{Op: "run shell", Err: g.death(errors.New("qemu ended"))}
		case x := <-l.ch:
			switch x := x.(type) {
			case message:
				if x.nonce != nonce {
					continue
				}
				var err error
				switch x.kind {
				case "out":
					_, err = s.Stdout.Write(x.data)
				case "err":
					_, err = s.Stderr.Write(x.data)
				case "note":
					for line := range strings.Lines(string(x.data)) {
						s.Note(strings.TrimSpace(line))
					}
				case "exit":
					var status, sig int
					if _, err := fmt.Sscanf(string(x.data), "%d %d", &status, &sig); err != nil {
						return 0, &InfraError{Op: "run shell", Err: fmt.Errorf("agent said %q: %w", x.data, err)}
					}
					if sig != 0 {
						status = 128 + sig
					}
					return status, nil
				}
				if err != nil {
					return 0, fmt.Errorf("write output of the shell: %w", err)
				}
			case qmpEvent:
				switch x.Name {
				case "SHUTDOWN":
					return 0, &DiedError{}
				case "BLOCK_IO_ERROR":
					return 0, diskError(x)
				}
			}
		case <-tick.C:
			con := g.console.Load()
			if n := con.printed(); n == seen || con.quietFor() < 300*time.Millisecond && !con.paniced() {
				continue
			} else {
				seen = n
			}
			crash := con.crash()
			if con.paniced() && s.GDB == NoGDB && !s.Console {
				return 0, &DiedError{Crash: crash}
			}
			if crash != nil && crash.Title != told && !s.Console {
				told = crash.Title
				s.Note("the kernel reports: " + told + " (dmesg has it)")
			}
		}
	}
}

// whenever waits for the agent as long as it takes.
func (g *guest) whenever(ctx context.Context) error {
	s := g.listen()
	defer g.unlisten(s)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-g.process.Done():
			return &InfraError{Op: "boot kernel", Err: g.death(errors.New("qemu ended"))}
		case x := <-s.ch:
			switch x := x.(type) {
			case message:
				if x.kind == "ready" {
					return nil
				}
			case qmpEvent:
				if x.Name == "SHUTDOWN" {
					return &DiedError{Crash: g.console.Load().crash()}
				}
			}
		}
	}
}

// shellInput sends what a person does to the guest.
type shellInput struct {
	g       *guest
	console bool // what is typed goes to the serial port
	nonce   string
	mu      sync.Mutex
}

func (in *shellInput) send(kind string, data []byte) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	_, err := in.g.conn.Write(append(fmt.Appendf(nil, "%s %s %d\n", kind, in.nonce, len(data)), data...))
	return err
}

// pump sends r's bytes until r or the guest ends.
func (in *shellInput) pump(r io.Reader) {
	buf := make([]byte, 4096)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			var werr error
			if in.console {
				_, werr = in.g.serial.conn.Write(buf[:n])
			} else {
				werr = in.send("in", buf[:n])
			}
			if werr != nil {
				return
			}
		}
		if err != nil {
			_ = in.send("eof", nil)
			return
		}
	}
}

func (in *shellInput) resize(sizes <-chan [2]int) {
	for s := range sizes {
		if in.send("size", fmt.Appendf(nil, "%d %d", s[0], s[1])) != nil {
			return
		}
	}
}

// removeFiles removes the files of a VM of machine m from dir, and those named.
func removeFiles(dir string, m Machine, names ...string) error {
	names = append(names, "state.qcow2", "initramfs.cpio", kernelFile)
	for _, d := range m.disks() {
		names = append(names, d.id+".qcow2")
	}
	var first error
	for _, n := range names {
		if err := os.Remove(filepath.Join(dir, n)); err != nil && !errors.Is(err, os.ErrNotExist) && first == nil {
			first = &InfraError{Op: "clean vm directory", Err: err}
		}
	}
	return first
}
