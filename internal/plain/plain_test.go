package plain

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestLine(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"ascii", "gfs2: Fix mmap", "gfs2: Fix mmap"},
		{"colour", "\x1b[1;31mBUG\x1b[0m: x", "BUG: x"},
		{"title", "a\x1b]0;owned\x07b", "ab"},
		{"title with ST", "a\x1b]0;owned\x1b\\b", "ab"},
		{"unended OSC keeps the text", "a\x1b]0;the evidence", "a^[]0;the evidence"},
		{"unended CSI keeps the text", "a\x1b[31", "a^[[31"},
		{"charset", "\x1b(Ba", "a"},
		{"reset", "\x1bca", "a"},
		{"lone escape", "a\x1b", "a^["},
		{"C1 CSI", "a\u009b31mb", "a\ufffd31mb"},
		{"raw C1 byte", "a\x9b31mb", "a\ufffd31mb"},
		{"bell and backspace", "a\x07\x08", "a^G^H"},
		{"delete", "a\x7f", "a^?"},
		{"nul", "a\x00b", "a^@b"},
		{"tab", "ab\tc", "ab      c"},
		{"tab after wide", "日\tc", "日      c"},
		{"crlf", "a\r\nb", "a b"},
		{"carriage return in the middle overwrites nothing", "good\rbad", "good bad"},
		{"trailing cr", "a\r", "a"},
		{"bidi override", "a\u202egnp.exe\u202c", "agnp.exe"},
		{"zero width", "a\u200b\u200db\ufeff", "ab"},
		{"variation selector", "\u2764\ufe0f", "\u2764"},
		{"private use", "\ue0b0", "\ufffd"},
		{"latin", "Andreas Grünbacher", "Andreas Grünbacher"},
		{"combining", "e\u0301\u0302\u0303\u0304", "e\u0301\u0302"},
		{"leading combining", "\u0301a", "a"},
		{"line separator", "a\u2028b", "ab"},
		{"invalid", "a\xffb", "a\ufffdb"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Line(tt.in); got != tt.want {
				t.Errorf("Line(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestText(t *testing.T) {
	if got, want := Text("a\x1b[2J\nb\x1b]0;x\nc"), "a\nb^[]0;x\nc"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestASCII(t *testing.T) {
	if got, want := ASCII("crash → fail … “x” Grü 日"), `crash -> fail ... "x" Gr? ?`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCutAndPad(t *testing.T) {
	tests := []struct {
		s     string
		width int
		cut   string
		pad   string
	}{
		{"abcdef", 4, "abc…", "abc…"},
		{"ab", 4, "ab", "ab  "},
		{"日本語", 4, "日…", "日… "},
		{"abc", 0, "", ""},
		{"abc", -1, "", ""},
	}
	for _, tt := range tests {
		if got := Cut(tt.s, tt.width, "…"); got != tt.cut {
			t.Errorf("Cut(%q, %d) = %q, want %q", tt.s, tt.width, got, tt.cut)
		}
		if got := Pad(tt.s, tt.width, "…"); got != tt.pad {
			t.Errorf("Pad(%q, %d) = %q, want %q", tt.s, tt.width, got, tt.pad)
		}
	}
}

func TestCutMiddle(t *testing.T) {
	for _, tt := range []struct {
		s     string
		width int
		want  string
	}{
		{"abcdef", 6, "abcdef"},
		{"abcdefgh", 6, "abc…gh"},
		{"abcdefgh", 5, "ab…gh"},
		{"abcdefgh", 2, "a…"},
		{"abcdefgh", 0, ""},
		{"日本語日本語", 6, "日…語"},
	} {
		if got := CutMiddle(tt.s, tt.width, "…"); got != tt.want || Width(got) > max(tt.width, 0) {
			t.Errorf("CutMiddle(%q, %d) = %q, want %q", tt.s, tt.width, got, tt.want)
		}
	}
}

func TestWrap(t *testing.T) {
	tests := []struct {
		s     string
		width int
		want  []string
	}{
		{"one two three", 7, []string{"one two", "three"}},
		{"abcdefgh ij", 3, []string{"abc", "def", "gh", "ij"}},
		{"", 5, []string{""}},
		{"日本語", 1, []string{"日本語"}},
	}
	for _, tt := range tests {
		if got := Wrap(tt.s, tt.width); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("Wrap(%q, %d) = %q, want %q", tt.s, tt.width, got, tt.want)
		}
	}
}

func FuzzLine(f *testing.F) {
	f.Add("\x1b[31mred\x1b]0;t\x07\u202e\x9b\r\n\t")
	f.Fuzz(func(t *testing.T, s string) {
		got := Line(s)
		if !utf8.ValidString(got) {
			t.Fatalf("Line(%q) is not UTF-8: %q", s, got)
		}
		if strings.ContainsFunc(got, func(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 || invisible(r) }) {
			t.Fatalf("Line(%q) = %q", s, got)
		}
		if again := Line(got); again != got {
			t.Fatalf("not idempotent: %q, then %q", got, again)
		}
	})
}
