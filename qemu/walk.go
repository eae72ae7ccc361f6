package qemu

import (
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seriesctl/seriesctl/internal/pattern"
)

// Kbuild walks all directories of a kernel to find what is outdated: 3 of the 5 seconds of processor time that a build takes
// which changes nothing. Up to Linux 6.0 the top makefile has a list of the directories to walk, and where one knows
// what changed since a build that went well, those suffice in which something was made from it.

// walked are the lines of a top makefile that has such a list, and links what is in those directories whether they are walked or not.
var walked = []*pattern.Regexp{
	pattern.New(`(?m)^build-dirs\s*:= \$\(vmlinux-dirs\)$`),
	pattern.New(`(?m)^descend: \$\(build-dirs\)$`),
	pattern.New(`(?m)^\$\(build-dirs\): prepare$`),
}

// walk are the variables that keep make to the directories in which something is outdated, none when it must walk all: after
// anything but a build that went well, when it is not known what changed, when that is not C alone (makefiles and Kconfig decide
// what is built, other files are what code is generated from), or when it is used for more than objects.
func (r *job) walk() []string {
	if !r.b.current || r.asked || len(r.b.Changed) == 0 {
		return nil
	}
	unknown := map[string]bool{} // files that nothing was made from
	for _, file := range r.b.Changed {
		ext := path.Ext(file)
		if fi, err := os.Lstat(filepath.Join(r.shop.src, file)); err != nil || !fi.Mode().IsRegular() || ext != ".c" && ext != ".h" {
			return nil
		}
		unknown[file] = true
	}
	top, err := os.ReadFile(filepath.Join(r.shop.src, "Makefile"))
	if err != nil || slices.ContainsFunc(walked, func(line *pattern.Regexp) bool { return !line.Match(top) }) {
		return nil
	}
	changed := maps.Clone(unknown)
	dirs := map[string]bool{}
	plain := true
	r.b.objects.each(r.shop, func(o builtObject) {
		for _, dep := range o.deps {
			if file := r.b.objects.files[dep]; changed[file] {
				delete(unknown, file)
				dir, _, _ := strings.Cut(o.name, "/")
				dirs[dir] = true
				plain = plain && strings.HasSuffix(o.name, ".o") && dir != "arch"
			}
		}
	})
	if !plain || len(unknown) > 0 {
		return nil
	}
	return []string{"build-dirs=" + strings.Join(slices.Sorted(maps.Keys(dirs)), " ")}
}
