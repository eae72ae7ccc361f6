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
func outdatedObjects(w workshop) int {
	if _, err := os.Stat(filepath.Join(w.obj, "vmlinux")); err != nil {
		return 0
	}
	changed := map[string]time.Time{}
	modified := func(name string) time.Time {
		if t, ok := changed[name]; ok {
			return t
		}
		var t time.Time
		if fi, err := os.Lstat(filepath.Join(w.src, name)); err == nil {
			t = fi.ModTime()
		}
		changed[name] = t
		return t
	}
	n := 0
	w.eachObject(func(o builtObject) {
		fi, err := os.Lstat(o.path)
		if err != nil || !strings.HasSuffix(o.name, ".o") {
			return
		}
		if slices.ContainsFunc(o.deps, func(dep string) bool { return modified(dep).After(fi.ModTime()) }) {
			n++
		}
	})
	return n
}
