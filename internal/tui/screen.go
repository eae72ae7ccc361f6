package tui

import (
	tea "charm.land/bubbletea/v2"

	"github.com/seriesctl/seriesctl/internal/plain"
)

// screen is one view on the frame's stack. All its methods but the commands it returns run in one goroutine.
type screen interface {
	// table is its keys, those that work everywhere left out. It must not need what the screen shows.
	table() Table
	// update takes changedMsg, shownMsg and the answers to the commands it made with ask, also after it was closed.
	update(msg tea.Msg) tea.Cmd
	// resize gives it the lines between title and sentence.
	resize(width, height int)
	// view draws these lines; missing ones are blank.
	view() []string
	// title is the ends of the uppermost line; left gives way.
	title() (left, right string)
	// sentence says in words what is under the cursor; head is a line above it that only high screens show.
	sentence() (head, text string)
	// close gives up what it holds. Nothing of it is drawn afterwards.
	close()
}

// shownMsg tells a screen that the one over it was closed.
type shownMsg struct{}

// answer is what a command found out for a screen.
type answer struct {
	to  screen
	msg tea.Msg
}

// ask makes a command whose message goes to s, wherever on the stack it then is.
func ask(s screen, do func() tea.Msg) tea.Cmd {
	return func() tea.Msg { return answer{s, do()} }
}

// can is the further ability T of a Source or Workspace; without it, the user is told that what they asked for is not there.
func can[T any](m *model, src any, what string) (ability T, ok bool) {
	if ability, ok = src.(T); !ok {
		m.said = what + " not available here"
	}
	return ability, ok
}

// trouble is the body of a screen that has nothing to show for an error.
func (l look) trouble(err error, width int) []string {
	lines := []string{""}
	for _, line := range plain.Wrap(l.text(err.Error()), width-2) {
		lines = append(lines, l.paint(bad, " "+line))
	}
	return lines
}

// What some screens can do beside.
type (
	// clicked puts the cursor where the mouse is, in coordinates of the body, and says whether something is there.
	clicked interface{ click(x, y int) bool }
	// scrolled scrolls what is where the mouse is, and says whether that is not simply what is under the cursor.
	scrolled interface{ scrollAt(x, y, lines int) bool }
	// at is the cell that the cursor is on; "" is no case.
	at interface {
		cell() (prefix int, caseName string, ok bool)
	}
	// waiting is a screen that may not have yet what its keys are about.
	waiting interface{ waits() bool }
	// searching is a screen with a search that may take a while.
	searching interface{ giveUp() bool }
	// silent is a screen that may have no sentence at all.
	silent interface{ silent() bool }
	// steady is a screen whose sentence is not about its cursor, and may get the lines that it needs.
	steady interface{ steady() bool }
	// text is a screen that shows one.
	text interface {
		window() *window
		chosen() string
	}
)
