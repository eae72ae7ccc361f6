package tui

import (
	"errors"
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/report"
	"github.com/seriesctl/seriesctl/internal/xec"
)

// bisectScreen is one case over the prefixes: how probable it is that each patch changes it, what is run next, and what a
// person says of the prefixes.
type bisectScreen struct {
	look
	m    *model
	home *matrixScreen
	src  BisectSource
	name string // of the case

	now    *lab.Outlook // nil until it is read
	hand   *lab.Session // nil while nobody said anything
	err    error
	serial int // of the newest command; answers to older ones are dropped

	list         // of now.Prefixes
	followed int // where follow left the cursor: elsewhere the user has moved it
	width    int
}

// Answers to a bisectScreen.
type (
	outlookMsg struct {
		serial int
		now    *lab.Outlook
		hand   *lab.Session
		err    error
	}
	judgedMsg struct {
		hand *lab.Session
		err  error
	}
)

func newBisectScreen(home *matrixScreen, src BisectSource) *bisectScreen {
	return &bisectScreen{look: home.look, m: home.m, home: home, src: src, name: home.Case(home.grid.col).Name}
}

// read asks the Source where it stands.
func (s *bisectScreen) read() tea.Cmd {
	s.serial++
	serial := s.serial
	return ask(s, func() tea.Msg {
		now, hand, err := s.src.Bisect(s.name)
		return outlookMsg{serial, now, hand, err}
	})
}

func (s *bisectScreen) update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case changedMsg:
		return s.read()
	case outlookMsg:
		if msg.serial == s.serial {
			s.now, s.hand, s.err = msg.now, msg.hand, msg.err
			s.follow()
		}
	case judgedMsg:
		if msg.err != nil {
			s.m.said = s.text(msg.err.Error())
			var hint interface{ Hint() string }
			if errors.As(msg.err, &hint) && hint.Hint() != "" {
				s.m.said += "; " + s.text(hint.Hint())
			}
			return nil
		}
		s.hand, s.followed = msg.hand, s.at
		s.follow()
	}
	return nil
}

// follow puts the cursor on what is next, unless the user has moved it.
func (s *bisectScreen) follow() {
	if s.now == nil {
		return
	}
	s.move(s.at, s.size()) // there may be fewer than there were
	to := s.at
	switch {
	case s.at != s.followed:
		return
	case s.hand != nil && !s.hand.Next().Done:
		to = s.place(s.hand.Next().Prefix)
	case s.hand != nil && s.hand.Finding().Patch > 0:
		to = s.placeOf(s.hand.Finding().Patch)
	case len(s.now.Next) > 0:
		to = s.now.Next[0].Variant
	case s.now.Patch > 0:
		to = s.placeOf(s.now.Patch)
	}
	s.move(to, s.size())
	s.followed = s.at
}

// place is where a prefix is among all, placeOf where the prefix is whose last patch has a number.
func (s *bisectScreen) place(prefix int) int {
	return s.find(func(p *lab.Prefix) bool { return p.Index == prefix })
}

func (s *bisectScreen) placeOf(patch int) int {
	return s.find(func(p *lab.Prefix) bool { return p.Patch == patch })
}

func (s *bisectScreen) find(is func(p *lab.Prefix) bool) int {
	for i := range s.now.Prefixes {
		if is(&s.now.Prefixes[i]) {
			return i
		}
	}
	return s.at
}

func (s *bisectScreen) close() { s.serial++ }

func (s *bisectScreen) table() Table {
	return Table{Title: "Bisect", Bindings: append([]Binding{
		{[]string{"g"}, "g", "g good", "say that the prefix under the cursor is good", s.judge((*lab.Session).Good)},
		{[]string{"b"}, "b", "b bad", "say that it is bad", s.judge((*lab.Session).Bad)},
		{[]string{"x"}, "x", "x skip", "say that it can't be judged", s.judge((*lab.Session).Skip)},
		{[]string{"u"}, "u", "u undo", "take the last answer back", func() tea.Cmd {
			if s.hand == nil {
				s.m.said = "nothing to undo: there is no answer yet"
				return nil
			}
			return s.judge(func(hand *lab.Session, _ int) error { _, err := hand.Undo(lab.Latest); return err })()
		}},
		{[]string{"r"}, "r", "r run", "let it go on by itself: build and run what tells most", s.run},
	}, append(s.keys(s.size, "g"), []Binding{
		{[]string{"n"}, "n", "", "to the prefix that is next", does(func() { s.followed = s.at; s.follow() })},
		{[]string{"enter"}, "Enter", "Enter cell", "open the case's cell on the prefix", s.open},
		{[]string{"q", "esc"}, "q, Esc", "q back", "back to the matrix", s.m.pop},
	}...)...), Legend: []string{
		"the bar how probable it is that the patch changes the case, by all runs",
		"next what would be run or is to be judged next",
		"good, bad, skip what you said of the prefix",
		"bld boot conf blkd has no image: does not build, boot, apply; blocked",
	}}
}

// judge says something of the prefix under the cursor.
func (s *bisectScreen) judge(say func(hand *lab.Session, prefix int) error) func() tea.Cmd {
	return func() tea.Cmd {
		if s.now == nil {
			return nil
		}
		prefix := s.now.Prefixes[s.at].Index
		return ask(s, func() tea.Msg {
			hand, err := s.src.Answer(s.name, func(hand *lab.Session) error { return say(hand, prefix) })
			return judgedMsg{hand, err}
		})
	}
}

func (s *bisectScreen) run() tea.Cmd {
	if _, ok := s.m.src.(Commander); ok {
		return s.m.command("bisect --case " + xec.Quote(s.name))
	}
	s.m.said = "seriesctl bisect --case " + s.text(s.name)
	return nil
}

// cell is the case on the prefix under the cursor.
func (s *bisectScreen) cell() (prefix int, caseName string, ok bool) {
	if s.now == nil {
		return 0, "", false
	}
	return s.now.Prefixes[s.at].Index, s.name, true
}

// open shows the cell of the prefix under the cursor.
func (s *bisectScreen) open() tea.Cmd {
	prefix, name, ok := s.cell()
	if !ok {
		return nil
	}
	s.home.reveal(prefix, name)
	return s.home.openCell()
}

func (s *bisectScreen) waits() bool { return s.now == nil && s.err == nil }

func (s *bisectScreen) title() (left, right string) {
	left = s.text(s.name) + "  bisect"
	if s.now != nil {
		right = fmt.Sprintf("%d patches", len(s.now.Prefixes)-1)
	}
	return left, right
}

// sentence says what is found, or what is next and what is left: by hand where something was said by hand.
func (s *bisectScreen) sentence() (head, text string) {
	switch {
	case s.now == nil || s.err != nil:
		return "", ""
	case s.hand != nil && len(s.hand.Answers) > 0:
		return "by hand", report.StandingText(s.hand)
	}
	return "by the runs", report.OutlookText(s.now)
}

func (s *bisectScreen) steady() bool { return true }

// resize leaves the strip and a blank line above the prefixes.
func (s *bisectScreen) resize(width, height int) { s.width, s.height = width, max(height-2, 1) }

// size is how many prefixes there are.
func (s *bisectScreen) size() int {
	if s.now == nil {
		return 0
	}
	return len(s.now.Prefixes)
}

func (s *bisectScreen) view() []string {
	switch {
	case s.err != nil:
		return s.trouble(s.err, s.width)
	case s.now == nil:
		return []string{"", " reading the runs" + s.pick("…", "...")}
	}
	s.show(s.at, s.at, s.size())
	lines := []string{s.strip(), ""}
	for i := s.top; i < min(s.top+s.height, s.size()); i++ {
		lines = append(lines, s.line(i))
	}
	return lines
}

// heights are the steps of a bar.
var heights = []rune("▁▂▃▄▅▆▇█")

// strip is the whole range in a line: the height at a patch is how probable it is that it changes the case.
func (s *bisectScreen) strip() string {
	n := len(s.now.Prefixes)
	room := max(s.width-12, 10)
	wide := max(room/n, 1)
	var b strings.Builder
	for i := 0; i < n && (i+1)*wide <= room; i++ {
		p := s.now.Change[i]
		step := min(int(p*float64(len(heights))), len(heights)-1)
		mark := string(heights[step])
		if s.ascii {
			mark = string("_.:-=+*#"[step])
		}
		st := faint
		if p >= 0.05 {
			st = changed
		}
		b.WriteString(s.paint(st, strings.Repeat(mark, wide)))
	}
	return " base " + b.String() + " last"
}

// line is one prefix: its number, the case's outcome, what was said, the probability, the subject.
func (s *bisectScreen) line(i int) string {
	p := &s.now.Prefixes[i]
	outcome, st := s.outcome(p)
	said := s.said(p.Index)
	percent := ""
	if i > 0 && p.Image != "" || s.now.Change[i] > 0 {
		percent = fmt.Sprintf(" %3.0f%%", 100*s.now.Change[i])
	}
	next := "    "
	if s.next() == i {
		next = "next"
	}
	left := fmt.Sprintf(" %3d %s ", p.Index, next)
	subject := s.text(p.Subject)
	if p.Index == 0 {
		subject = "base"
	}
	const words, answers, gauge = 9, 7, 10
	full := min(int(s.now.Change[i]*gauge+0.5), gauge)
	bars := strings.Repeat(s.pick("█", "#"), full) + strings.Repeat(s.pick("·", "."), gauge-full)
	if i == s.at {
		return s.paint(bar, s.pad(left+s.pad(outcome, words)+" "+s.pad(said, answers)+" "+bars+s.pad(percent, 5)+" "+subject, s.width))
	}
	gst := faint
	if s.now.Change[i] >= 0.05 {
		gst = changed
	}
	room := max(s.width-len(left)-words-answers-gauge-5-3, 0)
	return left + s.paint(st, s.pad(outcome, words)) + " " + s.pad(said, answers) + " " + s.paint(gst, bars+s.pad(percent, 5)) + " " + s.cut(subject, room)
}

// next is the place that is to be judged or run next, -1 for none.
func (s *bisectScreen) next() int {
	if s.hand != nil && len(s.hand.Answers) > 0 {
		if step := s.hand.Next(); !step.Done {
			return s.place(step.Prefix)
		}
		return -1
	}
	if len(s.now.Next) > 0 {
		return s.now.Next[0].Variant
	}
	return -1
}

// outcome is what the case did on a prefix, with the number of runs.
func (s *bisectScreen) outcome(p *lab.Prefix) (string, style) {
	if c := s.now.Cell(p.Index); c != nil {
		word := report.CellWord(c)
		text := word
		if c.Runs > 1 {
			text += fmt.Sprintf(" %s%d", s.pick("×", "x"), c.Runs)
		}
		return text, wordStyle(word)
	}
	word := report.PrefixWord(p)
	if word == "" {
		word = s.pick("·", ".")
	}
	return word, wordStyle(word)
}

// said is the answer for a prefix.
func (s *bisectScreen) said(prefix int) string {
	if s.hand == nil {
		return ""
	}
	for _, a := range s.hand.Answers {
		if a.Prefix == prefix {
			return a.Word
		}
	}
	return ""
}
