// Package lab is the engine: it gets the cells that a strategy asks for, in the cheapest order, and keeps
// each result the moment it is known.
//
// It guarantees that nothing is built or run twice for the same content, that an observation is durable before
// it is shown, and that an interrupted run resumes where it was. It draws nothing: the TUI and the reports read
// its Result and listen to its Events.
package lab

import (
	"time"

	"github.com/seriesctl/seriesctl/internal/pattern"
	"github.com/seriesctl/seriesctl/qemu"
	"github.com/seriesctl/seriesctl/testplan"
)

// Result is the matrix and what it says: the document of `run --json` and `report --format json`
// (CONTRACT: fields may be added, not changed). While a run goes on it is a snapshot.
type Result struct {
	Series       string                 `json:"series"`
	Subject      string                 `json:"subject"`
	Base         string                 `json:"base"`   // commit of prefix 0
	Config       string                 `json:"config"` // hash of what the plan asks of the kernel config
	Accel        string                 `json:"accel"`  // "kvm" or "tcg"
	Prefixes     []Prefix               `json:"prefixes"`
	Cases        []testplan.Case        `json:"cases"`
	Cells        []Cell                 `json:"cells"` // by prefix, then in the order of Cases
	Subsets      []SubsetRow            `json:"subsets,omitempty"`
	Attributions []testplan.Attribution `json:"attributions"`
	Undecided    []Undecided            `json:"undecided"` // the cases that fail somewhere and need more runs
	Totals       Totals                 `json:"totals"`
}

// PrefixStatus is the state of a column of the matrix.
type PrefixStatus string

// All states of a prefix.
const (
	PrefixPending     PrefixStatus = "pending"  // nothing known yet; only while a run goes on
	PrefixBuilding    PrefixStatus = "building" // only while a run goes on
	PrefixOK          PrefixStatus = "ok"
	PrefixConflict    PrefixStatus = "conflict"
	PrefixBlocked     PrefixStatus = "blocked"
	PrefixBuildFailed PrefixStatus = "build-failed"
	PrefixBootFailed  PrefixStatus = "boot-failed"
)

// Prefix is one variant of the matrix: patches 1..Index on the base.
type Prefix struct {
	Index        int               `json:"index"`
	Patch        int               `json:"patch"` // number in the series of its last patch; 0 for the base
	Subject      string            `json:"subject"`
	Status       PrefixStatus      `json:"status"`
	Detail       string            `json:"detail,omitempty"` // the one line that says why, when not ok
	Log          string            `json:"log,omitempty"`    // build or boot log, relative to the workspace
	Tree         string            `json:"tree"`
	Image        string            `json:"image"`         // hash of the loaded sections
	SameImageAs  *int              `json:"same_image_as"` // a lower prefix with the same image
	BuildSeconds float64           `json:"build_seconds"`
	Compiled     int               `json:"compiled"`
	Warnings     []qemu.Diagnostic `json:"warnings"`
	Kernels      []Prefix          `json:"kernels,omitempty"`      // the same of the plan's other kernels, in its order
	Kernel       string            `json:"kernel,omitempty"`       // the name of the plan's kernel
	NewWarnings  []qemu.Diagnostic `json:"new_warnings,omitempty"` // those that the prefix before did not have
	Checks       []Check           `json:"checks,omitempty"`       // builds, warnings, and those that the plan asks for
	Coverage     Coverage          `json:"coverage,omitempty"`
	Files        []qemu.FileUse    `json:"files,omitempty"` // that its last patch touches
}

// SubsetRow is a subset of the patches that was run, or is to be, beside the prefixes. Its Index goes on from the last
// prefix of the series; its cells name it by that.
type SubsetRow struct {
	Patches []int `json:"patches"` // numbers in the series, in the order they were applied
	Prefix
	Cells []Cell `json:"cells"` // in the order of Cases
	// What it does beside the base and beside the whole series. A case that is not listed is the same there, or not known.
	Base  []Comparison `json:"beside_base"`
	Whole []Comparison `json:"beside_series"`
}

// Name is "2,4-6".
func (r *SubsetRow) Name() string { return List(r.Patches) }

// Comparison is how a case does on one kernel beside another.
type Comparison struct {
	Case        string          `json:"case"`
	Effect      testplan.Effect `json:"effect"`
	Before      string          `json:"before"` // on the other: outcome and signature
	After       string          `json:"after"`
	Probability float64         `json:"probability"`
}

// FailsAs says whether p has no image for the reason that before, the prefix below it, has none: then its patch is not to blame.
func (p *Prefix) FailsAs(before *Prefix) bool {
	failed := p.Status == PrefixBuildFailed || p.Status == PrefixBootFailed
	return failed && p.Status == before.Status && lineNumber.ReplaceAllString(p.Detail, ":") == lineNumber.ReplaceAllString(before.Detail, ":")
}

var lineNumber = pattern.New(`:\d+:`)

var noWarnings = []qemu.Diagnostic{}

// CellState says how far a cell is.
type CellState string

// All states of a cell.
const (
	CellQueued  CellState = "queued"
	CellRunning CellState = "running"
	CellDone    CellState = "done"
	CellNone    CellState = "none" // its prefix has no image
	// The states of a cell whose runs say nothing of the kernel: no evidence, and no outcome.
	CellSkipped CellState = "skipped" // every run skipped itself
	CellAbsent  CellState = "absent"  // a subtest that no run has shown; the signature tells absent from not reached
)

// Cell is one (prefix, case): its runs and the verdict drawn from them.
type Cell struct {
	Prefix        int              `json:"prefix"`
	Case          string           `json:"case"`
	State         CellState        `json:"state"`
	Outcome       testplan.Outcome `json:"outcome"`    // of most runs; "" until one is done
	Signature     string           `json:"signature"`  // of the runs with that outcome
	Runs          int              `json:"runs"`       // that say something of the kernel
	Agree         int              `json:"agree"`      // runs with that outcome and signature
	Flaky         bool             `json:"flaky"`      // runs differ in outcome; a race may give one outcome several signatures
	Confidence    float64          `json:"confidence"` // 0..1
	InheritedFrom *int             `json:"inherited_from"`
	Wanted        int              `json:"wanted,omitempty"` // runs in all that the run that goes on still wants; 0: none
	Started       time.Time        `json:"started,omitzero"` // of the run that goes on, while State is running
	Log           string           `json:"-"`                // its console so far, relative to the workspace

	infra int // runs that failed in the lab since the last that did not
	blank int // runs without an outcome
}

// Totals counts what this invocation did, not what it found done.
type Totals struct {
	Builds  int     `json:"builds"`
	Boots   int     `json:"boots"`
	Runs    int     `json:"runs"`
	Seconds float64 `json:"seconds"`
}

// Add adds what another invocation did.
func (t *Totals) Add(o Totals) {
	t.Builds += o.Builds
	t.Boots += o.Boots
	t.Runs += o.Runs
	t.Seconds += o.Seconds
}

// Run is one stored run of a cell, for `log` and the TUI's cell view.
type Run struct {
	ID          int64              `json:"id"`
	Judgement   testplan.Judgement `json:"judgement"`
	Observation qemu.Observation   `json:"observation"`
	Command     string             `json:"command"` // how to do it by hand
	Disk        qemu.Filesystem    `json:"-"`       // what it ran on; without a Type there is none, or it is not known
}
