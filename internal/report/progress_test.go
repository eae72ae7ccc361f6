package report

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeClock moves only when told.
type fakeClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// lockedBuffer is written by the clock of Progress and read by the test.
type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestProgressPlain(t *testing.T) {
	var out lockedBuffer
	clock := &fakeClock{now: time.Unix(0, 0)}
	p := NewProgress(&out, ProgressOptions{Now: clock.Now, ticks: make(chan time.Time)})
	clock.add(30 * time.Second)
	p.tick() // nothing goes on
	p.Step(Step{What: "building prefix 0", Stage: "build", Total: 2})
	p.tick()
	p.tick() // what goes on is said once
	clock.add(123 * time.Second)
	p.Finished("built prefix 0: 1480 objects\x1b[2J")
	p.tick()
	clock.add(time.Hour)
	p.Finished("built prefix 1")
	p.Close()
	p.Finished("after the end")
	const want = "    0:30  0/2  building prefix 0\n    2:33  built prefix 0: 1480 objects\n 1:02:33  built prefix 1\n"
	if got := out.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestProgressTerminal(t *testing.T) {
	var out lockedBuffer
	clock := &fakeClock{now: time.Unix(0, 0)}
	p := NewProgress(&out, ProgressOptions{Terminal: true, Now: clock.Now, Width: func() int { return 50 }, ticks: make(chan time.Time)})
	clock.add(time.Second)
	p.Step(Step{What: "running gfs2/read-self on prefix 3\x1b]0;x\x07", Waits: "a free VM", Stage: "run", Done: 3, Total: 140})
	p.Finished("built prefix 3")
	p.Close()
	const line = "\r    0:01  3/140  running gfs2/read-self on prefi…\x1b[K"
	if got, want := out.String(), line+"\r\x1b[K    0:01  built prefix 3\n"+line+"\r\x1b[K"; got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestProgressQuiet(t *testing.T) {
	var out lockedBuffer
	p := NewProgress(&out, ProgressOptions{Terminal: true, Quiet: true})
	p.Step(Step{What: "building"})
	p.Finished("built")
	p.Close()
	if got := out.String(); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestProgressRedrawsAtMostTwentyTimesASecond(t *testing.T) {
	var out lockedBuffer
	p := NewProgress(&out, ProgressOptions{Terminal: true})
	start := time.Now()
	for i := range 2000 {
		p.Step(Step{What: fmt.Sprintf("step %d", i)})
	}
	deadline := time.Now().Add(5 * time.Second)
	for !strings.Contains(out.String(), "step 1999") {
		if time.Now().After(deadline) {
			t.Fatal("the last step is never drawn")
		}
		time.Sleep(time.Millisecond)
	}
	p.Close()
	most := int(time.Since(start)/redraw) + 3
	if n := strings.Count(out.String(), "step"); n > most {
		t.Errorf("%d draws, at most %d are due", n, most)
	}
}

func TestProgressTimeLeft(t *testing.T) {
	tests := []struct {
		name  string
		took  []time.Duration // of each finished step
		total int
		want  string
	}{
		{"too few", []time.Duration{2, 2, 2, 2}, 100, ""},
		{"even", []time.Duration{2, 2, 2, 2, 2}, 100, "3 min"},
		{"nearly even", []time.Duration{2, 3, 2, 3, 2, 3, 2, 3}, 28, "50 s"},
		{"wild", []time.Duration{1, 60, 2, 90, 1}, 100, ""},
		{"done", []time.Duration{2, 2, 2, 2, 2}, 5, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			clock := &fakeClock{now: time.Unix(0, 0)}
			p := NewProgress(&lockedBuffer{}, ProgressOptions{Now: clock.Now})
			defer p.Close()
			p.Step(Step{What: "x", Stage: "run", Total: tt.total})
			for i, d := range tt.took {
				clock.add(d * time.Second)
				p.Step(Step{What: "x", Stage: "run", Done: i + 1, Total: tt.total})
			}
			got := ""
			if d := p.left(); d > 0 {
				got = roughly(d)
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// A long build between two runs must not make the runs look slow.
func TestProgressStagesAreApart(t *testing.T) {
	clock := &fakeClock{now: time.Unix(0, 0)}
	p := NewProgress(&lockedBuffer{}, ProgressOptions{Now: clock.Now})
	defer p.Close()
	for i := range 6 {
		p.Step(Step{What: "x", Stage: "run", Done: i, Total: 20})
		clock.add(time.Second)
	}
	p.Step(Step{What: "y", Stage: "build", Total: 3})
	clock.add(time.Hour)
	p.Step(Step{What: "x", Stage: "run", Done: 6, Total: 20})
	if got := roughly(p.left()); got != "20 s" {
		t.Errorf("got %q", got)
	}
}
