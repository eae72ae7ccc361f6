package series

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
)

// image is a file while hunks are applied to it.
type image struct {
	lines   [][]byte // each with its newline; the last may lack it
	patched []bool   // lines that a hunk has placed: no other hunk may match them
	drift   int      // how far from where it should be the last hunk went
}

func newImage(data []byte) *image {
	im := &image{lines: make([][]byte, 0, bytes.Count(data, []byte{'\n'})+1)}
	for len(data) > 0 {
		n := bytes.IndexByte(data, '\n') + 1
		if n == 0 {
			n = len(data)
		}
		im.lines = append(im.lines, data[:n:n])
		data = data[n:]
	}
	im.patched = make([]bool, len(im.lines))
	return im
}

func (im *image) bytes() []byte { return bytes.Join(im.lines, nil) }

// replace puts lines in the place of n lines at pos.
func (im *image) replace(pos, n int, lines [][]byte) {
	marks := make([]bool, len(lines))
	for i := range marks {
		marks[i] = true
	}
	im.lines = splice(im.lines, pos, n, lines)
	im.patched = splice(im.patched, pos, n, marks)
}

func splice[T any](s []T, pos, n int, with []T) []T {
	if n == len(with) {
		copy(s[pos:], with)
		return s
	}
	out := make([]T, 0, len(s)-n+len(with))
	out = append(out, s[:pos]...)
	out = append(out, with...)
	return append(out, s[pos+n:]...)
}

// hunkText is a hunk's two sides.
type hunkText struct{ pre, post [][]byte }

// text splits a hunk's body into its two sides. A line that "\ No newline" follows loses its newline.
func (h *diffHunk) text() hunkText {
	var t hunkText
	for rest := h.body; len(rest) > 0; {
		n := bytes.IndexByte(rest, '\n') + 1
		line := rest[:n]
		rest = rest[n:]
		if line[0] == '\\' {
			continue
		}
		text := line
		if line[0] != '\n' {
			text = line[1:]
		}
		if len(rest) > 0 && rest[0] == '\\' {
			text = text[:len(text)-1]
		}
		text = text[:len(text):len(text)]
		if line[0] != '+' {
			t.pre = append(t.pre, text)
		}
		if line[0] != '-' {
			t.post = append(t.post, text)
		}
	}
	return t
}

// searchLimit is how many lines are compared for one patch before the search is given up: about a second.
const searchLimit = 1 << 26

var errSearchLimit = errors.New("search for the place of a hunk takes too long")

// effort counts the work done for a patch.
type effort struct {
	ctx  context.Context
	used int
}

// spend adds n lines of work; an error ends it.
func (e *effort) spend(n int) error {
	before := e.used
	e.used += n + 1
	if e.used > searchLimit {
		return errSearchLimit
	}
	if before>>20 != e.used>>20 {
		return e.ctx.Err()
	}
	return nil
}

// matches says whether pre is at line pos.
func (im *image) matches(pre [][]byte, pos int, atStart, atEnd bool, e *effort) (bool, error) {
	switch {
	case pos+len(pre) > len(im.lines), atEnd && pos+len(pre) != len(im.lines), atStart && pos != 0:
		return false, nil
	}
	for i, want := range pre {
		have := im.lines[pos+i]
		if im.patched[pos+i] {
			return false, e.spend(i)
		}
		if bytes.Equal(want, have) {
			continue
		}
		// Git compares the bytes of the whole hunk: one whose last line has no newline also matches where that
		// line goes on with white space, unless it has to match at the end.
		tail, ok := bytes.CutPrefix(have, want)
		if !ok || atEnd || i != len(pre)-1 || bytes.HasSuffix(want, []byte{'\n'}) || len(bytes.TrimSpace(tail)) > 0 {
			return false, e.spend(i)
		}
	}
	return true, e.spend(len(pre))
}

// find looks for pre as git does: at line pos, then one line down, one up, two down and so on; -1 when it
// is nowhere.
func (im *image) find(pre [][]byte, pos int, atStart, atEnd bool, e *effort) (int, error) {
	if atStart {
		pos = 0
	} else if atEnd {
		pos = len(im.lines) - len(pre)
	}
	if pos < 0 || pos > len(im.lines) {
		pos = len(im.lines)
	}
	if atStart || atEnd {
		// Only one place can match.
		for _, p := range []int{pos, 0, len(im.lines) - len(pre)} {
			if p < 0 {
				continue
			}
			if ok, err := im.matches(pre, p, atStart, atEnd, e); ok || err != nil {
				return p, err
			}
		}
		return -1, nil
	}
	for d := 0; pos+d <= len(im.lines) || pos-d >= 0; d++ {
		if pos+d <= len(im.lines) {
			if ok, err := im.matches(pre, pos+d, false, false, e); ok || err != nil {
				return pos + d, err
			}
		}
		if d > 0 && pos-d >= 0 {
			if ok, err := im.matches(pre, pos-d, false, false, e); ok || err != nil {
				return pos - d, err
			}
		}
	}
	return -1, nil
}

// apply places a hunk. With fuzz above 0 up to that many lines of context are left out at either end, as
// patch(1) does, when it fits nowhere with all of them. ok is false where it does not fit.
func (im *image) apply(h *diffHunk, fuzz int, e *effort) (how How, ok bool, err error) {
	t := h.text()
	want := max(h.newPos-1, 0)
	// Less context at an end of the hunk means an end of the file; git insists on it.
	atStart, atEnd := h.oldPos <= 1, h.trailing == 0
	pos, err := im.find(t.pre, want, atStart, atEnd, e)
	if err != nil {
		return "", false, err
	}
	if pos >= 0 {
		im.replace(pos, len(t.pre), t.post)
		im.drift = pos - want
		if pos != want {
			return Offset, true, e.spend(len(im.lines) / 64)
		}
		return Exact, true, e.spend(len(im.lines) / 64)
	}
	context := max(h.leading, h.trailing)
	for f := 1; f <= min(fuzz, context); f++ {
		// Below 0 the hunk has less context at that end than at the other: it is at an end of the file.
		head, tail := f+h.leading-context, f+h.trailing-context
		atStart, atEnd := head < 0, tail < 0
		head, tail = max(head, 0), max(tail, 0)
		pre := t.pre[head : len(t.pre)-tail]
		pos := min(want+head+im.drift, len(im.lines))
		if len(pre) > 0 {
			// A hunk that only adds lines and has no context left goes where it says, moved as the one before.
			if pos, err = im.find(pre, want+head, atStart, atEnd, e); err != nil {
				return "", false, err
			}
		}
		if pos >= 0 {
			im.replace(pos, len(pre), t.post[head:len(t.post)-tail])
			im.drift = pos - head - want
			return Fuzz, true, nil
		}
	}
	return "", false, nil
}

// whyNot says why a hunk does not fit, and where it almost would.
func (im *image) whyNot(h *diffHunk, e *effort) string {
	t := h.text()
	if len(t.post) > 0 {
		fresh := &image{lines: im.lines, patched: make([]bool, len(im.lines))}
		if pos, err := fresh.find(t.post, max(h.newPos-1, 0), false, false, e); err == nil && pos >= 0 && h.leading+h.trailing > 0 {
			return fmt.Sprintf("already there at line %d", pos+1)
		}
	}
	pos, same := im.nearest(t.pre, max(h.newPos-1, 0))
	if same == 0 {
		return "context not found"
	}
	why := fmt.Sprintf("context differs; nearest is line %d, %d of %d lines the same", pos+1, same, len(t.pre))
	for i, want := range t.pre {
		switch {
		case pos+i < 0:
			continue
		case pos+i >= len(im.lines):
			return why + "; the file ends there"
		case !bytes.Equal(want, im.lines[pos+i]):
			return why + fmt.Sprintf("; line %d is %s, not %s", pos+i+1, excerpt(im.lines[pos+i]), excerpt(want))
		case im.patched[pos+i]:
			return why + fmt.Sprintf("; line %d belongs to the hunk before", pos+i+1)
		}
	}
	return why
}

// nearest gives the place where the most lines of pre are the same, the one nearest to want among equals.
// Lines that are all over the file have no vote.
func (im *image) nearest(pre [][]byte, want int) (pos, same int) {
	const tooMany = 64
	where := map[string][]int{}
	for i, l := range pre {
		if i >= 1000 {
			break
		}
		if len(bytes.TrimSpace(l)) > 2 {
			where[string(l)] = nil
		}
	}
	for i, l := range im.lines {
		if at, ok := where[string(l)]; ok && len(at) <= tooMany {
			where[string(l)] = append(at, i)
		}
	}
	votes := map[int]int{}
	for i, l := range pre {
		if at := where[string(l)]; len(at) <= tooMany {
			for _, p := range at {
				votes[p-i]++
			}
		}
	}
	best := 0
	for p, n := range votes {
		if n > best || n == best && (abs(p-want) < abs(pos-want) || abs(p-want) == abs(pos-want) && p < pos) {
			pos, best = p, n
		}
	}
	if best == 0 {
		return 0, 0
	}
	for i, l := range pre {
		if p := pos + i; p >= 0 && p < len(im.lines) && bytes.Equal(l, im.lines[p]) {
			same++
		}
	}
	return max(pos, 0), same
}

func abs(n int) int { return max(n, -n) }

// excerpt quotes a line for a message of one line.
func excerpt(line []byte) string {
	s := strings.TrimSpace(strings.ToValidUTF8(string(line), "?"))
	if r := []rune(s); len(r) > 60 {
		s = string(r[:57]) + "..."
	}
	return fmt.Sprintf("%q", s)
}
