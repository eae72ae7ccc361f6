package report

import (
	"bytes"
	"fmt"
	"io"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/plain"
	"github.com/seriesctl/seriesctl/testplan"
)

// Bisection writes what bisecting a case found, in one sentence, and the cells it rests on.
func Bisection(w io.Writer, r *lab.Bisection, o Options) error {
	t := textPrinter{newPen(o)}
	var b bytes.Buffer
	name := t.text(r.Case)
	who := fmt.Sprintf("patch %d", r.Patch)
	if r.First > 0 && r.First < r.Patch {
		who = fmt.Sprintf("one of patches %d-%d", r.First, r.Patch)
	} else if r.Subject != "" {
		who += ` "` + t.text(r.Subject) + `"`
	}
	switch r.Effect {
	case testplan.NoEffect:
		t.wrap(&b, "", "  ", "no patch changes "+name+sure(r.Probability))
	case testplan.Undetermined:
		t.wrap(&b, "", "  ", fmt.Sprintf("undetermined: the runs do not tell which patch changes %s; the most probable answer is %d%% sure", name, percent(r.Probability)))
		if r.Needs != nil {
			t.wrap(&b, "", "  ", "to know: "+needs(*r.Needs))
		}
	default:
		t.wrapStyled(&b, "", "  ", who+" "+effectVerb(r.Effect, 0, 0), markStyle(effectMark(r.Effect)),
			fmt.Sprintf("%s: %s → %s%s", name, outcomeText(r.Before), outcomeText(r.After), sure(r.Probability)))
	}
	if len(r.Skipped) > 0 {
		t.wrap(&b, "", "  ", fmt.Sprintf("%s %s no kernel to run it on", plural(len(r.Skipped), "prefix", "prefixes")+" "+Ranges(r.Skipped), plural(len(r.Skipped), "has", "have")))
	}
	b.WriteByte('\n')
	for i := range r.Cells {
		c := &r.Cells[i]
		t.wrap(&b, "  ", "    ", fmt.Sprintf("prefix %d: %s (%s)", c.Prefix, cellOutcome(c), cellEvidence(c)))
	}
	if len(r.Cells) > 0 {
		b.WriteByte('\n')
	}
	t.wrap(&b, "", "  ", totals(r.Totals))
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write bisection: %w", err)
	}
	return nil
}

// needs says what it would take to decide a case.
func needs(u lab.Undecided) string {
	s := "about " + count(u.Runs, "run")
	if u.Builds > 0 {
		s += " and " + count(u.Builds, "build")
	}
	return s + ", " + plain.Line(seconds(u.Seconds))
}
