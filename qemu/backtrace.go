package qemu

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/seriesctl/seriesctl/internal/pattern"
)

var (
	backtraceStart = pattern.New(`NMI backtrace for cpu \d+`)
	backtracePID   = pattern.New(`\bPID: (\d+) Comm: `)
	kernelFrame    = pattern.New(`^(RIP: 0010:)?([\w.]+\+0x[0-9a-f]+/0x[0-9a-f]+)(?: \[\w+\])?$`)
	// linePrefix is the time and the caller, where the config has them, and what the console's recorder puts before.
	linePrefix = pattern.New(`^(?:\[host \+[0-9.]+\] )?(?:\[ *\d+\.\d+\])?(?:\[ *[TC]\d+\])? *`)
)

// cpuBacktraces reads what sysrq-l prints: the stack of the task on each CPU, innermost first, by process id. Frames of the
// interrupt that took the stack are left out, and those the kernel is unsure of ("?"). Of several stacks of a task the
// deepest counts: in the first instructions of a function the kernel sees no further than that function.
func cpuBacktraces(console []byte) map[int][]string {
	out := map[int][]string{}
	var stack []string
	pid, inside := 0, false
	end := func() {
		if pid > 0 && len(stack) > len(out[pid]) {
			out[pid] = stack
		}
		pid, stack = 0, nil
	}
	for raw := range bytes.Lines(console) {
		line := strings.TrimSpace(linePrefix.ReplaceAllString(strings.TrimRight(string(raw), "\r\n"), ""))
		switch {
		case backtraceStart.MatchString(line):
			end()
			pid, inside = -1, false
		case strings.HasPrefix(line, "RIP: 0033:"), strings.HasPrefix(line, "sysrq: "):
			end() // its user space begins, or another list
		case pid == 0: // outside of a backtrace
		case line == "<NMI>" || line == "<IRQ>":
			inside = true
		case line == "</NMI>" || line == "</IRQ>":
			inside = false
			stack = stack[:min(len(stack), 1)] // all but where the NMI came was the interrupt's
		case pid < 0:
			if m := backtracePID.FindStringSubmatch(line); m != nil {
				pid, _ = strconv.Atoi(m[1])
			}
		case !inside:
			m := kernelFrame.FindStringSubmatch(line)
			if m != nil && m[1] != "" {
				stack = nil // what an interrupt interrupted
			}
			if m != nil {
				stack = append(stack, m[2])
			}
		}
	}
	end()
	return out
}

var (
	lockHolder = pattern.New(`^\d+ locks? held by (.*)/(\d+)(?:/\S+)?:$`)
	// heldLock is a line like "#0: ffff888004a4b0e8 (&sb->s_type->i_mutex_key#9){++++}-{3:3}, at: func+0x1/0x2".
	heldLock = pattern.New(`^#\d+: [0-9a-fx]+ (\(.+\))\{.*\}, at: (\S+?)(?:\+0x\S+)?(?: \[\w+\])?$`)
)

// maxLocks is more than lockdep keeps of a task (MAX_LOCK_DEPTH).
const maxLocks = 64

// heldLocks reads what sysrq-d prints: the locks that each task holds or waits for, outermost first, by process id, as
// "class at function". The last report counts.
func heldLocks(console []byte) map[int][]string {
	out := map[int][]string{}
	pid := 0
	for raw := range bytes.Lines(console) {
		line := strings.TrimSpace(linePrefix.ReplaceAllString(strings.TrimRight(string(raw), "\r\n"), ""))
		if line == "Showing all locks held in the system:" {
			clear(out)
			pid = 0
		} else if m := lockHolder.FindStringSubmatch(line); m != nil {
			pid, _ = strconv.Atoi(m[2])
			delete(out, pid)
		} else if m := heldLock.FindStringSubmatch(line); m != nil && pid > 0 && len(out[pid]) < maxLocks {
			out[pid] = append(out[pid], m[1][1:len(m[1])-1]+" at "+m[2])
		} else if !strings.HasPrefix(line, "#") {
			pid = 0
		}
	}
	return out
}

// addConsole gives the tasks of a hang what the console has for them: the locks they hold, and the stacks of running ones, of which
// /proc has none or a part.
func (h *Hang) addConsole(console []byte) {
	stacks, locks := cpuBacktraces(console), heldLocks(console)
	for i := range h.Tasks {
		t := &h.Tasks[i]
		if t.PID == 0 {
			continue
		}
		if onCPU := stacks[t.PID]; t.State == "R" && len(onCPU) > len(t.Frames) {
			t.Frames = onCPU
		}
		t.Locks = locks[t.PID]
	}
}
