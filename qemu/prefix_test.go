package qemu

import (
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// What the lab reads off a console does not depend on what the config puts before each line: time and caller, one of them, or
// neither.
func TestLinePrefixes(t *testing.T) {
	report := strings.Join(kernelLines("T34", append([]string{"------------[ cut here ]------------", "kernel BUG at fs/gfs2/glock.c:1459!"}, oops("gfs2_glock_nq", "gfs2_file_read_iter", "vfs_read")...)...), "")
	tasks := "[   11.000000][   T34] sysrq: Show Locks Held\n" + regexp.MustCompile(`(?m)^\[ *[0-9.]+\] `).ReplaceAllString(sysrqL+sysrqD, "[   11.000001][   T34] ")
	panicked := "[   12.000000][   T34] Kernel panic - not syncing: Fatal exception\n[   12.000001][   T34] ---[ end Kernel panic - not syncing: Fatal exception ]---\n"
	whole := regexp.MustCompile(`(?m)^(\[ *[0-9.]+\])(\[ *T\d+\]) `)
	var want *Hang
	for name, prefix := range map[string]string{"both": "$1$2 ", "time": "$1 ", "caller": "$2 ", "neither": ""} {
		c := newConsole()
		_, _ = c.Write([]byte(whole.ReplaceAllString(report+tasks+panicked, prefix)))
		if crash := c.crash(); crash == nil || crash.Title != "kernel BUG in gfs2_glock_nq" || !crash.Fatal || crash.Corrupted {
			t.Errorf("%s: got %+v", name, crash)
		}
		if !c.paniced() {
			t.Errorf("%s: the panic is not seen", name)
		}
		lines := strings.SplitAfter(string(c.text()), "\n")
		if stamped := hostStamp.MatchString(lines[0]); stamped != (name == "caller" || name == "neither") {
			t.Errorf("%s: the first line is %q", name, lines[0])
		}
		h := &Hang{Tasks: []Stack{{PID: 30, State: "R"}, {PID: 34, State: "D"}}}
		h.addConsole(c.text())
		if len(h.Tasks[0].Frames) != 3 || len(h.Tasks[1].Locks) != 2 {
			t.Errorf("%s: got %+v", name, h.Tasks)
		}
		if want == nil {
			want = h
		}
		if !reflect.DeepEqual(h, want) {
			t.Errorf("%s: got %+v, want %+v", name, h, want)
		}
	}
}
