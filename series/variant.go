package series

import "fmt"

// Hash is a git object id in hexadecimal.
type Hash string

// How says how a patch went on.
type How string

// All ways a patch can go on.
const (
	Exact        How = "exact"      // every hunk at the line it names
	Offset       How = "offset"     // a hunk elsewhere, its context exact
	Fuzz         How = "fuzz"       // a hunk with less context than it has; only when asked for
	ThreeWay     How = "3way"       // by a three-way merge; only when asked for
	ByResolution How = "resolution" // by a resolution made by hand
)

// Status of a variant.
type Status string

// All states of a variant's tree.
const (
	Applied  Status = "applied"
	Conflict Status = "conflict" // its last patch does not apply
	Blocked  Status = "blocked"  // a patch before does not apply
)

// Variant is base + prerequisites + an ordered subset of a series' patches. In a run of prefixes, variant k
// holds patches 1..k and variant 0 is the base with its prerequisites.
type Variant struct {
	Index     int              `json:"index"`
	Subject   string           `json:"subject,omitempty"` // of its last patch; "" for the base
	Status    Status           `json:"status"`
	How       How              `json:"how,omitempty"` // of its last patch
	Commit    Hash             `json:"commit,omitempty"`
	Tree      Hash             `json:"tree,omitempty"`
	Conflicts []ConflictedHunk `json:"conflicts,omitempty"`
}

// ConflictedHunk is one place where a patch does not apply.
type ConflictedHunk struct {
	File   string `json:"file"`
	Hunk   int    `json:"hunk"` // from 1, in the file's diff; 0 when it is the file as a whole
	Line   int    `json:"line"` // where the hunk expects to go, 1-based, in the old file; 0 for the whole file
	Reason string `json:"reason"`
}

func (c ConflictedHunk) String() string {
	if c.Hunk == 0 {
		return fmt.Sprintf("%s: %s", c.File, c.Reason)
	}
	return fmt.Sprintf("%s: hunk %d at line %d: %s", c.File, c.Hunk, c.Line, c.Reason)
}
