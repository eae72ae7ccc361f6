package tui

import "strings"

// grid is a table with a two-dimensional cursor, a frozen column of labels at the left and frozen headers above.
// It draws only what is visible, so its cost is in the size of the screen.
type grid struct {
	look
	rows, cols    int
	row, col      int // the cursor
	top, left     int // the first row and column that are visible
	width, height int // of the screen's part, headers included
	label         int // width of the labels
	cell          int // least width of a column without the blank before it
	headers       int // lines of headers beside the line of groups
}

// gridSource gives the grid its content, each text safe and of exactly the width asked for.
type gridSource interface {
	group(col int) string                 // of a column; equal neighbours are one group
	width(col int) int                    // at least grid.cell
	header(line, col, width int) string   // line 0 is the uppermost
	rowLabel(row, width int) string       // may hold styles
	cellText(row, col, width int) string  // may hold styles
	cellPlain(row, col, width int) string // the same without styles, for the cursor
	corner(line, width int) string        // above the labels; line 0 is beside the groups
	rowStyle(row int, underCursor bool) style
}

const groupGap = 2 // columns between groups

// bodyRows is how many rows fit under the headers.
func (g *grid) bodyRows() int { return max(g.height-g.headers-1, 1) }

// move moves the cursor and scrolls so that it is visible.
func (g *grid) move(rows, cols int, src gridSource) { g.moveTo(g.row+rows, g.col+cols, src) }

// moveTo puts the cursor on a cell, the nearest there is, and scrolls so that it is visible.
func (g *grid) moveTo(row, col int, src gridSource) {
	g.row = min(max(row, 0), max(g.rows-1, 0))
	g.col = min(max(col, 0), max(g.cols-1, 0))
	body := g.bodyRows()
	g.top = min(max(g.top, g.row-body+1), g.row)
	g.top = max(min(g.top, g.rows-body), 0)
	g.left = min(g.left, g.col)
	if src == nil {
		return
	}
	for g.left < g.col && !g.shows(g.col, src) {
		g.left++
	}
	for g.left > 0 {
		g.left--
		if !g.shows(g.col, src) || !g.shows(g.cols-1, src) {
			g.left++
			break
		}
	}
}

// layout is where the visible columns begin, from the left edge of the screen.
func (g *grid) layout(src gridSource) []int {
	var at []int
	x := g.label
	for col := g.left; col < g.cols; col++ {
		if col > g.left && src.group(col) != src.group(col-1) {
			x += groupGap
		}
		// The blank after the last cell holds the cursor's bracket.
		if x+1+src.width(col)+1 > g.width {
			break
		}
		at = append(at, x+1)
		x += 1 + src.width(col)
	}
	return at
}

func (g *grid) shows(col int, src gridSource) bool { return col < g.left+len(g.layout(src)) }

// view draws the grid in exactly g.height lines.
func (g *grid) view(src gridSource) []string {
	at := g.layout(src)
	lines := make([]string, 0, g.height)
	lines = append(lines, g.groupLine(at, src))
	for h := range g.headers {
		var b strings.Builder
		b.WriteString(src.corner(h+1, g.label))
		x := g.label
		for i, pos := range at {
			st := faint
			if g.left+i == g.col {
				st = bold
			}
			width := src.width(g.left + i)
			b.WriteString(spaces(pos-x) + g.paint(st, src.header(h, g.left+i, width)))
			x = pos + width
		}
		lines = append(lines, b.String())
	}
	for row := g.top; row < min(g.top+g.bodyRows(), g.rows); row++ {
		var b strings.Builder
		st := src.rowStyle(row, row == g.row)
		b.WriteString(g.paint(st, src.rowLabel(row, g.label)))
		x := g.label
		for i, pos := range at {
			col := g.left + i
			width := src.width(col)
			if row == g.row && col == g.col {
				open, end := "[", "]"
				b.WriteString(spaces(pos-1-x) + g.paint(bar, open+src.cellPlain(row, col, width)+end))
				x = pos + width + 1
				continue
			}
			b.WriteString(spaces(pos-x) + src.cellText(row, col, width))
			x = pos + width
		}
		lines = append(lines, b.String())
	}
	for len(lines) < g.height {
		lines = append(lines, "")
	}
	return lines
}

// groupLine names each group over its first visible column, with a rule over the rest, and says at its ends
// that there are more columns.
func (g *grid) groupLine(at []int, src gridSource) string {
	var b strings.Builder
	b.WriteString(src.corner(0, g.label))
	x := g.label
	for i := 0; i < len(at); {
		j := i
		for j+1 < len(at) && src.group(g.left+j+1) == src.group(g.left+i) {
			j++
		}
		width := at[j] + src.width(g.left+j) - at[i]
		name := g.cut(src.group(g.left+i), width)
		if i == 0 && g.left > 0 {
			name = g.cut(g.pick("‹ ", "< ")+src.group(g.left), width)
		}
		more := ""
		if j == len(at)-1 && g.left+len(at) < g.cols {
			more = g.pick(" ›", " >")
		}
		rule := width - textWidth(name) - 1 - textWidth(more)
		text := g.paint(bold, name)
		if rule > 0 {
			text += g.paint(faint, " "+strings.Repeat(g.pick("─", "-"), rule)+more)
		} else {
			text += spaces(width - textWidth(name))
		}
		b.WriteString(spaces(at[i]-x) + text)
		x = at[i] + width
		i = j + 1
	}
	return b.String()
}

// cellAt is the cell under column x of line y of the grid. Left of the cells it is the cursor's column, in the headers the
// cursor's row; ok is false where there is nothing.
func (g *grid) cellAt(x, y int, src gridSource) (row, col int, ok bool) {
	row, col = g.row, g.col
	if x < 0 || y < 0 || x >= g.width || y >= g.height || g.rows == 0 {
		return 0, 0, false
	}
	if y > g.headers {
		if row = g.top + y - g.headers - 1; row >= g.rows {
			return 0, 0, false
		}
	}
	if x < g.label {
		return row, col, y > g.headers
	}
	for i, pos := range g.layout(src) {
		// The blank before a column is its own, for the bracket.
		if x >= pos-1 && x < pos+src.width(g.left+i) {
			return row, g.left + i, true
		}
	}
	return 0, 0, false
}
