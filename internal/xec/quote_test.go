package xec

import (
	"context"
	"strings"
	"testing"
)

// A shell takes what Quote writes apart into the words there were.
func TestQuote(t *testing.T) {
	words := []string{"gfs2/read-self", "a b", "", "it's", `back\slash`, "$HOME", "`id`", "*", "~", "~root", "two\nlines", "line\n", "{2,4-6}", "a;b", "é", "#x", "!1", `"`, "name=value"}
	var line strings.Builder
	for _, w := range words {
		line.WriteString(" " + Quote(w))
	}
	out, err := Cmd{Name: "sh", Args: []string{"-c", "printf '%s\\0'" + line.String()}}.Output(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(out), strings.Join(words, "\x00")+"\x00"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := Quote("--cases=gfs2/read-self"); got != "--cases=gfs2/read-self" {
		t.Errorf("got %s", got)
	}
}
