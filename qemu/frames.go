package qemu

import (
	"bytes"
	"slices"
	"strings"

	"github.com/seriesctl/seriesctl/internal/pattern"
)

// row is a line of a report, without the console's prefix, with what it says of the stacks.
type row struct {
	text     string
	fn       string // of a frame, or of the line that says where the CPU was; "" without
	caller   string // 32-bit Arm prints pairs, "callee from caller"
	at       string // the function of "… at: function", where a lock is or was taken
	pc       bool   // says where the CPU was, even if not in a function
	starts   bool   // a stack begins after it
	injected bool   // a frame of the fault injection
	called   bool   // the stack that begins is the one that led here ("Call Trace:"), not that of an allocation
}

var (
	// what precedes a frame's function: addresses, for some architectures two
	addresses = `(?:\(?\[<?(?:0x)?[0-9a-f]+>?\]\)?\s*){0,2}`
	function  = `\.?([A-Za-z_$][\w$]*)(?:\.[\w.$]*)?[+-]0x[0-9a-f]+` // "f.cold-0x1/0x20" is before a cold part
	frameRE   = pattern.New(`^[ \t]*` + addresses + `\(?` + function)
	// 32-bit Arm: "[<80de0078>] (callee) from [<80de0574>] (caller+0x28/0x2c)" and "callee from caller+0x28/0x2c"
	fromRE = pattern.New(`^[ \t]*(?:\[<[0-9a-f]+>\] )?\(?([A-Za-z_][\w$]*)(?:\.[\w.$]*)?(?:\+0x[0-9a-f]+/0x[0-9a-f]+)?(?: [^()]*)?\)? from (?:\[<[0-9a-f]+>\] )?\(?` + function)
	// the instruction pointer of x86, Arm, RISC-V, MIPS, PowerPC, s390: a function, or a bare address
	pcRE = pattern.New(`(?:\b[RE]?IP:?|\bNIP|\be?pc\s*:|\bPC is at|Krnl PSW :|--- interrupt: [0-9a-f]+ at)\s+(?:[0-9a-f]{4}:)?\s*(?:` +
		`(?:(?:\[<?(?:0x)?[0-9a-f]+>?\]:?|[0-9a-f]{8,16}|\()\s*){0,3}` + function + `|(?:0x)?[0-9a-f]{5,16}\b|0x[0-9a-f]+|\[<[^>]*>\]|\(null\))`)
	atRE     = pattern.New(`\bat:\s+(?:\[<?[^>\]]*>?\]\s+){0,2}\(?` + function)
	headFnRE = pattern.New(`\b(?:in|at) ` + function)
	// where stacks begin: "Call Trace:", "Backtrace:", "  backtrace (crc 0):", "Allocated by task 7:"
	callRE  = pattern.New(`\bCall [Tt]race|Backtrace:|[^k] backtrace(?: \(crc [0-9a-f]*\))?:`)
	startRE = pattern.New(`(?:Allocated|Freed)(?: by task \d+)?:|Uninit was stored to memory at|status: [0-9a-f]{16} badaddr: [0-9a-f]{16} cause: [0-9a-f]{16}`)
	// a frame of the fault injection, which prints its own stack in the middle of another (lib/fault-inject.c)
	injectedRE = pattern.New(`^ *(?:\[<?(?:0x)?[0-9a-f]+>?\] )? *should_fail(?:slab|_ex|_alloc_page)?(?:\.[\w.]+)?\+0x`)
)

// reportLines is how much of a report is looked at for its name before a line about its consequences.
const reportLines = 22

// rows are the lines of a report that its own task or CPU printed, up to where another report begins or the kernel
// panics over this one. Frames that the unwinder only guesses are left out.
func (in *incident) rows() []row {
	var rows []row
	everyCPU := false
	own := in.raw
	if in.own > 0 {
		own = own[:in.own]
	}
	for raw := range bytes.Lines(own) {
		if len(raw) > maxLineBytes {
			raw = raw[:maxLineBytes]
		}
		b, ctx := stripPrefix(bytes.TrimRight(raw, "\r\n"))
		if len(rows) > 0 && ctx != in.ctx && (!everyCPU || ctx == "" || ctx[0] != 'C') {
			continue
		}
		everyCPU = everyCPU || bytes.Contains(b, sendingNMI)
		if len(rows) >= in.rule.lead() && consequenceRE.Compiled().Match(b) {
			break
		}
		if len(rows) > 0 && unreliable(b) {
			continue
		}
		rows = append(rows, readRow(string(b)))
	}
	return rows
}

var (
	sendingNMI    = []byte("Sending NMI from CPU")
	consequenceRE = pattern.New(`Kernel panic - not syncing|WARNING: possible circular locking dependency detected`)
)

// unreliable recognises a frame that was found on the stack without being known to be a caller: " ? f+0x1/0x2" on
// x86, "f+0x1/0x2 (unreliable)" on PowerPC.
func unreliable(b []byte) bool {
	if bytes.Contains(b, []byte("<EOI>")) {
		return false // where an interrupt's stack ends
	}
	return bytes.HasSuffix(b, []byte(" (unreliable)")) || bytes.Contains(b, []byte(" ? ")) && bytes.Contains(b, []byte("+0x")) ||
		bytes.HasPrefix(b, []byte("? "))
}

func readRow(s string) row {
	r := row{text: s, injected: strings.Contains(s, "should_fail") && injectedRE.MatchString(s)}
	offset := strings.Contains(s, "+0x")
	if offset && strings.Contains(s, " from ") {
		if m := fromRE.FindStringSubmatch(s); m != nil {
			r.fn, r.caller = m[1], m[2]
			return r
		}
	}
	if offset {
		if m := frameRE.FindStringSubmatch(s); m != nil {
			r.fn = plainName(m[1])
			return r
		}
	}
	if contains(s, "IP", "pc", "PC is", "Krnl PSW", "interrupt: ") {
		if m := pcRE.FindStringSubmatch(s); m != nil {
			r.pc, r.fn = true, plainName(m[1])
			return r
		}
	}
	if offset && strings.Contains(s, "at:") {
		if m := atRE.FindStringSubmatch(s); m != nil {
			r.at = plainName(m[1])
		}
	}
	r.called = contains(s, "race", " backtrace") && callRE.MatchString(s)
	r.starts = r.called || contains(s, "ed:", "ed by task", "Uninit", "badaddr") && startRE.MatchString(s)
	return r
}

// contains says whether a text has one of some words: most lines have none, and need no regular expression.
func contains(s string, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(s, w) })
}

// plainName is a function's name; of a C++ or Rust symbol in the Itanium mangling ("_Z3fooi", "_ZN2ns3fooEv") its
// qualified name without the parameters, the symbol itself where it is more complex.
func plainName(fn string) string {
	if !strings.HasPrefix(fn, "_Z") {
		return fn
	}
	s := strings.TrimLeft(strings.TrimPrefix(fn, "_Z"), "NK")
	var parts []string
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
		parts = append(parts, part)
	}
	if parts == nil {
		return fn
	}
	return strings.Join(parts, "::")
}
