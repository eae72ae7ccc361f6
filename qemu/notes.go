package qemu

import (
	"debug/elf"
	"io"
)

// elfNote is the description of a note: where it is in the file, and its bytes.
type elfNote struct {
	span
	desc []byte
}

// elfNotes are a kernel's notes of a name and kind. A segment of them of over 1 MiB is passed over, and so is what follows a note that is cut.
func elfNotes(f *elf.File, name string, kind uint32) []elfNote {
	var out []elfNote
	for _, p := range f.Progs {
		if p.Type != elf.PT_NOTE || p.Filesz > 1<<20 {
			continue
		}
		data := make([]byte, p.Filesz)
		if _, err := io.ReadFull(p.Open(), data); err != nil {
			continue
		}
		// Name and description are padded to 4 bytes (ELF gABI, "Note Section").
		for at := int64(0); at+12 <= int64(len(data)); {
			nameSize := int64(f.ByteOrder.Uint32(data[at:]))
			descSize := int64(f.ByteOrder.Uint32(data[at+4:]))
			is := f.ByteOrder.Uint32(data[at+8:])
			from := at + 12
			desc := from + (nameSize+3)&^3
			next := desc + (descSize+3)&^3
			if next > int64(len(data)) {
				break
			}
			if is == kind && string(data[from:from+nameSize]) == name+"\x00" {
				out = append(out, elfNote{span{int64(p.Off) + desc, descSize}, data[desc : desc+descSize]})
			}
			at = next
		}
	}
	return out
}
