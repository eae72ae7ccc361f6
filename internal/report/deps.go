package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/seriesctl/seriesctl/internal/plain"
	"github.com/seriesctl/seriesctl/series"
)

// Deps writes what the patches of a series need of each other, as "text", "json" or "dot" (Graphviz: an arrow
// from a patch to what it needs). Another format is a *FormatError.
func Deps(w io.Writer, format string, s *series.Series, g *series.Graph, o Options) error {
	var b bytes.Buffer
	switch format {
	case "text":
		depsText(newPen(o), &b, s, g)
	case "json":
		return depsJSON(w, s, g)
	case "dot":
		depsDOT(&b, s, g)
	default:
		return &FormatError{Format: format, formats: depFormats}
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write dependencies: %w", err)
	}
	return nil
}

var depFormats = []string{"text", "json", "dot"}

// edgesOf are the edges from a patch, what is used first, then what is needed to apply; and those to it.
func edgesOf(g *series.Graph, n int) (needs []series.Edge, neededBy []int) {
	for _, e := range g.Edges {
		if e.Patch == n {
			needs = append(needs, e)
		}
		if e.Needs == n && !slices.Contains(neededBy, e.Patch) && e.Proof != series.ProofApplies {
			neededBy = append(neededBy, e.Patch)
		}
	}
	return needs, neededBy
}

func depsText(p pen, b *bytes.Buffer, s *series.Series, g *series.Graph) {
	subjects := map[int]string{}
	for _, q := range s.Patches {
		subjects[q.Index] = p.text(q.Subject)
	}
	digits, counts, refuted := 2, map[series.DependKind]int{}, 0
	for _, n := range g.Patches {
		digits = max(digits, len(fmt.Sprint(n)))
	}
	for _, e := range g.Edges {
		if e.Proof == series.ProofApplies {
			refuted++
			continue
		}
		counts[e.Kind]++
	}
	var said []string
	for _, k := range []struct {
		kind series.DependKind
		word string
	}{{series.BySymbol, "by symbol"}, {series.Strong, "strong"}, {series.Weak, "weak"}, {series.Proved, "only by applying"}} {
		if n := counts[k.kind]; n > 0 {
			said = append(said, fmt.Sprintf("%d %s", n, k.word))
		}
	}
	if refuted > 0 {
		said = append(said, fmt.Sprintf("%d refuted by applying", refuted))
	}
	head := fmt.Sprintf("%s, %s", count(len(g.Patches), "patch", "patches"), count(len(g.Edges)-refuted, "dependency", "dependencies"))
	if len(said) > 0 {
		head += ": " + strings.Join(said, ", ")
	}
	p.wrap(b, "", "  ", head)
	var alone []int
	for _, n := range g.Patches {
		if len(g.Closure(n)) == 1 {
			alone = append(alone, n)
		}
	}
	if len(alone) > 0 && len(alone) < len(g.Patches) {
		p.wrap(b, "", "  ", "needs no other: "+Ranges(slices.Sorted(slices.Values(alone))))
	}
	indent := strings.Repeat(" ", digits+3)
	for _, n := range g.Patches {
		b.WriteByte('\n')
		row := fmt.Sprintf(" %*d  ", digits, n)
		fmt.Fprintf(b, "%s%s\n", p.paint(bold, row), p.paint(bold, plain.Cut(subjects[n], p.width-len(row), p.tail())))
		p.patchDeps(b, g, n, digits, indent)
	}
	if len(g.Problems) > 0 {
		b.WriteString("\nproblems\n")
		for _, q := range g.Problems {
			p.wrap(b, "  ", "    ", q.Kind+": "+plain.Line(q.Detail))
		}
	}
}

// PatchDeps says what patch n of the graph's needs, and what needs it.
func PatchDeps(g *series.Graph, n int, o Options) string {
	p := newPen(o)
	var b bytes.Buffer
	p.patchDeps(&b, g, n, 2, " ")
	return b.String()
}

// EdgeText says in one line why one patch needs another.
func EdgeText(e series.Edge, o Options) string { return newPen(o).why(e) }

func (p pen) patchDeps(b *bytes.Buffer, g *series.Graph, n, digits int, indent string) {
	needs, by := edgesOf(g, n)
	label := "needs "
	for i := 0; i < len(needs); {
		j := i
		for j < len(needs) && needs[j].Needs == needs[i].Needs {
			j++
		}
		first := indent + label + fmt.Sprintf("%*d  ", digits, needs[i].Needs)
		p.wrap(b, first, strings.Repeat(" ", len(first)), strings.Join(p.whys(needs[i:j]), "; "))
		label = "      "
		i = j
	}
	if len(by) > 0 {
		p.wrap(b, indent, indent+"  ", "needed by "+Ranges(by))
	}
	if len(needs) == 0 && len(by) == 0 {
		b.WriteString(indent + "stands alone\n")
	}
}

// whys says the edges between two patches: what is used before what is only in the way.
func (p pen) whys(edges []series.Edge) []string {
	var out []string
	for _, symbols := range []bool{true, false} {
		for _, e := range edges {
			if (e.Kind == series.BySymbol) == symbols {
				out = append(out, p.why(e))
			}
		}
	}
	return out
}

// shown is how many symbols the text names for an edge.
const shown = 3

func (p pen) why(e series.Edge) string {
	if e.Kind == series.BySymbol {
		var parts []string
		named := map[string]bool{}
		for _, r := range e.Why {
			if !named[r.Symbol] && len(named) < shown {
				parts = append(parts, symbolText(r))
			}
			named[r.Symbol] = true
		}
		if n := len(named) - len(parts); n > 0 {
			parts = append(parts, fmt.Sprintf("and %d more", n))
		}
		return strings.Join(parts, "; ")
	}
	r := e.Why[0]
	what := string(e.Kind)
	switch e.Proof {
	case series.ProofConflict:
		what += ", proved"
	case series.ProofUnknown:
		what += ", not proved"
	case series.ProofApplies:
		what += ", refuted: applies without it"
	}
	at := plain.Line(r.File)
	if r.Line > 0 {
		at += fmt.Sprintf(":%d", r.Line)
	}
	said := ""
	switch r.What {
	case "file":
		said = fmt.Sprintf("changes %s, which it %s", at, r.Text)
	case "removes":
		said = fmt.Sprintf("changes %s it added, %s", plural(r.Lines, "a line", "lines"), at)
	case "adjoins":
		said = fmt.Sprintf("changes next to its %s, %s", plural(r.Lines, "line", "lines"), at)
	case "context":
		said = "its lines are context, " + at
	case "conflict":
		said = fmt.Sprintf("conflicts without it in %s", at)
	}
	return what + ": " + said
}

func symbolText(r series.Reason) string {
	name := plain.Line(r.Symbol)
	def := fmt.Sprintf("%s:%d", plain.Line(r.DefFile), r.DefLine)
	switch r.What {
	case "drops":
		return fmt.Sprintf("removes %s, whose use it took away in %s", name, def)
	case "context":
		return fmt.Sprintf("is next to a use of %s, %s in %s", name, r.Done, def)
	}
	return fmt.Sprintf("uses %s, %s in %s", name, r.Done, def)
}

func depsJSON(w io.Writer, s *series.Series, g *series.Graph) error {
	type patch struct {
		Index    int    `json:"index"`
		Subject  string `json:"subject"`
		Needs    []int  `json:"needs"`
		Closure  []int  `json:"closure"`
		NeededBy []int  `json:"needed_by"`
	}
	subjects := map[int]string{}
	for _, p := range s.Patches {
		subjects[p.Index] = p.Subject
	}
	doc := struct {
		Series   string           `json:"series"`
		Patches  []patch          `json:"patches"`
		Edges    []series.Edge    `json:"edges"`
		Problems []series.Problem `json:"problems"`
	}{s.ID, []patch{}, list(g.Edges), list(g.Problems)}
	for _, n := range g.Patches {
		needs, by := edgesOf(g, n)
		row := patch{n, subjects[n], []int{}, []int{}, list(by)}
		for _, e := range needs {
			if e.Proof != series.ProofApplies && !slices.Contains(row.Needs, e.Needs) {
				row.Needs = append(row.Needs, e.Needs)
			}
		}
		for _, c := range g.Closure(n) {
			if c != n {
				row.Closure = append(row.Closure, c)
			}
		}
		doc.Patches = append(doc.Patches, row)
	}
	return WriteJSON(w, doc)
}

// dotStyle is how an edge is drawn, readable without colours.
var dotStyle = map[series.DependKind]string{
	series.Strong: "bold", series.Weak: "dashed", series.BySymbol: "solid", series.Proved: "dotted",
}

func depsDOT(b *bytes.Buffer, s *series.Series, g *series.Graph) {
	subjects := map[int]string{}
	for _, p := range s.Patches {
		subjects[p.Index] = p.Subject
	}
	fmt.Fprintf(b, "digraph %s {\n", dotQuote(s.ID))
	b.WriteString("\trankdir=BT;\n\tnode [shape=box, fontname=\"sans-serif\"];\n\tedge [fontname=\"sans-serif\", fontsize=10];\n")
	for _, n := range g.Patches {
		fmt.Fprintf(b, "\t%d [label=%s];\n", n, dotQuote(fmt.Sprintf("%d: %s", n, plain.Cut(plain.Line(subjects[n]), 60, "…"))))
	}
	for _, e := range g.Edges {
		if e.Proof == series.ProofApplies {
			continue
		}
		label := string(e.Kind)
		if e.Kind == series.BySymbol {
			label = plain.Line(e.Why[0].Symbol)
			if n := len(e.Why) + e.More; n > 1 {
				label += fmt.Sprintf(" +%d", n-1)
			}
		} else if e.Why[0].File != "" {
			label += " " + plain.Line(e.Why[0].File)
		}
		fmt.Fprintf(b, "\t%d -> %d [style=%s, label=%s];\n", e.Patch, e.Needs, dotStyle[e.Kind], dotQuote(label))
	}
	b.WriteString("}\n")
}

// dotQuote makes a string of the DOT language, which knows \" but keeps other backslashes for itself.
func dotQuote(s string) string {
	s = strings.ReplaceAll(plain.Line(s), `\`, `\\`)
	return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"`
}
