package report

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/plain"
	"github.com/seriesctl/seriesctl/qemu"
	"github.com/seriesctl/seriesctl/testplan"
)

// maxLogLine is the longest console line written whole, in bytes; a longer one is broken.
const maxLogLine = 16 << 10

// Log writes the runs of a cell, on the prefix or subset that where names, for a person: of each its outcome, the evidence that decided it, the case's
// output, the stacks, the crash report, the command and the console. open opens a console by its path in the
// Observation. A console that cannot be opened is said in its place, and does not end the log.
func Log(w io.Writer, where string, cell lab.Cell, runs []lab.Run, open func(path string) (io.ReadCloser, error), o Options) error {
	p := newPen(o)
	out := bufio.NewWriter(w)
	evidence := " (" + cellEvidence(&cell) + ")"
	if blank(&cell) != "" {
		evidence = ": no evidence" // in however many runs
	}
	fmt.Fprintf(out, "%s on %s: %s%s\n", p.text(cell.Case), where, p.text(cellOutcome(&cell)), evidence)
	for i, run := range runs {
		var b bytes.Buffer
		title := fmt.Sprintf("run %d of %d: %s", i+1, len(runs), p.text(judged(run.Judgement)))
		b.WriteString("\n" + p.paint(bold, title) + "\n")
		for _, line := range Facts(run) {
			p.wrap(&b, "  ", "    ", line)
		}
		p.section(&b, "output", run.Observation.Output)
		if run.Observation.Hang != nil {
			p.section(&b, "stacks", Stacks(run.Observation.Hang))
		}
		if run.Observation.Crash != nil {
			p.section(&b, "report", run.Observation.Crash.Report)
		}
		if _, err := out.Write(b.Bytes()); err != nil {
			return fmt.Errorf("write log: %w", err)
		}
		if run.Observation.Console == "" {
			continue
		}
		fmt.Fprintf(out, "\n%s\n", p.paint(bold, "  console "+p.text(run.Observation.Console)))
		if err := p.console(out, run.Observation.Console, open); err != nil {
			return fmt.Errorf("write log: %w", err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write log: %w", err)
	}
	return nil
}

// judged is a run's outcome and signature; of one without an outcome why.
func judged(j testplan.Judgement) string {
	if j.Outcome == testplan.None {
		return j.Signature
	}
	return outcomeText(strings.TrimSpace(string(j.Outcome) + " " + j.Signature))
}

func (p pen) section(b *bytes.Buffer, name, text string) {
	text = strings.TrimRight(text, "\n")
	if text == "" {
		return
	}
	b.WriteString("\n" + p.paint(bold, "  "+name) + "\n")
	for _, line := range strings.Split(text, "\n") {
		b.WriteString(strings.TrimRight("    "+p.text(line), " ") + "\n")
	}
}

// console copies a console log, made safe line by line.
func (p pen) console(w *bufio.Writer, path string, open func(string) (io.ReadCloser, error)) error {
	f, err := open(path)
	if err != nil {
		_, err = fmt.Fprintf(w, "    cannot be read: %s\n", p.text(err.Error()))
		return err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, maxLogLine)
	for {
		line, err := r.ReadSlice('\n')
		if len(line) > 0 {
			if _, err := w.WriteString(strings.TrimRight("    "+p.text(string(bytes.TrimSuffix(line, []byte("\n")))), " ") + "\n"); err != nil {
				return err
			}
		}
		switch {
		case err == nil, errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return nil
		default:
			_, err = fmt.Fprintf(w, "    cannot be read further: %s\n", p.text(err.Error()))
			return err
		}
	}
}

// Facts is what one run showed, a line for each fact: the evidence that decided its outcome first.
func Facts(run lab.Run) []string {
	o := run.Observation
	var facts []string
	add := func(format string, args ...any) { facts = append(facts, plain.Line(fmt.Sprintf(format, args...))) }
	if e := run.Judgement.Evidence; e != "" {
		add("evidence: %s", e)
	}
	switch {
	case o.Mount != "":
		add("the file system did not mount: %s", o.Mount)
	case o.Exited:
		add("the case exited with status %d after %s", o.Status, seconds(o.Duration.Seconds()))
	case o.Signal != 0:
		add("the case was ended by signal %d after %s", o.Signal, seconds(o.Duration.Seconds()))
	case o.TimedOut:
		add("the case was still moving when its time was up, after %s", seconds(o.Duration.Seconds()))
	case o.Hang != nil && o.Hang.Livelock:
		add("the case burnt CPU without progress for %s", seconds(o.Hang.Seconds))
	case o.Hang != nil:
		add("every thread of the case was blocked in the kernel for %s", seconds(o.Hang.Seconds))
	}
	if o.Silent {
		add("the agent in the VM went silent, the host took over")
	}
	if c := o.Crash; c != nil {
		add("console: %s: %s", c.Type, c.Title)
	}
	if run.Command != "" {
		add("by hand: %s", run.Command)
	}
	return facts
}

// Stacks writes the stacks of a hang, a task after the other, innermost function first.
func Stacks(h *qemu.Hang) string {
	var b strings.Builder
	for i, t := range h.Tasks {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s (pid %d, state %s)", plain.Line(t.Comm), t.PID, plain.Line(t.State))
		if t.Wchan != "" && t.Wchan != "0" {
			fmt.Fprintf(&b, " waits in %s", plain.Line(t.Wchan))
		}
		b.WriteByte('\n')
		if t.IO != nil {
			fmt.Fprintf(&b, "  in a %s of %s", plain.Line(t.IO.Op), plain.Line(t.IO.File))
			if len(t.IO.Memory) > 0 {
				b.WriteString(", memory mapped from " + plain.Line(strings.Join(t.IO.Memory, ", ")))
			}
			b.WriteByte('\n')
		}
		for _, l := range t.Locks {
			b.WriteString("  lock " + plain.Line(l) + "\n")
		}
		for i, f := range t.Frames {
			if i < len(t.Places) && t.Places[i] != "" {
				f += " " + t.Places[i]
			}
			b.WriteString("  " + plain.Line(f) + "\n")
		}
	}
	return b.String()
}
