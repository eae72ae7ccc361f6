// Package pattern has regular expressions that are compiled when they are first used: all that this program knows of consoles,
// compilers and mail would cost every command several milliseconds, whatever it does.
//
// A pattern that does not compile panics at its first use, so each needs a test that uses it.
package pattern

import (
	"regexp"
	"sync"
)

// Regexp is a regular expression. Its methods are those of package regexp.
type Regexp struct {
	expr string
	once sync.Once
	re   *regexp.Regexp
}

// New is regexp.MustCompile, later.
func New(expr string) *Regexp { return &Regexp{expr: expr} }

// Compiled is the expression for methods that Regexp does not have.
func (p *Regexp) Compiled() *regexp.Regexp {
	p.once.Do(func() { p.re = regexp.MustCompile(p.expr) })
	return p.re
}

// MatchString is that of package regexp, as are the methods below.
func (p *Regexp) MatchString(s string) bool { return p.Compiled().MatchString(s) }

func (p *Regexp) Match(b []byte) bool { return p.Compiled().Match(b) }

func (p *Regexp) FindSubmatch(b []byte) [][]byte { return p.Compiled().FindSubmatch(b) }

func (p *Regexp) ReplaceAll(b, with []byte) []byte { return p.Compiled().ReplaceAll(b, with) }

func (p *Regexp) FindString(s string) string { return p.Compiled().FindString(s) }

func (p *Regexp) FindStringSubmatch(s string) []string { return p.Compiled().FindStringSubmatch(s) }

func (p *Regexp) FindStringIndex(s string) []int { return p.Compiled().FindStringIndex(s) }

func (p *Regexp) FindStringSubmatchIndex(s string) []int {
	return p.Compiled().FindStringSubmatchIndex(s)
}

func (p *Regexp) FindAllString(s string, n int) []string { return p.Compiled().FindAllString(s, n) }

func (p *Regexp) FindAllStringSubmatch(s string, n int) [][]string {
	return p.Compiled().FindAllStringSubmatch(s, n)
}

func (p *Regexp) ReplaceAllString(s, with string) string {
	return p.Compiled().ReplaceAllString(s, with)
}

func (p *Regexp) ReplaceAllStringFunc(s string, with func(string) string) string {
	return p.Compiled().ReplaceAllStringFunc(s, with)
}
