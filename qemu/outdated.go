package qemu

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// outdatedObjects says how many objects of an object tree make will compile again: those older than a file they were
// made from, as the .cmd files beside them say. 0 when there is no finished build to tell from. It is an
// estimate: objects that are new, and those that changed headers are generated for, are not in it.
func (r *job) outdatedObjects() int {
	w, objects := r.shop, &r.b.objects
	if _, err := os.Stat(filepath.Join(w.obj, "vmlinux")); err != nil {
		return 0
	}
	modified := map[int32]time.Time{}
	n := 0
	objects.each(w, func(o builtObject) {
		fi, err := os.Lstat(o.path)
		if err != nil || !strings.HasSuffix(o.name, ".o") {
			return
		}
		if slices.ContainsFunc(o.deps, func(dep int32) bool {
			t, ok := modified[dep]
			if !ok {
				if fi, err := os.Lstat(filepath.Join(w.src, objects.files[dep])); err == nil {
					t = fi.ModTime()
				}
				modified[dep] = t
			}
			return t.After(fi.ModTime())
		}) {
			n++
		}
	})
	return n
}
