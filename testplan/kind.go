package testplan

import (
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/seriesctl/seriesctl/internal/pattern"
)

// caseKind is one way for a plan to say what a case runs. Each has a file of its own, kind_NAME.go.
type caseKind struct {
	kind Kind
	key  string   // of an entry of cases: the one that says the kind
	keys []string // that an entry of this kind may have beside those that all may have
	// read fills in what is run: Run but for its file system and timeout, Program, Files. f are the entry's values, args those
	// of the key args. It returns how the case is called where the entry has no name, to which the arguments are added.
	read func(p *parser, f map[string]*yaml.Node, c *Case, args []string) string
}

// kinds are all of them; the first is meant when an entry has none.
func kinds() []caseKind {
	return []caseKind{
		{KindReproducer, "reproducer", nil, (*parser).reproducer},
		{KindC, "c", []string{"cflags", "syz", "ktap", "subtests"}, (*parser).cFile},
		{KindScript, "script", []string{"tools", "ktap", "subtests"}, (*parser).script},
		{KindKselftest, "kselftest", []string{"tree", "tools", "subtests"}, (*parser).kselftest},
		{KindFstests, "fstests", nil, nil}, // see (*parser).fstests
	}
}

// caseKeys are the keys that every entry of cases may have.
var caseKeys = []string{"args", "name", "filesystems", "except", "timeout", "runs", "flaky", "expect"}

// kindOf finds the key of an entry that says its kind.
func (p *parser) kindOf(item *yaml.Node) caseKind {
	all := kinds()
	var keys []string
	known := append([]string{}, caseKeys...)
	for _, k := range all {
		keys = append(keys, k.key)
		known = append(append(known, k.key), k.keys...)
	}
	found := -1
	for _, kv := range p.pairs(item, "case") {
		i := slices.Index(keys, kv.key.Value)
		if i >= 0 && found >= 0 {
			p.failAt(kv.key, "make two cases of it", "case: %s and %s", keys[found], keys[i])
		}
		if i >= 0 {
			found = i
		}
	}
	if found < 0 {
		p.fields(item, "case", known...) // it may be misspelt
		p.failAt(item, "one of them says what it runs", "case: no %s", strings.Join(keys, ", "))
	}
	return all[found]
}

// tools reads the host's programs that a case needs in the VM.
func (p *parser) tools(n *yaml.Node) []string {
	var out []string
	for _, item := range p.list(n, "tools") {
		if t := p.word(item, "tools", toolPattern, "the name of a program, without a directory"); !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

// guestDir is where a case's files are in the VM.
const guestDir = "/case"

// baseName is a file's name as a part of a case's.
func baseName(file string) string {
	base := filepath.Base(file)
	return strings.ToLower(strings.TrimSuffix(base, filepath.Ext(base)))
}

var toolPattern = pattern.New(`^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}$`)
