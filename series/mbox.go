package series

import (
	"bytes"
	"strconv"
)

// mboxrdFrom is the separator written before every message of a Mailbox. It is the one public-inbox writes.
const mboxrdFrom = "From mboxrd@z Thu Jan  1 00:00:00 1970\n"

// splitMbox cuts an mbox into its messages, undoing the quoting of "From " lines.
//
// mboxrd, mboxo, mboxcl2 and the output of `git format-patch --stdout` are told apart message by message:
// a separator of public-inbox means mboxrd; a Content-Length that ends exactly before the next separator is believed (mboxcl2, nothing is quoted); a
// separator of `git format-patch` means that nothing is quoted; anything else is read as mboxrd, which for
// what mboxo writes is the same. A body line that starts "From " and is not quoted ends a message only if it
// has the shape of a separator (as git-mailsplit(1) sees it) and a header line follows it.
// CRLF is read as LF. Bytes before the first separator are not returned.
func splitMbox(data []byte) [][]byte {
	var msgs [][]byte
	at := nextSeparator(data, 0)
	for at < len(data) {
		start := at + lineLen(data[at:])
		gitFormat := isFormatPatchLine(data[at:start])
		end, counted := 0, false
		if !bytes.HasPrefix(data[at:], []byte("From mboxrd@z ")) {
			end, counted = contentLengthEnd(data, start)
		}
		if !counted {
			end = nextSeparator(data, start)
		}
		next := end
		if counted {
			next = nextSeparator(data, end)
		}
		msgs = append(msgs, unquote(data[start:end], !counted && !gitFormat))
		at = next
	}
	return msgs
}

// splitFormatPatch cuts what `git format-patch --stdout --pretty=mboxrd` writes: only its own separators
// are not quoted.
func splitFormatPatch(data []byte) [][]byte {
	var msgs [][]byte
	start := -1
	for at := 0; at < len(data); at += lineLen(data[at:]) {
		if !isFormatPatchLine(data[at : at+lineLen(data[at:])]) {
			continue
		}
		if start >= 0 {
			msgs = append(msgs, unquote(data[start:at], true))
		}
		start = at + lineLen(data[at:])
	}
	if start >= 0 {
		msgs = append(msgs, unquote(data[start:], true))
	}
	return msgs
}

// looksLikeMbox says whether data starts with an mbox separator.
func looksLikeMbox(data []byte) bool {
	return isSeparator(data, 0)
}

// appendMboxrd adds a message to an mboxrd. splitMbox gives msg again, with a newline at its end.
func appendMboxrd(dst, msg []byte) []byte {
	dst = append(dst, mboxrdFrom...)
	empty := len(msg) == 0
	for len(msg) > 0 {
		n := lineLen(msg)
		if isQuotedFrom(msg[:n]) {
			dst = append(dst, '>')
		}
		line := msg[:n]
		msg = msg[n:]
		if body, ok := bytes.CutSuffix(line, []byte("\r\n")); ok {
			// One of two is taken off when it is read.
			dst = append(append(dst, body...), "\r\r\n"...)
			continue
		}
		dst = append(dst, line...)
	}
	if empty || dst[len(dst)-1] != '\n' {
		dst = append(dst, '\n')
	}
	return append(dst, '\n')
}

// nextSeparator returns the offset of the first separator line at or after off, len(data) without one.
// off must be the start of a line.
func nextSeparator(data []byte, off int) int {
	for off < len(data) {
		if isSeparator(data, off) {
			return off
		}
		i := bytes.Index(data[off:], []byte("\nFrom "))
		if i < 0 {
			return len(data)
		}
		off += i + 1
	}
	return len(data)
}

// isSeparator says whether a message starts with the line at off.
func isSeparator(data []byte, off int) bool {
	rest := data[off:]
	if !bytes.HasPrefix(rest, []byte("From ")) {
		return false
	}
	if bytes.HasPrefix(rest, []byte("From mboxrd@z ")) {
		return true
	}
	n := lineLen(rest)
	line := bytes.TrimRight(rest[:n], "\r\n")
	if !hasMailDate(line) && !isShortSeparator(data, line) {
		return false
	}
	if n == len(rest) {
		return off == 0
	}
	next := rest[n:]
	next = next[:lineLen(next)]
	return isHeaderLine(next) || bytes.HasPrefix(next, []byte(">From "))
}

// isShortSeparator says whether line is "From" and one word, as some programs write every separator; data then
// starts with the same line.
func isShortSeparator(data, line []byte) bool {
	return len(line) > len("From ") && bytes.IndexByte(line[len("From "):], ' ') < 0 &&
		bytes.Equal(line, bytes.TrimRight(data[:lineLen(data)], "\r\n"))
}

// hasMailDate says whether line ends as mbox separators do, with HH:MM:SS YYYY; the rule of git-mailsplit.
func hasMailDate(line []byte) bool {
	colon := bytes.LastIndexByte(line, ':')
	if len(line) < 20 || colon < 9 || colon+3 > len(line) {
		return false
	}
	for _, i := range []int{colon - 4, colon - 2, colon - 1, colon + 1, colon + 2} {
		if line[i] < '0' || line[i] > '9' {
			return false
		}
	}
	year := 0
	for _, c := range bytes.TrimLeft(line[colon+3:], " ") {
		if c < '0' || c > '9' || year > 9999 {
			break
		}
		year = year*10 + int(c-'0')
	}
	return year > 90
}

// isFormatPatchLine says whether line is the separator `git format-patch` writes, which has the commit's
// hash and always the same date.
func isFormatPatchLine(line []byte) bool {
	const date = " Mon Sep 17 00:00:00 2001"
	line = bytes.TrimRight(line, "\r\n")
	hash, ok := bytes.CutPrefix(line, []byte("From "))
	if !ok || !bytes.HasSuffix(hash, []byte(date)) {
		return false
	}
	hash = hash[:len(hash)-len(date)]
	if len(hash) != 40 && len(hash) != 64 {
		return false
	}
	for _, c := range hash {
		if !isHex(c) {
			return false
		}
	}
	return true
}

// contentLengthEnd returns where the message whose header starts at start ends, by its Content-Length, and
// whether that can be believed: a separator or the end of the file must follow.
func contentLengthEnd(data []byte, start int) (int, bool) {
	length := -1
	for at := start; at < len(data); {
		line := data[at : at+lineLen(data[at:])]
		at += len(line)
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			if length < 0 || length > len(data)-at {
				return 0, false
			}
			end := at + length
			after := end
			for after < len(data) && (data[after] == '\n' || data[after] == '\r') {
				after++
			}
			if after == len(data) && length > 0 || isSeparator(data, after) && (after > end || data[end-1] == '\n') {
				return end, true
			}
			return 0, false
		}
		if name, value, ok := bytes.Cut(line, []byte(":")); ok && bytes.EqualFold(name, []byte("Content-Length")) {
			n, err := strconv.Atoi(string(bytes.TrimSpace(value)))
			if err != nil || n < 0 {
				return 0, false
			}
			length = n
		}
	}
	return 0, false
}

// unquote removes one ">" from quoted "From " lines where quoted is set, CR before LF, and the one blank
// line that separates a message from the next. The result is msg itself when nothing changes.
func unquote(msg []byte, quoted bool) []byte {
	if bytes.HasSuffix(msg, []byte("\r\n\r\n")) || bytes.HasSuffix(msg, []byte("\n\n")) {
		msg = bytes.TrimSuffix(msg[:len(msg)-1], []byte("\r"))
	}
	if !bytes.Contains(msg, []byte("\r\n")) && (!quoted || !bytes.Contains(msg, []byte(">From "))) {
		return msg
	}
	out := make([]byte, 0, len(msg))
	for len(msg) > 0 {
		n := lineLen(msg)
		line := msg[:n]
		msg = msg[n:]
		if quoted && line[0] == '>' && isQuotedFrom(line) {
			line = line[1:]
		}
		if bytes.HasSuffix(line, []byte("\r\n")) {
			out = append(out, line[:len(line)-2]...)
			out = append(out, '\n')
			continue
		}
		out = append(out, line...)
	}
	return out
}

// isQuotedFrom says whether line is "From " after any number of ">".
func isQuotedFrom(line []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(line, ">"), []byte("From "))
}

// lineLen is the length of the first line of data with its newline.
func lineLen(data []byte) int {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1
	}
	return len(data)
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f'
}
