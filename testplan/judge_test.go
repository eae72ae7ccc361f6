package testplan

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/seriesctl/seriesctl/qemu"
)

func bug(title string) *qemu.Crash {
	return &qemu.Crash{Type: "BUG", Title: title, Fatal: true, Report: "[   11.6] " + title + "!\n[   11.6] invalid opcode: 0000\n"}
}

func warning(kind, title string) *qemu.Crash {
	return &qemu.Crash{Type: kind, Title: title, Report: "[    3.2] " + title + "\n"}
}

func stack(comm, state string, frames ...string) qemu.Stack {
	return qemu.Stack{PID: 42, Comm: comm, State: state, Frames: frames}
}

// As read from /proc/PID/stack of the cross case on GFS2, Linux 5.10.
var crossRead = []string{
	"wait_on_bit.constprop.0.isra.0+0x1e/0x21", "gfs2_glock_wait+0x27/0x5f", "gfs2_glock_nq+0x2cd/0x2df",
	"gfs2_page_mkwrite+0xac/0x398", "do_page_mkwrite+0x4e/0x83", "handle_mm_fault+0x7ff/0x893", "exc_page_fault+0x20d/0x311",
	"asm_exc_page_fault+0x1b/0x20", "copy_user_enhanced_fast_string+0x7/0x20", "copy_page_to_iter+0xec/0x25d",
	"generic_file_buffered_read+0x37f/0x647", "generic_file_read_iter+0xd9/0xe6", "gfs2_file_read_iter+0x157/0x19e",
}

var parent = stack("cross", "S", "do_wait+0x1a7/0x1e6", "kernel_wait4+0xc4/0x103", "__do_sys_wait4+0x38/0x71")

func TestJudge(t *testing.T) {
	cross := stack("cross", "D", crossRead...)
	hang := func(tasks ...qemu.Stack) *qemu.Hang { return &qemu.Hang{Tasks: tasks, Seconds: 2} }
	exited := func(status int, output string) qemu.Observation {
		return qemu.Observation{Exited: true, Status: status, Output: output}
	}
	with := func(o qemu.Observation, c *qemu.Crash) qemu.Observation { o.Crash = c; return o }
	for name, tc := range map[string]struct {
		o         qemu.Observation
		outcome   Outcome
		signature string
		evidence  string // a part of it
	}{
		"pass":                    {exited(0, "step: read\nresult: pass\n"), Pass, "", "result: pass"},
		"pass with CR":            {exited(0, "result: pass\r\n"), Pass, "", "result: pass"},
		"pass, then exit 3":       {exited(3, "result: pass\n"), Fail, "exit 3", "but exit status 3"},
		"pass with more words":    {exited(0, "result: pass maybe\n"), Fail, "unreadable result", "pass maybe"},
		"last result counts":      {exited(1, "result: pass\nresult: fail read EFAULT 4096 bytes\n"), Fail, "read EFAULT", "result: fail read EFAULT 4096 bytes"},
		"errno":                   {exited(1, "step: x\nresult: fail read EFAULT 4096 bytes\n"), Fail, "read EFAULT", "EFAULT"},
		"errno with exit 0":       {exited(0, "result: fail read EFAULT\n"), Fail, "read EFAULT", "EFAULT"},
		"setup":                   {exited(1, "result: fail setup EBUSY 1 of 1 pages stay in the page cache\n"), Fail, "setup EBUSY", "stay"},
		"wrong data":              {exited(1, "result: data read mapping: byte 8: got seed 2\n"), Fail, "read wrong data", "byte 8"},
		"wrong data, no details":  {exited(1, "result: data read\n"), Fail, "read wrong data", "data read"},
		"short":                   {exited(1, "result: data write short 1024 of 4096 bytes\n"), Fail, "write short", "1024 of 4096"},
		"unknown result":          {exited(1, "result: perhaps\n"), Fail, "unreadable result", "perhaps"},
		"errno that is none":      {exited(1, "result: fail read 14\n"), Fail, "unreadable result", "14"},
		"operation that is none":  {exited(1, "result: fail <b>read</b> EFAULT\n"), Fail, "unreadable result", ""},
		"empty result":            {exited(1, "result: \n"), Fail, "unreadable result", ""},
		"no result, exit 0":       {exited(0, "hello\n"), Pass, "", "exit status 0"},
		"no result, exit 2":       {exited(2, "step: map\noops\n"), Fail, "exit 2", "exit status 2 after: map"},
		"no output, exit 127":     {exited(127, ""), Fail, "exit 127", "exit status 127"},
		"result in mid-line":      {exited(1, "the result: pass\n"), Fail, "exit 1", "exit status 1"},
		"signal":                  {qemu.Observation{Signal: 11, Output: "step: touch\n"}, Fail, "signal SIGSEGV", "SIGSEGV after: touch"},
		"signal, exited too":      {qemu.Observation{Exited: true, Status: 139, Signal: 7}, Fail, "signal SIGBUS", "SIGBUS"},
		"signal without a name":   {qemu.Observation{Signal: 34}, Fail, "signal 34", "34"},
		"signal beats the result": {qemu.Observation{Exited: true, Signal: 11, Output: "result: pass\n"}, Fail, "signal SIGSEGV", ""},

		"mount":                {qemu.Observation{Mount: "EINVAL"}, Fail, "mount EINVAL", "EINVAL"},
		"mount, odd errno":     {qemu.Observation{Mount: "bad\nname"}, Fail, "mount EUNKNOWN", ""},
		"mount with a warning": {qemu.Observation{Mount: "EIO", Crash: warning("WARNING", "WARNING in gfs2_x")}, Fail, "mount EIO", ""},
		"mount that crashes":   {qemu.Observation{Mount: "EIO", Crash: bug("kernel BUG in gfs2_fill_super")}, Crash, "kernel BUG in gfs2_fill_super", ""},

		"crash":                 {qemu.Observation{Crash: bug("kernel BUG in gfs2_glock_nq")}, Crash, "kernel BUG in gfs2_glock_nq", "kernel BUG in gfs2_glock_nq!"},
		"crash, killed by it":   {qemu.Observation{Signal: 9, Crash: bug("kernel BUG in gfs2_glock_nq")}, Crash, "kernel BUG in gfs2_glock_nq", ""},
		"crash, case passed":    {with(exited(0, "result: pass\n"), bug("kernel BUG in f")), Crash, "kernel BUG in f", ""},
		"crash, other one hung": {qemu.Observation{Crash: bug("kernel BUG in f"), Hang: hang(cross)}, Crash, "kernel BUG in f", ""},
		"crash, guest silent":   {qemu.Observation{Crash: bug("kernel BUG in f"), Silent: true}, Crash, "kernel BUG in f", ""},
		"crash without report":  {qemu.Observation{Crash: &qemu.Crash{Title: "panic: x", Fatal: true}}, Crash, "panic: x", "panic: x"},

		"warning, pass":      {with(exited(0, "result: pass\n"), warning("WARNING", "WARNING in gfs2_x")), Warn, "WARNING in gfs2_x", "WARNING in gfs2_x"},
		"lockdep, pass":      {with(exited(0, "result: pass\n"), warning("LOCKDEP", "possible deadlock in x")), Warn, "possible deadlock in x", ""},
		"warning, exit 0":    {with(exited(0, ""), warning("WARNING", "WARNING in f")), Warn, "WARNING in f", ""},
		"warning, fail":      {with(exited(1, "result: fail read EIO x\n"), warning("WARNING", "WARNING in f")), Fail, "read EIO", ""},
		"warning, timeout":   {qemu.Observation{TimedOut: true, Crash: warning("WARNING", "WARNING in f")}, Timeout, "", "still moving"},
		"warning and no end": {qemu.Observation{Crash: warning("WARNING", "WARNING in f")}, Warn, "WARNING in f", ""},

		"deadlock of two":         {qemu.Observation{Hang: hang(parent, cross, cross)}, Deadlock, "gfs2_page_mkwrite", "cross blocked in gfs2_page_mkwrite < do_page_mkwrite"},
		"deadlock with lockdep":   {qemu.Observation{Hang: hang(cross), Crash: warning("LOCKDEP", "possible recursive locking detected")}, Deadlock, "gfs2_page_mkwrite", ""},
		"deadlock with hung task": {qemu.Observation{Hang: hang(cross), Crash: &qemu.Crash{Type: "HANG", Title: "INFO: task hung in gfs2_glock_nq", Fatal: true}}, Deadlock, "gfs2_page_mkwrite", ""},
		"deadlock with exit":      {qemu.Observation{Exited: true, Output: "result: pass\n", Hang: hang(cross)}, Deadlock, "gfs2_page_mkwrite", ""},
		"deadlock with mount":     {qemu.Observation{Mount: "EINTR", Hang: hang(cross)}, Deadlock, "gfs2_page_mkwrite", ""},
		"hung task only":          {qemu.Observation{Crash: &qemu.Crash{Type: "HANG", Title: "INFO: task hung in gfs2_page_mkwrite.isra.0", Fatal: true}}, Deadlock, "gfs2_page_mkwrite", ""},
		"hung task, not in f":     {qemu.Observation{TimedOut: true, Crash: &qemu.Crash{Type: "HANG", Title: "INFO: task hung"}}, Deadlock, "INFO: task hung", ""},
		"hung task of another":    {with(exited(0, "result: pass\n"), warning("HANG", "INFO: task hung in f")), Warn, "INFO: task hung in f", ""},
		"rcu stall":               {qemu.Observation{Silent: true, Crash: &qemu.Crash{Type: "HANG", Title: "INFO: rcu detected stall in gfs2_x"}}, Livelock, "gfs2_x", ""},
		"soft lockup":             {qemu.Observation{Crash: &qemu.Crash{Type: "HANG", Title: "BUG: soft lockup in gfs2_x", Fatal: true}}, Livelock, "gfs2_x", ""},
		"livelock":                {qemu.Observation{Hang: &qemu.Hang{Livelock: true, Tasks: []qemu.Stack{stack("r", "R", "iomap_dio_rw+0x1/0x2")}}}, Livelock, "iomap_dio_rw", "running without progress"},
		"livelock's outermost": {qemu.Observation{Hang: &qemu.Hang{Livelock: true, Tasks: []qemu.Stack{stack("r", "R", "gfs2_glock_nq+0x1/0x2", "gfs2_file_direct_write",
			"gfs2_file_write_iter", "new_sync_write", "vfs_write", "ksys_pwrite64", "__x64_sys_pwrite64", "do_syscall_64", "entry_SYSCALL_64_after_hwframe")}}}, Livelock, "gfs2_file_write_iter", "in gfs2_file_write_iter"},
		"unmount fails":            {qemu.Observation{Exited: true, Output: "result: pass\n", Unmount: "EBUSY"}, Fail, "umount EBUSY", ""},
		"unmount and case fail":    {qemu.Observation{Exited: true, Status: 1, Output: "result: fail read EIO x\n", Unmount: "EBUSY"}, Fail, "read EIO", ""},
		"unmount fails and warns":  {qemu.Observation{Exited: true, Unmount: "EIO", Crash: warning("WARNING", "WARNING in f")}, Fail, "umount EIO", ""},
		"hang at unmount":          {qemu.Observation{Exited: true, Output: "result: pass\n", Hang: hang(stack("umount", "D", "gfs2_glock_wait", "gfs2_put_super"))}, Deadlock, "gfs2_put_super", "umount blocked in gfs2_put_super"},
		"hang without stacks":      {qemu.Observation{Hang: hang()}, Deadlock, "unknown", "0 tasks blocked"},
		"hang beats timeout":       {qemu.Observation{Hang: hang(cross), TimedOut: true, Silent: true}, Deadlock, "gfs2_page_mkwrite", ""},
		"timeout":                  {qemu.Observation{TimedOut: true, Output: "step: one\nstep: two\n"}, Timeout, "", "still moving when its time was up after: two"},
		"timeout, killed for it":   {qemu.Observation{TimedOut: true, Signal: 9}, Timeout, "", ""},
		"silent":                   {qemu.Observation{Silent: true, Output: "step: one\n"}, Timeout, "guest silent", "fell silent after: one"},
		"nothing":                  {qemu.Observation{}, Infra, "nothing observed", ""},
		"output but no end":        {qemu.Observation{Output: "result: pass\n"}, Infra, "nothing observed", ""},
		"escape codes in a result": {exited(1, "result: fail read EFAULT \x1b[2J\x07gone\n"), Fail, "read EFAULT", "[2Jgone"},
		"title with escape codes":  {qemu.Observation{Crash: &qemu.Crash{Title: "x\x1b]0;y\nz", Fatal: true}}, Crash, "x]0;y", ""},
	} {
		t.Run(name, func(t *testing.T) {
			j := Judge(tc.o)
			if j.Outcome != tc.outcome || j.Signature != tc.signature {
				t.Errorf("got %s %q, want %s %q", j.Outcome, j.Signature, tc.outcome, tc.signature)
			}
			if j.Evidence == "" || !strings.Contains(j.Evidence, tc.evidence) || strings.ContainsAny(j.Evidence, "\x1b\n\x07") {
				t.Errorf("evidence %q, want one with %q", j.Evidence, tc.evidence)
			}
		})
	}
}

func TestJudgeIsBounded(t *testing.T) {
	long := strings.Repeat("ä", 1<<16)
	for _, o := range []qemu.Observation{
		{Exited: true, Status: 1, Output: "result: fail read EFAULT " + long},
		{Exited: true, Status: 1, Output: "result: " + long},
		{Crash: &qemu.Crash{Fatal: true, Title: long, Report: long}},
		{TimedOut: true, Output: "step: " + long},
		{Hang: &qemu.Hang{Tasks: []qemu.Stack{stack(long, "D", strings.Repeat("f", 1<<16))}}},
	} {
		if j := Judge(o); len(j.Signature) > 200 || len(j.Evidence) > 300 {
			t.Errorf("%s: signature of %d bytes, evidence of %d", j.Outcome, len(j.Signature), len(j.Evidence))
		}
	}
}

func TestEvidenceIsTheSameNextTime(t *testing.T) {
	for _, stamp := range []string{"", "[    6.394456] ", "[   11.6][  T123] ", "<4>[    0.1][C1] "} {
		j := Judge(qemu.Observation{Crash: &qemu.Crash{Fatal: true, Title: "x", Report: stamp + "kernel BUG at fs/gfs2/glock.c:1403!\nmore\n"}})
		if j.Evidence != "kernel BUG at fs/gfs2/glock.c:1403!" {
			t.Errorf("%q: got %q", stamp, j.Evidence)
		}
	}
	j := Judge(qemu.Observation{Hang: &qemu.Hang{Tasks: []qemu.Stack{parent, stack("cross", "D", crossRead...)}}})
	if want := "cross blocked in gfs2_page_mkwrite < do_page_mkwrite < copy_page_to_iter < generic_file_buffered_read < generic_file_read_iter < gfs2_file_read_iter"; j.Evidence != want {
		t.Errorf("got %q, want %q", j.Evidence, want)
	}
}

func TestHangNamesTheCycle(t *testing.T) {
	in := func(op, file string, memory ...string) qemu.Stack {
		s := stack("cross", "D", "gfs2_glock_wait", "gfs2_fault", "handle_mm_fault", "exc_page_fault", "gfs2_file_read_iter", "vfs_read")
		s.IO = &qemu.IO{Op: op, File: file, Memory: memory}
		return s
	}
	noFault := in("read", "/mnt/b", "/mnt/a")
	noFault.Frames = noFault.Frames[4:]
	tests := map[string]struct {
		tasks []qemu.Stack
		want  string // how the evidence begins
	}{
		"of one":           {[]qemu.Stack{in("read", "/mnt/a", "/mnt/a")}, "the read of a faults on a, held by that same read; cross blocked in gfs2_fault < "},
		"of two":           {[]qemu.Stack{in("read", "/mnt/b", "/mnt/a"), in("write", "/mnt/a", "/mnt/b")}, "the write of a faults on b, held by the read of b, which faults on a; "},
		"in other order":   {[]qemu.Stack{in("write", "/mnt/a", "/mnt/b"), in("read", "/mnt/b", "/mnt/a")}, "the write of a faults on b, held by the read of b, which faults on a; "},
		"of three":         {[]qemu.Stack{in("read", "/mnt/a", "/mnt/c"), in("read", "/mnt/b", "/mnt/a"), in("read", "/mnt/c", "/mnt/x", "/mnt/b")}, "the read of a faults on c, held by the read of c, which faults on b, held by the read of b, which faults on a; "},
		"beside it":        {[]qemu.Stack{in("read", "/mnt/a", "/mnt/b"), in("read", "/mnt/b", "/mnt/b")}, "the read of b faults on b, held by that same read; "},
		"no cycle":         {[]qemu.Stack{in("read", "/mnt/a", "/mnt/b")}, "cross blocked in "},
		"no fault":         {[]qemu.Stack{in("read", "/mnt/a", "/mnt/b"), noFault}, "cross blocked in "},
		"shared by two":    {[]qemu.Stack{in("read", "/mnt/a", "/mnt/a"), in("read", "/mnt/a", "/mnt/b")}, "cross blocked in "},
		"nothing is known": {[]qemu.Stack{stack("cross", "D", "gfs2_glock_wait", "gfs2_fault", "exc_page_fault")}, "cross blocked in "},
		"a hostile name":   {[]qemu.Stack{in("read", "/mnt/\x1b[2J", "/mnt/\x1b[2J")}, "the read of [2J faults on [2J, "},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			j := Judge(qemu.Observation{Hang: &qemu.Hang{Tasks: tc.tasks}})
			if !strings.HasPrefix(j.Evidence, tc.want) || j.Outcome != Deadlock {
				t.Fatalf("got %q, want %q…", j.Evidence, tc.want)
			}
		})
	}
	h := &qemu.Hang{Tasks: []qemu.Stack{parent, in("read", "/mnt/a", "/mnt/c"), in("read", "/mnt/b", "/mnt/a"), in("read", "/mnt/c", "/mnt/x", "/mnt/b")}}
	var files []string
	for _, s := range Cycle(h) {
		files = append(files, s.IO.File)
	}
	if !reflect.DeepEqual(files, []string{"/mnt/a", "/mnt/c", "/mnt/b"}) {
		t.Errorf("the cycle is %v", files)
	}
	if h.Livelock = true; Cycle(h) != nil || Cycle(&qemu.Hang{Tasks: []qemu.Stack{parent}}) != nil {
		t.Error("a cycle where there is none")
	}
	looping := in("write", "/mnt/a", "/mnt/a")
	if j := Judge(qemu.Observation{Hang: &qemu.Hang{Livelock: true, Tasks: []qemu.Stack{looping}}}); !strings.HasPrefix(j.Evidence, "the write of a, with memory mapped from a, does not end; ") {
		t.Fatalf("got %q", j.Evidence)
	}
}

func TestHangSignature(t *testing.T) {
	for name, tc := range map[string]struct {
		tasks []qemu.Stack
		want  string
	}{
		"two places, sorted":            {[]qemu.Stack{stack("b", "D", "schedule+0x1/0x2", "z_wait+0x1/0x2"), stack("a", "D", "__schedule", "schedule", "io_schedule", "a_wait")}, "a_wait+z_wait"},
		"one place, once":               {[]qemu.Stack{stack("b", "D", "f"), stack("a", "D", "f")}, "f"},
		"page lock":                     {[]qemu.Stack{stack("a", "D", "__switch_to+0x1/0x2", "io_schedule", "__lock_page", "ext4_page_mkwrite")}, "ext4_page_mkwrite"},
		"folio lock":                    {[]qemu.Stack{stack("a", "D", "io_schedule", "folio_wait_bit_common", "__folio_lock", "filemap_fault")}, "filemap_fault"},
		"rwsem":                         {[]qemu.Stack{stack("a", "D", "rwsem_down_write_slowpath", "down_write_killable", "ext4_buffered_write_iter")}, "ext4_buffered_write_iter"},
		"bit":                           {[]qemu.Stack{stack("a", "D", "bit_wait", "__wait_on_bit", "out_of_line_wait_on_bit", "gfs2_glock_wait", "gfs2_glock_nq", "gfs2_fault")}, "gfs2_fault"},
		"mutex":                         {[]qemu.Stack{stack("a", "D", "__mutex_lock.constprop.0", "mutex_lock", "f.part.0.cold")}, "f"},
		"parent left out":               {[]qemu.Stack{parent, stack("a", "D", "f")}, "f"},
		"pipe and futex left out":       {[]qemu.Stack{stack("p", "S", "pipe_read"), stack("q", "S", "futex_wait_queue_me"), stack("a", "D", "f")}, "f"},
		"kernel thread left out":        {[]qemu.Stack{stack("kworker/0:1", "D", "gfs2_log_flush", "process_one_work", "worker_thread", "kthread"), stack("a", "D", "f")}, "f"},
		"kernel thread if nothing else": {[]qemu.Stack{stack("gfs2_logd", "D", "gfs2_log_flush", "gfs2_logd", "kthread")}, "gfs2_log_flush"},
		"waiters if nothing else":       {[]qemu.Stack{parent, stack("p", "S", "pipe_read")}, "do_wait+pipe_read"},
		"helpers only":                  {[]qemu.Stack{stack("a", "D", "__schedule", "schedule")}, "schedule"},
		"wait channel only":             {[]qemu.Stack{{Comm: "a", State: "D", Wchan: "gfs2_page_mkwrite"}}, "gfs2_page_mkwrite"},
		"no wait channel":               {[]qemu.Stack{{Comm: "a", State: "R", Wchan: "0"}}, "unknown"},
		"doubtful frames":               {[]qemu.Stack{stack("a", "D", "? stale+0x1/0x2", "f+0x1/0x2")}, "f"},
		"raw lines":                     {[]qemu.Stack{stack("a", "D", "[<0>] schedule+0x1/0x2", "[<0>] f+0x1/0x2 [gfs2]")}, "f"},
		"hostile":                       {[]qemu.Stack{stack("a", "D", "\x1b[2J", "<script>")}, "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Judge(qemu.Observation{Hang: &qemu.Hang{Tasks: tc.tasks}}).Signature; got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestVerdict(t *testing.T) {
	pass, efault, infra := Judgement{Outcome: Pass}, Judgement{Outcome: Fail, Signature: "read EFAULT"}, Judgement{Outcome: Infra, Signature: "qemu"}
	eio := Judgement{Outcome: Fail, Signature: "read EIO"}
	for name, tc := range map[string]struct {
		runs        []Judgement
		outcome     Outcome
		signature   string
		agree       int
		least, most float64
	}{
		"none":             {nil, "", "", 0, 0, 0},
		"infra only":       {[]Judgement{infra, infra}, Infra, "qemu", 2, 0, 0},
		"one":              {[]Judgement{pass}, Pass, "", 1, 0.9, 0.99},
		"two":              {[]Judgement{pass, pass}, Pass, "", 2, 0.96, 0.99},
		"infra is nothing": {[]Judgement{infra, infra, infra, pass}, Pass, "", 1, 0.9, 0.99},
		"flaky":            {[]Judgement{pass, efault, pass, pass}, Pass, "", 3, 0.5, 0.95},
		"tie is no pass":   {[]Judgement{pass, efault}, Fail, "read EFAULT", 1, 0.3, 0.9},
		"half of ten":      {slices.Repeat([]Judgement{pass, efault}, 5), Fail, "read EFAULT", 5, 0.4, 0.6},
		"tie by alphabet":  {[]Judgement{eio, efault}, Fail, "read EFAULT", 1, 0.3, 0.9},
	} {
		t.Run(name, func(t *testing.T) {
			o, s, n, c := Verdict(tc.runs)
			if o != tc.outcome || s != tc.signature || n != tc.agree || c < tc.least || c > tc.most {
				t.Errorf("got %s %q %d %.3f", o, s, n, c)
			}
		})
	}
}
