package testplan

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/seriesctl/seriesctl/internal/pattern"
	"github.com/seriesctl/seriesctl/qemu"
)

// Plan says what to build, what to boot and what to run.
//
// As a file it is one YAML document. Unknown and repeated keys, anchors and aliases are errors; every error
// has its line and column. Sizes are a number and K, M, G or T (powers of 1024); times are Go's ("10s", "1m30s").
//
//	name: my-plan                    # [a-z0-9._-], default: the file's name
//	description: any text
//	kernel:
//	  arch: x86_64                   # the default
//	  config: tinyconfig             # tinyconfig (the default), defconfig, or a file, relative to the plan
//	  fragments: [vm, gfs2, ext4]    # names seriesctl knows, or files ending in .config, relative to the plan; without the key vm and
//	                                 # those of the plan's file systems, but for a config that is a file none
//	  options: [CONFIG_LOCKDEP=y]    # on top of it; =n for "is not set"
//	kernels:                         # instead of kernel: several, each as above and with a name
//	  - {fragments: [vm, gfs2]}      # one may have none; the cases of the others are called NAME:FILESYSTEM/CASE
//	  - {name: debug, fragments: [vm, gfs2, debug]}
//	vm:
//	  cpus: 2                        # 1 to 64, default 2
//	  memory: 256M                   # 64M to 64G, default 256M
//	filesystems:
//	  gfs2:                          # the name in the plan and in the names of cases
//	    type: gfs2                   # mount -t, default: the name
//	    mkfs: mkfs.gfs2 -O -q …      # words or a list; the image's path is appended
//	    options: noatime             # mount -o, default none
//	    size: 64M                    # 1M to 1T
//	  tmpfs: {type: tmpfs}           # tmpfs and ramfs are in memory: no mkfs, and a size only for tmpfs, if at all
//	checks: [checkpatch]             # the default; also W=1 and sparse, on the objects of each patch's files
//	runs: 1                          # least number of runs of a cell, default 1
//	confirm: 2                       # least number of runs of the cells on both sides of a change, default 2
//	timeout: 10s                     # of one run, 100ms to 1h, default 10s
//	cases:                           # what is run is one of reproducer, c, script, kselftest, fstests
//	  - reproducer: read-self        # a name of the catalogue
//	    args: [private]              # words or a list, default none
//	    name: read-self-private      # default: reproducer (or the file's name) and arguments, joined by "-"
//	    filesystems: [gfs2]          # default: all of the plan
//	    except: [tmpfs]              # but not on these
//	    timeout: 30s                 # default: the plan's
//	    runs: 5                      # default: the plan's
//	    flaky: true                  # a bad kernel may show it rarely: look longer before it is called good
//	    expect: fail EFAULT          # default pass; see Expect
//	  - c: my-test.c                 # a C file, relative to the plan, with what it includes from there; it may include "repro.h"
//	    cflags: [-DROUNDS=3, -lm]    # -D -U -O -W -f -m -std -l, default none
//	    syz: true                    # a reproducer of syzkaller: need not end; default for a file that says it is one
//	    ktap: true                   # it prints KTAP
//	    subtests: {a:b: fail exit 1} # what is expected of subtests, default pass; expect is that of the case itself
//	  - script: run.sh               # a shell script, relative to the plan; exit status 0 is a pass, 4 and 77 say that it skips
//	    tools: [xfs_io, dd]          # programs of this host that it needs in the VM, beside a shell, coreutils and the like
//	    ktap: true
//	  - kselftest: mm                # a collection of the base's self-tests, or one program of it, mm:mkdirty; built on this host
//	    tree: series                 # instead of the base's those of the whole series, or of a directory with a kernel tree
//	    timeout: 10m                 # default 5m
//	    tools: [ip]
//	  - kselftest: build/kselftest   # a directory of installed self-tests of a kernel, relative to the plan
//	    args: [-c, mm]               # of its run_kselftest.sh
//	  - fstests:                     # tests of a checkout of fstests (xfstests), each a case FILESYSTEM/generic/001
//	      path: ../xfstests-dev      # relative to the plan; a copy of it is built
//	      tests: [generic/647]       # names, and patterns like "generic/64?"
//	      groups: [mmap, xfs/quick]  # as check -g takes them
//	      exclude: [generic/475, dangerous] # tests, patterns and groups
//	      filesystems: [gfs2]        # and except, as above; those of the plan that are on a disk
//	      timeout: 10m               # of each, default 5m
//	      scratch: false             # without a second disk; default true: as large as the file system's
//	    runs: 2                      # and flaky and expect, as above
//
// Each entry of cases gives one Case for each of its file systems, named FILESYSTEM/NAME. A case runs in the root of its file
// system. The results in the output of one that prints KTAP (kselftest always does) are cases too, FILESYSTEM/NAME:SUBTEST, once
// there are runs: see KTAP.
type Plan struct {
	Name        string
	Description string
	Kernel      Kernel
	Kernels     []Kernel // those beside Kernel; every case runs on each
	VM          VM
	Filesystems []qemu.Filesystem // in the plan's order
	Cases       []Case            // by file system, then in the plan's order
	Fstests     *Fstests          // where the cases of that kind are from; nil without any
	Checks      []string          // of each patch, see qemu.Checks
	Runs        int               // least number of runs of a cell
	Confirm     int               // least number of runs of the cells on both sides of a change
}

// Kernel says what to build.
type Kernel struct {
	Name      string   `json:"name"`      // "" for the one whose cases have no prefix
	Arch      string   `json:"arch"`      // "x86_64": no other can be run
	Config    string   `json:"config"`    // "tinyconfig", "defconfig" or the absolute path of a file
	Fragments []string `json:"fragments"` // names, or absolute paths of files
	Options   []string `json:"options"`   // "CONFIG_X=y"
}

// VM says what to boot it in.
type VM struct {
	CPUs     int
	MemoryMB int
}

// maxPlan bounds a plan file, in bytes.
const maxPlan = 1 << 20

// Load reads a plan: the name of an embedded one ("mmap-deadlock", see Plans) or the path of a YAML file.
// An embedded name wins over a file of that name without a directory. What is wrong with the plan is a *PlanError.
func Load(nameOrPath string) (*Plan, error) {
	if slices.Contains(Plans(), nameOrPath) {
		return parse("plan "+nameOrPath, "", []byte(readEmbedded("plans/"+nameOrPath+".yaml")))
	}
	fi, err := os.Stat(nameOrPath)
	if err == nil && !fi.Mode().IsRegular() {
		err = errors.New("not a file")
	}
	if err == nil && fi.Size() > maxPlan {
		err = fmt.Errorf("%d bytes, a plan has at most %d", fi.Size(), maxPlan)
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(nameOrPath)
	}
	if err != nil {
		hint := ""
		if errors.Is(err, fs.ErrNotExist) {
			hint = "embedded plans: " + strings.Join(Plans(), ", ")
			if list := near(nameOrPath, Plans()); len(list) > 0 {
				hint = DidYouMean(nameOrPath, Plans())
			}
		}
		var pathErr *fs.PathError
		if errors.As(err, &pathErr) {
			err = pathErr.Err
		}
		return nil, &PlanError{File: nameOrPath, Reason: err.Error(), hint: hint}
	}
	dir, err := filepath.Abs(filepath.Dir(nameOrPath))
	if err != nil {
		return nil, &PlanError{File: nameOrPath, Reason: err.Error()}
	}
	return parse(nameOrPath, dir, data)
}

var (
	namePattern   = pattern.New(`^[a-z0-9][a-z0-9._-]{0,63}$`)
	typePattern   = pattern.New(`^[a-z0-9][a-z0-9._-]{0,31}$`)
	optionPattern = pattern.New(`^CONFIG_[A-Za-z0-9_]+=(?:[ymn]|-?[0-9]+|0[xX][0-9a-fA-F]+|"[^"\\\n]*")$`)
)

const nameShape = "lower-case letters, digits, '.', '_' and '-', at most 64"

// parse reads the plan in data; file is how errors call it, dir is where its relative paths start.
func parse(file, dir string, data []byte) (plan *Plan, err error) {
	p := &parser{file: file, dir: dir}
	defer func() {
		if r := recover(); r != nil {
			pe, ok := r.(*PlanError)
			if !ok {
				panic(r)
			}
			plan, err = nil, pe
		}
	}()
	return p.plan(p.document(data)), nil
}

func (p *parser) plan(root *yaml.Node) *Plan {
	f := p.fields(root, "plan", "name", "description", "kernel", "kernels", "vm", "filesystems", "checks", "runs", "confirm", "timeout", "cases")
	plan := &Plan{
		Kernel:  Kernel{Arch: "x86_64", Config: "tinyconfig"},
		VM:      VM{CPUs: 2, MemoryMB: 256},
		Checks:  []string{qemu.CheckPatch},
		Runs:    1,
		Confirm: 2,
	}
	if n := f["name"]; n != nil {
		plan.Name = p.word(n, "name", namePattern, nameShape)
	} else {
		plan.Name = strings.TrimSuffix(filepath.Base(p.file), filepath.Ext(p.file))
	}
	if n := f["description"]; n != nil {
		plan.Description = strings.TrimSpace(p.text(n, "description"))
	}
	if n := f["kernel"]; n != nil {
		plan.Kernel = p.kernel(n, plan.Kernel)
	}
	if n := f["kernels"]; n != nil {
		if f["kernel"] != nil {
			p.failAt(n, "write them all under kernels", "plan: kernel and kernels")
		}
		plan.Kernel, plan.Kernels = p.kernels(n, plan.Kernel)
	}
	if n := f["vm"]; n != nil {
		plan.VM = p.vm(n, plan.VM)
	}
	if n := f["checks"]; n != nil {
		plan.Checks = p.checks(n)
	}
	if n := f["runs"]; n != nil {
		plan.Runs = p.integer(n, "runs", 1000)
	}
	if n := f["confirm"]; n != nil {
		plan.Confirm = p.integer(n, "confirm", 1000)
	}
	timeout := 10 * time.Second
	if n := f["timeout"]; n != nil {
		timeout = p.timeout(n)
	}
	for _, key := range []string{"filesystems", "cases"} {
		if f[key] == nil {
			p.failAt(root, "", "plan: no %s", key)
		}
	}
	plan.Filesystems = p.filesystems(f["filesystems"])
	p.kernelsFor(cmp.Or(f["kernel"], f["kernels"]), plan)
	plan.Cases = p.cases(f["cases"], plan, timeout)
	return plan
}

// kernels returns the first kernel of a list and the others.
func (p *parser) kernels(n *yaml.Node, base Kernel) (Kernel, []Kernel) {
	var out []Kernel
	for _, item := range p.list(n, "kernels") {
		k := p.kernel(item, base, "name")
		if slices.ContainsFunc(out, func(o Kernel) bool { return o.Name == k.Name }) {
			p.failAt(item, "give each another name; one may have none", "kernel %q twice", k.Name)
		}
		out = append(out, k)
	}
	if len(out) == 0 {
		p.failAt(n, "", "kernels: want at least one")
	}
	return out[0], out[1:]
}

// kernel reads one kernel; more are the keys it may have beside the usual ones.
func (p *parser) kernel(n *yaml.Node, k Kernel, more ...string) Kernel {
	f := p.fields(n, "kernel", append(more, "arch", "config", "fragments", "options")...)
	if n := f["name"]; n != nil {
		k.Name = p.word(n, "name", namePattern, nameShape)
	}
	if n := f["arch"]; n != nil {
		if k.Arch = p.text(n, "arch"); k.Arch != guestArch {
			p.failAt(n, "leave arch out: "+guestArch+" is what guests are", "arch: %s can't be run here", k.Arch)
		}
	}
	if n := f["config"]; n != nil {
		k.Config = p.text(n, "config")
		if k.Config != "tinyconfig" && k.Config != "defconfig" {
			k.Config = p.existing(n, "config", k.Config, "tinyconfig", "defconfig")
		}
	}
	if n := f["fragments"]; n != nil {
		k.Fragments = []string{} // not nil: that is for a kernel that names none
		for _, item := range p.list(n, "fragments") {
			s := p.text(item, "fragments")
			if strings.HasSuffix(s, ".config") {
				s = p.existing(item, "fragments", s)
			} else if !namePattern.MatchString(s) {
				p.failAt(item, "", "fragments: %q: want a name, or a file ending in .config", s)
			} else if known := qemu.FragmentNames(); !slices.Contains(known, s) {
				p.failAt(item, DidYouMean(s, known), "fragments: there is no fragment %q", s)
			}
			k.Fragments = append(k.Fragments, s)
		}
	}
	if n := f["options"]; n != nil {
		seen := map[string]bool{}
		for _, item := range p.list(n, "options") {
			o := p.word(item, "options", optionPattern, "CONFIG_NAME=value, like CONFIG_LOCKDEP=y")
			name, _, _ := strings.Cut(o, "=")
			if seen[name] {
				p.failAt(item, "", "options: %s twice", name)
			}
			seen[name] = true
			k.Options = append(k.Options, o)
		}
	}
	return k
}

func (p *parser) checks(n *yaml.Node) []string {
	out := []string{}
	for _, item := range p.list(n, "checks") {
		name := p.text(item, "checks")
		if !slices.Contains(qemu.Checks(), name) {
			p.failAt(item, DidYouMean(name, qemu.Checks()), "unknown check %q", name)
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// existing resolves the path of a file that the plan names; names are the words that may stand in its place.
func (p *parser) existing(n *yaml.Node, what, path string, names ...string) string {
	hint := ""
	if len(names) > 0 && !strings.Contains(path, "/") {
		hint = DidYouMean(path, names)
	}
	if !filepath.IsAbs(path) {
		if p.dir == "" {
			p.failAt(n, hint, "%s: %q: an embedded plan has no files", what, path)
		}
		path = filepath.Join(p.dir, path)
	}
	if fi, err := os.Stat(path); err != nil || !fi.Mode().IsRegular() {
		p.failAt(n, hint, "%s: %s: no such file", what, path)
	}
	return path
}

func (p *parser) vm(n *yaml.Node, vm VM) VM {
	f := p.fields(n, "vm", "cpus", "memory")
	if n := f["cpus"]; n != nil {
		vm.CPUs = p.integer(n, "cpus", 64)
	}
	if n := f["memory"]; n != nil {
		vm.MemoryMB = int(p.size(n, "memory", 64<<20, 64<<30) >> 20)
	}
	return vm
}

func (p *parser) timeout(n *yaml.Node) time.Duration {
	s := p.text(n, "timeout")
	d, err := time.ParseDuration(s)
	if err != nil || d < 100*time.Millisecond || d > time.Hour {
		p.failAt(n, "", "timeout: %q: want a time from 100ms to 1h, like 10s", s)
	}
	return d
}

func (p *parser) filesystems(n *yaml.Node) []qemu.Filesystem {
	var out []qemu.Filesystem
	for _, kv := range p.pairs(n, "filesystems") {
		name := p.word(kv.key, "filesystems", namePattern, nameShape)
		f := p.fields(kv.value, "file system "+name, "type", "mkfs", "options", "size")
		fs := qemu.Filesystem{Name: name, Type: name}
		if n := f["type"]; n != nil {
			fs.Type = p.word(n, "type", typePattern, "what mount -t takes")
		}
		if n := f["options"]; n != nil {
			fs.Options = p.text(n, "options")
		}
		if slices.Contains(diskless, fs.Type) {
			p.diskless(f, &fs)
			out = append(out, fs)
			continue
		}
		for _, key := range []string{"mkfs", "size"} {
			if f[key] == nil {
				p.failAt(kv.key, "", "file system %s: no %s", name, key)
			}
		}
		fs.Mkfs = p.words(f["mkfs"], "mkfs")
		if len(fs.Mkfs) == 0 || fs.Mkfs[0] == "" {
			p.failAt(f["mkfs"], "", "mkfs: want a program and its arguments")
		}
		fs.Size = p.size(f["size"], "size", 1<<20, 1<<40)
		out = append(out, fs)
	}
	if len(out) == 0 {
		p.failAt(n, "", "filesystems: want at least one")
	}
	return out
}

// diskless are the types of file systems that are in memory.
var diskless = []string{"tmpfs", "ramfs"}

// diskless reads what a file system in memory may have: a size, where it knows one, which is a mount option then.
func (p *parser) diskless(f map[string]*yaml.Node, fs *qemu.Filesystem) {
	if n := f["mkfs"]; n != nil {
		p.failAt(n, "", "mkfs: %s has no disk", fs.Type)
	}
	n := f["size"]
	if n == nil {
		return
	}
	if fs.Type != "tmpfs" {
		p.failAt(n, "", "size: %s has none", fs.Type)
	}
	size := fmt.Sprintf("size=%dk", p.size(n, "size", 1<<20, 1<<40)>>10)
	if fs.Options != "" {
		size = "," + size
	}
	fs.Options += size
}

// cases returns the plan's cases, grouped by file system.
func (p *parser) cases(n *yaml.Node, plan *Plan, timeout time.Duration) []Case {
	items := p.list(n, "cases")
	if len(items) == 0 {
		p.failAt(n, "", "cases: want at least one")
	}
	byFS := make(map[string][]Case)
	seen := make(map[string]bool)
	programs, files := make(map[string]qemu.Source), make(map[string]string) // by name in the VM
	for _, item := range items {
		for _, c := range p.entry(item, plan, timeout) {
			if len(c.Program.Files) > 0 {
				name := c.Run.Argv[0]
				if other, ok := programs[name]; ok && !reflect.DeepEqual(other, c.Program) {
					p.failAt(item, "give the case another name", "two programs are called %s in the VM", name)
				}
				programs[name] = c.Program
			}
			for to, from := range c.Files {
				if other, ok := files[to]; ok && other != from {
					p.failAt(item, "rename one of them", "%s and %s are both %s in the VM", other, from, to)
				}
				files[to] = from
			}
			if seen[c.Name] {
				p.failAt(item, "give one of them another name", "case %s twice", c.Name)
			}
			seen[c.Name] = true
			byFS[c.Filesystem] = append(byFS[c.Filesystem], c)
		}
	}
	for _, fs := range plan.Filesystems {
		for _, c := range byFS[fs.Name] {
			for _, t := range c.Run.Tools {
				if _, ok := programs[t]; ok {
					p.failAt(n, "give that case another name", "the tool %s and a program of a case have one name in the VM", t)
				}
			}
		}
	}
	var out []Case
	for _, k := range plan.All() {
		for _, fs := range plan.Filesystems {
			for _, c := range byFS[fs.Name] {
				if c.Kernel = k.Name; c.Kernel != "" {
					c.Name = c.Kernel + ":" + c.Name
				}
				out = append(out, c)
			}
		}
	}
	return out
}

// All are the plan's kernels, Kernel first.
func (p *Plan) All() []Kernel { return append([]Kernel{p.Kernel}, p.Kernels...) }

// Of is the plan for one of its kernels alone, with that one's cases.
func (p *Plan) Of(k Kernel) *Plan {
	out := *p
	out.Kernel, out.Kernels, out.Cases = k, nil, nil
	for _, c := range p.Cases {
		if c.Kernel == k.Name {
			out.Cases = append(out.Cases, c)
		}
	}
	return &out
}

// entry returns the cases of one entry of the list, one for each file system.
func (p *parser) entry(item *yaml.Node, plan *Plan, timeout time.Duration) []Case {
	k := p.kindOf(item)
	if k.kind == KindFstests {
		return p.fstests(item, plan)
	}
	f := p.fields(item, "case", append(append([]string{k.key}, k.keys...), caseKeys...)...)
	c := Case{Kind: k.kind, Reproducer: p.text(f[k.key], k.key), Runs: plan.Runs}
	c.Run.Timeout = timeout
	if n := f["timeout"]; n != nil {
		c.Run.Timeout = p.timeout(n)
	}
	var args []string
	if n := f["args"]; n != nil {
		args = p.words(n, "args")
	}
	name := strings.Join(append([]string{k.read(p, f, &c, args)}, args...), "-")
	if c.KTAP {
		c.Run.Output = ktapOutput
	}
	at := item
	if n := f["name"]; n != nil {
		name, at = p.text(n, "name"), n
	}
	if !namePattern.MatchString(name) {
		p.failAt(at, "", "case name %q: want %s", name, nameShape)
	}
	p.expected(f, &c)
	var out []Case
	for _, fs := range p.caseFilesystems(item, f["filesystems"], f["except"], plan.Filesystems) {
		c := c
		c.Name = fs.Name + "/" + name
		c.Filesystem, c.Run.Filesystem = fs.Name, fs.Name
		c.Run.Argv = slices.Clone(c.Run.Argv)
		c.Hash = p.caseHash(item, c, fs)
		out = append(out, c)
	}
	return out
}

// expected reads what an entry says of its runs: how many, and what is right.
func (p *parser) expected(f map[string]*yaml.Node, c *Case) {
	if n := f["runs"]; n != nil {
		c.Runs = p.integer(n, "runs", 1000)
	}
	if n := f["flaky"]; n != nil {
		c.Flaky = p.boolean(n, "flaky")
	}
	if n := f["expect"]; n != nil {
		c.Expect = p.expect(n, "expect")
	}
	if n := f["subtests"]; n != nil {
		if !c.KTAP {
			p.failAt(n, "ktap: true says that it does", "subtests: the case prints no KTAP")
		}
		c.Subexpect = make(map[string]Expect)
		for _, kv := range p.pairs(n, "subtests") {
			c.Subexpect[kv.key.Value] = p.expect(kv.value, "subtests")
		}
	}
}

func (p *parser) expect(n *yaml.Node, what string) Expect {
	e, err := ParseExpect(p.text(n, what))
	if err != nil {
		hint := "want an outcome and words of its signature, like: fail EFAULT"
		var outcomes []string
		for _, o := range expectable {
			outcomes = append(outcomes, string(o))
		}
		word, _, _ := strings.Cut(n.Value, " ")
		if !slices.Contains(outcomes, word) && len(near(word, outcomes)) > 0 {
			hint = DidYouMean(word, outcomes) + " Like: fail EFAULT"
		}
		p.failAt(n, hint, "%v", err)
	}
	p.met(n, e)
	return e
}

// caseFilesystems are those that an entry names, all of the plan's by default, without those it excepts.
func (p *parser) caseFilesystems(item, only, except *yaml.Node, all []qemu.Filesystem) []qemu.Filesystem {
	named := func(n *yaml.Node, what string) []qemu.Filesystem {
		var names []string
		for _, fs := range all {
			names = append(names, fs.Name)
		}
		var out []qemu.Filesystem
		for _, item := range p.list(n, what) {
			name := p.text(item, what)
			i := slices.Index(names, name)
			if i < 0 {
				p.failAt(item, DidYouMean(name, names), "the plan has no file system %q", name)
			}
			out = append(out, all[i])
		}
		if len(out) == 0 {
			p.failAt(n, "", "%s: want at least one", what)
		}
		return out
	}
	out := all
	if only != nil {
		out = named(only, "filesystems")
	}
	if except == nil {
		return out
	}
	not := named(except, "except")
	out = slices.DeleteFunc(slices.Clone(out), func(fs qemu.Filesystem) bool {
		return slices.ContainsFunc(not, func(n qemu.Filesystem) bool { return n.Name == fs.Name })
	})
	if len(out) == 0 {
		p.failAt(item, "", "case: it is on no file system")
	}
	return out
}
