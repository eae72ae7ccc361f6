package qemu

import (
	"debug/elf"
	"fmt"
	"sort"
)

// symbols names the functions of a vmlinux by address.
type symbols struct{ funcs []elf.Symbol }

// readSymbols reads the symbol table of an ELF file; without one it names nothing.
func readSymbols(path string) (symbols, error) {
	f, err := elf.Open(path)
	if err != nil {
		return symbols{}, err
	}
	defer f.Close()
	return symbolsOf(f)
}

func symbolsOf(f *elf.File) (symbols, error) {
	all, err := f.Symbols()
	if err != nil {
		return symbols{}, err
	}
	var s symbols
	for _, sym := range all {
		if elf.ST_TYPE(sym.Info) == elf.STT_FUNC && sym.Value != 0 {
			s.funcs = append(s.funcs, sym)
		}
	}
	sort.Slice(s.funcs, func(i, j int) bool { return s.funcs[i].Value < s.funcs[j].Value })
	return s, nil
}

// name is the function an address is in, as the kernel prints it, "function+0x12/0x34"; the address itself when it is in none,
// which is so for user space.
func (s symbols) name(addr uint64) string {
	i := sort.Search(len(s.funcs), func(i int) bool { return s.funcs[i].Value > addr }) - 1
	if i >= 0 && addr < s.funcs[i].Value+s.funcs[i].Size {
		f := s.funcs[i]
		return fmt.Sprintf("%s+%#x/%#x", f.Name, addr-f.Value, f.Size)
	}
	return fmt.Sprintf("%#x", addr)
}
