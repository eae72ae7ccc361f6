package report

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/plain"
	"github.com/seriesctl/seriesctl/qemu"
)

// Bounds of what a person is shown of one check of one patch; JSON has all.
const (
	mostFound   = 5 // messages
	mostExcerpt = 4 // lines of each
)

// checkRow is what one check says of every prefix.
type checkRow struct {
	name  string
	words []string // by row of the matrix: "ok", "FAIL", the number of new messages, "-" for not done
}

// checkRows are the checks, in their order; none when no prefix has any.
func (m *Matrix) checkRows() []checkRow {
	var rows []checkRow
	for row := range m.Prefixes() {
		for i, c := range allChecks(m.Prefix(row)) {
			if i == len(rows) {
				rows = append(rows, checkRow{name: c.Name, words: make([]string, m.Prefixes())})
			}
			rows[i].words[row] = checkWord(c)
		}
	}
	return rows
}

// allChecks are the checks of a prefix, and those of the plan's other kernels under their names.
func allChecks(p *lab.Prefix) []lab.Check {
	out := append([]lab.Check{}, p.Checks...)
	for _, k := range p.Kernels {
		for _, c := range k.Checks {
			c.Name = k.Kernel + ":" + c.Name
			out = append(out, c)
		}
	}
	return out
}

func checkWord(c lab.Check) string {
	switch c.Status {
	case lab.CheckOK:
		return "ok"
	case lab.CheckFailed:
		return "FAIL"
	case lab.CheckFound:
		return fmt.Sprint(len(c.New))
	}
	return "-"
}

// finding is one message that a patch brought.
type finding struct {
	patch   int
	check   string
	text    string // "fs/gfs2/file.c:12: warning: …"
	excerpt []string
}

// findings are the messages that the patches brought, by patch, then by check; of more than a few the last says how many
// are left out.
func (m *Matrix) findings() []finding {
	var out []finding
	for row := range m.Prefixes() {
		out = append(out, findingsOf(m.Prefix(row))...)
	}
	return out
}

func findingsOf(p *lab.Prefix) []finding {
	var out []finding
	for _, c := range allChecks(p) {
		for i, d := range c.New {
			f := finding{patch: p.Patch, check: c.Name, text: diagnosticText(d)}
			if i == mostFound {
				f.text = fmt.Sprintf("and %d more", len(c.New)-i)
				out = append(out, f)
				break
			}
			for line := range strings.SplitSeq(strings.TrimRight(d.Excerpt, "\n"), "\n") {
				if line = plain.Line(strings.ReplaceAll(line, "\t", "    ")); line != "" && len(f.excerpt) < mostExcerpt {
					f.excerpt = append(f.excerpt, line)
				}
			}
			out = append(out, f)
		}
	}
	return out
}

func diagnosticText(d qemu.Diagnostic) string {
	s := d.Kind + ": " + d.Text
	switch {
	case d.File != "" && d.Line > 0:
		s = fmt.Sprintf("%s:%d: %s", d.File, d.Line, s)
	case d.File != "":
		s = d.File + ": " + s
	}
	return plain.Line(s)
}

// Found is what building and checking a row's prefix brought to light, in lines: what of the patch is not compiled, then what
// each check found.
func (m *Matrix) Found(row int) []string {
	var out []string
	p := m.Prefix(row)
	if left := leftOut(p); left != "" {
		out = append(out, "not compiled: "+left)
	}
	for _, f := range findingsOf(p) {
		out = append(out, f.check+": "+f.text)
		for _, l := range f.excerpt {
			out = append(out, "    "+l)
		}
	}
	return out
}

// checks writes a line a check, a column a prefix, and below it what is new.
func (t textPrinter) checks(b *bytes.Buffer, m *Matrix) {
	rows := m.checkRows()
	if len(rows) == 0 {
		return
	}
	fmt.Fprintln(b, t.paint(bold, "Checks of each prefix"))
	label := 0
	for _, r := range rows {
		label = max(label, plain.Width(r.name))
	}
	head := make([]string, m.Prefixes())
	for row := range head {
		head[row] = fmt.Sprint(m.Prefix(row).Index)
	}
	line := func(name string, words []string) {
		s := "  " + plain.Pad(name, label, "")
		for i, w := range words {
			if plain.Width(s)+cellWidth > t.width {
				s += fmt.Sprintf(" +%d", len(words)-i)
				break
			}
			s += plain.Pad(" "+w, cellWidth, "")
		}
		b.WriteString(plain.Cut(strings.TrimRight(s, " "), t.width, t.tail()) + "\n")
	}
	line("", head)
	for _, r := range rows {
		line(t.text(r.name), r.words)
	}
	for _, f := range m.findings() {
		t.wrap(b, "  ", "    ", fmt.Sprintf("patch %d, %s: %s", f.patch, f.check, f.text))
		for _, l := range f.excerpt {
			b.WriteString("      " + plain.Cut(t.text(l), t.width-6, t.tail()) + "\n")
		}
	}
	b.WriteByte('\n')
}

func (p markdownPrinter) checks(b *bytes.Buffer, m *Matrix) {
	rows := m.checkRows()
	if len(rows) == 0 {
		return
	}
	b.WriteString("### Checks of each prefix\n\n| check |")
	rule := "| --- |"
	for row := range m.Prefixes() {
		fmt.Fprintf(b, " %d |", m.Prefix(row).Index)
		rule += " --- |"
	}
	b.WriteString("\n" + rule + "\n")
	for _, r := range rows {
		fmt.Fprintf(b, "| %s | %s |\n", code(r.name), strings.Join(r.words, " | "))
	}
	b.WriteByte('\n')
	list := m.findings()
	for _, f := range list {
		fmt.Fprintf(b, "- patch %d, %s: %s\n", f.patch, code(f.check), code(f.text))
		for _, l := range f.excerpt {
			fmt.Fprintf(b, "  %s\n", code(l))
		}
	}
	if len(list) > 0 {
		b.WriteByte('\n')
	}
}

// mostWarnings is how many warnings of the plan's C files are shown.
const mostWarnings = 20

// Warnings writes what the compiler says of a plan's C files, a line each: "my-test.c:12: warning: unused variable 'x'".
func Warnings(list []qemu.Diagnostic) []string {
	var lines []string
	for i, d := range list {
		if i == mostWarnings {
			lines = append(lines, fmt.Sprintf("and %s more", count(len(list)-i, "warning")))
			break
		}
		lines = append(lines, plain.Line(fmt.Sprintf("%s:%d: warning: %s", d.File, d.Line, d.Text)))
	}
	return lines
}
