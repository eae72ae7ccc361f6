package testplan

import (
	"slices"

	"gopkg.in/yaml.v3"
)

// reproducer reads a case that is one of the catalogue.
func (p *parser) reproducer(f map[string]*yaml.Node, c *Case, args []string) string {
	r, ok := reproducer(c.Reproducer)
	if !ok {
		p.failAt(f["reproducer"], DidYouMean(c.Reproducer, reproducerNames()), "unknown reproducer %q", c.Reproducer)
	}
	known := r.Args()
	for i, a := range args {
		if slices.Contains(known, a) {
			continue
		}
		at := f["args"]
		if at.Kind == yaml.SequenceNode {
			at = at.Content[i]
		}
		if len(known) == 0 {
			p.failAt(at, "", "reproducer %s takes no arguments", r.Name)
		}
		p.failAt(at, DidYouMean(a, known), "reproducer %s has no argument %q", r.Name, a)
	}
	c.Run.Argv, c.Program = append([]string{r.Name}, args...), r.Source
	return r.Name
}
