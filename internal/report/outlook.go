package report

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/plain"
)

// CellWord is the outcome of a cell that has runs, as Matrix.Word says it.
func CellWord(c *lab.Cell) string {
	if c.Flaky {
		return "flky"
	}
	return outcomeWord(c.Outcome)
}

// PrefixWord says why a prefix has no image, "" where nothing is known against it.
func PrefixWord(p *lab.Prefix) string {
	if word := statusWord(p.Status); word != "." {
		return word
	}
	return ""
}

// OutlookText says in a sentence what the runs of a case tell, and what would be run next and why.
func OutlookText(o *lab.Outlook) string {
	said := findingText(o.Bisection)
	if len(o.Next) > 0 {
		next := fmt.Sprintf("prefix %d", o.Prefixes[o.Next[0].Variant].Index)
		if why := o.Why; strings.HasPrefix(why, next+" ") {
			next = why // it names the prefix itself
		} else {
			next += ", as " + why
		}
		said += fmt.Sprintf("; next: %s; left: %s", next, needs(o.Left))
	}
	return said
}

// StandingText says in a sentence where a bisection by hand stands.
func StandingText(s *lab.Session) string {
	if s.Next().Done {
		return findingText(s.Finding())
	}
	var b bytes.Buffer
	_ = Standing(&b, s, Options{Width: oneLine}) // to memory
	return plain.Line(strings.TrimSpace(b.String()))
}

// oneLine is a width that nothing is wrapped at.
const oneLine = 1 << 12

func findingText(r *lab.Bisection) string {
	var b bytes.Buffer
	textPrinter{newPen(Options{Width: oneLine})}.finding(&b, r)
	return plain.Line(strings.ReplaceAll(strings.TrimSpace(b.String()), "\n", "; "))
}
