package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/internal/tmuxtest"
)

// working is the gauge that the screen has while something runs.
var working = regexp.MustCompile(`\[[━·]{12}\]`)

// desk is a maintainer at the TUI, in tmux, while the test goes on around it.
type desk struct{ *tmuxtest.Session }

// sit opens the TUI in the bench's directory, at 80x24.
func (b *bench) sit() desk {
	b.t.Helper()
	d := desk{tmuxtest.Start(b.t, b.work, 80, 24, "env -u NO_COLOR "+b.bin)}
	d.Patience = 40 * time.Minute // a kernel may have to be built
	b.t.Cleanup(func() {
		// A run that was started here outlives the terminal, and would outlive a test that fails.
		if st, err := store.Open(filepath.Join(b.work, workspaceName), false); err == nil {
			if pid := st.Owner(); st.Busy() && pid > 0 {
				_ = syscall.Kill(pid, syscall.SIGINT)
			}
			_ = st.Close()
		}
	})
	return d
}

// loadAndRun loads a series and starts its run.
func (d desk) loadAndRun(mbox, run string) {
	d.Wait("No series here yet")
	d.Type("l" + mbox + "\r")
	d.Wait("▸ v1")
	d.Keys("Enter")
	d.Wait("nothing has been run yet")
	d.Type(":" + run + "\r")
	d.Wait("x stop") // its output
	d.Keys("q")
	d.Until("say what is done", working.MatchString)
}

// deadlock goes to a case on a prefix, waits until it is known to hang there, and looks at the stacks.
func (d desk) deadlock(name string, prefix int) {
	d.Type("/" + name + "\r")
	d.Keys("g")
	for range prefix {
		d.Keys("j")
	}
	d.Wait("[HANG")
	d.Keys("Enter")
	d.Wait("deadlock:", "Tab next tab")
	d.Keys("Tab")
	d.Wait("[stacks]", "the cycle: [1] ")
	d.Keys("]", "[")
	d.Wait("[stacks]", "the cycle: [1] ")
	d.Keys("q")
	d.Wait("[HANG")
}

// interrupt ends the run and waits until it has ended.
func (d desk) interrupt() {
	d.Keys("x")
	d.Wait("Interrupt the run?")
	d.Keys("y")
	d.Until("come to rest", func(screen string) bool { return !working.MatchString(screen) })
}

// blame asks which patch breaks the case under the cursor, that of a prefix: by the runs there are, then by hand.
func (d desk) blame(prefix int) {
	d.Keys("b")
	d.Match(fmt.Sprintf(`(?m)^ +%d +HANG.*(9\d|100)%%`, prefix))
	d.Keys("Home")
	for range prefix {
		d.Keys("j")
	}
	d.Keys("b")
	d.Match(fmt.Sprintf(`(?m)^ +%d +HANG.* bad `, prefix))
	d.Keys("Home", "g")
	d.Wait(fmt.Sprintf("patch %d ", prefix), "good → bad")
	for _, answer := range []string{`(?m)^ +0 .* good  `, fmt.Sprintf(`(?m)^ +%d .* bad  `, prefix)} {
		d.Keys("u")
		is := regexp.MustCompile(answer)
		d.Until("take back "+answer, func(screen string) bool { return !is.MatchString(screen) })
	}
	d.Keys("q")
	d.Wait("[HANG")
}

// leave quits, and looks whether the program ended well.
func (d desk) leave(t testing.TB) {
	t.Helper()
	d.Keys("Q")
	if status := d.Status(); status != "0" {
		t.Errorf("it ended with %s", status)
	}
}
