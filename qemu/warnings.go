package qemu

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// make prints the warnings of what it compiles, and an incremental build compiles little. The warnings of the objects
// that stay as they are are kept beside the object tree, so that those of a kernel do not depend on what was built before it.

// noteWarnings adds what this job's make printed to the warnings of the object tree, and returns all that hold now. It must
// run before the marker is cleared: what a make that failed did compile is not compiled again.
func (r *job) noteWarnings() ([]Diagnostic, error) {
	held := map[string][]Diagnostic{} // by object; "" is for all other steps
	file := filepath.Join(r.b.Dir, "warnings.json")
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &held)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		held = map[string][]Diagnostic{} // damaged: it says nothing
	}
	for object := range held {
		_, err := r.obj.Lstat(object)
		if object != "" && (r.out.objects[object] || err != nil) {
			delete(held, object)
		}
	}
	linked := r.out.state.Step == "linking"
	held[""] = slices.DeleteFunc(held[""], func(d Diagnostic) bool {
		if strings.HasPrefix(filepath.Base(d.File), "Kconfig") {
			return r.asked
		}
		return linked
	})
	d := &r.out.diag
	for i, x := range d.list {
		if x.Kind == "warning" {
			held[d.from[i]] = append(held[d.from[i]], x)
		}
	}
	var all []Diagnostic
	for _, object := range slices.Sorted(maps.Keys(held)) {
		held[object] = tidy(held[object])
		all = append(all, held[object]...)
	}
	if text, err = json.Marshal(held); err != nil {
		return nil, err
	}
	all = tidy(all)
	return all[:min(len(all), maxDiagnostics)], os.WriteFile(file, text, 0o644)
}

// NewDiagnostics are those of after that before does not have, in their order. A line that has moved is the same; one
// more of the same in a file is new.
func NewDiagnostics(before, after []Diagnostic) []Diagnostic {
	type kind struct{ file, kind, text, code string }
	exact := func(d Diagnostic) kind {
		line, _, _ := strings.Cut(d.Excerpt, "\n")
		_, code, _ := strings.Cut(line, "|")
		return kind{d.File, d.Kind, d.Text, strings.TrimSpace(code)}
	}
	loose := func(d Diagnostic) kind { return kind{d.File, d.Kind, d.Text, ""} }
	left := slices.Clone(after)
	// The same code first: so the one that is new among alike ones is the one that is named.
	for _, same := range []func(Diagnostic) kind{exact, loose} {
		had := map[kind]int{}
		for _, d := range before {
			had[same(d)]++
		}
		for _, d := range after {
			if !slices.Contains(left, d) {
				had[same(d)]-- // it took its place in the round before
			}
		}
		left = slices.DeleteFunc(left, func(d Diagnostic) bool {
			k := same(d)
			had[k]--
			return had[k] >= 0
		})
	}
	return left
}
