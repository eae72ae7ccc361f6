package qemu

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seriesctl/seriesctl/internal/xec"
)

// A sandboxed build is held to its limits by a watch in this process: it needs no rights and no cgroup, holds for
// root too (whom RLIMIT_NPROC does not bind), and knows which limit it was. The limits that the kernel keeps for each
// process are behind it, should the watch get no CPU time.

// limits are what no build of a kernel needs: the same on every host, for what exceeds them is the tree's failure.
type limits struct {
	processes int   // and threads
	memory    int64 // bytes, of all processes
	disk      int64 // bytes, in all directories the build can write
}

func limitsFor(jobs int) limits {
	return limits{processes: 1024 + 64*jobs, memory: 16<<30 + int64(jobs)<<30, disk: 64 << 30}
}

// The watch counts processes every limitPoll, and looks at what they use every tenth time.
const limitPoll = 10 * time.Millisecond

// freeDisk is the room, in bytes, that a build must leave: others write there too, the database among them.
const freeDisk = 32 << 20

// limitError is a build that was killed because it exceeded a limit. The object tree is then in no known state.
type limitError struct{ used string }

func (e *limitError) Error() string { return "build used more than " + e.used }

// shell sets the limits of a single process, for sh. They are double, so that the watch acts first and says why. POSIX has
// ulimit -f, in blocks of 512 bytes; that of processes is -p or -u.
func (l limits) shell() string {
	return fmt.Sprintf("ulimit -c 0; ulimit -f %d; ulimit -d %d; ulimit -p %d 2>/dev/null || ulimit -u %[3]d; ",
		2*l.disk/512, 2*l.memory/1024, 2*l.processes)
}

// sandboxCmd is a process of a build.
type sandboxCmd struct {
	xec.Cmd
	shop workshop
}

// Run runs c to its end. The errors are those of [xec.Cmd.Run], and *limitError and *InfraError when the watch ended it.
// No process of the sandbox is left when it returns.
func (c sandboxCmd) Run(ctx context.Context) error {
	if !c.shop.sandbox {
		return c.Cmd.Run(ctx)
	}
	info, infoEnd, err := os.Pipe()
	if err != nil {
		return err
	}
	defer info.Close()
	filter, filterEnd, err := os.Pipe()
	if err != nil {
		infoEnd.Close()
		return err
	}
	c.Files = []*os.File{infoEnd, filter}
	_, err = filterEnd.Write(socketFilter) // a pipe holds more than a filter can have
	filterEnd.Close()
	var p *xec.Process
	if err == nil {
		p, err = c.Start(ctx)
	}
	infoEnd.Close()
	filter.Close()
	if err != nil {
		return err
	}
	var child struct {
		PID int `json:"child-pid"`
	}
	if json.NewDecoder(info).Decode(&child) != nil {
		return p.Wait() // bubblewrap failed, and says why
	}
	exceeded := make(chan error, 1)
	go c.shop.watch(p, child.PID, exceeded)
	err = p.Wait()
	// The first process of the namespace ends when all others have.
	for end := time.Now().Add(10 * time.Second); alive(child.PID) && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	select {
	case err = <-exceeded:
	default:
	}
	return err
}

// alive says whether there is a process pid that has not ended.
func alive(pid int) bool {
	state, ok := processState(pid)
	return ok && state != 'Z' && state != 'X'
}

// watch looks at the build p, whose namespace's first process is init, until it ends. It kills one that exceeds its
// limits, or for which the host has no room any more, and says why in exceeded.
func (w workshop) watch(p *xec.Process, init int, exceeded chan<- error) {
	// Among thousands of processes that all want the CPU the watch, and then the death of init, which ends them all, must
	// not wait for their turn. Only root may; for others the kernel keeps the number of processes. A thread that stays
	// locked ends with its goroutine.
	runtime.LockOSThread()
	atOnce(unix.Gettid())
	free := diskFree(w.obj)
	for n := 0; ; n++ {
		// The runtime's timers belong to threads that have to wait.
		_ = unix.Nanosleep(&unix.Timespec{Nsec: int64(limitPoll)}, nil)
		select {
		case <-p.Done():
			return
		default:
		}
		pids := w.processes(init)
		var err error
		switch {
		case len(pids) > w.limits.processes:
			err = w.tooMany()
		case n%10 != 0:
			continue
		default:
			err = w.exceeds(init, pids)
		}
		if now := diskFree(w.obj); err == nil && free-now > w.limits.disk {
			err = w.fills()
			free = now
		}
		if err == nil {
			err = hostIsFull(w.obj)
		}
		if err != nil {
			exceeded <- err
			atOnce(init)
			_ = unix.Kill(init, unix.SIGKILL) // not yet reaped: its parent lives
			p.Kill()
			return
		}
	}
}

// atOnce lets a thread run as soon as it wants to, if this process may.
func atOnce(tid int) {
	_ = unix.SchedSetAttr(tid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1, Flags: unix.SCHED_FLAG_RESET_ON_FORK}, 0)
}

func (w workshop) tooMany() error {
	return &limitError{fmt.Sprintf("%d processes", w.limits.processes)}
}

// sandboxProc is the sandbox's /proc, whose first process is init, as the host sees it.
func sandboxProc(init int) string { return fmt.Sprintf("/proc/%d/root/proc", init) }

// processes lists the ids of the processes in the sandbox, as they are there.
func (w workshop) processes(init int) []string {
	// Until bubblewrap is ready, its root is the host's.
	ours, err1 := os.Stat(w.obj)
	theirs, err2 := os.Stat(sandboxProc(init) + "/.." + sandboxObj)
	if err1 != nil || err2 != nil || !os.SameFile(ours, theirs) {
		return nil
	}
	dir, err := os.Open(sandboxProc(init))
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	return slices.DeleteFunc(names, func(name string) bool { return name[0] < '1' || name[0] > '9' })
}

// exceeds sums up what the processes of the sandbox use.
func (w workshop) exceeds(init int, pids []string) error {
	var threads, memory int64
	for _, pid := range pids {
		status, err := os.ReadFile(filepath.Join(sandboxProc(init), pid, "status"))
		if err != nil {
			continue // it has ended
		}
		threads += statusField(status, "Threads")
		memory += (statusField(status, "RssAnon") + statusField(status, "RssShmem") + statusField(status, "VmSwap")) << 10
	}
	switch {
	case threads > int64(w.limits.processes):
		return w.tooMany()
	case memory > w.limits.memory:
		return &limitError{fmt.Sprintf("%d MiB of memory", w.limits.memory>>20)}
	}
	return nil
}

// statusField is a number in /proc/PID/status or /proc/meminfo (proc(5)), 0 when it is not there.
func statusField(status []byte, name string) int64 {
	_, rest, _ := bytes.Cut(append([]byte{'\n'}, status...), []byte("\n"+name+":"))
	f := bytes.Fields(rest[:max(0, bytes.IndexByte(rest, '\n'))])
	if len(f) == 0 {
		return 0
	}
	n, _ := strconv.ParseInt(string(f[0]), 10, 64)
	return n
}

// fills sums up the files the build can have written.
func (w workshop) fills() error {
	var sum int64
	for _, dir := range []string{w.obj, w.tmp} {
		_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return nil
			}
			if fi, err := d.Info(); err == nil {
				if st, ok := fi.Sys().(*syscall.Stat_t); ok {
					sum += st.Blocks * 512
				}
			}
			return nil
		})
	}
	if sum > w.limits.disk {
		return &limitError{fmt.Sprintf("%d MiB of disk space", w.limits.disk>>20)}
	}
	return nil
}

// diskFree is the room on dir's file system, in bytes; negative when it is not known.
func diskFree(dir string) int64 {
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) != nil {
		return -1
	}
	return int64(fs.Bavail) * fs.Bsize
}

// hostIsFull is an *InfraError when the host has so little disk space or memory left that the build must end before it
// harms others: who used it up is not known.
func hostIsFull(dir string) error {
	if free := diskFree(dir); free >= 0 && free < freeDisk {
		return &InfraError{Op: "build kernel", Err: fmt.Errorf("%w: %d MiB left", syscall.ENOSPC, free>>20),
			Hint: "free some space and run the same command again"}
	}
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return nil
	}
	left := statusField(info, "MemAvailable") + statusField(info, "SwapFree")
	if left > 0 && left < statusField(info, "MemTotal")/32 {
		return &InfraError{Op: "build kernel", Err: fmt.Errorf("the host has only %d MiB of memory left", left>>10),
			Hint: "end other programs, or give fewer --jobs, and run the same command again"}
	}
	return nil
}

// asBuildError makes a limit that a build exceeded, or a file that it must not make so, the tree's failure.
func asBuildError(err error, log string) error {
	var limit *limitError
	var made *madeError
	switch {
	case errors.As(err, &limit):
		return &BuildError{Diagnostics: []Diagnostic{{Kind: "error", Text: limit.Error()}}, Log: log}
	case errors.As(err, &made):
		return &BuildError{Diagnostics: []Diagnostic{{File: made.name, Kind: "error", Text: made.what}}, Log: log}
	}
	return err
}
