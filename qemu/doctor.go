package qemu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seriesctl/seriesctl/internal/pattern"
	"github.com/seriesctl/seriesctl/internal/xec"
)

// What a run needs of the host: a kernel build tree with its objects and the images of a series, and a VM beside
// the compiler.
const (
	needDisk   = 6 << 30
	needMemory = 2 << 30
	checkTime  = 10 * time.Second
)

// Check is what `doctor` found out about one thing the host has to have.
type Check struct {
	Name     string `json:"name"`
	OK       bool   `json:"ok"`
	Required bool   `json:"required"` // nothing runs without it
	Detail   string `json:"detail"`   // what was found, or what is wrong
	Fix      string `json:"fix"`      // how to mend it, "" when OK
}

// CheckHost checks what building kernels and running them in QEMU takes, in a fixed order, each check bounded to 10
// seconds. workspace is where the images will be; it need not exist.
func CheckHost(ctx context.Context, workspace string) []Check {
	h := host{family: packageFamily(readOSRelease("/etc/os-release")), workspace: workspace}
	var list []Check
	for _, check := range h.checks() {
		cctx, cancel := context.WithTimeout(ctx, checkTime)
		detail, err := check.run(cctx)
		if err != nil && cctx.Err() != nil && ctx.Err() == nil {
			err = fmt.Errorf("no answer within %v", checkTime)
		}
		cancel()
		c := Check{Name: check.name, OK: err == nil, Required: check.required, Detail: detail}
		if err != nil {
			c.Detail, c.Fix = err.Error(), check.fix
			if c.Fix == "" {
				c.Fix = h.family.install(check.packages)
			}
		}
		list = append(list, c)
	}
	return list
}

// hostCheck is one check: run returns what it found, or what is wrong.
type hostCheck struct {
	name     string
	required bool
	packages packages
	fix      string // where no package mends it
	run      func(context.Context) (string, error)
}

// packages names what brings a tool, by package manager.
type packages struct{ apt, dnf string }

// both is a package of the same name everywhere.
func both(name string) packages { return packages{name, name} }

type host struct {
	family    family
	workspace string
}

func (h host) checks() []hostCheck {
	return []hostCheck{
		{name: "qemu", required: true, packages: packages{"qemu-system-x86", "qemu-system-x86-core"},
			run: version("qemu-system-x86_64", []string{"--version"}, 6, 0)},
		{name: "kvm", fix: "enable virtualisation in the firmware and add yourself to the group kvm; without KVM everything works, slower (TCG)",
			run: checkKVM},
		{name: "gcc", required: true, packages: both("gcc"), run: version("gcc", []string{"--version"}, 5, 1)},
		{name: "static libc", required: true, packages: packages{"libc6-dev", "glibc-static"}, run: checkStatic},
		{name: "make", required: true, packages: both("make"), run: version("make", []string{"--version"}, 3, 82)},
		{name: "ld", required: true, packages: both("binutils"), run: version("ld", []string{"--version"}, 2, 23)},
		{name: "flex", required: true, packages: both("flex"), run: version("flex", []string{"--version"}, 2, 5)},
		{name: "bison", required: true, packages: both("bison"), run: version("bison", []string{"--version"}, 2, 0)},
		{name: "bc", required: true, packages: both("bc"), run: present("bc")},
		{name: "perl", required: true, packages: both("perl"), run: present("perl")},
		{name: "xz", packages: packages{"xz-utils", "xz"}, run: present("xz")},
		{name: "libelf headers", packages: packages{"libelf-dev", "elfutils-libelf-devel"}, run: header("gelf.h")},
		{name: "openssl headers", packages: packages{"libssl-dev", "openssl-devel"}, run: header("openssl/opensslv.h")},
		{name: "git", required: true, packages: both("git"), run: version("git", []string{"--version"}, 2, 30)},
		{name: "mkfs.gfs2", required: true, packages: both("gfs2-utils"), run: present("mkfs.gfs2")},
		{name: "mkfs.ext4", required: true, packages: both("e2fsprogs"), run: present("mkfs.ext4")},
		{name: "bubblewrap", packages: both("bubblewrap"), run: checkBubblewrap},
		{name: "ccache", packages: both("ccache"), run: present("ccache")},
		{name: "disk space", required: true, fix: "free some space, or put the workspace elsewhere with --workspace",
			run: func(context.Context) (string, error) { return checkDisk(h.workspace, needDisk) }},
		{name: "memory", fix: "close other programs, or run with --jobs 1",
			run: func(context.Context) (string, error) { return checkMemory("/proc/meminfo", needMemory) }},
	}
}

// present checks that a program is there.
func present(name string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return find(name) }
}

func find(name string) (string, error) {
	path, err := xec.Find(name)
	if err != nil {
		return "", fmt.Errorf("%s not found", name)
	}
	return path, nil
}

var versionRE = pattern.New(`\b(\d+)\.(\d+)(?:[.\d]*)`)

// version checks that a program is there and says that it is at least major.minor.
func version(name string, args []string, major, minor int) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		path, err := find(name)
		if err != nil {
			return "", err
		}
		out, err := xec.Cmd{Name: path, Args: args, Grace: -1}.Output(ctx)
		if err != nil {
			return "", fmt.Errorf("%s does not run: %w", name, err)
		}
		line, _, _ := strings.Cut(string(out), "\n")
		all := versionRE.FindAllStringSubmatch(line, -1)
		if len(all) == 0 {
			return "", fmt.Errorf("%s gives no version: %q", name, clip(line, 80))
		}
		// Distributions put their own version in brackets before the program's.
		m := all[0]
		if name == "gcc" || name == "ld" {
			m = all[len(all)-1]
		}
		a, _ := strconv.Atoi(m[1])
		b, _ := strconv.Atoi(m[2])
		if a < major || a == major && b < minor {
			return "", fmt.Errorf("%s is version %s, needs %d.%d", name, m[0], major, minor)
		}
		return m[0], nil
	}
}

// header checks that the C compiler finds a header.
func header(name string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		gcc, err := find("gcc")
		if err != nil {
			return "", fmt.Errorf("%s not looked for: %w", name, err)
		}
		src := strings.NewReader("#include <" + name + ">\n")
		if err := (xec.Cmd{Name: gcc, Args: []string{"-E", "-x", "c", "-o", os.DevNull, "-"}, Stdin: src, Grace: -1}).Run(ctx); err != nil {
			return "", fmt.Errorf("%s not found by gcc (needed where the config asks for it)", name)
		}
		return name, nil
	}
}

// checkStatic links and runs a static program: the reproducers are such.
func checkStatic(ctx context.Context) (string, error) {
	gcc, err := find("gcc")
	if err != nil {
		return "", fmt.Errorf("not tried: %w", err)
	}
	dir, err := os.MkdirTemp("", "seriesctl-doctor-")
	if err != nil {
		return "", fmt.Errorf("make directory: %w", err)
	}
	defer os.RemoveAll(dir)
	bin := filepath.Join(dir, "hello")
	src := strings.NewReader("#include <stdio.h>\nint main(void) { return puts(\"hello\") < 0; }\n")
	if err := (xec.Cmd{Name: gcc, Args: []string{"-static", "-x", "c", "-o", bin, "-"}, Stdin: src, Grace: -1}).Run(ctx); err != nil {
		return "", fmt.Errorf("a static program does not link: %w", err)
	}
	out, err := xec.Cmd{Name: bin, Grace: -1}.Output(ctx)
	if err != nil {
		return "", fmt.Errorf("a static program does not run: %w", err)
	}
	if string(out) != "hello\n" {
		return "", fmt.Errorf("a static program does not work: it printed %q", out)
	}
	return "a static program links and runs", nil
}

// checkBubblewrap starts bubblewrap as the build does: presence says little, as a host may forbid user namespaces.
func checkBubblewrap(ctx context.Context) (string, error) {
	path, err := find("bwrap")
	if err != nil {
		return "", fmt.Errorf("%w: builds would need --no-sandbox", err)
	}
	err = xec.Cmd{Name: path, Args: []string{"--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-all", "--die-with-parent", "true"}, Grace: -1}.Run(ctx)
	if err != nil {
		return "", fmt.Errorf("bubblewrap does not start (user namespaces forbidden?): %w", err)
	}
	return "starts", nil
}

// checkKVM boots the canary.
func checkKVM(ctx context.Context) (string, error) {
	if ok, why := ProbeKVM(ctx); !ok {
		return "", errors.New(why)
	}
	return "a guest boots", nil
}

// checkDisk wants need bytes for the user on the file system of dir or its nearest existing parent.
func checkDisk(dir string, need uint64) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find workspace: %w", err)
	}
	for {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return "", fmt.Errorf("stat file system of %s: %w", dir, err)
	}
	free := st.Bavail * uint64(st.Bsize)
	if free < need {
		return "", fmt.Errorf("%s free in %s, needs about %s", gib(free), dir, gib(need))
	}
	return fmt.Sprintf("%s free in %s", gib(free), dir), nil
}

var memAvailableRE = pattern.New(`(?m)^MemAvailable:\s+(\d+) kB`)

func checkMemory(meminfo string, need uint64) (string, error) {
	b, err := os.ReadFile(meminfo)
	if err != nil {
		return "", fmt.Errorf("read memory: %w", err)
	}
	m := memAvailableRE.FindSubmatch(b)
	if m == nil {
		return "", fmt.Errorf("read memory: no MemAvailable in %s", meminfo)
	}
	kib, err := strconv.ParseUint(string(m[1]), 10, 54)
	if err != nil {
		return "", fmt.Errorf("read memory: %w", err)
	}
	if kib<<10 < need {
		return "", fmt.Errorf("%s available, needs about %s", gib(kib<<10), gib(need))
	}
	return gib(kib<<10) + " available", nil
}

func gib(n uint64) string { return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30)) }

// family is a distribution's way to install packages.
type family string

const (
	familyApt     family = "apt"
	familyDnf     family = "dnf"
	familyUnknown family = ""
)

// install is the command that installs p.
func (f family) install(p packages) string {
	switch {
	case f == familyApt:
		return "sudo apt-get install " + p.apt
	case f == familyDnf:
		return "sudo dnf install " + p.dnf
	case p.apt == p.dnf:
		return "install the package " + p.apt
	}
	return fmt.Sprintf("install the package that is %s in Debian and %s in Fedora", p.apt, p.dnf)
}

// packageFamily reads ID and ID_LIKE of an os-release file (os-release(5)).
func packageFamily(osRelease string) family {
	for line := range strings.Lines(osRelease) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if key != "ID" && key != "ID_LIKE" {
			continue
		}
		for _, id := range strings.Fields(strings.Trim(value, `"'`)) {
			switch id {
			case "debian", "ubuntu":
				return familyApt
			case "fedora", "rhel", "centos":
				return familyDnf
			}
		}
	}
	return familyUnknown
}

// readOSRelease returns the text of an os-release file, "" when there is none.
func readOSRelease(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(b)
}
