package tui

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/seriesctl/seriesctl/internal/lab"
)

// JobSource is a Workspace that knows what each worker of a run does.
type JobSource interface {
	// Jobs is what goes on, ok when something does.
	Jobs() (s lab.Status, ok bool)
	// OpenLog opens a log by its path relative to the workspace.
	OpenLog(path string) (File, error)
}

// Skipper is a Workspace that can have a run give up one thing that it does.
type Skipper interface {
	Skip(a lab.Activity) error
}

// jobsScreen is what runs in the workspace: the build, the virtual machines, and the commands that were started from
// here; below it the output of the one under the cursor.
type jobsScreen struct {
	m   *model
	src JobSource
	list
	jobs          []job
	width, height int
	serial        int // of the newest command; answers to older ones are dropped

	of   string // the output that is shown
	file File   // to be closed, nil when the output is another's
	win  *window
	err  error
}

// job is a line of the jobs.
type job struct {
	who, what, far string
	started        time.Time
	activity       *lab.Activity
	path           string // of its log
	out            Output // its output, when it was started from here
}

// key says whether two lines are the same job.
func (j job) key() string { return j.who + " " + j.path + " " + j.started.String() }

// Answers to the commands of a jobsScreen.
type (
	jobLogMsg struct {
		serial int
		file   File
		size   int64
		err    error
	}
	jobSizeMsg struct {
		serial int
		size   int64
	}
	jobTickMsg struct{}
)

// openJobs shows what runs.
func (m *model) openJobs() tea.Cmd {
	src, ok := can[JobSource](m, m.src, "jobs are")
	if !ok {
		return nil
	}
	s := &jobsScreen{m: m, src: src}
	m.push(s)
	return s.tick()
}

// tick looks anew at what runs, and does so every second: clocks run.
func (s *jobsScreen) tick() tea.Cmd {
	return tea.Batch(s.refresh(), s.m.later(s, time.Second, jobTickMsg{}))
}

func (s *jobsScreen) refresh() tea.Cmd {
	on := ""
	if s.at < len(s.jobs) {
		on = s.jobs[s.at].key()
	}
	s.jobs = s.now()
	for i, j := range s.jobs {
		if j.key() == on {
			s.at = i
		}
	}
	s.move(s.at, len(s.jobs))
	return s.look()
}

// now lists what goes on.
func (s *jobsScreen) now() []job {
	var out []job
	if st, ok := s.src.Jobs(); ok {
		if b := st.Build; b != nil {
			what := fmt.Sprintf("%s  %s %s", b.Where(), b.Step, b.File)
			if b.Kernel != "" {
				what = fmt.Sprintf("%s as %s  %s %s", b.Where(), b.Kernel, b.Step, b.File)
			}
			far := ""
			switch {
			case b.Total > 0:
				far = fmt.Sprintf("%d/%d", b.Done, b.Total)
			case b.Done > 0:
				far = fmt.Sprint(b.Done)
			}
			out = append(out, job{who: "build", what: strings.TrimSpace(what), far: far, started: b.Started, activity: b, path: b.Log})
		}
		for i, a := range st.Running {
			what := a.Case
			if what == "" {
				what = a.Step
			}
			out = append(out, job{who: fmt.Sprintf("vm %d", i+1), what: a.Where() + "  " + what, started: a.Started, activity: &st.Running[i], path: a.Log})
		}
	}
	for i := len(s.m.outputs) - 1; i >= 0; i-- {
		o := s.m.outputs[i]
		far := "working"
		select {
		case <-o.out.Done():
			if far = "done"; o.out.Err() != nil {
				far = o.out.Err().Error()
			}
		default:
		}
		out = append(out, job{who: "command", what: ":" + o.line, far: far, out: o.out})
	}
	return out
}

// look shows the output of the job under the cursor.
func (s *jobsScreen) look() tea.Cmd {
	if s.at >= len(s.jobs) {
		s.drop()
		return nil
	}
	j := s.jobs[s.at]
	if j.key() != s.of {
		s.drop()
		s.of = j.key()
		if j.out != nil {
			s.win = newWindow(s.m.look, j.out, 0)
			s.resize(s.width, s.height)
			return s.size(j.out)
		}
		return s.open(j.path)
	}
	switch {
	case s.file != nil:
		return s.size(s.file)
	case j.out != nil:
		return s.size(j.out)
	}
	return nil
}

func (s *jobsScreen) open(path string) tea.Cmd {
	serial := s.serial
	if path == "" {
		return nil
	}
	return ask(s, func() tea.Msg {
		f, err := s.src.OpenLog(path)
		if err != nil {
			return jobLogMsg{serial: serial, err: err}
		}
		fi, err := f.Stat()
		if err != nil {
			return jobLogMsg{serial, f, 0, err}
		}
		return jobLogMsg{serial, f, fi.Size(), nil}
	})
}

func (s *jobsScreen) size(f File) tea.Cmd {
	serial := s.serial
	return ask(s, func() tea.Msg {
		fi, err := f.Stat()
		if err != nil {
			return nil // it was left meanwhile
		}
		return jobSizeMsg{serial, fi.Size()}
	})
}

// drop gives up the output that is shown.
func (s *jobsScreen) drop() {
	s.serial++
	if s.file != nil {
		// It was only read.
		_ = s.file.Close()
	}
	s.of, s.file, s.win, s.err = "", nil, nil, nil
}

func (s *jobsScreen) update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case changedMsg, shownMsg:
		return s.refresh()
	case jobTickMsg:
		if s.m.has(s) {
			return s.tick()
		}
	case jobLogMsg:
		if msg.serial != s.serial || !s.m.has(s) {
			if msg.file != nil {
				_ = msg.file.Close()
			}
			return nil
		}
		s.file = msg.file
		if s.err = msg.err; errors.Is(s.err, os.ErrNotExist) {
			s.of, s.err = "", nil // not yet: look again
		}
		if s.file != nil {
			s.win = newWindow(s.m.look, s.file, 0)
			s.resize(s.width, s.height)
			s.win.grow(msg.size)
			s.win.end()
		}
	case jobSizeMsg:
		if msg.serial == s.serial && s.win != nil {
			first := s.win.size == 0
			s.win.grow(msg.size)
			if first {
				s.win.end()
			}
		}
	}
	return nil
}

// has says whether a screen is on the stack.
func (m *model) has(s screen) bool {
	for _, t := range m.stack {
		if t == s {
			return true
		}
	}
	return false
}

func (s *jobsScreen) table() Table {
	move := func(by int) func() tea.Cmd {
		return func() tea.Cmd {
			s.move(s.at+by, len(s.jobs))
			return s.look()
		}
	}
	scroll := func(halves int) func() tea.Cmd {
		return does(func() {
			if s.win != nil {
				s.win.scroll(halves * max(s.win.height/2, 1))
			}
		})
	}
	return Table{Title: "Jobs", Bindings: []Binding{
		{[]string{"enter"}, "Enter", "Enter open", "the whole output of a command that was started here", s.enter},
		{[]string{"j", "down"}, "j, down", "", "next", move(1)},
		{[]string{"k", "up"}, "k, up", "", "one before", move(-1)},
		{[]string{"ctrl+d", "pgdown", "space"}, "^d, Space", "", "output down; at its end it is followed", scroll(1)},
		{[]string{"ctrl+u", "pgup"}, "^u", "", "output up", scroll(-1)},
		{[]string{"g", "home"}, "g, Home", "", "output from its start", does(func() {
			if s.win != nil {
				s.win.start()
			}
		})},
		{[]string{"G", "end"}, "G, End", "", "output to its end, and follow it", does(func() {
			if s.win != nil {
				s.win.end()
			}
		})},
		{[]string{"x"}, "x", "x skip", "give up what is under the cursor for this run", s.skip},
		{[]string{"X"}, "X", "X interrupt", "interrupt the whole run; the same command resumes", s.m.cancel},
		{[]string{"q", "esc", "w"}, "q, Esc, w", "q back", "back", s.m.pop},
	}}
}

// enter shows a command's output on a screen of its own.
func (s *jobsScreen) enter() tea.Cmd {
	if s.at >= len(s.jobs) || s.jobs[s.at].out == nil {
		return nil
	}
	j := s.jobs[s.at]
	o := newOutputScreen(s.m, strings.TrimPrefix(j.what, ":"), j.out)
	s.m.push(o)
	return o.follow()
}

// skip gives up the job under the cursor.
func (s *jobsScreen) skip() tea.Cmd {
	if s.at >= len(s.jobs) {
		s.m.said = "nothing runs"
		return nil
	}
	j := s.jobs[s.at]
	if j.out != nil {
		select {
		case <-j.out.Done():
			s.m.said = "it has ended"
			return nil
		default:
		}
		s.m.prompt = &prompt{label: "Interrupt it? y/n", yes: func() tea.Cmd { j.out.Stop(); return nil }}
		return nil
	}
	skipper, ok := can[Skipper](s.m, s.m.src, "skipping is")
	if !ok {
		return nil
	}
	a := *j.activity
	s.m.prompt = &prompt{label: fmt.Sprintf("Give up %s (%s) for this run? y/n", j.who, j.what), yes: func() tea.Cmd {
		return func() tea.Msg {
			if err := skipper.Skip(a); err != nil {
				return quietMsg{err.Error()}
			}
			return quietMsg{j.what + ": given up for this run; run again to have it"}
		}
	}}
	return nil
}

func (s *jobsScreen) title() (left, right string) {
	left = "jobs"
	if st, ok := s.src.Jobs(); ok {
		right = fmt.Sprintf("process %d, %s", st.PID, since(s.m.now(), st.Started))
		if st.CellsTotal > 0 {
			right = fmt.Sprintf("%d of %d cells, ", st.CellsDone, st.CellsTotal) + right
		}
	}
	return left, right
}

func (s *jobsScreen) sentence() (head, text string) { return "", "" }

func (s *jobsScreen) silent() {}

func (s *jobsScreen) close() { s.drop() }

// lines is how many lines the jobs get: no more than half.
func (s *jobsScreen) lines() int { return max(min(len(s.jobs), s.height/2), 1) }

func (s *jobsScreen) resize(width, height int) {
	s.width, s.height = width, height
	s.list.height = s.lines()
	if s.win != nil {
		s.win.resize(width, max(height-s.lines()-1, 1))
	}
}

func (s *jobsScreen) click(_, y int) bool {
	if y += s.top; y < 0 || y >= len(s.jobs) {
		return false
	}
	s.at = y
	return true
}

func (s *jobsScreen) view() []string {
	if len(s.jobs) == 0 {
		return []string{"", s.m.paint(bold, " Nothing runs."), "", s.m.cut("   :run   begins or resumes the run of the shown series", s.width)}
	}
	s.resize(s.width, s.height)
	s.show(s.at, s.at, len(s.jobs))
	var lines []string
	for i := s.top; i < min(len(s.jobs), s.top+s.list.height); i++ {
		lines = append(lines, s.row(i))
	}
	lines = append(lines, s.m.paint(faint, s.m.cut(" "+strings.Repeat(s.m.pick("─", "-"), max(s.width-2, 0)), s.width)))
	switch {
	case s.err != nil:
		lines = append(lines, s.m.paint(ours, s.m.cut(" cannot be read: "+s.m.text(s.err.Error()), s.width)))
	case s.win != nil:
		lines = append(lines, s.win.view()...)
	default:
		lines = append(lines, s.m.paint(faint, s.m.cut(" no output yet", s.width)))
	}
	return lines
}

func (s *jobsScreen) row(i int) string {
	j := s.jobs[i]
	mark := "  "
	if i == s.at {
		mark = s.m.pick("▸ ", "> ")
	}
	right := j.far
	if !j.started.IsZero() {
		right = strings.TrimSpace(right + "  " + since(s.m.now(), j.started))
	}
	line := s.m.ends(s.m.text(" "+mark+fmt.Sprintf("%-8s", j.who)+j.what), s.m.text(right)+" ", s.width)
	if i == s.at {
		return s.m.paint(bar, line)
	}
	return line
}

// since says how long ago a time was.
func since(now, then time.Time) string {
	if then.IsZero() {
		return ""
	}
	d := max(now.Sub(then), 0).Truncate(time.Second)
	if d >= time.Hour {
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	if d >= time.Minute {
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d s", int(d.Seconds()))
}
