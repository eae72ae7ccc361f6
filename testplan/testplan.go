// Package testplan says what to run and what its outcome means: the plan file, the reproducers, judging one run,
// and attributing changes to patches.
//
// Judging and attributing are pure functions: same observations, same answer. The package starts nothing.
package testplan

import (
	"strings"

	"github.com/seriesctl/seriesctl/qemu"
)

// Outcome is an observation, judged.
type Outcome string

// All outcomes.
const (
	Pass     Outcome = "pass"
	Fail     Outcome = "fail"     // an errno or wrong data
	Deadlock Outcome = "deadlock" // every thread of the case blocked for good
	Livelock Outcome = "livelock" // burning CPU without progress
	Crash    Outcome = "crash"    // BUG, oops, panic
	Warn     Outcome = "warn"     // WARN, lockdep, KASAN…
	Timeout  Outcome = "timeout"  // still moving when its time was up
	Infra    Outcome = "infra"    // the lab's own failure: never evidence about a patch
	// None is no outcome: the run says nothing of the kernel, as the case skipped itself. It is no evidence.
	None Outcome = ""
)

// Judgement is one run's outcome and what makes two of them the same.
type Judgement struct {
	Outcome Outcome `json:"outcome"`
	// Signature: a crash's normalised title, the sorted set of a deadlock's blocked functions, a failure's
	// operation and errno ("read EFAULT"); "" for pass.
	Signature string `json:"signature"`
	// Evidence is the one line that decided.
	Evidence string `json:"evidence"`
}

// Kind is what a case runs, by the key that names it in a plan.
type Kind string

// All kinds.
const (
	KindReproducer Kind = ""          // one of the catalogue
	KindC          Kind = "c"         // a C file
	KindScript     Kind = "script"    // a shell script
	KindKselftest  Kind = "kselftest" // self-tests of a kernel: of a tree, or a directory of installed ones
	KindFstests    Kind = "fstests"   // a test of a checkout of fstests
)

// Case is one cell's row in the plan: a reproducer with its arguments on one file system.
type Case struct {
	Name       string    `json:"name"`              // "gfs2/read-self", "debug:gfs2/read-self", unique in the plan
	Kind       Kind      `json:"kind,omitempty"`    // how its runs are judged
	Syz        bool      `json:"syz,omitempty"`     // made by syzkaller: it need not end, and has no result
	KTAP       bool      `json:"ktap,omitempty"`    // it prints KTAP, and its subtests are cases
	Subtest    string    `json:"subtest,omitempty"` // which of the results in the output of a KTAP case it is; its name ends in it
	Kernel     string    `json:"kernel,omitempty"`  // the name of the plan's kernel it runs on
	Reproducer string    `json:"reproducer"`        // "read-self", or the file as the plan names it
	Filesystem string    `json:"filesystem"`        // "gfs2"
	Run        qemu.Case `json:"-"`
	// Program is what is compiled for Run.Argv[0]; without files there is nothing to compile. Files go into the VM: path there →
	// file or directory here.
	Program qemu.Source       `json:"-"`
	Files   map[string]string `json:"-"`
	// Selftests is what is built for the case from a kernel tree; without a collection nothing.
	Selftests Selftests `json:"-"`
	Runs      int       `json:"-"` // how often to repeat at least
	Flaky     bool      `json:"-"` // a bad kernel may show it in a few runs of a hundred only
	Hash      string    `json:"-"` // content key: what is run with its sources and files, arguments, file system, timeout
	// Expect is the outcome that counts as good on this case; the zero value is a pass.
	Expect Expect `json:"expect,omitzero"`
	// Subexpect is that of subtests, by their name; of those that are not in it a pass.
	Subexpect map[string]Expect `json:"subexpect,omitempty"`
}

// Group is what a case has in common with those beside it in a matrix: "gfs2", "debug:gfs2". Its name begins with it and
// a slash.
func (c *Case) Group() string {
	if c.Kernel != "" {
		return c.Kernel + ":" + c.Filesystem
	}
	return c.Filesystem
}

// Command is what runs the case by hand, where there is what it needs: in a shell of the lab, or of fstests in the checkout.
func (c *Case) Command() string {
	if c.Kind == KindFstests {
		return "./check " + c.Reproducer
	}
	return strings.Join(c.Run.Argv, " ")
}

// Effect is what a patch does to a case.
type Effect string

// All effects.
const (
	Fixes          Effect = "fixes"
	Regresses      Effect = "regresses"
	ChangesSymptom Effect = "changes-symptom"
	Rarer          Effect = "rarer"      // the same failure, less often: not a fix
	MoreOften      Effect = "more-often" // the same failure, more often
	NoEffect       Effect = "no-effect"
	Undetermined   Effect = "undetermined"
)

// Attribution is what one patch does to one case.
type Attribution struct {
	Case  string `json:"case"`
	Patch int    `json:"patch"` // 1-based; with Undetermined the last patch of the range
	// First is the first patch of the range when Effect is Undetermined: one of First..Patch made the change, or
	// the runs do not tell; else 0.
	First  int    `json:"first,omitempty"`
	Effect Effect `json:"effect"`
	// Kind is the effect that the patch, or one of the range, has: Effect, where that is not Undetermined.
	Kind        Effect  `json:"-"`
	Before      string  `json:"before"` // outcome and signature: "crash kernel BUG in gfs2_glock_nq"
	After       string  `json:"after"`
	Probability float64 `json:"probability"`
}
