package qemu

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

// The logs here are written by hand after the formats in the kernel's sources.

const glockBUG = `[    3.123456][   T72] ------------[ cut here ]------------
[    3.123460][   T72] kernel BUG at fs/gfs2/glock.c:1088!
[    3.123470][   T72] invalid opcode: 0000 [#1] SMP NOPTI
[    3.123480][   T72] CPU: 0 PID: 72 Comm: mmap-read Not tainted 5.10.223 #1
[    3.123490][   T72] RIP: 0010:gfs2_glock_nq+0x2a1/0x3c0
[    3.123500][   T72] Code: 48 8b 0f 0b 00 11
[    3.123510][   T72] RSP: 0018:ffffc9000012bb30 EFLAGS: 00010246
[    3.123520][   T72] Call Trace:
[    3.123530][   T72]  ? die+0x33/0x50
[    3.123540][   T72]  gfs2_fault+0x7c/0x120
[    3.123550][   T72]  __do_fault+0x3a/0xb0
[    3.123560][   T72]  do_syscall_64+0x33/0x40
[    3.123570][   T72] RIP: 0033:0x7f12
[    3.123580][   T72] ---[ end trace 0123456789abcdef ]---
[    3.123590][   T72] Kernel panic - not syncing: Fatal exception
`

const glockBUGNextBuild = `[    9.5] kernel BUG at fs/gfs2/glock.c:1101!
[    9.5] invalid opcode: 0000 [#1] PREEMPT SMP
[    9.5] CPU: 1 PID: 4711 Comm: other Not tainted 5.10.224 #2
[    9.5] RIP: 0010:gfs2_glock_nq.cold+0x11/0x20 [gfs2]
[    9.5] Call Trace:
[    9.5]  gfs2_fault+0x70/0x140 [gfs2]
[    9.5] ---[ end trace 0 ]---
`

const recursive = `[   10.000001] ============================================
[   10.000002] WARNING: possible recursive locking detected
[   10.000003] 6.1.0 #1 Not tainted
[   10.000004] --------------------------------------------
[   10.000005] cat/99 is trying to acquire lock:
[   10.000006] ffff888003f6b1a8 (&sb->s_type->i_mutex_key#7){++++}-{3:3}, at: ext4_file_write_iter+0x55/0x4f0
[   10.000007]
[   10.000008] but task is already holding lock:
[   10.000009] ffff888003f6b1a8 (&sb->s_type->i_mutex_key#7){++++}-{3:3}, at: ext4_readdir+0x55/0x4f0
[   10.000010] stack backtrace:
[   10.000011] Call Trace:
[   10.000012]  dump_stack_lvl+0x44/0x5c
[   10.000013]  __lock_acquire.cold+0x1ef/0x3ab
`

const hung = `[  122.5][   T25] INFO: task mmap-write:88 blocked for more than 120 seconds.
[  122.5][   T25]       Not tainted 6.1.0 #1
[  122.5][   T25] "echo 0 > /proc/sys/kernel/hung_task_timeout_secs" disables this message.
[  122.5][   T25] task:mmap-write      state:D stack:0     pid:88    ppid:77     flags:0x00000000
[  122.5][   T25] Call Trace:
[  122.5][   T25]  <TASK>
[  122.5][   T25]  __schedule+0x2b1/0x800
[  122.5][   T25]  schedule+0x5a/0xd0
[  122.5][   T25]  bit_wait+0xd/0x60
[  122.5][   T25]  __wait_on_bit+0x32/0x90
[  122.5][   T25]  gfs2_glock_wait+0x45/0x90
[  122.5][   T25]  gfs2_glock_nq+0x20a/0x3b0
[  122.5][   T25]  </TASK>
`

const warning = `[    5.0][   T30] ------------[ cut here ]------------
[    5.0][   T30] WARNING: CPU: 0 PID: 30 at fs/iomap/buffered-io.c:77 iomap_page_release+0x6a/0x90
[    5.0][   T30] RIP: 0010:iomap_page_release+0x6a/0x90
[    5.0][   T30] Call Trace:
[    5.0][   T30]  iomap_invalidate_folio+0x4a/0xd0
[    5.0][   T30] ---[ end trace 0000000000000000 ]---
`

const gfs2Withdraw = `[    4.0] gfs2: fsid=vdb.0: fatal: invalid metadata block - bh = 17 (bad magic number), function = gfs2_meta_buffer, file = fs/gfs2/meta_io.c, line = 428
[    4.1] gfs2: fsid=vdb.0: about to withdraw this file system
[    4.2] gfs2: fsid=vdb.0: File system withdrawn
`

const quiet = `[    0.000000] Linux version 6.1.0 (build@host) #1 SMP
[    0.000000] Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on
[    1.0] traps: prog[12] general protection fault ip:4011 sp:7ffc error:0 in prog[400000+1000]
[    1.0] EXT4-fs (vdc): INFO: recovery required on readonly filesystem
`

func judged(t testing.TB, log string) LogVerdict {
	t.Helper()
	v, err := JudgeLog(strings.NewReader(log))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestJudgeLog(t *testing.T) {
	for _, tc := range []struct{ name, log, typ, title string }{
		{"glock", glockBUG, "BUG", "kernel BUG in gfs2_glock_nq"},
		{"glock, next build", glockBUGNextBuild, "BUG", "kernel BUG in gfs2_glock_nq"},
		{"recursive", recursive, "LOCKDEP", "possible deadlock in ext4_file_write_iter"},
		{"hung", hung, "HANG", "INFO: task hung in gfs2_glock_nq"},
		{"warning", warning, "WARNING", "WARNING in iomap_page_release"},
		{"gfs2 withdraw", gfs2Withdraw, "", "gfs2: fatal: invalid metadata block in gfs2_meta_buffer"},
		{"ext4 error", "[ 1.5] EXT4-fs error (device vdc): ext4_lookup:1785: inode #2: comm ls: deleted inode\n", "", "EXT4-fs error in ext4_lookup"},
		{"complaint then report", gfs2Withdraw + warning, "WARNING", "WARNING in iomap_page_release"},
		{"warning then BUG", warning + glockBUG, "WARNING", "WARNING in iomap_page_release"},
		{"quiet", quiet, "", ""},
		{"empty", "", "", ""},
		{"carriage returns", strings.ReplaceAll(glockBUG, "\n", "\r\n"), "BUG", "kernel BUG in gfs2_glock_nq"},
		{"syslog level", "<2>[ 1.0] kernel BUG at a.c:1!\n<4>[ 1.0] RIP: 0010:f+0x1/0x2\n<4>[ 1.0] Call Trace:\n<4>[ 1.0]  g+0x1/0x2\n", "BUG", "kernel BUG in f"},
		{"GPF", "[ 1.0] general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1] SMP\n[ 1.0] RIP: 0010:__list_del_entry_valid+0x2/0x3\n[ 1.0] Call Trace:\n[ 1.0]  run_queue+0x1/0x2\n", "DoS", "general protection fault in run_queue"},
		{"page fault", "[ 1.0] BUG: unable to handle page fault for address: ffffc90000a00000\n[ 1.0] RIP: 0010:memcpy+0x2/0x3\n[ 1.0] Call Trace:\n[ 1.0]  f.isra.0+0x1/0x2\n", "MEMORY_SAFETY_BUG", "BUG: unable to handle kernel paging request in f"},
		{"NULL", "[ 1.0] BUG: kernel NULL pointer dereference, address: 0000000000000008\n[ 1.0] RIP: 0010:f+0x2/0x3\n[ 1.0] Call Trace:\n[ 1.0]  g+0x1/0x2\n", "NULL-POINTER-DEREFERENCE", "BUG: unable to handle kernel NULL pointer dereference in f"},
		{"NULL on arm64", "[ 1.0] Unable to handle kernel NULL pointer dereference at virtual address 0000000000000008\n[ 1.0] Internal error: Oops: 0000000096000004 [#1] SMP\n[ 1.0] pc : f+0x2/0x3\n[ 1.0] lr : g+0x2/0x3\n[ 1.0] Call trace:\n[ 1.0]  f+0x2/0x3\n", "NULL-POINTER-DEREFERENCE", "BUG: unable to handle kernel NULL pointer dereference in f"},
		{"KASAN", "[ 1.0] BUG: KASAN: slab-use-after-free in f+0x1/0x2\n[ 1.0] Write of size 8 at addr ffff888 by task x/1\n[ 1.0] Call Trace:\n[ 1.0]  kasan_report+0x1/0x2\n[ 1.0]  f+0x1/0x2\n", "KASAN-USE-AFTER-FREE-WRITE", "KASAN: slab-use-after-free Write in f"},
		{"UBSAN", "[ 1.0] UBSAN: shift-out-of-bounds in fs/gfs2/ops_fstype.c:298:3\n[ 1.0] Call Trace:\n[ 1.0]  __ubsan_handle_shift_out_of_bounds+0x1/0x2\n[ 1.0]  init_names+0x1/0x2\n", "UBSAN", "UBSAN: shift-out-of-bounds in init_names"},
		{"soft lockup", "[ 1.0] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [x:1]\n[ 1.0] RIP: 0010:f+0x1/0x2\n[ 1.0] Call Trace:\n[ 1.0]  g+0x1/0x2\n[ 1.0]  __x64_sys_sync+0x1/0x2\n[ 1.0]  do_syscall_64+0x1/0x2\n", "HANG", "BUG: soft lockup in sys_sync"},
		{"init killed", "[ 1.0] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100\n[ 1.0] Call Trace:\n[ 1.0]  panic+0x1/0x2\n", "DoS", "kernel panic: Attempted to kill init!"},
		{"no root", "[ 1.0] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(8,1)\n[ 1.0] Call Trace:\n[ 1.0]  panic+0x1/0x2\n", "DoS", "kernel panic: VFS: Unable to mount root fs on unknown-block(NUM,NUM)"},
		{"sleep", "[ 1.0] BUG: sleeping function called from invalid context at mm/slab.h:421\n[ 1.0] Call Trace:\n[ 1.0]  ___might_sleep+0x1/0x2\n[ 1.0]  f+0x1/0x2\n", "ATOMIC_SLEEP", "BUG: sleeping function called from invalid context in f"},
		{"cut off", "[ 1.0] kernel BUG at fs/gfs2/glock.c:1088!\n", "BUG", "kernel BUG in corrupted"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v := judged(t, tc.log)
			if v.Type != tc.typ || v.Title != tc.title {
				t.Errorf("%q %q, want %q %q", v.Type, v.Title, tc.typ, tc.title)
			}
			if v.Alternatives == nil {
				t.Error("alternatives are null in JSON")
			}
			if want := strings.Contains(tc.title, unnamed); v.Corrupted != want {
				t.Errorf("corrupted %v, want %v", v.Corrupted, want)
			}
		})
	}
}

func TestFirstCrash(t *testing.T) {
	for _, tc := range []struct {
		name, log, title string
		fatal            bool
	}{
		{"a fatal one after a warning decides", warning + glockBUG, "kernel BUG in gfs2_glock_nq", true},
		{"the first warning", warning + recursive, "WARNING in iomap_page_release", false},
		{"the first fatal one", glockBUG + warning, "kernel BUG in gfs2_glock_nq", true},
		{"panic_on_warn belongs to the warning", "[ 1.0] WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2\n[ 1.0] Kernel panic - not syncing: panic_on_warn set ...\n[ 1.0] RIP: 0010:f+0x1/0x2\n[ 1.0]  g+0x1/0x2\n", "WARNING in f", true},
		{"an oops after bad memory is its end", "[ 1.0] BUG: KASAN: slab-use-after-free in f+0x1/0x2\n[ 1.0] Write of size 8 at addr ffff888 by task x/1\n[ 1.0] Call Trace:\n[ 1.0]  f+0x1/0x2\n" + glockBUG, "KASAN: slab-use-after-free Write in f", true},
		{"complaints give way", gfs2Withdraw + recursive, "possible deadlock in ext4_file_write_iter", false},
		{"a complaint alone", quiet + gfs2Withdraw, "gfs2: fatal: invalid metadata block in gfs2_meta_buffer", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := FirstCrash([]byte(tc.log))
			if c == nil || c.Title != tc.title || c.Fatal != tc.fatal {
				t.Fatalf("%+v, want %q, fatal %v", c, tc.title, tc.fatal)
			}
		})
	}
	if c := FirstCrash([]byte(quiet)); c != nil {
		t.Errorf("a quiet console: %+v", c)
	}
}

func TestReport(t *testing.T) {
	c := FirstCrash([]byte("before\n" + glockBUG + "after\n"))
	if !strings.HasPrefix(c.Report, "[    3.123460][   T72] kernel BUG at") || !strings.Contains(c.Report, "---[ end trace") ||
		strings.Contains(c.Report, "after") {
		t.Errorf("report:\n%s", c.Report)
	}
}

// Lines of another task in the middle of a report are not its frames.
func TestInterleaved(t *testing.T) {
	log := strings.Replace(glockBUG, "[    3.123490]", "[    3.123485][   T99]  ext4_readdir+0x1/0x2\n[    3.123490]", 1)
	if c := FirstCrash([]byte(log)); c.Title != "kernel BUG in gfs2_glock_nq" {
		t.Errorf("title %q", c.Title)
	}
}

func TestCrashesBounded(t *testing.T) {
	log := strings.Repeat("[ 1.0] kernel BUG at a.c:1!\n", 10_000)
	if n := len(Crashes([]byte(log))); n != maxIncidents {
		t.Errorf("%d incidents, want %d", n, maxIncidents)
	}
	long := append([]byte("[ 1.0] kernel BUG at a.c:1!\n"), bytes.Repeat([]byte("x"), 10<<20)...)
	if c := FirstCrash(long); len(c.Report) > maxReportBytes {
		t.Errorf("a report of %d bytes", len(c.Report))
	}
}

func TestPlainName(t *testing.T) {
	for line, want := range map[string]string{
		" f+0x1/0x2":                                   "f",
		" f.isra.0.constprop.0+0x1/0x2":                "f",
		" f.part.12.cold+0x1/0x2 [gfs2]":               "f",
		" [<ffffffff81234567>] f.llvm.1234567+0x1/0x2": "f",
		"[c0000000] [c00000000012] f+0x1/0x2":          "f",
		" _Z8fakeNameiii+0x1/0x2":                      "fakeName",
		" _ZN3foo3barEv+0x1/0x2":                       "foo::bar",
		" _ZN4core3fmt17h0123456789abcdefE+0x1/0x2":    "core::fmt",
		" _Z99999999999999999999x+0x1/0x2":             "_Z99999999999999999999x",
		" ? f+0x1/0x2":                                 "",
	} {
		if got := readRow(line).fn; got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

func FuzzJudge(f *testing.F) {
	for _, s := range []string{glockBUG, recursive, hung, warning, gfs2Withdraw, quiet} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, console []byte) {
		v := judged(t, string(console))
		first := FirstCrash(console)
		all := Crashes(console)
		if (v.Title != "") != (len(all) > 0) || first != nil && len(all) == 0 {
			t.Fatalf("judge %q, first %v, %d crashes", v.Title, first, len(all))
		}
		for _, c := range all {
			if c.Title == "" || len(c.Title) > 200 || !utf8.ValidString(c.Title) || strings.ContainsAny(c.Title, "\n\r") {
				t.Errorf("title %q", c.Title)
			}
			if len(c.Report) == 0 || !utf8.ValidString(c.Report) {
				t.Errorf("report %q", c.Report)
			}
		}
	})
}

// A collection's header names the title; what is judged is the console.
func TestJudgeDoesNotReadTheAnswer(t *testing.T) {
	header := "TITLE: BUG: unable to handle kernel paging request in corrupted\nTYPE: MEMORY_SAFETY_BUG\nCORRUPTED: Y\n\n"
	if v := judged(t, header+"[    1.0] all is well\n"); v.Title != "" {
		t.Fatalf("got %q from the header", v.Title)
	}
	if v := judged(t, header+"[    1.0] kernel BUG at fs/gfs2/glock.c:1088!\n"); v.Type != "BUG" {
		t.Fatalf("got %+v", v)
	}
}
