package testplan

import (
	"slices"
	"strings"
)

// near returns the names that a mistyped word may have meant, best first, at most three.
func near(word string, names []string) []string {
	type scored struct {
		name string
		d    int
	}
	var found []scored
	for _, n := range names {
		d := distance(strings.ToLower(word), strings.ToLower(n))
		if len(word) > 2 && strings.Contains(n, word) {
			d = min(d, 1)
		}
		if d <= max(2, len(word)/3) {
			found = append(found, scored{n, d})
		}
	}
	slices.SortStableFunc(found, func(a, b scored) int { return a.d - b.d })
	var out []string
	for _, f := range found[:min(3, len(found))] {
		out = append(out, f.name)
	}
	return out
}

// DidYouMean is a hint for a mistyped word, or the list of what there is when nothing is near.
func DidYouMean(word string, names []string) string {
	if n := near(word, names); len(n) > 0 {
		return "did you mean " + strings.Join(n, " or ") + "?"
	}
	return "there is: " + strings.Join(names, ", ")
}

// distance is the Levenshtein distance, of the first 64 bytes.
func distance(a, b string) int {
	a, b = a[:min(64, len(a))], b[:min(64, len(b))]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diag
			if a[i] != b[j] {
				cost++
			}
			diag = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
