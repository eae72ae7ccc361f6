package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestLeaveKeys(t *testing.T) {
	tests := []struct {
		name, typed, want string
		left              bool
	}{
		{"nothing special", "ls\r\x03\x04\x1b[A", "ls\r\x03\x04\x1b[A", false},
		{"leave", "ls\r\x01xrm -rf /\r", "ls\r", true},
		{"ctrl-a twice", "a\x01\x01xb", "a\x01xb", false},
		{"ctrl-a and another", "\x01bx", "\x01bx", false},
		{"x alone", "xx", "xx", false},
		{"three of them", "\x01\x01\x01x", "\x01", true},
	}
	for _, tt := range tests {
		for name, slow := range map[string]func(io.Reader) io.Reader{"at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader} {
			t.Run(tt.name+" "+name, func(t *testing.T) {
				left := false
				k := &leaveKeys{r: slow(strings.NewReader(tt.typed)), leave: func() { left = true }}
				var got bytes.Buffer
				if _, err := io.Copy(&got, k); err != nil {
					t.Fatal(err)
				}
				if got.String() != tt.want || left != tt.left {
					t.Fatalf("got %q, left %v", got.String(), left)
				}
			})
		}
	}
}

func TestTyped(t *testing.T) {
	if got := typed([]string{"read-self", "a b", "it's", "x=1"}, true); got != `read-self 'a b' 'it'\''s' x=1 &`+"\n" {
		t.Fatalf("got %q", got)
	}
	if got := typed([]string{"read-self"}, false); got != "read-self\n" {
		t.Fatalf("got %q", got)
	}
}
