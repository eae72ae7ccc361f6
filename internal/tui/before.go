package tui

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/qemu"
	"github.com/seriesctl/seriesctl/testplan"
)

// earlier is the cell that a cell is compared with: the same case on the nearest prefix before that has a verdict.
type earlier struct {
	prefix  int
	subject string
	next    bool // it is the prefix right before
	same    bool // the image is the same: so are the runs
	runs    []lab.Run
	err     error
}

// earlier is what the cell of a row and column is compared with, its runs left out; nil when there is nothing before.
func (x *matrix) earlier(row, col int) *earlier {
	at, column := x.last(row), x.shown.cols[col][0]
	same := x.all.At(at, column).SameImageAs
	before := at - 1
	if x.all.Subset(at) != nil {
		before = 0 // what it does is said beside the base
	}
	for r := before; r >= 0; r-- {
		c := x.all.Cell(r, column)
		if c == nil || c.Outcome == "" || c.Outcome == testplan.Infra {
			continue
		}
		p := x.all.At(r, column)
		return &earlier{prefix: p.Index, subject: x.subjectOf(r), next: r == before, same: p.Image != "" && p.Image == x.all.At(at, column).Image || same != nil && *same == p.Index}
	}
	return nil
}

// newest is the newest run that says something of the kernel, nil when there is none.
func newest(runs []lab.Run) *lab.Run {
	for i := len(runs) - 1; i >= 0; i-- {
		if runs[i].Judgement.Outcome != testplan.Infra {
			return &runs[i]
		}
	}
	return nil
}

// beforeText compares the shown run with the newest of the prefix before.
func (v *cellView) beforeText(now *lab.Run) string {
	e := v.before
	if e == nil {
		return "There is no prefix before this one that has a verdict.\n"
	}
	var b strings.Builder
	v.wrap(&b, "", fmt.Sprintf("What changed since prefix %d: %s", e.prefix, e.subject))
	then := newest(e.runs)
	switch {
	case e.err != nil:
		v.wrap(&b, "  ", "cannot read its runs: "+e.err.Error())
		return b.String()
	case then == nil:
		v.wrap(&b, "  ", "its runs are not there")
		return b.String()
	case e.same:
		v.wrap(&b, "  ", "nothing: the image is the same, and so are the runs")
		return b.String()
	case !e.next:
		v.wrap(&b, "  ", "the prefixes between have no verdict")
	}
	a, z := then.Judgement, now.Judgement
	changes := func(what, before, after string) {
		if before == after {
			if after != "" {
				v.wrap(&b, "  ", fmt.Sprintf("%s: %s, as before", what, after))
			}
			return
		}
		v.wrap(&b, "  ", fmt.Sprintf("%s: %s %s %s", what, orNone(before), v.pick("→", "->"), orNone(after)))
	}
	changes("outcome", string(a.Outcome), string(z.Outcome))
	changes("signature", a.Signature, z.Signature)
	if a.Evidence != z.Evidence {
		if a.Evidence != "" {
			v.wrap(&b, "  ", "evidence before: "+a.Evidence)
		}
		if z.Evidence != "" {
			v.wrap(&b, "  ", "evidence now: "+z.Evidence)
		}
	}
	if len(e.runs) != len(v.runs) {
		changes("runs", fmt.Sprint(len(e.runs)), fmt.Sprint(len(v.runs)))
	}
	v.compare(&b, "Stacks", trace(then.Observation), trace(now.Observation))
	v.compare(&b, "Output", textLines(then.Observation.Output), textLines(now.Observation.Output))
	return b.String()
}

// compare is a section that says how lines changed.
func (v *cellView) compare(b *strings.Builder, name string, before, now []string) {
	lines := diff(before, now)
	switch {
	case len(lines) == 0:
		return
	case len(now) == 0:
		name, lines = name+" before, now none", diff(before, before)
	case len(before) == 0:
		name, lines = name+", none before", diff(now, now)
	case !differs(lines):
		name += ", as before"
	default:
		name += ": - before, + now"
	}
	b.WriteString("\n" + name + "\n")
	for _, line := range lines {
		b.WriteString("  " + v.text(line) + "\n")
	}
}

func textLines(text string) []string {
	if text = strings.TrimRight(text, "\n"); text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// trace is the functions of an observation's stacks or crash report, without what differs from run to run.
func trace(o qemu.Observation) []string {
	var out []string
	function := func(frame string) string {
		frame = strings.TrimSpace(frame)
		if name, _, ok := strings.Cut(frame, "+0x"); ok {
			return name
		}
		return frame
	}
	switch {
	case o.Hang != nil:
		tasks := slices.Clone(o.Hang.Tasks)
		slices.SortStableFunc(tasks, func(a, b qemu.Stack) int { return stackRank(-1, a) - stackRank(-1, b) })
		for _, t := range tasks {
			head := fmt.Sprintf("%s, state %s", t.Comm, t.State)
			if t.IO != nil {
				head += fmt.Sprintf(", %s of %s", t.IO.Op, t.IO.File)
			}
			out = append(out, head)
			for _, f := range t.Frames {
				out = append(out, "  "+function(f))
			}
		}
	case o.Crash != nil:
		out = append(out, o.Crash.Title)
		for line := range strings.Lines(o.Crash.Report) {
			line = withoutStamp(strings.TrimRight(line, "\n"))
			if strings.Contains(line, "+0x") && !strings.HasPrefix(strings.TrimSpace(line), "?") && !strings.HasPrefix(line, "RIP:") {
				out = append(out, "  "+function(line))
			}
		}
	}
	return out
}

// withoutStamp cuts the kernel's time off a line: "[    1.234567] ".
func withoutStamp(line string) string {
	if strings.HasPrefix(line, "[") {
		if _, rest, ok := strings.Cut(line, "] "); ok {
			return rest
		}
	}
	return line
}

// differs says whether lines of diff hold a difference.
func differs(lines []string) bool {
	for _, l := range lines {
		if l[0] != ' ' {
			return true
		}
	}
	return false
}

// diffMost is how many lines are compared at most: a comparison costs their square.
const diffMost = 400

// diff is the lines of b, each after "  " or "+ ", between those of a that b has not, after "- ".
func diff(a, b []string) []string {
	a, b = a[:min(len(a), diffMost)], b[:min(len(b), diffMost)]
	// common[i][j] is how many lines a[i:] and b[j:] have in common, in order.
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var out []string
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out = append(out, "  "+a[i])
			i, j = i+1, j+1
		case i < len(a) && (j == len(b) || common[i+1][j] >= common[i][j+1]):
			out = append(out, "- "+a[i])
			i++
		default:
			out = append(out, "+ "+b[j])
			j++
		}
	}
	return out
}
