package tui

import (
	"fmt"
	"strings"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/plain"
	"github.com/seriesctl/seriesctl/internal/report"
)

// matrix is the home of a series: patches down, cases across.
type matrix struct {
	look
	*report.Matrix
	grid  grid
	heads [][]string // per column: the words of its case's name
	index int        // width of a prefix's number
	does  int        // width of what patches do
	fs    []string   // per column: the kernel and file system, safe
	done  []string   // per row: what its patch does
	most  int        // width of the longest subject
	wide  bool       // columns have room for a mark in words
	brief bool       // only the foremost of what a patch does is said beside it
}

func textWidth(s string) int { return plain.Width(s) }

// load takes a new snapshot. The cursor stays on its patch and case.
func (x *matrix) load(r *lab.Result) {
	x.Matrix = report.NewMatrix(r)
	x.grid.look = x.look
	x.grid.rows, x.grid.cols = x.Rows(), x.Cols()
	x.heads, x.fs = x.heads[:0], x.fs[:0]
	for col := range x.Cols() {
		c := x.Case(col)
		x.fs = append(x.fs, x.text(c.Group()))
		name := strings.TrimPrefix(x.text(c.Name), x.fs[col]+"/")
		x.heads = append(x.heads, strings.FieldsFunc(name, func(r rune) bool { return r == '-' || r == '_' || r == ' ' }))
	}
	x.done, x.most = x.done[:0], 4
	for row := range x.Rows() {
		x.done = append(x.done, x.Does(row))
		x.most = max(x.most, textWidth(x.subject(row)))
	}
	x.index = 1
	if x.Rows() > 0 {
		x.index = len(fmt.Sprint(x.Prefix(x.Rows() - 1).Index))
	}
	x.resize(x.grid.width, x.grid.height)
}

const (
	cellNarrow = 5  // four letters and a sign
	cellWide   = 8  // four letters, a blank and a mark of three
	cellWidest = 10 // beyond that columns are harder to follow, not easier to read
	labelLeast = 22
	labelMost  = 64
	roomy      = 150 // columns of a screen from which all that a patch does is said beside it
)

// resize shares the width out: patches get what they need at least, then the columns their words, then the
// patches the rest.
func (x *matrix) resize(width, height int) {
	if x.Matrix == nil || width == 0 {
		x.grid.width, x.grid.height = width, height
		return
	}
	x.does = 0
	x.brief = width < roomy
	for row := range x.Rows() {
		x.does = max(x.does, len(x.doing(row)))
	}
	fixed := x.index + 2 // blank, number, blank
	if x.does > 0 {
		fixed += x.does + 1
	}
	want := min(fixed+x.most, labelMost)
	words := cellNarrow
	for _, h := range x.heads {
		for _, w := range h {
			words = max(words, textWidth(w))
		}
	}
	words = min(words, cellWidest)
	gaps := 1
	for col := 1; col < x.Cols(); col++ {
		if x.group(col) != x.group(col-1) {
			gaps += groupGap
		}
	}
	n := max(x.Cols(), 1)
	least := min(max(labelLeast, fixed+10), width/2)
	fits := func(cell, label int) bool { return label+n*(cell+1)+gaps <= width }
	x.grid.cell = cellNarrow
	for _, c := range []int{max(cellWide, words), cellWide, max(words, cellNarrow)} {
		if fits(c, min(want, max(least, width*2/5))) {
			x.grid.cell = c
			break
		}
	}
	x.wide = x.grid.cell >= cellWide
	x.grid.label = max(min(want, width-n*(x.grid.cell+1)-gaps), least)
	x.grid.headers = 1
	for _, h := range x.heads {
		x.grid.headers = max(x.grid.headers, len(h))
	}
	// A low screen keeps at least half of itself for the patches.
	x.grid.headers = min(x.grid.headers, 4, max(height/3-1, 1))
	x.grid.width, x.grid.height = width, height
	x.grid.moveTo(x.grid.row, x.grid.col, x)
}

func (x *matrix) subject(row int) string {
	p := x.Prefix(row)
	if p.Index == 0 && p.Subject == "" {
		return "base"
	}
	return x.text(p.Subject)
}

func (x *matrix) group(col int) string { return x.fs[col] }

func (x *matrix) corner(line, width int) string {
	if line == 0 {
		n := max(x.Rows()-1, 0)
		s := fmt.Sprintf(" %d patches", n)
		if n == 1 {
			s = " 1 patch"
		}
		return x.paint(faint, x.pad(s, width))
	}
	return spaces(width)
}

// header is the words of a case's name, one a line, at the bottom; those that find no line share the last.
func (x *matrix) header(line, col, width int) string {
	words, n := x.heads[col], x.grid.headers
	if len(words) > n {
		words = append(words[:n-1:n-1], strings.Join(words[n-1:], "-"))
	}
	i := line - (n - len(words))
	if i < 0 {
		return spaces(width)
	}
	return plain.Pad(words[i], width, "")
}

// doing is what the row's patch does, the foremost of it only where room is short.
func (x *matrix) doing(row int) string {
	s := x.done[row]
	if !x.brief {
		return s
	}
	if i := strings.IndexByte(s, ' '); i >= 0 {
		if j := strings.IndexByte(s[i+1:], ' '); j >= 0 {
			return s[:i+1+j]
		}
	}
	return s
}

func (x *matrix) rowLabel(row, width int) string {
	room := width - x.index - 2
	s := fmt.Sprintf(" %*d ", x.index, x.Prefix(row).Index)
	if x.does > 0 {
		return s + x.pad(x.subject(row), room-x.does-1) + " " + x.pad(x.doing(row), x.does)
	}
	return s + x.pad(x.subject(row), room)
}

func (x *matrix) rowStyle(row int, cursor bool) style {
	if cursor {
		return bold
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

func (x *matrix) parts(row, col int) (word, mark string) {
	word, mark = x.Word(row, col), x.Mark(row, col)
	if word == "." && !x.ascii {
		word = "·"
	}
	return word, mark
}

func (x *matrix) cellPlain(row, col, width int) string {
	word, mark := x.parts(row, col)
	if x.wide {
		return x.pad(x.pad(word, 4)+" "+mark, width)
	}
	return x.pad(word+sign(mark), width)
}

func (x *matrix) cellText(row, col, width int) string {
	word, mark := x.parts(row, col)
	st := wordStyle(word)
	if c := x.Cell(row, col); c != nil && c.InheritedFrom != nil && word == "ok" {
		st = faint
	}
	if x.wide {
		return x.paint(st, x.pad(word, 5)) + x.paint(markStyle(mark), x.pad(mark, 3)) + spaces(width-8)
	}
	end := sign(mark)
	return x.paint(st, word) + x.paint(markStyle(mark), end) + spaces(width-textWidth(word)-len(end))
}

// find moves the cursor to the next patch or case that holds text, forward or back, patches first.
func (x *matrix) find(text string, step int) bool {
	text = strings.ToLower(text)
	if text == "" {
		return false
	}
	for i := 1; i <= x.Rows(); i++ {
		row := wrapIndex(x.grid.row+step*i, x.Rows())
		if strings.Contains(strings.ToLower(x.subject(row)), text) {
			x.grid.moveTo(row, x.grid.col, x)
			return true
		}
	}
	for i := 1; i <= x.Cols(); i++ {
		col := wrapIndex(x.grid.col+step*i, x.Cols())
		if strings.Contains(strings.ToLower(x.text(x.Case(col).Name)), text) {
			x.grid.moveTo(x.grid.row, col, x)
			return true
		}
	}
	return false
}

func wrapIndex(i, n int) int { return ((i % n) + n) % n }
