package tui

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/plain"
	"github.com/seriesctl/seriesctl/internal/report/reporttest"
	"github.com/seriesctl/seriesctl/series"
)

var update = flag.Bool("update", false, "write the golden files")

// world is a Source with scripted content.
type world struct {
	result  *lab.Result
	changes chan struct{}
	status  Status
	runs    []lab.Run
	before  []lab.Run // of prefixes before 4, when there are any
	series  *series.Series
	err     error
	console string
	path    string // of the console, when it is a file
	open    int    // files that are open
}

func (w *world) Result() *lab.Result      { return w.result }
func (w *world) Changes() <-chan struct{} { return w.changes }
func (w *world) Status() Status           { return w.status }

func (w *world) Runs(prefix int, _ string) ([]lab.Run, error) {
	if w.before != nil && prefix < 4 {
		return w.before, w.err
	}
	return w.runs, w.err
}

func (w *world) Series() (*series.Series, error) { return w.series, w.err }

func (w *world) Open(path string) (File, error) {
	if w.path != "" {
		return os.Open(w.path)
	}
	if w.console == "" {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	w.open++
	return &memFile{bytes.NewReader([]byte(w.console)), w}, nil
}

// memFile is a File in memory.
type memFile struct {
	*bytes.Reader
	w *world
}

func (f *memFile) Close() error               { f.w.open--; return nil }
func (f *memFile) Stat() (fs.FileInfo, error) { return memInfo{f.Size()}, nil }

type memInfo struct{ size int64 }

func (i memInfo) Name() string       { return "console" }
func (i memInfo) Size() int64        { return i.size }
func (i memInfo) Mode() fs.FileMode  { return 0o644 }
func (i memInfo) ModTime() time.Time { return time.Time{} }
func (i memInfo) IsDir() bool        { return false }
func (i memInfo) Sys() any           { return nil }

func console(lines int) string {
	var b strings.Builder
	for i := 1; i <= lines; i++ {
		if i == lines/2 {
			b.WriteString("\x1b[31m[    2.500000] kernel BUG at fs/gfs2/glock.c:1126!\x1b[0m\r\n")
			continue
		}
		fmt.Fprintf(&b, "[%12.6f] line %d of the console, long enough to be cut on a narrow screen\n", float64(i)/100, i)
	}
	return b.String()
}

// term is a model on a terminal of a size.
type term struct {
	t *testing.T
	w *world
	m *model
}

func newScreen(t *testing.T, w *world, width, height int, o Options) *term {
	s := &term{t, w, newModel(w, o)}
	if x, ok := s.m.stack[0].(*matrixScreen); ok {
		x.now = func() time.Time { return reporttest.Now }
	}
	s.m.still = true
	s.size(width, height)
	if s.m.first != nil {
		s.send(s.m.first())
	}
	return s
}

func (s *term) size(width, height int) { s.send(tea.WindowSizeMsg{Width: width, Height: height}) }

// golden compares the screen with the file of that name, to which what is not plain is added.
func (s *term) golden(name string, o Options) {
	s.t.Helper()
	if o.Color {
		name += "-color"
	}
	if o.ASCII {
		name += "-ascii"
	}
	s.goldenFile(name)
}

// goldenFile compares the screen, with its styles where it is in colour, with the file of that name and the screen's size.
func (s *term) goldenFile(name string) {
	s.t.Helper()
	got := s.text()
	if s.m.color {
		got = strings.ReplaceAll(s.m.View().Content, "\x1b", "␛") + "\n"
	}
	path := filepath.Join("testdata", fmt.Sprintf("%s-%dx%d.txt", name, s.m.width, s.m.height))
	if *update {
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(path, []byte(got), 0o644)); err != nil {
			s.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	if got != string(want) {
		s.t.Errorf("%s differs (go test -update writes it):\n%s", path, got)
	}
}

// matrix is the lowest screen's.
func (s *term) matrix() *matrix { return s.m.stack[0].(*matrixScreen).matrix }

// send gives a message to Update and then the answers of the commands it returns, until there are none.
// Whether the last of them was to quit is the result.
func (s *term) send(msg tea.Msg) bool {
	_, cmd := s.m.Update(msg)
	if cmd == nil {
		return false
	}
	switch answer := cmd().(type) {
	case nil:
		return false
	case tea.QuitMsg:
		return true
	case tea.BatchMsg:
		for _, c := range answer {
			if c != nil {
				s.send(c())
			}
		}
		return false
	default:
		return s.send(answer)
	}
}

var special = map[string]tea.Key{
	"enter": {Code: tea.KeyEnter}, "esc": {Code: tea.KeyEscape}, "tab": {Code: tea.KeyTab}, "backspace": {Code: tea.KeyBackspace},
	"shift+tab": {Code: tea.KeyTab, Mod: tea.ModShift}, "home": {Code: tea.KeyHome}, "end": {Code: tea.KeyEnd}, "left": {Code: tea.KeyLeft}, "delete": {Code: tea.KeyDelete}, "up": {Code: tea.KeyUp}, "down": {Code: tea.KeyDown}, "right": {Code: tea.KeyRight},
	"space":  {Code: tea.KeySpace, Text: " "},
	"ctrl+d": {Code: 'd', Mod: tea.ModCtrl}, "ctrl+u": {Code: 'u', Mod: tea.ModCtrl}, "ctrl+c": {Code: 'c', Mod: tea.ModCtrl},
}

// keys types each word: a key's name or a letter.
func (s *term) keys(keys ...string) (quit bool) {
	for _, k := range keys {
		key, ok := special[k]
		if !ok {
			key = tea.Key{Code: []rune(k)[0], Text: k}
		}
		quit = s.send(tea.KeyPressMsg(key))
		s.m.View() // as the program draws after each
	}
	return quit
}

// text is the screen without styles; it fails the test when a line is too wide or there are too many.
func (s *term) text() string {
	s.t.Helper()
	lines := strings.Split(s.m.View().Content, "\n")
	if len(lines) > s.m.height {
		s.t.Errorf("%d lines on a screen of %d", len(lines), s.m.height)
	}
	for i, l := range lines {
		if n := plain.Width(l); n > s.m.width {
			s.t.Errorf("line %d takes %d of %d columns: %q", i, n, s.m.width, l)
		}
		lines[i] = strings.TrimRight(plain.Line(l), " ")
	}
	return strings.Join(lines, "\n") + "\n"
}

func (s *term) has(want string) {
	s.t.Helper()
	if got := s.text(); !strings.Contains(got, want) {
		s.t.Errorf("%q is not on the screen:\n%s", want, got)
	}
}

func rfc() *world {
	return &world{result: reporttest.RFC(), runs: reporttest.Runs(), series: reporttest.Series(), console: console(300)}
}

// subsets is a world in which subsets were run, and one is running.
func subsets() *world {
	w := rfc()
	w.result = reporttest.Subsets()
	return w
}

// unrun is a series that was loaded and not run.
func unrun() *world {
	w := rfc()
	r := &lab.Result{Series: w.result.Series, Subject: w.result.Subject}
	for _, p := range w.result.Prefixes {
		r.Prefixes = append(r.Prefixes, lab.Prefix{Index: p.Index, Patch: p.Patch, Subject: p.Subject, Status: lab.PrefixPending})
	}
	w.result = r
	return w
}

func live() *world {
	return &world{result: reporttest.Live(), changes: make(chan struct{}, 1), status: Status{Running: true, Line: "building prefix 4: compiling fs/gfs2/file.c", Done: 58, Total: 180}}
}

// compared is a world in which a deadlock, prefix 3's, became another one.
func compared() *world {
	w := rfc()
	w.before = w.runs[:1]
	now := w.runs[0]
	now.ID, now.Judgement.Signature, now.Judgement.Evidence = 50, "inode_dio_wait", "cross-two-files blocked in inode_dio_wait"
	h := *now.Observation.Hang
	h.Tasks = slices.Clone(h.Tasks)
	h.Tasks[2].IO, h.Tasks[2].Frames = nil, []string{"inode_dio_wait+0x11/0x90", "gfs2_file_read_iter+0x99/0x130"}
	now.Observation.Hang = &h
	w.runs = []lab.Run{now}
	return w
}

// junk is a world whose one run wrote what no terminal should get: escape sequences, broken UTF-8, and wide characters.
func junk() *world {
	w := rfc()
	w.runs = w.runs[2:]
	w.runs[0].Observation.Output = strings.Repeat(reporttest.Nasty+"\xff\xfe\x80 日本語のとても長い行 \u202e\u200b", 3) + "\n" + strings.Repeat("漢", 200) + "\n"
	w.runs[0].Judgement.Evidence = "read: \xff\xfe 日本語 " + reporttest.Nasty
	return w
}

func TestGolden(t *testing.T) {
	sizes := []struct{ w, h int }{{60, 15}, {80, 24}, {200, 60}}
	tests := []struct {
		name  string
		world func() *world
		o     Options
		keys  []string
	}{
		{"matrix", rfc, Options{}, []string{"j", "j", "j", "j", "l"}},
		{"matrix-end", rfc, Options{}, []string{"G", "$"}},
		{"matrix-color", rfc, Options{Color: true}, []string{"j", "j", "j", "j"}},
		{"matrix-ascii", rfc, Options{ASCII: true}, []string{"]"}},
		{"matrix-subsets", subsets, Options{}, []string{"G", "k", "k"}},
		{"matrix-subsets-color", subsets, Options{Color: true}, []string{"G", "l", "l"}},
		{"matrix-subsets-ascii", subsets, Options{ASCII: true}, []string{"G"}},
		{"cell-subset", subsets, Options{}, []string{"G", "k", "k", "enter", "tab", "tab", "tab"}},
		{"patch-subset", subsets, Options{}, []string{"G", "k", "k", "p"}},
		{"live", live, Options{}, []string{"j", "j", "j", "j"}},
		{"live-ascii", live, Options{ASCII: true}, []string{"j", "j", "j", "l", "l", "l", "l"}},
		{"live-color", live, Options{Color: true}, []string{"j", "j", "j", "l", "l", "l"}},
		{"matrix-folded", rfc, Options{}, []string{"j", "j", "j", "j", "z", "Z"}},
		{"matrix-folded-ascii", rfc, Options{ASCII: true}, []string{"$", "z", "j", "Z"}},
		{"matrix-still", rfc, Options{}, []string{"f", "s", "t", "i", "l", "l", "enter", "o"}},
		{"matrix-filter", rfc, Options{}, []string{"f", "*", "4", "enter"}},
		{"hostile", func() *world { return &world{result: reporttest.Hostile()} }, Options{}, []string{"j"}},
		{"empty", func() *world { return &world{result: &lab.Result{}} }, Options{}, nil},
		{"loaded", func() *world { return &world{result: &lab.Result{Series: "x-v1", Subject: "x"}} }, Options{}, nil},
		{"unrun", unrun, Options{}, []string{"j", "j", "j", "j"}},
		{"unrun-color", unrun, Options{Color: true}, nil},
		{"unrun-patch", unrun, Options{}, []string{"j", "j", "j", "j", "enter"}},
		{"cell-output", rfc, Options{}, []string{"enter"}},
		{"cell-report", rfc, Options{}, []string{"enter", "K"}},
		{"cell-stacks", rfc, Options{}, []string{"enter", "K", "K", "tab"}},
		{"cell-stacks-ascii", rfc, Options{ASCII: true}, []string{"enter", "K", "K", "tab"}},
		{"cell-run", rfc, Options{Color: true}, []string{"enter", "K", "K"}},
		{"cell-before", compared, Options{}, []string{"j", "j", "j", "j", "enter", "tab", "tab", "tab"}},
		{"cell-before-ascii", compared, Options{ASCII: true}, []string{"j", "j", "j", "j", "enter", "tab", "tab", "tab"}},
		{"cell-hand", rfc, Options{}, []string{"enter", "K", "K", "tab", "tab", "tab", "tab"}},
		{"cell-oops", rfc, Options{}, []string{"enter", "K", "o"}},
		{"cell-junk", junk, Options{}, []string{"enter", "G"}},
		{"cell-junk-ascii", junk, Options{ASCII: true}, []string{"enter", "G", "h"}},
		{"cell-console", rfc, Options{}, []string{"enter", "shift+tab", "/", "B", "U", "G", "enter"}},
		{"patch", rfc, Options{}, []string{"j", "j", "j", "j", "p"}},
		{"patch-color", rfc, Options{Color: true}, []string{"j", "j", "j", "j", "p"}},
		{"patch-thread", rfc, Options{}, []string{"j", "j", "j", "j", "p", "tab"}},
		{"patch-thread-ascii", rfc, Options{ASCII: true}, []string{"j", "j", "j", "j", "p", "tab", "z"}},
		{"patch-needs", rfc, Options{}, []string{"j", "j", "j", "j", "p", "tab", "tab"}},
		{"patch-cases", rfc, Options{}, []string{"j", "j", "j", "j", "p", "tab", "tab", "tab", "tab"}},
		{"patch-unbuilt", rfc, Options{}, []string{"G", "k", "k", "k", "p", "tab", "tab"}},
		{"cover", rfc, Options{}, []string{"p"}},
		{"help", rfc, Options{}, []string{"?"}},
		{"patch-help", rfc, Options{}, []string{"p", "?"}},
		{"cell-help", rfc, Options{}, []string{"enter", "?"}},
		{"leave", live, Options{}, []string{"Q"}},
	}
	for _, tt := range tests {
		for _, size := range sizes {
			t.Run(fmt.Sprintf("%s-%dx%d", tt.name, size.w, size.h), func(t *testing.T) {
				s := newScreen(t, tt.world(), size.w, size.h, tt.o)
				s.keys(tt.keys...)
				s.goldenFile(tt.name)
			})
		}
	}
}

func TestCursor(t *testing.T) {
	tests := []struct {
		keys     []string
		row, col int
	}{
		{nil, 0, 0},
		{[]string{"j", "down", "l", "right"}, 2, 2},
		{[]string{"k", "h"}, 0, 0},
		{[]string{"G"}, 9, 0},
		{[]string{"G", "j", "$", "l"}, 9, 17},
		{[]string{"$", "0", "G", "g"}, 0, 0},
		{[]string{"]"}, 4, 0},
		{[]string{"]", "]", "]"}, 9, 0},
		{[]string{"]", "]", "]", "]"}, 9, 0},
		{[]string{"G", "["}, 8, 8},
		{[]string{"/", "n", "o", "i", "o", "enter"}, 6, 0},
		{[]string{"/", "p", "a", "r", "t", "enter"}, 4, 0},
		{[]string{"/", "p", "a", "r", "t", "enter", "n"}, 9, 0},
		{[]string{"/", "p", "a", "r", "t", "enter", "n", "n"}, 4, 0},
		{[]string{"/", "p", "a", "r", "t", "enter", "N"}, 9, 0},
		{[]string{"/", "e", "x", "t", "4", "/", "enter"}, 0, 9},
		{[]string{"/", "x", "esc", "j"}, 1, 0},
		{[]string{"/", "x", "backspace", "backspace", "j"}, 1, 0},
		{[]string{"?", "j", "q", "j"}, 1, 0},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.keys, " "), func(t *testing.T) {
			s := newScreen(t, rfc(), 80, 24, Options{})
			s.keys(tt.keys...)
			if g := s.matrix().grid; g.row != tt.row || g.col != tt.col {
				t.Errorf("at %d, %d, want %d, %d", g.row, g.col, tt.row, tt.col)
			}
		})
	}
}

// Wherever the cursor goes, at whatever size, it stays on the screen, and nothing is wider or higher than that.
func TestCursorIsAlwaysVisible(t *testing.T) {
	w := &world{result: reporttest.Large(40, 30)}
	for _, size := range [][2]int{{30, 8}, {40, 10}, {60, 15}, {80, 24}, {133, 40}, {200, 60}, {500, 100}} {
		s := newScreen(t, w, size[0], size[1], Options{})
		for _, k := range []string{"G", "$", "k", "h", "0", "ctrl+u", "l", "l", "l", "l", "l", "l", "l", "l", "space", "g", "$", "ctrl+d"} {
			s.keys(k)
			if got := s.text(); strings.Count(got, "[") == 0 {
				t.Fatalf("%v: no cursor after %s:\n%s", size, k, got)
			}
		}
		s.send(tea.WindowSizeMsg{Width: 60, Height: 15})
		s.has("[")
	}
}

func TestLiveChangesKeepTheCursor(t *testing.T) {
	w := live()
	s := newScreen(t, w, 80, 24, Options{})
	s.keys("j", "j", "l")
	s.has("58/180")
	w.result, w.status = reporttest.RFC(), Status{}
	s.m.Update(changedMsg{true})
	if g := s.matrix().grid; g.row != 2 || g.col != 1 {
		t.Errorf("at %d, %d", g.row, g.col)
	}
	if got := s.text(); strings.Contains(got, "58/180") {
		t.Errorf("the status stays after the run:\n%s", got)
	}
}

func TestPatchOverMatrixAndCell(t *testing.T) {
	s := newScreen(t, rfc(), 80, 24, Options{})
	s.keys("j", "j", "j", "j", "enter", "K", "p")
	s.has("patch 4/9")
	s.keys("p") // back in the cell, at the run that was shown
	s.has(" run 2 of 3")
	s.keys("p", "]")
	s.has("patch 5/9")
	s.keys("q") // the cell has gone along
	s.has("prefix 5")
	s.keys("q", "g", "p", "[")
	s.has("no patch beyond this one")
	s.keys("]", "]", "]", "]", "tab")
	s.has("10 quoted lines")
	s.keys("z")
	s.has("line 5 of what was written before")
	s.keys("/", "t", "a", "k", "e", " ", "t", "h", "e", "enter")
	s.has("/take the")
	s.keys("]") // the next patch has no replies
	s.has("[patch]")
	s.keys("q")
	s.has("Enter open")
}

func TestPatchThatCannotBeShown(t *testing.T) {
	w := rfc()
	w.series, w.err = nil, errors.New("read mail: \x1b[31mgone")
	s := newScreen(t, w, 80, 24, Options{})
	s.keys("j", "p", "tab", "z", "j", "G")
	s.has("cannot show it: read mail: gone")
	w.series, w.err = &series.Series{ID: "x"}, nil
	s.keys("]")
	s.has("the series has no patch 2")
}

func TestListensAtMostTwentyTimesASecond(t *testing.T) {
	w := live()
	m := newModel(w, Options{})
	w.changes <- struct{}{}
	msg := m.Init()()
	if msg != (changedMsg{true}) {
		t.Fatalf("got %v", msg)
	}
	start := time.Now()
	_, cmd := m.Update(msg)
	if next := cmd(); next != (listenMsg{}) {
		t.Fatalf("got %v", next)
	}
	if d := time.Since(start); d < redraw {
		t.Errorf("listens again after %v", d)
	}
	if _, cmd = m.Update(listenMsg{}); cmd == nil {
		t.Fatal("does not listen again")
	}
	close(w.changes)
	msg = cmd()
	if _, cmd = m.Update(msg); cmd != nil {
		t.Error("listens to a closed channel")
	}
	w.changes = nil
	if m.Init() != nil {
		t.Error("listens to nothing")
	}
}

// elsewhere is a world in which another process runs.
func elsewhere() *world {
	w := live()
	w.status.Elsewhere = true
	return w
}

func TestQuit(t *testing.T) {
	tests := []struct {
		name string
		w    *world
		keys []string
		quit bool
	}{
		{"nothing runs", rfc(), []string{"Q"}, true},
		{"q at home", rfc(), []string{"q"}, true},
		{"q in a cell goes back", rfc(), []string{"enter", "q"}, false},
		{"Q in a cell", rfc(), []string{"enter", "Q"}, true},
		{"asks", live(), []string{"Q"}, false},
		{"runs elsewhere", elsewhere(), []string{"Q"}, true},
		{"stays", live(), []string{"Q", "esc"}, false},
		{"another key stays", live(), []string{"Q", "j"}, false},
		{"no, but the run can't be interrupted", live(), []string{"Q", "n"}, false},
		{"yes", live(), []string{"Q", "y"}, true},
		{"^C twice", live(), []string{"ctrl+c", "ctrl+c"}, true},
		{"from the help", rfc(), []string{"?", "Q"}, true},
		{"nothing there", &world{result: &lab.Result{}}, []string{"q"}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScreen(t, tt.w, 80, 24, Options{})
			if got := s.keys(tt.keys...); got != tt.quit {
				t.Errorf("quit is %v:\n%s", got, s.text())
			}
			if tt.quit && tt.w.open != 0 {
				t.Errorf("%d files open", tt.w.open)
			}
		})
	}
}

func TestEmptyTakesEveryKey(t *testing.T) {
	for _, b := range Keys()[1].Bindings {
		for _, k := range b.keys {
			if _, named := special[k]; named || len(k) == 1 {
				s := newScreen(t, &world{result: &lab.Result{}}, 80, 24, Options{})
				s.keys(k)
				s.text()
			}
		}
	}
}

func TestCellOpensOnTheEvidence(t *testing.T) {
	for i, want := range []string{"the read of a faults on b", "kernel BUG at fs/gfs2/glock.c", "read: EFAULT, expected 4096"} {
		w := rfc()
		w.runs = w.runs[i : i+1]
		s := newScreen(t, w, 80, 24, Options{})
		s.keys("enter")
		s.has(want)
	}
}

func TestCellNeighbours(t *testing.T) {
	w := rfc()
	s := newScreen(t, w, 80, 24, Options{})
	s.keys("j", "enter", "]", "]")
	s.has("prefix 3")
	s.keys("[")
	s.has("prefix 2")
	s.keys("[", "[", "[")
	s.has("no prefix beyond this one")
	if w.open != 1 {
		t.Errorf("%d files open", w.open)
	}
	s.keys("q")
	if w.open != 0 || s.matrix().grid.row != 0 {
		t.Errorf("%d files open, row %d", w.open, s.matrix().grid.row)
	}
}

func TestCellFindsInTheConsole(t *testing.T) {
	s := newScreen(t, rfc(), 80, 24, Options{})
	s.keys("enter", "shift+tab", "/", "k", "e", "r", "n", "e", "l", "space", "b", "u", "g", "enter")
	s.has("kernel BUG at fs/gfs2/glock.c:1126!")
	s.keys("n")
	s.has(`no more "kernel bug"`)
}

func TestCellTroubles(t *testing.T) {
	w := rfc()
	w.console = ""
	s := newScreen(t, w, 80, 24, Options{})
	s.keys("enter", "shift+tab")
	s.has("cannot be read: open logs/43.console: file does not exist")

	w = rfc()
	w.runs, w.err = nil, errors.New("the database is \x1b[2Jlocked")
	s = newScreen(t, w, 80, 24, Options{})
	s.keys("enter", "tab", "j", "G", "/", "x", "enter")
	s.has("cannot read the runs: the database is locked")

	w = rfc()
	w.runs = nil
	s = newScreen(t, w, 80, 24, Options{})
	s.keys("enter")
	s.has("no runs yet")
}

func TestCellOfAPrefixWithoutAnImageShowsItsLog(t *testing.T) {
	w := rfc()
	w.runs = nil
	s := newScreen(t, w, 80, 24, Options{})
	s.keys("/", "n", "o", "i", "o", "enter", "enter")
	s.has("no runs: the prefix has no image; its log:")
	s.has("[log]")
	s.has("line 1 of the console")
}

// A cell that is open while its run goes on shows the next run when it comes.
func TestCellIsLive(t *testing.T) {
	w := rfc()
	w.changes = make(chan struct{}, 1)
	runs := w.runs
	w.runs = runs[:0]
	w.result.Cells[0].Runs = 0
	s := newScreen(t, w, 80, 24, Options{})
	s.keys("enter")
	s.has("no runs yet")
	w.runs = runs[:1]
	w.result = reporttest.RFC()
	s.send(changedMsg{false})
	s.has("run 1 of 1: deadlock")
}

// A snapshot may have less than the one before: another command may have loaded another series.
func TestCellOutlivesItsResult(t *testing.T) {
	w := rfc()
	s := newScreen(t, w, 80, 24, Options{})
	s.keys("G", "$", "enter")
	w.result = &lab.Result{}
	s.send(changedMsg{false})
	s.keys("]", "[", "tab", "q")
	s.has("No series here yet")
}

func TestAnswersToAClosedCellAreDropped(t *testing.T) {
	w := rfc()
	s := newScreen(t, w, 80, 24, Options{})
	_, load := s.m.Update(tea.KeyPressMsg(special["enter"]))
	_, open := s.m.Update(load())
	late := open()
	s.keys("q")
	s.send(late)
	if w.open != 0 {
		t.Errorf("%d files open", w.open)
	}
	s.has("9 patches")
}

func TestNoEscapeReachesTheTerminal(t *testing.T) {
	w := &world{result: reporttest.Hostile(), runs: reporttest.Runs(), console: strings.Repeat(reporttest.Nasty+"\n", 50),
		status: Status{Running: true, Line: reporttest.Nasty, Total: 3}}
	for i := range w.runs {
		w.runs[i].Judgement.Evidence = reporttest.Nasty
		w.runs[i].Observation.Output = reporttest.Nasty
	}
	s := newScreen(t, w, 80, 24, Options{})
	for _, k := range []string{"j", "enter", "tab", "tab", "K", "K", "tab", "q", "?", "q", "Q"} {
		s.keys(k)
		got := s.m.View().Content
		for _, own := range []string{"\x1b[1m", "\x1b[2m", "\x1b[7m", "\x1b[m"} {
			got = strings.ReplaceAll(got, own, "")
		}
		for _, r := range got {
			if r < 0x20 && r != '\n' || r >= 0x7f && r < 0xa0 || r == '\u202e' {
				t.Fatalf("after %s: %U in\n%q", k, r, got)
			}
		}
	}
}

func TestASCIIDrawsASCII(t *testing.T) {
	for _, w := range []*world{rfc(), live(), unrun(), {result: reporttest.Hostile()}, {result: &lab.Result{}}} {
		s := newScreen(t, w, 80, 24, Options{ASCII: true})
		for _, k := range []string{"j", "?", "q", "enter", "tab", "q", "/", "x", "enter"} {
			s.keys(k)
			for _, r := range s.m.View().Content {
				if r > 0x7e {
					t.Fatalf("%U on the screen:\n%s", r, s.text())
				}
			}
		}
	}
}

// nameOf is how a person reads the name of a key.
func nameOf(key string) string {
	if letter, ok := strings.CutPrefix(key, "ctrl+"); ok {
		return "^" + letter
	}
	names := map[string]string{"space": "Space", "pgdown": "PgDn", "pgup": "PgUp", "home": "Home", "end": "End", "enter": "Enter", "esc": "Esc", "tab": "Tab", "shift+tab": "Shift-Tab"}
	if name := names[key]; name != "" {
		return name
	}
	return key
}

func TestEveryKeyIsBoundOnce(t *testing.T) {
	for _, table := range Keys() {
		seen := map[string]bool{}
		for _, b := range table.Bindings {
			if b.Label == "" || b.Help == "" {
				t.Errorf("%s: %v is not explained", table.Title, b.keys)
			}
			for _, k := range b.keys {
				if b.Label != digits && !slices.Contains(strings.Split(b.Label, ", "), nameOf(k)) {
					t.Errorf("%s: %s is not named by %q", table.Title, k, b.Label)
				}
				if seen[k] {
					t.Errorf("%s: %s is bound twice", table.Title, k)
				}
				seen[k] = true
			}
		}
	}
}

func TestTooSmall(t *testing.T) {
	s := newScreen(t, rfc(), 20, 5, Options{})
	s.has("too small")
}

// A key on 500 patches and 100 cases, drawn.
func BenchmarkKey(b *testing.B) {
	w := &world{result: reporttest.Large(501, 100)}
	for _, size := range [][2]int{{80, 24}, {200, 60}} {
		b.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(b *testing.B) {
			m := newModel(w, Options{Color: true})
			m.Update(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
			keys := []tea.KeyPressMsg{{Code: 'j', Text: "j"}, {Code: 'l', Text: "l"}, {Code: 'd', Mod: tea.ModCtrl}, {Code: 'k', Text: "k"}}
			for i := 0; b.Loop(); i++ {
				m.Update(keys[i%len(keys)])
				_ = m.View()
			}
		})
	}
}

// The first screen of 500 patches and 100 cases.
func BenchmarkStart(b *testing.B) {
	w := &world{result: reporttest.Large(501, 100)}
	for b.Loop() {
		m := newModel(w, Options{Color: true})
		m.Update(tea.WindowSizeMsg{Width: 200, Height: 60})
		_ = m.View()
	}
}

func BenchmarkChange(b *testing.B) {
	w := &world{result: reporttest.Large(501, 100)}
	m := newModel(w, Options{Color: true})
	m.Update(tea.WindowSizeMsg{Width: 200, Height: 60})
	snapshots := [2]*lab.Result{w.result, reporttest.Large(501, 100)}
	for i := 0; b.Loop(); i++ {
		w.result = snapshots[i%2]
		m.Update(changedMsg{})
		_ = m.View()
	}
}
