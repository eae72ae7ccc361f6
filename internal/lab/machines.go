package lab

import (
	"errors"
	"slices"
	"sync"
)

// machines are booted virtual machines that have nothing to do now: what is next wanted of their image needs no boot. They
// are stopped, and cost memory only.
type machines struct {
	room int // how many are kept

	mu   sync.Mutex
	idle []idleMachine // the one used last at the end
}

type idleMachine struct {
	image string
	Machine
}

func (p *machines) has(image string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.idle, func(i idleMachine) bool { return i.image == image })
}

// take gives a machine of the image, nil when there is none.
func (p *machines) take(image string) Machine {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.idle, func(i idleMachine) bool { return i.image == image })
	if i < 0 {
		return nil
	}
	m := p.idle[i].Machine
	p.idle = slices.Delete(p.idle, i, i+1)
	return m
}

// keep takes a machine back and closes the one that was not used for the longest time when that is too many.
func (p *machines) keep(image string, m Machine) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, idleMachine{image, m})
	return p.shrink(p.room)
}

func (p *machines) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shrink(0)
}

func (p *machines) shrink(room int) error {
	var errs []error
	for len(p.idle) > room {
		errs = append(errs, p.idle[0].Close())
		p.idle = p.idle[1:]
	}
	return errors.Join(errs...)
}
