package lab

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/qemu"
	"github.com/seriesctl/seriesctl/series"
	"github.com/seriesctl/seriesctl/testplan"
)

// BenchmarkLoad draws a matrix of 10 prefixes and 30 cases, half of which hang, crash, fail and then pass, as the RFC's do:
// for the first time, again with nothing new, and again with one run more. Where SERIESCTL_WORKSPACE names a workspace it is
// that one's, which is only read.
func BenchmarkLoad(b *testing.B) {
	st, spec := benchWorkspace(b)
	must := func(r *Result, err error) {
		if err != nil || len(r.Cells) == 0 {
			b.Fatal(r, err)
		}
	}
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			must(Load(st, spec))
		}
	})
	b.Run("again", func(b *testing.B) {
		l := NewLoader(st, spec)
		must(l.Load())
		for b.Loop() {
			must(l.Load())
		}
	})
	b.Run("one-more", func(b *testing.B) {
		if os.Getenv("SERIESCTL_WORKSPACE") != "" {
			b.Skip("it would write")
		}
		l := NewLoader(st, spec)
		must(l.Load())
		for i := 0; b.Loop(); i++ {
			b.StopTimer()
			if _, err := st.PutRun(fmt.Sprint("image", i%10), fmt.Sprint("cell", 20+i%10), store.Run{Observation: observed(3, 20)}); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			must(l.Load())
		}
	})
}

func benchWorkspace(b *testing.B) (*store.Store, *Spec) {
	dir := os.Getenv("SERIESCTL_WORKSPACE")
	real := dir != ""
	if !real {
		dir = b.TempDir()
	}
	st, err := store.Open(dir, !real)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = st.Close() })
	spec := &Spec{Runs: 1, Confirm: 2}
	if real {
		rows, err := st.Series()
		if err = errors.Join(err, st.Matrix(rows[0].ID, spec)); err != nil {
			b.Fatal(err)
		}
		return st, spec
	}
	for c := range 30 {
		spec.Cases = append(spec.Cases, Case{Case: testplan.Case{Name: fmt.Sprint("fs/case", c)}, Key: fmt.Sprint("cell", c)})
	}
	for k := range 10 {
		key, image := fmt.Sprint("key", k), fmt.Sprint("image", k)
		spec.Variants = append(spec.Variants, Variant{Variant: series.Variant{Index: k, Status: series.Applied}, Key: key})
		spec.Patches = append(spec.Patches, k)
		if err := st.PutBuild(key, store.Build{Image: image, Seconds: 12}); err != nil {
			b.Fatal(err)
		}
		for c := range 30 {
			if _, err := st.PutRun(image, fmt.Sprint("cell", c), store.Run{Observation: observed(k, c)}); err != nil {
				b.Fatal(err)
			}
		}
	}
	return st, spec
}

// observed is what case c shows on prefix k.
func observed(k, c int) qemu.Observation {
	switch {
	case c >= 15 || k >= 4+c%5:
		return qemu.Observation{Exited: true, Output: "step: read the file into its own mapping\nresult: pass\n"}
	case k >= 3+c%5:
		return qemu.Observation{Exited: true, Status: 1, Output: "step: read the file into its own mapping\nresult: fail read EFAULT\n"}
	case c%3 == 0:
		return qemu.Observation{Crash: &qemu.Crash{Type: "BUG", Title: "kernel BUG in gfs2_glock_nq", Fatal: true,
			Report: strings.Repeat("[    1.234567][   T57]  gfs2_page_mkwrite+0x1f/0x3c0 fs/gfs2/file.c:421\n", 60)}}
	}
	h := &qemu.Hang{Seconds: 2}
	for t := range 2 {
		s := qemu.Stack{Comm: "case", State: "D"}
		for i, f := range []string{"__schedule", "schedule", "schedule_timeout", "wait_for_completion", "gfs2_glock_wait", "gfs2_glock_nq", "gfs2_fault", "__do_fault",
			"handle_mm_fault", "exc_page_fault", "asm_exc_page_fault", "copy_page_to_iter", "filemap_read", "gfs2_file_read_iter", "vfs_read", "ksys_read", "do_syscall_64"} {
			s.Frames = append(s.Frames, fmt.Sprintf("%s+0x%x/0x%x", f, 16+i+t*k, 400+i))
		}
		h.Tasks = append(h.Tasks, s)
	}
	return qemu.Observation{Hang: h}
}
