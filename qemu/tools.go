package qemu

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
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

// tools are the host's programs that a shell in the guest has, those of them that the host has.
var tools = strings.Fields(`sh bash awk basename cat chmod chown cmp cp cut date dd df diff dirname dmesg du echo env expr false
	fallocate filefrag find findmnt free grep head hexdump hostname id kill less ln losetup ls lsof md5sum mkdir mknod mkfifo mktemp
	mount mv nohup nproc od pgrep pkill printf ps pwd readlink rm rmdir sed seq setsid sleep sort stat strace stty sync sysctl tail
	tee test timeout top touch tr true truncate tty umount uname uniq wc which xargs xfs_io`)

// toolArchive makes an initramfs archive of the host's tools and the libraries they need, once for each state of the tools, and
// returns its path in dir and the path in it of the best shell.
func toolArchive(ctx context.Context, dir string) (archive, shell string, err error) {
	found := map[string]string{} // name → the file it is in the end
	k := newKey("tools")
	for _, name := range tools {
		p, err := xec.Find(name)
		if err != nil {
			continue
		}
		if p, err = filepath.EvalSymlinks(p); err != nil {
			continue
		}
		fi, err := os.Stat(p)
		if err != nil {
			continue
		}
		found[name] = p
		k.add(name, p, fmt.Sprint(fi.Size(), fi.ModTime().UnixNano()))
	}
	i := slices.IndexFunc(shells, func(s string) bool { return found[s] != "" })
	if i < 0 {
		return "", "", &InfraError{Op: "make a shell for the guest", Err: errors.New("this host has neither bash nor sh"), Hint: "install bash"}
	}
	shell = "/bin/" + shells[i]
	archive = filepath.Join(dir, "tools-"+k.sum()[:16]+".cpio")
	if _, err := os.Stat(archive); err == nil {
		return archive, shell, nil
	}
	records, err := toolRecords(ctx, found)
	if err != nil {
		return "", "", &InfraError{Op: "collect tools for the guest", Err: err}
	}
	var b bytes.Buffer
	w := cpio.Newc.Writer(&b)
	if err := errors.Join(cpio.WriteRecords(w, records), cpio.WriteTrailer(w)); err != nil {
		return "", "", &InfraError{Op: "collect tools for the guest", Err: err}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", "", &InfraError{Op: "collect tools for the guest", Err: err}
	}
	part, err := os.CreateTemp(dir, "tools-*")
	if err != nil {
		return "", "", &InfraError{Op: "collect tools for the guest", Err: err, Hint: spaceHint(err)}
	}
	defer os.Remove(part.Name())
	_, err = part.Write(b.Bytes())
	if err = errors.Join(err, part.Close()); err == nil {
		err = os.Rename(part.Name(), archive)
	}
	if err != nil {
		return "", "", &InfraError{Op: "collect tools for the guest", Err: err, Hint: spaceHint(err)}
	}
	return archive, shell, nil
}

// toolRecords lists the archive's files: each program once in /bin, under its own name, the other names as links to it; libraries
// where the host's loader found them.
func toolRecords(ctx context.Context, found map[string]string) ([]cpio.Record, error) {
	var records []cpio.Record
	have := map[string]bool{"bin": true} // the first archive has it
	add := func(name, source string) error {
		name = strings.TrimPrefix(path.Clean(name), "/")
		if have[name] {
			return nil
		}
		b, err := os.ReadFile(source)
		if err != nil {
			return err
		}
		var parents []string
		for d := path.Dir(name); d != "." && !have[d]; d = path.Dir(d) {
			parents = append(parents, d)
			have[d] = true
		}
		for _, d := range slices.Backward(parents) {
			records = append(records, cpio.Directory(d, 0o755))
		}
		have[name] = true
		records = append(records, cpio.StaticFile(name, string(b), 0o755))
		return nil
	}
	for _, name := range sortedKeys(found) {
		source := found[name]
		base := filepath.Base(source)
		if !have["bin/"+base] {
			libs, err := libraries(ctx, source)
			if err != nil {
				continue // a script, or no program of this host's: the guest does without it
			}
			for _, l := range libs {
				if err := add(l, l); err != nil {
					return nil, err
				}
			}
			if err := add("bin/"+base, source); err != nil {
				return nil, err
			}
		}
		if base != name && !have["bin/"+name] {
			have["bin/"+name] = true
			records = append(records, cpio.Symlink("bin/"+name, base))
		}
	}
	for _, dir := range []string{"/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo"} {
		for _, t := range []string{"ansi", "dumb", "linux", "screen", "screen-256color", "tmux", "tmux-256color", "vt100", "vt220", "xterm", "xterm-256color"} {
			entry := filepath.Join(dir, t[:1], t)
			if _, err := os.Stat(entry); err != nil {
				continue
			}
			if err := add(entry, entry); err != nil {
				return nil, err
			}
		}
	}
	cpio.MakeAllReproducible(records)
	return records, nil
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
	out, err := xec.Cmd{Name: interp, Args: []string{"--list", program}}.Output(ctx)
	if err != nil {
		return nil, err
	}
	libs := []string{interp}
	// "libc.so.6 => /lib/libc.so.6 (0x7f…)", or without a name before it.
	for line := range strings.Lines(string(out)) {
		for _, w := range strings.Fields(line) {
			if filepath.IsAbs(w) && !slices.Contains(libs, w) {
				libs = append(libs, w)
			}
		}
	}
	return libs, nil
}
