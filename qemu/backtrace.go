package qemu

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
)

var (
	backtraceStart = regexp.MustCompile(`NMI backtrace for cpu \d+`)
	backtracePID   = regexp.MustCompile(`\bPID: (\d+) Comm: `)
	kernelFrame    = regexp.MustCompile(`^(RIP: 0010:)?([\w.]+\+0x[0-9a-f]+/0x[0-9a-f]+)(?: \[\w+\])?$`)
	linePrefix     = regexp.MustCompile(`^\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? *`)
)

// cpuBacktraces reads what sysrq-l prints: the stack of the task on each CPU, innermost first, by process id. Frames of the
// interrupt that took the stack are left out, and those the kernel is unsure of ("?").
func cpuBacktraces(console []byte) map[int][]string {
	out := map[int][]string{}
	pid, inside := 0, false
	for raw := range bytes.Lines(console) {
		line := strings.TrimSpace(linePrefix.ReplaceAllString(strings.TrimRight(string(raw), "\r\n"), ""))
		switch {
		case backtraceStart.MatchString(line):
			pid, inside = -1, false
		case pid == 0 || strings.HasPrefix(line, "RIP: 0033:"):
			pid = 0 // outside of a backtrace: before the first, or where its user space begins
		case line == "<NMI>" || line == "<IRQ>":
			inside = true
		case line == "</NMI>" || line == "</IRQ>":
			inside = false
			out[pid] = out[pid][:min(len(out[pid]), 1)] // all but where the NMI came was the interrupt's
		case pid < 0:
			if m := backtracePID.FindStringSubmatch(line); m != nil {
				pid, _ = strconv.Atoi(m[1])
			}
		case !inside:
			m := kernelFrame.FindStringSubmatch(line)
			if m != nil && m[1] != "" {
				out[pid] = nil // what an interrupt interrupted
			}
			if m != nil {
				out[pid] = append(out[pid], m[2])
			}
		}
	}
	return out
}

// addBacktraces gives the running tasks of a hang the stacks that the console has for them: /proc has none for a task that is on
// a CPU.
func (h *Hang) addBacktraces(console []byte) {
	stacks := cpuBacktraces(console)
	for i := range h.Tasks {
		if t := &h.Tasks[i]; t.State == "R" && len(t.Frames) == 0 && t.PID > 0 {
			t.Frames = stacks[t.PID]
		}
	}
}
