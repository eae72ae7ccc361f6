package testplan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/seriesctl/seriesctl/qemu"
)

// judgeHang gives a hang its signature: for each stuck task the first function of its stack that says what it waits
// for, each once, sorted, joined by "+". Of a livelock it is the outermost function that is no system call's entry, since
// where in its loop a running task is found is chance.
//
// Tasks that only wait for another task of the case (a parent in wait4, a reader of a pipe) and kernel threads
// count only when there is no other: which of them are there is a matter of timing, and the same deadlock
// must have the same signature.
func judgeHang(h *qemu.Hang) Judgement {
	outcome, what := Deadlock, "blocked"
	if h.Livelock {
		outcome, what = Livelock, "running without progress"
	}
	var best, second []string
	evidence, fallback := "", ""
	var tasks []qemu.Stack // those that are stuck themselves
	for _, t := range h.Tasks {
		fn, rest, rank := ofInterest(t, h.Livelock)
		if fn == "" {
			continue
		}
		line := fmt.Sprintf("%s %s in %s", t.Comm, what, strings.Join(rest, " < "))
		if rank == stuck {
			tasks = append(tasks, t)
			best = append(best, fn)
			if evidence == "" {
				evidence = line
			}
			continue
		}
		second = append(second, fn)
		if fallback == "" {
			fallback = line
		}
	}
	if len(best) == 0 {
		best, evidence = second, fallback
	}
	if len(best) == 0 {
		return Judgement{outcome, "unknown", fmt.Sprintf("%d tasks %s, no stack is known", len(h.Tasks), what)}
	}
	words := ""
	if h.Livelock {
		words = loop(tasks)
	} else {
		words = cycle(tasks)
	}
	if words != "" {
		evidence = words + "; " + evidence
	}
	slices.Sort(best)
	return Judgement{outcome, bounded(strings.Join(slices.Compact(best), "+")), bounded(evidence)}
}

// loop says which transfer a task does not get out of, "" when none is known.
func loop(tasks []qemu.Stack) string {
	for _, t := range tasks {
		if t.IO != nil && len(t.IO.Memory) > 0 {
			return fmt.Sprintf("the %s of %s, with memory mapped from %s, does not end", t.IO.Op, inMount(t.IO.File), inMount(t.IO.Memory[0]))
		}
	}
	return ""
}

// inMount is a file's name as the case knows it.
func inMount(file string) string { return strings.TrimPrefix(file, "/mnt/") }

// cycle says in words how transfers of files wait for each other, "" when the stacks do not show it: a task whose page fault came
// while it transfers a file holds that file, and waits for the one that its memory is mapped from. The same cycle has the
// same words, whichever task is listed first.
func cycle(tasks []qemu.Stack) string {
	holders, path := circle(tasks)
	if path == nil {
		return ""
	}
	return inWords(holders, path)
}

// Cycle returns the tasks of a deadlock that wait for each other's files, each for a file that the next one holds and the last for one
// of the first; nil when the stacks do not show it.
func Cycle(h *qemu.Hang) []qemu.Stack {
	if h.Livelock {
		return nil
	}
	var tasks []qemu.Stack
	for _, t := range h.Tasks {
		if fn, _, rank := ofInterest(t, false); fn != "" && rank == stuck {
			tasks = append(tasks, t)
		}
	}
	holders, path := circle(tasks)
	var out []qemu.Stack
	for _, file := range path {
		out = append(out, holders[file])
	}
	return out
}

// circle returns who holds which file, and the files of a cycle, each of whose holder waits for the next; nil when there is none.
func circle(tasks []qemu.Stack) (holders map[string]qemu.Stack, path []string) {
	holders = map[string]qemu.Stack{} // file → the task that transfers it
	for _, t := range tasks {
		if t.IO == nil || !slices.ContainsFunc(t.Frames, func(f string) bool { return classify(f).fault }) {
			continue
		}
		if _, taken := holders[t.IO.File]; taken {
			return nil, nil // two hold one file, or read it together: which of them is waited for is not known
		}
		holders[t.IO.File] = t
	}
	files := slices.Sorted(maps.Keys(holders))
	for _, first := range files {
		if path := waitsFor(holders, []string{first}); path != nil {
			return holders, path
		}
	}
	return nil, nil
}

// waitsFor continues path, files each of whose holder waits for the next, to one whose holder waits for the first; nil when there
// is no such way.
func waitsFor(holders map[string]qemu.Stack, path []string) []string {
	for _, next := range holders[path[len(path)-1]].IO.Memory {
		if next == path[0] {
			return path
		}
		if _, held := holders[next]; !held || slices.Contains(path, next) {
			continue
		}
		if found := waitsFor(holders, append(slices.Clip(path), next)); found != nil {
			return found
		}
	}
	return nil
}

// inWords describes a cycle: "the read of A faults on B, held by the read of B, which faults on A".
func inWords(holders map[string]qemu.Stack, path []string) string {
	of := func(file string) string {
		return fmt.Sprintf("the %s of %s", holders[file].IO.Op, inMount(file))
	}
	words := of(path[0])
	if len(path) == 1 {
		return words + " faults on " + inMount(path[0]) + ", held by that same " + holders[path[0]].IO.Op
	}
	for i := range path {
		next := path[(i+1)%len(path)]
		words += " faults on " + inMount(next)
		if i < len(path)-1 {
			words += ", held by " + of(next) + ", which"
		}
	}
	return words
}

// rank says how much a task tells about a hang.
type rank int

const (
	stuck   rank = iota
	waiting      // for another task, or a kernel thread
)

// ofInterest returns the first function of a task's stack that is no generic helper, and it with up to five that
// called it, exception entry left out. Without a stack it is the task's wait channel; with helpers only, the outermost of them.
// Of a looping task it is the outermost function that is neither a helper nor of a system call's entry.
func ofInterest(t qemu.Stack, looping bool) (fn string, chain []string, r rank) {
	var frames []*frameClass
	for _, f := range t.Frames {
		if c := classify(f); c.fn != "" {
			frames = append(frames, c)
		}
	}
	if len(frames) == 0 {
		if c := classify(t.Wchan); c.fn != "" && c.fn != "0" {
			frames = append(frames, c)
		}
	}
	if len(frames) == 0 {
		return "", nil, waiting
	}
	at := slices.IndexFunc(frames, func(f *frameClass) bool { return !f.generic })
	if looping {
		for i, f := range slices.Backward(frames) {
			if !f.generic && !f.entry && !f.vfs {
				at = i
				break
			}
		}
	}
	if at < 0 {
		at = len(frames) - 1
	}
	chain = []string{frames[at].fn}
	for _, f := range frames[at+1:] {
		if len(chain) < 6 && !f.entry {
			chain = append(chain, f.fn)
		}
	}
	r = stuck
	if slices.ContainsFunc(frames, func(f *frameClass) bool { return kernelThread[f.fn] }) || frames[at].forOthers {
		r = waiting
	}
	return frames[at].fn, chain, r
}
