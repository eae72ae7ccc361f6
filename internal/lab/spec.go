package lab

import (
	"fmt"

	"github.com/seriesctl/seriesctl/qemu"
	"github.com/seriesctl/seriesctl/series"
	"github.com/seriesctl/seriesctl/testplan"
)

// Spec is what a run was asked for, resolved to content keys: with the store's results it gives the matrix
// again, without the source, the compiler or QEMU. It is stored per series.
type Spec struct {
	Series   string    `json:"series"`
	Subject  string    `json:"subject"`
	Base     string    `json:"base"`
	Config   string    `json:"config"`
	Accel    string    `json:"accel"`
	Machine  string    `json:"machine"`           // key of the VM settings
	Variants []Variant `json:"variants"`          // the prefixes
	Subsets  []Variant `json:"subsets,omitempty"` // that were run, too: their Index goes on from the last prefix of the series
	Patches  []int     `json:"patches"`           // by prefix, of all prefixes: the number in the series of its last patch; 0 for the base
	Cases    []Case    `json:"cases"`
	Checks   []string  `json:"checks,omitempty"` // names, in the order to show them
	Kernel   string    `json:"kernel,omitempty"` // the name of the plan's kernel
	More     []*Spec   `json:"more,omitempty"`   // the same of the plan's other kernels
	Runs     int       `json:"runs"`             // least runs of a cell
	Confirm  int       `json:"confirm"`          // runs of the cells on both sides of a change
	// Confidence is the least probability at which a change is put down to a patch, 0 for the default.
	Confidence float64 `json:"confidence,omitempty"`
	Asked      Asked   `json:"asked"`
}

// Asked are the flags that led to a Spec, with absolute paths: the defaults of the next command.
type Asked struct {
	Source        string   `json:"source,omitempty"`
	Base          string   `json:"base,omitempty"`
	Prerequisites []string `json:"prerequisites,omitempty"`
	Resolutions   string   `json:"resolutions,omitempty"`
	Patches       string   `json:"patches,omitempty"`
	Fuzz          int      `json:"fuzz,omitempty"`
	ThreeWay      bool     `json:"3way,omitempty"`
	Plan          string   `json:"plan,omitempty"`
}

// Variant is one line of the matrix: a tree and the key of its image.
type Variant struct {
	series.Variant
	// Subset are the numbers of its patches when it is no prefix, in the order they were applied.
	Subset []int `json:"subset,omitempty"`

	Key   string   `json:"key,omitempty"`   // of its build; "" without a tree
	Files []string `json:"files,omitempty"` // that its last patch touches; all those of a subset

	// Checks are the keys of what the checks of its last patch found, by the check's name.
	Checks map[string]string `json:"checks,omitempty"`
	// Last is its last patch, nil for the base. It is there while a run prepares its Spec only.
	Last *series.Patch `json:"-"`
}

// Name is "prefix 3" or "subset 2,4-6".
func (v *Variant) Name() string {
	if v.Subset != nil {
		return "subset " + List(v.Subset)
	}
	return fmt.Sprintf("prefix %d", v.Index)
}

// row is a variant by its place: the prefixes, then the subsets.
func (s *Spec) row(i int) *Variant {
	if i < len(s.Variants) {
		return &s.Variants[i]
	}
	return &s.Subsets[i-len(s.Variants)]
}

// rows is how many variants there are.
func (s *Spec) rows() int { return len(s.Variants) + len(s.Subsets) }

// patch is the number in the series of a variant's last patch, 0 for the base.
func (s *Spec) patch(v *Variant) int {
	if n := len(v.Subset); n > 0 {
		return v.Subset[n-1]
	}
	return s.Patches[v.Index]
}

// subset is the name of the subset that has an index, "" where that is a prefix's.
func (s *Spec) subset(index int) string {
	for _, v := range s.Subsets {
		if v.Index == index {
			return List(v.Subset)
		}
	}
	return ""
}

// Where is "prefix 3" or "subset 2,4-6", of the variant that has an index.
func (s *Spec) Where(index int) string {
	a := Activity{Prefix: index, Subset: s.subset(index)}
	return a.Where()
}

// Case is a case and the key of its cells, which holds everything but the image.
type Case struct {
	testplan.Case
	Key     string          `json:"key"`
	Command string          `json:"command,omitempty"` // what it runs
	Disk    qemu.Filesystem `json:"disk,omitzero"`     // its file system
}

// The runs of a case are bounded: of one that is declared to be flaky, and of the one that is bisected, to mostRuns for each
// of its kernels, on average; of another to mostExtra beyond the least, as a matrix has many that nobody expects
// to be flaky and a run may take until its timeout.
const (
	mostRuns  = 60
	mostExtra = 60
)

// limits are those of the strategies.
func (s *Spec) limits() Limits {
	l := Limits{Confidence: s.Confidence, Runs: s.Runs, Confirm: s.Confirm, Most: max(mostRuns, s.Runs), Extra: mostExtra}
	if l.Confidence == 0 {
		l.Confidence = testplan.DefaultConfidence
	}
	return l
}
