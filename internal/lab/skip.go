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

// skips is what a run was asked to give up, or to try again, and how to stop what it does. Its zero value is ready; the
// Engine's lock guards it.
type skips struct {
	given map[skipKey]bool
	again map[skipKey]bool
	going map[*skippable]bool
}

// skippable is something going on that can be given up.
type skippable struct {
	skipKey
	cancel context.CancelFunc
}

// skipKey is a cell, or a prefix as a whole: its build, its boot and all its cells.
type skipKey struct {
	prefix   int
	caseName string // "" for the prefix
}

// Left is a cell or a prefix that a run gave up.
type Left struct {
	Activity        // its Log is the console so far, Started when it was given up
	Series   string `json:"series"`
	Why      string `json:"why"` // "given up, as asked", or how the lab failed
}

// asAsked is why something was left that was given up.
const asAsked = "given up, as asked"

// Same says whether it is the same cell or prefix.
func (l Left) Same(o Left) bool {
	return l.Series == o.Series && l.Prefix == o.Prefix && l.Case == o.Case && l.Kernel == o.Kernel
}

// Skip gives up what a says, a cell or a prefix, for as long as this Engine runs or until it is asked for again, and stops it
// when it goes on. Another run asks for it again.
func (e *Engine) Skip(a Activity) {
	if !e.mine(a) {
		return
	}
	key := skipKey{a.Prefix, a.Case}
	e.mu.Lock()
	if e.skips.given == nil {
		e.skips.given = map[skipKey]bool{}
	}
	e.skips.given[key] = true
	delete(e.skips.again, key)
	for g := range e.skips.going {
		if g.skipKey == key || a.Case == "" && g.prefix == a.Prefix {
			g.cancel()
		}
	}
	e.mu.Unlock()
	e.leave(a, asAsked)
}

// mine says whether a is of this Engine's kernel: a build names it, and so does a case.
func (e *Engine) mine(a Activity) bool {
	return a.Kernel == e.Spec.Kernel && a.Case == "" || slices.ContainsFunc(e.Spec.Cases, func(c Case) bool { return c.Name == a.Case })
}

// Retry has what was given up, or what the lab failed to run, tried again in the next round.
func (e *Engine) Retry(a Activity) {
	if !e.mine(a) {
		return
	}
	key := skipKey{a.Prefix, a.Case}
	e.mu.Lock()
	delete(e.skips.given, key)
	if e.skips.again == nil {
		e.skips.again = map[skipKey]bool{}
	}
	e.skips.again[key] = true
	e.mu.Unlock()
	e.Dismiss(Left{Activity: a, Series: e.Spec.Series})
}

// Dismiss forgets that something was left.
func (e *Engine) Dismiss(l Left) {
	e.activity(func(s *Status) { s.Left = slices.DeleteFunc(slices.Clone(s.Left), l.Same) })
}

// Inherit takes over what was left before this Engine runs.
func (e *Engine) Inherit(list []Left) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.status.Left = list
}

// leave notes that a was given up, and why.
func (e *Engine) leave(a Activity, why string) {
	e.activity(func(s *Status) {
		for _, r := range append([]Activity{}, s.Running...) {
			if r.Prefix == a.Prefix && r.Case == a.Case && a.Log == "" {
				a.Log = r.Log
			}
		}
		left := Left{Activity{Prefix: a.Prefix, Subset: e.Spec.subset(a.Prefix), Kernel: a.Kernel, Case: a.Case, Log: a.Log, Started: time.Now()}, e.Spec.Series, why}
		s.Left = append(slices.DeleteFunc(slices.Clone(s.Left), left.Same), left)
	})
}

// settle notes that what may have been left is done now.
func (e *Engine) settle(a Activity) {
	if a.Case == "" {
		a.Kernel = e.Spec.Kernel
	}
	left := Left{Activity: a, Series: e.Spec.Series}
	e.mu.Lock()
	there := slices.ContainsFunc(e.status.Left, left.Same)
	e.mu.Unlock()
	if there {
		e.Dismiss(left)
	}
}

// forgive lets the cells that are to be tried again be so, whatever came of them before.
func (e *Engine) forgive(s *State) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.skips.again) == 0 {
		return
	}
	for id := range s.Lost {
		name := e.caseOf(s, Want{CellID: id}).Name
		if e.skips.again[skipKey{e.Spec.row(id.Variant).Index, name}] {
			s.Lost[id] = false
		}
	}
	clear(e.skips.again)
}

// wantsMore says whether something is to be tried again.
func (e *Engine) wantsMore() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.skips.again) > 0
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
	if e.skips.going == nil {
		e.skips.going = map[*skippable]bool{}
	}
	g := &skippable{skipKey{prefix, caseName}, cancel}
	e.skips.going[g] = true
	return ctx, func() {
		cancel()
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.skips.going, g)
	}
}

// notSkipped are the wants of cells that were not given up.
func (e *Engine) notSkipped(s *State, wants []Want) []Want {
	return slices.DeleteFunc(wants, func(w Want) bool {
		return e.skipped(e.Spec.row(w.Variant).Index, e.caseOf(s, w).Name)
	})
}

// Request is what a run is asked by another process.
type Request struct {
	What Ask `json:"what"`
	Left     // Why is not used
}

// Ask is what can be asked.
type Ask string

// All of it.
const (
	AskSkip    Ask = "skip"
	AskRetry   Ask = "retry"
	AskDismiss Ask = "dismiss"
)

// Do does what is asked.
func (e *Engine) Do(r Request) {
	switch r.What {
	case AskSkip:
		e.Skip(r.Activity)
	case AskRetry:
		e.Retry(r.Activity)
	case AskDismiss:
		e.Dismiss(r.Left)
	}
}

// PutRequest asks the run that works in a workspace; dir is where it looks for requests.
func PutRequest(dir string, r Request) error {
	doc, err := json.Marshal(r)
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	name := fmt.Sprintf("%d.json", time.Now().UnixNano())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "."+name), doc, 0o644)
	}
	if err == nil {
		// In one step: a reader never sees half of it.
		err = os.Rename(filepath.Join(dir, "."+name), filepath.Join(dir, name))
	}
	if err != nil {
		return fmt.Errorf("ask the run to %s: %w", r.What, err)
	}
	return nil
}

// TakeRequests reads and removes what was requested, oldest first. What can't be read is no request.
func TakeRequests(dir string) []Request {
	entries, err := os.ReadDir(dir) // by name, so by time
	if err != nil {
		return nil
	}
	var all []Request
	for _, entry := range entries {
		if entry.Name()[0] == '.' {
			continue
		}
		name := filepath.Join(dir, entry.Name())
		doc, err := os.ReadFile(name)
		var r Request
		if err == nil && json.Unmarshal(doc, &r) == nil {
			all = append(all, r)
		}
		_ = os.Remove(name)
	}
	return all
}
