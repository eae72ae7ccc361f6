package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/plain"
	"github.com/seriesctl/seriesctl/testplan"
)

// AttributionText says in one line what a patch does to a case.
func AttributionText(a testplan.Attribution) string {
	return fmt.Sprintf("%s %s: %s → %s%s", effectVerb(a.Effect, a.First, a.Patch), plain.Line(a.Case), outcomeText(a.Before), outcomeText(a.After), sure(a.Probability))
}

// Lacking says which patches a subset needs that are not in it, "" for none.
func Lacking(s *lab.Subset) string {
	var needed []int
	for _, e := range s.Lacking {
		if !slices.Contains(needed, e.Needs) {
			needed = append(needed, e.Needs)
		}
	}
	if len(needed) == 0 {
		return ""
	}
	slices.Sort(needed)
	return "they need " + Ranges(needed)
}

// SubsetText says what is known of a subset that was not run, or of the prefix that it is.
func SubsetText(s *lab.Subset) string {
	var parts []string
	if lacking := Lacking(s); lacking != "" {
		parts = append(parts, lacking)
	}
	switch {
	case s.Row != nil:
		parts = append(parts, "run together: "+subsetRan(s.Row))
	case s.Ran >= 0:
		parts = append(parts, fmt.Sprintf("this is prefix %d, which was run: %s", s.Ran, effects(s.Does)))
	default:
		parts = append(parts, fmt.Sprintf("by the matrix of the prefixes (together they were not run): %s", effects(s.Does)))
	}
	if len(s.Spare) > 0 {
		parts = append(parts, "neither another patch nor a case shows a need of "+Ranges(s.Spare))
	}
	return strings.Join(parts, "; ")
}

// effects counts what is done to cases: "fixes 3 cases, changes the symptom of 7".
func effects(all []testplan.Attribution) string {
	var parts []string
	for _, e := range []testplan.Effect{testplan.Fixes, testplan.Regresses, testplan.ChangesSymptom, testplan.Rarer, testplan.MoreOften, testplan.Undetermined} {
		n := 0
		for _, a := range all {
			if a.Effect == e {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, effectVerb(e, 0, 0)+" "+count(n, "case"))
		}
	}
	if len(parts) == 0 {
		return "no case changes"
	}
	return strings.Join(parts, ", ")
}
