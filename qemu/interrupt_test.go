package qemu

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// After the clock was set back, a source written now is older than the object made of what it was before.
func TestClockSetBack(t *testing.T) {
	b := newBuilder(t, nil)
	first := mustBuild(t, b, "first")
	ahead := time.Now().Add(time.Hour)
	err := filepath.WalkDir(b.Dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chtimes(path, ahead, ahead))
	})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(b.Dir, "src/fs/a.c"), strings.Replace(smallTree["fs/a.c"], "return 1", "return 2", 1))
	if mustBuild(t, b, "code").Hash == first.Hash {
		t.Error("the old object is taken for the new")
	}
	// And half an hour later, when the start of that build is long past but not its end.
	write(t, filepath.Join(b.Dir, "src/fs/a.c"), smallTree["fs/a.c"])
	if fi, err := os.Stat(b.bootFile()); err != nil || fi.ModTime().After(time.Now()) {
		t.Fatalf("the time of the last build is %v, %v", fi.ModTime(), err)
	}
	if got := mustBuild(t, b, "code2"); got.Hash != first.Hash {
		t.Error("the tree of before gives another image")
	}
}

// The clock is set back while make runs: what it made before is newer than what will change. The build does not count, and the next
// makes everything anew. Sources from the future only cost time.
func TestClockSetBackInBuild(t *testing.T) {
	b := newBuilder(t, nil)
	first := mustBuild(t, b, "first")
	ahead := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(b.Dir, "src/fs/a.c"), ahead, ahead); err != nil {
		t.Fatal(err)
	}
	if got := mustBuild(t, b, "source"); got.Hash != first.Hash || got.Compiled != 1 {
		t.Errorf("a source from the future: %+v", got)
	}
	write(t, filepath.Join(b.Dir, "src/extra.mk"), "EXTRA = touch -d '1 hour' $(O)/a.o\n")
	if _, err := b.Build(t.Context(), "k", askA, filepath.Join(b.Dir, "log")); err != nil {
		t.Fatal(err) // make does not look at a.o again
	}
	_, err := b.Build(t.Context(), "k", askA, filepath.Join(b.Dir, "log"))
	var infra *InfraError
	if !errors.As(err, &infra) || infra.Hint == "" || !strings.Contains(err.Error(), "from the future") {
		t.Fatalf("got %v\n%s", err, readFile(t, filepath.Join(b.Dir, "log")))
	}
	t.Log(err)
	write(t, filepath.Join(b.Dir, "src/extra.mk"), "")
	write(t, filepath.Join(b.Dir, "src/fs/a.c"), smallTree["fs/a.c"])
	if got := mustBuild(t, b, "k"); got.Hash != first.Hash || got.Compiled != 1 {
		t.Errorf("after that: %+v", got)
	}
}

// Programs of a build that signals end, whoever sent them, are no failure of the tree; and nothing is left of the build.
func TestBuildProgramsKilled(t *testing.T) {
	for name, recipe := range map[string]string{
		"compiler killed":     "gcc -wrapper sh,$(S)/kill,KILL -c $(S)/fs/a.c -o $(O)/b.o",
		"compiler crashes":    "gcc -wrapper sh,$(S)/kill,SEGV -c $(S)/fs/a.c -o $(O)/b.o",
		"linker killed":       "sh -c 'kill -9 $$$$'",
		"make interrupted":    "kill -INT $$PPID; sleep 1",
		"make terminated":     "kill -TERM $$PPID; sleep 1",
		"make killed":         "kill -9 $$PPID",
		"submake interrupted": "echo 'all: ; kill -INT $$$$PPID; sleep 1' > $(O)/sub.mk; $(MAKE) -f $(O)/sub.mk",
		"submake terminated":  "echo 'all: ; kill $$$$PPID; sleep 1' > $(O)/sub.mk; $(MAKE) -f $(O)/sub.mk",
	} {
		for _, sandbox := range []bool{false, true} {
			b := newBuilder(t, map[string]string{"extra.mk": "EXTRA = " + recipe + "\n", "kill": "kill -$1 $$\n"})
			if sandbox {
				b = sandboxed(t, b)
			}
			before := surroundings(t)
			_, err := b.Build(t.Context(), "k", askA, filepath.Join(b.Dir, "log"))
			var infra *InfraError
			if !errors.As(err, &infra) || infra.Hint == "" {
				t.Errorf("%s, sandbox %v: got %v\n%s", name, sandbox, err, readFile(t, filepath.Join(b.Dir, "log")))
			}
			t.Logf("%s: %v", name, err)
			before.check(t)
			write(t, filepath.Join(b.Dir, "src/extra.mk"), "")
			mustBuild(t, b, "k")
		}
	}
}
