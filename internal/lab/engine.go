package lab

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/qemu"
	"github.com/seriesctl/seriesctl/testplan"
)

// Maker builds images and boots them: the real lab, or a scripted one in tests.
type Maker interface {
	// Build makes the image of a variant and returns what to store of it. A tree that does not build is a
	// *qemu.BuildError, and the Build names its log.
	Build(ctx context.Context, v Variant, progress func(Activity)) (store.Build, error)
	// HasImage says whether the image with that key can still be booted.
	HasImage(key string) bool
	// Boot boots the image built under key; began is told in which file, relative to the workspace, the console is written
	// meanwhile. An image that does not boot is a *qemu.BootError.
	Boot(ctx context.Context, key string, began func(log string)) (Machine, error)
	// Check does one check of a variant's last patch and returns all that it says. One that can't be done here is a
	// *qemu.NoCheckError.
	Check(ctx context.Context, v Variant, name string) ([]qemu.Diagnostic, error)
}

// Machine is a booted VM that runs cases, each from the same fresh state.
type Machine interface {
	// Run runs one case and keeps its console in a file of its choice, relative to the workspace: began is told which, and it
	// is named in the Observation.
	Run(ctx context.Context, c qemu.Case, began func(log string)) (qemu.Observation, error)
	Close() error
}

// infraTries is how often a cell is tried before the lab's trouble with it is left standing.
const infraTries = 3

// Engine fills the matrix of a Spec.
type Engine struct {
	Store    *store.Store
	Spec     *Spec
	Maker    Maker
	Workers  int          // VMs at once
	Idle     int          // VMs that stay booted beside them, for what else is wanted of their image
	Strategy Strategy     // what to ask for; nil is Matrix
	Notify   func(Event)  // what happened, in order; may be nil
	Watch    func(Status) // what is going on, on every change; may be nil

	mu     sync.Mutex
	status Status
	totals Totals
	failed error // the first error that ends the run

	slow      map[string]bool // what queues know of the cases
	unchecked map[string]bool // checks that can't be done here
	skips     skips
	machines  machines
}

// Event is one finished step.
type Event struct {
	Prefix int    // -1 for what the strategy has to say
	Case   string // "" for a build or a boot
	Text   string // "built in 12.3 s, 4 objects compiled"
	Bad    bool   // the step shows something wrong with the kernel
}

// job is one image and the cells wanted of it. When it is in a queue, that guards it.
type job struct {
	variant Variant
	image   string
	cells   []wanted // that nobody has begun
	workers int
	boots   bool // a machine of it has booted
}

// wanted is a cell that needs more runs.
type wanted struct {
	c    Case
	want int // runs in all
}

// Run gets what the strategy asks for of the Spec, without those of More, round by round, until it asks for nothing. What
// is in the store already is not done again. Then it does the checks. It returns ctx.Err() when interrupted, and the first
// *qemu.InfraError or *qemu.ConfigError that leaves nothing more to do.
func (e *Engine) Run(ctx context.Context) (_ *Result, err error) {
	start := time.Now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	e.machines.room, e.slow = e.Idle, map[string]bool{}
	defer func() { err = errors.Join(err, e.machines.close()) }()
	strategy := e.Strategy
	if strategy == nil {
		// Checks compare a prefix's objects with those of the prefix before.
		all := slices.ContainsFunc(e.Spec.Checks, func(name string) bool { return name != qemu.CheckPatch })
		strategy = Matrix{e.Spec.limits(), all}
		if n := len(e.Spec.Subsets); n > 0 {
			strategy = inTurn{strategy, e.Spec.Beside()}
		}
	}
	loader := NewLoader(e.Store, e.Spec)
	said := ""
	for {
		r, state, err := loader.load()
		if err != nil {
			return nil, err
		}
		e.forgive(state)
		wants, why := strategy.Next(state)
		if why != said {
			e.notify(Event{Prefix: -1, Text: why})
			said = why
		}
		if wants = e.notSkipped(state, wants); len(wants) == 0 {
			break
		}
		before := e.totals
		if err := e.round(ctx, cancel, e.jobs(r, state, wants)); err != nil {
			return nil, err
		}
		if e.totals == before && !e.wantsMore() {
			break // nothing that is wanted can be had
		}
	}
	for _, v := range e.Spec.Variants {
		if err := e.check(ctx, v); err != nil {
			return nil, err
		}
	}
	r, _, err := loader.load()
	if err != nil {
		return nil, err
	}
	e.totals.Seconds = time.Since(start).Seconds()
	r.Totals = e.totals
	return r, nil
}

// jobs groups what is wanted by variant, in the order of the variants: builds go from one to the next.
func (e *Engine) jobs(r *Result, state *State, wants []Want) []*job {
	cells := map[int][]wanted{}
	for _, w := range wants {
		want := wanted{e.caseOf(state, w), w.Runs + state.blank[w.CellID]}
		list := cells[w.Variant]
		if i := slices.IndexFunc(list, func(o wanted) bool { return o.c.Key == want.c.Key }); i >= 0 {
			list[i].want = max(list[i].want, want.want)
			continue
		}
		cells[w.Variant] = append(list, want)
	}
	var jobs []*job
	for _, i := range slices.Sorted(maps.Keys(cells)) {
		jobs = append(jobs, &job{variant: *e.Spec.row(i), image: r.rows()[i].Image, cells: cells[i]})
	}
	return jobs
}

// caseOf is the case that is run for a want: subtests share the runs of the case that they are in.
func (e *Engine) caseOf(s *State, w Want) Case {
	key := s.Cases[w.Case].Key
	return e.Spec.Cases[slices.IndexFunc(e.Spec.Cases, func(c Case) bool { return c.Key == key })]
}

// round builds what is not built, in the order given, while the workers run the cells of what is.
func (e *Engine) round(ctx context.Context, cancel context.CancelFunc, jobs []*job) error {
	e.plan(jobs)
	q, release := newQueue(ctx, e.slow)
	defer release()
	var wg sync.WaitGroup
	for range max(e.Workers, 1) {
		wg.Go(func() {
			for j := q.take(e.machines.has); j != nil; j = q.take(e.machines.has) {
				if err := e.test(ctx, q, j); err != nil {
					e.fail(err)
					cancel()
				}
				q.leave(j)
			}
		})
	}
	if err := e.supply(ctx, q, jobs); err != nil {
		e.fail(err)
		cancel()
	}
	e.activity(func(s *Status) { s.Build = nil })
	q.close()
	wg.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failed != nil {
		return e.failed
	}
	return ctx.Err()
}

// supply builds and checks what is not, one after the other, and queues each image once.
func (e *Engine) supply(ctx context.Context, q *queue, jobs []*job) error {
	seen := map[string]bool{}
	for _, j := range jobs {
		if ctx.Err() != nil {
			return nil
		}
		if err := e.build(ctx, j); err != nil {
			return err
		}
		if err := e.check(ctx, j.variant); err != nil {
			return err
		}
		switch {
		case len(j.cells) == 0:
		case seen[j.image]:
			e.drop(j.variant, j.cells) // the image's runs are this one's too
		default:
			seen[j.image] = true
			q.add(j)
		}
	}
	return nil
}

// fail keeps the first error; those that only follow from the cancellation come later.
func (e *Engine) fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failed == nil {
		e.failed = err
	}
}

// build makes j's image where there is none and stores how it ended. A tree that does not build leaves j without cells.
func (e *Engine) build(ctx context.Context, j *job) error {
	known := j.image != ""
	if known && e.Maker.HasImage(j.variant.Key) {
		return nil
	}
	started := time.Now()
	e.activity(func(s *Status) {
		s.Build = &Activity{Prefix: j.variant.Index, Kernel: e.Spec.Kernel, Step: "preparing", Started: started}
	})
	building, end := e.skippable(ctx, j.variant.Index, "")
	b, err := e.Maker.Build(building, j.variant, func(a Activity) {
		a.Prefix, a.Kernel, a.Started = j.variant.Index, e.Spec.Kernel, started
		e.activity(func(s *Status) { s.Build = &a })
	})
	given := building.Err() != nil
	end()
	if err != nil && ctx.Err() == nil && given {
		e.notify(Event{Prefix: j.variant.Index, Text: asAsked})
		e.drop(j.variant, j.cells)
		j.cells = nil
		return nil
	}
	var failed *qemu.BuildError
	if err != nil && !errors.As(err, &failed) {
		return err
	}
	e.mu.Lock()
	e.totals.Builds++
	e.mu.Unlock()
	if failed != nil {
		b.Detail = failed.Error()
	}
	if err := e.Store.PutBuild(j.variant.Key, b); err != nil {
		return err
	}
	switch {
	case failed != nil:
		e.notify(Event{Prefix: j.variant.Index, Text: b.Detail, Bad: true})
		e.drop(j.variant, j.cells)
		j.cells = nil
		return nil
	case known && b.Image != j.image:
		return &qemu.InfraError{Op: "build kernel", Err: fmt.Errorf("%s built again gave another image: the build is not reproducible", j.variant.Name())}
	}
	e.settle(Activity{Prefix: j.variant.Index})
	e.notify(Event{Prefix: j.variant.Index, Text: fmt.Sprintf("built in %.1f s, %d objects compiled", b.Seconds, b.Compiled)})
	j.image = b.Image
	return nil
}

// done counts the runs that the lab did not fail.
func done(runs []store.Run) int {
	n := 0
	for _, r := range runs {
		if r.Infra == "" {
			n++
		}
	}
	return n
}

// test runs j's cells that nobody else has begun on a machine of its image. Trouble of the lab with one cell is stored as
// such, and tried again from a new boot.
func (e *Engine) test(ctx context.Context, q *queue, j *job) (err error) {
	m := e.machines.take(j.image)
	defer func() {
		switch {
		case m == nil:
		case err != nil:
			err = errors.Join(err, m.Close())
		default:
			err = e.machines.keep(j.image, m)
		}
	}()
	for w, ok := q.cell(j); ok; w, ok = q.cell(j) {
		if m, err = e.cell(ctx, q, j, w, m); err != nil {
			return err
		}
	}
	return nil
}

// cell gets a cell of j its runs, storing each before anything is shown. It boots where m is nil, and returns the machine that can be
// used further, nil for none.
func (e *Engine) cell(ctx context.Context, q *queue, j *job, w wanted, m Machine) (Machine, error) {
	runs, err := e.Store.Runs(j.image, w.c.Key)
	if err != nil {
		return m, err
	}
	for have, infra := done(runs), 0; have < w.want && infra < infraTries; {
		if err := ctx.Err(); err != nil {
			return m, err
		}
		if e.skipped(j.variant.Index, w.c.Name) {
			break
		}
		if m == nil {
			m, err = e.boot(ctx, j)
			if err != nil {
				return nil, err
			}
			if m == nil { // the rest of the job can't be run either
				e.drop(j.variant, append(q.cut(j), w))
				return nil, nil
			}
			q.booted(j)
		}
		run := Activity{Prefix: j.variant.Index, Case: w.c.Name, Started: time.Now()}
		e.running(run, +1)
		running, end := e.skippable(ctx, run.Prefix, run.Case)
		o, err := m.Run(running, w.c.Run, func(log string) { run.Log = log; e.logs(run) })
		given := running.Err() != nil
		end()
		e.running(run, -1)
		var trouble *qemu.InfraError
		switch {
		case err != nil && ctx.Err() == nil && given:
			e.notify(Event{Prefix: run.Prefix, Case: run.Case, Text: asAsked})
			_ = m.Close()
			m = nil
		case err == nil:
			have++
			q.ran(w.c, o.Duration)
			if err := e.keep(j, w, o, ""); err != nil {
				return m, err
			}
		case ctx.Err() != nil:
			return m, ctx.Err()
		case errors.As(err, &trouble):
			if infra++; infra == infraTries {
				e.leave(run, trouble.Error())
			}
			if err := e.keep(j, w, qemu.Observation{}, trouble.Error()); err != nil {
				return m, err
			}
			_ = m.Close()
			m = nil
		default:
			return m, err
		}
	}
	e.done(j.variant.Index, w.c.Name)
	return m, nil
}

// boot boots j's image; (nil, nil) when it is the kernel that does not boot, which is stored. An image that ran a
// case before does boot: when it does not now, that is the lab's trouble.
func (e *Engine) boot(ctx context.Context, j *job) (Machine, error) {
	run := Activity{Prefix: j.variant.Index, Kernel: e.Spec.Kernel, Step: "booting", Started: time.Now()}
	e.running(run, +1)
	defer func() { e.running(run, -1) }()
	for try := 1; ; try++ {
		booting, end := e.skippable(ctx, j.variant.Index, "")
		m, err := e.Maker.Boot(booting, j.variant.Key, func(log string) { run.Log = log; e.logs(run) })
		given := booting.Err() != nil
		end()
		var kernel *qemu.BootError
		var trouble *qemu.InfraError
		switch {
		case err == nil:
			e.mu.Lock()
			e.totals.Boots++
			e.mu.Unlock()
			if slow, ok := m.(interface{ NoSnapshot() string }); ok && slow.NoSnapshot() != "" {
				e.notify(Event{Prefix: j.variant.Index, Text: "no snapshots, boots for each run: " + slow.NoSnapshot()})
			}
			return m, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case given:
			e.notify(Event{Prefix: j.variant.Index, Text: asAsked})
			return nil, nil
		case errors.As(err, &kernel):
			// Once may be bad luck of a loaded host.
			if try < 2 {
				continue
			}
			booted, err := e.Store.HasRuns(j.image)
			if err != nil {
				return nil, err
			}
			if booted {
				return nil, &qemu.InfraError{Op: fmt.Sprintf("boot %s again", j.variant.Name()), Err: kernel}
			}
			e.notify(Event{Prefix: j.variant.Index, Text: kernel.Error(), Bad: true})
			return nil, e.Store.PutBoot(bootKey(j.image, e.Spec.Machine), store.Boot{Detail: kernel.Error(), Log: e.Store.Rel(kernel.Log)})
		case errors.As(err, &trouble) && try < infraTries:
			continue
		default:
			return nil, err
		}
	}
}

// bootKey is what a boot depends on.
func bootKey(image, machine string) string { return image + "/" + machine }

// keep stores one run and tells of it.
func (e *Engine) keep(j *job, w wanted, o qemu.Observation, infra string) error {
	if _, err := e.Store.PutRun(j.image, w.c.Key, store.Run{Observation: o, Infra: infra}); err != nil {
		return err
	}
	if infra == "" {
		e.settle(Activity{Prefix: j.variant.Index, Case: w.c.Name})
	}
	e.mu.Lock()
	e.totals.Runs++
	e.mu.Unlock()
	judged := judge(w.c, newRecord(w.c, store.Run{Observation: o, Infra: infra}))
	text := string(judged.Outcome)
	switch {
	case judged.Outcome == testplan.None:
		text = judged.Signature
	case judged.Signature != "":
		text += " (" + judged.Signature + ")"
	}
	bad := judged.Outcome != testplan.Infra && judged.Outcome != testplan.None && !w.c.Expect.Met(judged)
	e.notify(Event{Prefix: j.variant.Index, Case: w.c.Name, Text: text, Bad: bad})
	return nil
}

func (e *Engine) notify(ev Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.Notify != nil {
		e.Notify(ev)
	}
}
