package testplan

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/seriesctl/seriesctl/qemu"
)

// Fstests is the checkout of fstests that cases of a plan are tests of.
type Fstests struct {
	Path   string       // absolute
	Groups []GroupTests // what the plan's groups come to
}

// GroupTests is how many tests a group has on a file system, before exclusions.
type GroupTests struct {
	Group, Filesystem string
	Tests             int
}

// fstestProgram is where the script that runs one test is in the guest's system, and fstestsDir the checkout.
const (
	fstestProgram = "/usr/bin/fstest"
	fstestsDir    = "/fstests"
)

//go:embed fstests/fstest
var fstestScript string

// fstestTimeout is that of a test which states none: without hardware virtualisation its shell alone takes seconds.
const fstestTimeout = 5 * time.Minute

// fstests returns the cases of an entry: one for each test and file system, named FILESYSTEM/generic/001.
func (p *parser) fstests(item *yaml.Node, plan *Plan) []Case {
	outer := p.fields(item, "case", "fstests", "runs", "flaky", "expect")
	f := p.fields(outer["fstests"], "fstests", "path", "tests", "groups", "exclude", "filesystems", "except", "timeout", "scratch")
	if f["path"] == nil {
		p.failAt(outer["fstests"], "", "fstests: no path")
	}
	c := p.checkout(f["path"], plan)
	base := Case{Kind: KindFstests, Runs: plan.Runs}
	base.Run.System, base.Run.Scratch, base.Run.Timeout = true, true, fstestTimeout
	if n := f["timeout"]; n != nil {
		base.Run.Timeout = p.timeout(n)
	}
	if n := f["scratch"]; n != nil {
		base.Run.Scratch = p.boolean(n, "scratch")
	}
	p.expected(outer, &base)
	on := p.onDisks(item, f["filesystems"], f["except"], plan)
	chosen := p.chosenTests(outer["fstests"], f, c, plan, on)
	drop := p.excluded(f["exclude"], c)
	var out []Case
	for _, x := range on {
		for _, test := range chosen[x.Name] {
			if drop[test] {
				continue
			}
			files, err := c.files(test)
			if err != nil {
				p.failAt(f["path"], "", "fstests: %v", err)
			}
			k := base
			k.Name, k.Reproducer = x.Name+"/"+test, test
			k.Filesystem, k.Run.Filesystem = x.Name, x.Name
			// What the plan gives mkfs is what tests give it for a scratch file system.
			k.Run.Argv = append([]string{fstestProgram, test}, x.Mkfs[1:]...)
			k.Hash = fstestHash(k.Run, x, files)
			out = append(out, k)
			if k.Run.Scratch {
				plan.Filesystems[slices.IndexFunc(plan.Filesystems, func(o qemu.Filesystem) bool { return o.Name == x.Name })].Scratch = true
			}
		}
	}
	if len(out) == 0 {
		p.failAt(item, "", "fstests: nothing is left to run")
	}
	return out
}

// onDisks are the file systems of an entry: those of the plan that are on a disk where it names none.
func (p *parser) onDisks(item, n, except *yaml.Node, plan *Plan) []qemu.Filesystem {
	var out []qemu.Filesystem
	for _, fs := range p.caseFilesystems(item, n, except, plan.Filesystems) {
		switch {
		case len(fs.Mkfs) > 0:
			out = append(out, fs)
		case n != nil:
			p.failAt(n, "", "fstests: file system %s is not on a disk", fs.Name)
		}
	}
	return out
}

// checkout reads the checkout that a path names. A plan has one: the guest has one system to run them in.
func (p *parser) checkout(n *yaml.Node, plan *Plan) *checkout {
	dir := p.text(n, "path")
	if !filepath.IsAbs(dir) {
		if p.dir == "" {
			p.failAt(n, "", "path: %q: an embedded plan has no files", dir)
		}
		dir = filepath.Join(p.dir, dir)
	}
	dir = filepath.Clean(dir)
	if plan.Fstests != nil && plan.Fstests.Path != dir {
		p.failAt(n, "make two plans of it", "path: a plan has one checkout of fstests, %s", plan.Fstests.Path)
	}
	c, err := readCheckout(dir)
	if err != nil {
		p.failAt(n, "git clone https://git.kernel.org/pub/scm/fs/xfs/xfstests-dev.git", "path: %s: %v", dir, err)
	}
	if plan.Fstests == nil {
		plan.Fstests = &Fstests{Path: dir}
	}
	return c
}

// chosenTests are the tests that an entry names, by file system, each once: those of its tests in their order, then those of its groups.
func (p *parser) chosenTests(at *yaml.Node, f map[string]*yaml.Node, c *checkout, plan *Plan, on []qemu.Filesystem) map[string][]string {
	out := map[string][]string{}
	add := func(fs qemu.Filesystem, tests []string) (n int) {
		for _, t := range tests {
			if !runsOn(t, fs.Type) {
				continue
			}
			n++
			if !slices.Contains(out[fs.Name], t) {
				out[fs.Name] = append(out[fs.Name], t)
			}
		}
		return n
	}
	if f["tests"] == nil && f["groups"] == nil {
		p.failAt(at, "", "fstests: no tests and no groups")
	}
	if n := f["tests"]; n != nil {
		for _, item := range p.list(n, "tests") {
			pattern := p.text(item, "tests")
			tests := c.match(pattern)
			if len(tests) == 0 {
				p.failAt(item, nearTest(pattern, c), "the checkout has no test %q", pattern)
			}
			any := 0
			for _, fs := range on {
				any += add(fs, tests)
			}
			if any == 0 {
				p.failAt(item, "", "test %s is for file systems that the entry has not", pattern)
			}
		}
	}
	if n := f["groups"]; n != nil {
		for _, item := range p.list(n, "groups") {
			g := p.text(item, "groups")
			if len(c.inGroup(g)) == 0 {
				p.failAt(item, DidYouMean(path.Base(g), c.groups()), "the checkout has no group %q", g)
			}
			for _, fs := range on {
				n := add(fs, c.group(g, fs.Type))
				count := GroupTests{g, fs.Name, n}
				if !slices.Contains(plan.Fstests.Groups, count) {
					plan.Fstests.Groups = append(plan.Fstests.Groups, count)
				}
			}
		}
	}
	return out
}

// nearTest is a hint for a test that is not there.
func nearTest(name string, c *checkout) string {
	if n := near(name, c.names); len(n) > 0 {
		return "did you mean " + strings.Join(n, " or ") + "?"
	}
	return "tests are named like " + c.names[0]
}

// excluded are the tests that are left out: by name, by pattern, or, of a word that is no test, by group.
func (p *parser) excluded(n *yaml.Node, c *checkout) map[string]bool {
	drop := map[string]bool{}
	if n == nil {
		return drop
	}
	for _, item := range p.list(n, "exclude") {
		word := p.text(item, "exclude")
		tests := c.match(word)
		if len(tests) == 0 {
			tests = c.inGroup(word)
		}
		if len(tests) == 0 {
			hint := DidYouMean(word, c.groups())
			if strings.Contains(word, "/") {
				hint = nearTest(word, c)
			}
			p.failAt(item, hint, "exclude: the checkout has no test and no group %q", word)
		}
		for _, t := range tests {
			drop[t] = true
		}
	}
	return drop
}

// fstestHash is the content key of a test: the case, its files, the script that runs it. What it calls in the guest is in the key of
// the system (see Plan.SystemFiles).
func fstestHash(run qemu.Case, fs qemu.Filesystem, files map[string]string) string {
	fs.Name, fs.Scratch, run.Filesystem = "", false, ""
	b, err := json.Marshal(struct {
		Run   qemu.Case
		FS    qemu.Filesystem
		Files map[string]string
	}{run, fs, files})
	if err != nil {
		panic(err) // strings and numbers only
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// SystemFiles is the system that the plan's tests of fstests run in, built being the directory that the checkout was built in; ok is
// false when it has none.
func (p *Plan) SystemFiles(built string) (files qemu.SystemFiles, ok bool) {
	if !slices.ContainsFunc(p.Cases, func(c Case) bool { return c.Kind == KindFstests }) {
		return qemu.SystemFiles{}, false
	}
	return qemu.SystemFiles{
		Programs: fstestsTools, Needed: p.fstestsNeeds(),
		Texts: map[string]string{
			fstestProgram: fstestScript,
			"/etc/passwd": "root:x:0:0:root:/tmp:/bin/bash\nbin:x:1:1::/tmp:/bin/bash\ndaemon:x:2:2::/tmp:/bin/bash\nnobody:x:65534:65534::/tmp:/bin/bash\n",
			"/etc/group":  "root:x:0:\nbin:x:1:\ndaemon:x:2:\nsys:x:3:\nnogroup:x:65534:\n",
		},
		Dir: built, At: fstestsDir,
		Keep: func(rel string, d fs.DirEntry) bool {
			switch strings.TrimPrefix(path.Ext(rel), ".") {
			case "o", "lo", "la", "a", "c", "h", "m4", "git", "libs", "dep", "ltdep":
				return false
			}
			return !d.IsDir() || d.Name() != "autom4te.cache" && !slices.Contains([]string{"doc", "LICENSES", "results"}, rel)
		},
		Own: func(rel string) bool { return strings.HasPrefix(rel, "tests/") },
	}, true
}

// fstestsNeeds are the programs without which every test would fail: those that common/config insists on, and what makes and
// checks the plan's file systems.
func (p *Plan) fstestsNeeds() []string {
	out := strings.Fields("awk bash bc df mkfs mount perl sed umount xfs_io")
	for _, fs := range p.Filesystems {
		if !slices.ContainsFunc(p.Cases, func(c Case) bool { return c.Kind == KindFstests && c.Filesystem == fs.Name }) {
			continue
		}
		check, ok := map[string]string{"xfs": "xfs_repair", "btrfs": "btrfs"}[fs.Type]
		if !ok {
			check = "fsck." + fs.Type
		}
		out = append(out, "mkfs."+fs.Type, check)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// fstestsTools are the host's programs that fstests' common/config looks for, and those that its tests call, where the host has
// them; a test whose program is missing says so and is not run.
var fstestsTools = strings.Fields(`
	attr awk basename bash bc blkdiscard blkid blockdev btrfs btrfs-convert btrfs-image btrfs-map-logical btrfstune capsh cat chacl
	chattr chcon chgrp chmod chown chroot cksum cmp comm cp cpio cut date dbench dd debugfs df diff dirname dmesg dmsetup du dump.f2fs
	dumpe2fs e2fsck e2image e2label e4defrag echo ed egrep env expand expr f2fs_io fallocate false fgrep filefrag find findmnt fio flock
	fold free fsck fsck.btrfs fsck.ext2 fsck.ext3 fsck.ext4 fsck.f2fs fsck.gfs2 fsck.xfs fsfreeze fstrim fuser gawk getcap getconf getfacl
	getfattr getopt gfs2_edit gfs2_grow gfs2_jadd grep groups gzip head hexdump hostname id indent install ionice kill killall ldd less ln
	logger losetup ls lsattr lsblk lsof lz4 lvm mapfile md5sum mkdir mkfifo mkfs mkfs.btrfs mkfs.ext2 mkfs.ext3 mkfs.ext4 mkfs.f2fs
	mkfs.gfs2 mkfs.xfs mknod mkswap mktemp more mount mountpoint mv nice nl nohup nproc nsenter numfmt od openssl parted paste perl pgrep
	pidof pkill printf prlimit ps pwd quota quotacheck quotaoff quotaon readlink realpath rename renice repquota resize2fs restore rev
	rm rmdir script sed seq setcap setfacl setfattr setpriv setquota setsid sh sha1sum sha256sum shuf sleep sort split sqlite3 stat stdbuf
	strace strings stty swapoff swapon sync sysctl tac tail tar taskset tee test time timeout top touch tr true truncate tty tune2fs
	tunegfs2 umount uname uniq unshare unxz uptime uuidgen vmstat wc which who wipefs xargs xfs_admin xfs_bmap xfs_copy xfs_db xfs_freeze
	xfs_fsr xfs_growfs xfs_info xfs_io xfs_logprint xfs_mdrestore xfs_metadump xfs_mkfile xfs_property xfs_quota xfs_repair xfs_scrub
	xfs_spaceman xfsdump xfsrestore xxd xz yes zcat`)
