// Package qemu turns a kernel tree into a bootable image and runs cases on it in QEMU virtual machines.
//
// It guarantees that every run starts from a fresh VM state, that what the kernel did (an Observation) is kept
// apart from what went wrong in the lab (an InfraError), and that no process, socket or mount outlives a call. It does
// not judge: whether an observation is good or bad is testplan's business.
package qemu

import (
	"fmt"
	"strings"
	"time"
)

// Image is a bootable kernel built from a variant's tree and a config.
type Image struct {
	// Key is what the image was built from: a hash of (tree hash, config hash, toolchain).
	Key string
	// Hash is what the image is: a hash over the loaded sections of vmlinux. Two images with the same Hash
	// behave the same.
	Hash string
	// Kernel is the path of the ELF vmlinux, booted through PVH.
	Kernel string
	// Compiled is how many objects the build compiled; Seconds its wall time.
	Compiled int
	Seconds  float64
	Warnings []Diagnostic
}

// Diagnostic is one compiler (or Kconfig, or linker) message of a build.
type Diagnostic struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Kind    string `json:"kind"` // "warning" or "error"
	Text    string `json:"text"`
	Excerpt string `json:"excerpt,omitempty"` // the compiler's lines that follow it
}

// BuildError is a tree that does not build: the kernel's fault, not the lab's.
type BuildError struct {
	Diagnostics []Diagnostic
	Log         string // path of the whole output
}

func (e *BuildError) Error() string {
	for _, d := range e.Diagnostics {
		switch {
		case d.Kind != "error":
		case d.File == "":
			return "build kernel: " + d.Text
		case d.Line == 0:
			return fmt.Sprintf("build kernel: %s: %s", d.File, d.Text)
		default:
			return fmt.Sprintf("build kernel: %s:%d: %s", d.File, d.Line, d.Text)
		}
	}
	return "build kernel: failed, see " + e.Log
}

// NoKernelError is a source that is no kernel's: the user's error, no patch's and not the lab's.
type NoKernelError struct{}

func (*NoKernelError) Error() string {
	return "build kernel: the source is none of a kernel: it has no Makefile"
}

// Hint says what the user can do.
func (*NoKernelError) Hint() string {
	return "--source DIR: a kernel's git repository, or its unpacked source"
}

// ConfigError is a config option that was asked for and did not survive olddefconfig.
type ConfigError struct {
	Option string   // "CONFIG_X=y"
	Got    string   // what the config has: "CONFIG_X=m", "not set", "unknown to this kernel"
	Needs  string   // the dependencies Kconfig states, "" if not known
	Unmet  []string // the parts of Needs that do not hold: "INET", "!SMP"
	// SelectedBy are the options that can turn it on when it is one that nobody can ask for, and those that do when it
	// should be off.
	SelectedBy []string
}

func (e *ConfigError) Error() string {
	msg := fmt.Sprintf("configure kernel: %s did not survive: %s", e.Option, e.Got)
	if e.Needs != "" {
		msg += " (depends on " + e.Needs + ")"
	}
	if len(e.Unmet) > 0 {
		msg += "; not there: " + strings.Join(e.Unmet, ", ")
	}
	return msg
}

// BootError is an image that does not reach the agent: the kernel's fault, not the lab's.
type BootError struct {
	Reason string // "panic before the agent", "no agent after 30s"
	Crash  *Crash // nil when the console shows none
	Log    string // path of the console log
}

func (e *BootError) Error() string { return "boot kernel: " + e.Reason }

// InfraError is the lab's own failure (QEMU, disk, host): never evidence about a patch.
type InfraError struct {
	Op   string // "start qemu", "restore snapshot", …
	Err  error
	Hint string // how to mend it, "" when not known
}

func (e *InfraError) Error() string { return fmt.Sprintf("%s: %v", e.Op, e.Err) }
func (e *InfraError) Unwrap() error { return e.Err }

// Case is one reproducer with its arguments on one file system, as the VM runs it.
type Case struct {
	Argv       []string // argv[0] is the name of one of the VM's programs, or of one of Tools, in its /bin
	Filesystem string   // name of the VM's file system to mount on /mnt; "" for none
	Timeout    time.Duration
	Tools      []string `json:",omitempty"` // those of the VM's tools that it needs
	Output     int      `json:",omitempty"` // bytes of its output to keep, 0 for 64 KiB
	// System runs the case in the machine's System: argv[0] is a path in it, and it mounts its file system itself. The environment
	// names the disks by their devices, DISK and SCRATCH ("" for none), and has the file system's FSTYPE and OPTIONS.
	System  bool `json:",omitempty"`
	Scratch bool `json:",omitempty"` // an empty disk beside the file system's; with System only
}

// Filesystem is one disk of the VM, made once on the host and given to every run as copy-on-write; or, like tmpfs, none.
type Filesystem struct {
	Name    string   // in the plan: "gfs2"
	Type    string   // mount -t
	Mkfs    []string // argv of the mkfs program; the image's path is appended. Without it there is no disk
	Options string   // mount -o
	Size    int64    // bytes of the disk
	// Scratch adds an empty disk of the same size, for cases that ask for it.
	Scratch bool `json:",omitempty"`
}

// hasDisk says whether the file system is on a disk.
func (f Filesystem) hasDisk() bool { return len(f.Mkfs) > 0 }

// Observation is what one run showed. It states facts; testplan judges them.
type Observation struct {
	Exited   bool          `json:"exited"`              // the case ended by itself
	Status   int           `json:"status"`              // its exit status, when Exited
	Signal   int           `json:"signal,omitempty"`    // the signal that ended it, 0 for none
	Output   string        `json:"output"`              // what it wrote; of more than Case.Output the beginning and the end
	Mount    string        `json:"mount,omitempty"`     // errno name when mounting the file system failed
	Unmount  string        `json:"unmount,omitempty"`   // errno name when unmounting it after the case failed
	Hang     *Hang         `json:"hang,omitempty"`      // of the case, or of unmounting after it
	Crash    *Crash        `json:"crash,omitempty"`     // first incident on the console, warnings included
	TimedOut bool          `json:"timed_out,omitempty"` // the case was still moving when its time was up
	Silent   bool          `json:"silent,omitempty"`    // the agent itself went silent; the host took over
	Duration time.Duration `json:"duration"`            // from start command to the case's end, or to the end of a hang, host clock
	Console  string        `json:"console"`             // path of the console log, relative to the workspace
	CaseAt   int64         `json:"case_at,omitempty"`   // offset in it where the case began, within a line or two; 0: not known
}

// Hang is a case that stopped moving: every thread blocked in the kernel (Livelock false), or
// burning kernel CPU time without progress (Livelock true).
type Hang struct {
	Livelock bool    `json:"livelock"`
	Tasks    []Stack `json:"tasks"` // every thread of the case, and the kernel threads they wait for where known
	Seconds  float64 `json:"seconds"`
}

// Stack is one task's kernel stack.
type Stack struct {
	PID    int      `json:"pid"`
	Comm   string   `json:"comm"`
	State  string   `json:"state"` // as in /proc/PID/stat: "D", "S", "R"
	Wchan  string   `json:"wchan"`
	Frames []string `json:"frames"` // innermost first, "function+0x12/0x34"
	// Places are where in the source the frames are, "fs/gfs2/glock.c:1329", "" where that is not known; nil of a kernel without
	// debug information.
	Places []string `json:"places,omitempty"`
	IO     *IO      `json:"io,omitempty"`
	// Locks are those it holds and the one it waits for, in the order in which it took them, "class at function"; only of a
	// kernel with lockdep, and only the kinds of locks that lockdep knows.
	Locks []string `json:"locks,omitempty"`
}

// IO is the transfer of a file that a task is in.
type IO struct {
	Op     string   `json:"op"`               // "read" or "write"
	File   string   `json:"file"`             // "/mnt/a"
	Memory []string `json:"memory,omitempty"` // files that the memory it transfers from or to is mapped from
}

// Crash is one incident on a console.
type Crash struct {
	// Type is the kind of failure in the words of the kernel fuzzers: "BUG", "WARNING", "LOCKDEP", "HANG",
	// "KASAN-USE-AFTER-FREE-READ", "DoS" (other oopses and panics)…; "" for kinds they have no word for.
	Type  string `json:"type"`
	Title string `json:"title"` // normalised: the same bug has the same title on the next build
	Fatal bool   `json:"fatal"` // BUG, oops, panic; false for WARN and lockdep reports
	// Alternatives are other titles the same bug may go by, each normalised as Title is.
	Alternatives []string `json:"alternatives,omitempty"`
	// Corrupted says that the report is cut or interleaved, so that Title may not name the guilty function.
	Corrupted bool `json:"corrupted,omitempty"`
	// Report is the console's lines from the incident's first to its last.
	Report string `json:"report"`
}
