package qemu

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seriesctl/seriesctl/internal/xec"
)

// smallSystem is one with a shell and a directory.
func smallSystem(dir string) SystemFiles {
	return SystemFiles{
		Programs: strings.Fields("bash sh cat no-such-program"),
		Texts:    map[string]string{"/usr/bin/case": "#!/bin/bash\necho result: pass\n", "/etc/passwd": "root:x:0:0::/:/bin/sh\n"},
		Dir:      dir, At: "/suite",
		Keep: func(rel string, _ fs.DirEntry) bool { return filepath.Ext(rel) != ".o" },
		Own:  func(rel string) bool { return strings.HasPrefix(rel, "tests/") },
	}
}

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// inImage asks debugfs about an image.
func inImage(t *testing.T, image, command string) string {
	t.Helper()
	debugfs, err := xec.Find("debugfs")
	if err != nil {
		t.Skip(err)
	}
	out, err := xec.Cmd{Name: debugfs, Args: []string{"-R", command, image}}.Output(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestMakeSystem(t *testing.T) {
	dir, disks := t.TempDir(), t.TempDir()
	writeFiles(t, dir, map[string]string{"common/rc": "one", "tests/001": "test", "src/x.o": "object"})
	if err := os.Symlink("001", filepath.Join(dir, "tests", "002")); err != nil {
		t.Fatal(err)
	}
	make := func() *System {
		t.Helper()
		s, err := MakeSystem(t.Context(), smallSystem(dir), disks)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := make()
	if got := inImage(t, first.Image, "cat /suite/common/rc"); got != "one" {
		t.Errorf("common/rc: %q", got)
	}
	if got := inImage(t, first.Image, "cat /usr/bin/case"); !strings.Contains(got, "result: pass") {
		t.Errorf("case: %q", got)
	}
	if got := inImage(t, first.Image, "ls /suite/src"); strings.Contains(got, "x.o") {
		t.Errorf("what is not kept is there: %s", got)
	}
	if got := inImage(t, first.Image, "stat /suite/tests/002"); !strings.Contains(got, "symlink") {
		t.Errorf("tests/002: %s", got)
	}
	if got := inImage(t, first.Image, "ls -p /"); !strings.Contains(got, "/tmp/") || !strings.Contains(got, "/proc/") {
		t.Errorf("nothing to mount on: %s", got)
	}
	if again := make(); *again != *first {
		t.Errorf("got %+v, then %+v", first, again)
	}
	writeFiles(t, dir, map[string]string{"tests/001": "edited"})
	test := make()
	if test.Image == first.Image || test.Key != first.Key {
		t.Errorf("a test was edited: %+v, before %+v; want another image with the same key", test, first)
	}
	if _, err := os.Stat(first.Image); err == nil {
		t.Error("the image before is still there")
	}
	writeFiles(t, dir, map[string]string{"common/rc": "two"})
	if common := make(); common.Key == first.Key {
		t.Error("a common file was edited, and the key is the same")
	}
	left, err := filepath.Glob(filepath.Join(disks, "*"))
	if err != nil || len(left) != 2 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestMakeSystemNeeds(t *testing.T) {
	files := smallSystem(t.TempDir())
	files.Needed = []string{"sh", "mkfs.nowhere"}
	_, err := MakeSystem(t.Context(), files, t.TempDir())
	var infra *InfraError
	if !errors.As(err, &infra) || err.Error() != "find mkfs.nowhere: not installed, and suite needs it in the guest" || infra.Hint == "" {
		t.Errorf("got %v", err)
	}
}

func TestSystemHostFile(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{"real/program": "x"})
	for name, target := range map[string]string{"link": "real", "real/abs": filepath.Join(dir, "real", "program"), "loop": "loop"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	tree := &hostTree{entries: map[string]entry{}}
	if err := tree.host(dir + "/link/abs"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]entry{
		dir + "/link": {link: "real"}, dir + "/real/abs": {link: dir + "/real/program"}, dir + "/real/program": {source: dir + "/real/program", mode: 0o755, size: 1},
	} {
		if got := tree.entries[name]; got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
	if err := tree.host(dir + "/loop/x"); err == nil || !strings.Contains(err.Error(), "too many links") {
		t.Errorf("got %v", err)
	}
	if err := tree.host(dir + "/real"); err != nil {
		t.Errorf("a directory: %v", err)
	}
}

// TestSystemCase runs cases in a system on a real kernel.
func TestSystemCase(t *testing.T) {
	kernel := bootKernel(t)
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{"file": "here\n"})
	files := smallSystem(dir)
	files.Programs = strings.Fields("bash cat ls mount umount blockdev readlink mkfs.ext4 touch chmod grep")
	files.Texts["/usr/bin/case"] = `#!/bin/bash
cat /suite/file
echo "disk $DISK scratch $SCRATCH type $FSTYPE options $OPTIONS args $*"
touch /suite/x 2>/dev/null && echo "the system can be written"
touch /tmp/x /var/x /run/x || exit 1
mkdir() { :; }
mount -t "$FSTYPE" -o "$OPTIONS" "$DISK" /mnt && grep -o "^$DISK /mnt $FSTYPE [^ ]*" /proc/mounts
[ -n "$SCRATCH" ] && blockdev --getsize64 "$SCRATCH" "$DISK"
touch /mnt/first 2>/dev/null && ls /mnt
umount /mnt
`
	s, err := MakeSystem(t.Context(), files, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m := Machine{System: s, Programs: map[string]string{}, Filesystems: []Filesystem{
		{Name: "ext4", Type: "ext4", Mkfs: []string{"mkfs.ext4", "-q", "-F"}, Size: 64 << 20, Options: "noatime", Scratch: true}}}
	vm, err := Start(t.Context(), kernel, m, t.TempDir(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer vm.Close()
	c := Case{Argv: []string{"/usr/bin/case", "a b"}, Filesystem: "ext4", System: true, Scratch: true}
	for range 2 { // the second sees nothing of the first
		o, err := vm.Run(t.Context(), c, filepath.Join(t.TempDir(), "console"))
		if err != nil {
			t.Fatal(err)
		}
		want := "here\ndisk /dev/vda scratch /dev/vdb type ext4 options noatime args a b\n/dev/vda /mnt ext4 rw,noatime\n67108864\n67108864\nfirst\nlost+found\n"
		if !o.Exited || o.Status != 0 || o.Output != want {
			t.Fatalf("got %+v\nwant output %q", o, want)
		}
	}
	c.Scratch = false
	o, err := vm.Run(t.Context(), c, filepath.Join(t.TempDir(), "console"))
	if err != nil || !strings.Contains(o.Output, "scratch  type") {
		t.Errorf("got %v, %+v", err, o)
	}
	c.Argv = []string{"/usr/bin/none"}
	if _, err := vm.Run(t.Context(), c, filepath.Join(t.TempDir(), "console")); err == nil || !strings.Contains(err.Error(), "ENOENT") {
		t.Errorf("got %v", err)
	}
}
