package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/ptytest"
	"github.com/seriesctl/seriesctl/internal/report"
	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/internal/xec"
)

// session is seriesctl on a terminal.
type session struct {
	*ptytest.Terminal
	t   testing.TB
	cmd *exec.Cmd
	at  int // how much of the output was waited for
}

// onTerminalIn starts seriesctl in a directory on a terminal of 80×24.
func onTerminalIn(t testing.TB, dir string, env []string, args ...string) *session {
	t.Helper()
	term := ptytest.Open(t, 80, 24)
	path, err := exec.LookPath("seriesctl")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "TERM=xterm-256color", "NO_COLOR=1", "EDITOR=cat", "PAGER=cat", "VISUAL="), env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = term.Program, term.Program, term.Program
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return &session{Terminal: term, t: t, cmd: cmd}
}

// sees waits until something was drawn.
func (s *session) sees(text string) {
	s.t.Helper()
	s.at = s.Wait(s.at, text)
}

// ends waits for the end and returns the exit code.
func (s *session) ends() int {
	s.t.Helper()
	err := s.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	if !s.Cooked() {
		s.t.Error("the terminal stays raw")
	}
	return s.cmd.ProcessState.ExitCode()
}

// From nothing to a series, all in the TUI.
func TestTUIFromNothing(t *testing.T) {
	dir := t.TempDir()
	if err := makeSeries(dir); err != nil {
		t.Fatal(err)
	}
	s := onTerminalIn(t, dir, nil)
	s.sees("No series here yet.")
	if _, err := os.Stat(filepath.Join(dir, workspaceName)); err == nil {
		t.Error("looking makes a workspace")
	}
	s.Type("lnone.mbox\r")
	s.sees("no such file")
	s.Type("l three.mbox\r")
	s.sees("▸ v1")
	s.Type("\r")
	s.sees("nothing has been run yet")
	s.Type(":apply --source tree\r")
	s.sees("exact")
	s.Type("e") // cat shows it, and the screen comes back
	s.sees("\x1b[?1049l")
	s.sees("\x1b[?1049h")
	s.Type("q:show 2\r")
	s.sees("twenty as a word")
	s.Type("q:shell 99\r")
	s.sees("[Enter goes back to seriesctl]")
	s.Type("\r")
	s.sees("\x1b[?1049h")
	s.Type("Q")
	if code := s.ends(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if names, _ := filepath.Glob(filepath.Join(dir, workspaceName, "commands", "*.out")); len(names) != 2 {
		t.Errorf("kept %v", names)
	}
}

func TestTUIOnADumbTerminal(t *testing.T) {
	for _, term := range []string{"dumb", ""} {
		s := onTerminalIn(t, t.TempDir(), []string{"TERM=" + term})
		if code := s.ends(); code != exitUsage {
			t.Errorf("exit code %d", code)
		}
		s.sees(fmt.Sprintf("a terminal of the kind %q", term))
		s.sees("hint: ")
		if strings.Contains(s.Output(), "\x1b") {
			t.Errorf("got %q", s.Output())
		}
	}
}

// A Ctrl-C in a program that has the terminal is that program's.
func TestTUIKeepsOnWhenAnEditorIsInterrupted(t *testing.T) {
	dir := t.TempDir()
	if err := makeSeries(dir); err != nil {
		t.Fatal(err)
	}
	s := onTerminalIn(t, dir, []string{`EDITOR=sh -c 'trap "echo ouch; exit 7" INT; echo waits; while :; do sleep 0.05; done' x`})
	s.sees("No series here yet.")
	s.Type(":help\r")
	s.sees("Usage:")
	s.Type("e")
	s.sees("waits")
	s.Type("\x03")
	s.sees("ouch")
	s.sees("\x1b[?1049h")
	s.Type("qQ")
	if code := s.ends(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestSplitWords(t *testing.T) {
	for line, want := range map[string]string{
		`run`:                       `["run"]`,
		`  run --cases 'gfs2/*' `:   `["run" "--cases" "gfs2/*"]`,
		`load "a b"\ c`:             `["load" "a b c"]`,
		`load ''`:                   `["load" ""]`,
		`load 'it'\''s "here"'`:     `["load" "it's \"here\""]`,
		`seriesctl report --json`:   `["report" "--json"]`,
		`load "a \" b" 'c \'`:       `["load" "a \" b" "c \\"]`,
		`load 'a`:                   `' is not closed`,
		`load a\`:                   `\ is not closed`,
		``:                          `no command given`,
		`load $(rm) ; ls | x > "&"`: `["load" "$(rm)" ";" "ls" "|" "x" ">" "&"]`,
	} {
		words, err := splitWords(line)
		got := fmt.Sprintf("%q", words)
		if err != nil {
			got = err.Error()
		}
		if !strings.HasSuffix(got, want) {
			t.Errorf("%s: got %s, want %s", line, got, want)
		}
	}
}

func TestCompletions(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"thread.mbox", "a name", ".hidden", "tree/x"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w := newView(t)
	for line, want := range map[string]string{
		"load " + dir + "/":           "[" + dir + "/thread.mbox " + dir + "/tree/]",
		"load " + dir + "/.":          "[" + dir + "/.hidden]",
		"run --source " + dir + "/tr": "[" + dir + "/tree/]",
		"load " + dir + "/none/":      "[]",
		"nonsense --":                 "[]",
		"load 'a":                     "[]",
	} {
		if got := fmt.Sprint(w.Complete(line)); got != want {
			t.Errorf("%s: got %s, want %s", line, got, want)
		}
	}
	for _, flag := range []string{"--cases", "--source", "--workspace", "--help"} {
		if flags := w.Complete("run --"); slices.Contains(flags, flag) != (flag != "--help") {
			t.Errorf("run has %v", flags)
		}
	}
}

// newView is the view of a new workspace.
func newView(t *testing.T) *workspaceView {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "ws")
	st, err := store.Open(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	w := newWorkspaceView(&app{color: "auto"}, dir)
	w.st = st
	return w
}

func TestCommandsOfTheTUI(t *testing.T) {
	w := newView(t)
	names := w.Commands()
	slices.Sort(names)
	if !slices.Contains(names, "run") || !slices.Contains(names, "help") || slices.Contains(names, "range-diff") || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("completes %v", names)
	}
	for line, terminal := range map[string]bool{"run": false, "shell 3": true, "shell --help": false, "bisect --manual": true, "bisect --manual good 0": false, "bisect --case x": false, "help run": false, "range-diff a b": false, "load x": false} {
		c, err := w.Command("s-v1", line)
		if err != nil {
			t.Fatal(err)
		}
		if (c.Terminal != nil) != terminal || (c.Start != nil) == terminal {
			t.Errorf("%s: has the terminal: %v", line, c.Terminal != nil)
		}
		if p, ok := c.Terminal.(*pausing); ok {
			if got := strings.Join(p.Args, " "); got != "--workspace "+w.dir+" --color auto --series s-v1 "+line {
				t.Errorf("got %s", got)
			}
		}
	}
	for _, line := range []string{"nonsense", "--json", "load 'x"} {
		if _, err := w.Command("", line); err == nil {
			t.Errorf("%s is a command", line)
		}
	}
}

// What goes on when the TUI is left is told from what does not, and can be stopped; its output is kept, of the last commands.
func TestCommandsGoOn(t *testing.T) {
	w := newView(t)
	root := w.a.rootCommand()
	run, _, err := root.Find([]string{"run"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(w.st.Commands(), 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range keptOutputs + 5 {
		if err := os.WriteFile(filepath.Join(w.st.Commands(), fmt.Sprintf("old-%d.out", i)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out, err := w.start(xec.Cmd{Name: "sh", Args: []string{"-c", "trap 'echo stopped; exit 130' INT; echo begun; while :; do sleep 0.05; done"}}, run)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	w.mu.Lock()
	own := w.own
	w.mu.Unlock()
	if !out.Stays() || own == 0 {
		t.Error("a run does not stay")
	}
	text := func() string {
		b, err := io.ReadAll(io.NewSectionReader(out, 0, 1<<20))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for end := time.Now().Add(10 * time.Second); text() == "" && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	out.Stop()
	<-out.Done()
	if err := out.Err(); err == nil || err.Error() != "interrupted" || text() != "begun\nstopped\n" {
		t.Errorf("got %v, %q", err, text())
	}
	if names, _ := filepath.Glob(filepath.Join(w.st.Commands(), "*")); len(names) != keptOutputs+1 {
		t.Errorf("%d outputs are kept", len(names))
	}
	if err := w.Interrupt(); err == nil {
		t.Error("interrupts nothing")
	}
	if err := w.Skip(lab.Activity{}); err == nil {
		t.Error("skips nothing")
	}
}

// The process that has the workspace is the one that is interrupted and asked, whoever started it.
func TestInterruptAndSkipWhatAnotherRuns(t *testing.T) {
	w := newView(t)
	unlock, err := w.st.Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if pid := w.st.Owner(); pid != os.Getpid() {
		t.Fatalf("the owner is %d", pid)
	}
	if err := w.Skip(lab.Activity{Prefix: 2, Case: "gfs2/a"}); err != nil {
		t.Fatal(err)
	}
	if got := lab.TakeRequests(w.st.Requests()); len(got) != 1 || got[0].What != lab.AskSkip || got[0].Prefix != 2 {
		t.Errorf("asked %v", got)
	}
}

// What a run left is there after its end, until it is dismissed; while one goes on, that one is asked.
// A run that was killed leaves its status; who looks is told, until another runs.
func TestKilledRunIsSaid(t *testing.T) {
	w := newView(t)
	write := func(s lab.Status) {
		t.Helper()
		if err := errors.Join(lab.WriteStatus(w.st.Status(), s), w.refresh()); err != nil {
			t.Fatal(err)
		}
	}
	write(lab.Status{PID: 1234, Series: "s-v1", CellsDone: 3, CellsTotal: 9})
	if s := w.Status(); s.Running || s.Err == nil || !strings.Contains(s.Err.Error(), "killed (process 1234)") {
		t.Errorf("after it: %+v", s)
	}
	unlock, err := w.st.Lock()
	if err != nil {
		t.Fatal(err)
	}
	write(lab.Status{PID: 1235, Series: "s-v1"})
	if s := w.Status(); !s.Running || s.Err != nil {
		t.Errorf("in the next one: %+v", s)
	}
	run := newWatcher(w.st, report.NewProgress(io.Discard, report.ProgressOptions{Quiet: true}), &lab.Spec{})
	run.status(lab.Status{PID: 1235, Series: "s-v1", Left: []lab.Left{{Series: "s-v1"}}})
	run.close()
	unlock()
	if err := w.refresh(); err != nil {
		t.Fatal(err)
	}
	if left := w.status.Left; len(left) != 1 {
		t.Errorf("left %+v", left)
	}
	if s := w.Status(); s.Running || s.Err != nil {
		t.Errorf("after one that ended: %+v", s)
	}
}

func TestWhatIsLeft(t *testing.T) {
	w := newView(t)
	one := lab.Left{Activity: lab.Activity{Prefix: 1, Case: "gfs2/a"}, Series: "s-v1", Why: "given up, as asked"}
	other := lab.Left{Activity: lab.Activity{Prefix: 2, Kernel: "debug"}, Series: "s-v1", Why: "given up, as asked"}
	err := lab.WriteStatus(w.st.Status(), lab.Status{PID: 1, Series: "s-v1", Left: []lab.Left{one, other}, Running: []lab.Activity{{Prefix: 3}}})
	if err != nil {
		t.Fatal(err)
	}
	left := func() []lab.Left {
		t.Helper()
		if err := w.refresh(); err != nil {
			t.Fatal(err)
		}
		s, busy := w.Jobs()
		if busy || len(s.Running) != 0 {
			t.Errorf("something runs: %+v", s)
		}
		return s.Left
	}
	if got := left(); len(got) != 2 || !got[0].Same(one) || !got[1].Same(other) {
		t.Errorf("left %+v", got)
	}
	if err := w.Retry(one); err == nil {
		t.Error("nothing runs that could try it again")
	}
	if err := w.Dismiss(one); err != nil {
		t.Fatal(err)
	}
	if got := left(); len(got) != 1 || !got[0].Same(other) {
		t.Errorf("left %+v", got)
	}
	unlock, err := w.st.Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if err := errors.Join(w.Retry(other), w.Dismiss(other)); err != nil {
		t.Fatal(err)
	}
	got := lab.TakeRequests(w.st.Requests())
	if len(got) != 2 || got[0].What != lab.AskRetry || got[1].What != lab.AskDismiss || !got[1].Same(other) {
		t.Errorf("asked %+v", got)
	}
}

// The matrix is there for the interface while something slow is read for it: the interface would stand still.
func TestMatrixWhileMailIsRead(t *testing.T) {
	w := newView(t)
	s := &seriesView{w: w, st: w.st, id: "s-v1", result: &lab.Result{}}
	s.reading.Lock() // as Series does
	defer s.reading.Unlock()
	s.refreshing.Lock()
	defer s.refreshing.Unlock()
	if s.Result() == nil || s.ran() != nil || s.Status().Running {
		t.Error("it is another")
	}
}

// BenchmarkTUI measures seriesctl on a terminal, on a workspace with results: SERIESCTL_WORKSPACE, which is only read.
// start is from the start of the process to the first screen and to the whole matrix, of one series, and the CPU time until it has
// quit, key from a key to what it changes, idle the CPU time of a second in which nothing happens. A niced benchmark measures how
// others use the machine.
func BenchmarkTUI(b *testing.B) {
	ws := os.Getenv("SERIESCTL_WORKSPACE")
	if ws == "" {
		b.Skip("SERIESCTL_WORKSPACE names no workspace")
	}
	begin := func(b *testing.B) (s *session, frame, matrix time.Duration) {
		start := time.Now()
		s = onTerminalIn(b, b.TempDir(), nil, "--workspace", ws)
		s.sees("Q quit")
		frame = time.Since(start)
		s.at = 0
		s.sees("p patch")
		return s, frame, time.Since(start)
	}
	b.Run("start", func(b *testing.B) {
		var frames, all []time.Duration
		var cpu time.Duration
		for b.Loop() {
			s, frame, whole := begin(b)
			frames, all = append(frames, frame), append(all, whole)
			s.Type("Q")
			if code := s.ends(); code != 0 {
				b.Fatalf("exit code %d", code)
			}
			cpu += s.cmd.ProcessState.UserTime() + s.cmd.ProcessState.SystemTime()
		}
		slices.Sort(all)
		b.ReportMetric(float64(median(frames).Microseconds())/1000, "ms-frame")
		b.ReportMetric(float64(cpu.Microseconds())/1000/float64(len(all)), "ms-cpu")
		b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "ms-median")
		b.ReportMetric(float64(all[len(all)-1].Microseconds())/1000, "ms-worst")
	})
	b.Run("key", func(b *testing.B) {
		s, _, _ := begin(b)
		time.Sleep(time.Second)
		var all []time.Duration
		for i := 0; b.Loop(); i++ {
			at := len(s.Output())
			start := time.Now()
			s.Type([]string{"j", "k"}[i%2])
			for len(s.Output()) == at {
				time.Sleep(100 * time.Microsecond)
			}
			all = append(all, time.Since(start))
			time.Sleep(60 * time.Millisecond)
		}
		slices.Sort(all)
		b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "ms-median")
		b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "ms-p99")
	})
	b.Run("idle", func(b *testing.B) {
		s, _, _ := begin(b)
		time.Sleep(15 * time.Second) // until it looks less often
		cpu := func() float64 {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
			if err != nil {
				b.Fatal(err)
			}
			f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')'):]))
			user, _ := strconv.Atoi(f[12-1])
			system, _ := strconv.Atoi(f[13-1])
			return float64(user+system) * 10 // ms
		}
		const seconds = 30
		for b.Loop() {
			before := cpu()
			time.Sleep(seconds * time.Second)
			b.ReportMetric((cpu()-before)/seconds, "ms/s")
		}
	})
}
