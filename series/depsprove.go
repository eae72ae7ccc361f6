package series

import (
	"context"
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"
)

// Prove applies, in memory, to tree (of s's base or of a variant), the patches that g was made of, once without
// each patch that shares a file with a later one, and writes into the strong and weak edges what came of it.
// Where a patch conflicts without another though no edge says so, an edge of the kind Proved is added.
//
// A patch that conflicts without another is put down to that other alone: with everything else that still
// applies in place, and with no patch between left out that could be the reason. So a proof holds for tree,
// not for every tree.
func (g *Graph) Prove(ctx context.Context, s *Source, tree Hash, patches []*Patch) error {
	p := &prover{ctx: ctx, s: s, patches: patches, files: make([]map[string]bool, len(patches))}
	for i, patch := range patches {
		p.files[i] = touched(patch.Diff)
	}
	// With everything in place: what does not apply then says nothing.
	fits, trees := make([]bool, len(patches)), make([]plumbing.Hash, len(patches)+1)
	trees[0] = plumbing.NewHash(string(tree))
	for i := range patches {
		out, err := p.apply(trees[i], i)
		if err != nil {
			return err
		}
		trees[i+1], fits[i] = trees[i], out.conflicts == nil
		if fits[i] {
			trees[i+1] = out.tree
		}
	}
	place := map[int]int{}
	for i, n := range g.Patches {
		place[n] = i
	}
	edges := map[[2]int]*Edge{}
	for i := range g.Edges {
		if e := &g.Edges[i]; e.Kind == Strong || e.Kind == Weak {
			e.Proof = ProofUnknown
			edges[[2]int{place[e.Patch], place[e.Needs]}] = e
		}
	}
	var found []Edge
	for i := range patches {
		if !fits[i] {
			continue
		}
		results, err := p.without(trees[i], i, fits)
		if err != nil {
			return err
		}
		for _, r := range results {
			e := edges[[2]int{r.patch, i}]
			switch {
			case r.conflict == nil && e != nil:
				e.Proof = ProofApplies
			case r.conflict == nil:
			case e != nil && r.direct:
				e.Proof = ProofConflict
				e.Why = append(e.Why, conflictReason(*r.conflict))
			case e == nil && r.direct:
				found = append(found, Edge{Patch: g.Patches[r.patch], Needs: g.Patches[i], Kind: Proved, Proof: ProofConflict, Why: []Reason{conflictReason(*r.conflict)}})
			}
		}
	}
	if len(found) > 0 {
		g.Edges = append(g.Edges, found...)
		for i := range g.Edges {
			g.Edges[i].Patch, g.Edges[i].Needs = place[g.Edges[i].Patch], place[g.Edges[i].Needs]
		}
		g.sort()
		for i := range g.Edges {
			g.Edges[i].Patch, g.Edges[i].Needs = g.Patches[g.Edges[i].Patch], g.Patches[g.Edges[i].Needs]
		}
	}
	return nil
}

func conflictReason(c ConflictedHunk) Reason {
	return Reason{What: "conflict", File: c.File, Line: c.Line, Text: c.Reason}
}

// maxProofs is how many patches are applied at most for the proofs of a series: those of 200 patches, half a
// minute at the worst.
const maxProofs = 20_000

type prover struct {
	ctx     context.Context
	s       *Source
	patches []*Patch
	files   []map[string]bool
	used    int
}

func (p *prover) apply(tree plumbing.Hash, i int) (outcome, error) {
	if err := p.ctx.Err(); err != nil {
		return outcome{}, err
	}
	out, err := p.s.step(p.ctx, tree, p.patches[i].Diff, 0)
	if err != nil {
		return outcome{}, fmt.Errorf("apply %q: %w", oneLine(p.patches[i].Subject), err)
	}
	return out, nil
}

// proofResult is how a patch went on without another one.
type proofResult struct {
	patch    int
	conflict *ConflictedHunk // nil where it applies
	direct   bool            // no other patch that is missing touches the file of the conflict
}

// without applies to tree, which patch i would be applied to, the patches after it that have to do with its files.
func (p *prover) without(tree plumbing.Hash, i int, fits []bool) ([]proofResult, error) {
	related := map[string]bool{}
	for f := range p.files[i] {
		related[f] = true
	}
	// A patch that shares a file with i, or with one that does, can come out differently.
	for again := true; again; {
		again = false
		for j := i + 1; j < len(p.patches); j++ {
			if !overlap(p.files[j], related) {
				continue
			}
			for f := range p.files[j] {
				if !related[f] {
					related[f], again = true, true
				}
			}
		}
	}
	missing := map[string]int{} // by file: the patches that are not there and touch it, i not counted
	var results []proofResult
	for j := i + 1; j < len(p.patches); j++ {
		if !fits[j] || !overlap(p.files[j], related) {
			continue
		}
		if p.used++; p.used > maxProofs {
			return results, nil
		}
		out, err := p.apply(tree, j)
		if err != nil {
			return nil, err
		}
		if out.conflicts == nil {
			tree = out.tree
			if overlap(p.files[j], p.files[i]) {
				results = append(results, proofResult{patch: j})
			}
			continue
		}
		r := proofResult{patch: j}
		for k := range out.conflicts {
			c := &out.conflicts[k]
			if r.conflict == nil || !r.direct {
				r.conflict, r.direct = c, missing[c.File] == 0 && p.files[i][c.File]
			}
		}
		results = append(results, r)
		for f := range p.files[j] {
			missing[f]++
		}
	}
	return results, nil
}

func overlap(a, b map[string]bool) bool {
	if len(b) < len(a) {
		a, b = b, a
	}
	for f := range a {
		if b[f] {
			return true
		}
	}
	return false
}

// touched are the old and new names of a diff's files.
func touched(diff []byte) map[string]bool {
	names := map[string]bool{}
	files, err := readDepFiles(diff)
	if err != nil {
		return names
	}
	for _, f := range files {
		for _, n := range []string{f.oldName, f.newName} {
			if n != "" {
				names[n] = true
			}
		}
	}
	return names
}
