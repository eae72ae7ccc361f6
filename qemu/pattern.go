package qemu

import (
	"regexp"
	"sync"
)

// pattern is an expression that is compiled when it is first used: what the judge knows would cost every command 5 ms.
type pattern struct {
	expr string
	once sync.Once
	re   *regexp.Regexp
}

func re(expr string) *pattern { return &pattern{expr: expr} }

func (p *pattern) compiled() *regexp.Regexp {
	p.once.Do(func() { p.re = regexp.MustCompile(p.expr) })
	return p.re
}

func (p *pattern) MatchString(s string) bool { return p.compiled().MatchString(s) }

func (p *pattern) FindStringSubmatch(s string) []string { return p.compiled().FindStringSubmatch(s) }

func (p *pattern) ReplaceAllString(s, with string) string {
	return p.compiled().ReplaceAllString(s, with)
}
