package series

import "strings"

// token is a word or sign of C code.
type token struct {
	text string // identifiers and signs; "" for numbers, strings and characters
	line int    // index of its line in the stream
	col  int    // 0 at the start of the line
}

func (t token) isName() bool { return t.text != "" && nameByte(t.text[0]) }

func nameByte(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// maxName is the longest name that is looked at.
const maxName = 100

// tokenize reads lines of C that follow each other, from anywhere in a file. Comments, strings and characters
// are left out, also a comment that began before the first line. "->" is one sign; other signs are of one byte.
func tokenize(lines []string) []token {
	var out []token
	comment := startsInComment(lines)
	for n, s := range lines {
		if !comment && commentLine(s) {
			// A line of a comment whose start is out of sight, too.
			comment = !strings.Contains(s, "*/")
			if comment && !commentGoesOn(lines, n) {
				comment = false
			}
			continue
		}
		for i := 0; i < len(s); {
			if comment {
				end := strings.Index(s[i:], "*/")
				if end < 0 {
					break
				}
				i += end + 2
				comment = false
				continue
			}
			c := s[i]
			switch {
			case c == '/' && strings.HasPrefix(s[i:], "/*"):
				comment = true
				i += 2
			case c == '/' && strings.HasPrefix(s[i:], "//"):
				i = len(s)
			case c == '"' || c == '\'':
				j := i + 1
				for j < len(s) && s[j] != c {
					if s[j] == '\\' {
						j++
					}
					j++
				}
				out = append(out, token{"", n, i})
				i = j + 1
			case c >= '0' && c <= '9':
				for i < len(s) && (nameByte(s[i]) || s[i] == '.') {
					i++
				}
				out = append(out, token{"", n, i})
			case nameByte(c):
				j := i
				for j < len(s) && nameByte(s[j]) {
					j++
				}
				if j-i <= maxName {
					out = append(out, token{s[i:j], n, i})
				} else {
					out = append(out, token{"", n, i})
				}
				i = j
			case c == ' ' || c == '\t' || c == '\r':
				i++
			case strings.HasPrefix(s[i:], "->"):
				out = append(out, token{"->", n, i})
				i += 2
			default:
				out = append(out, token{s[i : i+1], n, i})
				i++
			}
		}
	}
	return out
}

// startsInComment says whether the first sign of a comment in the lines is its end.
func startsInComment(lines []string) bool {
	for _, s := range lines {
		open, end := strings.Index(s, "/*"), strings.Index(s, "*/")
		if end >= 0 && (open < 0 || end < open) {
			return true
		}
		if open >= 0 {
			return false
		}
	}
	return false
}

// commentLine says whether s looks like a line inside a comment of the kernel's style.
func commentLine(s string) bool {
	s = strings.TrimSpace(s)
	return s == "*" || strings.HasPrefix(s, "* ") || strings.HasPrefix(s, "*\t") || strings.HasPrefix(s, "*/")
}

// commentGoesOn says whether the lines after n end a comment before they start one.
func commentGoesOn(lines []string, n int) bool {
	return n+1 < len(lines) && commentLine(lines[n+1]) && startsInComment(lines[n+1:min(len(lines), n+200)])
}
