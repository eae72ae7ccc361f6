package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/u-root/u-root/pkg/cpio"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/qemu"
	"github.com/seriesctl/seriesctl/series"
	"github.com/seriesctl/seriesctl/testplan"
)

// BenchmarkMatrix measures the whole matrix of the RFC on 5.10 against what one would do without this program,
// in one run:
//
//   - cold: `seriesctl run` in an empty workspace; cached: the same command again; warm: the images are there and every cell
//     is run anew (the plan's memory is another, so no result counts).
//   - plain make: the same prefixes in the same order with the same configuration and `make`, in a git work tree, and nothing else.
//   - plain way: for each prefix git am, make, and for each case one boot of the bzImage with mkfs in the guest.
//
// It takes the better part of an hour, so `-benchtime 1x`. SERIESCTL_BENCH_BOOTS=N boots only every Nth case of the
// plain way and multiplies.
func BenchmarkMatrix(b *testing.B) {
	src := source(b, "SERIESCTL_LINUX_5_10")
	mbox, prerequisite, fixups := rfc(b)
	s := newBench(b)
	if _, errs, code := s.run("load", mbox); code != 0 {
		b.Fatal(errs)
	}
	plan, err := os.ReadFile("../../testplan/plans/mmap-deadlock.yaml")
	if err != nil {
		b.Fatal(err)
	}
	other := filepath.Join(s.work, "warm.yaml")
	if err := os.WriteFile(other, bytes.Replace(plan, []byte("memory: 256M"), []byte("memory: 260M"), 1), 0o644); err != nil {
		b.Fatal(err)
	}
	args := []string{"run", "--source", src, "--prerequisite", prerequisite, "--resolutions", fixups}
	for b.Loop() {
		cold, memory := s.timed(args...)
		cached, _ := s.timed(args...)
		warm, _ := s.timed(append(args, "--plan", other)...)
		runs, own := s.spent()
		b.ReportMetric(cold.Seconds(), "cold-s")
		b.ReportMetric(cached.Seconds(), "cached-s")
		b.ReportMetric(float64(memory)/(1<<10), "MB")
		b.ReportMetric((warm-own).Seconds()/float64(runs), "warm-s/run-beside-its-case")

		p := newByHand(b, s, src, prerequisite)
		var am, made, booted time.Duration
		for k := range 10 {
			am += p.am(k, mbox, fixups)
			made += p.make()
			booted += p.boots()
			b.Logf("plain way to prefix %d: git am %.1f s, make %.1f s, boots %.1f s", k, am.Seconds(), made.Seconds(), booted.Seconds())
		}
		b.ReportMetric(made.Seconds(), "plain-make-s")
		b.ReportMetric(cold.Seconds()/made.Seconds(), "of-plain-make(max-1.3)")
		way := am + made + booted
		b.ReportMetric(way.Seconds(), "plain-way-s")
		b.ReportMetric(cold.Seconds()/way.Seconds(), "of-plain-way(max-0.4)")
	}
}

// timed runs seriesctl and returns its time and its own peak memory in KiB.
func (b *bench) timed(args ...string) (time.Duration, int) {
	b.t.Helper()
	var errs bytes.Buffer
	cmd := exec.Command(b.bin, append(args, "--quiet")...)
	cmd.Dir, cmd.Stderr = b.work, &errs
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	// wait4's figure would be that of the largest child.
	peak := regexp.MustCompile(`VmHWM:\s+(\d+) kB`)
	memory := 0
	for {
		select {
		case err := <-ended:
			var exit *exec.ExitError
			if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != exitFound) {
				b.t.Fatalf("%v\n%s", err, errs.String())
			}
			return time.Since(begin), memory
		case <-time.After(50 * time.Millisecond):
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
			if m := peak.FindSubmatch(status); m != nil {
				memory, _ = strconv.Atoi(string(m[1]))
			}
		}
	}
}

// spent is how many runs the last matrix has, each image's once, and the time its cases took themselves.
func (b *bench) spent() (runs int, own time.Duration) {
	st, err := store.Open(filepath.Join(b.work, workspaceName), false)
	if err != nil {
		b.t.Fatal(err)
	}
	defer st.Close()
	rows, err := st.Series()
	if err != nil {
		b.t.Fatal(err)
	}
	var spec lab.Spec
	if err := st.Matrix(rows[0].ID, &spec); err != nil {
		b.t.Fatal(err)
	}
	seen := map[int64]bool{}
	for _, v := range spec.Variants {
		for _, c := range spec.Cases {
			list, err := lab.Runs(st, &spec, v.Index, c.Name)
			if err != nil {
				b.t.Fatal(err)
			}
			for _, r := range list {
				if !seen[r.ID] {
					seen[r.ID] = true
					runs++
					own += r.Observation.Duration
				}
			}
		}
	}
	return runs, own
}

// byHand is how one would do it by hand: a git work tree, an object tree, an initramfs.
type byHand struct {
	b            *testing.B
	dir, obj     string
	initrd, disk string
	plan         *testplan.Plan
}

func newByHand(b *testing.B, s *bench, src, prerequisite string) *byHand {
	top := b.TempDir()
	p := &byHand{b: b, dir: filepath.Join(top, "linux"), obj: filepath.Join(top, "obj"), initrd: filepath.Join(top, "initrd"), disk: filepath.Join(top, "disk")}
	var err error
	if p.plan, err = testplan.Load("mmap-deadlock"); err != nil {
		b.Fatal(err)
	}
	p.sh(`cp -a "$1/." . && git init -q && git config user.name x && git config user.email x@example.org && git config gc.auto 0 &&
		git config core.looseCompression 0 && git add -A -f && git commit -q -m base && git am -q "$2" && mkdir "$3" && cp "$4" "$3/.config" &&
		make -s O="$3" olddefconfig && truncate -s 64M "$5"`,
		src, prerequisite, p.obj, filepath.Join(s.work, workspaceName, "worker0/obj/.config"), p.disk)
	if err := p.writeInitrd(filepath.Join(s.work, workspaceName, "programs")); err != nil {
		b.Fatal(err)
	}
	return p
}

// sh runs a shell script in the work tree.
func (p *byHand) sh(script string, args ...string) time.Duration {
	p.b.Helper()
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		p.b.Fatal(err)
	}
	cmd := exec.Command("sh", append([]string{"-c", script, "sh"}, args...)...)
	cmd.Dir = p.dir
	begin := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		p.b.Fatalf("%s: %v\n%s", script, err, out[max(0, len(out)-2000):])
	}
	return time.Since(begin)
}

// am applies patch k of the RFC, or its resolution.
func (p *byHand) am(k int, mbox, fixups string) time.Duration {
	if k == 0 {
		return 0
	}
	mail := filepath.Join(p.b.TempDir(), "mail")
	if resolved, _ := filepath.Glob(filepath.Join(fixups, fmt.Sprintf("%04d-*", k))); len(resolved) == 1 {
		mail = resolved[0]
	} else {
		box, err := series.Read(p.b.Context(), []string{mbox}, nil)
		if err != nil {
			p.b.Fatal(err)
		}
		patch := box.Series[0].Patches[k-1]
		text := fmt.Sprintf("From: %s\nDate: %s\nSubject: [PATCH] %s\n\n%s\n---\n\n%s", patch.Author, patch.Date.Format(time.RFC1123Z), patch.Subject, "why", patch.Diff)
		if err := os.WriteFile(mail, []byte(text), 0o644); err != nil {
			p.b.Fatal(err)
		}
	}
	return p.sh(`git am -q "$1"`, mail)
}

func (p *byHand) make() time.Duration {
	return p.sh(`make -s -j "$2" O="$1"`, p.obj, strconv.Itoa(runtime.NumCPU()))
}

// boots runs the cases, each in a boot of its own.
func (p *byHand) boots() time.Duration {
	every, _ := strconv.Atoi(os.Getenv("SERIESCTL_BENCH_BOOTS"))
	every = max(every, 1)
	var took time.Duration
	n := 0
	for i, c := range p.plan.Cases {
		if i%every != 0 {
			continue
		}
		n++
		took += p.boot(c)
	}
	return took * time.Duration(len(p.plan.Cases)) / time.Duration(n)
}

func (p *byHand) boot(c testplan.Case) time.Duration {
	i := slices.IndexFunc(p.plan.Filesystems, func(f qemu.Filesystem) bool { return f.Name == c.Filesystem })
	fs := p.plan.Filesystems[i]
	mkfs := append([]string{"/bin/mkfs." + fs.Type}, fs.Mkfs[1:]...)
	line := fmt.Sprintf("console=ttyS0 quiet panic=-1 reboot=t TYPE=%s MKFS=%s,/dev/vda CASE=/bin/%s",
		fs.Type, strings.Join(mkfs, ","), strings.Join(c.Run.Argv, ","))
	cmd := exec.Command("qemu-system-x86_64", "-M", "q35", "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "256M", "-nodefaults", "-no-user-config",
		"-display", "none", "-serial", "stdio", "-no-reboot", "-kernel", filepath.Join(p.obj, "arch/x86/boot/bzImage"), "-initrd", p.initrd,
		"-append", line, "-drive", "file="+p.disk+",if=virtio,format=raw,snapshot=on")
	begin := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(begin)
	// A case that takes the kernel down ends without a word of its init.
	if err != nil || !bytes.Contains(out, []byte("PLAIN mkfs 0")) {
		p.b.Fatalf("%s: %v\n%s", c.Name, err, out[max(0, len(out)-2000):])
	}
	return took
}

// writeInitrd packs the init, the compiled reproducers, and the host's mkfs programs with their libraries.
func (p *byHand) writeInitrd(programs string) error {
	init := filepath.Join(p.b.TempDir(), "init")
	if out, err := exec.Command("gcc", "-static", "-O1", "-D_GNU_SOURCE", "-o", init, "testdata/plain-init.c").CombinedOutput(); err != nil {
		return fmt.Errorf("compile init: %w\n%s", err, out)
	}
	files := map[string]string{"init": init}
	compiled, err := os.ReadDir(programs)
	if err != nil {
		return err
	}
	for _, f := range compiled {
		name := f.Name()
		if i := strings.LastIndex(name, "-"); i > 0 && f.Type().IsRegular() {
			files["bin/"+name[:i]] = filepath.Join(programs, name)
		}
	}
	for _, name := range []string{"mkfs.gfs2", "mkfs.ext4"} {
		path, err := exec.LookPath(name)
		if err != nil {
			return err
		}
		files["bin/"+name] = path
		out, err := exec.Command("ldd", path).Output()
		if err != nil {
			return err
		}
		for _, lib := range regexp.MustCompile(`/\S+`).FindAllString(string(out), -1) {
			files[strings.TrimPrefix(lib, "/")] = lib
		}
	}
	var out bytes.Buffer
	w := cpio.Newc.Writer(&out)
	made := map[string]bool{}
	for name, path := range files {
		for i, c := range name {
			if dir := name[:i]; c == '/' && !made[dir] {
				made[dir] = true
				if err := cpio.WriteRecords(w, []cpio.Record{cpio.Directory(dir, 0o755)}); err != nil {
					return err
				}
			}
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := cpio.WriteRecords(w, []cpio.Record{cpio.StaticFile(name, string(content), 0o755)}); err != nil {
			return err
		}
	}
	if err := cpio.WriteRecords(w, []cpio.Record{cpio.Directory("dev", 0o755), cpio.CharDev("dev/console", 0o600, 5, 1)}); err != nil {
		return err
	}
	if err := cpio.WriteTrailer(w); err != nil {
		return err
	}
	return os.WriteFile(p.initrd, out.Bytes(), 0o644)
}
