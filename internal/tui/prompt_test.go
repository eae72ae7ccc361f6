package tui

import (
	"strings"
	"testing"
)

// lastOf is the last line of a screen.
func lastOf(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return lines[len(lines)-1]
}

func TestPromptIsEdited(t *testing.T) {
	tests := []struct{ name, keys, want string }{
		{"in the middle", "a c left b", ":ab█c"},
		{"at its ends", "b home a end c", ":abc█"},
		{"deleted", "a b c home delete right backspace", ":█c"},
		{"a wide character", "日 本 left backspace", ":█本"},
		{"recalled", "s h o w enter q : x left up", ":show█"},
		{"and left again", "s h o w enter q : x y left up down", ":xy█"},
		{"a command", "ap tab x", ":apply x█"},
		{"several", "r tab tab", ":report█"},
		{"and the next", "r tab tab tab", ":resolve█"},
		{"and the first again", "re tab tab tab tab", ":report█"},
		{"another key ends that", "re tab tab backspace backspace backspace backspace s tab", ":resolve █"},
		{"none", "xyz tab", ":xyz█"},
		{"flags", "run space --s tab", ":run --source █"},
		{"cases", "run space --cases space gfs2/w tab", ":run --cases gfs2/write█"},
		{"a file", "load space t tab", ":load thread.mbox █"},
		{"a directory", "load space m tab", ":load mail█"},
	}
	for _, tt := range tests {
		s := lobby(t, many(), 80, 24, Options{})
		s.types("enter : " + tt.keys)
		got := lastOf(s.text())
		// Under the cursor is a character, drawn in reverse.
		if p := s.m.prompt; p != nil && p.rest != "" {
			got = " :" + p.text + "█" + p.rest
		}
		if got != " "+tt.want {
			t.Errorf("%s: %q, wanted %q", tt.name, got, tt.want)
		}
	}
}

func TestSearchesAreRecalled(t *testing.T) {
	s := newScreen(t, rfc(), 80, 24, Options{})
	s.types("/ iomap enter / gfs2 enter / up up")
	if got := lastOf(s.text()); got != " /iomap█" {
		t.Errorf("%q", got)
	}
}

// A text that is longer than the line shows what is around the cursor.
func TestLongPrompt(t *testing.T) {
	s := lobby(t, many(), 60, 15, Options{})
	s.types(": aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab")
	if got := lastOf(s.text()); got != " :…"+got[len(" :…"):] || got[len(got)-4:] != "b█" {
		t.Errorf("%q", got)
	}
	s.types("home")
	s.text()
	s.types("right right left z")
	if p := s.m.prompt; p.text != "az" {
		t.Errorf("%q", p.text)
	}
}
