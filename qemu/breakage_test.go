package qemu

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
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
#include "pvh.S"
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
	kernel, err := assemble(t.Context(), "odd", source, loadAt, t.TempDir())
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
	before := surroundings(t)
	t.Cleanup(func() { before.check(t) }) // when all have ended
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
			skipIfStarved(t, err)
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

// A guest that has too little memory to come up is the lab's trouble.
func TestBootOutOfMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("boots machines")
	}
	why := "Kernel panic - not syncing: System is deadlocked on memory"
	log, err := start(t, oddKernel(t, "[    0.100000] "+why+"\r\n[    0.100000] ---[ end "+why+" ]---\r\n", false, ""), Machine{MemoryMB: 64})
	var infra *InfraError
	if !errors.As(err, &infra) || !strings.Contains(err.Error(), "ran out of memory") || infra.Hint == "" || !strings.Contains(log, why) {
		t.Fatalf("got %v\n%s", err, log)
	}
}

// A guest that shows nothing since the host gives it no processor is the lab's failure, not its kernel's.
func TestBootOnBusyHost(t *testing.T) {
	bootKernel(t) // it starves whatever else runs: only where machines are tested by themselves
	if _, err := exec.LookPath("chrt"); err != nil {
		t.Skip(err)
	}
	kernel := oddKernel(t, "", false, "2: jmp 2b")
	wrapQEMU(t, `(sleep 2; chrt -a --idle -p 0 $$) & exec "$QEMU" "$@"`)
	for range 2 * runtime.NumCPU() {
		hog := exec.CommandContext(t.Context(), "sh", "-c", "while :; do :; done")
		if err := hog.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = hog.Wait() })
	}
	_, err := start(t, kernel, Machine{MemoryMB: 64})
	var infra *InfraError
	if !errors.As(err, &infra) || !strings.Contains(err.Error(), "the host was too busy") {
		t.Fatalf("got %v", err)
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
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=28m"); err != nil { // the kernel fits, the memory of the guest does not
		t.Skipf("a small file system needs root: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	before := surroundings(t)
	_, err := Start(t.Context(), kernel, Machine{}, filepath.Join(dir, "vm"), t.TempDir())
	var infra *InfraError
	if !errors.As(err, &infra) || infra.Hint == "" || !strings.Contains(err.Error(), "snapshot") {
		t.Fatalf("got %v", err)
	}
	t.Log(err)
	before.check(t)
}

// A host's disk that gets full while a case writes is the lab's failure, and with room again the same machine runs cases.
func TestRunHostDiskFull(t *testing.T) {
	kernel := bootKernel(t)
	dir, cache := t.TempDir(), t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=150m"); err != nil {
		t.Skipf("a small file system needs root: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	m := testMachine(t, cache)
	before := surroundings(t)
	v, err := Start(t.Context(), kernel, m, filepath.Join(dir, "vm"), cache)
	if err != nil {
		t.Fatal(err)
	}
	fill, log := filepath.Join(dir, "fill"), filepath.Join(cache, "log")
	_ = xec.Cmd{Name: "dd", Args: []string{"if=/dev/zero", "of=" + fill, "bs=64k"}}.Run(t.Context()) // until there is no room
	start := time.Now()
	o, err := v.Run(t.Context(), Case{Argv: []string{"fill", "32"}, Filesystem: "ext4", Timeout: 30 * time.Second}, log)
	var infra *InfraError
	if !errors.As(err, &infra) || infra.Hint == "" || !errors.Is(err, syscall.ENOSPC) || !reflect.DeepEqual(o, Observation{}) {
		t.Errorf("got %+v %v", o, err)
	}
	t.Logf("%v; hint %q; after %.1f s", err, infra.Hint, time.Since(start).Seconds())
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	if o, err := v.Run(t.Context(), Case{Argv: []string{"fill", "32"}, Filesystem: "ext4", Timeout: 30 * time.Second}, log); err != nil || !o.Exited || o.Status != 0 {
		t.Errorf("with room again: %+v %v", o, err)
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
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

// A host whose QEMU may not use io_uring has its threads instead.
func TestRunWithoutURing(t *testing.T) {
	wrapQEMU(t, `for a; do case $a in *io_uring*) echo 'Unable to use io_uring: failed to init linux io_uring ring' >&2; exit 1;; esac; done; exec "$QEMU" "$@"`)
	noURing.Store(false)
	t.Cleanup(func() { noURing.Store(false) })
	v, log := startVM(t)
	o, err := v.Run(t.Context(), Case{Argv: []string{"exit"}, Filesystem: "ext4", Timeout: time.Minute}, log)
	if err != nil || !o.Exited || o.Status != 0 || !noURing.Load() {
		t.Fatalf("got %+v %v, without %v", o, err, noURing.Load())
	}
}

// An agent that is killed is the lab's trouble, whoever did it; so is one that gives up itself.
func TestRunAgentKilled(t *testing.T) {
	v, log := startVM(t)
	start := time.Now()
	o, err := v.Run(t.Context(), Case{Argv: []string{"kill1"}, Timeout: 30 * time.Second}, log)
	t.Logf("%v after %.1f s", err, time.Since(start).Seconds())
	var infra *InfraError
	if !errors.As(err, &infra) || !strings.Contains(err.Error(), "the agent in the guest ended by SIGSEGV") || !reflect.DeepEqual(o, Observation{}) {
		t.Fatalf("got %+v %v", o, err)
	}
	if o, err = v.Run(t.Context(), Case{Argv: []string{"exit"}, Timeout: 30 * time.Second}, log); err != nil || !o.Exited {
		t.Fatalf("the next case: %+v %v", o, err)
	}
}

func TestAgentDied(t *testing.T) {
	panicked := "[ 1.0] Kernel panic - not syncing: Attempted to kill init! exitcode=0x"
	for console, want := range map[string]string{
		panicked + "0000000b\n":                            "by SIGSEGV",
		panicked + "00000100\n":                            "with status 1",
		"[ 1.0][    T1] " + panicked[7:] + "00000009\n":    "by SIGKILL",
		"[ 1.0] kernel BUG at fs/x.c:1!\n" + panicked:      "",
		"[ 1.0] Kernel panic - not syncing: No init found": "",
		"nothing": "",
	} {
		if got := agentDied(FirstCrash([]byte(console))); got != want {
			t.Errorf("%q: got %q, want %q", console, got, want)
		}
	}
}

// A case that fills its file system is a case like any other: the lab goes on, the next starts with an empty one, and the host's
// file that takes what it wrote does not grow from run to run.
func TestRunGuestDiskFull(t *testing.T) {
	v, log := startVM(t)
	overlay := filepath.Join(v.dir, "disk0.qcow2")
	var first int64
	for i := range 6 {
		start := time.Now()
		argv := [][]string{{"fill", "32"}, {"exit"}}[i%2]
		o, err := v.Run(t.Context(), Case{Argv: argv, Filesystem: "ext4", Timeout: 60 * time.Second}, log)
		if err != nil || !o.Exited || o.Status != 0 || o.Output != "written\n" || o.Unmount != "" || o.Crash != nil || o.Hang != nil {
			t.Fatalf("run %d, %v: %+v %v", i, argv, o, err)
		}
		fi, err := os.Stat(overlay)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%v: %.1f s, the host's file has %d KiB", argv, time.Since(start).Seconds(), fi.Size()>>10)
		if i == 0 {
			first = fi.Size()
		}
		if fi.Size() > first+first/8 {
			t.Errorf("it grows: %d bytes, then %d", first, fi.Size())
		}
	}
}

// A guest whose memory is gone is the lab's trouble, whether the kernel kills the case for it or gives up.
func TestRunOutOfMemory(t *testing.T) {
	v, log := startVM(t)
	for _, how := range []string{"user", "kernel"} {
		start := time.Now()
		o, err := v.Run(t.Context(), Case{Argv: []string{"oom", how}, Timeout: 2 * time.Minute}, log)
		t.Logf("oom %s: %.1f s, %v, %+v", how, time.Since(start).Seconds(), err, summary(o))
		var infra *InfraError
		if !errors.As(err, &infra) || !strings.Contains(err.Error(), "ran out of memory") || !strings.Contains(infra.Hint, "memory") || !reflect.DeepEqual(o, Observation{}) {
			t.Errorf("oom %s: got %+v %v", how, o, err)
		}
		if o, err = v.Run(t.Context(), Case{Argv: []string{"exit"}, Filesystem: "ext4", Timeout: 30 * time.Second}, log); err != nil || !o.Exited || o.Status != 0 {
			t.Errorf("the next case: %+v %v", o, err)
		}
	}
}

func TestOutOfMemory(t *testing.T) {
	const (
		killed = "[ 4.1][  T31] Out of memory: Killed process 31 (oom) total-vm:99k\n"
		of419  = "[    4.1] Out of memory: Kill process 31 (oom) score 900 or sacrifice child\n"
		cgroup = "[ 4.1][  T31] Memory cgroup out of memory: Killed process 31 (oom) total-vm:99k\n"
	)
	panics := func(why string) *Crash { return FirstCrash([]byte("[ 1.0] Kernel panic - not syncing: " + why + "\n")) }
	for name, tt := range map[string]struct {
		o       Observation
		console string
		want    bool
	}{
		"killed":              {Observation{Exited: true, Signal: 9}, killed, true},
		"killed, 4.19":        {Observation{Exited: true, Signal: 9}, of419, true},
		"its child killed":    {Observation{Exited: true, Status: 137}, killed, true},
		"no time left":        {Observation{TimedOut: true}, killed, true},
		"another was killed":  {Observation{Exited: true}, killed, false},
		"by its own cgroup":   {Observation{Exited: true, Signal: 9}, cgroup, false},
		"killed by somebody":  {Observation{Exited: true, Signal: 9}, "", false},
		"panic":               {Observation{Crash: panics("System is deadlocked on memory")}, "", true},
		"panic on oom":        {Observation{Crash: panics("Out of memory: compulsory panic_on_oom is enabled")}, "", true},
		"another panic after": {Observation{Crash: panics("stack-protector: Kernel stack is corrupted in: f+0x1/0x2")}, killed, false},
		"a hang":              {Observation{Hang: &Hang{}, TimedOut: true}, killed, false},
	} {
		if got := outOfMemory(tt.o, func() []byte { return []byte(tt.console) }); got != tt.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// summary is an observation without its long texts.
func summary(o Observation) string {
	crash := ""
	if o.Crash != nil {
		crash = o.Crash.Title
	}
	return fmt.Sprintf("exited %v status %d signal %d timed out %v silent %v hang %v crash %q", o.Exited, o.Status, o.Signal, o.TimedOut, o.Silent, o.Hang != nil, crash)
}

// heapInUse is this process's heap after a collection, in bytes.
func heapInUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A case that floods the console ends as it would without that, and an incident in the flood is found. The emulated serial port is
// the bottleneck, so a gigabyte goes through the reader in TestConsoleTakesAGigabyte.
func TestRunConsoleFlood(t *testing.T) {
	v, log := startVM(t)
	before := heapInUse()
	for _, tt := range []struct {
		argv    []string
		timeout time.Duration
		ok      func(Observation) bool
	}{
		{[]string{"kmsg", "1"}, 2 * time.Minute, func(o Observation) bool {
			return o.Exited && o.Status == 0 && o.Crash == nil && o.Output == "written\n"
		}},
		{[]string{"kmsg", "1", "bug"}, 2 * time.Minute, func(o Observation) bool { return o.Crash != nil && strings.HasPrefix(o.Crash.Title, "kernel BUG") }},
		{[]string{"kmsg", "1024"}, 10 * time.Second, func(o Observation) bool { return o.TimedOut && o.Crash == nil }},
		{[]string{"exit"}, 10 * time.Second, func(o Observation) bool { return o.Exited && o.Status == 0 }},
	} {
		start := time.Now()
		o, err := v.Run(t.Context(), Case{Argv: tt.argv, Timeout: tt.timeout}, log)
		if err != nil {
			t.Fatalf("%v: %v", tt.argv, err)
		}
		printed := v.guest.console.Load().printed()
		t.Logf("%v: %.1f s, %d KiB/s on the console; %s", tt.argv, time.Since(start).Seconds(), int(float64(printed>>10)/o.Duration.Seconds()), summary(o))
		if o.Hang != nil || o.Silent || !tt.ok(o) {
			t.Errorf("%v: got %s", tt.argv, summary(o))
		}
		if fi, err := os.Stat(log); err != nil || fi.Size() > 1200<<10 {
			t.Errorf("%v: the log has %d bytes, %v", tt.argv, fi.Size(), err)
		}
	}
	if grown := heapInUse() - before; grown > 16<<20 {
		t.Errorf("the heap grew by %d KiB", grown>>10)
	}
}

// A gigabyte through the socket that QEMU's serial port is connected to, into the log of a run.
func TestConsoleTakesAGigabyte(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	ours, qemus := socketPair(t)
	c := newConsole()
	before := heapInUse()
	s := newStream(ours, func(b []byte) { _, _ = c.Write(b) })
	const size, mark = 1 << 30, "[   77.000000] kernel BUG at fs/flood.c:7!\n"
	block := []byte(strings.Repeat("[    1.234567] "+strings.Repeat("y", 70)+"\r\n", 1000))
	start, sent := time.Now(), 0
	for sent < size {
		n, err := qemus.Write(block)
		if err != nil {
			t.Fatal(err)
		}
		if sent < size/2 && sent+n >= size/2 {
			_, _ = qemus.Write([]byte(mark))
		}
		sent += n
	}
	s.flush()
	took := time.Since(start)
	if got := c.printed(); got != sent+len(mark) {
		t.Errorf("sent %d, printed %d", sent, got)
	}
	path := filepath.Join(t.TempDir(), "log")
	if err := c.save(path); err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(path)
	if err != nil || fi.Size() > 1200<<10 {
		t.Errorf("the log has %d bytes, %v", fi.Size(), err)
	}
	if crash := c.crash(); crash == nil || !strings.HasPrefix(crash.Title, "kernel BUG") {
		t.Errorf("the incident in the middle is lost: %+v", crash)
	}
	if grown := heapInUse() - before; grown > 8<<20 {
		t.Errorf("the heap grew by %d KiB", grown>>10)
	}
	t.Logf("%d MiB in %.1f s", sent>>20, took.Seconds())
	_ = qemus.Close()
	s.close()
}
