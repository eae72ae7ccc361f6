package qemu

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
)

// oopsLog is a console log with what is known about it.
type oopsLog struct {
	name       string
	typ, title string
	corrupted  bool
	console    []byte
}

// dataDir is where the real-life data is: $SERIESCTL_DATA, or ../shared/data beside the repository.
func dataDir(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("SERIESCTL_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "data")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no data: %v", err)
	}
	return dir
}

func oopsLogs(t testing.TB) []oopsLog {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dataDir(t), "oops", "*.log"))
	if err != nil || len(paths) == 0 {
		t.Skipf("no console logs: %v", err)
	}
	var logs []oopsLog
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		head, body, _ := strings.Cut(string(b), "\n\n")
		if strings.HasPrefix(string(b), "\n") {
			head, body = "", string(b[1:])
		}
		if body == "" {
			body = string(b)
		}
		if i := strings.Index(body, "\nREPORT:\n"); i >= 0 {
			body = body[:i+1]
		}
		l := oopsLog{name: filepath.Base(p), console: []byte(body)}
		for line := range strings.Lines(head) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			switch key {
			case "TITLE":
				l.title = value
			case "TYPE":
				l.typ = value
			case "CORRUPTED":
				l.corrupted = value == "Y"
			}
		}
		logs = append(logs, l)
	}
	sort.Slice(logs, func(i, j int) bool { return number(logs[i].name) < number(logs[j].name) })
	return logs
}

func number(name string) int {
	n, _ := strconv.Atoi(strings.TrimSuffix(name, ".log"))
	return n
}

// TestOopsLogs judges real logs against their headers.
func TestOopsLogs(t *testing.T) {
	logs := oopsLogs(t)
	var types, titles, corrupted int
	for _, l := range logs {
		v := judged(t, string(l.console))
		if v.Type == l.typ {
			types++
		}
		if v.Title == l.title {
			titles++
		}
		if v.Corrupted == l.corrupted {
			corrupted++
		}
		if v.Corrupted != l.corrupted {
			t.Logf("%s: corrupted %v %q", l.name, v.Corrupted, v.Title)
		}
		if v.Type != l.typ || v.Title != l.title {
			t.Logf("%s:\n\twant %q %q\n\tgot  %q %q", l.name, l.typ, l.title, v.Type, v.Title)
		}
	}
	for _, c := range []struct {
		what  string
		n     int
		least float64
	}{{"types", types, 99}, {"titles", titles, 99}, {"corrupted", corrupted, 95}} {
		got := 100 * float64(c.n) / float64(len(logs))
		t.Logf("%s: %d of %d, %.1f%%", c.what, c.n, len(logs), got)
		if got < c.least {
			t.Errorf("%s: %.1f%% right, want %.0f%%", c.what, got, c.least)
		}
	}
}

// perturbations change of a log what differs from one build, machine or console to the next, and no title may depend on.
var perturbations = map[string]func(string) string{
	"addresses": func(log string) string {
		return regexp.MustCompile(`\b(?:0x)?[0-9a-f]{16}\b`).ReplaceAllStringFunc(log, func(a string) string {
			return a[:len(a)-3] + "abc"
		})
	},
	"offsets": func(log string) string {
		return regexp.MustCompile(`\+0x[0-9a-f]+/0x[0-9a-f]+`).ReplaceAllString(log, "+0x77/0x99")
	},
	"line numbers": func(log string) string {
		return regexp.MustCompile(`(\.[ch]):\d+`).ReplaceAllString(log, "$1:77")
	},
	"compilers' clones": func(log string) string {
		return regexp.MustCompile(`(?m)^((?:\[.*?\])*\s+)([a-z_]\w+)\+0x`).ReplaceAllString(log, "$1$2.constprop.0+0x")
	},
	"stamps": func(log string) string {
		return regexp.MustCompile(`(?m)^\[ *\d+\.\d+\]`).ReplaceAllString(log, "[99999.123456]")
	},
	"log levels": func(log string) string {
		return regexp.MustCompile(`(?m)^\[ *\d+\.\d+\]`).ReplaceAllString(log, "<4>$0")
	},
	"carriage returns": func(log string) string { return strings.ReplaceAll(log, "\n", "\r\n") },
	"process ids": func(log string) string {
		return regexp.MustCompile(`\b(PID:|by task \S+?/|Comm:)( ?)\d+`).ReplaceAllString(log, "$1${2}31337")
	},
	"a program's output in between": func(log string) string {
		if !regexp.MustCompile(`(?m)^\[ *\d+\.\d+\]`).MatchString(log) {
			return log
		}
		return regexp.MustCompile(`(?m)^\[ *\d+\.\d+\]`).ReplaceAllString(log, "18:41:33 executing program 3\nr0 = open(0x7f12, foo+0x12/0x34)\n$0")
	},
	"another CPU's lines": func(log string) string {
		return regexp.MustCompile(`(?m)^\[ *\d+\.\d+\]\[ *[TC]\d+\]`).ReplaceAllString(log, "[    1.000000][T99999]  stray_frame+0x12/0x34\n[    1.000000][T99999] RIP: 0010:stray_pc+0x12/0x34\n$0")
	},
	"quiet before and after": func(log string) string {
		quiet := strings.Repeat("[    1.000000][    T1] systemd[1]: Started Getty on tty1.\n", 100)
		return quiet + strings.TrimSuffix(log, "\n") + "\n" + quiet
	},
}

// TestPerturbed judges the logs changed in what no title may depend on.
func TestPerturbed(t *testing.T) {
	logs := oopsLogs(t)
	for what, change := range perturbations {
		same := 0
		for _, l := range logs {
			v, changed := judged(t, string(l.console)), judged(t, change(string(l.console)))
			if v.Type == changed.Type && v.Title == changed.Title {
				same++
				continue
			}
			t.Logf("%s, %s: %q %q, was %q %q", l.name, what, changed.Type, changed.Title, v.Type, v.Title)
		}
		t.Logf("%s: %d of %d", what, same, len(logs))
		if same < len(logs)*97/100 {
			t.Errorf("%s: %d of %d the same", what, same, len(logs))
		}
	}
}

// sharedWaits are the functions that the rules do know: what the whole kernel waits for, whoever asked.
var sharedWaits = map[string]bool{"rtnl_lock": true, "synchronize_rcu": true, "smp_call_function": true}

// No rule may know the functions of the logs by name: with the guilty one renamed, the title names it so.
func TestRenamed(t *testing.T) {
	same, all := 0, 0
	for _, l := range oopsLogs(t) {
		v := judged(t, string(l.console))
		_, fn, ok := strings.Cut(v.Title, " in ")
		fn = strings.TrimSuffix(fn, "/usb_submit_urb")
		if !ok || fn == unnamed || !regexp.MustCompile(`^\w+$`).MatchString(fn) {
			continue
		}
		name := regexp.MustCompile(`\b` + fn + `\b`)
		if !name.MatchString(v.Report) || strings.HasPrefix(fn, "sys_") || sharedWaits[fn] {
			continue
		}
		all++
		renamed := judged(t, name.ReplaceAllString(string(l.console), "frob_thing"))
		if want := strings.Replace(v.Title, fn, "frob_thing", 1); renamed.Title == want && renamed.Type == v.Type {
			same++
		} else {
			t.Logf("%s: %q, want %q", l.name, renamed.Title, want)
		}
	}
	t.Logf("%d of %d", same, all)
	if same < all*95/100 {
		t.Errorf("%d of %d titles follow the function's name", same, all)
	}
}

// A console that ends in the middle of a report still shows its type, and either the title or that the report is cut.
func TestCutOff(t *testing.T) {
	types, titles, all := 0, 0, 0
	for _, l := range oopsLogs(t) {
		v := judged(t, string(l.console))
		head, _, _ := strings.Cut(v.Report, "\n")
		start := strings.Index(strings.ReplaceAll(string(l.console), "\r", ""), head)
		console := strings.ReplaceAll(string(l.console), "\r", "")
		if v.Title == "" || start < 0 {
			continue
		}
		for i := 1; i < 8; i++ {
			all++
			cut := judged(t, console[:start+len(head)+(len(console)-start-len(head))*i/8])
			if cut.Type == v.Type {
				types++
			}
			if cut.Title == v.Title || cut.Corrupted {
				titles++
			} else {
				t.Logf("%s, %d/8: %q, was %q", l.name, i, cut.Title, v.Title)
			}
		}
	}
	t.Logf("types %d, titles %d of %d", types, titles, all)
	if types < all*90/100 || titles < all*97/100 {
		t.Errorf("types %d, titles %d of %d", types, titles, all)
	}
}

// BenchmarkJudge reads a console of harmless lines with one incident at its end: the memory it takes does not depend on
// the length.
func BenchmarkJudge(b *testing.B) {
	const line = "[   12.345678][    T1] systemd[1]: Started Getty on tty1, and other things of no interest.\n"
	for _, megabytes := range []int{1, 24, 240} {
		b.Run(fmt.Sprintf("%dMB", megabytes), func(b *testing.B) {
			n := megabytes << 20 / len(line)
			b.SetBytes(int64(n * len(line)))
			b.ReportAllocs()
			for b.Loop() {
				console := io.MultiReader(&repeated{text: line, left: n * len(line)}, strings.NewReader("[   12.345678][    T1] kernel BUG at fs/gfs2/glock.c:1088!\n"))
				if v, err := JudgeLog(console); err != nil || v.Title == "" {
					b.Fatal(v, err)
				}
			}
		})
	}
}

// repeated reads as a text over and over.
type repeated struct {
	text     string
	at, left int
}

func (r *repeated) Read(b []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), r.left)], r.text[r.at:])
	r.at = (r.at + n) % len(r.text)
	r.left -= n
	return n, nil
}

// A log longer than memory is judged within bounds.
func TestJudgeLongLog(t *testing.T) {
	line := "[    1.000000][    T1] BUG-free and without WARNINGs\n"
	console := func(n int) float64 {
		return testing.AllocsPerRun(1, func() {
			v, err := JudgeLog(&repeated{text: line, left: n * len(line)})
			if err != nil || v.Title != "" {
				t.Error(v, err)
			}
		})
	}
	// What else goes on in the program allocates, too; one a line would be 130,000.
	if short, long := console(1<<10), console(1<<17); long > short+1000 {
		t.Errorf("%v allocations for a long log, %v for a short one", long, short)
	}
	if _, err := JudgeLog(io.MultiReader(strings.NewReader(line), iotest.ErrReader(io.ErrUnexpectedEOF))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a log that cannot be read: %v", err)
	}
	endless := strings.Repeat("x", 10<<20) + "\n[ 1.0] kernel BUG at a.c:1!\n[ 1.0] RIP: 0010:f+0x1/0x2\n"
	if v := judged(t, endless); v.Title != "kernel BUG in f" {
		t.Errorf("after an endless line: %q", v.Title)
	}
}
