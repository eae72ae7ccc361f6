package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/internal/tui"
	"github.com/seriesctl/seriesctl/series"
)

var _ interface {
	tui.Source
	tui.CellSource
	tui.PatchSource
	tui.SubsetSource
	tui.BisectSource
} = (*seriesView)(nil)

// seriesView is the TUI's view of one series of a workspace.
type seriesView struct {
	w      *workspaceView
	st     *store.Store
	id     string
	reader *matrixReader

	refreshing sync.Mutex
	mu         sync.Mutex // never held while something is read
	spec       *lab.Spec
	result     *lab.Result

	reading sync.Mutex
	series  *series.Series // nil until it is asked for

	answering sync.Mutex // held from reading a bisection by hand to keeping it
}

// refresh reads the matrix and lays over it what is going on.
func (s *seriesView) refresh(status lab.Status) error {
	s.refreshing.Lock()
	defer s.refreshing.Unlock()
	spec, result, err := s.reader.read(status)
	if errors.Is(err, store.ErrNotFound) {
		spec, err = &lab.Spec{}, nil
		if result = s.Result(); result == nil || len(result.Cases) > 0 {
			result = s.loaded()
		}
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spec, s.result = spec, result
	return nil
}

// loaded is the Result of a series that was not run yet: its patches, and no case.
func (s *seriesView) loaded() *lab.Result {
	r := &lab.Result{Series: s.id}
	whole, err := s.Series()
	if err != nil {
		return r // who opens a patch is told
	}
	r.Subject, r.Prefixes = whole.Subject, []lab.Prefix{{Status: lab.PrefixPending}}
	for i, p := range whole.Patches {
		r.Prefixes = append(r.Prefixes, lab.Prefix{Index: i + 1, Patch: p.Index, Subject: p.Subject, Status: lab.PrefixPending})
	}
	return r
}

// matrixReader reads the matrix of a series again and again.
type matrixReader struct {
	st *store.Store
	id string

	mu     sync.Mutex // held while it reads
	asked  string     // what the loader's Spec was read from
	spec   *lab.Spec
	loader *lab.Loader
}

// read reads the matrix, with what goes on in it; store.ErrNotFound where it was not run yet.
func (m *matrixReader) read(status lab.Status) (*lab.Spec, *lab.Result, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	asked, err := m.st.MatrixJSON(m.id)
	if err != nil {
		return nil, nil, err
	}
	if asked != m.asked {
		spec := &lab.Spec{}
		if err := json.Unmarshal([]byte(asked), spec); err != nil {
			return nil, nil, fmt.Errorf("read matrix of %s: %w", m.id, err)
		}
		m.asked, m.spec, m.loader = asked, spec, lab.NewLoader(m.st, spec)
	}
	result, err := m.loader.Load()
	if err == nil && status.Series == m.id {
		lab.Overlay(result, status)
	}
	return m.spec, result, err
}

// Result implements tui.Source.
func (s *seriesView) Result() *lab.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.result
}

// ran is the Result of a series that was run, nil of another.
func (s *seriesView) ran() *lab.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.spec == nil || len(s.spec.Variants) == 0 {
		return nil
	}
	return s.result
}

// Changes and Status are the workspace's.
func (s *seriesView) Changes() <-chan struct{} { return s.w.Changes() }
func (s *seriesView) Status() tui.Status       { return s.w.Status() }

// Runs implements tui.CellSource.
func (s *seriesView) Runs(prefix int, caseName string) ([]lab.Run, error) {
	s.mu.Lock()
	spec := s.spec
	s.mu.Unlock()
	return lab.Runs(s.st, spec, prefix, caseName)
}

// Open implements tui.CellSource.
func (s *seriesView) Open(path string) (tui.File, error) { return openArtefact(s.st, path) }

// Series implements tui.PatchSource. The mail is read when it is first asked for.
func (s *seriesView) Series() (*series.Series, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	if s.series != nil {
		return s.series, nil
	}
	whole, err := find(s.st, s.id)
	if err == nil {
		s.series = whole
	}
	return whole, err
}
