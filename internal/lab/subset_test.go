package lab

import (
	"slices"
	"testing"

	"github.com/seriesctl/seriesctl/series"
	"github.com/seriesctl/seriesctl/testplan"
)

func TestConsider(t *testing.T) {
	r := &Result{Prefixes: []Prefix{{Status: PrefixOK}}, Attributions: []testplan.Attribution{
		{Case: "fs/a", Patch: 2, Effect: testplan.Fixes}, {Case: "fs/b", Patch: 4, Effect: testplan.Regresses}}}
	for n := 1; n <= 4; n++ {
		r.Prefixes = append(r.Prefixes, Prefix{Index: n, Patch: n, Status: PrefixOK})
	}
	r.Prefixes[3].Status = PrefixBuildFailed
	g := &series.Graph{Patches: []int{1, 2, 3, 4}, Edges: []series.Edge{
		{Patch: 2, Needs: 1, Kind: series.Strong},
		{Patch: 4, Needs: 3, Kind: series.BySymbol},
		{Patch: 4, Needs: 1, Kind: series.Weak, Proof: series.ProofApplies}, // refuted: counts for nothing
	}}
	for _, tt := range []struct {
		name                 string
		ticked               []int
		lacking, does, spare []int // patches needed; patches that do something; patches
		ran                  int
	}{
		{"none", nil, nil, nil, nil, 0},
		{"a prefix", []int{2, 1}, nil, []int{2}, nil, 2},
		{"a prefix that has no image", []int{1, 2, 3}, nil, []int{2}, []int{3}, -1},
		{"without what it needs", []int{2}, []int{1}, []int{2}, nil, -1},
		{"with more than it needs", []int{1, 3, 4}, nil, []int{4}, []int{1}, -1},
		{"what the series does not have", []int{7}, nil, nil, nil, 0},
	} {
		s := Consider(r, g, tt.ticked)
		var lacking, does []int
		for _, e := range s.Lacking {
			lacking = append(lacking, e.Needs)
		}
		for _, a := range s.Does {
			does = append(does, a.Patch)
		}
		if !slices.Equal(lacking, tt.lacking) || !slices.Equal(does, tt.does) || !slices.Equal(s.Spare, tt.spare) || s.Ran != tt.ran {
			t.Errorf("%s: lacking %v, does %v, spare %v, ran %d", tt.name, lacking, does, s.Spare, s.Ran)
		}
		if !slices.IsSorted(s.Patches) {
			t.Errorf("%s: not in the order of the series: %v", tt.name, s.Patches)
		}
	}
}
