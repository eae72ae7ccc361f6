package report

import (
	"bytes"
	"strings"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/plain"
)

// style is an SGR parameter; "" draws as the terminal does. Only the 16 colours that the user's theme defines
// are used, so that light and dark both read.
type style string

const (
	bold    style = "1"
	faint   style = "2"
	red     style = "31"
	green   style = "32"
	yellow  style = "33"
	magenta style = "35"
)

// pen draws text for a person by their Options.
type pen struct {
	width int
	color bool
	ascii bool
}

func newPen(o Options) pen {
	if o.Width <= 0 {
		o.Width = 80
	}
	return pen{max(o.Width, 40), o.Color, o.ASCII}
}

// text makes s one safe line.
func (p pen) text(s string) string {
	s = plain.Line(s)
	if p.ascii {
		s = plain.ASCII(s)
	}
	return s
}

func (p pen) pick(utf8, ascii string) string {
	if p.ascii {
		return ascii
	}
	return utf8
}

func (p pen) tail() string { return p.pick("…", "~") }

func (p pen) paint(s style, text string) string {
	if !p.color || s == "" || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[m"
}

// wrap writes s, safe already, broken at the width: first before the first line, hang before the others.
func (p pen) wrap(b *bytes.Buffer, first, hang, s string) {
	p.wrapStyled(b, first, hang, "", "", s)
}

// wrapStyled is wrap with the words of head, in a style, before s.
func (p pen) wrapStyled(b *bytes.Buffer, first, hang, head string, st style, s string) {
	if head != "" {
		s = head + " " + s
	}
	if p.ascii {
		s = plain.ASCII(s)
	}
	for i, line := range plain.Wrap(s, p.width-len(hang)) {
		if i == 0 {
			if rest, ok := strings.CutPrefix(line, head); ok && head != "" {
				line = p.paint(st, head) + rest
			}
			b.WriteString(first + line + "\n")
			continue
		}
		b.WriteString(hang + line + "\n")
	}
}

// items writes a list, broken between its items only, and an empty line after it; nothing for no items.
func (p pen) items(b *bytes.Buffer, items []string) {
	if len(items) == 0 {
		return
	}
	sep := p.pick(" · ", ", ")
	used := 0
	for _, item := range items {
		n := plain.Width(item)
		switch {
		case used == 0:
		case used+plain.Width(sep)+n > p.width:
			b.WriteByte('\n')
			used = 0
		default:
			b.WriteString(sep)
			used += plain.Width(sep)
		}
		b.WriteString(item)
		used += n
	}
	b.WriteString("\n\n")
}

func wordStyle(word string) style {
	switch word {
	case "ok":
		return green
	case "FAIL", "HANG", "LIVE", "BUG", "bld", "boot", "conf":
		return red
	case "WARN", "TIME", "flky":
		return yellow
	case "infr":
		return magenta
	}
	return faint
}

func markStyle(mark string) style {
	switch mark {
	case "FIX":
		return "1;32"
	case "REG":
		return "1;31"
	}
	return "1;33"
}

func rowStyle(s lab.PrefixStatus) style {
	switch s {
	case lab.PrefixConflict, lab.PrefixBuildFailed, lab.PrefixBootFailed:
		return red
	case lab.PrefixBlocked, lab.PrefixPending:
		return faint
	}
	return ""
}
