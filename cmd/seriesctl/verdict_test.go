package main

import (
	"errors"
	"testing"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/testplan"
)

// A base without a kernel is bad input and no patch's fault, and so is what fails as the base does; a patch that fails in another way
// is found.
func TestVerdictOf(t *testing.T) {
	const broken, moved, other = "build kernel: fs/a.c:3: no", "build kernel: fs/a.c:7: no", "build kernel: fs/b.c:3: no"
	ok := lab.Prefix{Status: lab.PrefixOK}
	fails := func(detail string) lab.Prefix { return lab.Prefix{Status: lab.PrefixBuildFailed, Detail: detail} }
	silent := lab.Prefix{Status: lab.PrefixBootFailed, Detail: "boot kernel: panic before the agent"}
	for name, tt := range map[string]struct {
		first    int // index of the first prefix
		prefixes []lab.Prefix
		code     int
		says     string
	}{
		"all well":                     {0, []lab.Prefix{ok, ok}, exitDone, ""},
		"a patch breaks the build":     {0, []lab.Prefix{ok, fails(broken), fails(broken)}, exitFound, ""},
		"a patch breaks the boot":      {0, []lab.Prefix{ok, silent}, exitFound, ""},
		"the base does not build":      {0, []lab.Prefix{fails(broken), fails(moved), fails(broken)}, exitUsage, "build base: fs/a.c:3: no"},
		"a patch mends the base":       {0, []lab.Prefix{fails(broken), fails(moved), ok}, exitUsage, "build base: fs/a.c:3: no"},
		"the base does not boot":       {0, []lab.Prefix{silent, silent}, exitUsage, "boot base: panic before the agent"},
		"a patch breaks a broken base": {0, []lab.Prefix{fails(broken), fails(other)}, exitFound, ""},
		"no base to compare with":      {3, []lab.Prefix{fails(broken)}, exitFound, ""},
	} {
		r := &lab.Result{Prefixes: tt.prefixes}
		for i := range r.Prefixes {
			r.Prefixes[i].Index = tt.first + i
		}
		err := verdictOf(r)
		if code, _ := classify(err); code != tt.code || tt.says != "" && err.Error() != tt.says {
			t.Errorf("%s: exit %d, %v", name, code, err)
		}
	}
	r := &lab.Result{Prefixes: []lab.Prefix{fails(broken)}, Attributions: []testplan.Attribution{{Effect: testplan.Regresses}}}
	if err := verdictOf(r); !errors.Is(err, errFound) {
		t.Errorf("a regression on a broken base: %v", err)
	}
	// One of several patches breaks a case: of those between not every prefix was run.
	among := testplan.Attribution{Case: "c", First: 1, Patch: 2, Effect: testplan.Undetermined, Kind: testplan.Regresses}
	r = &lab.Result{Prefixes: []lab.Prefix{ok}, Attributions: []testplan.Attribution{among}}
	if err := verdictOf(r); !errors.Is(err, errFound) {
		t.Errorf("a regression by one of two patches: %v", err)
	}
	r.Undecided = []lab.Undecided{{Case: "c"}}
	if err := verdictOf(r); err != nil {
		t.Errorf("a case that is undecided: %v", err)
	}
	r.Undecided, r.Attributions[0].Kind = nil, testplan.Fixes
	if err := verdictOf(r); err != nil {
		t.Errorf("a repair by one of two patches: %v", err)
	}
	// Of a plan's second kernel too.
	both := lab.Prefix{Status: lab.PrefixOK, Kernels: []lab.Prefix{fails(broken)}}
	if code, _ := classify(verdictOf(&lab.Result{Prefixes: []lab.Prefix{both}})); code != exitUsage {
		t.Errorf("the base as another kernel: exit %d", code)
	}
}
