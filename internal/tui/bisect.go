package tui

import "github.com/seriesctl/seriesctl/internal/lab"

// BisectSource is a Source whose cases can be bisected.
type BisectSource interface {
	// Bisect says where the bisection of a case stands, by what was run, and what was said of it by hand: nil when nobody
	// said anything of this case.
	Bisect(caseName string) (*lab.Outlook, *lab.Session, error)
	// Answer does something to the bisection of the case by hand, which it begins when there is none, and keeps it. What do
	// returns is returned as it is.
	Answer(caseName string, do func(s *lab.Session) error) (*lab.Session, error)
}
