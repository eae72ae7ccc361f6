package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seriesctl/seriesctl/internal/plain"
	"github.com/seriesctl/seriesctl/internal/tmuxtest"
)

// inShell is an interactive shell in tmux, in a directory with a series, whose prompt is "READY", at 80x24.
func inShell(t *testing.T, options ...string) *tmuxtest.Session {
	t.Helper()
	dir := t.TempDir()
	if err := makeSeries(dir); err != nil {
		t.Fatal(err)
	}
	s := tmuxtest.Start(t, dir, 80, 24, "env -u NO_COLOR -u ENV PS1='READY ' sh -i", options...)
	s.Wait("READY")
	return s
}

// sane checks that the shell has its terminal back as it was.
func sane(t *testing.T, s *tmuxtest.Session) {
	t.Helper()
	for variable, want := range map[string]string{"alternate_on": "0", "cursor_flag": "1", "mouse_any_flag": "0", "keypad_flag": "0"} {
		if got := s.Get(variable); got != want {
			t.Errorf("%s is %s", variable, got)
		}
	}
	s.Type("clear; stty -a >now; cmp before now && echo as it 'was'\r")
	s.Wait("as it was")
}

// What a person does to a terminal while the TUI has it, and what is left of it.
func TestTmuxTerminal(t *testing.T) {
	s := inShell(t)
	s.Type("stty -a >before; seriesctl\r")
	s.Wait("No series here yet")
	if s.Get("alternate_on") != "1" {
		t.Error("it is not on the alternate screen")
	}
	s.Type("lthree.mbox\r")
	s.Wait("▸ v1", "loaded ") // in the last line, until the next key
	s.Keys("Enter")
	s.Wait("nothing has been run yet")

	for _, size := range [][2]int{{60, 15}, {200, 50}, {30, 8}, {29, 8}, {80, 24}} {
		s.Resize(size[0], size[1])
		if size[0] < 30 {
			s.Wait("too small")
			continue
		}
		s.Until(fmt.Sprintf("fill %v", size), func(screen string) bool {
			lines := strings.Split(strings.TrimSuffix(screen, "\n"), "\n")
			return len(lines) == size[1] && strings.HasSuffix(lines[size[1]-1], "? help  Q quit") && plain.Width(lines[0]) <= size[0] &&
				strings.Contains(s.Styled(), "\x1b[7m")
		})
	}

	s.Keys("C-z")
	s.Wait("READY")
	sane(t, s)
	s.Type("clear; fg\r")
	s.Wait("nothing has been run yet", "? help  Q quit")
	if s.Get("alternate_on") != "1" || s.Get("mouse_any_flag") != "1" {
		t.Error("it does not come back whole")
	}

	// A text with more lines than the screen, which the wheel moves.
	s.Type(":help run\r")
	s.Wait("run fills the matrix")
	s.Keys("g")
	s.Wait("run fills the matrix")
	s.Wheel(2, 40, 10)
	s.Until("go down", func(screen string) bool { return !strings.Contains(screen, "run fills the matrix") })
	s.Wheel(-2, 40, 10)
	s.Wait("run fills the matrix")

	s.Keys("Q")
	s.Wait("READY")
	sane(t, s)
}

func TestTmuxColours(t *testing.T) {
	color := regexp.MustCompile(`\x1b\[(\d+;)*(3[0-7]|9[0-7]|38|4[0-8])[;m]`)
	for _, tt := range []struct {
		command string
		color   bool
	}{
		{"seriesctl", true},
		{"NO_COLOR=1 seriesctl", false},
		{"NO_COLOR= seriesctl", true}, // as no-color.org has it
		{"seriesctl --color never", false},
		{"NO_COLOR=1 seriesctl --color always", true},
	} {
		s := inShell(t)
		s.Type("seriesctl -q load three.mbox; " + tt.command + "\r")
		s.Wait("nothing has been run yet")
		s.Type(":nonsense\r") // what is said of it is in a colour
		s.Wait("there is no command")
		if got := s.Styled(); color.MatchString(got) != tt.color || !strings.Contains(got, "\x1b[") {
			t.Errorf("%s: got %q", tt.command, got)
		}
	}
}

// The terminal is asked for its background, and what it answers is no key.
func TestTmuxBackground(t *testing.T) {
	for background, want := range map[string]string{"bg=#ffffff,fg=#000000": "\x1b[1m\x1b[38;5;94m", "bg=#000000,fg=#ffffff": "\x1b[1m\x1b[33m"} {
		s := inShell(t, "window-style", background)
		s.Type("seriesctl -q load three.mbox; seriesctl --color always\r")
		s.Wait("nothing has been run yet")
		s.Type(":nonsense\r")
		s.Wait("there is no command")
		if got := s.Styled(); !strings.Contains(strings.ReplaceAll(got, "\x1b[0;1m", "\x1b[1m"), want) {
			t.Errorf("on %s: got %q", background, got)
		}
	}
}

func TestTmuxASCII(t *testing.T) {
	s := inShell(t)
	s.Type("seriesctl -q load three.mbox; clear; seriesctl --ascii\r")
	s.Wait("nothing has been run yet")
	ascii := func() {
		t.Helper()
		for line := range strings.Lines(s.Screen()) {
			if strings.ContainsFunc(line, func(r rune) bool { return r >= 0x80 }) {
				t.Errorf("got %s", line)
			}
		}
	}
	ascii()
	s.Keys("?")
	s.Wait("any other key closes")
	ascii()
	s.Type("q:show\r")
	s.Wait("write ten as a word")
	ascii()
	s.Keys("q", "W")
	s.Wait("range-diff")
	ascii()
}

func TestTmuxDumb(t *testing.T) {
	s := inShell(t)
	s.Type("stty -a >before; TERM=dumb seriesctl; echo status=$?\r")
	screen := s.Wait("status=2")
	if !strings.Contains(screen, `seriesctl: show workspace: a terminal of the kind "dumb" can't show it`) || !strings.Contains(screen, "hint: ") {
		t.Errorf("got\n%s", screen)
	}
	sane(t, s)
}

// Who closes the window of the terminal, or kills the TUI, leaves nothing behind.
func TestTmuxEndedFromOutside(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(s *tmuxtest.Session, pid int) error
	}{
		{"terminated", func(s *tmuxtest.Session, pid int) error { return syscall.Kill(pid, syscall.SIGTERM) }},
		{"window closed", func(s *tmuxtest.Session, _ int) error { s.Kill(); return nil }},
	} {
		s := inShell(t)
		s.Type("stty -a >before; sh -c 'echo $$ >pid; exec seriesctl'; echo status=$?\r")
		s.Wait("No series here yet")
		text, err := os.ReadFile(filepath.Join(s.Get("pane_current_path"), "pid"))
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		if err := tt.end(s, pid); err != nil {
			t.Fatal(err)
		}
		if tt.name == "terminated" {
			s.Wait("status=130")
			sane(t, s)
		}
		for end := time.Now().Add(time.Minute); syscall.Kill(pid, 0) == nil; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: it lives on", tt.name)
			}
		}
	}
}
