package qemu

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seriesctl/seriesctl/internal/xec"
)

// benchVM is what the benchmarks need to boot SERIESCTL_KERNEL, everything that is made once made.
func benchVM(b *testing.B) (kernel string, m Machine, dir string) {
	b.Helper()
	if kernel = os.Getenv("SERIESCTL_KERNEL"); kernel == "" {
		b.Skip("SERIESCTL_KERNEL is not the path of a vmlinux")
	}
	dir = b.TempDir()
	source, err := os.ReadFile("testdata/exit.c")
	if err != nil {
		b.Fatal(err)
	}
	prog, err := CompileStatic(b.Context(), "exit", map[string]string{"exit.c": string(source)}, dir)
	if err != nil {
		b.Fatal(err)
	}
	m = Machine{Filesystems: []Filesystem{ext4}, Programs: map[string]string{"exit": prog}}
	if _, err := xec.Find("mkfs.gfs2"); err == nil {
		m.Filesystems = append(m.Filesystems, Filesystem{Name: "gfs2", Type: "gfs2", Size: 64 << 20,
			Mkfs: []string{"mkfs.gfs2", "-O", "-q", "-p", "lock_nolock", "-j", "1", "-J", "8", "-o", "format=1801"}})
	}
	benchStart(b, kernel, m, dir).Close()
	return kernel, m, dir
}

func benchStart(b *testing.B, kernel string, m Machine, dir string) *VM {
	b.Helper()
	v, err := Start(b.Context(), kernel, m, filepath.Join(dir, "vm"), dir)
	if err != nil {
		b.Fatal(err)
	}
	return v
}

func runExit(b *testing.B, v *VM, fs, dir string) Observation {
	b.Helper()
	o, err := v.Run(b.Context(), Case{Argv: []string{"exit"}, Filesystem: fs, Timeout: time.Minute}, filepath.Join(dir, "log"))
	if err != nil {
		b.Fatal(err)
	}
	return o
}

// BenchmarkImageToFirstCase is the time from an image to the first case's start: boot, snapshot, start.
func BenchmarkImageToFirstCase(b *testing.B) {
	kernel, m, dir := benchVM(b)
	agent, err := buildAgent(b.Context(), dir)
	if err != nil {
		b.Fatal(err)
	}
	fi, err := os.Stat(agent)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		v := benchStart(b, kernel, m, dir)
		b.StopTimer()
		runExit(b, v, "", dir)
		b.ReportMetric(v.guest.booted.Seconds(), "boot-s")
		b.ReportMetric(v.guest.saved.Seconds(), "save-s")
		_ = v.Close()
		b.StartTimer()
	}
	b.ReportMetric(float64(fi.Size()), "agent-bytes")
}

// BenchmarkBetweenCases is what a run takes beside its case, in the median: unmounting, what the console says, stop,
// restore. Without a file system nothing is unmounted.
func BenchmarkBetweenCases(b *testing.B) {
	kernel, m, dir := benchVM(b)
	v := benchStart(b, kernel, m, dir)
	defer v.Close()
	for _, fs := range append([]Filesystem{{}}, m.Filesystems...) {
		b.Run("on="+fs.Name, func(b *testing.B) {
			if o := runExit(b, v, fs.Name, dir); o.Mount != "" {
				b.Skipf("mount: %s", o.Mount)
			}
			var gaps []time.Duration
			for b.Loop() {
				begin := time.Now()
				o := runExit(b, v, fs.Name, dir)
				gaps = append(gaps, time.Since(begin)-o.Duration)
			}
			slices.Sort(gaps)
			b.ReportMetric(gaps[len(gaps)/2].Seconds(), "median-s")
		})
	}
}

// BenchmarkShell is the time from an image to a shell's prompt and out again.
func BenchmarkShell(b *testing.B) {
	kernel, m, dir := benchVM(b)
	for b.Loop() {
		out := newScreen()
		s := &Shell{Kernel: kernel, Machine: m, Dir: filepath.Join(dir, "shell"), Disks: dir, Stdin: strings.NewReader("exit 3\n"), Stdout: out, Stderr: out, Note: func(string) {}}
		if status, err := s.Run(b.Context()); err != nil || status != 3 {
			b.Fatal(status, err)
		}
	}
}
