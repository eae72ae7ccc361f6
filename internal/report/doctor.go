package report

import (
	"bufio"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/seriesctl/seriesctl/internal/plain"
	"github.com/seriesctl/seriesctl/qemu"
)

// Doctor writes the checks of a host, one a line: `ok`, `MISSING` (nothing runs without it) or `warn` first, then the
// name and what was found, and under what fails how to mend it.
func Doctor(w io.Writer, checks []qemu.Check) error {
	width := 0
	for _, c := range checks {
		width = max(width, utf8.RuneCountInString(c.Name))
	}
	b := bufio.NewWriter(w)
	for _, c := range checks {
		state := "ok"
		switch {
		case !c.OK && c.Required:
			state = "MISSING"
		case !c.OK:
			state = "warn"
		}
		fmt.Fprintf(b, "%-7s  %-*s  %s\n", state, width, plain.Line(c.Name), plain.Line(c.Detail))
		if !c.OK && c.Fix != "" {
			fmt.Fprintf(b, "%-7s  %-*s  fix: %s\n", "", width, "", plain.Line(c.Fix))
		}
	}
	return b.Flush()
}
