package lab

import (
	"slices"

	"github.com/seriesctl/seriesctl/series"
	"github.com/seriesctl/seriesctl/testplan"
)

// Subset is what is known of some patches of a series before they were run together.
type Subset struct {
	Patches []int // in the order they apply
	// Lacking are the reasons why patches of the subset need others, directly, that are not in it.
	Lacking []series.Edge
	// Does is what the matrix puts down to the patches of the subset: what each did on top of all before it.
	Does []testplan.Attribution
	// Spare are the patches of the subset that no other of it needs and that the matrix puts nothing down to.
	Spare []int
	// Ran is the prefix that has just these patches, -1 for none: then what the matrix shows of it is what the subset does.
	Ran int
	// Row is what was seen of just these patches where they are no prefix, nil where they were not run.
	Row *SubsetRow
}

// Consider says what g, what the patches need of each other, and r, the matrix of the prefixes, tell about a subset.
func Consider(r *Result, g *series.Graph, patches []int) *Subset {
	s := &Subset{Ran: -1}
	for _, n := range g.Patches {
		if slices.Contains(patches, n) {
			s.Patches = append(s.Patches, n)
		}
	}
	needed := map[int]bool{}
	for _, e := range g.Edges {
		if e.Proof == series.ProofApplies || !slices.Contains(s.Patches, e.Patch) {
			continue
		}
		needed[e.Needs] = true
		if !slices.Contains(s.Patches, e.Needs) {
			s.Lacking = append(s.Lacking, e)
		}
	}
	var so []int
	for _, p := range r.Prefixes {
		if p.Patch > 0 {
			so = append(so, p.Patch)
		}
		// A matrix of chosen prefixes does not name all the patches of one.
		if p.Index == len(so) && slices.Equal(so, s.Patches) && p.Status == PrefixOK {
			s.Ran = p.Index
		}
	}
	if row := r.Row(s.Patches); row != nil && row.Status == PrefixOK {
		s.Row = row
	}
	for _, a := range r.Attributions {
		if slices.Contains(s.Patches, a.Patch) {
			s.Does = append(s.Does, a)
			needed[a.Patch] = true
		}
	}
	for _, n := range s.Patches {
		if !needed[n] {
			s.Spare = append(s.Spare, n)
		}
	}
	return s
}
