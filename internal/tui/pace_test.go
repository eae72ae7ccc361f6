package tui

import (
	"io"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
)

// quitter quits at once.
type quitter struct{}

func (quitter) Init() tea.Cmd                       { return tea.Quit }
func (quitter) Update(tea.Msg) (tea.Model, tea.Cmd) { return quitter{}, nil }
func (quitter) View() tea.View                      { return tea.NewView("") }

// A Bubble Tea that keeps its ticker elsewhere would draw as before, and nobody would see that it is slower.
func TestTickerIsThere(t *testing.T) {
	p := tea.NewProgram(quitter{}, tea.WithInput(nil), tea.WithOutput(io.Discard))
	if _, err := p.Run(); err != nil {
		t.Fatal(err)
	}
	if tickerOf(p) == nil {
		t.Error("it has none")
	}
}

// It looks often after a change, then less so, then hardly.
func TestPace(t *testing.T) {
	c := pace{ticker: time.NewTicker(time.Hour), next: time.AfterFunc(time.Hour, func() {}), at: -1}
	defer c.ticker.Stop()
	for _, want := range []int{0, 1, 2, 2} {
		c.slower()
		if c.at != want {
			t.Errorf("at %d, want %d", c.at, want)
		}
	}
	c.changed(nil)
	if c.at != 0 {
		t.Errorf("at %d after a change", c.at)
	}
	<-c.ticker.C
}
