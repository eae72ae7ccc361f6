package lab

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/qemu"
	"github.com/seriesctl/seriesctl/series"
	"github.com/seriesctl/seriesctl/testplan"
)

// Host is the real Maker: it checks out, builds and boots on this machine.
type Host struct {
	Store   *store.Store
	Source  *series.Source
	Builder *qemu.Builder
	Config  qemu.Config
	Machine qemu.Machine
	// Warnings are the compiler's about the plan's C files, those of them that it compiled now.
	Warnings []qemu.Diagnostic

	// Foresee is told, before the first kernel is compiled, what its config makes of the patches' files, in their order;
	// those that were built before are left out. nil for nothing.
	Foresee func([]Prefix)

	variants []Variant
	foreseen bool
	vms      atomic.Int64
}

// NewHost makes the lab for the plan's first kernel: the builder, the reproducers compiled, the VM's settings but for Accel.
func NewHost(ctx context.Context, st *store.Store, src *series.Source, p *testplan.Plan, jobs int, sandbox bool) (*Host, error) {
	h := &Host{Store: st, Source: src,
		Builder: &qemu.Builder{Dir: st.Worker(0), Images: st.Images(), Jobs: jobs, Sandbox: sandbox},
		Config:  configOf(p.Kernel),
		Machine: qemu.Machine{CPUs: p.VM.CPUs, MemoryMB: p.VM.MemoryMB, Programs: map[string]string{}, Tools: p.Tools(), Files: p.Files()},
	}
	used := map[string]bool{}
	for _, c := range p.Cases {
		used[c.Filesystem] = true
	}
	for _, fs := range p.Filesystems {
		if used[fs.Name] {
			h.Machine.Filesystems = append(h.Machine.Filesystems, fs)
		}
	}
	programs := p.Programs()
	for _, name := range slices.Sorted(maps.Keys(programs)) {
		prog := programs[name]
		path, warnings, err := qemu.Compile(ctx, name, prog, st.Programs())
		if err != nil {
			return nil, err
		}
		h.Machine.Programs[name] = path
		h.Warnings = append(h.Warnings, warnings...)
	}
	return h, nil
}

// Fstests builds the checkout that the plan's tests of fstests are from, and makes the system that they run in; of a plan without such
// cases nothing.
func (h *Host) Fstests(ctx context.Context, p *testplan.Plan, progress func(Activity)) error {
	if _, ok := p.SystemFiles(""); !ok {
		return nil
	}
	b := &qemu.Fstests{Checkout: p.Fstests.Path, Dir: h.Store.Fstests(p.Fstests.Path), Log: filepath.Join(h.Store.Logs(), "build-fstests.log"),
		Jobs: h.Builder.Jobs, Sandbox: h.Builder.Sandbox,
		Progress: func(p qemu.Progress) { progress(Activity{Step: p.Step, File: p.File, Done: p.Done, Total: p.Total}) }}
	progress(Activity{Step: "copying fstests"})
	built, err := b.Build(ctx)
	if err != nil {
		return err
	}
	progress(Activity{Step: "making the system that fstests run in"})
	files, _ := p.SystemFiles(built)
	h.Machine.System, err = qemu.MakeSystem(ctx, files, h.Store.Disks())
	return err
}

// Clear removes the virtual machines that a killed run left behind. The workspace must be locked.
func (h *Host) Clear() error {
	if err := os.RemoveAll(h.Store.VMs()); err != nil {
		return fmt.Errorf("clear %s: %w", h.Store.VMs(), err)
	}
	return nil
}

// Beside makes the lab for another kernel of the same plan. It builds in the n-th worker's object tree, from the same source
// tree: the two must not build at once.
func (h *Host) Beside(n int, k testplan.Kernel) *Host {
	b := *h.Builder
	b.Dir, b.Source = h.Store.Worker(n), h.Builder.SourceDir()
	return &Host{Store: h.Store, Source: h.Source, Builder: &b, Config: configOf(k), Machine: h.Machine}
}

func configOf(k testplan.Kernel) qemu.Config {
	return qemu.Config{Base: k.Config, Fragments: k.Fragments, Options: k.Options}
}

// Spec resolves what a run asks for to content keys. Among variants subsets come last. Accel must be set.
func (h *Host) Spec(ctx context.Context, p *testplan.Plan, variants []Variant) (*Spec, error) {
	toolchain, err := qemu.Toolchain(ctx)
	if err != nil {
		return nil, err
	}
	config, err := h.Config.Hash()
	if err != nil {
		return nil, err
	}
	machine, err := h.Machine.Key()
	if err != nil {
		return nil, err
	}
	spec := &Spec{Kernel: p.Kernel.Name, Config: config, Accel: string(h.Machine.Accel), Machine: machine, Runs: p.Runs, Confirm: p.Confirm}
	for _, v := range variants {
		if v.Status == series.Applied {
			v.Key = qemu.ImageKey(string(v.Tree), config, toolchain)
		}
		if v.Subset == nil {
			spec.Variants = append(spec.Variants, v)
		} else {
			spec.Subsets = append(spec.Subsets, v)
		}
	}
	h.variants = slices.Concat(spec.Variants, spec.Subsets)
	for i := range spec.Variants {
		if spec.Variants[i].Checks, err = h.checkKeys(p.Checks, spec.Variants, i); err != nil {
			return nil, err
		}
	}
	spec.Checks = p.Checks
	with := map[string]string{} // what cases need of the machine → its key with that only
	for _, c := range p.Cases {
		needs := strings.Join(append([]string{c.Filesystem, fmt.Sprint(c.Run.System, c.Run.Scratch), c.Selftests.Inside()}, c.Run.Tools...), " ")
		if _, ok := with[needs]; !ok {
			if with[needs], err = h.machineFor(c).Key(); err != nil {
				return nil, err
			}
		}
		key, err := cellKey(c, with[needs])
		if err != nil {
			return nil, err
		}
		spec.Cases = append(spec.Cases, Case{Case: c, Key: key, Command: c.Command(), Disk: h.disk(c.Filesystem)})
	}
	return spec, nil
}

// machineFor is the machine as a case sees it. The other programs, tools and disks are left out: adding a case must not make
// the others run again. What the case brings itself is in its own hash.
func (h *Host) machineFor(c testplan.Case) qemu.Machine {
	m := h.Machine
	m.Programs, m.Files, m.Tools, m.Filesystems = nil, nil, c.Run.Tools, nil
	if !c.Run.System {
		m.System = nil
	}
	if c.Selftests.Collection != "" {
		inside := c.Selftests.Inside() // what is in it is not known when the plan is read
		m.Files = map[string]string{inside: h.Machine.Files[inside]}
	}
	for _, fs := range h.Machine.Filesystems {
		if fs.Name == c.Filesystem {
			fs.Scratch = c.Run.Scratch
			m.Filesystems = []qemu.Filesystem{fs}
		}
	}
	return m
}

// disk is the machine's file system of that name, the zero one when it has none.
func (h *Host) disk(name string) qemu.Filesystem {
	for _, fs := range h.Machine.Filesystems {
		if fs.Name == name {
			return fs
		}
	}
	return qemu.Filesystem{}
}

// cellKey hashes what a run of c depends on beside the image: the case, its own file system, the VM's settings.
func cellKey(c testplan.Case, machine string) (string, error) {
	doc, err := json.Marshal([]string{c.Hash, machine})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(doc)
	return hex.EncodeToString(sum[:]), nil
}

// Configure finds out whether the options asked for survive, where a kernel is to be built: a *qemu.ConfigError now
// is better than one after the kernels before this one.
func (h *Host) Configure(ctx context.Context) error {
	for _, v := range h.variants {
		if _, err := h.Store.Build(v.Key); v.Status != series.Applied || !errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err := h.checkout(ctx, v, nil); err != nil {
			return err
		}
		return h.Builder.Configure(ctx, h.Config, filepath.Join(h.Store.Logs(), "configure.log"))
	}
	return nil
}

// checkout brings the worker's source tree to v's, and notes what that changes.
func (h *Host) checkout(ctx context.Context, v Variant, progress func(done, total int)) error {
	changed, err := h.Source.Checkout(ctx, v.Tree, h.Builder.SourceDir(), progress)
	if err != nil {
		return fmt.Errorf("check out %s: %w", v.Name(), err)
	}
	h.Builder.Changed = append(h.Builder.Changed, changed...)
	return nil
}

// Build checks v's tree out into the worker and builds it.
func (h *Host) Build(ctx context.Context, v Variant, progress func(Activity)) (store.Build, error) {
	err := h.checkout(ctx, v, func(done, total int) {
		progress(Activity{Step: "checking out", Done: done, Total: total})
	})
	if err != nil {
		return store.Build{}, err
	}
	log := filepath.Join(h.Store.Logs(), "build-"+short(v.Key)+".log")
	if err := os.MkdirAll(h.Store.Logs(), 0o755); err != nil {
		return store.Build{}, err
	}
	h.Builder.Progress = func(p qemu.Progress) {
		progress(Activity{Step: p.Step, File: p.File, Done: p.Done, Total: p.Total, Log: h.Store.Rel(log)})
	}
	h.Builder.Configured = h.foresee
	b := store.Build{Log: h.Store.Rel(log)}
	img, err := h.Builder.Build(ctx, v.Key, h.Config, log)
	if err != nil {
		var failed *qemu.BuildError
		if errors.As(err, &failed) {
			b.Warnings = failed.Diagnostics
			if uses, err := h.Builder.Uses(v.Files, false); err == nil {
				b.Files = uses
			}
		}
		return b, err
	}
	h.Builder.Changed = nil // since this one
	if b.Files, err = h.Builder.Uses(v.Files, true); err != nil {
		return b, err
	}
	b.Image, b.Seconds, b.Compiled, b.Warnings = img.Hash, img.Seconds, img.Compiled, img.Warnings
	return b, nil
}

// HasImage says whether the image's file is there and whole.
func (h *Host) HasImage(key string) bool {
	_, err := h.Builder.Image(key)
	return err == nil
}

// Boot boots the image built under key.
func (h *Host) Boot(ctx context.Context, key string, began func(log string)) (Machine, error) {
	img, err := h.Builder.Image(key)
	if err != nil {
		return nil, fmt.Errorf("boot image: %w", err)
	}
	dir := filepath.Join(h.Store.VMs(), fmt.Sprintf("vm%d", h.vms.Add(1)))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("boot image: %w", err)
	}
	began(h.Store.Rel(filepath.Join(dir, qemu.BootLog)))
	vm, err := qemu.Start(ctx, img.Kernel, h.Machine, dir, h.Store.Disks())
	if err != nil {
		var boot *qemu.BootError
		if errors.As(err, &boot) && boot.Log != "" {
			kept := filepath.Join(h.Store.Logs(), "boot-"+short(img.Hash)+".log")
			if os.Rename(boot.Log, kept) == nil {
				boot.Log = kept
			}
		}
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &hostVM{host: h, vm: vm, dir: dir, logs: filepath.Join(h.Store.Logs(), short(img.Hash))}, nil
}

type hostVM struct {
	host      *Host
	vm        *qemu.VM
	dir, logs string
}

func (m *hostVM) Run(ctx context.Context, c qemu.Case, began func(log string)) (qemu.Observation, error) {
	if err := os.MkdirAll(m.logs, 0o755); err != nil {
		return qemu.Observation{}, err
	}
	console, err := os.CreateTemp(m.logs, strings.Join([]string{c.Filesystem, filepath.Base(c.Argv[0]), "*.log"}, "-"))
	if err != nil {
		return qemu.Observation{}, fmt.Errorf("keep console: %w", err)
	}
	if err := console.Close(); err != nil {
		return qemu.Observation{}, fmt.Errorf("keep console: %w", err)
	}
	log := m.host.Store.Rel(console.Name())
	began(log)
	o, err := m.vm.Run(ctx, c, console.Name())
	o.Console = log
	return o, err
}

// NoSnapshot is that of the VM.
func (m *hostVM) NoSnapshot() string { return m.vm.NoSnapshot() }

func (m *hostVM) Close() error { return errors.Join(m.vm.Close(), os.RemoveAll(m.dir)) }

// short is enough of a hash for a file name.
func short(hash string) string { return hash[:min(len(hash), 16)] }
