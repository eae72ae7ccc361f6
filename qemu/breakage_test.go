package qemu

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seriesctl/seriesctl/internal/xec"
)

// oddKernel assembles a kernel of a few instructions: it prints text on the first serial port, over and over when
// forever is set, and then does what the instructions in end say.
func oddKernel(t *testing.T, text string, forever bool, end string) string {
	t.Helper()
	for _, p := range []string{emulator, "gcc"} {
		if _, err := xec.Find(p); err != nil {
			t.Skipf("%s is not installed", p)
		}
	}
	var data strings.Builder
	for _, c := range []byte(text) {
		fmt.Fprintf(&data, "\t.byte %d\n", c)
	}
	again := ""
	if forever {
		again = "\tjmp start\n"
	}
	source := `
	.section .note.pvh, "a", @note
	.long 4, 4, 18
	.asciz "Xen"
	.long start
	.section .text
	.code32
	.globl start
start:	movl $message, %esi
	movl $(message_end - message), %ecx
	movl $0x3f8, %edx
	rep outsb
` + again + end + `
1:	cli
	hlt
	jmp 1b
message:
` + data.String() + `
message_end:
`
	kernel := filepath.Join(t.TempDir(), "odd")
	err := xec.Cmd{Name: "gcc", Args: []string{"-m32", "-nostdlib", "-static", "-Wl,-Ttext-segment=0x100000,--build-id=none,-e,start",
		"-x", "assembler", "-o", kernel, "-"}, Stdin: strings.NewReader(source)}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return kernel
}

// wrapQEMU puts a script in QEMU's place; $QEMU is the real one.
func wrapQEMU(t *testing.T, script string) {
	t.Helper()
	path, err := xec.Find(emulator)
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, emulator), []byte("#!/bin/sh\nQEMU="+path+"\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// start boots a kernel, checks that nothing is left when that fails, and returns how it did and boot.log.
func start(t *testing.T, kernel string, m Machine) (string, error) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "vm")
	begin := time.Now()
	v, err := Start(t.Context(), kernel, m, dir, filepath.Join(filepath.Dir(dir), "cache"))
	if err == nil {
		_ = v.Close()
		t.Fatal("it booted")
	}
	t.Logf("%v after %.1f s", err, time.Since(begin).Seconds())
	left, _ := filepath.Glob(dir + "/*")
	for _, name := range left {
		if filepath.Base(name) != "boot.log" {
			t.Errorf("left behind: %s", name)
		}
	}
	log, _ := os.ReadFile(filepath.Join(dir, "boot.log"))
	return string(log), err
}

// Kernels that go wrong before the agent: each is its image's failure to boot, with the reason, and its console is kept.
func TestOddKernels(t *testing.T) {
	if testing.Short() {
		t.Skip("boots machines")
	}
	panicked := "[    0.100000] Kernel panic - not syncing: odd\r\n[    0.100000] ---[ end Kernel panic - not syncing: odd ]---\r\n"
	for name, tt := range map[string]struct {
		text        string
		forever     bool
		end         string
		reason, log string
	}{
		"hangs before the console": {"", false, "", "nothing on the console in 30s", ""},
		"loops before the console": {"", false, "2: jmp 2b", "nothing on the console in 30s", ""},
		"reboots":                  {"hello\n", false, "lidt none\n ud2\n .balign 8\nnone: .quad 0", "the kernel reset the machine before the agent", "hello"},
		"panics":                   {panicked, false, "", "panic before the agent", "not syncing: odd"},
		"prints control bytes": {"\x1b]0;title\x07\x1b[2J\x00\xff\xfe\r\x08\x9b1m\n" + panicked, false, "", "panic before the agent",
			"not syncing: odd"},
		"floods the console": {strings.Repeat("x", 1000) + "\n", true, "", "the console is flooded", "xxx"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log, err := start(t, oddKernel(t, tt.text, tt.forever, tt.end), Machine{MemoryMB: 64})
			var boot *BootError
			if !errors.As(err, &boot) || !strings.HasPrefix(boot.Reason, tt.reason) {
				t.Fatalf("got %v, want %s", err, tt.reason)
			}
			if !strings.Contains(log, tt.log) || len(log) > 2<<20 {
				t.Errorf("boot.log has %d bytes: %.200q", len(log), log)
			}
		})
	}
}

// A QEMU that is not there, not usable, or dies is the lab's failure, with a hint where one helps.
func TestOddQEMU(t *testing.T) {
	for name, tt := range map[string]struct {
		script string
		accel  Accel
		want   string
		hint   string
	}{
		"too old":       {"echo \"$0: -accel tcg,thread=multi: invalid option\" >&2; exit 1", TCG, "invalid option", "6.0"},
		"dies at once":  {"kill -9 $$", TCG, "killed", ""},
		"dies soon":     {`"$QEMU" "$@" & sleep 1; kill -9 $!; kill -9 $$`, TCG, "killed", ""},
		"stopped":       {"kill -STOP $$", TCG, "SIGSTOP", ""},
		"kvm dead":      {"echo 'Could not access KVM kernel module: No such file or directory' >&2; exit 1", KVM, "KVM", "--accel"},
		"stopped later": {`(sleep 1; kill -STOP $$) & exec "$QEMU" "$@"`, TCG, "SIGSTOP", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() {
				t.Skip("boots machines")
			}
			kernel := oddKernel(t, "", false, "")
			wrapQEMU(t, tt.script)
			before := surroundings(t)
			_, err := start(t, kernel, Machine{MemoryMB: 64, Accel: tt.accel})
			var infra *InfraError
			if !errors.As(err, &infra) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(infra.Hint, tt.hint) {
				t.Fatalf("got %T %v, want %q; hint %q", err, err, tt.want, infra.Hint)
			}
			before.check(t)
		})
	}
	t.Run("missing", func(t *testing.T) {
		kernel := oddKernel(t, "", false, "")
		t.Setenv("PATH", t.TempDir())
		if _, err := xec.Find(emulator); err == nil {
			t.Skip("it is also in a system directory")
		}
		_, err := start(t, kernel, Machine{})
		var infra *InfraError
		if !errors.As(err, &infra) || infra.Hint == "" {
			t.Fatalf("got %v", err)
		}
	})
}

// Real kernels that do not come up: without init, with a panic at once.
func TestBootOddities(t *testing.T) {
	kernel := bootKernel(t)
	for name, tt := range map[string]struct {
		args string // more of the kernel's command line
		want string
	}{
		"no init":        {"rdinit=/nonexistent root=/dev/nonexistent", "panic before the agent"},
		"panics at once": {"rdinit=/mnt init=/mnt", "panic before the agent"},
	} {
		t.Run(name, func(t *testing.T) {
			wrapQEMU(t, `n=$#; for a; do [ "$last" = -append ] && a="$a `+tt.args+`"; last=$a; set -- "$@" "$a"; done; shift $n; exec "$QEMU" "$@"`)
			before := surroundings(t)
			log, err := start(t, kernel, Machine{})
			var boot *BootError
			if !errors.As(err, &boot) || !strings.HasPrefix(boot.Reason, tt.want) || !strings.Contains(log, "Kernel panic") {
				t.Fatalf("got %v\n%.1000s", err, log)
			}
			before.check(t)
		})
	}
}

// A disk that is full when the snapshot is to be written there is the lab's failure.
func TestBootFullDisk(t *testing.T) {
	kernel := bootKernel(t)
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=10m"); err != nil {
		t.Skipf("a small file system needs root: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	before := surroundings(t)
	_, err := Start(t.Context(), kernel, Machine{}, filepath.Join(dir, "vm"), t.TempDir())
	var infra *InfraError
	if !errors.As(err, &infra) || infra.Hint == "" {
		t.Fatalf("got %v", err)
	}
	t.Log(err)
	before.check(t)
}

// The accelerator that is gone when the machine has to boot again is the lab's failure.
func TestRunKVMGone(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "gone")
	wrapQEMU(t, `[ -e `+gone+` ] && { echo 'Could not access KVM kernel module: No such file or directory' >&2; exit 1; }; exec "$QEMU" "$@"`)
	v, log := startVM(t)
	if err := os.WriteFile(gone, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(v.guest.process.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	o, err := v.Run(t.Context(), Case{Argv: []string{"exit"}, Filesystem: "ext4", Timeout: 10 * time.Second}, log)
	var infra *InfraError
	if !errors.As(err, &infra) || !strings.Contains(err.Error(), "KVM") || o.Exited || o.Crash != nil {
		t.Fatalf("got %+v %v", o, err)
	}
}
