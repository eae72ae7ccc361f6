package series

import (
	"bytes"
	"io"
	"mime"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
)

// header is the header of a mail or of a MIME part: unfolded fields in their order, values undecoded. They are
// parts of the mail: a copy of the header would be half the size of many a mail.
type header []field

type field struct{ name, value []byte }

// maxHeader bounds how many fields of one header are read.
const maxHeader = 2000

// splitHeader reads a header and returns the rest of data after the blank line. A line that is no header
// field ends it too, and is the first of the rest (as git-mailinfo has it).
func splitHeader(data []byte) (header, []byte) {
	var h header
	for len(data) > 0 {
		n := lineLen(data)
		line := bytes.TrimRight(data[:n], "\r\n")
		switch {
		case len(line) == 0:
			return h, data[n:]
		case (line[0] == ' ' || line[0] == '\t') && len(h) > 0:
			last := &h[len(h)-1].value
			*last = append(append(*last, ' '), bytes.TrimRight(line[1:], " \t")...)
		case bytes.HasPrefix(line, []byte("From ")) || bytes.HasPrefix(line, []byte(">From ")):
			// A separator, from an mbox in an mbox.
		case isHeaderLine(line):
			name, value, _ := bytes.Cut(line, []byte(":"))
			if len(h) < maxHeader {
				h = append(h, field{name, slices.Clip(bytes.Trim(value, " \t"))}) // a folded line appends to a copy
			}
		default:
			return h, data
		}
		data = data[n:]
	}
	return h, nil
}

// isHeaderLine says whether line starts with an RFC 5322 field name and a colon.
func isHeaderLine(line []byte) bool {
	for i, c := range line {
		if c == ':' {
			return i > 0
		}
		if c < '!' || c > '~' {
			return false
		}
	}
	return false
}

// get returns the last field of that name, "" without one: where a header has a field twice, git-mailinfo
// takes the last.
func (h header) get(name string) string {
	for i := len(h) - 1; i >= 0; i-- {
		if bytes.EqualFold(h[i].name, []byte(name)) {
			return string(h[i].value)
		}
	}
	return ""
}

var wordDecoder = mime.WordDecoder{CharsetReader: func(name string, r io.Reader) (io.Reader, error) {
	return charsetOf(name).NewDecoder().Reader(r), nil
}}

// decodeWords decodes RFC 2047 words; what cannot be decoded stays as it is. The result is valid UTF-8.
func decodeWords(s string) string {
	if strings.Contains(s, "=?") {
		if d, err := wordDecoder.DecodeHeader(s); err == nil {
			s = d
		}
	}
	return toUTF8([]byte(s), "")
}

// charsetOf finds an encoding by the name a mail gives it; Latin-1 for one nobody knows, as it keeps
// every byte.
func charsetOf(name string) encoding.Encoding {
	e, _ := knownCharset(name)
	return e
}

// knownCharset is charsetOf, and whether the name is known.
func knownCharset(name string) (encoding.Encoding, bool) {
	if e, err := ianaindex.MIME.Encoding(name); err == nil && e != nil {
		return e, true
	}
	if e, err := htmlindex.Get(name); err == nil && e != nil {
		return e, true
	}
	return charmap.ISO8859_1, false
}

// toUTF8 converts text in a charset. Mail that declares UTF-8, US-ASCII or nothing, and text that is UTF-8
// although it declares US-ASCII, stays as it is; bytes that are not UTF-8 then are taken for Latin-1.
func toUTF8(text []byte, charset string) string {
	switch strings.ToLower(charset) {
	case "", "utf-8", "utf8", "us-ascii", "ascii", "unknown-8bit", "x-unknown":
		if utf8.Valid(text) {
			return string(text)
		}
		charset = "iso-8859-1"
	}
	out, err := charsetOf(charset).NewDecoder().Bytes(text)
	if err != nil {
		return strings.ToValidUTF8(string(text), "\uFFFD")
	}
	return string(out)
}

// dateLayouts are dates net/mail does not read but people's mailers write.
var dateLayouts = []string{
	"Mon, 2 Jan 2006 15:04:05 -0700",
	"Mon, 2 Jan 2006 15:04 -0700",
	"Mon Jan 2 15:04:05 2006 -0700",
	"Mon Jan 2 15:04:05 MST 2006",
	"Mon Jan 2 15:04:05 2006",
	"2006-01-02 15:04:05 -0700",
	time.RFC3339,
	"2006-01-02 15:04:05",
	"2006-01-02",
}

// parseDate reads a Date header; the zero time when it is unreadable.
func parseDate(s string) time.Time {
	s = strings.TrimSpace(s)
	if t, err := time.Parse(dateLayouts[0], s); err == nil {
		return fixZone(t) // nearly all mail; net/mail is slow
	}
	if t, err := mail.ParseDate(s); err == nil {
		return fixZone(t)
	}
	if i := strings.LastIndexByte(s, '('); i > 0 {
		s = strings.TrimSpace(s[:i])
	}
	s = strings.Join(strings.Fields(s), " ")
	for _, layout := range dateLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return fixZone(t)
		}
	}
	return time.Time{}
}

// fixZone replaces the machine's own zone by its offset, so that the result is the same everywhere.
func fixZone(t time.Time) time.Time {
	_, off := t.Zone()
	if off == 0 {
		return t.UTC()
	}
	return t.In(time.FixedZone("", off))
}

// Bounds on message-ids: those in one header field, and the bytes of one (a line of a mail has no more).
const (
	maxIDs = 1000
	maxID  = 998
)

// messageIDs returns the ids of a Message-ID, In-Reply-To or References value, without < >.
func messageIDs(value string) []string {
	var ids []string
	for len(ids) < maxIDs {
		_, rest, _ := strings.Cut(value, "<")
		end := strings.IndexAny(rest, "<> \t\n\r\f")
		if end < 0 {
			break
		}
		if id := rest[:end]; rest[end] == '>' && 0 < end && end <= maxID {
			ids = append(ids, id)
		}
		value = rest[end:]
	}
	return ids
}

// mercurialTime writes Mercurial's "seconds offset" (the offset in seconds west of UTC) as a mail date.
func mercurialTime(seconds, offset string) string {
	s, err1 := strconv.ParseInt(seconds, 10, 62)
	o, err2 := strconv.Atoi(offset)
	if err1 != nil || err2 != nil {
		return ""
	}
	return time.Unix(s, 0).In(time.FixedZone("", -o)).Format(dateLayouts[0])
}
