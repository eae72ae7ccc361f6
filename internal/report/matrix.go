package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/testplan"
)

// Matrix is a lab.Result laid out as rows and columns: a row per prefix in its order, then one per subset, a column per case,
// cases of one file system side by side. It reads the Result and keeps pointers into it.
type Matrix struct {
	Result *lab.Result

	rows    []*lab.Prefix
	cols    []int                   // column → index in Result.Cases
	cells   []*lab.Cell             // row*len(cols)+column; nil where the Result has none
	effects []*testplan.Attribution // likewise; nil where the patch does nothing that is known; of a subset beside the base
	whole   []*lab.Comparison       // likewise, of a subset: where the whole series does otherwise
	maybe   []bool                  // likewise: the patch is one of several of which one makes a change, and not the last of them
}

// NewMatrix lays out r. Its cost is in the number of cells.
func NewMatrix(r *lab.Result) *Matrix {
	m := &Matrix{Result: r}
	rows := make(map[int]int, len(r.Prefixes))    // index → row
	patches := make(map[int]int, len(r.Prefixes)) // number of its last patch → row
	for i, p := range r.Prefixes {
		rows[p.Index] = i
		patches[p.Patch] = i
		m.rows = append(m.rows, &r.Prefixes[i])
	}
	for i := range r.Subsets {
		rows[r.Subsets[i].Index] = len(m.rows)
		m.rows = append(m.rows, &r.Subsets[i].Prefix)
	}
	var order []string
	byFS := map[string][]int{}
	for i, c := range r.Cases {
		group := c.Group()
		if byFS[group] == nil {
			order = append(order, group)
		}
		byFS[group] = append(byFS[group], i)
	}
	column := make(map[string]int, len(r.Cases))
	for _, fs := range order {
		for _, i := range byFS[fs] {
			column[r.Cases[i].Name] = len(m.cols)
			m.cols = append(m.cols, i)
		}
	}
	m.cells = make([]*lab.Cell, len(m.rows)*len(m.cols))
	m.effects = make([]*testplan.Attribution, len(m.cells))
	m.whole = make([]*lab.Comparison, len(m.cells))
	m.maybe = make([]bool, len(m.cells))
	place := func(cells []lab.Cell) {
		for i := range cells {
			c := &cells[i]
			row, okRow := rows[c.Prefix]
			col, okCol := column[c.Case]
			if okRow && okCol {
				m.cells[row*len(m.cols)+col] = c
			}
		}
	}
	place(r.Cells)
	for i := range r.Subsets {
		s := &r.Subsets[i]
		place(s.Cells)
		at := rows[s.Index] * len(m.cols)
		for _, c := range s.Base {
			if col, ok := column[c.Case]; ok {
				m.effects[at+col] = &testplan.Attribution{Case: c.Case, Effect: c.Effect, Before: c.Before, After: c.After, Probability: c.Probability}
			}
		}
		for j := range s.Whole {
			if col, ok := column[s.Whole[j].Case]; ok {
				m.whole[at+col] = &s.Whole[j]
			}
		}
	}
	for i := range r.Attributions {
		a := &r.Attributions[i]
		row, okRow := patches[a.Patch]
		col, okCol := column[a.Case]
		if okRow && okCol && a.Effect != testplan.NoEffect {
			m.effects[row*len(m.cols)+col] = a
			for row--; a.First > 0 && row >= 0 && m.rows[row].Patch >= a.First; row-- {
				m.maybe[row*len(m.cols)+col] = true
			}
		}
	}
	return m
}

// Rows is the number of prefixes and subsets.
func (m *Matrix) Rows() int { return len(m.rows) }

// Prefixes is the number of prefixes: they are the first rows.
func (m *Matrix) Prefixes() int { return len(m.Result.Prefixes) }

// Cols is the number of cases.
func (m *Matrix) Cols() int { return len(m.cols) }

// Prefix is the prefix of a row, or what a subset has in common with one.
func (m *Matrix) Prefix(row int) *lab.Prefix { return m.rows[row] }

// Subset is the subset of a row, nil where it is a prefix.
func (m *Matrix) Subset(row int) *lab.SubsetRow {
	if row < m.Prefixes() {
		return nil
	}
	return &m.Result.Subsets[row-m.Prefixes()]
}

// Name is how a row is called in the matrix: "4", "{2,4-6}".
func (m *Matrix) Name(row int) string {
	if s := m.Subset(row); s != nil {
		return "{" + s.Name() + "}"
	}
	return strconv.Itoa(m.Prefix(row).Index)
}

// Argument is how a row is called on a command line: "4", "2,4-6"; "{4}" is the subset of one patch.
func (m *Matrix) Argument(row int) string {
	if s := m.Subset(row); s != nil && len(s.Patches) > 1 {
		return s.Name()
	}
	return m.Name(row)
}

// Where is how a row is called in a sentence: "prefix 4", "subset 2,4-6".
func (m *Matrix) Where(row int) string {
	if s := m.Subset(row); s != nil {
		return "subset " + s.Name()
	}
	return fmt.Sprintf("prefix %d", m.Prefix(row).Index)
}

// Subject is what a row is about: the subject of its patch, "4 patches" of a subset of several, "base".
func (m *Matrix) Subject(row int) string {
	p := m.Prefix(row)
	if s := m.Subset(row); s != nil && len(s.Patches) > 1 {
		return count(len(s.Patches), "patch", "patches")
	}
	if p.Subject == "" && p.Index == 0 {
		return "base"
	}
	return p.Subject
}

// At is the prefix of a row as it is with the column's kernel.
func (m *Matrix) At(row, col int) *lab.Prefix {
	p := m.Prefix(row)
	if kernel := m.Case(col).Kernel; kernel != p.Kernel {
		for i := range p.Kernels {
			if p.Kernels[i].Kernel == kernel {
				return &p.Kernels[i]
			}
		}
	}
	return p
}

// Case is the case of a column.
func (m *Matrix) Case(col int) *testplan.Case { return &m.Result.Cases[m.cols[col]] }

// Cell is a cell, nil when the Result does not have it.
func (m *Matrix) Cell(row, col int) *lab.Cell { return m.cells[row*len(m.cols)+col] }

// Effect is what the row's patch does to the column's case, or a subset beside the base; nil when it does nothing that is known.
func (m *Matrix) Effect(row, col int) *testplan.Attribution { return m.effects[row*len(m.cols)+col] }

// Word is a cell in at most four ASCII letters: "ok", "FAIL", "HANG", "LIVE", "BUG", "WARN", "TIME", "infr"
// for what a run showed, "flky" where runs differ in outcome, "skip" and "abs" where they show nothing, "run" and "." (queued) while a run goes on, "bld",
// "boot", "conf", "blkd" where the prefix has no image.
func (m *Matrix) Word(row, col int) string {
	c := m.Cell(row, col)
	if c == nil || c.State == lab.CellNone {
		return statusWord(m.At(row, col).Status)
	}
	switch c.State {
	case lab.CellQueued:
		return "."
	case lab.CellRunning:
		return "run"
	case lab.CellSkipped:
		return "skip"
	case lab.CellAbsent:
		return "abs"
	}
	return CellWord(c)
}

// Mark is what the row's patch does to the column's case in three letters, "" for nothing.
func (m *Matrix) Mark(row, col int) string {
	a := m.Effect(row, col)
	if a == nil {
		return ""
	}
	return effectMark(a.Effect)
}

// Does is what a row's patch does, in a few letters: "FIX 2 REG 1", "bld", "make" (being built), "=3" (same image as
// prefix 3), "not built" (none of the patch's code is compiled), "" when there is nothing to say.
func (m *Matrix) Does(row int) string {
	p := m.Prefix(row)
	status := p.Status
	for _, k := range p.Kernels {
		if status == lab.PrefixOK && statusText(k.Status) != "" {
			status = k.Status
		}
	}
	switch status {
	case lab.PrefixOK:
	case lab.PrefixBuilding:
		return "make"
	default:
		if w := statusWord(status); w != "." {
			return w
		}
		return ""
	}
	var n [len(Effects)]int
	for col := range m.cols {
		if a := m.Effect(row, col); a != nil {
			if i := slices.Index(Effects[:], a.Effect); i >= 0 {
				n[i]++
			}
		}
	}
	var words []string
	for i, e := range Effects {
		if n[i] > 0 {
			words = append(words, fmt.Sprintf("%s %d", effectMark(e), n[i]))
		}
	}
	if len(words) == 0 && p.Coverage == lab.CoverageNone {
		return notBuilt
	}
	if len(words) == 0 && p.SameImageAs != nil {
		return fmt.Sprintf("=%d", *p.SameImageAs)
	}
	return strings.Join(words, " ")
}

// Effects are all that a mark stands for, in the order in which they are told: the worst first.
var Effects = [...]testplan.Effect{testplan.Regresses, testplan.MoreOften, testplan.Fixes, testplan.Rarer, testplan.ChangesSymptom, testplan.Undetermined}

func effectMark(e testplan.Effect) string {
	switch e {
	case testplan.Fixes:
		return "FIX"
	case testplan.Regresses:
		return "REG"
	case testplan.ChangesSymptom:
		return "chg"
	case testplan.Rarer:
		return "rar"
	case testplan.MoreOften:
		return "oft"
	case testplan.Undetermined:
		return "?"
	}
	return ""
}

func outcomeWord(o testplan.Outcome) string {
	switch o {
	case testplan.Pass:
		return "ok"
	case testplan.Fail:
		return "FAIL"
	case testplan.Deadlock:
		return "HANG"
	case testplan.Livelock:
		return "LIVE"
	case testplan.Crash:
		return "BUG"
	case testplan.Warn:
		return "WARN"
	case testplan.Timeout:
		return "TIME"
	case testplan.Infra:
		return "infr"
	}
	return "."
}

func statusWord(s lab.PrefixStatus) string {
	switch s {
	case lab.PrefixConflict:
		return "conf"
	case lab.PrefixBlocked:
		return "blkd"
	case lab.PrefixBuildFailed:
		return "bld"
	case lab.PrefixBootFailed:
		return "boot"
	}
	return "."
}

// wordMeaning explains the words of a matrix, in the order of the legend.
var wordMeaning = []struct{ word, meaning string }{
	{"ok", "passes"},
	{"FAIL", "wrong data or errno"},
	{"HANG", "deadlock"},
	{"LIVE", "livelock"},
	{"BUG", "kernel crash"},
	{"WARN", "kernel warning"},
	{"TIME", "still moving at its time limit"},
	{"flky", "runs disagree"},
	{"infr", "the lab failed, no evidence"},
	{"skip", "skipped itself, no evidence"},
	{"abs", "no such subtest, or not reached: no evidence"},
	{"bld", "does not build"},
	{"boot", "does not boot"},
	{"conf", "does not apply"},
	{"blkd", "a patch before does not apply"},
	{"run", "running"},
	{notRun, "not run yet"},
	{"FIX", "this patch fixes it"},
	{"REG", "this patch breaks it"},
	{"chg", "this patch changes the symptom"},
	{"rar", "this patch makes it rarer"},
	{"oft", "this patch makes it more frequent"},
	{"?", "this patch may change it"},
	{notBuilt, "none of the patch's code is compiled"},
}

// legend is the meaning of every word and mark that m shows, "WORD meaning" each.
func (m *Matrix) legend() []string {
	seen := map[string]bool{}
	for row := range m.Rows() {
		seen[notBuilt] = seen[notBuilt] || m.Does(row) == notBuilt
		for col := range m.cols {
			seen[m.Word(row, col)] = true
			seen[m.Mark(row, col)] = true
		}
	}
	var items []string
	for _, w := range wordMeaning {
		if seen[w.word] {
			items = append(items, w.word+" "+w.meaning)
		}
	}
	return items
}
