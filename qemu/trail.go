package qemu

import (
	"strings"

	"github.com/seriesctl/seriesctl/internal/pattern"
)

// A trail says where in a report the guilty function is found.
type trail struct {
	steps []step
	other []step          // when steps lead to no function
	last  []step          // when these do not either
	skip  *pattern.Regexp // functions passed over besides the helpers
	raw   bool            // helpers count as well
	// pick chooses of the functions on the trail, outermost last; the first when nil. "" is none of them.
	pick func([]string) string
	// whole says that an incident whose report lacks what a step needs is named by its announcing line, as nothing
	// else is known of it; others are named "… in corrupted".
	whole bool
}

// A step moves on in a report and may find functions. It gives false where the report lacks what the step needs.
type step func(*walk) bool

// walk is the state of following a trail.
type walk struct {
	*trail
	rows  []row
	found []string
}

// follow gives the guilty function, "" when the report does not show it, and whether the report has what a step needs.
func (t *trail) follow(rows []row) (fn string, ok bool) {
	for _, steps := range [][]step{t.steps, t.other, t.last} {
		w := walk{trail: t, rows: rows}
		if steps == nil || !w.run(steps) {
			continue
		}
		ok = true
		if len(w.found) == 0 {
			continue
		}
		if t.pick == nil {
			return strip(w.found[0]), true
		}
		for i, fn := range w.found {
			w.found[i] = strip(fn)
		}
		if fn := t.pick(w.found); fn != "" {
			return fn, true
		}
	}
	return "", ok
}

func (w *walk) run(steps []step) bool {
	for _, s := range steps {
		if !s(w) {
			return false
		}
	}
	return true
}

func (w *walk) add(fn string) {
	if fn != "" && (w.raw || !isHelper(fn)) && (w.skip == nil || !w.skip.MatchString(fn)) {
		w.found = append(w.found, fn)
	}
}

// seek moves past the next row that fits.
func (w *walk) seek(fits func(row) bool) (row, bool) {
	for i, r := range w.rows {
		if r.injected {
			w.rows = w.rows[i+1:]
			return row{}, true
		}
		if fits(r) {
			w.rows = w.rows[i+1:]
			return r, true
		}
	}
	w.rows = nil
	return row{}, false
}

// announced takes the function that the announcing line names.
func announced(w *walk) bool {
	if len(w.rows) == 0 {
		return false
	}
	if m := headFnRE.FindStringSubmatch(w.rows[0].text); m != nil {
		w.add(plainName(m[1]))
	}
	w.rows = w.rows[1:]
	return true
}

// pc takes the function that the CPU was in.
func pc(w *walk) bool {
	r, _ := w.seek(func(r row) bool { return r.pc })
	w.add(r.fn)
	return true
}

// callTrace moves to the stack that led here.
func callTrace(w *walk) bool {
	w.seek(func(r row) bool { return r.called })
	return true
}

// stack takes the functions of the stack from here to where the next one begins.
func stack(w *walk) bool {
	for i, r := range w.rows {
		if r.starts || r.injected {
			w.rows = w.rows[i+1:]
			return true
		}
		if !r.pc {
			w.add(r.fn)
			w.add(r.caller)
		}
	}
	w.rows = nil
	return true
}

// uninterrupted lets a stack pass that does not begin in an interrupt, as the one does that noticed the stall.
func uninterrupted(w *walk) bool {
	return len(w.rows) > 0 && !strings.Contains(w.rows[0].text, "<IRQ>")
}

// taken takes the function where the next lock that is listed was taken.
func taken(w *walk) bool {
	r, ok := w.seek(func(r row) bool { return r.at != "" })
	w.add(r.at)
	return ok
}

// listed is taken where the function may be missing.
func listed(w *walk) bool {
	taken(w)
	return true
}

// past moves past a row with a text; without it the report is incomplete.
func past(text string) step {
	return func(w *walk) bool {
		_, ok := w.seek(func(r row) bool { return strings.Contains(r.text, text) })
		return ok
	}
}

// matched moves past a row that matches, and takes the function it captures, if it captures any.
func matched(expr string) step {
	re := pattern.New(expr)
	return func(w *walk) bool {
		var m []string
		_, ok := w.seek(func(r row) bool { m = re.FindStringSubmatch(r.text); return m != nil })
		if len(m) > 1 {
			w.add(plainName(m[1]))
		}
		return ok
	}
}

// strip takes off what the system call macros put before a call's name, of the choices the one that leaves least
// (include/linux/syscalls.h, arch/*/include/asm/syscall_wrapper.h).
func strip(fn string) string {
	short := fn
	for _, p := range wrappers {
		if rest, ok := strings.CutPrefix(fn, p); ok && rest != "" && len(rest) < len(short) {
			short = rest
		}
	}
	return short
}

var wrappers = strings.Fields(`sys_ __sys_ ___sys_ ____sys_ ksys_ SYSC_ SyS_ compat_SYSC_ compat_SyS_ __se_ __se_sys_ __do_sys_ __x64_ __ia32_ __arm64_`)

// representative is the function that stands for a CPU's endless loop, or for a stack that ran over. The tick that
// noticed interrupts the loop anywhere, so the innermost function is chance; what stays the same is what the kernel was
// asked to do: the function that is called where work is handed out by kind (a system call, a timer, a driver's file operation).
func representative(stack []string) string {
	prev := stack[0]
	for _, fn := range stack {
		if strings.Contains(fn, "smp_call_function") {
			return "smp_call_function" // waiting for another CPU, whoever asked
		}
		if dispatchRE.MatchString(fn) {
			return prev
		}
		prev = fn
	}
	return ""
}

// dispatchRE matches the functions that hand out work.
var dispatchRE = pattern.New(strings.Join([]string{
	// system calls
	`do_(?:fast_)?syscall_`, `sysenter_dispatch`, `tracesys_phase2`, `el0_svc_handler`, `invoke_syscall`, `ret_fast_syscall`,
	// interrupts, timers, threads
	`do_softirq`, `run_ksoftirqd`, `tasklet_(?:hi_)?action`, `call_timer_fn`, `_run_timers`, `run_timer_softirq`, `hrtimer_run`, `process_one_work`, `^kthread$`, `smpboot_thread_fn`, `ret_from_fork`, `start_secondary`, `cpu_startup_entry`, `task_work_run`, `exit_to_usermode`, `netif_receive_skb`,
	// files
	`vfs_(?:iter_)?(?:read|write)`, `do_iter_(?:read|write)`, `new_sync_(?:read|write)`, `call_(?:read|write)_iter`, `vfs_ioctl`, `ksys_ioctl`, `compat_(?:sys_)?ioctl`, `blkdev_(?:driver_)?ioctl`, `^call_mmap`, `mmap_region`, `do_mmap`, `do_dentry_open`, `vfs_open`, `__fput`,
	// sockets
	`^sock_(?:sendmsg|recvmsg|release|mmap|ioctl|do_ioctl)`, `^__sock_release`, `^compat_sock_ioctl`, `^(?:setsockopt|listen|accept)$`, `kernel_(?:setsockopt|listen|accept)`, `sock_common_setsockopt`, `sk_common_release`, `^(?:nfnetlink|rtnetlink)_rcv_msg`, `^netlink_dump`, `^(?:sys_)?(?:socketpair|connect|ioctl)`,
	// page faults
	`__do_fault`, `do_page_fault`, `^page_fault$`,
}, "|"))

// sleeper is the function that a hung task waits in, or, for what the whole kernel waits for, that.
func sleeper(stack []string) string {
	for _, fn := range stack {
		switch {
		case strings.Contains(fn, "rtnl_lock"):
			return fn
		case graceRE.MatchString(fn):
			return "synchronize_rcu"
		}
	}
	for _, fn := range stack {
		if !waitRE.MatchString(fn) {
			return fn
		}
	}
	return ""
}

var (
	// waiting for a grace period is one way to wait, whatever its flavour
	graceRE = pattern.New(`synchronize_(?:s?rcu|net|sched)`)
	// the ways to wait
	waitRE = pattern.New(`sched|context_switch|__switch_to|wait|completion|_(?:slow)?lock|down|rwsem|synchronize|rcu_barrier|kthread|cancel_delayed_work`)
)
