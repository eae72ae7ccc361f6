package report

import (
	"fmt"
	"slices"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/plain"
	"github.com/seriesctl/seriesctl/testplan"
)

// Digits is the width of the prefixes' numbers.
func (m *Matrix) Digits() int {
	if m.Prefixes() == 0 {
		return 1
	}
	return len(m.Name(m.Prefixes() - 1))
}

// subsetSentence says in words how a case does on a subset beside the base and beside the whole series.
func (m *Matrix) subsetSentence(row, col int) string {
	name, c := plain.Line(m.Case(col).Name), m.Cell(row, col)
	a, bare := m.Effect(row, col), *c
	said, probability := "", ""
	switch base := m.baseCell(col); {
	case a != nil:
		// One probability a sentence: the claim's, not the cell's.
		bare.Confidence, probability = 0, sure(a.Probability)
		said = fmt.Sprintf("%s %s: %s → %s", effectVerb(a.Effect, 0, 0), name, outcomeText(a.Before), outcomeText(a.After))
	case !comparable(c, base):
		said = fmt.Sprintf("has %s: %s; the base has no verdict to compare with", name, cellOutcome(c))
	case !alike(c, base):
		said = fmt.Sprintf("has %s: %s, the base: %s; not put down to the patches", name, cellOutcome(c), cellOutcome(base))
	default:
		said = fmt.Sprintf("leaves %s as on the base: %s", name, cellOutcome(c))
	}
	if whole := m.besideWhole(row, col); whole != "" {
		said += ", " + whole
	}
	return fmt.Sprintf("%s %s%s (%s)", m.Where(row), said, probability, cellEvidence(&bare))
}

// besideWhole says how a case does on the whole series: "as the whole series does", "the whole series: pass"; "" when that is not known.
func (m *Matrix) besideWhole(row, col int) string {
	last := m.Prefixes() - 1
	if w := m.whole[row*len(m.cols)+col]; w != nil {
		s := "the whole series: " + outcomeText(w.Before)
		if w.Effect == testplan.Undetermined {
			s += " (undetermined)"
		}
		return s
	}
	switch whole := m.wholeCell(col); {
	case !comparable(m.Cell(row, col), whole):
		return ""
	case !alike(m.Cell(row, col), whole):
		return fmt.Sprintf("prefix %d: %s", m.Prefix(last).Index, cellOutcome(whole))
	}
	return "as the whole series does"
}

// alike says whether two cells have the same verdict.
func alike(a, b *lab.Cell) bool { return a.Outcome == b.Outcome && a.Signature == b.Signature }

func (m *Matrix) baseCell(col int) *lab.Cell {
	if m.Prefixes() == 0 || m.Prefix(0).Index != 0 {
		return nil
	}
	return m.Cell(0, col)
}

func (m *Matrix) wholeCell(col int) *lab.Cell {
	if m.Prefixes() < 2 {
		return nil
	}
	return m.Cell(m.Prefixes()-1, col)
}

// SubsetNotes says what each subset does beside the base, and where the whole series does otherwise.
func (m *Matrix) SubsetNotes() []Note {
	var notes []Note
	for row := m.Prefixes(); row < m.Rows(); row++ {
		n := Note{Patches: m.Subset(row).Patches, Subset: true, Changes: m.subsetChanges(row)}
		if len(n.Patches) == 1 {
			n.Subject = plain.Line(m.Prefix(row).Subject)
		}
		if len(n.Changes) == 0 {
			n.Plain, n.Detail = m.subsetPlain(row)
		}
		notes = append(notes, n)
	}
	return notes
}

// subsetChanges are the effects of a subset beside the base, and then the cases that it leaves and the whole series does not.
func (m *Matrix) subsetChanges(row int) []Change {
	var changes []Change
	add := func(c Change) {
		i := slices.IndexFunc(changes, func(o Change) bool {
			return o.Effect == c.Effect && o.Before == c.Before && o.After == c.After && o.Whole == c.Whole
		})
		if i < 0 {
			changes = append(changes, c)
			return
		}
		changes[i].Cases = append(changes[i].Cases, c.Cases...)
		changes[i].Probability = min(changes[i].Probability, c.Probability)
	}
	for _, e := range append(Effects[:], testplan.NoEffect) {
		for col := range m.cols {
			names, whole := []string{plain.Line(m.Case(col).Name)}, m.besideWhole(row, col)
			a := m.Effect(row, col)
			switch {
			case a != nil && a.Effect == e:
				add(Change{e, 0, 0, names, outcomeText(a.Before), outcomeText(a.After), a.Probability, whole})
			case a == nil && e == testplan.NoEffect && m.whole[row*len(m.cols)+col] != nil && comparable(m.Cell(row, col), m.baseCell(col)):
				state := cellOutcome(m.Cell(row, col))
				add(Change{e, 0, 0, names, state, state, 1, whole})
			}
		}
	}
	return changes
}

// subsetPlain is what is said of a subset without changes.
func (m *Matrix) subsetPlain(row int) (said, detail string) {
	p := m.Prefix(row)
	if said, detail := noOtherKernel(p); said != "" {
		return said, detail
	}
	if said := statusText(p.Status); said != "" {
		return said, plain.Line(p.Detail)
	}
	unknown := 0
	for col := range m.cols {
		// Without a change what differs is not told from chance yet.
		if c, base := m.Cell(row, col), m.baseCell(col); !comparable(c, base) || !alike(c, base) {
			unknown++
		}
	}
	switch {
	case unknown == len(m.cols):
		return "effect not known yet", ""
	case unknown > 0:
		return fmt.Sprintf("no effect on %s, not known of %d", count(len(m.cols)-unknown, "case"), unknown) + sameImage(p), ""
	}
	return "no effect on any case" + sameImage(p), ""
}

// states are those before and after a change.
func (c *Change) states() string {
	if c.Effect == testplan.NoEffect {
		return c.After
	}
	return c.Before + " → " + c.After
}

// tail is how sure a change is, and what the whole series does.
func (c *Change) tail() string {
	s := sure(c.Probability)
	if c.Whole != "" {
		s += ", " + c.Whole
	}
	return s
}

// subsetRan says in one line what a subset that was run does.
func subsetRan(r *lab.SubsetRow) string {
	var all []testplan.Attribution
	for _, c := range r.Base {
		all = append(all, testplan.Attribution{Effect: c.Effect})
	}
	s := effects(all)
	if n := len(r.Whole); n > 0 {
		return s + fmt.Sprintf("; %s otherwise than the whole series", count(n, "case"))
	}
	return s
}
