package tui

import (
	"io"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/seriesctl/seriesctl/internal/plain"
)

// Commander is a Workspace that has the program's own commands.
type Commander interface {
	// Commands are their names.
	Commands() []string
	// Command is what a line means for a series; "" is the current one.
	Command(series, line string) (Command, error)
	// Complete is what the last word of a line can be, behind that of a command: its flags, or files.
	Complete(line string) []string
}

// Command is one that can be done, in one of two ways.
type Command struct {
	Terminal Terminal               // it takes the user's terminal; nil when it does not
	Start    func() (Output, error) // it works by itself, its output in a file
}

// Terminal is what has the user's terminal until it ends.
type Terminal interface {
	Run() error
	SetStdin(r io.Reader)
	SetStdout(w io.Writer)
	SetStderr(w io.Writer)
}

// Output is that of a started command.
type Output interface {
	File
	// Done is closed when the command has ended.
	Done() <-chan struct{}
	// Err is how it ended, nil when all is well: one line.
	Err() error
	// Stop asks it to end.
	Stop()
	// Stays says that it goes on when the interface is left.
	Stays() bool
}

// followEvery is how often an output that grows is looked at.
const followEvery = 100 * time.Millisecond

// endedMsg is the end of something that had the terminal.
type endedMsg struct{ err error }

// quietMsg is the end of a command of which only one line is shown.
type quietMsg struct{ said string }

// startedMsg is a command that was started, or why not.
type startedMsg struct {
	line string
	out  Output
	err  error
}

// askCommand asks for a command of the program and does it for the shown series.
func (m *model) askCommand() tea.Cmd {
	c, ok := can[Commander](m, m.src, "commands are")
	if !ok {
		return nil
	}
	m.prompt = &prompt{label: ":", history: m.history, complete: m.completions(c),
		enter: func(line string) tea.Cmd {
			if line = strings.TrimSpace(line); line == "" {
				return nil
			}
			m.history = append(slices.DeleteFunc(m.history, func(h string) bool { return h == line }), line)
			switch line {
			case "q", "q!", "quit":
				return m.quit()
			}
			return m.command(line)
		}}
	return nil
}

// completions says what the last word of a line can be: a command; behind --case a case of the shown series; else what the
// command knows.
func (m *model) completions(c Commander) func(line string) []string {
	return func(line string) []string {
		words := strings.Split(line, " ")
		if len(words) == 1 {
			return c.Commands()
		}
		if flag := words[len(words)-2]; flag == "--case" || flag == "--cases" {
			return m.cases()
		}
		return c.Complete(line)
	}
}

// cases are those of the shown series.
func (m *model) cases() []string {
	var names []string
	for _, s := range slices.Backward(m.stack) {
		if x, ok := s.(*matrixScreen); ok {
			for _, c := range x.result.Cases {
				names = append(names, c.Name)
			}
			break
		}
	}
	return names
}

// series is the one that is shown, "" when none is.
func (m *model) series() string {
	for _, s := range slices.Backward(m.stack) {
		switch s := s.(type) {
		case *matrixScreen:
			return s.result.Series
		case *workspaceScreen:
			if e := s.entry(); e != nil {
				return e.ID
			}
		}
	}
	return ""
}

// command does what a line asks for: on the terminal, or with its output on a screen.
func (m *model) command(line string) tea.Cmd {
	return m.begin(line, func(msg startedMsg) tea.Cmd {
		s := newOutputScreen(m, msg.line, msg.out)
		m.push(s)
		return s.follow()
	})
}

// quietly does what a line asks for; only an error of it is shown, or, after what did says, the first line of its output.
func (m *model) quietly(line, did string) tea.Cmd {
	return m.begin(line, func(msg startedMsg) tea.Cmd {
		m.quiet = &quiet{line: msg.line, out: msg.out}
		return tea.Batch(m.watchQuiet(), func() tea.Msg {
			<-msg.out.Done()
			return quietMsg{inOneLine(msg.out, did)}
		})
	})
}

// begin starts what a line asks for; then has what was started.
func (m *model) begin(line string, then func(startedMsg) tea.Cmd) tea.Cmd {
	c, ok := can[Commander](m, m.src, "commands are")
	if !ok {
		return nil
	}
	cmd, err := c.Command(m.series(), line)
	switch {
	case err != nil:
		m.said = err.Error()
		return nil
	case cmd.Terminal != nil:
		return m.lend(cmd.Terminal)
	}
	m.starting++
	return func() tea.Msg {
		out, err := cmd.Start()
		return thenMsg{startedMsg{line, out, err}, then}
	}
}

// thenMsg is a command that was started and what then is to be done.
type thenMsg struct {
	startedMsg
	then func(startedMsg) tea.Cmd
}

func (m *model) started(msg thenMsg) tea.Cmd {
	m.starting--
	if msg.err != nil {
		m.said = msg.err.Error()
		return nil
	}
	if msg.out.Stays() {
		m.outputs = append(m.outputs, &msg.startedMsg)
	}
	return msg.then(msg.startedMsg)
}

// lend gives t the terminal.
func (m *model) lend(t Terminal) tea.Cmd {
	if m.still {
		return func() tea.Msg { return endedMsg{t.Run()} }
	}
	return tea.Exec(t, func(err error) tea.Msg { return endedMsg{err} })
}

// quiet is a command of which only one line is shown while it works.
type quiet struct {
	line string
	out  Output
	last string // line of its output
}

// quietTick is the time to look at the quiet command.
type quietTick struct{}

func (m *model) watchQuiet() tea.Cmd {
	if m.quiet == nil || m.still {
		return nil
	}
	q := m.quiet
	select {
	case <-q.out.Done():
		return nil
	default:
	}
	q.last = lastLine(q.out)
	return tea.Tick(followEvery, func(time.Time) tea.Msg { return quietTick{} })
}

// inOneLine says how a command ended, and closes its output.
func inOneLine(out Output, did string) string {
	said := ""
	if err := out.Err(); err == nil {
		buf := make([]byte, longest)
		n, _ := out.ReadAt(buf, 0)
		first, _, _ := strings.Cut(string(buf[:n]), "\n")
		said = did + plain.Line(first)
	} else if said = errorLine(out); said == "" {
		said = err.Error()
	}
	// It was only read.
	_ = out.Close()
	return said
}

// lastLine is the last line of an output that is not empty.
func lastLine(out Output) string {
	lines := strings.Split(strings.TrimSpace(end(out)), "\n")
	return plain.Line(lines[len(lines)-1])
}

// errorLine is the error that a command of ours ended with, and its hint.
func errorLine(out Output) string {
	said := ""
	for _, l := range strings.Split(end(out), "\n") {
		if text, ok := strings.CutPrefix(l, "seriesctl: "); ok {
			said = text
		} else if hint, ok := strings.CutPrefix(l, "hint: "); ok && said != "" {
			said += " (" + hint + ")"
		}
	}
	return plain.Line(said)
}

// end is the last part of an output.
func end(out Output) string {
	fi, err := out.Stat()
	if err != nil {
		return ""
	}
	buf := make([]byte, min(fi.Size(), longest))
	n, _ := out.ReadAt(buf, fi.Size()-int64(len(buf)))
	return string(buf[:n])
}
