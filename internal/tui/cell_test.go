package tui

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/plain"
	"github.com/seriesctl/seriesctl/internal/report/reporttest"
	"github.com/seriesctl/seriesctl/qemu"
	"github.com/seriesctl/seriesctl/testplan"
)

// newTestCell is the view of a run on a page of a width.
func newTestCell(width int, run lab.Run) *cellView {
	v := &cellView{pager: pager{width: width, height: 20}, series: "x-v1", prefix: 3, where: "prefix 3", argument: "3", caseName: "gfs2/read-self", runs: []lab.Run{run}}
	v.build(nil, 0, nil)
	return v
}

// lineWith is the line of text that holds part, "" when there is none.
func lineWith(text, part string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			return line
		}
	}
	return ""
}

func TestStacksStandSideBySide(t *testing.T) {
	run := reporttest.Runs()[0]
	wide := newTestCell(200, run).stacks(&run)
	if l := lineWith(wide, "[1] cross-two-files 71, state D"); !strings.Contains(l, "[2] cross-two-files 72") || !strings.Contains(l, "cross-two-files 70, state S") {
		t.Errorf("at 200 columns:\n%s", wide)
	}
	if !strings.Contains(wide, "the cycle: [1] cross-two-files 71 waits for [2], [2] cross-two-files 72 waits for [1]") ||
		!strings.Contains(wide, "waits for /mnt/b, held by [2]") || !strings.Contains(wide, "> gfs2_fault+0x52/0xa0") || !strings.Contains(wide, "lock &mm->mmap_lock at") {
		t.Errorf("the cycle is not told:\n%s", wide)
	}
	for i := range run.Observation.Hang.Tasks {
		run.Observation.Hang.Tasks[i].Frames[0] = "entry_SYSCALL_64_after_hwframe+0x44/0xae"
	}
	narrow := newTestCell(80, run).stacks(&run)
	if l := lineWith(narrow, "[1] cross-two-files 71, state D"); !strings.Contains(l, "[2] cross-two-files") || strings.Contains(narrow, "+0x") || !strings.Contains(narrow, "The offsets are left out") {
		t.Errorf("at 80 columns:\n%s", narrow)
	}
	small := newTestCell(60, run).stacks(&run)
	if l := lineWith(small, "[1] cross-two-files 71, state D"); strings.Contains(l, "72") || !strings.Contains(small, "gfs2_fault+0x52") {
		t.Errorf("at 60 columns:\n%s", small)
	}
	for _, width := range []int{60, 80, 200} {
		for line := range strings.Lines(newTestCell(width, run).stacks(&run)) {
			if n := plain.Width(strings.TrimRight(line, "\n")); n >= width {
				t.Errorf("%d columns of %d: %q", n, width, line)
			}
		}
	}
}

func TestStacksOfOtherHangs(t *testing.T) {
	alone := qemu.Stack{PID: 5, Comm: "read-self\x1b[2J", State: "D", IO: &qemu.IO{Op: "read", File: "/mnt/a", Memory: []string{"/mnt/a"}}, Frames: []string{"f.constprop.0+0x1/0x2", "exc_page_fault+0x1/0x2"}}
	tests := map[string]struct {
		tasks []qemu.Stack
		want  string
	}{
		"of one task":   {[]qemu.Stack{alone}, "the cycle: [1] read-self 5 waits for itself"},
		"its function":  {[]qemu.Stack{alone}, "> f.constprop.0+0x1/0x2"},
		"a channel":     {[]qemu.Stack{{PID: 6, Comm: "x", State: "D", Wchan: "jbd2_log_wait"}}, "waits in jbd2_log_wait"},
		"without tasks": {nil, "no stack is known"},
	}
	for name, tt := range tests {
		run := lab.Run{Judgement: testplan.Judgement{Outcome: testplan.Deadlock, Signature: "f"}, Observation: qemu.Observation{Hang: &qemu.Hang{Tasks: tt.tasks}}}
		if got := plain.Text(newTestCell(80, run).stacks(&run)); !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q is not in\n%s", name, tt.want, got)
		}
	}
}

func TestBefore(t *testing.T) {
	runs := reporttest.Runs()
	infra := lab.Run{Judgement: testplan.Judgement{Outcome: testplan.Infra}}
	tests := []struct {
		name   string
		before *earlier
		want   []string
	}{
		{"the base", nil, []string{"no prefix before this one"}},
		{"same image", &earlier{prefix: 2, same: true, next: true, runs: runs[1:2]}, []string{"the image is the same"}},
		{"a gap", &earlier{prefix: 1, runs: runs[1:2]}, []string{"since prefix 1", "the prefixes between have no verdict"}},
		{"no runs", &earlier{prefix: 2, next: true, runs: []lab.Run{infra}}, []string{"its runs are not there"}},
		{"trouble", &earlier{prefix: 2, err: errors.New("the disk is \x1b[2Jgone")}, []string{"cannot read its runs: the disk is gone"}},
		{"a crash before", &earlier{prefix: 2, next: true, runs: append(runs[1:2:2], infra)}, []string{"outcome: crash → fail", "signature: kernel BUG in gfs2_glock_nq → read EFAULT", "evidence before: kernel BUG at", "Stacks before, now none", "runs: 2 → 1"}},
		{"the same", &earlier{prefix: 2, next: true, runs: runs[2:3]}, []string{"outcome: fail, as before", "signature: read EFAULT, as before", "Output, as before"}},
		{"a pass before", &earlier{prefix: 2, next: true, runs: []lab.Run{{Judgement: testplan.Judgement{Outcome: testplan.Pass}}}}, []string{"outcome: pass → fail", "signature: none → read EFAULT", "Output, none before"}},
	}
	for _, tt := range tests {
		v := newTestCell(80, runs[2])
		v.before = tt.before
		got := plain.Text(v.beforeText(&runs[2]))
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q is not in\n%s", tt.name, want, got)
			}
		}
	}
}

func TestEarlier(t *testing.T) {
	x := newTestMatrix(reporttest.RFC())
	if e := x.earlier(0, 0); e != nil {
		t.Errorf("before the base: %+v", e)
	}
	if e := x.earlier(4, 0); e.prefix != 3 || !e.next || e.same {
		t.Errorf("of 4: %+v", e)
	}
	if e := x.earlier(5, 0); e.prefix != 4 || !e.same {
		t.Errorf("of 5: %+v", e)
	}
	// 6 does not build.
	if e := x.earlier(7, 0); e.prefix != 5 || e.next || e.same {
		t.Errorf("of 7: %+v", e)
	}
}

func TestDiff(t *testing.T) {
	tests := []struct{ a, b, want string }{
		{"a b c", "a b c", "  a|  b|  c"},
		{"a b c", "a x c", "  a|- b|+ x|  c"},
		{"", "a", "+ a"},
		{"a", "", "- a"},
		{"", "", ""},
		{"b c d", "a b d e", "+ a|  b|- c|  d|+ e"},
	}
	for _, tt := range tests {
		if got := strings.Join(diff(strings.Fields(tt.a), strings.Fields(tt.b)), "|"); got != tt.want {
			t.Errorf("%q, %q: %s", tt.a, tt.b, got)
		}
	}
	long := strings.Fields(strings.Repeat("x ", 5000))
	if n := len(diff(long, long[1:])); n > 2*diffMost {
		t.Errorf("%d lines", n)
	}
}

// The commands by hand are whole, whatever the width, and are words of a shell, whatever the names.
func TestByHand(t *testing.T) {
	run := reporttest.Runs()[0]
	for _, width := range []int{30, 60, 80, 200} {
		v := newTestCell(width, run)
		v.series, v.caseName, v.kernel = "a-series-of-a-long-name-v1", "gfs2/it's $(rm)", "debug"
		got := v.handText(&run)
		for line := range strings.Lines(got) {
			if plain.Width(line) > max(width, 50) {
				t.Errorf("at %d columns: %q", width, line)
			}
		}
		whole := strings.Join(strings.Fields(strings.ReplaceAll(got, " \\\n", " ")), " ")
		for _, want := range []string{`seriesctl shell a-series-of-a-long-name-v1 3 --case 'gfs2/it'\''s $(rm)'`, `--gdb=wait`, `seriesctl log a-series-of-a-long-name-v1 3 'gfs2/it'\''s $(rm)'`,
			"cross read", "a disk of 64 MiB", "mkfs.gfs2 -O -p lock_nolock DISK", "mount -t gfs2 -o data=ordered DISK /mnt", "this case ran on debug", "logs/41.console"} {
			if !strings.Contains(whole, want) {
				t.Errorf("at %d columns: %q is not in\n%s", width, want, got)
			}
		}
	}
}

// A page is laid out anew for another width, and stays about where it was; a new run of the cell does not move it either.
func TestPagesStay(t *testing.T) {
	w := rfc()
	w.changes = make(chan struct{}, 1)
	s := newScreen(t, w, 80, 24, Options{})
	s.keys("enter", "K", "K", "tab", "j", "j", "j", "j", "j", "j", "j", "j")
	s.has("gfs2_glock_wait")
	top := s.m.top().(*cellScreen).window().top
	w.runs = append(w.runs, w.runs[2])
	w.runs[3].ID = 99
	w.result = reporttest.RFC()
	w.result.Cells[0].Runs = 4
	s.send(changedMsg{false})
	if got := s.m.top().(*cellScreen).window().top; got != top || len(s.m.top().(*cellScreen).runs) != 4 {
		t.Errorf("at %d, not %d", got, top)
	}
	s.has("run 1 of 4")
	s.send(tea.WindowSizeMsg{Width: 60, Height: 15})
	if s.m.top().(*cellScreen).window().top == 0 {
		t.Error("back at the top")
	}
	s.text()
}

// The tab is kept over cells and patches that have none of that name.
func TestTabStaysOverThoseWithoutIt(t *testing.T) {
	w := rfc()
	w.result.Prefixes[3].Status, w.result.Prefixes[3].Log = lab.PrefixBuildFailed, "log"
	w.before = []lab.Run{}
	s := newScreen(t, w, 80, 24, Options{})
	s.keys("j", "j", "j", "j", "enter", "K", "K", "tab")
	s.has("[stacks]")
	s.keys("[")
	s.has("[log]")
	s.keys("]", "K", "K")
	s.has("[stacks]")
	s.keys("q", "p", "tab")
	s.has("[thread]")
	s.keys("]")
	s.has("[patch]")
	s.keys("[")
	s.has("[thread]")
}

// Who compares the output of a case along the patches stays in that tab, however fast the keys come.
func TestTabStaysFromPatchToPatch(t *testing.T) {
	s := newScreen(t, rfc(), 80, 24, Options{})
	s.keys("enter", "tab")
	s.has("[output]")
	s.keys("]")
	s.has("prefix 1")
	s.has("[output]")
	// The answers about prefixes 2 and 1 come when both keys were pressed.
	_, second := s.m.Update(tea.KeyPressMsg(tea.Key{Code: ']', Text: "]"}))
	_, first := s.m.Update(tea.KeyPressMsg(tea.Key{Code: '[', Text: "["}))
	for _, answer := range []tea.Cmd{second, first} {
		s.send(answer())
	}
	s.has("prefix 1")
	s.has("[output]")
}

func TestJumpsInTheConsole(t *testing.T) {
	w := rfc()
	w.runs[1].Observation.CaseAt = int64(strings.Index(w.console, "[    0.900000] line 90 ")) + 5
	s := newScreen(t, w, 80, 24, Options{})
	s.keys("enter", "K", "o")
	s.has("[console]")
	s.has("kernel BUG at fs/gfs2/glock.c:1126!")
	s.keys("c")
	s.has("line 90 of")
	if win := s.m.top().(*cellScreen).window(); !strings.HasPrefix(w.console[win.hit:], "[    0.900000] line 90 ") {
		t.Errorf("at %q", w.console[win.hit:win.hit+30])
	}
	s.keys("J", "c")
	s.has("where the case began is not known of this run")
	s.keys("o")
	s.has("no report in this run's console")
}

// gigabyte is a console of 1 GiB, sparse, with a report in it.
func gigabyte(t testing.TB, at int64) string {
	path := filepath.Join(t.TempDir(), "console")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte("\n[    9.000000] kernel BUG at fs/gfs2/glock.c:1126!\n"), at)
	if err == nil {
		_, err = f.WriteAt([]byte("\nthe last line\n"), 1<<30-15)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// A cell with a console of 1 GB opens, goes to its end and searches backwards with little in memory.
func TestCellWithAGigabyte(t *testing.T) {
	w := rfc()
	w.runs = w.runs[1:2]
	w.path = gigabyte(t, 1<<30-24<<20)
	s := newScreen(t, w, 80, 24, Options{})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s.keys("enter", "shift+tab", "G")
	s.has("the last line")
	s.has("end")
	s.keys("/", "k", "e", "r", "n", "e", "l", "space", "B", "U", "G", "enter", "N")
	s.has("kernel BUG at fs/gfs2/glock.c:1126!")
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
		t.Errorf("%d MiB allocated", used>>20)
	}
	s.keys("q")
}

func BenchmarkGigabyte(b *testing.B) {
	path := gigabyte(b, 1<<20)
	b.Run("open and end", func(b *testing.B) {
		for b.Loop() {
			f, err := os.Open(path)
			if err != nil {
				b.Fatal(err)
			}
			w := newWindow(look{}, f, 1<<30)
			w.resize(200, 60)
			w.end()
			_ = f.Close()
		}
	})
	b.Run("search all of it backwards", func(b *testing.B) {
		f, err := os.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		b.SetBytes(1 << 30)
		for b.Loop() {
			if at, err := search(context.Background(), f, 1<<30, 1<<30, "kernel bug", true); err != nil || at != 1<<20+1 {
				b.Fatal(at, err)
			}
		}
	})
}

// A line is cut and scrolled by what a terminal draws, also where that is half of a wide character.
func TestWideCharactersAreCutWhole(t *testing.T) {
	w := newTestWindow("漢字かな abc\n\xff\xfe\x80 8 bit\n", 3)
	w.resize(8, 3)
	if got := w.view()[0]; got != " 漢字か…" {
		t.Errorf("cut: %q", got)
	}
	for w.x = range 12 {
		for _, line := range w.view() {
			if plain.Width(line) > 8 {
				t.Errorf("scrolled by %d: %q", w.x, line)
			}
		}
	}
	if got := cutLeft("漢字", 1); got != " 字" {
		t.Errorf("half a character: %q", got)
	}
	if got := cutLeft("漢字", 2); got != "字" {
		t.Errorf("a character: %q", got)
	}
	if got := cutLeft("ab", 5); got != "" {
		t.Errorf("beyond the end: %q", got)
	}
}

// However narrow, the tab that is shown is named.
func TestTabLineNamesTheShownTab(t *testing.T) {
	for width := 30; width <= 100; width++ {
		s := newScreen(t, rfc(), width, 20, Options{})
		s.keys("enter", "K", "K")
		for range 6 {
			v := s.m.top().(*cellScreen)
			s.has("[" + v.chosen() + "]")
			s.keys("tab")
		}
	}
}

// The console of a cell's first run is there while it goes on, and followed; what it holds stays text.
func TestConsoleOfARunningCell(t *testing.T) {
	w := live()
	w.console = "[    1.000000] first\n[    2.000000] \x1b[31mred\x07\n"
	r := *w.result
	r.Cells = slices.Clone(r.Cells)
	at := slices.IndexFunc(r.Cells, func(c lab.Cell) bool { return c.State == lab.CellRunning && c.Runs == 0 })
	if at < 0 {
		t.Fatal("no cell runs")
	}
	r.Cells[at].Log = "logs/of-it.log"
	w.result = &r
	s := newScreen(t, w, 100, 24, Options{})
	x := s.matrix()
	row, col := x.place(r.Cells[at].Prefix, r.Cells[at].Case)
	x.grid.moveTo(row, col, x)
	s.keys("enter")
	s.has("its first run goes on; the console so far:")
	s.has("] red^G")
	if got := s.m.View().Content; strings.Contains(got, "\x1b[31mred") || strings.Contains(got, "\x07") {
		t.Errorf("it reaches the terminal: %q", got)
	}
	w.console += "[    3.000000] further\n"
	s.m.stack[1].(*cellScreen).file.(*memFile).Reader = bytes.NewReader([]byte(w.console))
	s.send(answer{s.m.stack[1], lookMsg{}})
	s.has("further")
	s.keys("q")
	if w.open != 0 {
		t.Errorf("%d files open", w.open)
	}
}
