package qemu

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/u-root/u-root/pkg/cpio"

	"github.com/seriesctl/seriesctl/internal/xec"
)

// shells are what a person gets for a shell, best first: dash edits no lines.
var shells = []string{"bash", "sh"}

// tools are the host's programs that a guest with tools always has, those of them that the host has.
var tools = strings.Fields(`awk base64 basename bash blkid cat chmod chown cmp comm cp cut date dd df diff dirname dmesg du echo env expr factor
	fallocate false filefrag find findmnt flock fold free getopt grep gzip head hexdump hostname id install join kill less ln
	losetup ls lsof md5sum mkdir mkfifo mknod mktemp mount mv nl nohup nproc numfmt od paste pgrep pkill printf ps pwd readlink
	realpath rm rmdir sed seq setsid sh sha256sum shuf sleep sort split stat strace stty sync sysctl tac tail tar tee test
	timeout top touch tr true truncate tty umount uname uniq unlink uptime wc which xargs xfs_io`)

// IsTool says whether a name is that of a program which a guest with tools may have without being asked.
func IsTool(name string) bool { return slices.Contains(tools, name) }

// findTools finds those of the usual tools that the host has, and those needed: name → the file it is in the end. The error is an
// *InfraError that names a needed one that the host lacks.
func findTools(need []string) (map[string]string, error) {
	found := map[string]string{}
	for _, name := range append(slices.Clone(need), tools...) {
		p, err := xec.Find(name)
		if err == nil {
			p, err = filepath.EvalSymlinks(p)
		}
		switch {
		case err == nil:
			found[name] = p
		case slices.Contains(need, name):
			return nil, &InfraError{Op: "find " + name, Err: errors.New("not installed, and a case needs it in the guest"), Hint: toolHint(name)}
		}
	}
	return found, nil
}

func toolHint(name string) string {
	switch {
	case strings.HasPrefix(name, "xfs_"):
		return "install xfsprogs"
	case strings.HasPrefix(name, "mkfs."):
		return "install " + mkfsPackage(name)
	case strings.HasPrefix(name, "fsck."):
		return "install " + mkfsPackage("mkfs."+name[len("fsck."):])
	}
	return "install the package that has " + name
}

// toolsKey is what the guest's tools are: where each comes from, its size and its age; and the same of the libraries of the
// shell, which all of them take.
func toolsKey(found map[string]string) (string, error) {
	k := newKey("tools")
	add := func(name, path string) error {
		fi, err := os.Stat(path)
		if err != nil {
			return &InfraError{Op: "find " + name, Err: err}
		}
		k.add(name, path, fmt.Sprint(fi.Size(), fi.ModTime().UnixNano()))
		return nil
	}
	for _, name := range sortedKeys(found) {
		if err := add(name, found[name]); err != nil {
			return "", err
		}
	}
	libs, _ := libraries(context.Background(), found["sh"]) // a static shell, or none, has none
	for _, l := range libs {
		if err := add("library", l); err != nil {
			return "", err
		}
	}
	return k.sum(), nil
}

// toolArchive makes an initramfs archive of the host's tools, those needed among them, and the libraries they take, once for each
// state of the tools, and returns its path in dir.
func toolArchive(ctx context.Context, dir string, need []string) (string, error) {
	found, err := findTools(need)
	if err != nil {
		return "", err
	}
	key, err := toolsKey(found)
	if err != nil {
		return "", err
	}
	archive := filepath.Join(dir, "tools-"+key[:16]+".cpio")
	if _, err := os.Stat(archive); err == nil {
		return archive, nil
	}
	const op = "collect tools for the guest"
	records, err := toolRecords(ctx, found, need)
	if err != nil {
		return "", &InfraError{Op: op, Err: err}
	}
	var b bytes.Buffer
	w := cpio.Newc.Writer(&b)
	if err := errors.Join(cpio.WriteRecords(w, records), cpio.WriteTrailer(w)); err != nil {
		return "", &InfraError{Op: op, Err: err}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", &InfraError{Op: op, Err: err}
	}
	part, err := os.CreateTemp(dir, "tools-*")
	if err != nil {
		return "", &InfraError{Op: op, Err: err, Hint: spaceHint(err)}
	}
	defer os.Remove(part.Name())
	_, err = part.Write(b.Bytes())
	if err = errors.Join(err, part.Close()); err == nil {
		err = os.Rename(part.Name(), archive)
	}
	if err != nil {
		return "", &InfraError{Op: op, Err: err, Hint: spaceHint(err)}
	}
	return archive, nil
}

// shellOf is the path in the guest of the best shell that the host has.
func shellOf() (string, error) {
	for _, s := range shells {
		if _, err := xec.Find(s); err == nil {
			return "/bin/" + s, nil
		}
	}
	return "", &InfraError{Op: "make a shell for the guest", Err: errors.New("this host has neither bash nor sh"), Hint: "install bash"}
}

// tree collects the records of an archive.
type tree struct {
	records []cpio.Record
	have    map[string]bool // paths without the slash they begin with
}

// enter makes room for a file: the directories above it; false when it is there already.
func (t *tree) enter(name string) (clean string, ok bool) {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if name == "" || t.have[name] {
		return name, false
	}
	t.have[name] = true
	var parents []string
	for d := path.Dir(name); d != "." && !t.have[d]; d = path.Dir(d) {
		parents = append(parents, d)
		t.have[d] = true
	}
	for _, d := range slices.Backward(parents) {
		t.records = append(t.records, cpio.Directory(d, 0o755))
	}
	return name, true
}

// add copies a file of the host; of the mode only that it can be executed counts.
func (t *tree) add(name, source string, mode fs.FileMode) error {
	name, ok := t.enter(name)
	if !ok {
		return nil
	}
	b, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	t.records = append(t.records, cpio.StaticFile(name, string(b), 0o644|uint64(mode&0o111)))
	return nil
}

// link makes a symbolic link.
func (t *tree) link(name, target string) {
	if name, ok := t.enter(name); ok {
		t.records = append(t.records, cpio.Symlink(name, target))
	}
}

// program copies a program of the host with the libraries it takes.
func (t *tree) program(ctx context.Context, name, source string) error {
	libs, err := libraries(ctx, source)
	if err != nil {
		return err
	}
	for _, l := range libs {
		if err := t.add(l, l, 0o755); err != nil {
			return err
		}
	}
	return t.add(name, source, 0o755)
}

// toolRecords lists the archive's files: each program once in /bin, under its own name, the other names as links to it; libraries
// where the host's loader found them. The other places where programs are looked for are links to /bin.
func toolRecords(ctx context.Context, found map[string]string, need []string) ([]cpio.Record, error) {
	t := &tree{have: map[string]bool{"bin": true}} // the first archive has it
	for _, dir := range []string{"sbin", "usr/bin", "usr/sbin"} {
		t.link(dir, "/bin")
	}
	for _, name := range sortedKeys(found) {
		source := found[name]
		base := filepath.Base(source)
		if !t.have["bin/"+base] {
			switch err := t.program(ctx, "bin/"+base, source); {
			case err == nil:
			case !slices.Contains(need, name):
				continue // a script, or no program of this host's: the guest does without it
			case !isScript(source):
				return nil, fmt.Errorf("%s: %w", name, err)
			default:
				if err := t.add("bin/"+base, source, 0o755); err != nil {
					return nil, err
				}
			}
		}
		if base != name {
			t.link("bin/"+name, base)
		}
	}
	for _, dir := range []string{"/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo"} {
		for _, e := range []string{"ansi", "dumb", "linux", "screen", "screen-256color", "tmux", "tmux-256color", "vt100", "vt220", "xterm", "xterm-256color"} {
			entry := filepath.Join(dir, e[:1], e)
			if _, err := os.Stat(entry); err != nil {
				continue
			}
			if err := t.add(entry, entry, 0o644); err != nil {
				return nil, err
			}
		}
	}
	cpio.MakeAllReproducible(t.records)
	return t.records, nil
}

// isScript says whether a file names the program that interprets it.
func isScript(file string) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	b := make([]byte, 2)
	_, err = io.ReadFull(f, b)
	return err == nil && string(b) == "#!"
}

// libraries are the files a program needs to start, as its own loader names them: none for a static one.
func libraries(ctx context.Context, program string) ([]string, error) {
	f, err := elf.Open(program)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	interp := ""
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP && p.Filesz < 4096 {
			b := make([]byte, p.Filesz)
			if _, err := p.ReadAt(b, 0); err != nil {
				return nil, err
			}
			interp = strings.TrimRight(string(b), "\x00")
		}
	}
	if interp == "" {
		return nil, nil
	}
	if !strings.HasPrefix(filepath.Base(interp), "ld") || !slices.ContainsFunc(systemDirs, func(dir string) bool { return strings.HasPrefix(filepath.Clean(interp), dir+"/") }) {
		return nil, fmt.Errorf("its loader is %q", interp) // it would be run
	}
	out, err := xec.Cmd{Name: interp, Args: []string{"--list", program}}.Output(ctx)
	if err != nil {
		return nil, err
	}
	libs := []string{interp}
	for _, l := range loaderNames(string(out)) {
		if !slices.Contains(libs, l) {
			libs = append(libs, l)
		}
	}
	return libs, nil
}

// loaderNames are the files in what the loader's --list says: "libc.so.6 => /lib/libc.so.6 (0x7f…)", or without a name before it.
func loaderNames(out string) []string {
	var libs []string
	for _, w := range strings.Fields(out) {
		if filepath.IsAbs(w) && !slices.Contains(libs, w) {
			libs = append(libs, w)
		}
	}
	return libs
}
