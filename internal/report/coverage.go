package report

import (
	"fmt"
	"strings"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/plain"
	"github.com/seriesctl/seriesctl/qemu"
)

// notBuilt is the word for a patch none of whose code is in its kernel.
const notBuilt = "not built"

// Foreseen says, a line each, which patches touch code that the config leaves out; one line when none does. nil for no
// patches.
func Foreseen(list []lab.Prefix) []string {
	var out []string
	for i := range list {
		p := &list[i]
		switch left := leftOut(p); {
		case p.Coverage == lab.CoverageNoCode:
			out = append(out, fmt.Sprintf("patch %d touches no code of the kernel", p.Patch))
		case p.Coverage == lab.CoverageNone:
			out = append(out, fmt.Sprintf("patch %d will not be compiled: %s", p.Patch, left))
		case left != "":
			out = append(out, fmt.Sprintf("patch %d will be compiled in part: %s", p.Patch, left))
		}
	}
	if len(out) == 0 && len(list) > 0 {
		out = append(out, "the config compiles every source file that the patches touch")
	}
	return out
}

// leftOut says which files of a patch its kernel does not have, and why; "" when it has all.
func leftOut(p *lab.Prefix) string {
	var parts []string
	for _, f := range p.Files {
		why := ""
		switch {
		case f.Use == qemu.UseNotCompiled && len(f.Needs) > 0:
			var needs []string
			for _, n := range f.Needs {
				needs = append(needs, needText(n))
			}
			why = "needs " + strings.Join(needs, ", ")
		case f.Use == qemu.UseNotCompiled && f.Expected:
			continue // another file may include it
		case f.Use == qemu.UseNotCompiled && strings.HasPrefix(f.File, "arch/") && !strings.HasPrefix(f.File, "arch/x86/"):
			why = "is for another architecture"
		case f.Use == qemu.UseNotCompiled:
			why = "no makefile that is read names it"
		case f.Use == qemu.UseHeader && f.Objects == 0 && !f.Expected:
			why = "nothing that is compiled includes it"
		default:
			continue
		}
		parts = append(parts, plain.Line(f.File)+" "+why)
	}
	return strings.Join(parts, "; ")
}

// needText is an option, with what stands in its way.
func needText(n qemu.Need) string {
	s := plain.Line(n.Option)
	switch {
	case n.Unknown:
		s += " (no Kconfig file has it)"
	case len(n.Unmet) > 0:
		s += " (depends on " + plain.Line(strings.Join(n.Unmet, ", ")) + ")"
	case len(n.SelectedBy) > 0:
		const most = 3
		by := n.SelectedBy[:min(most, len(n.SelectedBy))]
		s += " (selected by " + plain.Line(strings.Join(by, ", "))
		if len(n.SelectedBy) > most {
			s += " and others"
		}
		s += ")"
	}
	return s
}
