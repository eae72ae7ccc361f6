package qemu

import (
	"debug/dwarf"
	"debug/elf"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/seriesctl/seriesctl/internal/pattern"
)

// symbolise adds to each frame of the crash's report where in the source it is, "f+0x12/0x34 fs/gfs2/file.c:56", as far as the
// kernel's vmlinux has debug information. Frames of modules, and all frames without it, stay function and offset.
func (c *Crash) symbolise(vmlinux string) {
	if c == nil {
		return
	}
	found := placesIn(vmlinux, placeRE.FindAllString(c.Report, -1))
	var out strings.Builder
	for line := range strings.Lines(c.Report) {
		exact := pcRE.MatchString(line)
		out.WriteString(placeRE.ReplaceAllStringFunc(line, func(frame string) string {
			if p := found[place{frame, exact}]; p != "" {
				return frame + " " + p
			}
			return frame
		}))
	}
	c.Report = out.String()
}

// symbolise gives the stacks' frames their places in the source, as far as the kernel's vmlinux has debug information.
func (h *Hang) symbolise(vmlinux string) {
	var frames []string
	for _, t := range h.Tasks {
		frames = append(frames, t.Frames...)
	}
	found := placesIn(vmlinux, placeRE.FindAllString(strings.Join(frames, "\n"), -1))
	for i := range h.Tasks {
		t := &h.Tasks[i]
		places := make([]string, len(t.Frames))
		for j, f := range t.Frames {
			places[j] = found[place{placeRE.FindString(f), false}]
		}
		if strings.Join(places, "") != "" {
			t.Places = places
		}
	}
}

// placeRE matches a frame, with the name of its module.
var placeRE = pattern.New(`\b([A-Za-z_][\w.]*)\+0x([0-9a-f]+)/0x([0-9a-f]+)(?: \[\w+\])?`)

// place is a frame as the kernel prints it. One that says where the CPU was is exact, others are return addresses,
// which may be of the next line already.
type place struct {
	frame string
	exact bool
}

// known holds the places found so far of each vmlinux, by its path, size and time: reading its debug information takes long, and a case is run more than once.
var known struct {
	sync.Mutex
	places map[string]map[place]string
}

// maxKnown bounds how many places are kept of a vmlinux.
const maxKnown = 1 << 14

// placesIn finds frames in the source: "fs/gfs2/file.c:56", "" where there is nothing to be found.
func placesIn(vmlinux string, frames []string) map[place]string {
	info, err := os.Stat(vmlinux)
	if err != nil {
		return nil
	}
	known.Lock()
	defer known.Unlock()
	image := fmt.Sprint(vmlinux, info.Size(), info.ModTime())
	had := known.places[image]
	if had == nil || len(had) > maxKnown {
		had = map[place]string{}
	}
	missing := map[place]uint64{}
	for _, f := range frames {
		for _, p := range []place{{f, false}, {f, true}} {
			if _, ok := had[p]; !ok {
				had[p], missing[p] = "", 0
			}
		}
	}
	if len(missing) > 0 {
		maps.Copy(had, findPlaces(vmlinux, missing))
	}
	if known.places == nil {
		known.places = map[string]map[place]string{}
	}
	known.places[image] = had
	return maps.Clone(had)
}

// maxDebugInfo bounds the debug information that is read, in bytes: it is in memory meanwhile. That of a tinyconfig kernel has 50 MiB.
const maxDebugInfo = 1 << 30

// findPlaces reads the debug information of an ELF file; nil without any, or with too much.
func findPlaces(path string, places map[place]uint64) map[place]string {
	f, err := elf.Open(path)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	if f.Section(".debug_line") == nil && f.Section(".zdebug_line") == nil {
		return nil
	}
	size := uint64(0)
	for _, s := range f.Sections {
		if s.Size > maxDebugInfo {
			return nil
		}
		if s.Flags&elf.SHF_ALLOC == 0 {
			size += s.Size
		}
	}
	if size > maxDebugInfo {
		return nil
	}
	names, err := symbolsOf(f)
	if err != nil {
		return nil
	}
	for p := range places {
		addr, ok := names.address(p)
		if !ok {
			delete(places, p)
			continue
		}
		places[p] = addr
	}
	d, err := f.DWARF()
	if err != nil {
		return nil
	}
	out := map[place]string{}
	root := ""
	r := d.Reader()
	for {
		unit, err := r.Next()
		if err != nil || unit == nil {
			break
		}
		r.SkipChildren()
		dir, _ := unit.Val(dwarf.AttrCompDir).(string)
		if name, _ := unit.Val(dwarf.AttrName).(string); strings.HasSuffix(name, "init/main.c") {
			root = strings.TrimSuffix(absolute(dir, name), "init/main.c")
		} else if root == "" {
			root = dir
		}
		findInUnit(d, unit, dir, places, out)
	}
	for p, s := range out {
		out[p] = relativePath(s, root, sandboxObj)
	}
	return out
}

// findInUnit finds the places that are in one compilation unit.
func findInUnit(d *dwarf.Data, unit *dwarf.Entry, dir string, places map[place]uint64, out map[place]string) {
	ranges, err := d.Ranges(unit)
	if err != nil {
		return
	}
	var lines *dwarf.LineReader
	for p, addr := range places {
		for _, in := range ranges {
			if addr < in[0] || addr >= in[1] {
				continue
			}
			if lines == nil {
				if lines, err = d.LineReader(unit); err != nil || lines == nil {
					return
				}
			}
			var e dwarf.LineEntry
			if lines.SeekPC(addr, &e) == nil && e.File != nil && e.Line > 0 {
				out[p] = fmt.Sprintf("%s:%d", absolute(dir, e.File.Name), e.Line)
			}
			break
		}
	}
}

func absolute(dir, name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(dir, name)
}

// address is where a frame is: that of its function, of the size that the kernel prints with it, if there is one such only.
func (s symbols) address(p place) (uint64, bool) {
	m := placeRE.FindStringSubmatch(p.frame)
	if m == nil || strings.HasSuffix(p.frame, "]") {
		return 0, false
	}
	offset, err1 := strconv.ParseUint(m[2], 16, 32)
	size, err2 := strconv.ParseUint(m[3], 16, 32)
	if err1 != nil || err2 != nil || offset > size {
		return 0, false
	}
	if !p.exact && offset > 0 {
		offset--
	}
	addr, n := uint64(0), 0
	for i, f := range s.funcs {
		// the kernel's sizes go up to the next symbol
		if f.Name == m[1] && (f.Size == size || i+1 < len(s.funcs) && s.funcs[i+1].Value-f.Value == size) && f.Value+offset != addr {
			addr = f.Value + offset
			n++
		}
	}
	return addr, n == 1
}
