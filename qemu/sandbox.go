package qemu

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seriesctl/seriesctl/internal/xec"
)

// Where a sandboxed build finds its directories. They are the same for every worker and workspace, so what the
// compiler writes down about paths is too.
const (
	sandboxSrc   = "/build/src"
	sandboxObj   = "/build/obj"
	sandboxCache = "/build/ccache"
)

// systemDirs are the directories of the host a build may read. Everything else (home, /var, /root, /srv, other
// disks, the sockets in /run) does not exist for it.
var systemDirs = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt"}

// systemFiles are the files of /etc a build may read.
var systemFiles = []string{
	"/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/nsswitch.conf",
}

// workshop is one worker's directories, as the host sees them and as the build sees them.
type workshop struct {
	src, obj, cache, tmp string // on the host
	sandbox              bool
	limits               limits // of the sandbox
}

// seen returns the paths of the source, object and cache directories for the build; without a compiler cache the last is "".
func (w workshop) seen() (src, obj, cache string) {
	if !w.sandbox {
		return w.src, w.obj, w.cache
	}
	if w.cache != "" {
		cache = sandboxCache
	}
	return sandboxSrc, sandboxObj, cache
}

// cmd returns a process that runs argv with exactly the environment env. Its standard error goes where its standard output
// goes, in order; what is left on the process's own standard error comes from the sandbox.
//
// In the sandbox the build has no network and no sockets but those between its own processes, sees the system
// read-only and nothing of the user's, can write obj, the compiler cache and /tmp and nothing else, has no way to
// reach a process outside, and stays within the limits: one that does not is killed, and Run returns a *limitError.
func (w workshop) cmd(env, argv []string) sandboxCmd {
	inner := []string{"sh", "-c", `exec "$@" 2>&1`, "sh", "env", "-i"}
	inner = append(append(inner, env...), argv...)
	if !w.sandbox {
		return sandboxCmd{Cmd: xec.Cmd{Name: inner[0], Args: inner[1:], Dir: w.obj}}
	}
	inner[2] = w.limits.shell() + inner[2]
	args := []string{
		"--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try",
		"--cap-drop", "ALL", "--die-with-parent", "--new-session", "--hostname", "build",
	}
	if os.Geteuid() == 0 {
		args = append(args, "--unshare-user-try") // containers often allow root everything but this
	} else {
		args = append(args, "--unshare-user") // and in it RLIMIT_NPROC counts only the build's processes
	}
	args = append(args, "--proc", "/proc", "--dev", "/dev")
	for _, dir := range systemDirs {
		fi, err := os.Lstat(dir)
		if err != nil {
			continue
		}
		if fi.Mode()&os.ModeSymlink == 0 {
			args = append(args, "--ro-bind", dir, dir)
		} else if target, err := os.Readlink(dir); err == nil {
			args = append(args, "--symlink", target, dir)
		}
	}
	for _, f := range systemFiles {
		args = append(args, "--ro-bind-try", f, f)
	}
	args = append(args,
		"--ro-bind", w.src, sandboxSrc, "--bind", w.obj, sandboxObj, "--bind", w.tmp, "/tmp",
		"--chdir", sandboxObj, "--info-fd", "3",
	)
	if w.cache != "" {
		args = append(args, "--bind", w.cache, sandboxCache)
	}
	// What bubblewrap made itself is in memory, and would be a place to fill.
	// And where root may write into /proc/sys, the build may.
	args = append(args, "--remount-ro", "/proc", "--remount-ro", "/dev", "--remount-ro", "/")
	if socketFilter != nil {
		args = append(args, "--seccomp", "4")
	}
	args = append(append(args, "--"), inner...)
	return sandboxCmd{Cmd: xec.Cmd{Name: "bwrap", Args: args, Dir: w.obj, Grace: -1}, shop: w}
}

// checkSandbox is an *InfraError when bubblewrap is not installed.
func checkSandbox() error {
	if _, err := xec.Find("bwrap"); err != nil {
		return &InfraError{
			Op:  "start build sandbox",
			Err: err,
			Hint: "install bubblewrap (`apt install bubblewrap`, `dnf install bubblewrap`), or trust the patches' makefiles " +
				"and give --no-sandbox",
		}
	}
	return nil
}

// sandboxFailure is an *InfraError when a process of cmd failed because bubblewrap did, nil otherwise: bubblewrap
// says so on its own standard error, which the build can not write to.
func sandboxFailure(err error) error {
	var e *xec.Error
	if !errors.As(err, &e) || e.Name != "bwrap" {
		return nil
	}
	lines := slices.DeleteFunc(strings.Split(e.Stderr, "\n"), func(l string) bool { return !strings.HasPrefix(l, "bwrap: ") })
	if len(lines) == 0 {
		return nil
	}
	return &InfraError{
		Op:  "start build sandbox",
		Err: errors.New(lines[len(lines)-1]),
		Hint: "bubblewrap can not make namespaces on this host (a container, or kernel.unprivileged_userns_clone=0, or AppArmor): " +
			"allow them, or trust the patches' makefiles and give --no-sandbox",
	}
}

// makeDirs makes the directories a build writes to and empties its /tmp.
func (w workshop) makeDirs() error {
	if err := os.RemoveAll(w.tmp); err != nil {
		return err
	}
	for _, dir := range []string{w.obj, w.tmp, w.cache} {
		if dir == "" {
			continue
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// relativePath makes a path that a build printed relative to the source or object tree it is in.
func relativePath(path string, roots ...string) string {
	for _, root := range roots {
		if rel, ok := strings.CutPrefix(path, root+"/"); ok {
			path = rel
			break
		}
	}
	return strings.TrimPrefix(filepath.Clean(path), "./")
}
