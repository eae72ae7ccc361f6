package qemu

import (
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
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

// TestOopsLogs judges real logs against their headers. The thresholds are what is reached on these logs, from which the
// rules were learnt; on logs not yet looked at, 90% of the types and 70% of the titles were right at that time.
func TestOopsLogs(t *testing.T) {
	logs := oopsLogs(t)
	var types, titles, corrupted int
	for _, l := range logs {
		v := JudgeLog(l.console)
		if v.Type == l.typ {
			types++
		}
		if v.Title == l.title {
			titles++
		}
		if v.Corrupted == l.corrupted {
			corrupted++
		}
		if v.Type != l.typ || v.Title != l.title {
			t.Logf("%s:\n\twant %q %q\n\tgot  %q %q", l.name, l.typ, l.title, v.Type, v.Title)
		}
	}
	for _, c := range []struct {
		what  string
		n     int
		least float64
	}{{"types", types, 98}, {"titles", titles, 94}, {"corrupted", corrupted, 90}} {
		got := 100 * float64(c.n) / float64(len(logs))
		t.Logf("%s: %d of %d, %.1f%%", c.what, c.n, len(logs), got)
		if got < c.least {
			t.Errorf("%s: %.1f%% right, want %.0f%%", c.what, got, c.least)
		}
	}
}

// BenchmarkJudge reads a console of 262144 harmless lines (24 MB) with one incident at its end.
func BenchmarkJudge(b *testing.B) {
	console := []byte(strings.Repeat("[   12.345678][    T1] systemd[1]: Started Getty on tty1, and other things of no interest.\n", 1<<18) +
		"[   12.345678][    T1] kernel BUG at fs/gfs2/glock.c:1088!\n")
	b.SetBytes(int64(len(console)))
	for b.Loop() {
		if FirstCrash(console) == nil {
			b.Fatal("no crash")
		}
	}
}
