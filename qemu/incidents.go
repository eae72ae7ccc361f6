package qemu

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"iter"
	"slices"

	"github.com/seriesctl/seriesctl/internal/pattern"
)

// Bounds of one incident's report. The longest that is of use is a lockdep or hung-task report with the locks and stacks of
// every CPU.
const (
	maxReportBytes = 96 << 10
	maxReportLines = 900
	maxLineBytes   = 1 << 10 // what is looked at of a line; a console prints no longer ones
	maxOpen        = 8       // reports that CPUs print at the same time
)

// incident is one failure on a console, from the line that announces it to the next incident of the same task or CPU, the
// end of its report, or the bounds above.
type incident struct {
	rule   *rule
	head   string   // the announcing line, without its prefix
	sub    []string // the submatches of the rule's pattern in head
	ctx    string   // who printed it, see stripPrefix
	raw    []byte   // the report
	count  int      // lines of raw
	own    int      // how much of raw is this incident's for certain, 0 for all: there another begins, and who prints what is not known
	shown  int      // how much of raw is its report, 0 for all: there the same task's next begins
	mixed  bool     // another incident began before the end: from there only its own lines are kept
	closed bool
	died   bool // an oops or panic followed as its consequence
	race   int  // incidents that tasks or CPUs reported at the same time have the same number
}

// incidents splits a console into its incidents, in the order in which they were announced. It keeps no more in memory than a
// line and the reports being printed, whatever the console's length; a read error is the console's end.
func incidents(console io.Reader) iter.Seq[*incident] {
	return func(yield func(*incident) bool) {
		r := bufio.NewReaderSize(console, 64<<10)
		var s splitter
		for {
			line, err := r.ReadSlice('\n')
			if len(line) > 0 {
				s.line(line)
			}
			for errors.Is(err, bufio.ErrBufferFull) { // the rest of an endless line is nobody's
				_, err = r.ReadSlice('\n')
			}
			if err != nil {
				for _, in := range s.open {
					in.closed = true
				}
			}
			for len(s.open) > 0 && s.open[0].closed {
				if !yield(s.open[0]) {
					return
				}
				s.open = s.open[1:]
			}
			if err != nil {
				return
			}
		}
	}
}

// splitter is the state of splitting a console.
type splitter struct {
	open  []*incident // in the order of their first lines; a closed one waits for those before it
	seen  bool        // there has been an incident
	races int
}

// line takes the next line of the console.
func (s *splitter) line(full []byte) {
	line := full[:min(len(full), maxLineBytes)]
	r, head, sub, ctx, ok := announce(line)
	if r != nil {
		s.announced(&incident{rule: r, head: head, sub: sub, ctx: ctx})
	} else if len(s.open) > 0 && bytes.Contains(line, injection) {
		s.interrupted(ctx)
	}
	for _, in := range s.open {
		if in.closed {
			continue
		}
		if in.mixed && !ok {
			_, ctx = stripPrefix(bytes.TrimRight(line, "\r\n"))
			ok = true
		}
		if !in.mixed || ctx == in.ctx {
			in.add(full, line)
		}
	}
}

// injection announces a stack that is no failure's (lib/fault-inject.c).
var injection = []byte("FAULT_INJECTION: forcing a failure")

// announced opens an incident, unless its line is part of an open one.
func (s *splitter) announced(in *incident) {
	r := in.rule
	open := slices.ContainsFunc(s.open, func(o *incident) bool { return !o.closed })
	switch {
	case r.consequence && (open || s.seen), r.header && slices.ContainsFunc(s.open, in.heads):
		s.follows(in)
		return
	case open && r.complaint:
		return
	case open && r.remark:
		s.interrupted(in.ctx)
		return
	}
	for _, o := range s.open {
		switch {
		case o.closed:
		case !caller(o.ctx) || !caller(in.ctx):
			o.closed = true
		case o.ctx != in.ctx:
			o.mixed, in.mixed, in.race = true, true, o.race
		case o.shown == 0:
			o.shown = len(o.raw)
		}
	}
	if len(s.open) >= maxOpen {
		s.open[0].closed = true
	}
	if !in.mixed {
		s.races++
		in.race = s.races
	}
	s.open = append(s.open, in)
	s.seen = s.seen || !r.complaint && !r.remark
}

// heads says whether an exception's header can be part of a report: where the console says who prints a line, of the same
// task's or CPU's only.
func (in *incident) heads(o *incident) bool {
	return !o.closed && (o.ctx == in.ctx || !caller(o.ctx) || !caller(in.ctx))
}

// follows puts a consequence down to the latest open incident of the same task or CPU, or of any.
func (s *splitter) follows(in *incident) {
	var of *incident
	for _, o := range s.open {
		if !o.closed && o.class() < 2 && (of == nil || o.ctx == in.ctx || of.ctx != in.ctx) {
			of = o
		}
	}
	if of != nil {
		of.died = of.died || in.rule.fatal
	}
}

// interrupted notes that what follows may be another report's, where the console does not say who prints a line.
func (s *splitter) interrupted(ctx string) {
	for _, o := range s.open {
		if o.own == 0 && !caller(ctx) {
			o.own = len(o.raw)
		}
	}
}

// add takes a line into a report.
func (in *incident) add(full, line []byte) {
	in.raw = append(in.raw, full[:min(len(full), maxReportBytes-len(in.raw))]...)
	in.count++
	if len(in.raw) >= maxReportBytes || in.count >= in.rule.lines() || bytes.Contains(line, endTrace) {
		in.closed = true
	}
}

// endTrace closes the reports of WARN, BUG and oops (kernel/panic.c, print_oops_end_marker).
var endTrace = []byte("---[ end ")

// announce finds the rule whose incident a line announces: the first in the order of rules. Without one the line has not
// been read any further, and ok is false.
func announce(line []byte) (r *rule, head string, sub []string, ctx string, ok bool) {
	best := len(rules)
	for i := 0; i+1 < len(line); i++ {
		c, d := line[i], line[i+1]
		if pairs[c][d>>6]&(1<<(d&63)) == 0 {
			continue
		}
		for _, k := range firstBytes[c] {
			if !bytes.HasPrefix(line[i:], needles[k]) {
				continue
			}
			if !ok {
				var text []byte
				text, ctx = stripPrefix(bytes.TrimRight(line, "\r\n"))
				head, ok = string(text), true
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
	return r, head, sub, ctx, ok
}

// stripPrefix takes the console's own prefixes off a line: log level, time stamp, caller, "printk messages
// dropped", a login prompt, what syslog or journald put before it. ctx is who printed the line: "T123" or "C1" where the
// console has CONFIG_PRINTK_CALLER, "-" for the kernel without that, "" for a line without a time stamp.
func stripPrefix(line []byte) (text []byte, ctx string) {
	line = bytes.TrimLeft(line, "\r")
	if i := bytes.Index(line, dropped); i >= 0 && bytes.HasPrefix(line, stars) {
		line = line[i+len(dropped):]
	}
	for _, mark := range hosts {
		if i := bytes.Index(line, mark); i >= 0 && i < 120 && line[0] != '[' && line[0] != '<' {
			line = line[i+len(mark):]
			ctx = "-"
		}
	}
	rest := bytes.TrimLeft(line, " \t")
	if len(rest) > 2 && rest[0] == '<' {
		if i := bytes.IndexByte(rest[:min(len(rest), 5)], '>'); i > 0 && digits(rest[1:i]) {
			rest = rest[i+1:]
			line, ctx = rest, "-"
		}
	}
	rest, stamp, ok := bracket(rest)
	switch {
	case ok && isStamp(stamp):
		line, ctx = rest, "-"
	case !ok || !isCaller(stamp): // which is there without CONFIG_PRINTK_TIME too
		return line, ctx
	}
	if rest, caller, ok := bracket(line); ok && isCaller(caller) {
		line, ctx = rest, string(bytes.TrimSpace(caller))
	}
	if len(line) > 0 && line[0] == ' ' {
		line = line[1:]
	}
	return line, ctx
}

var (
	stars   = []byte("** ")
	dropped = []byte("printk messages dropped ** ")
	hosts   = [][]byte{[]byte(" login: "), []byte(" kernel: ")}
)

// caller says whether who printed a line is known.
func caller(ctx string) bool { return len(ctx) > 1 }

// bracket splits "[inside]rest".
func bracket(b []byte) (rest, inside []byte, ok bool) {
	if len(b) == 0 || b[0] != '[' {
		return b, nil, false
	}
	i := bytes.IndexByte(b[:min(len(b), 40)], ']')
	if i < 0 {
		return b, nil, false
	}
	return b[i+1:], b[1:i], true
}

// isStamp recognises "   12.345678" and `dmesg -T`'s "Mon Apr 21 21:21:33 2025".
func isStamp(b []byte) bool {
	b = bytes.TrimSpace(b)
	whole, frac, ok := bytes.Cut(b, []byte("."))
	return ok && digits(whole) && digits(frac) || dateRE.Compiled().Match(b)
}

var dateRE = pattern.New(`^[A-Z][a-z]{2} [A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d \d{4}$`)

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
