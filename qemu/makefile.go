package qemu

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/seriesctl/seriesctl/internal/pattern"
)

// Bounds of reading one makefile: it may be hostile.
const (
	maxMakefile  = 1 << 20 // bytes
	maxExpansion = 1 << 20 // bytes of one expanded text
	maxExpand    = 200_000 // expansions of variables and functions
	maxNesting   = 64
)

// makefile is what a Kbuild makefile says with a given config. It is read, never run: rules, $(shell) and templates
// count as nothing.
type makefile struct {
	vars  map[string]*makeVar
	lines []assignment
	read  func(path string) ([]byte, error)
	steps int
}

type makeVar struct {
	value  string
	simple bool // expanded already
}

// assignment is one line that gives words to a variable, also where a conditional leaves it out.
type assignment struct {
	name, value string
	unmet       []string // of each conditional around it that leaves it out, its test
	on          bool
}

// conditional is an open ifeq, ifdef, …
type conditional struct {
	outer, on, taken bool
	unmet            []string // the tests that must end otherwise for this branch
	tests            []string
}

// readMakefile reads one makefile with what it includes. vars are the variables that are set before.
func readMakefile(text string, vars map[string]string, read func(path string) ([]byte, error)) *makefile {
	m := &makefile{vars: map[string]*makeVar{}, read: read}
	for name, value := range vars {
		m.vars[name] = &makeVar{value, true}
	}
	m.parse(text, 0)
	return m
}

func (m *makefile) parse(text string, depth int) {
	if len(text) > maxMakefile || depth > 8 {
		return
	}
	var stack []conditional
	on := func() bool { return len(stack) == 0 || stack[len(stack)-1].on }
	inRule, inDefine := false, false
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "\\\n", " "), "\n") {
		if inRule && strings.HasPrefix(line, "\t") {
			continue
		}
		line = strings.TrimSpace(uncomment(line))
		word, rest, _ := strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
		rest = strings.TrimSpace(rest)
		switch {
		case inDefine:
			inDefine = word != "endef"
			continue
		case line == "":
			continue
		}
		switch word {
		case "define":
			inDefine = true
		case "ifdef", "ifndef", "ifeq", "ifneq":
			stack = append(stack, conditional{outer: on()})
			m.branch(&stack[len(stack)-1], word, rest)
		case "else":
			if len(stack) > 0 {
				word, rest, _ = strings.Cut(rest, " ")
				m.branch(&stack[len(stack)-1], word, strings.TrimSpace(rest))
			}
		case "endif":
			stack = stack[:max(len(stack)-1, 0)]
		case "include", "-include", "sinclude":
			if !on() {
				continue
			}
			for _, name := range strings.Fields(m.expand(rest, 0)) {
				if text, err := m.read(path.Clean(name)); err == nil {
					m.parse(string(text), depth+1)
				}
			}
		case "export", "override", "unexport", "private":
			line = rest
			fallthrough
		default:
			name, op, value, ok := cutAssignment(line)
			if inRule = op == ":"; !ok {
				continue
			}
			a := assignment{name: name, value: value, on: on()}
			for _, c := range stack {
				a.unmet = append(a.unmet, c.unmet...)
			}
			if len(m.lines) < maxExpand {
				m.lines = append(m.lines, a)
			}
			if a.on {
				m.assign(m.expand(name, 0), op, value)
			}
		}
	}
}

// branch begins a branch of c: test is "ifeq", …, "" for a plain else.
func (m *makefile) branch(c *conditional, test, args string) {
	holds := test == "" || m.holds(test, args)
	c.on = c.outer && !c.taken && holds
	c.unmet = slices.Clone(c.tests)
	if c.taken = c.taken || holds; !c.on {
		c.unmet = append(c.unmet, args)
	}
	if holds {
		c.tests = append(c.tests, args)
	}
}

func (m *makefile) holds(test, args string) bool {
	switch test {
	case "ifdef", "ifndef":
		v := m.vars[m.expand(args, 0)]
		return (v != nil && v.value != "") == (test == "ifdef")
	case "ifeq", "ifneq":
		a, b, ok := cutTest(args)
		return ok && (strings.TrimSpace(m.expand(a, 0)) == strings.TrimSpace(m.expand(b, 0))) == (test == "ifeq")
	}
	return false
}

// cutTest cuts the two sides of "(a,b)" or "'a' "b"".
func cutTest(args string) (a, b string, ok bool) {
	if inner, found := strings.CutPrefix(args, "("); found {
		parts := splitArgs(strings.TrimSuffix(strings.TrimSpace(inner), ")"))
		if len(parts) < 2 {
			return "", "", false
		}
		return parts[0], strings.Join(parts[1:], ","), true
	}
	var side [2]string
	for i := range side {
		args = strings.TrimSpace(args)
		if args == "" || args[0] != '"' && args[0] != '\'' {
			return "", "", false
		}
		end := strings.IndexByte(args[1:], args[0])
		if end < 0 {
			return "", "", false
		}
		side[i], args = args[1:1+end], args[2+end:]
	}
	return side[0], side[1], true
}

// uncomment cuts a comment off a line.
func uncomment(line string) string {
	for i := range len(line) {
		if line[i] == '#' && (i == 0 || line[i-1] != '\\') {
			return line[:i]
		}
	}
	return line
}

// cutAssignment cuts "name op value"; not ok for another line, with ":" as op for a rule.
func cutAssignment(line string) (name, op, value string, ok bool) {
	depth := 0
	for i := range len(line) {
		switch c := line[i]; {
		case c == '(' || c == '{':
			depth++
		case c == ')' || c == '}':
			depth--
		case depth > 0:
		case c == '=':
			start := i
			for start > 0 && strings.IndexByte("+:?!", line[start-1]) >= 0 {
				start--
			}
			return strings.TrimSpace(line[:start]), line[start : i+1], strings.TrimSpace(line[i+1:]), start > 0
		case c == ':' && !strings.HasPrefix(strings.TrimLeft(line[i:], ":"), "="):
			return "", ":", "", false
		}
	}
	return "", "", "", false
}

func (m *makefile) assign(name, op, value string) {
	old := m.vars[name]
	switch {
	case op == "!=" || op == "?=" && old != nil:
	case op == "+=" && old != nil:
		if old.simple {
			value = m.expand(value, 0)
		}
		if len(old.value)+len(value) < maxExpansion {
			m.vars[name] = &makeVar{strings.TrimSpace(old.value + " " + value), old.simple}
		}
	case op == ":=" || op == "::=":
		m.vars[name] = &makeVar{m.expand(value, 0), true}
	default:
		m.vars[name] = &makeVar{value, false}
	}
}

// words are what a variable holds.
func (m *makefile) words(name string) []string {
	v := m.vars[name]
	switch {
	case v == nil:
		return nil
	case v.simple:
		return strings.Fields(v.value)
	}
	return strings.Fields(m.expand(v.value, 0))
}

// expand replaces the references in s. What is too deep or too much is left out.
func (m *makefile) expand(s string, depth int) string {
	if depth > maxNesting || !strings.Contains(s, "$") {
		return s
	}
	var b strings.Builder
	for len(s) > 0 && b.Len() < maxExpansion {
		i := strings.IndexByte(s, '$')
		if i < 0 || i+1 == len(s) {
			b.WriteString(s)
			break
		}
		b.WriteString(s[:i])
		s = s[i+1:]
		if m.steps++; m.steps > maxExpand {
			break
		}
		switch s[0] {
		case '$':
			b.WriteByte('$')
			s = s[1:]
		case '(', '{':
			inner, rest := cutReference(s)
			b.WriteString(m.reference(inner, depth+1))
			s = rest
		default:
			b.WriteString(m.reference(s[:1], depth+1))
			s = s[1:]
		}
	}
	return b.String()
}

// cutReference cuts what is in the parentheses that s begins with.
func cutReference(s string) (inner, rest string) {
	open, end := s[0], byte(')')
	if open == '{' {
		end = '}'
	}
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case open:
			depth++
		case end:
			if depth--; depth == 0 {
				return s[1:i], s[i+1:]
			}
		}
	}
	return s[1:], ""
}

// splitArgs splits at commas outside of references.
func splitArgs(s string) []string {
	var out []string
	depth, start := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '(', '{':
			depth++
		case ')', '}':
			depth--
		case ',':
			if depth == 0 {
				out = append(out, s[start:i])
				start = i + 1
			}
		}
	}
	return append(out, s[start:])
}

// reference is the value of $(inner): a variable, a variable with a suffix replaced, or a function.
func (m *makefile) reference(inner string, depth int) string {
	if name, args, ok := strings.Cut(inner, " "); ok && !strings.ContainsAny(name, "$:") {
		return m.function(name, splitArgs(strings.TrimSpace(args)), depth)
	}
	name := m.expand(inner, depth)
	if v, from, ok := strings.Cut(name, ":"); ok {
		if from, to, ok := strings.Cut(from, "="); ok {
			return patsubst(percent(from), percent(to), m.variable(v, depth))
		}
	}
	return m.variable(name, depth)
}

func (m *makefile) variable(name string, depth int) string {
	switch v := m.vars[name]; {
	case v == nil:
		return ""
	case v.simple:
		return v.value
	default:
		return m.expand(v.value, depth)
	}
}

// percent makes a pattern of the suffix in $(x:.o=.c).
func percent(s string) string {
	if strings.Contains(s, "%") {
		return s
	}
	return "%" + s
}

// function is the value of a function of make (GNU make manual, "Functions for Transforming Text").
func (m *makefile) function(name string, args []string, depth int) string {
	arg := func(i int) string {
		if i >= len(args) {
			return ""
		}
		return m.expand(args[i], depth)
	}
	switch name {
	case "if":
		if strings.TrimSpace(arg(0)) != "" {
			return arg(1)
		}
		return arg(2)
	case "or":
		for i := range args {
			if v := strings.TrimSpace(arg(i)); v != "" {
				return v
			}
		}
		return ""
	case "and":
		last := ""
		for i := range args {
			if last = strings.TrimSpace(arg(i)); last == "" {
				return ""
			}
		}
		return last
	case "strip":
		return strings.Join(strings.Fields(arg(0)), " ")
	case "subst":
		if from := arg(0); from != "" {
			return bounded(strings.ReplaceAll(arg(2), from, arg(1)))
		}
		return arg(2)
	case "patsubst":
		return patsubst(strings.TrimSpace(arg(0)), strings.TrimSpace(arg(1)), arg(2))
	case "addprefix":
		return mapWords(arg(1), func(w string) string { return arg(0) + w })
	case "addsuffix":
		return mapWords(arg(1), func(w string) string { return w + arg(0) })
	case "filter", "filter-out":
		patterns := strings.Fields(arg(0))
		return mapWords(arg(1), func(w string) string {
			matches := slices.ContainsFunc(patterns, func(p string) bool { _, ok := stem(p, w); return ok })
			if matches == (name == "filter") {
				return w
			}
			return ""
		})
	case "sort":
		return strings.Join(slices.Compact(slices.Sorted(slices.Values(strings.Fields(arg(0))))), " ")
	case "foreach":
		if len(args) < 3 {
			return ""
		}
		v := strings.TrimSpace(arg(0))
		old := m.vars[v]
		defer func() { m.vars[v] = old }()
		return mapWords(arg(1), func(w string) string {
			m.vars[v] = &makeVar{w, true}
			return arg(2)
		})
	}
	return ""
}

func bounded(s string) string { return s[:min(len(s), maxExpansion)] }

func mapWords(s string, f func(string) string) string {
	var b strings.Builder
	for _, w := range strings.Fields(s) {
		if w = f(w); w == "" {
			continue
		}
		if b.Len()+len(w) > maxExpansion {
			break
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(w)
	}
	return b.String()
}

func patsubst(from, to, text string) string {
	return mapWords(text, func(w string) string {
		if s, ok := stem(from, w); ok {
			return strings.Replace(to, "%", s, 1)
		}
		return w
	})
}

// stem matches a word against a pattern with at most one %, and returns what the % stands for.
func stem(pattern, word string) (string, bool) {
	before, after, wild := strings.Cut(pattern, "%")
	if !wild {
		return "", pattern == word
	}
	if len(word) < len(before)+len(after) || !strings.HasPrefix(word, before) || !strings.HasSuffix(word, after) {
		return "", false
	}
	return word[len(before) : len(word)-len(after)], true
}

var configName = pattern.New(`CONFIG_[A-Za-z0-9_]+`)

// unmet says which options the texts name that are not y; where all are, those that are in the way: "CONFIG_X=n".
func (m *makefile) unmet(texts ...string) []string {
	var out []string
	for _, text := range texts {
		names := configName.FindAllString(text, -1)
		missing := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return m.variable(n, 0) == "y" })
		for i := range names {
			names[i] += "=n"
		}
		if len(missing) > 0 {
			names = missing
		}
		for _, n := range names {
			if !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	return out
}

// names are the variables that are set, sorted.
func (m *makefile) names() []string { return slices.Sorted(maps.Keys(m.vars)) }
