package tui

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/plain"
	"github.com/seriesctl/seriesctl/internal/xec"
)

// Toolbox is a Workspace that knows the user's own programs.
type Toolbox interface {
	// Edit is the user's editor on a copy of a text, which goes when it ends.
	Edit(name string, text io.Reader) Terminal
	// Pipe is a shell command with a text as its input; "" is the user's pager.
	Pipe(command string, text io.Reader) Terminal
}

// shown is the text on the screen, made safe, and what to call it; nil when there is none.
func (m *model) shown() (name string, r io.Reader) {
	t, ok := m.top().(text)
	if !ok || t.window() == nil {
		m.said = "there is no text here"
		return "", nil
	}
	w := t.window()
	name = "seriesctl-" + t.chosen() + ".txt"
	if t.chosen() == "patch" {
		name = "seriesctl.patch"
	}
	var all io.Reader = strings.NewReader(w.unbroken)
	if w.unbroken == "" {
		all = io.NewSectionReader(w.r, 0, w.size)
	}
	return name, &safeReader{r: bufio.NewReader(all)}
}

// edit opens the shown text in the user's editor.
func (m *model) edit() tea.Cmd {
	name, r := m.shown()
	if r == nil {
		return nil
	}
	box, ok := can[Toolbox](m, m.src, "editors are")
	if !ok {
		return nil
	}
	return m.lend(box.Edit(name, r))
}

// pipe asks for a command and gives it the shown text.
func (m *model) pipe() tea.Cmd {
	_, r := m.shown()
	if r == nil {
		return nil
	}
	box, ok := can[Toolbox](m, m.src, "pipes are")
	if !ok {
		return nil
	}
	m.prompt = &prompt{label: "pipe to (empty: the pager): ", history: m.pipes, enter: func(command string) tea.Cmd {
		if command = strings.TrimSpace(command); command != "" {
			m.pipes = append(m.pipes, command)
		}
		return m.lend(box.Pipe(command, r))
	}}
	return nil
}

// safeReader reads a text line by line, each made safe; tabs stay, as diffs need them.
type safeReader struct {
	r    *bufio.Reader
	rest []byte
	err  error
}

func (s *safeReader) Read(b []byte) (int, error) {
	for len(s.rest) == 0 {
		if s.err != nil {
			return 0, s.err
		}
		var line []byte
		line, s.err = s.r.ReadSlice('\n')
		if errors.Is(s.err, bufio.ErrBufferFull) {
			s.err = nil
		}
		text, ended := strings.CutSuffix(string(line), "\n")
		cells := strings.Split(text, "\t")
		for i := range cells {
			cells[i] = plain.Line(cells[i])
		}
		text = strings.Join(cells, "\t")
		if ended {
			text += "\n"
		}
		s.rest = []byte(text)
	}
	n := copy(b, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// shell opens a shell in the virtual machine of the prefix under the cursor.
func (m *model) shell() tea.Cmd {
	prefix, name, ok := m.cell()
	if !ok {
		return nil
	}
	line := "shell " + xec.Quote(m.argument(prefix))
	if name != "" {
		line += " --case " + xec.Quote(name)
	}
	return m.command(line)
}

// rerun has the cell under the cursor run once more.
func (m *model) rerun() tea.Cmd {
	prefix, name, ok := m.cell()
	switch {
	case !ok:
		return nil
	case name == "":
		m.said = "there is no case here"
		return nil
	case m.status.Running:
		m.said = "a run goes on; R when it is done"
		return nil
	}
	rows, where := fmt.Sprintf("--prefixes %d", prefix), fmt.Sprintf("prefix %d", prefix)
	if sub := m.subset(prefix); sub != nil {
		rows, where = "--subset "+sub.Name(), "subset "+sub.Name()
	}
	line := fmt.Sprintf("run %s --cases %s --more 1", rows, xec.Quote(name))
	return m.behind(line, func() tea.Cmd {
		m.said = fmt.Sprintf("%s runs once more on %s", m.text(name), where)
		return nil
	})
}

// behind starts a run that is watched in the matrix; of its output only an error is shown.
func (m *model) behind(line string, started func() tea.Cmd) tea.Cmd {
	return m.begin(line, func(msg startedMsg) tea.Cmd {
		return tea.Batch(started(), func() tea.Msg {
			<-msg.out.Done()
			if msg.out.Err() == nil {
				return nil
			}
			return quietMsg{errorLine(msg.out)}
		})
	})
}

// subset is the subset of the shown series that has an index, nil where that is a prefix's.
func (m *model) subset(index int) *lab.SubsetRow {
	for _, s := range m.stack {
		if x, ok := s.(*matrixScreen); ok {
			for i := range x.result.Subsets {
				if sub := &x.result.Subsets[i]; sub.Index == index {
					return sub
				}
			}
		}
	}
	return nil
}

// argument is what a command calls the prefix or subset of an index.
func (m *model) argument(index int) string {
	switch sub := m.subset(index); {
	case sub == nil:
		return strconv.Itoa(index)
	case len(sub.Patches) == 1:
		return "{" + sub.Name() + "}"
	default:
		return sub.Name()
	}
}

// cell is what the cursor is on.
func (m *model) cell() (prefix int, name string, ok bool) {
	if at, is := m.top().(at); is {
		prefix, name, ok = at.cell()
	}
	if !ok {
		m.said = "there is no prefix here"
	}
	return prefix, name, ok
}

// Interrupter is a Workspace that can end what runs in it, whoever started it.
type Interrupter interface{ Interrupt() error }

// cancel interrupts what runs, after a yes.
func (m *model) cancel() tea.Cmd {
	if !m.status.Running {
		m.said = "nothing runs"
		return nil
	}
	i, ok := can[Interrupter](m, m.src, "interrupting is")
	if !ok {
		return nil
	}
	m.prompt = &prompt{label: "Interrupt the run? What is finished is kept, the same command resumes. y/n", yes: func() tea.Cmd {
		return func() tea.Msg {
			if err := i.Interrupt(); err != nil {
				return quietMsg{err.Error()}
			}
			return quietMsg{"interrupted; the run ends in a moment"}
		}
	}}
	return nil
}
