package main

import (
	"context"
	"slices"

	"github.com/seriesctl/seriesctl/internal/report"
	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/series"
)

// showDeps prints what the patches need of each other; with a source the textual edges are proved on it.
func (a *app) showDeps(ctx context.Context, st *store.Store, s *series.Series, f *sourceFlags, format string) error {
	if a.json {
		format = "json"
	}
	if f.Source == "" {
		patches := s.Patches
		if f.Patches != "" {
			list, err := parseList("patches", f.Patches, 1, s.Total)
			if err != nil {
				return err
			}
			if patches, err = subset(s, list); err != nil {
				return err
			}
		}
		return report.Deps(a.out, format, s, series.Depend(patches), a.options(a.out))
	}
	if f.Patches == "" && len(s.Missing) > 0 {
		f.Patches = presentPatches(s)
	}
	p := a.progress()
	defer p.Close()
	ap, err := f.apply(ctx, st, s, p)
	if err != nil {
		return err
	}
	defer ap.close()
	g := series.Depend(ap.patches)
	if i := slices.IndexFunc(ap.variants, func(v series.Variant) bool { return v.Index == 0 }); i >= 0 {
		if err := g.Prove(ctx, ap.source, ap.variants[i].Tree, ap.patches); err != nil {
			return err
		}
	}
	p.Close()
	return report.Deps(a.out, format, s, g, a.options(a.out))
}
