package series

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// DependKind is why one patch needs another.
type DependKind string

// All kinds of dependency, the surest first.
const (
	// Strong: it removes or adjoins lines the other added, stands where the other removed lines, or is for a
	// file that the other created, renamed or deleted.
	Strong DependKind = "strong"
	// Weak: only its context holds lines the other added, or spans a place where the other removed lines.
	Weak DependKind = "weak"
	// BySymbol: it uses what the other introduces or changes: a function, macro, type, field, enum value…
	BySymbol DependKind = "symbol"
	// Proved: nothing in the diffs says so, but without the other it does not apply. Only Prove finds these.
	Proved DependKind = "proved"
)

// Proof is what applying says of a strong or weak edge.
type Proof string

// All results of proving an edge. "" is one that nobody tried.
const (
	ProofConflict Proof = "conflict" // without the other it conflicts, in the file the edge is about
	ProofApplies  Proof = "applies"  // without the other it still applies: the edge does not hold on this base
	ProofUnknown  Proof = "unknown"  // it does not apply on this base at all, or something between conflicts too
)

// Edge says that Patch needs Needs, a patch before it. There is at most one of each kind for a pair, Strong
// and Weak counting as one.
type Edge struct {
	Patch int        `json:"patch"` // Patch.Index
	Needs int        `json:"needs"` // Patch.Index
	Kind  DependKind `json:"kind"`
	Proof Proof      `json:"proof,omitempty"`
	Why   []Reason   `json:"why"`
	More  int        `json:"more,omitempty"` // reasons left out of Why
}

// Reason is one piece of evidence for an Edge.
type Reason struct {
	// What the patch does: "removes", "adjoins", "context", "file" (textual); "uses", "changes", "drops"
	// (by symbol); "conflict" (by applying).
	What string `json:"what"`
	// File and Line are where the patch does it: Line in the file as the patch finds it, or as it leaves it
	// where it adds the line; 0 for the file as a whole. Lines is how many lines in a row it is about.
	File  string `json:"file"`
	Line  int    `json:"line"`
	Lines int    `json:"lines,omitempty"`
	Text  string `json:"text"` // the first of those lines, or what happened to the file
	// Symbol, its sort ("function", "macro", "type", "field", "enum value", "variable", "Kconfig symbol"),
	// what the other patch does to it ("added", "declared", "changed", "made global", "last use removed"), and where.
	Symbol  string `json:"symbol,omitempty"`
	Sort    string `json:"sort,omitempty"`
	Done    string `json:"done,omitempty"`
	DefFile string `json:"def_file,omitempty"`
	DefLine int    `json:"def_line,omitempty"`
	DefText string `json:"def_text,omitempty"`
}

// Graph is what the patches of a series need of each other.
type Graph struct {
	Patches  []int     `json:"patches"`  // indices, in the order they apply
	Edges    []Edge    `json:"edges"`    // by patch, then by what it needs, then by kind
	Problems []Problem `json:"problems"` // what could not be read or placed
}

// Depend finds what the patches, given in the order they apply and with an Index each of its own, need of
// each other. It looks at the diffs only, and assumes that each is for the state the one before leaves; where
// line numbers say otherwise (a patch between is missing) it goes by the lines themselves.
//
// Textual edges come from where each line in reach of a hunk came from, as `git blame` would say. Edges by
// symbol come from the words of C code, comments and strings left out: a name counts only where the series
// shows that it is new or changed, and a name that could be another thing is let go. So an edge can be
// missing (what is only used through a macro, behaviour), but one that is there has its lines.
//
// Work is bounded; a diff that cannot be read or goes beyond the bound is among the Problems.
func Depend(patches []*Patch) *Graph {
	g := &Graph{Patches: []int{}, Edges: []Edge{}, Problems: []Problem{}}
	b := &graphBuilder{g: g, edges: map[[2]int][2]*Edge{}}
	diffs := make([][]depFile, len(patches))
	for i, p := range patches {
		g.Patches = append(g.Patches, p.Index)
		var err error
		if diffs[i], err = readDepFiles(p.Diff); err != nil {
			g.problem("unreadable-diff", "patch %d: %s", p.Index, oneLine(err.Error()))
		}
	}
	traceLines(b, patches, diffs)
	traceSymbols(b, diffs)
	b.finish()
	return g
}

func (g *Graph) problem(kind, format string, a ...any) {
	if len(g.Problems) < 1000 {
		g.Problems = append(g.Problems, Problem{kind, fmt.Sprintf(format, a...)})
	}
}

// Closure gives the patches n and all that they need, directly or not, in the order they apply. An edge that
// applying refuted does not count. A number the graph does not have is left out.
func (g *Graph) Closure(n ...int) []int {
	needs := map[int][]int{}
	for _, e := range g.Edges {
		if e.Proof != ProofApplies {
			needs[e.Patch] = append(needs[e.Patch], e.Needs)
		}
	}
	in := map[int]bool{}
	for todo := slices.Clone(n); len(todo) > 0; {
		p := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !in[p] {
			in[p] = true
			todo = append(todo, needs[p]...)
		}
	}
	out := []int{}
	for _, p := range g.Patches {
		if in[p] {
			out = append(out, p)
		}
	}
	return out
}

// maxReasons is how many reasons an edge keeps.
const maxReasons = 12

// graphBuilder collects edges between places in the list of patches.
type graphBuilder struct {
	g     *Graph
	edges map[[2]int][2]*Edge // by (patch, needs): the textual one and the one by symbol
}

// textual notes a reason of a strong or weak edge. A reason for the line after the last one's joins it.
func (b *graphBuilder) textual(patch, needs int, kind DependKind, r Reason) {
	b.add(patch, needs, 0, kind, r)
}

func (b *graphBuilder) symbol(patch, needs int, r Reason) { b.add(patch, needs, 1, BySymbol, r) }

func (b *graphBuilder) add(patch, needs, slot int, kind DependKind, r Reason) {
	pair := b.edges[[2]int{patch, needs}]
	e := pair[slot]
	if e == nil {
		e = &Edge{Patch: patch, Needs: needs, Kind: kind}
		pair[slot] = e
		b.edges[[2]int{patch, needs}] = pair
	}
	if kind == Strong && e.Kind == Weak {
		e.Kind = Strong
	}
	if n := len(e.Why); n > 0 && slot == 0 {
		last := &e.Why[n-1]
		if last.What == r.What && last.File == r.File && last.Lines > 0 && last.Line+last.Lines == r.Line {
			last.Lines += r.Lines
			return
		}
	}
	e.Why = append(e.Why, r)
	if len(e.Why) > 8*maxReasons {
		b.trim(e)
	}
}

// rank orders reasons by how much they say.
var rank = map[string]int{"file": 0, "removes": 1, "adjoins": 2, "context": 3, "uses": 0, "changes": 1, "drops": 2}

// trim keeps the best reasons of an edge: of every symbol the first before the second of any.
func (b *graphBuilder) trim(e *Edge) {
	type ranked struct {
		Reason
		nth int
	}
	times := map[string]int{}
	all := make([]ranked, len(e.Why))
	for i, r := range e.Why {
		all[i] = ranked{Reason: r}
		if r.Symbol != "" {
			all[i].nth = times[r.Symbol]
			times[r.Symbol]++
		}
	}
	slices.SortStableFunc(all, func(x, y ranked) int {
		return cmp.Or(cmp.Compare(rank[x.What], rank[y.What]), cmp.Compare(x.nth, y.nth))
	})
	for i, r := range all {
		e.Why[i] = r.Reason
	}
	if n := len(e.Why) - maxReasons; n > 0 {
		e.More += n
		e.Why = slices.Clone(e.Why[:maxReasons])
	}
}

// finish puts the edges into the graph.
func (b *graphBuilder) finish() {
	for _, pair := range b.edges {
		for _, e := range pair {
			if e == nil {
				continue
			}
			b.trim(e)
			for i := range e.Why {
				e.Why[i].Text, e.Why[i].DefText = clip(e.Why[i].Text), clip(e.Why[i].DefText)
			}
			b.g.Edges = append(b.g.Edges, *e)
		}
	}
	b.g.sort()
	for i := range b.g.Edges {
		e := &b.g.Edges[i]
		e.Patch, e.Needs = b.g.Patches[e.Patch], b.g.Patches[e.Needs]
	}
}

var kindRank = map[DependKind]int{Strong: 0, Weak: 1, BySymbol: 2, Proved: 3}

// sort orders the edges; it is for edges between places, not indices.
func (g *Graph) sort() {
	slices.SortFunc(g.Edges, func(x, y Edge) int {
		return cmp.Or(cmp.Compare(x.Patch, y.Patch), cmp.Compare(x.Needs, y.Needs), cmp.Compare(kindRank[x.Kind], kindRank[y.Kind]))
	})
}

// clip cuts a line of evidence to what is of use.
func clip(s string) string {
	s = strings.ToValidUTF8(strings.TrimRight(s, "\r\n"), "\uFFFD")
	if r := []rune(s); len(r) > 200 {
		return string(r[:200])
	}
	return s
}
