package qemu

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const walkingMakefile = "build-dirs\t:= $(vmlinux-dirs)\ndescend: $(build-dirs)\n$(build-dirs): prepare\n"

// Only directories in which something is outdated are walked, and all of them in every case of doubt.
func TestWalk(t *testing.T) {
	for name, tt := range map[string]struct {
		changed  string
		makefile string
		stale    bool // the last make did not go well
		asked    bool
		want     string
	}{
		"one directory":         {changed: "fs/gfs2/file.c", want: "build-dirs=fs"},
		"a header of two":       {changed: "include/linux/iomap.h", want: "build-dirs=fs mm"},
		"several files":         {changed: "fs/gfs2/file.c mm/gup.c", want: "build-dirs=fs mm"},
		"nothing":               {changed: ""},
		"not known":             {changed: "fs/gfs2/file.c", stale: true},
		"another config":        {changed: "fs/gfs2/file.c", asked: true},
		"Kconfig":               {changed: "fs/gfs2/file.c fs/gfs2/Kconfig"},
		"a makefile":            {changed: "fs/gfs2/Makefile"},
		"assembler":             {changed: "arch/x86/entry/entry.S"},
		"what is not there":     {changed: "fs/gfs2/gone.c"},
		"not compiled":          {changed: "fs/gfs2/file.c fs/xfs/xfs_file.c"},
		"of arch":               {changed: "arch/x86/mm/fault.c"},
		"of generated headers":  {changed: "include/linux/mm.h"},
		"of a tool":             {changed: "lib/gen_table.c"},
		"a link":                {changed: "fs/gfs2/link.c"},
		"from 6.1 on":           {changed: "fs/gfs2/file.c", makefile: "build-dir\t:= .\n"},
		"another rule to build": {changed: "fs/gfs2/file.c", makefile: strings.Replace(walkingMakefile, "prepare", "prepare-more", 1)},
	} {
		t.Run(name, func(t *testing.T) {
			b := &Builder{Dir: t.TempDir(), Changed: strings.Fields(tt.changed), current: !tt.stale}
			put := func(path, text string) {
				t.Helper()
				path = filepath.Join(b.Dir, path)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				write(t, path, text)
			}
			if tt.makefile == "" {
				tt.makefile = walkingMakefile
			}
			put("src/Makefile", "VERSION = 5\n"+tt.makefile)
			for object, from := range map[string]string{
				"fs/gfs2/file.o":            "fs/gfs2/file.c include/linux/iomap.h",
				"mm/gup.o":                  "mm/gup.c include/linux/iomap.h",
				"arch/x86/mm/fault.o":       "arch/x86/mm/fault.c",
				"arch/x86/kernel/offsets.s": "arch/x86/kernel/offsets.c include/linux/mm.h",
				"kernel/fork.o":             "kernel/fork.c include/linux/mm.h",
				"lib/gen_table":             "lib/gen_table.c",
			} {
				list := strings.Fields(from)
				cmd := fmt.Sprintf("cmd_%s := gcc\n\nsource_%[1]s := %s/src/%s\n\ndeps_%[1]s := \\\n", object, b.Dir, list[0])
				for _, f := range list {
					put("src/"+f, "")
					cmd += "  " + b.Dir + "/src/" + f + " \\\n"
				}
				put("obj/"+filepath.Dir(object)+"/."+filepath.Base(object)+".cmd", cmd+"\n")
			}
			for _, f := range []string{"fs/gfs2/Kconfig", "fs/gfs2/Makefile", "arch/x86/entry/entry.S", "fs/xfs/xfs_file.c"} {
				put("src/"+f, "")
			}
			if err := os.Symlink("file.c", filepath.Join(b.Dir, "src/fs/gfs2/link.c")); err != nil {
				t.Fatal(err)
			}
			r := &job{b: b, shop: b.workshop(), asked: tt.asked}
			if got := strings.Join(r.walk(), " "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestLinuxWalk builds 5.10 with what few directories are walked for, and then walks them all: nothing more is compiled, and
// it is the same kernel. SERIESCTL_LINUX_5_10 names an unpacked source tree; it takes some minutes.
func TestLinuxWalk(t *testing.T) {
	source := os.Getenv("SERIESCTL_LINUX_5_10")
	if source == "" {
		t.Skip("SERIESCTL_LINUX_5_10 names no kernel source")
	}
	l := newLinux(t, source)
	l.build("base")
	for _, tt := range []struct {
		file, old, new string
		few            bool
	}{
		{"fs/gfs2/glock.c", "gl->gl_tchange = jiffies;", "gl->gl_tchange = jiffies + 1;", true},
		{"include/linux/iomap.h", "#define IOMAP_HOLE\t0", "static inline int of_test(void) { return 1; }\n#define IOMAP_HOLE\t0", true},
		{"fs/gfs2/Makefile", "gfs2-y :=", "# a comment\ngfs2-y :=", false},
	} {
		l.edit(tt.file, tt.old, tt.new)
		l.b.Changed = []string{tt.file}
		if few := (&job{b: l.b, shop: l.b.workshop()}).walk() != nil; few != tt.few {
			t.Errorf("%s: few directories are walked: %t", tt.file, few)
		}
		some := l.build("some-" + filepath.Base(tt.file))
		l.b.Changed = nil
		if all := l.build("all-" + filepath.Base(tt.file)); all.Compiled != 0 || all.Hash != some.Hash {
			t.Errorf("%s: walking all compiles %d objects more, the same kernel: %t", tt.file, all.Compiled, all.Hash == some.Hash)
		}
	}
}
