package qemu

import (
	"reflect"
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
	h.addBacktraces([]byte(sysrqL))
	if len(h.Tasks[0].Frames) != 3 || h.Tasks[1].Frames != nil || h.Tasks[2].Frames != nil {
		t.Fatalf("got %+v", h.Tasks)
	}
	cpuBacktraces([]byte("NMI backtrace for cpu 1\n</IRQ>\nx+0x1/0x2\nPID: 99999999999999999999 Comm: \n"))
}
