package main

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/seriesctl/seriesctl/internal/report"
	"github.com/seriesctl/seriesctl/internal/tui"
	"github.com/seriesctl/seriesctl/series"
)

// Subsets opens the source that the series was last run on.
func (s *seriesView) Subsets(ctx context.Context) (tui.Subsets, error) {
	whole, err := s.Series()
	if err != nil {
		return nil, err
	}
	var f sourceFlags
	f.defaults(s.st, whole)
	if f.Source == "" {
		return nil, errors.New("no source is known to apply to: run or bisect the series once with --source DIR")
	}
	f.Patches = ""
	if len(whole.Missing) > 0 {
		f.Patches = presentPatches(whole)
	}
	p := report.NewProgress(io.Discard, report.ProgressOptions{Quiet: true})
	defer p.Close()
	ap, err := f.open(ctx, s.st, whole, p)
	if err != nil {
		return nil, err
	}
	return &subsets{applied: ap}, nil
}

type subsets struct {
	*applied
	mu sync.Mutex // the source stays open while something is tried on it
}

func (s *subsets) Whole() *series.Series { return s.series }

func (s *subsets) Try(ctx context.Context, patches []int) ([]series.Variant, error) {
	list, err := subset(s.series, patches)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.source.Try(ctx, list, s.options)
}

func (s *subsets) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.source.Close()
}
