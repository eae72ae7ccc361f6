package testplan

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
	"gopkg.in/yaml.v3"

	"github.com/seriesctl/seriesctl/internal/pattern"
	"github.com/seriesctl/seriesctl/qemu"
)

// guestArch is the only architecture that guests are emulated for.
const guestArch = "x86_64"

// Warning is something that a plan asks for and that will most likely not do what is meant.
type Warning struct {
	Text string `json:"text"`
	Hint string `json:"hint"` // what can be done, "" for nothing
}

func (w Warning) String() string {
	if w.Hint == "" {
		return w.Text
	}
	return w.Text + " (" + w.Hint + ")"
}

// config is what the kernel is built with.
func (k Kernel) config() qemu.Config {
	return qemu.Config{Base: k.Config, Fragments: k.Fragments, Options: k.Options}
}

// has says whether a kernel has an option, without CONFIG_, as far as is known.
func (k Kernel) has(option string) bool {
	lacks, err := k.config().Lacks(option)
	return err != nil || len(lacks) == 0
}

// kernelsFor gives kernels that name no fragments those that the plan's file systems take, and refuses what could not work.
// n is what the plan says of its kernels, nil for nothing.
func (p *parser) kernelsFor(n *yaml.Node, plan *Plan) {
	nodes := []*yaml.Node{n}
	switch {
	case n == nil:
		nodes = []*yaml.Node{{}}
	case n.Kind == yaml.SequenceNode:
		nodes = n.Content
	}
	for i := range nodes {
		k := &plan.Kernel
		if i > 0 {
			k = &plan.Kernels[i-1]
		}
		if k.Fragments == nil && (k.Config == "tinyconfig" || k.Config == "defconfig") {
			k.Fragments = []string{"vm"}
			for _, fs := range plan.Filesystems {
				if slices.Contains(qemu.FragmentNames(), fs.Type) && !slices.Contains(k.Fragments, fs.Type) {
					k.Fragments = append(k.Fragments, fs.Type)
				}
			}
		}
		p.boots(nodes[i], *k)
		for _, fs := range plan.Filesystems {
			p.mounts(nodes[i], *k, fs)
		}
	}
}

// boots refuses a kernel that no guest could boot.
func (p *parser) boots(n *yaml.Node, k Kernel) {
	lacks, err := k.config().LacksForGuest()
	switch {
	case err != nil:
		p.failAt(n, "", "kernel: %v", err)
	case len(lacks) == 0:
	case slices.Contains(k.Fragments, "vm"):
		p.failAt(n, "the fragment vm has it; leave it on", "kernel: without CONFIG_%s it does not boot in the VM", lacks[0])
	default:
		p.failAt(n, with(k, "vm"), "kernel: %s without the fragment vm does not boot in the VM", path.Base(k.Config))
	}
}

// with is a hint to add a fragment to a kernel's.
func with(k Kernel, fragment string) string {
	var names []string
	for _, f := range append(slices.Clone(k.Fragments), fragment) {
		names = append(names, path.Base(f))
	}
	return "fragments: [" + strings.Join(names, ", ") + "]"
}

// mounts refuses a file system, of a type that there is a fragment for, that a kernel is known not to have.
func (p *parser) mounts(n *yaml.Node, k Kernel, fs qemu.Filesystem) {
	option := strings.ToUpper(fs.Type) + "_FS"
	if slices.Contains(qemu.FragmentNames(), fs.Type) && !k.has(option) {
		p.failAt(n, with(k, fs.Type), "file system %s: kernel%s has no CONFIG_%s", fs.Name, quoted(k.Name), option)
	}
}

func quoted(name string) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf(" %q", name)
}

// exerciseOptions are the options without which a case that exercises something is none.
var exerciseOptions = map[exercise]struct{ option, hint string }{
	"uring": {"IO_URING", "add io-uring to its fragments"},
	"uffd":  {"USERFAULTFD", "add userfaultfd to its fragments"},
	"fuse":  {"FUSE_FS", "add fuse to its fragments"},
	"huge":  {"TRANSPARENT_HUGEPAGE", "options: [CONFIG_TRANSPARENT_HUGEPAGE=y]"},
}

// Lacks are the options that a config fragment of a kernel tree asks for and that one of the plan's kernels is known not to have, as
// options of a plan.
func (p *Plan) Lacks(fragment string) []string {
	var out []string
	for line := range strings.Lines(fragment) {
		m := wantedOption.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		option := "CONFIG_" + m[1] + "=" + strings.Replace(m[2], "m", "y", 1)
		for _, k := range p.All() {
			if !k.has(m[1]) && !slices.Contains(out, option) {
				out = append(out, option)
			}
		}
	}
	return out
}

var wantedOption = pattern.New(`^CONFIG_([A-Za-z0-9_]+)=([ym])$`)

// kasanMemory is what a kernel with KASAN wants, in MiB.
const kasanMemory = 512

// Warnings are what a valid plan says that will most likely not do what is meant, in the plan's order. What the host lacks is not
// among them.
func (p *Plan) Warnings() []Warning {
	var out []Warning
	warn := func(hint, format string, args ...any) {
		if w := (Warning{fmt.Sprintf(format, args...), hint}); !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	for _, k := range p.All() {
		if slices.Contains(k.Fragments, "kasan") && p.VM.MemoryMB < kasanMemory {
			warn(fmt.Sprintf("vm: {memory: %dM}", kasanMemory), "kernel%s: KASAN does not boot in %d MiB of memory", quoted(k.Name), p.VM.MemoryMB)
		}
		for _, c := range p.Cases {
			if c.Kernel != k.Name {
				continue
			}
			if c.Kind == KindFstests && !k.has("EXT4_FS") {
				warn("add fstests to its fragments", "kernel%s: fstests run from an ext4 disk, and it has no CONFIG_EXT4_FS", quoted(k.Name))
			}
			r, ok := reproducer(c.Reproducer)
			if c.Kind != KindReproducer || !ok {
				continue
			}
			for _, e := range exercises(r, c.Run.Argv[1:]) {
				if need, ok := exerciseOptions[e]; ok && !k.has(need.option) {
					warn(need.hint, "%s: kernel%s has no CONFIG_%s", c.Reproducer, quoted(k.Name), need.option)
				}
			}
		}
	}
	for _, fs := range p.Filesystems {
		if !slices.ContainsFunc(p.Cases, func(c Case) bool { return c.Filesystem == fs.Name }) {
			warn("", "file system %s: no case is on it", fs.Name)
		}
		if len(fs.Mkfs) == 0 {
			continue
		}
		if made, ok := strings.CutPrefix(path.Base(fs.Mkfs[0]), "mkfs."); ok && family(made) != family(fs.Type) {
			warn("type: "+made+", or the program of "+fs.Type, "file system %s: %s makes no %s", fs.Name, fs.Mkfs[0], fs.Type)
		}
	}
	same := map[string]string{} // kernel and hash → name
	for _, c := range p.Cases {
		id := c.Kernel + " " + c.Hash
		if other, ok := same[id]; ok {
			warn("they share their runs; leave one out", "case %s is the same as %s", c.Name, other)
			continue
		}
		same[id] = c.Name
	}
	return out
}

// family is what a program that makes a file system, or mount, may call it as well.
func family(fstype string) string {
	switch fstype {
	case "ext2", "ext3", "ext4":
		return "ext"
	case "fat", "vfat", "msdos":
		return "fat"
	case "ntfs", "ntfs3":
		return "ntfs"
	case "hfsplus", "hfs":
		return "hfs"
	}
	return fstype
}

// maxErrno is the largest that the kernel gives user space (include/uapi/asm-generic/errno.h).
const maxErrno = 133

// errnoNames are those of all errors.
func errnoNames() []string {
	out := []string{"EWOULDBLOCK", "EDEADLOCK", "ENOTSUP"}
	for n := range maxErrno + 1 {
		if name := unix.ErrnoName(unix.Errno(n)); name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// met refuses an expectation that no run can meet: an error that there is none of, or of what is no failure.
func (p *parser) met(n *yaml.Node, e Expect) {
	for _, w := range e.Words {
		switch known := slices.Contains(errnoNames(), w); {
		case e.Outcome == Fail && errnoPattern.MatchString(w) && !known && !errnoNumber.MatchString(w):
			p.failAt(n, DidYouMean(w, errnoNames()), "expect: there is no error %s", w)
		case e.Outcome != Fail && known:
			p.failAt(n, "like: fail "+w, "expect: a %s has no error like %s", e.Outcome, w)
		}
	}
}

// errnoNumber is how a reproducer calls an error that it has no name for.
var errnoNumber = pattern.New(`^E[0-9]{1,3}$`)
