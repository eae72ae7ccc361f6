package tui

import (
	"strings"

	"github.com/seriesctl/seriesctl/internal/plain"
)

// style is the parameters of an SGR sequence. Colours are of the 16 that the user's theme defines; each means one thing.
type style string

const (
	normal  style = ""
	bold    style = "1"
	faint   style = "2"
	good    style = "32"
	bad     style = "31"
	doubt   style = "33"
	ours    style = "35" // the lab's own trouble
	moving  style = "36"
	fixed   style = "1;32"
	broken  style = "1;31"
	changed style = "1;33"
	bar     style = "7"
)

// light is what stands for a style on a light background, where many themes' green, yellow and cyan can't be read: dark
// colours of the 256 that no theme changes. Terminals with fewer get the nearest they have.
var light = map[style]style{
	good: "38;5;22", bad: "38;5;124", doubt: "38;5;94", ours: "38;5;90", moving: "38;5;24",
	fixed: "1;38;5;22", broken: "1;38;5;124", changed: "1;38;5;94",
}

// onLight makes a screen of one that was drawn for a dark background. All sequences in it are from paint.
var onLight = func() *strings.Replacer {
	var pairs []string
	for s, l := range light {
		pairs = append(pairs, s.sequence(), l.sequence())
	}
	return strings.NewReplacer(pairs...)
}()

func (s style) sequence() string { return "\x1b[" + string(s) + "m" }

// look draws in the user's way: colour or not, UTF-8 or ASCII.
type look struct{ color, ascii bool }

func (l look) paint(s style, text string) string {
	if text == "" || s == normal {
		return text
	}
	if !l.color {
		// NO_COLOR is about colour: bold, faint and reverse stay.
		switch s {
		case bold, faint, bar:
		case fixed, broken, changed:
			s = bold
		default:
			return text
		}
	}
	return s.sequence() + text + "\x1b[m"
}

func (l look) pick(utf8, ascii string) string {
	if l.ascii {
		return ascii
	}
	return utf8
}

func (l look) tail() string { return l.pick("…", "~") }

// text makes s one safe line.
func (l look) text(s string) string {
	s = plain.Line(s)
	if l.ascii {
		s = plain.ASCII(s)
	}
	return s
}

func (l look) pad(s string, width int) string { return plain.Pad(s, width, l.tail()) }
func (l look) cut(s string, width int) string { return plain.Cut(s, width, l.tail()) }

// ends puts left and right at the ends of a line; left gives way.
func (l look) ends(left, right string, width int) string {
	right = l.cut(right, width)
	room := width - plain.Width(right)
	if right != "" {
		room--
	}
	line := l.pad(left, room)
	if right != "" && room >= 0 {
		line += " "
	}
	return line + right
}

func wordStyle(word string) style {
	switch word {
	case "ok":
		return good
	case "FAIL", "HANG", "LIVE", "BUG", "bld", "boot", "conf":
		return bad
	case "WARN", "TIME", "flky":
		return doubt
	case "infr":
		return ours
	case "run":
		return moving
	}
	return faint
}

func markStyle(mark string) style {
	switch mark {
	case "FIX":
		return fixed
	case "REG":
		return broken
	}
	return changed
}

// sign is a mark in one letter, for narrow columns.
func sign(mark string) string {
	switch mark {
	case "FIX":
		return "+"
	case "REG":
		return "!"
	case "chg":
		return "~"
	case "rar":
		return "<"
	case "oft":
		return ">"
	}
	return mark
}

func spaces(n int) string { return strings.Repeat(" ", max(n, 0)) }
