package qemu

import (
	"strings"

	"github.com/seriesctl/seriesctl/internal/pattern"
)

// naming is what an incident is called.
type naming struct {
	typ          string
	title        string
	alternatives []string
	corrupted    bool
}

// unnamed stands in a title for the function that a cut or interleaved report does not show.
const unnamed = "corrupted"

// maxTitle is how long a title gets, in bytes: interleaved lines can be very long.
const maxTitle = 120

// name makes an incident's title: the rule's, with the guilty function for FUNC.
func (in *incident) name() naming {
	rows := in.rows()
	n := naming{typ: in.rule.typ, title: in.rule.title}
	if in.rule.detail != nil {
		n.typ, n.title = in.rule.detail(in, rows)
	}
	n.corrupted = in.rule.corrupted || !in.rule.bare && !whole(rows)
	if n.title == "" {
		n.plain(in)
		return n
	}
	if !strings.Contains(n.title, "FUNC") {
		n.title = in.expand(n.title, "")
		return n
	}
	where := in.rule.where
	if where == nil {
		where = exception
	}
	fn, ok := where.follow(rows)
	if fn == "" {
		n.corrupted = true
		if where.whole && !ok {
			n.plain(in)
			return n
		}
		fn = unnamed
	}
	n.title = in.expand(n.title, fn)
	if in.rule.alt != "" {
		n.alternatives = append(n.alternatives, in.expand(in.rule.alt, fn))
	}
	return n
}

// plain names an incident by the line that announces it.
func (n *naming) plain(in *incident) {
	line := in.head
	if m := plainRE.Compiled().FindString(line); m != "" {
		line = m
	}
	n.title, n.typ = normalise(line), ""
	if strings.HasPrefix(line, "WARNING:") {
		n.typ = "WARNING"
	}
}

var plainRE = pattern.New(`(?:BUG|WARNING|INFO):.*`)

// expand makes a title of its pattern: fn for FUNC, the submatches of the rule's pattern for $1…, all normalised.
func (in *incident) expand(pattern, fn string) string {
	list := []string{"FUNC", fn}
	for i := 1; i < min(len(in.sub), 10); i++ {
		list = append(list, "$"+string(rune('0'+i)), in.sub[i])
	}
	return normalise(strings.NewReplacer(list...).Replace(pattern))
}

// whole says whether a report has a stack, and every stack that it announces has a frame.
func whole(rows []row) bool {
	stacks := false
	for i, r := range rows {
		if !r.starts {
			continue
		}
		framed := false
		for _, next := range rows[i+1 : min(len(rows), i+16)] {
			if next.starts {
				break
			}
			framed = framed || next.fn != "" || strings.Contains(next.text, "(stack is not available)")
		}
		if !framed {
			return false
		}
		stacks = true
	}
	return stacks
}

// variable is what differs in a text from one build, run or machine to the next, and what stands for it in a title.
var variable = []struct {
	re *pattern.Regexp
	by string
}{
	{pattern.New(`\bsyz-executor[.\d]*\d(?:[/:]\d+)?`), "syz-executor"},
	{pattern.New(`\bsyzkaller\d+(?:[/:]\d+)?`), "syzkaller"},
	{pattern.New(`([A-Za-z][\w.]+)\+0x[0-9a-f]+(?:/0x[0-9a-f]+)?`), "$1"},
	{pattern.New(`(^|[^A-Za-z0-9])(?:0x)?[0-9a-f]{6,}`), "${1}ADDR"},
	{pattern.New(`\b\d{1,3}(?:\.\d{1,3}){3}\b`), "IP"},
	{pattern.New(`(\.[A-Za-z]\w*)(?::\d+)+`), "$1:LINE"},
	{pattern.New(`CPU#\d+`), "CPU"},
	{pattern.New(`\b\d+\b`), "NUM"},
	{pattern.New(`\d{7,}`), "NUM"},
	{pattern.New(`[\t ]+`), " "},
	{pattern.New(`[^ -~]+`), ""},
}

// normalise takes out of a text what differs from one build or run to the next.
func normalise(s string) string {
	for _, v := range variable {
		s = v.re.ReplaceAllString(s, v.by)
	}
	return strings.TrimSpace(s[:min(len(s), maxTitle)])
}

// clip is a text's first n bytes, without a torn character.
func clip(s string, n int) string {
	s = strings.ToValidUTF8(s, "")
	return strings.ToValidUTF8(s[:min(len(s), n)], "")
}
