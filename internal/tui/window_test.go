package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
)

func newTestWindow(text string, height int) *window {
	w := newWindow(look{}, strings.NewReader(text), int64(len(text)))
	w.resize(80, height)
	return w
}

func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	return b.String()
}

func TestWindowScroll(t *testing.T) {
	tests := []struct {
		name  string
		move  func(w *window)
		first string
		place string
	}{
		{"start", func(w *window) {}, "line 0", "top"},
		{"down", func(w *window) { w.scroll(3) }, "line 3", "2%"},
		{"down and up", func(w *window) { w.scroll(5); w.scroll(-2) }, "line 3", "2%"},
		{"above the start", func(w *window) { w.scroll(-2) }, "line 0", "top"},
		{"end", func(w *window) { w.end() }, "line 90", "end"},
		{"beyond the end", func(w *window) { w.scroll(1000) }, "line 90", "end"},
		{"back from the end", func(w *window) { w.end(); w.scroll(-90) }, "line 0", "top"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newTestWindow(numbered(100), 10)
			tt.move(w)
			if w.lines[0] != tt.first || len(w.lines) != 10 || w.place() != tt.place {
				t.Errorf("first line %q of %d, place %q", w.lines[0], len(w.lines), w.place())
			}
		})
	}
}

func TestWindowShortAndOddTexts(t *testing.T) {
	tests := []struct {
		text string
		want []string
	}{
		{"", nil},
		{"a", []string{"a"}},
		{"a\nb", []string{"a", "b"}},
		{"a\n\n\nb\n", []string{"a", "", "", "b"}},
	}
	for _, tt := range tests {
		w := newTestWindow(tt.text, 5)
		for _, move := range []func(){func() {}, func() { w.scroll(9) }, func() { w.scroll(-9) }, w.end, w.start} {
			move()
			if len(w.lines) != len(tt.want) || len(tt.want) > 0 && !reflect.DeepEqual(w.lines, tt.want) {
				t.Errorf("%q: got %q", tt.text, w.lines)
			}
		}
		if n := len(w.view()); n != 5 {
			t.Errorf("%q: %d lines drawn", tt.text, n)
		}
	}
}

// Every line, however long, is reached downwards and upwards, and no step is larger than a piece.
func TestWindowLongLines(t *testing.T) {
	text := strings.Repeat("x", 3*longest+17) + "\nshort\n" + strings.Repeat("y", longest) + "\nend\n"
	w := newTestWindow(text, 2)
	for range 50 {
		w.scroll(1)
	}
	if !w.atEnd() || w.lines[len(w.lines)-1] != "end" {
		t.Errorf("at the end: %.20q", w.lines)
	}
	for range 50 {
		w.scroll(-1)
	}
	if w.top != 0 {
		t.Errorf("back at %d", w.top)
	}
}

func TestWindowFollowsItsEnd(t *testing.T) {
	text := numbered(100)
	w := newWindow(look{}, strings.NewReader(text), int64(strings.Index(text, "line 50\n")))
	w.resize(80, 10)
	w.grow(int64(strings.Index(text, "line 60\n")))
	if w.lines[0] != "line 0" {
		t.Errorf("does not stay: %q", w.lines[0])
	}
	w.end()
	w.grow(int64(len(text)))
	if w.lines[9] != "line 99" {
		t.Errorf("does not follow: %q", w.lines)
	}
	w.grow(10)
	if !w.atEnd() || w.top > 10 {
		t.Errorf("a log that became shorter: top %d", w.top)
	}
}

// sparse is a file of a given size that is zero but for one line.
type sparse struct {
	size, at int64
	line     string
	read     int64
}

func (s *sparse) ReadAt(p []byte, off int64) (int, error) {
	if off >= s.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), s.size-off))
	s.read += int64(n)
	for i := range p[:n] {
		p[i] = 'z'
		if (off+int64(i))%100 == 99 {
			p[i] = '\n'
		}
		if j := off + int64(i) - s.at; j >= 0 && j < int64(len(s.line)) {
			p[i] = s.line[j]
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// A log of 1 GB opens, goes to its end and comes back with a few pages read.
func TestWindowOnAGigabyte(t *testing.T) {
	f := &sparse{size: 1 << 30}
	w := newWindow(look{}, f, f.size)
	w.resize(200, 60)
	w.end()
	w.scroll(-30)
	w.start()
	if f.read > 4<<20 {
		t.Errorf("%d bytes read", f.read)
	}
}

func TestSearch(t *testing.T) {
	const at = chunk - 3 // across two pieces
	f := &sparse{size: 3 * chunk, at: at, line: "Kernel BUG"}
	want := int64(at - at%100)
	tests := []struct {
		name string
		from int64
		text string
		back bool
		want int64
	}{
		{"forward", 0, "kernel bug", false, want},
		{"forward from behind", at + 1, "kernel bug", false, -1},
		{"back", 3 * chunk, "KERNEL BUG", true, want},
		{"back from before", at, "kernel bug", true, -1},
		{"back from within", at + 5, "kernel bug", true, -1},
		{"absent", 0, "no such text", false, -1},
		{"empty", 0, "", false, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := search(context.Background(), f, f.size, tt.from, tt.text, tt.back)
			if err != nil || got != tt.want {
				t.Errorf("got %d, %v, want %d", got, err, tt.want)
			}
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, back := range []bool{false, true} {
		if _, err := search(ctx, f, f.size, f.size/2, "no such text", back); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled search: %v", err)
		}
	}
}

// Bytes that are no UTF-8 must not move the offset of a match.
func TestSearchInJunk(t *testing.T) {
	text := strings.Repeat("\xff\xfe\x80", 100) + "\nneedle\n"
	got, err := search(context.Background(), strings.NewReader(text), int64(len(text)), 0, "NEEDLE", false)
	if err != nil || got != 301 {
		t.Errorf("got %d, %v", got, err)
	}
}

func TestWindowReadError(t *testing.T) {
	w := newWindow(look{}, failing{}, 100)
	w.resize(80, 5)
	w.scroll(1)
	w.end()
	if got := strings.Join(w.view(), "\n"); !strings.Contains(got, "cannot be read: unexpected EOF") {
		t.Errorf("got %q", got)
	}
}

type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, io.ErrUnexpectedEOF }
