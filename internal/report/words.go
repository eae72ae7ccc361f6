package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/plain"
	"github.com/seriesctl/seriesctl/testplan"
)

// Sentence says in words what the row's patch does to the column's case, and on what evidence.
func (m *Matrix) Sentence(row, col int) string {
	p, name := m.At(row, col), plain.Line(m.Case(col).Name)
	where := m.Where(row)
	if bad := m.statusSentence(row, p); bad != "" {
		return bad
	}
	c := m.Cell(row, col)
	switch {
	case c == nil || c.State == lab.CellNone || c.State == lab.CellQueued:
		switch p.Status {
		case lab.PrefixBuilding:
			return fmt.Sprintf("%s waits for %s, which is being built", name, where)
		case lab.PrefixPending:
			return fmt.Sprintf("%s waits for %s to be built", name, where)
		}
		if c == nil || c.Wanted == 0 {
			return fmt.Sprintf("%s has not been run on %s", name, where)
		}
		return fmt.Sprintf("%s is queued on %s, for %s", name, where, count(c.Wanted, "run"))
	case c.State == lab.CellRunning:
		s := fmt.Sprintf("%s is running on %s", name, where)
		if c.Wanted > 1 {
			s += fmt.Sprintf(", run %d of %d", min(c.Runs+1, c.Wanted), c.Wanted)
		}
		if c.Runs > 0 {
			s += fmt.Sprintf("; %s so far: %s", count(c.Runs, "run"), cellOutcome(c))
		}
		return s
	}
	if said := blank(c); said != "" {
		return fmt.Sprintf("%s on %s: %s, which says nothing about the patch", name, where, said)
	}
	evidence := " (" + cellEvidence(c) + ")"
	if p.Index == 0 {
		return fmt.Sprintf("the base: %s: %s%s", name, cellOutcome(c), evidence)
	}
	if c.Outcome == testplan.Infra {
		return fmt.Sprintf("%s on %s: the lab failed, which says nothing about the patch%s", name, where, evidence)
	}
	if m.Subset(row) != nil {
		return m.subsetSentence(row, col)
	}
	if a := m.Effect(row, col); a != nil {
		// One probability a sentence: the claim's, not the cell's.
		bare := *c
		bare.Confidence = 0
		evidence = " (" + cellEvidence(&bare) + ")"
		return fmt.Sprintf("patch %d %s %s: %s → %s%s", p.Patch, effectVerb(a.Effect, a.First, a.Patch), name,
			outcomeText(a.Before), outcomeText(a.After), sure(a.Probability)+evidence)
	}
	above := (*lab.Cell)(nil)
	if row > 0 {
		above = m.Cell(row-1, col)
	}
	if !comparable(c, above) {
		return fmt.Sprintf("prefix %d: %s: %s; the prefix before has no verdict to compare with%s", p.Index, name, cellOutcome(c), evidence)
	}
	if above.Outcome != c.Outcome || above.Signature != c.Signature {
		return fmt.Sprintf("prefix %d: %s: %s, before: %s; not put down to the patch%s", p.Index, name, cellOutcome(c), cellOutcome(above), evidence)
	}
	if p.Coverage == lab.CoverageNone {
		return fmt.Sprintf("patch %d was not compiled: %s; %s: %s%s", p.Patch, leftOut(p), name, cellOutcome(c), evidence)
	}
	return fmt.Sprintf("patch %d has no effect on %s: %s%s", p.Patch, name, cellOutcome(c), evidence)
}

// SentenceOf is Sentence of a cell of the Result.
func (m *Matrix) SentenceOf(c lab.Cell) string {
	for row := range m.Rows() {
		for col := range m.cols {
			if m.At(row, col).Index == c.Prefix && m.Case(col).Name == c.Case {
				return m.Sentence(row, col)
			}
		}
	}
	return ""
}

// blank says why a cell that was run has no outcome; "" when it has one.
func blank(c *lab.Cell) string {
	switch c.State {
	case lab.CellSkipped:
		return "skipped"
	case lab.CellAbsent:
		return plain.Line(c.Signature)
	}
	return ""
}

// statusSentence says why a row has no image; "" when it has one or may still get one.
func (m *Matrix) statusSentence(row int, p *lab.Prefix) string {
	n := Note{Patches: []int{p.Patch}, Subset: m.Subset(row) != nil, Plain: statusText(p.Status), Detail: plain.Line(p.Detail)}
	if n.Plain == "" {
		return ""
	}
	if s := m.Subset(row); s != nil {
		n.Patches = s.Patches
	}
	return n.who() + " " + n.said()
}

// statusText is what is wrong with a prefix, to be said after its patch's name; "" when nothing is.
func statusText(s lab.PrefixStatus) string {
	switch s {
	case lab.PrefixConflict:
		return "does not apply"
	case lab.PrefixBlocked:
		return "not applied, a patch before does not apply"
	case lab.PrefixBuildFailed:
		return "does not build"
	case lab.PrefixBootFailed:
		return "does not boot"
	}
	return ""
}

// comparable says whether two cells of one case both have a verdict about the kernel.
func comparable(a, b *lab.Cell) bool {
	return a != nil && b != nil && a.State == lab.CellDone && b.State == lab.CellDone &&
		a.Outcome != testplan.Infra && b.Outcome != testplan.Infra && a.Outcome != "" && b.Outcome != ""
}

// Note is what one patch, or several of which the same is to be said, does to the cases.
type Note struct {
	Patches []int
	Subset  bool   // that is what they are together
	Subject string // of the patch; "" for several
	Plain   string // said when there are no Changes: "no effect on any case", "does not build"
	Detail  string // what follows Plain, in a tool's words: "fs/gfs2/file.c:12: error: …"
	Changes []Change
}

// Change is one effect with the same before and after on one or more cases.
type Change struct {
	Effect        testplan.Effect
	First, Patch  int      // of an undetermined one: the range that it is in; First 0 is none
	Cases         []string // in the order of the matrix
	Before, After string   // "crash (kernel BUG in f)"
	Probability   float64  // of the least sure of them
	Whole         string   // of a subset: "as the whole series does", "the whole series: pass", "" when that is not known
}

// Notes says what each patch does, in the order of the patches. Patches of which the same plain thing is to be
// said share a Note.
func (m *Matrix) Notes() []Note {
	var notes []Note
	plainly := map[string]int{}
	for row := range m.Prefixes() {
		p := m.Prefix(row)
		n := Note{Patches: []int{p.Patch}, Subject: plain.Line(p.Subject), Changes: m.changes(row)}
		if len(n.Changes) == 0 {
			n.Plain, n.Detail = m.plainNote(row)
			if n.Plain == "" {
				continue
			}
			if at, ok := plainly[n.said()]; ok {
				notes[at].Patches = append(notes[at].Patches, p.Patch)
				notes[at].Subject = ""
				continue
			}
			plainly[n.said()] = len(notes)
		}
		notes = append(notes, n)
	}
	return notes
}

func (m *Matrix) changes(row int) []Change {
	var changes []Change
	for _, e := range Effects {
		from := len(changes)
	cases:
		for col := range m.cols {
			a := m.Effect(row, col)
			if a == nil || a.Effect != e {
				continue
			}
			name, before, after := plain.Line(a.Case), outcomeText(a.Before), outcomeText(a.After)
			for i := from; i < len(changes); i++ {
				if c := &changes[i]; c.Before == before && c.After == after && c.First == a.First {
					c.Cases = append(c.Cases, name)
					c.Probability = min(c.Probability, a.Probability)
					continue cases
				}
			}
			changes = append(changes, Change{e, a.First, a.Patch, []string{name}, before, after, a.Probability, ""})
		}
	}
	return changes
}

// noOtherKernel is what is said of a row that has a kernel, but not as another of the plan's kernels; "" when it has all.
func noOtherKernel(p *lab.Prefix) (said, detail string) {
	for _, k := range p.Kernels {
		if p.Status == lab.PrefixOK && statusText(k.Status) != "" {
			return statusText(k.Status) + " as " + plain.Line(k.Kernel), plain.Line(k.Detail)
		}
	}
	return "", ""
}

// plainNote is what is said of a row without changes, with the detail that follows it; "" when there is nothing to say
// yet.
func (m *Matrix) plainNote(row int) (said, detail string) {
	p := m.Prefix(row)
	if said, detail := noOtherKernel(p); said != "" {
		return said, detail
	}
	switch {
	case row > 0 && p.FailsAs(m.Prefix(row-1)):
		return "effect not known: without it the kernel " + statusText(p.Status) + " either", ""
	case p.Status != lab.PrefixOK:
		return statusText(p.Status), plain.Line(p.Detail)
	case p.Index == 0:
		return "", ""
	case p.Coverage == lab.CoverageNone:
		return "not compiled", leftOut(p)
	case p.Coverage == lab.CoverageNoCode:
		return "no code of the kernel", ""
	case p.Coverage == lab.CoveragePart:
		return m.noEffect(row) + "; not compiled", leftOut(p)
	}
	return m.noEffect(row), ""
}

// NoEffect says that the row's patch is known to do nothing to any case: its image is that of the prefix before, or each case
// has the same verdict there.
func (m *Matrix) NoEffect(row int) bool {
	p := m.Prefix(row)
	if row == 0 || row >= m.Prefixes() || p.Status != lab.PrefixOK || p.Coverage == lab.CoverageNone || m.Prefix(row-1).Status != lab.PrefixOK {
		return false
	}
	same := p.SameImageAs != nil && m.Prefix(row-1).Index == *p.SameImageAs && len(p.Kernels) == 0
	for col := range m.cols {
		if m.Effect(row, col) != nil || m.maybe[row*len(m.cols)+col] {
			return false
		}
		c, above := m.Cell(row, col), m.Cell(row-1, col)
		if !same && (!comparable(c, above) || c.Outcome != above.Outcome || c.Signature != above.Signature) {
			return false
		}
	}
	return true
}

// noEffect says how well it is known that a row's patch does nothing.
func (m *Matrix) noEffect(row int) string {
	p := m.Prefix(row)
	if p.SameImageAs != nil && row > 0 && m.Prefix(row-1).Index == *p.SameImageAs {
		return fmt.Sprintf("no effect: the image is the same as prefix %d's", *p.SameImageAs)
	}
	unknown := 0
	for col := range m.cols {
		var above *lab.Cell
		if row > 0 {
			above = m.Cell(row-1, col)
		}
		if !comparable(m.Cell(row, col), above) || m.maybe[row*len(m.cols)+col] {
			unknown++
		}
	}
	s := "no effect on any case"
	switch {
	case row > 0 && m.Prefix(row-1).Status != lab.PrefixOK:
		return fmt.Sprintf("effect not known: prefix %d has no image to compare with", m.Prefix(row-1).Index)
	case unknown == len(m.cols):
		return "effect not known yet"
	case unknown > 0:
		s = fmt.Sprintf("no effect on %s, not known of %d", count(len(m.cols)-unknown, "case"), unknown)
	}
	return s + sameImage(p)
}

// sameImage says which prefix has the same image, " (…)"; "" for none.
func sameImage(p *lab.Prefix) string {
	if p.SameImageAs == nil {
		return ""
	}
	return fmt.Sprintf(" (the image is the same as prefix %d's)", *p.SameImageAs)
}

// said is Plain with its Detail.
func (n Note) said() string {
	if n.Detail == "" {
		return n.Plain
	}
	return n.Plain + ": " + n.Detail
}

// who names the patches of a note: "patch 4", "patches 1-3, 6", "the base".
func (n Note) who() string {
	if n.Subset {
		return "subset " + lab.List(n.Patches)
	}
	if len(n.Patches) == 1 {
		if n.Patches[0] == 0 {
			return "the base"
		}
		return fmt.Sprintf("patch %d", n.Patches[0])
	}
	return "patches " + Ranges(n.Patches)
}

// Ranges writes ascending numbers as "1-3, 6".
func Ranges(numbers []int) string { return strings.ReplaceAll(lab.List(numbers), ",", ", ") }

// effectVerb says an effect before the name of a case. An undetermined one may be of any patch from first to
// last; first 0 is last alone.
func effectVerb(e testplan.Effect, first, last int) string {
	switch e {
	case testplan.Fixes:
		return "fixes"
	case testplan.Regresses:
		return "regresses"
	case testplan.ChangesSymptom:
		return "changes the symptom of"
	case testplan.Rarer:
		return "makes rarer, but does not fix,"
	case testplan.MoreOften:
		return "makes more frequent"
	case testplan.Undetermined:
		if first > 0 && first < last {
			return fmt.Sprintf("may change (undetermined, one of patches %d-%d)", first, last)
		}
		return "may change (undetermined)"
	}
	return "has no effect on"
}

// outcomeText writes an attribution's "crash kernel BUG in f" as "crash (kernel BUG in f)".
func outcomeText(s string) string {
	outcome, signature, _ := strings.Cut(plain.Line(s), " ")
	if signature == "" {
		return outcome
	}
	return outcome + " (" + signature + ")"
}

// undecided says which cases need more runs, and what that would cost.
func (m *Matrix) undecided() []string {
	var lines []string
	for _, u := range m.Result.Undecided {
		lines = append(lines, fmt.Sprintf("%s is undecided (%d%% sure): %s would tell", plain.Line(u.Case), percent(u.Sure), needs(u)))
	}
	return lines
}

// expected says of which cases the plan takes another outcome than a pass for right: their cells show what was seen all the same.
// name writes a name or an outcome.
func (m *Matrix) expected(name func(string) string) []string {
	var order []testplan.Expect
	cases := map[string][]string{}
	for _, c := range m.Result.Cases {
		if c.Expect.IsZero() {
			continue
		}
		e := c.Expect.String()
		if cases[e] == nil {
			order = append(order, c.Expect)
		}
		cases[e] = append(cases[e], name(c.Name))
	}
	var lines []string
	for _, e := range order {
		lines = append(lines, fmt.Sprintf("the plan expects %s of %s", name(outcomeText(e.String())), strings.Join(cases[e.String()], ", ")))
	}
	return lines
}

func cellOutcome(c *lab.Cell) string {
	if said := blank(c); said != "" {
		return said
	}
	return outcomeText(strings.TrimSpace(string(c.Outcome) + " " + c.Signature))
}

// cellEvidence is the number of runs behind a verdict, how many agree, how many are still to come, and where they come from.
func cellEvidence(c *lab.Cell) string {
	s := count(c.Runs, "run")
	if c.Wanted > c.Runs {
		s += fmt.Sprintf(" of %d wanted", c.Wanted)
	}
	if c.Agree < c.Runs {
		s = fmt.Sprintf("%d of %s", c.Agree, s)
	}
	if c.InheritedFrom != nil {
		s += fmt.Sprintf(" of prefix %d, same image", *c.InheritedFrom)
	}
	if c.Confidence > 0 && c.Confidence < 0.995 {
		s += fmt.Sprintf(", %d%% sure", percent(c.Confidence))
	}
	return s
}

// sure says a probability that is not (nearly) certainty: " (93% sure)".
func sure(p float64) string {
	if p <= 0 || p >= 0.995 {
		return ""
	}
	return fmt.Sprintf(" (%d%% sure)", percent(p))
}

// percent never rounds to certainty.
func percent(p float64) int { return min(max(int(math.Round(p*100)), 1), 99) }

// count is "1 run", "2 runs"; the plural is given where it is not noun+"s".
func count(n int, noun string, more ...string) string {
	return strconv.Itoa(n) + " " + plural(n, noun, append(more, noun+"s")[0])
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// counts are how many cells of the prefixes have each word.
func (m *Matrix) counts() map[string]int {
	n := map[string]int{}
	for row := range m.Prefixes() {
		for col := range m.cols {
			n[m.Word(row, col)]++
		}
	}
	return n
}

// notRun is the word of a cell that nobody has run.
const notRun = "."

// tally is counts in the order of the legend: "62 ok, 12 BUG".
func tally(n map[string]int) string {
	var parts []string
	for _, w := range wordMeaning {
		if n[w.word] > 0 {
			name := w.word
			if name == notRun {
				name = w.meaning
			}
			parts = append(parts, fmt.Sprintf("%d %s", n[w.word], name))
		}
	}
	return strings.Join(parts, ", ")
}

// totals says what this invocation did; open is that there are cells that nobody has run.
func totals(t lab.Totals, open bool) string {
	switch {
	case t.Builds+t.Boots+t.Runs > 0:
	case open:
		return "nothing built, booted or run now"
	default:
		return "nothing built, booted or run: all was known"
	}
	return fmt.Sprintf("%s, %s, %s in %s", count(t.Builds, "build"), count(t.Boots, "boot"), count(t.Runs, "run"), seconds(t.Seconds))
}

// Estimate says what a matrix takes, and what that rests on.
func Estimate(m lab.Measured, prefixes, cells int) string {
	by := "by the defaults for a small kernel without KVM"
	switch {
	case m.Builds > 0 && m.Runs > 0:
		by = fmt.Sprintf("as %s and %s of the last run took", count(m.Builds, "build"), count(m.Runs, "run"))
	case m.Builds > 0:
		by = fmt.Sprintf("as %s of the last run took; runs by the defaults", count(m.Builds, "build"))
	case m.Runs > 0:
		by = fmt.Sprintf("as %s of the last run took; builds by the defaults for a small kernel", count(m.Runs, "run"))
	}
	return fmt.Sprintf("About %s: %s with %s each, one machine at a time, %s.",
		seconds(m.Matrix(prefixes, cells)), count(prefixes, "prefix", "prefixes"), count(cells, "cell"), by)
}

// seconds writes a duration for people: "3.2 s", "4 min 12 s", "1 h 3 min".
func seconds(s float64) string {
	switch {
	case s < 10:
		return fmt.Sprintf("%.1f s", s)
	case s < 59.5:
		return fmt.Sprintf("%.0f s", s)
	case s < 3600:
		n := int(math.Round(s))
		return fmt.Sprintf("%d min %d s", n/60, n%60)
	}
	n := int(math.Round(s / 60))
	return fmt.Sprintf("%d h %d min", n/60, n%60)
}

// short cuts a hash to what people read.
func short(hash string) string {
	if hash = plain.Line(hash); len(hash) > 12 && !slices.ContainsFunc([]byte(hash), func(c byte) bool { return c >= 0x80 }) {
		return hash[:12]
	}
	return hash
}
