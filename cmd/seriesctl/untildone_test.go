package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// TestInterruptedWhileItWaits: Ctrl-C ends a command that waits for standard input.
func TestInterruptedWhileItWaits(t *testing.T) {
	for _, args := range [][]string{{"load", "-"}, {"judge", "-"}} {
		t.Run(args[0], func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			defer w.Close()
			ctx, cancel := context.WithCancel(context.Background())
			a := &app{in: r, out: io.Discard, err: io.Discard}
			root := a.rootCommand()
			root.SetArgs(append(args, "--workspace", filepath.Join(t.TempDir(), "w")))
			done := make(chan error, 1)
			go func() { done <- root.ExecuteContext(ctx) }()
			if _, err := w.WriteString("From: a@example.org\n"); err != nil {
				t.Fatal(err)
			}
			cancel()
			if code, _ := classify(<-done); code != exitInterrupted {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

func TestUntilDoneGivesAll(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	in := untilDone(ctx, r)
	go func() {
		_, _ = w.WriteString("all of it")
		_ = w.Close()
	}()
	if got, err := io.ReadAll(in); err != nil || string(got) != "all of it" {
		t.Errorf("got %q, %v", got, err)
	}
	cancel()
	if _, err := untilDone(ctx, r).Read(make([]byte, 1)); !errors.Is(err, context.Canceled) && !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
}
