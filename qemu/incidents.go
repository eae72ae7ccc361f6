package qemu

import (
	"bytes"
	"iter"
)

// Bounds of one incident's report. The longest that is of use is a lockdep or hung-task report with the locks and stacks of
// every CPU.
const (
	maxReportBytes = 96 << 10
	maxReportLines = 900
	maxLineBytes   = 1 << 10 // what is looked at of a line; a console prints no longer ones
)

// incident is one failure on a console, from the line that announces it to the next incident, the end of its
// report, or the bounds above.
type incident struct {
	rule *rule
	head string   // the announcing line, without its prefix
	sub  []string // the submatches of the rule's pattern in head
	ctx  string   // "T123" or "C1" where the console has CONFIG_PRINTK_CALLER
	raw  []byte   // the report, a part of the console
	died bool     // an oops or panic followed as its consequence
	cut  bool     // another incident begins in the middle of the report
}

// incidents splits a console into its incidents. It keeps nothing but the offsets of the open one.
func incidents(console []byte) iter.Seq[*incident] {
	return func(yield func(*incident) bool) {
		var open *incident
		start, lines := 0, 0
		seen := false
		emit := func(end int) bool {
			in := open
			open = nil
			in.raw = console[start:end]
			return yield(in)
		}
		for pos := 0; pos < len(console); {
			next := len(console)
			if i := bytes.IndexByte(console[pos:], '\n'); i >= 0 {
				next = pos + i + 1
			}
			line := console[pos:min(next, pos+maxLineBytes)]
			if r, head, sub, ctx := announce(line); r != nil {
				switch {
				case r.consequence && (open != nil || seen):
					if open != nil && !open.rule.complaint {
						open.died = open.died || r.fatal
					}
				case r.complaint && open != nil:
				default:
					if open != nil {
						open.cut = true
						if !emit(pos) {
							return
						}
					}
					open = &incident{rule: r, head: head, sub: sub, ctx: ctx}
					seen = seen || !r.complaint
					start, lines = pos, 0
				}
			}
			if open != nil {
				lines++
				switch {
				case next-start > maxReportBytes:
					if !emit(min(next, start+maxReportBytes)) {
						return
					}
				case lines >= open.rule.lines(), bytes.Contains(line, endTrace):
					if !emit(next) {
						return
					}
				}
			}
			pos = next
		}
		if open != nil {
			emit(len(console))
		}
	}
}

// endTrace closes the reports of WARN, BUG and oops (kernel/panic.c, print_oops_end_marker).
var endTrace = []byte("---[ end ")

// announce finds the rule whose incident a line announces: the first in the order of rules.
func announce(line []byte) (r *rule, head string, sub []string, ctx string) {
	best := len(rules)
	stripped := false
	for i := 0; i+1 < len(line); i++ {
		c, d := line[i], line[i+1]
		if pairs[c][d>>6]&(1<<(d&63)) == 0 {
			continue
		}
		for _, k := range firstBytes[c] {
			if !bytes.HasPrefix(line[i:], needles[k]) {
				continue
			}
			if !stripped {
				var text []byte
				text, ctx = stripPrefix(bytes.TrimRight(line, "\r\n"))
				head, stripped = string(text), true
			}
			for _, n := range rulesOf[k] {
				if n >= best {
					break
				}
				cand := rules[n]
				m := cand.re.FindStringSubmatch(head)
				if m != nil && (cand.unless == nil || !cand.unless.MatchString(head)) {
					best, r, sub = n, cand, m
					break
				}
			}
		}
	}
	return r, head, sub, ctx
}

// stripPrefix takes the console's own prefixes off a line: log level, time stamp, caller, "printk messages
// dropped", colour sequences of a boot that was interrupted.
func stripPrefix(line []byte) (text []byte, ctx string) {
	if i := bytes.Index(line, dropped); i >= 0 && bytes.HasPrefix(line, stars) {
		line = line[i+len(dropped):]
	}
	line = bytes.TrimLeft(line, " \t\r")
	if len(line) > 2 && line[0] == '<' {
		if i := bytes.IndexByte(line[:min(len(line), 5)], '>'); i > 0 && digits(line[1:i]) {
			line = line[i+1:]
		}
	}
	if rest, stamp, ok := bracket(line); ok && isStamp(stamp) {
		line = rest
		if rest, caller, ok := bracket(line); ok && isCaller(caller) {
			line, ctx = rest, string(bytes.TrimSpace(caller))
		}
		if len(line) > 0 && line[0] == ' ' {
			line = line[1:]
		}
	}
	return line, ctx
}

var (
	stars   = []byte("** ")
	dropped = []byte("printk messages dropped ** ")
)

// bracket splits "[inside]rest".
func bracket(b []byte) (rest, inside []byte, ok bool) {
	if len(b) == 0 || b[0] != '[' {
		return b, nil, false
	}
	i := bytes.IndexByte(b[:min(len(b), 32)], ']')
	if i < 0 {
		return b, nil, false
	}
	return b[i+1:], b[1:i], true
}

// isStamp recognises "   12.345678".
func isStamp(b []byte) bool {
	whole, frac, ok := bytes.Cut(bytes.TrimSpace(b), []byte("."))
	return ok && digits(whole) && digits(frac)
}

// isCaller recognises "T123" (task) and "C1" (CPU, in interrupt context), padded with spaces.
func isCaller(b []byte) bool {
	b = bytes.TrimSpace(b)
	return len(b) > 1 && (b[0] == 'T' || b[0] == 'C') && digits(b[1:])
}

func digits(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
