package qemu

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seriesctl/seriesctl/internal/xec"
)

// bootKernel is the vmlinux that tests boot: SERIESCTL_KERNEL.
func bootKernel(t *testing.T) string {
	t.Helper()
	kernel := os.Getenv("SERIESCTL_KERNEL")
	if kernel == "" {
		t.Skip("SERIESCTL_KERNEL is not the path of a vmlinux")
	}
	for _, p := range []string{emulator, "mkfs.ext4", "gcc"} {
		if _, err := xec.Find(p); err != nil {
			t.Skipf("%s is not installed", p)
		}
	}
	return kernel
}

var ext4 = Filesystem{Name: "ext4", Type: "ext4", Size: 32 << 20, Mkfs: []string{"mkfs.ext4", "-q", "-F"}}

// testMachine has the programs of testdata and an ext4 disk.
func testMachine(t *testing.T, cache string) Machine {
	t.Helper()
	m := Machine{Filesystems: []Filesystem{ext4, {Name: "wrong", Type: "xyzfs", Size: 32 << 20, Mkfs: ext4.Mkfs}}, Programs: map[string]string{}}
	sources, err := filepath.Glob("testdata/*.c")
	if err != nil || len(sources) == 0 {
		t.Fatal("no testdata/*.c", err)
	}
	for _, s := range sources {
		b, err := os.ReadFile(s)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(s), ".c")
		m.Programs[name], err = CompileStatic(t.Context(), name, map[string]string{name + ".c": string(b)}, cache)
		if err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// startVM boots a machine; that nothing of it is left is checked when it is closed, at the test's end.
func startVM(t *testing.T) (*VM, string) {
	t.Helper()
	kernel := bootKernel(t)
	before := surroundings(t)
	t.Cleanup(func() { before.check(t) })
	// A directory whose sockets have longer paths than a socket address can hold.
	base := filepath.Join(t.TempDir(), strings.Repeat("a-long-directory-name/", 6))
	cache := filepath.Join(base, "cache")
	v, err := Start(t.Context(), kernel, testMachine(t, cache), filepath.Join(base, "vm"), cache)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Logf("boot %v, save %v", v.guest.booted, v.guest.saved)
	return v, filepath.Join(base, "console")
}

// hostIsIdle says whether times mean anything: not more processes than CPUs have run in the last minute.
func hostIsIdle() bool {
	load, err := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(load), " ")
	n, perr := strconv.ParseFloat(first, 64)
	return err == nil && perr == nil && n <= float64(runtime.NumCPU())+1
}

// skipIfStarved ends a test that wants a case to run into its time, where the machine had no CPU for that.
func skipIfStarved(t *testing.T, err error) {
	t.Helper()
	if err != nil && strings.Contains(err.Error(), "the host was too busy") && !hostIsIdle() {
		t.Skip(err)
	}
}

func TestRunObserves(t *testing.T) {
	v, log := startVM(t)
	pid := v.guest.process.PID()
	functions := func(h *Hang) string {
		var all []string
		for _, s := range h.Tasks {
			all = append(all, s.State+" "+s.Comm+" "+strings.Join(s.Frames, " "))
		}
		return strings.Join(all, "\n")
	}
	exits := func(status int) func(*testing.T, Observation) {
		return func(t *testing.T, o Observation) {
			if !o.Exited || o.Status != status || o.Output != "written\n" || o.Crash != nil || o.Hang != nil || o.Unmount != "" {
				t.Fatalf("got %+v", o)
			}
		}
	}
	tests := []struct {
		name    string
		argv    []string
		fs      string
		timeout time.Duration
		check   func(*testing.T, Observation)
	}{
		{"pass", []string{"exit"}, "ext4", 0, exits(0)},
		{"fail", []string{"exit", "3"}, "ext4", 0, exits(3)},
		{"no file system", []string{"exit", "4"}, "", 0, exits(4)},
		{"unknown file system type", []string{"exit"}, "wrong", 0, func(t *testing.T, o Observation) {
			if o.Mount != "ENODEV" || o.Exited {
				t.Fatalf("got %+v", o)
			}
		}},
		{"signal", []string{"fault"}, "", 0, func(t *testing.T, o Observation) {
			if !o.Exited || o.Signal != int(syscall.SIGSEGV) {
				t.Fatalf("got %+v", o)
			}
		}},
		{"panic", []string{"sysrq", "c"}, "ext4", 0, func(t *testing.T, o Observation) {
			if o.Exited || o.Crash == nil || !o.Crash.Fatal || o.Output != "before\n" {
				t.Fatalf("got %+v", o)
			}
		}},
		{"pass after a panic", []string{"exit"}, "ext4", 0, exits(0)},
		{"deadlock", []string{"frozen", "wait"}, "ext4", 0, func(t *testing.T, o Observation) {
			if o.Hang == nil || o.Hang.Livelock || len(o.Hang.Tasks) < 2 || o.TimedOut || o.Crash != nil {
				t.Fatalf("got %+v", o)
			}
			if f := functions(o.Hang); !strings.Contains(f, "D frozen ") || !strings.Contains(f, "wait4") {
				t.Fatalf("got stacks\n%s", f)
			}
			if b, _ := os.ReadFile(o.Console); !strings.Contains(string(b), "Blocked State") {
				t.Fatalf("no blocked tasks on the console:\n%s", b)
			}
		}},
		{"blocked for a while only", []string{"frozen", "thaw", "4000"}, "ext4", 0, func(t *testing.T, o Observation) {
			if !o.Exited || o.Status != 0 || o.Hang != nil {
				t.Fatalf("got %+v", o)
			}
		}},
		{"one blocked, one looking", []string{"frozen", "poll"}, "ext4", 5 * time.Second, func(t *testing.T, o Observation) {
			if o.Hang == nil || o.TimedOut || o.Hang.Livelock {
				t.Fatalf("got %+v", o)
			}
		}},
		{"one blocked, one asleep", []string{"frozen", "sleep"}, "ext4", 7 * time.Second, func(t *testing.T, o Observation) {
			if o.Hang == nil || o.TimedOut || o.Hang.Seconds < 4 {
				t.Fatalf("got %+v", o)
			}
		}},
		{"blocked when unmounting", []string{"frozen", "leave"}, "ext4", 0, func(t *testing.T, o Observation) {
			if !o.Exited || o.Hang == nil || !strings.Contains(functions(o.Hang), "D frozen ") {
				t.Fatalf("got %+v", o)
			}
		}},
		{"does not unmount", []string{"busy", "mount"}, "ext4", 0, func(t *testing.T, o Observation) {
			if !o.Exited || o.Status != 0 || o.Unmount != "EBUSY" || o.Hang != nil {
				t.Fatalf("got %+v", o)
			}
		}},
		{"leaves a process behind", []string{"busy", "child"}, "ext4", 0, func(t *testing.T, o Observation) {
			if !o.Exited || o.Status != 0 || o.Unmount != "" || o.Hang != nil {
				t.Fatalf("got %+v", o)
			}
		}},
		{"livelock", []string{"spin", "kernel"}, "", 0, func(t *testing.T, o Observation) {
			if o.Hang == nil || !o.Hang.Livelock || !strings.Contains(functions(o.Hang), "populate") || o.Duration > 10*time.Second && hostIsIdle() {
				t.Fatalf("got %+v", o)
			}
		}},
		{"busy with system calls", []string{"spin", "calls"}, "", 8 * time.Second, func(t *testing.T, o Observation) {
			if !o.TimedOut || o.Hang != nil {
				t.Fatalf("got %+v", o)
			}
		}},
		{"busy", []string{"spin", "user"}, "", 8 * time.Second, func(t *testing.T, o Observation) {
			if !o.TimedOut || o.Hang != nil {
				t.Fatalf("got %+v", o)
			}
		}},
		{"asleep", []string{"spin", "sleep"}, "", 4 * time.Second, func(t *testing.T, o Observation) {
			if !o.TimedOut || o.Hang != nil {
				t.Fatalf("got %+v", o)
			}
		}},
		{"flood", []string{"flood", "400000"}, "", 0, func(t *testing.T, o Observation) {
			if !o.Exited || len(o.Output) > 64<<10 || !strings.HasPrefix(o.Output, "head\n") || !strings.HasSuffix(o.Output, "\ntail\n") ||
				!strings.Contains(o.Output, "bytes cut") {
				t.Fatalf("got %d bytes, %+v", len(o.Output), o)
			}
		}},
		{"agent starved", []string{"hog"}, "", 0, func(t *testing.T, o Observation) {
			if !o.Silent || o.Hang == nil || len(o.Hang.Tasks) != 2 || o.Crash != nil {
				t.Fatalf("got %+v", o)
			}
		}},
		{"fills the disk", []string{"fill", "32"}, "ext4", 0, exits(0)},
		{"pass after a full disk", []string{"exit"}, "ext4", 0, exits(0)},
		{"pass at last", []string{"exit"}, "ext4", 0, exits(0)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.timeout == 0 {
				tt.timeout = 30 * time.Second
			}
			start := time.Now()
			o, err := v.Run(t.Context(), Case{Argv: tt.argv, Filesystem: tt.fs, Timeout: tt.timeout}, log)
			skipIfStarved(t, err)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("run %v, case %v", time.Since(start), o.Duration)
			tt.check(t, o)
		})
	}
	if v.guest.process.PID() != pid && hostIsIdle() {
		t.Error("the machine had to boot again")
	}
}

// A machine that resets itself cannot be restored; the next run boots it again and is none the worse.
func TestRunAfterReset(t *testing.T) {
	v, log := startVM(t)
	o, err := v.Run(t.Context(), Case{Argv: []string{"sysrq", "b"}, Timeout: 30 * time.Second}, log)
	if err != nil || o.Crash == nil || !o.Crash.Fatal {
		t.Fatalf("got %+v %v", o, err)
	}
	o, err = v.Run(t.Context(), Case{Argv: []string{"exit"}, Timeout: 30 * time.Second}, log)
	if err != nil || !o.Exited || o.Status != 0 {
		t.Fatalf("got %+v %v", o, err)
	}
}

// A device that QEMU cannot save: each run has a boot of its own, from a fresh state all the same.
func TestRunWithoutSnapshots(t *testing.T) {
	kernel := bootKernel(t)
	base := t.TempDir()
	raw := filepath.Join(base, "raw.img")
	if err := errors.Join(os.WriteFile(raw, nil, 0o600), os.Truncate(raw, 1<<20)); err != nil {
		t.Fatal(err)
	}
	m := testMachine(t, base)
	v := &VM{kernel: kernel, machine: m.withDefaults(), dir: filepath.Join(base, "vm"), disks: base,
		extras: extras{args: []string{"-drive", "if=none,id=raw,format=raw,file=" + raw}}}
	if err := v.boot(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	if !strings.Contains(v.NoSnapshot(), "snapshot") {
		t.Fatalf("got %q", v.NoSnapshot())
	}
	seen := map[int]bool{}
	for range 2 {
		o, err := v.Run(t.Context(), Case{Argv: []string{"exit"}, Filesystem: "ext4", Timeout: time.Minute}, filepath.Join(base, "log"))
		if err != nil || !o.Exited || o.Status != 0 {
			t.Fatalf("got %+v %v", o, err)
		}
		seen[v.guest.process.PID()] = true
	}
	if len(seen) != 2 {
		t.Fatalf("%d boots for two runs", len(seen))
	}
}

func TestRunRestoresCleanly(t *testing.T) {
	v, log := startVM(t)
	var took []time.Duration
	for range 20 {
		start := time.Now()
		o, err := v.Run(t.Context(), Case{Argv: []string{"exit"}, Filesystem: "ext4", Timeout: 30 * time.Second}, log)
		if err != nil || !o.Exited || o.Status != 0 {
			t.Fatalf("got %+v %v", o, err)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	cpu, _ := cpuTime(v.guest.process.PID())
	t.Logf("a run takes %v in the median, %v at most; qemu used %v in all", took[10], took[19], cpu)
}

// QEMU killed from outside is the lab's trouble: the case runs again on a fresh boot, and nothing is said about the patch.
func TestRunSurvivesQEMU(t *testing.T) {
	v, log := startVM(t)
	pid := v.guest.process.PID()
	go func() {
		time.Sleep(time.Second)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}()
	o, err := v.Run(t.Context(), Case{Argv: []string{"spin", "sleep"}, Timeout: 3 * time.Second}, log)
	skipIfStarved(t, err)
	if err != nil || !o.TimedOut || o.Crash != nil {
		t.Fatalf("got %+v %v", o, err)
	}
}

// QEMU stopped from outside is the lab's trouble as well.
func TestRunSurvivesStoppedQEMU(t *testing.T) {
	v, log := startVM(t)
	pid := v.guest.process.PID()
	go func() {
		time.Sleep(time.Second)
		_ = syscall.Kill(pid, syscall.SIGSTOP)
	}()
	start := time.Now()
	o, err := v.Run(t.Context(), Case{Argv: []string{"spin", "sleep"}, Timeout: 3 * time.Second}, log)
	skipIfStarved(t, err)
	if err != nil || !o.TimedOut || o.Crash != nil || o.Silent {
		t.Fatalf("got %+v %v", o, err)
	}
	t.Logf("took %v", time.Since(start))
}

// throttle makes the first disk of v slow: requests and bytes a second, 0 for no limit, after burst requests.
func throttle(t *testing.T, v *VM, iops, burst, bps int) {
	t.Helper()
	args := map[string]any{"device": "disk0", "bps": bps, "bps_rd": 0, "bps_wr": 0, "iops": iops, "iops_rd": 0, "iops_wr": 0}
	if burst > 0 {
		args["iops_max"] = burst
	}
	if _, err := v.guest.qmp.command(t.Context(), "block_set_io_throttle", args); err != nil {
		t.Fatal(err)
	}
}

// A disk that does one request a second blocks the case for seconds at a time; that is no deadlock.
func TestSlowDiskIsNoDeadlock(t *testing.T) {
	v, log := startVM(t)
	throttle(t, v, 1, 10, 0)
	o, err := v.Run(t.Context(), Case{Argv: []string{"dsync", "24"}, Filesystem: "ext4", Timeout: 2 * time.Minute}, log)
	if err != nil || !o.Exited || o.Status != 0 || o.Hang != nil {
		t.Fatalf("got %+v %v", o, err)
	}
	if o.Duration < 4*time.Second {
		t.Fatalf("the disk was not slow: %v", o.Duration)
	}
	t.Logf("took %v", o.Duration)
}

// Cases that are slow and move are no deadlock and no livelock: a few runs each, or SERIESCTL_SLOW_RUNS in all.
func TestSlowCasesAreNoHangs(t *testing.T) {
	v, log := startVM(t)
	runs := 5
	if s := os.Getenv("SERIESCTL_SLOW_RUNS"); s != "" {
		var err error
		if runs, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	cases := []struct {
		argv             []string
		iops, burst, bps int
	}{
		{[]string{"dsync", "8"}, 6, 10, 0},
		{[]string{"slow", "fsync"}, 0, 0, 256 << 10},
		{[]string{"frozen", "thaw", "3000"}, 0, 0, 0},
		{[]string{"slow", "refault", "800"}, 0, 0, 0},
		{[]string{"slow", "write", "80"}, 0, 0, 0},
	}
	var took []time.Duration
	starved := 0
	for i := range runs {
		c := cases[i%len(cases)]
		if v.guest == nil {
			v, log = startVM(t)
		}
		throttle(t, v, c.iops, c.burst, c.bps)
		o, err := v.Run(t.Context(), Case{Argv: c.argv, Filesystem: "ext4", Timeout: 5 * time.Minute}, log)
		var infra *InfraError
		if errors.As(err, &infra) && runs > len(cases) { // a host that is too busy is no alarm
			t.Logf("run %d: %v: %v", i, c.argv, err)
			starved++
			continue
		}
		if err != nil || !o.Exited || o.Status != 0 || o.Hang != nil || o.Crash != nil || o.TimedOut || o.Silent {
			t.Errorf("run %d: %v: got %+v %v", i, c.argv, o, err)
		}
		if i < len(cases) {
			t.Logf("%v: %v", c.argv, o.Duration)
		}
		took = append(took, o.Duration)
	}
	slices.Sort(took)
	t.Logf("%d runs, of which the lab failed %d, took from %v to %v, %v in the median", runs, starved, took[0], took[len(took)-1], took[len(took)/2])
}

func TestRunIsCancelled(t *testing.T) {
	v, log := startVM(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	start := time.Now()
	_, err := v.Run(ctx, Case{Argv: []string{"spin", "sleep"}, Timeout: time.Minute}, log)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 5*time.Second {
		t.Fatalf("got %v after %v", err, time.Since(start))
	}
	if v.guest != nil {
		t.Fatal("the interrupted guest is still there")
	}
}

func TestBootErrors(t *testing.T) {
	kernel := bootKernel(t)
	m := Machine{MemoryMB: 24} // too little to unpack anything
	dir := filepath.Join(t.TempDir(), "vm")
	_, err := Start(t.Context(), kernel, m, dir, t.TempDir())
	skipIfStarved(t, err)
	var boot *BootError
	if !errors.As(err, &boot) || boot.Log == "" {
		t.Fatalf("got %v, want a *BootError", err)
	}
	if _, err := os.Stat(boot.Log); err != nil {
		t.Fatal(err)
	}
	left, _ := filepath.Glob(dir + "/*.sock")
	if len(left) > 0 {
		t.Fatalf("left behind: %v", left)
	}
}

func TestNotAKernel(t *testing.T) {
	bootKernel(t)
	path := filepath.Join(t.TempDir(), "vmlinux")
	if err := os.WriteFile(path, []byte("not a kernel"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), path, Machine{}, filepath.Join(t.TempDir(), "vm"), t.TempDir())
	var infra *InfraError
	var boot *BootError
	if !errors.As(err, &infra) && !errors.As(err, &boot) {
		t.Fatalf("got %T %v", err, err)
	}
	t.Log(err)
}
