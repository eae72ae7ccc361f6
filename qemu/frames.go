package qemu

import (
	"bytes"
	"regexp"
	"strings"
)

// entryKind says what a line of a report contributes to its stacks.
type entryKind int

const (
	entryFrame entryKind = iota // a function of a stack trace
	entryPC                     // the function the CPU was in
	entryTrace                  // a stack trace begins
	entryTask                   // the stack of another task or CPU begins
	entryEnd                    // what follows is about another place: the allocation, all locks held…
	entryUser                   // the user's own registers: the kernel stack ended
	entryLock                   // "at: function": where a lock is taken or held
	entryWant                   // what follows is the lock that is being taken
)

type entry struct {
	kind entryKind
	fn   string
}

var (
	// "func+0x1/0x2", with the addresses, brackets and module names the architectures add; a leading "?" marks what
	// the unwinder only guesses.
	frameRE = regexp.MustCompile(`^(?:\([^)]*\)|\[<[^>]*>\]|\[[0-9a-f]{8,16}\]|\s)*([A-Za-z_$][\w.$]*)\+0x[0-9a-f]+/0x[0-9a-f]+`)
	// a frame the report's symboliser found to be inlined: "func file.c:12 [inline]", "[<  inline  >] func file.c:12"
	inlineRE = regexp.MustCompile(`^(?:\[<\s*inline\s*>\]\s*)([A-Za-z_][\w.]*) |^([A-Za-z_][\w.]*) \S+:\d+ \[inline\]`)
	// 32-bit Arm: "[<80de0078>] (callee) from [<80de0574>] (caller+0x28/0x2c)" and "callee from caller+0x28/0x2c"
	fromRE = regexp.MustCompile(`^(?:\[<[0-9a-f]+>\] )?\(?([A-Za-z_][\w.$]*)(?:\+0x[0-9a-f]+/0x[0-9a-f]+)?(?: [^()]*)?\)? from (?:\[<[0-9a-f]+>\] )?\(?([A-Za-z_][\w.$]*)\+0x[0-9a-f]+/0x`)
	// the instruction pointer of x86, Arm, RISC-V, MIPS, PowerPC, s390
	pcRE   = regexp.MustCompile(`^(?:RIP: 0010:|RIP |RIP:|EIP: 0060:|EIP:|EIP |IP:|PC is at|pc :|epc\s*:|NIP \[|Krnl PSW :)(?:[^+]*[^\w.$+])?([A-Za-z_$][\w.$]*)\+0x[0-9a-f]+/0x`)
	userRE = regexp.MustCompile(`^R?IP: 00(?:33|23|2b|73):|^E?RIP: 00(?:33|23|2b|73):`)
	lockRE = regexp.MustCompile(` at: (?:\[<[^>]*>\] )?(?:\[<[^>]*>\] )?\(?([A-Za-z_$][\w.$]*)(?:\+0x|\s|$)`)
	taskRE = regexp.MustCompile(`^NMI backtrace for cpu|^task:\S|^Task dump for CPU|^Sending NMI|\bstack dump:$|^CPU: \d+ (?:UID: \d+ )?PID: \d+ Comm:|^\S+ +[RSDTtXZPI] +(?:running task +)?(?:[0-9a-f]{8,16} )? *\d+ +\d+ +\d+ 0x[0-9a-f]{8}`)
	endRE  = regexp.MustCompile(`^Allocated by|^Freed by|^Last potentially related|^Showing all locks|^The buggy address|^Uninit was |^Local variable |^INFO: (?:Allocated|Freed|Slab) |^irq event stamp|^(?:hard|soft)irqs last |^Memory state around|^page_owner|^the existing dependency chain|^kfence-#|^Showing busy workqueues`)
	wsRE   = regexp.MustCompile(`\.(?:isra|constprop|part|cold|llvm|lto_priv|localalias)(?:\.\d+)?|\.\d+$`)
	// where the traces begin
	callRE = regexp.MustCompile(`^(?:Call Trace|Backtrace|Call trace|Stack trace|stack backtrace)\b`)
)

// entries reads the stacks of a report. Lines that another task or CPU printed in between are left out when the
// console says who printed each line.
func (in *incident) entries() []entry {
	own := in.parse(in.ctx)
	if in.ctx == "" {
		return own
	}
	for _, e := range own {
		if e.kind == entryFrame {
			return own
		}
	}
	return in.parse("")
}

func (in *incident) parse(ctx string) []entry {
	var list []entry
	skip := true // the head
	for raw := range bytes.Lines(in.raw) {
		if skip {
			skip = false
			continue
		}
		if len(raw) > maxLineBytes {
			raw = raw[:maxLineBytes]
		}
		b, c := stripPrefix(bytes.TrimRight(raw, "\r\n"))
		if ctx != "" && c != "" && c != ctx {
			continue
		}
		s := strings.TrimSpace(string(b))
		// The next line is where preemption was disabled, not a frame.
		skip = s == "Preemption disabled at:"
		list = classify(list, s)
	}
	return list
}

// classify adds what a line says to list.
func classify(list []entry, s string) []entry {
	s = strings.TrimLeft(strings.TrimPrefix(s, "<IRQ>"), " ")
	if s == "" || s[0] == '?' {
		return list
	}
	offset := strings.Contains(s, "+0x")
	if offset {
		if m := pcRE.FindStringSubmatch(s); m != nil {
			return append(list, entry{entryPC, baseName(m[1])})
		}
	}
	if offset && strings.Contains(s, " from ") {
		if m := fromRE.FindStringSubmatch(s); m != nil {
			callee, caller := baseName(m[1]), baseName(m[2])
			if n := len(list); n == 0 || list[n-1] != (entry{entryFrame, callee}) {
				list = append(list, entry{entryFrame, callee})
			}
			return append(list, entry{entryFrame, caller})
		}
	}
	if offset {
		if m := frameRE.FindStringSubmatch(s); m != nil {
			return append(list, entry{entryFrame, baseName(m[1])})
		}
	}
	if strings.Contains(s, "inline") {
		if m := inlineRE.FindStringSubmatch(s); m != nil {
			return append(list, entry{entryFrame, baseName(m[1] + m[2])})
		}
	}
	switch {
	case callRE.MatchString(s):
		return append(list, entry{kind: entryTrace})
	case userRE.MatchString(s):
		return append(list, entry{kind: entryUser})
	case strings.Contains(s, "is trying to ") || strings.HasSuffix(s, "takes:") || strings.Contains(s, " is freeing memory"):
		list = append(list, entry{kind: entryWant})
	case endRE.MatchString(s):
		return append(list, entry{kind: entryEnd})
	case taskRE.MatchString(s):
		return append(list, entry{kind: entryTask})
	}
	if strings.Contains(s, " at: ") {
		if m := lockRE.FindStringSubmatch(s); m != nil {
			return append(list, entry{entryLock, baseName(m[1])})
		}
	}
	return list
}

// baseName is a function's name without what compilers append to their clones of it, and of a C++ symbol its
// plain name.
func baseName(fn string) string {
	fn = wsRE.ReplaceAllString(fn, "")
	if strings.HasPrefix(fn, "_Z") {
		return demangled(fn)
	}
	return strings.TrimRight(fn, ".")
}

// demangled is the last name of an Itanium C++ symbol ("_Z3fooi", "_ZN2ns3fooEv", which legacy Rust uses too), the
// symbol itself where it is more complex.
func demangled(fn string) string {
	s := strings.TrimLeft(strings.TrimPrefix(fn, "_Z"), "NK")
	name := ""
	for s != "" && s[0] >= '0' && s[0] <= '9' {
		n := 0
		for s != "" && s[0] >= '0' && s[0] <= '9' && n < 1<<16 {
			n = n*10 + int(s[0]-'0')
			s = s[1:]
		}
		if n > len(s) {
			break
		}
		part := s[:n]
		s = s[n:]
		if len(part) == 17 && part[0] == 'h' { // Rust's hash
			continue
		}
		name = part
	}
	if name == "" {
		return fn
	}
	return name
}
