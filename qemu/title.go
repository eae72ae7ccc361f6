package qemu

import (
	"regexp"
	"strings"
)

// naming is what an incident is called.
type naming struct {
	typ          string
	title        string
	alternatives []string
	corrupted    bool
}

// unnamed stands in a title for the function that a cut or interleaved report does not show.
const unnamed = "corrupted"

// name makes an incident's title: the rule's, with the guilty function for FUNC.
func (in *incident) name() naming {
	entries := in.entries()
	n := naming{typ: in.rule.typ, title: in.rule.title}
	if in.rule.detail != nil {
		typ, title := in.rule.detail(in)
		n.typ = typ
		if title != "" {
			n.title = title
		}
	}
	n.title = in.expand(n.title)
	if !strings.Contains(n.title, "FUNC") {
		n.corrupted = in.rule.corrupted
		return n
	}
	where := in.rule.where
	if where == nil {
		where = guilty
	}
	names := where(in, entries)
	if len(names) == 0 {
		n.corrupted = true
		if in.rule.headless != "" {
			n.typ, n.title = "WARNING", in.expand(in.rule.headless)
			return n
		}
		names = []string{unnamed}
	}
	n.corrupted = n.corrupted || !traced(entries)
	pattern := n.title
	n.title = strings.ReplaceAll(pattern, "FUNC", names[0])
	for _, fn := range names[1:] {
		n.alternatives = append(n.alternatives, strings.ReplaceAll(pattern, "FUNC", fn))
	}
	if in.rule.alt != "" {
		for _, fn := range names {
			n.alternatives = append(n.alternatives, strings.ReplaceAll(in.rule.alt, "FUNC", fn))
		}
	}
	return n
}

// expand puts the submatches of the rule's pattern into a title.
func (in *incident) expand(title string) string {
	for i := len(in.sub) - 1; i > 0; i-- {
		title = strings.ReplaceAll(title, "$"+string(rune('0'+i)), normalise(in.sub[i]))
	}
	return title
}

// traced says whether a report has a stack or at least the place of a lock.
func traced(entries []entry) bool {
	for _, e := range entries {
		if e.kind == entryFrame || e.kind == entryLock {
			return true
		}
	}
	return false
}

var (
	offsetRE  = regexp.MustCompile(`\+0x[0-9a-f]+(?:/0x[0-9a-f]+)?`)
	addressRE = regexp.MustCompile(`\b0x[0-9a-fA-F]+\b|\b[0-9a-f]{8}(?:[0-9a-f]{8})?\b|\(ptrval\)`)
	numberRE  = regexp.MustCompile(`\b\d+\b`)
	spacesRE  = regexp.MustCompile(`\s+`)
)

// normalise takes out of a text what differs from one build or run to the next.
func normalise(s string) string {
	s = offsetRE.ReplaceAllString(s, "")
	s = addressRE.ReplaceAllString(s, "ADDR")
	s = numberRE.ReplaceAllString(s, "NUM")
	s = spacesRE.ReplaceAllString(s, " ")
	return strings.TrimSpace(s)
}

// guilty is the function an oops, a warning or a sanitizer's report is put down to: the first of the first
// stack that is not one of the kernel's helpers. It returns at most one name.
func guilty(_ *incident, entries []entry) []string {
	for _, e := range entries {
		switch e.kind {
		case entryFrame, entryPC:
			if !isHelper(e.fn) {
				return []string{wrapperRE.ReplaceAllString(e.fn, "")}
			}
		case entryEnd:
			return nil
		}
	}
	return nil
}

// wrapperRE matches what the system call macros put before a call's name (include/linux/syscalls.h).
var wrapperRE = regexp.MustCompile(`^(?:__se_sys_|__do_sys_|SYSC_|SyS_|compat_SyS_|C_SYSC_|__se_compat_sys_|__do_compat_sys_)`)

// acquirer is the function that takes the lock a lockdep report is about, or, when a helper takes it, the next place the
// report names.
func acquirer(in *incident, entries []entry) []string {
	wanted := false
	for _, e := range entries {
		switch e.kind {
		case entryWant:
			wanted = true
		case entryLock, entryFrame:
			if wanted && !lockHelperRE.MatchString(e.fn) {
				return []string{e.fn}
			}
		}
	}
	return backtrace(in, entries)
}

// lockHelperRE matches the functions that take a lock and do nothing else. Other helpers take locks of their own,
// and are where a deadlock on them is.
var lockHelperRE = regexp.MustCompile(`^_*(?:(?:do_)?(?:raw_)?_*(?:spin|read|write|queued_\w+|bit_spin)_(?:un|try)?lock\w*|(?:mutex|ww_mutex|rt_mutex|rwsem)_\w+|(?:percpu_)?(?:down|up)_(?:read|write)\w*|down|up|lock_acquire|lock_release|validate_chain|(?:check|mark)_\w*lock\w*|atomic_dec_and_\w*lock\w*|iput|dput|perf_trace_init|dump_stack\w*|print_\w+|seqcount_\w+|local_\w+lock\w*)$`)

// backtrace is the guilty function of the stack that follows "stack backtrace:" or "Call Trace:", leaving
// out the stacks of the locks' dependencies printed above it.
func backtrace(in *incident, entries []entry) []string {
	for i, e := range entries {
		if e.kind == entryTrace {
			return guilty(in, entries[i+1:])
		}
	}
	return nil
}

// sleeper is the function a hung task waits in: the first of its stack that is not the way to sleep itself.
func sleeper(_ *incident, entries []entry) []string {
	begun := false
	for _, e := range entries {
		switch e.kind {
		case entryTrace:
			begun = true
		case entryEnd:
			return nil
		case entryTask, entryUser:
			if begun {
				return nil
			}
		case entryFrame:
			begun = true
			if !isHelper(e.fn) && !sleepRE.MatchString(e.fn) {
				return synonyms(e.fn)
			}
		}
	}
	return nil
}

// staller is the function that stands for a CPU's endless loop. The tick that noticed interrupts it anywhere, so
// the innermost function is chance; what stays the same is where the kernel was entered: the system call, the timer's or
// the work's function.
func staller(_ *incident, entries []entry) []string {
	return representative(stalledStack(entries))
}

// outermost is the function that stands for a stack that ran over, as for a loop.
func outermost(_ *incident, entries []entry) []string {
	var stack []string
	for _, e := range entries {
		if e.kind == entryFrame {
			stack = append(stack, e.fn)
		}
	}
	return representative(stack)
}

// representative is where the kernel was entered on a stack (innermost first), or the driver or protocol where the
// system call alone says little.
func representative(stack []string) []string {
	prev := ""
	for _, fn := range stack {
		if stopRE.MatchString(fn) {
			return synonyms(fn)
		}
		if entryRE.MatchString(fn) && prev != "" {
			return synonyms(prev)
		}
		if m := syscallRE.FindStringSubmatch(fn); m != nil {
			if manyFacedRE.MatchString(m[1]) && prev != "" {
				return synonyms(prev)
			}
			return synonyms(fn)
		}
		if !genericRE.MatchString(fn) && (prev == "" || !isHelper(fn)) {
			prev = fn
		}
	}
	for _, fn := range stack {
		if !isHelper(fn) {
			return synonyms(fn)
		}
	}
	return nil
}

// stalledStack is the stack below the interrupt that noticed the stall, innermost first.
func stalledStack(entries []entry) []string {
	var stack, plain []string
	below, idle := false, false
	for _, e := range entries {
		switch e.kind {
		case entryTask, entryTrace, entryUser:
			if below && len(stack) > 0 && !idle {
				return stack
			}
			if e.kind != entryTrace && len(plain) > 0 && !idle && plainStack(plain) {
				return plain
			}
			stack, plain, below, idle = nil, nil, false, false
		case entryEnd:
		case entryFrame, entryPC:
			switch {
			case irqRE.MatchString(e.fn) && len(stack) == 0:
				below = true
			case below:
				stack = append(stack, e.fn)
			default:
				plain = append(plain, e.fn)
			}
			if strings.HasPrefix(e.fn, "rcu_gp_") || idleRE.MatchString(e.fn) {
				idle = true
			}
		}
	}
	if below && len(stack) > 0 && !idle {
		return stack
	}
	if !idle && plainStack(plain) {
		return plain
	}
	return nil
}

// plainStack says whether a stack without an interrupt is the stalled CPU's, not that of the detector.
func plainStack(stack []string) bool {
	for _, fn := range stack {
		if dumpRE.MatchString(fn) {
			return false
		}
	}
	return len(stack) > 0
}

var (
	irqRE   = regexp.MustCompile(`^(?:asm_)?(?:__)?(?:smp_|sysvec_)?(?:x2apic_|xen_)?(?:apic_timer_interrupt|call_function(?:_single)?(?:_interrupt)?|reboot_interrupt|reschedule_(?:interrupt|ipi)|irq_work(?:_interrupt)?)$|^(?:asm_)?sysvec_\w+$|^ret_from_intr$|^(?:asm_)?common_interrupt$|^el1h?_(?:64_)?irq(?:_handler)?$|^el1_interrupt$|^__irq_svc$|^(?:handle_riscv_irq|do_irq|ret_from_exception)$|^asm_exc_nmi$|^(?:end_repeat_)?nmi$`)
	dumpRE  = regexp.MustCompile(`^(?:dump_stack|rcu_dump|rcu_check_callbacks|rcu_sched_clock_irq|nmi_cpu_backtrace|check_cpu_stall|print_cpu_stall|watchdog)`)
	idleRE  = regexp.MustCompile(`^(?:default_idle|cpu_idle|do_idle|native_safe_halt|arch_cpu_idle|acpi_idle\w*|cpuidle_\w+|cpu_startup_entry)$`)
	entryRE = regexp.MustCompile(`^(?:call_timer_fn|process_one_work|task_work_run|kthread|do_syscall_64|do_fast_syscall_32|__do_fast_syscall_32|do_int80_syscall_32|entry_SYS\w+|ret_fast_syscall|ret_from_fork\w*|el0_svc\w*|invoke_syscall|do_one_initcall|__hrtimer_run_queues|__run_hrtimer|run_ksoftirqd|tasklet_action\w*|__do_softirq|do_softirq|handle_softirqs|exit_to_user\w*|exit_to_usermode_loop|do_exit|net_rx_action|rcu_do_batch|netlink_dump)$`)
	// a CPU that waits for another to take its interrupt loops in here, whoever asked
	stopRE    = regexp.MustCompile(`^(?:smp_call_function\w*|stop_machine\w*|text_poke_bp_batch)$`)
	syscallRE = regexp.MustCompile(`^(?:__(?:x64|ia32|arm64|s390x?|riscv|do|se)_)?(?:compat_)?(?:sys|SyS|SYSC)_(\w+)$|^C_SYSC_(\w+)$`)
	// system calls that lead to any driver or protocol: their own name says little
	manyFacedRE = regexp.MustCompile(`^(?:ioctl|read|write|pread64|pwrite64|preadv2?|pwritev2?|readv|writev|connect|accept4?|bind|listen|setsockopt|getsockopt|socketcall|send|sendto|sendmsg|sendmmsg|recv|recvfrom|recvmsg|recvmmsg|close|exit_group|exit|open|openat|mmap)$`)
	// layers between such a system call and the driver or protocol
	genericRE = regexp.MustCompile(`^(?:\w*_compat_ioctl|_*fput|do_vfs_ioctl|vfs_ioctl|ksys_\w+|do_ioctl|__vfs_\w+|vfs_read|vfs_write|vfs_writev|vfs_readv|do_iter_\w+|do_readv\w*|do_writev\w*|new_sync_\w+|call_(?:read|write)_iter|sock_(?:send|recv)msg\w*|sock_(?:read|write)_iter|_{2,4}sys_\w+|sock_common_\w+|sock_ioctl|sock_do_ioctl|do_sock_\w+|security_\w+|__do_sys_\w+|__se_sys_\w+|compat_sock_\w+|do_sys_\w+|do_mmap\w*|vm_mmap\w*)$`)
	sleepRE   = regexp.MustCompile(`^(?:\w*fdatawait\w*|context_switch|__schedule|schedule\w*|preempt_schedule\w*|io_schedule\w*|bit_wait\w*|out_of_line_wait\w*|__wait_\w+|wait_\w+|do_wait_\w+|__switch_to\w*|folio_wait\w*|folio_lock\w*|__folio_lock\w*|lock_page|__lock_page\w*|lock_sock\w*|__lock_sock|request_wait_answer|synchronize_\w+_wait|rwsem_\w+|__rwsem\w*|call_rwsem\w+|percpu_\w+|__percpu\w+|rt_mutex\w*|__rt_mutex\w*|__lock_buffer|__wait_on\w*|__bit_\w+|do_nanosleep|msleep\w*|usleep\w*|flush_work\w*|__flush_work\w*|flush_workqueue\w*|__flush_workqueue\w*|cancel_work_sync|__cancel_work\w*|drain_workqueue|destroy_workqueue|kthread_stop\w*|__cancel_\w+|cancel_delayed_work_sync|down\w*|__down\w*|mutex_\w+|__mutex_\w+|ww_mutex\w*|__ww_mutex\w*|blk_mq_freeze_queue_wait\w*|_*rcu_barrier\w*|coredump_wait|sched_\w+|completion_\w+|do_wait_for_common|inode_sleep_on_writeback|percpu_ref_\w+|wb_wait_for_completion|kmap\w*|ldsem_\w+|tty_ldisc_lock\w*|__ldsem_\w+|down_\w+|inode_lock\w*)$`)
)

// synonyms returns a function's name as titles have it, and the names it is known by besides.
func synonyms(fn string) []string {
	short := fn
	switch {
	case wrapperRE.MatchString(fn):
		short = wrapperRE.ReplaceAllString(fn, "")
	case archSyscallRE.MatchString(fn):
		short = "sys_" + archSyscallRE.FindStringSubmatch(fn)[1]
	case strings.HasPrefix(fn, "smp_call_function"):
		short = "smp_call_function"
	case graceRE.MatchString(fn):
		short = "synchronize_rcu"
	}
	if short == fn {
		return []string{fn}
	}
	return []string{short, fn}
}

var (
	archSyscallRE = regexp.MustCompile(`^__(?:x64|ia32|arm64|s390x?|riscv)_(?:compat_)?sys_(\w+)$`)
	// waiting for a grace period is one way to wait, whatever its flavour
	graceRE = regexp.MustCompile(`^_*synchronize_(?:rcu|srcu|sched|net|rcu_expedited|srcu_expedited|sched_expedited|rcu_bh|rcu_tasks\w*)$|^_*wait_rcu_gp$`)
)
