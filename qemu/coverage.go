package qemu

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// Use is what a kernel makes of one of its files.
type Use string

// All uses.
const (
	UseCompiled    Use = "compiled"     // a source, or one that another includes
	UseNotCompiled Use = "not-compiled" // a source that the config leaves out
	UseHeader      Use = "header"       // FileUse.Objects says how many objects include it; none: it is not used
	UseBuild       Use = "build"        // Kconfig, makefiles and the like
	UseNotCode     Use = "not-code"     // documentation, tools, tests
	UseRemoved     Use = "removed"      // the tree has it no more
)

// FileUse is what one config makes of one file.
type FileUse struct {
	File    string `json:"file"`
	Use     Use    `json:"use"`
	Objects int    `json:"objects,omitempty"` // compiled from it, in this kernel
	Needs   []Need `json:"needs,omitempty"`   // of UseNotCompiled; none when no makefile names the file
	// Expected says that it was read from the makefiles: no build has shown it. Objects is 0 then.
	Expected bool `json:"expected,omitempty"`
}

// Need is an option that must be set for a file to be compiled.
type Need struct {
	Option     string   `json:"option"`                // "CONFIG_X", "CONFIG_X=n", "CONFIG_A or CONFIG_B"
	Depends    string   `json:"depends,omitempty"`     // what Kconfig says it depends on
	Unmet      []string `json:"unmet,omitempty"`       // what of that does not hold
	SelectedBy []string `json:"selected_by,omitempty"` // where nobody can ask for it: what selects it
	Unknown    bool     `json:"unknown,omitempty"`     // no Kconfig file has it
}

// Uses says what a finished .config makes of files, from the makefiles of a tree: before anything is built.
func Uses(files []string, dotConfig string, read func(path string) ([]byte, error)) []FileUse {
	return newKbuildTree(dotConfig, read).uses(files)
}

func (t *kbuildTree) uses(files []string) []FileUse {
	out := make([]FileUse, 0, len(files))
	for _, file := range files {
		u := FileUse{File: file, Use: kindOf(file)}
		if _, err := t.read(file); errors.Is(err, fs.ErrNotExist) {
			u.Use = UseRemoved
		}
		switch u.Use {
		case UseCompiled:
			u.Expected = true
			r := t.reach(objectOf(file), 0)
			if !r.on {
				u.Use = UseNotCompiled
				for _, option := range r.needs {
					u.Needs = append(u.Needs, t.need(option))
				}
			}
		case UseHeader:
			u.Expected = true
		}
		out = append(out, u)
	}
	return out
}

// notCode are the directories whose files are no part of a kernel.
var notCode = []string{"Documentation", "LICENSES", "tools", "scripts", "samples"}

// kindOf says what a file is by its name: UseCompiled for every source of a kernel, compiled or not.
func kindOf(file string) Use {
	top, _, _ := strings.Cut(file, "/")
	base := path.Base(file)
	switch {
	case strings.HasPrefix(base, "Kconfig") || strings.HasPrefix(base, "Makefile") || strings.HasPrefix(base, "Kbuild"):
		return UseBuild
	case slices.Contains(notCode, top):
		return UseNotCode
	}
	switch path.Ext(file) {
	case ".c", ".S", ".s", ".rs":
		return UseCompiled
	case ".h":
		return UseHeader
	case ".rst", ".txt", ".md", ".yaml", ".json", "", ".gitignore":
		return UseNotCode
	}
	return UseBuild
}

// objectOf is the object that a source is compiled to.
func objectOf(file string) string {
	if base, ok := strings.CutSuffix(file, ".lds.S"); ok {
		return base + ".lds"
	}
	return strings.TrimSuffix(file, path.Ext(file)) + ".o"
}

// Uses says what the finished .config makes of files of the tree in Dir. After a build that went well what was compiled
// says so, and the makefiles only say why a file was not; built is false where there is no such build.
func (b *Builder) Uses(files []string, built bool) ([]FileUse, error) {
	if len(files) == 0 {
		return []FileUse{}, nil
	}
	w := b.workshop()
	src, err := os.OpenRoot(w.src)
	if err != nil {
		return nil, fmt.Errorf("read kernel tree: %w", err)
	}
	defer src.Close()
	obj, err := os.OpenRoot(w.obj)
	if err != nil {
		return nil, fmt.Errorf("read object tree: %w", err)
	}
	defer obj.Close()
	dotConfig, err := readMade(obj, ".config")
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	tree := newKbuildTree(string(dotConfig), treeReader(src))
	uses := tree.uses(files)
	if !built {
		return uses, nil
	}
	objects := b.objectsOf(w, obj, tree, files)
	for i := range uses {
		u := &uses[i]
		n := objects[u.File]
		switch u.Use {
		case UseCompiled, UseNotCompiled:
			if u.Objects = n; n > 0 {
				u.Use, u.Needs = UseCompiled, nil
			} else {
				u.Use = UseNotCompiled
			}
		case UseHeader:
			u.Objects = n
		default:
			continue
		}
		u.Expected = false
	}
	return uses, nil
}

// objectsOf counts, for each file, the objects of this kernel that were compiled from it. An object tree keeps what an
// earlier config built: what no archive has that is linked, and the makefiles rule out, does not count.
func (b *Builder) objectsOf(w workshop, obj *os.Root, tree *kbuildTree, files []string) map[string]int {
	counts := map[string]int{}
	for _, f := range files {
		counts[f] = 0
	}
	linked := archives{obj: obj, have: map[string]map[string]bool{}}
	b.objects.each(w, func(o builtObject) {
		known := false
		for _, dep := range o.deps {
			dep := b.objects.files[dep]
			if _, asked := counts[dep]; !asked {
				continue
			}
			if !known && !linked.hold(o.name) {
				if r := tree.reach(o.name, 0); r.found && !r.on {
					return
				}
			}
			known = true
			counts[dep]++
		}
	})
	return counts
}

// archives reads the archives of an object tree: the kernel is linked from those at its top.
type archives struct {
	obj  *os.Root
	have map[string]map[string]bool
}

// hold says whether an archive that is linked has the object.
func (a *archives) hold(object string) bool {
	dir := path.Dir(object)
	if a.of(dir + "/lib.a")[path.Base(object)] {
		return true
	}
	for ; dir != "."; dir = path.Dir(dir) {
		isTop := !strings.Contains(dir, "/") || strings.HasPrefix(dir, "arch/")
		if isTop && a.of(dir + "/built-in.a")[strings.TrimPrefix(object, dir+"/")] {
			return true
		}
	}
	return false
}

// of lists the members of a thin archive, as it names them: relative to its directory. GNU ar keeps their names in one
// table, the member "//".
func (a *archives) of(name string) map[string]bool {
	if m, ok := a.have[name]; ok {
		return m
	}
	members := map[string]bool{}
	a.have[name] = members
	text, err := readMade(a.obj, name)
	if err != nil {
		return members
	}
	_, rest, _ := strings.Cut(string(text), "\n//")
	_, table, ok := strings.Cut(rest, "`\n")
	if !ok {
		return members
	}
	for line := range strings.SplitSeq(table, "\n") {
		member, isName := strings.CutSuffix(line, "/")
		if !isName {
			break
		}
		members[path.Clean(member)] = true
	}
	return members
}
