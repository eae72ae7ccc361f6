// Package manpage writes manual pages in the language of man(7). What it is given is shown as it is: no text of
// a page is ever taken for a request or an escape. In text, `what a user types` is bold, and so is a page's name
// before its section, as in git-am(1).
package manpage

import (
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Page is a page that is being written. Its first section should be NAME.
type Page struct {
	b   strings.Builder
	gap bool // text went before: the next paragraph is to be parted from it
}

// New begins a page. date is as in 2006-01-02, "" for none; source is the program with its version.
func New(name, section, date, source, manual string) *Page {
	p := &Page{}
	// Left-aligned without hyphens, or names of commands and options would be torn.
	fmt.Fprintf(&p.b, ".TH %s %s %s %s %s\n.nh\n.ad l\n", quote(strings.ToUpper(name)), quote(section), `"`+date+`"`, quote(source), quote(manual))
	return p
}

// Section begins a section.
func (p *Page) Section(title string) {
	fmt.Fprintf(&p.b, ".SH %s\n", quote(title))
	p.gap = false
}

// Sub begins a part of a section.
func (p *Page) Sub(title string) {
	fmt.Fprintf(&p.b, ".SS %s\n", quote(title))
	p.gap = false
}

// Text adds paragraphs, which blank lines part. Lines that are indented are shown as they are.
func (p *Page) Text(text string) {
	for part := range strings.SplitSeq(text, "\n\n") {
		if part = strings.Trim(part, "\n"); part == "" {
			continue
		}
		if strings.HasPrefix(part, " ") {
			p.code(part)
			continue
		}
		if p.gap {
			p.b.WriteString(".PP\n")
		}
		p.filled(part)
		p.gap = true
	}
}

// code adds lines as they are.
func (p *Page) code(text string) {
	if p.gap {
		p.b.WriteString(".PP\n")
	}
	p.b.WriteString(".RS 4\n.nf\n")
	for line := range strings.SplitSeq(text, "\n") {
		p.b.WriteString(guard(escape(strings.TrimPrefix(line, "  "))) + "\n")
	}
	p.b.WriteString(".fi\n.RE\n")
	p.gap = true
}

// Synopsis adds one way to call a command: what is in capitals is to be replaced, the rest typed as it is.
func (p *Page) Synopsis(usage string) {
	if p.gap {
		p.b.WriteString(".PP\n")
	}
	p.b.WriteString(guard(replace(words, usage, escape, func(m string) string {
		if m[0] >= 'A' && m[0] <= 'Z' {
			return italic(m)
		}
		return bold(m)
	})) + "\n")
	p.gap = true
}

// Item adds a term and what it means. The term is bold but for its words in angle brackets, which are to be replaced.
func (p *Page) Item(what, text string) {
	p.b.WriteString(".TP\n" + guard(term(what)) + "\n")
	p.filled(text)
	p.gap = true
}

// Rows adds items without space between them, as a table.
func (p *Page) Rows(rows [][2]string) {
	for i, r := range rows {
		if i == 1 {
			p.b.WriteString(".PD 0\n")
		}
		p.b.WriteString(".TP 14\n" + guard(term(r[0])) + "\n")
		p.filled(r[1])
	}
	p.b.WriteString(".PD\n")
	p.gap = true
}

// Lines adds lines of text without space between them.
func (p *Page) Lines(lines []string) {
	if p.gap {
		p.b.WriteString(".PP\n")
	}
	for i, l := range lines {
		if i > 0 {
			p.b.WriteString(".br\n")
		}
		p.filled(l)
	}
	p.gap = true
}

// filled adds a paragraph, in lines that are not too long to be read in an editor.
func (p *Page) filled(text string) {
	line := ""
	for word := range strings.FieldsSeq(marked(text)) {
		if line != "" && len(line)+len(word) > 78 {
			p.b.WriteString(guard(line) + "\n")
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	p.b.WriteString(guard(line) + "\n")
}

// WriteTo writes the page.
func (p *Page) WriteTo(w io.Writer) (int64, error) {
	n, err := io.WriteString(w, p.b.String())
	return int64(n), err
}

var (
	marks  = regexp.MustCompile("`[^`]+`|[a-z][a-z0-9_-]*\\([1-9]\\)")
	page   = regexp.MustCompile(`^[a-z-]+\([1-9]\)$`)
	places = regexp.MustCompile(`<[^<>]+>`)
	words  = regexp.MustCompile(`[A-Z]+|[a-z0-9-]+( [a-z0-9-]+)*`)
)

// marked is text with its marks in bold.
func marked(text string) string {
	return replace(marks, text, escape, func(m string) string {
		if m[0] == '`' {
			return bold(m[1 : len(m)-1])
		}
		name, section, _ := strings.Cut(m, "(")
		return bold(name) + "(" + section
	})
}

// term is the words that an item explains.
func term(text string) string {
	if page.MatchString(text) {
		return marked(text)
	}
	return replace(places, text, bold, func(m string) string { return italic(m[1 : len(m)-1]) })
}

func bold(text string) string   { return font("B", text) }
func italic(text string) string { return font("I", text) }

func font(name, text string) string {
	if text == "" {
		return ""
	}
	return `\f` + name + escape(text) + `\fR`
}

// replace makes text of what matches re and of what is between.
func replace(re *regexp.Regexp, text string, between, matched func(string) string) string {
	var b strings.Builder
	end := 0
	for _, at := range re.FindAllStringIndex(text, -1) {
		b.WriteString(between(text[end:at[0]]) + matched(text[at[0]:at[1]]))
		end = at[1]
	}
	return b.String() + between(text[end:])
}

// Characters that roff gives a meaning, or typesets as others than they are.
var escapes = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`, "\t", "    ")

func escape(text string) string { return escapes.Replace(text) }

// guard keeps a line from being taken for a request.
func guard(line string) string {
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") || strings.HasPrefix(line, " ") {
		return `\&` + line
	}
	return line
}

// quote makes text one argument of a request.
func quote(text string) string {
	return `"` + strings.ReplaceAll(escape(strings.ReplaceAll(text, "\n", " ")), `"`, `\(dq`) + `"`
}
