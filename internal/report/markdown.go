package report

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/plain"
)

// markdownPrinter writes GitHub's Markdown that reads as plain mail too: tables padded to straight columns, one
// per file system, with lettered cases that a list below names.
type markdownPrinter struct{ pen }

// subjectWidth is what a subject may take in a table, so that ten cases fit a mail's 78 columns or so.
const subjectWidth = 32

func (p markdownPrinter) print(b *bytes.Buffer, r *lab.Result) error {
	var out bytes.Buffer
	p.report(&out, r)
	text := out.String()
	if p.ascii {
		text = plain.ASCII(text)
	}
	b.WriteString(text)
	return nil
}

func (p markdownPrinter) report(b *bytes.Buffer, r *lab.Result) {
	m := NewMatrix(r)
	title := plain.Line(r.Subject)
	if title == "" {
		title = plain.Line(r.Series)
	}
	fmt.Fprintf(b, "## %s\n\n", code(title))
	var where []string
	if r.Series != "" {
		where = append(where, "series "+code(r.Series))
	}
	for _, s := range setting(r) {
		name, value, _ := strings.Cut(s, " ")
		where = append(where, name+" "+code(value))
	}
	if len(where) > 0 {
		fmt.Fprintf(b, "%s\n\n", strings.Join(where, ", "))
	}
	if m.Rows() == 0 {
		b.WriteString("Nothing has been run yet.\n")
		return
	}
	for from := 0; from < m.Cols(); {
		to := from
		for to < m.Cols() && m.Case(to).Group() == m.Case(from).Group() {
			to++
		}
		p.table(b, m, from, to)
		from = to
	}
	if items := m.legend(); len(items) > 0 {
		fmt.Fprintf(b, "%s\n\n", strings.Join(items, "; "))
	}
	p.notes(b, "What each patch does", m.Notes())
	p.checks(b, m)
	p.notes(b, "What each subset does beside the base", m.SubsetNotes())
	expected := m.expected(code)
	for _, line := range expected {
		fmt.Fprintf(b, "- %s\n", line)
	}
	for _, u := range r.Undecided {
		fmt.Fprintf(b, "- %s is undecided (%d%% sure): %s would tell\n", code(u.Case), percent(u.Sure), needs(u))
	}
	if len(expected)+len(r.Undecided) > 0 {
		b.WriteByte('\n')
	}
	counts := m.counts()
	if said := tally(counts); said != "" {
		fmt.Fprintf(b, "%s: %s; ", count(m.Prefixes()*m.Cols(), "cell"), said)
	}
	fmt.Fprintf(b, "%s.\n", totals(r.Totals, counts[notRun] > 0))
}

func (p markdownPrinter) table(b *bytes.Buffer, m *Matrix, from, to int) {
	rows := make([][]string, 0, m.Rows()+1)
	head := []string{"#", "patch"}
	for col := from; col < to; col++ {
		head = append(head, letters(col-from))
	}
	rows = append(rows, head)
	for row := range m.Rows() {
		subject := plain.Line(m.Subject(row))
		if subject == plain.Line(m.Prefix(row).Subject) {
			subject = code(plain.Cut(subject, subjectWidth, p.tail()))
		}
		line := []string{m.Name(row), strings.ReplaceAll(subject, "|", `\|`)}
		for col := from; col < to; col++ {
			cell := m.Word(row, col)
			if mark := m.Mark(row, col); mark != "" {
				cell += " " + mark
			}
			line = append(line, cell)
		}
		rows = append(rows, line)
	}
	width := make([]int, len(head))
	for _, r := range rows {
		for i, s := range r {
			width[i] = max(width[i], plain.Width(s), 2)
		}
	}
	for i, r := range rows {
		for j, s := range r {
			b.WriteString("| " + plain.Pad(s, width[j], "") + " ")
		}
		b.WriteString("|\n")
		if i == 0 {
			for j := range r {
				rule := strings.Repeat("-", width[j]+1)
				if j == 0 {
					b.WriteString("|" + rule + ":")
				} else {
					b.WriteString("|" + rule + "-")
				}
			}
			b.WriteString("|\n")
		}
	}
	b.WriteByte('\n')
	for col := from; col < to; col++ {
		fmt.Fprintf(b, "- %s: %s\n", letters(col-from), code(m.Case(col).Name))
	}
	b.WriteByte('\n')
}

func (p markdownPrinter) notes(b *bytes.Buffer, title string, notes []Note) {
	if len(notes) == 0 {
		return
	}
	fmt.Fprintf(b, "### %s\n\n", title)
	for _, n := range notes {
		fmt.Fprintf(b, "- **%s**", n.who())
		if n.Subject != "" {
			b.WriteString(" " + code(n.Subject))
		}
		if n.Plain != "" {
			b.WriteString(": " + n.Plain)
		}
		if n.Detail != "" {
			b.WriteString(": " + code(n.Detail))
		}
		b.WriteByte('\n')
		for _, c := range n.Changes {
			names := make([]string, len(c.Cases))
			for i, name := range c.Cases {
				names[i] = code(name)
			}
			c.Before, c.After = code(c.Before), code(c.After)
			fmt.Fprintf(b, "  - %s %s: %s%s\n", effectVerb(c.Effect, c.First, c.Patch), strings.Join(names, ", "), c.states(), c.tail())
		}
	}
	b.WriteByte('\n')
}

// code makes s a code span: there Markdown, HTML, links and @mentions mean nothing.
func code(s string) string {
	s = strings.ReplaceAll(strings.TrimSpace(plain.Line(s)), "`", "'")
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

// letters numbers columns a, b, … z, aa, ab, …
func letters(n int) string {
	s := ""
	for n++; n > 0; n = (n - 1) / 26 {
		s = string(rune('a'+(n-1)%26)) + s
	}
	return s
}
