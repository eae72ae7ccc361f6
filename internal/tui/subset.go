package tui

import (
	"context"

	"github.com/seriesctl/seriesctl/series"
)

// SubsetSource is a Source whose series can be applied in parts.
type SubsetSource interface {
	// Subsets opens what the series is applied to. It may take a while, and needs a source.
	Subsets(ctx context.Context) (Subsets, error)
}

// Subsets are all subsets of a series on its base.
type Subsets interface {
	// Whole is the whole series.
	Whole() *series.Series
	// Try applies patches, by their numbers, on the base, without keeping anything: a variant for the base and then
	// one for each. It takes about a millisecond a patch.
	Try(ctx context.Context, patches []int) ([]series.Variant, error)
	Close() error
}
