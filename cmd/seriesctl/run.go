package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/report"
	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/internal/xec"
	"github.com/seriesctl/seriesctl/qemu"
	"github.com/seriesctl/seriesctl/series"
	"github.com/seriesctl/seriesctl/testplan"
)

// runFlags are the flags of run beside the source's.
type runFlags struct {
	prefixes  string
	subsets   []string
	cases     []string
	jobs      int
	runs      int
	more      int
	sure      float64
	accel     string
	noSandbox bool
}

func (r *runFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&r.prefixes, "prefixes", "", "only these prefixes, a `list` like 0,4-9")
	jobsFlag(fl, &r.jobs, "`number` of compiler processes at once; of virtual machines, which often wait, half as many more, but not more than free memory has room for")
	fl.IntVar(&r.runs, "runs", 0, "least `number` of runs of each cell (default: the plan's)")
	fl.Float64Var(&r.sure, "confidence", testplan.DefaultConfidence, "`probability` at which a change is put down to a patch, 0.5 to 0.9999")
	fl.StringVar(&r.accel, "accel", "auto", "`how` guests run: auto, kvm or tcg; auto takes KVM when a guest really boots with it")
	fl.BoolVar(&r.noSandbox, "no-sandbox", false, "build without bubblewrap: a patch's Makefile can then do what you can")
}

// jobsFlag adds --jobs, whose default is not the same everywhere: the help and the manual say what it is.
func jobsFlag(fl *pflag.FlagSet, jobs *int, usage string) {
	fl.IntVar(jobs, "jobs", runtime.NumCPU(), usage+" (default: one for each processor)")
	fl.Lookup("jobs").DefValue = "0" // that is, none to show
}

// check finds flags that make no sense, before anything is opened or locked.
func (r *runFlags) check(f *sourceFlags) error {
	switch {
	case r.jobs < 1:
		return &userError{"read --jobs: must be at least 1", ""}
	case r.runs < 0:
		return &userError{"read --runs: must be at least 1", ""}
	case r.more < 0:
		return &userError{"read --more: must be at least 1", ""}
	case !(r.sure >= 0.5 && r.sure <= 0.9999):
		return &userError{fmt.Sprintf("read --confidence: %v is not between 0.5 and 0.9999", r.sure), "like --confidence 0.95"}
	}
	if err := checkAccel(r.accel); err != nil {
		return err
	}
	return f.check()
}

func (a *app) runCommand() *cobra.Command {
	var f sourceFlags
	var r runFlags
	var drop string
	cmd := &cobra.Command{
		Use:         "run [SERIES]",
		Annotations: annotated(ofSeries, goesOn),
		Short:       "build and boot every prefix, run every case, say what each patch does",
		Long: `run fills the matrix: it applies the series, builds every prefix, boots each in a virtual machine and runs
every case of the plan on it, each from a fresh state. What does not fail every time is repeated until each
answer is as probable as --confidence wants. Every result is kept the moment it is known: interrupt it
at any time, the same command goes on where it was. Without --source it takes that of the last run, and of its other flags
those that are not given. With --more the
matrix that was asked for stays what it was, and the cells of --prefixes and --cases get further runs.

With --subset the base with exactly these patches, in the order of the series, becomes one more row below the prefixes, and only
that is built and run, beside the base and the whole series where they were not. The row stays, and a later run
fills it, too, until --drop-subset.`,
		Example: `  seriesctl run --source ~/linux --base v6.12
  seriesctl run --subset 2,4-6
  seriesctl run --drop-subset 2,4-6`,
		Args: takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, _ := seriesAnd(args, 0)
			if err := r.check(&f); err != nil {
				return err
			}
			if err := r.checkSubsets(&f); err != nil {
				return err
			}
			return a.with(name, func(st *store.Store, s *series.Series) error {
				if drop != "" {
					return a.dropSubset(st, s, drop)
				}
				return a.runMatrix(cmd.Context(), st, s, &f, &r)
			})
		},
	}
	f.add(cmd)
	r.add(cmd)
	cmd.Flags().StringArrayVar(&r.subsets, "subset", nil, "only a subset of the patches, as a row of its own: `2,4-6`; may be repeated")
	cmd.Flags().StringVar(&drop, "drop-subset", "", "forget the row of the subset `2,4-6`; nothing is run, its results stay")
	cmd.Flags().IntVar(&r.more, "more", 0, "only give each of these cells this `number` of further runs: --prefixes 4 --cases gfs2/read-self --more 1")
	cmd.Flags().StringSliceVar(&r.cases, "cases", nil, "only the cases that match a `glob`: 'gfs2/*'; may be repeated")
	return cmd
}

// spaceNeeded is the room that a kernel's source and object tree and its images take, in bytes.
const spaceNeeded = 4 << 30

func (a *app) runMatrix(ctx context.Context, st *store.Store, s *series.Series, f *sourceFlags, r *runFlags) error {
	return a.inLab(ctx, st, s, f, r, func(j *labJob) error {
		asked, strategy, err := j.ask(st, s.ID, r)
		if err != nil {
			return err
		}
		totals, err := j.run(ctx, strategy)
		if err != nil {
			return err
		}
		result, err := lab.Load(st, asked)
		if err != nil {
			return err
		}
		result.Totals = totals
		format := "text"
		if a.json {
			format = "json"
		}
		if err := report.Write(a.out, format, result, a.options(a.out)); err != nil {
			return err
		}
		if err := conflict(s, j.applied.patches, j.applied.variants); err != nil {
			return err
		}
		if len(r.subsets) > 0 {
			return verdictOfSubsets(result, j.subsets)
		}
		return verdictOf(result)
	})
}

// ask keeps what is asked for, and gives the matrix that then is to be shown and the strategy to fill it; nil is the matrix's own.
func (j *labJob) ask(st *store.Store, id string, r *runFlags) (asked *lab.Spec, strategy lab.Strategy, err error) {
	switch {
	case len(r.subsets) > 0:
		if asked, err = j.keepSubsets(st, id); err != nil {
			return nil, nil, err
		}
		beside := j.specs[0].Beside(j.subsets...)
		if r.more > 0 {
			return asked, &lab.Further{Runs: r.more, Subsets: beside.Rows}, nil
		}
		return asked, beside, nil
	case r.more > 0:
		asked, err = keepMatrix(st, id, j.specs[0])
		return asked, &lab.Further{Runs: r.more}, err
	}
	return j.specs[0], nil, st.PutMatrix(id, j.specs[0])
}

// keepMatrix is what the last run of a series asked for, or spec, which then is it from now on: what is done now is another
// question to the same runs.
func keepMatrix(st *store.Store, id string, spec *lab.Spec) (*lab.Spec, error) {
	var last lab.Spec
	err := st.Matrix(id, &last)
	if errors.Is(err, store.ErrNotFound) {
		return spec, st.PutMatrix(id, spec)
	}
	return &last, err
}

// labJob is a series on its base with all that running it takes.
type labJob struct {
	applied *applied
	subsets [][]int     // that are asked for
	specs   []*lab.Spec // of each of the plan's kernels; those behind the first are its More
	hosts   []*lab.Host // of each of specs
	store   *store.Store
	workers int // virtual machines at once
	idle    int // those kept beside them
	p       *report.Progress
}

// run does what the strategy asks for on each kernel in turn, shown on standard error; nil is the matrix.
func (j *labJob) run(ctx context.Context, strategy lab.Strategy) (lab.Totals, error) {
	var totals lab.Totals
	defer j.p.Close()
	for i, spec := range j.specs[1:] {
		j.p.Step(report.Step{What: "configuring " + spec.Kernel})
		if err := j.hosts[i+1].Configure(ctx); err != nil {
			return totals, err
		}
	}
	w := newWatcher(j.store, j.p, j.specs[0])
	defer w.close()
	for i, spec := range j.specs {
		of := "" // which kernel, where there are several
		if spec.Kernel != "" {
			of = spec.Kernel + ": "
		}
		j.hosts[i].Foresee = func(list []lab.Prefix) {
			for i := range list {
				list[i].Patch = spec.Patches[list[i].Index] // no subset is foreseen
			}
			for _, line := range report.Foreseen(list) {
				j.p.Finished(of + line)
			}
		}
		notify := func(ev lab.Event) {
			if ev.Case == "" {
				ev.Text = of + ev.Text
			}
			w.event(ev)
		}
		engine := &lab.Engine{Store: j.store, Spec: spec, Maker: j.hosts[i], Workers: j.workers, Idle: j.idle, Strategy: strategy, Notify: notify, Watch: w.status}
		w.over(engine)
		one, err := engine.Run(ctx)
		if err != nil {
			return totals, err
		}
		totals.Add(one.Totals)
	}
	return totals, nil
}

// image makes the image of a variant of the first kernel where it is missing.
func (j *labJob) image(ctx context.Context, v lab.Variant) error {
	w := newWatcher(j.store, j.p, j.specs[0])
	defer w.close()
	engine := &lab.Engine{Store: j.store, Spec: j.specs[0], Maker: j.hosts[0], Workers: 1, Notify: w.event, Watch: w.status}
	w.over(engine)
	return engine.Image(ctx, v)
}

// labMemory is what the memory of a run is kept below where that can be, in bytes: the rest is for the compiler and the machines.
const labMemory = 96 << 20

// inLab locks the workspace, prepares what the flags ask for and does it.
func (a *app) inLab(ctx context.Context, st *store.Store, s *series.Series, f *sourceFlags, r *runFlags, do func(*labJob) error) error {
	unlock, err := st.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(labMemory))
	p := a.progress()
	defer p.Close()
	j, err := a.prepare(ctx, st, s, f, r, p)
	if err != nil {
		return err
	}
	defer j.applied.close()
	if err := j.hosts[0].Clear(); err != nil {
		return err
	}
	return do(j)
}

// prepare applies the series and resolves what the flags ask for to a Spec for each of the plan's kernels. It needs no lock; its
// caller closes what was applied.
func (a *app) prepare(ctx context.Context, st *store.Store, s *series.Series, f *sourceFlags, r *runFlags, p *report.Progress) (j *labJob, err error) {
	plan, planName, err := a.planOf(st, s, f)
	if err != nil {
		return nil, err
	}
	if plan, err = plan.Select(r.cases); err != nil {
		return nil, err
	}
	for _, w := range plan.Warnings() {
		p.Finished("warning: " + w.String())
	}
	if r.runs > 0 {
		plan.Runs = r.runs
	}
	if err := preflight(st, plan, !r.noSandbox); err != nil {
		return nil, err
	}

	ap, err := f.apply(ctx, st, s, p)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			ap.close()
		}
	}()
	variants, err := chosen(ap, r.prefixes)
	if err != nil {
		return nil, err
	}
	subsets, err := a.readSubsets(st, s, r, ap.patches, p)
	if err != nil {
		return nil, err
	}
	more, err := ap.subsetVariants(ctx, st, subsets, p)
	if err != nil {
		return nil, err
	}
	variants = append(variants, more...)
	p.Step(report.Step{What: "compiling the reproducers"})
	host, err := lab.NewHost(ctx, st, ap.source, plan, r.jobs, !r.noSandbox)
	if err != nil {
		return nil, err
	}
	for _, line := range report.Warnings(host.Warnings) {
		p.Finished(line)
	}
	if err := host.Fstests(ctx, plan, steps(p)); err != nil {
		return nil, err
	}
	if err := ap.selftests(ctx, host, plan, p); err != nil {
		return nil, err
	}
	if host.Machine.Accel, err = accel(ctx, st, r.accel, p); err != nil {
		return nil, err
	}
	hosts := []*lab.Host{host}
	for i, k := range plan.Kernels {
		hosts = append(hosts, host.Beside(i+1, k))
	}
	asked := f.Asked
	if asked.Plan = planName; strings.ContainsAny(planName, "/.") {
		if asked.Plan, err = filepath.Abs(planName); err != nil {
			return nil, err
		}
	}
	specs, err := specsOf(ctx, hosts, plan, variants)
	if err != nil {
		return nil, err
	}
	for _, spec := range specs {
		spec.Series, spec.Subject = s.ID, s.Subject
		spec.Base = string(ap.variants[0].Commit)
		spec.Patches = []int{0}
		for _, patch := range ap.patches {
			spec.Patches = append(spec.Patches, patch.Index)
		}
		spec.Confidence = r.sure
		spec.Asked = asked
	}
	specs[0].More = specs[1:]
	workers := lab.Machines(r.jobs, plan.VM.MemoryMB)
	return &labJob{
		applied: ap, subsets: subsets, specs: specs, hosts: hosts, store: st, p: p,
		workers: workers, idle: lab.IdleMachines(len(variants), workers, plan.VM.MemoryMB),
	}, nil
}

// planOf is the plan that the flags mean, which with the source is that of the last run where none is named.
func (a *app) planOf(st *store.Store, s *series.Series, f *sourceFlags) (plan *testplan.Plan, name string, err error) {
	f.defaults(st, s)
	if a.plan == "" {
		a.plan = f.Plan
	}
	return a.loadPlan()
}

// steps shows what the lab prepares.
func steps(p *report.Progress) func(lab.Activity) {
	return func(a lab.Activity) {
		step := report.Step{What: a.Step, Stage: a.Step, Done: a.Done, Total: a.Total}
		if a.File != "" {
			step.What += ": " + a.File
		}
		p.Step(step)
	}
}

// selftests builds the self-tests that the plan's cases are of, and says what of them does not build here.
func (ap *applied) selftests(ctx context.Context, host *lab.Host, plan *testplan.Plan, p *report.Progress) error {
	trees := map[string]lab.Tree{"": {Source: ap.source, Hash: ap.variants[0].Tree}, testplan.SeriesTree: {Source: ap.source, Hash: lastTree(ap)}}
	for _, s := range plan.Selftests() {
		if _, ok := trees[s.Tree]; ok {
			continue
		}
		src, err := ap.repo.OpenSource(ctx, s.Tree, "", nil)
		if err != nil {
			return err
		}
		defer src.Close()
		_, hash := src.Base()
		trees[s.Tree] = lab.Tree{Source: src, Hash: hash}
	}
	notes, err := host.Selftests(ctx, plan, trees, steps(p))
	for _, line := range notes {
		p.Finished(line)
	}
	return err
}

// specsOf is what is asked of each of the plan's kernels. The checks of patches are asked of the first.
func specsOf(ctx context.Context, hosts []*lab.Host, plan *testplan.Plan, variants []lab.Variant) ([]*lab.Spec, error) {
	var specs []*lab.Spec
	for i, k := range plan.All() {
		own := plan.Of(k)
		if i > 0 {
			own.Checks = nil
		}
		spec, err := hosts[i].Spec(ctx, own, variants)
		if err != nil {
			return nil, err
		}
		specs = append(specs, spec)
	}
	return specs, nil
}

// chosen are the variants of --prefixes, all of them by default.
func chosen(ap *applied, prefixes string) ([]lab.Variant, error) {
	var all []lab.Variant
	for i, v := range ap.variants {
		one := lab.Variant{Variant: v}
		if i > 0 {
			one.Last, one.Files = ap.patches[i-1], ap.patches[i-1].Files
		}
		all = append(all, one)
	}
	if prefixes == "" {
		return all, nil
	}
	list, err := parseList("prefixes", prefixes, 0, len(all)-1)
	if err != nil {
		return nil, err
	}
	var out []lab.Variant
	last := -1
	for _, i := range list {
		if i <= last {
			return nil, &userError{fmt.Sprintf("read --prefixes: %d after %d: prefixes go up", i, last), ""}
		}
		last = i
		out = append(out, all[i])
	}
	return out, nil
}

// verdictOf ends a run: errFound when a patch takes the kernel away or breaks a case. That the base has no kernel is no patch's
// fault, and neither is a prefix that fails as the one before.
func verdictOf(r *lab.Result) error {
	for i := range r.Prefixes {
		for n, k := range kernelsOf(&r.Prefixes[i]) {
			switch {
			case k.Status == lab.PrefixConflict, k.Status == lab.PrefixBlocked:
				return errFound
			case k.Status != lab.PrefixBuildFailed && k.Status != lab.PrefixBootFailed:
			case k.Index == 0: // see baseHasNone
			case i == 0 || !k.FailsAs(kernelsOf(&r.Prefixes[i-1])[n]):
				return errFound
			}
		}
	}
	for _, at := range r.Attributions {
		if worsens(r, at) {
			return errFound
		}
	}
	if err := baseHasNone(r); err != nil {
		return err
	}
	for _, c := range r.Cells {
		if c.Outcome == testplan.Infra {
			return labFailed(c, fmt.Sprintf("prefix %d", c.Prefix))
		}
	}
	return nil
}

// worsens says whether a patch breaks a case, or one of a range does of which not every prefix was run.
func worsens(r *lab.Result, at testplan.Attribution) bool {
	effect := at.Effect
	undecided := slices.ContainsFunc(r.Undecided, func(u lab.Undecided) bool { return u.Case == at.Case })
	if effect == testplan.Undetermined && at.First < at.Patch && !undecided {
		effect = at.Kind
	}
	return effect == testplan.Regresses || effect == testplan.MoreOften
}

// baseHasNone is the error for a base that has no kernel: it is bad input.
func baseHasNone(r *lab.Result) error {
	if len(r.Prefixes) == 0 || r.Prefixes[0].Index != 0 {
		return nil
	}
	for _, k := range kernelsOf(&r.Prefixes[0]) {
		if k.Status == lab.PrefixBuildFailed || k.Status == lab.PrefixBootFailed {
			return &userError{strings.Replace(k.Detail, " kernel: ", " base: ", 1),
				"no patch is to blame; take another --base, add what it needs with --prerequisite, or change the plan's kernel"}
		}
	}
	return nil
}

// kernelsOf is a prefix as each of the plan's kernels.
func kernelsOf(p *lab.Prefix) []*lab.Prefix {
	all := []*lab.Prefix{p}
	for i := range p.Kernels {
		all = append(all, &p.Kernels[i])
	}
	return all
}

// labFailed is the error for a cell that the lab could not run, on a prefix or subset.
func labFailed(c lab.Cell, where string) error {
	return &qemu.InfraError{Op: fmt.Sprintf("run %s on %s", c.Case, where), Err: fmt.Errorf("%s", c.Signature)}
}

// need is a program that a run needs of the host, and Debian's package of it, where that is known.
type need struct{ program, pkg string }

// needs are those of a plan.
func needs(plan *testplan.Plan, sandbox bool) []need {
	out := []need{{"git", "git"}, {"gcc", "gcc"}, {"ld", "binutils"}, {"make", "make"}, {"flex", "flex"}, {"bison", "bison"},
		{"bc", "bc"}, {"qemu-system-x86_64", "qemu-system-x86"}}
	for _, fs := range plan.Filesystems {
		if len(fs.Mkfs) > 0 {
			out = append(out, need{fs.Mkfs[0], ""})
		}
	}
	for _, t := range plan.Tools() {
		out = append(out, need{t, ""})
	}
	if sandbox {
		out = append(out, need{"bwrap", "bubblewrap"})
	}
	return out
}

// preflight finds out before any work what would stop it later: a missing program, a full disk.
func preflight(st *store.Store, plan *testplan.Plan, sandbox bool) error {
	for _, n := range needs(plan, sandbox) {
		if _, err := xec.Find(n.program); err != nil {
			hint := "`seriesctl doctor` says which package has it"
			if n.pkg != "" {
				hint = fmt.Sprintf("install it (on Debian: apt-get install %s); `seriesctl doctor` checks everything", n.pkg)
			}
			if n.program == "bwrap" {
				hint += "; or --no-sandbox, if you trust the patches' makefiles"
			}
			return &qemu.InfraError{Op: "find " + n.program, Err: fmt.Errorf("not installed"), Hint: hint}
		}
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(st.Dir, &fs); err != nil {
		return fmt.Errorf("check free space of %s: %w", st.Dir, err)
	}
	if _, err := os.Stat(filepath.Join(st.Worker(0), "obj")); err == nil {
		return nil // the room is taken already
	}
	if free := int64(fs.Bavail) * fs.Bsize; free < spaceNeeded {
		return &qemu.InfraError{Op: "check free space of " + st.Dir, Err: fmt.Errorf("%.1f GiB free, a kernel's trees need about %d", float64(free)/(1<<30), spaceNeeded>>30),
			Hint: "free some, or put the workspace elsewhere with --workspace"}
	}
	return nil
}

// checkAccel finds a --accel that there is none of.
func checkAccel(asked string) error {
	switch asked {
	case "auto", string(qemu.KVM), string(qemu.TCG):
		return nil
	}
	return &userError{fmt.Sprintf("read --accel: %q is not known", asked), "one of auto, kvm, tcg"}
}

// accel decides between KVM and TCG. KVM is taken only when a guest really boots with it; the finding holds until
// the host is booted again.
func accel(ctx context.Context, st *store.Store, asked string, p *report.Progress) (qemu.Accel, error) {
	if asked == string(qemu.TCG) {
		return qemu.TCG, nil
	}
	why, err := kvmTrouble(ctx, st, p)
	switch {
	case err != nil:
		return "", err
	case why == "":
		return qemu.KVM, nil
	case asked == "kvm":
		return "", &qemu.InfraError{Op: "start with KVM", Err: fmt.Errorf("%s", why), Hint: "--accel tcg works without KVM"}
	}
	p.Finished("no KVM, using TCG: " + why)
	return qemu.TCG, nil
}

// kvmTrouble says why KVM can't be used, "" when it can.
func kvmTrouble(ctx context.Context, st *store.Store, p *report.Progress) (string, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("probe KVM: %w", err)
	}
	key := "kvm " + strings.TrimSpace(string(boot))
	if fact, err := st.Fact(key); err == nil {
		return fact, nil
	}
	p.Step(report.Step{What: "booting a canary with KVM"})
	ok, why := qemu.ProbeKVM(ctx)
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if ok {
		why = ""
	}
	return why, st.PutFact(key, why)
}
