// Package plain makes text that came by mail or from a console safe to print.
//
// It guarantees that what it returns holds no escape sequence, no control character, no bidirectional or
// invisible character, and no invalid UTF-8, so that a width measured is the width a terminal draws. It is for
// what people read; JSON carries text as it came.
package plain

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// tabWidth is the distance of tab stops, in columns.
const tabWidth = 8

// maxMarks is how many combining marks one character may carry; the rest are dropped.
const maxMarks = 2

// Line returns s as one printable line: escape sequences of the terminal are taken out, tabs become spaces up
// to the next stop, line breaks one space, and everything else a terminal might act on U+FFFD.
func Line(s string) string {
	if printable(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	col, marks := 0, 0
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == 0x1b:
			n := escape(s[i:])
			if n == 0 {
				b.WriteString("^[")
				col += 2
				n = 1
			}
			i += n
		case c == '\t':
			n := tabWidth - col%tabWidth
			b.WriteString("        "[:n])
			col += n
			i++
		case c == '\r' && (i+1 == len(s) || s[i+1] == '\n' || s[i+1] == '\r'):
			i++
		case c == '\n' || c == '\r':
			b.WriteByte(' ')
			col++
			i++
		case c < 0x20 || c == 0x7f:
			b.WriteByte('^')
			b.WriteByte(c ^ 0x40)
			col += 2
			i++
		case c < 0x80:
			b.WriteByte(c)
			col++
			marks = 0
			i++
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			i += n
			switch {
			case r == utf8.RuneError || !known(r):
				b.WriteRune(utf8.RuneError)
				col++
			case invisible(r):
			case unicode.Is(unicode.M, r):
				if marks++; marks <= maxMarks && col > 0 {
					b.WriteRune(r)
				}
			default:
				b.WriteRune(r)
				col += ansi.StringWidth(string(r))
				marks = 0
			}
		}
	}
	return b.String()
}

// Text is Line for each line of s; the line breaks stay.
func Text(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = Line(l)
	}
	return strings.Join(lines, "\n")
}

// ASCII returns s, which Line has made, with every character outside ASCII replaced by a likeness or "?".
func ASCII(s string) string {
	ascii := true
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			ascii = false
			break
		}
	}
	if ascii {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch r {
		case '→':
			b.WriteString("->")
		case '…':
			b.WriteString("...")
		case '×':
			b.WriteByte('x')
		case '·', '•':
			b.WriteByte('.')
		case '‘', '’':
			b.WriteByte('\'')
		case '“', '”':
			b.WriteByte('"')
		case '‐', '‑', '–', '—':
			b.WriteByte('-')
		case '\u00a0':
			b.WriteByte(' ')
		default:
			if r < 0x80 {
				b.WriteRune(r)
			} else if !unicode.Is(unicode.M, r) {
				b.WriteByte('?')
			}
		}
	}
	return b.String()
}

// Width is the number of terminal columns that s, which Line has made, takes.
func Width(s string) int { return ansi.StringWidth(s) }

// Cut returns s in at most width columns; what is cut off leaves tail ("…", or "~" in ASCII) behind.
func Cut(s string, width int, tail string) string {
	if width <= 0 {
		return ""
	}
	if len(s) <= width || Width(s) <= width {
		return s
	}
	return ansi.Truncate(s, width, tail)
}

// CutMiddle is like Cut but takes out the middle: names of one family differ at their ends.
func CutMiddle(s string, width int, tail string) string {
	if len(s) <= width || Width(s) <= width {
		return s
	}
	end := (width - Width(tail)) / 2
	if end <= 0 {
		return Cut(s, width, tail)
	}
	return Cut(s, width-end, tail) + ansi.TruncateLeft(s, Width(s)-end, "")
}

// Pad returns s cut or filled with spaces to exactly width columns.
func Pad(s string, width int, tail string) string {
	s = Cut(s, width, tail)
	if n := width - Width(s); n > 0 {
		s += strings.Repeat(" ", n)
	}
	return s
}

// Wrap breaks s between words into lines of at most width columns. A word longer than that is broken.
func Wrap(s string, width int) []string {
	if width < 1 {
		width = 1
	}
	var lines []string
	line, used := "", 0
	for _, word := range strings.Fields(s) {
		n := Width(word)
		if used > 0 && used+1+n <= width {
			line, used = line+" "+word, used+1+n
			continue
		}
		if used > 0 {
			lines = append(lines, line)
		}
		for n > width {
			head := ansi.Truncate(word, width, "")
			if head == "" {
				break
			}
			lines = append(lines, head)
			word = word[len(head):]
			n = Width(word)
		}
		line, used = word, n
	}
	if used > 0 || len(lines) == 0 {
		lines = append(lines, line)
	}
	return lines
}

// printable says whether s is ASCII without control characters, as most text is.
func printable(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// known says whether r is a character that terminals agree on: assigned, not private, not a C1 control.
func known(r rune) bool {
	return !unicode.Is(unicode.Cc, r) && !unicode.Is(unicode.Co, r) &&
		unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Zs, unicode.Cf, unicode.Zl, unicode.Zp)
}

// invisible says whether r draws nothing: format characters (bidi, joiners, tags), variation selectors, line
// and paragraph separators, and the fillers that look like nothing.
func invisible(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Variation_Selector) ||
		r == '\u115f' || r == '\u1160' || r == '\u3164' || r == '\uffa0'
}

// escape returns the length of the escape sequence s starts with (ECMA-48), 0 when it is not whole. A string
// (OSC, DCS, …) that does not end is not one: it must not swallow the text after it.
func escape(s string) int {
	if len(s) < 2 {
		return 0
	}
	switch c := s[1]; {
	case c == '[':
		for i := 2; i < len(s); i++ {
			if s[i] >= 0x40 && s[i] <= 0x7e {
				return i + 1
			}
			if s[i] < 0x20 || s[i] > 0x3f {
				return 0
			}
		}
		return 0
	case c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_':
		for i := 2; i < len(s); i++ {
			switch {
			case s[i] == 0x07:
				return i + 1
			case s[i] == 0x1b && i+1 < len(s) && s[i+1] == '\\':
				return i + 2
			case s[i] == '\n' || s[i] == 0x1b:
				return 0
			}
		}
		return 0
	case c >= 0x20 && c <= 0x2f:
		for i := 2; i < len(s); i++ {
			if s[i] >= 0x30 && s[i] <= 0x7e {
				return i + 1
			}
			if s[i] < 0x20 || s[i] > 0x2f {
				return 0
			}
		}
		return 0
	case c >= 0x30 && c <= 0x7e:
		return 2
	}
	return 0
}
