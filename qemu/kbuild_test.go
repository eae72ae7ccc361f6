package qemu

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// smallTree is a source tree with the targets of a kernel's that Build uses, and one C file.
var smallTree = map[string]string{
	"Makefile": `S := $(CURDIR)
all:
allnoconfig:
	cp $(KCONFIG_ALLCONFIG) $(KCONFIG_CONFIG)
	echo configured >> $(O)/configured
defconfig:
	echo CONFIG_D=y > $(KCONFIG_CONFIG)
olddefconfig:
	test -s $(KCONFIG_CONFIG)
vmlinux: $(O)/a.o $(O)/include/config/auto.conf.cmd
	cd $(O) && ld --build-id -Ttext=0x1000000 -o vmlinux a.o
$(O)/a.o: $(S)/fs/a.c
	@echo "  CC      fs/a.o"
	cd $(O) && $(CC) -g -ffreestanding -fmacro-prefix-map=$(S)/= -c $(S)/fs/a.c -o a.o
	$(EXTRA)
$(O)/include/config/auto.conf.cmd: $(S)/Kconfig
	mkdir -p $(O)/include/config
	printf 'deps_config := \\\n\tKconfig\n\nx\n' > $@
include $(wildcard $(S)/extra.mk)
`,
	"Kconfig":                    "config A\n\tbool\n",
	"fs/a.c":                     "const char *where(void) { return __FILE__; }\nint _start(void) { return 1; }\n",
	"kernel/configs/tiny.config": "CONFIG_TINY=y\n",
}

func newBuilder(t *testing.T, files map[string]string) *Builder {
	t.Helper()
	if testing.Short() {
		t.Skip("starts compilers")
	}
	if err := checkBuildTools(false); err != nil {
		t.Skip(err)
	}
	root := t.TempDir()
	b := &Builder{Dir: filepath.Join(root, "worker"), Images: filepath.Join(root, "images"), Jobs: 2}
	for name, text := range smallTree {
		write(t, filepath.Join(b.Dir, "src", name), text)
	}
	for name, text := range files {
		write(t, filepath.Join(b.Dir, "src", name), text)
	}
	return b
}

func sandboxed(t *testing.T, b *Builder) *Builder {
	t.Helper()
	if err := exec.Command("bwrap", "--unshare-net", "--unshare-pid", "--ro-bind", "/", "/", "--proc", "/proc", "true").Run(); err != nil {
		t.Skipf("bubblewrap does not work here: %v", err)
	}
	b.Sandbox = true
	return b
}

var askA = Config{Options: []string{"CONFIG_A=y"}}

func mustBuild(t *testing.T, b *Builder, key string) *Image {
	t.Helper()
	img, err := b.Build(t.Context(), key, askA, filepath.Join(b.Dir, "log"))
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(b.Dir, "log"))
		t.Fatalf("%v\n%s", err, log)
	}
	return img
}

func TestBuild(t *testing.T) {
	for _, sandbox := range []bool{false, true} {
		b := newBuilder(t, nil)
		if sandbox {
			b = sandboxed(t, b)
		}
		var steps []string
		b.Progress = func(p Progress) { steps = append(steps, p.Step+" "+p.File) }
		first := mustBuild(t, b, "first")
		if first.Compiled != 1 || first.Seconds <= 0 {
			t.Errorf("compiled %d in %g s", first.Compiled, first.Seconds)
		}
		if got := strings.Join(steps, ","); got != "configuring ,compiling ,compiling fs/a.o" {
			t.Errorf("progress: %s", got)
		}
		if again, err := b.Image("first"); err != nil || again.Hash != first.Hash || again.Kernel != first.Kernel {
			t.Errorf("stored image: %+v, %v", again, err)
		}
		fa := filepath.Join(b.Dir, "src/fs/a.c")
		write(t, fa, "/* only a comment */\n"+smallTree["fs/a.c"])
		if got := mustBuild(t, b, "comment"); got.Hash != first.Hash || got.Compiled != 1 {
			t.Errorf("a comment gives another image")
		}
		write(t, fa, strings.Replace(smallTree["fs/a.c"], "return 1", "return 2", 1))
		if mustBuild(t, b, "code").Hash == first.Hash {
			t.Error("other code gives the same image")
		}
		if got := readFile(t, filepath.Join(b.Dir, "obj/configured")); got != "configured\n" {
			t.Errorf("configured %d times for one config", strings.Count(got, "\n"))
		}
		write(t, filepath.Join(b.Dir, "src/Kconfig"), "config A\n\tbool\n\nconfig B\n\tbool\n")
		mustBuild(t, b, "kconfig")
		if got := readFile(t, filepath.Join(b.Dir, "obj/configured")); got != "configured\nconfigured\n" {
			t.Error("a changed Kconfig file is not read")
		}
		other := newBuilder(t, nil)
		other.Sandbox = sandbox
		if mustBuild(t, other, "first").Hash != first.Hash {
			t.Error("another workspace gives another image")
		}
	}
}

func TestBases(t *testing.T) {
	b := newBuilder(t, nil)
	file := filepath.Join(t.TempDir(), "my.config")
	write(t, file, "CONFIG_MINE=y\n")
	for base, want := range map[string]string{"": "CONFIG_TINY=y", "defconfig": "CONFIG_D=y", file: "CONFIG_MINE=y"} {
		img, err := b.Build(t.Context(), "k", Config{Base: base, Options: askA.Options}, filepath.Join(b.Dir, "log"))
		if err != nil {
			t.Fatal(err)
		}
		got := readFile(t, filepath.Join(filepath.Dir(img.Kernel), "config"))
		if !strings.Contains(got, want+"\n") || !strings.Contains(got, "CONFIG_A=y\n") || strings.Count(got, "=y") != 2 {
			t.Errorf("base %q: .config is\n%s", base, got)
		}
	}
}

func TestBuildErrors(t *testing.T) {
	b := newBuilder(t, map[string]string{"fs/a.c": "int _start(void) { return nope; }\n"})
	_, err := b.Build(t.Context(), "k", askA, filepath.Join(b.Dir, "log"))
	var tree *BuildError
	if !errors.As(err, &tree) || !strings.Contains(err.Error(), "build kernel: fs/a.c:1:") || tree.Log == "" {
		t.Fatalf("got %v", err)
	}
	if _, err := b.Image("k"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an image of a failed build: %v", err)
	}
	write(t, filepath.Join(b.Dir, "src/fs/a.c"), smallTree["fs/a.c"])
	mustBuild(t, b, "k")

	_, err = b.Build(t.Context(), "k2", Config{Options: []string{"CONFIG_A=y", "junk"}}, filepath.Join(b.Dir, "log"))
	if err == nil || errors.As(err, new(*InfraError)) || errors.As(err, &tree) {
		t.Errorf("a bad option: %v", err)
	}
}

func TestDroppedOption(t *testing.T) {
	b := newBuilder(t, map[string]string{
		"Makefile": "allnoconfig:\n\techo '# CONFIG_A is not set' > $(KCONFIG_CONFIG)\n",
		"Kconfig":  "config A\n\tbool\n\tdepends on B\n",
	})
	_, err := b.Build(t.Context(), "k", askA, filepath.Join(b.Dir, "log"))
	var conf *ConfigError
	if !errors.As(err, &conf) || conf.Option != "CONFIG_A=y" || conf.Got != "not set" || conf.Needs != "B" || !slices.Equal(conf.Unmet, []string{"B"}) {
		t.Errorf("got %v", err)
	}
}

// compilerGets is a recipe in which the compiler proper, while it compiles, gets a signal.
func compilerGets(signal string) string {
	return "cd $(O) && rm -f in && mkfifo in && { gcc -c -x c - -o b.o < in & }; gcc=$$!; exec 3> in; " +
		"until read cc1 < /proc/$$gcc/task/$$gcc/children || test -n \"$$cc1\"; do sleep 0.1; done; kill -" + signal + " $$cc1; exec 3>&-; wait $$gcc"
}

// A build that goes wrong for the host's sake is not the tree's failure.
func TestHostFailure(t *testing.T) {
	for name, tt := range map[string]struct{ recipe, want string }{
		"disk full":       {"echo 'ld: final link failed: No space left on device'; false", "No space left"},
		"compiler killed": {compilerGets("KILL"), "Killed"},
		"compiler ended":  {compilerGets("TERM"), "Terminated"},
		"compiler died":   {compilerGets("SEGV"), "Segmentation fault"},
		"no flex":         {"PATH=/nonexistent flex x.l", "the host has no flex"},
		"no compiler":     {`echo "scripts/Kconfig.include:39: compiler 'gcc-99' not found"; false`, "the host has no gcc-99"},
		"no python":       {"PATH=/nonexistent /usr/bin/env python3", "the host has no python3"},
		"no assembler":    {"PATH=/nonexistent $(shell command -v gcc) -c $(S)/fs/a.c -o $(O)/b.o", "the host has no as"},
		"no linker":       {"PATH=/nonexistent $(shell command -v gcc) $(O)/a.o -o $(O)/b", "the host has no ld"},
		"half a compiler": {"cp -L $(shell command -v gcc) $(O)/gcc2; $(O)/gcc2 -c $(S)/fs/a.c -o $(O)/b.o", "the host has no cc1"},
		"full device":     {"cat /proc/version > /dev/full", "No space left"},
		"make killed":     {"kill -9 $$PPID", "signal: killed"},
	} {
		for _, sandbox := range []bool{false, true} {
			b := newBuilder(t, map[string]string{"extra.mk": "EXTRA = " + tt.recipe + "\n"})
			if sandbox {
				b = sandboxed(t, b)
			}
			_, err := b.Build(t.Context(), "k", askA, filepath.Join(b.Dir, "log"))
			var infra *InfraError
			if !errors.As(err, &infra) || infra.Hint == "" || !strings.Contains(err.Error(), tt.want) && name != "make killed" {
				t.Errorf("%s, sandbox %v: got %v\n%s", name, sandbox, err, readFile(t, filepath.Join(b.Dir, "log")))
			}
			t.Logf("%s: %v", name, err)
		}
	}
}

// What looks like it and is the tree's own doing: it wants a program that no kernel takes, writes where it must not, has an error
// with the words of a full disk.
func TestNoHostFailure(t *testing.T) {
	for name, recipe := range map[string]string{
		"unknown program":  "frobnicate-the-kernel",
		"writes the tree":  "touch $(S)/new",
		"writes elsewhere": "echo x > /usr/seriesctl-test",
		"says so":          "echo '#error \"x: No space left on device\"' | gcc -c -x c - -o $(O)/b.o",
	} {
		b := sandboxed(t, newBuilder(t, map[string]string{"extra.mk": "EXTRA = " + recipe + "\n"}))
		_, err := b.Build(t.Context(), "k", askA, filepath.Join(b.Dir, "log"))
		if !errors.As(err, new(*BuildError)) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// A workspace that has become read-only is the host's.
func TestReadOnlyWorkspace(t *testing.T) {
	b := newBuilder(t, map[string]string{"extra.mk": "EXTRA = mount --bind $(dir $(O)) $(dir $(O)) && mount -o remount,bind,ro $(dir $(O)); false\n"})
	dir, log := t.TempDir(), filepath.Join(t.TempDir(), "log")
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=64m"); err != nil {
		t.Skipf("a file system of its own needs root: %v", err)
	}
	t.Cleanup(func() { _ = errors.Join(unix.Unmount(dir, unix.MNT_DETACH), unix.Unmount(dir, unix.MNT_DETACH)) })
	if err := os.CopyFS(dir, os.DirFS(b.Dir)); err != nil {
		t.Fatal(err)
	}
	b.Dir = dir
	_, err := b.Build(t.Context(), "k", askA, log)
	var infra *InfraError
	if !errors.As(err, &infra) || !errors.Is(err, syscall.EROFS) {
		t.Fatalf("got %v\n%s", err, readFile(t, log))
	}
}

// A config that comes out wrong on a full disk is not the plan's fault.
func TestFullDisk(t *testing.T) {
	b := newBuilder(t, map[string]string{
		"Makefile": "allnoconfig:\n\techo '# CONFIG_A is not set' > $(KCONFIG_CONFIG)\n\thead -c 8M /dev/zero > fill || true\n",
		"Kconfig":  "config A\n\tbool\n",
	})
	dir, log := t.TempDir(), filepath.Join(t.TempDir(), "log")
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("a small file system needs root: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	if err := os.CopyFS(dir, os.DirFS(b.Dir)); err != nil {
		t.Fatal(err)
	}
	b.Dir = dir
	_, err := b.Build(t.Context(), "k", askA, log)
	var infra *InfraError
	if !errors.As(err, &infra) || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("got %v", err)
	}
}

func TestNoTools(t *testing.T) {
	b := newBuilder(t, nil)
	t.Setenv("PATH", t.TempDir())
	_, err := b.Build(t.Context(), "k", askA, filepath.Join(b.Dir, "log"))
	var infra *InfraError
	if !errors.As(err, &infra) || !strings.Contains(err.Error(), "gcc") || infra.Hint == "" {
		t.Errorf("no compiler: %v", err)
	}
	if _, err := Toolchain(t.Context()); !errors.As(err, &infra) {
		t.Errorf("no compiler: %v", err)
	}
	b.Sandbox = true
	_, err = b.Build(t.Context(), "k", askA, filepath.Join(b.Dir, "log"))
	if !errors.As(err, &infra) || !strings.Contains(infra.Hint, "bubblewrap") || !strings.Contains(infra.Hint, "--no-sandbox") {
		t.Errorf("no bubblewrap: %v", err)
	}
}

// Where ccache is not installed the sandbox must not name it: a build with CC="ccache gcc" would not find its compiler.
func TestNoCompilerCache(t *testing.T) {
	for _, sandbox := range []bool{false, true} {
		if _, _, cache := (workshop{src: "s", obj: "o", sandbox: sandbox}).seen(); cache != "" {
			t.Errorf("sandbox %v: without a cache the build sees one in %s", sandbox, cache)
		}
		if _, _, cache := (workshop{src: "s", obj: "o", cache: "c", sandbox: sandbox}).seen(); cache == "" {
			t.Errorf("sandbox %v: the build does not see the cache", sandbox)
		}
	}
}

// A makefile from a patch must not reach what is not its own.
func TestSandboxHolds(t *testing.T) {
	b := sandboxed(t, newBuilder(t, nil))
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret")
	write(t, secret, "secret")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	t.Setenv("SERIESCTL_TEST_TOKEN", "token")
	attempts := map[string]string{
		"write elsewhere":  "echo x > " + outside + "/new",
		"read elsewhere":   "cat " + secret,
		"read home":        "ls /root/. /home/.",
		"write the system": "touch /usr/seriesctl-test",
		"write the source": "touch $(S)/new",
		"connect":          `bash -c 'exec 3<>/dev/tcp/127.0.0.1/` + port + `'`,
		"signal the host":  "kill -0 " + strconv.Itoa(os.Getpid()),
		"read passwords":   "cat /etc/shadow",
		"read environment": `test -n "$$SERIESCTL_TEST_TOKEN"`,
	}
	var mk strings.Builder
	mk.WriteString("define EXTRA\n")
	for name, cmd := range attempts {
		mk.WriteString("\t-@if " + cmd + " >/dev/null 2>&1; then echo 'SUCCEEDED: " + name + "'; fi\n")
	}
	mk.WriteString("\t@echo all tried\nendef\n")
	write(t, filepath.Join(b.Dir, "src/extra.mk"), mk.String())
	mustBuild(t, b, "k")
	log := readFile(t, filepath.Join(b.Dir, "log"))
	if !strings.Contains(log, "all tried") || strings.Contains(log, "SUCCEEDED") {
		t.Errorf("the sandbox lets through:\n%s", log)
	}
	if _, err := os.Stat(filepath.Join(outside, "new")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a file outside was written")
	}
}

// A link in the object tree must not lead the host out of it.
func TestPlantedLinks(t *testing.T) {
	b := newBuilder(t, nil)
	victim := filepath.Join(t.TempDir(), "victim")
	write(t, victim, "precious")
	mustBuild(t, b, "first")
	for _, name := range []string{".config.asked", ".config", "vmlinux"} {
		path := filepath.Join(b.Dir, "obj", name)
		_ = os.Remove(path)
		if err := os.Symlink(victim, path); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(b.Dir, "src/Kconfig"), "# "+name)
		if name == "vmlinux" {
			write(t, filepath.Join(b.Dir, "src/extra.mk"), "vmlinux: ; mkdir -p $(O)/include/config\n")
		}
		if _, err := b.Build(t.Context(), "k", askA, filepath.Join(b.Dir, "log")); (err == nil) != (name != "vmlinux") {
			t.Errorf("%s is a link: %v", name, err)
		}
		_ = os.Remove(path)
	}
	if got := readFile(t, victim); got != "precious" {
		t.Errorf("written through a link: %q", got)
	}
}

// What a build leaves where seriesctl reads and writes must neither hold it up nor fill its memory, and does no harm to the next build.
func TestPlantedFiles(t *testing.T) {
	for name, tt := range map[string]struct {
		recipe string
		fails  bool // the build that does it
	}{
		"config is a pipe":            {"rm -f $(O)/.config; mkfifo $(O)/.config", true},
		"config is a link":            {"ln -sf $(S)/../../secret $(O)/.config", true},
		"config is endless":           {"truncate -s 100G $(O)/.config", true},
		"config is a directory":       {"rm -f $(O)/.config; mkdir -p $(O)/.config/x", true},
		"what is asked for is a pipe": {"rm -f $(O)/.config.asked; mkfifo $(O)/.config.asked", false},
		"notes are endless":           {"printf 'x\\n' > $(O)/.a.o.cmd; truncate -s 100G $(O)/.a.o.cmd", false},
		"list of Kconfig is endless":  {"truncate -s 100G $(O)/include/config/auto.conf.cmd", false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBuilder(t, nil)
			mustBuild(t, b, "first")
			write(t, filepath.Join(b.Dir, "src/fs/a.c"), smallTree["fs/a.c"]+"int bad;\n")
			write(t, filepath.Join(b.Dir, "src/extra.mk"), "EXTRA = "+tt.recipe+"\n")
			_, err := b.Build(t.Context(), "bad", askA, filepath.Join(b.Dir, "log"))
			if isTree := errors.As(err, new(*BuildError)); isTree != tt.fails || !isTree && err != nil {
				t.Errorf("got %v", err)
			}
			if _, err := b.Uses([]string{"fs/a.c"}, err == nil); err != nil && !tt.fails {
				t.Error(err)
			}
			write(t, filepath.Join(b.Dir, "src/fs/a.c"), smallTree["fs/a.c"]+"int good;\n")
			write(t, filepath.Join(b.Dir, "src/extra.mk"), "")
			write(t, filepath.Join(b.Dir, "src/Kconfig"), "# "+name)
			mustBuild(t, b, "next")
		})
	}
}

// A kernel with debug information keeps it: places in the source are read from it, and gdb is given it.
func TestDebugInfoIsKept(t *testing.T) {
	b := newBuilder(t, nil)
	img := mustBuild(t, b, "k")
	s, err := readSymbols(img.Kernel)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range s.funcs {
		if f.Name != "_start" {
			continue
		}
		c := &Crash{Report: fmt.Sprintf("[ 1.0] RIP: 0010:_start+0x0/%#x\n", f.Size)}
		c.symbolise(img.Kernel)
		if !strings.HasSuffix(c.Report, "fs/a.c:2\n") {
			t.Errorf("got %s", c.Report)
		}
		return
	}
	t.Errorf("no _start in %+v", s)
}

func TestImageIsWholeOrAbsent(t *testing.T) {
	b := newBuilder(t, nil)
	img := mustBuild(t, b, "k")
	fi, err := os.Stat(img.Kernel)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(img.Kernel, fi.Size()-1); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Image("k"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a truncated kernel: %v", err)
	}
	mustBuild(t, b, "k")
	write(t, filepath.Join(b.Images, "k/image.json"), `{"key":`)
	if _, err := b.Image("k"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a truncated description: %v", err)
	}
	for _, key := range []string{"", "../x", "a/b", ".hidden"} {
		if _, err := b.Image(key); err == nil {
			t.Errorf("key %q is accepted", key)
		}
	}
}

func TestCancel(t *testing.T) {
	b := newBuilder(t, map[string]string{"extra.mk": halfWritten})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		waitFor(filepath.Join(b.Dir, "obj/half"))
	}()
	start := time.Now()
	_, err := b.Build(ctx, "k", askA, filepath.Join(b.Dir, "log"))
	if !errors.Is(err, context.Canceled) || time.Since(start) > 30*time.Second {
		t.Errorf("after %s: %v", time.Since(start), err)
	}
}

// halfWritten makes a recipe leave half an object that make would take for a finished one.
const halfWritten = "EXTRA = truncate -s 100 $(O)/a.o; touch $(O)/half; sleep 100\n"

// waitFor waits until a file is there, a minute at most.
func waitFor(path string) bool {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return true
		}
	}
	return false
}

// TestKilled kills a whole build with signal 9 in the middle of an object and builds again.
func TestKilled(t *testing.T) {
	if dir := os.Getenv("SERIESCTL_TEST_BUILD"); dir != "" {
		b := &Builder{Dir: dir, Images: filepath.Join(dir, "../images"), Sandbox: os.Getenv("SERIESCTL_TEST_SANDBOX") == "1"}
		_, err := b.Build(context.Background(), "k", askA, filepath.Join(dir, "log"))
		t.Fatalf("not killed: %v", err)
	}
	for _, sandbox := range []bool{false, true} {
		b := newBuilder(t, map[string]string{"extra.mk": halfWritten})
		if sandbox {
			b = sandboxed(t, b)
		}
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), "SERIESCTL_TEST_BUILD="+b.Dir)
		if sandbox {
			cmd.Env = append(cmd.Env, "SERIESCTL_TEST_SANDBOX=1")
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if !waitFor(filepath.Join(b.Dir, "obj/half")) {
			t.Fatal("the build did not get to the object")
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if err := os.Remove(filepath.Join(b.Dir, "src/extra.mk")); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Image("k"); err == nil {
			t.Fatal("an image of a killed build")
		}
		got := mustBuild(t, b, "k")
		clean := newBuilder(t, nil)
		clean.Sandbox = sandbox
		if want := mustBuild(t, clean, "k"); got.Hash != want.Hash {
			t.Error("the image after a kill is not that of a clean build")
		}
	}
}

func TestRebootDropsObjects(t *testing.T) {
	b := newBuilder(t, nil)
	mustBuild(t, b, "k")
	write(t, filepath.Join(b.Dir, "obj/a.o"), "") // what a power failure leaves
	write(t, b.bootFile(), "another boot")
	if got := mustBuild(t, b, "k2"); got.Compiled != 1 {
		t.Errorf("compiled %d objects", got.Compiled)
	}
}

func TestOneBuildAtATime(t *testing.T) {
	b := newBuilder(t, nil)
	unlock, err := b.lock()
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Build(t.Context(), "k", askA, filepath.Join(b.Dir, "log"))
	var infra *InfraError
	if !errors.As(err, &infra) || !strings.Contains(err.Error(), "in use") {
		t.Errorf("got %v", err)
	}
	unlock()
	mustBuild(t, b, "k")
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
