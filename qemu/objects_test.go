package qemu

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A .cmd file is read again when it has changed, and only then; what is no object's is passed over.
func TestObjectNotes(t *testing.T) {
	w := workshop{src: "/src", obj: t.TempDir()}
	cmd := func(name, text string, at time.Time) {
		t.Helper()
		path := filepath.Join(w.obj, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, path, text)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	var n objectNotes
	list := func() string {
		got := ""
		n.each(w, func(o builtObject) {
			got += o.name
			for _, d := range o.deps {
				got += " " + n.files[d]
			}
			got += "\n"
		})
		return got
	}
	text := func(dep string) string {
		return fmt.Sprintf("cmd_fs/a.o := gcc\n\nsource_fs/a.o := /src/fs/a.c\n\ndeps_fs/a.o := \\\n    $(wildcard include/config/x.h) \\\n  /src/%s \\\n  include/generated/b.h \\\n\nfs/a.o: $(deps_fs/a.o)\n", dep)
	}
	then := time.Now().Add(-time.Hour)
	cmd("fs/.a.o.cmd", text("fs/../include/one.h"), then)
	cmd("fs/.built-in.a.cmd", "cmd_fs/built-in.a := ar\n", then)
	cmd("scripts/.mod.o.cmd", text("include/one.h"), then)
	const one, two = "fs/a.o fs/a.c include/one.h\n", "fs/a.o fs/a.c include/two.h\n"
	if got := list(); got != one {
		t.Fatalf("got %q", got)
	}
	cmd("fs/.a.o.cmd", text("fs/../include/two.h"), then)
	if got := list(); got != one {
		t.Errorf("the same size and time: read again: %q", got)
	}
	cmd("fs/.a.o.cmd", text("fs/../include/two.h"), then.Add(time.Second))
	if got := list(); got != two {
		t.Errorf("got %q", got)
	}
}
