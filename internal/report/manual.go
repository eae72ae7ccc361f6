package report

import (
	"bytes"
	"fmt"
	"io"

	"github.com/seriesctl/seriesctl/internal/lab"
)

// Standing writes where a bisection by hand stands: the prefix to judge and what is left. Nothing when it is done.
func Standing(w io.Writer, s *lab.Session, o Options) error {
	step := s.Next()
	if step.Done {
		return nil
	}
	t := textPrinter{newPen(o)}
	var b bytes.Buffer
	who := t.text(prefixName(s, step.Prefix))
	left := "first both ends are judged"
	if step.First > 0 {
		left = "patch " + Ranges([]int{s.Spec.Patches[step.Last]}) + " is left"
		if step.First < step.Last {
			left = fmt.Sprintf("patches %d-%d are left", s.Spec.Patches[step.First], s.Spec.Patches[step.Last])
		}
	}
	guess := ""
	if step.Guess {
		guess = ", the first build counted"
	}
	t.wrap(&b, "", "  ", fmt.Sprintf("%s: %s, at most %s, about %s of building and running%s", who, left, count(step.Steps, "step"), seconds(step.Seconds), guess))
	return flushed(w, &b)
}

// prefixName is a prefix with the subject of its patch.
func prefixName(s *lab.Session, prefix int) string {
	p, _ := s.Point(prefix)
	if prefix == 0 {
		return "prefix 0, the base"
	}
	return fmt.Sprintf("prefix %d %q", prefix, p.Subject)
}

// Ran writes what the case of a bisection by hand did on a prefix, with the log to look at; nothing where it was not run.
func Ran(w io.Writer, s *lab.Session, prefix int, o Options) error {
	c := s.Cell(prefix)
	if c == nil {
		return nil
	}
	t := textPrinter{newPen(o)}
	var b bytes.Buffer
	line := fmt.Sprintf("%s: %s (%s)", t.text(c.Case), t.text(cellOutcome(c)), cellEvidence(c))
	if word := s.Propose(prefix); word != "" {
		line += ": " + word + "?"
	}
	t.wrap(&b, "  ", "    ", line)
	return flushed(w, &b)
}

// PassedOver writes why a prefix is not asked about.
func PassedOver(w io.Writer, s *lab.Session, prefix int, o Options) error {
	t := textPrinter{newPen(o)}
	var b bytes.Buffer
	p, _ := s.Point(prefix)
	line := fmt.Sprintf("prefix %d is skipped: it %s", prefix, statusText(p.Status))
	if p.Detail != "" {
		line += ": " + t.text(p.Detail)
	}
	t.wrap(&b, "", "  ", line)
	return flushed(w, &b)
}

func flushed(w io.Writer, b *bytes.Buffer) error {
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write bisection: %w", err)
	}
	return nil
}
