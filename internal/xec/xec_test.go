package xec

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestErrorKeepsStatusAndStderr(t *testing.T) {
	err := Cmd{Name: "sh", Args: []string{"-c", "echo first >&2; echo last word >&2; exit 7"}}.Run(context.Background())
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %T %v, want *Error", err, err)
	}
	if e.Status != 7 || !strings.HasSuffix(err.Error(), "last word") || e.Name != "sh" {
		t.Fatalf("got %d %q", e.Status, err)
	}
}

func TestMissingProgram(t *testing.T) {
	if err := (Cmd{Name: "no-such-program-here"}).Run(context.Background()); err == nil {
		t.Fatal("no error")
	}
}

func TestCancelKillsTheWholeGroup(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	// The grandchild ignores SIGTERM.
	p, err := Cmd{Name: "sh", Args: []string{"-c", `sh -c 'trap "" TERM; echo $$; while :; do sleep 1; done' & wait`},
		Stdout: w, Grace: 100 * time.Millisecond}.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 32)
	n, err := r.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(buf[:n])))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := p.Wait(); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want context.Canceled", err)
	}
	for i := 0; syscall.Kill(pid, 0) == nil; i++ {
		if stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); err != nil || strings.Contains(string(stat), ") Z ") {
			break // gone, or waiting for init to reap it
		}
		if i == 100 {
			t.Fatal("the grandchild is alive")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestOutputAndStdin(t *testing.T) {
	out, err := Cmd{Name: "cat", Stdin: strings.NewReader("through")}.Output(context.Background())
	if err != nil || string(out) != "through" {
		t.Fatalf("got %q %v", out, err)
	}
}

func TestTailIsBounded(t *testing.T) {
	tl := &tail{max: 10}
	for range 100 {
		_, _ = tl.Write([]byte("0123456789"))
	}
	if tl.String() != "0123456789" || len(tl.buf) > 20 {
		t.Fatalf("got %q, %d bytes", tl.String(), len(tl.buf))
	}
}

// A detached process has no part of ours, and ends as it likes when it is asked to.
func TestDetach(t *testing.T) {
	name := filepath.Join(t.TempDir(), "out")
	out, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	d, err := Cmd{Name: "sh", Args: []string{"-c", `trap 'echo asked >&2; exit 9' INT; ps -o sid= -p $$; [ -t 0 ] || echo no terminal; while :; do sleep 0.1; done`}}.Detach(out)
	if err != nil {
		t.Fatal(err)
	}
	read := func() string {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for range 100 {
		if strings.Contains(read(), "no terminal") {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err := d.Interrupt(); err != nil {
		t.Fatal(err)
	}
	var e *Error
	if err := d.Wait(); !errors.As(err, &e) || e.Status != 9 {
		t.Fatalf("got %v", err)
	}
	if got := strings.Fields(read()); len(got) != 4 || got[0] != strconv.Itoa(d.PID()) || got[3] != "asked" {
		t.Errorf("got %q for process %d", got, d.PID())
	}
	if err := d.Interrupt(); err != nil {
		t.Errorf("a process that ended: %v", err)
	}
}

func TestTerminal(t *testing.T) {
	var out, errs bytes.Buffer
	p := &Terminal{Name: "sh", Args: []string{"-c", `cat; echo $WORD; echo no >&2; exit 4`}, Env: []string{"WORD=given"}}
	p.SetStdin(strings.NewReader("typed\n"))
	p.SetStdout(&out)
	p.SetStderr(&errs)
	var e *Error
	if err := p.Run(); !errors.As(err, &e) || e.Status != 4 {
		t.Fatalf("got %v", err)
	}
	if out.String() != "typed\ngiven\n" || errs.String() != "no\n" {
		t.Errorf("got %q, %q", out.String(), errs.String())
	}
	if !OnTerminal() {
		t.Error("a Ctrl-C that ended it may still be read, and would be taken for this program's")
	}
	for OnTerminal() {
		time.Sleep(10 * time.Millisecond)
	}
}
