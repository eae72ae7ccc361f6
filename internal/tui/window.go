package tui

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
)

const (
	longest = 4 << 10 // bytes of a line that is shown as one; a longer one is broken
	chunk   = 256 << 10
)

// window is a part of a log on the screen. It holds the visible lines only, whatever the size of the file.
type window struct {
	look
	r             io.ReaderAt
	size          int64
	top           int64 // offset of the first visible line
	x             int   // columns scrolled to the right
	width, height int
	lines         []string
	at            []int64 // where each of lines begins
	ends          int64   // offset after the last visible line
	hit           int64   // offset of the line that a search found, -1 for none
	err           error
	style         func(line string) style // nil for a console's
	unbroken      string                  // the text, where its lines are broken to be read; "" where they are not
}

func newWindow(l look, r io.ReaderAt, size int64) *window {
	return &window{look: l, r: r, size: size, hit: -1}
}

func (w *window) resize(width, height int) {
	w.width, w.height = width, max(height, 1)
	w.fill()
}

// fill reads the visible lines.
func (w *window) fill() {
	w.lines, w.at = w.lines[:0], w.at[:0]
	at := w.top
	for len(w.lines) < w.height && at < w.size {
		line, next := w.line(at)
		if next == at {
			break
		}
		w.lines, w.at = append(w.lines, line), append(w.at, at)
		at = next
	}
	w.ends = at
}

// line reads the line at an offset and says where the next one begins.
func (w *window) line(at int64) (string, int64) {
	buf := make([]byte, min(longest, w.size-at))
	n, err := w.r.ReadAt(buf, at)
	if err != nil && err != io.EOF {
		w.err = err
		return "", at
	}
	buf = buf[:n]
	if i := bytes.IndexByte(buf, '\n'); i >= 0 {
		return string(buf[:i]), at + int64(i) + 1
	}
	return string(buf), at + int64(n)
}

// before is where the line before the one at an offset begins.
func (w *window) before(at int64) int64 {
	if at <= 0 {
		return 0
	}
	from := max(at-longest-1, 0)
	buf := make([]byte, at-from)
	n, err := w.r.ReadAt(buf, from)
	if err != nil && err != io.EOF {
		w.err = err
		return at
	}
	buf = buf[:n]
	if n > 0 && buf[n-1] == '\n' {
		buf = buf[:n-1]
	}
	if i := bytes.LastIndexByte(buf, '\n'); i >= 0 {
		return from + int64(i) + 1
	}
	return max(at-longest, from)
}

// scroll moves the window by lines.
func (w *window) scroll(lines int) {
	for ; lines > 0 && w.ends < w.size; lines-- {
		_, next := w.line(w.top)
		if next == w.top {
			break
		}
		w.top = next
		_, w.ends = w.line(w.ends)
	}
	for ; lines < 0 && w.top > 0; lines++ {
		w.top = w.before(w.top)
	}
	w.fill()
}

// start shows the first lines, end the last ones.
func (w *window) start() { w.top = 0; w.fill() }

func (w *window) end() {
	w.top = w.size
	for range w.height {
		w.top = w.before(w.top)
	}
	w.fill()
}

// atEnd says whether the last line is visible.
func (w *window) atEnd() bool { return w.ends >= w.size }

// grow takes a new size of the file, and follows its end when that was visible.
func (w *window) grow(size int64) {
	if size == w.size {
		w.fill() // of a flood what is kept changes
		return
	}
	follow := w.atEnd() && w.size > 0 && size > w.size
	w.size = size
	w.top = min(w.top, size)
	if follow {
		w.end()
	} else {
		w.fill()
	}
}

// replace takes another text, about as long as the one before.
func (w *window) replace(text string) {
	text = strings.TrimRight(text, "\n")
	w.r, w.size = strings.NewReader(text), int64(len(text))
	w.top = lineAt(w, min(w.top, max(w.size-1, 0)))
	w.hit = -1
	w.fill()
}

// show puts the line at an offset a third down the window.
func (w *window) show(at int64) {
	w.hit, w.top = at, at
	for range w.height / 3 {
		w.top = w.before(w.top)
	}
	w.fill()
	if w.atEnd() {
		w.end()
	}
}

// place is how far down the window is: "all", "top", "42%", "end".
func (w *window) place() string {
	switch {
	case w.top == 0 && w.atEnd():
		return "all"
	case w.top == 0:
		return "top"
	case w.atEnd():
		return "end"
	}
	return fmt.Sprintf("%d%%", w.top*100/w.size)
}

func (w *window) view() []string {
	out := make([]string, 0, w.height)
	for i, line := range w.lines {
		text := w.text(line)
		if w.x > 0 {
			text = cutLeft(text, w.x)
		}
		text = w.cut(" "+text, w.width)
		switch {
		case w.at[i] == w.hit:
			text = w.paint(bar, w.pad(text, w.width))
		case w.style != nil:
			text = w.paint(w.style(line), text)
		case incident(line):
			text = w.paint(bad, text)
		}
		out = append(out, text)
	}
	if w.err != nil && len(out) < w.height {
		out = append(out, w.paint(ours, w.cut(" cannot be read: "+w.text(w.err.Error()), w.width)))
	}
	for len(out) < w.height {
		out = append(out, "")
	}
	return out
}

// cutLeft drops the first columns of s.
func cutLeft(s string, columns int) string {
	for i, r := range s {
		if columns <= 0 {
			return spaces(-columns) + s[i:] // half of a wide character is a blank
		}
		columns -= textWidth(string(r))
	}
	return ""
}

// incident says whether a console line begins a report that a reader looks for. It only colours the line.
func incident(line string) bool {
	for _, s := range incidents {
		if strings.Contains(line, s) {
			return true
		}
	}
	return false
}

var incidents = []string{"kernel BUG at ", "BUG: ", "Oops: ", "Kernel panic", "WARNING: ", "general protection fault", "blocked for more than"}

// search finds the next line that holds text, ignoring case, from after (or, back, before) an offset. It
// reads the file in pieces and gives up when ctx ends. The result is -1 when there is none.
func search(ctx context.Context, r io.ReaderAt, size, from int64, text string, back bool) (int64, error) {
	want := lower([]byte(text))
	if len(want) == 0 {
		return -1, nil
	}
	over := int64(len(want) - 1)
	buf := make([]byte, chunk+over)
	if back {
		for end := min(from, size); end > 0; {
			begin := max(end-chunk, 0)
			// The match may begin in this piece and end in the next, but not beyond from.
			n, err := r.ReadAt(buf[:min(end+over, from, size)-begin], begin)
			if err != nil && err != io.EOF {
				return -1, err
			}
			if i := lastIndex(lower(buf[:n]), want); i >= 0 {
				return lineStart(r, begin+int64(i))
			}
			if end = begin; ctx.Err() != nil {
				return -1, ctx.Err()
			}
		}
		return -1, nil
	}
	for begin := max(from, 0); begin < size; begin += chunk {
		n, err := r.ReadAt(buf[:min(chunk+over, size-begin)], begin)
		if err != nil && err != io.EOF {
			return -1, err
		}
		if i := bytes.Index(lower(buf[:n]), want); i >= 0 {
			return lineStart(r, begin+int64(i))
		}
		if ctx.Err() != nil {
			return -1, ctx.Err()
		}
	}
	return -1, nil
}

// lastIndex is bytes.LastIndex, faster where there is mostly nothing: bytes.Index has the processor's help.
func lastIndex(b, want []byte) int {
	last := -1
	for from := 0; ; {
		i := bytes.Index(b[from:], want)
		if i < 0 {
			return last
		}
		last = from + i
		from = last + 1
	}
}

// lower makes ASCII letters small, in place: unlike bytes.ToLower it keeps every offset, whatever the bytes.
func lower(b []byte) []byte {
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return b
}

// lineStart is where the line that an offset is in begins, or the piece of it that is shown as a line.
func lineStart(r io.ReaderAt, at int64) (int64, error) {
	from := max(at-longest, 0)
	buf := make([]byte, at-from)
	n, err := r.ReadAt(buf, from)
	if err != nil && err != io.EOF {
		return -1, err
	}
	if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
		return from + int64(i) + 1, nil
	}
	if from == 0 {
		return 0, nil
	}
	return at, nil
}
