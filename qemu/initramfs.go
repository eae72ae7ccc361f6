package qemu

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/u-root/u-root/pkg/cpio"
)

// writeInitramfs writes the guest's root file system, an uncompressed newc archive: the agent as /init, the programs in
// /bin, empty directories to mount on, and /dev/console for PID 1's output. Equal input gives equal bytes.
func writeInitramfs(w io.Writer, agent string, programs map[string]string) error {
	out := cpio.Newc.Writer(w)
	put := func(r cpio.Record) error { return out.WriteRecord(cpio.MakeReproducible(r)) }
	// One file is in memory at a time.
	add := func(name, path string) error {
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return put(cpio.StaticRecord(b, cpio.Info{Name: name, Mode: cpio.S_IFREG | 0o755}))
	}
	for _, r := range []cpio.Record{
		cpio.Directory("bin", 0o755), cpio.Directory("dev", 0o755), cpio.Directory("mnt", 0o755),
		cpio.Directory("proc", 0o755), cpio.Directory("sys", 0o755), cpio.Directory("tmp", 0o777),
		cpio.CharDev("dev/console", 0o600, 5, 1),
	} {
		if err := put(r); err != nil {
			return err
		}
	}
	if err := add("init", agent); err != nil {
		return err
	}
	for _, name := range sortedKeys(programs) {
		if name != filepath.Base(name) || name == "." || name == ".." {
			return fmt.Errorf("program name %q is not plain", name)
		}
		if err := add("bin/"+name, programs[name]); err != nil {
			return err
		}
	}
	return cpio.WriteTrailer(out)
}

// align moves to where the next archive begins: the kernel unpacks one after the other, each at a multiple of 4 bytes.
func align(f *os.File) error {
	at, err := f.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = f.Seek((at+3)&^3, io.SeekStart)
	}
	return err
}

// appendFile adds an archive to what f holds.
func appendFile(f *os.File, archive string) error {
	if err := align(f); err != nil {
		return err
	}
	from, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer from.Close()
	_, err = io.Copy(f, from)
	return err
}

// appendRecords adds an archive of records to what f holds.
func appendRecords(f *os.File, records []cpio.Record) error {
	if err := align(f); err != nil {
		return err
	}
	w := cpio.Newc.Writer(f)
	return errors.Join(cpio.WriteRecords(w, records), cpio.WriteTrailer(w))
}
