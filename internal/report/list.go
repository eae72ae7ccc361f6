package report

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/seriesctl/seriesctl/internal/plain"
)

// ListEntry is one line of `seriesctl list`.
type ListEntry struct {
	ID       string    `json:"id"`
	Subject  string    `json:"subject"`
	Revision int       `json:"revision"`
	Author   string    `json:"author"`
	Date     time.Time `json:"date"`
	Patches  int       `json:"patches"` // there are
	Total    int       `json:"total"`   // there should be
	Current  bool      `json:"current"` // what the commands take when no series is named
}

// List writes the series of a workspace, a line each; the current one is marked.
func List(w io.Writer, all []ListEntry) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, e := range all {
		mark := " "
		if e.Current {
			mark = "*"
		}
		fmt.Fprintf(t, "%s %s\t%s\t%d/%d\t%s\t%s\n", mark, e.ID, e.Date.Format(time.DateOnly), e.Patches, e.Total, plain.Line(e.Author), plain.Line(e.Subject))
	}
	return t.Flush()
}
