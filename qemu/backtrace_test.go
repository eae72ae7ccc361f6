package qemu

import (
	"reflect"
	"strings"
	"testing"
)

// As a 5.10 kernel printed it, registers left out.
const sysrqL = `[    8.128328] sysrq: Show backtrace of all active CPUs
[    8.129266] NMI backtrace for cpu 0
[    8.129931] CPU: 0 PID: 1 Comm: init Not tainted 5.10.223 #1
[    8.130828] Call Trace:
[    8.131563]  dump_stack+0x5e/0x74
[    8.132586]  ? lapic_can_unplug_cpu+0x8f/0x8f
[    8.133137]  entry_SYSCALL_64_after_hwframe+0x44/0xae
[    8.133137] RIP: 0033:0x43e9f0
[    8.139066] Sending NMI from CPU 0 to CPUs 1:
[    8.142271] NMI backtrace for cpu 1
[    8.142271] CPU: 1 PID: 30 Comm: spin Not tainted 5.10.223 #1
[    8.142271] RIP: 0010:apic_write+0xe/0x10
[    8.142271] Call Trace:
[    8.142271]  <NMI>
[    8.142271]  ? show_regs+0x58/0x5b
[    8.142271]  exc_nmi+0xa6/0xf7
[    8.142271]  </NMI>
[    8.142271]  <IRQ>
[    8.142271]  lapic_next_event+0x10/0x14
[    8.142271]  </IRQ>
[    8.142271]  sysvec_apic_timer_interrupt+0x52/0x78
[    8.142271] RIP: 0010:chacha_block_generic+0x30/0x54
[    8.142271] RSP: 0018:ffffc90000107ce0 EFLAGS: 00000283
[    8.142271]  urandom_read_iter+0x73/0x76
[    8.142271]  ext4_x+0x1/0x2 [ext4]
[    8.142271] RIP: 0033:0x437f73
[    8.150000]  later_frame+0x1/0x2
`

func TestCPUBacktraces(t *testing.T) {
	want := map[int][]string{
		1:  {"dump_stack+0x5e/0x74", "entry_SYSCALL_64_after_hwframe+0x44/0xae"},
		30: {"chacha_block_generic+0x30/0x54", "urandom_read_iter+0x73/0x76", "ext4_x+0x1/0x2"},
	}
	if got := cpuBacktraces([]byte(sysrqL)); !reflect.DeepEqual(got, want) {
		t.Fatalf("got %v", got)
	}
	h := &Hang{Tasks: []Stack{{PID: 30, State: "R"}, {PID: 1, State: "S"}, {State: "R"}}}
	h.addConsole([]byte(sysrqL))
	if len(h.Tasks[0].Frames) != 3 || h.Tasks[1].Frames != nil || h.Tasks[2].Frames != nil {
		t.Fatalf("got %+v", h.Tasks)
	}
	cpuBacktraces([]byte("NMI backtrace for cpu 1\n</IRQ>\nx+0x1/0x2\nPID: 99999999999999999999 Comm: \n"))
}

// sysrqD is what sysrq-d printed on 5.10 with lockdep while two processes read each other's files (GFS2, base of the mmap RFC).
const sysrqD = `[    6.1] sysrq: Show Locks Held
[    6.1] 
[    6.1] Showing all locks held in the system:
[    6.1] 1 lock held by init/1:
[    6.1]  #0: ffffffff81c43d60 (rcu_read_lock){....}-{1:2}, at: debug_show_all_locks+0x0/0xd3
[    6.1] 2 locks held by a b/34:
[    6.1]  #0: ffff88800372d358 (&mm->mmap_lock){++++}-{3:3}, at: exc_page_fault+0x15e/0x40f
[    6.1]  #1: ffff888003a81538 ((wq_completion)x#3){.+.+}-{0:0}, at: do_page_mkwrite+0x49/0xa5 [m]
[    6.1] no locks held by x/35.
[    6.1]  #0: ffff888003a81538 (nobody){.+.+}-{0:0}, at: f+0x1/0x2
[    6.1] 
[    6.1] =============================================
`

func TestHeldLocks(t *testing.T) {
	want := map[int][]string{1: {"rcu_read_lock at debug_show_all_locks"}, 34: {"&mm->mmap_lock at exc_page_fault", "(wq_completion)x#3 at do_page_mkwrite"}}
	if got := heldLocks([]byte(sysrqD)); !reflect.DeepEqual(got, want) {
		t.Fatalf("got %v", got)
	}
	// Only the last report counts, and a flood of locks is cut.
	flood := strings.Replace(sysrqD, "34", "36", 1) + sysrqD[:strings.Index(sysrqD, "2 locks")] + "99 locks held by f/5:\n" +
		strings.Repeat(" #0: ff (l){....}-{1:2}, at: g+0x0/0xd3\n", 99)
	if got := heldLocks([]byte(flood)); len(got) != 2 || len(got[5]) != maxLocks {
		t.Fatalf("got %v", got)
	}
}

// The deepest of several stacks of a task counts, and what is listed after them is none of theirs.
func TestDeepestBacktrace(t *testing.T) {
	look := func(frames ...string) string {
		return "[    5.1] NMI backtrace for cpu 1\n[    5.1] CPU: 1 PID: 28 Comm: spin Not tainted 5.10\n[    5.1] RIP: 0010:leaf+0x1/0x9\n[    5.1] Call Trace:\n[    5.1]  " +
			strings.Join(append(frames, "RIP: 0033:0x401"), "\n[    5.1]  ") + "\n"
	}
	console := look() + look("a+0x1/0x2", "b+0x1/0x2") + look("a+0x1/0x2") +
		"[    5.2] NMI backtrace for cpu 0\n[    5.2] CPU: 0 PID: 7 Comm: kworker Not tainted 5.10\n[    5.2] RIP: 0010:k+0x1/0x9\n" +
		"[    5.3] sysrq: Show Blocked State\n[    5.3]  other+0x1/0x2\n"
	want := map[int][]string{28: {"leaf+0x1/0x9", "a+0x1/0x2", "b+0x1/0x2"}, 7: {"k+0x1/0x9"}}
	if got := cpuBacktraces([]byte(console)); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}
