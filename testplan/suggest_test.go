package testplan

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares got with testdata/suggest/name.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "suggest", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test -update writes it):\n%s", path, got)
	}
}

// What each case of the whole catalogue exercises, read from its reproducer's header.
func TestExercises(t *testing.T) {
	p, err := Load(catalogPlan)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, c := range p.Cases {
		if c.Filesystem != p.Filesystems[0].Name {
			continue
		}
		r, _ := reproducer(c.Reproducer)
		ex := exercises(r, c.Run.Argv[1:])
		if len(ex) == 0 && r.Name != "sanity" {
			t.Errorf("%s: its header says nothing that is known", c.Name)
		}
		fmt.Fprintf(&b, "%s: %v\n", strings.Join(c.Run.Argv, " "), ex)
	}
	golden(t, "exercises.txt", b.String())
}

// tree is a source tree in memory.
func tree(files map[string]string) func(string) ([]byte, error) {
	return func(path string) ([]byte, error) {
		if text, ok := files[path]; ok {
			return []byte(text), nil
		}
		return nil, fs.ErrNotExist
	}
}

var synthetic = map[string]string{
	"Makefile":           "core-y := fs/ mm/\ndrivers-y := drivers/\n",
	"Kconfig":            "source \"fs/gfs2/Kconfig\"\nconfig EXT4_FS\n\tbool \"ext4\"\nconfig DMA_TRICKS\n\tbool \"tricks\"\nconfig HIDDEN\n\tbool\nconfig SOMETHING\n\tbool \"x\"\n\tselect HIDDEN\n",
	"fs/Makefile":        "obj-$(CONFIG_GFS2_FS) += gfs2/\nobj-$(CONFIG_EXT4_FS) += ext4/\n",
	"fs/gfs2/Makefile":   "obj-$(CONFIG_GFS2_FS) += gfs2.o\ngfs2-y := file.o\ngfs2-$(CONFIG_GFS2_FS_LOCKING_DLM) += lock_dlm.o\n",
	"fs/gfs2/Kconfig":    "config GFS2_FS\n\ttristate \"GFS2\"\nconfig GFS2_FS_LOCKING_DLM\n\tbool \"DLM locking\"\n\tdepends on GFS2_FS && DLM\n",
	"fs/gfs2/file.c":     "",
	"fs/gfs2/lock_dlm.c": "",
	"mm/Makefile":        "obj-y := filemap.o\nobj-$(CONFIG_DMA_TRICKS) += tricks.o\nobj-$(CONFIG_HIDDEN) += hidden.o\n",
	"mm/filemap.c":       "",
	"mm/tricks.c":        "",
	"mm/hidden.c":        "",
	"fs/xattr.c":         "",
}

func TestSuggest(t *testing.T) {
	for name, touched := range map[string]Touched{
		"nothing": {},
		"gfs2": {Title: "gfs2: x\x1b[31m # y", Files: []string{"Documentation/a.rst", "fs/gfs2/file.c", "fs/gfs2/lock_dlm.c", "mm/hidden.c", "mm/tricks.c"}, Read: tree(synthetic),
			Costs: func(cells int) string { return fmt.Sprintf("About %d cells.", cells) }},
		"filemap":   {Title: "mm: filemap", Files: []string{"mm/filemap.c"}, Read: tree(synthetic)},
		"shmem":     {Title: "shmem", Files: []string{"mm/shmem.c"}},
		"xattr":     {Title: "xattr", Files: []string{"fs/ext4/xattr.c", "fs/xattr.c"}},
		"unrelated": {Title: "net: x", Files: []string{"net/a.c", "net/b.c", "net/c.c", "net/d.c", "net/e.c", "net/f.c"}},
		"hostile":   {Title: "a\nkernel: {config: /etc/passwd}", Files: []string{"fs/gfs2/\ncases: []", "fs/gfs2/../../x", "mm/\x1b[2J.c"}, Read: tree(nil)},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := Suggest(touched)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name+".yaml", text)
			p, err := parse("testplan.yaml", t.TempDir(), []byte(text))
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			if name != "shmem" && !slices.ContainsFunc(p.Cases, func(c Case) bool { return c.Reproducer == "sanity" }) || strings.Contains(text, "\x1b") {
				t.Errorf("got\n%s", text)
			}
			// What is commented out is right too, once it is not.
			two := regexp.MustCompile(`(?m)^kernel:\n(?:  .*\n)*`).ReplaceAllString(text, "")
			two = strings.NewReplacer("# kernels:", "kernels:", "#   - {", "  - {").Replace(two)
			p, err = parse("testplan.yaml", t.TempDir(), []byte(two))
			if err != nil || len(p.Kernels) != 1 || p.Kernels[0].Name != "debug" {
				t.Errorf("%v\n%s", err, two)
			}
		})
	}
}

func TestSuggestAsksForWhatIsMissing(t *testing.T) {
	text, err := Suggest(Touched{Title: "x", Files: []string{"fs/gfs2/lock_dlm.c", "mm/hidden.c", "mm/tricks.c"}, Read: tree(synthetic)})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"CONFIG_DMA_TRICKS=y", "# fs/gfs2/lock_dlm.c is not compiled: it needs CONFIG_GFS2_FS_LOCKING_DLM with DLM",
		"# mm/hidden.c is not compiled: it needs CONFIG_HIDDEN, which SOMETHING selects"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// The groups of fstests are those of the parts of a file system that are touched.
func TestSuggestGroups(t *testing.T) {
	for file, want := range map[string]string{
		"fs/gfs2/file.c": "groups: [mmap, rw, aio]}", "fs/gfs2/quota.c": "groups: [mmap, rw, aio, quota]}", "fs/ext4/xattr.c": "groups: [mmap, rw, aio, attr]}",
		"fs/xfs/xfs_log_recover.c": "groups: [mmap, rw, aio, log, shutdown, recoveryloop]}", "fs/btrfs/super.c": "groups: [mmap, rw, aio, mount, remount, freeze]}",
		"net/super.c": "groups: [mmap, rw, aio]}",
	} {
		text, err := Suggest(Touched{Title: "x", Files: []string{file}})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(text, want) {
			t.Errorf("%s: no %q in\n%s", file, want, text)
		}
	}
}

// A case is suggested for what its arguments have it do beside the transfer, with what its kernel needs.
func TestSuggestByArguments(t *testing.T) {
	text, err := Suggest(Touched{Title: "x", Files: []string{"mm/truncate.c"}})
	if err != nil {
		t.Fatal(err)
	}
	for want, there := range map[string]bool{
		"{reproducer: uffd-slow, args: [read, punch]}": true, "{reproducer: uffd-slow, args: [read, truncate]}": true, "userfaultfd]": true,
		"{reproducer: uffd-slow, args: [read]}": false, "{reproducer: uffd-slow, args: [write]}": false,
	} {
		if strings.Contains(text, want) != there {
			t.Errorf("%s: want %v in\n%s", want, there, text)
		}
	}
}

func TestPlanErrorsSayWhatWasMeant(t *testing.T) {
	const head = "filesystems: {ext4: {mkfs: mkfs.ext4 -q, size: 64M}}\n"
	for text, want := range map[string][2]string{
		"kernel: {fragments: [vm, ext5]}\n" + head + "cases: [{reproducer: sanity}]": {`:1:26: fragments: there is no fragment "ext5"`, "did you mean ext4?"},
		"kernel: {config: tinyconfg}\n" + head + "cases: [{reproducer: sanity}]":     {":1:18: config: ", "did you mean tinyconfig?"},
		head + "cases: [{reproducer: read-self, args: [privat]}]":                    {`:2:40: reproducer read-self has no argument "privat"`, "did you mean private?"},
		head + "cases: [{reproducer: cross, args: read wirte}]":                      {`:2:35: reproducer cross has no argument "wirte"`, "did you mean write?"},
		head + "cases: [{reproducer: sanity, args: [x]}]":                            {`:2:37: reproducer sanity takes no arguments`, ""},
		head + "cases: [{reproducer: read-self, expect: fial EFAULT}]":               {`unknown outcome "fial"`, "did you mean fail? Like: fail EFAULT"},
		head + "cases: [{reproducer: read-self, expect: pass EFAULT}]":               {"a pass has no signature", "want an outcome and words of its signature, like: fail EFAULT"},
	} {
		_, err := parse("x.yaml", t.TempDir(), []byte(text))
		var pe *PlanError
		if !errors.As(err, &pe) {
			t.Errorf("%s\ngot %v", text, err)
			continue
		}
		if !strings.Contains(err.Error(), want[0]) || pe.Hint() != want[1] {
			t.Errorf("%s\ngot %v, hint %q", text, err, pe.Hint())
		}
	}
	_, err := Load("mmap-deadlok")
	if pe := (*PlanError)(nil); !errors.As(err, &pe) || pe.Hint() != "did you mean mmap-deadlock?" {
		t.Errorf("got %v", err)
	}
}
