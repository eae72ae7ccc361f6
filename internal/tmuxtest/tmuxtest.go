// Package tmuxtest is a terminal for tests that a person could sit at: programs run in a real tmux, keys are pressed, and
// what is on the screen is waited for. Nothing waits for a fixed time. A machine without tmux fails the test: make setup
// installs it. No command uses it.
package tmuxtest

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Session is one window of a tmux server that is the test's own.
type Session struct {
	// Patience is how long Wait waits for what does not come. It is long because the machine may be loaded: a test
	// that passes never waits that long.
	Patience time.Duration

	t      testing.TB
	socket string
}

// Start runs a shell command in a new session of a size, in a directory. options are names and values of tmux's. The
// session ends with the test.
func Start(t testing.TB, dir string, columns, rows int, command string, options ...string) *Session {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Fatalf("%v: make setup installs it", err)
	}
	s := &Session{Patience: time.Minute, t: t, socket: filepath.Join(t.TempDir(), "tmux")}
	args := []string{"-f", "/dev/null", "start-server", ";"}
	// The last screen of what has ended is of interest, too.
	for option := range slices.Chunk(append(options, "remain-on-exit", "on"), 2) {
		args = append(append(args, "set-option", "-g"), append(option, ";")...)
	}
	s.in(dir, append(args, "new-session", "-d", "-x", strconv.Itoa(columns), "-y", strconv.Itoa(rows), command)...)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the last screen:\n%s", strings.TrimRight(s.Screen(), "\n"))
		}
		s.Kill()
	})
	return s
}

// tmux runs one of tmux's commands.
func (s *Session) tmux(args ...string) string {
	s.t.Helper()
	return s.in("", args...)
}

func (s *Session) in(dir string, args ...string) string {
	s.t.Helper()
	cmd := exec.Command("tmux", append([]string{"-u", "-S", s.socket}, args...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("tmux %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Kill closes the terminal, as if its window were closed.
func (s *Session) Kill() {
	// It may be closed already.
	_ = exec.Command("tmux", "-S", s.socket, "kill-server").Run()
}

// Keys presses keys, by tmux's names: j, Enter, C-z.
func (s *Session) Keys(keys ...string) {
	s.t.Helper()
	s.tmux(append([]string{"send-keys", "--"}, keys...)...)
}

// Type types text as it is, control characters and all.
func (s *Session) Type(text string) {
	s.t.Helper()
	s.tmux("send-keys", "-l", "--", text)
}

// Wheel turns the mouse's wheel down by notches, up if there are fewer than 0, as a terminal reports it (SGR).
func (s *Session) Wheel(notches, column, row int) {
	s.t.Helper()
	button := "65"
	if notches < 0 {
		button, notches = "64", -notches
	}
	s.Type(strings.Repeat("\x1b[<"+button+";"+strconv.Itoa(column)+";"+strconv.Itoa(row)+"M", notches))
}

// Resize makes the terminal another size.
func (s *Session) Resize(columns, rows int) {
	s.t.Helper()
	s.tmux("resize-window", "-x", strconv.Itoa(columns), "-y", strconv.Itoa(rows))
}

// Get is a variable of tmux's, like alternate_on or cursor_flag.
func (s *Session) Get(variable string) string {
	s.t.Helper()
	return s.format("#{" + variable + "}")
}

func (s *Session) format(f string) string {
	s.t.Helper()
	return strings.TrimSuffix(s.tmux("display-message", "-p", f), "\n")
}

// Screen is what is on the screen, a line a row, without the spaces at their ends.
func (s *Session) Screen() string {
	s.t.Helper()
	return s.tmux("capture-pane", "-p")
}

// Styled is what is on the screen with the sequences that make its colours.
func (s *Session) Styled() string {
	s.t.Helper()
	return s.tmux("capture-pane", "-ep")
}

// Status waits until what was started has ended, and returns how: an exit status, or a signal's number after "signal ".
// tmux calls a pane dead as soon as its terminal is closed, which a process does before it has ended. That it has ended tmux
// (3.3a) may miss, about once in 20 times on a busy machine; it learns of it with the end of any other process of its own.
func (s *Session) Status() string {
	s.t.Helper()
	const status = "#{?pane_dead_signal,signal ,}#{pane_dead_signal}#{pane_dead_status}"
	how := ""
	s.Until("end", func(string) bool {
		if how = s.format(status); how == "" {
			s.tmux("run-shell", "-b", "true")
		}
		return how != ""
	})
	return how
}

// Wait waits until all of these texts are on the screen, and returns it.
func (s *Session) Wait(texts ...string) string {
	s.t.Helper()
	return s.Until("show "+strings.Join(texts, " and "), func(screen string) bool {
		for _, text := range texts {
			if !strings.Contains(screen, text) {
				return false
			}
		}
		return true
	})
}

// Match waits until the screen matches a regular expression, and returns what its groups match, the whole first.
func (s *Session) Match(expression string) []string {
	s.t.Helper()
	re := regexp.MustCompile(expression)
	return re.FindStringSubmatch(s.Until("match "+expression, re.MatchString))
}

// Until waits until the screen is as wanted, which what says, and returns it.
func (s *Session) Until(what string, ok func(screen string) bool) string {
	s.t.Helper()
	for end := time.Now().Add(s.Patience); ; time.Sleep(50 * time.Millisecond) {
		screen := s.Screen()
		if ok(screen) {
			return screen
		}
		if time.Now().After(end) {
			s.t.Fatalf("the screen does not %s; it is\n%s", what, screen)
		}
	}
}
