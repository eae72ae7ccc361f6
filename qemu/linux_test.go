package qemu

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestLinux builds a real kernel once, cold, and then what changes little of it. SERIESCTL_LINUX_6_1 names an unpacked
// source tree of Linux 6.1; it takes some minutes.
func TestLinux(t *testing.T) {
	source := os.Getenv("SERIESCTL_LINUX_6_1")
	if source == "" {
		t.Skip("SERIESCTL_LINUX_6_1 names no kernel source")
	}
	l := newLinux(t, source)
	b, conf, build, edit := l.b, l.conf, l.build, l.edit

	base := build("base")
	if base.Compiled < 500 {
		t.Errorf("a kernel of %d objects", base.Compiled)
	}
	checkUses(t, b)
	if again := build("again"); again.Hash != base.Hash || again.Compiled != 0 {
		t.Errorf("the same again: %d objects, same %t", again.Compiled, again.Hash == base.Hash)
	}
	// A file with WARN_ON and without __LINE__ in its code, see hashKernel.
	const include = "#include <linux/module.h>\n"
	edit("fs/iomap/direct-io.c", include, "/* a comment\n * of two lines */\n"+include)
	if comment := build("comment"); comment.Hash != base.Hash || comment.Compiled != 1 {
		t.Errorf("a comment: %d objects, same %t", comment.Compiled, comment.Hash == base.Hash)
	}
	const code = "gl->gl_tchange = jiffies;"
	edit("fs/gfs2/glock.c", code, code+"\n\tgl->gl_tchange++;")
	changed := build("code")
	if changed.Hash == base.Hash || changed.Compiled != 1 {
		t.Errorf("other code: %d objects, same %t", changed.Compiled, changed.Hash == base.Hash)
	}
	edit("fs/gfs2/glock.c", code, "gl->gl_tchange = nope;")
	_, err := b.Build(t.Context(), "broken", conf, filepath.Join(l.root, "broken.log"))
	var tree *BuildError
	if !errors.As(err, &tree) || !strings.Contains(err.Error(), "fs/gfs2/glock.c:") {
		t.Errorf("code that does not compile: %v", err)
	}
	edit("fs/gfs2/glock.c", "gl->gl_tchange = nope;", code)
	start := time.Now()
	if back := build("back"); back.Hash != changed.Hash {
		t.Errorf("the code before again gives another image")
	}
	t.Logf("after a broken prefix: %.1f s", time.Since(start).Seconds())

	_, err = b.Build(t.Context(), "dropped", Config{Fragments: conf.Fragments, Options: []string{"CONFIG_GFS2_FS_LOCKING_DLM=y"}},
		filepath.Join(l.root, "dropped.log"))
	var dropped *ConfigError
	if !errors.As(err, &dropped) || !strings.Contains(dropped.Needs, "DLM") {
		t.Errorf("an option without what it depends on: %v", err)
	}
}

// linux is a real source tree that a test edits and builds.
type linux struct {
	t    *testing.T
	root string
	b    *Builder
	conf Config
}

func newLinux(t *testing.T, source string) *linux {
	t.Helper()
	root := t.TempDir()
	l := &linux{t: t, root: root, conf: Config{Fragments: []string{"vm", "gfs2", "ext4"}},
		b: &Builder{Dir: filepath.Join(root, "w"), Images: filepath.Join(root, "images"), Jobs: 2, Sandbox: checkSandbox() == nil}}
	if err := os.Mkdir(l.b.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-a", "--reflink=auto", source+"/.", l.b.SourceDir()).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return l
}

func (l *linux) build(key string) *Image {
	l.t.Helper()
	img, err := l.b.Build(l.t.Context(), key, l.conf, filepath.Join(l.root, key+".log"))
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Logf("%s: %d objects, %.1f s", key, img.Compiled, img.Seconds)
	return img
}

func (l *linux) edit(name, old, new string) {
	l.t.Helper()
	path := filepath.Join(l.b.SourceDir(), name)
	text := readFile(l.t, path)
	if !strings.Contains(text, old) {
		l.t.Fatalf("%s has no %q", name, old)
	}
	write(l.t, path, strings.Replace(text, old, new, 1))
}

// checkUses holds what the makefiles say of every source in the tree against what was compiled. A difference is allowed only
// where no makefile names the file, and the reader says so.
func checkUses(t *testing.T, b *Builder) {
	t.Helper()
	var files []string
	src := filepath.Join(b.Dir, "src")
	err := filepath.WalkDir(src, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(src, path)
		if d.IsDir() && (rel == "arch" || kindOf(rel+"/x.c") == UseNotCode) {
			return filepath.SkipDir
		}
		if ext := filepath.Ext(rel); ext == ".c" || ext == ".S" {
			files = append(files, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, "include/linux/uio.h")
	start := time.Now()
	expected, err := b.Uses(files, false)
	if err != nil {
		t.Fatal(err)
	}
	read := time.Since(start)
	seen, err := b.Uses(files, true)
	if err != nil {
		t.Fatal(err)
	}
	compiled, wrong := 0, 0
	for i, u := range seen {
		if u.Use == UseCompiled {
			compiled++
		}
		if e := expected[i]; e.Use != u.Use && (e.Use == UseCompiled || len(e.Needs) > 0) {
			wrong++
			t.Logf("%s: expected %s %v, is %s", u.File, e.Use, e.Needs, u.Use)
		}
		switch {
		case u.File == "fs/gfs2/lock_dlm.c" && (u.Use != UseNotCompiled || len(u.Needs) != 1 || u.Needs[0].Option != "CONFIG_GFS2_FS_LOCKING_DLM" || len(u.Needs[0].Unmet) == 0),
			u.File == "include/linux/uio.h" && u.Objects < 20:
			t.Errorf("%+v", u)
		}
	}
	t.Logf("%d sources read in %.1f s, %d compiled, %d foreseen wrong", len(files), read.Seconds(), compiled, wrong)
	if compiled < 400 || wrong > 5 {
		t.Errorf("of %d compiled, %d foreseen wrong", compiled, wrong)
	}
}
