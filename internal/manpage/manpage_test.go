package manpage

import (
	"bytes"
	"errors"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// shown is what a reader of 80 columns sees of a page, and what mandoc finds wrong with it.
func shown(t *testing.T, p *Page) (text, faults string) {
	t.Helper()
	var page bytes.Buffer
	if _, err := p.WriteTo(&page); err != nil {
		t.Fatal(err)
	}
	mandoc := func(args ...string) string {
		cmd := exec.Command("mandoc", args...)
		cmd.Stdin = bytes.NewReader(page.Bytes())
		out, err := cmd.CombinedOutput()
		if found := (*exec.ExitError)(nil); err != nil && !errors.As(err, &found) {
			t.Fatalf("%v: make setup installs it", err)
		}
		return string(out)
	}
	text = mandoc("-Tutf8", "-Owidth=80")
	return regexp.MustCompile(".\b").ReplaceAllString(text, ""), mandoc("-Tlint")
}

func TestPage(t *testing.T) {
	p := New("a-page", "1", "2021-05-20", "program 1", "manual")
	p.Section("NAME")
	p.Text("a-page - .TH is no \\fBrequest\\fR")
	p.Section("SYNOPSIS")
	p.Synopsis("a page [FILE…] --case CASE")
	p.Synopsis("a page other")
	p.Section("DESCRIPTION")
	p.Text("'quoted' at the start, see git-am(1) and `do this --now`.\n\n  .code 'as it is' ^~`\n    more \\n\n\nAfter it.")
	p.Sub("A part")
	p.Item("-q, --quiet <level>", "'gfs2/*' and ext4/* and \"x\"")
	p.Rows([][2]string{{".", "a dot"}, {"'", "a quote"}, {"|", "a bar"}})
	p.Lines([]string{". one", "two"})
	got, faults := shown(t, p)
	if faults != "" {
		t.Error(faults)
	}
	want := `
NAME
       a-page - .TH is no \fBrequest\fR

SYNOPSIS
       a page [FILE…] --case CASE

       a page other

DESCRIPTION
       'quoted' at the start, see git-am(1) and do this --now.

           .code 'as it is' ^~` + "`" + `
             more \n

       After it.

   A part
       -q, --quiet level
              'gfs2/*' and ext4/* and "x"

       .             a dot
       '             a quote
       |             a bar

       . one
       two
`
	if !strings.Contains(got, want) {
		t.Errorf("got\n%s", got)
	}
}

func TestMarks(t *testing.T) {
	for text, want := range map[string]string{
		"see git-am(1), `run --x`": `see \fBgit\-am\fR(1), \fBrun \-\-x\fR`,
		"f(x) and A(1)":            `f(x) and A(1)`,
		"`":                        `\(ga`,
	} {
		if got := marked(text); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}
