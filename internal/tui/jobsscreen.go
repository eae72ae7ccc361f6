package tui

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/xec"
)

// JobSource is a Workspace that knows what each worker of a run does.
type JobSource interface {
	// Jobs is what goes on, ok when something does. What was left undone is in it anyway.
	Jobs() (s lab.Status, ok bool)
	// OpenLog opens a log by its path relative to the workspace.
	OpenLog(path string) (File, error)
}

// Skipper is a Workspace that can have a run give up one thing that it does.
type Skipper interface {
	Skip(a lab.Activity) error
}

// Retrier is a Workspace that can have what was left undone tried again.
type Retrier interface {
	// Retry asks the run that goes on for it.
	Retry(l lab.Left) error
	// Dismiss forgets it.
	Dismiss(l lab.Left) error
}

// jobsScreen is what runs in the workspace: the build, the virtual machines, what was left undone until it is tried again or
// dismissed, and the commands that were started from here; below it the output of the one under the cursor.
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
	activity       *lab.Activity // what runs
	path           string        // of its log
	left           *lab.Left     // what was left undone
	cmd            *startedMsg   // what was started from here
}

// out is the output of what was started from here.
func (j job) out() Output {
	if j.cmd == nil {
		return nil
	}
	return j.cmd.out
}

// ended says whether what was started from here has.
func (j job) ended() bool {
	select {
	case <-j.cmd.out.Done():
		return true
	default:
		return false
	}
}

// key says whether two lines are the same job.
func (j job) key() string { return fmt.Sprintf("%s %s %s %p", j.who, j.path, j.started, j.cmd) }

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
	jobDoneMsg struct { // what was asked of the run is done, or why not
		err  error
		said string
	}
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

// How often it looks at what runs, as clocks do, and at a log that grows.
const (
	jobsEvery = time.Second
	logEvery  = 250 * time.Millisecond
)

// tick looks anew at what runs, and goes on doing so.
func (s *jobsScreen) tick() tea.Cmd {
	every := jobsEvery
	if s.at < len(s.jobs) && s.jobs[s.at].activity != nil {
		every = logEvery
	}
	return tea.Batch(s.refresh(), s.m.later(s, every, jobTickMsg{}))
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
	st, ok := s.src.Jobs()
	if ok {
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
	for i := range slices.Backward(st.Left) {
		l := &st.Left[i]
		out = append(out, job{who: "undone", what: s.m.of(l) + ": " + l.Why, started: l.Started, path: l.Log, left: l})
	}
	for i := range slices.Backward(s.m.outputs) {
		j := job{who: "command", what: ":" + s.m.outputs[i].line, far: "working", cmd: s.m.outputs[i]}
		if j.ended() {
			if j.far = "done"; j.out().Err() != nil {
				j.far = j.out().Err().Error()
			}
		}
		out = append(out, j)
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
		if j.cmd != nil {
			s.win = newWindow(s.m.look, j.out(), 0)
			s.resize(s.width, s.height)
			return s.size(j.out())
		}
		return s.open(j.path)
	}
	switch {
	case s.file != nil:
		return s.size(s.file)
	case j.cmd != nil:
		return s.size(j.out())
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
	case jobDoneMsg:
		if s.m.said = msg.said; msg.err != nil {
			s.m.said = msg.err.Error()
		}
		return s.refresh()
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
		{[]string{"ctrl+d"}, "^d", "", "half of the output's screen down; at its end it is followed", scroll(1)},
		{[]string{"ctrl+u"}, "^u", "", "half of it up", scroll(-1)},
		{[]string{"space", "pgdown", "ctrl+f"}, "Space, PgDn, ^f", "", "a screen of the output down", scroll(2)},
		{[]string{"pgup", "b", "ctrl+b"}, "PgUp, b, ^b", "", "a screen of it up", scroll(-2)},
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
		{[]string{"x"}, "x", "x skip", "give up what runs, for this run; take what is over off the list", s.skip},
		{[]string{"R"}, "R", "R retry", "try again what is undone, or a command that has ended", s.retry},
		{[]string{"X"}, "X", "X interrupt", "interrupt the whole run; the same command resumes", s.m.cancel},
		{[]string{"q", "esc", "w"}, "q, Esc, w", "q back", "back", s.m.pop},
	}}
}

// enter shows a command's output on a screen of its own.
func (s *jobsScreen) enter() tea.Cmd {
	if s.at >= len(s.jobs) || s.jobs[s.at].cmd == nil {
		return nil
	}
	j := s.jobs[s.at]
	o := newOutputScreen(s.m, strings.TrimPrefix(j.what, ":"), j.out())
	s.m.push(o)
	return o.follow()
}

// under is the job under the cursor; nil, and said so, when there is none.
func (s *jobsScreen) under() *job {
	if s.at >= len(s.jobs) {
		s.m.said = "nothing runs"
		return nil
	}
	return &s.jobs[s.at]
}

// skip gives up the job under the cursor, or takes it off the list when it is over.
func (s *jobsScreen) skip() tea.Cmd {
	j := s.under()
	switch {
	case j == nil:
		return nil
	case j.left != nil:
		return s.dismiss(*j.left)
	case j.cmd != nil && j.ended():
		s.forget(j.cmd)
		return s.refresh()
	case j.cmd != nil:
		out := j.out()
		s.m.prompt = &prompt{label: "Interrupt it? y/n", yes: func() tea.Cmd { out.Stop(); return nil }}
		return nil
	}
	skipper, ok := can[Skipper](s.m, s.m.src, "skipping is")
	if !ok {
		return nil
	}
	a, what := *j.activity, j.what
	s.m.prompt = &prompt{label: fmt.Sprintf("Give up %s (%s) for this run? y/n", j.who, j.what), yes: func() tea.Cmd {
		return func() tea.Msg {
			if err := skipper.Skip(a); err != nil {
				return quietMsg{err.Error()}
			}
			return quietMsg{what + ": given up for this run; R here has it tried again"}
		}
	}}
	return nil
}

// dismiss takes what is undone off the list.
func (s *jobsScreen) dismiss(l lab.Left) tea.Cmd {
	r, ok := can[Retrier](s.m, s.m.src, "dismissing is")
	if !ok {
		return nil
	}
	return ask(s, func() tea.Msg { return jobDoneMsg{err: r.Dismiss(l)} })
}

// retry does the job under the cursor again: in the run that goes on, or in a new one.
func (s *jobsScreen) retry() tea.Cmd {
	j := s.under()
	switch {
	case j == nil:
		return nil
	case j.cmd != nil && j.ended():
		line := j.cmd.line
		s.forget(j.cmd)
		return s.m.command(line)
	case j.left == nil:
		s.m.said = "it goes on; x gives it up"
		return nil
	}
	r, ok := can[Retrier](s.m, s.m.src, "trying again is")
	if !ok {
		return nil
	}
	l, what := *j.left, s.m.of(j.left)
	st, runs := s.src.Jobs()
	switch {
	case runs && st.Series == l.Series:
		return ask(s, func() tea.Msg { return jobDoneMsg{r.Retry(l), what + " is tried again in this run"} })
	case runs:
		s.m.said = "a run of " + s.m.text(st.Series) + " goes on; R when it is done"
		return nil
	}
	line := "run " + xec.Quote(l.Series) // a prefix: all that was asked for and is missing
	if l.Case != "" {
		rows := fmt.Sprintf("--prefixes %d", l.Prefix)
		if l.Subset != "" {
			rows = "--subset " + l.Subset
		}
		line += fmt.Sprintf(" %s --cases %s --more 1", rows, xec.Quote(l.Case))
	}
	start := s.m.behind(line, func() tea.Cmd {
		s.m.said = what + " is tried again"
		return nil
	})
	if start == nil {
		return nil
	}
	return func() tea.Msg {
		if err := r.Dismiss(l); err != nil {
			return thenMsg{startedMsg{err: err}, nil}
		}
		return start()
	}
}

// of says what was left undone, with its series where that is not the shown one.
func (m *model) of(l *lab.Left) string {
	what := l.Where()
	if l.Series != m.series() {
		what = m.text(l.Series) + " " + what
	}
	if l.Kernel != "" {
		what += " as " + l.Kernel
	}
	return strings.TrimSpace(what + "  " + l.Case)
}

// forget takes a command that has ended off the list.
func (s *jobsScreen) forget(c *startedMsg) {
	s.drop()
	s.m.outputs = slices.DeleteFunc(s.m.outputs, func(o *startedMsg) bool { return o == c })
	// It was only read.
	_ = c.out.Close()
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

func (s *jobsScreen) silent() bool { return true }

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

// scrollAt scrolls the output below the jobs.
func (s *jobsScreen) scrollAt(_, y, lines int) bool {
	if s.win == nil || y <= s.lines() {
		return false
	}
	s.win.scroll(lines)
	return true
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
	case s.win != nil && s.win.size > 0:
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
	switch {
	case i == s.at:
		return s.m.paint(bar, line)
	case j.left != nil || j.cmd != nil && j.ended():
		return s.m.paint(faint, line)
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
