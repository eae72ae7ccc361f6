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
	t.finding(&b, r)
	b.WriteByte('\n')
	for i := range r.Cells {
		c := &r.Cells[i]
		t.wrap(&b, "  ", "    ", fmt.Sprintf("prefix %d: %s (%s)", c.Prefix, cellOutcome(c), cellEvidence(c)))
	}
	if len(r.Cells) > 0 {
		b.WriteByte('\n')
	}
	if r.Manual == nil || r.Totals != (lab.Totals{}) {
		t.wrap(&b, "", "  ", totals(r.Totals, false))
	}
	return flushed(w, &b)
}

// finding is what bisecting found, without the cells.
func (t textPrinter) finding(b *bytes.Buffer, r *lab.Bisection) {
	name := t.text(r.Case)
	if name == "" {
		name = "what was judged"
	}
	who := fmt.Sprintf("patch %d", r.Patch)
	if r.First > 0 && r.First < r.Patch {
		who = fmt.Sprintf("one of patches %d-%d", r.First, r.Patch)
	} else if r.Subject != "" {
		who += ` "` + t.text(r.Subject) + `"`
	}
	switch r.Effect {
	case testplan.NoEffect:
		if r.Manual != nil {
			t.wrap(b, "", "  ", fmt.Sprintf("no patch changes %s: %s at both ends", name, t.text(r.Before)))
			break
		}
		t.wrap(b, "", "  ", "no patch changes "+name+sure(r.Probability))
	case testplan.Undetermined:
		if r.Manual != nil {
			t.wrap(b, "", "  ", "undetermined: no prefix is left that could be judged")
			break
		}
		if r.Needs == nil {
			t.wrap(b, "", "  ", "undetermined: there are no two kernels to compare "+name+" on")
			break
		}
		t.wrap(b, "", "  ", fmt.Sprintf("undetermined: the runs do not tell which patch changes %s; the most probable answer is %d%% sure", name, percent(r.Probability)))
		if r.Needs.Runs == 0 && r.Needs.Builds == 0 {
			t.wrap(b, "", "  ", needs(*r.Needs)+" would tell")
			break
		}
		t.wrap(b, "", "  ", "to know: "+needs(*r.Needs))
	default:
		t.wrapStyled(b, "", "  ", who+" "+effectVerb(r.Effect, 0, 0), markStyle(effectMark(r.Effect)),
			fmt.Sprintf("%s: %s → %s%s", name, outcomeText(r.Before), outcomeText(r.After), sure(r.Probability)))
	}
	for _, a := range r.Others {
		t.wrap(b, "", "  ", fmt.Sprintf("it changes again: patch %d %s it: %s → %s%s", a.Patch, effectVerb(a.Effect, a.First, a.Patch),
			outcomeText(a.Before), outcomeText(a.After), sure(a.Probability)))
	}
	switch {
	case len(r.Skipped) > 0 && r.Manual != nil:
		t.wrap(b, "", "  ", fmt.Sprintf("%s %s skipped", plural(len(r.Skipped), "prefix", "prefixes")+" "+Ranges(r.Skipped), plural(len(r.Skipped), "was", "were")))
	case len(r.Skipped) > 0:
		t.wrap(b, "", "  ", fmt.Sprintf("%s %s no kernel to run it on", plural(len(r.Skipped), "prefix", "prefixes")+" "+Ranges(r.Skipped), plural(len(r.Skipped), "has", "have")))
	}
}

// needs says what it would take to decide a case.
func needs(u lab.Undecided) string {
	if u.Runs == 0 && u.Builds == 0 {
		return "nothing that can be run here"
	}
	s := "about " + count(u.Runs, "run")
	if u.Builds > 0 {
		s += " and " + count(u.Builds, "build")
	}
	return s + ", " + plain.Line(seconds(u.Seconds))
}
