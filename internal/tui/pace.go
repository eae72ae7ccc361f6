package tui

import (
	"reflect"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
)

// pace tells Bubble Tea how often to look for something to draw. By itself it does so 60 times a second: a key waits for that,
// and an interface in which nothing happens never sleeps.
type pace struct {
	mu     sync.Mutex
	ticker *time.Ticker // by which Bubble Tea looks; nil until it is known
	at     int          // in gaits
	next   *time.Timer
}

// gaits are how often it looks after a change, and for how long before the next of them. A terminal that is slow to take what is
// written has the second for what it missed in the first.
var gaits = []struct{ every, during time.Duration }{
	{2 * time.Millisecond, 10 * time.Millisecond},
	{time.Second / 60, 2 * time.Second},
	{time.Second, 0},
}

// changed is called for each screen that is to be drawn, in the goroutine that runs p.
func (c *pace) changed(p *tea.Program) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ticker == nil {
		if c.ticker = tickerOf(p); c.ticker == nil {
			return
		}
		c.next = time.AfterFunc(time.Hour, c.slower)
		c.at = -1
	}
	if c.at != 0 {
		c.take(0)
		return
	}
	c.next.Reset(gaits[0].during)
}

func (c *pace) slower() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at+1 < len(gaits) {
		c.take(c.at + 1)
	}
}

func (c *pace) take(gait int) {
	c.at = gait
	c.ticker.Reset(gaits[gait].every)
	if d := gaits[gait].during; d > 0 {
		c.next.Reset(d)
	}
}

// tickerOf is the ticker of a Program that runs. It has no other handle; a Bubble Tea without it goes on as it does by itself.
func tickerOf(p *tea.Program) *time.Ticker {
	f := reflect.ValueOf(p).Elem().FieldByName("ticker")
	if !f.IsValid() || f.Type() != reflect.TypeFor[*time.Ticker]() {
		return nil
	}
	return (*time.Ticker)(f.UnsafePointer())
}
