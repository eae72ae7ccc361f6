package qemu

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// elfKernel is an ELF file with segments and one with notes.
func elfKernel(t testing.TB, notes string, segments ...segment) string {
	t.Helper()
	const header, entry = 64, 56
	n := len(segments) + 1
	offset := uint64(header + n*entry)
	var table, data bytes.Buffer
	put := func(kind uint32, address, size uint64, content string) {
		for _, v := range []any{kind, uint32(5), offset + uint64(data.Len()), address, address, uint64(len(content)), size, uint64(1)} {
			_ = binary.Write(&table, binary.LittleEndian, v)
		}
		data.WriteString(content)
	}
	put(4, 0, uint64(len(notes)), notes)
	for _, s := range segments {
		put(1, s.at, max(s.size, uint64(len(s.content))), s.content)
	}
	var file bytes.Buffer
	file.WriteString("\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9))
	for _, v := range []any{uint16(2), uint16(62), uint32(1), uint64(0), uint64(header), uint64(0), uint32(0), uint16(header), uint16(entry), uint16(n),
		uint16(64), uint16(0), uint16(0)} {
		_ = binary.Write(&file, binary.LittleEndian, v)
	}
	file.Write(table.Bytes())
	file.Write(data.Bytes())
	path := filepath.Join(t.TempDir(), "vmlinux")
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

type segment struct {
	at, size uint64
	content  string
}

func note(name string, kind uint32, desc string) string {
	pad := func(s string) string { return s + strings.Repeat("\x00", -len(s)&3) }
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(name)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(desc)))
	b = binary.LittleEndian.AppendUint32(b, kind)
	return string(b) + pad(name) + pad(desc)
}

func TestWriteKernel(t *testing.T) {
	pvh := note("GNU\x00", 3, "build") + note("Xen\x00", 6, "linux") + note("Xen\x00", 18, "\x30\x02\x00\x01\x00\x00\x00\x00")
	for name, tt := range map[string]struct {
		notes    string
		segments []segment
		want     string // the entry is always 0x1000230
		free     uint64
		err      string
	}{
		"as a kernel":    {pvh, []segment{{0x1000000, 0, "text"}, {0x1000008, 64, "data"}}, "\x00\x00\x00\x01\x0c\x00\x00\x00text\x00\x00\x00\x00data", 1 << 20, ""},
		"in any order":   {pvh, []segment{{0x1000006, 0, "data"}, {0x1000000, 0, "text"}}, "\x00\x00\x00\x01\x0a\x00\x00\x00text\x00\x00data", 1 << 20, ""},
		"low":            {pvh, []segment{{0x100000, 0x2001, "text"}}, "\x00\x00\x10\x00\x04\x00\x00\x00text", 0x103000, ""},
		"no notes":       {"", []segment{{0x1000000, 0, "text"}}, "", 0, "CONFIG_PVH"},
		"other notes":    {note("Xen\x00", 6, "linux") + note("Zen\x00", 18, "1234"), []segment{{0x1000000, 0, "text"}}, "", 0, "CONFIG_PVH"},
		"a short note":   {note("Xen\x00", 18, "\x01"), []segment{{0x1000000, 0, "text"}}, "", 0, "CONFIG_PVH"},
		"a note too far": {"\xff\xff\xff\xff\xff\xff\xff\x7f\x12\x00\x00\x00Xen\x00", []segment{{0x1000000, 0, "text"}}, "", 0, "CONFIG_PVH"},
		"far apart":      {pvh, []segment{{0x1000000, 0, "text"}, {0xf0000000, 0, "data"}}, "", 0, "segments from 0x1000000 to 0xf0000004"},
		"high":           {pvh, []segment{{1 << 32, 0, "text"}}, "", 0, "at 0x100000000"},
		"huge":           {pvh, []segment{{0x1000000, 1 << 40, "text"}}, "", 0, "a segment of 1099511627776 bytes"},
		"nothing":        {pvh, nil, "", 0, "no segments"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := os.Create(filepath.Join(t.TempDir(), "out"))
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			free, err := writeKernel(out, elfKernel(t, tt.notes, tt.segments...))
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("got %v", err)
				}
				return
			}
			got, rerr := os.ReadFile(out.Name())
			if err != nil || rerr != nil || string(got) != "\x30\x02\x00\x01"+tt.want || free != tt.free {
				t.Errorf("got %q, free %#x, %v %v", got, free, err, rerr)
			}
		})
	}
}

// FuzzWriteKernel: no vmlinux, whatever a patch made of it, stops the program or fills the disk.
func FuzzWriteKernel(f *testing.F) {
	pvh := note("Xen\x00", 18, "\x30\x02\x00\x01")
	for _, segments := range [][]segment{{{0x1000000, 0, "text"}}, {{0x1000000, 64, "text"}, {0x2000000, 0, "data"}}, {{1 << 63, 1 << 63, "x"}}} {
		kernel, err := os.ReadFile(elfKernel(f, pvh, segments...))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(kernel)
	}
	f.Fuzz(func(t *testing.T, kernel []byte) {
		dir := t.TempDir()
		path := filepath.Join(dir, "vmlinux")
		if err := os.WriteFile(path, kernel, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := os.Create(filepath.Join(dir, "out"))
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		free, err := writeKernel(out, path)
		fi, serr := out.Stat()
		if serr != nil || fi.Size() > kernelHeader+maxExtent {
			t.Fatalf("%d bytes, %v", fi.Size(), serr)
		}
		if err == nil && free < loadAt {
			t.Fatalf("the loader goes to %#x", free)
		}
	})
}
