package qemu

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// builtObject is one thing that make has compiled, as the .cmd file beside it says.
type builtObject struct {
	path string  // of the object, on the host
	name string  // in the object tree: "fs/gfs2/file.o"
	deps []int32 // the files of the source tree that it was made from, the source among them: places in objectNotes.files
}

// objectNotes reads the .cmd files of an object tree, each again only when it has changed: a thousand of them name a thousand files each,
// and most are the same after the next build. Its zero value is ready.
type objectNotes struct {
	files []string // of the source tree, relative to it
	place map[string]int32
	notes map[string]objectNote // by the path of the .cmd file
}

type objectNote struct {
	changed time.Time
	size    int64
	deps    []int32 // nil when it is no object's
}

// each visits what was compiled for the kernel.
func (n *objectNotes) each(w workshop, visit func(builtObject)) {
	if n.notes == nil {
		n.place, n.notes = map[string]int32{}, map[string]objectNote{}
	}
	src, _, _ := w.seen()
	_ = filepath.WalkDir(w.obj, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		rel, _ := filepath.Rel(w.obj, file)
		if d.IsDir() && (rel == "tools" || rel == "scripts" || rel == "include") {
			return filepath.SkipDir
		}
		base, isCmd := strings.CutSuffix(d.Name(), ".cmd")
		if !isCmd || !d.Type().IsRegular() || base[0] != '.' {
			return nil
		}
		fi, err := d.Info()
		if err != nil || fi.Size() > maxMade {
			return nil
		}
		note, known := n.notes[file]
		if !known || !note.changed.Equal(fi.ModTime()) || note.size != fi.Size() {
			note = objectNote{fi.ModTime(), fi.Size(), n.read(file, src)}
			n.notes[file] = note
		}
		if note.deps != nil {
			visit(builtObject{filepath.Join(filepath.Dir(file), base[1:]), path.Join(filepath.ToSlash(filepath.Dir(rel)), base[1:]), note.deps})
		}
		return nil
	})
}

// read gives what a .cmd file says that its object was made from, nil when it does not.
func (n *objectNotes) read(file, src string) []int32 {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	_, rest, ok := strings.Cut(string(text), "\nsource_")
	if !ok {
		return nil
	}
	line, list, _ := strings.Cut(rest, "\n")
	_, source, _ := strings.Cut(line, ":= ")
	deps := []int32{}
	add := func(name string) {
		if name, ok := strings.CutPrefix(name, src+"/"); ok {
			deps = append(deps, n.of(path.Clean(name)))
		}
	}
	add(strings.TrimSpace(source))
	for name := range strings.FieldsSeq(list) {
		add(name)
	}
	return deps
}

// of gives the place of a file.
func (n *objectNotes) of(name string) int32 {
	if i, ok := n.place[name]; ok {
		return i
	}
	name = strings.Clone(name) // or it holds all of the .cmd file
	i := int32(len(n.files))
	n.files, n.place[name] = append(n.files, name), i
	return i
}
