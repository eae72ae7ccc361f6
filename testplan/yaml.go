package testplan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/seriesctl/seriesctl/internal/pattern"
)

// PlanError is a plan that cannot be read or does not make sense.
type PlanError struct {
	File   string // as given, or "plan NAME" for an embedded one
	Line   int    // 1-based; 0 when the file as a whole is meant
	Column int    // 1-based, in characters
	Reason string
	hint   string
}

func (e *PlanError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("load plan: %s: %s", e.File, e.Reason)
	}
	return fmt.Sprintf("load plan: %s:%d:%d: %s", e.File, e.Line, e.Column, e.Reason)
}

// Hint says what to do about it, "" when there is nothing to say.
func (e *PlanError) Hint() string { return e.hint }

// parser decodes one YAML document; the first thing wrong ends it by a panic with a *PlanError, which
// parse recovers.
type parser struct {
	file string
	dir  string // relative paths of the plan start here; "" for an embedded plan
}

func (p *parser) failAt(n *yaml.Node, hint, format string, args ...any) {
	panic(&PlanError{File: p.file, Line: max(n.Line, 1), Column: max(n.Column, 1), Reason: fmt.Sprintf(format, args...), hint: hint})
}

// document returns the one document of data.
func (p *parser) document(data []byte) *yaml.Node {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) {
		p.failAt(&yaml.Node{}, "", "the plan is empty")
	}
	if err == nil {
		if next := dec.Decode(&second); next == nil {
			p.failAt(&second, "", "a second YAML document: a file holds one plan")
		} else if !errors.Is(next, io.EOF) {
			err = next
		}
	}
	if err != nil {
		at, reason := locate(err, string(data))
		p.failAt(at, "", "%s", reason)
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		p.failAt(&doc, "", "not a YAML document")
	}
	return doc.Content[0]
}

var (
	yamlLine = pattern.New(`^yaml: (?:line (\d+): )?`)
	// ofParser are the messages of yaml.v3's parser, whose lines count from 0; its scanner's count from 1.
	ofParser      = pattern.New(`^(?:did not find expected (?:<|node content|'-' indicator|key$|',' or)|found undefined tag handle|found duplicate %)`)
	unknownAnchor = pattern.New(`^unknown anchor '(.*)' referenced$`)
)

// locate finds the place of a syntax error. yaml.v3 tells the line at best; the column is that of the line's first
// character that is not a blank.
func locate(err error, data string) (*yaml.Node, string) {
	at := &yaml.Node{Line: 1, Column: 1}
	m := yamlLine.FindStringSubmatch(err.Error())
	if m == nil {
		return at, err.Error()
	}
	reason := err.Error()[len(m[0]):]
	if a := unknownAnchor.FindStringSubmatch(reason); a != nil {
		before, _, _ := strings.Cut(data, "*"+a[1])
		start := strings.LastIndexByte(before, '\n') + 1
		at.Line, at.Column = strings.Count(before, "\n")+1, utf8.RuneCountInString(before[start:])+1
		return at, reason
	}
	if line, err := strconv.Atoi(m[1]); err == nil {
		at.Line = line
		if ofParser.MatchString(reason) {
			at.Line++
		}
	}
	lines := strings.Split(data, "\n")
	at.Line = min(at.Line, len(lines))
	text := lines[at.Line-1]
	at.Column = utf8.RuneCountInString(text) - utf8.RuneCountInString(strings.TrimLeft(text, " \t")) + 1
	return at, reason
}

// pair is one key of a mapping with its value.
type pair struct{ key, value *yaml.Node }

// pairs returns a mapping's entries in their order.
func (p *parser) pairs(n *yaml.Node, what string) []pair {
	p.plain(n)
	if n.Kind != yaml.MappingNode {
		p.failAt(n, "", "%s: want keys and values, got %s", what, kind(n))
	}
	seen := make(map[string]bool)
	var out []pair
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		p.plain(k)
		if k.Kind != yaml.ScalarNode {
			p.failAt(k, "", "%s: a key must be a word", what)
		}
		if seen[k.Value] {
			p.failAt(k, "", "%s: key %q twice", what, k.Value)
		}
		seen[k.Value] = true
		out = append(out, pair{k, n.Content[i+1]})
	}
	return out
}

// fields is pairs for a mapping whose keys are known.
func (p *parser) fields(n *yaml.Node, what string, known ...string) map[string]*yaml.Node {
	out := make(map[string]*yaml.Node)
	for _, kv := range p.pairs(n, what) {
		if !slices.Contains(known, kv.key.Value) {
			p.failAt(kv.key, DidYouMean(kv.key.Value, known), "%s: unknown key %q", what, kv.key.Value)
		}
		out[kv.key.Value] = kv.value
	}
	return out
}

// plain refuses what a plan has no use for and what makes a small file large: anchors and aliases.
func (p *parser) plain(n *yaml.Node) {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		p.failAt(n, "", "anchors and aliases are not allowed in a plan")
	}
}

// text returns a scalar as it is written.
func (p *parser) text(n *yaml.Node, what string) string {
	p.plain(n)
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		p.failAt(n, "", "%s: want a word, got %s", what, kind(n))
	}
	if i := strings.IndexFunc(n.Value, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r == 0x7f }); i >= 0 {
		p.failAt(n, "", "%s: a control character", what)
	}
	return n.Value
}

// word is text that matches a pattern, described by shape.
func (p *parser) word(n *yaml.Node, what string, re *pattern.Regexp, shape string) string {
	s := p.text(n, what)
	if !re.MatchString(s) {
		p.failAt(n, "", "%s: %q: want %s", what, s, shape)
	}
	return s
}

// integer returns a number in [1, most].
func (p *parser) integer(n *yaml.Node, what string, most int) int {
	v, err := strconv.Atoi(p.text(n, what))
	if err != nil || v < 1 || v > most {
		p.failAt(n, "", "%s: %q: want a number from 1 to %d", what, n.Value, most)
	}
	return v
}

// boolean returns true or false.
func (p *parser) boolean(n *yaml.Node, what string) bool {
	s := p.text(n, what)
	if s != "true" && s != "false" {
		p.failAt(n, "", "%s: %q: want true or false", what, s)
	}
	return s == "true"
}

// list returns the nodes of a sequence.
func (p *parser) list(n *yaml.Node, what string) []*yaml.Node {
	p.plain(n)
	if n.Kind != yaml.SequenceNode {
		p.failAt(n, "", "%s: want a list, got %s", what, kind(n))
	}
	return n.Content
}

// words returns a list of texts, or the blank-separated words of one text.
func (p *parser) words(n *yaml.Node, what string) []string {
	if n.Kind == yaml.ScalarNode {
		return strings.Fields(p.text(n, what))
	}
	var out []string
	for _, item := range p.list(n, what) {
		out = append(out, p.text(item, what))
	}
	return out
}

var sizePattern = pattern.New(`^([0-9]{1,9})([KMGT])(?:i?B)?$`)

// size returns a number of bytes: a number and one of K, M, G, T (powers of 1024).
func (p *parser) size(n *yaml.Node, what string, least, most int64) int64 {
	s := p.text(n, what)
	m := sizePattern.FindStringSubmatch(s)
	if m == nil {
		p.failAt(n, "", "%s: %q: want a number with a unit, like 256M", what, s)
	}
	v, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		p.failAt(n, "", "%s: %q: %v", what, s, err)
	}
	v <<= 10 * (1 + strings.Index("KMGT", m[2]))
	if v < least || v > most {
		p.failAt(n, "", "%s: %q: want %s to %s", what, s, bytesText(least), bytesText(most))
	}
	return v
}

func bytesText(v int64) string {
	unit := 0
	for v >= 1024 && v%1024 == 0 && unit < 4 {
		v /= 1024
		unit++
	}
	return strconv.FormatInt(v, 10) + []string{"", "K", "M", "G", "T"}[unit]
}

func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys and values"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return "nothing"
		}
		return "a word"
	}
	return "something else"
}
