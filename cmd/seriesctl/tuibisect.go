package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/store"
)

func (v *seriesView) Bisect(name string) (*lab.Outlook, *lab.Session, error) {
	spec, err := v.matrix()
	if err != nil {
		return nil, nil, err
	}
	o, err := lab.Outlooks(v.st, spec, name)
	if err != nil {
		return nil, nil, err
	}
	s, err := lab.OpenSession(v.st, v.id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return o, nil, nil
	case err != nil:
		return o, nil, err
	case s.Case != name:
		return o, nil, nil
	}
	return o, s, nil
}

func (v *seriesView) Answer(name string, do func(*lab.Session) error) (*lab.Session, error) {
	spec, err := v.matrix()
	if err != nil {
		return nil, err
	}
	v.answering.Lock()
	defer v.answering.Unlock()
	s, err := lab.OpenSession(v.st, v.id)
	switch {
	case errors.Is(err, store.ErrNotFound) || err == nil && s.Case != name && s.Next().Done:
		if s, err = begin(spec, name); err == nil {
			err = s.Refresh(v.st)
		}
	case err == nil && s.Case != name:
		err = fmt.Errorf("%s is being bisected by hand; `seriesctl bisect --manual reset` gives that up", s.Case)
	}
	if err != nil {
		return nil, err
	}
	if err := do(s); err != nil {
		return nil, err
	}
	return s, s.Keep(v.st)
}

// begin starts to bisect a case or a subtest by hand, on the kernel that it is for.
func begin(spec *lab.Spec, name string) (*lab.Session, error) {
	of, _ := splitSubtest(name)
	for _, k := range append([]*lab.Spec{spec}, spec.More...) {
		i := slices.IndexFunc(k.Cases, func(c lab.Case) bool { return c.Name == name || c.KTAP && c.Name == of })
		if i < 0 {
			continue
		}
		one := *k
		one.Cases, one.Checks, one.More, one.Subsets = one.Cases[i:i+1], nil, nil, nil
		return lab.NewSession(&one, name, "", "")
	}
	return nil, fmt.Errorf("bisect: there is no case %s", name)
}

// matrix is the spec of what is shown.
func (v *seriesView) matrix() (*lab.Spec, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.spec == nil || len(v.spec.Variants) == 0 {
		return nil, errors.New("bisect: nothing was run yet")
	}
	return v.spec, nil
}
