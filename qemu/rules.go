package qemu

import (
	"strings"

	"github.com/seriesctl/seriesctl/internal/pattern"
)

// rule recognises one kind of incident by the line that announces it, and says how it is called.
//
// Which kinds there are, how their titles read and by which of its functions an incident is called is the convention of
// syzkaller (github.com/google/syzkaller, pkg/report, Apache-2.0), so that a title can be looked up among syzbot's.
type rule struct {
	needle string          // a literal part of the line, looked for first
	re     *pattern.Regexp // on the line without its prefix
	unless *pattern.Regexp // lines that look like it and are not
	typ    string
	title  string // $1… are the pattern's submatches, FUNC the guilty function
	alt    string // an alternative title, with FUNC
	// detail reads type and title off the report where they depend on more than the first line; an empty title is
	// the announcing line.
	detail func(in *incident, rows []row) (typ, title string)
	where  *trail // to the function for FUNC; that of an exception when nil

	fatal       bool // the kernel or the task ends by it
	consequence bool // after another incident, its result rather than one of its own
	header      bool // begins the registers and stack of an exception: part of the report that announced it, if one did
	complaint   bool // a file system's own message: gives way to any other
	remark      bool // a line of no known kind: gives way to any other in a run's verdict
	bare        bool // a report without a stack
	corrupted   bool // only a damaged report is left without a better name
}

// lines is how long a rule's report can be.
func (r *rule) lines() int {
	if r.complaint || r.remark {
		return 12
	}
	return maxReportLines
}

// lead is how many lines of a report are read for its name before one about its consequences ends it.
func (r *rule) lead() int {
	switch r.where {
	case valued, leaked:
		return 16 // KMSAN prints little but the stack
	case overrun:
		return maxReportLines // it is the panic that prints the stack
	}
	return reportLines
}

const badAccess = "bad-access in FUNC"

// The trails to the guilty function.
var (
	exception = &trail{steps: []step{pc, callTrace, stack}}
	atPC      = &trail{steps: []step{pc}}
	traced    = &trail{steps: []step{callTrace, stack}}
	// the address sanitizer's line names the function that its compiler instrumented
	checked = &trail{steps: []step{announced, callTrace, stack}, skip: pattern.New(`tag_check|^el1h?_`)}
	freed   = &trail{steps: []step{announced, callTrace, stack}, skip: pattern.New(`slab_|kfree|v(?:un)?map|vfree`)}
	guarded = &trail{steps: []step{announced, stack}}
	// where the value is used; generic routines only carry it there. Before Linux 6.1 the stack stood under "Call Trace:".
	valued  = &trail{steps: []step{stack}, other: []step{callTrace, stack}, skip: pattern.New(`alloc_skb|netlink_(?:ack|rcv_skb)|_encrypt$|^(?:crypto|cipher|drbg|rng)_`)}
	leaked  = &trail{steps: []step{stack}, other: []step{callTrace, stack}, skip: pattern.New(`alloc_skb|usb_(?:submit_urb|start_wait_urb|bulk_msg|interrupt_msg|control_msg)`)}
	ubsan   = &trail{steps: []step{callTrace, stack}, skip: pattern.New(`ubsan|overflow`)}
	kept    = &trail{steps: []step{matched(`backtrace(?: \(crc [0-9a-f]*\))?:`), stack}, skip: pattern.New(`mmap|kmem|slab|alloc|create_object|idr_get|list_lru_init|pcpu_create`)}
	stuck   = &trail{steps: []step{pc, callTrace, stack}, pick: representative}
	overrun = &trail{steps: []step{callTrace, stack}, skip: pattern.New(`schedule|retint_kernel|bad_stack`), pick: representative}
	// the stack below the interrupt that noticed; arm64 prints the registers and stack of what was interrupted alone
	stalled = &trail{steps: []step{matched(`apic_timer_interrupt`), pc, stack}, other: []step{matched(`apic_timer_interrupt|Exception stack|el1h_64_irq|handle_riscv_irq|do_io_irq|timer_interrupt\+0x`), stack}, last: []step{matched(`NMI backtrace for cpu|Task dump for CPU|^pstate: `), callTrace, uninterrupted, stack},
		skip: pattern.New(`apic_timer_interrupt|rcu`), pick: representative}
	waiting = &trail{steps: []step{callTrace, stack}, pick: sleeper}
	undying = &trail{steps: []step{callTrace, stack}, skip: pattern.New(`schedule`)}

	// lockdep lists the lock that is wanted, then one that is held
	wanted   = &trail{steps: []step{past("is trying to acquire lock"), listed, listed, stack}, skip: pattern.New(`process_one_work|(?:flush|drain|destroy)_workqueue`), whole: true}
	wantedAt = &trail{steps: []step{past("is trying to acquire"), taken}, raw: true, whole: true}
	changed  = &trail{steps: []step{past("just changed the state of lock"), taken}, raw: true, whole: true}
	// what made a lock irq-unsafe
	unsafe       = &trail{steps: []step{matched(`which became .* at:`), stack}}
	inconsistent = &trail{steps: []step{past("takes"), matched(`\bat: .*\+0x`), callTrace, stack}, whole: true}
	released     = &trail{steps: []step{matched(`\] +` + function), callTrace, stack}, other: []step{callTrace, stack}}
	heldAt       = &trail{steps: []step{taken}, other: []step{matched(`\] +` + function)}, raw: true, whole: true}
	leftWith     = &trail{steps: []step{past("leaving the kernel with locks still held"), taken}, raw: true, whole: true}
	spinning     = &trail{steps: []step{callTrace, stack}, skip: pattern.New(`spin_|_(?:un)?lock`)}
	keyed        = &trail{steps: []step{callTrace, stack}, skip: pattern.New(`stack|lock|IRQ`)}
	suspected    = &trail{steps: []step{matched(`[\w./-]+\.[a-z]+:\d+`), callTrace, stack}, skip: pattern.New(`rcu|kmem|slab`), whole: true}
	waited       = &trail{steps: []step{callTrace, stack}, skip: pattern.New(`(?:lock|release)_sock`)}
	unscheduled  = &trail{steps: []step{callTrace, stack}, skip: pattern.New(`schedule`)}
	preemptible  = &trail{steps: []step{callTrace, stack}, skip: pattern.New(`preempt|debug_|processor_id|this_cpu`)}
	lastFunction = &trail{steps: []step{matched(`(?:last function: |workfn=)([A-Za-z_]\w*)`)}, raw: true, whole: true}
	// a bad page is put down to who allocated it (CONFIG_PAGE_OWNER): whoever freed it is chance
	allocated = &trail{steps: []step{matched(`page last allocated`), stack}, skip: pattern.New(`(?:free|put|get|update|release)_page|free_unref|^_*folio|truncate_inode_pages|page_frag_free|prep_new_page|alloc|vmap|page_owner`)}

	misused   = &trail{steps: []step{callTrace, stack}, skip: pattern.New(`^(?:check|init|setup|free)_.*(?:object|bytes|list|slab)|debug_processing|partial_list`)}
	canary    = &trail{steps: []step{matched(`corrupted in: (?:\[<[^>]*>\] )?` + function)}, other: []step{callTrace, stack}, raw: true, skip: pattern.New(`dump_|show_stack|panic|stack_chk`)}
	usercopy  = &trail{steps: []step{callTrace, stack}, skip: pattern.New(`usercopy|__check`)}
	bug       = &trail{steps: []step{pc, callTrace, stack}, skip: pattern.New(`^skb_`)} // their checks are for their callers
	rustPanic = &trail{steps: []step{callTrace, stack}, skip: pattern.New(`rust_begin_unwind`)}
)

// warned is the trail of a warning: newer kernels trap for it, so its stack begins where the CPU was; older ones just print it.
func warned(skip string) *trail {
	t := &trail{steps: []step{pc, stack}, other: []step{callTrace, stack}}
	if skip != "" {
		t.skip = pattern.New(skip)
	}
	return t
}

// rules in order of preference; the first that matches a line names it.
var rules = []*rule{
	// Sanitizers (mm/kasan/report.c, mm/kfence/report.c, mm/kmsan/report.c, kernel/kcsan/report.c, lib/ubsan.c).
	{needle: "BUG:", re: pattern.New(`BUG: KASAN: (?:double-free or invalid-free|double-free|invalid-free) in ` + function), typ: "KASAN-INVALID-FREE", title: "KASAN: invalid-free in FUNC", alt: "invalid-free in FUNC", where: freed},
	{needle: "BUG:", re: pattern.New(`BUG: KAS[Aa][Nn]: (.*)`), detail: kasan, alt: badAccess, where: checked},
	{needle: "BUG:", re: pattern.New(`BUG: KFENCE: (use-after-free|out-of-bounds|invalid) (read|write) in ` + function), detail: kfence, alt: badAccess, where: guarded, bare: true},
	{needle: "BUG:", re: pattern.New(`BUG: KFENCE: (memory corruption|invalid free) in ` + function), detail: kfence, where: guarded, bare: true},
	{needle: "BUG:", re: pattern.New(`BUG: KMSAN: (kernel-usb-infoleak) in ` + function), detail: kmsan, where: leaked, bare: true},
	{needle: "BUG:", re: pattern.New(`BUG: KMSAN: ([a-z-]+) in ` + function), detail: kmsan, alt: badAccess, where: valued, bare: true},
	{needle: "BUG:", re: pattern.New(`BUG: (KCSAN: data-race.*)`), typ: "KCSAN-DATARACE", title: "$1", bare: true},
	{needle: "BUG:", re: pattern.New(`BUG: (KCSAN: assert: race in.*)`), typ: "KCSAN-ASSERT", title: "$1", bare: true},
	{needle: "BUG:", re: pattern.New(`BUG: (KCSAN: .*)`), typ: "KCSAN-UNKNOWN", title: "$1", bare: true},
	{needle: "UBSAN:", re: pattern.New(`UBSAN: Undefined behaviour in`), typ: "UBSAN", title: "UBSAN: undefined-behaviour in FUNC", where: ubsan},
	{needle: "UBSAN:", re: pattern.New(`UBSAN: (array-index-out-of-bounds) in`), typ: "MEMORY_SAFETY_UBSAN", title: "UBSAN: $1 in FUNC", alt: badAccess, where: ubsan},
	{needle: "UBSAN:", re: pattern.New(`UBSAN: (.*?) in `), typ: "UBSAN", title: "UBSAN: $1 in FUNC", where: ubsan},
	{needle: "BUG:", re: pattern.New(`BUG: memory leak`), typ: "LEAK", title: "memory leak in FUNC", where: kept},

	// Bad accesses (arch/*/mm/fault.c).
	{needle: "BUG:", re: pattern.New(`BUG: (?:unable to handle kernel NULL pointer dereference|[Kk]ernel NULL pointer dereference)`), typ: "NULL-POINTER-DEREFERENCE", title: "BUG: unable to handle kernel NULL pointer dereference in FUNC", alt: badAccess, fatal: true},
	{needle: "BUG:", re: pattern.New(`BUG: (?:unable to handle (?:kernel paging request|page fault for address)|Unable to handle kernel (?:data access|instruction fetch))`), typ: "MEMORY_SAFETY_BUG", title: "BUG: unable to handle kernel paging request in FUNC", alt: badAccess, fatal: true},
	{needle: "BUG:", re: pattern.New(`BUG: [Uu]nable to handle kernel`), title: "BUG: unable to handle kernel", fatal: true, corrupted: true},
	{needle: "Unable to handle kernel", re: pattern.New(`Unable to handle kernel NULL pointer dereference`), typ: "NULL-POINTER-DEREFERENCE", title: "BUG: unable to handle kernel NULL pointer dereference in FUNC", alt: badAccess, fatal: true},
	{needle: "Unable to handle kernel", re: pattern.New(`Unable to handle kernel paging request`), typ: "MEMORY_SAFETY_BUG", title: "BUG: unable to handle kernel paging request in FUNC", alt: badAccess, fatal: true},
	{needle: "Unable to handle kernel", re: pattern.New(`Unable to handle (kernel .*?)(?: (?:at|on|for|without|outside|in virtual) .*|$)`), title: "BUG: unable to handle $1 in FUNC", alt: badAccess, fatal: true},
	{needle: "CPU ", re: pattern.New(`CPU \d+ Unable to handle kernel paging request`), typ: "MEMORY_SAFETY_BUG", title: "BUG: unable to handle kernel paging request in FUNC", alt: badAccess, fatal: true},
	{needle: "stack guard page", re: pattern.New(`BUG: .*stack guard page was hit at`), title: "BUG: stack guard page was hit in FUNC", alt: "stack-overflow in FUNC", where: stuck, fatal: true},
	{needle: "Insufficient stack", re: pattern.New(`Insufficient stack space to handle exception`), typ: "DoS", title: "kernel stack overflow in FUNC", alt: "stack-overflow in FUNC", where: overrun, fatal: true},

	{needle: "kernel BUG", re: pattern.New(`kernel BUG at lib/list_debug\.c`), typ: "MEMORY_SAFETY_BUG", title: "BUG: corrupted list in FUNC", alt: badAccess, where: traced, fatal: true},
	{needle: "kernel BUG", re: pattern.New(`kernel BUG at mm/usercopy\.c`), typ: "BUG", title: "BUG: bad usercopy in FUNC", where: usercopy, fatal: true},
	{needle: "kernel BUG", re: pattern.New(`kernel BUG at `), typ: "BUG", title: "kernel BUG in FUNC", where: bug, fatal: true},
	{needle: "Kernel BUG", re: pattern.New(`Kernel BUG (?:at |\[)`), typ: "BUG", title: "kernel BUG in FUNC", where: bug, fatal: true, header: true},
	{needle: "BUG ", re: pattern.New(`^BUG \S+ \(.*\): (Object already free)`), typ: "DoS", title: "BUG: $1"},
	{needle: "BUG ", re: pattern.New(`^BUG \S+ \(.*\): (.*)`), unless: pattern.New(`kasan`), typ: "MEMORY_SAFETY_BUG", title: "BUG: $1 in FUNC", where: misused},

	// Lockdep (kernel/locking/lockdep.c, kernel/locking/*_debug.c).
	{needle: "possible circular", re: pattern.New(`(?:WARNING|INFO): possible circular locking dependency detected`), typ: "LOCKDEP", title: "possible deadlock in FUNC", where: wanted},
	{needle: "possible recursive", re: pattern.New(`(?:WARNING|INFO): possible recursive locking detected`), typ: "LOCKDEP", title: "possible deadlock in FUNC", where: wantedAt},
	{needle: "lock inversion", re: pattern.New(`(?:WARNING|INFO): possible \S+ lock inversion dependency detected`), typ: "LOCKDEP", title: "possible deadlock in FUNC", where: changed},
	{needle: "-safe -> ", re: pattern.New(`WARNING: .*-safe -> .*-unsafe lock order detected`), typ: "LOCKDEP", title: "possible deadlock in FUNC", where: unsafe},
	{needle: "-safe -> ", re: pattern.New(`INFO: .*-safe -> .*-unsafe lock order detected`), typ: "LOCKDEP", title: "possible deadlock in FUNC", where: wantedAt},
	{needle: "inconsistent lock state", re: pattern.New(`(?:WARNING|INFO): inconsistent lock state`), typ: "LOCKDEP", title: "inconsistent lock state in FUNC", where: inconsistent},
	{needle: "uspicious RCU usage", re: pattern.New(`WARNING: suspicious RCU usage`), typ: "LOCKDEP", title: "WARNING: suspicious RCU usage in FUNC", where: suspected},
	{needle: "uspicious RCU usage", re: pattern.New(`INFO: suspicious RCU usage`), title: "INFO: suspicious RCU usage in FUNC", where: suspected},
	{needle: "ested lock was not taken", re: pattern.New(`WARNING: [Nn]ested lock was not taken`), typ: "LOCKDEP", title: "WARNING: nested lock was not taken in FUNC", where: warned("")},
	{needle: "bad unlock balance", re: pattern.New(`(BUG|WARNING): bad unlock balance detected!`), typ: "LOCKDEP", title: "$1: bad unlock balance in FUNC", where: released},
	{needle: "held lock freed", re: pattern.New(`(BUG|WARNING): held lock freed!`), typ: "LOCKDEP", title: "$1: held lock freed in FUNC", where: heldAt},
	{needle: "lock held when", re: pattern.New(`WARNING: lock held when returning to user space`), typ: "LOCKDEP", title: "WARNING: lock held when returning to user space in FUNC", where: leftWith, bare: true},
	{needle: "lock held when", re: pattern.New(`BUG: lock held when returning to user space`), title: "BUG: lock held when returning to user space in FUNC", where: leftWith, bare: true},
	{needle: "still has locks held", re: pattern.New(`(BUG|WARNING): .*still has locks held!`), typ: "LOCKDEP", title: "$1: still has locks held in FUNC", where: heldAt},
	{needle: "Invalid wait context", re: pattern.New(`BUG: Invalid wait context`), typ: "LOCKDEP", title: "WARNING: locking bug in FUNC", where: waited},
	{needle: "non-static key", re: pattern.New(`INFO: trying to register non-static key`), title: "INFO: trying to register non-static key in FUNC", where: keyed},
	{needle: "BUG:", re: pattern.New(`BUG: (spinlock|rwlock) (lockup suspected|already unlocked|recursion|cpu recursion|cpu-recursion|bad magic|wrong owner|wrong CPU|trylock failure on UP)`), typ: "LOCKDEP", title: "BUG: $1 $2 in FUNC", where: spinning},

	// Sleeping and scheduling (kernel/sched/core.c, kernel/workqueue.c, lib/smp_processor_id.c).
	{needle: "BUG:", re: pattern.New(`BUG: sleeping function called from invalid context at`), typ: "ATOMIC_SLEEP", title: "BUG: sleeping function called from invalid context in FUNC", where: traced},
	{needle: "BUG:", re: pattern.New(`BUG: scheduling while atomic`), typ: "ATOMIC_SLEEP", title: "BUG: scheduling while atomic in FUNC", where: unscheduled},
	{needle: "BUG:", re: pattern.New(`BUG: using ([a-z_]+)\(\) in preemptible`), typ: "LOCKDEP", title: "BUG: using $1() in preemptible code in FUNC", where: preemptible},
	{needle: "BUG:", re: pattern.New(`BUG: workqueue leaked (?:lock or atomic|atomic, lock or RCU)`), title: "BUG: workqueue leaked lock or atomic in FUNC", where: lastFunction, bare: true},
	{needle: "BUG:", re: pattern.New(`BUG: workqueue lockup`), title: "BUG: workqueue lockup", bare: true},

	// Hangs (kernel/hung_task.c, kernel/watchdog.c, kernel/rcu/tree_stall.h).
	{needle: "BUG:", re: pattern.New(`BUG: soft lockup`), typ: "HANG", title: "BUG: soft lockup in FUNC", alt: "stall in FUNC", where: stuck},
	{needle: "LOCKUP", re: pattern.New(`[Ww]atchdog:? .*hard LOCKUP`), typ: "HANG", title: "BUG: hard lockup in FUNC", alt: "stall in FUNC", where: stuck},
	{needle: "INFO:", re: pattern.New(`INFO: rcu_(?:preempt|sched|bh) (?:self-)?detected(?: expedited)? stall`), typ: "HANG", title: "INFO: rcu detected stall in FUNC", alt: "stall in FUNC", where: stalled},
	{needle: "INFO:", re: pattern.New(`INFO: rcu_tasks\w* detected stalls? on tasks`), typ: "HANG", title: "INFO: rcu detected stall in FUNC", alt: "stall in FUNC", where: waiting},
	{needle: "INFO:", re: pattern.New(`INFO: task .* blocked (?:in I/O wait )?for more than`), typ: "HANG", title: "INFO: task hung in FUNC", alt: "hang in FUNC", where: waiting},
	// a task may have a line feed in its name
	{needle: "INFO:", re: pattern.New(`INFO: task \S*$`), typ: "HANG", title: "INFO: task hung in FUNC", alt: "hang in FUNC", where: waiting},
	{needle: "INFO:", re: pattern.New(`INFO: task .* can't die for more than .* seconds`), typ: "HANG", title: "INFO: task can't die in FUNC", alt: "hang in FUNC", where: undying},

	// Memory management.
	{needle: "BUG:", re: pattern.New(`BUG: Bad page (state|cache)`), title: "BUG: Bad page $1 in FUNC", where: allocated},
	{needle: "BUG:", re: pattern.New(`BUG: (Bad page map)`), title: "BUG: $1"},
	{needle: "BUG:", re: pattern.New(`BUG: (Bad rss-counter state|non-zero \S+ on freeing mm)`), title: "BUG: $1", bare: true},
	{needle: "BUG:", re: pattern.New(`BUG: Dentry .* still in use .*\[(unmount) of [^\]]+\]`), title: "BUG: Dentry still in use in $1"},
	{needle: "BUG:", re: pattern.New(`BUG: (MAX_\w+) too low`), title: "BUG: $1 too low!"},

	// Warnings by the place of the check, "CPU: 0 PID: 1 at file:line function" or "file:line at function".
	{needle: "WARNING:", re: pattern.New(`WARNING: .*\blib/debugobjects\.c:\d+ (?:at )?debug_(?:print_object|check_no_obj_freed)`), typ: "WARNING", title: "WARNING: ODEBUG bug in FUNC", where: warned(`debug_|rcu|timer_|work_|percpu_|vunmap|vfree|__free_`)},
	{needle: "WARNING:", re: pattern.New(`WARNING: .*\bmm/usercopy\.c:\d`), typ: "WARNING", title: "WARNING: bad usercopy in FUNC", where: warned(`usercopy|__check`)},
	{needle: "WARNING:", re: pattern.New(`WARNING: .*\blib/kobject\.c:\d+ (?:kobject_|at)`), typ: "WARNING", title: "WARNING: kobject bug in FUNC", where: warned("")},
	{needle: "WARNING:", re: pattern.New(`WARNING: .*\bfs/proc/generic\.c:\d+ (?:_*proc_register|at)`), typ: "WARNING", title: "WARNING: proc registration bug in FUNC", where: warned("proc_")},
	{needle: "WARNING:", re: pattern.New(`WARNING: .*\blib/refcount\.c:\d`), typ: "REFCOUNT_WARNING", title: "WARNING: refcount bug in FUNC", where: warned("refcount")},
	{needle: "WARNING:", re: pattern.New(`WARNING: .*\bkernel/locking/lockdep\w*\.c:\d+.*lock_`), typ: "LOCKDEP", title: "WARNING: locking bug in FUNC", where: warned(`(?:lock|release)_sock`)},
	{needle: "WARNING:", re: pattern.New(`WARNING: .*\bmm/\w+\.c:.* k?\w?malloc`), typ: "WARNING", title: "WARNING: kmalloc bug in FUNC", where: warned("")},
	{needle: "WARNING:", re: pattern.New(`WARNING: .*\bmm/vmalloc\.c:\d+ .*__vmalloc_node`), typ: "WARNING", title: "WARNING: zero-size vmalloc in FUNC", where: warned("")},
	{needle: "WARNING:", re: pattern.New(`WARNING: .* usb_submit_urb`), typ: "WARNING", title: "WARNING in FUNC/usb_submit_urb", where: warned("usb_(?:start_wait_urb|bulk_msg|interrupt_msg)")},
	{needle: "WARNING:", re: pattern.New(`WARNING: (?:.* at )?[\w./-]+\.[a-zA-Z]+:\d+(?: at)? (?:` + function + `|0x[0-9a-f]+)`), typ: "WARNING", title: "WARNING in FUNC", where: warned("")},
	// without CONFIG_DEBUG_BUGVERBOSE, and of what is no WARN() (CFI): the function alone
	{needle: "WARNING:", re: pattern.New(`WARNING: (?:CPU: \d+ PID: \d+ )?at (?:` + function + `|0x[0-9a-f]+)`), typ: "WARNING", title: "WARNING in FUNC", where: warned("")},
	{needle: "WARNING:", re: pattern.New(`WARNING: kernel stack regs at [0-9a-f]+ in \S* has bad ('[^']+') value`), title: "WARNING: kernel stack regs has bad $1 value", bare: true},
	{needle: "WARNING:", re: pattern.New(`WARNING: kernel stack frame pointer at [0-9a-f]+ in \S* has bad value`), title: "WARNING: kernel stack frame pointer has bad value", bare: true},
	{needle: "WARNING:", re: pattern.New(`WARNING: kernel stack (?:regs .* has bad 'bp'|frame pointer .* has bad) value`), title: "WARNING: kernel stack regs has bad value", bare: true},

	// Other exceptions (arch/x86/kernel/traps.c, arch/arm/mm/fault.c) and panics.
	{needle: "general protection fault", re: pattern.New(`general protection fault.*:`), unless: pattern.New(`\bip:|^traps:|error:\d+ in `), typ: "DoS", title: "general protection fault in FUNC", alt: badAccess, fatal: true},
	{needle: "divide", re: pattern.New(`divide[ _]error: `), unless: pattern.New(`\bip:|^traps:`), typ: "DoS", title: "divide error in FUNC", where: atPC, fatal: true},
	{needle: "stack segment", re: pattern.New(`stack segment: `), typ: "DoS", title: "stack segment fault in FUNC", fatal: true},
	{needle: "invalid opcode", re: pattern.New(`invalid opcode: `), unless: pattern.New(`\bip:|^traps:`), typ: "DoS", title: "invalid opcode in FUNC", where: atPC, fatal: true, header: true},
	{needle: "double fault", re: pattern.New(`PANIC: double fault|^(?:Oops: )?double fault: `), typ: "DoS", title: "PANIC: double fault in FUNC", where: atPC, fatal: true, header: true},
	{needle: "Unhandled fault", re: pattern.New(`Unhandled fault:`), typ: "DoS", title: "Unhandled fault in FUNC", alt: badAccess, fatal: true},
	{needle: "Alignment trap", re: pattern.New(`Alignment trap:`), typ: "DoS", title: "Alignment trap in FUNC", fatal: true},
	{needle: "Internal error", re: pattern.New(`Internal error:`), typ: "DoS", title: "Internal error in FUNC", alt: badAccess, fatal: true, header: true},
	// what else ends a task: "int3: 0000 [#1] SMP", "Oops - illegal instruction [#1]", "Kernel bug detected[#1]:"
	{needle: "[#", re: pattern.New(`^(?:Oops: )?([A-Za-z][A-Za-z #/_!-]*\d?)(?:: [0-9a-f]+)?(?: ilc:\d)? ?\[#\d+\]`), typ: "DoS", title: "$1 in FUNC", fatal: true, header: true},
	{needle: "Oops", re: pattern.New(`\bOops: `), typ: "DoS", title: "Oops in FUNC", fatal: true, header: true},
	{needle: "Kernel panic", re: pattern.New(`Kernel panic - not syncing: (?:kernel: )?(panic_on_warn set|Fatal exception|hung_task: blocked tasks)`), typ: "DoS", title: "kernel panic: $1", fatal: true, consequence: true, corrupted: true},
	{needle: "Kernel panic", re: pattern.New(`Kernel panic - not syncing: ((?:[\w.]+: )?(?:Fatal hardware error|scheduling while atomic|softlockup: hung tasks|RCU Stall|panic_on_warn set|kmsan\.panic set|Oops).*)`), typ: "DoS", title: "kernel panic: $1", fatal: true, consequence: true},
	{needle: "Kernel panic", re: pattern.New(`Kernel panic - not syncing: stack-protector:`), typ: "DoS", title: "kernel panic: stack is corrupted in FUNC", where: canary, fatal: true, bare: true},
	{needle: "Kernel panic", re: pattern.New(`Kernel panic - not syncing: corrupted stack end detected inside scheduler`), typ: "DoS", title: "kernel panic: corrupted stack end in FUNC", alt: "stack-overflow in FUNC", where: overrun, fatal: true},
	{needle: "Kernel panic", re: pattern.New(`Kernel panic - not syncing: kernel stack overflow`), typ: "DoS", title: "kernel stack overflow in FUNC", alt: "stack-overflow in FUNC", where: overrun, fatal: true, consequence: true},
	{needle: "Kernel panic", re: pattern.New(`Kernel panic - not syncing: (Attempted to kill init!)`), typ: "DoS", title: "kernel panic: $1", fatal: true, consequence: true},
	{needle: "Kernel panic", re: pattern.New(`Kernel panic - not syncing: (Couldn't open N_TTY ldisc) for `), typ: "DoS", title: "kernel panic: $1", fatal: true},
	{needle: "Kernel panic", re: pattern.New(`Kernel panic - not syncing: (.*)`), typ: "DoS", title: "kernel panic: $1", fatal: true},
	{needle: "rust_kernel", re: pattern.New(`rust_kernel: panicked`), detail: rust, where: rustPanic, fatal: true},
	{needle: "Booting the kernel.", re: pattern.New(`^Booting the kernel\.`), typ: "REBOOT", title: "unexpected kernel reboot", remark: true, bare: true},
	{needle: "trusty: panic", re: pattern.New(`trusty: panic.* (ASSERT FAILED)(?: at \(.*?\))?: *(.*)`), typ: "DoS", title: "trusty: $1: $2", fatal: true, bare: true},
	{needle: "trusty: panic", re: pattern.New(`trusty: panic(?: \(.*?\))?: (.+)`), typ: "DoS", title: "trusty: panic: $1", fatal: true, bare: true},

	// Subsystems.
	{needle: "unregister_netdevice", re: pattern.New(`unregister_netdevice: waiting for .* to become free`), typ: "DoS", title: "unregister_netdevice: waiting for DEV to become free", consequence: true, bare: true},
	{needle: "Busy inodes", re: pattern.New(`VFS: Busy inodes after unmount`), typ: "DoS", title: "VFS: Busy inodes after unmount (use-after-free)", bare: true},
	{needle: "VFS: Close", re: pattern.New(`VFS: Close: file count is 0`), typ: "DoS", title: "VFS: Close: file count is zero (use-after-free)", bare: true},
	{needle: "fatal: ", re: pattern.New(`gfs2: fsid=\S+: fatal: (.+?)(?: - |$)`), detail: gfs2Fatal, complaint: true, bare: true},
	{needle: "withdrawn", re: pattern.New(`gfs2: fsid=\S+: (?:File system )?withdrawn`), title: "gfs2: file system withdrawn", complaint: true, bare: true},
	{needle: "EXT4-fs error", re: pattern.New(`EXT4-fs error \(device [^)]*\)(?: in)? ?:? ?([a-z_]\w*)`), title: "EXT4-fs error in $1", complaint: true, bare: true},

	// Programs: Go's and the fuzzer's own.
	{needle: "fatal error:", re: pattern.New(`fatal error:`), unless: pattern.New(`ALSA|cannot create timer`), typ: "DoS", title: "go runtime error", fatal: true, bare: true},
	{needle: "panic:", re: pattern.New(`\bpanic: ?(.*)`), unless: pattern.New(`_panic:|_status:|\.onpanic:`), typ: "DoS", title: "panic: $1", fatal: true, bare: true},
	{needle: "SYZF", re: pattern.New(`SYZ(FAIL|FATAL): ?(.*)`), typ: "SYZ_FAILURE", title: "SYZ$1: $2", fatal: true, bare: true},

	// What is left.
	{needle: "BUG:", re: pattern.New(`BUG:\s*$`), unless: pattern.New(`DEBUG:`), title: "BUG: corrupted", corrupted: true},
	{needle: "WARNING:", re: pattern.New(`WARNING:\s*$`), title: "WARNING: corrupted", remark: true, corrupted: true},
	{needle: "INFO:", re: pattern.New(`INFO:\s*$`), unless: pattern.New(`[_:]INFO:`), title: "INFO: corrupted", remark: true, corrupted: true},
	{needle: "BUG:", re: pattern.New(`(?:^|[^A-Za-z_])(BUG:.*)`), unless: pattern.New(`xlog_status:|no syscalls can create resource`), title: "$1", bare: true},
	{needle: "WARNING:", re: pattern.New(`(WARNING:.*)`), unless: chatter, typ: "WARNING", title: "$1", remark: true, bare: true},
	// part of a report by the slab allocator's debugging (mm/slub.c), and what is left of it when the console lost its beginning
	{needle: "INFO:", re: pattern.New(`(INFO: (?:Freed in|Allocated in|(?:0x)?[0-9a-f]+-(?:0x)?[0-9a-f]+\b.* First byte) .*)`), title: "$1", remark: true, consequence: true, bare: true, corrupted: true},
	{needle: "INFO:", re: pattern.New(`(?:^|[^A-Za-z_:])(INFO:.*)`), unless: chatter, title: "$1", remark: true, bare: true},
}

// chatter is what kernels and programs say in passing.
var chatter = pattern.New(`lockdep is turned off|Stall ended before state dump start|NMI handler|(?:handler|interrupt).*took too long|recovery required on readonly filesystem|(?i:the mand mount option)|eBPF is enabled with|workqueue cpumask|for mitigation options|not compiled with CPU_|missed to adjust virtual screen size|(?i:warning: .* uses (?:deprecated|wireless))|EXT4-[Ff][Ss]|XFS \(\w+\): WARNING|/etc/ssh/moduli|DT_FLAGS|/proc/kallsyms|no syscalls can create resource|Slab 0x|Object 0x`)

// kasan reads the kind of access off the line that follows: "Read of size 8 at addr …".
func kasan(in *incident, rows []row) (typ, title string) {
	kind := kasanKind.FindStringSubmatch(in.sub[1])[1]
	if words, ok := kasanWords[kind]; ok {
		kind = words
	} else {
		kind, _, _ = strings.Cut(kind, " ")
	}
	access, known := "", false
	for _, r := range rows {
		if m := accessRE.FindStringSubmatch(r.text); m != nil {
			access, known = m[1], true
			break
		}
	}
	family := "KASAN"
	switch {
	case strings.HasPrefix(kind, "use-after-free"), strings.HasPrefix(kind, "slab-use-after-free") && known:
		family = "KASAN-USE-AFTER-FREE"
	case kind == "null-ptr-deref" && known:
		family = "KASAN-NULL-POINTER-DEREFERENCE"
	case known && (badPlace.MatchString(kind) || access == "Read" && badRead.MatchString(kind)), !known && assumedRead.MatchString(kind):
	default:
		family = "KASAN-UNKNOWN"
	}
	if family != "KASAN-UNKNOWN" {
		family += "-" + strings.ToUpper(access)
		if !known {
			family += "READ" // it is at least that
		}
	}
	switch {
	case known && headFnRE.MatchString(in.head):
		return family, "KASAN: " + kind + " " + access + " in FUNC"
	case known && strings.Contains(in.head, " on address"):
		return family, "KASAN: " + kind + " " + access
	}
	return family, "KASAN: $1"
}

var (
	kasanKind = pattern.New(`^(.*?)(?: (?:in|on) |$)`)
	// kasanWords are the kinds as Linux 4.0 to 4.5 spelt them
	kasanWords  = map[string]string{"use after free": "use-after-free", "out of bounds access": "out-of-bounds"}
	accessRE    = pattern.New(`\b(Read|Write) (?:of size|at addr) [0-9a-f]`)
	badPlace    = pattern.New(`^(?:(?:global-|slab-|stack-|vmalloc-)?out-of-bounds|user-memory-access|wild-memory-access)$`)
	badRead     = pattern.New(`^(?:invalid-access|unknown-crash)$`)
	assumedRead = pattern.New(`^(?:slab-out-of-bounds|stack-out-of-bounds|wild-memory-access)$`)
)

func kfence(in *incident, _ []row) (typ, title string) {
	kind, access := in.sub[1], in.sub[2]
	switch kind {
	case "memory corruption":
		return "KFENCE-MEMORY-CORRUPTION", "KFENCE: memory corruption in FUNC"
	case "invalid free":
		return "KFENCE-INVALID-FREE", "KFENCE: invalid free in FUNC"
	case "use-after-free":
		typ = "USE-AFTER-FREE-"
	}
	return "KFENCE-" + typ + strings.ToUpper(access), "KFENCE: " + kind + " " + access + " in FUNC"
}

func kmsan(in *incident, _ []row) (typ, title string) {
	kind := in.sub[1]
	switch {
	case kind == "uninit-value":
		typ = "KMSAN-UNINIT-VALUE"
	case strings.HasSuffix(kind, "-after-free"):
		typ = "KMSAN-USE-AFTER-FREE-READ"
	case strings.Contains(kind, "infoleak"):
		typ = "KMSAN-INFO-LEAK"
	default:
		typ = "KMSAN-UNKNOWN"
	}
	return typ, "KMSAN: " + kind + " in FUNC"
}

// gfs2Fatal names the function GFS2 gives with its message (fs/gfs2/util.c).
func gfs2Fatal(in *incident, rows []row) (typ, title string) {
	for _, r := range rows {
		if m := gfs2FuncRE.FindStringSubmatch(r.text); m != nil {
			in.sub = append(in.sub, m[1])
			return "", "gfs2: fatal: $1 in $2"
		}
	}
	return "", "gfs2: fatal: $1"
}

var gfs2FuncRE = pattern.New(`function = ([A-Za-z_]\w*)`)

// rust is named by the panic's message, on the line after that with its place (rust/kernel/lib.rs).
func rust(in *incident, rows []row) (typ, title string) {
	if len(rows) < 2 {
		return "DoS", ""
	}
	in.sub = append(in.sub, rows[1].text)
	return "", "$1 in FUNC"
}

var (
	// needles are the literals of the rules, each once, in order of the first rule that has it.
	needles [][]byte
	// rulesOf holds the indices of each needle's rules, in order.
	rulesOf [][]int
	// firstBytes gives the needles that begin with a byte.
	firstBytes [256][]int
	// pairs is a bitmap of the first two bytes of the needles.
	pairs [256][4]uint64
)

func init() {
	for n, r := range rules {
		k := -1
		for i, have := range needles {
			if string(have) == r.needle {
				k = i
			}
		}
		if k < 0 {
			k = len(needles)
			needles = append(needles, []byte(r.needle))
			rulesOf = append(rulesOf, nil)
			c, d := r.needle[0], r.needle[1]
			pairs[c][d>>6] |= 1 << (d & 63)
			firstBytes[c] = append(firstBytes[r.needle[0]], k)
		}
		rulesOf[k] = append(rulesOf[k], n)
	}
}
