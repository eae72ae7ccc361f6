package qemu

import (
	"context"
	"debug/elf"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
)

//go:embed loader.S
var loaderSource string

//go:embed pvh.S
var pvhSource string

// kernelFile is what the loader loads, in the VM's directory.
const kernelFile = "kernel.img"

// maxExtent bounds the memory that a kernel's segments lie in, in bytes: its headers can say anything.
const maxExtent = 256 << 20

// prepareKernel makes the loader's kernel in dir and returns the path of the loader, which is kept in cacheDir.
func prepareKernel(ctx context.Context, kernel, dir, cacheDir string) (loader string, err error) {
	f, err := os.Create(filepath.Join(dir, kernelFile))
	var free uint64
	if err == nil {
		free, err = writeKernel(f, kernel)
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}
	if err != nil {
		return "", &InfraError{Op: "prepare kernel", Err: err, Hint: spaceHint(err)}
	}
	if loader, err = assemble(ctx, "loader", loaderSource, free, cacheDir); err != nil {
		return "", err
	}
	return filepath.Abs(loader)
}

// assemble makes a bare 32-bit ELF program that QEMU loads at an address and enters as it does a kernel, once per content, and returns its path.
func assemble(ctx context.Context, name, source string, at uint64, cacheDir string) (string, error) {
	unit := name + ".S"
	flags := []string{"-m32", "-nostdlib", fmt.Sprintf("-Wl,-Ttext-segment=%#x,--build-id=none,-e,start", at)}
	return compileOurs(ctx, name, map[string]string{unit: source, "pvh.S": pvhSource}, []string{unit}, flags, cacheDir)
}

// loadAt is where a bare program is loaded, in bytes: kernels lie higher.
const loadAt = 1 << 20

// writeKernel writes what the loader takes of an ELF kernel: its PVH entry, the address of its first byte and how many there are, each 32
// bits little-endian, and those bytes, the segments as they lie in physical memory. The memory behind a segment's bytes is not
// written: a machine that starts has zeros there. It returns where there is room for the loader.
func writeKernel(to io.WriteSeeker, kernel string) (free uint64, err error) {
	f, err := elf.Open(kernel)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if len(f.Progs) > maxSegments {
		return 0, fmt.Errorf("%d segments", len(f.Progs))
	}
	entry := pvhEntry(f)
	if entry == 0 {
		return 0, errors.New("no entry for PVH: CONFIG_PVH is needed")
	}
	var loads []*elf.Prog
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD && p.Memsz > 0 {
			loads = append(loads, p)
		}
	}
	start, end, err := extent(loads)
	if err != nil {
		return 0, err
	}
	if err := binary.Write(to, binary.LittleEndian, []uint32{entry, uint32(start), uint32(end - start)}); err != nil {
		return 0, err
	}
	for _, p := range loads {
		if _, err := to.Seek(int64(kernelHeader+p.Paddr-start), io.SeekStart); err != nil {
			return 0, err
		}
		if _, err := io.Copy(to, p.Open()); err != nil {
			return 0, err
		}
	}
	return room(loads), nil
}

// kernelHeader is the size of what stands before the kernel's bytes.
const kernelHeader = 12

// extent is the physical memory that the bytes of segments lie in.
func extent(loads []*elf.Prog) (start, end uint64, err error) {
	start = math.MaxUint64
	for _, p := range loads {
		if p.Paddr >= 1<<32 || p.Filesz > maxExtent || p.Memsz > maxExtent {
			return 0, 0, fmt.Errorf("a segment of %d bytes at %#x", p.Memsz, p.Paddr)
		}
		start, end = min(start, p.Paddr), max(end, p.Paddr+p.Filesz)
	}
	if len(loads) == 0 {
		return 0, 0, errors.New("no segments")
	}
	if end-start > maxExtent {
		return 0, 0, fmt.Errorf("segments from %#x to %#x", start, end)
	}
	return start, end, nil
}

// room is an address behind which there is room for the loader: below the kernel, or else behind it.
func room(loads []*elf.Prog) uint64 {
	const loader, page = 64 << 10, 4 << 10
	low, end := uint64(math.MaxUint64), uint64(0)
	for _, p := range loads {
		low, end = min(low, p.Paddr), max(end, p.Paddr+p.Memsz)
	}
	if low >= loadAt+loader {
		return loadAt
	}
	return max(loadAt, (end+page-1)&^(page-1))
}

// pvhEntry is the address in the note for it, 0 where there is none.
func pvhEntry(f *elf.File) uint32 {
	for _, n := range elfNotes(f, "Xen", 18) { // XEN_ELFNOTE_PHYS32_ENTRY
		if len(n.desc) >= 4 {
			return f.ByteOrder.Uint32(n.desc)
		}
	}
	return 0
}
