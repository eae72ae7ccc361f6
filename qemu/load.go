package qemu

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// clockTick is the unit of /proc/PID/stat's times (proc(5), USER_HZ, which is 100 on all the hosts Linux has).
const clockTick = 10 * time.Millisecond

// cpuLog knows how much CPU time a process used lately.
type cpuLog struct {
	at    []time.Time
	total []time.Duration
}

// sample notes the process's CPU time, at most four times a second, and forgets what is older than a minute.
func (l *cpuLog) sample(now time.Time, pid int) {
	if n := len(l.at); n > 0 && now.Sub(l.at[n-1]) < 250*time.Millisecond {
		return
	}
	d, ok := cpuTime(pid)
	if !ok {
		return
	}
	l.at, l.total = append(l.at, now), append(l.total, d)
	if len(l.at) > 240 {
		l.at, l.total = l.at[1:], l.total[1:]
	}
}

// used is the CPU time of the last d before now.
func (l *cpuLog) used(now time.Time, d time.Duration) time.Duration {
	n := len(l.at)
	for i, t := range l.at {
		if now.Sub(t) <= d {
			return l.total[n-1] - l.total[i]
		}
	}
	return 0
}

// turns is how long the threads of a process ran, and how long they were ready to run and waited for a CPU
// (Documentation/scheduler/sched-stats.rst, /proc/PID/schedstat).
type turns struct{ ran, waited time.Duration }

// turnsOf are the turns of a process since it began; of threads that have ended nothing is known.
func turnsOf(pid int) turns {
	var sum turns
	stats, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid)) // the pattern is right
	for _, name := range stats {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // the thread has ended
		}
		var ran, waited time.Duration // nanoseconds
		if n, _ := fmt.Sscan(string(b), &ran, &waited); n == 2 {
			sum.ran += ran
			sum.waited += waited
		}
	}
	return sum
}

// starved says whether a process got less than a quarter of the CPU time that it wanted between two looks, and waited
// for it for at least a second.
func starved(before, after turns) bool {
	ran, waited := after.ran-before.ran, after.waited-before.waited
	return waited > time.Second && ran < waited/3
}

// tooBusy is what a starved guest did not do in time.
func tooBusy(op, late string) error {
	return &InfraError{Op: op, Err: fmt.Errorf("%s, but the host was too busy: QEMU got less than a quarter of the CPU time it wanted", late),
		Hint: "fewer --jobs; for a case, a longer timeout in the plan"}
}

// cpuTime is what the process and all its threads have used so far.
func cpuTime(pid int) (time.Duration, bool) {
	f := processStat(pid)
	if len(f) < 13 {
		return 0, false
	}
	user, err1 := strconv.ParseInt(string(f[11]), 10, 64)
	system, err2 := strconv.ParseInt(string(f[12]), 10, 64)
	return time.Duration(user+system) * clockTick, err1 == nil && err2 == nil
}

// processState is the state of a process: 'R', 'S', 'D', 'T' for one that a signal stopped, 'Z' for one that has ended.
func processState(pid int) (byte, bool) {
	f := processStat(pid)
	if len(f) == 0 {
		return 0, false
	}
	return f[0][0], true
}

// processStat is /proc/PID/stat's fields from the third, the state; nil when there is no such process.
func processStat(pid int) [][]byte {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	return bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
}
