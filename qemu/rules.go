package qemu

import (
	"regexp"
	"strings"
)

// rule recognises one kind of incident by the line that announces it, and says how it is called.
type rule struct {
	needle string         // a literal part of the line, looked for first
	re     *regexp.Regexp // on the line without its prefix
	unless *regexp.Regexp // lines that look like it and are not
	typ    string
	title  string // $1… are the pattern's submatches, FUNC the guilty function
	alt    string // an alternative title, with FUNC
	// headless is the title, of type WARNING, when no function is known.
	headless string
	// detail reads type and title off the report where they depend on more than the first line; an empty title is the
	// rule's own.
	detail func(*incident) (typ, title string)
	// where finds the functions for FUNC, best first; guilty when nil.
	where func(*incident, []entry) []string

	fatal       bool // the kernel or the task ends by it
	consequence bool // after another incident, its result rather than one of its own
	complaint   bool // a file system's own message or a warning in passing: gives way to any other
	corrupted   bool // only a damaged report is left without a better name
}

// lines is how long a rule's report can be.
func (r *rule) lines() int {
	if r.complaint {
		return 12
	}
	return maxReportLines
}

func re(s string) *regexp.Regexp { return regexp.MustCompile(s) }

const badAccess = "bad-access in FUNC"

// rules in order of preference; the first that matches a line names it.
var rules = []*rule{
	// Sanitizers (mm/kasan/report.c, mm/kfence/report.c, mm/kmsan/report.c, kernel/kcsan/report.c, lib/ubsan.c).
	{needle: "BUG", re: re(`BUG: KASAN: (?:maybe )?([a-z-]+(?: or [a-z-]+)?) (?:in|on)\b`), detail: kasan, where: accessor, alt: badAccess},
	{needle: "BUG", re: re(`BUG: KFENCE: (use-after-free|out-of-bounds|memory corruption|invalid free|invalid)(?: (read|write))? in`), detail: kfence},
	{needle: "BUG", re: re(`BUG: KMSAN: ([a-z-]+) in`), detail: kmsan},
	{needle: "BUG", re: re(`BUG: KCSAN: (data-race) in (\S+) / (\S+)`), typ: "DATARACE", title: "KCSAN: $1 in $2 / $3"},
	{needle: "BUG", re: re(`BUG: KCSAN: (data-race) in`), typ: "DATARACE", title: "KCSAN: $1 in FUNC"},
	{needle: "BUG", re: re(`BUG: KCSAN: assert: race in (\S+) / (\S+)`), typ: "KCSAN-ASSERT", title: "KCSAN: assert: race in $1 / $2"},
	{needle: "BUG", re: re(`BUG: KCSAN: assert: race in`), typ: "KCSAN-ASSERT", title: "KCSAN: assert: race in FUNC"},
	{needle: "UBSAN:", re: re(`UBSAN: Undefined behaviour in`), typ: "UBSAN", title: "UBSAN: undefined-behaviour in FUNC"},
	{needle: "UBSAN:", re: re(`UBSAN: (array-index-out-of-bounds) in`), typ: "MEMORY_SAFETY_UBSAN", title: "UBSAN: $1 in FUNC"},
	{needle: "UBSAN:", re: re(`UBSAN: ([a-z-]+) in`), typ: "UBSAN", title: "UBSAN: $1 in FUNC"},
	{needle: "BUG", re: re(`BUG: memory leak`), typ: "LEAK", title: "memory leak in FUNC"},
	{needle: "unreferenced object", re: re(`^unreferenced object 0x`), typ: "LEAK", title: "memory leak in FUNC", consequence: true},

	// Bad accesses (arch/*/mm/fault.c).
	{needle: "nable to handle", re: re(`nable to handle kernel NULL pointer dereference`), typ: "NULL-POINTER-DEREFERENCE", title: "BUG: unable to handle kernel NULL pointer dereference in FUNC", alt: badAccess, fatal: true},
	{needle: "BUG", re: re(`BUG: [Kk]ernel NULL pointer dereference`), typ: "NULL-POINTER-DEREFERENCE", title: "BUG: unable to handle kernel NULL pointer dereference in FUNC", alt: badAccess, fatal: true},
	{needle: "nable to handle", re: re(`nable to handle (?:kernel paging request|page fault for address|kernel data access|kernel instruction fetch)`), typ: "MEMORY_SAFETY_BUG", title: "BUG: unable to handle kernel paging request in FUNC", alt: badAccess, fatal: true},
	{needle: "nable to handle", re: re(`nable to handle (kernel [a-z]+(?: [a-z]+)*?) (?:in virtual|without|at|on)\b`), title: "BUG: unable to handle $1 in FUNC", alt: badAccess, fatal: true},
	{needle: "BUG", re: re(`BUG: stack guard page was hit`), typ: "DoS", title: "BUG: stack guard page was hit in FUNC", alt: "stack-overflow in FUNC", fatal: true},
	{needle: "TASK stack", re: re(`BUG: TASK stack guard page was hit`), typ: "DoS", title: "BUG: stack guard page was hit in FUNC", alt: "stack-overflow in FUNC", fatal: true},
	{needle: "Insufficient stack", re: re(`Insufficient stack space to handle exception`), typ: "DoS", title: "kernel stack overflow in FUNC", alt: "stack-overflow in FUNC", fatal: true},
	{needle: "kernel stack overflow", re: re(`kernel stack overflow`), typ: "DoS", title: "kernel stack overflow in FUNC", alt: "stack-overflow in FUNC", fatal: true, consequence: true},

	// Lists (lib/list_debug.c), reported by BUG or WARN.
	{needle: "list_", re: re(`list_(?:add|del)\S* corruption`), typ: "MEMORY_SAFETY_BUG", title: "BUG: corrupted list in FUNC", fatal: true},
	{needle: "kernel BUG at", re: re(`kernel BUG at lib/list_debug\.c`), typ: "MEMORY_SAFETY_BUG", title: "BUG: corrupted list in FUNC", fatal: true, consequence: true},
	{needle: "usercopy: ", re: re(`usercopy: (?:kernel|Kernel) memory (?:exposure|overwrite) attempt detected`), typ: "BUG", title: "BUG: bad usercopy in FUNC", fatal: true},
	{needle: "kernel BUG at", re: re(`kernel BUG at mm/usercopy\.c`), typ: "BUG", title: "BUG: bad usercopy in FUNC", fatal: true, consequence: true},
	{needle: "kernel BUG at", re: re(`kernel BUG at `), typ: "BUG", title: "kernel BUG in FUNC", fatal: true},

	// Lockdep (kernel/locking/lockdep.c, kernel/locking/*_debug.c).
	{needle: "possible", re: re(`(possible (?:circular locking dependency|recursive locking|irq lock inversion dependency|\S+ lock inversion dependency)) detected`), typ: "LOCKDEP", title: "possible deadlock in FUNC", where: acquirer, headless: "WARNING: $1 detected"},
	{needle: "-safe -> ", re: re(`([A-Z]+-(?:READ-)?safe -> [A-Z]+-(?:READ-)?unsafe lock order) detected`), typ: "LOCKDEP", title: "possible deadlock in FUNC", where: acquirer, headless: "WARNING: $1 detected"},
	{needle: "inconsistent lock state", re: re(`inconsistent lock state`), typ: "LOCKDEP", title: "inconsistent lock state in FUNC", where: acquirer},
	{needle: "uspicious RCU usage", re: re(`WARNING: [Ss]uspicious RCU usage`), typ: "LOCKDEP", title: "WARNING: suspicious RCU usage in FUNC", where: backtrace},
	{needle: "uspicious RCU usage", re: re(`INFO: [Ss]uspicious RCU usage`), title: "INFO: suspicious RCU usage in FUNC", where: backtrace},
	{needle: "ested lock was not taken", re: re(`ested lock was not taken`), typ: "LOCKDEP", title: "WARNING: nested lock was not taken in FUNC", where: acquirer},
	{needle: "bad unlock balance", re: re(`(BUG|WARNING): bad unlock balance detected`), typ: "LOCKDEP", title: "$1: bad unlock balance in FUNC", where: acquirer},
	{needle: "held lock freed", re: re(`(BUG|WARNING): held lock freed`), typ: "LOCKDEP", title: "$1: held lock freed in FUNC", where: acquirer},
	{needle: "lock held when", re: re(`(BUG|WARNING): lock held when returning to user space`), typ: "LOCKDEP", title: "$1: lock held when returning to user space in FUNC", where: held},
	{needle: "still has locks held", re: re(`(BUG|WARNING): .*still has locks held`), typ: "LOCKDEP", title: "$1: still has locks held in FUNC", where: held},
	{needle: "BUG", re: re(`BUG: (?:Invalid wait context)`), typ: "LOCKDEP", title: "BUG: Invalid wait context in FUNC", where: acquirer},
	{needle: "non-static key", re: re(`trying to register non-static key`), typ: "LOCKDEP", title: "INFO: trying to register non-static key in FUNC"},
	{needle: "BUG", re: re(`BUG: (spinlock|rwlock) ([a-z ]+?)(?: on CPU|,|$)`), typ: "LOCKDEP", title: "BUG: $1 $2 in FUNC"},
	{needle: "BUG", re: re(`BUG: (MAX_\w+) too low`), title: "BUG: $1 too low!"},

	// Sleeping and scheduling (kernel/sched/core.c).
	{needle: "BUG", re: re(`BUG: sleeping function called from invalid context`), typ: "ATOMIC_SLEEP", title: "BUG: sleeping function called from invalid context in FUNC"},
	{needle: "BUG", re: re(`BUG: scheduling while atomic`), typ: "ATOMIC_SLEEP", title: "BUG: scheduling while atomic in FUNC"},
	{needle: "BUG", re: re(`BUG: using ([a-z_]+)\(\) in preemptible`), typ: "LOCKDEP", title: "BUG: using $1() in preemptible code in FUNC"},
	{needle: "BUG", re: re(`BUG: workqueue leaked (?:lock or atomic|atomic, lock or RCU)`), title: "BUG: workqueue leaked lock or atomic in FUNC", where: lastFunction},
	{needle: "BUG", re: re(`BUG: workqueue lockup`), typ: "HANG", title: "BUG: workqueue lockup"},

	// Hangs (kernel/hung_task.c, kernel/watchdog.c, kernel/rcu/tree_stall.h).
	{needle: "BUG", re: re(`BUG: soft lockup`), typ: "HANG", title: "BUG: soft lockup in FUNC", alt: "stall in FUNC", where: staller},
	{needle: "LOCKUP", re: re(`Watchdog detected hard LOCKUP|NMI watchdog: .*hard LOCKUP`), typ: "HANG", title: "BUG: hard lockup in FUNC", alt: "stall in FUNC", where: staller},
	{needle: "stall", re: re(`INFO: rcu\w* (?:self-)?detected (?:expedited )?stalls?`), typ: "HANG", title: "INFO: rcu detected stall in FUNC", alt: "stall in FUNC", where: staller},
	{needle: "stall", re: re(`rcu: INFO: \w+ (?:self-)?detected (?:expedited )?stalls?`), typ: "HANG", title: "INFO: rcu detected stall in FUNC", alt: "stall in FUNC", where: staller},
	{needle: "blocked", re: re(`INFO: task .* blocked (?:in I/O wait )?for more than`), typ: "HANG", title: "INFO: task hung in FUNC", alt: "hang in FUNC", where: sleeper},
	// a task may have a line feed in its name
	{needle: "INFO:", re: re(`INFO: task \S*$`), typ: "HANG", title: "INFO: task hung in FUNC", alt: "hang in FUNC", where: sleeper},
	{needle: "can't die", re: re(`INFO: task .* can't die for more than`), typ: "HANG", title: "INFO: task can't die in FUNC", alt: "hang in FUNC", where: sleeper},

	// Memory management.
	{needle: "BUG", re: re(`BUG: Bad page state`), title: "BUG: Bad page state in FUNC"},
	{needle: "BUG", re: re(`BUG: Bad page map`), title: "BUG: Bad page map"},
	{needle: "BUG", re: re(`BUG: Dentry .* still in use`), title: "BUG: Dentry still in use"},
	{needle: "BUG", re: re(`BUG: (Bad rss-counter state|non-zero \S+ on freeing mm)`), title: "BUG: $1"},

	// Warnings by the place of the check.
	{needle: "WARNING", re: re(`WARNING: .*\bkernel/locking/lockdep\w*\.c:\d`), typ: "LOCKDEP", title: "WARNING: locking bug in FUNC"},
	{needle: "WARNING", re: re(`WARNING: .*\blib/kobject\.c:\d`), typ: "WARNING", title: "WARNING: kobject bug in FUNC"},
	{needle: "WARNING", re: re(`WARNING: .*\blib/refcount\.c:\d`), typ: "REFCOUNT_WARNING", title: "WARNING: refcount bug in FUNC"},
	{needle: "WARNING", re: re(`WARNING: .*\blib/debugobjects\.c:\d`), typ: "WARNING", title: "WARNING: ODEBUG bug in FUNC"},
	{needle: "WARNING", re: re(`WARNING: .*\bmm/vmalloc\.c:\d+ .*__vmalloc_node`), typ: "WARNING", title: "WARNING: zero-size vmalloc in FUNC"},
	{needle: "WARNING", re: re(`WARNING: .*\bfs/proc/generic\.c:\d`), typ: "WARNING", title: "WARNING: proc registration bug in FUNC"},
	{needle: "WARNING", re: re(`WARNING: .*\bmm/(?:slab_common|slub|slab|util)\.c:\d.*(?:k[vmz]*alloc|kmalloc_slab|kvmalloc)`), typ: "WARNING", title: "WARNING: kmalloc bug in FUNC"},
	{needle: "WARNING", re: re(`WARNING: .*\bdrivers/usb/core/urb\.c:\d`), typ: "WARNING", title: "WARNING in FUNC/usb_submit_urb"},
	{needle: "WARNING", re: re(`WARNING: (?:CPU: \d+ PID: \d+ )?at \S+:\d+|WARNING: CPU: \d+ PID: \d+|WARNING: \S+\.[chS]:\d+ at `), typ: "WARNING", title: "WARNING in FUNC"},
	{needle: "WARNING", re: re(`WARNING: kernel stack (regs|frame pointer) at .* has bad ('\S+' value|value)`), title: "WARNING: kernel stack regs has bad $2"},

	// Other exceptions (arch/x86/kernel/traps.c, arch/arm/mm/fault.c) and panics.
	{needle: "general protection fault", re: re(`general protection fault(?:: |, |$)`), unless: re(`\bip:|^traps:`), typ: "DoS", title: "general protection fault in FUNC", alt: badAccess, fatal: true},
	{needle: "divide", re: re(`divide[ _]error: `), unless: re(`\bip:|^traps:`), typ: "DoS", title: "divide error in FUNC", fatal: true},
	{needle: "stack segment", re: re(`stack segment: `), typ: "DoS", title: "stack segment fault in FUNC", fatal: true},
	{needle: "invalid opcode", re: re(`invalid opcode: 0000`), unless: re(`\bip:|^traps:`), typ: "DoS", title: "invalid opcode in FUNC", fatal: true, consequence: true},
	{needle: "double fault", re: re(`double fault`), typ: "DoS", title: "PANIC: double fault in FUNC", fatal: true},
	{needle: "Unhandled fault", re: re(`Unhandled fault: `), typ: "DoS", title: "Unhandled fault in FUNC", fatal: true},
	{needle: "Internal error", re: re(`Internal error: `), typ: "DoS", title: "Internal error in FUNC", fatal: true, consequence: true},
	{needle: "Oops", re: re(`\bOops: `), typ: "DoS", title: "Oops in FUNC", fatal: true, consequence: true},
	{needle: "Kernel panic", re: re(`Kernel panic - not syncing: (?:[\w.]+: )?(panic_on_warn set|Fatal exception(?: in interrupt)?|Fatal hardware error|hung_task: blocked tasks|scheduling while atomic|softlockup: hung tasks|RCU Stall|kmsan\.panic set|Oops|stack-guard)`), typ: "DoS", title: "kernel panic: $1", fatal: true, consequence: true, corrupted: true},
	{needle: "Kernel panic", re: re(`Kernel panic - not syncing: stack-protector:`), typ: "DoS", title: "kernel panic: stack is corrupted in FUNC", where: stackProtector, fatal: true},
	{needle: "Kernel panic", re: re(`Kernel panic - not syncing: corrupted stack end detected`), typ: "DoS", title: "kernel panic: corrupted stack end in FUNC", alt: "stack-overflow in FUNC", where: outermost, fatal: true},
	{needle: "Kernel panic", re: re(`Kernel panic - not syncing: (Attempted to kill init!)`), typ: "DoS", title: "kernel panic: $1", fatal: true, consequence: true},
	{needle: "Kernel panic", re: re(`Kernel panic - not syncing: (.*?)(?: for \S+)?(?: ---.*)?$`), typ: "DoS", title: "kernel panic: $1", fatal: true},

	// Subsystems.
	{needle: "unregister_netdevice", re: re(`unregister_netdevice: waiting for \S+ to become free`), typ: "DoS", title: "unregister_netdevice: waiting for DEV to become free"},
	{needle: "Busy inodes", re: re(`VFS: Busy inodes after unmount`), title: "VFS: Busy inodes after unmount (use-after-free)"},
	{needle: "fatal: ", re: re(`gfs2: fsid=\S+: fatal: (.+?)(?: - |$)`), detail: gfs2Fatal, complaint: true},
	{needle: "withdrawn", re: re(`gfs2: fsid=\S+: (?:File system )?withdrawn`), title: "gfs2: file system withdrawn", complaint: true},
	{needle: "EXT4-fs error", re: re(`EXT4-fs error \(device [^)]*\)(?: in)? ?:? ?([a-z_]\w*)`), title: "EXT4-fs error in $1", complaint: true},
	{needle: "goroutine", re: re(`^goroutine \d+ \[running`), typ: "DoS", title: "go runtime error", fatal: true},
	{needle: "fatal error: ", re: re(`^fatal error: `), typ: "DoS", title: "go runtime error", fatal: true},
	{needle: "runtime", re: re(`^(?:panic: )?runtime error: |^runtime: (?:out of memory|unexpected)`), typ: "DoS", title: "go runtime error", fatal: true},
	{needle: "SYZFAIL", re: re(`^SYZFAIL: (.+)`), typ: "SYZ_FAILURE", title: "SYZFAIL: $1", fatal: true},

	// What is left, at the beginning of a line only.
	{needle: "BUG", re: re(`^(?:\[ )?BUG: (.+?)(?: \])?$`), title: "BUG: $1", corrupted: true},
	{needle: "WARNING", re: re(`^(?:\[ )?WARNING: (.+?)(?: \])?$`), unless: chatter, typ: "WARNING", title: "WARNING: $1", complaint: true, corrupted: true},
	// what is left of a report by the slab allocator's debugging (mm/slub.c) when the console lost its beginning
	{needle: "INFO:", re: re(`^INFO: ((?:Freed|Allocated) in .+)$`), title: "INFO: $1", corrupted: true},
	{needle: "INFO:", re: re(`^(?:\[ )?INFO: (.+?)(?: \])?$`), unless: chatter, title: "INFO: $1", complaint: true, corrupted: true},
}

// chatter is what kernels and programs say in passing.
var chatter = re(`lockdep is turned off|NMI handler|recovery required|Slab 0x|Object 0x|rcu_tasks|Stack of|[Ss]pectre|eBPF|will be removed|deprecated|[Tt]he mand mount|cpumask|Unable to (?:find|open)|not (?:found|supported)|stack (?:depth|size)|task .* (?:uses|is)|Support for|unsupported|may be|[Ll]oading|obsolete|HOSTNAME|bypass|fallback`)

// kasan reads the kind of access off the line that follows: "Read of size 8 at addr …".
func kasan(in *incident) (typ, title string) {
	kind := in.sub[1]
	if strings.Contains(kind, "free") && !strings.Contains(kind, "use-after-free") {
		return "KASAN-INVALID-FREE", "KASAN: invalid-free in FUNC"
	}
	access := ""
	if m := accessRE.FindSubmatch(in.raw[:min(len(in.raw), 4096)]); m != nil {
		access = string(m[1])
	}
	family := "KASAN"
	switch {
	case strings.Contains(kind, "use-after-free"):
		family = "KASAN-USE-AFTER-FREE"
	case kind == "null-ptr-deref":
		family = "KASAN-NULL-POINTER-DEREFERENCE"
	}
	if access == "" {
		return "KASAN-UNKNOWN", "KASAN: " + kind + " in FUNC"
	}
	return family + "-" + strings.ToUpper(access), "KASAN: " + kind + " " + access + " in FUNC"
}

var accessRE = re(`\b(Read|Write) (?:of size|at addr)`)

func kfence(in *incident) (typ, title string) {
	kind, access := in.sub[1], in.sub[2]
	title = "KFENCE: " + kind
	if access != "" {
		title += " " + access
	}
	title += " in FUNC"
	switch {
	case kind == "memory corruption":
		return "KFENCE-MEMORY-CORRUPTION", title
	case kind == "invalid free":
		return "KFENCE-INVALID-FREE", title
	case kind == "use-after-free" && access != "":
		return "KFENCE-USE-AFTER-FREE-" + strings.ToUpper(access), title
	case access != "":
		return "KFENCE-" + strings.ToUpper(access), title
	}
	return "KFENCE-UNKNOWN", title
}

func kmsan(in *incident) (typ, title string) {
	kind := in.sub[1]
	title = "KMSAN: " + kind + " in FUNC"
	switch {
	case kind == "uninit-value":
		return "KMSAN-UNINIT-VALUE", title
	case strings.Contains(kind, "infoleak"):
		return "KMSAN-INFO-LEAK", title
	case kind == "use-after-free":
		return "KMSAN-USE-AFTER-FREE-READ", title
	}
	return "KMSAN-UNKNOWN", title
}

// gfs2Fatal names the function GFS2 gives with its message (fs/gfs2/util.c).
func gfs2Fatal(in *incident) (typ, title string) {
	title = "gfs2: fatal: $1"
	if m := gfs2FuncRE.FindSubmatch(in.raw); m != nil {
		title += " in " + string(m[1])
	}
	return "", title
}

var gfs2FuncRE = re(`function = ([A-Za-z_]\w*)`)

// accessor is the guilty function of a bad access: of its stack, or, when the console lost that, the function of the
// first line.
func accessor(in *incident, entries []entry) []string {
	if names := guilty(in, entries); names != nil && !in.cut {
		return names
	}
	if m := headFuncRE.FindStringSubmatch(in.head); m != nil {
		if fn := baseName(m[1]); !isHelper(fn) {
			return []string{fn}
		}
	}
	return guilty(in, entries)
}

var headFuncRE = re(` in ([A-Za-z_$][\w.$]*)(?:\+0x|\s|$)`)

// stackProtector is the function whose stack's canary was overwritten: "… corrupted in: ip6_xmit+0x1/0x2".
func stackProtector(in *incident, entries []entry) []string {
	if m := protectorRE.FindStringSubmatch(in.head); m != nil {
		return []string{baseName(m[1])}
	}
	return guilty(in, entries)
}

var protectorRE = re(`corrupted in: (?:\[<[^>]*>\] )?([A-Za-z_][\w.]*)\+0x`)

// held is the function that took the lock that is still held.
func held(in *incident, entries []entry) []string {
	for _, e := range entries {
		if e.kind == entryLock && !isHelper(e.fn) {
			return []string{e.fn}
		}
	}
	return backtrace(in, entries)
}

// lastFunction is the work function that the workqueue names: "last function: addrconf_dad_work".
func lastFunction(in *incident, entries []entry) []string {
	if m := lastFunctionRE.FindSubmatch(in.raw); m != nil {
		return []string{baseName(string(m[1]))}
	}
	return guilty(in, entries)
}

var lastFunctionRE = re(`last function: ([A-Za-z_][\w.]*)`)

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
