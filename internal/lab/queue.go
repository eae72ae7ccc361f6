package lab

import (
	"context"
	"slices"
	"sync"
	"time"
)

// queue is what a round has to run: images that are built, with the cells wanted of them. A worker takes an image that no
// other has; when nothing more is built, one without work helps another.
type queue struct {
	mu     sync.Mutex
	change sync.Cond
	ctx    context.Context
	jobs   []*job
	open   bool            // more come
	slow   map[string]bool // cases, by key, that have taken long: most hang, and do so on the next image
}

const (
	// worthBoot is how many cells must be left for a second machine of the same image: booting takes as long as two or three,
	// and half of them are done without it.
	worthBoot = 6
	// A case that takes slowCase takes as long as slowWeight others.
	slowCase   = time.Second
	slowWeight = 5
)

// shareable says whether enough of a job is left to be worth another machine, once it is known that the image boots.
func (q *queue) shareable(j *job) bool {
	n := 0
	for _, w := range j.cells {
		if n++; q.slow[w.c.Key] {
			n += slowWeight - 1
		}
	}
	return n >= worthBoot
}

// newQueue is open until it is closed or ctx ends; release it then. slow is what earlier queues have learned.
func newQueue(ctx context.Context, slow map[string]bool) (q *queue, release func() bool) {
	q = &queue{ctx: ctx, open: true, slow: slow}
	q.change.L = &q.mu
	return q, context.AfterFunc(ctx, q.close)
}

func (q *queue) add(j *job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.jobs = append(q.jobs, j)
	q.change.Broadcast()
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.open = false
	q.change.Broadcast()
}

// take waits for a job and gives it, rather one whose image is booted; nil when there is nothing more to do. The worker leaves it when
// it has ended.
func (q *queue) take(booted func(image string) bool) *job {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.ctx.Err() == nil {
		if j := q.next(booted); j != nil {
			j.workers++
			return j
		}
		if !q.open && !slices.ContainsFunc(q.jobs, func(j *job) bool { return j.workers > 0 && !j.boots && q.shareable(j) }) {
			return nil
		}
		q.change.Wait()
	}
	return nil
}

func (q *queue) next(booted func(image string) bool) *job {
	var first, most *job
	for _, j := range q.jobs {
		switch {
		case len(j.cells) == 0:
		case j.workers == 0 && booted(j.image):
			return j
		case j.workers == 0 && first == nil:
			first = j
		case j.workers > 0 && j.boots && !q.open && q.shareable(j) && (most == nil || len(j.cells) > len(most.cells)):
			most = j
		}
	}
	if first != nil {
		return first
	}
	return most
}

func (q *queue) leave(j *job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	j.workers--
}

// cell takes the next cell of a job: one that will take long before others, so that no machine is left with them in the end.
func (q *queue) cell(j *job) (w wanted, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(j.cells) == 0 {
		return wanted{}, false
	}
	i := max(0, slices.IndexFunc(j.cells, func(w wanted) bool { return q.slow[w.c.Key] }))
	w = j.cells[i]
	j.cells = slices.Delete(j.cells, i, i+1)
	q.change.Broadcast()
	return w, true
}

// booted notes that the job's image boots: others may help.
func (q *queue) booted(j *job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	j.boots = true
	q.change.Broadcast()
}

// ran notes how long a case took.
func (q *queue) ran(c Case, took time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if took >= slowCase {
		q.slow[c.Key] = true
	} else {
		delete(q.slow, c.Key)
	}
}

// cut takes all that is left of a job: its cells can't be run.
func (q *queue) cut(j *job) []wanted {
	q.mu.Lock()
	defer q.mu.Unlock()
	left := j.cells
	j.cells = nil
	q.change.Broadcast()
	return left
}
