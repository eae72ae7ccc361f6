package testplan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/seriesctl/seriesctl/internal/pattern"
	"github.com/seriesctl/seriesctl/internal/plain"
	"github.com/seriesctl/seriesctl/qemu"
)

// KTAP is what the output of a test says, in the kernel's format for results (Documentation/dev-tools/ktap.rst): TAP, with
// subtests as indented blocks before the result they belong to. The output of the kselftest runner, which puts "# " before what
// its tests print, is read likewise where a test begins it with a version line. So are the programs that run_vmtests.sh runs as it
// said until it printed KTAP itself: "[FAIL]" of one is not in its exit status when a later one skips.
//
// Any text can be read: lines that are none of the format are passed over, as it demands.
type KTAP struct {
	Results []Subtest // of the innermost tests, in their order
	// Suites are the tests around others whose own result is bad while none of the inner ones' is.
	Suites []string
	Plan   bool   // there is a version line or a plan: it is KTAP at all
	Skip   bool   // the plan is of no test
	Lost   string // what does not add up: "3 of 5 results", "an unfinished subtest"; "" when all is there
	Bail   string // what "Bail out!" of the whole says, with these words; "" when there is none. A test inside ends only itself so
	Cut    bool   // not all of it was read: the middle of the output was not kept, or there are too many results
}

// Subtest is one result.
type Subtest struct {
	Name   string // those of the tests it is in before it, "mm:mkdirty"; unique in a KTAP
	OK     bool
	Kind   string // the directive: SKIP, TODO, XFAIL, TIMEOUT, ERROR, or ""
	Reason string // the diagnostic data; without any the first expectation that is said before it not to hold, of a skip what the test says
	Said   string // the last that the test printed, where it failed and the kselftest runner's result knows but its exit status
}

// Bounds of what is read of an output: it comes from the guest.
const (
	maxSubtests = 1000
	maxDepth    = 8
	maxTestName = 80 // bytes of one name
	maxTestLine = 4096
)

var (
	ktapVersion = pattern.New(`^K?TAP version [0-9]+\s*$`)
	ktapPlan    = pattern.New(`^1\.\.([0-9]{1,9})(?:\s*#.*)?\s*$`)
	ktapResult  = pattern.New(`^(ok|not ok)(?:\s+([0-9]{1,9}))?(?:\s+(.*))?$`)
	ktapHeader  = pattern.New(`^#\s*Subtest:\s*(.*)$`)
	ktapBail    = pattern.New(`^Bail out!`)
	// What the harness of kselftest and KUnit say of an expectation that does not hold: "# x.c:159:test:Expected 0 (0) == r (-1)",
	// "# test: EXPECTATION FAILED at lib/x.c:12".
	ktapExpected = pattern.New(`^#.*(?:\.c:[0-9]+:\w+:(Expected .*)|((?:EXPECTATION|ASSERTION) FAILED at .*))$`)
	// What of the runner's output are no words of a test: its own lines, plans, and the sums that kselftest.h ends with.
	ktapSilent = pattern.New(`^(?:#\s*)*(?:$|Totals: |Planned tests != |timeout set to |1\.\.[1-9])`)
	ktapStarts = pattern.New(`^# selftests: `)
	ktapMark   = pattern.New(`^# \[(PASS|FAIL|SKIP)\]$`)
	skipPlan   = pattern.New(`^1\.\.0 # (?i:skip):?\s*`)
	directive  = pattern.New(`^(?i:(SKIP|TODO|XFAIL|TIMEOUT|ERROR))\b:?\s*(.*)$`)
)

// block is one level of results that is being read.
type block struct {
	indent int
	hash   bool   // its lines have "# " before them
	name   string // as "# Subtest:" says
	plan   int    // -1 when there is none
	next   bool   // another document begins: its plan is added
	got    int    // results
	names  map[string]bool
	nodes  []node // the results that are complete
	why    string // the first expectation that did not hold since the last result
	inner  *block // the last block inside that waits for its result
}

// node is a result with those inside.
type node struct {
	Subtest
	inner []node
	lost  string
	whole bool // it has a result of its own
}

// ktapReader reads line by line.
type ktapReader struct {
	stack []*block
	count int
	said  string // the last that the test at hand printed beside results
	// Of a test that runs programs: the line before, and the program that has begun.
	before, running string
	out             *KTAP
}

// ParseKTAP reads an output.
func ParseKTAP(output string) *KTAP {
	r := &ktapReader{out: &KTAP{}, stack: []*block{newBlock(0, false)}}
	for line := range strings.Lines(whole(output, &r.out.Cut)) {
		line = strings.TrimRight(line, "\r\n \t")
		if len(line) > maxTestLine {
			line = line[:maxTestLine]
		}
		if !r.program(line) && !r.line(line) || r.count > maxSubtests {
			break
		}
		r.before = line
	}
	for len(r.stack) > 1 {
		r.close()
	}
	root := r.stack[0]
	root.claim(nil)
	r.out.Lost = root.short()
	r.flatten("", root.nodes, map[string]bool{})
	return r.out
}

// cutMark is what stands for the middle of an output that was not kept (see qemu.Case).
var cutMark = pattern.New(`\n\[\.\.\. [0-9]+ bytes cut \.\.\.\]\n`)

// whole is an output without the two lines that a cut has left halves of.
func whole(output string, cut *bool) string {
	at := cutMark.FindStringIndex(output)
	if at == nil {
		return output
	}
	*cut = true
	_, after, _ := strings.Cut(output[at[1]:], "\n")
	return output[:strings.LastIndexByte(output[:at[0]], '\n')+1] + after
}

func newBlock(indent int, hash bool) *block {
	return &block{indent: indent, hash: hash, plan: -1, names: map[string]bool{}}
}

func (r *ktapReader) top() *block { return r.stack[len(r.stack)-1] }

// line takes one line; false ends the reading.
func (r *ktapReader) line(line string) bool {
	indent, text, hash := r.indent(line)
	version, plan, result := ktapVersion.MatchString(text), ktapPlan.FindStringSubmatch(text), ktapResult.FindStringSubmatch(text)
	header := ktapHeader.FindStringSubmatch(text)
	if result == nil && !version {
		r.hear(text)
	}
	if ktapBail.MatchString(text) && indent == 0 {
		r.out.Bail, r.out.Plan = bounded(text), true
		return false
	}
	if !version && plan == nil && result == nil && header == nil {
		if m := ktapExpected.FindStringSubmatch(text); m != nil && r.top().why == "" {
			r.top().why = bounded(m[1] + m[2])
		}
		return true
	}
	for len(r.stack) > 1 && indent < r.top().indent {
		r.close()
	}
	if indent > r.top().indent || hash && !r.top().hash {
		if result != nil && len(r.stack) == 1 && !r.out.Plan {
			return true // an indented "ok" of something else
		}
		if len(r.stack) == maxDepth {
			return true
		}
		r.top().claim(nil)
		r.stack = append(r.stack, newBlock(indent, hash))
	}
	b := r.top()
	switch {
	case version:
		r.out.Plan, b.next = true, true // run_kselftest.sh prints one for each collection
	case header != nil:
		b.name = testName(header[1])
	case plan != nil:
		r.out.Plan = true
		switch {
		case b.plan < 0:
			b.plan = atoi(plan[1])
		case b.next:
			b.plan += atoi(plan[1])
		}
		b.next = false
		r.out.Skip = r.out.Skip || len(r.stack) == 1 && b.plan == 0
	default:
		return r.result(b, result)
	}
	return true
}

// program takes a line that says, in a frame, that a test runs a program, or how that ended.
func (r *ktapReader) program(line string) bool {
	if name, ok := strings.CutPrefix(line, "# running "); ok && len(r.before) == len(line) && strings.Trim(r.before[2:], "-") == "" {
		r.unwind()
		if len(r.stack) == 1 {
			r.stack = append(r.stack, newBlock(programIndent, true))
		}
		r.running, r.said = strings.TrimPrefix(name, "./"), ""
		return true
	}
	m := ktapMark.FindStringSubmatch(line)
	if m == nil || r.running == "" {
		return false
	}
	r.unwind()
	b := r.top()
	s := Subtest{Name: unique(testName(r.running), b.names), OK: m[1] != "FAIL"}
	switch m[1] {
	case "FAIL":
		s.Said = r.said
	case "SKIP":
		s.Kind, s.Reason = m[1], r.said
	}
	r.running, r.said = "", ""
	r.add(b, s)
	return true
}

// programIndent is the depth of programs that a test runs: the blocks that they print are inside.
const programIndent = 1

// unwind closes what is inside the block of programs, or all but the outermost.
func (r *ktapReader) unwind() {
	for len(r.stack) > 1 && r.top().indent != programIndent {
		r.close()
	}
}

// add gives a result to a block; false when there are too many.
func (r *ktapReader) add(b *block, s Subtest) bool {
	b.got++
	if r.count++; r.count > maxSubtests {
		r.out.Cut = true
		return false
	}
	b.claim(&s)
	return true
}

// hear notes the last words of a test.
func (r *ktapReader) hear(text string) {
	if ktapStarts.MatchString(text) {
		r.said = ""
	} else if !ktapSilent.MatchString(text) {
		r.said = bounded(strings.Join(strings.Fields(skipPlan.ReplaceAllString(strings.TrimLeft(text, "# "), "")), " "))
	}
}

// indent finds out how deep a line is. Two characters "# " count as two blanks in what a runner has put them before.
func (r *ktapReader) indent(line string) (int, string, bool) {
	text := strings.TrimLeft(line, " ")
	n := len(line) - len(text)
	rest, ok := strings.CutPrefix(text, "# ")
	if !ok {
		return n, text, false
	}
	inside := false
	for _, b := range r.stack {
		inside = inside || b.hash && b.indent > n
	}
	if !inside && !ktapVersion.MatchString(rest) {
		return n, text, false
	}
	text = strings.TrimLeft(rest, " ")
	return n + 2 + len(rest) - len(text), text, true
}

// result takes one result line of a block.
func (r *ktapReader) result(b *block, m []string) bool {
	description, data := cutComment(m[3])
	s := Subtest{OK: m[1] == "ok", Reason: bounded(data)}
	if d := directive.FindStringSubmatch(data); d != nil {
		s.Kind, s.Reason = strings.ToUpper(d[1]), bounded(d[2])
	}
	if data == "" && !s.OK {
		s.Reason = b.why
	}
	b.why = ""
	if strings.HasPrefix(strings.TrimPrefix(description, "- "), "selftests: ") {
		switch {
		case s.Kind == "SKIP" && s.Reason == "":
			s.Reason = r.said
		case !s.OK && s.Kind == "":
			s.Said = r.said
		}
		r.said = ""
		if r.running != "" && b.inner != nil {
			b.inner.nodes = append(b.inner.nodes, node{Subtest: Subtest{Name: testName(r.running)}, lost: "an unfinished subtest"})
		}
		r.running = ""
	}
	if description == "" && (s.Kind == "SKIP" || s.Kind == "XFAIL") {
		description = s.Reason // kselftest.h puts the name there
	}
	s.Name = testName(strings.TrimPrefix(description, "- "))
	if s.Name == "" {
		s.Name = strconv.Itoa(b.got + 1)
		if m[2] != "" {
			s.Name = strconv.Itoa(atoi(m[2]))
		}
	}
	s.Name = unique(s.Name, b.names)
	return r.add(b, s)
}

// close ends the innermost block; the block around keeps it until its result comes.
func (r *ktapReader) close() {
	b := r.top()
	b.claim(nil)
	r.stack = r.stack[:len(r.stack)-1]
	r.top().claim(nil)
	r.top().inner = b
}

// claim gives a result the block inside that was read before it. Without a result the block becomes a test that has
// not finished.
func (b *block) claim(s *Subtest) {
	in := b.inner
	b.inner = nil
	switch {
	case s != nil && in != nil:
		n := node{*s, in.nodes, in.short(), true}
		if s.Kind == "SKIP" && in.got < in.plan {
			n.lost = "" // it skips the rest
		}
		b.nodes = append(b.nodes, n)
	case s != nil:
		b.nodes = append(b.nodes, node{Subtest: *s, whole: true})
	case in != nil && (len(in.nodes) > 0 || in.name != ""):
		name := in.name
		if name == "" {
			name = "unnamed"
		}
		b.nodes = append(b.nodes, node{Subtest{Name: unique(name, b.names)}, in.nodes, "an unfinished subtest", false})
	}
}

// short says what a block lacks.
func (b *block) short() string {
	for _, n := range b.nodes {
		if n.lost != "" {
			return n.lost
		}
	}
	if b.plan >= 0 && b.got != b.plan {
		return fmt.Sprintf("%d of %d results", b.got, b.plan)
	}
	return ""
}

// flatten lists the innermost results; it says whether one of them is bad.
func (r *ktapReader) flatten(before string, nodes []node, names map[string]bool) (bad bool) {
	for _, n := range nodes {
		n.Name = before + n.Name
		if len(n.inner) == 0 {
			if n.lost == "" || n.whole && n.bad() {
				n.Name = unique(n.Name, names)
				r.out.Results = append(r.out.Results, n.Subtest)
				bad = bad || n.bad()
			}
			continue
		}
		inner := r.flatten(n.Name+":", n.inner, names)
		if n.whole && n.bad() && !inner {
			r.out.Suites = append(r.out.Suites, n.Name)
			inner = true
		}
		bad = bad || inner
	}
	return bad
}

// bad says that the test failed and should not have.
func (s *Subtest) bad() bool { return !s.OK && s.Kind != "SKIP" && !s.expected() }

// expected says that the test's author expects it to fail.
func (s *Subtest) expected() bool { return s.Kind == "TODO" || s.Kind == "XFAIL" }

// cutComment splits a result's description from what follows the first "#" that no backslash precedes.
func cutComment(s string) (description, data string) {
	for i := range len(s) {
		if s[i] == '#' && (i == 0 || s[i-1] != '\\') {
			return strings.TrimSpace(s[:i]), strings.TrimSpace(s[i+1:])
		}
	}
	return strings.TrimSpace(strings.ReplaceAll(s, `\#`, "#")), ""
}

// testName makes a test's description a part of a case's name: no blanks, and bounded.
func testName(s string) string {
	s = strings.TrimPrefix(strings.TrimSpace(plain.Line(s)), "selftests: ")
	s = strings.Join(strings.Fields(strings.ReplaceAll(strings.ReplaceAll(s, ": ", ":"), "/", "_")), "_")
	if len(s) > maxTestName {
		s = s[:maxTestName]
		for !utf8.ValidString(s) {
			s = s[:len(s)-1]
		}
	}
	return s
}

// unique returns name, or name#2 and so on when it is in names, and adds it there.
func unique(name string, names map[string]bool) string {
	one := name
	for i := 2; names[one]; i++ {
		one = fmt.Sprintf("%s#%d", name, i)
	}
	names[one] = true
	return one
}

func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// find returns the result of a subtest.
func (k *KTAP) find(name string) *Subtest {
	i := slices.IndexFunc(k.Results, func(s Subtest) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return &k.Results[i]
}

// Subtests are the cases that c's runs have shown to be in it: each is judged from c's runs, by its own result.
func (c *Case) Subtests(runs []*KTAP) []Case {
	var out []Case
	seen := map[string]bool{}
	for _, k := range runs {
		for _, s := range k.Results {
			if !seen[s.Name] && len(out) < maxSubtests {
				seen[s.Name] = true
				sub := *c
				sub.Name, sub.Subtest, sub.Expect = c.Name+":"+s.Name, s.Name, c.Subexpect[s.Name]
				out = append(out, sub)
			}
		}
	}
	return out
}

// JudgeKTAP says what one run showed of the case: one that prints KTAP, or a subtest of one. k is the run's output.
//
// A subtest has the outcome that its own result says: pass, fail with the result's diagnostic data as its signature. An expected
// failure (TODO, XFAIL) is a pass. One that was skipped, is not in the output, or was not reached, has no outcome.
//
// The run as a whole is judged as that of any other case where it did not end by itself; else it fails when it was not all there,
// or when a subtest fails.
func (c *Case) JudgeKTAP(o qemu.Observation, k *KTAP) Judgement {
	if c.Subtest == "" {
		return judgeRun(o, k)
	}
	s := k.find(c.Subtest)
	switch {
	case s == nil && k.Cut:
		return Judgement{None, notReachedSignature, "not all of the output was kept"}
	case s == nil && (k.Lost != "" || k.Bail != "" || !o.Exited || o.Signal != 0):
		return Judgement{None, notReachedSignature, "the run ended before it: " + judgeRun(o, k).Evidence}
	case s == nil:
		return Judgement{None, absentSignature, "this kernel's run has no such subtest"}
	case s.Kind == "SKIP":
		return Judgement{None, Skipped, s.line()}
	case s.bad():
		return Judgement{Fail, s.signature(), s.line()}
	}
	return Judgement{Pass, "", s.line()}
}

// The signatures of a subtest that has no outcome.
const (
	absentSignature     = "absent"
	notReachedSignature = "not reached"
)

// judgeRun judges the run of a case that prints KTAP.
func judgeRun(o qemu.Observation, k *KTAP) Judgement {
	end := o
	end.Status, end.Output = 0, ""
	j := Judge(end)
	umount := o.Unmount != "" && j.Outcome == Fail
	if !o.Exited || j.Outcome != Pass && j.Outcome != Warn && !umount {
		return j
	}
	// As with any case, a failure stays one, whatever comes after it.
	if own := judgeResults(o, k); own.Outcome == Fail || j.Outcome == Pass {
		return own
	}
	return j
}

// judgeResults judges a case that ended by itself by its output and exit status.
func judgeResults(o qemu.Observation, k *KTAP) Judgement {
	var bad []string
	skipped := 0
	for _, s := range k.Results {
		if s.bad() {
			bad = append(bad, s.Name)
		}
		if s.Kind == "SKIP" {
			skipped++
		}
	}
	bad = append(bad, k.Suites...)
	switch {
	case k.Bail != "":
		return Judgement{Fail, "bail out", k.Bail}
	case len(bad) > 0:
		return Judgement{Fail, "subtests", bounded(fmt.Sprintf("%d of %d subtests: %s", len(bad), len(k.Results), strings.Join(bad, ", ")))}
	case isSkip(o.Status), len(k.Results) == 0 && k.Skip && o.Status == 0, skipped > 0 && skipped == len(k.Results) && k.Lost == "" && !k.Cut && o.Status == 0:
		return Judgement{None, Skipped, "every subtest was skipped"}
	case o.Status != 0:
		return Judgement{Fail, fmt.Sprintf("exit %d", o.Status), fmt.Sprintf("exit status %d, and no subtest that fails", o.Status)}
	case k.Cut:
		return Judgement{Pass, "", fmt.Sprintf("exit status 0, and the %d subtests that could be read do not fail", len(k.Results))}
	case len(k.Results) == 0:
		return Judgement{Fail, "no results", "its output has no result line"}
	case k.Lost != "":
		return Judgement{Fail, "missing results", k.Lost}
	}
	return Judgement{Pass, "", fmt.Sprintf("%d subtests pass, %d are skipped", len(k.Results)-skipped, skipped)}
}

// ktapOutput is how much of the output of a case that prints KTAP is kept, in bytes: kselftests talk.
const ktapOutput = 1 << 20

// line is the result as a line.
func (s *Subtest) line() string {
	l := "not ok "
	if s.OK {
		l = "ok "
	}
	l += s.Name
	if s.Kind+s.Reason != "" {
		l += " # " + strings.TrimSpace(s.Kind+" "+s.Reason)
	}
	if s.Said != "" {
		l += ": " + s.Said
	}
	return bounded(l)
}

// varying are the parts of diagnostic data that differ from run to run: addresses, times, large numbers.
var varying = pattern.New(`0[xX][0-9a-fA-F]+|[0-9]+\.[0-9]+|[0-9]{4,}`)

// signature is what makes two failures of a subtest the same.
func (s *Subtest) signature() string {
	switch {
	case s.Kind != "":
		return strings.ToLower(s.Kind)
	case s.Reason == "":
		return "not ok"
	}
	r := strings.ReplaceAll(s.Reason, "=", " ") // the runner's "exit=1" is "exit 1" elsewhere
	return bounded(varying.ReplaceAllString(r, "N"))
}
