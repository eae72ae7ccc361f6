// Package report writes what the lab found: a matrix of prefixes and cases and, in words, what each patch does.
//
// It guarantees that the same result gives the same bytes, that text and Markdown say the same, and that
// nothing that came by mail or from a console reaches a terminal unsanitised. It judges and attributes nothing.
package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/plain"
)

// Options is how to write for a person. The zero value is 80 columns, no colour, UTF-8.
type Options struct {
	Width int // columns; 0 is 80
	Color bool
	ASCII bool
}

// FormatError is a format that Write does not know.
type FormatError struct {
	Format  string
	formats []string // those there are; nil for those of Write
}

func (e *FormatError) Error() string { return fmt.Sprintf("write report: unknown format %q", e.Format) }

// Hint lists the formats.
func (e *FormatError) Hint() string {
	known := e.formats
	if known == nil {
		known = formats
	}
	return "formats: " + strings.Join(known, ", ")
}

var formats = []string{"text", "markdown", "json"}

// printer is one format of a report.
type printer interface {
	print(b *bytes.Buffer, r *lab.Result) error
}

// Write writes r as "text", "markdown" or "json". Another format is a *FormatError.
func Write(w io.Writer, format string, r *lab.Result, o Options) error {
	var p printer
	switch format {
	case "text":
		p = textPrinter{newPen(o)}
	case "markdown":
		p = markdownPrinter{newPen(o)}
	case "json":
		p = jsonPrinter{}
	default:
		return &FormatError{Format: format}
	}
	var b bytes.Buffer
	if err := p.print(&b, r); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

type textPrinter struct{ pen }

func (t textPrinter) print(b *bytes.Buffer, r *lab.Result) error {
	m := NewMatrix(r)
	t.heading(b, r)
	if m.Rows() == 0 {
		fmt.Fprintln(b, "nothing has been run yet")
		return nil
	}
	for _, block := range t.blocks(m) {
		t.block(b, m, block)
		b.WriteByte('\n')
	}
	t.items(b, m.legend())
	t.notes(b, "What each patch does", m.Notes())
	t.checks(b, m)
	t.notes(b, "What each subset does beside the base", m.SubsetNotes())
	for _, line := range slices.Concat(m.expected(plain.Line), m.undecided()) {
		t.wrap(b, "", "  ", line)
	}
	counts := m.counts()
	if said := tally(counts); said != "" {
		t.wrap(b, "", "  ", fmt.Sprintf("%s: %s", count(m.Prefixes()*m.Cols(), "cell"), said))
	}
	t.wrap(b, "", "  ", totals(r.Totals, counts[notRun] > 0))
	return nil
}

func (t textPrinter) heading(b *bytes.Buffer, r *lab.Result) {
	title := plain.Line(r.Subject)
	if id := plain.Line(r.Series); title == "" {
		title = id
	} else if id != "" {
		title += " (" + id + ")"
	}
	if title != "" {
		t.wrap(b, "", "  ", title)
	}
	if line := strings.Join(setting(r), ", "); line != "" {
		t.wrap(b, "", "  ", line)
	}
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
}

// setting is where a result holds: base, config, accelerator.
func setting(r *lab.Result) []string {
	var s []string
	for _, kv := range [][2]string{{"base", short(r.Base)}, {"config", short(r.Config)}, {"accel", plain.Line(r.Accel)}} {
		if kv[1] != "" {
			s = append(s, kv[0]+" "+kv[1])
		}
	}
	return s
}

const (
	cellWidth = 5  // columns of a cell: a blank and four letters
	groupGap  = 2  // columns between file systems
	labelMin  = 26 // columns that a patch's index and subject get at least
)

// blocks cuts the columns into tables that fit the width: whole file systems side by side where they fit, a
// wider one in even pieces.
func (t textPrinter) blocks(m *Matrix) [][]int {
	room := max((t.width-labelMin)/cellWidth, 1)
	var blocks [][]int
	var block []int
	used := 0
	for from := 0; from < m.Cols(); {
		to := from
		for to < m.Cols() && m.Case(to).Group() == m.Case(from).Group() {
			to++
		}
		pieces := (to - from + room - 1) / room
		for i := range pieces {
			a, z := from+(to-from)*i/pieces, from+(to-from)*(i+1)/pieces
			need := (z-a)*cellWidth + groupGap
			if block != nil && labelMin+used+need > t.width {
				blocks, block, used = append(blocks, block), nil, 0
			}
			for col := a; col < z; col++ {
				block = append(block, col)
			}
			used += need
		}
		from = to
	}
	if block != nil || len(blocks) == 0 {
		blocks = append(blocks, block)
	}
	return blocks
}

// block draws one table. Its header is a staircase: each case's name stands at the left on a line of its own,
// and a rule leads from it to its column.
func (t textPrinter) block(b *bytes.Buffer, m *Matrix, cols []int) {
	index := m.Digits()
	label := 0
	for row := range m.Rows() {
		label = max(label, max(index, len(m.Name(row)))+2+plain.Width(t.text(m.Subject(row))))
	}
	for _, col := range cols {
		label = max(label, plain.Width(t.text(m.Case(col).Name))+3)
	}
	at := make([]int, len(cols)) // of each column's first letter, from the label's end
	end := 0
	for i, col := range cols {
		if i > 0 && m.Case(col).Group() != m.Case(cols[i-1]).Group() {
			end += groupGap
		}
		at[i] = end + 1
		end += cellWidth
	}
	label = max(min(label, t.width-end), 12)

	corner, run, bar := t.pick("┐", "."), t.pick("─", "-"), t.pick("│", "|")
	for i := len(cols) - 1; i >= 0; i-- {
		name := " " + plain.CutMiddle(t.text(m.Case(cols[i]).Name), label+at[i]-3, t.tail()) + " "
		rule := strings.Repeat(run, label+at[i]-plain.Width(name)) + corner
		pos := at[i]
		for j := i + 1; j < len(cols); j++ {
			rule += strings.Repeat(" ", at[j]-pos-1) + bar
			pos = at[j]
		}
		b.WriteString(name + t.paint(faint, rule) + "\n")
	}
	for row := range m.Rows() {
		p := m.Prefix(row)
		var line, marks strings.Builder
		head := fmt.Sprintf(" %*s %s", index, m.Name(row), t.text(m.Subject(row)))
		line.WriteString(t.paint(rowStyle(p.Status), plain.Pad(head, label, t.tail())))
		pos, marked, mpos := 0, false, -label
		for i, col := range cols {
			word := m.Word(row, col)
			line.WriteString(strings.Repeat(" ", at[i]-pos) + t.paint(wordStyle(word), word))
			pos = at[i] + len(word)
			if mark := m.Mark(row, col); mark != "" {
				marked = true
				marks.WriteString(strings.Repeat(" ", at[i]-mpos) + t.paint(markStyle(mark), mark))
				mpos = at[i] + len(mark)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
		if p.Coverage == lab.CoverageNone && m.Does(row) == notBuilt {
			word := strings.Repeat(" ", index+2) + notBuilt
			if rest := strings.TrimLeft(marks.String(), " "); rest == "" {
				marked = true
				marks.WriteString(t.paint(faint, word))
			}
		}
		if marked {
			b.WriteString(marks.String() + "\n")
		}
	}
}

func (t textPrinter) notes(b *bytes.Buffer, title string, notes []Note) {
	if len(notes) == 0 {
		return
	}
	fmt.Fprintln(b, t.paint(bold, title))
	for _, n := range notes {
		who := n.who()
		if n.Subject != "" {
			who += ` "` + n.Subject + `"`
		}
		if n.Plain != "" {
			t.wrap(b, "", "    ", who+": "+n.said())
			continue
		}
		t.wrap(b, "", "    ", who)
		for _, c := range n.Changes {
			style := markStyle(effectMark(c.Effect))
			t.wrapStyled(b, "  ", "    ", effectVerb(c.Effect, c.First, c.Patch), style,
				fmt.Sprintf("%s: %s%s", strings.Join(c.Cases, ", "), c.states(), c.tail()))
		}
	}
	b.WriteByte('\n')
}
