package testplan

import (
	"fmt"
	"strings"

	"github.com/seriesctl/seriesctl/internal/pattern"
	"github.com/seriesctl/seriesctl/qemu"
)

// Skipped is the signature of a run that the case skipped: its Outcome is None.
const Skipped = "skipped"

// Judge says what one run of the case showed: as the function Judge does, but for what the case's kind makes of its end.
func (c *Case) Judge(o qemu.Observation) Judgement {
	switch {
	case c.KTAP:
		return c.JudgeKTAP(o, ParseKTAP(o.Output))
	case c.Syz:
		return judgeSyz(o)
	case c.Kind == KindScript:
		return judgeScript(o)
	case c.Kind == KindFstests:
		return judgeFstest(o, Judge(o))
	}
	return Judge(o)
}

// Judge says what one run showed. What decides is, in this order:
//
//  1. a fatal crash on the console (a BUG kills the task that would have told more): Crash, its title; the reports of the
//     kernel's own hang detectors are no crash but go with 2
//  2. a hang: Deadlock with the blocked functions, or Livelock with the running ones; that lockdep or the
//     hung task detector reports on the console too changes nothing
//  3. a file system that does not mount: Fail "mount EINVAL"
//  4. time that was up, or a guest that fell silent with nothing on its console: Timeout
//  5. the case's own end: its result line, else the signal or exit status: Pass or Fail
//  6. a file system that does not unmount after that: Fail "umount EBUSY" instead of a pass
//  7. a warning on the console: Warn instead of a pass; a failure stays one
//
// Unmounting after the case belongs to it: a crash or a hang there is the case's.
//
// An observation with none of that is Infra.
func Judge(o qemu.Observation) Judgement {
	switch {
	case o.Crash != nil && o.Crash.Fatal && hangReport(o.Crash) == "":
		return Judgement{Crash, bounded(o.Crash.Title), firstLine(o.Crash.Report, o.Crash.Title)}
	case o.Hang != nil:
		return judgeHang(o.Hang)
	case o.Crash != nil && hangReport(o.Crash) != "" && !o.Exited:
		return Judgement{hangReport(o.Crash), bounded(hungFunction(o.Crash.Title)), firstLine(o.Crash.Report, o.Crash.Title)}
	case o.Mount != "":
		return Judgement{Fail, "mount " + errnoName(o.Mount), "mounting the file system failed with " + errnoName(o.Mount)}
	case o.TimedOut:
		return Judgement{Timeout, "", after("still moving when its time was up", o.Output)}
	case o.Silent:
		return Judgement{Timeout, "guest silent", after("the guest fell silent", o.Output)}
	case o.Exited || o.Signal != 0:
		j := judgeEnd(o)
		if j.Outcome == Pass && o.Unmount != "" {
			return Judgement{Fail, "umount " + errnoName(o.Unmount), "after the case, unmounting its file system failed with " + errnoName(o.Unmount)}
		}
		if j.Outcome == Pass && o.Crash != nil {
			return Judgement{Warn, bounded(o.Crash.Title), firstLine(o.Crash.Report, o.Crash.Title)}
		}
		return j
	case o.Crash != nil:
		return Judgement{Warn, bounded(o.Crash.Title), firstLine(o.Crash.Report, o.Crash.Title)}
	}
	return Judgement{Infra, "nothing observed", "the run showed neither an end nor a hang nor a crash"}
}

// judgeEnd judges a case that ended by itself.
func judgeEnd(o qemu.Observation) Judgement {
	if o.Signal != 0 {
		name := signalName(o.Signal)
		return Judgement{Fail, "signal " + name, after("killed by "+name, o.Output)}
	}
	line := resultLine(o.Output)
	if line == "" {
		if o.Status == 0 {
			return Judgement{Pass, "", "exit status 0"}
		}
		return Judgement{Fail, fmt.Sprintf("exit %d", o.Status), after(fmt.Sprintf("exit status %d", o.Status), o.Output)}
	}
	evidence := bounded(line)
	words := strings.Fields(strings.TrimPrefix(line, resultPrefix))
	switch {
	case len(words) == 1 && words[0] == "pass" && o.Status == 0:
		return Judgement{Pass, "", evidence}
	case len(words) == 1 && words[0] == "pass":
		return Judgement{Fail, fmt.Sprintf("exit %d", o.Status), evidence + fmt.Sprintf(", but exit status %d", o.Status)}
	case len(words) >= 3 && words[0] == "fail" && opPattern.MatchString(words[1]) && errnoPattern.MatchString(words[2]):
		return Judgement{Fail, words[1] + " " + words[2], evidence}
	case len(words) >= 2 && words[0] == "data" && opPattern.MatchString(words[1]):
		if len(words) > 2 && words[2] == "short" {
			return Judgement{Fail, words[1] + " short", evidence}
		}
		return Judgement{Fail, words[1] + " wrong data", evidence}
	}
	return Judgement{Fail, "unreadable result", evidence}
}

const resultPrefix = "result: "

var (
	opPattern    = pattern.New(`^[a-z0-9][a-z0-9_-]{0,31}$`)
	errnoPattern = pattern.New(`^E[A-Z0-9]{1,19}$`)
)

// resultLine returns the last line of output that begins "result: ", "" when there is none.
func resultLine(output string) string {
	last := ""
	for l := range strings.Lines(output) {
		if strings.HasPrefix(l, resultPrefix) {
			last = strings.TrimSpace(l)
		}
	}
	return last
}

// after adds the last step that the case announced to what ended it.
func after(what, output string) string {
	step := ""
	for l := range strings.Lines(output) {
		if s, ok := strings.CutPrefix(l, "step: "); ok {
			step = bounded(s)
		}
	}
	if step == "" {
		return what
	}
	return what + " after: " + step
}

// hangReport says whether a console report is one of the kernel's hang detectors: Deadlock for a task that is blocked,
// Livelock for a CPU that does not get on, "" for anything else.
func hangReport(c *qemu.Crash) Outcome {
	t := strings.ToLower(c.Title)
	switch {
	case strings.Contains(t, "task hung") || strings.Contains(t, "blocked for more than") || strings.Contains(t, "hung_task"):
		return Deadlock
	case strings.Contains(t, "detected stall") || strings.Contains(t, "soft lockup") || strings.Contains(t, "hard lockup"):
		return Livelock
	}
	return ""
}

var hungIn = pattern.New(` in ([A-Za-z_][A-Za-z0-9_.]*)$`)

// hungFunction returns F of a title "… in F", else the title.
func hungFunction(title string) string {
	if m := hungIn.FindStringSubmatch(title); m != nil {
		return baseFunction(m[1])
	}
	return title
}

// errnoName keeps an errno name and nothing else of what the guest called one.
func errnoName(s string) string {
	if errnoPattern.MatchString(s) {
		return s
	}
	return "EUNKNOWN"
}

// bounded returns the first line of s, printable and at most 200 bytes: it may come from a hostile guest.
func bounded(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' || r >= 0x80 && r < 0xa0 {
			return -1
		}
		return r
	}, s)
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:197], "") + "…"
	}
	return strings.TrimSpace(s)
}

// firstLine returns the first line of a report without the console's time stamps, which differ from run to run.
func firstLine(report, otherwise string) string {
	if l := bounded(stamps.ReplaceAllString(strings.TrimSpace(report), "")); l != "" {
		return l
	}
	return bounded(otherwise)
}

var stamps = pattern.New(`^(?:<[0-9]+>)?(?:\[[ 0-9.]+\]\s*)?(?:\[ *[TC][0-9]+\]\s*)?`)

// signalName names the signals that end a process; the numbers are those of x86 and ARM.
func signalName(n int) string {
	names := map[int]string{1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE",
		9: "SIGKILL", 11: "SIGSEGV", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM", 24: "SIGXCPU", 25: "SIGXFSZ", 31: "SIGSYS"}
	if s, ok := names[n]; ok {
		return s
	}
	return fmt.Sprintf("%d", n)
}
