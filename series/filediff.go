package series

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/seriesctl/seriesctl/internal/pattern"
)

// fileDiff is what a patch does to one file.
type fileDiff struct {
	oldName, newName string // "" where there is none; without "a/" and "b/"
	oldMode, newMode uint32 // 0 where not said
	isNew, isDelete  answer
	isRename, isCopy bool
	oldID, newID     string // of the index line, as long as they are written
	hunks            []diffHunk
	isBinary         bool
	binary           *binaryData // nil where only "Binary files differ" is said
}

// answer is yes, no or not known yet.
type answer int8

const (
	no      answer = 0
	yes     answer = 1
	unknown answer = -1
)

// name is the name to call the file by.
func (f *fileDiff) name() string {
	if f.newName != "" {
		return f.newName
	}
	return f.oldName
}

// diffHunk is one hunk. Positions are lines from 1; a position with 0 lines is the line before.
type diffHunk struct {
	oldPos, oldLines  int
	newPos, newLines  int
	leading, trailing int    // lines of context before the first and after the last change
	body              []byte // lines with their ' ', '-', '+' or '\'
}

// diffError is a patch that is not in a form that can be applied.
type diffError struct {
	file   string // "" where not known
	line   int    // of the diff, from 1
	reason string
}

func (e *diffError) Error() string { return fmt.Sprintf("%s (line %d of the diff)", e.reason, e.line) }

// parseDiff reads a patch's diff by the rules of `git apply -p1` (git's apply.c), which are stricter than a
// unified diff's: a hunk ends where its counts say, what is between the diffs of two files is ignored, and
// a hunk without a file is an error.
func parseDiff(diff []byte) ([]*fileDiff, error) {
	p := &diffParser{rest: diff, line: 1}
	var files []*fileDiff
	for {
		f, err := p.header()
		if err != nil {
			return nil, err
		}
		if f == nil {
			return files, nil
		}
		if err := p.content(f); err != nil {
			var de *diffError
			if errors.As(err, &de) && de.file == "" {
				de.file = f.name()
			}
			return nil, err
		}
		files = append(files, f)
	}
}

type diffParser struct {
	rest []byte
	line int // of rest's first line
}

func (p *diffParser) errorf(format string, a ...any) error {
	return &diffError{line: p.line, reason: fmt.Sprintf(format, a...)}
}

// peek is the next line with its newline, empty at the end.
func (p *diffParser) peek() []byte {
	if i := bytes.IndexByte(p.rest, '\n'); i >= 0 {
		return p.rest[:i+1]
	}
	return p.rest
}

func (p *diffParser) skip(line []byte) {
	p.rest = p.rest[len(line):]
	p.line++
}

// header finds the next file, and leaves p at what follows its header; nil at the end.
func (p *diffParser) header() (*fileDiff, error) {
	for len(p.rest) > 0 {
		line := p.peek()
		switch {
		case bytes.HasPrefix(line, []byte("@@ -")):
			if _, ok := parseRanges(line); ok {
				return nil, p.errorf("hunk without a file")
			}
		case bytes.HasPrefix(line, []byte("diff --git ")):
			start := *p
			f, err := p.gitHeader()
			if err != nil {
				return nil, err
			}
			if f != nil {
				return f, nil
			}
			*p = start
		case bytes.HasPrefix(line, []byte("--- ")):
			f, err := p.traditionalHeader(line)
			if err != nil || f != nil {
				return f, err
			}
		}
		p.skip(line)
	}
	return nil, nil
}

// gitHeader reads the lines from "diff --git" to the first that is not of a header; nil when the first is
// all there is.
func (p *diffParser) gitHeader() (*fileDiff, error) {
	first := p.peek()
	f := &fileDiff{}
	defName := gitHeaderName(first[len("diff --git "):])
	p.skip(first)
	any := false
	for {
		line := p.peek()
		if len(line) == 0 || line[len(line)-1] != '\n' {
			break
		}
		more, err := p.gitHeaderLine(f, defName, line)
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		kinds := 0
		for _, k := range []bool{f.isNew == yes, f.isDelete == yes, f.isRename, f.isCopy} {
			if k {
				kinds++
			}
		}
		if kinds > 1 {
			return nil, p.errorf("header lines contradict each other")
		}
		any = true
		p.skip(line)
	}
	if f.oldName == "" && f.newName == "" {
		if defName == "" {
			return nil, p.errorf("header does not name the file")
		}
		f.oldName, f.newName = defName, defName
	}
	if !any {
		return nil, nil
	}
	if f.newName == "" && f.isDelete == no || f.oldName == "" && f.isNew == no {
		return nil, p.errorf("header does not name the file")
	}
	return f, nil
}

// gitHeaderLine takes in one line after "diff --git"; more is false for a line that ends the header.
func (p *diffParser) gitHeaderLine(f *fileDiff, defName string, line []byte) (more bool, err error) {
	s := string(line)
	value := func(prefix string) (string, bool) { return strings.CutPrefix(s, prefix) }
	mode := func(v string, to *uint32) error {
		m, ok := parseMode(v)
		if !ok {
			return p.errorf("bad mode %q", strings.TrimSpace(v))
		}
		*to = m
		return nil
	}
	if v, ok := value("--- "); ok {
		return true, p.checkName(&f.oldName, v, f.isNew == yes)
	}
	if v, ok := value("+++ "); ok {
		return true, p.checkName(&f.newName, v, f.isDelete == yes)
	}
	if v, ok := value("old mode "); ok {
		return true, mode(v, &f.oldMode)
	}
	if v, ok := value("new mode "); ok {
		return true, mode(v, &f.newMode)
	}
	if v, ok := value("deleted file mode "); ok {
		f.isDelete, f.oldName = yes, defName
		return true, mode(v, &f.oldMode)
	}
	if v, ok := value("new file mode "); ok {
		f.isNew, f.newName = yes, defName
		return true, mode(v, &f.newMode)
	}
	for _, l := range []struct {
		prefix string
		flag   *bool
		name   *string
	}{
		{"copy from ", &f.isCopy, &f.oldName}, {"copy to ", &f.isCopy, &f.newName},
		{"rename from ", &f.isRename, &f.oldName}, {"rename to ", &f.isRename, &f.newName},
		{"rename old ", &f.isRename, &f.oldName}, {"rename new ", &f.isRename, &f.newName},
	} {
		if v, ok := value(l.prefix); ok {
			*l.flag = true
			*l.name = diffName(v, 0, "", false)
			return true, nil
		}
	}
	if v, ok := value("index "); ok {
		ids, modeText, hasMode := strings.Cut(strings.TrimRight(v, "\n"), " ")
		oldID, newID, ok := strings.Cut(ids, "..")
		if !ok || len(oldID) > 40 || len(newID) > 40 {
			return true, nil
		}
		f.oldID, f.newID = oldID, newID
		if hasMode {
			return true, mode(modeText+"\n", &f.oldMode)
		}
		return true, nil
	}
	_, similarity := value("similarity index ")
	_, dissimilarity := value("dissimilarity index ")
	return similarity || dissimilarity, nil
}

// checkName compares the name of a "---" or "+++" line with what the header said before.
func (p *diffParser) checkName(name *string, v string, isNull bool) error {
	switch {
	case *name == "" && !isNull:
		*name = diffName(v, 1, "", true)
	case *name != "" && isNull:
		// The header has named the other side already; this side must be absent.
		return p.errorf("expected /dev/null, got %s", *name)
	case *name != "":
		if diffName(v, 1, "", true) != *name {
			return p.errorf("header names two files")
		}
	case !isDevNull(v):
		return p.errorf("expected /dev/null")
	}
	return nil
}

// traditionalHeader reads a "---", "+++" pair that a hunk follows; nil when it is none.
func (p *diffParser) traditionalHeader(first []byte) (*fileDiff, error) {
	after := p.rest[len(first):]
	end := bytes.IndexByte(after, '\n')
	if !bytes.HasPrefix(after, []byte("+++ ")) || end < 0 || !bytes.HasPrefix(after[end+1:], []byte("@@ -")) {
		return nil, nil
	}
	second := after[:end+1]
	oldText, newText := string(first[4:]), string(second[4:])
	f := &fileDiff{isNew: unknown, isDelete: unknown}
	strip := 1
	if name := traditionalName(oldText, 0, ""); !isDevNull(oldText) && !strings.Contains(name, "/") {
		strip = 0
	} else if name := traditionalName(newText, 0, ""); isDevNull(oldText) && !strings.Contains(name, "/") {
		strip = 0
	}
	var name string
	switch {
	case isDevNull(oldText):
		name = traditionalName(newText, strip, "")
		f.isNew, f.isDelete, f.newName = yes, no, name
	case isDevNull(newText):
		name = traditionalName(oldText, strip, "")
		f.isNew, f.isDelete, f.oldName = no, yes, name
	default:
		name = traditionalName(newText, strip, traditionalName(oldText, strip, ""))
		switch {
		case epoch.MatchString(oldText):
			f.isNew, f.isDelete, f.newName = yes, no, name
		case epoch.MatchString(newText):
			f.isNew, f.isDelete, f.oldName = no, yes, name
		default:
			f.oldName, f.newName = name, name
		}
	}
	if name == "" {
		return nil, p.errorf("cannot find the file's name")
	}
	p.skip(first)
	p.skip(second)
	return f, nil
}

var (
	// epoch is the time stamp that GNU diff -N gives a file that is not there.
	epoch = pattern.New(`[\t ](1970-01-01 00:00:00(\.0+)? \+0000|1969-12-31 (1[2-9]|2[0-3]):[0-5]\d:00(\.0+)? -\d{4}|1970-01-01 (0\d|1[0-4]):[0-5]\d:00(\.0+)? \+\d{4})\r?\n?$`)
	// stamp is a time stamp that spaces set off from the name.
	stamp = pattern.New(` +\d{2,4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?( [-+]\d{4})?\s*$`)
)

func isDevNull(s string) bool {
	rest, ok := strings.CutPrefix(s, "/dev/null")
	return ok && rest != "" && strings.ContainsAny(rest[:1], " \t\r\n\v\f")
}

func traditionalName(s string, strip int, def string) string {
	if !strings.Contains(s, "\t") && !strings.HasPrefix(s, `"`) {
		if loc := stamp.FindStringIndex(s); loc != nil {
			s = s[:loc[0]] + "\n"
		}
	}
	return diffName(s, strip, def, true)
}

// diffName reads a file's name, leaving out its first strip directories; "" when there is none. With tab,
// a tab ends it. Of the name and def the shorter is preferred when one begins with the other ("file.orig").
func diffName(s string, strip int, def string, tab bool) string {
	if strings.HasPrefix(s, `"`) {
		if name, _, ok := unquoteName(s); ok {
			for ; strip > 0; strip-- {
				_, rest, ok := strings.Cut(name, "/")
				if !ok {
					return def
				}
				name = rest
			}
			return squashSlashes(name)
		}
	}
	ends := "\n\r\v\f"
	if tab {
		ends += "\t"
	}
	if i := strings.IndexAny(s, ends); i >= 0 {
		s = s[:i]
	}
	for ; strip > 0; strip-- {
		_, rest, ok := strings.Cut(s, "/")
		if !ok {
			return def
		}
		s = rest
	}
	if s == "" || def != "" && len(def) < len(s) && strings.HasPrefix(s, def) {
		return def
	}
	return squashSlashes(s)
}

func squashSlashes(s string) string {
	for strings.Contains(s, "//") {
		s = strings.ReplaceAll(s, "//", "/")
	}
	return s
}

// gitHeaderName gives the name of a "diff --git" line where both sides have the same, else "".
func gitHeaderName(s []byte) string {
	line := strings.TrimSuffix(string(s), "\n")
	cut := func(name string) string {
		_, rest, ok := strings.Cut(name, "/")
		if !ok || strings.HasPrefix(name, "/") {
			return ""
		}
		return rest
	}
	if strings.HasPrefix(line, `"`) {
		first, rest, ok := unquoteName(line)
		second := strings.TrimLeft(rest, " \t")
		if ok && strings.HasPrefix(second, `"`) {
			second, _, ok = unquoteName(second)
		}
		if ok && cut(first) == cut(second) {
			return cut(first)
		}
		return ""
	}
	if i := strings.IndexByte(line, '"'); i > 0 {
		if second, _, ok := unquoteName(line[i:]); ok && cut(strings.TrimRight(line[:i], " \t")) == cut(second) {
			return cut(second)
		}
		return ""
	}
	// Names may hold spaces: the separator is the one with the same name on both sides.
	name := cut(line)
	for i := range len(name) {
		if name[i] != ' ' && name[i] != '\t' {
			continue
		}
		if second := cut(name[i+1:]); len(second) == i && second == name[:i] {
			return second
		}
	}
	return ""
}

// unquoteName reads a C-quoted name; rest is what follows it.
func unquoteName(s string) (name, rest string, ok bool) {
	var b []byte
	for i := 1; i < len(s); i++ {
		switch c := s[i]; c {
		case '"':
			return string(b), s[i+1:], true
		case '\n':
			return "", "", false
		case '\\':
			i++
			if i >= len(s) {
				return "", "", false
			}
			if j := strings.IndexByte("abtnvfr", s[i]); j >= 0 {
				b = append(b, '\a'+byte(j))
				continue
			}
			if s[i] == '"' || s[i] == '\\' {
				b = append(b, s[i])
				continue
			}
			if i+3 > len(s) {
				return "", "", false
			}
			v, err := strconv.ParseUint(s[i:i+3], 8, 8)
			if err != nil {
				return "", "", false
			}
			b = append(b, byte(v))
			i += 2
		default:
			b = append(b, c)
		}
	}
	return "", "", false
}

func parseMode(s string) (uint32, bool) {
	i := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '7' })
	if i <= 0 || !strings.ContainsAny(s[i:i+1], " \t\r\n\v\f") {
		return 0, false
	}
	m, err := strconv.ParseUint(s[:i], 8, 32)
	return uint32(m), err == nil
}

// content reads what follows a header.
func (p *diffParser) content(f *fileDiff) error {
	oldLines, newLines := 0, 0
	for bytes.HasPrefix(p.rest, []byte("@@ -")) {
		h, err := p.hunk()
		if err != nil {
			return err
		}
		oldLines += h.oldLines
		newLines += h.newLines
		f.hunks = append(f.hunks, h)
	}
	if f.isNew == unknown && (oldLines > 0 || len(f.hunks) > 1) {
		f.isNew = no
	}
	if f.isDelete == unknown && (newLines > 0 || len(f.hunks) > 1) {
		f.isDelete = no
	}
	switch {
	case f.isNew == yes && oldLines > 0:
		return p.errorf("new file depends on old contents")
	case f.isDelete == yes && newLines > 0:
		return p.errorf("deleted file still has contents")
	case len(f.hunks) > 0:
		return nil
	}
	line := p.peek()
	switch {
	case string(line) == "GIT binary patch\n":
		p.skip(line)
		f.isBinary = true
		return p.binary(f)
	case bytes.HasSuffix(line, []byte(" differ\n")) &&
		(bytes.HasPrefix(line, []byte("Binary files ")) || bytes.HasPrefix(line, []byte("Files "))):
		f.isBinary = true
		p.skip(line)
	case f.isNew != yes && f.isDelete != yes && !f.isRename && !f.isCopy &&
		(f.oldMode == 0 || f.newMode == 0 || f.oldMode == f.newMode):
		return p.errorf("header without a change")
	}
	return nil
}

var ranges = pattern.New(`^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@`)

// parseRanges reads a hunk's "@@ -1,2 +3,4 @@". A number too large to be a line of a file is taken as none.
func parseRanges(line []byte) (h diffHunk, ok bool) {
	m := ranges.FindSubmatch(line)
	if m == nil {
		return h, false
	}
	for i, to := range []*int{&h.oldPos, &h.oldLines, &h.newPos, &h.newLines} {
		if m[i+1] == nil {
			*to = 1
			continue
		}
		v, err := strconv.ParseInt(string(m[i+1]), 10, 32)
		if err != nil {
			return h, false
		}
		*to = int(v)
	}
	return h, true
}

// hunk reads one hunk, to where its counts say it ends.
func (p *diffParser) hunk() (diffHunk, error) {
	head := p.peek()
	h, ok := parseRanges(head)
	if !ok {
		return h, p.errorf("bad hunk header")
	}
	p.skip(head)
	body := p.rest
	oldLeft, newLeft := h.oldLines, h.newLines
	changed := false
	for oldLeft > 0 || newLeft > 0 {
		line := p.peek()
		if len(line) == 0 || line[len(line)-1] != '\n' {
			return h, p.errorf("hunk ends before its %d old and %d new lines", h.oldLines, h.newLines)
		}
		switch line[0] {
		case ' ', '\n': // GNU diff leaves out the blank of an empty line
			oldLeft--
			newLeft--
			if !changed {
				h.leading++
			}
			h.trailing++
		case '-':
			oldLeft--
			changed = true
			h.trailing = 0
		case '+':
			newLeft--
			changed = true
			h.trailing = 0
		case '\\':
			if !isNoNewline(line) {
				return h, p.errorf("corrupt hunk")
			}
		default:
			return h, p.errorf("corrupt hunk: a line begins with %q", line[0])
		}
		if oldLeft < 0 || newLeft < 0 {
			return h, p.errorf("hunk has more lines than its %d old and %d new", h.oldLines, h.newLines)
		}
		p.skip(line)
	}
	if !changed {
		return h, p.errorf("hunk without a change")
	}
	if line := p.peek(); isNoNewline(line) {
		p.skip(line)
	}
	h.body = body[:len(body)-len(p.rest)]
	return h, nil
}

// isNoNewline knows "\ No newline at end of file" in any language.
func isNoNewline(line []byte) bool { return len(line) >= 12 && line[0] == '\\' && line[1] == ' ' }
