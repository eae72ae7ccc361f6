package tui

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/plain"
	"github.com/seriesctl/seriesctl/qemu"
	"github.com/seriesctl/seriesctl/testplan"
)

// stackLeast is the least width of a task's column.
const stackLeast = 30

// stacks draws the stacks of a hang side by side, as many columns as fit: those of the cycle first, numbered in its order, then
// the others that are blocked. ">" marks the functions that the signature is made of.
func (v *cellView) stacks(run *lab.Run) string {
	h := run.Observation.Hang
	cycle := testplan.Cycle(h)
	in := func(t qemu.Stack) int {
		return slices.IndexFunc(cycle, func(c qemu.Stack) bool { return c.PID == t.PID })
	}
	tasks := slices.Clone(h.Tasks)
	slices.SortStableFunc(tasks, func(a, b qemu.Stack) int { return stackRank(in(a), a) - stackRank(in(b), b) })
	guilty := strings.Split(run.Judgement.Signature, "+")
	var out strings.Builder
	if len(cycle) > 0 {
		v.wrap(&out, "  ", cycleText(cycle))
		out.WriteByte('\n')
	}
	var blocks [][]string
	for _, t := range tasks {
		blocks = append(blocks, v.stack(t, cycle, in(t), guilty))
	}
	v.columns(&out, blocks)
	return out.String()
}

// stackRank orders tasks: in the cycle, blocked, running, the rest.
func stackRank(inCycle int, t qemu.Stack) int {
	switch {
	case inCycle >= 0:
		return inCycle - 1000
	case t.State == "D":
		return 0
	case t.State == "R":
		return 1
	}
	return 2
}

// cycleText is the cycle in one line: "[1] cross 33 waits for [2] cross 34, which waits for [1]".
func cycleText(cycle []qemu.Stack) string {
	if len(cycle) == 1 {
		return fmt.Sprintf("the cycle: [1] %s %d waits for itself", cycle[0].Comm, cycle[0].PID)
	}
	var parts []string
	for i, t := range cycle {
		parts = append(parts, fmt.Sprintf("[%d] %s %d waits for [%d]", i+1, t.Comm, t.PID, (i+1)%len(cycle)+1))
	}
	return "the cycle: " + strings.Join(parts, ", ")
}

// stack is one task in lines.
func (v *cellView) stack(t qemu.Stack, cycle []qemu.Stack, at int, guilty []string) []string {
	var lines, frames []string
	width := stackLeast
	for _, f := range t.Frames {
		mark := "  "
		if name, _, _ := strings.Cut(f, "+"); slices.Contains(guilty, name) {
			mark = "> "
		}
		frames = append(frames, mark+v.text(f))
		width = max(width, textWidth(frames[len(frames)-1]))
	}
	add := func(before, format string, args ...any) {
		for i, line := range plain.Wrap(v.text(fmt.Sprintf(format, args...)), width-len(before)-2) {
			if i > 0 {
				line = "  " + line
			}
			lines = append(lines, before+line)
		}
	}
	head := fmt.Sprintf("%s %d, state %s", t.Comm, t.PID, t.State)
	if at >= 0 {
		head = fmt.Sprintf("[%d] %s", at+1, head)
	}
	add("", "%s", head)
	if t.IO != nil {
		add("  ", "%s of %s", t.IO.Op, t.IO.File)
		if len(t.IO.Memory) > 0 {
			add("  ", "memory from %s", strings.Join(t.IO.Memory, ", "))
		}
	}
	if at >= 0 {
		next := (at + 1) % len(cycle)
		add("  ", "holds %s", cycle[at].IO.File)
		add("  ", "waits for %s, held by [%d]", cycle[next].IO.File, next+1)
	}
	for _, l := range t.Locks {
		add("  ", "lock %s", l)
	}
	if len(frames) == 0 && t.Wchan != "" && t.Wchan != "0" {
		add("  ", "waits in %s", t.Wchan)
	}
	return append(lines, frames...)
}

// columns draws blocks of lines beside each other, and below each other where the page is full.
func (v *cellView) columns(out *strings.Builder, blocks [][]string) {
	const gap = 3
	width := func(block []string) int {
		w := stackLeast
		for _, line := range block {
			w = max(w, textWidth(line))
		}
		return w
	}
	for len(blocks) > 0 {
		n, used, high := 1, 2+width(blocks[0]), len(blocks[0])
		for n < len(blocks) && used+gap+width(blocks[n]) <= v.room() {
			used += gap + width(blocks[n])
			high = max(high, len(blocks[n]))
			n++
		}
		for y := range high {
			line := "  "
			for i, block := range blocks[:n] {
				if i > 0 {
					line += v.pick(" │ ", " | ")
				}
				text := ""
				if y < len(block) {
					text = block[y]
				}
				if i < n-1 {
					text += spaces(width(block) - textWidth(text))
				}
				line += text
			}
			out.WriteString(strings.TrimRight(line, " ") + "\n")
		}
		if blocks = blocks[n:]; len(blocks) > 0 {
			out.WriteByte('\n')
		}
	}
}
