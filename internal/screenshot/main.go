// Command screenshot turns a terminal's screen, as `tmux capture-pane -ep` prints it, into an SVG picture: text on its
// grid with the colours of a dark terminal, reverse, bold and faint. It is for the pictures of the documentation.
//
//	tmux capture-pane -ep | screenshot > screen.svg
package main

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/seriesctl/seriesctl/internal/plain"
)

func main() {
	if err := convert(os.Stdout, os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "screenshot:", err)
		os.Exit(1)
	}
}

// Cell of the grid and margin around it, in pixels.
const (
	cellWidth, cellHeight = 8.4, 18
	margin                = 12
)

const (
	background = "#1c1c1c"
	foreground = "#d0d0d0"
)

// palette is the 16 colours of a terminal.
var palette = [16]string{
	"#1c1c1c", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#d0d0d0",
	"#5c6370", "#f08c95", "#b8e399", "#f5d09b", "#81cfff", "#d698ed", "#76d6e2", "#ffffff",
}

// pen is what SGR sequences have set.
type pen struct {
	fg, bg               string
	bold, faint, reverse bool
}

var sgr = regexp.MustCompile("\x1b\\[([0-9;]*)m")

// convert writes the screen that it reads as an SVG document.
func convert(w io.Writer, r io.Reader) error {
	var lines []string
	in := bufio.NewScanner(r)
	for in.Scan() {
		lines = append(lines, in.Text())
	}
	if err := in.Err(); err != nil {
		return err
	}
	columns := 0
	for _, l := range lines {
		columns = max(columns, plain.Width(sgr.ReplaceAllString(l, "")))
	}
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%d" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14">`+"\n",
		float64(columns)*cellWidth+2*margin, len(lines)*cellHeight+2*margin)
	fmt.Fprintf(out, `<rect width="100%%" height="100%%" rx="6" fill="%s"/>`+"\n", background)
	var p pen
	for i, l := range lines {
		column := 0
		for l != "" {
			at := sgr.FindStringSubmatchIndex(l)
			text := l
			if at != nil {
				text = l[:at[0]]
			}
			p.draw(out, i, column, text)
			column += plain.Width(text)
			if at == nil {
				break
			}
			p.set(l[at[2]:at[3]])
			l = l[at[1]:]
		}
	}
	fmt.Fprintln(out, "</svg>")
	return out.Flush()
}

// set takes the parameters of one SGR sequence.
func (p *pen) set(parameters string) {
	codes := strings.Split(parameters, ";")
	for i := 0; i < len(codes); i++ {
		n, _ := strconv.Atoi(codes[i]) // "" is 0
		switch {
		case n == 0:
			*p = pen{}
		case n == 1:
			p.bold = true
		case n == 2:
			p.faint = true
		case n == 7:
			p.reverse = true
		case n == 22:
			p.bold, p.faint = false, false
		case n == 27:
			p.reverse = false
		case n >= 30 && n <= 37:
			p.fg = palette[n-30]
		case n >= 90 && n <= 97:
			p.fg = palette[n-90+8]
		case n >= 40 && n <= 47:
			p.bg = palette[n-40]
		case n == 39:
			p.fg = ""
		case n == 49:
			p.bg = ""
		}
	}
}

// draw writes text at a place of the grid.
func (p *pen) draw(w io.Writer, line, column int, text string) {
	fg, bg := p.fg, p.bg
	if p.reverse {
		if fg == "" {
			fg = foreground
		}
		if bg == "" {
			bg = background
		}
		fg, bg = bg, fg
	}
	x, y := margin+float64(column)*cellWidth, margin+line*cellHeight
	if width := plain.Width(text); bg != "" && width > 0 {
		fmt.Fprintf(w, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", x, y, float64(width)*cellWidth, cellHeight, bg)
	}
	trimmed := strings.TrimLeft(text, " ")
	x += float64(len(text)-len(trimmed)) * cellWidth
	trimmed = strings.TrimRight(trimmed, " ")
	if trimmed == "" {
		return
	}
	if fg == "" {
		fg = foreground
	}
	style := ""
	if p.bold {
		style += ` font-weight="bold"`
	}
	if p.faint {
		style += ` opacity="0.6"`
	}
	fmt.Fprintf(w, `<text x="%.1f" y="%d" fill="%s"%s textLength="%.1f" lengthAdjust="spacingAndGlyphs" xml:space="preserve">%s</text>`+"\n",
		x, y+cellHeight-5, fg, style, float64(plain.Width(trimmed))*cellWidth, html.EscapeString(trimmed))
}
