package tui

import (
	"errors"
	"os"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
)

// outputScreen is the output of a command, followed while it works.
type outputScreen struct {
	pager
	m    *model
	line string // the command
	out  Output
	done bool
	err  error
	why  string // the error in the command's own words, and its hint; "" where it has none
	left int64  // where the window was left by following; elsewhere the user has moved it
}

// Answers to the commands of an outputScreen.
type (
	outputMsg struct {
		size int64
		done bool
		err  error
		why  string
	}
	followMsg struct{}
)

func newOutputScreen(m *model, line string, out Output) *outputScreen {
	s := &outputScreen{m: m, line: line, out: out, pager: pager{look: m.look}}
	s.tabs = []tab{{"output", newWindow(m.look, out, 0)}}
	if strings.HasPrefix(line, "range-diff ") {
		s.tabs[0].win.style = func(line string) style { return diffStyle(strings.TrimPrefix(line, "    ")) }
	}
	return s
}

// follow looks how far the output is.
func (s *outputScreen) follow() tea.Cmd {
	out := s.out
	return ask(s, func() tea.Msg {
		// First whether it ended: what it wrote last is then in the file.
		msg := outputMsg{}
		select {
		case <-out.Done():
			if msg.done, msg.err = true, out.Err(); msg.err != nil {
				msg.why = errorLine(out)
			}
		default:
		}
		fi, err := out.Stat()
		switch {
		case errors.Is(err, os.ErrClosed):
			return nil
		case err != nil:
			return outputMsg{done: true, err: err}
		}
		msg.size = fi.Size()
		return msg
	})
}

func (s *outputScreen) update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case foundMsg:
		s.found(msg, s.m)
	case followMsg:
		return s.follow()
	case outputMsg:
		w := s.tabs[0].win
		moved := w.top != s.left
		switch w.grow(msg.size); {
		case moved:
		case msg.done && !s.out.Stays():
			w.start() // it is all there, and read from its start
		default:
			w.end()
		}
		if !moved {
			s.left = w.top
		}
		if s.done, s.err, s.why = msg.done, msg.err, msg.why; !s.done {
			return s.m.later(s, followEvery, followMsg{})
		}
	}
	return nil
}

// later is a message to a screen after a while.
func (m *model) later(s screen, d time.Duration, msg tea.Msg) tea.Cmd {
	if m.still {
		return nil
	}
	return tea.Tick(d, func(time.Time) tea.Msg { return answer{s, msg} })
}

func (s *outputScreen) table() Table {
	return Table{Title: "Output", Bindings: append(s.keys(s, s.m, ""),
		Binding{[]string{"x"}, "x", "x stop", "interrupt the command", s.stop},
		Binding{[]string{"q", "esc"}, "q, Esc", "q back", "back; a run goes on, another command that is not done is ended", s.m.pop})}
}

func (s *outputScreen) stop() tea.Cmd {
	if s.done {
		s.m.said = "it has ended"
		return nil
	}
	s.m.prompt = &prompt{label: "Interrupt it? y/n", yes: func() tea.Cmd { s.out.Stop(); return nil }}
	return nil
}

func (s *outputScreen) title() (left, right string) {
	left = ":" + s.m.text(s.line)
	switch {
	case !s.done:
		return left, "working"
	case s.err != nil:
		return left, s.m.text(s.err.Error())
	}
	return left, "done"
}

// sentence is why the command failed, whole: in its output it may be wider than the screen.
func (s *outputScreen) sentence() (head, text string) { return "", s.why }

func (s *outputScreen) silent() bool { return s.why == "" }

func (s *outputScreen) steady() bool { return true }

func (s *outputScreen) close() {
	s.stopSearch()
	if s.out.Stays() {
		return // it is the frame's
	}
	if !s.done {
		s.out.Stop()
	}
	// It was only read.
	_ = s.out.Close()
}
