package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/plain"
	"github.com/seriesctl/seriesctl/internal/report"
	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/internal/xec"
	"github.com/seriesctl/seriesctl/qemu"
	"github.com/seriesctl/seriesctl/series"
	"github.com/seriesctl/seriesctl/testplan"
)

// shellFlags are the flags of shell beside the source's.
type shellFlags struct {
	caseName  string
	console   bool
	gdb       string
	jobs      int
	accel     string
	noSandbox bool
}

func (a *app) shellCommand() *cobra.Command {
	var f sourceFlags
	var o shellFlags
	cmd := &cobra.Command{
		Use:         "shell [SERIES] PREFIX",
		Annotations: annotated(ofSeries, usesTerminal),
		Short:       "a shell in the virtual machine of a prefix",
		Long: `shell boots the kernel of a prefix and gives a shell in it, with the plan's file systems, fresh, under /fs, the
reproducers and this host's own tools in PATH. A kernel that is not there is built first. Nothing is kept; leave with exit or Ctrl-A x
(Ctrl-A twice sends one). When standard input is no terminal it is a script, and its exit status that of the command.`,
		Example: `  seriesctl shell 3
  seriesctl shell 3 --case gfs2/read-self
  echo 'read-self; dmesg | tail' | seriesctl shell 3
  seriesctl shell 3 --gdb=wait`,
		Args: takes(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, rest := seriesAnd(args, 1)
			at, err := readRow("shell", rest[0])
			if err != nil {
				return err
			}
			if err := checkAccel(o.accel); err != nil {
				return err
			}
			switch qemu.GDB(o.gdb) {
			case qemu.NoGDB, qemu.GDBRun, qemu.GDBWait:
			default:
				return &userError{fmt.Sprintf("read --gdb: %q is not known", o.gdb), "--gdb, or --gdb=wait to stop before the kernel's first instruction"}
			}
			if o.console && (!isTerminal(a.in) || !isTerminal(a.out)) {
				return &userError{"read --console: standard input or output is no terminal", "a script does without --console"}
			}
			return a.with(name, func(st *store.Store, s *series.Series) error {
				return a.shell(cmd.Context(), st, s, at, &f, &o)
			})
		},
	}
	f.add(cmd)
	fl := cmd.Flags()
	fl.StringVar(&o.caseName, "case", "", "run this `case`'s command first, in the background, in its file system; self-tests are built for it")
	fl.BoolVar(&o.console, "console", false, "attach to the serial console instead: all the kernel prints, from its first line")
	fl.StringVar(&o.gdb, "gdb", "", "let gdb attach, and print its command line; `wait` stops the kernel until then")
	fl.Lookup("gdb").NoOptDefVal = string(qemu.GDBRun)
	jobsFlag(fl, &o.jobs, "`number` of compiler processes at once")
	fl.StringVar(&o.accel, "accel", "auto", "`how` the guest runs: auto, kvm or tcg")
	fl.BoolVar(&o.noSandbox, "no-sandbox", false, "build without bubblewrap")
	return cmd
}

// errLeft is why a shell's context ended when the user left with Ctrl-A x.
var errLeft = errors.New("left")

// shell boots a prefix or subset for a person, or for a script on standard input.
func (a *app) shell(ctx context.Context, st *store.Store, s *series.Series, at lab.Variant, f *sourceFlags, o *shellFlags) (err error) {
	plan, _, err := a.planOf(st, s, f)
	if err != nil {
		return err
	}
	var first *testplan.Case
	if o.caseName != "" {
		if first, err = planCase(plan, o.caseName); err != nil {
			return err
		}
		if first.Kind == testplan.KindFstests {
			return &userError{"shell: a test of fstests needs its own system, which a shell has not", "`seriesctl run --cases " + first.Name + "` runs it, `seriesctl log` shows what it wrote"}
		}
	}
	p := a.progress()
	defer p.Close()
	host, key, err := a.shellImage(ctx, st, s, at, plan, f, o, p)
	if err != nil {
		return err
	}
	if first != nil && first.Selftests.Collection != "" {
		if err := shellSelftests(ctx, st, s, plan, first, f, host, p); err != nil {
			return err
		}
	}
	p.Step(report.Step{What: "booting"})
	p.Close()
	t, err := a.openTerminal()
	if err != nil {
		return err
	}
	return a.inShell(ctx, host, key, at.Name(), t, a.in, first, o)
}

// inShell boots the image of a prefix or subset, which where names, that is kept under key and serves stdin until the shell ends; t is restored then.
func (a *app) inShell(ctx context.Context, host *lab.Host, key, where string, t *terminal, stdin io.Reader, first *testplan.Case, o *shellFlags) (err error) {
	defer t.restore()
	sh, closeShell, err := host.Shell(key)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeShell()) }()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	sh.Stdin, sh.Stdout, sh.Stderr = stdin, a.out, a.err
	sh.Console, sh.GDB, sh.Term = o.console, qemu.GDB(o.gdb), os.Getenv("TERM")
	sh.Note = func(line string) { t.note(a.err, line) }
	if t.raw {
		sh.Rows, sh.Cols, sh.Resize = t.rows, t.cols, t.resize
		sh.Stdin = &leaveKeys{r: stdin, leave: func() { cancel(errLeft) }}
	}
	if first != nil {
		slices.SortStableFunc(sh.Machine.Filesystems, func(x, y qemu.Filesystem) int {
			return btoi(y.Name == first.Filesystem) - btoi(x.Name == first.Filesystem)
		})
		sh.Stdin = io.MultiReader(strings.NewReader(typed(first.Run.Argv, t.raw)), sh.Stdin)
	}
	if !a.quiet {
		for _, line := range welcome(where, sh, first, t.raw) {
			sh.Note(line)
		}
	}
	status, err := sh.Run(ctx)
	t.restore()
	var died *qemu.DiedError
	switch {
	case errors.Is(context.Cause(ctx), errLeft):
		fmt.Fprintln(a.err)
		return nil
	case errors.As(err, &died):
		if died.Crash != nil {
			fmt.Fprintln(a.err, plain.Text(died.Crash.Report))
		}
		return &foundError{err.Error(), "--console shows all that it prints, --gdb keeps it for a debugger"}
	case err != nil:
		return err
	case status != 0:
		return statusError(status)
	}
	return nil
}

// planCase finds a case by its name.
func planCase(plan *testplan.Plan, name string) (*testplan.Case, error) {
	var names []string
	for i, c := range plan.Cases {
		if c.Name == name {
			return &plan.Cases[i], nil
		}
		names = append(names, c.Name)
	}
	return nil, noCase(name, "plan", names)
}

// shellImage makes sure that a prefix or subset has an image; key is what it is kept under. What the last run knows of it is
// enough when the image is there; else the series is applied again and it is built.
func (a *app) shellImage(ctx context.Context, st *store.Store, s *series.Series, at lab.Variant, plan *testplan.Plan, f *sourceFlags, o *shellFlags,
	p *report.Progress) (host *lab.Host, key string, err error) {
	if f.Source == "" { // nor had the last run one
		return nil, "", &userError{fmt.Sprintf("shell: %s has no image: %s was not run yet", at.Name(), s.ID), fmt.Sprintf("`seriesctl run --%s --source DIR` makes it, or --source DIR here", rowFlag(at))}
	}
	if host, err = lab.NewHost(ctx, st, nil, plan, o.jobs, !o.noSandbox); err != nil {
		return nil, "", err
	}
	if host.Machine.Accel, err = accel(ctx, st, o.accel, p); err != nil {
		return nil, "", err
	}
	build := *plan
	build.Cases = nil // an image only
	var last lab.Spec
	if merr := st.Matrix(s.ID, &last); merr == nil && reflect.DeepEqual(f.Asked, last.Asked) {
		for _, v := range slices.Concat(last.Variants, last.Subsets) {
			if !sameRow(v, at) || v.Status != series.Applied {
				continue
			}
			spec, err := host.Spec(ctx, &build, []lab.Variant{v})
			if err != nil {
				return nil, "", err
			}
			if key := slices.Concat(spec.Variants, spec.Subsets)[0].Key; host.HasImage(key) {
				return host, key, nil
			}
		}
	}
	key, err = a.buildRow(ctx, st, s, at, &build, f, host, !o.noSandbox, p)
	return host, key, err
}

// buildRow applies s and builds one prefix or subset of it.
func (a *app) buildRow(ctx context.Context, st *store.Store, s *series.Series, at lab.Variant, plan *testplan.Plan, f *sourceFlags, host *lab.Host,
	sandbox bool, p *report.Progress) (string, error) {
	unlock, err := st.Lock()
	if err != nil {
		return "", err
	}
	defer unlock()
	if err := preflight(st, plan, sandbox); err != nil {
		return "", err
	}
	ap, err := f.apply(ctx, st, s, p)
	if err != nil {
		return "", err
	}
	defer ap.close()
	v := at
	switch {
	case at.Subset != nil:
		if v, err = ap.subsetVariant(ctx, at.Subset); err != nil {
			return "", err
		}
		if v.Status != series.Applied {
			return "", ap.doesNotApply(ctx, &v)
		}
	case at.Index >= len(ap.variants):
		return "", &userError{fmt.Sprintf("find %s: the series has none of that number", at.Name()), fmt.Sprintf("it has 0 to %d", len(ap.variants)-1)}
	default:
		v.Variant = ap.variants[at.Index]
	}
	if v.Status != series.Applied {
		if err := conflict(s, ap.patches, ap.variants); err != nil {
			return "", err
		}
		return "", &foundError{fmt.Sprintf("shell: %s: %s", at.Name(), v.Status), ""}
	}
	host.Source = ap.source
	spec, err := host.Spec(ctx, plan, []lab.Variant{v})
	if err != nil {
		return "", err
	}
	v = slices.Concat(spec.Variants, spec.Subsets)[0]
	spec.Series, spec.Subject = s.ID, s.Subject
	w := newWatcher(st, p, spec)
	defer w.close()
	engine := &lab.Engine{Store: st, Spec: spec, Maker: host, Workers: 1, Notify: w.event, Watch: w.status}
	w.over(engine)
	err = engine.Image(ctx, v)
	if failed := (*qemu.BuildError)(nil); errors.As(err, &failed) {
		return "", &foundError{fmt.Sprintf("shell: %s: %s", at.Name(), failed), "the whole output is in " + st.Rel(failed.Log) + " of the workspace"}
	}
	return v.Key, err
}

// shellSelftests puts the self-tests that a case is of into the guest, built now where they are not kept.
func shellSelftests(ctx context.Context, st *store.Store, s *series.Series, plan *testplan.Plan, of *testplan.Case, f *sourceFlags, host *lab.Host, p *report.Progress) error {
	ap, err := f.apply(ctx, st, s, p)
	if err != nil {
		return err
	}
	defer ap.close()
	only := *plan
	only.Cases = []testplan.Case{*of}
	return ap.selftests(ctx, host, &only, p)
}

// welcome says what is where. first is the case that the shell starts with, nil for none.
func welcome(where string, sh *qemu.Shell, first *testplan.Case, person bool) []string {
	var names, dirs []string
	for name := range sh.Machine.Programs {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, fs := range sh.Machine.Filesystems {
		dirs = append(dirs, "/fs/"+fs.Name)
	}
	lines := []string{fmt.Sprintf("%s on %s; file systems, fresh: %s (REPRO_DIR says where the reproducers work)", where, sh.Machine.Accel, strings.Join(dirs, ", "))}
	if len(names) > 0 {
		lines = append(lines, "reproducers in PATH: "+strings.Join(names, ", "))
	}
	if first != nil && first.Selftests.Collection != "" {
		dir := first.Selftests.Inside()
		lines = append(lines, fmt.Sprintf("self-tests in %s; one of them, here: sh %[1]s/%s %[1]s TEST", dir, qemu.SelftestRun))
	}
	if person {
		lines = append(lines, "leave with exit or Ctrl-A x; nothing is kept")
	}
	return lines
}

// typed is argv as one types it: in the background where a person waits for the prompt.
func typed(argv []string, person bool) string {
	var words []string
	for _, w := range argv {
		words = append(words, xec.Quote(w))
	}
	if person {
		words = append(words, "&")
	}
	return strings.Join(words, " ") + "\n"
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// terminal is the user's, in raw mode while a shell has it.
type terminal struct {
	raw        bool // standard input and output are a terminal
	fd         int
	state      *term.State
	rows, cols int
	resize     chan [2]int
	signals    chan os.Signal
}

// openTerminal puts the terminal into raw mode where there is one.
func (a *app) openTerminal() (*terminal, error) {
	t := &terminal{fd: int(a.in.Fd())}
	if !isTerminal(a.in) || !isTerminal(a.out) {
		return t, nil
	}
	var err error
	if t.cols, t.rows, err = term.GetSize(t.fd); err != nil || t.rows <= 0 || t.cols <= 0 {
		t.rows, t.cols = 24, 80
	}
	if t.state, err = term.MakeRaw(t.fd); err != nil {
		return nil, fmt.Errorf("open terminal: %w", err)
	}
	t.raw = true
	t.resize, t.signals = make(chan [2]int), make(chan os.Signal, 1)
	signal.Notify(t.signals, syscall.SIGWINCH)
	go func() {
		defer close(t.resize)
		for range t.signals {
			if cols, rows, err := term.GetSize(t.fd); err == nil {
				t.resize <- [2]int{rows, cols}
			}
		}
	}()
	return t, nil
}

// restore gives the terminal back as it was; it may be called twice.
func (t *terminal) restore() {
	if t.state == nil {
		return
	}
	_ = term.Restore(t.fd, t.state)
	t.state = nil
	signal.Stop(t.signals)
}

// note shows a line beside what the shell shows.
func (t *terminal) note(w io.Writer, line string) {
	end := "\n"
	if t.state != nil {
		end = "\r\n"
	}
	fmt.Fprint(w, "seriesctl: "+plain.Line(line)+end)
}

const (
	ctrlA    = 'a' & 0x1f
	leaveKey = 'x'
)

// leaveKeys passes on what is typed but for Ctrl-A and what follows it: x leaves, Ctrl-A sends one, anything else is sent with it.
type leaveKeys struct {
	r       io.Reader
	leave   func()
	pending bool // a Ctrl-A was typed
}

func (k *leaveKeys) Read(b []byte) (int, error) {
	if len(b) < 2 {
		return 0, io.ErrShortBuffer // one byte can become two
	}
	in := make([]byte, len(b)/2)
	n, err := k.r.Read(in)
	out := b[:0]
	for _, c := range in[:n] {
		switch {
		case k.pending && c == leaveKey:
			k.leave()
			return len(out), io.EOF
		case k.pending && c == ctrlA:
			out = append(out, ctrlA)
		case k.pending:
			out = append(out, ctrlA, c)
		case c != ctrlA:
			out = append(out, c)
		}
		k.pending = !k.pending && c == ctrlA
	}
	return len(out), err
}
