package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/seriesctl/seriesctl/internal/plain"
)

// ProgressOptions is where and how progress is shown.
type ProgressOptions struct {
	Terminal bool       // one line that is drawn over; otherwise a line per finished step, and where that takes long per reminder
	Quiet    bool       // nothing at all
	Width    func() int // of the terminal, asked at every draw; nil is 80 columns
	Color    bool
	ASCII    bool
	Now      func() time.Time // nil is time.Now

	ticks <-chan time.Time // nil is one a second
}

// Step is what goes on at the moment.
type Step struct {
	What  string // "building prefix 3: fs/gfs2/file.c"
	Waits string // what it waits for, "" for nothing: "a free VM"
	// Stage says which steps are alike ("build", "run"): only those are used to foretell each other. Done of
	// Total are finished; Total 0 is not known.
	Stage       string
	Done, Total int
}

const (
	redraw   = 50 * time.Millisecond // at most 20 a second
	reminder = 30 * time.Second      // without a terminal: nothing longer is passed over in silence
	minSteps = 5                     // finished steps of a stage before time left is said
)

// Progress shows on standard error what a long command does, how far it is and what it waits for. It may be
// used from several goroutines. Close must be called at the end.
type Progress struct {
	mu     sync.Mutex
	w      io.Writer
	o      ProgressOptions
	pen    pen
	start  time.Time
	step   Step
	stages map[string]*stage
	dirty  bool // the updating line is on the screen
	late   *time.Timer
	drawn  time.Time // or written, without a terminal
	closed bool
	done   chan struct{}
}

// stage is how long the steps of one kind took.
type stage struct {
	done      int
	last      time.Time
	n         int
	mean, sum float64 // seconds a step; sum of squared deviations (Welford)
}

// NewProgress starts to show progress on w.
func NewProgress(w io.Writer, o ProgressOptions) *Progress {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Width == nil {
		o.Width = func() int { return 80 }
	}
	if o.ticks == nil {
		o.ticks = time.Tick(time.Second)
	}
	p := &Progress{w: w, o: o, pen: newPen(Options{Color: o.Color, ASCII: o.ASCII}), start: o.Now(),
		stages: map[string]*stage{}, done: make(chan struct{})}
	if !o.Terminal {
		p.drawn = p.start
	}
	if !o.Quiet {
		go p.clock()
	}
	return p
}

func (p *Progress) clock() {
	for {
		select {
		case <-p.done:
			return
		case <-p.o.ticks:
			p.tick()
		}
	}
}

// tick keeps the elapsed time moving while nothing else does; without a terminal it reminds of what goes on.
func (p *Progress) tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch now := p.o.Now(); {
	case p.step.What == "" || p.closed:
	case p.o.Terminal:
		p.draw()
	case now.Sub(p.drawn) >= reminder:
		p.drawn = now
		fmt.Fprintln(p.w, p.line())
	}
}

// Step says what goes on now.
func (p *Progress) Step(s Step) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.o.Quiet {
		return
	}
	p.learn(s)
	p.step = s
	if !p.o.Terminal {
		return
	}
	if wait := redraw - p.o.Now().Sub(p.drawn); wait > 0 {
		if p.late == nil {
			p.late = time.AfterFunc(wait, func() {
				p.mu.Lock()
				defer p.mu.Unlock()
				p.late = nil
				p.draw()
			})
		}
		return
	}
	p.draw()
}

// Finished writes a line that stays: a step that is done, or something a person must know.
func (p *Progress) Finished(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.o.Quiet {
		return
	}
	p.erase()
	p.drawn = p.o.Now()
	fmt.Fprintf(p.w, "%8s  %s\n", elapsed(p.drawn.Sub(p.start)), p.pen.text(line))
	if p.o.Terminal && p.step.What != "" {
		p.draw()
	}
}

// Close takes the updating line away. Nothing is shown after it.
func (p *Progress) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	close(p.done)
	if p.late != nil {
		p.late.Stop()
	}
	p.erase()
}

func (p *Progress) erase() {
	if p.dirty {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.dirty = false
	}
}

func (p *Progress) draw() {
	if p.closed {
		return
	}
	p.drawn = p.o.Now()
	p.dirty = true
	// The last column stays free: a terminal that wraps early would leave lines behind.
	fmt.Fprint(p.w, "\r"+plain.Cut(p.line(), p.o.Width()-1, p.pen.tail())+"\x1b[K")
}

func (p *Progress) line() string {
	s := p.step
	parts := []string{fmt.Sprintf("%8s", elapsed(p.o.Now().Sub(p.start)))}
	if s.Total > 0 {
		parts = append(parts, fmt.Sprintf("%d/%d", s.Done, s.Total))
	}
	if left := p.left(); left > 0 {
		parts = append(parts, "about "+roughly(left)+" left")
	}
	what := p.pen.text(s.What)
	if s.Waits != "" {
		what += ", waits for " + p.pen.text(s.Waits)
	}
	return strings.Join(append(parts, what), "  ")
}

// learn takes the time of the steps of a stage that were finished since it was last seen.
func (p *Progress) learn(s Step) {
	now := p.o.Now()
	st := p.stages[s.Stage]
	if st == nil || s.Done < st.done {
		p.stages[s.Stage] = &stage{done: s.Done, last: now}
		return
	}
	if p.step.Stage != s.Stage {
		// Another stage ran in between: its time is not this one's.
		st.done, st.last = s.Done, now
		return
	}
	for n := s.Done - st.done; n > 0; n-- {
		x := now.Sub(st.last).Seconds() / float64(s.Done-st.done)
		st.n++
		d := x - st.mean
		st.mean += d / float64(st.n)
		st.sum += d * (x - st.mean)
	}
	if s.Done > st.done {
		st.done, st.last = s.Done, now
	}
}

// left foretells how long the stage takes from here: 0 when too few steps were seen, or they differ so much
// that a number would be a guess.
func (p *Progress) left() time.Duration {
	s, st := p.step, p.stages[p.step.Stage]
	if st == nil || st.n < minSteps || s.Total <= s.Done {
		return 0
	}
	// The error of the mean must be small beside it: a quarter, at two standard errors.
	n := float64(st.n)
	if 2*math.Sqrt(st.sum/(n-1)/n) > st.mean/4 {
		return 0
	}
	left := time.Duration(float64(s.Total-s.Done)*st.mean*float64(time.Second)) - p.o.Now().Sub(st.last)
	return max(left, 0)
}

// roughly rounds a foretold time to what is known of it.
func roughly(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return "10 s"
	case d < time.Minute:
		return fmt.Sprintf("%d s", (int(d.Seconds())+9)/10*10)
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(math.Round(d.Minutes())))
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60/10*10)
}

// elapsed is m:ss, or h:mm:ss.
func elapsed(d time.Duration) string {
	s := int(d.Seconds())
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}
