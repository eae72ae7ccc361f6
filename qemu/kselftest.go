package qemu

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/seriesctl/seriesctl/internal/plain"
	"github.com/seriesctl/seriesctl/internal/xec"
)

// Kselftest builds self-tests of a kernel tree (Documentation/dev-tools/kselftest.rst), in the sandbox that kernels are built in, against the
// tree's own uapi headers. Programs are dynamic where the tree's makefiles have them so; Machine.Files brings their libraries.
type Kselftest struct {
	Source   string // the tree, only read
	Dir      string // a directory of its own, for what a build leaves
	Log      string // where the whole output goes
	Jobs     int
	Sandbox  bool
	Progress func(Progress) // nil for none

	headers bool // are installed
}

// Collection is what was built of one.
type Collection struct {
	Tests   []string  // that its runner runs, in order; in place of one that was not built is a script that skips and says why
	Unbuilt []Unbuilt // tests and helpers
}

// Unbuilt is a program of a collection that does not build here.
type Unbuilt struct{ Name, Reason, Hint string }

// SelftestRun is the script in a built collection's directory that runs it in the guest: "sh DIR/run DIR [TEST]". It copies the tests to
// the directory it is started in, so they run on the case's file system.
const SelftestRun = "run"

//go:embed kselftest-run
var selftestRun []byte

// SelftestsKey is the key of what is built from a tree: what runs it is part of that.
func SelftestsKey(tree, toolchain string) string {
	k := newKey("selftests")
	k.add(tree, toolchain, string(selftestRun))
	return k.sum()
}

// selftestsDir is where a kernel tree has its self-tests.
const selftestsDir = "tools/testing/selftests"

// The files of a built collection's directory.
const (
	selftestsInside = "tests"
	selftestsNote   = "collection.json"
)

// ReadCollection reads what Build has left in dir; fs.ErrNotExist when that is not whole.
func ReadCollection(dir string) (*Collection, error) {
	text, err := os.ReadFile(filepath.Join(dir, selftestsNote))
	if err != nil {
		return nil, err
	}
	c := &Collection{}
	if err := json.Unmarshal(text, c); err != nil {
		return nil, errors.Join(fs.ErrNotExist, err)
	}
	return c, nil
}

// Collections are the names of those that a tree has, sorted.
func (b *Kselftest) Collections() []string {
	var out []string
	root := filepath.Join(b.Source, selftestsDir)
	_ = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		rel, rerr := filepath.Rel(root, p)
		if err != nil || rerr != nil || d.IsDir() && strings.Count(rel, "/") > 2 {
			return fs.SkipDir
		}
		if dir := path.Dir(filepath.ToSlash(rel)); d.Name() == "Makefile" && dir != "." {
			out = append(out, dir)
		}
		return nil
	})
	slices.Sort(out)
	return out
}

// Build builds a collection ("mm", "filesystems/binderfs") that the tree has, and puts it at dest, which then holds a script to run it
// and its installed files. What does not build is left out and said; when nothing does it is an *InfraError.
func (b *Kselftest) Build(ctx context.Context, collection, dest string) (*Collection, error) {
	op := "build self-tests " + collection
	if _, err := xec.Find("rsync"); err != nil {
		return nil, &InfraError{Op: op, Err: errors.New("rsync: not installed"), Hint: "the kernel's makefiles install self-tests with it: apt install rsync (Fedora: dnf install rsync)"}
	}
	w := workshop{src: b.Source, obj: filepath.Join(b.Dir, "obj"), tmp: filepath.Join(b.Dir, "tmp"), sandbox: b.Sandbox, limits: limitsFor(max(1, b.Jobs))}
	out := &suiteLog{progress: b.Progress, what: "self-tests " + collection}
	src, obj, _ := w.seen()
	s := suite{op: op, shop: w, log: b.Log, out: out, env: []string{"C_INCLUDE_PATH=" + obj + "/usr/include"}, needs: "what is missing is in the log"}
	if !b.headers {
		if err := s.make(ctx, "make", "-C", src, "O="+obj, "-j"+strconv.Itoa(max(1, b.Jobs)), "INSTALL_HDR_PATH="+obj+"/usr", "headers_install"); err != nil {
			return nil, err
		}
		b.headers = true
	}
	out.reset()
	install := path.Join(obj, "install")
	here := filepath.Join(w.obj, "install")
	if err := os.RemoveAll(here); err != nil {
		return nil, &InfraError{Op: op, Err: err}
	}
	// -i: one test that lacks a library must not take the others with it.
	err := s.make(ctx, "make", "-i", "--output-sync=target", "-j"+strconv.Itoa(max(1, b.Jobs)), "-C", src+"/"+selftestsDir, "O="+obj,
		"TARGETS="+collection, "SKIP_TARGETS=", "INSTALL_PATH="+install, "KSFT_INSTALL_PATH="+install, "install")
	if err != nil {
		return nil, err
	}
	c, err := b.collect(collection, here, path.Join(obj, "kselftest", collection)+"/", out)
	if err != nil {
		hint := "the whole output is in " + b.Log
		if len(out.unbuilt) > 0 && out.unbuilt[0].Hint != "" {
			hint = out.unbuilt[0].Hint + "; " + hint
		}
		return nil, &InfraError{Op: op, Err: err, Hint: hint}
	}
	if err := b.keep(c, here, dest); err != nil {
		return nil, &InfraError{Op: op, Err: err, Hint: spaceHint(err)}
	}
	return c, nil
}

// collect finds out what of a collection is in the directory install and what is not; output is where its programs are linked.
func (b *Kselftest) collect(collection, install, output string, out *suiteLog) (*Collection, error) {
	root, err := openDir(install)
	if err != nil {
		return nil, errors.New(out.why("nothing was installed"))
	}
	defer root.Close()
	c := &Collection{}
	why := map[string]Unbuilt{}
	for _, u := range out.unbuilt {
		name, ok := strings.CutPrefix(u.Name, output)
		if !ok || strings.Contains(name, "/") {
			continue
		}
		if _, err := root.Lstat(path.Join(collection, name)); err == nil {
			continue
		}
		u.Name = name
		why[name] = u
	}
	list, err := readMade(root, "kselftest-list.txt")
	if err != nil {
		return nil, errors.New(out.why("it lists no tests"))
	}
	built := 0
	for line := range strings.Lines(string(list)) {
		name, ok := strings.CutPrefix(strings.TrimSpace(line), collection+":")
		if !ok || !filepath.IsLocal(name) || len(c.Tests) == selftestsMax {
			continue
		}
		c.Tests = append(c.Tests, name)
		file := path.Join(collection, name)
		if _, err := root.Lstat(file); err == nil {
			built++
			continue
		}
		u, ok := why[name]
		if !ok {
			u = Unbuilt{Name: name, Reason: "the log says why"}
			why[name] = u
		}
		err := errors.Join(root.MkdirAll(collection, 0o755), root.WriteFile(file, []byte(skipScript(u.Reason)), 0o755))
		if err != nil {
			return nil, err
		}
	}
	for _, name := range sortedKeys(why) {
		c.Unbuilt = append(c.Unbuilt, why[name])
	}
	if built == 0 {
		return nil, errors.New(out.why("no test was built"))
	}
	return c, nil
}

// selftestsMax bounds a collection.
const selftestsMax = 2000

// skipScript is a test that skips, and says why.
func skipScript(reason string) string {
	quoted := strings.ReplaceAll(plain.Line(reason), "'", `'\''`)
	return "#!/bin/sh\necho 'not built: " + quoted + "'\nexit 4\n"
}

// openDir opens a directory that a build may have put something else in the place of.
func openDir(dir string) (*os.Root, error) {
	if fi, err := os.Lstat(dir); err != nil || !fi.IsDir() {
		return nil, errors.Join(err, fmt.Errorf("%s is no directory", dir))
	}
	return os.OpenRoot(dir)
}

// keep moves what was installed to dest, whole or not at all.
func (b *Kselftest) keep(c *Collection, install, dest string) error {
	note, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dest), 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dest), ".new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	err = errors.Join(
		os.Rename(install, filepath.Join(tmp, selftestsInside)),
		os.WriteFile(filepath.Join(tmp, SelftestRun), selftestRun, 0o755),
		os.WriteFile(filepath.Join(tmp, selftestsNote), bytes.TrimSpace(note), 0o644),
		os.Chmod(tmp, 0o755),
		os.RemoveAll(dest))
	if err != nil {
		return err
	}
	return os.Rename(tmp, dest)
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// selftestPackages are Debian's packages of what self-tests look for.
var selftestPackages = map[string]string{
	"capability.h": "libcap-dev", "cap": "libcap-dev", "cap-ng.h": "libcap-ng-dev", "cap-ng": "libcap-ng-dev", "numa.h": "libnuma-dev", "numaif.h": "libnuma-dev",
	"numa": "libnuma-dev", "hugetlbfs.h": "libhugetlbfs-dev", "hugetlbfs": "libhugetlbfs-dev", "popt.h": "libpopt-dev", "popt": "libpopt-dev", "fuse.h": "libfuse-dev",
	"fuse": "libfuse-dev", "liburing.h": "liburing-dev", "uring": "liburing-dev", "libmnl.h": "libmnl-dev", "mnl": "libmnl-dev", "asoundlib.h": "libasound2-dev",
	"asound": "libasound2-dev", "libelf.h": "libelf-dev", "elf": "libelf-dev", "libmount.h": "libmount-dev", "mount": "libmount-dev", "gpiod.h": "libgpiod-dev",
	"clang": "clang", "rsync": "rsync",
}
