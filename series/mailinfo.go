package series

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// mailInfo is what git-mailinfo(1) draws from a mail with its default options, which are those of `git am`.
type mailInfo struct {
	subject string // without "Re:" and every leading [bracket]
	author  string // name; the address where there is no usable name
	email   string
	date    string // as written
	charset string // why its text is not in the charset it names, "" when it is
	inBody  bool   // the author is from a From: line in the body
	log     []byte // the lines between header and patch
	patch   []byte // from the line that starts the patch to the end of the mail
}

// headerNames are the header fields a body may begin with.
var headerNames = [...]string{"From", "Subject", "Date"}

// readMailInfo does what git-mailinfo does. Differences: HTML parts are not taken for text, and a charset
// the mail names wrongly does not make the mail unreadable.
func readMailInfo(m *message) *mailInfo {
	var inBody [len(headerNames)]string
	mi := &mailInfo{}
	inHeader, pending := true, ""
	flush := func() {
		if pending == "" {
			return
		}
		name, value, _ := strings.Cut(pending, ":")
		for i, h := range headerNames {
			if strings.EqualFold(h, name) && inBody[i] == "" {
				inBody[i] = decodeWords(strings.TrimSpace(value))
			}
		}
		pending = ""
	}
	// header takes a line of the body's own header; false for the first line after it.
	header := func(line string) bool {
		if pending != "" && (line[0] == ' ' || line[0] == '\t') {
			pending += " " + strings.TrimSpace(line)
			return true
		}
		flush()
		if isFormatPatchLine([]byte(strings.TrimPrefix(line, ">"))) && line[0] == '>' {
			return true
		}
		if strings.HasPrefix(line, "[PATCH]") && len(line) > 7 && unicode.IsSpace(rune(line[7])) {
			inBody[1] = strings.TrimSpace(line)
			return true
		}
		for i, h := range headerNames {
			if inBody[i] == "" && len(line) > len(h) && line[len(h)] == ':' && strings.EqualFold(line[:len(h)], h) {
				pending = strings.TrimRight(line, " \t\r\n")
				return true
			}
		}
		return false
	}

	inPatch := false
	for _, p := range m.parts {
		text := p.text
		if inPatch {
			mi.patch = append(mi.patch, text...)
			continue
		}
		for len(text) > 0 {
			n := lineLen(text)
			line := text[:n]
			if inHeader && (n == 0 || n == 1 && line[0] == '\n') {
				if pending != "" {
					flush()
					inHeader = false
				}
				text = text[n:]
				continue
			}
			if inHeader {
				if header(string(line)) {
					text = text[n:]
					continue
				}
				inHeader = false
			}
			if startsPatch(line) {
				inPatch = true
				// The last part is by far the usual case: no copy then.
				mi.patch = text
				if len(m.parts) > 1 {
					mi.patch = bytes.Clone(text)
				}
				break
			}
			if mi.charset == "" {
				mi.charset = wrongCharset(line, p.charset)
			}
			mi.log = append(mi.log, convertLine(line, p.charset)...)
			text = text[n:]
		}
	}
	flush()

	values := [len(headerNames)]string{m.header.get("From"), m.header.get("Subject"), m.header.get("Date")}
	for i := range values {
		values[i] = decodeWords(values[i])
		if inPatch && inBody[i] != "" {
			values[i] = inBody[i]
			mi.inBody = mi.inBody || i == 0
		}
	}
	mi.author, mi.email = splitAuthor(collapse(values[0]))
	mi.subject = cleanSubject(values[1])
	mi.date = collapse(values[2])
	return mi
}

// convertLine gives a line of the message in UTF-8; without a declared charset, as it is.
func convertLine(line []byte, charset string) []byte {
	if charset == "" || isASCII(line) {
		return line
	}
	return []byte(toUTF8(line, charset))
}

// wrongCharset says why text is not in the charset the mail names, "" when it is.
func wrongCharset(text []byte, charset string) string {
	if isASCII(text) {
		return ""
	}
	switch name := strings.ToLower(charset); name {
	case "", "utf-8", "utf8", "us-ascii", "ascii", "unknown-8bit", "x-unknown":
		if !utf8.Valid(text) {
			if name == "" {
				name = "utf-8"
			}
			return fmt.Sprintf("its text is not %s; taken for iso-8859-1", name)
		}
		return ""
	}
	e, known := knownCharset(charset)
	if !known {
		return fmt.Sprintf("its charset %q is not known; taken for iso-8859-1", charset)
	}
	if out, err := e.NewDecoder().Bytes(text); err != nil || bytes.Contains(out, []byte("\uFFFD")) {
		return fmt.Sprintf("its text is not %s; what cannot be read is replaced", strings.ToLower(charset))
	}
	return ""
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 || c == 0x1b {
			return false
		}
	}
	return true
}

// startsPatch says whether a line ends the commit message: "diff -", "Index: ", "--- name", or "---" alone.
func startsPatch(line []byte) bool {
	switch {
	case bytes.HasPrefix(line, []byte("diff -")), bytes.HasPrefix(line, []byte("Index: ")):
		return true
	case len(line) < 4 || !bytes.HasPrefix(line, []byte("---")):
		return false
	case line[3] == ' ' && len(line) > 4 && !isSpace(line[4]):
		return true
	}
	return len(bytes.TrimSpace(line[3:])) == 0
}

// isSpace is what git takes for white space.
func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// cleanSubject removes every leading "Re:", colon and [bracket], and collapses white space.
func cleanSubject(s string) string {
	for s != "" {
		switch {
		case s[0] == ' ' || s[0] == '\t' || s[0] == ':':
			s = s[1:]
			continue
		case len(s) > 3 && strings.EqualFold(s[:3], "re:"):
			s = s[3:]
			continue
		case s[0] == '[':
			if i := strings.IndexByte(s, ']'); i > 0 {
				s = s[i+1:]
				continue
			}
		}
		break
	}
	return collapse(s)
}

// splitAuthor splits a From value into name and address by git-mailinfo's rules: "Name <a@b>",
// "a@b (Name)", quoted strings and comments; the address stands for a name that is none.
func splitAuthor(from string) (name, email string) {
	s := unquotePairs(from)
	at := strings.IndexByte(s, '@')
	if at < 0 {
		before, rest, ok := strings.Cut(from, "<")
		address, _, closed := strings.Cut(rest, ">")
		if !ok || !closed {
			return collapse(from), ""
		}
		return saneName(strings.TrimSpace(before), address), address
	}
	start := at
	for start > 0 && !isSpace(s[start-1]) && s[start-1] != '<' {
		start--
	}
	end := start + strings.IndexFunc(s[start:]+">", func(r rune) bool { return r == '>' || unicode.IsSpace(r) })
	email = s[start:end]
	before, after := s[:start], s[min(end+1, len(s)):]
	before = strings.TrimSuffix(before, "<")
	name = collapse(before + " " + after)
	if strings.HasPrefix(name, "(") && strings.HasSuffix(name, ")") {
		name = name[1 : len(name)-1]
	}
	return saneName(name, email), email
}

func saneName(name, email string) string {
	if name == "" || len(name) > 60 || strings.ContainsAny(name, "@<>") {
		return email
	}
	return name
}

// unquotePairs removes the quotes of quoted strings and the backslashes in them and in comments.
func unquotePairs(s string) string {
	var b strings.Builder
	quoted, depth := false, 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && (quoted || depth > 0) && i+1 < len(s):
			i++
			b.WriteByte(s[i])
			continue
		case c == '"' && depth == 0:
			quoted = !quoted
			continue
		case c == '(' && !quoted:
			depth++
		case c == ')' && depth > 0:
			depth--
		}
		b.WriteByte(c)
	}
	return b.String()
}

// stripSpace cleans a commit message as `git stripspace` does: no trailing blanks, no blank lines at either
// end, no two in a row, a newline at the end.
func stripSpace(text string) string {
	var b strings.Builder
	blank := false
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimRight(line, " \t\r")
		if line == "" {
			blank = b.Len() > 0
			continue
		}
		if blank {
			b.WriteByte('\n')
			blank = false
		}
		b.WriteString(line)
		b.WriteByte('\n')
	}
	return b.String()
}
