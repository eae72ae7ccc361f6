package qemu

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seriesctl/seriesctl/internal/pattern"
	"github.com/seriesctl/seriesctl/internal/xec"
)

// maxLog bounds a build's log, in bytes: a makefile can print for ever.
const maxLog = 64 << 20

// ccacheSize bounds the compiler cache of a workspace.
const ccacheSize = "3G"

// Builder is one worker: it builds one tree after the other in one place, each time only what changed.
// Two builders must not share Dir; they may share Images.
type Builder struct {
	// Dir holds src (the source tree; the caller writes it and Build only reads it), obj (make's O=), tmp and
	// the builder's notes. The compiler cache, when ccache is installed, is ccache beside Dir.
	Dir string
	// Source is the source tree when it is not Dir/src: builders that work one after the other may share it.
	Source string
	// Images is where finished images are kept, one directory for each key.
	Images string
	// Jobs is make's -j; 0 is 1.
	Jobs int
	// Sandbox keeps what the makefiles do inside Dir; see [workshop.cmd].
	Sandbox bool
	// Progress is called from one goroutine while Build runs, once for each step make prints; nil for none.
	Progress func(Progress)
	// Changed are the files of the tree, relative to it, that differ from those of this Builder's last Build that went well; nil
	// when that is not known.
	Changed []string
	// Configured is called with the finished .config before anything is compiled; nil for nothing.
	Configured func(dotConfig string)

	limits  limits // of the sandbox; those of limitsFor when zero
	objects objectNotes
	current bool // the last make was a Build that went well
}

// Progress is how far a build is.
type Progress struct {
	Step        string // "configuring", "compiling", "linking"
	Done, Total int    // objects compiled, and to compile; Total 0 is unknown
	File        string // what is being made, relative to the object tree
}

// Build configures (when the config, the toolchain or a Kconfig file changed) and builds src, and stores the image under
// key. log is where make's whole output goes.
//
// The errors: *BuildError when the tree does not build, *ConfigError when an option asked for does not survive,
// *InfraError when the host fails (no compiler, disk full, compiler killed), an error that wraps ctx.Err() when
// ctx ended. After any of them the next Build is sound, as it is after a kill -9 or a power failure.
func (b *Builder) Build(ctx context.Context, key string, c Config, log string) (*Image, error) {
	img, err := b.build(ctx, key, c, log)
	return img, b.blame(ctx, asBuildError(err, log))
}

// Configure makes the .config that Build would build with, and nothing else. Errors are those of Build.
func (b *Builder) Configure(ctx context.Context, c Config, log string) error {
	return b.blame(ctx, asBuildError(b.configure(ctx, c, log), log))
}

func (b *Builder) configure(ctx context.Context, c Config, log string) error {
	r, err := b.open(ctx, c, log)
	if err != nil {
		return err
	}
	defer r.close()
	src, err := os.OpenRoot(r.shop.src)
	if err != nil {
		return err
	}
	defer src.Close()
	if err := b.setMarker(); err != nil {
		return err
	}
	return r.ended(r.ensureConfig(ctx, src))
}

// blame says whose fault the end of a build is, as Build's errors do.
func (b *Builder) blame(ctx context.Context, err error) error {
	if cause := ctx.Err(); err != nil && cause != nil {
		return fmt.Errorf("build kernel: %w", cause)
	}
	var (
		infra *InfraError
		tree  *BuildError
		conf  *ConfigError
		usage *configInputError
		none  *NoKernelError
	)
	switch {
	case (errors.As(err, &tree) || errors.As(err, &conf)) && diskIsFull(b.Dir):
		// What failed then says nothing about the tree: a file may have been cut without a word.
		return &InfraError{Op: "build kernel", Err: syscall.ENOSPC}
	case (errors.As(err, &tree) || errors.As(err, &conf)) && unix.Access(b.Dir, unix.W_OK) == unix.EROFS:
		// Not what the build says: in the sandbox most is read-only, and a makefile that writes there is wrong.
		return &InfraError{Op: "build kernel", Err: unix.EROFS, Hint: "see why " + b.Dir + " is read-only: a damaged disk often is"}
	case err == nil, errors.As(err, &infra), errors.As(err, &tree), errors.As(err, &conf), errors.As(err, &none):
		return err
	case errors.As(err, &usage):
		return usage.error
	}
	return &InfraError{Op: "build kernel", Err: err}
}

// diskIsFull says whether there is so little room left that a build can not have worked.
func diskIsFull(dir string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(dir, &fs) == nil && int64(fs.Bavail)*fs.Bsize < 1<<20
}

// configInputError is a Config that can not be read: the caller's fault.
type configInputError struct{ error }

func (b *Builder) build(ctx context.Context, key string, c Config, log string) (*Image, error) {
	start := time.Now()
	if _, err := b.imagePath(key); err != nil {
		return nil, err
	}
	r, err := b.open(ctx, c, log)
	if err != nil {
		return nil, err
	}
	defer r.close()
	if err := b.setMarker(); err != nil {
		return nil, err
	}
	err = r.run(ctx)
	warnings, noteErr := r.noteWarnings()
	if err = r.ended(cmp.Or(err, noteErr)); err != nil {
		return nil, err
	}
	dotConfig, err := readMade(r.obj, ".config")
	if err != nil {
		return nil, err
	}
	err = b.storeImage(filepath.Join(r.shop.obj, "vmlinux"), dotConfig, imageMeta{
		Key: key, Compiled: r.out.compiled, Seconds: time.Since(start).Seconds(), Warnings: warnings,
	})
	var none *notKernelError
	if errors.As(err, &none) {
		return nil, &BuildError{Diagnostics: []Diagnostic{{File: "vmlinux", Kind: "error", Text: none.reason}}, Log: log}
	}
	if err != nil {
		return nil, fmt.Errorf("store image: %w", err)
	}
	return b.Image(key)
}

// ended clears the marker after a make that ended by itself: one that went well, or that the tree made fail. What else
// it left behind is not known.
func (r *job) ended(err error) error {
	var tree *BuildError
	var conf *ConfigError
	if err == nil || errors.As(err, &tree) || errors.As(err, &conf) {
		return cmp.Or(r.b.clearMarker(), err)
	}
	return err
}

// open makes everything ready for a make: the tools, the worker's directories and lock, the log.
func (b *Builder) open(ctx context.Context, c Config, log string) (_ *job, err error) {
	req, err := c.resolve()
	if err != nil {
		return nil, &configInputError{err}
	}
	if b.Sandbox {
		if err := checkSandbox(); err != nil {
			return nil, err
		}
	}
	if err := checkBuildTools(b.Sandbox); err != nil {
		return nil, err
	}
	tools, err := Toolchain(ctx)
	if err != nil {
		return nil, err
	}
	r := &job{b: b, req: req, tools: tools, shop: b.workshop(), log: log, unlock: func() {}}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if _, err := os.Stat(filepath.Join(r.shop.src, "Makefile")); err != nil {
		return nil, &NoKernelError{}
	}
	if err := os.MkdirAll(b.Dir, 0o755); err != nil {
		return nil, err
	}
	unlock, err := b.lock()
	if err != nil {
		return nil, err
	}
	r.unlock = unlock
	if err := b.recoverTree(r.shop.obj); err != nil {
		return nil, fmt.Errorf("clear interrupted build: %w", err)
	}
	if err := r.shop.makeDirs(); err != nil {
		return nil, err
	}
	if r.obj, err = os.OpenRoot(r.shop.obj); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(log), 0o755); err != nil {
		return nil, err
	}
	r.out, err = newBuildLog(log)
	return r, err
}

func (r *job) close() {
	if r.out != nil {
		r.out.close()
	}
	if r.obj != nil {
		r.obj.Close()
	}
	r.unlock()
}

// SourceDir is where the caller puts the tree to build.
func (b *Builder) SourceDir() string {
	if b.Source != "" {
		return b.Source
	}
	return filepath.Join(b.Dir, "src")
}

func (b *Builder) workshop() workshop {
	w := workshop{
		src: b.SourceDir(), obj: filepath.Join(b.Dir, "obj"), tmp: filepath.Join(b.Dir, "tmp"),
		sandbox: b.Sandbox, limits: b.limits,
	}
	if w.limits == (limits{}) {
		w.limits = limitsFor(max(1, b.Jobs))
	}
	if _, err := xec.Find("ccache"); err == nil {
		w.cache = filepath.Join(filepath.Dir(b.Dir), "ccache")
	}
	return w
}

// job is one Build.
type job struct {
	b     *Builder
	req   request
	tools string
	shop  workshop
	obj   *os.Root // a build may leave links in obj that lead out of it
	log   string
	out   *buildLog
	asked bool // the config was made anew

	unlock func()
}

func (r *job) run(ctx context.Context) error {
	src, err := os.OpenRoot(r.shop.src)
	if err != nil {
		return err
	}
	defer src.Close()
	if err := r.ensureConfig(ctx, src); err != nil {
		return err
	}
	if r.b.Configured != nil {
		dotConfig, err := readMade(r.obj, ".config")
		if err != nil {
			return err
		}
		r.b.Configured(string(dotConfig))
	}
	r.out.step("compiling", r.b.Progress)
	r.out.total = r.outdatedObjects()
	err = r.make(ctx, nil, append(r.walk(), "vmlinux")...)
	r.b.current = err == nil
	if r.asked && (err == nil || r.out.compiled > 0) { // once it compiles, make has taken the config over
		err = cmp.Or(err, r.noteConfigured(src))
	}
	return err
}

// ensureConfig makes obj/.config where what it was made from has changed.
func (r *job) ensureConfig(ctx context.Context, src *os.Root) error {
	if r.configured(src) {
		return nil
	}
	r.asked = true
	r.out.step("configuring", r.b.Progress)
	if err := os.RemoveAll(r.stampFile()); err != nil {
		return err
	}
	return r.configure(ctx, src)
}

// env is the whole environment of a build. What the user has set does not change what is built.
func (r *job) env() []string {
	_, _, cache := r.shop.seen()
	tmp := r.shop.tmp
	if r.shop.sandbox {
		tmp = "/tmp"
	}
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + tmp, "TMPDIR=" + tmp, "LC_ALL=C",
		// Documentation/kbuild/reproducible-builds.rst
		"KBUILD_BUILD_TIMESTAMP=Thu Jan  1 00:00:00 UTC 1970", "KBUILD_BUILD_USER=seriesctl",
		"KBUILD_BUILD_HOST=lab", "KBUILD_BUILD_VERSION=1",
	}
	if cache != "" {
		// In depend mode a miss costs no second run of the preprocessor.
		env = append(env, "CCACHE_DIR="+cache, "CCACHE_DEPEND=1", "CCACHE_MAXSIZE="+ccacheSize)
	}
	return env
}

// make runs make with args on the tree. vars are variables of the environment, added to env.
func (r *job) make(ctx context.Context, vars []string, args ...string) error {
	src, obj, cache := r.shop.seen()
	argv := []string{
		"make", "--no-print-directory", "--output-sync=target", "-C", src, "O=" + obj, "-j" + strconv.Itoa(max(1, r.b.Jobs)),
		"LOCALVERSION=", // set, so that no "+" is added for a tree that is no release
		// Through PVH a kernel with KASAN resets the machine: xen_prepare_pvh (arch/x86/platform/pvh/enlighten.c) and the
		// memcmp it calls (lib/string.c) run before there is shadow memory.
		"KASAN_SANITIZE_enlighten.o=n", "KASAN_SANITIZE_string.o=n",
	}
	if cache != "" {
		argv = append(argv, "CC=ccache gcc")
	}
	r.b.current = false
	cmd := r.shop.cmd(append(r.env(), vars...), append(argv, args...))
	r.out.diag.roots = []string{src, obj}
	cmd.Stdout = r.out
	err := cmd.Run(ctx)
	r.out.flush()
	if err != nil {
		return r.classify(ctx, err)
	}
	if name := r.fromFuture(obj); name != "" {
		if err := os.RemoveAll(r.shop.obj); err != nil { // what is outdated can't be told
			return err
		}
		return &InfraError{Op: "build kernel", Err: fmt.Errorf("the clock was set back, or is not the file system's: %s is from the future", name),
			Hint: "run the same command again; where the workspace is on a network, set the clocks"}
	}
	return r.out.err()
}

// fromFuture is the first file that the build itself made, and make says is newer than now: it hides what changes. A source from the
// future only costs time, as what is made from it is made again. obj is the object tree as make sees it.
func (r *job) fromFuture(obj string) string {
	for _, name := range r.out.diag.future {
		if fi, err := r.obj.Lstat(relativePath(name, obj)); err == nil && fi.ModTime().After(time.Now()) {
			return name
		}
	}
	return ""
}

// classify says whose fault a failed make is.
func (r *job) classify(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if e := sandboxFailure(err); e != nil {
		return e
	}
	if errors.As(err, new(*limitError)) || errors.As(err, new(*InfraError)) {
		return err
	}
	d := &r.out.diag
	switch {
	case d.missing != "":
		return &InfraError{Op: "build kernel", Err: fmt.Errorf("the host has no %s", d.missing), Hint: buildHint}
	case d.trouble != "":
		hint := "free some space, or memory (fewer --jobs), and run the same command again"
		return &InfraError{Op: "build kernel", Err: errors.New(strings.TrimSpace(d.trouble)), Hint: hint}
	}
	if logErr := r.out.err(); logErr != nil {
		return logErr
	}
	var e *xec.Error
	const makeFailed = 2 // the status of a make that ended by itself, GNU make manual, "Running make"
	if !errors.As(err, &e) || e.Status != makeFailed {
		return &InfraError{
			Op: "build kernel", Err: fmt.Errorf("make did not end by itself: %w", err),
			Hint: "run the same command again; if it persists, see " + r.log,
		}
	}
	return &BuildError{Diagnostics: d.failure(), Log: r.log}
}

// Files of the object tree that configuring uses. The new config is made beside the old one, which keeps its
// time stamp when they are equal.
const (
	askedFile = ".config.asked"
	nextFile  = ".config.next"
)

// tinyFiles are what `make tinyconfig` reads (scripts/kconfig/Makefile), in this order.
var tinyFiles = []string{"kernel/configs/tiny-base.config", "kernel/configs/tiny.config", "arch/x86/configs/tiny.config"}

func (r *job) configure(ctx context.Context, src *os.Root) error {
	_, obj, _ := r.shop.seen()
	vars := []string{"KCONFIG_CONFIG=" + obj + "/" + nextFile}
	text := ""
	switch r.req.base {
	case "tinyconfig":
		for _, name := range tinyFiles {
			part, err := src.ReadFile(name)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			text += string(part) + "\n"
		}
		if strings.TrimSpace(text) == "" {
			return errors.New("this kernel has no tinyconfig")
		}
	case "defconfig":
		if err := r.make(ctx, vars, "defconfig"); err != nil {
			return err
		}
		part, err := readMade(r.obj, nextFile)
		if err != nil {
			return err
		}
		text = string(part)
	case "file":
		text = r.req.baseText
	}
	text += "\n" + r.req.fragment() + "# CONFIG_LOCALVERSION_AUTO is not set\n"

	target := "olddefconfig"
	if r.req.base == "tinyconfig" {
		// merge_config.sh -n, in one step: what is not asked for is off, also where Kconfig's default is on.
		target = "allnoconfig"
		vars = append(vars, "KCONFIG_ALLCONFIG="+obj+"/"+askedFile)
		if err := writeMade(r.obj, askedFile, text); err != nil {
			return err
		}
	} else if err := writeMade(r.obj, nextFile, text); err != nil {
		return err
	}
	if err := r.make(ctx, vars, target); err != nil {
		return err
	}
	next, err := readMade(r.obj, nextFile)
	if err != nil {
		return err
	}
	if err := checkSurvived(r.req.wants, string(next), src); err != nil {
		return err
	}
	if old, err := readMade(r.obj, ".config"); err == nil && bytes.Equal(old, next) {
		return r.obj.Remove(nextFile)
	}
	if fi, err := r.obj.Lstat(".config"); err == nil && !fi.Mode().IsRegular() {
		if err := r.obj.RemoveAll(".config"); err != nil {
			return err
		}
	}
	return r.obj.Rename(nextFile, ".config")
}

// configStamp says what obj/.config was made from.
type configStamp struct {
	Asked, Toolchain, Kconfig string
}

func (r *job) stamp(src *os.Root) (configStamp, error) {
	k, err := r.kconfigHash(src)
	return configStamp{Asked: r.req.hash(), Toolchain: r.tools, Kconfig: k}, err
}

func (r *job) stampFile() string { return filepath.Join(r.b.Dir, "configured.json") }

// configured reports whether obj/.config is what configure would make. A Kconfig file that a patch adds is found
// because one that was read before must now name it.
func (r *job) configured(src *os.Root) bool {
	var was configStamp
	text, err := os.ReadFile(r.stampFile())
	if err != nil || json.Unmarshal(text, &was) != nil {
		return false
	}
	if fi, err := r.obj.Lstat(".config"); err != nil || !fi.Mode().IsRegular() || fi.Size() > maxMade {
		return false
	}
	now, err := r.stamp(src)
	return err == nil && was == now
}

func (r *job) noteConfigured(src *os.Root) error {
	now, err := r.stamp(src)
	if err != nil {
		return os.RemoveAll(r.stampFile())
	}
	text, err := json.Marshal(now)
	if err != nil {
		return err
	}
	return os.WriteFile(r.stampFile(), text, 0o644)
}

// kconfigHash hashes every file Kconfig read at the last build (include/config/auto.conf.cmd lists them) and those
// the base config comes from, as they are now.
func (r *job) kconfigHash(src *os.Root) (string, error) {
	deps, err := readMade(r.obj, "include/config/auto.conf.cmd")
	if err != nil {
		return "", err
	}
	list, _, found := strings.Cut(string(deps), "\n\n")
	if !found {
		return "", errors.New("auto.conf.cmd is not understood")
	}
	seen, _, _ := r.shop.seen()
	names := append(strings.Fields(list), tinyFiles...)
	names = append(names, "arch/x86/configs/x86_64_defconfig", "Makefile", "arch/x86/Makefile")
	h := sha256.New()
	for _, name := range names {
		name = strings.TrimPrefix(name, seen+"/")
		if !filepath.IsLocal(name) || name == "deps_config" {
			continue
		}
		fmt.Fprintf(h, "%s\n", name)
		fi, err := src.Lstat(name)
		if err != nil || !fi.Mode().IsRegular() {
			continue
		}
		text, err := src.ReadFile(name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%d\n", len(text))
		h.Write(text)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// buildLog takes make's output: all of it goes to a file, each line to the parser, each step to Progress.
type buildLog struct {
	mu       sync.Mutex
	file     *os.File
	written  int
	fileErr  error
	part     []byte // of a line that has not ended
	diag     diagnostics
	state    Progress
	total    int
	compiled int
	objects  map[string]bool // that were compiled
	progress func(Progress)
}

func newBuildLog(path string) (*buildLog, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &buildLog{file: f, objects: map[string]bool{}}, nil
}

func (l *buildLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.save(p)
	for rest := p; len(rest) > 0; {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			l.collect(rest)
			break
		}
		l.collect(rest[:i])
		l.endLine()
		rest = rest[i+1:]
	}
	return len(p), nil
}

func (l *buildLog) save(p []byte) {
	if l.fileErr != nil || l.written >= maxLog {
		return
	}
	n, err := l.file.Write(p[:min(len(p), maxLog-l.written)])
	l.written += n
	l.fileErr = err
	if l.written >= maxLog && err == nil {
		_, l.fileErr = io.WriteString(l.file, "\n[seriesctl: the rest is not kept]\n")
	}
}

func (l *buildLog) collect(p []byte) {
	if room := maxLine - len(l.part); len(p) > room {
		p = p[:room]
	}
	l.part = append(l.part, p...)
}

func (l *buildLog) endLine() {
	line := string(l.part)
	l.part = l.part[:0]
	if m := stepLine.FindStringSubmatch(line); m != nil {
		l.made(m[1], m[2])
		return
	}
	l.diag.line(line)
}

// stepLine is what kbuild prints for each thing it makes: "  CC      fs/gfs2/file.o".
var stepLine = pattern.New(`^  ([A-Z][A-Z0-9_+]*)(?: \[[A-Z]\])? +(\S+)$`)

// linkSteps are the steps after the last object is compiled.
var linkSteps = map[string]bool{"LD": true, "MODPOST": true, "KSYM": true, "KSYMS": true, "NM": true, "SORTTAB": true, "LINK": true}

func (l *buildLog) made(step, file string) {
	l.diag.object = ""
	if step == "CC" || step == "AS" {
		l.diag.object = file
		l.objects[file] = true
	}
	switch {
	case l.state.Step != "compiling": // the link compiles the version and the symbol table
	case (step == "CC" || step == "AS") && !strings.HasPrefix(file, "/"): // an absolute path is a tool of the build
		l.compiled++
		l.state.Done = l.compiled
		l.state.Total = max(l.total, l.compiled)
		if l.total == 0 {
			l.state.Total = 0
		}
	case linkSteps[step] && strings.Contains(file, "vmlinux"):
		l.state.Step = "linking"
	}
	l.state.File = file
	l.report()
}

func (l *buildLog) report() {
	if l.progress != nil {
		l.progress(l.state)
	}
}

func (l *buildLog) step(name string, progress func(Progress)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.progress = progress
	l.state = Progress{Step: name}
	l.report()
}

// flush ends a last line without newline.
func (l *buildLog) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.part) > 0 {
		l.endLine()
	}
}

func (l *buildLog) err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fileErr == nil {
		return nil
	}
	return &InfraError{Op: "write build log", Err: l.fileErr, Hint: "free some space and run the same command again"}
}

func (l *buildLog) close() { l.file.Close() }
