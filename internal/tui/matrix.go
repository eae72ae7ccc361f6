package tui

import (
	"fmt"
	"strings"
	"time"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/plain"
	"github.com/seriesctl/seriesctl/internal/report"
)

// matrix is the home of a series: patches down, cases across. What is shown of it, and in which order, is the user's; all its
// methods count rows and columns of the screen.
type matrix struct {
	look
	all   *report.Matrix
	shown shown
	grid  grid
	now   func() time.Time // nil is time.Now

	// Of the report's rows and columns.
	heads    [][]string // per column: the words of its case's name
	fs       []string   // per column: the kernel and file system, safe
	does     []string   // per row: what its patch does
	noEffect []bool     // per row: its patch is known to do nothing

	index int  // width of a prefix's number
	doing int  // width of what patches do
	most  int  // width of the longest subject
	wide  bool // columns have room for a mark in words
	brief bool // only the foremost of what a patch does is said beside it
}

func textWidth(s string) int { return plain.Width(s) }

// load takes a new snapshot. The cursor stays on its patch and case.
func (x *matrix) load(r *lab.Result) {
	prefix, name := x.cursor()
	x.all = report.NewMatrix(r)
	x.grid.look = x.look
	// New slices each time: a patch that is being read has the old ones.
	x.heads, x.fs = nil, nil
	for col := range x.all.Cols() {
		c := x.all.Case(col)
		x.fs = append(x.fs, x.text(c.Group()))
		name := strings.TrimPrefix(x.text(c.Name), x.fs[col]+"/")
		x.heads = append(x.heads, strings.FieldsFunc(name, func(r rune) bool { return r == '-' || r == '_' || r == ' ' }))
	}
	x.does, x.noEffect, x.most = nil, nil, 4
	for row := range x.all.Rows() {
		does := x.all.Does(row)
		x.noEffect = append(x.noEffect, (does == "" || does[0] == '=') && x.all.NoEffect(row))
		if does == "" && x.noEffect[row] {
			does = "="
		}
		x.does = append(x.does, does)
		x.most = max(x.most, textWidth(x.subjectOf(row))+max(len(x.all.Name(row))-x.all.Digits(), 0))
	}
	x.index = x.all.Digits()
	x.arrange(prefix, name)
}

const (
	cellNarrow = 5  // four letters and a sign
	cellScroll = 6  // where not all columns fit anyway: most words of headers
	cellWide   = 8  // four letters, a blank and a mark of three
	cellWidest = 10 // beyond that columns are harder to follow, not easier to read
	labelLeast = 22
	labelMost  = 64
	roomy      = 150 // columns of a screen from which all that a patch does is said beside it
)

// resize shares the width out: patches get what they need at least, then the columns their words, then the
// patches the rest.
func (x *matrix) resize(width, height int) {
	x.grid.width, x.grid.height = width, height
	if x.all == nil || width == 0 {
		return
	}
	x.doing = 0
	x.brief = width < roomy
	for row := range x.Rows() {
		x.doing = max(x.doing, len(x.beside(row)))
	}
	fixed := x.index + 2 // blank, number, blank
	if x.doing > 0 {
		fixed += x.doing + 1
	}
	want := min(fixed+x.most, labelMost)
	words, folded, gaps := cellNarrow, 0, 1
	for col := range x.Cols() {
		if len(x.shown.cols[col]) > 1 {
			folded++
		}
		for _, w := range x.heads[x.shown.cols[col][0]] {
			words = max(words, textWidth(w))
		}
		if col > 0 && x.group(col) != x.group(col-1) {
			gaps += groupGap
		}
	}
	words = min(words, cellWidest)
	n := x.Cols()
	takes := func(cell int) int { return n*(cell+1) + folded*max(cellWide-cell, 0) + gaps }
	least := max(min(max(labelLeast, fixed+10, width/5), width/2, want), fixed+1)
	x.grid.cell = cellScroll
	for _, c := range []int{max(cellWide, words), cellWide, max(words, cellNarrow), cellNarrow} {
		room := max(least, width*2/5)
		if c <= cellNarrow {
			room = least
		}
		if min(want, room)+takes(c) <= width {
			x.grid.cell = c
			break
		}
	}
	x.wide = x.grid.cell >= cellWide
	x.grid.label = max(min(want, width-takes(x.grid.cell)), least)
	x.grid.headers = 1
	for col := range x.Cols() {
		if list := x.shown.cols[col]; len(list) == 1 {
			x.grid.headers = max(x.grid.headers, len(x.heads[list[0]]))
		}
	}
	if x.Cols() == 0 {
		x.grid.label, x.grid.headers = width, 0
	}
	// A low screen keeps at least half of itself for the patches.
	x.grid.headers = min(x.grid.headers, 4, max((height-2)/3, 1))
	x.grid.moveTo(x.grid.row, x.grid.col, x)
}

func patches(n int) string {
	if n == 1 {
		return "1 patch"
	}
	return fmt.Sprintf("%d patches", n)
}

// subject is what a row is about.
func (x *matrix) subject(row int) string {
	r := x.shown.rows[row]
	if r.folded() {
		return fmt.Sprintf("%s %s, no effect", x.pick("…", "..."), patches(r.last-r.first+1))
	}
	return x.subjectOf(r.first)
}

// subjectOf is the subject of the report's row.
func (x *matrix) subjectOf(row int) string {
	return x.text(x.all.Subject(row))
}

// width is that of a column: a folded group needs room for a count and a mark.
func (x *matrix) width(col int) int {
	if len(x.shown.cols[col]) > 1 {
		return max(x.grid.cell, cellWide)
	}
	return x.grid.cell
}

func (x *matrix) group(col int) string { return x.fs[x.shown.cols[col][0]] }

func (x *matrix) corner(line, width int) string {
	if line != 0 {
		return spaces(width)
	}
	return x.paint(faint, x.pad(" "+patches(max(x.all.Prefixes()-1, 0)), width))
}

// header is the words of a case's name, one a line, at the bottom; those that find no line share the last.
func (x *matrix) header(line, col, width int) string {
	list := x.shown.cols[col]
	words, n := x.heads[list[0]], x.grid.headers
	if len(list) > 1 {
		words = []string{report.Count(len(list), "case")}
	}
	if len(words) > n {
		words = append(words[:n-1:n-1], strings.Join(words[n-1:], "-"))
	}
	if line -= n - len(words); line < 0 {
		return spaces(width)
	}
	return plain.Pad(words[line], width, "")
}

// beside is what a row's patch does, as much as there is room for.
func (x *matrix) beside(row int) string {
	if x.shown.rows[row].folded() {
		return ""
	}
	s := x.Does(row)
	if x.brief && len(s) > 0 && s[0] != '=' {
		if f := strings.Fields(s); len(f) > 2 {
			s = strings.Join(f[:2], " ")
		}
	}
	return s
}

func (x *matrix) rowLabel(row, width int) string {
	// The name of a subset may be longer than what there is; then it is all that is said.
	s := x.cut(fmt.Sprintf(" %*s ", x.index, x.Name(row)), max(width-x.doing-1, 0))
	room := width - textWidth(s)
	if x.shown.rows[row].folded() {
		return x.pad(spaces(x.index+2)+x.subject(row), width)
	}
	if sub := x.Subset(row); sub != nil && len(sub.Patches) > 1 && textWidth(x.subject(row)) >= room-x.doing {
		return x.pad(s, width-x.doing) + x.pad(x.beside(row), x.doing) // its name says it
	}
	if x.doing > 0 {
		return s + x.pad(x.subject(row), max(room-x.doing-1, 0)) + " " + x.pad(x.beside(row), x.doing)
	}
	return s + x.pad(x.subject(row), room)
}

func (x *matrix) rowStyle(row int, cursor bool) style {
	if cursor {
		return bold
	}
	if x.shown.rows[row].folded() {
		return faint
	}
	switch x.Prefix(row).Status {
	case lab.PrefixConflict, lab.PrefixBuildFailed, lab.PrefixBootFailed:
		return bad
	case lab.PrefixBlocked, lab.PrefixPending:
		return faint
	case lab.PrefixBuilding:
		return moving
	}
	return normal
}

// parts are a cell's word and mark.
func (x *matrix) parts(row, col int) (word, mark string) {
	word, mark = x.Word(row, col), x.Mark(row, col)
	if word == "." && !x.ascii {
		word = "·"
	}
	return word, mark
}

// unsure is the confidence below which a cell says it.
const unsure = 0.95

// face is how a cell looks: its word, what there is to say of its runs in room columns, and the mark of the patch.
func (x *matrix) face(row, col, room int) (word, runs, mark string) {
	word, mark = x.parts(row, col)
	if list := x.shown.cols[col]; len(list) > 1 {
		_, n := x.worst(row, col)
		return word, fmt.Sprint(n), mark
	}
	c := x.Cell(row, col)
	switch {
	case c == nil:
	case c.State == lab.CellRunning:
		runs = x.elapsed(c)
		if n := fmt.Sprintf("%d/%d", min(c.Runs+1, c.Wanted), c.Wanted); c.Wanted > 1 && len(n) <= room {
			runs = n
		}
	case c.State == lab.CellQueued && c.Wanted > 0:
		word = "que"
		if x.wide {
			word = "queued"
		}
	case c.State == lab.CellDone && c.Wanted > c.Runs:
		if runs = fmt.Sprintf("%d/%d", c.Runs, c.Wanted); len(runs) > room {
			runs = x.pick("…", ".")
		}
	case c.State == lab.CellDone && c.Confidence > 0 && c.Confidence < unsure:
		if runs = fmt.Sprintf("%d%%", int(c.Confidence*100)); len(runs) > room {
			runs = ""
		}
	}
	return word, runs, mark
}

// elapsed is how long a cell has been running, in at most three letters: "12s", "3m"; "" where it is not known.
func (x *matrix) elapsed(c *lab.Cell) string {
	if c.Started.IsZero() {
		return ""
	}
	now := time.Now
	if x.now != nil {
		now = x.now
	}
	return brief(now().Sub(c.Started))
}

// brief writes a duration in at most three letters.
func brief(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return "1d+"
}

// spot is a part of a cell in one style.
type spot struct {
	style style
	text  string
}

// spots are the parts of a cell.
func (x *matrix) spots(row, col, width int) []spot {
	room := 1
	if x.wide {
		room = width - 5 // of a word and a blank
	}
	word, runs, mark := x.face(row, col, room)
	st := wordStyle(word)
	if c := x.Cell(row, col); c != nil && c.InheritedFrom != nil && word == "ok" {
		st = faint
	}
	running := word == "run"
	folded := len(x.shown.cols[col]) > 1
	switch {
	case folded:
		return []spot{{st, word + " " + runs}, {markStyle(mark), sign(mark)}}
	case word == "queued":
		return []spot{{st, word}}
	case x.wide && (mark == "" || running):
		if textWidth(runs) == 1 {
			return []spot{{st, word}, {faint, runs}}
		}
		return []spot{{st, x.pad(word, 5)}, {st, runs}}
	case x.wide:
		return []spot{{st, x.pad(word, 5)}, {markStyle(mark), mark}}
	case running && runs != "":
		return []spot{{st, x.pick("▸", ">") + runs}}
	case mark == "":
		return []spot{{st, word}, {faint, runs}}
	}
	return []spot{{st, word}, {markStyle(mark), sign(mark)}}
}

func (x *matrix) cellPlain(row, col, width int) string {
	var b strings.Builder
	for _, s := range x.spots(row, col, width) {
		b.WriteString(s.text)
	}
	return x.pad(b.String(), width)
}

func (x *matrix) cellText(row, col, width int) string {
	var b strings.Builder
	used := 0
	for _, s := range x.spots(row, col, width) {
		text := x.cut(s.text, width-used)
		used += textWidth(text)
		if x.shown.rows[row].folded() {
			s.style = faint
		}
		b.WriteString(x.paint(s.style, text))
	}
	b.WriteString(spaces(width - used))
	return b.String()
}

// click puts the cursor on what is at a column of a line of the matrix, and says whether anything is.
func (x *matrix) click(column, line int) bool {
	row, col, ok := x.grid.cellAt(column, line, x)
	if ok {
		x.grid.moveTo(row, col, x)
	}
	return ok
}

// find moves the cursor to the next patch or case that holds text, forward or back, patches first.
func (x *matrix) find(text string, step int) bool {
	text = strings.ToLower(text)
	if text == "" {
		return false
	}
	for i := 1; i <= x.Rows(); i++ {
		row := wrapIndex(x.grid.row+step*i, x.Rows())
		for r := x.shown.rows[row].first; r <= x.last(row); r++ {
			if strings.Contains(strings.ToLower(x.subjectOf(r)), text) {
				x.grid.moveTo(row, x.grid.col, x)
				return true
			}
		}
	}
	for i := 1; i <= x.Cols(); i++ {
		col := wrapIndex(x.grid.col+step*i, x.Cols())
		for _, c := range x.shown.cols[col] {
			if strings.Contains(strings.ToLower(x.text(x.all.Case(c).Name)), text) {
				x.grid.moveTo(x.grid.row, col, x)
				return true
			}
		}
	}
	return false
}

func wrapIndex(i, n int) int { return ((i % n) + n) % n }
