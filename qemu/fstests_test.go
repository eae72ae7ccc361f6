package qemu

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seriesctl/seriesctl/internal/xec"
)

// tinyFstests builds a copy of the small tree in fstests' layout.
func tinyFstests(t *testing.T) *Fstests {
	t.Helper()
	dir := t.TempDir()
	b := &Fstests{Checkout: filepath.Join(dir, "checkout"), Dir: filepath.Join(dir, "build"), Log: filepath.Join(dir, "log"), Jobs: 2, Sandbox: true}
	if _, err := xec.Find("bwrap"); err != nil {
		b.Sandbox = false
	}
	if err := os.CopyFS(b.Checkout, os.DirFS("../testplan/testdata/fstests")); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFstestsBuild(t *testing.T) {
	b := tinyFstests(t)
	writeFiles(t, b.Checkout, map[string]string{"src/say": "stale, and ignored by git"}) // no ELF file, newer than its source
	var steps []string
	b.Progress = func(p Progress) { steps = append(steps, p.Step+" "+p.File) }
	build := func() string {
		t.Helper()
		steps = nil
		dir, err := b.Build(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return dir
	}
	say := func(dir string) string {
		t.Helper()
		out, err := xec.Cmd{Name: filepath.Join(dir, "src", "say"), Args: []string{"hello"}}.Output(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	dir := build()
	if got := say(dir); got != "hello\n" {
		t.Errorf("the program built says %q", got)
	}
	if len(steps) != 1 || steps[0] != "building fstests say" {
		t.Errorf("progress: %q", steps)
	}
	if got, err := os.ReadFile(filepath.Join(b.Checkout, "src", "say")); err != nil || string(got) != "stale, and ignored by git" {
		t.Errorf("the checkout was written to: %q, %v", got, err)
	}
	if build(); len(steps) != 0 {
		t.Errorf("built again: %q", steps)
	}
	writeFiles(t, b.Checkout, map[string]string{"tests/generic/001": "edited"})
	build()
	if got, _ := os.ReadFile(filepath.Join(dir, "tests/generic/001")); len(steps) != 0 || string(got) != "edited" {
		t.Errorf("a test was edited: made %q, the copy has %q", steps, got)
	}
	source := filepath.Join(b.Checkout, "src", "say.c")
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	writeFiles(t, b.Checkout, map[string]string{"src/say.c": strings.ReplaceAll(string(text), "puts(argv[i])", `puts("changed")`)})
	// As old as a backup is: what was built is newer.
	if err := os.Chtimes(source, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	build()
	if got := say(dir); got != "changed\n" || len(steps) != 1 {
		t.Errorf("the source was edited: it says %q, made %q", got, steps)
	}
	if err := os.Remove(filepath.Join(b.Checkout, "tests/generic/002")); err != nil {
		t.Fatal(err)
	}
	build()
	if _, err := os.Stat(filepath.Join(dir, "tests/generic/002")); err == nil {
		t.Error("a test that was removed is still there")
	}
}

// TestFstestsBuildReal builds a real checkout: SERIESCTL_FSTESTS.
func TestFstestsBuildReal(t *testing.T) {
	checkout := os.Getenv("SERIESCTL_FSTESTS")
	if checkout == "" {
		t.Skip("SERIESCTL_FSTESTS is not the path of a checkout of fstests")
	}
	dir := t.TempDir()
	last := Progress{}
	b := &Fstests{Checkout: checkout, Dir: filepath.Join(dir, "build"), Log: filepath.Join(dir, "log"), Jobs: 2, Sandbox: checkSandbox() == nil,
		Progress: func(p Progress) { last = p }}
	for range 2 {
		start := time.Now()
		built, err := b.Build(t.Context())
		var infra *InfraError
		if errors.As(err, &infra) {
			t.Fatalf("%v; hint: %s", err, infra.Hint)
		}
		t.Logf("%v, %+v", time.Since(start), last)
		for _, program := range []string{"src/mmap-rw-fault", "ltp/fsstress", "ltp/fsx"} {
			if len(linkedTo(filepath.Join(built, program))) == 0 {
				t.Errorf("%s was not built", program)
			}
		}
	}
}

func TestFstestsBuildFails(t *testing.T) {
	tests := []struct{ name, makefile, want, hint string }{
		{"header", "default:\n\t@echo 'FATAL ERROR: cannot find a valid <xfs/xfs.h> header file.'; exit 1\n", "this host has no xfs/xfs.h", "apt install xfslibs-dev;"},
		{"library", "default:\n\t@echo '/usr/bin/ld: cannot find -laio: No such file'; exit 1\n", "this host has no aio", "apt install libaio-dev;"},
		{"program", "default:\n\t@libtoolize-of-nowhere\n", "this host has no", "apt install acl"},
		{"compiler", "default: src/say\nsrc/say: src/say.c\n\t@$(CC) -DX=+ -include nothing.h -o $@ $<\n", "this host has no nothing.h", "apt install acl"},
		{"error", "default:\n\t@echo 'src/a.c:1: error: expected expression'; false\n", "src/a.c:1: error: expected expression", "apt install acl"},
		{"silent", "default:\n\t@false\n", "exit status 2", "apt install acl"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := tinyFstests(t)
			writeFiles(t, b.Checkout, map[string]string{"Makefile": tt.makefile})
			for range 2 { // a failed build is none
				_, err := b.Build(t.Context())
				var infra *InfraError
				if !errors.As(err, &infra) {
					t.Fatalf("got %v", err)
				}
				if !strings.Contains(err.Error(), tt.want) || !strings.Contains(infra.Hint, tt.hint) || !strings.Contains(infra.Hint, b.Log) {
					t.Errorf("got %v, hint %s", err, infra.Hint)
				}
			}
		})
	}
}

// TestFstestsBuildHostile has makefiles that do what they must not.
func TestFstestsBuildHostile(t *testing.T) {
	b := tinyFstests(t)
	if !b.Sandbox {
		t.Skip("bubblewrap is not installed")
	}
	outside := filepath.Join(t.TempDir(), "outside")
	writeFiles(t, b.Checkout, map[string]string{"Makefile": "default:\n\t@! touch " + outside + " 2>/dev/null\n\t@! cat /etc/shadow 2>/dev/null\n\t@rm -rf tests; ln -s " + outside + " tests\n"})
	if _, err := b.Build(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(outside); err == nil {
		t.Error("the build wrote outside")
	}
	// The next copy must not go through the link that the build has left.
	writeFiles(t, b.Checkout, map[string]string{"tests/generic/001": "edited"})
	_, err := b.Build(t.Context())
	if _, serr := os.Lstat(outside); serr == nil {
		t.Errorf("the copy went through a link; Build: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	writeFiles(t, b.Checkout, map[string]string{"Makefile": "default:\n\t@sleep 100\n"})
	if _, err := b.Build(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}
