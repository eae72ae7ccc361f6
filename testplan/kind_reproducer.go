package testplan

import "gopkg.in/yaml.v3"

// reproducer reads a case that is one of the catalogue.
func (p *parser) reproducer(f map[string]*yaml.Node, c *Case, args []string) string {
	r, ok := reproducer(c.Reproducer)
	if !ok {
		p.failAt(f["reproducer"], didYouMean(c.Reproducer, reproducerNames()), "unknown reproducer %q", c.Reproducer)
	}
	c.Run.Argv, c.Program = append([]string{r.Name}, args...), r.Source
	return r.Name
}
