package qemu

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// The file of a console that is followed has the record at each moment, and no more of it than that is bounded to; what was in
// it stays where it was, up to the flood.
func TestFollowedConsole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "console")
	if err := os.WriteFile(path, []byte("of the try before"), 0o644); err != nil {
		t.Fatal(err)
	}
	c := newConsole()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	w := follower{c: c, f: f}
	said := func() []byte {
		t.Helper()
		w.write()
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	print := func(format string, args ...any) {
		t.Helper()
		if _, err := fmt.Fprintf(c, format, args...); err != nil {
			t.Fatal(err)
		}
	}
	if got := said(); len(got) != 0 {
		t.Errorf("got %q of nothing", got)
	}
	print("[    1.000000] one\n[    1.1000")
	if got := said(); string(got) != "[    1.000000] one\n" {
		t.Errorf("got %q", got)
	}
	print("00] two\n")
	before := said()
	if string(before) != "[    1.000000] one\n[    1.100000] two\n" {
		t.Errorf("got %q", before)
	}
	for i := range 40_000 {
		if print("[    2.000000] line %d of a flood that does not end\n", i); i%5000 == 0 {
			if got := said(); !bytes.HasPrefix(got, before) || len(got) > consoleHead+consoleIncident+consoleTail+100 {
				t.Errorf("after %d lines: %d bytes, beginning with %.40q", i, len(got), got)
			}
		}
	}
	if got := said(); !bytes.Equal(got, c.text()) || !w.flooded {
		t.Errorf("%d bytes differ from the record of %d", len(got), len(c.text()))
	}
}

func TestStoppedFollowingHasAll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "console")
	c := newConsole()
	stop := c.follow(path)
	if _, err := c.Write([]byte("[    1.000000] one\n")); err != nil {
		t.Fatal(err)
	}
	stop()
	if got, err := os.ReadFile(path); err != nil || string(got) != "[    1.000000] one\n" {
		t.Errorf("got %q, %v", got, err)
	}
	newConsole().follow(filepath.Join(path, "not a directory"))()
}
