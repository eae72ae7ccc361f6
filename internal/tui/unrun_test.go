package tui

import (
	"testing"

	tea "charm.land/bubbletea/v2"

	"github.com/seriesctl/seriesctl/internal/report/reporttest"
)

// A series can be read before it is run, and becomes a matrix when it is.
func TestUnrun(t *testing.T) {
	w := unrun()
	s := newScreen(t, w, 80, 24, Options{})
	s.has("with the cover letter")
	s.has("3 replies")
	s.has("nothing has been run yet")
	s.keys("p")
	s.has("[cover]")
	s.keys("]", "]", "q")
	s.send(tea.MouseClickMsg{X: 20, Y: 2 + 4, Button: tea.MouseLeft})
	s.keys("enter", "tab")
	s.has("patch 4:")
	s.has("[thread]")
	s.keys("q", "/", "j", "o", "u", "r", "n", "a", "l", "enter", "p")
	s.has("patch 5:")
	s.keys("q", "b")
	s.has("there is no case here yet")
	s.keys("R", "d", "z", "Z", "o", "a", "f", "x", "enter", "$", "h", "l", "G", "g", "?", "q")
	w.result = reporttest.RFC()
	s.send(changedMsg{false})
	s.has("[BUG")
}

func TestUnrunSaysThatARunBegins(t *testing.T) {
	w := unrun()
	w.status = Status{Running: true, Series: w.result.Series, Line: "applying"}
	s := newScreen(t, w, 60, 15, Options{})
	s.has("The run begins")
}
