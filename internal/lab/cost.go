package lab

import (
	"slices"

	"github.com/seriesctl/seriesctl/internal/store"
)

// Measured is what building and running took in a workspace, in seconds, or the defaults.
type Measured struct {
	Cost
	Builds, Runs int // that it rests on; 0: a default
}

// Measure reads what the runs of spec took; a nil spec gives the defaults.
func Measure(st *store.Store, spec *Spec) (Measured, error) {
	if spec == nil {
		return measure(nil, &records{}), nil
	}
	var prefixes []Prefix
	for i := range spec.Variants {
		p, err := prefix(st, spec, &spec.Variants[i])
		if err != nil {
			return Measured{}, err
		}
		prefixes = append(prefixes, p)
	}
	records, err := NewLoader(st, spec).readRecords(prefixes)
	if err != nil {
		return Measured{}, err
	}
	return measure(prefixes, records), nil
}

// measure takes the longest build to be the one that compiled everything, and the median for the others.
func measure(prefixes []Prefix, records *records) Measured {
	m := Measured{Cost: defaultCost}
	var builds []float64
	seconds := 0.0
	images := map[string]bool{}
	for i, p := range prefixes {
		if p.Image == "" || images[p.Image] {
			continue
		}
		images[p.Image] = true
		if p.BuildSeconds > 0 {
			builds = append(builds, p.BuildSeconds)
		}
		for _, runs := range records.runs[i] {
			for _, r := range runs {
				if r.infra == "" {
					m.Runs++
					seconds += r.seconds + restore
				}
			}
		}
	}
	if m.Runs > 0 {
		m.Run = seconds / float64(m.Runs)
	}
	if len(builds) > 1 {
		slices.Sort(builds)
		m.Builds, m.First, m.Build = len(builds), builds[len(builds)-1], builds[(len(builds)-1)/2]
	}
	return m
}

// restore is what putting a machine back to its snapshot takes beside each run, in seconds.
const restore = 0.2

// Matrix is what a matrix of so many prefixes, each of so many cells run once, takes with one machine at a time.
func (m Measured) Matrix(prefixes, cells int) float64 {
	return m.First + float64(prefixes-1)*m.Build + float64(prefixes)*(m.Boot+float64(cells)*m.Run)
}
