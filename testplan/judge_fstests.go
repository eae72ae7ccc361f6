package testplan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/seriesctl/seriesctl/qemu"
)

// judgeFstest is j, or what the script that ran a test of fstests (fstests/fstest) said, where the case came to its own end:
//
//   - a test that says it can't run here has no outcome
//   - a failure's signature is what check would complain of, joined by "+": "exit 1" (the output differs then, too, which
//     is not said), "output mismatch", "no expected output", "test fs inconsistent", "scratch fs inconsistent"; behind the first two
//     the errnos in the words of strerror that the test wrote and should not have: "exit 1 EFAULT"
//   - a pass is a warning when the kernel complained, but for tests that want it to
//
// A script that did not say anything is the lab's failure.
func judgeFstest(o qemu.Observation, j Judgement) Judgement {
	if !o.Exited || o.Signal != 0 || !slices.Contains([]Outcome{Pass, Fail, Warn}, j.Outcome) {
		return j
	}
	line := resultLine(o.Output)
	verdict, rest, _ := strings.Cut(strings.TrimPrefix(line, resultPrefix+"test "), " ")
	warned := o.Crash != nil && !hasLine(o.Output, "fstests: dmesg")
	switch {
	case !strings.HasPrefix(line, resultPrefix+"test "):
	case verdict == "fail" && rest != "":
		if s := failSignature(strings.Fields(rest), o.Output); s != "" {
			return Judgement{Fail, bounded(s), fstestEvidence(o.Output, s)}
		}
	case warned && (verdict == "pass" || verdict == "skip"):
		return Judgement{Warn, bounded(o.Crash.Title), firstLine(o.Crash.Report, o.Crash.Title)}
	case verdict == "pass" && rest == "":
		return Judgement{Pass, "", bounded(line)}
	case verdict == "skip":
		return Judgement{None, bounded("not run: " + rest), bounded(line)}
	}
	return Judgement{Infra, "no result", after(fmt.Sprintf("the script that runs the test ended with status %d and no result", o.Status), o.Output)}
}

// failSignature puts what the script complains of in words; "" when it is nothing known.
func failSignature(what []string, output string) string {
	var out []string
	exited := false
	for _, w := range what {
		switch {
		case strings.HasPrefix(w, "exit="):
			n, err := strconv.Atoi(w[len("exit="):])
			if err != nil || n < 1 || n > 255 {
				return ""
			}
			exited = true
			out = append(out, withErrnos(fmt.Sprintf("exit %d", n), output))
		case w == "output" && exited:
		case w == "output":
			out = append(out, withErrnos("output mismatch", output))
		case w == "golden":
			out = append(out, "no expected output")
		case w == "test-fs":
			out = append(out, "test fs inconsistent")
		case w == "scratch-fs":
			out = append(out, "scratch fs inconsistent")
		default:
			return ""
		}
	}
	return strings.Join(out, "+")
}

// maxErrnos is how many errnos a signature names.
const maxErrnos = 3

func withErrnos(s, output string) string {
	var found []string
	for _, l := range differences(output) {
		if text, ok := strings.CutPrefix(l, "+"); ok {
			for _, m := range strerrors {
				if strings.Contains(text, m.text) && !slices.Contains(found, m.name) {
					found = append(found, m.name)
				}
			}
		}
	}
	slices.Sort(found)
	return strings.Join(append([]string{s}, found[:min(maxErrnos, len(found))]...), " ")
}

// differences are the lines of the section "output" that are not as expected, each with its "+" or "-".
func differences(output string) []string {
	var out []string
	in := false
	for l := range strings.Lines(output) {
		l = strings.TrimRight(l, "\n")
		if name, ok := strings.CutPrefix(l, "fstests: "); ok {
			in = name == "output"
			continue
		}
		text, ok := strings.CutPrefix(l, "  ")
		if !in || !ok || strings.HasPrefix(text, "+++ ") || strings.HasPrefix(text, "--- ") {
			continue
		}
		if strings.HasPrefix(text, "+") || strings.HasPrefix(text, "-") {
			out = append(out, text)
		}
	}
	return out
}

// fstestEvidence is the first line that the test wrote and should not have, or did not write and should have.
func fstestEvidence(output, otherwise string) string {
	for _, sign := range []string{"+", "-"} {
		for _, l := range differences(output) {
			if text, ok := strings.CutPrefix(l, sign); ok && strings.TrimSpace(text) != "" {
				return bounded(map[string]string{"+": "wrote: ", "-": "did not write: "}[sign] + text)
			}
		}
	}
	return otherwise
}

func hasLine(text, line string) bool {
	for l := range strings.Lines(text) {
		if strings.TrimRight(l, "\n") == line {
			return true
		}
	}
	return false
}

// strerrors are what the C library calls the errnos that file systems give.
var strerrors = []struct{ text, name string }{
	{"Operation not permitted", "EPERM"}, {"No such file or directory", "ENOENT"}, {"Input/output error", "EIO"}, {"Bad file descriptor", "EBADF"},
	{"Resource temporarily unavailable", "EAGAIN"}, {"Cannot allocate memory", "ENOMEM"}, {"Permission denied", "EACCES"}, {"Bad address", "EFAULT"},
	{"Device or resource busy", "EBUSY"}, {"File exists", "EEXIST"}, {"Invalid cross-device link", "EXDEV"}, {"Not a directory", "ENOTDIR"},
	{"Is a directory", "EISDIR"}, {"Invalid argument", "EINVAL"}, {"Text file busy", "ETXTBSY"}, {"File too large", "EFBIG"},
	{"No space left on device", "ENOSPC"}, {"Read-only file system", "EROFS"}, {"Too many links", "EMLINK"}, {"Resource deadlock avoided", "EDEADLK"},
	{"File name too long", "ENAMETOOLONG"}, {"Directory not empty", "ENOTEMPTY"}, {"Too many levels of symbolic links", "ELOOP"},
	{"No data available", "ENODATA"}, {"Structure needs cleaning", "EUCLEAN"}, {"Operation not supported", "EOPNOTSUPP"},
	{"Stale file handle", "ESTALE"}, {"Disk quota exceeded", "EDQUOT"}, {"Bus error", "SIGBUS"}, {"Segmentation fault", "SIGSEGV"},
}
