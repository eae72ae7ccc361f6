package qemu

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seriesctl/seriesctl/internal/pattern"
)

const (
	// silentAfter is how long the agent may say nothing; it says something twice a second. QEMU must have had
	// CPU time for half of it, or the host is what is slow.
	silentAfter = 6 * time.Second
	// overtime is how long past its timeout a case may go without the agent saying so.
	overtime = 30 * time.Second
	// outputSize is what is kept of a case's output, in bytes: three quarters of it the beginning, the rest the end.
	outputSize = 64 << 10
	outputNote = 64 // of it, for saying how much was cut
)

// run is one execution of one case.
type run struct {
	guest   *guest
	kernel  string
	c       Case
	fs      Filesystem
	disk    string
	nonce   string
	console *console
	gone    bool // the guest cannot be restored: it reset the machine

	o       Observation
	out     output
	stuck   bool // a report of a hang has come
	ended   bool // and all that belongs to it
	started bool
	left    time.Time // when the case ended and the unmounting began
	load    cpuLog
}

// do starts the case in a guest that stands at its snapshot, and leaves the guest stopped.
func (r *run) do(ctx context.Context) (Observation, error) {
	g := r.guest
	g.console.Store(r.console)
	s := g.listen()
	listening := true
	defer func() {
		if listening {
			g.unlisten(s)
		}
	}()
	qctx, cancel := context.WithTimeout(ctx, answerMax)
	defer cancel()
	if _, err := g.qmp.command(qctx, "cont", nil); err != nil {
		if ctx.Err() != nil {
			return r.o, ctx.Err()
		}
		return r.o, &InfraError{Op: "start guest", Err: g.death(err)}
	}
	_ = g.conn.SetWriteDeadline(time.Now().Add(answerMax))
	if _, err := g.conn.Write(runCommand(r.nonce, r.c, r.disk, r.fs)); err != nil {
		return r.o, &InfraError{Op: "send case", Err: g.death(err)}
	}
	start, turns := time.Now(), turnsOf(g.process.PID())
	err := r.watch(ctx, s, start)
	r.o.Duration = time.Since(start)
	if !r.left.IsZero() && r.o.Hang == nil {
		r.o.Duration = r.left.Sub(start)
	}
	g.unlisten(s)
	listening = false
	if err != nil {
		return r.o, err
	}
	r.o.Output = r.out.String()
	if r.o.Silent {
		r.o.Crash = r.crash()
		if err := r.takeOver(ctx); err != nil {
			return r.o, err
		}
		return r.o, g.stop(ctx)
	}
	busy := r.o.TimedOut && starved(turns, turnsOf(g.process.PID()))
	if err := g.stop(ctx); err != nil {
		return r.o, err
	}
	r.judgeConsole()
	if died := agentDied(r.o.Crash); died != "" {
		return r.o, &InfraError{Op: "run case", Err: fmt.Errorf("the agent in the guest ended %s", died)}
	}
	if outOfMemory(r.o, r.console.text) {
		return r.o, noMemory("run case")
	}
	if busy && r.o.Crash == nil {
		return r.o, tooBusy("run case", "its time was up")
	}
	if r.o.Hang != nil {
		r.o.Hang.addConsole(r.console.text())
		r.o.Hang.symbolise(r.kernel)
	}
	return r.o, nil
}

// crash is the console's incident, with the places in the source of its frames.
func (r *run) crash() *Crash {
	c := r.console.crash()
	c.symbolise(r.kernel)
	return c
}

// agentDied says how the guest's process 1, the agent, ended, when that is all the kernel has to report; "" otherwise. What ended
// it is not known then: an oops of its own would be the incident.
func agentDied(c *Crash) string {
	if c == nil || c.Title != "kernel panic: Attempted to kill init!" {
		return ""
	}
	how := "somehow"
	if m := initExit.FindStringSubmatch(c.Report); m != nil {
		code, _ := strconv.ParseUint(m[1], 16, 32)
		if status := syscall.WaitStatus(code); status.Signaled() {
			how = "by " + unix.SignalName(status.Signal())
		} else {
			how = fmt.Sprintf("with status %d", status.ExitStatus())
		}
	}
	return how
}

var initExit = pattern.New(`Attempted to kill init! exitcode=0x([0-9a-f]{8})`)

// outOfMemory says whether the case ended badly because the guest's memory was used up: the kernel panicked over it, or killed for it
// whom it chose. Who took the memory is not known then. What a case's own memory cgroup does to it is the case's.
func outOfMemory(o Observation, console func() []byte) bool {
	switch {
	case o.Hang != nil:
		return false
	case o.Crash != nil && o.Crash.Fatal:
		return oomPanic.MatchString(o.Crash.Title)
	case o.TimedOut, o.Signal != 0, o.Status != 0:
		return bytes.Contains(console(), oomKill)
	}
	return false
}

// noMemory is a guest whose memory was used up.
func noMemory(op string) error {
	return &InfraError{Op: op, Err: errors.New("the guest ran out of memory"), Hint: "give it more in the plan, vm: {memory: 512M}"}
}

// mm/oom_kill.c: "Out of memory: Killed process 31 (oom) …", and what it panics with.
var (
	oomKill  = []byte("Out of memory: Kill")
	oomPanic = pattern.New(`^kernel panic: (?:Out of memory|System is deadlocked on memory)`)
)

// judgeConsole puts the console's first incident into the observation.
func (r *run) judgeConsole() {
	crash := r.crash()
	switch {
	case crash != nil:
		r.o.Crash = crash
	case r.console.paniced():
		r.o.Crash = &Crash{Type: "DoS", Title: "kernel panic", Fatal: true, Report: string(r.console.text())}
	case r.gone:
		r.o.Crash = &Crash{Type: "REBOOT", Title: "unexpected kernel reboot", Fatal: true, Report: string(r.console.text())}
	}
}

// watch follows the case to its end, whatever that is.
func (r *run) watch(ctx context.Context, s *sink, start time.Time) error {
	g := r.guest
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	heard := start
	var hung, asked time.Time
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-g.process.Done():
			return &InfraError{Op: "run case", Err: g.death(errors.New("qemu ended"))}
		case x := <-s.ch:
			switch x := x.(type) {
			case message:
				if x.nonce != r.nonce {
					continue
				}
				heard = time.Now()
				done, err := r.message(x)
				if done || err != nil {
					return err
				}
			case qmpEvent:
				switch x.Name {
				case "SHUTDOWN":
					r.gone = true
					return nil
				case "BLOCK_IO_ERROR":
					return diskError(x)
				}
			}
		case now := <-tick.C:
			r.load.sample(now, g.process.PID())
			if r.stuck && hung.IsZero() {
				hung = now
			}
			switch {
			case r.console.paniced():
				return nil
			case r.stuck && (r.ended || now.Sub(hung) > panicMax):
				return nil
			case !r.started && now.Sub(start) > startMax && r.console.printed() == 0:
				return &InfraError{Op: "run case", Err: fmt.Errorf("the agent did not take it up in %v", startMax)}
			case now.Sub(heard) > silentAfter && r.load.used(now, silentAfter) > silentAfter/4:
				r.o.Silent = true
				return nil
			case now.Sub(heard) > silentAfter && asked.Before(heard):
				asked = now
				if err := r.ask(ctx); err != nil {
					return err
				}
			case now.Sub(heard) > 10*silentAfter:
				r.o.Silent = true // idle CPUs and a silent agent: the guest sleeps for good
				return nil
			case now.Sub(later(start, r.left)) > r.c.Timeout+overtime+silentAfter:
				r.o.TimedOut = true
				return nil
			}
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// message takes one message; done tells that the run is over.
func (r *run) message(m message) (done bool, err error) {
	switch m.kind {
	case "start":
		r.started = true
	case "mounted":
		r.o.CaseAt = r.console.written()
	case "out":
		r.out.Write(m.data)
	case "mount":
		n, _ := strconv.Atoi(string(m.data))
		r.o.Mount = errnoName(n)
	case "system":
		n, _ := strconv.Atoi(string(m.data))
		return true, &InfraError{Op: "run case", Err: fmt.Errorf("mount the system it runs in: %s", errnoName(n)),
			Hint: "the kernel needs ext4, tmpfs and devtmpfs for it: the fragment fstests has them"}
	case "exec":
		n, _ := strconv.Atoi(string(m.data))
		return true, &InfraError{Op: "run case", Err: fmt.Errorf("execute %s in the vm: %s", r.c.Argv[0], errnoName(n))}
	case "exit":
		r.left = time.Now()
		r.o.Exited = r.o.Mount == ""
		if !r.o.Exited {
			return false, nil
		}
		if _, err := fmt.Sscanf(string(m.data), "%d %d", &r.o.Status, &r.o.Signal); err != nil {
			return true, &InfraError{Op: "run case", Err: fmt.Errorf("agent said %q: %w", m.data, err)}
		}
		if r.o.Hang != nil && r.o.Hang.Livelock && r.o.Status == 0 && r.o.Signal == 0 {
			r.o.Hang, r.stuck, r.ended = nil, false, false // it was slow, and came to a good end
		}
	case "umount":
		n, _ := strconv.Atoi(string(m.data))
		r.o.Unmount = errnoName(n)
	case "done":
		return true, nil
	case "hang":
		kind, h := parseHang(m.data)
		// A guest that had little CPU time was not burning it: the host was slow. The agent reports again, of a longer time.
		if kind == hangLivelock && r.load.used(time.Now(), time.Duration(h.Seconds*float64(time.Second))) < livelockAfter/2 {
			return false, nil
		}
		r.o.Hang, r.stuck = h, true
	case "hangend":
		r.ended = r.stuck
	case "timeout":
		r.o.TimedOut = r.o.Hang == nil
		return true, nil
	}
	return false, nil
}

// ask asks QEMU whether it is there, and the guest running: a guest that says nothing and uses no CPU time may have been stopped
// from outside.
func (r *run) ask(ctx context.Context) error {
	qctx, cancel := context.WithTimeout(ctx, answerMax)
	defer cancel()
	ret, err := r.guest.qmp.command(qctx, "query-status", nil)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return &InfraError{Op: "run case", Err: r.guest.death(err)}
	}
	var status struct {
		Running bool   `json:"running"`
		Status  string `json:"status"`
	}
	if err := json.Unmarshal(ret, &status); err != nil {
		return &InfraError{Op: "run case", Err: fmt.Errorf("monitor query-status: %w", err)}
	}
	if !status.Running {
		return &InfraError{Op: "run case", Err: fmt.Errorf("qemu stopped the guest: %s", status.Status)}
	}
	return nil
}

// takeOver finds out where a guest is whose agent is silent: where each CPU is, and what the kernel says to an NMI. The
// observation's Hang has one task for each CPU.
func (r *run) takeOver(ctx context.Context) error {
	g := r.guest
	qctx, cancel := context.WithTimeout(ctx, answerMax)
	defer cancel()
	regs, err := g.qmp.human(qctx, "info registers -a")
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &InfraError{Op: "examine silent guest", Err: g.death(err)}
	}
	h := &Hang{Seconds: silentAfter.Seconds()}
	names, _ := readSymbols(r.kernel) // without them there are addresses
	for cpu, rip := range instructionPointers(regs) {
		h.Tasks = append(h.Tasks, Stack{Comm: fmt.Sprintf("cpu%d", cpu), State: "R", Frames: []string{names.name(rip)}})
	}
	h.Livelock = r.load.used(time.Now(), silentAfter) > silentAfter/2
	r.o.Hang = h
	if _, err := g.qmp.command(qctx, "inject-nmi", nil); err != nil {
		return &InfraError{Op: "examine silent guest", Err: g.death(err)}
	}
	end := time.After(panicMax)
	for !r.console.paniced() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-end:
			return nil
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

// instructionPointers reads "info registers -a": the RIP of each CPU, in order.
func instructionPointers(regs string) []uint64 {
	var out []uint64
	for _, f := range strings.Fields(regs) {
		if hex, ok := strings.CutPrefix(f, "RIP="); ok {
			if rip, err := strconv.ParseUint(hex, 16, 64); err == nil {
				out = append(out, rip)
			}
		}
	}
	return out
}

// errnoName is an errno's name, "EINVAL"; "errno 4711" when it has none.
func errnoName(n int) string {
	if s := unix.ErrnoName(syscall.Errno(n)); s != "" {
		return s
	}
	return fmt.Sprintf("errno %d", n)
}

// output keeps the beginning and the end of what a case writes.
type output struct {
	size       int // in all, 0 for outputSize
	head, tail []byte
	cut        int
}

func (o *output) sizes() (head, tail int) {
	size := o.size
	if size == 0 {
		size = outputSize
	}
	return size / 4 * 3, size / 4
}

func (o *output) Write(b []byte) {
	head, tail := o.sizes()
	n := min(len(b), head-len(o.head))
	o.head = append(o.head, b[:n]...)
	o.tail = append(o.tail, b[n:]...)
	if drop := len(o.tail) - tail; drop > tail {
		o.cut += drop
		o.tail = append(o.tail[:0], o.tail[drop:]...)
	}
}

func (o *output) String() string {
	_, size := o.sizes()
	tail := o.tail[max(0, len(o.tail)-size+outputNote):]
	var b bytes.Buffer
	b.Write(o.head)
	if cut := o.cut + len(o.tail) - len(tail); cut > 0 {
		fmt.Fprintf(&b, "\n[... %d bytes cut ...]\n", cut)
	}
	b.Write(tail)
	return b.String()
}
