package lab

import (
	"errors"
	"slices"

	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/qemu"
	"github.com/seriesctl/seriesctl/series"
)

// Coverage says how much of the code that a patch touches is in its kernel: a test of code that was not compiled proves
// nothing.
type Coverage string

// All coverages; "" is not known, or that the patch touches nothing that could be told of.
const (
	CoverageAll    Coverage = "all"
	CoveragePart   Coverage = "part"
	CoverageNone   Coverage = "none"
	CoverageNoCode Coverage = "no-code" // documentation, tools
)

// coverage sums up the files of one patch.
func coverage(files []qemu.FileUse) Coverage {
	in, out, other := 0, 0, 0
	for _, f := range files {
		switch {
		case f.Use == qemu.UseCompiled || f.Use == qemu.UseHeader && f.Objects > 0:
			in++
		case f.Use == qemu.UseNotCompiled && (!f.Expected || len(f.Needs) > 0) || f.Use == qemu.UseHeader && !f.Expected:
			out++
		case f.Use != qemu.UseNotCode:
			other++
		}
	}
	switch {
	case in > 0 && out > 0:
		return CoveragePart
	case in > 0:
		return CoverageAll
	case out > 0:
		return CoverageNone
	case other == 0 && len(files) > 0:
		return CoverageNoCode
	}
	return ""
}

// filesOf picks from what is known of a build's files those of a patch; none when one is not known: the build was made
// for another series.
func filesOf(known []qemu.FileUse, files []string) []qemu.FileUse {
	var out []qemu.FileUse
	for _, f := range files {
		i := slices.IndexFunc(known, func(u qemu.FileUse) bool { return u.File == f })
		if i < 0 {
			return nil
		}
		out = append(out, known[i])
	}
	return out
}

// foresee tells of every variant that was not built what the config makes of its patch's files, from the makefiles of its
// own tree. An option that a patch adds is taken as not set unless the config at hand has it.
func (h *Host) foresee(dotConfig string) {
	if h.foreseen || h.Foresee == nil {
		return
	}
	h.foreseen = true
	var list []Prefix
	for _, v := range h.variants {
		if v.Status != series.Applied || len(v.Files) == 0 || v.Subset != nil {
			continue
		}
		if _, err := h.Store.Build(v.Key); !errors.Is(err, store.ErrNotFound) {
			continue
		}
		uses := qemu.Uses(v.Files, dotConfig, func(path string) ([]byte, error) { return h.Source.ReadFile(v.Tree, path) })
		list = append(list, Prefix{Index: v.Index, Subject: v.Subject, Files: uses, Coverage: coverage(uses)})
	}
	h.Foresee(list)
}
