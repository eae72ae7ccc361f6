package series

import (
	"context"
	"sync"
)

// taskStack runs tasks that make more tasks from several goroutines, the newest first, so that few wait.
type taskStack struct {
	mu     sync.Mutex
	wake   *sync.Cond
	tasks  []func() error
	active int
	err    error
}

func newTaskStack() *taskStack {
	s := &taskStack{}
	s.wake = sync.NewCond(&s.mu)
	return s
}

// push adds a task; a running task may call it.
func (s *taskStack) push(task func() error) {
	s.mu.Lock()
	s.tasks = append(s.tasks, task)
	s.mu.Unlock()
	s.wake.Signal()
}

// run runs all tasks, and returns when none is left, one has failed or ctx has ended.
func (s *taskStack) run(ctx context.Context) error {
	var wg sync.WaitGroup
	for range workers() {
		wg.Go(func() {
			for {
				task := s.take()
				if task == nil {
					return
				}
				err := ctx.Err()
				if err == nil {
					err = task()
				}
				s.finish(err)
			}
		})
	}
	wg.Wait()
	return s.err
}

// take waits for a task; nil when there will be none.
func (s *taskStack) take() func() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.tasks) == 0 && s.active > 0 && s.err == nil {
		s.wake.Wait()
	}
	if len(s.tasks) == 0 || s.err != nil {
		return nil
	}
	task := s.tasks[len(s.tasks)-1]
	s.tasks = s.tasks[:len(s.tasks)-1]
	s.active++
	return task
}

func (s *taskStack) finish(err error) {
	s.mu.Lock()
	s.active--
	if err != nil && s.err == nil {
		s.err = err
	}
	s.mu.Unlock()
	s.wake.Broadcast()
}
