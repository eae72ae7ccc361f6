package lab

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/qemu"
	"github.com/seriesctl/seriesctl/series"
)

// Check is what one check says of a prefix's last patch.
type Check struct {
	Name string `json:"name"` // "builds", "warnings", or one of qemu.Checks
	// Status is "ok", "found" (New says what), "failed" (of builds), or "" when it was not done.
	Status CheckStatus       `json:"status"`
	New    []qemu.Diagnostic `json:"new,omitempty"` // what the prefix before did not have
}

// CheckStatus is how a check ended.
type CheckStatus string

// All ends of a check.
const (
	CheckNone   CheckStatus = ""
	CheckOK     CheckStatus = "ok"
	CheckFound  CheckStatus = "found"
	CheckFailed CheckStatus = "failed"
)

// checkKeys are the keys of what checking variant i will have found. checkpatch sees the patch; the others see sources:
// those of the patch and, to compare with, those of the next patch before it is applied.
func (h *Host) checkKeys(names []string, variants []Variant, i int) (map[string]string, error) {
	v := variants[i]
	if v.Status != series.Applied {
		return nil, nil
	}
	keys := map[string]string{}
	for _, name := range names {
		parts := []string{"check 1", name}
		if name == qemu.CheckPatch {
			if v.Last == nil {
				continue
			}
			script, err := h.Source.ReadFile(v.Tree, checkpatch)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return nil, err
			}
			parts = append(parts, string(script), string(asMail(v.Last)))
		} else {
			parts = append(append(parts, v.Key), checkedFiles(variants, i)...)
		}
		sum := sha256.New()
		for _, p := range parts {
			fmt.Fprintf(sum, "%d\n%s\n", len(p), p)
		}
		keys[name] = "check " + hex.EncodeToString(sum.Sum(nil))
	}
	return keys, nil
}

const checkpatch = "scripts/checkpatch.pl"

func checkedFiles(variants []Variant, i int) []string {
	files := slices.Clone(variants[i].Files)
	if i+1 < len(variants) && variants[i+1].Subset == nil {
		files = append(files, variants[i+1].Files...)
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// asMail is a patch as `git format-patch` writes it.
func asMail(p *series.Patch) []byte {
	_, body, _ := strings.Cut(p.CommitMessage, "\n\n")
	return fmt.Appendf(nil, "From: %s\nSubject: [PATCH] %s\n\n%s\n---\n\n%s", p.Author, p.Subject, strings.TrimRight(body, "\n"), p.Diff)
}

// Check does one check of v's last patch.
func (h *Host) Check(ctx context.Context, v Variant, name string) ([]qemu.Diagnostic, error) {
	src := h.Builder.SourceDir()
	if name == qemu.CheckPatch {
		script, err := h.Source.ReadFile(v.Tree, checkpatch)
		if errors.Is(err, os.ErrNotExist) {
			return nil, &qemu.NoCheckError{Check: name, Reason: "this kernel has no " + checkpatch}
		} else if err != nil {
			return nil, err
		}
		// Another tree with the same script does: a checkout would make the next build compile more.
		if have, err := os.ReadFile(filepath.Join(src, checkpatch)); err == nil && string(have) == string(script) {
			return h.Builder.CheckPatch(ctx, asMail(v.Last))
		}
	}
	if err := h.checkout(ctx, v, nil); err != nil {
		return nil, err
	}
	if name == qemu.CheckPatch {
		return h.Builder.CheckPatch(ctx, asMail(v.Last))
	}
	i := slices.IndexFunc(h.variants, func(w Variant) bool { return w.Index == v.Index })
	log := filepath.Join(h.Store.Logs(), fmt.Sprintf("check-%s-%s.log", name, short(v.Key)))
	return h.Builder.CheckSources(ctx, name, h.Config, checkedFiles(h.variants, i), log)
}

// check does the checks of a variant that were not done, and stores what they find.
func (e *Engine) check(ctx context.Context, v Variant) error {
	for _, name := range e.Spec.Checks {
		key := v.Checks[name]
		if key == "" || e.unchecked[name] {
			continue
		}
		if _, err := e.Store.Fact(key); !errors.Is(err, store.ErrNotFound) {
			if err != nil {
				return err
			}
			continue
		}
		if b, err := e.Store.Build(v.Key); name != qemu.CheckPatch && (err != nil || b.Image == "") {
			continue // what is not built has no objects to check
		}
		e.activity(func(s *Status) { s.Build = &Activity{Prefix: v.Index, Step: "checking with " + name} })
		found, err := e.Maker.Check(ctx, v, name)
		var no *qemu.NoCheckError
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &no):
			if e.unchecked == nil {
				e.unchecked = map[string]bool{}
			}
			e.unchecked[name] = true
			e.notify(Event{Prefix: v.Index, Text: no.Error()})
			continue
		case err != nil:
			return err
		}
		doc, err := json.Marshal(found)
		if err != nil {
			return err
		}
		if err := e.Store.PutFact(key, string(doc)); err != nil {
			return err
		}
	}
	e.activity(func(s *Status) { s.Build = nil })
	return nil
}

// found reads what a check said of a variant; not ok when it was not done.
func found(st *store.Store, v Variant, name string) (list []qemu.Diagnostic, ok bool, err error) {
	doc, err := st.Fact(v.Checks[name])
	if errors.Is(err, store.ErrNotFound) {
		return nil, false, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(doc), &list)
	}
	return list, err == nil, err
}

// addChecks says of each prefix what is new in it, against the one before that has an image.
func addChecks(st *store.Store, spec *Spec, prefixes []Prefix) error {
	before := -1 // the prefix to compare warnings with
	for i := range prefixes {
		p, v := &prefixes[i], spec.Variants[i]
		builds, warnings := Check{Name: "builds"}, Check{Name: "warnings"}
		switch p.Status {
		case PrefixOK, PrefixBootFailed:
			builds.Status = CheckOK
			if before >= 0 {
				p.NewWarnings = qemu.NewDiagnostics(prefixes[before].Warnings, p.Warnings)
				warnings = newFound("warnings", p.NewWarnings)
			}
			before = i
		case PrefixBuildFailed:
			builds.Status, builds.New = CheckFailed, slices.DeleteFunc(slices.Clone(p.Warnings), func(d qemu.Diagnostic) bool { return d.Kind != "error" })
		}
		p.Checks = []Check{builds, warnings}
		for _, name := range spec.Checks {
			check := Check{Name: name}
			now, ok, err := found(st, v, name)
			if err != nil {
				return err
			}
			switch {
			case !ok:
			case name == qemu.CheckPatch:
				check = newFound(name, now)
			case i > 0:
				was, ok, err := found(st, spec.Variants[i-1], name)
				if err != nil {
					return err
				}
				if ok {
					check = newFound(name, qemu.NewDiagnostics(about(was, v.Files), about(now, v.Files)))
				}
			}
			p.Checks = append(p.Checks, check)
		}
	}
	return nil
}

func newFound(name string, list []qemu.Diagnostic) Check {
	if len(list) == 0 {
		return Check{Name: name, Status: CheckOK}
	}
	return Check{Name: name, Status: CheckFound, New: list}
}

// about picks the diagnostics of some files.
func about(list []qemu.Diagnostic, files []string) []qemu.Diagnostic {
	return slices.DeleteFunc(slices.Clone(list), func(d qemu.Diagnostic) bool { return !slices.Contains(files, d.File) })
}
