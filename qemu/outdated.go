package qemu

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
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
	src, obj, _ := w.seen()
	changed := map[string]time.Time{}
	modified := func(name string) time.Time {
		if t, ok := changed[name]; ok {
			return t
		}
		path := filepath.Join(w.obj, name)
		if rel, ok := strings.CutPrefix(name, src+"/"); ok {
			path = filepath.Join(w.src, rel)
		} else if rel, ok := strings.CutPrefix(name, obj+"/"); ok {
			path = filepath.Join(w.obj, rel)
		}
		var t time.Time
		if fi, err := os.Lstat(path); err == nil {
			t = fi.ModTime()
		}
		changed[name] = t
		return t
	}
	n := 0
	_ = filepath.WalkDir(w.obj, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		rel, _ := filepath.Rel(w.obj, path)
		if d.IsDir() && (rel == "tools" || rel == "scripts" || rel == "include") {
			return filepath.SkipDir
		}
		name, isCmd := strings.CutSuffix(d.Name(), ".o.cmd")
		if !isCmd || !d.Type().IsRegular() || name[0] != '.' {
			return nil
		}
		fi, err := os.Lstat(filepath.Join(filepath.Dir(path), name[1:]+".o"))
		if err != nil {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		_, deps, ok := bytes.Cut(text, []byte("\ndeps_"))
		if !ok {
			return nil
		}
		source, _, _ := bytes.Cut(text[bytes.Index(text, []byte("\nsource_"))+1:], []byte("\n"))
		for _, f := range append(strings.Fields(string(source)), strings.Fields(string(deps))...) {
			if strings.HasPrefix(f, src+"/") && modified(f).After(fi.ModTime()) {
				n++
				break
			}
		}
		return nil
	})
	return n
}
