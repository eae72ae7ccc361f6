package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/pattern"
	"github.com/seriesctl/seriesctl/internal/tui"
	"github.com/seriesctl/seriesctl/internal/xec"
)

// Annotations of commands, for the TUI.
const (
	usesTerminal = "terminal" // it wants the user's terminal
	goesOn       = "goes-on"  // it takes long, and goes on when the TUI is left
	ofSeries     = "series"   // its first argument is a series, which may be left out
)

func annotated(what ...string) map[string]string {
	all := map[string]string{}
	for _, w := range what {
		all[w] = "yes"
	}
	return all
}

// keptOutputs is how many outputs of commands a workspace keeps.
const keptOutputs = 20

// Commands implements tui.Commander.
func (w *workspaceView) Commands() []string {
	var names []string
	for _, c := range (&app{}).rootCommand().Commands() {
		if !c.Hidden && c.Name() != "completion" {
			names = append(names, c.Name())
		}
	}
	return names
}

// Command implements tui.Commander: a line is a command of this program with its flags.
func (w *workspaceView) Command(id, line string) (tui.Command, error) {
	words, err := splitWords(line)
	if err != nil {
		return tui.Command{}, err
	}
	root := (&app{out: io.Discard, err: io.Discard}).rootCommand()
	cmd, rest, err := root.Find(words)
	if err != nil || cmd == root {
		return tui.Command{}, fmt.Errorf("there is no command %q; Tab completes", words[0])
	}
	self, err := os.Executable()
	if err != nil {
		return tui.Command{}, fmt.Errorf("find this program: %w", err)
	}
	args := []string{"--workspace", w.dir, "--color", "never"}
	if w.a.plan != "" {
		args = append(args, "--plan", w.a.plan)
	}
	if w.a.ascii {
		args = append(args, "--ascii")
	}
	if cmd.Annotations[ofSeries] != "" && id != "" {
		args = append(args, "--series", id)
	}
	if onTerminal(cmd, rest) {
		args[3] = w.a.color
		return tui.Command{Terminal: &pausing{Terminal: &xec.Terminal{Name: self, Args: append(args, words...)}}}, nil
	}
	c := xec.Cmd{Name: self, Args: append(args, words...)}
	return tui.Command{Start: func() (tui.Output, error) { return w.start(c, cmd) }}, nil
}

// Complete implements tui.Commander. Files whose names would have to be quoted are left out.
func (w *workspaceView) Complete(line string) []string {
	begin := strings.LastIndexByte(line, ' ') + 1
	words, err := splitWords(line[:begin])
	if err != nil {
		return nil
	}
	if last := line[begin:]; !strings.HasPrefix(last, "-") {
		return files(last)
	}
	root := (&app{}).rootCommand()
	cmd, _, err := root.Find(words)
	if err != nil || cmd == root {
		return nil
	}
	var names []string
	add := func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, "--"+f.Name)
		}
	}
	cmd.LocalFlags().VisitAll(add)
	cmd.InheritedFlags().VisitAll(add)
	return names
}

// files are those whose names begin with text, directories with a slash behind.
func files(text string) []string {
	dir, begin := filepath.Split(text)
	entries, _ := os.ReadDir(cmp.Or(dir, ".")) // what can't be read is not offered
	var names []string
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, begin) || name[0] == '.' && begin == "" || !safeName.MatchString(name) {
			continue
		}
		if fi, err := os.Stat(filepath.Join(dir, name)); err == nil && fi.IsDir() {
			name += "/"
		}
		names = append(names, dir+name)
	}
	return names
}

var safeName = pattern.New(`^[A-Za-z0-9_.=:,+@-]+$`)

// onTerminal says whether a command with these arguments wants the terminal.
func onTerminal(cmd *cobra.Command, args []string) bool {
	if slices.Contains(args, "--help") || slices.Contains(args, "-h") {
		return false
	}
	if slices.Contains(args, "--manual") {
		return !slices.ContainsFunc(manualVerbs, func(step string) bool { return slices.Contains(args, step) })
	}
	return cmd.Annotations[usesTerminal] != ""
}

// start starts a command with its output in a file of the workspace.
func (w *workspaceView) start(c xec.Cmd, cmd *cobra.Command) (tui.Output, error) {
	w.soon.Store(true)
	dir := os.TempDir()
	if st := w.store(); st != nil {
		dir = st.Commands()
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("keep output: %w", err)
		}
		prune(dir, keptOutputs)
	}
	f, err := os.CreateTemp(dir, cmd.Name()+"-"+time.Now().Format("20060102-150405")+"-*.out")
	if err != nil {
		return nil, fmt.Errorf("keep output: %w", err)
	}
	p, err := c.Detach(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	out := &output{File: f, p: p, stays: cmd.Annotations[goesOn] != ""}
	if w.store() == nil {
		_ = os.Remove(f.Name()) // it is read by its descriptor
	}
	if out.stays {
		w.mu.Lock()
		w.own = p.PID()
		w.mu.Unlock()
		go func() {
			<-p.Done()
			w.mu.Lock()
			if w.own == p.PID() {
				w.own = 0
			}
			w.mu.Unlock()
		}()
	}
	return out, nil
}

// prune removes all but the newest files of a directory.
func prune(dir string, keep int) {
	names, err := filepath.Glob(filepath.Join(dir, "*.out"))
	if err != nil {
		return
	}
	times := map[string]time.Time{}
	for _, n := range names {
		if fi, err := os.Stat(n); err == nil {
			times[n] = fi.ModTime()
		}
	}
	slices.SortFunc(names, func(a, b string) int { return times[b].Compare(times[a]) })
	for _, n := range names[min(keep, len(names)):] {
		_ = os.Remove(n)
	}
}

// output is that of a command that works beside the TUI.
type output struct {
	*os.File
	p     *xec.Detached
	stays bool
}

func (o *output) Done() <-chan struct{} { return o.p.Done() }
func (o *output) Stays() bool           { return o.stays }

// Stop asks the command to end. One that is gone has nothing to be asked.
func (o *output) Stop() { _ = o.p.Interrupt() }

func (o *output) Err() error {
	var failed *xec.Error
	switch err := o.p.Wait(); {
	case !errors.As(err, &failed):
		return err
	case failed.Status == exitInterrupted:
		return errors.New("interrupted")
	case failed.Status == exitFound:
		return errors.New("found something wrong with the series")
	case failed.Status == exitLab:
		return errors.New("the lab failed")
	case failed.Status == exitUsage:
		return errors.New("not done")
	default:
		return failed.Err
	}
}

// pausing has the terminal; when it fails the user reads why before the TUI covers it.
type pausing struct {
	*xec.Terminal
	in  io.Reader
	out io.Writer
}

func (p *pausing) SetStdin(r io.Reader)  { p.in = r; p.Terminal.SetStdin(r) }
func (p *pausing) SetStdout(w io.Writer) { p.out = w; p.Terminal.SetStdout(w) }

func (p *pausing) Run() error {
	err := p.Terminal.Run()
	if err == nil || p.in == nil {
		return err
	}
	fmt.Fprint(p.out, "\n[Enter goes back to seriesctl] ")
	// Whatever is typed, or the end of it, is an answer.
	_, _ = bufio.NewReader(p.in).ReadString('\n')
	return nil
}

// Interrupt implements tui.Interrupter.
func (w *workspaceView) Interrupt() error {
	st := w.store()
	if st == nil || !st.Busy() {
		return errors.New("nothing runs")
	}
	pid := st.Owner()
	if pid == 0 {
		return errors.New("interrupt run: its process is not known")
	}
	return xec.Interrupt(pid)
}

// Skip implements tui.Skipper.
func (w *workspaceView) Skip(a lab.Activity) error {
	return w.ask(lab.Request{What: lab.AskSkip, Left: lab.Left{Activity: a}})
}

// Retry implements tui.Retrier.
func (w *workspaceView) Retry(l lab.Left) error {
	return w.ask(lab.Request{What: lab.AskRetry, Left: l})
}

// ask asks the run that goes on.
func (w *workspaceView) ask(r lab.Request) error {
	st := w.store()
	if st == nil || !st.Busy() {
		return errors.New("nothing runs")
	}
	return lab.PutRequest(st.Requests(), r)
}

// Dismiss implements tui.Retrier.
func (w *workspaceView) Dismiss(l lab.Left) error {
	w.soon.Store(true)
	st := w.store()
	if st.Busy() {
		return w.ask(lab.Request{What: lab.AskDismiss, Left: l})
	}
	status, err := lab.ReadStatus(st.Status())
	if err == nil {
		status.Left = slices.DeleteFunc(status.Left, l.Same)
		err = lab.WriteStatus(st.Status(), status)
	}
	if err != nil {
		return fmt.Errorf("forget what was left: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status.Left = status.Left
	return nil
}

// Edit implements tui.Toolbox.
func (w *workspaceView) Edit(name string, text io.Reader) tui.Terminal {
	editor := os.Getenv("VISUAL")
	if editor == "" {
		editor = os.Getenv("EDITOR")
	}
	if editor == "" {
		editor = "vi"
	}
	return &onText{name: name, text: text, command: editor + ` "$1"`}
}

// Pipe implements tui.Toolbox.
func (w *workspaceView) Pipe(command string, text io.Reader) tui.Terminal {
	if command == "" {
		if command = os.Getenv("PAGER"); command == "" {
			command = "less"
		}
		return &onText{name: "seriesctl.txt", text: text, command: command + ` < "$1"`}
	}
	return &onText{name: "seriesctl.txt", text: text, command: "{ " + command + "\n} < \"$1\"", pause: true}
}

// onText is a shell command on a file that holds a text, read-only, for as long as the command runs.
type onText struct {
	name    string
	text    io.Reader
	command string // $1 is the file
	pause   bool   // its output is to be read before the TUI covers it

	in          io.Reader
	out, errors io.Writer
}

func (t *onText) SetStdin(r io.Reader)  { t.in = r }
func (t *onText) SetStdout(w io.Writer) { t.out = w }
func (t *onText) SetStderr(w io.Writer) { t.errors = w }

func (t *onText) Run() (err error) {
	dir, err := os.MkdirTemp("", "seriesctl-")
	if err != nil {
		return fmt.Errorf("copy text: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, filepath.Base(t.name))
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o400)
	if err != nil {
		return fmt.Errorf("copy text: %w", err)
	}
	_, err = io.Copy(f, t.text)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("copy text: %w", err)
	}
	p := &xec.Terminal{Name: "sh", Args: []string{"-c", t.command, "sh", path}}
	p.SetStdin(t.in)
	p.SetStdout(t.out)
	p.SetStderr(t.errors)
	err = p.Run()
	if t.pause {
		fmt.Fprint(t.out, "\n[Enter goes back to seriesctl] ")
		_, _ = bufio.NewReader(t.in).ReadString('\n')
	}
	return err
}

// splitWords takes a line apart as a shell would: at spaces, with quotes and backslashes, and nothing more.
func splitWords(line string) ([]string, error) {
	var words []string
	word, inside, quote := "", false, rune(0)
	escaped := false
	for _, r := range line {
		switch {
		case escaped:
			word, escaped = word+string(r), false
		case r == '\\' && quote != '\'':
			escaped, inside = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word += string(r)
		case r == '\'' || r == '"':
			quote, inside = r, true
		case r == ' ' || r == '\t':
			if inside {
				words, word, inside = append(words, word), "", false
			}
		default:
			word, inside = word+string(r), true
		}
	}
	if quote != 0 || escaped {
		return nil, fmt.Errorf("read command: %s is not closed", map[bool]string{true: `\`, false: string(quote)}[escaped])
	}
	if inside {
		words = append(words, word)
	}
	if len(words) > 0 && strings.TrimPrefix(words[0], ":") == "seriesctl" {
		words = words[1:]
	}
	if len(words) == 0 {
		return nil, errors.New("no command given")
	}
	return words, nil
}
