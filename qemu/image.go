package qemu

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/seriesctl/seriesctl/internal/pattern"
)

// maxKernel bounds a vmlinux, in bytes; one with full debug information has about 1 GB.
const maxKernel = 4 << 30

// maxSegments bounds the program headers of a vmlinux.
const maxSegments = 64

// ImageKey is the key of what is built from a tree, a config and a toolchain.
func ImageKey(tree, configHash, toolchain string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "image 1\n%s\n%s\n%s\n", tree, configHash, toolchain))
	return hex.EncodeToString(sum[:])
}

// imageMeta is the JSON file beside a stored kernel. It is written last: without it there is no image.
type imageMeta struct {
	Key      string       `json:"key"`
	Hash     string       `json:"hash"`
	Config   string       `json:"config"` // sha256 of the finished .config
	Size     int64        `json:"size"`   // of the kernel file
	SHA256   string       `json:"sha256"` // of the kernel file
	Compiled int          `json:"compiled"`
	Seconds  float64      `json:"seconds"`
	Warnings []Diagnostic `json:"warnings"`
}

var keyPattern = pattern.New(`^[A-Za-z0-9_.-]{1,128}$`)

func (b *Builder) imagePath(key string) (string, error) {
	if !keyPattern.MatchString(key) || key[0] == '.' {
		return "", fmt.Errorf("bad image key %q", key)
	}
	return filepath.Join(b.Images, key), nil
}

// Image returns the stored image of a key. errors.Is(err, fs.ErrNotExist) when there is none, or when the one
// that is there is not whole.
func (b *Builder) Image(key string) (*Image, error) {
	dir, err := b.imagePath(key)
	if err != nil {
		return nil, fmt.Errorf("open image: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "image.json"))
	if err != nil {
		return nil, fmt.Errorf("open image: %w", err)
	}
	var m imageMeta
	if err := json.Unmarshal(text, &m); err != nil || m.Key != key {
		return nil, fmt.Errorf("open image %s: damaged description: %w", key, fs.ErrNotExist)
	}
	kernel := filepath.Join(dir, "vmlinux")
	fi, err := os.Lstat(kernel)
	if err != nil {
		return nil, fmt.Errorf("open image: %w", err)
	}
	if !fi.Mode().IsRegular() || fi.Size() != m.Size {
		return nil, fmt.Errorf("open image %s: truncated kernel: %w", key, fs.ErrNotExist)
	}
	return &Image{Key: key, Hash: m.Hash, Kernel: kernel, Compiled: m.Compiled, Seconds: m.Seconds, Warnings: m.Warnings}, nil
}

// notKernelError is a build that went well and left no kernel: the tree's fault.
type notKernelError struct{ reason string }

func (e *notKernelError) Error() string { return e.reason }

// storeImage puts the kernel at path, made by a build that is not trusted, in the store. m.Hash, Size and SHA256 are filled in.
func (b *Builder) storeImage(path string, dotConfig []byte, m imageMeta) error {
	dir, err := b.imagePath(m.Key)
	if err != nil {
		return err
	}
	// A build could leave a link to a file of the user's where its kernel should be.
	in, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ELOOP) || errors.Is(err, fs.ErrNotExist) {
		return &notKernelError{"it made no kernel: vmlinux is a link or missing"}
	}
	if err != nil {
		return err
	}
	defer in.Close()
	fi, err := in.Stat()
	if err != nil {
		return err
	}
	if !fi.Mode().IsRegular() || fi.Size() > maxKernel {
		return &notKernelError{fmt.Sprintf("it made no kernel: vmlinux has mode %s and %d bytes", fi.Mode(), fi.Size())}
	}
	if m.Hash, err = hashKernel(in); err != nil {
		return &notKernelError{"it made no kernel: " + err.Error()}
	}
	if err := os.MkdirAll(b.Images, 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(b.Images, ".new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if m.SHA256, m.Size, err = copySparse(filepath.Join(tmp, "vmlinux"), in); err != nil {
		return err
	}
	if err := writeSync(filepath.Join(tmp, "config"), dotConfig); err != nil {
		return err
	}
	sum := sha256.Sum256(dotConfig)
	m.Config = hex.EncodeToString(sum[:])
	text, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return err
	}
	if err := writeSync(filepath.Join(tmp, "image.json"), text); err != nil {
		return err
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.Rename(tmp, dir); err != nil {
		return err
	}
	return syncDir(b.Images)
}

func writeSync(path string, data []byte) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// copySparse copies in to a new file at path, with holes for the zeros between a kernel's aligned segments, and returns
// the content's sha256 and size.
func copySparse(path string, in io.ReadSeeker) (sum string, size int64, err error) {
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return "", 0, err
	}
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return "", 0, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	h := sha256.New()
	buf, zero := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, err := io.ReadFull(in, buf)
		if n > 0 {
			h.Write(buf[:n])
			if !bytes.Equal(buf[:n], zero[:n]) {
				if _, err := out.WriteAt(buf[:n], size); err != nil {
					return "", 0, err
				}
			}
			size += int64(n)
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			return "", 0, err
		}
	}
	if err := out.Truncate(size); err != nil {
		return "", 0, err
	}
	return hex.EncodeToString(h.Sum(nil)), size, out.Sync()
}

// hashKernel hashes what a vmlinux puts into memory: the entry point, and of each loaded segment its address,
// size, flags and bytes. Two things in those bytes do not say what the kernel does, and count as zero:
//
//   - the build id (the linker's hash over symbols and debug information too);
//   - the line numbers in the table of BUG() and WARN() places (include/asm-generic/bug.h), which every comment line
//     added above moves.
//
// What can not be left out is a __LINE__ that is an operand of an instruction (gfs2_assert has it): a comment line added
// above one makes another image.
func hashKernel(r io.ReaderAt) (string, error) {
	f, err := elf.NewFile(r)
	if err != nil {
		return "", fmt.Errorf("read vmlinux: %w", err)
	}
	defer f.Close()
	// A kernel has about five segments; a file that claims thousands is there to keep us busy.
	if len(f.Progs) > maxSegments {
		return "", fmt.Errorf("read vmlinux: %d segments", len(f.Progs))
	}
	mask := buildIDs(f)
	mask = append(mask, bugLines(f)...)
	h := sha256.New()
	fmt.Fprintf(h, "kernel 1 %s %d %#x\n", f.Class, f.Machine, f.Entry)
	loaded, buf := 0, make([]byte, 1<<20)
	for _, p := range f.Progs {
		if p.Type != elf.PT_LOAD {
			continue
		}
		loaded++
		fmt.Fprintf(h, "%#x %#x %#x %#x %s\n", p.Vaddr, p.Paddr, p.Filesz, p.Memsz, p.Flags)
		if err := hashMasked(h, p.Open(), int64(p.Off), int64(p.Filesz), mask, buf); err != nil {
			return "", fmt.Errorf("read kernel: %w", err)
		}
	}
	if loaded == 0 {
		return "", errors.New("read kernel: no loaded segments")
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// span is some bytes of a file.
type span struct{ off, size int64 }

// hashMasked hashes size bytes of r, which start at file offset off, with the bytes of mask as zeros.
func hashMasked(h hash.Hash, r io.Reader, off, size int64, mask []span, buf []byte) error {
	for done := int64(0); done < size; {
		n := min(int64(len(buf)), size-done)
		if _, err := io.ReadFull(r, buf[:n]); err != nil {
			return err
		}
		start := off + done
		for _, m := range mask {
			lo, hi := max(m.off, start), min(m.off+m.size, start+n)
			if lo < hi {
				clear(buf[lo-start : hi-start])
			}
		}
		h.Write(buf[:n])
		done += n
	}
	return nil
}

// buildIDs returns where a kernel's build ids are.
func buildIDs(f *elf.File) []span {
	var out []span
	for _, n := range elfNotes(f, "GNU", 3) { // NT_GNU_BUILD_ID
		out = append(out, n.span)
	}
	return out
}

// bugLines returns where the line numbers in a kernel's __bug_table are. An entry with CONFIG_DEBUG_BUGVERBOSE and
// relative pointers is 12 bytes: place, file, line (16 bit), flags (16 bit); with a format string (6.18) 16 bytes. The
// layout is taken for known only when every entry's place lies in code.
func bugLines(f *elf.File) []span {
	s := f.Section("__bug_table")
	if s == nil || s.Type != elf.SHT_PROGBITS || s.Size == 0 || s.Size > 16<<20 {
		return nil
	}
	data, err := s.Data()
	if err != nil {
		return nil
	}
	for _, size := range []int{12, 16} {
		if spans := bugLinesOf(f, s, data, size); spans != nil {
			return spans
		}
	}
	return nil
}

func bugLinesOf(f *elf.File, s *elf.Section, data []byte, size int) []span {
	if len(data)%size != 0 {
		return nil
	}
	var out []span
	for at := 0; at < len(data); at += size {
		place := s.Addr + uint64(at) + uint64(int64(int32(f.ByteOrder.Uint32(data[at:]))))
		if !inCode(f, place) {
			return nil
		}
		out = append(out, span{int64(s.Offset) + int64(at+size-4), 2})
	}
	return out
}

func inCode(f *elf.File, addr uint64) bool {
	for _, s := range f.Sections {
		if s.Flags&elf.SHF_EXECINSTR != 0 && addr >= s.Addr && addr-s.Addr < s.Size {
			return true
		}
	}
	return false
}
