package series

import (
	"bytes"
	"mime"
	"strings"
	"time"
	"unicode/utf8"
)

// message is one mail, decoded as far as every reader of it needs.
type message struct {
	header  header
	id      string // without < >; "" when it has none
	subject string // decoded, white space collapsed
	from    string // decoded, without what a list made of it
	date    time.Time
	parents []string // ids it may answer, most likely first
	parts   []part
	// attached are the mails among its attachments: patches as `git format-patch` writes them.
	attached [][]byte
	bad      string // why it is unreadable, "" when it is not
}

// part is one text of a mail: its body, or a text attachment.
type part struct {
	text    []byte // transfer encoding and format=flowed undone
	charset string
}

// Bounds on MIME structure: a mail from a person stays far below them.
const (
	maxNesting = 10
	maxParts   = 200
)

// parseMessage reads one mail; it never fails, an unreadable one says why in bad.
func parseMessage(raw []byte) *message {
	h, body := splitHeader(raw)
	m := &message{header: h}
	m.subject = collapse(decodeWords(h.get("Subject")))
	m.from = realFrom(m)
	m.date = parseDate(h.get("Date"))
	if ids := messageIDs(h.get("Message-ID")); len(ids) > 0 {
		m.id = ids[0]
	}
	m.parents = parentIDs(h)
	switch {
	case len(h) == 0:
		m.bad = "no mail header"
		return m
	case h.get("From") == "" && h.get("Subject") == "":
		m.bad = "neither From nor Subject"
		return m
	}
	m.read(h, body, 0)
	return m
}

// parentIDs lists the messages a mail may answer: In-Reply-To, then References from the last.
func parentIDs(h header) []string {
	ids := messageIDs(h.get("In-Reply-To"))
	if len(ids) > 1 {
		ids = ids[:1]
	}
	refs := messageIDs(h.get("References"))
	for i := len(refs) - 1; i >= 0; i-- {
		if len(ids) == 0 || refs[i] != ids[0] {
			ids = append(ids, refs[i])
		}
	}
	return ids
}

// read adds the texts of a MIME entity.
func (m *message) read(h header, body []byte, depth int) {
	kind, params, err := mime.ParseMediaType(h.get("Content-Type"))
	if kind == "" || err != nil && err != mime.ErrInvalidMediaParameter {
		kind = "text/plain"
	}
	if strings.HasPrefix(kind, "multipart/") && params["boundary"] != "" {
		if depth >= maxNesting {
			m.bad = "mime parts nested too deeply"
			return
		}
		for _, sub := range splitParts(body, params["boundary"]) {
			if len(m.parts)+len(m.attached) >= maxParts {
				m.bad = "too many mime parts"
				return
			}
			sh, sbody := splitHeader(sub)
			if len(sh) == 0 && len(sub) > 0 && sub[0] != '\n' {
				sbody = sub
			}
			m.read(sh, sbody, depth+1)
		}
		return
	}
	name := fileName(h, params)
	text := decodeTransfer(body, h.get("Content-Transfer-Encoding"))
	if depth > 0 && !isText(kind, name, text) {
		return
	}
	if kind == "message/rfc822" || depth > 0 && isMail(text) {
		m.attached = append(m.attached, text)
		return
	}
	if strings.EqualFold(params["format"], "flowed") && kind == "text/plain" {
		text = unflow(text, strings.EqualFold(params["delsp"], "yes"))
	}
	m.parts = append(m.parts, part{text, params["charset"]})
}

// isText says whether a MIME part may hold words for a person or a patch. HTML never does: it is a copy.
// Octets that are text do: some lists' software calls the body of a mail so.
func isText(kind, name string, content []byte) bool {
	switch {
	case kind == "text/html":
		return false
	case kind == "application/octet-stream" && bytes.IndexByte(content, 0) < 0 && utf8.Valid(content):
		return true
	case strings.HasPrefix(kind, "text/"), kind == "message/rfc822":
		return true
	}
	name = strings.ToLower(name)
	return strings.HasPrefix(kind, "application/") &&
		(strings.HasSuffix(name, ".patch") || strings.HasSuffix(name, ".diff") || strings.Contains(kind, "patch") || strings.Contains(kind, "diff"))
}

// fileName is the name an attachment has, "" without one.
func fileName(h header, params map[string]string) string {
	if _, p, err := mime.ParseMediaType(h.get("Content-Disposition")); err == nil && p["filename"] != "" {
		return p["filename"]
	}
	return params["name"]
}

// isMail says whether an attachment is a whole mail with a patch: a header with From and Subject, and a diff.
func isMail(text []byte) bool {
	if isFormatPatchLine(text[:lineLen(text)]) {
		text = text[lineLen(text):]
	}
	h, body := splitHeader(text)
	return h.get("From") != "" && h.get("Subject") != "" && len(cutDiff(body).files) > 0
}

// splitParts cuts a multipart body at its boundary lines (RFC 2046, 5.1).
func splitParts(body []byte, boundary string) [][]byte {
	var parts [][]byte
	mark := []byte("--" + boundary)
	start := -1
	for at := 0; at < len(body); {
		n := lineLen(body[at:])
		line := bytes.TrimRight(body[at:at+n], " \t\r\n")
		if bytes.HasPrefix(line, mark) {
			rest := line[len(mark):]
			if len(rest) == 0 || string(rest) == "--" {
				if start >= 0 && len(parts) < maxParts {
					parts = append(parts, body[start:at])
				}
				start = at + n
				if len(rest) != 0 {
					return parts
				}
			}
		}
		at += n
	}
	if start >= 0 && start < len(body) && len(parts) < maxParts {
		parts = append(parts, body[start:])
	}
	return parts
}

// unflow joins the lines of a format=flowed text (RFC 3676), as git-mailinfo does.
func unflow(text []byte, delSpace bool) []byte {
	out := make([]byte, 0, len(text))
	joined := false
	for len(text) > 0 {
		n := lineLen(text)
		line := bytes.TrimRight(text[:n], "\r\n")
		text = text[n:]
		if string(line) == "-- " {
			if joined {
				out = append(out, '\n')
			}
			joined = false
			out = append(out, "-- \n"...)
			continue
		}
		if len(line) > 0 && line[0] == ' ' {
			line = line[1:]
		}
		if len(line) > 0 && line[len(line)-1] == ' ' {
			if delSpace {
				line = line[:len(line)-1]
			}
			out = append(out, line...)
			joined = true
			continue
		}
		joined = false
		out = append(out, line...)
		out = append(out, '\n')
	}
	return out
}

// text is the readable body: all parts in UTF-8, each ending in a newline.
func (m *message) text() string {
	if len(m.parts) == 1 {
		return toUTF8(m.parts[0].text, m.parts[0].charset)
	}
	var b strings.Builder
	for _, p := range m.parts {
		b.WriteString(toUTF8(p.text, p.charset))
		if len(p.text) > 0 && p.text[len(p.text)-1] != '\n' {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// collapse makes every run of white space one space and trims both ends. Only ASCII counts, as in git.
func collapse(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r < 0x80 && isSpace(byte(r)) }), " ")
}
