package report

import (
	"strings"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/plain"
	"github.com/seriesctl/seriesctl/qemu"
)

// notBuilt is the word for a patch none of whose code is in its kernel.
const notBuilt = "not built"

// Foreseen says, a line each, which patches touch code that the config leaves out; one line when none does. nil for no
// patches. Patches of which the same is to be said share a line.
func Foreseen(list []lab.Prefix) []string {
	var order []string
	patches := map[string][]int{}
	for i := range list {
		p := &list[i]
		said := ""
		switch left := leftOut(p); {
		case p.Coverage == lab.CoverageNoCode:
			said = "no code of the kernel"
		case p.Coverage == lab.CoverageNone:
			said = "will not be compiled: " + left
		case left != "":
			said = "will be compiled in part: " + left
		default:
			continue
		}
		if patches[said] == nil {
			order = append(order, said)
		}
		patches[said] = append(patches[said], p.Patch)
	}
	if len(order) == 0 && len(list) > 0 {
		return []string{"the config compiles every source file that the patches touch"}
	}
	var out []string
	for _, said := range order {
		out = append(out, Note{Patches: patches[said]}.who()+": "+said)
	}
	return out
}

// leftOut says which files of a patch its kernel does not have, and why; "" when it has all.
func leftOut(p *lab.Prefix) string {
	var parts []string
	var same []string // files that need what the one before needs
	flush := func(needs string) {
		switch {
		case len(same) == 1:
			parts = append(parts, same[0]+" needs "+needs)
		case len(same) > 1:
			parts = append(parts, strings.Join(same, ", ")+" need "+needs)
		}
		same = nil
	}
	last := ""
	for _, f := range p.Files {
		why := ""
		switch {
		case f.Use == qemu.UseNotCompiled && len(f.Needs) > 0:
			var needs []string
			for _, n := range f.Needs {
				needs = append(needs, needText(n))
			}
			if text := strings.Join(needs, ", "); text != last {
				flush(last)
				last = text
			}
			same = append(same, plain.Line(f.File))
			continue
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
	flush(last)
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
