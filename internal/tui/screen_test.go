package tui

import (
	"fmt"
	"image/color"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/plain"
	"github.com/seriesctl/seriesctl/internal/report/reporttest"
)

// card is a screen that keeps a diary.
type card struct {
	m             *model
	name          string
	diary         *[]string
	width, height int
}

func (c *card) note(what string) { *c.diary = append(*c.diary, c.name+" "+what) }

func (c *card) table() Table {
	return Table{Title: c.name, Bindings: append([]Binding{
		{[]string{"o"}, "o", "o open", "open another", does(func() { c.m.push(&card{m: c.m, name: c.name + "+", diary: c.diary}) })},
		{[]string{"w"}, "w", "", "work", func() tea.Cmd { return ask(c, func() tea.Msg { return "done" }) }},
		{[]string{"q"}, "q", "", "back", c.m.pop},
	}, c.m.finding("find", func(text string, step int) tea.Cmd {
		c.note("finds " + text + map[int]string{1: " on", -1: " back"}[step])
		return nil
	})...)}
}

func (c *card) update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case shownMsg:
		c.note("shown")
	case changedMsg:
		c.note("changed")
	case string:
		c.note(msg)
	}
	return nil
}

func (c *card) resize(width, height int) { c.width, c.height = width, height }

func (c *card) view() []string          { return slices.Repeat([]string{c.name + " body"}, c.height) }
func (c *card) title() (string, string) { return c.name, "right" }
func (c *card) sentence() (_, _ string) { return "head", c.name + " in words" }
func (c *card) close()                  { c.note("closed") }

// newCards is a terminal with a card on the stack.
func newCards(t *testing.T, w *world) (*term, *[]string) {
	s := newScreen(t, w, 80, 24, Options{})
	diary := &[]string{}
	s.m.stack = nil
	s.m.push(&card{m: s.m, name: "A", diary: diary})
	return s, diary
}

func TestStack(t *testing.T) {
	tests := []struct {
		name  string
		w     *world
		keys  []string
		diary string
		quit  bool
		has   string
	}{
		{"push", rfc(), []string{"o", "o"}, "", false, " A++ in words"},
		{"pop closes and tells the one below", rfc(), []string{"o", "q"}, "A+ closed, A shown", false, " A in words"},
		{"the last pop quits", rfc(), []string{"o", "q", "q"}, "A+ closed, A shown, A closed", true, ""},
		{"quitting closes all", rfc(), []string{"o", "Q"}, "A closed, A+ closed", true, ""},
		{"the last pop asks", live(), []string{"q"}, "", false, "Let the run go on in the background? y/n"},
		{"and takes no for an answer", live(), []string{"q", "q", "o"}, "", false, " A+ in words"},
		{"and yes", live(), []string{"q", "y"}, "A closed", true, ""},
		{"an answer comes to who asked", rfc(), []string{"o", "w"}, "A+ done", false, ""},
		{"the top searches", rfc(), []string{"o", "/", "x", "y", "enter", "N", "q", "n"}, "A+ finds xy on, A+ finds xy back, A+ closed, A shown, A finds xy on", false, ""},
		{"no search before the first", rfc(), []string{"n", "N"}, "", false, ""},
		{"help is of the top", rfc(), []string{"o", "?"}, "", false, " A+\n\n   o               open another"},
		{"short help is of the top", rfc(), []string{"o"}, "", false, " o open  / find  : command  ? help  Q quit"},
		{"a key that is not bound", rfc(), []string{"Z"}, "", false, " A in words"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, diary := newCards(t, tt.w)
			if quit := s.keys(tt.keys...); quit != tt.quit {
				t.Errorf("quit is %v", quit)
			}
			if got := strings.Join(*diary, ", "); got != tt.diary {
				t.Errorf("diary %q, want %q", got, tt.diary)
			}
			if !tt.quit {
				s.has(tt.has)
			}
		})
	}
}

// News reach the screens that are covered, too, from the lowest up; a screen that was closed gets its answers still.
func TestStackTellsEveryScreen(t *testing.T) {
	s, diary := newCards(t, rfc())
	s.keys("o")
	_, late := s.m.Update(tea.KeyPressMsg{Code: 'w', Text: "w"})
	s.send(changedMsg{false})
	s.keys("q")
	s.send(late())
	if got := strings.Join(*diary, ", "); got != "A changed, A+ changed, A+ closed, A shown, A+ done" {
		t.Errorf("diary %q", got)
	}
}

// The body gets what title, sentence, status and last line leave, whatever is on top.
func TestStackSharesTheScreenOut(t *testing.T) {
	w := live()
	for _, height := range []int{8, 15, 24, 60} {
		s, _ := newCards(t, w)
		s.send(tea.WindowSizeMsg{Width: 60, Height: height})
		s.keys("o")
		lines := strings.Split(strings.TrimSuffix(s.text(), "\n"), "\n")
		body := 0
		for _, l := range lines {
			if l == "A+ body" {
				body++
			}
		}
		if top := s.m.top().(*card); len(lines) != height || body != top.height || body != height-1-s.m.footer() {
			t.Errorf("height %d: %d lines, %d of the body of %d", height, len(lines), body, top.height)
		}
	}
}

func TestPromptTakesText(t *testing.T) {
	s, diary := newCards(t, rfc())
	s.keys("/", "a", "b", "ctrl+u", "c", "d", "backspace")
	s.send(tea.PasteMsg{Content: "e\x1b[2J\nf"})
	s.keys("enter", "/", "x", "esc", "/", "y", "ctrl+c", "/", "backspace", "/", "enter")
	if got := strings.Join(*diary, ", "); got != "A finds ce f on, A finds ce f on" {
		t.Errorf("diary %q", got)
	}
}

// bare is a Source that can do nothing but be looked at.
type bare struct{ Source }

func TestWhatASourceCannotDoIsSaid(t *testing.T) {
	s := newScreen(t, rfc(), 80, 24, Options{})
	s.m = newModel(bare{rfc()}, Options{})
	s.send(tea.WindowSizeMsg{Width: 80, Height: 24})
	s.keys("enter")
	s.has("cells are not available here")
	s.keys("p")
	s.has("patches are not available here")
	s.keys("j")
	s.has("Enter open")
}

// A patch that is closed over a cell whose matrix has become empty meanwhile.
func TestPatchOverACellOutlivesItsResult(t *testing.T) {
	w := rfc()
	s := newScreen(t, w, 80, 24, Options{})
	s.keys("j", "j", "enter", "p", "]")
	w.result = &lab.Result{}
	s.send(changedMsg{false})
	s.keys("]", "[", "q", "p", "q")
	s.has("No series here yet")
	if w.open != 0 {
		t.Errorf("%d files open", w.open)
	}
}

// A search in a text that has been replaced finds nothing in the new one.
func TestSearchInAReplacedText(t *testing.T) {
	s := newScreen(t, rfc(), 80, 24, Options{})
	s.keys("j", "j", "j", "j", "p", "tab", "/", "l", "i", "n", "e")
	_, late := s.m.Update(tea.KeyPressMsg(special["enter"]))
	s.has("searching")
	s.keys("]")
	s.send(late())
	if got := s.text(); strings.Contains(got, "/line") || strings.Contains(got, "searching") {
		t.Errorf("the search goes on:\n%s", got)
	}
}

func TestAPatchIsReadBehindItsScreen(t *testing.T) {
	s := newScreen(t, rfc(), 80, 24, Options{})
	s.keys("j")
	_, read := s.m.Update(tea.KeyPressMsg{Code: 'p', Text: "p"})
	s.has("reading the patch")
	s.keys("tab", "z", "j", "G", "/", "x", "enter", "q")
	s.send(read())
	s.has("Enter open")
}

func TestKeysNamesEveryScreen(t *testing.T) {
	var titles []string
	for _, table := range Keys() {
		titles = append(titles, table.Title)
	}
	if got := strings.Join(titles, " "); got != "Series Matrix Cell Patch Subset Bisect Output Jobs" {
		t.Errorf("got %s", got)
	}
	s := newScreen(t, &world{result: reporttest.RFC()}, 200, 60, Options{})
	s.keys("?")
	for _, b := range Keys()[1].Bindings {
		s.has(b.Help)
	}
}

// However narrow the terminal is, every screen says how to get help and how to leave.
func TestShortHelpKeepsRoomForHelp(t *testing.T) {
	for _, table := range Keys() {
		for width := 30; width <= 200; width++ {
			got := table.short(width)
			if !strings.HasSuffix(got, "  ? help  Q quit") || plain.Width(got) > width {
				t.Errorf("%s at %d columns: %q", table.Title, width, got)
			}
		}
	}
}

// On a light background the screen is the same in other colours.
func TestLightBackground(t *testing.T) {
	s := newScreen(t, rfc(), 80, 24, Options{Color: true})
	plainly := s.text()
	dark := s.m.View().Content
	s.send(tea.BackgroundColorMsg{Color: color.White})
	got := s.m.View().Content
	if s.text() != plainly {
		t.Error("the text changes")
	}
	if left := regexp.MustCompile("\x1b\\[(1;)?3[0-7]m").FindString(got); left != "" || !strings.Contains(got, light[bad].sequence()+"BUG") {
		t.Errorf("left %q in %q", left, got)
	}
	s.send(tea.BackgroundColorMsg{Color: color.Black})
	if s.m.View().Content != dark {
		t.Error("it does not get dark again")
	}
}

// Every colour can be read on the backgrounds that people have: 4.5 is what WCAG 2.1 asks of text. What is read on a
// dark background is the theme's affair; every colour must have one of its own on a light one.
func TestColoursCanBeReadOnALightBackground(t *testing.T) {
	for _, s := range []style{good, bad, doubt, ours, moving, fixed, broken, changed} {
		index := 0
		if _, err := fmt.Sscanf(strings.TrimPrefix(string(light[s]), "1;"), "38;5;%d", &index); err != nil || index < 16 {
			t.Errorf("%s on light is %q", s, light[s])
			continue
		}
		for _, background := range []color.Color{color.White, color.RGBA{0xee, 0xee, 0xee, 0xff}, color.RGBA{0xfd, 0xf6, 0xe3, 0xff}, color.RGBA{0xff, 0xff, 0xdd, 0xff}} {
			if c := contrast(ansi.IndexedColor(index), background); c < 4.5 {
				t.Errorf("colour %d for %s on %v: contrast %.1f", index, s, background, c)
			}
		}
	}
}

// contrast is the contrast ratio of WCAG 2.1, 1 to 21.
func contrast(a, b color.Color) float64 {
	luminance := func(c color.Color) float64 {
		linear := func(v uint32) float64 {
			f := float64(v) / 0xffff
			if f <= 0.04045 {
				return f / 12.92
			}
			return math.Pow((f+0.055)/1.055, 2.4)
		}
		r, g, b, _ := c.RGBA()
		return 0.2126*linear(r) + 0.7152*linear(g) + 0.0722*linear(b)
	}
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}
