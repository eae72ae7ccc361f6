package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/seriesctl/seriesctl/internal/report"
	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/series"
	"github.com/seriesctl/seriesctl/testplan"
)

// app is what every command shares: the global flags and the streams.
type app struct {
	in       *os.File
	out, err io.Writer

	workspace string
	series    string // for commands that name none; "" is the current one
	plan      string
	json      bool
	quiet     bool
	color     string
	ascii     bool
}

const workspaceName = ".seriesctl"

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "seriesctl",
		Short: "what does each patch of a kernel series do?",
		Long: `seriesctl takes a patch series from mail, applies and builds every prefix of it, boots each in a
virtual machine, runs reproducers there, and says which patch fixes which case and which breaks one.

On a terminal, without a command, it opens the matrix of the workspace.`,
		Example: `  seriesctl load thread.mbox
  seriesctl apply --source ~/linux --base v6.12
  seriesctl run --source ~/linux --base v6.12
  seriesctl`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          known,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !isTerminal(a.out) || !isTerminal(a.in) {
				return cmd.Help()
			}
			return a.runTUI(cmd.Context())
		},
		PersistentPreRunE: func(*cobra.Command, []string) error {
			switch a.color {
			case "auto", "always", "never":
				return nil
			}
			return &userError{fmt.Sprintf("read --color: %q is not known", a.color), "one of auto, always, never"}
		},
	}
	f := root.PersistentFlags()
	f.StringVar(&a.workspace, "workspace", "", "`dir`ectory of the workspace (default: .seriesctl here, or the nearest one above)")
	f.StringVar(&a.series, "series", "", "the `series` that a command takes which names none (default: the one loaded last)")
	f.StringVar(&a.plan, "plan", "", "plan `file`, or the name of an embedded plan (default: testplan.yaml here, else mmap-deadlock)")
	f.BoolVar(&a.json, "json", false, "the result as one JSON document on stdout")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "no progress")
	f.StringVar(&a.color, "color", "auto", "`when` to use colours: auto, always or never")
	f.BoolVar(&a.ascii, "ascii", false, "only ASCII characters")
	root.SetFlagErrorFunc(flagError)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.AddCommand(a.loadCommand(), a.listCommand(), a.showCommand(), a.applyCommand(), a.runCommand(), a.bisectCommand(),
		a.reportCommand(), a.logCommand(), a.shellCommand(), a.judgeCommand(), a.doctorCommand(), a.planCommand(), a.rangeDiffCommand(), a.manCommand())
	strict(root)
	return root
}

// version is the module's version, with the commit when it was built from a checkout.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && !strings.Contains(v, s.Value[:12]) {
			v += " " + s.Value[:12]
		}
	}
	return v
}

func isTerminal(v any) bool {
	f, ok := v.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// options are the reports' options for where they are written to.
func (a *app) options(w io.Writer) report.Options {
	o := report.Options{Width: 80, ASCII: a.ascii}
	if f, ok := w.(*os.File); ok && isTerminal(w) {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			o.Width = width
		}
	}
	o.Color = a.color == "always" || a.color == "auto" && isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return o
}

// workspaceDir finds the workspace: --workspace, else the nearest .seriesctl here or above, else one here.
func (a *app) workspaceDir() (string, error) {
	if a.workspace != "" {
		return a.workspace, nil
	}
	cwd, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := cwd; ; dir = filepath.Dir(dir) {
		if fi, err := os.Stat(filepath.Join(dir, workspaceName)); err == nil && fi.IsDir() {
			return filepath.Join(dir, workspaceName), nil
		}
		if dir == filepath.Dir(dir) {
			return filepath.Join(cwd, workspaceName), nil
		}
	}
}

// open opens the workspace; only load makes one.
func (a *app) open(create bool) (*store.Store, error) {
	dir, err := a.workspaceDir()
	if err != nil {
		return nil, err
	}
	st, err := store.Open(dir, create)
	if errors.Is(err, fs.ErrNotExist) && !create {
		return nil, &userError{fmt.Sprintf("open workspace %s: there is none", dir), "`seriesctl load MBOX` makes one"}
	}
	return st, err
}

// find returns the stored series that name means: its id, the start of it, or "" for the current one.
func find(st *store.Store, name string) (*series.Series, error) {
	rows, err := st.Series()
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, &userError{"open series: the workspace has none", "`seriesctl load MBOX` brings one in"}
	}
	var match *store.SeriesRow
	for i, r := range rows {
		if r.ID == name || name == "" {
			match = &rows[i]
			break
		}
		if strings.HasPrefix(r.ID, name) {
			if match != nil {
				return nil, &userError{fmt.Sprintf("open series %s: %s and %s begin like that", name, match.ID, r.ID), "`seriesctl list` shows them"}
			}
			match = &rows[i]
		}
	}
	if match == nil {
		return nil, &userError{fmt.Sprintf("open series %s: the workspace has none of that name", name), "`seriesctl list` shows those there are"}
	}
	box, err := mailOf(st, *match)
	if err != nil {
		return nil, err
	}
	return seriesOf(box, *match)
}

// mailOf reads the mail a stored series came with.
func mailOf(st *store.Store, r store.SeriesRow) (*series.Mailbox, error) {
	defer debug.SetGCPercent(debug.SetGCPercent(mailGCPercent))
	raw, err := st.Mail(r.Mail)
	if err != nil {
		return nil, err
	}
	return series.ParseMbox(raw)
}

// seriesOf finds a stored series in its mail.
func seriesOf(box *series.Mailbox, r store.SeriesRow) (*series.Series, error) {
	for _, s := range box.Series {
		if s.ID == r.ID {
			return s, nil
		}
	}
	return nil, fmt.Errorf("open series %s: its stored mail no longer gives it", r.ID)
}

// with opens the workspace and the series of that name for one command.
func (a *app) with(name string, do func(st *store.Store, s *series.Series) error) error {
	st, err := a.open(false)
	if err != nil {
		return err
	}
	defer func() { _ = st.Close() }()
	if name == "" {
		name = a.series
	}
	s, err := find(st, name)
	if err != nil {
		return err
	}
	return do(st, s)
}

// seriesAnd splits "[SERIES] REST…" where n arguments follow the series.
func seriesAnd(args []string, n int) (name string, rest []string) {
	if len(args) > n {
		return args[0], args[1:]
	}
	return "", args
}

// loadPlan reads the plan of --plan, of the current directory, or the embedded one.
func (a *app) loadPlan() (*testplan.Plan, string, error) {
	name := a.plan
	if name == "" {
		name = planFile
		if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
			name = "mmap-deadlock"
		}
	}
	p, err := testplan.Load(name)
	return p, name, err
}

// parseList reads "1-4,7" into numbers between lo and hi, in the order given.
func parseList(flag, s string, lo, hi int) ([]int, error) {
	bad := func(part string) error {
		return &userError{fmt.Sprintf("read --%s: %q is not a number or range between %d and %d", flag, part, lo, hi), fmt.Sprintf("like --%s %d,%d-%d", flag, lo, min(lo+2, hi), hi)}
	}
	var all []int
	for part := range strings.SplitSeq(s, ",") {
		from, to, ranged := strings.Cut(strings.TrimSpace(part), "-")
		a, err := strconv.Atoi(from)
		if err != nil {
			return nil, bad(part)
		}
		b := a
		if ranged {
			if b, err = strconv.Atoi(to); err != nil {
				return nil, bad(part)
			}
		}
		if a < lo || b > hi || a > b {
			return nil, bad(part)
		}
		for ; a <= b; a++ {
			all = append(all, a)
		}
	}
	return all, nil
}
