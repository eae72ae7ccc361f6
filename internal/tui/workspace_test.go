package tui

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/report/reporttest"
)

// house is a Workspace with scripted content and all abilities.
type house struct {
	entries []Entry
	status  Status
	jobs    *lab.Status
	left    []lab.Left
	world   *world
	err     error // of Open

	said        string // what a started command writes
	ends        error  // how it ends
	works       bool   // it does not end
	stays       bool
	asked       []string // of the workspace, in order
	interrupted int
	opened      []*written
	terminal    error // how what has the terminal ends
}

func (h *house) Entries() []Entry         { return h.entries }
func (h *house) Changes() <-chan struct{} { return nil }
func (h *house) Status() Status           { return h.status }

func (h *house) Open(id string) (Source, error) {
	h.note("open " + id)
	if h.err != nil {
		return nil, h.err
	}
	return h.world, nil
}

func (h *house) note(what string) { h.asked = append(h.asked, what) }

func (h *house) Commands() []string { return []string{"apply", "report", "resolve", "run"} }

func (h *house) Complete(line string) []string {
	if strings.HasPrefix(line, "run ") && strings.Contains(line, "--") {
		return []string{"--cases", "--source"}
	}
	return []string{"mail/", "mail.mbox", "thread.mbox"}
}

func (h *house) Command(series, line string) (Command, error) {
	h.note(series + ": " + line)
	switch {
	case strings.HasPrefix(line, "shell"):
		return Command{Terminal: &borrowed{h: h}}, nil
	case line == "nonsense":
		return Command{}, errors.New(`there is no command "nonsense"`)
	}
	return Command{Start: func() (Output, error) {
		if h.err != nil {
			return nil, h.err
		}
		o := &written{memFile: &memFile{bytes.NewReader([]byte(h.said)), h.world}, h: h, done: make(chan struct{})}
		if !h.works {
			close(o.done)
		}
		h.world.open++
		h.opened = append(h.opened, o)
		return o, nil
	}}, nil
}

func (h *house) Edit(name string, text io.Reader) Terminal {
	return &borrowed{h: h, what: "edit " + name, text: text}
}

func (h *house) Pipe(command string, text io.Reader) Terminal {
	return &borrowed{h: h, what: "pipe " + command, text: text}
}

func (h *house) Interrupt() error {
	h.interrupted++
	return nil
}

func (h *house) Jobs() (lab.Status, bool) {
	if h.jobs == nil {
		return lab.Status{Left: h.left}, false
	}
	st := *h.jobs
	st.Left = h.left
	return st, true
}

func (h *house) OpenLog(path string) (File, error) { return h.world.Open(path) }

func (h *house) Retry(l lab.Left) error {
	h.note(fmt.Sprintf("retry %d %s", l.Prefix, l.Case))
	return nil
}

func (h *house) Dismiss(l lab.Left) error {
	h.note(fmt.Sprintf("dismiss %d %s", l.Prefix, l.Case))
	h.left = slices.DeleteFunc(h.left, l.Same)
	return nil
}

func (h *house) Skip(a lab.Activity) error {
	h.note(fmt.Sprintf("skip %d %s", a.Prefix, a.Case))
	return nil
}

// written is the Output of a command in memory.
type written struct {
	*memFile
	h       *house
	done    chan struct{}
	stopped bool
}

func (o *written) Done() <-chan struct{} { return o.done }
func (o *written) Err() error            { return o.h.ends }
func (o *written) Stays() bool           { return o.h.stays }
func (o *written) Stop()                 { o.stopped = true }

// borrowed is something that has the terminal.
type borrowed struct {
	h    *house
	what string
	text io.Reader
}

func (b *borrowed) SetStdin(io.Reader)  {}
func (b *borrowed) SetStdout(io.Writer) {}
func (b *borrowed) SetStderr(io.Writer) {}

func (b *borrowed) Run() error {
	if b.text != nil {
		all, err := io.ReadAll(b.text)
		if err != nil {
			return err
		}
		b.h.note(b.what + "\n" + string(all))
	}
	return b.h.terminal
}

func day(s string) time.Time {
	d, err := time.Parse("2006-01-02", s)
	if err != nil {
		panic(err)
	}
	return d
}

// many is a workspace with series in all states.
func many() *house {
	conflict := reporttest.RFC()
	conflict.Prefixes[7].Status = lab.PrefixConflict
	some := reporttest.RFC()
	some.Attributions = nil
	for i := range some.Cells[:70] {
		some.Cells[i].State = lab.CellQueued
	}
	who := "Andreas Gruenbacher <agruenba@example.org>"
	return &house{world: rfc(), entries: []Entry{
		{ID: "gfs2-handle-page-faults-v1", Work: "a", Subject: "gfs2: Handle page faults during read and write", Revision: 1, Author: who, Date: day("2021-05-31"), Patches: 9, Total: 9, Result: reporttest.RFC()},
		{ID: "gfs2-handle-page-faults-v3", Work: "a", Subject: "gfs2: Handle page faults during read and write", Revision: 3, Author: who, Date: day("2021-07-23"), Patches: 9, Total: 9, Current: true, Result: some},
		{ID: "fall-through-v1", Work: "b", Subject: "Fix fall-through warnings for Clang, in all of the tree and with a subject that is long", Revision: 1, Author: "G <g@example.org>", Date: day("2020-11-20"), Patches: 1, Total: 141},
		{ID: "gfs2-handle-page-faults-v2", Work: "a", Subject: "gfs2: Handle page faults during read and write", Revision: 2, Author: who, Date: day("2021-06-30"), Patches: 8, Total: 9, Result: conflict},
		{ID: "one-v12", Work: "c", Subject: "ext4: \x1b[31m日本語の件名 \xff", Revision: 12, Author: "\x1b[2J作者 <a@example.org>", Date: day("2023-01-01"), Patches: 1, Total: 1},
		{ID: "unread-v1", Work: "d", Revision: 1},
		{ID: "broken-v1", Work: "e", Revision: 1, Err: errors.New("open series broken-v1: its stored mail no longer gives it")},
	}}
}

// busy is a workspace in which a run of another series goes on.
func busy() *house {
	h := many()
	start := day("2021-08-01")
	h.status = Status{Running: true, Elsewhere: true, Series: "gfs2-handle-page-faults-v3", Line: "prefix 4: compiling fs/gfs2/file.c 412/1800 · prefix 3: gfs2/read-self", Done: 58, Total: 180}
	h.jobs = &lab.Status{PID: 4711, Series: "gfs2-handle-page-faults-v3", CellsDone: 58, CellsTotal: 180, Started: start.Add(-200 * time.Second),
		Build: &lab.Activity{Prefix: 4, Step: "compiling", File: "fs/gfs2/file.c", Done: 412, Total: 1800, Started: start.Add(-12 * time.Second), Log: "logs/build-4.log"},
		Running: []lab.Activity{{Prefix: 3, Case: "gfs2/read-self", Started: start.Add(-3 * time.Second)},
			{Prefix: 2, Step: "booting", Started: start.Add(-70 * time.Second)}}}
	return h
}

// undone is busy, and something was given up, and something failed by the lab.
func undone() *house {
	h := busy()
	h.world.console = "[    1.5] as far as it came\n\x1b[2Jand an escape\n"
	h.left = []lab.Left{
		{Series: "gfs2-handle-page-faults-v3", Why: "run case: qemu ended: \x1b[31mkilled", Activity: lab.Activity{Prefix: 1, Case: "gfs2/cross-read", Started: day("2021-08-01").Add(-90 * time.Second), Log: "logs/1.log"}},
		{Series: "gfs2-handle-page-faults-v3", Why: "given up, as asked", Activity: lab.Activity{Prefix: 2, Case: "gfs2/read-self", Started: day("2021-08-01").Add(-30 * time.Second), Log: "logs/2.log"}},
	}
	return h
}

// lobby is a terminal on a workspace.
func lobby(t *testing.T, h *house, width, height int, o Options) *term {
	return enter(t, h, h.world, width, height, o)
}

// enter is a terminal on any Workspace that shows w.
func enter(t *testing.T, ws Workspace, w *world, width, height int, o Options) *term {
	s := &term{t, w, newRoot(ws, o)}
	s.m.still = true
	s.m.now = func() time.Time { return day("2021-08-01") }
	s.size(width, height)
	if s.m.first != nil {
		s.send(s.m.first())
	}
	return s
}

func TestGoldenWorkspace(t *testing.T) {
	working := func() *house {
		h := many()
		h.said, h.works = "applying on 2c85ebc57b3e\n"+strings.Repeat("a line of what it says, which is \x1b[31mlong\x1b[m enough to be cut on a narrow screen\n", 30), true
		return h
	}
	tests := []struct {
		name  string
		house func() *house
		o     Options
		keys  string
	}{
		{"series", many, Options{}, ""},
		{"series", many, Options{Color: true}, "j"},
		{"series", many, Options{ASCII: true}, "G"},
		{"series-run", busy, Options{}, ""},
		{"series-none", func() *house { return &house{world: rfc()} }, Options{}, ""},
		{"series-help", many, Options{}, "?"},
		{"series-load", many, Options{}, "l thread.mbox"},
		{"output", working, Options{}, ": apply enter"},
		{"jobs", busy, Options{}, "w"},
		{"jobs", busy, Options{Color: true}, "w j"},
		{"jobs-none", many, Options{}, "w"},
		{"jobs-undone", undone, Options{}, "w j j j"},
		{"jobs-undone", undone, Options{Color: true}, "w"},
		{"jobs-help", busy, Options{}, "w ?"},
		{"maximised", many, Options{}, "enter O"},
	}
	for _, tt := range tests {
		for _, size := range [][2]int{{60, 15}, {80, 24}, {200, 60}} {
			name := fmt.Sprintf("%s-%dx%d", tt.name, size[0], size[1])
			t.Run(name, func(t *testing.T) {
				s := lobby(t, tt.house(), size[0], size[1], tt.o)
				s.types(tt.keys)
				s.golden(tt.name, tt.o)
			})
		}
	}
}

// types types keys by their names; a word that is no name is typed letter by letter.
func (s *term) types(words string) (quit bool) {
	for word := range strings.FieldsSeq(words) {
		for _, key := range keysOf(word) {
			quit = s.send(tea.KeyPressMsg(key))
			s.m.View() // as the program draws after each
		}
	}
	return quit
}

// keysOf is the key of a name, or those of a word's letters.
func keysOf(word string) []tea.Key {
	if key, ok := special[word]; ok {
		return []tea.Key{key}
	}
	var keys []tea.Key
	for _, r := range word {
		keys = append(keys, tea.Key{Code: r, Text: string(r)})
	}
	return keys
}

func TestOneSeriesOpensItsMatrix(t *testing.T) {
	h := many()
	h.entries = h.entries[:1]
	s := lobby(t, h, 80, 24, Options{})
	s.has("9 patches")
	s.has("[")
	s.types("esc")
	s.has("1 series")
	if !s.types("q") {
		t.Error("q does not quit at the root")
	}
}

func TestWorkspaceKeys(t *testing.T) {
	tests := []struct {
		name, keys string
		asked      string // of the workspace, the last thing
		has        string
	}{
		{"the current one is under the cursor", "enter", "open gfs2-handle-page-faults-v3", "9 patches"},
		{"newest first", "j enter", "open gfs2-handle-page-faults-v2", ""},
		{"last", "G enter", "open broken-v1", ""},
		{"find", "/ fall enter enter", "open fall-through-v1", ""},
		{"find again", "/ page enter n n enter", "open gfs2-handle-page-faults-v3", ""},
		{"find nothing", "/ nix enter", "", `no series holds "nix"`},
		{"back", "enter j enter W", "", "7 series"},
		{"load", "l thread.mbox enter", "gfs2-handle-page-faults-v3: load -- thread.mbox", "loaded said"},
		{"load nothing", "l enter", "", "7 series"},
		{"Esc stays", "enter esc esc", "", "this is the first screen; q quits"},
		{"next find of nothing", "n", "", "nothing was searched for"},
		{"range-diff of the first", "j j d enter", "gfs2-handle-page-faults-v1: range-diff gfs2-handle-page-faults-v2 gfs2-handle-page-faults-v1", "said"},
		{"range-diff with a revision of another name", "j j j d un tab enter", "fall-through-v1: range-diff unread-v1 fall-through-v1", "said"},
		{"range-diff", "d enter", "gfs2-handle-page-faults-v3: range-diff gfs2-handle-page-faults-v2 gfs2-handle-page-faults-v3", "said"},
		{"command of the series under the cursor", "j : report enter", "gfs2-handle-page-faults-v2: report", "said"},
		{"completion", ": ru tab enter", "gfs2-handle-page-faults-v3: run", ""},
		{"completion as far as it goes", ": r tab e tab p tab enter", "gfs2-handle-page-faults-v3: report", ""},
		{"history", ": run enter q : report enter q : up up enter", "gfs2-handle-page-faults-v3: run", ""},
		{"history and back", ": run enter q : rep up down ort enter", "gfs2-handle-page-faults-v3: report", ""},
		{"no such command", ": nonsense enter", "gfs2-handle-page-faults-v3: nonsense", `there is no command "nonsense"`},
		{"shell of the cell", "enter j j l s", "gfs2-handle-page-faults-v1: shell 2 --case gfs2/write-self", "[BUG"},
		{"shell at the series", "s", "", ""},
		{"once more", "enter j R", "gfs2-handle-page-faults-v1: run --prefixes 1 --cases gfs2/read-self --more 1", "runs once more on prefix 1"},
		{"nothing to interrupt", "x", "", "nothing runs"},
		{"no text to edit", "e", "", "7 series"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := many()
			h.said = "said\nmore\n"
			s := lobby(t, h, 80, 24, Options{})
			s.types(tt.keys)
			last := ""
			if len(h.asked) > 0 {
				last = h.asked[len(h.asked)-1]
			}
			if tt.asked != "" && last != tt.asked {
				t.Errorf("asked %q, want %q", h.asked, tt.asked)
			}
			s.has(tt.has)
		})
	}
}

func TestWorkspaceTroubles(t *testing.T) {
	h := many()
	h.err = errors.New("read matrix: disk I/O error")
	s := lobby(t, h, 80, 24, Options{})
	s.types("enter")
	s.has("read matrix: disk I/O error")
	s.types(": run enter")
	s.has("read matrix: disk I/O error")

	h = many()
	h.said, h.ends = "reading\nseriesctl: read x.mbox: no such file, and a reason that is longer than a line of this terminal\nhint: give an mbox\n", errors.New("exit status 2")
	s = lobby(t, h, 60, 15, Options{})
	s.types("l x.mbox enter")
	s.has("read x.mbox: no such file, and a reason that is longer")
	s.has("(hint: give an mbox)"[7:17])
	if h.world.open != 0 {
		t.Errorf("%d files open", h.world.open)
	}
	s.types("j")
	s.has("7 series")
}

// A series that is loaded meanwhile is the one under the cursor; other news leave the cursor where it is.
func TestWorkspaceIsLive(t *testing.T) {
	h := many()
	s := lobby(t, h, 80, 24, Options{})
	s.types("j")
	h.entries = slices.Clone(h.entries)
	h.entries[5].Subject = "now it is read"
	s.send(changedMsg{})
	s.has("now it is read")
	s.has("▸ v2")
	h.entries = slices.Clone(h.entries)
	h.entries[1].Current = false
	h.entries = append([]Entry{{ID: "new-v7", Work: "n", Subject: "new", Revision: 7, Current: true}}, h.entries...)
	s.send(changedMsg{})
	s.has("▸ v7")
	h.entries = nil
	s.send(changedMsg{})
	s.has("No series here yet.")
	s.types("enter d j G / x enter n s R")
}

// The output of a command is followed, and given up with its screen unless it goes on by itself.
func TestOutput(t *testing.T) {
	h := many()
	h.said, h.works = strings.Repeat("a line\n", 50)+"the last one\n", true
	s := lobby(t, h, 80, 24, Options{})
	s.types(": apply enter")
	s.has("the last one")
	s.has("working")
	o := h.opened[0]
	o.Reader = bytes.NewReader([]byte(h.said + "and one more\n"))
	close(o.done)
	s.send(answer{s.m.top(), followMsg{}})
	s.has("done")
	s.has(" top") // all is there, and read from its start
	s.types("G")
	s.has("and one more")
	s.types("q")
	if o.stopped || h.world.open != 0 {
		t.Errorf("stopped: %v, %d files open", o.stopped, h.world.open)
	}

	s.types(": apply enter x y")
	if o = h.opened[1]; !o.stopped {
		t.Error("x does not stop it")
	}
	o.stopped = false
	s.types("q")
	if !o.stopped || h.world.open != 0 {
		t.Errorf("left: stopped: %v, %d files open", o.stopped, h.world.open)
	}

	h.stays = true
	s.types(": run enter q")
	if o = h.opened[2]; o.stopped || h.world.open != 1 {
		t.Errorf("a run: stopped: %v, %d files open", o.stopped, h.world.open)
	}
	s.types("w")
	s.has(":run")
	s.types("enter")
	s.has("the last one")
	if !s.types("Q") || h.world.open != 0 || o.stopped {
		t.Errorf("quitting: %d files open, stopped: %v", h.world.open, o.stopped)
	}
}

// Who leaves while a run goes on that was started here says what becomes of it.
func TestLeavingARun(t *testing.T) {
	tests := []struct {
		keys        string
		quit        bool
		interrupted int
	}{{"Q y", true, 0}, {"Q Q", true, 0}, {"Q n", true, 1}, {"Q esc", false, 0}, {"Q j", false, 0}, {"q n", true, 1}}
	for _, tt := range tests {
		t.Run(tt.keys, func(t *testing.T) {
			h := busy()
			h.status.Elsewhere = false
			s := lobby(t, h, 80, 24, Options{})
			if quit := s.types(tt.keys); quit != tt.quit || h.interrupted != tt.interrupted {
				t.Errorf("quit: %v, interrupted %d times", quit, h.interrupted)
			}
		})
	}
}

func TestInterrupt(t *testing.T) {
	h := busy()
	s := lobby(t, h, 80, 24, Options{})
	s.types("x n x esc")
	if h.interrupted != 0 {
		t.Fatal("interrupted without a yes")
	}
	s.types("x y")
	s.has("the run ends in a moment")
	s.types("enter R")
	s.has("a run goes on")
	s.types("W w X y")
	if h.interrupted != 2 {
		t.Errorf("interrupted %d times", h.interrupted)
	}
}

// What is undone stays in the list until it is tried again, by the run that goes on or by a new one, or is dismissed.
func TestUndone(t *testing.T) {
	h := undone()
	h.stays = true
	s := lobby(t, h, 100, 24, Options{})
	last := func(want string) {
		t.Helper()
		if got := h.asked[len(h.asked)-1]; got != want {
			t.Errorf("asked %q, want %q", got, want)
		}
	}
	s.types("w j j j")
	s.has("▸ undone  prefix 2  gfs2/read-self: given up, as asked")
	s.has("as far as it came")
	s.types("R")
	last("retry 2 gfs2/read-self")
	s.types("j x")
	last("dismiss 1 gfs2/cross-read")
	if strings.Contains(s.text(), "killed") {
		t.Errorf("what was dismissed is still there:\n%s", s.text())
	}
	h.jobs.Series = "other-v1"
	s.types("R")
	s.has("a run of other-v1 goes on; R when it is done")
	h.jobs = nil
	h.left[0].Case = "gfs2/it's"
	s.send(changedMsg{})
	s.types("R")
	if got := h.asked[len(h.asked)-2:]; got[0] != `gfs2-handle-page-faults-v3: run gfs2-handle-page-faults-v3 --prefixes 2 --cases 'gfs2/it'\''s' --more 1` || got[1] != "dismiss 2 gfs2/it's" {
		t.Errorf("asked %q", got)
	}
	h.left = []lab.Left{{Series: "s-v1", Why: "given up, as asked", Activity: lab.Activity{Prefix: 2, Kernel: "debug"}}}
	s.send(changedMsg{})
	s.has("s-v1 prefix 2 as debug: given up, as asked")
	s.types("R")
	if got := h.asked[len(h.asked)-2]; !strings.HasSuffix(got, ": run s-v1") {
		t.Errorf("asked %q", got)
	}
	s.types("q")
	if h.world.open != len(h.opened) { // the runs go on
		t.Errorf("%d files open at the end", h.world.open)
	}
}

// A command that has ended is done again, or taken off the list.
func TestEndedCommandOfTheJobs(t *testing.T) {
	h := many()
	h.stays, h.said = true, "what it says"
	s := lobby(t, h, 80, 24, Options{})
	s.types(": run enter q w")
	s.has("command :run")
	s.has("done")
	s.types("R")
	s.has("what it says")
	s.types("q")
	s.has("command :run")
	s.types("x")
	s.has("Nothing runs.")
	if n := len(h.opened); n != 2 || h.world.open != 0 {
		t.Errorf("%d were started, %d files are open", n, h.world.open)
	}
}

func TestJobs(t *testing.T) {
	h := busy()
	s := lobby(t, h, 80, 24, Options{})
	s.types("w")
	s.has("prefix 4  compiling fs/gfs2/file.c")
	s.has("line 300 of the console") // the build's log, at its end
	s.types("x n j x y")
	s.has("given up for this run")
	if got := h.asked[len(h.asked)-1]; got != "skip 3 gfs2/read-self" {
		t.Errorf("asked %q", h.asked)
	}
	if h.world.open != 0 {
		t.Errorf("%d files open at a machine", h.world.open)
	}
	s.types("k g G ctrl+d ctrl+u")
	// The build ends while its log is open; the machines go on.
	h.jobs.Build = nil
	s.send(changedMsg{})
	s.has("▸ vm 1")
	h.jobs = nil
	s.send(changedMsg{})
	s.has("Nothing runs.")
	s.types("x j enter q")
	if h.world.open != 0 {
		t.Errorf("%d files open", h.world.open)
	}
	s.has("7 series")
}

// What is piped and edited is the text on the screen, made safe, with its tabs.
func TestEditAndPipe(t *testing.T) {
	h := many()
	h.said = "a\tb \x1b[31mred\x1b[m \x1b]52;c;evil\x07\x00end\n" + strings.Repeat("x", 10000) + "\nlast\n"
	s := lobby(t, h, 80, 24, Options{})
	s.types(": report enter e")
	want := "edit seriesctl-output.txt\na\tb red ^@end\n" + strings.Repeat("x", 10000) + "\nlast\n"
	if got := h.asked[len(h.asked)-1]; got != want {
		t.Errorf("got %.100q", got)
	}
	s.types("| wc enter")
	if got := h.asked[len(h.asked)-1]; !strings.HasPrefix(got, "pipe wc\na\tb red") {
		t.Errorf("got %.100q", got)
	}
	h.terminal = errors.New("sh: exit status 1")
	s.types("| up enter")
	s.has("sh: exit status 1")
	s.types("q enter j p e")
	if got := h.asked[len(h.asked)-1]; !strings.HasPrefix(got, "edit seriesctl.patch\n") || !strings.Contains(got, "\ndiff --git") {
		t.Errorf("got %.300q", got)
	}
}

func TestMaximise(t *testing.T) {
	s := lobby(t, many(), 80, 24, Options{})
	s.types("enter O")
	if got := strings.Split(s.text(), "\n"); strings.Contains(got[0], "gfs2-handle") || strings.Contains(s.text(), "Q quit") {
		t.Errorf("the frame is still there:\n%s", s.text())
	}
	s.types("/ nix enter")
	s.has("no patch or case holds")
	s.types("O")
	s.has("Q quit")
}

func TestMouse(t *testing.T) {
	h := many()
	s := lobby(t, h, 80, 24, Options{})
	press := func(x, y int) { s.send(tea.MouseClickMsg{X: x, Y: y, Button: tea.MouseLeft}) }
	wheel := func(b tea.MouseButton) { s.send(tea.MouseWheelMsg{X: 5, Y: 5, Button: b}) }
	press(5, 3)
	s.has("▸ v2")
	press(5, 1) // a heading
	s.has("▸ v2")
	press(5, 0)
	press(5, 23)
	s.has("▸ v2")
	wheel(tea.MouseWheelDown)
	s.has("▸ v12")
	wheel(tea.MouseWheelUp)
	s.has("▸ v2")
	press(5, 4)
	now := day("2021-08-01")
	s.m.now = func() time.Time { return now }
	now = now.Add(time.Second)
	press(5, 4)
	if len(h.asked) != 0 {
		t.Error("two slow clicks open")
	}
	now = now.Add(100 * time.Millisecond)
	press(5, 4)
	if got := strings.Join(h.asked, ", "); got != "open gfs2-handle-page-faults-v1" {
		t.Errorf("asked %s", got)
	}
	// Each screen has the wheel; a prompt has nothing of it.
	wheel(tea.MouseWheelDown)
	if s.m.top().(*matrixScreen).grid.row != 3 {
		t.Errorf("row %d", s.m.top().(*matrixScreen).grid.row)
	}
	s.types("?")
	wheel(tea.MouseWheelDown)
	s.types("q /")
	wheel(tea.MouseWheelDown)
	press(5, 5)
	if s.m.prompt == nil || s.m.top().(*matrixScreen).grid.row != 3 {
		t.Error("the prompt is gone")
	}
}

// All that the screens of the workspace show is safe and within the screen, at any size.
func TestWorkspaceIsSafe(t *testing.T) {
	for _, size := range [][2]int{{30, 8}, {40, 10}, {80, 24}, {200, 60}} {
		for _, ascii := range []bool{false, true} {
			h := busy()
			h.said = reporttest.Nasty + "\xff\xfe 漢字 " + reporttest.Nasty + "\n"
			h.status.Line, h.jobs.Build.File, h.jobs.Running[0].Case = reporttest.Nasty, reporttest.Nasty, reporttest.Nasty
			h.err = nil
			for i := range h.entries {
				h.entries[i].Author += reporttest.Nasty
			}
			h.entries[6].Err = errors.New(reporttest.Nasty)
			s := lobby(t, h, size[0], size[1], Options{ASCII: ascii})
			for _, keys := range []string{"j", "G", "k k", "w", "j", "q", ": report enter", "q", "d", "esc", "O", "O", "?", "q"} {
				s.types(keys)
				s.text()
				for _, r := range strings.NewReplacer("\x1b[1m", "", "\x1b[2m", "", "\x1b[7m", "", "\x1b[m", "").Replace(s.m.View().Content) {
					if r < 0x20 && r != '\n' || r >= 0x7f && r < 0xa0 || r == '\u202e' || ascii && r > 0x7e {
						t.Fatalf("%v after %s: %U in\n%s", size, keys, r, s.text())
					}
				}
			}
		}
	}
}

// An output stays where the user has moved it, also when the command ends.
func TestOutputStaysWhereItWasMoved(t *testing.T) {
	h := many()
	h.said, h.works = strings.Repeat("a line\n", 50)+"the last one\n", true
	s := lobby(t, h, 80, 24, Options{})
	s.types(": apply enter k k k")
	before := s.text()
	close(h.opened[0].done)
	s.send(answer{s.m.top(), followMsg{}})
	if got := strings.Replace(s.text(), "done ", "working", 1); strings.Contains(got, "the last one") || strings.Contains(got, " top") || strings.Contains(before, "the last one") {
		t.Errorf("it was moved:\n%s", got)
	}
}

// A series that is opened while another screen is shown is not pushed over it, and the workspace takes keys again.
func TestOpenedUnderAnotherScreen(t *testing.T) {
	s := lobby(t, many(), 80, 24, Options{})
	_, opened := s.m.Update(tea.KeyPressMsg(tea.Key{Code: tea.KeyEnter}))
	s.keys("w")
	s.send(opened())
	s.keys("q")
	ws, ok := s.m.top().(*workspaceScreen)
	if !ok {
		t.Fatalf("%T is shown", s.m.top())
	}
	at := ws.at
	s.keys("j")
	if ws.at != at+1 || len(s.m.ahead) > 0 {
		t.Errorf("at %d after %d, %d keys wait", ws.at, at, len(s.m.ahead))
	}
}

// The mouse goes to a tab by its name, and the wheel scrolls what it is over.
func TestMouseOnTexts(t *testing.T) {
	for _, width := range []int{60, 80, 200} {
		s := newScreen(t, rfc(), width, 24, Options{})
		press := func(x, y int) { s.send(tea.MouseClickMsg{X: x, Y: y, Button: tea.MouseLeft}) }
		s.keys("enter", "K", "K")
		for _, tab := range []string{"console", "output", "stacks"} {
			line := strings.Split(s.text(), "\n")[2]
			press(strings.Index(line, tab)+1, 2)
			s.has("[" + tab + "]")
		}
		press(40, 6)
		press(width-2, 2)
		s.has("[stacks]")
		s.keys("q", "j", "j", "j", "j", "p")
		press(strings.Index(strings.Split(s.text(), "\n")[2], "thread")+1, 2)
		s.has("[thread]")
	}

	w := rfc()
	w.series.Patches[3].Replies[0].Body = strings.Repeat("a line\n", 100)
	s := newScreen(t, w, 200, 24, Options{})
	s.keys("j", "j", "j", "j", "p")
	s.send(tea.MouseWheelMsg{X: 150, Y: 8, Button: tea.MouseWheelDown})
	for _, tab := range s.m.top().(*patchScreen).tabs {
		if moved := tab.win.top > 0; moved != (tab.name == thread) {
			t.Errorf("%s: moved: %v", tab.name, moved)
		}
	}
	s.send(tea.MouseWheelMsg{X: 150, Y: 8, Button: tea.MouseWheelUp})
	s.has("1 trailer")

	h := busy()
	h.world.console = console(100)
	s = lobby(t, h, 80, 24, Options{})
	s.keys("w")
	j := s.m.top().(*jobsScreen)
	at := j.at
	s.send(tea.MouseWheelMsg{X: 5, Y: 20, Button: tea.MouseWheelUp})
	if j.at != at || j.win.atEnd() {
		t.Errorf("at %d, the output is not scrolled", j.at)
	}
	s.send(tea.MouseWheelMsg{X: 5, Y: 1, Button: tea.MouseWheelDown})
	if j.at == at {
		t.Error("the jobs are not scrolled")
	}
}

// Why a command failed is said whole, also where its output is wider than the screen.
func TestFailedCommandSaysWhy(t *testing.T) {
	h := many()
	h.said = "seriesctl: apply gfs2-handle-page-faults-v3: no source given, so there is nothing to apply it to\nhint: --source DIR: a git repository or an unpacked kernel source\n"
	h.ends = errors.New("not done")
	for _, width := range []int{60, 80} {
		s := lobby(t, h, width, 15, Options{})
		s.types(": apply enter")
		got := strings.Join(strings.Fields(s.text()), " ")
		if !strings.Contains(got, "no source given, so there is nothing to apply it to (--source DIR: a git repository or an unpacked kernel source)") {
			t.Errorf("at %d columns:\n%s", width, s.text())
		}
	}
}

// An error is said whole, and what it pushed up comes back with the next key.
func TestLongErrorIsWhole(t *testing.T) {
	h := many()
	h.said = "seriesctl: " + strings.Repeat("a word of the reason, ", 12) + "and its end\n"
	h.ends = errors.New("failed")
	s := lobby(t, h, 80, 24, Options{})
	height := s.m.top().(*workspaceScreen).height
	s.types("l x enter")
	s.has("and its end")
	s.types("j")
	if got := s.m.top().(*workspaceScreen).height; got != height {
		t.Errorf("%d lines, before %d", got, height)
	}
}
