package tui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/seriesctl/seriesctl/internal/ptytest"
)

// mine is a screen that panics where it is told to.
type mine struct {
	*card
	inView bool
}

func (s *mine) table() Table {
	t := s.card.table()
	t.Bindings = append(t.Bindings,
		Binding{keys: []string{"1"}, do: func() tea.Cmd { panic("in a key \x1b[31m\nof two lines") }},
		Binding{keys: []string{"2"}, do: does(func() { s.inView = true })},
		Binding{keys: []string{"3"}, do: func() tea.Cmd { return ask(s, func() tea.Msg { panic(errors.New("in a command")) }) }},
		Binding{keys: []string{"4"}, do: func() tea.Cmd {
			return tea.Batch(func() tea.Msg { return nil }, func() tea.Msg { panic(fmt.Sprint("in ", "a batch")) })
		}})
	return t
}

func (s *mine) view() []string {
	if s.inView {
		panic("in the view")
	}
	return s.card.view()
}

// A panic, wherever it is, leaves the terminal as it was and a report, and says in one line where it is.
func TestCrash(t *testing.T) {
	for key, what := range map[string]string{"1": "in a key  of two lines", "2": "in the view", "3": "in a command", "4": "in a batch", "5": "beside"} {
		t.Run(what, func(t *testing.T) {
			typed := make(chan struct{})
			beside := func(ctx context.Context) {
				select {
				case <-ctx.Done():
				case <-typed:
					panic("beside")
				}
			}
			term := ptytest.Open(t, 80, 24)
			m := newModel(rfc(), Options{})
			m.push(&mine{card: &card{m: m, name: "A", diary: &[]string{}}})
			dir := t.TempDir()
			ended := make(chan error, 1)
			go func() {
				ended <- run(m, Options{Reports: dir, Beside: beside}, tea.WithInput(term.Program), tea.WithOutput(term.Program), tea.WithEnvironment([]string{"TERM=xterm-256color"}))
			}()
			term.Wait(0, "A body")
			if term.Cooked() {
				t.Error("the terminal is not raw while the interface has it")
			}
			if term.Type(key); key == "5" {
				close(typed)
			}
			var err error
			select {
			case err = <-ended:
			case <-time.After(10 * time.Second):
				t.Fatal("it goes on")
			}
			var crash *CrashError
			if !errors.As(err, &crash) || crash.What != what || filepath.Dir(crash.File) != dir || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Fatalf("got %q", err)
			}
			report, rerr := os.ReadFile(crash.File)
			if rerr != nil {
				t.Fatal(rerr)
			}
			if !strings.Contains(string(report), what) || !strings.Contains(string(report), "crash_test.go") {
				t.Errorf("the report is\n%s", report)
			}
			end := term.Wait(0, "\x1b[?1049l") // the screen of before
			if !term.Cooked() {
				t.Error("the terminal stays raw")
			}
			for _, off := range []string{"\x1b[?1002l", "\x1b[?25h", "\x1b[?2004l"} { // mouse, cursor, paste
				term.Wait(0, off)
			}
			if strings.Contains(term.Output()[end:], "goroutine") {
				t.Error("the stack is on the terminal")
			}
		})
	}
}

func TestCrashWithoutARoomForTheReport(t *testing.T) {
	c := &crash{what: "x"}
	if got := c.report(filepath.Join(t.TempDir(), "none")).Error(); got != "show workspace: crashed: x" {
		t.Errorf("got %q", got)
	}
}
