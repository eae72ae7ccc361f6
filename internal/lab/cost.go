package lab

import (
	"slices"

	"github.com/seriesctl/seriesctl/internal/store"
)

// Measured is what building and running took in a workspace, in seconds, or the defaults.
type Measured struct {
	Cost
	First        float64 // the build that compiles everything
	Builds, Runs int     // that it rests on; 0: a default
}

// Measure reads what the runs of spec took; a nil spec gives the defaults.
func Measure(st *store.Store, spec *Spec) (Measured, error) {
	m := Measured{Cost: defaultCost, First: firstBuild}
	if spec == nil {
		return m, nil
	}
	var builds, runs []float64
	images := map[string]bool{}
	for _, v := range spec.Variants {
		b, err := st.Build(v.Key)
		if err != nil || b.Image == "" || images[b.Image] {
			continue
		}
		images[b.Image] = true
		builds = append(builds, b.Seconds)
		for _, c := range spec.Cases {
			list, err := st.Runs(b.Image, c.Key)
			if err != nil {
				return m, err
			}
			for _, r := range list {
				if r.Infra == "" {
					runs = append(runs, r.Observation.Duration.Seconds())
				}
			}
		}
	}
	if m.Builds = len(builds); m.Builds > 1 {
		slices.Sort(builds)
		m.First, m.Build = builds[len(builds)-1], builds[(len(builds)-1)/2]
	} else {
		m.Builds = 0
	}
	if m.Runs = len(runs); m.Runs > 0 {
		sum := restore * float64(len(runs))
		for _, s := range runs {
			sum += s
		}
		m.Run = sum / float64(len(runs))
	}
	return m, nil
}

// restore is what putting a machine back to its snapshot takes beside each run, in seconds.
const restore = 0.2

// Matrix is what a matrix of so many prefixes, each of so many cells run once, takes with one machine at a time.
func (m Measured) Matrix(prefixes, cells int) float64 {
	return m.First + float64(prefixes-1)*m.Build + float64(prefixes)*(m.Boot+float64(cells)*m.Run)
}
