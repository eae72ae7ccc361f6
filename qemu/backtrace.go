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

var (
	lockHolder = regexp.MustCompile(`^\d+ locks? held by (.*)/(\d+)(?:/\S+)?:$`)
	// heldLock is a line like "#0: ffff888004a4b0e8 (&sb->s_type->i_mutex_key#9){++++}-{3:3}, at: func+0x1/0x2".
	heldLock = regexp.MustCompile(`^#\d+: [0-9a-fx]+ (\(.+\))\{.*\}, at: (\S+?)(?:\+0x\S+)?(?: \[\w+\])?$`)
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

// addConsole gives the tasks of a hang what the console has for them: the locks they hold, and the stacks of running ones, as /proc has
// none for a task that is on a CPU.
func (h *Hang) addConsole(console []byte) {
	stacks, locks := cpuBacktraces(console), heldLocks(console)
	for i := range h.Tasks {
		t := &h.Tasks[i]
		if t.PID == 0 {
			continue
		}
		if t.State == "R" && len(t.Frames) == 0 {
			t.Frames = stacks[t.PID]
		}
		t.Locks = locks[t.PID]
	}
}
