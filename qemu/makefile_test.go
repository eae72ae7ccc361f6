package qemu

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// reader reads the files of a map.
func reader(files map[string]string) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		if text, ok := files[name]; ok {
			return []byte(text), nil
		}
		return nil, fs.ErrNotExist
	}
}

// make is the oracle: what it says a variable holds, readMakefile says too.
func TestMakefileIsReadAsMakeReadsIt(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip(err)
	}
	text := `# a comment
obj-$(CONFIG_A)	+= a.o b/ \
	c.o
obj-$(CONFIG_N) += n.o
x-objs := $(addprefix sub/, one.o two.o)
late = $(x-objs:.o=.c)
x-objs += three.o
ifeq ($(CONFIG_A),y)
  obj-y += yes.o
  ifneq ($(CONFIG_N),)
    obj-y += wrong.o
  else ifdef CONFIG_S
    obj-y += elseif.o
  else
    obj-y += wrong2.o
  endif
else
  obj-y += wrong3.o
endif
ifeq "$(CONFIG_M)" 'm'
obj-m += quoted.o
endif
define template
obj-y += $(1)
endef
%.x: %.y ; echo = := no
	obj-y += recipe.o
	endif
export EXPORTED
	obj-y += not-a-recipe.o
export OUT := $(filter-out a%,$(obj-y)) # tail
obj-$(subst m,y,$(CONFIG_M)) += subst.o
if-list := $(if $(CONFIG_N),no,$(if $(filter y m,$(CONFIG_M)),yes))
pat := $(patsubst %.o,lib-%.o,a.o b.c) $(sort z a z) $(strip  a   b ) $(or ,,c) $(and a,,c) $(foreach v,1 2,<$(v)>)
cond ?= first
cond ?= second
esc := a\#b $$x
nested = $($(CONFIG_S))
named := good
target.o: obj-y := bad
include more.mk
-include missing.mk
`
	files := map[string]string{"more.mk": "obj-y += more.o\n"}
	config := map[string]string{"CONFIG_A": "y", "CONFIG_M": "m", "CONFIG_S": "named"}
	m := readMakefile(text, config, reader(files))
	dir := t.TempDir()
	write(t, filepath.Join(dir, "more.mk"), files["more.mk"])
	names := []string{"obj-y", "obj-m", "obj-", "x-objs", "late", "OUT", "if-list", "pat", "cond", "nested", "EXPORTED"}
	ask := text + "\nall:\n"
	for _, n := range names {
		ask += "\t@echo '" + n + "=$(" + n + ")'\n"
	}
	write(t, filepath.Join(dir, "Makefile"), ask)
	args := []string{"-s", "-C", dir, "all"}
	for name, value := range config {
		args = append(args, name+"="+value)
	}
	out, err := exec.Command("make", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, n := range names {
		want := "?"
		for line := range strings.Lines(string(out)) {
			if v, ok := strings.CutPrefix(line, n+"="); ok {
				want = strings.Join(strings.Fields(v), " ")
			}
		}
		if got := strings.Join(m.words(n), " "); got != want {
			t.Errorf("%s: got %q, make says %q", n, got, want)
		}
	}
}

// A makefile that expands without end is cut, not followed.
func TestHostileMakefile(t *testing.T) {
	text := "a = $(a) $(a)\nb := $(a)\nx0 := 0123456789\n"
	for i := range 30 {
		text += "x" + string(rune('A'+i)) + " = $(x0)$(x0)\nx0 := $(x0)$(x0)$(x0)\n"
	}
	text += strings.Repeat("ifdef A\n", 5000) + strings.Repeat("obj-y += $(", 5000) + "\ninclude self\n"
	m := readMakefile(text, nil, func(string) ([]byte, error) { return []byte(text), nil })
	if got := len(m.expand("$(x0)", 0)); got > 4*maxExpansion {
		t.Errorf("%d bytes", got)
	}
}

var coverTree = map[string]string{
	"Makefile":               "core-y := init/\ndrivers-y := drivers/\nifdef CONFIG_MODULES\nx:\n\tendif\nendif\ninclude $(srctree)/arch/$(SRCARCH)/Makefile\ncore-y += fs/\n",
	"arch/x86/Makefile":      "head-y := arch/x86/kernel/head_$(BITS).o\ncore-y += arch/x86/\ndrivers-$(CONFIG_PCI) += arch/x86/pci/\n",
	"arch/x86/Kbuild":        "obj-y += vdso/\n",
	"arch/x86/vdso/Makefile": "vobjs-y := note.o\nobj-y += vma.o\n",
	"arch/x86/pci/Makefile":  "obj-y += i386.o\n",
	"arch/arm/Makefile":      "core-y += arch/arm/\n",
	"fs/Makefile":            "obj-y := open.o\nifeq ($(CONFIG_BLOCK),y)\nobj-y += buffer.o\nelse\nobj-y += no-block.o\nendif\nobj-$(CONFIG_GFS2_FS) += gfs2/\nobj-$(CONFIG_XFS) += xfs/\n",
	"fs/gfs2/Makefile":       "obj-$(CONFIG_GFS2_FS) += gfs2.o\ngfs2-y := file.o \\\n\tlops.o\ngfs2-$(CONFIG_DLMLOCK) += lock_dlm.o\n",
	"fs/xfs/Makefile":        "obj-$(CONFIG_XFS) += xfs.o\nxfs-y += $(addprefix libxfs/, alloc.o)\nxfs-$(CONFIG_QA) += q.o\nxfs-$(CONFIG_QB) += q.o\n",
	"Kconfig":                "source \"fs/Kconfig\"\n",
	"fs/Kconfig": "menu FS\n\tdepends on BLOCK\nconfig GFS2_FS\n\ttristate \"gfs2\"\nconfig DLMLOCK\n\tbool \"dlm\"\n\tdepends on GFS2_FS && NET && (DLM=y || DLM=GFS2_FS) && !TINY\n" +
		"config XFS\n\ttristate\nconfig XFS_ALL\n\tbool \"all\"\n\tselect XFS\nendmenu\n",
}

func coverTreeFiles() map[string]string {
	files := map[string]string{}
	for name, text := range coverTree {
		files[name] = text
	}
	for _, name := range []string{"fs/open.c", "fs/buffer.c", "fs/no-block.c", "fs/gfs2/file.c", "fs/gfs2/lops.c", "fs/gfs2/lock_dlm.c", "fs/gfs2/incore.h",
		"fs/gfs2/part.c", "fs/xfs/libxfs/alloc.c", "fs/xfs/q.c", "arch/x86/kernel/head_64.S", "arch/x86/pci/i386.c", "arch/x86/vdso/note.S", "arch/arm/head.S",
		"include/linux/used.h", "include/linux/unused.h", "Documentation/gfs2.rst", "MAINTAINERS", "tools/x.c"} {
		files[name] = "x\n"
	}
	return files
}

const coverConfig = "CONFIG_BLOCK=y\nCONFIG_GFS2_FS=y\nCONFIG_DLM=m\n"

func TestUses(t *testing.T) {
	dlm := Need{Option: "CONFIG_DLMLOCK", Depends: "BLOCK && GFS2_FS && NET && (DLM=y || DLM=GFS2_FS) && !TINY", Unmet: []string{"DLM=y || DLM=GFS2_FS", "NET"}}
	xfs := Need{Option: "CONFIG_XFS", Depends: "BLOCK", SelectedBy: []string{"XFS_ALL"}}
	for _, want := range []FileUse{
		{File: "fs/open.c", Use: UseCompiled, Expected: true},
		{File: "fs/buffer.c", Use: UseCompiled, Expected: true},
		{File: "fs/no-block.c", Use: UseNotCompiled, Expected: true, Needs: []Need{{Option: "CONFIG_BLOCK=n"}}},
		{File: "fs/gfs2/lops.c", Use: UseCompiled, Expected: true},
		{File: "fs/gfs2/lock_dlm.c", Use: UseNotCompiled, Expected: true, Needs: []Need{dlm}},
		{File: "fs/gfs2/part.c", Use: UseNotCompiled, Expected: true},
		{File: "fs/gfs2/incore.h", Use: UseHeader, Expected: true},
		{File: "fs/xfs/libxfs/alloc.c", Use: UseNotCompiled, Expected: true, Needs: []Need{xfs}},
		{File: "fs/xfs/q.c", Use: UseNotCompiled, Expected: true, Needs: []Need{{Option: "CONFIG_QA", Unknown: true}, xfs}},
		{File: "arch/x86/kernel/head_64.S", Use: UseCompiled, Expected: true},
		{File: "arch/x86/pci/i386.c", Use: UseNotCompiled, Expected: true, Needs: []Need{{Option: "CONFIG_PCI", Unknown: true}}},
		{File: "arch/x86/vdso/note.S", Use: UseCompiled, Expected: true},
		{File: "arch/arm/head.S", Use: UseNotCompiled, Expected: true},
		{File: "fs/gfs2/Makefile", Use: UseBuild}, {File: "fs/Kconfig", Use: UseBuild},
		{File: "Documentation/gfs2.rst", Use: UseNotCode}, {File: "MAINTAINERS", Use: UseNotCode}, {File: "tools/x.c", Use: UseNotCode},
		{File: "fs/gone.c", Use: UseRemoved},
	} {
		if got := Uses([]string{want.File}, coverConfig, reader(coverTreeFiles())); !reflect.DeepEqual(got[0], want) {
			t.Errorf("%s:\n got %+v\nwant %+v", want.File, got[0], want)
		}
	}
}

// What was compiled is the truth; what an earlier config left in the object tree is not.
func TestUsesAfterABuild(t *testing.T) {
	b := newBuilder(t, coverTreeFiles())
	src, obj := filepath.Join(b.Dir, "src"), filepath.Join(b.Dir, "obj")
	write(t, filepath.Join(obj, ".config"), coverConfig)
	compiled := func(object, source string, deps ...string) {
		text := "cmd_" + object + " := gcc\n\nsource_" + object + " := " + src + "/" + source + "\n\ndeps_" + object + " := \\\n"
		for _, d := range deps {
			text += "  " + src + "/" + d + " \\\n"
		}
		write(t, filepath.Join(obj, filepath.Dir(object), "."+filepath.Base(object)+".cmd"), text)
		write(t, filepath.Join(obj, object), "")
	}
	compiled("fs/open.o", "fs/open.c", "include/linux/used.h")
	compiled("fs/gfs2/file.o", "fs/gfs2/file.c", "include/linux/used.h", "fs/gfs2/part.c", "fs/gfs2/incore.h")
	compiled("fs/gfs2/lock_dlm.o", "fs/gfs2/lock_dlm.c", "fs/gfs2/incore.h") // left over
	compiled("arch/x86/vdso/note.o", "arch/x86/vdso/note.S")                 // in no archive
	archive := exec.Command("ar", "cDPrST", "built-in.a", "open.o", "gfs2/file.o")
	archive.Dir = filepath.Join(obj, "fs")
	if out, err := archive.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := map[string]int{"fs/open.c": 1, "fs/gfs2/file.c": 1, "fs/gfs2/part.c": 1, "fs/gfs2/incore.h": 1, "include/linux/used.h": 2,
		"include/linux/unused.h": 0, "fs/gfs2/lock_dlm.c": 0, "fs/gfs2/lops.c": 0, "arch/x86/vdso/note.S": 1}
	var files []string
	for f := range want {
		files = append(files, f)
	}
	uses, err := b.Uses(files, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range uses {
		if u.Objects != want[u.File] || u.Expected || strings.HasSuffix(u.File, ".c") && (u.Use == UseCompiled) != (u.Objects > 0) {
			t.Errorf("%+v, want %d objects", u, want[u.File])
		}
		if u.File == "fs/gfs2/lock_dlm.c" && (len(u.Needs) != 1 || u.Needs[0].Option != "CONFIG_DLMLOCK") {
			t.Errorf("%+v", u)
		}
	}
}

func TestConfiguredIsToldBeforeAnythingIsCompiled(t *testing.T) {
	b := newBuilder(t, nil)
	var told string
	b.Configured = func(dotConfig string) {
		if _, err := filepath.Glob(filepath.Join(b.Dir, "obj/a.o")); err == nil {
			told += dotConfig
		}
	}
	mustBuild(t, b, "a")
	if !strings.Contains(told, "CONFIG_A=y") {
		t.Errorf("told %q", told)
	}
}

func TestHintNamesWhatSelects(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "Kconfig"), "config A\n\tbool \"a\"\n\tselect HIDDEN\nconfig B\n\tbool \"b\"\n\tselect HIDDEN if A\nconfig HIDDEN\n\tbool\n")
	src, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	for dotConfig, tt := range map[string]struct {
		want option
		hint string
	}{
		"CONFIG_B=y\nCONFIG_HIDDEN=y\n": {option{"HIDDEN", "n"}, "it is selected; leave out B"},
		"# CONFIG_A is not set\n":       {option{"HIDDEN", "y"}, "no one can set it; ask for what selects it: A, B"},
	} {
		var conf *ConfigError
		if err := checkSurvived([]option{tt.want}, dotConfig, src); !errors.As(err, &conf) || conf.Hint() != tt.hint {
			t.Errorf("%s: got %v, hint %q", tt.want, err, conf.Hint())
		}
	}
}

func TestConfigureFindsWhatDoesNotSurvive(t *testing.T) {
	b := newBuilder(t, map[string]string{"Makefile": "allnoconfig:\n\techo '# CONFIG_A is not set' > $(KCONFIG_CONFIG)\n"})
	var conf *ConfigError
	if err := b.Configure(t.Context(), askA, filepath.Join(b.Dir, "log")); !errors.As(err, &conf) {
		t.Errorf("got %v", err)
	}
	b = newBuilder(t, nil)
	if err := b.Configure(t.Context(), askA, filepath.Join(b.Dir, "log")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(b.Dir, "obj/a.o")); err == nil {
		t.Error("it compiled")
	}
	mustBuild(t, b, "a")
}

func TestUnmet(t *testing.T) {
	config := map[string]string{"Y": "y", "M": "m", "N": "n", "S": `"x"`}
	for expr, want := range map[string][]string{
		"": nil, "Y": nil, "M && !N": nil, "N": {"N"}, "Y && N && UNKNOWN": {"N", "UNKNOWN"}, "N || Y": nil, "N || (U && Y)": {"N || U"},
		"!Y": {"!Y"}, "!(Y && M) && N": {"!( Y && M )", "N"}, "M=y": {"M=y"}, "M!=n": nil, "(": nil, "Y && && N": nil, "$(success,x y) || N": nil,
	} {
		if got := unmet(expr, config); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %q, want %q", expr, got, want)
		}
	}
	if got := unmet(strings.Repeat("(", 100000)+"N", config); got != nil {
		t.Errorf("got %q", got)
	}
}

func TestKconfigIsBounded(t *testing.T) {
	k := readKconfig(func(string) ([]byte, error) {
		return []byte("if A\nsource \"Kconfig\"\nsource \"Kconfig\"\nendif\nconfig X\n"), nil
	})
	if _, known := k.depends("X"); !known || k.files > 2*maxKconfigFiles*maxKconfigDepth {
		t.Errorf("%d files", k.files)
	}
	if k := readKconfig(func(string) ([]byte, error) { return nil, errors.New("no") }); len(k.defs) != 0 {
		t.Error("options from nothing")
	}
}
