package tui

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/report"
	"github.com/seriesctl/seriesctl/testplan"
)

// shown is what the user wants to see of a matrix, and what that is: the rows and columns of the screen in those of the report.
type shown struct {
	only   string          // which columns, see keep; "" for all
	order  order           // of the columns within their group
	folded map[string]bool // groups that are one column
	quiet  bool            // patches known to do nothing are folded

	rows []span
	cols [][]int // more than one: a folded group
}

// span is the rows first to last as one.
type span struct{ first, last int }

func (s span) folded() bool { return s.last > s.first }

// order is how the columns of a group are sorted.
type order int

const (
	byPlan order = iota
	byEffect
	byName
	orders
)

func (o order) String() string {
	return [...]string{"in the plan's order", "sorted by effect", "sorted by name"}[o]
}

// Words of a filter that are no patterns.
const (
	onlyChanges = "changes" // a patch does something to the case
	onlyBad     = "bad"     // it fails somewhere
	onlyStill   = "still"   // it fails with the last patch that has a verdict
)

// arrange lays out what is to be shown, and leaves the cursor on its patch and case, or near to where they were.
func (x *matrix) arrange(prefix int, name string) {
	s := &x.shown
	s.rows, s.cols = nil, nil
	for row := range x.all.Rows() {
		n := len(s.rows)
		if s.quiet && x.noEffect[row] && n > 0 && s.rows[n-1].last == row-1 && x.noEffect[row-1] {
			s.rows[n-1].last = row
			continue
		}
		s.rows = append(s.rows, span{row, row})
	}
	for _, group := range x.groups() {
		if len(group) > 1 && s.folded[x.fs[group[0]]] {
			s.cols = append(s.cols, group)
			continue
		}
		for _, col := range group {
			s.cols = append(s.cols, []int{col})
		}
	}
	x.grid.rows, x.grid.cols = len(s.rows), len(s.cols)
	row, col := x.place(prefix, name)
	if row >= 0 {
		x.grid.row = row
	}
	if col >= 0 {
		x.grid.col = col
	}
	x.resize(x.grid.width, x.grid.height)
}

// place is where a prefix and a case are on the screen, also where they are folded; -1 where they are not.
func (x *matrix) place(prefix int, name string) (row, col int) {
	row = slices.IndexFunc(x.shown.rows, func(r span) bool {
		return x.all.Prefix(r.first).Index <= prefix && prefix <= x.all.Prefix(r.last).Index
	})
	col = slices.IndexFunc(x.shown.cols, func(list []int) bool {
		return slices.ContainsFunc(list, func(col int) bool { return x.all.Case(col).Name == name })
	})
	return row, col
}

// rearrange is arrange with the cursor where it is.
func (x *matrix) rearrange() {
	prefix, name := x.cursor()
	x.arrange(prefix, name)
}

// cursor is the prefix and the case that it is on; -1 and "" where there is none.
func (x *matrix) cursor() (prefix int, name string) {
	if x.all == nil || x.Rows() == 0 || x.Cols() == 0 {
		return -1, ""
	}
	return x.Prefix(x.grid.row).Index, x.Case(x.grid.col).Name
}

// groups are the columns to show, sorted, the cases of one group together.
func (x *matrix) groups() [][]int {
	var groups [][]int
	for col := range x.all.Cols() {
		if !x.keep(col) {
			continue
		}
		if n := len(groups); n > 0 && x.fs[groups[n-1][0]] == x.fs[col] {
			groups[n-1] = append(groups[n-1], col)
		} else {
			groups = append(groups, []int{col})
		}
	}
	if x.shown.order == byPlan {
		return groups
	}
	rank := make([]int, x.all.Cols())
	by := func(a, b int) int { return cmp.Compare(x.all.Case(a).Name, x.all.Case(b).Name) }
	if x.shown.order == byEffect {
		for col := range rank {
			rank[col] = x.rank(col)
		}
		by = func(a, b int) int { return rank[a] - rank[b] }
	}
	for _, g := range groups {
		slices.SortStableFunc(g, by)
	}
	slices.SortStableFunc(groups, func(a, b []int) int { return by(a[0], b[0]) })
	return groups
}

// rank is how early a column comes by effect: what a patch breaks, then what one fixes, then what fails, then the rest.
func (x *matrix) rank(col int) int {
	best := len(report.Effects) + 1
	for row := range x.all.Prefixes() {
		if a := x.all.Effect(row, col); a != nil {
			if i := slices.Index(report.Effects[:], a.Effect); i >= 0 {
				best = min(best, i)
			}
		}
	}
	if best > len(report.Effects) && x.fails(col) {
		best = len(report.Effects)
	}
	return best
}

// filter shows only what a filter keeps: words with blanks between, of which "changes", "bad" and "still" must all hold, and one
// of the others match the case's name, as a pattern of --cases or, without a wildcard, as a part of it. What is no pattern, or
// leaves nothing, is an error and changes nothing.
func (x *matrix) filter(only string) error {
	only = strings.Join(strings.Fields(only), " ")
	if x.all.Cols() > 0 {
		for _, word := range strings.Fields(only) {
			if _, err := x.all.Case(0).Match(word); err != nil {
				return fmt.Errorf("%q is no pattern: * and ? stand for any text and one character", word)
			}
		}
	}
	before := x.shown.only
	x.shown.only = only
	for col := range x.all.Cols() {
		if x.keep(col) {
			x.rearrange()
			return nil
		}
	}
	x.shown.only = before
	return fmt.Errorf("no case is left by %q", only)
}

// keep says whether the filter leaves a column.
func (x *matrix) keep(col int) bool {
	named, found := false, false
	for word := range strings.FieldsSeq(x.shown.only) {
		holds := true
		switch word {
		case onlyChanges:
			holds = x.rank(col) < len(report.Effects)
		case onlyBad:
			holds = x.fails(col)
		case onlyStill:
			holds = x.stillFails(col)
		default:
			named = true
			found = found || x.named(col, word)
		}
		if !holds {
			return false
		}
	}
	return found || !named
}

func (x *matrix) named(col int, pattern string) bool {
	c := x.all.Case(col)
	if !strings.ContainsAny(pattern, `*?[\`) {
		return strings.Contains(strings.ToLower(c.Name), strings.ToLower(pattern))
	}
	ok, _ := c.Match(pattern) // was checked
	return ok
}

// fails says whether a column shows anything but what is expected of its case.
func (x *matrix) fails(col int) bool {
	for row := range x.all.Rows() {
		if bad, known := x.bad(row, col); known && bad {
			return true
		}
	}
	return false
}

// stillFails says whether the last verdict of a column is a failure.
func (x *matrix) stillFails(col int) bool {
	for row := x.all.Prefixes() - 1; row >= 0; row-- {
		if bad, known := x.bad(row, col); known {
			return bad
		}
	}
	return false
}

func (x *matrix) bad(row, col int) (bad, known bool) {
	c := x.all.Cell(row, col)
	if c == nil || c.State != lab.CellDone || c.Outcome == testplan.Infra || c.Outcome == "" {
		return false, false
	}
	return c.Flaky || !x.all.Case(col).Expect.Met(testplan.Judgement{Outcome: c.Outcome, Signature: c.Signature}), true
}

// sort goes on to the next order of the columns.
func (x *matrix) sort() order {
	x.shown.order = (x.shown.order + 1) % orders
	x.rearrange()
	return x.shown.order
}

// fold makes the group under the cursor one column, or shows its cases again.
func (x *matrix) fold() {
	if x.Cols() == 0 {
		return
	}
	if x.shown.folded == nil {
		x.shown.folded = map[string]bool{}
	}
	group := x.group(x.grid.col)
	if x.shown.folded[group] {
		delete(x.shown.folded, group)
	} else {
		x.shown.folded[group] = true
	}
	x.rearrange()
}

// foldQuiet folds the patches that are known to do nothing, or shows them again.
func (x *matrix) foldQuiet() {
	x.shown.quiet = !x.shown.quiet
	x.rearrange()
}

// unfold shows what is folded under the cursor, and says whether anything was.
func (x *matrix) unfold() bool {
	if x.Rows() == 0 || x.Cols() == 0 {
		return false
	}
	col := len(x.shown.cols[x.grid.col]) > 1
	row := x.shown.rows[x.grid.row].folded()
	if row {
		x.foldQuiet()
	}
	if col {
		x.fold()
	}
	return row || col
}

// reveal puts the cursor on a cell, and shows what of it is folded or left out.
func (x *matrix) reveal(prefix int, name string) {
	s := &x.shown
	row, col := x.place(prefix, name)
	if row >= 0 && s.rows[row].folded() {
		s.quiet = false
	}
	switch {
	case col < 0:
		x.showAll()
	case len(s.cols[col]) > 1:
		delete(s.folded, x.group(col))
	}
	x.arrange(prefix, name)
}

// showAll shows every row and column, in the plan's order.
func (x *matrix) showAll() {
	prefix, name := x.cursor()
	x.shown.only, x.shown.order, x.shown.quiet = "", byPlan, false
	clear(x.shown.folded)
	x.arrange(prefix, name)
}

// whole is the matrix with nothing hidden, its cursor where this one's is.
func (x *matrix) whole() *matrix {
	w := *x
	w.shown = shown{}
	prefix, name := x.cursor()
	w.arrange(prefix, name)
	return &w
}

// hidden says what is not shown as the plan has it: "8 of 18 cases (bad), ext4 folded, 5 patches folded"; "" for nothing.
func (x *matrix) hidden() string {
	if x.all == nil {
		return ""
	}
	var parts []string
	s := &x.shown
	if s.only != "" {
		n := 0
		for _, list := range s.cols {
			n += len(list)
		}
		parts = append(parts, fmt.Sprintf("%d of %s (%s)", n, report.Count(x.all.Cols(), "case"), x.text(s.only)))
	}
	if s.order != byPlan {
		parts = append(parts, s.order.String())
	}
	for _, group := range slices.Sorted(maps.Keys(s.folded)) {
		parts = append(parts, group+" folded")
	}
	n := 0
	for _, r := range s.rows {
		if r.folded() {
			n += r.last - r.first + 1
		}
	}
	if n > 0 {
		parts = append(parts, patches(n)+" folded")
	}
	return strings.Join(parts, ", ")
}

// worst is the column of the report that a column shows in a row: of a folded group the one with the worst word. n is how many of
// the group have that word.
func (x *matrix) worst(row, col int) (at, n int) {
	list := x.shown.cols[col]
	if at = list[0]; len(list) == 1 {
		return at, 1
	}
	worst := badness(x.all.Word(x.last(row), at))
	for _, c := range list {
		if b := badness(x.all.Word(x.last(row), c)); b > worst {
			at, worst, n = c, b, 1
		} else if b == worst {
			n++
		}
	}
	return at, n
}

// badness orders the words of cells.
func badness(word string) int { return slices.Index(fromBest[:], word) }

var fromBest = [...]string{"ok", ".", "run", "infr", "flky", "TIME", "WARN", "FAIL", "LIVE", "HANG", "BUG", "boot", "bld", "blkd", "conf"}

// last is the row of the report that a row shows: of folded ones the last.
func (x *matrix) last(row int) int { return x.shown.rows[row].last }

// The report's matrix, in rows and columns of the screen.

func (x *matrix) Rows() int { return len(x.shown.rows) }
func (x *matrix) Cols() int { return len(x.shown.cols) }

func (x *matrix) Prefix(row int) *lab.Prefix    { return x.all.Prefix(x.last(row)) }
func (x *matrix) Subset(row int) *lab.SubsetRow { return x.all.Subset(x.last(row)) }
func (x *matrix) Name(row int) string           { return x.all.Name(x.last(row)) }
func (x *matrix) Where(row int) string          { return x.all.Where(x.last(row)) }
func (x *matrix) Case(col int) *testplan.Case   { return x.all.Case(x.shown.cols[col][0]) }
func (x *matrix) Found(row int) []string        { return x.all.Found(x.last(row)) }
func (x *matrix) At(row, col int) *lab.Prefix   { return x.all.At(x.last(row), x.shown.cols[col][0]) }
func (x *matrix) Does(row int) string           { return x.does[x.last(row)] }

// Cell is a cell, of a folded group the worst; nil when there is none.
func (x *matrix) Cell(row, col int) *lab.Cell {
	at, _ := x.worst(row, col)
	return x.all.Cell(x.last(row), at)
}

// Word is a cell's word, of a folded group the worst.
func (x *matrix) Word(row, col int) string {
	at, _ := x.worst(row, col)
	return x.all.Word(x.last(row), at)
}

// Mark is what the row's patch does to the case, of a folded group the first in the order of effects.
func (x *matrix) Mark(row, col int) string {
	best := len(report.Effects)
	mark := ""
	for _, c := range x.shown.cols[col] {
		if a := x.all.Effect(x.last(row), c); a != nil {
			if i := slices.Index(report.Effects[:], a.Effect); i >= 0 && i < best {
				best, mark = i, x.all.Mark(x.last(row), c)
			}
		}
	}
	return mark
}

// Sentence says in words what is under the cursor.
func (x *matrix) Sentence(row, col int) string {
	r, list := x.shown.rows[row], x.shown.cols[col]
	switch {
	case r.folded():
		return fmt.Sprintf("patches %d-%d have no effect on any case; Enter shows them", x.all.Prefix(r.first).Patch, x.all.Prefix(r.last).Patch)
	case len(list) > 1:
		return x.groupSentence(row, col)
	}
	s := x.all.Sentence(r.last, list[0])
	if c := x.all.Cell(r.last, list[0]); c != nil && c.State == lab.CellRunning {
		if t := x.elapsed(c); t != "" {
			s += ", for " + t + " now"
		}
	}
	return s
}

// groupSentence counts the words and marks of a folded group in one row.
func (x *matrix) groupSentence(row, col int) string {
	words, marks := map[string]int{}, map[string]int{}
	list := x.shown.cols[col]
	for _, c := range list {
		words[x.all.Word(x.last(row), c)]++
		marks[x.all.Mark(x.last(row), c)]++
	}
	counts := func(n map[string]int, order func(a, b string) int) string {
		delete(n, "")
		var parts []string
		for _, w := range slices.SortedFunc(maps.Keys(n), order) {
			name := w
			if w == "." {
				name = "not run yet"
			}
			parts = append(parts, fmt.Sprintf("%d %s", n[w], name))
		}
		return strings.Join(parts, ", ")
	}
	s := fmt.Sprintf("%s, %s on %s: %s", x.group(col), report.Count(len(list), "case"), x.Where(row),
		counts(words, func(a, b string) int { return badness(b) - badness(a) }))
	if done := counts(marks, cmp.Compare[string]); done != "" {
		who := "its patch"
		if x.Subset(row) != nil {
			who = "it"
		}
		s += "; " + who + ": " + done
	}
	return s + "; z or Enter shows them"
}
