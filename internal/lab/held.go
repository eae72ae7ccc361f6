package lab

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// heldDir makes a directory below base, whose name begins with prefix, that clearHeld leaves alone as long as the file is open.
func heldDir(base, prefix string) (string, *os.File, error) {
	for {
		dir, err := os.MkdirTemp(base, prefix)
		if err != nil {
			return "", nil, err
		}
		f, err := os.Open(dir)
		if errors.Is(err, os.ErrNotExist) {
			continue // another's clearHeld was faster
		}
		if err != nil {
			return "", nil, errors.Join(err, os.Remove(dir))
		}
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if _, serr := os.Stat(dir); err == nil && serr == nil {
			return dir, f, nil
		}
		_ = f.Close()
	}
}

// clearHeld removes what killed processes left below base: directories with the prefix that nobody holds.
func clearHeld(base, prefix string) {
	dirs, _ := filepath.Glob(filepath.Join(base, prefix+"*"))
	for _, dir := range dirs {
		f, err := os.Open(dir)
		if err != nil {
			continue
		}
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			_ = os.RemoveAll(dir)
		}
		_ = f.Close()
	}
}
