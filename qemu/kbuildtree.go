package qemu

import (
	"path"
	"slices"
	"strings"
)

// kbuildTree answers what of a kernel tree a config builds, by reading its makefiles
// (Documentation/kbuild/makefiles.rst) and Kconfig files. It runs nothing.
type kbuildTree struct {
	read      func(path string) ([]byte, error)
	config    map[string]string // by name, without CONFIG_
	makefiles map[string]*makefile
	dirs      map[string]reached // directories that were asked for
	kconfig   *kconfig           // nil before it is needed
}

func newKbuildTree(dotConfig string, read func(path string) ([]byte, error)) *kbuildTree {
	list, _ := parseOptions(dotConfig) // lines that are no options say nothing
	return &kbuildTree{read: read, config: configValues(list), makefiles: map[string]*makefile{}, dirs: map[string]reached{}}
}

// reached is what the makefiles say of an object or directory.
type reached struct {
	found bool     // a makefile names it
	on    bool     // the config builds it
	needs []string // options that it lacks: "CONFIG_X", "CONFIG_A or CONFIG_B", "CONFIG_X=n"
}

// makefile is that of a directory ("" is the top), nil when it has none.
func (t *kbuildTree) makefile(dir string) *makefile {
	if m, ok := t.makefiles[dir]; ok {
		return m
	}
	t.makefiles[dir] = nil
	names := []string{"Kbuild", "Makefile"} // kbuild takes the first that is there
	text := ""
	for _, name := range names {
		part, err := t.read(path.Join(dir, name))
		if err != nil {
			continue
		}
		text += string(part) + "\n"
		if dir != "" {
			break
		}
	}
	if text == "" {
		return nil
	}
	vars := map[string]string{
		"srctree": ".", "objtree": ".", "src": dir, "obj": dir, "SRCARCH": "x86", "ARCH": "x86", "SUBARCH": "x86", "BITS": "64",
		"sub_make_done": "1", "MAKECMDGOALS": "vmlinux",
	}
	for name, value := range t.config {
		if value != "n" {
			vars["CONFIG_"+name] = value
		}
	}
	t.makefiles[dir] = readMakefile(text, vars, t.read)
	return t.makefiles[dir]
}

// Lists of a makefile whose members are built; those of the top makefile too.
var (
	builtLists = []string{"obj", "lib", "extra", "always", "subdir"}
	topLists   = append([]string{"core", "drivers", "libs", "net", "virt", "init", "head"}, builtLists...)
)

// reach says whether target, an object ("fs/gfs2/file.o") or a directory ("fs/gfs2/"), is built.
func (t *kbuildTree) reach(target string, depth int) reached {
	if depth > maxNesting {
		return reached{}
	}
	for dir := parentOf(target); ; dir = parentOf(dir + "/") {
		if m := t.makefile(dir); m != nil {
			lists := builtLists
			if dir == "" {
				lists = topLists
			}
			at := strings.TrimPrefix(strings.TrimPrefix(target, dir), "/")
			if r := m.reach(at, lists, 0); r.found {
				if dir == "" {
					return r
				}
				up, ok := t.dirs[dir]
				if !ok {
					up = t.reach(dir+"/", depth+1)
					t.dirs[dir] = up
				}
				return reached{up.found, r.on && up.on, merge(r.needs, up.needs)}
			}
		}
		if dir == "" {
			return reached{}
		}
	}
}

// parentOf is the directory that a file or a directory ("fs/gfs2/") is in, "" for the top.
func parentOf(target string) string {
	dir := path.Dir(strings.TrimSuffix(target, "/"))
	if dir == "." || dir == "/" {
		return ""
	}
	return dir
}

func merge(a, b []string) []string {
	out := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// reach says whether a word is in one of the lists, or part of an object that is: foo-y and foo-objs make foo.o.
func (m *makefile) reach(word string, lists []string, depth int) reached {
	if depth > 4 {
		return reached{}
	}
	if m.builds(word, lists, 0) {
		return reached{found: true, on: true}
	}
	var best reached
	own := false // in a list that is of no object, like that of a vdso's own rule: built where its directory is
	for _, a := range m.lines {
		if !slices.Contains(strings.Fields(m.expand(a.value, 0)), word) {
			continue
		}
		head, kind := cutList(a.name)
		r := reached{found: true, needs: m.unmet(append(slices.Clone(a.unmet), a.name)...)}
		switch {
		case slices.Contains(lists, head):
		case head != "" && (kind == "y" || kind == "objs" || strings.Contains(kind, "CONFIG_")):
			whole := m.reach(head+".o", lists, depth+1)
			if !whole.found {
				own = own || slices.Contains(m.words(m.expand(a.name, 0)), word)
				continue
			}
			r.needs = merge(r.needs, whole.needs)
		default:
			continue
		}
		switch {
		case !best.found || len(r.needs) > 0 && len(r.needs) < len(best.needs):
			best = r
		case len(r.needs) == 1 && len(best.needs) == 1 && !strings.Contains(best.needs[0], r.needs[0]):
			best.needs[0] += " or " + r.needs[0]
		}
	}
	if !best.found && own {
		return reached{found: true, on: true}
	}
	return best
}

// builds says whether a word is in one of the lists' -y, itself or as a part.
func (m *makefile) builds(word string, lists []string, depth int) bool {
	if depth > 4 {
		return false
	}
	for _, l := range lists {
		if slices.Contains(m.words(l+"-y"), word) {
			return true
		}
	}
	for _, name := range m.names() {
		head, kind := cutList(name)
		if head == "" || kind != "y" && kind != "objs" || slices.Contains(lists, head) || head+".o" == word {
			continue
		}
		if slices.Contains(m.words(name), word) && m.builds(head+".o", lists, depth+1) {
			return true
		}
	}
	return false
}

// cutList cuts the name of a list: "gfs2-$(CONFIG_X)" is "gfs2", "$(CONFIG_X)".
func cutList(name string) (head, kind string) {
	if i := strings.Index(name, "-$("); i >= 0 {
		return name[:i], name[i+1:]
	}
	if i := strings.LastIndexByte(name, '-'); i >= 0 {
		return name[:i], name[i+1:]
	}
	return "", ""
}

// need says more of an option that is missing.
func (t *kbuildTree) need(option string) Need {
	n := Need{Option: option}
	name, ok := strings.CutPrefix(option, "CONFIG_")
	if !ok || strings.ContainsAny(name, "= ") {
		return n
	}
	if t.kconfig == nil {
		t.kconfig = readKconfig(t.read)
	}
	var known bool
	n.Depends, known = t.kconfig.depends(name)
	n.Unknown = !known
	n.Unmet = unmet(n.Depends, t.config)
	if t.kconfig.hidden(name) {
		n.SelectedBy = t.kconfig.selectors[name]
	}
	return n
}
