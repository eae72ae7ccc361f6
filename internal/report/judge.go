package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/seriesctl/seriesctl/internal/plain"
	"github.com/seriesctl/seriesctl/qemu"
)

// JudgedLog is what `judge` says of one log file; its JSON is the entry CONTRACT promises.
type JudgedLog struct {
	File string `json:"file"`
	qemu.LogVerdict
}

// Judge writes the verdicts on console logs: a line with the file, type and title, the other titles, and the
// report indented under it. A log that shows nothing gets one line.
func Judge(w io.Writer, logs []JudgedLog) error {
	b := bufio.NewWriter(w)
	for i, l := range logs {
		if i > 0 && logs[i-1].Title != "" {
			fmt.Fprintln(b)
		}
		if l.Title == "" {
			fmt.Fprintf(b, "%s: no crash\n", plain.Line(l.File))
			continue
		}
		fmt.Fprintf(b, "%s: ", plain.Line(l.File))
		if l.Type != "" {
			fmt.Fprintf(b, "%s: ", plain.Line(l.Type))
		}
		fmt.Fprint(b, plain.Line(l.Title))
		if l.Corrupted {
			fmt.Fprint(b, " (the report is cut or interleaved)")
		}
		fmt.Fprintln(b)
		for _, alt := range l.Alternatives {
			fmt.Fprintf(b, "  also: %s\n", plain.Line(alt))
		}
		for line := range strings.Lines(l.Report) {
			fmt.Fprintf(b, "  | %s\n", plain.Line(strings.TrimRight(line, "\r\n")))
		}
	}
	return b.Flush()
}
