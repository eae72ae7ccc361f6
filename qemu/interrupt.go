package qemu

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// An object tree is only worth what make's time stamps say, and a make that was killed leaves files that look
// finished. So a marker file stands beside the tree while make works on it. A marker found at the start means the
// last make was interrupted: what was written since the marker was made is removed, and made again.

// marker is made before make starts and removed after it ended by itself. It holds the boot id.
func (b *Builder) marker() string { return filepath.Join(b.Dir, "building") }

// bootFile holds the boot id of the last build; its time stamp is no older than any that make left.
func (b *Builder) bootFile() string { return filepath.Join(b.Dir, "boot-id") }

// bootID tells one boot of the host from the next.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

// recoverTree removes from obj what an interrupted make may have left half-written. That is all of it after a reboot of
// the host, for make's files are not synced and a power failure leaves some of them empty with good time stamps; and
// when the clock was set back, for then what changes now looks older than what was made of it.
func (b *Builder) recoverTree(obj string) error {
	last, err := os.ReadFile(b.bootFile())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	reboot := err == nil && string(last) != bootID()
	now := time.Now()
	marker, err := os.Lstat(b.marker())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	interrupted := err == nil
	if fi, err := os.Lstat(b.bootFile()); reboot || err == nil && fi.ModTime().After(now) || interrupted && changeTime(marker).After(now) {
		if err := os.RemoveAll(obj); err != nil {
			return err
		}
	}
	if !interrupted {
		return nil
	}
	since := changeTime(marker)
	err = filepath.WalkDir(obj, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		if changeTime(fi).Before(since) {
			return nil
		}
		return os.Remove(path)
	})
	if err != nil {
		return err
	}
	return os.Remove(b.marker())
}

// changeTime is when a file's content, name or attributes last changed; no program can set it, so it also catches
// what was renamed or touched.
func changeTime(fi fs.FileInfo) time.Time {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return fi.ModTime()
	}
	return time.Unix(st.Ctim.Unix())
}

func (b *Builder) setMarker() error {
	id := []byte(bootID())
	if err := os.WriteFile(b.bootFile(), id, 0o644); err != nil {
		return err
	}
	return os.WriteFile(b.marker(), id, 0o644)
}

func (b *Builder) clearMarker() error {
	now := time.Now()
	return cmp.Or(os.Chtimes(b.bootFile(), now, now), os.Remove(b.marker()))
}

// lock keeps a second builder out of the worker's directory; the returned function lets go.
func (b *Builder) lock() (func(), error) {
	f, err := os.OpenFile(filepath.Join(b.Dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, &InfraError{
				Op: "build kernel", Err: fmt.Errorf("%s is in use by another build", b.Dir),
				Hint: "wait for the other seriesctl on this workspace, or give another --workspace",
			}
		}
		return nil, err
	}
	return func() { f.Close() }, nil
}
