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

// The least width of a task's column, and what is between two.
const (
	stackLeast = 34
	stackGap   = 3
)

// stacks draws the stacks of a hang side by side, as many columns as fit: those of the cycle first, numbered in its order, then
// the others that are blocked. ">" marks the functions that the signature is made of.
func (v *cellView) stacks(run *lab.Run) string {
	h := run.Observation.Hang
	if len(h.Tasks) == 0 {
		return "  no stack is known\n"
	}
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
	draw := func(offsets bool) (blocks [][]string) {
		for _, t := range tasks {
			blocks = append(blocks, v.stack(t, cycle, in(t), guilty, offsets))
		}
		return blocks
	}
	blocks := draw(true)
	if brief := draw(false); v.fit(blocks) < 2 && v.fit(brief) >= 2 {
		// Beside each other they say more than their offsets do.
		v.columns(&out, brief)
		out.WriteString("\n")
		v.wrap(&out, "  ", "The offsets are left out for want of room: `seriesctl log` has them.")
		return out.String()
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

// stack is one task in lines; at is where in the cycle it is, -1 for not at all.
func (v *cellView) stack(t qemu.Stack, cycle []qemu.Stack, at int, guilty []string, offsets bool) []string {
	var lines, frames []string
	width := stackLeast
	for _, f := range t.Frames {
		mark := "  "
		name, _, _ := strings.Cut(f, "+0x")
		// The compiler's suffixes are no part of a signature.
		if base, _, _ := strings.Cut(name, "."); slices.Contains(guilty, base) {
			mark = "> "
		}
		if !offsets {
			f = name
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
		holder := "itself"
		if next != at {
			holder = fmt.Sprintf("[%d]", next+1)
		}
		add("  ", "waits for %s, held by %s", cycle[next].IO.File, holder)
	}
	for _, l := range t.Locks {
		add("  ", "lock %s", l)
	}
	if len(frames) == 0 && t.Wchan != "" && t.Wchan != "0" {
		add("  ", "waits in %s", t.Wchan)
	}
	return append(lines, frames...)
}

// fit is how many of blocks, from the first, fit beside each other; at least one.
func (v *cellView) fit(blocks [][]string) int {
	n, used := 1, 2+widest(blocks[0])
	for n < len(blocks) && used+stackGap+widest(blocks[n]) <= v.room() {
		used += stackGap + widest(blocks[n])
		n++
	}
	return n
}

// widest is the width of a task's column.
func widest(block []string) int {
	w := stackLeast
	for _, line := range block {
		w = max(w, textWidth(line))
	}
	return w
}

// columns draws blocks of lines beside each other, and below each other where the page is full.
func (v *cellView) columns(out *strings.Builder, blocks [][]string) {
	for len(blocks) > 0 {
		n, high := v.fit(blocks), 0
		for _, block := range blocks[:n] {
			high = max(high, len(block))
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
					text += spaces(widest(block) - textWidth(text))
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
