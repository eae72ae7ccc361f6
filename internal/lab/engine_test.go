package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/qemu"
	"github.com/seriesctl/seriesctl/series"
	"github.com/seriesctl/seriesctl/testplan"
)

// fakeLab is a Maker with scripted outcomes. Images are named by the key of their build.
type fakeLab struct {
	mu       sync.Mutex
	unbuilt  map[string]bool                           // keys that do not build
	unbooted map[string]bool                           // keys whose image does not boot
	image    map[string]string                         // key → image, the key itself when absent
	outcome  func(key, program string, nth int) string // "pass", "EFAULT", "hang", "infra", "exit 77", "says …"
	said     func(key, check string) []qemu.Diagnostic
	checks   []string
	builds   []string
	boots    []string
	runs     []string
	nth      map[string]int
	gone     map[string]bool // images whose file is lost
	onRun    func()
	closed   func(key string)                               // a machine was
	slow     string                                         // why its machines have no snapshots
	hold     func(ctx context.Context, key, program string) // called in a build (program "") or a run, without the lock
}

// wait is where a test holds a build or a run.
func (f *fakeLab) wait(ctx context.Context, key, program string) error {
	if f.hold == nil {
		return nil
	}
	f.hold(ctx, key, program)
	return ctx.Err()
}

func (f *fakeLab) Build(ctx context.Context, v Variant, progress func(Activity)) (store.Build, error) {
	f.mu.Lock()
	f.builds = append(f.builds, v.Key)
	f.mu.Unlock()
	if err := f.wait(ctx, v.Key, ""); err != nil {
		return store.Build{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	progress(Activity{Step: "compiling"})
	delete(f.gone, v.Key)
	if f.unbuilt[v.Key] {
		return store.Build{Log: "log"}, &qemu.BuildError{Log: "log", Diagnostics: []qemu.Diagnostic{{File: "a.c", Line: 3, Kind: "error", Text: "no"}}}
	}
	return store.Build{Image: f.imageOf(v.Key), Compiled: 1}, nil
}

func (f *fakeLab) Check(_ context.Context, v Variant, name string) ([]qemu.Diagnostic, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.checks = append(f.checks, v.Key+" "+name)
	if f.said == nil {
		return nil, &qemu.NoCheckError{Check: name, Reason: "not scripted"}
	}
	return f.said(v.Key, name), nil
}

func (f *fakeLab) imageOf(key string) string {
	if i, ok := f.image[key]; ok {
		return i
	}
	return key
}

func (f *fakeLab) HasImage(key string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Contains(f.builds, key) && !f.gone[key]
}

func (f *fakeLab) Boot(_ context.Context, key string, began func(string)) (Machine, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.boots = append(f.boots, key)
	began("boot of " + key)
	if f.unbooted[key] {
		return nil, &qemu.BootError{Reason: "panic before the agent"}
	}
	return &fakeVM{f, key}, nil
}

type fakeVM struct {
	f   *fakeLab
	key string
}

func (m *fakeVM) Close() error {
	m.f.mu.Lock()
	defer m.f.mu.Unlock()
	if m.f.closed != nil {
		m.f.closed(m.key)
	}
	return nil
}

func (m *fakeVM) NoSnapshot() string { return m.f.slow }

func (m *fakeVM) Run(ctx context.Context, c qemu.Case, began func(string)) (qemu.Observation, error) {
	f := m.f
	began("console of " + m.key + " " + c.Argv[0])
	if err := f.wait(ctx, m.key, c.Argv[0]); err != nil {
		return qemu.Observation{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.onRun != nil {
		f.onRun()
	}
	if ctx.Err() != nil {
		return qemu.Observation{}, ctx.Err()
	}
	id := f.imageOf(m.key) + " " + c.Argv[0]
	f.nth[id]++
	f.runs = append(f.runs, id)
	o := f.outcome(m.key, c.Argv[0], f.nth[id])
	if text, ok := strings.CutPrefix(o, "says "); ok {
		return qemu.Observation{Exited: true, Output: text}, nil
	}
	switch o {
	case "exit 77":
		return qemu.Observation{Exited: true, Status: 77}, nil
	case "pass":
		return qemu.Observation{Exited: true, Output: "result: pass\n"}, nil
	case "hang":
		return qemu.Observation{Duration: 2 * time.Second, Hang: &qemu.Hang{Tasks: []qemu.Stack{{State: "D", Frames: []string{"schedule+0x1/0x2", "gfs2_glock_wait+0x1/0x2"}}}}}, nil
	case "infra":
		return qemu.Observation{}, &qemu.InfraError{Op: "restore snapshot", Err: errors.New("qemu is gone")}
	default:
		return qemu.Observation{Exited: true, Status: 1, Output: "result: fail read " + o + "\n"}, nil
	}
}

// newFake makes a matrix of n prefixes and the cases named, with everything passing.
func newFake(t *testing.T, n int, cases ...string) (*Engine, *fakeLab) {
	t.Helper()
	st, err := store.Open(filepath.Join(t.TempDir(), "ws"), true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	f := &fakeLab{unbuilt: map[string]bool{}, unbooted: map[string]bool{}, image: map[string]string{}, nth: map[string]int{}, gone: map[string]bool{},
		outcome: func(string, string, int) string { return "pass" }}
	spec := &Spec{Series: "s", Accel: "tcg", Machine: "m", Runs: 1, Confirm: 2}
	for i := range n {
		spec.Patches = append(spec.Patches, i)
		spec.Variants = append(spec.Variants, Variant{Variant: series.Variant{Index: i, Status: series.Applied, Tree: series.Hash(fmt.Sprint("t", i))}, Key: fmt.Sprint("k", i)})
	}
	for _, c := range cases {
		spec.Cases = append(spec.Cases, Case{Case: testplan.Case{Name: c, Run: qemu.Case{Argv: []string{c}}}, Key: "cell " + c})
	}
	return &Engine{Store: st, Spec: spec, Maker: f, Workers: 2}, f
}

func outcomes(r *Result, c string) (all []testplan.Outcome) {
	for _, cell := range r.Cells {
		if cell.Case == c {
			all = append(all, cell.Outcome)
		}
	}
	return all
}

func mustRun(t *testing.T, e *Engine) *Result {
	t.Helper()
	r, err := e.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestMatrixIsFilledAndTheChangeConfirmed(t *testing.T) {
	e, f := newFake(t, 4, "read", "sanity")
	f.outcome = func(key, program string, _ int) string {
		if program == "read" && key < "k2" {
			return "EFAULT"
		}
		return "pass"
	}
	r := mustRun(t, e)
	if got := fmt.Sprint(outcomes(r, "read")); got != "[fail fail pass pass]" {
		t.Fatalf("got %s", got)
	}
	if len(r.Attributions) != 1 || r.Attributions[0].Patch != 2 || r.Attributions[0].Effect != testplan.Fixes {
		t.Fatalf("got %+v", r.Attributions)
	}
	// One run of each of the 8 cells, one more on each side of the change, and some as with four prefixes chance
	// is not out of the question yet.
	if len(f.builds) != 4 || len(f.runs) > 15 || r.Totals.Runs != len(f.runs) || f.nth["k1 read"] < 2 || f.nth["k2 read"] < 2 || f.nth["k1 sanity"] != 1 {
		t.Fatalf("builds %v runs %v totals %+v", f.builds, f.runs, r.Totals)
	}
}

func TestSecondRunDoesNothing(t *testing.T) {
	e, f := newFake(t, 3, "read")
	f.outcome = func(key, _ string, _ int) string { return map[bool]string{true: "hang", false: "pass"}[key == "k1"] }
	mustRun(t, e)
	again := &Engine{Store: e.Store, Spec: e.Spec, Maker: &fakeLab{nth: map[string]int{}}, Workers: 2}
	r := mustRun(t, again)
	if r.Totals.Builds+r.Totals.Boots+r.Totals.Runs != 0 || fmt.Sprint(outcomes(r, "read")) != "[pass deadlock pass]" {
		t.Fatalf("totals %+v outcomes %v", r.Totals, outcomes(r, "read"))
	}
}

func TestInterruptedRunResumes(t *testing.T) {
	e, f := newFake(t, 3, "a", "b", "c")
	ctx, cancel := context.WithCancel(context.Background())
	n := 0
	f.onRun = func() {
		if n++; n == 5 {
			cancel()
		}
	}
	if _, err := e.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	done := len(f.runs)
	f.onRun = nil
	second := &Engine{Store: e.Store, Spec: e.Spec, Maker: f, Workers: 1}
	r := mustRun(t, second)
	if done == 0 || len(f.runs) != 9 || r.Totals.Runs != 9-done {
		t.Fatalf("%d runs before, %d in all, totals %+v", done, len(f.runs), r.Totals)
	}
	slices.Sort(f.runs)
	if len(slices.Compact(slices.Clone(f.runs))) != 9 {
		t.Fatalf("a cell ran twice: %v", f.runs)
	}
}

func TestUnbuildableAndUnbootableAreStatesOfThePrefix(t *testing.T) {
	e, f := newFake(t, 4, "read")
	f.unbuilt["k1"] = true
	f.unbooted["k2"] = true
	r := mustRun(t, e)
	var got []PrefixStatus
	for _, p := range r.Prefixes {
		got = append(got, p.Status)
	}
	if fmt.Sprint(got) != "[ok build-failed boot-failed ok]" || r.Prefixes[1].Detail != "build kernel: a.c:3: no" {
		t.Fatalf("got %v %q", got, r.Prefixes[1].Detail)
	}
	if fmt.Sprint(outcomes(r, "read")) != "[pass   pass]" || r.Cells[1].State != CellNone {
		t.Fatalf("got %q", outcomes(r, "read"))
	}
	builds, boots := len(f.builds), len(f.boots)
	mustRun(t, &Engine{Store: e.Store, Spec: e.Spec, Maker: f, Workers: 1})
	if len(f.builds) != builds || len(f.boots) != boots {
		t.Fatal("failures that are known were tried again")
	}
}

func TestSameImageIsRunOnce(t *testing.T) {
	e, f := newFake(t, 3, "read")
	f.image["k1"] = "k0"
	r := mustRun(t, e)
	if f.nth["k0 read"] != 1 || len(f.runs) != 2 {
		t.Fatalf("runs %v", f.runs)
	}
	if p := r.Prefixes[1]; p.SameImageAs == nil || *p.SameImageAs != 0 || r.Cells[1].InheritedFrom == nil || r.Cells[1].Outcome != testplan.Pass {
		t.Fatalf("got %+v %+v", p, r.Cells[1])
	}
}

func TestTroubleOfTheLabIsNoVerdict(t *testing.T) {
	e, f := newFake(t, 3, "read")
	f.outcome = func(key, _ string, nth int) string {
		if key == "k1" || key == "k2" && nth == 1 {
			return "infra"
		}
		return "pass"
	}
	r := mustRun(t, e)
	if got := fmt.Sprint(outcomes(r, "read")); got != "[pass infra pass]" || len(r.Attributions) != 0 {
		t.Fatalf("got %s %+v", got, r.Attributions)
	}
	if f.nth["k1 read"] != infraTries || f.nth["k2 read"] != 2 {
		t.Fatalf("tries %v", f.nth)
	}
}

func TestLostImageIsBuiltAgainOnlyWhenNeeded(t *testing.T) {
	e, f := newFake(t, 2, "read")
	mustRun(t, e)
	f.gone["k0"], f.gone["k1"] = true, true
	mustRun(t, &Engine{Store: e.Store, Spec: e.Spec, Maker: f, Workers: 1})
	if len(f.builds) != 2 {
		t.Fatalf("built again for nothing: %v", f.builds)
	}
	e.Spec.Cases = append(e.Spec.Cases, Case{Case: testplan.Case{Name: "new", Run: qemu.Case{Argv: []string{"new"}}}, Key: "cell new"})
	r := mustRun(t, &Engine{Store: e.Store, Spec: e.Spec, Maker: f, Workers: 1})
	if len(f.builds) != 4 || fmt.Sprint(outcomes(r, "new")) != "[pass pass]" || r.Totals.Runs != 2 {
		t.Fatalf("builds %v outcomes %v totals %+v", f.builds, outcomes(r, "new"), r.Totals)
	}
}

func TestConflictsHaveNoImage(t *testing.T) {
	e, f := newFake(t, 3, "read")
	e.Spec.Variants[1].Status, e.Spec.Variants[1].Key = series.Conflict, ""
	e.Spec.Variants[2].Status, e.Spec.Variants[2].Key = series.Blocked, ""
	r := mustRun(t, e)
	if len(f.builds) != 1 || r.Prefixes[1].Status != PrefixConflict || r.Prefixes[2].Status != PrefixBlocked {
		t.Fatalf("builds %v prefixes %+v", f.builds, r.Prefixes)
	}
}

func TestImageThatRanIsNotPutDownAsUnbootable(t *testing.T) {
	e, f := newFake(t, 1, "read")
	mustRun(t, e)
	f.unbooted["k0"] = true
	e.Spec.Runs = 2
	_, err := (&Engine{Store: e.Store, Spec: e.Spec, Maker: f, Workers: 1}).Run(context.Background())
	var infra *qemu.InfraError
	if !errors.As(err, &infra) {
		t.Fatalf("got %v", err)
	}
	if r, err := Load(e.Store, e.Spec); err != nil || r.Prefixes[0].Status != PrefixOK || r.Cells[0].Outcome != testplan.Pass {
		t.Fatalf("got %+v %v", r, err)
	}
}

// With prefixes left out, a change is put down to the patches between two prefixes, not to the last of them.
func TestChangeBetweenChosenPrefixesIsARange(t *testing.T) {
	e, f := newFake(t, 5, "read")
	e.Spec.Variants = []Variant{e.Spec.Variants[0], e.Spec.Variants[4]}
	f.outcome = func(key, _ string, _ int) string { return map[bool]string{true: "EFAULT", false: "pass"}[key == "k0"] }
	r := mustRun(t, e)
	if len(r.Attributions) != 1 || r.Attributions[0].Effect != testplan.Undetermined || r.Attributions[0].First != 1 || r.Attributions[0].Patch != 4 {
		t.Fatalf("got %+v", r.Attributions)
	}
}

// With a subset of the patches, what a prefix does is put down to its patch's own number.
func TestSubsetKeepsThePatchesNumbers(t *testing.T) {
	e, f := newFake(t, 3, "read")
	e.Spec.Patches = []int{0, 3, 7}
	f.outcome = func(key, _ string, _ int) string { return map[bool]string{true: "pass", false: "EFAULT"}[key == "k2"] }
	r := mustRun(t, e)
	if len(r.Attributions) != 1 || r.Attributions[0].Effect != testplan.Fixes || r.Attributions[0].Patch != 7 {
		t.Fatalf("got %+v", r.Attributions)
	}
}

// One deadlock seen at two places of a race is still a deadlock every time; two outcomes are flaky.
func TestFlakyIsAboutOutcomes(t *testing.T) {
	e, f := newFake(t, 1, "race", "flake")
	e.Spec.Runs = 2
	f.outcome = func(_, program string, nth int) string {
		switch {
		case program == "race":
			return []string{"EFAULT", "EIO"}[nth%2]
		case nth == 1:
			return "pass"
		}
		return "EFAULT"
	}
	r := mustRun(t, e)
	if r.Cells[0].Flaky || r.Cells[0].Agree != 1 || !r.Cells[1].Flaky {
		t.Fatalf("got %+v", r.Cells)
	}
}

// A matrix of cases that always show what they show costs one run a cell and about three more a change, most of
// them where the change is next to an end: nothing else is repeated.
func TestDeterministicMatrixStaysCheap(t *testing.T) {
	var cases []string
	for i := range 30 {
		cases = append(cases, fmt.Sprint("case", i))
	}
	e, f := newFake(t, 10, cases...)
	f.outcome = func(key, program string, _ int) string {
		var prefix, c int
		_, _ = fmt.Sscanf(key+program, "k%dcase%d", &prefix, &c)
		switch { // 10 good, 5 bad, 15 with one change, at patches 1 to 9
		case c < 10 || c >= 15 && c < 24 && prefix >= c-14 || c >= 24 && prefix < c-20:
			return "pass"
		}
		return "EFAULT"
	}
	r := mustRun(t, e)
	changed := 0
	for _, a := range r.Attributions {
		if a.Effect == testplan.Undetermined {
			t.Errorf("got %+v", a)
		}
		changed++
	}
	if extra := r.Totals.Runs - 300; changed != 15 || extra > 50 || len(r.Undecided) != 0 {
		t.Errorf("%d changes with %d runs beyond one a cell, undecided %v", changed, extra, r.Undecided)
	}
}

// Two changes, one of them at the very end, on ten kernels and on the three that are left when the other patches
// change nothing in the image: both are named, and nothing is left to do.
func TestTwoChangesAreBothNamed(t *testing.T) {
	for _, kernels := range []int{10, 3} {
		e, f := newFake(t, 10, "read")
		for p := range 10 {
			if key := fmt.Sprint("k", p); kernels == 3 {
				f.image[key] = map[bool]string{true: "k0", false: "k4"}[p < 4]
				if p == 9 {
					f.image[key] = key
				}
			}
		}
		f.outcome = func(key, _ string, _ int) string {
			var prefix int
			_, _ = fmt.Sscanf(key, "k%d", &prefix)
			switch {
			case prefix < 4:
				return "hang"
			case prefix < 9:
				return "EFAULT"
			}
			return "pass"
		}
		effects := map[int]testplan.Effect{}
		for _, a := range mustRun(t, e).Attributions {
			effects[a.Patch] = a.Effect
		}
		if fmt.Sprint(effects) != "map[4:changes-symptom 9:fixes]" {
			t.Errorf("%d kernels: got %v", kernels, effects)
		}
		again := mustRun(t, &Engine{Store: e.Store, Spec: e.Spec, Maker: f, Workers: 1}).Totals
		if again.Builds+again.Boots+again.Runs != 0 {
			t.Errorf("%d kernels, again: %+v", kernels, again)
		}
	}
}

// Beyond buildAll patches a matrix builds what it needs; checks need what they compare.
func TestChecksHaveEveryPrefixBuilt(t *testing.T) {
	for check, all := range map[string]bool{"": false, qemu.CheckPatch: false, qemu.CheckW1: true} {
		e, f := newFake(t, buildAll+4, "read")
		if check != "" {
			e.Spec.Checks = []string{check}
		}
		mustRun(t, e)
		if got := len(f.builds) == buildAll+4; got != all {
			t.Errorf("%q: %d builds", check, len(f.builds))
		}
	}
}

// A run says which cells it still wants, and has done with them all at its end: also with those of a prefix that does not build, of
// one that does not boot, and of one with the image of another.
func TestStatusNamesWhatIsWanted(t *testing.T) {
	e, f := newFake(t, 5, "a", "b")
	f.unbuilt["k2"], f.unbooted["k3"] = true, true
	f.image["k4"] = "k1"
	e.Workers = 1
	var first, last Status
	most := 0
	e.Watch = func(s Status) {
		if len(s.Wanted) > len(first.Wanted) {
			first = s
		}
		if left := s.CellsTotal - s.CellsDone; left != len(s.Wanted) {
			t.Errorf("%d of %d cells are done, and %d are wanted: %v", s.CellsDone, s.CellsTotal, len(s.Wanted), s.Wanted)
		}
		most = max(most, s.CellsTotal)
		last = s
	}
	if _, err := e.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if most != 10 || first.Wanted[0] != (Wanted{0, "a", 1}) || first.Wanted[9] != (Wanted{4, "b", 1}) {
		t.Errorf("%d cells; wanted at first: %v", most, first.Wanted)
	}
	if len(last.Wanted) != 0 {
		t.Errorf("still wanted: %v", last.Wanted)
	}
}

func TestOverlay(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := &Result{Prefixes: []Prefix{{Index: 0, Status: PrefixOK}, {Index: 1, Status: PrefixPending}},
		Cells: []Cell{{Prefix: 0, Case: "a", State: CellDone, Runs: 2}, {Prefix: 0, Case: "b", State: CellQueued}, {Prefix: 1, Case: "a", State: CellQueued}, {Prefix: 1, Case: "b", State: CellQueued}}}
	Overlay(r, Status{Build: &Activity{Prefix: 1}, Running: []Activity{{Prefix: 0, Case: "b", Started: start}, {Prefix: 7, Case: "b"}},
		Wanted: []Wanted{{0, "a", 5}, {0, "b", 1}, {1, "a", 1}, {9, "z", 1}}})
	want := []Cell{{Prefix: 0, Case: "a", State: CellDone, Runs: 2, Wanted: 5}, {Prefix: 0, Case: "b", State: CellRunning, Wanted: 1, Started: start},
		{Prefix: 1, Case: "a", State: CellQueued, Wanted: 1}, {Prefix: 1, Case: "b", State: CellQueued}}
	if !reflect.DeepEqual(r.Cells, want) || r.Prefixes[1].Status != PrefixBuilding {
		t.Errorf("got %+v\n%+v", r.Cells, r.Prefixes)
	}
}

// A disk that is full when a run is to be stored ends the command as such; what was stored before is there, nothing half, and with
// room again the rest is run.
func TestFullDiskInTheMiddle(t *testing.T) {
	e, f := newFake(t, 3, "a", "b", "c", "d")
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("a small file system needs root: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	st, err := store.Open(filepath.Join(dir, "ws"), true)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	e.Store = st
	fill := filepath.Join(dir, "fill")
	f.onRun = func() {
		if len(f.runs) == 4 {
			_ = exec.Command("dd", "if=/dev/zero", "of="+fill, "bs=4k").Run()
		}
	}
	_, err = e.Run(context.Background())
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("got %v", err)
	}
	t.Log(err)
	stored := 0
	count := func() (n int) {
		for _, v := range e.Spec.Variants {
			for _, c := range e.Spec.Cases {
				runs, err := st.Runs(v.Key, c.Key)
				if err != nil {
					t.Fatal(err)
				}
				n += len(runs)
			}
		}
		return n
	}
	if stored = count(); stored < 1 || stored > len(f.runs) {
		t.Errorf("%d runs stored of %d", stored, len(f.runs))
	}
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	f.onRun, f.runs = nil, nil
	again := &Engine{Store: st, Spec: e.Spec, Maker: f, Workers: 2}
	mustRun(t, again)
	if got := count(); got != stored+len(f.runs) || got < 12 {
		t.Errorf("%d runs stored, %d before the disk was full and %d after", got, stored, len(f.runs))
	}
}

// Where machines can't be put back, it goes on, and it is said.
func TestMachinesWithoutSnapshots(t *testing.T) {
	e, f := newFake(t, 1, "a", "b")
	f.slow = "the drive does not support snapshots"
	var said []string
	e.Notify = func(ev Event) { said = append(said, ev.Text) }
	r := mustRun(t, e)
	if !slices.Contains(said, "no snapshots, boots for each run: "+f.slow) || !slices.Equal(outcomes(r, "b"), []testplan.Outcome{testplan.Pass}) {
		t.Errorf("said %q", said)
	}
}

func TestFurtherRunsOfChosenCells(t *testing.T) {
	e, f := newFake(t, 3, "a", "b")
	mustRun(t, e)
	before := map[string]int{}
	for k, n := range f.nth {
		before[k] = n
	}
	spec := *e.Spec
	spec.Variants, spec.Cases = spec.Variants[1:2], spec.Cases[:1]
	again := &Engine{Store: e.Store, Spec: &spec, Maker: f, Workers: 1, Strategy: &Further{Runs: 2}}
	mustRun(t, again)
	for k, n := range f.nth {
		want := before[k]
		if k == "k1 a" {
			want += 2
		}
		if n != want {
			t.Errorf("%s: %d runs, want %d", k, n, want)
		}
	}
	// What the lab cannot run ends, too.
	f.outcome = func(string, string, int) string { return "infra" }
	mustRun(t, &Engine{Store: e.Store, Spec: &spec, Maker: f, Workers: 1, Strategy: &Further{Runs: 1}})
}

// A cell that is given up is stopped, and not asked for again; the others are run as if it was not there.
func TestSkippedCell(t *testing.T) {
	e, f := newFake(t, 2, "a", "slow", "z")
	e.Workers = 1
	stopped := false
	f.hold = func(ctx context.Context, key, program string) {
		if key == "k1" && program == "slow" {
			e.Skip(Activity{Prefix: 1, Case: "slow"})
			<-ctx.Done()
			stopped = true
		}
	}
	r := mustRun(t, e)
	if got := fmt.Sprint(outcomes(r, "a"), outcomes(r, "slow"), outcomes(r, "z")); got != "[pass pass] [pass ] [pass pass]" || !stopped {
		t.Errorf("got %s, stopped: %v", got, stopped)
	}
	f.hold = nil
	r = mustRun(t, &Engine{Store: e.Store, Spec: e.Spec, Maker: f, Workers: 1})
	if got := fmt.Sprint(outcomes(r, "slow")); got != "[pass pass]" {
		t.Errorf("the next run has %s", got)
	}
}

// A prefix that is given up while it is built has no results and is no failure; those behind it are built.
func TestSkippedPrefix(t *testing.T) {
	e, f := newFake(t, 3, "a")
	f.hold = func(ctx context.Context, key, program string) {
		if key == "k1" && program == "" {
			e.Skip(Activity{Prefix: 1, Step: "compiling"})
			<-ctx.Done()
		}
	}
	r := mustRun(t, e)
	if got := fmt.Sprint(outcomes(r, "a")); got != "[pass  pass]" || r.Prefixes[1].Status != PrefixPending {
		t.Errorf("got %s, prefix 1 is %s", got, r.Prefixes[1].Status)
	}
	if len(f.builds) != 3 {
		t.Errorf("built %v", f.builds)
	}
}

// What was given up can be asked for again while the run goes on, at once or later; until then it is told of, with its console.
func TestRetriedCell(t *testing.T) {
	for _, later := range []bool{false, true} {
		e, f := newFake(t, 2, "a", "slow", "z")
		e.Workers = 1
		var left []Left
		e.Watch = func(s Status) { left = s.Left }
		slow := Activity{Prefix: 1, Case: "slow"}
		tries := 0
		f.hold = func(ctx context.Context, key, program string) {
			switch {
			case key == "k1" && program == "slow":
				if tries++; tries > 1 {
					return
				}
				e.Skip(slow)
				if len(left) != 1 || left[0].Why != asAsked || left[0].Log != "console of k1 slow" {
					t.Errorf("left %+v", left)
				}
				if !later {
					e.Retry(slow)
				}
				<-ctx.Done()
			case key == "k1" && program == "z" && later:
				e.Retry(slow)
			}
		}
		r := mustRun(t, e)
		if got := fmt.Sprint(outcomes(r, "slow")); got != "[pass pass]" || tries != 2 || len(left) != 0 {
			t.Errorf("later: %v: got %s in %d tries, left %v", later, got, tries, left)
		}
	}
}

// What the lab fails to run is left, with why; it is tried again when that is asked for, by the same run or by another.
func TestRetriedAfterTrouble(t *testing.T) {
	e, f := newFake(t, 1, "a")
	var left []Left
	e.Watch = func(s Status) { left = s.Left }
	ran, good := 0, f.outcome
	f.outcome = func(string, string, int) string { ran++; return "infra" }
	mustRun(t, e)
	if ran != infraTries || len(left) != 1 || !strings.Contains(left[0].Why, "qemu is gone") || left[0].Log != "console of k0 a" || left[0].Series != e.Spec.Series {
		t.Fatalf("ran %d, left %+v", ran, left)
	}
	mustRun(t, e)
	if ran != infraTries {
		t.Errorf("it is tried again unasked: %d", ran)
	}
	e.Retry(Activity{Prefix: 0, Case: "a"})
	mustRun(t, e)
	if ran != 2*infraTries || len(left) != 1 {
		t.Errorf("ran %d, left %v", ran, left)
	}
	f.outcome = good
	other := &Engine{Store: e.Store, Spec: e.Spec, Maker: f, Workers: 1, Strategy: &Further{Runs: 1}, Watch: e.Watch}
	other.Inherit(left)
	if r := mustRun(t, other); fmt.Sprint(outcomes(r, "a")) != "[pass]" || len(left) != 0 {
		t.Errorf("got %v, left %v", outcomes(r, "a"), left)
	}
}

// A run says where its consoles are while they are written.
func TestConsoleOfWhatRuns(t *testing.T) {
	e, f := newFake(t, 1, "a")
	var logs []string
	e.Watch = func(s Status) {
		for _, a := range s.Running {
			if n := len(logs); a.Log != "" && (n == 0 || logs[n-1] != a.Log) {
				logs = append(logs, a.Log)
			}
		}
	}
	f.hold = func(context.Context, string, string) {}
	mustRun(t, e)
	if got := fmt.Sprint(logs); got != "[boot of k0 console of k0 a]" {
		t.Errorf("got %s", got)
	}
}

func TestRequests(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "requests")
	if got := TakeRequests(dir); got != nil {
		t.Errorf("got %v", got)
	}
	left := Left{Activity: Activity{Prefix: 3, Case: "gfs2/a"}, Series: "s-v1"}
	for _, r := range []Request{{AskSkip, left}, {AskRetry, Left{Activity: Activity{Prefix: 4, Kernel: "debug"}}}, {AskDismiss, left}} {
		if err := PutRequest(dir, r); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "0.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	got := TakeRequests(dir)
	if len(got) != 3 || got[0].What != AskSkip || !got[0].Same(left) || got[1].What != AskRetry || got[1].Kernel != "debug" || got[2].What != AskDismiss {
		t.Errorf("got %+v", got)
	}
	if got := TakeRequests(dir); got != nil {
		t.Errorf("they are still there: %v", got)
	}
}
