package qemu

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// kernelLine gives lines the prefix of a kernel with CONFIG_PRINTK_CALLER.
func kernelLines(caller string, lines ...string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = fmt.Sprintf("[   %2d.%06d][%5s] %s\n", 10, i, caller, l)
	}
	return out
}

// frames makes lines of a stack trace.
func frames(fns ...string) []string {
	out := []string{"Call Trace:", " <TASK>"}
	for _, fn := range fns {
		out = append(out, " "+fn+"+0x1a/0x2b0")
	}
	return append(out, " </TASK>")
}

var (
	syscallFrames = []string{"__x64_sys_frob", "do_syscall_64", "entry_SYSCALL_64_after_hwframe"}
	under         = func(fns ...string) []string { return frames(append(fns, syscallFrames...)...) }
)

// oops is the body of an x86 oops in fn.
func oops(fn string, callers ...string) []string {
	return append([]string{"CPU: 1 PID: 77 Comm: frob Not tainted 6.1.0 #1", "RIP: 0010:" + fn + "+0x33/0x90", "Code: 48 8b 0f 0b", "RSP: 0018:ffffc9000012bb30 EFLAGS: 00010246"}, under(callers...)...)
}

// TestKinds judges a report of each kind, in the kernel's format.
func TestKinds(t *testing.T) {
	for _, tc := range []struct {
		head       string
		rest       []string
		typ, title string
	}{
		// lib/, mm/: sanitizers
		{"BUG: KASAN: use-after-free in frob_put+0x3f/0x50", append([]string{"Read of size 8 at addr ffff888012345678 by task frob/77"}, under("dump_stack_lvl", "print_report", "kasan_report", "frob_put")...), "KASAN-USE-AFTER-FREE-READ", "KASAN: use-after-free Read in frob_put"},
		{"BUG: KASAN: slab-out-of-bounds in memcpy+0x3f/0x50", append([]string{"Write of size 8 at addr ffff888012345678 by task frob/77"}, under("dump_stack_lvl", "memcpy", "frob_copy")...), "KASAN-WRITE", "KASAN: slab-out-of-bounds Write in frob_copy"},
		{"BUG: KASAN: null-ptr-deref in atomic_inc+0x3f/0x50", append([]string{"Write of size 4 at addr 0000000000000018 by task frob/77"}, under("kasan_report", "atomic_inc", "frob_get")...), "KASAN-NULL-POINTER-DEREFERENCE-WRITE", "KASAN: null-ptr-deref Write in frob_get"},
		{"BUG: KASAN: double-free or invalid-free in kfree+0x3f/0x50", under("kasan_report_invalid_free", "__kasan_slab_free", "kfree", "frob_destroy"), "KASAN-INVALID-FREE", "KASAN: invalid-free in frob_destroy"},
		{"BUG: KASAN: wild-memory-access in frob_walk+0x3f/0x50", append([]string{"Read of size 8 at addr dead000000000100 by task frob/77"}, under("frob_walk")...), "KASAN-READ", "KASAN: wild-memory-access Read in frob_walk"},
		{"BUG: KASAN: slab-out-of-bounds in memcpy+0x1d/0x40 at addr ffff88003a6bd110", append([]string{"Read of size 8 by task frob/77", strings.Repeat("=", 77), "BUG kmalloc-64 (Not tainted): kasan: bad access detected", strings.Repeat("-", 77), "Disabling lock debugging due to kernel taint", "INFO: Allocated in frob_new+0x1/0x2 age=1 cpu=0 pid=77", "\t___slab_alloc+0x4bd/0x530", "\tfrob_new+0x1/0x2", "INFO: Freed in frob_free+0x1/0x2 age=2 cpu=0 pid=77", "INFO: Slab 0xffffea0000e9af40 objects=14 used=14 fp=0x          (null) flags=0x1fffc0000004080", "INFO: Object 0xffff88003a6bd0d0 @offset=208 fp=0x00000000000000c8"}, under("dump_stack", "print_trailer", "object_err", "kasan_report_error", "__asan_loadN", "memcpy", "frob_copy")...), "KASAN-READ", "KASAN: slab-out-of-bounds Read in frob_copy"},
		{"BUG: KASan: use after free in frob_put+0x3f/0x50 at addr ffff880012345678", append([]string{"Read of size 8 by task frob/77"}, under("kasan_report", "frob_put")...), "KASAN-USE-AFTER-FREE-READ", "KASAN: use-after-free Read in frob_put"},
		{"BUG: KASAN: slab-use-after-free in frob_put+0x3f/0x50", append([]string{"Read at addr f7ff000012345678 by task frob/77", "Pointer tag: [f7], memory tag: [fe]"}, under("kasan_report", "kasan_tag_mismatch", "__hwasan_tag_mismatch", "frob_put")...), "KASAN-USE-AFTER-FREE-READ", "KASAN: slab-use-after-free Read in frob_put"},
		{"BUG: KFENCE: use-after-free read in frob_put+0x3f/0x50", []string{"", "Use-after-free read at 0xffff (in kfence-#10):", " frob_put+0x3f/0x50", " frob_release+0x1/0x2", "", "CPU: 1 PID: 77 Comm: frob"}, "KFENCE-USE-AFTER-FREE-READ", "KFENCE: use-after-free read in frob_put"},
		{"BUG: KFENCE: invalid free in frob_put+0x3f/0x50", []string{" frob_put+0x3f/0x50"}, "KFENCE-INVALID-FREE", "KFENCE: invalid free in frob_put"},
		{"BUG: KMSAN: uninit-value in memcmp+0x3f/0x50", []string{" memcmp+0x3f/0x50", " frob_match+0x1/0x2", " frob_find+0x1/0x2", "", "Uninit was created at:", " __kmalloc+0x1/0x2", " frob_new+0x1/0x2"}, "KMSAN-UNINIT-VALUE", "KMSAN: uninit-value in frob_match"},
		{"BUG: KMSAN: uninit-value in frob_find+0x3f/0x50", under("dump_stack", "kmsan_report", "__msan_warning", "memcmp", "frob_match", "frob_find"), "KMSAN-UNINIT-VALUE", "KMSAN: uninit-value in frob_match"},
		{"BUG: KMSAN: kernel-usb-infoleak in kmsan_handle_urb+0x28/0x40", under("dump_stack", "kmsan_report", "kmsan_internal_check_memory", "kmsan_handle_urb", "usb_submit_urb", "frob_send"), "KMSAN-INFO-LEAK", "KMSAN: kernel-usb-infoleak in frob_send"},
		{"BUG: KMSAN: kernel-infoleak in copyout+0x3f/0x50", []string{" copyout+0x3f/0x50", " _copy_to_iter+0x1/0x2", " frob_read+0x1/0x2"}, "KMSAN-INFO-LEAK", "KMSAN: kernel-infoleak in frob_read"},
		{"BUG: KCSAN: data-race in frob_get / frob_put", []string{"", "write to 0xffff888012345678 of 4 bytes by task 77 on cpu 1:", " frob_put+0x1/0x2"}, "KCSAN-DATARACE", "KCSAN: data-race in frob_get / frob_put"},
		{"BUG: KCSAN: assert: race in frob_get+0x1/0x2", []string{"", "race at unknown origin"}, "KCSAN-ASSERT", "KCSAN: assert: race in frob_get"},
		{"UBSAN: shift-out-of-bounds in fs/frob/super.c:12:3", append([]string{"shift exponent 64 is too large for 32-bit type 'int'"}, under("dump_stack_lvl", "ubsan_epilogue", "__ubsan_handle_shift_out_of_bounds", "frob_fill_super")...), "UBSAN", "UBSAN: shift-out-of-bounds in frob_fill_super"},
		{"UBSAN: array-index-out-of-bounds in fs/frob/super.c:12:3", under("ubsan_epilogue", "__ubsan_handle_out_of_bounds", "frob_lookup"), "MEMORY_SAFETY_UBSAN", "UBSAN: array-index-out-of-bounds in frob_lookup"},
		{"UBSAN: Undefined behaviour in fs/frob/super.c:12:3", under("ubsan_epilogue", "handle_overflow", "frob_sum"), "UBSAN", "UBSAN: undefined-behaviour in frob_sum"},
		{"BUG: memory leak", []string{"unreferenced object 0xffff888012345678 (size 32):", "  comm \"frob\", pid 77, jiffies 4294943000 (age 8.0s)", "  backtrace:", "    [<00000000aaaaaaaa>] kmemleak_alloc+0x1/0x2", "    [<00000000aaaaaaaa>] kmalloc_trace+0x1/0x2", "    [<00000000aaaaaaaa>] frob_new+0x1/0x2"}, "LEAK", "memory leak in frob_new"},

		// arch/*/mm/fault.c, arch/*/kernel/traps.c
		{"BUG: unable to handle page fault for address: ffffc90000a00000", append([]string{"#PF: supervisor write access in kernel mode", "Oops: 0002 [#1] PREEMPT SMP"}, oops("memcpy", "frob_copy")...), "MEMORY_SAFETY_BUG", "BUG: unable to handle kernel paging request in frob_copy"},
		{"BUG: unable to handle kernel paging request at ffffc90000a00000", []string{"IP: [<ffffffff81234567>] frob_copy+0x33/0x90", "PGD 1 PUD 2", "Oops: 0002 [#1] SMP", "Call Trace:", " [<ffffffff81234567>] frob_ioctl+0x1/0x2"}, "MEMORY_SAFETY_BUG", "BUG: unable to handle kernel paging request in frob_copy"},
		{"BUG: kernel NULL pointer dereference, address: 0000000000000008", oops("frob_get", "frob_open"), "NULL-POINTER-DEREFERENCE", "BUG: unable to handle kernel NULL pointer dereference in frob_get"},
		{"BUG: unable to handle kernel NULL pointer dereference at           (null)", append([]string{"IP:           (null)"}, under("frob_call")...), "NULL-POINTER-DEREFERENCE", "BUG: unable to handle kernel NULL pointer dereference in frob_call"},
		{"Unable to handle kernel paging request at virtual address ffff000012345678", []string{"Mem abort info:", "Internal error: Oops: 96000006 [#1] PREEMPT SMP", "pc : frob_get+0x33/0x90", "lr : frob_open+0x1/0x2", "Call trace:", " frob_get+0x33/0x90", " frob_open+0x1/0x2"}, "MEMORY_SAFETY_BUG", "BUG: unable to handle kernel paging request in frob_get"},
		{"Unable to handle kernel NULL pointer dereference at virtual address 00000008", []string{"pgd = 1", "Internal error: Oops: 5 [#1] SMP ARM", "PC is at frob_get+0x33/0x90", "LR is at frob_open+0x1/0x2", "Backtrace: ", "[<80de0078>] (frob_get) from [<80de0574>] (frob_open+0x28/0x2c)"}, "NULL-POINTER-DEREFERENCE", "BUG: unable to handle kernel NULL pointer dereference in frob_get"},
		{"Unable to handle kernel access to user memory outside uaccess routines at virtual address 0000000020000000", []string{"Internal error: Oops: 9600000f [#1] PREEMPT SMP", "pc : frob_get+0x33/0x90", "Call trace:", " frob_get+0x33/0x90"}, "", "BUG: unable to handle kernel access to user memory in frob_get"},
		{"Unable to handle kernel pointer dereference in virtual kernel address space", []string{"Failing address: 0000000000000000 TEID: 0000000000000483", "Oops: 0004 ilc:2 [#1] SMP", "Krnl PSW : 0704c00180000000 0000000000123456 (frob_get+0x12/0x34)", "Call Trace:", " [<0000000000123456>] frob_get+0x12/0x34 "}, "", "BUG: unable to handle kernel pointer dereference in frob_get"},
		{"BUG: Kernel NULL pointer dereference on read at 0x00000008", []string{"Faulting instruction address: 0xc000000000123456", "Oops: Kernel access of bad area, sig: 11 [#1]", "NIP [c000000000123456] frob_get+0x33/0x90", "LR [c000000000123456] frob_open+0x1/0x2", "Call Trace:", "[c0000000] [c000000000123456] frob_open+0x1/0x2 (unreliable)", "[c0000000] [c000000000123456] frob_ioctl+0x1/0x2"}, "NULL-POINTER-DEREFERENCE", "BUG: unable to handle kernel NULL pointer dereference in frob_get"},
		{"general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1] SMP", oops("__list_del_entry_valid", "list_del_init", "frob_remove"), "DoS", "general protection fault in frob_remove"},
		{"divide error: 0000 [#1] SMP", oops("frob_rate", "frob_ioctl"), "DoS", "divide error in frob_rate"},
		{"invalid opcode: 0000 [#1] SMP", oops("frob_rate", "frob_ioctl"), "DoS", "invalid opcode in frob_rate"},
		{"int3: 0000 [#1] SMP", oops("frob_rate", "frob_ioctl"), "DoS", "int3 in frob_rate"},
		{"Oops: unexpected #NM exception: 0000 [#1] SMP", oops("frob_rate", "frob_ioctl"), "DoS", "unexpected #NM exception in frob_rate"},
		{"Oops: double fault: 0000 [#1] SMP", oops("frob_rate", "frob_ioctl"), "DoS", "PANIC: double fault in frob_rate"},
		{"do_cpu invoked from kernel context![#1]:", []string{"epc   : 80123456 frob_get+0x12/0x34", "Call Trace:", "[<80123456>] frob_get+0x12/0x34"}, "DoS", "do_cpu invoked from kernel context! in frob_get"},
		{"illegal operation: 0001 ilc:1 [#1] SMP", []string{"Krnl PSW : 0704c00180000000 0000000000123456 (frob_get+0x12/0x34)", "Call Trace:", " [<0000000000123456>] frob_get+0x12/0x34 "}, "DoS", "illegal operation in frob_get"},
		{"Oops: Exception in kernel mode, sig: 4 [#1]", []string{"NIP [c000000000123456] .frob_get+0x33/0x90", "LR [c000000000123456] .frob_open+0x1/0x2", "Call Trace:", "[c0000000] [c000000000123456] .frob_open+0x1/0x2"}, "DoS", "Oops in frob_get"},
		{"stack segment: 0000 [#1] SMP", oops("frob_rate", "frob_ioctl"), "DoS", "stack segment fault in frob_rate"},
		{"PANIC: double fault, error_code: 0x0", oops("frob_rate", "frob_ioctl"), "DoS", "PANIC: double fault in frob_rate"},
		{"BUG: TASK stack guard page was hit at ffffc90000a00000 (stack is ffffc90000a08000..ffffc90000a10000)", oops("frob_recurse", "frob_recurse", "frob_mount"), "", "BUG: stack guard page was hit in sys_frob"},
		{"Unhandled fault: imprecise external abort (0x1406) at 0x00000000", []string{"PC is at frob_get+0x33/0x90", "Backtrace: ", " frob_get from frob_open+0x1/0x2"}, "DoS", "Unhandled fault in frob_get"},
		{"kernel BUG at fs/frob/inode.c:88!", append([]string{"invalid opcode: 0000 [#1] SMP"}, oops("frob_evict", "evict")...), "BUG", "kernel BUG in frob_evict"},
		{"kernel BUG at fs/frob/inode.c:99!", append([]string{"invalid opcode: 0000 [#1] SMP", "RIP: 0010:frob_check.cold-0x2/0x57"}, under("frob_evict", "evict")...), "BUG", "kernel BUG in frob_check"},
		{"kernel BUG at fs/frob/inode.c:77!", []string{"Kernel BUG [#1]", "epc : frob_evict+0x72/0xb2", " ra : evict+0x70/0xb2", "status: 0000000000000120 badaddr: 0000000000000000 cause: 0000000000000003", "[<ffffffe00008c762>] frob_evict+0x72/0xb2"}, "BUG", "kernel BUG in frob_evict"},
		{"kernel BUG at fs/xfs/xfs_message.c:102!", append([]string{"invalid opcode: 0000 [#1] SMP"}, oops("assfail", "frob_check")...), "BUG", "kernel BUG in frob_check"},
		{"kernel BUG at net/core/skbuff.c:110!", append([]string{"invalid opcode: 0000 [#1] SMP"}, oops("skb_panic", "skb_put", "frob_xmit")...), "BUG", "kernel BUG in frob_xmit"},
		{"kernel BUG at lib/list_debug.c:47!", append([]string{"invalid opcode: 0000 [#1] SMP"}, oops("__list_del_entry_valid.cold", "frob_remove")...), "MEMORY_SAFETY_BUG", "BUG: corrupted list in frob_remove"},
		{"kernel BUG at mm/usercopy.c:99!", append([]string{"invalid opcode: 0000 [#1] SMP"}, oops("usercopy_abort", "__check_heap_object", "frob_read")...), "BUG", "BUG: bad usercopy in frob_read"},

		// kernel/locking
		{"WARNING: possible circular locking dependency detected", append([]string{"frob/77 is trying to acquire lock:", "ffff888012345678 (&f->a){+.+.}-{3:3}, at: frob_a+0x1/0x2", "", "but task is already holding lock:", "ffff888012345678 (&f->b){+.+.}-{3:3}, at: frob_b+0x1/0x2"}, under("dump_stack", "frob_c")...), "LOCKDEP", "possible deadlock in frob_a"},
		{"WARNING: possible circular locking dependency detected", append([]string{"frob/77 is trying to acquire lock:", "ffff888012345678 ((wq_completion)frob){+.+.}-{0:0}, at: __flush_workqueue+0x1/0x2", "", "but task is already holding lock:", "ffff888012345678 (&f->b){+.+.}-{3:3}, at: frob_b+0x1/0x2"}, under("frob_c")...), "LOCKDEP", "possible deadlock in frob_b"},
		{"WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected", append([]string{"frob/77 [HC0[0]:SC0[0]:HE0:SE1] is trying to acquire:", "ffff888012345678 (&f->a){....}-{2:2}, at: frob_a+0x1/0x2", "and this task is already holding:", "which would create a new lock dependency:", "but this new dependency connects a HARDIRQ-irq-safe lock:", "... which became HARDIRQ-irq-safe at:", "  lock_acquire+0x1/0x2", "  _raw_spin_lock_irqsave+0x1/0x2", "  frob_irq+0x1/0x2", "to a HARDIRQ-irq-unsafe lock:"}, under("frob_c")...), "LOCKDEP", "possible deadlock in frob_irq"},
		{"WARNING: inconsistent lock state", append([]string{"inconsistent {SOFTIRQ-ON-W} -> {IN-SOFTIRQ-W} usage.", "frob/77 [HC0[0]:SC1[1]:HE1:SE0] takes:", "ffff888012345678 (&f->a){+.?.}-{2:2}, at: frob_a+0x1/0x2"}, under("dump_stack", "print_usage_bug", "mark_lock", "lock_acquire", "_raw_spin_lock", "frob_timer")...), "LOCKDEP", "inconsistent lock state in frob_timer"},
		{"WARNING: bad unlock balance detected!", append([]string{"frob/77 is trying to release lock (&f->a) at:", "[<ffffffff81234567>] frob_unlock+0x1/0x2"}, under("frob_c")...), "LOCKDEP", "WARNING: bad unlock balance in frob_unlock"},
		{"WARNING: held lock freed!", append([]string{"frob/77 is freeing memory ffff888012345678-ffff888012345778, with a lock still held there!", "ffff888012345678 (&f->a){+.+.}-{3:3}, at: frob_a+0x1/0x2"}, under("frob_c")...), "LOCKDEP", "WARNING: held lock freed in frob_a"},
		{"WARNING: lock held when returning to user space!", []string{"frob/77 is leaving the kernel with locks still held!", "1 lock held by frob/77:", " #0: ffff888012345678 (&f->a){+.+.}-{3:3}, at: frob_a+0x1/0x2"}, "LOCKDEP", "WARNING: lock held when returning to user space in frob_a"},
		{"WARNING: frob/77 still has locks held!", append([]string{"1 lock held by frob/77:", " #0: ffff888012345678 (&f->a){+.+.}-{3:3}, at: frob_a+0x1/0x2"}, under("frob_c")...), "LOCKDEP", "WARNING: still has locks held in frob_a"},
		{"WARNING: suspicious RCU usage", append([]string{"6.1.0 #1 Not tainted", "fs/frob/inode.c:12 suspicious rcu_dereference_check() usage!"}, under("dump_stack", "lockdep_rcu_suspicious", "frob_deref")...), "LOCKDEP", "WARNING: suspicious RCU usage in frob_deref"},
		{"[ BUG: Invalid wait context ]", append([]string{"frob/77 is trying to lock:"}, under("__lock_acquire", "lock_acquire", "_raw_spin_lock", "frob_a")...), "LOCKDEP", "WARNING: locking bug in frob_a"},
		{"INFO: trying to register non-static key.", under("dump_stack", "register_lock_class", "lock_acquire", "_raw_spin_lock", "frob_a"), "", "INFO: trying to register non-static key in frob_a"},
		{"BUG: spinlock bad magic on CPU#1, frob/77", under("spin_dump", "do_raw_spin_lock", "frob_a"), "LOCKDEP", "BUG: spinlock bad magic in frob_a"},

		// kernel/sched, kernel/workqueue.c, lib/smp_processor_id.c
		{"BUG: sleeping function called from invalid context at mm/slab.h:421", under("dump_stack", "___might_sleep", "kmem_cache_alloc", "frob_alloc_entry", "frob_irq"), "ATOMIC_SLEEP", "BUG: sleeping function called from invalid context in frob_alloc_entry"},
		{"BUG: scheduling while atomic: frob/77/0x00000002", under("dump_stack", "__schedule_bug", "__schedule", "schedule", "frob_sleep"), "ATOMIC_SLEEP", "BUG: scheduling while atomic in frob_sleep"},
		{"BUG: using smp_processor_id() in preemptible [00000000] code: frob/77", append([]string{"caller is frob_stat+0x1/0x2"}, under("dump_stack", "check_preemption_disabled", "debug_smp_processor_id", "frob_stat")...), "LOCKDEP", "BUG: using smp_processor_id() in preemptible code in frob_stat"},
		{"BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 33s!", []string{"Showing busy workqueues and worker pools:"}, "", "BUG: workqueue lockup"},
		{"BUG: workqueue leaked lock or atomic: kworker/0:1/0x00000000/12", []string{"     last function: frob_work"}, "", "BUG: workqueue leaked lock or atomic in frob_work"},

		// hangs
		{"INFO: task frob:77 blocked for more than 120 seconds.", append([]string{"      Not tainted 6.1.0 #1", "task:frob state:D stack:0 pid:77 ppid:1 flags:0x0"}, under("__schedule", "schedule", "io_schedule", "folio_wait_bit", "frob_flush")...), "HANG", "INFO: task hung in frob_flush"},
		{"INFO: task frob:77 blocked for more than 143 seconds.", under("__schedule", "schedule", "mutex_lock", "rtnl_lock", "frob_flush"), "HANG", "INFO: task hung in rtnl_lock"},
		{"INFO: task frob:77 blocked for more than 143 seconds.", under("__schedule", "schedule_timeout", "__wait_for_common", "synchronize_rcu_expedited", "frob_flush"), "HANG", "INFO: task hung in synchronize_rcu"},
		{"watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [frob:77]", oops("frob_spin", "frob_loop", "vfs_write"), "HANG", "BUG: soft lockup in frob_loop"},
		{"rcu: INFO: rcu_preempt self-detected stall on CPU", append([]string{"rcu: 	1-....: (10499 ticks this GP)", "Call Trace:", " <IRQ>", " rcu_sched_clock_irq+0x1/0x2", " sysvec_apic_timer_interrupt+0x1/0x2", " </IRQ>", " asm_sysvec_apic_timer_interrupt+0x1/0x2", "RIP: 0010:frob_spin+0x1/0x2"}, " frob_loop+0x1/0x2", " call_timer_fn+0x1/0x2"), "HANG", "INFO: rcu detected stall in frob_loop"},
		{"rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-...D } 2656 jiffies s: 4741 root: 0x2/.", append([]string{"Sending NMI from CPU 0 to CPUs 1:", "NMI backtrace for cpu 1", "RIP: 0010:frob_spin+0x1/0x2"}, under("frob_loop")...), "HANG", "INFO: rcu detected stall in sys_frob"},
		{"INFO: rcu_tasks detected stalls on tasks:", append([]string{"00000000a01a7a0b: .. nvcsw: 2/2 holdout: 1 idle_cpu: -1/0", "task:frob state:D stack:0 pid:77 ppid:1 flags:0x0"}, under("__schedule", "schedule", "frob_flush")...), "HANG", "INFO: rcu detected stall in frob_flush"},
		{"watchdog: CPU 1 self-detected hard LOCKUP @ frob_spin+0x1/0x2", oops("frob_spin", "frob_loop"), "HANG", "BUG: hard lockup in sys_frob"},

		// warnings by their place
		{"WARNING: CPU: 1 PID: 77 at fs/frob/inode.c:12 frob_evict+0x33/0x90", oops("frob_evict", "evict"), "WARNING", "WARNING in frob_evict"},
		{"WARNING: fs/frob/inode.c:12 at frob_evict+0x33/0x90, CPU#1: frob/77", oops("frob_evict", "evict"), "WARNING", "WARNING in frob_evict"},
		{"WARNING: CPU: 1 PID: 77 at fs/frob/inode.c:12 frob_evict+0x33/0x90()", frames("dump_stack", "warn_slowpath_common", "warn_slowpath_null", "frob_evict", "evict"), "WARNING", "WARNING in frob_evict"},
		{"WARNING: CPU: 1 PID: 77 at lib/refcount.c:25 refcount_warn_saturate+0x33/0x90", []string{"RIP: 0010:refcount_warn_saturate+0x33/0x90", " frob_get+0x1/0x2"}, "REFCOUNT_WARNING", "WARNING: refcount bug in frob_get"},
		{"WARNING: CPU: 1 PID: 77 at lib/debugobjects.c:502 debug_print_object+0x33/0x90", []string{"RIP: 0010:debug_print_object+0x33/0x90", " debug_check_no_obj_freed+0x1/0x2", " kfree+0x1/0x2", " frob_free+0x1/0x2"}, "WARNING", "WARNING: ODEBUG bug in frob_free"},
		{"WARNING: CPU: 1 PID: 77 at lib/debugobjects.c:508 debug_object_assert_init+0x33/0x90", []string{"RIP: 0010:debug_object_assert_init+0x33/0x90", " del_timer+0x1/0x2", " try_to_grab_pending+0x1/0x2", " __cancel_work_timer+0x1/0x2", " frob_free+0x1/0x2"}, "WARNING", "WARNING in frob_free"},
		{"WARNING: CPU: 1 PID: 77 at mm/slab_common.c:935 kmalloc_slab+0x33/0x90", []string{"RIP: 0010:kmalloc_slab+0x33/0x90", " __kmalloc+0x1/0x2", " frob_init+0x1/0x2"}, "WARNING", "WARNING: kmalloc bug in frob_init"},
		{"WARNING: CPU: 1 PID: 77 at kernel/locking/lockdep.c:895 look_up_lock_class+0x33/0x90", []string{"RIP: 0010:look_up_lock_class+0x33/0x90", " register_lock_class+0x1/0x2", " lock_sock_nested+0x1/0x2", " frob_bind+0x1/0x2"}, "LOCKDEP", "WARNING: locking bug in frob_bind"},
		{"WARNING: CPU: 1 PID: 77 at drivers/usb/core/urb.c:478 usb_submit_urb+0x33/0x90", []string{"RIP: 0010:usb_submit_urb+0x33/0x90", " usb_start_wait_urb+0x1/0x2", " frob_probe+0x1/0x2"}, "WARNING", "WARNING in frob_probe/usb_submit_urb"},

		// memory management, panics
		{"BUG: Bad page state in process frob  pfn:12345", append([]string{"page:ffffea0000123456 refcount:0", "page last allocated via order 0, migratetype Unmovable", " prep_new_page+0x1/0x2", " __alloc_pages+0x1/0x2", " frob_fill+0x1/0x2", "page last free stack trace:"}, under("bad_page", "free_pcp_prepare", "frob_drop")...), "", "BUG: Bad page state in frob_fill"},
		{"BUG: Bad page map in process frob  pte:1 pmd:2", under("print_bad_pte"), "", "BUG: Bad page map"},
		{"BUG kmalloc-64 (Not tainted): Poison overwritten", append([]string{"-----------------------------------------------------------------------------", "INFO: Allocated in frob_new+0x1/0x2 age=1 cpu=0 pid=77"}, under("dump_stack", "print_trailer", "check_bytes_and_report", "check_object", "free_debug_processing", "free_to_partial_list", "kfree", "frob_free")...), "MEMORY_SAFETY_BUG", "BUG: Poison overwritten in frob_free"},
		{"BUG: Bad rss-counter state mm:ffff888012345678 type:MM_ANONPAGES val:1", nil, "", "BUG: Bad rss-counter state"},
		{"BUG: Dentry ffff888012345678{i=2,n=/}  still in use (1) [unmount of frob loop0]", under("umount_check"), "", "BUG: Dentry still in use in unmount"},
		{"Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: frob_parse+0x33/0x90", under("dump_stack", "panic", "__stack_chk_fail"), "DoS", "kernel panic: stack is corrupted in frob_parse"},
		{"Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: __kmalloc+0x33/0x90", under("dump_stack", "panic", "__stack_chk_fail", "__kmalloc", "frob_new"), "DoS", "kernel panic: stack is corrupted in __kmalloc"},
		{"Kernel panic - not syncing: KASAN: panic_on_warn set ...", under("dump_stack_lvl", "panic", "check_panic_on_warn"), "DoS", "kernel panic: KASAN: panic_on_warn set ..."},
		{"Kernel panic - not syncing: corrupted stack end detected inside scheduler", under("dump_stack", "panic", "__schedule", "preempt_schedule", "frob_deep"), "DoS", "kernel panic: corrupted stack end in sys_frob"},
		{"Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(8,1)", under("panic", "mount_root"), "DoS", "kernel panic: VFS: Unable to mount root fs on unknown-block(NUM,NUM)"},
		{"Kernel panic - not syncing: Fatal exception in interrupt", under("panic"), "DoS", "kernel panic: Fatal exception"},

		// what else ends a run
		{"unregister_netdevice: waiting for lo to become free. Usage count = 2", nil, "DoS", "unregister_netdevice: waiting for DEV to become free"},
		{"VFS: Busy inodes after unmount of loop0. Self-destruct in 5 seconds.  Have a nice day...", nil, "DoS", "VFS: Busy inodes after unmount (use-after-free)"},
		{"BUG: frob table is 0xdeadbeef12 of 12 at fs/frob/super.c:33", nil, "", "BUG: frob table is ADDR of NUM at fs/frob/super.c:LINE"},
		{"BUG: FUNCTION $1 is named like a title's parts", nil, "", "BUG: FUNCTION $NUM is named like a title's parts"},
		{"WARNING: frob is unhappy on CPU#3", nil, "WARNING", "WARNING: frob is unhappy on CPU"},
	} {
		t.Run(tc.title, func(t *testing.T) {
			log := strings.Join(kernelLines("T77", append([]string{tc.head}, tc.rest...)...), "")
			if v := judged(t, log); v.Type != tc.typ || v.Title != tc.title {
				t.Errorf("%q %q, want %q %q, of\n%s", v.Type, v.Title, tc.typ, tc.title, log)
			}
			old := "<4>[   10.000000] "
			plain := regexp.MustCompile(`(?m)^\[.*?\]\[.*?\] `).ReplaceAllString(log, old)
			if v := judged(t, plain); v.Type != tc.typ || v.Title != tc.title {
				t.Errorf("without callers: %q %q, want %q %q", v.Type, v.Title, tc.typ, tc.title)
			}
			syslog := regexp.MustCompile(`(?m)^`).ReplaceAllString(strings.TrimSuffix(plain, "\n"), "Nov 24 03:00:00 host kernel: ")
			if v := judged(t, syslog); v.Title != tc.title {
				t.Errorf("from syslog: %q, want %q", v.Title, tc.title)
			}
		})
	}
}

// interleave mixes the lines of two reports, each in its own order, the first line of the first at first.
func interleave(rnd *rand.Rand, a, b []string) string {
	out := a[0]
	a = a[1:]
	for len(a)+len(b) > 0 {
		if len(b) == 0 || len(a) > 0 && rnd.IntN(2) == 0 {
			out, a = out+a[0], a[1:]
		} else {
			out, b = out+b[0], b[1:]
		}
	}
	return out
}

// Which of two reports that CPUs print at the same time comes first is chance: it must not decide what a run is called.
func TestRacingReports(t *testing.T) {
	uaf := append([]string{"BUG: KASAN: use-after-free in frob_put+0x3f/0x50", "Read of size 8 at addr ffff888012345678 by task a/1"}, under("kasan_report", "frob_put")...)
	reports := [][]string{
		uaf,
		append([]string{"WARNING: CPU: 1 PID: 77 at fs/frob/inode.c:12 frob_evict+0x33/0x90"}, oops("frob_evict", "evict")...),
		append([]string{"WARNING: CPU: 0 PID: 78 at fs/frob/inode.c:99 frob_write+0x33/0x90"}, oops("frob_write", "vfs_write")...),
		append([]string{"INFO: task frob:77 blocked for more than 120 seconds."}, under("__schedule", "schedule", "frob_flush")...),
		append([]string{"WARNING: possible recursive locking detected", "frob/77 is trying to acquire lock:", "ffff888012345678 (&f->a){+.+.}-{3:3}, at: frob_a+0x1/0x2"}, under("frob_c")...),
		append([]string{"general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1] SMP"}, oops("frob_remove")...),
		append([]string{"kernel BUG at fs/frob/inode.c:88!", "invalid opcode: 0000 [#1] SMP"}, oops("frob_evict2")...),
		append([]string{"int3: 0000 [#1] SMP"}, oops("frob_patch")...),
		append([]string{"BUG kmalloc-64 (Not tainted): Poison overwritten", "INFO: Allocated in frob_new+0x1/0x2 age=1 cpu=0 pid=77"}, under("print_trailer", "check_object", "frob_free")...),
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for i, one := range reports {
		for j, other := range reports[:i] {
			a, b := kernelLines("T1", one...), kernelLines("C1", other...)
			titles := []string{judged(t, strings.Join(a, "")).Title, judged(t, strings.Join(b, "")).Title}
			want := FirstCrash([]byte(interleave(rnd, a, b))).Title
			if !slices.Contains(titles, want) {
				t.Errorf("reports %d and %d: %q is the title of neither, %q", i, j, want, titles)
			}
			for range 20 {
				for k, log := range []string{interleave(rnd, a, b), interleave(rnd, b, a)} {
					if c := FirstCrash([]byte(log)); c.Title != want {
						t.Fatalf("reports %d and %d: %q, want %q, of\n%s", i, j, c.Title, want, log)
					}
					// the log's own order decides for a log from anywhere, but never whose frames are whose
					if v := judged(t, log); v.Title != titles[k] {
						t.Fatalf("reports %d and %d: judged %q, want %q, of\n%s", i, j, v.Title, titles[k], log)
					}
				}
			}
		}
	}
}

// Timers notice a hang in any order.
func TestHangDetectorsRace(t *testing.T) {
	a := strings.Join(kernelLines("T25", append([]string{"INFO: task frob:77 blocked for more than 120 seconds."}, under("__schedule", "schedule", "frob_flush")...)...), "")
	b := strings.Join(kernelLines("T25", append([]string{"INFO: task frub:78 blocked for more than 120 seconds."}, under("__schedule", "schedule", "frob_drain")...)...), "")
	c := strings.Join(kernelLines("C0", append([]string{"watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [frob:79]"}, oops("frob_spin", "frob_loop", "vfs_write")...)...), "")
	for _, logs := range [][]string{{a, b}, {a, c}, {b, c}} {
		first, second := FirstCrash([]byte(logs[0]+logs[1])), FirstCrash([]byte(logs[1]+logs[0]))
		if first.Title != second.Title {
			t.Errorf("%q or %q", first.Title, second.Title)
		}
	}
}

// An exception that no line announced but its header is an incident of its own, after whatever else.
func TestHeaderAlone(t *testing.T) {
	warn := append([]string{"WARNING: CPU: 1 PID: 77 at fs/frob/inode.c:12 frob_evict+0x33/0x90"}, append(oops("frob_evict", "evict"), "---[ end trace 0000000000000000 ]---")...)
	dies := append([]string{"int3: 0000 [#1] SMP"}, oops("frob_patch")...)
	for _, callers := range [][]string{{"T77", "T77"}, {"T77", "T78"}} {
		log := append(kernelLines(callers[0], warn...), kernelLines(callers[1], dies...)...)
		c := FirstCrash([]byte(strings.Join(log, "")))
		if c == nil || c.Title != "int3 in frob_patch" || !c.Fatal {
			t.Errorf("%s: %+v", callers, c)
		}
	}
}

// A report's own incident comes first, however much else follows from it.
func TestOneReportAnIncident(t *testing.T) {
	warn := kernelLines("T77", append([]string{"WARNING: CPU: 1 PID: 77 at fs/frob/inode.c:12 frob_evict+0x33/0x90"}, oops("frob_evict", "evict")...)...)
	log := strings.Join(append(warn, kernelLines("T77", "Kernel panic - not syncing: panic_on_warn set ...", "Oops: 0000 [#2] SMP", "Kernel panic - not syncing: Fatal exception")...), "")
	all := Crashes([]byte(log))
	if len(all) != 1 || !all[0].Fatal || !strings.Contains(all[0].Report, "Fatal exception") {
		t.Errorf("%d incidents: %+v", len(all), all)
	}
}
