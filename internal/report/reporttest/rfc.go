// Package reporttest holds results for the tests of what draws them: the matrix of a real RFC series, a run that is
// still going on, and a hostile one. No command uses it.
package reporttest

import (
	"fmt"
	"time"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/qemu"
	"github.com/seriesctl/seriesctl/testplan"
)

// Symptoms of the series, as a signature has them.
const (
	BugRead  = "kernel BUG in gfs2_glock_nq"
	BugWrite = "kernel BUG in gfs2_glock_nq"
	Hang     = "gfs2_glock_wait, inode_dio_wait"
)

var subjects = []string{
	"",
	"iov_iter: Add iov_iter_fault_in_writeable()",
	"gfs2: Clean up the error handling in gfs2_page_mkwrite",
	"gfs2: Add wrapper for iomap_file_buffered_write",
	"gfs2: Fix mmap + page fault deadlocks (part 1)",
	"gfs2: Add wrappers for accessing journal_info",
	"iov_iter: Add noio flag to disable page faults",
	"gfs2: Eliminate vestigial HIF_FIRST",
	"iomap: Add done_before argument to iomap_dio_rw",
	"gfs2: Fix mmap + page fault deadlocks (part 2)",
}

var reproducers = []string{
	"read-self", "write-self", "direct-read-hole", "direct-read-data", "direct-write-self",
	"readv-self", "writev-self", "cross-two-files", "sanity",
}

// RFC is the whole matrix of a ten-prefix run on two file systems: a crash that patch 4 makes an error and patch 9
// fixes, a deadlock that patch 9 fixes in part, a patch that breaks a case, one that does not build, one that
// changes nothing in the image, and a flaky cell.
func RFC() *lab.Result {
	r := &lab.Result{
		Series: "gfs2-handle-page-faults-v1", Subject: "gfs2: Handle page faults during read and write",
		Base: "2c85ebc57b3e1817b6ce1a6b703928e113a90442", Config: "5d41402abc4b2a76b9719d911017c592", Accel: "tcg",
		Totals: lab.Totals{Builds: 9, Boots: 9, Runs: 166, Seconds: 412.4},
	}
	for i, s := range subjects {
		p := lab.Prefix{Index: i, Patch: i, Subject: s, Status: lab.PrefixOK, Tree: hash("tree", i), Image: hash("image", i), BuildSeconds: 14.5, Compiled: 12}
		switch i {
		case 0:
			p.BuildSeconds, p.Compiled = 153, 1480
		case 5:
			four := 4
			p.SameImageAs, p.Image = &four, hash("image", 4)
		case 6:
			p.Status, p.Image = lab.PrefixBuildFailed, ""
			p.Detail = "lib/iov_iter.c:1472:6: error: implicit declaration of function 'fault_in_writeable'"
			p.Log = "logs/build-6.log"
		case 2:
			p.Warnings = []qemu.Diagnostic{{File: "fs/gfs2/file.c", Line: 431, Kind: "warning", Text: "unused variable 'ip'"}}
		}
		r.Prefixes = append(r.Prefixes, p)
	}
	for _, fs := range []string{"gfs2", "ext4"} {
		for _, name := range reproducers {
			r.Cases = append(r.Cases, testplan.Case{Name: fs + "/" + name, Reproducer: name, Filesystem: fs})
		}
	}
	for p := range subjects {
		for _, c := range r.Cases {
			r.Cells = append(r.Cells, verdict(p, c))
		}
	}
	r.Attributions = attributions(r)
	return r
}

func verdict(p int, c testplan.Case) lab.Cell {
	cell := lab.Cell{Prefix: p, Case: c.Name, State: lab.CellDone, Outcome: testplan.Pass, Runs: 1, Agree: 1, Confidence: 1}
	if p == 6 {
		return lab.Cell{Prefix: p, Case: c.Name, State: lab.CellNone}
	}
	if p == 5 {
		four := 4
		cell.InheritedFrom = &four
	}
	set := func(o testplan.Outcome, s string) { cell.Outcome, cell.Signature = o, s }
	if c.Filesystem != "gfs2" {
		if c.Reproducer == "cross-two-files" && p == 8 {
			set(testplan.Timeout, "")
			cell.Runs, cell.Agree, cell.Confidence, cell.Flaky = 5, 3, 0.71, true
		}
		return cell
	}
	switch c.Reproducer {
	case "read-self", "readv-self":
		switch {
		case p < 4:
			set(testplan.Crash, BugRead)
		case p < 9:
			set(testplan.Fail, "read EFAULT")
		}
	case "write-self", "writev-self":
		switch {
		case p < 4:
			set(testplan.Crash, BugWrite)
		case p < 9:
			set(testplan.Fail, "write EFAULT")
		}
	case "direct-read-hole":
		set(testplan.Fail, "read EFAULT")
		if p < 4 {
			set(testplan.Deadlock, Hang)
		}
	case "direct-read-data", "direct-write-self":
		if p < 9 {
			set(testplan.Deadlock, Hang)
		}
	case "cross-two-files":
		if p < 4 {
			set(testplan.Deadlock, Hang)
			cell.Runs, cell.Agree, cell.Confidence = 3, 3, 0.98
		}
	case "sanity":
		if p >= 8 {
			set(testplan.Warn, "WARNING in iomap_dio_complete")
		}
	}
	return cell
}

// attributions compares each prefix with the nearest one before it that has an image, as a stand-in for
// testplan's judgement.
func attributions(r *lab.Result) []testplan.Attribution {
	var as []testplan.Attribution
	n := len(r.Cases)
	for ci, c := range r.Cases {
		for p := 1; p < len(r.Prefixes); p++ {
			after := r.Cells[p*n+ci]
			before := r.Cells[(p-1)*n+ci]
			if before.State == lab.CellNone || after.State == lab.CellNone || before.Outcome == after.Outcome && before.Signature == after.Signature {
				continue
			}
			a := testplan.Attribution{Case: c.Name, Patch: p, Before: words(before), After: words(after), Probability: 1}
			switch {
			case after.Agree < after.Runs || before.Agree < before.Runs:
				a.Effect, a.Probability = testplan.Undetermined, 0.71
			case after.Outcome == testplan.Pass:
				a.Effect = testplan.Fixes
			case before.Outcome == testplan.Pass:
				a.Effect = testplan.Regresses
			default:
				a.Effect = testplan.ChangesSymptom
			}
			if c.Reproducer == "cross-two-files" && p == 4 {
				a.Probability = 0.98
			}
			as = append(as, a)
		}
	}
	return as
}

func words(c lab.Cell) string {
	if c.Signature == "" {
		return string(c.Outcome)
	}
	return string(c.Outcome) + " " + c.Signature
}

// Now is when Live is looked at.
var Now = time.Date(2021, 5, 21, 9, 0, 0, 0, time.UTC)

// Live is RFC while its run is at prefix 3: cells running and queued, a prefix being built, others to come.
func Live() *lab.Result {
	r := RFC()
	n := len(r.Cases)
	for i := range r.Cells {
		c := &r.Cells[i]
		switch {
		case c.Prefix > 3 || c.Prefix == 3 && i%n > 5:
			*c = lab.Cell{Prefix: c.Prefix, Case: c.Case, State: lab.CellQueued}
			if c.Prefix == 3 {
				c.Wanted = 2
			}
		case c.Prefix == 3 && i%n > 3:
			*c = lab.Cell{Prefix: c.Prefix, Case: c.Case, State: lab.CellRunning, Wanted: 1, Started: Now.Add(-time.Duration(i%n) * 15 * time.Second)}
		case c.Prefix == 3 && i%n == 3:
			c.Wanted = 5
		}
	}
	for i := range r.Prefixes {
		p := &r.Prefixes[i]
		if p.Index > 3 {
			*p = lab.Prefix{Index: p.Index, Patch: p.Patch, Subject: p.Subject, Status: lab.PrefixPending, Tree: p.Tree}
		}
	}
	r.Prefixes[4].Status = lab.PrefixBuilding
	r.Attributions = nil
	return r
}

// Subsets is RFC with three rows for subsets: one that does less than the whole series, one that does not build, one that is
// being run.
func Subsets() *lab.Result {
	r := RFC()
	row := func(patches ...int) *lab.SubsetRow {
		i := len(r.Subsets)
		last := patches[len(patches)-1]
		r.Subsets = append(r.Subsets, lab.SubsetRow{Patches: patches, Prefix: lab.Prefix{Index: 10 + i, Patch: last, Subject: subjects[last],
			Status: lab.PrefixOK, Tree: hash("tree", 10+i), Image: hash("image", 10+i), BuildSeconds: 20, Compiled: 30}, Base: []lab.Comparison{}, Whole: []lab.Comparison{}})
		return &r.Subsets[i]
	}
	n := len(r.Cases)
	s := row(2, 4, 5, 6)
	for i, c := range r.Cases {
		cell := verdict(4, c)
		base, whole := r.Cells[i], r.Cells[9*n+i]
		cell.Prefix, cell.InheritedFrom = s.Index, nil
		s.Cells = append(s.Cells, cell)
		if cmp := compare(c.Name, base, cell); cmp.Before != cmp.After {
			s.Base = append(s.Base, cmp)
		}
		if cmp := compare(c.Name, whole, cell); cmp.Before != cmp.After {
			s.Whole = append(s.Whole, cmp)
		}
	}
	bad := row(7)
	bad.Status, bad.Image, bad.Detail, bad.Log = lab.PrefixBuildFailed, "", "build kernel: fs/gfs2/glock.c:12: implicit declaration of function 'glock_outer'", "logs/build-11.log"
	for _, c := range r.Cases {
		bad.Cells = append(bad.Cells, lab.Cell{Prefix: bad.Index, Case: c.Name, State: lab.CellNone})
	}
	live := row(4, 9)
	for i, c := range r.Cases {
		cell := lab.Cell{Prefix: live.Index, Case: c.Name, State: lab.CellQueued, Wanted: 1}
		switch {
		case i < 2:
			cell = verdict(4, c)
			cell.Prefix = live.Index
		case i == 2:
			cell = lab.Cell{Prefix: live.Index, Case: c.Name, State: lab.CellRunning, Wanted: 1, Started: Now.Add(-7 * time.Second)}
		}
		live.Cells = append(live.Cells, cell)
	}
	return r
}

// compare is the cell of a case beside that on another kernel.
func compare(name string, other, cell lab.Cell) lab.Comparison {
	c := lab.Comparison{Case: name, Before: words(other), After: words(cell), Probability: 1, Effect: testplan.ChangesSymptom}
	switch {
	case cell.Outcome == testplan.Pass:
		c.Effect = testplan.Fixes
	case other.Outcome == testplan.Pass:
		c.Effect = testplan.Regresses
	}
	return c
}

// Nasty is what a subject or a console line holds when its sender means harm.
const Nasty = "\x1b[2J\x1b]0;owned\x07gfs2:\u202e | <img src=x> `rm` **日本** @someone \x9b31m\r\nSubject: two"

// Hostile is a small result with Nasty wherever text comes from outside.
func Hostile() *lab.Result {
	r := &lab.Result{Series: "s\x1b[31m-v1", Subject: Nasty, Base: "\x1b]0;x\x07", Accel: "tcg"}
	r.Prefixes = []lab.Prefix{{Index: 0, Status: lab.PrefixOK}, {Index: 1, Patch: 1, Subject: Nasty, Status: lab.PrefixOK}, {Index: 2, Patch: 2, Subject: Nasty, Status: lab.PrefixConflict, Detail: Nasty}}
	r.Cases = []testplan.Case{{Name: "fs/" + Nasty, Filesystem: Nasty}}
	r.Cells = []lab.Cell{
		{Prefix: 0, Case: r.Cases[0].Name, State: lab.CellDone, Outcome: testplan.Crash, Signature: Nasty, Runs: 1, Agree: 1, Confidence: 1},
		{Prefix: 1, Case: r.Cases[0].Name, State: lab.CellDone, Outcome: testplan.Fail, Signature: Nasty, Runs: 1, Agree: 1, Confidence: 1},
		{Prefix: 2, Case: r.Cases[0].Name, State: lab.CellNone},
	}
	r.Attributions = []testplan.Attribution{{Case: r.Cases[0].Name, Patch: 1, Effect: testplan.ChangesSymptom, Before: "crash " + Nasty, After: "fail " + Nasty, Probability: 1}}
	return r
}

// Large is a matrix of rows prefixes (the base included) and cols cases on four file systems.
func Large(rows, cols int) *lab.Result {
	r := &lab.Result{Series: "large-v1", Subject: "a large series", Accel: "tcg"}
	for i := range rows {
		p := lab.Prefix{Index: i, Patch: i, Status: lab.PrefixOK}
		if i > 0 {
			p.Subject = fmt.Sprintf("mm: Change number %d of this long series of patches", i)
		}
		r.Prefixes = append(r.Prefixes, p)
	}
	for i := range cols {
		fs := []string{"gfs2", "ext4", "xfs", "btrfs"}[i*4/cols]
		r.Cases = append(r.Cases, testplan.Case{Name: fmt.Sprintf("%s/case-number-%d", fs, i), Reproducer: "case", Filesystem: fs})
	}
	for p := range rows {
		for i, c := range r.Cases {
			cell := lab.Cell{Prefix: p, Case: c.Name, State: lab.CellDone, Outcome: testplan.Pass, Runs: 1, Agree: 1, Confidence: 1}
			if p < i*rows/cols {
				cell.Outcome, cell.Signature = testplan.Deadlock, Hang
			} else if p > 0 && p-1 < i*rows/cols {
				r.Attributions = append(r.Attributions, testplan.Attribution{Case: c.Name, Patch: p, Effect: testplan.Fixes, Before: "deadlock " + Hang, After: "pass", Probability: 1})
			}
			r.Cells = append(r.Cells, cell)
		}
	}
	return r
}

// Runs are the stored runs of a cell: a deadlock with the stacks of two tasks, then a crash, then an error.
func Runs() []lab.Run {
	return []lab.Run{
		{
			ID: 41, Judgement: testplan.Judgement{Outcome: testplan.Deadlock, Signature: "gfs2_fault", Evidence: "the read of a faults on b, held by the read of b, which faults on a; cross-two-files blocked in gfs2_fault < gfs2_file_read_iter"},
			Command: "cross read", Disk: qemu.Filesystem{Name: "gfs2", Type: "gfs2", Mkfs: []string{"mkfs.gfs2", "-O", "-p", "lock_nolock"}, Options: "data=ordered", Size: 64 << 20},
			Observation: qemu.Observation{Duration: 3200 * time.Millisecond, Console: "logs/41.console", Output: "a: read 4096 into mapping of b\nb: read 4096 into mapping of a\n",
				Hang: &qemu.Hang{Seconds: 3, Tasks: []qemu.Stack{
					{PID: 70, Comm: "cross-two-files", State: "S", Wchan: "do_wait", Frames: []string{"do_wait+0x1a7/0x1e6", "kernel_wait4+0xc4/0x103"}},
					{PID: 71, Comm: "cross-two-files", State: "D", Wchan: "gfs2_glock_wait", IO: &qemu.IO{Op: "read", File: "/mnt/a", Memory: []string{"/mnt/b"}},
						Locks: []string{"sb_writers#8 at gfs2_file_write_iter", "&mm->mmap_lock at exc_page_fault"}, Frames: []string{"gfs2_glock_wait+0x2a/0x60", "gfs2_glock_nq+0x1c4/0x3f0", "gfs2_fault+0x52/0xa0", "__do_fault+0x36/0xb0", "handle_mm_fault+0x9d1/0x1180"}},
					{PID: 72, Comm: "cross-two-files", State: "D", Wchan: "gfs2_glock_wait", IO: &qemu.IO{Op: "read", File: "/mnt/b", Memory: []string{"/mnt/a"}}, Places: []string{"fs/gfs2/glock.c:1329", ""}, Frames: []string{"gfs2_glock_wait+0x2a/0x60", "gfs2_glock_nq+0x1c4/0x3f0", "gfs2_fault+0x52/0xa0", "handle_mm_fault+0x9d1/0x1180", "gfs2_file_read_iter+0x91/0x120"}},
				}}},
		},
		{
			ID: 42, Judgement: testplan.Judgement{Outcome: testplan.Crash, Signature: BugRead, Evidence: "kernel BUG at fs/gfs2/glock.c:1126!"},
			Observation: qemu.Observation{Duration: 410 * time.Millisecond, Console: "logs/42.console",
				Crash: &qemu.Crash{Type: "BUG", Title: BugRead, Fatal: true, Report: "kernel BUG at fs/gfs2/glock.c:1126!\ninvalid opcode: 0000 [#1] PREEMPT\nRIP: 0010:gfs2_glock_nq+0x2f1/0x3f0\n"}},
		},
		{
			ID: 43, Judgement: testplan.Judgement{Outcome: testplan.Fail, Signature: "read EFAULT", Evidence: "read: EFAULT, expected 4096"},
			Observation: qemu.Observation{Exited: true, Status: 1, Duration: 120 * time.Millisecond, Output: "read: EFAULT\n", Console: "logs/43.console"},
		},
	}
}

func hash(what string, i int) string { return fmt.Sprintf("%s%036d", what[:4], i) }
