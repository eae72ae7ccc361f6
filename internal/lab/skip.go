package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// skips is what a run was asked to give up, and how to stop what it does. Its zero value is ready; the Engine's lock guards it.
type skips struct {
	given  map[skipKey]bool
	cancel map[skipKey]context.CancelFunc
}

// skipKey is a cell, or a prefix as a whole: its build, its boot and all its cells.
type skipKey struct {
	prefix   int
	caseName string // "" for the prefix
}

// Skip gives up what a says, a cell or a prefix, for as long as this Engine runs, and stops it when it goes on. Nothing
// is stored of it: another run asks for it again.
func (e *Engine) Skip(a Activity) {
	if a.Kernel != e.Spec.Kernel && a.Kernel != "" {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.skips.given == nil {
		e.skips.given = map[skipKey]bool{}
	}
	key := skipKey{a.Prefix, a.Case}
	e.skips.given[key] = true
	for k, cancel := range e.skips.cancel {
		if k == key || a.Case == "" && k.prefix == a.Prefix {
			cancel()
		}
	}
}

// skipped says whether a cell was given up, or with "" its prefix.
func (e *Engine) skipped(prefix int, caseName string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.skips.given[skipKey{prefix, caseName}] || e.skips.given[skipKey{prefix, ""}]
}

// skippable is a context for what is done for a cell or prefix, which ends when that is given up.
func (e *Engine) skippable(ctx context.Context, prefix int, caseName string) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if e.skipped(prefix, caseName) {
		cancel()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.skips.cancel == nil {
		e.skips.cancel = map[skipKey]context.CancelFunc{}
	}
	key := skipKey{prefix, caseName}
	e.skips.cancel[key] = cancel
	return ctx, func() {
		cancel()
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.skips.cancel, key)
	}
}

// notSkipped are the wants of cells that were not given up.
func (e *Engine) notSkipped(s *State, wants []Want) []Want {
	return slices.DeleteFunc(wants, func(w Want) bool {
		return e.skipped(e.Spec.row(w.Variant).Index, e.caseOf(s, w).Name)
	})
}

// RequestSkip asks the run that works in a workspace to Skip a; dir is where it looks for requests.
func RequestSkip(dir string, a Activity) error {
	doc, err := json.Marshal(a)
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	name := fmt.Sprintf("skip-%d", time.Now().UnixNano())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "."+name), doc, 0o644)
	}
	if err == nil {
		// In one step: a reader never sees half of it.
		err = os.Rename(filepath.Join(dir, "."+name), filepath.Join(dir, name))
	}
	if err != nil {
		return fmt.Errorf("ask the run to skip: %w", err)
	}
	return nil
}

// TakeSkips reads and removes what was requested. What can't be read is no request.
func TakeSkips(dir string) []Activity {
	names, err := filepath.Glob(filepath.Join(dir, "skip-*"))
	if err != nil {
		return nil
	}
	var all []Activity
	for _, name := range names {
		doc, err := os.ReadFile(name)
		var a Activity
		if err == nil && json.Unmarshal(doc, &a) == nil {
			all = append(all, a)
		}
		_ = os.Remove(name)
	}
	return all
}
