package qemu

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seriesctl/seriesctl/internal/xec"
)

// TestClockWaits: which blocked threads wait for a time that comes, by what sysrq-w prints of them.
func TestClockWaits(t *testing.T) {
	src := agentSource()
	program := "#include \"clock.c\"\n#include \"util.c\"\nint main(void)\n{\n\tchar s[512];\n\twhile (fgets(s, sizeof s, stdin)) {\n" +
		"\t\ts[strcspn(s, \"\\n\")] = 0;\n\t\tclock_line(s);\n\t}\n\tprintf(\"%d\", clock_waits(31));\n\treturn clock_waits(32);\n}\n"
	files := map[string]string{"agent.h": src["agent.h"], "main.c": program}
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{"clock.c": src["clock.c"], "util.c": src["util.c"], "agent.h": files["agent.h"], "main.c": program})
	bin := filepath.Join(dir, "clock")
	if err := (xec.Cmd{Name: "gcc", Args: []string{"-o", bin, filepath.Join(dir, "main.c")}}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	const of61 = "task:freeze-fault    state:D stack:0     pid:31    ppid:30     flags:0x00004006\nCall Trace:\n <TASK>\n"
	const of510 = "task:cross           state:D stack:    0 pid:   31 ppid:    30 flags:0x00000000\nCall Trace:\n"
	const of54 = "cross           D    0    31     30 0x00000000\nCall Trace:\n"
	stack := func(frames string) string {
		var b strings.Builder
		for f := range strings.FieldsSeq(frames) {
			b.WriteString(" " + strings.ReplaceAll(f, "?", "? ") + "+0x12/0x340\n")
		}
		return b.String()
	}
	for name, tc := range map[string]struct{ text, want string }{
		"GFS2 withdraws, 6.1":     {of61 + stack("__schedule schedule schedule_timeout signal_our_withdraw gfs2_withdraw gfs2_assert_withdraw_i"), "1"},
		"as 5.10 prints it":       {of510 + stack("__schedule schedule schedule_timeout io_schedule_timeout congestion_wait shrink_inactive_list"), "1"},
		"as 5.4 prints it":        {of54 + stack("__schedule schedule schedule_timeout gfs2_withdraw"), "1"},
		"a lock":                  {of510 + stack("__schedule schedule bit_wait __wait_on_bit out_of_line_wait_on_bit gfs2_glock_wait"), "0"},
		"mmap_lock":               {of510 + stack("__schedule schedule rwsem_down_read_slowpath down_read exc_page_fault"), "0"},
		"a completion":            {of510 + stack("__schedule schedule schedule_timeout __wait_for_common wait_for_completion submit_bio_wait"), "0"},
		"inlined":                 {of510 + stack("__schedule schedule schedule_timeout wait_for_completion_killable kthread_stop"), "0"},
		"a completion, limited":   {of510 + stack("__schedule schedule schedule_timeout wait_for_common wait_for_completion_io_timeout blk_execute_rq"), "1"},
		"a semaphore":             {of510 + stack("__schedule schedule schedule_timeout ___down_common __down down xfs_buf_lock"), "0"},
		"a semaphore, limited":    {of510 + stack("__schedule schedule schedule_timeout __down_timeout down_timeout acpi_os_wait_semaphore"), "1"},
		"msleep":                  {of510 + stack("__schedule schedule schedule_timeout msleep ssleep x"), "1"},
		"a high resolution one":   {of510 + stack("__schedule schedule schedule_hrtimeout_range usleep_range_state x"), "1"},
		"a guess of the unwinder": {of510 + stack("__schedule schedule ?schedule_timeout gfs2_glock_wait"), "0"},
		"deep in it":              {of510 + stack("__schedule schedule bit_wait gfs2_glock_wait schedule_timeout gfs2_x"), "0"},
		"another thread":          {strings.ReplaceAll(of510, "  31", "  33") + stack("__schedule schedule schedule_timeout x") + of510 + stack("__schedule schedule gfs2_glock_wait"), "0"},
	} {
		file := filepath.Join(dir, "in")
		if err := os.WriteFile(file, []byte(tc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := xec.Cmd{Name: "sh", Args: []string{"-c", bin + " <" + file}}.Output(t.Context())
		if err != nil || string(out) != tc.want {
			t.Errorf("%s: got %q, %v, want %s", name, out, err, tc.want)
		}
	}
}
