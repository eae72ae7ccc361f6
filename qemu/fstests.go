package qemu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing/format/gitignore"

	"github.com/seriesctl/seriesctl/internal/pattern"
	"github.com/seriesctl/seriesctl/internal/xec"
)

// Fstests builds a checkout of fstests. The checkout itself is only read: what git would not ignore of it is copied to Dir/src
// and built there, in the sandbox that kernels are built in. The next Build copies and compiles what has changed.
type Fstests struct {
	Checkout string
	Dir      string // a directory of its own
	Log      string // where the whole output of a build goes
	Jobs     int
	Sandbox  bool
	Progress func(Progress) // nil for none
}

// fstestsNeeds hint at what a build of fstests needs, and its tests.
const fstestsNeeds = "apt install acl attr autoconf automake bc e2fsprogs gawk gcc libacl1-dev libaio-dev libattr1-dev libcap-dev libgdbm-dev libtool libtool-bin make pkg-config quota uuid-dev xfslibs-dev xfsprogs" +
	" (Fedora: dnf install acl attr automake bc e2fsprogs gawk gcc gdbm-devel libacl-devel libaio-devel libattr-devel libcap-devel libtool libuuid-devel make quota xfsprogs-devel)"

// fstestsMax bounds a checkout, in files and bytes.
const (
	fstestsMaxFiles = 50000
	fstestsMaxSize  = 1 << 30
)

// copied says what a file of the checkout was when it was copied.
type copied struct {
	Size int64
	Time int64 // of its last change, ns
	Mode fs.FileMode
	Link string `json:",omitempty"`
}

// Build returns the directory with the built tree. A tree that does not build, for want of a library or by its own fault, is an
// *InfraError: it is no kernel's.
func (b *Fstests) Build(ctx context.Context) (string, error) {
	src := filepath.Join(b.Dir, "src")
	changed, err := b.copy(ctx, src)
	if err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", &InfraError{Op: "copy fstests", Err: err, Hint: spaceHint(err)}
	}
	built := filepath.Join(b.Dir, "built")
	toolchain, err := Toolchain(ctx)
	if err != nil {
		return "", err
	}
	if was, err := os.ReadFile(built); err == nil && string(was) == toolchain && !changed {
		return src, nil
	}
	if err := os.RemoveAll(built); err != nil {
		return "", &InfraError{Op: "build fstests", Err: err}
	}
	if err := b.make(ctx, src); err != nil {
		return "", err
	}
	if err := os.WriteFile(built, []byte(toolchain), 0o644); err != nil {
		return "", &InfraError{Op: "build fstests", Err: err, Hint: spaceHint(err)}
	}
	return src, nil
}

// copy brings dir to what the checkout has; changed says whether anything that is built has changed.
func (b *Fstests) copy(ctx context.Context, dir string) (changed bool, err error) {
	now, err := b.sources(ctx)
	if err != nil {
		return false, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return false, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return false, err
	}
	defer root.Close()
	note := filepath.Join(b.Dir, "copied.json")
	was := map[string]copied{}
	if old, err := os.ReadFile(note); err == nil {
		_ = json.Unmarshal(old, &was) // else all is copied again
	}
	for rel := range was {
		if _, ok := now[rel]; !ok {
			changed = changed || !isTest(rel)
			if err := root.Remove(rel); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return false, err
			}
		}
	}
	// Without the note everything counts as changed, should this not come to its end.
	if err := os.Remove(note); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	for _, rel := range sortedKeys(now) {
		if was[rel] == now[rel] {
			continue
		}
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		changed = changed || !isTest(rel)
		if err := copyInto(root, rel, filepath.Join(b.Checkout, rel), now[rel]); err != nil {
			return false, err
		}
	}
	all, err := json.Marshal(now)
	if err != nil {
		return false, err
	}
	if changed { // and is not built: a kill between here and the end of the build must not be forgotten
		if err := os.RemoveAll(filepath.Join(b.Dir, "built")); err != nil {
			return false, err
		}
	}
	return changed, os.WriteFile(note, all, 0o644)
}

// isTest says whether a file is a test's own: a script, what it is compared with.
func isTest(rel string) bool {
	return strings.HasPrefix(rel, "tests/") && filepath.Base(rel) != "Makefile"
}

// copyInto copies one file. Its time of change is now: that is what make goes by.
func copyInto(root *os.Root, rel, from string, c copied) error {
	if err := root.MkdirAll(filepath.Dir(rel), 0o755); err != nil {
		return err
	}
	if err := root.Remove(rel); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if c.Link != "" {
		return root.Symlink(c.Link, rel)
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := root.OpenFile(rel, os.O_WRONLY|os.O_CREATE|os.O_EXCL, c.Mode.Perm()|0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// sources lists the files of the checkout but those that git ignores: what a build has left there is not taken over.
func (b *Fstests) sources(ctx context.Context) (map[string]copied, error) {
	patterns, err := gitignore.ReadPatterns(osfs.New(b.Checkout), nil)
	if err != nil {
		return nil, err
	}
	ignored := gitignore.NewMatcher(patterns)
	out := map[string]copied{}
	size := int64(0)
	err = filepath.WalkDir(b.Checkout, func(p string, d fs.DirEntry, err error) error {
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		rel, err := filepath.Rel(b.Checkout, p)
		if err != nil || rel == "." {
			return err
		}
		if rel == ".git" || ignored.Match(strings.Split(rel, string(filepath.Separator)), d.IsDir()) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		fi, err := d.Info()
		if err != nil || fi.IsDir() {
			return err
		}
		c := copied{Size: fi.Size(), Time: fi.ModTime().UnixNano(), Mode: fi.Mode()}
		switch {
		case fi.Mode().IsRegular():
			size += fi.Size()
		case fi.Mode()&fs.ModeSymlink != 0:
			if c.Link, err = os.Readlink(p); err != nil {
				return err
			}
		default:
			return nil
		}
		out[rel] = c
		if len(out) > fstestsMaxFiles || size > fstestsMaxSize {
			return fmt.Errorf("%s has more than %d files or %d MiB", b.Checkout, fstestsMaxFiles, fstestsMaxSize>>20)
		}
		return nil
	})
	return out, err
}

// make builds the tree in src, which configures itself first.
func (b *Fstests) make(ctx context.Context, src string) error {
	if b.Sandbox {
		if err := checkSandbox(); err != nil {
			return err
		}
	}
	w := workshop{src: src, obj: src, tmp: filepath.Join(b.Dir, "tmp"), sandbox: b.Sandbox, limits: limitsFor(max(1, b.Jobs))}
	if err := errors.Join(w.makeDirs(), os.MkdirAll(filepath.Dir(b.Log), 0o755)); err != nil {
		return &InfraError{Op: "build fstests", Err: err, Hint: spaceHint(err)}
	}
	log, err := os.Create(b.Log)
	if err != nil {
		return &InfraError{Op: "build fstests", Err: err, Hint: spaceHint(err)}
	}
	defer log.Close()
	out := &suiteLog{file: log, total: sourceFiles(src), progress: b.Progress}
	tmp := w.tmp
	if b.Sandbox {
		tmp = "/tmp"
	}
	env := []string{"PATH=" + os.Getenv("PATH") + ":/usr/sbin:/sbin", "HOME=" + tmp, "TMPDIR=" + tmp, "LC_ALL=C"}
	cmd := w.cmd(env, []string{"make", "--output-sync=target", "-j" + strconv.Itoa(max(1, b.Jobs))})
	cmd.Stdout = out
	err = cmd.Run(ctx)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
		return nil
	}
	if e := sandboxFailure(err); e != nil {
		return e
	}
	if errors.As(err, new(*InfraError)) {
		return err
	}
	var x *xec.Error
	if errors.As(err, &x) && out.reason() != "" {
		err = errors.New(out.reason())
	}
	return &InfraError{Op: "build fstests", Err: err, Hint: out.hint() + "; the whole output is in " + b.Log}
}

// sourceFiles counts what a build compiles at most.
func sourceFiles(src string) int {
	n := 0
	for _, dir := range []string{"src", "ltp", "lib"} {
		_ = filepath.WalkDir(filepath.Join(src, dir), func(p string, d fs.DirEntry, err error) error {
			if err == nil && filepath.Ext(p) == ".c" {
				n++
			}
			return nil
		})
	}
	return n
}

// suiteLog follows a build of fstests: what is made, and what went wrong first.
type suiteLog struct {
	file     *os.File
	progress func(Progress)
	total    int
	done     int
	written  int
	part     string
	last     []string // lines that may say why, the first ones
	missing  []string // files, libraries and programs that the host has not
}

const (
	suiteLines    = 20
	suiteLineSize = 300
)

var (
	suiteStep    = pattern.New(`^\s*\[(?:CC|LD)\]\s+(\S+)`)
	suiteTrouble = pattern.New(`(?i)\berror\b|fatal|cannot find|not found|no such file|undefined reference|cannot .* header`)
	suiteNoise   = pattern.New(`^checking |^make(?:\[\d+\])?: (?:\*\*\*|Entering|Leaving)|\.\.\. (?:yes|no)$|Waiting for unfinished`)
	suiteMissing = pattern.New(`(?:cannot find a valid <|fatal error: )([A-Za-z0-9_./-]+\.h)|cannot find -l([A-Za-z0-9_-]+)|(?:^|[: /])([a-z0-9-]+): (?:command )?not found|^make(?:\[\d+\])?: ([a-z0-9-]+): No such file`)
)

func (l *suiteLog) Write(p []byte) (int, error) {
	if l.written < maxLog {
		n, err := l.file.Write(p[:min(len(p), maxLog-l.written)])
		l.written += n
		if err != nil {
			return n, err
		}
	}
	lines := strings.SplitAfter(l.part+string(p), "\n")
	l.part = lines[len(lines)-1]
	if len(l.part) > maxLine {
		l.part = l.part[:maxLine]
	}
	for _, line := range lines[:len(lines)-1] {
		l.line(strings.TrimRight(line, "\r\n"))
	}
	return len(p), nil
}

func (l *suiteLog) line(s string) {
	if m := suiteStep.FindStringSubmatch(s); m != nil {
		l.done++
		if l.progress != nil {
			l.progress(Progress{Step: "building fstests", File: m[1], Done: l.done, Total: max(l.done, l.total)})
		}
		return
	}
	if l.progress != nil && l.done == 0 && strings.HasPrefix(s, "checking ") {
		l.progress(Progress{Step: "configuring fstests"})
	}
	if suiteNoise.MatchString(s) || !suiteTrouble.MatchString(s) {
		return
	}
	if m := suiteMissing.FindStringSubmatch(s); m != nil {
		for _, name := range m[1:] {
			if name != "" && !slices.Contains(l.missing, name) && len(l.missing) < suiteLines {
				l.missing = append(l.missing, name)
			}
		}
	}
	if len(l.last) < suiteLines {
		l.last = append(l.last, strings.TrimSpace(s[:min(len(s), suiteLineSize)]))
	}
}

// reason is the line that says best why it does not build.
func (l *suiteLog) reason() string {
	if len(l.missing) > 0 {
		return "this host has no " + strings.Join(l.missing[:min(3, len(l.missing))], ", ")
	}
	if len(l.last) == 0 {
		return ""
	}
	return l.last[0]
}

// hint names the package that has what is missing, or all that are needed.
func (l *suiteLog) hint() string {
	for _, name := range l.missing {
		if pkg := fstestsPackages[filepath.Base(name)]; pkg != "" {
			return "apt install " + pkg + "; all that it needs: " + fstestsNeeds
		}
	}
	return fstestsNeeds
}

// fstestsPackages are Debian's packages of what a build of fstests looks for.
var fstestsPackages = map[string]string{
	"xfs.h": "xfslibs-dev", "libxfs.h": "xfslibs-dev", "handle.h": "xfslibs-dev", "handle": "xfslibs-dev", "uuid.h": "uuid-dev", "uuid": "uuid-dev",
	"acl.h": "libacl1-dev", "libacl.h": "libacl1-dev", "attributes.h": "libattr1-dev", "libaio.h": "libaio-dev", "aio": "libaio-dev",
	"gdbm.h": "libgdbm-dev", "libtoolize": "libtool-bin", "libtool": "libtool-bin", "autoconf": "autoconf", "autoheader": "autoconf",
	"aclocal": "automake", "gcc": "gcc", "cc": "gcc",
}
