package series

import (
	"path"
	"slices"
	"strings"
)

// What a patch does to a symbol.
const (
	symAdded    = "added"
	symDeclared = "declared"
	symChanged  = "changed"
	symShared   = "made global"
	symRemoved  = "removed"
	symUnused   = "last use removed"
)

// place is a line of a patch.
type place struct {
	file string
	line int
	text string
}

// symbolEvent is what one patch does to a symbol.
type symbolEvent struct {
	patch int
	done  string
	def   definition
	at    place
}

// patchSymbols is what one patch does with symbols. Names of fields start with a dot.
type patchSymbols struct {
	before, after map[string][]placedDefinition
	uses          map[string][]use // in added lines: the first in each file
	context       map[string][]use // in lines it finds
	balance       map[string]int   // uses added less uses removed
	seen          map[string][]string
	includes      []place // text is what is included
	dropped       map[string]place
}

type placedDefinition struct {
	definition
	place
	kind byte // of its line: ' ', '-' or '+'
}

type use struct {
	place
	call   bool // followed by "("
	tagged bool // preceded by struct, union or enum
}

// traceSymbols finds the edges by symbol. Its work is linear in the size of the diffs.
func traceSymbols(b *graphBuilder, diffs [][]depFile) {
	events := map[string][]symbolEvent{}
	seen := map[string][]string{} // names that the base has, and up to a few of the files they are in
	removedUses := map[string][]symbolEvent{}
	created := map[string][]symbolEvent{} // by base name
	type late struct {
		patch, needs int
		r            Reason
	}
	var context []late
	for i, files := range diffs {
		s := readSymbols(files)
		for name, in := range s.seen {
			if len(events[name]) == 0 {
				for _, f := range in {
					if len(seen[name]) < 8 && !slices.Contains(seen[name], f) {
						seen[name] = append(seen[name], f)
					}
				}
			}
		}
		for _, name := range sortedKeys(s.uses) {
			for _, u := range s.uses[name] {
				for _, ev := range relevant(events[name], seen[name], name, u) {
					b.symbol(i, ev.patch, reasonOf("uses", u.place, name, ev))
				}
			}
		}
		for _, name := range sortedKeys(s.context) {
			for _, u := range s.context[name] {
				for _, ev := range relevant(events[name], seen[name], name, u) {
					if ev.done == symAdded {
						context = append(context, late{i, ev.patch, reasonOf("context", u.place, name, ev)})
					}
				}
			}
		}
		for _, inc := range s.includes {
			for _, ev := range created[path.Base(inc.text)] {
				if ev.at.file == inc.text || strings.HasSuffix(ev.at.file, "/"+inc.text) {
					u := inc
					u.text = "#include " + inc.text
					b.symbol(i, ev.patch, reasonOf("uses", u, inc.text, ev))
				}
			}
		}
		for _, name := range sortedKeys(s.before) {
			old := s.before[name][0]
			if len(s.after[name]) > 0 || old.kind != '-' || old.sort == sortField || !old.body {
				continue
			}
			for _, ev := range removedUses[name] {
				if old.static && ev.at.file != old.file {
					continue
				}
				ev.def.sort = old.sort
				b.symbol(i, ev.patch, reasonOf("drops", old.place, name, ev))
			}
		}
		recordSymbols(events, seen, s, i)
		for _, name := range sortedKeys(s.dropped) {
			if s.balance[name] < 0 && len(s.before[name])+len(s.after[name]) == 0 {
				removedUses[name] = append(removedUses[name], symbolEvent{i, symUnused, definition{}, s.dropped[name]})
			}
		}
		for _, f := range files {
			if f.oldName == "" && f.newName != "" && path.Ext(f.newName) == ".h" && len(created[path.Base(f.newName)]) < 8 {
				base := path.Base(f.newName)
				created[base] = append(created[base], symbolEvent{i, symAdded, definition{sort: "header"}, place{file: f.newName, line: 1}})
			}
		}
	}
	// What only the context says follows from the line's own edge, unless the patch that added the line is missing.
	reach := b.reach(len(diffs))
	for _, l := range context {
		if !reach[l.patch][l.needs] {
			b.symbol(l.patch, l.needs, l.r)
		}
	}
}

// reach says which patches each patch needs by the edges so far.
func (b *graphBuilder) reach(n int) []map[int]bool {
	direct := make([][]int, n)
	for pair := range b.edges {
		direct[pair[0]] = append(direct[pair[0]], pair[1])
	}
	reach := make([]map[int]bool, n)
	for i := range n {
		reach[i] = map[int]bool{}
		for _, d := range direct[i] {
			reach[i][d] = true
			if n <= 1000 {
				for k := range reach[d] {
					reach[i][k] = true
				}
			}
		}
	}
	return reach
}

func reasonOf(what string, at place, name string, ev symbolEvent) Reason {
	return Reason{
		What: what, File: at.file, Line: at.line, Lines: 1, Text: at.text,
		Symbol: strings.TrimPrefix(name, "."), Sort: ev.def.sort, Done: ev.done, DefFile: ev.at.file, DefLine: ev.at.line, DefText: ev.at.text,
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// recordSymbols notes what a patch does to symbols, after its own uses have been looked at.
func recordSymbols(events map[string][]symbolEvent, seen map[string][]string, s *patchSymbols, patch int) {
	for _, name := range sortedKeys(s.after) {
		defs := s.after[name]
		old := s.before[name]
		for _, d := range best(defs) {
			done := ""
			switch {
			case len(old) > 0:
				switch {
				case differs(defs, old):
					done = symChanged
				case !d.static && old[0].static && path.Ext(old[0].file) == ".c":
					done = symShared
				default:
					continue
				}
			case d.kind != '+':
				continue
			case len(events[name]) > 0:
				if lastDone(events[name]) != symRemoved {
					continue
				}
				done = symAdded
			case len(seen[name]) == 0:
				done = symAdded
			case d.sort == sortFunction && !d.static && !d.body && path.Ext(d.file) == ".h":
				done = symDeclared
			default:
				continue
			}
			events[name] = append(events[name], symbolEvent{patch, done, d.definition, d.place})
		}
	}
	for _, name := range sortedKeys(s.before) {
		if old := s.before[name][0]; len(s.after[name]) == 0 && old.kind == '-' && old.body {
			events[name] = append(events[name], symbolEvent{patch, symRemoved, old.definition, old.place})
		}
	}
}

func lastDone(events []symbolEvent) string {
	if len(events) == 0 {
		return ""
	}
	return events[len(events)-1].done
}

// best gives the definition to name: one with a body before a declaration. Static ones of several files are
// each their own.
func best(defs []placedDefinition) []placedDefinition {
	for _, d := range defs {
		if d.body && d.kind == '+' {
			return []placedDefinition{d}
		}
	}
	for _, d := range defs {
		if d.kind == '+' {
			return []placedDefinition{d}
		}
	}
	return defs[:1]
}

// differs says whether the forms after are others than those before.
func differs(after, before []placedDefinition) bool {
	for _, d := range after {
		if !slices.ContainsFunc(before, func(o placedDefinition) bool { return o.form == d.form }) &&
			slices.ContainsFunc(before, func(o placedDefinition) bool { return o.sort == d.sort && o.body == d.body }) {
			return true
		}
	}
	return false
}

// relevant gives the events before that a use depends on: the last one that made the symbol, and the last that
// changed it since.
func relevant(events []symbolEvent, seen []string, name string, u use) []symbolEvent {
	var out []symbolEvent
	changed := false
	for i := len(events) - 1; i >= 0; i-- {
		ev := events[i]
		if !refersTo(name, u, ev) {
			continue
		}
		switch ev.done {
		case symRemoved:
			return out
		case symChanged:
			if !changed {
				changed = true
				out = append(out, ev)
			}
		case symDeclared, symShared:
			if slices.Contains(seen, u.file) || ev.at.file == u.file {
				continue
			}
			out = append(out, ev)
		default:
			return append(out, ev)
		}
	}
	return out
}

// commonMethod are names that methods of many structs have.
var commonMethod = wordSet(`release remove suspend resume enable disable getattr setattr lookup create destroy update
	prepare finish commit cancel submit config setup shutdown notify handler callback complete`)

// refersTo says whether a use of a name can only mean this symbol.
func refersTo(name string, u use, ev symbolEvent) bool {
	if ev.def.static && path.Ext(ev.at.file) != ".h" && u.file != ev.at.file {
		return false
	}
	plain := strings.TrimPrefix(name, ".")
	if len(plain) < 3 {
		return false
	}
	underscore := strings.Contains(strings.Trim(plain, "_"), "_")
	switch ev.def.sort {
	case sortField:
		// A method is given in initializers of its own struct only, unless many structs have one of that name.
		method := strings.Contains(ev.def.form, "( *") && len(plain) > 5 && !commonMethod[plain]
		return ev.done == symAdded && (underscore && len(plain) > 4 || len(plain) >= 10 || method)
	case sortType:
		return u.tagged || strings.HasPrefix(ev.def.form, "typedef") && (underscore || len(plain) > 6)
	case sortFunction:
		return u.call || underscore
	case sortVariable:
		return ev.done == symAdded && underscore && len(plain) > 4
	case sortMacro, sortEnum:
		return underscore || len(plain) >= 4 && plain == strings.ToUpper(plain) || u.call && len(plain) > 4
	}
	return true
}

// readSymbols reads what a patch does with symbols.
func readSymbols(files []depFile) *patchSymbols {
	s := &patchSymbols{
		before: map[string][]placedDefinition{}, after: map[string][]placedDefinition{},
		uses: map[string][]use{}, context: map[string][]use{}, balance: map[string]int{}, seen: map[string][]string{}, dropped: map[string]place{},
	}
	for i := range files {
		f := &files[i]
		lang := language(f.name())
		if lang == "" {
			continue
		}
		for n := range f.hunks {
			h := &f.hunks[n]
			s.side(f.name(), lang, h, '-')
			s.side(f.name(), lang, h, '+')
		}
	}
	return s
}

// side reads one side of a hunk: the file before ('-') or after ('+').
func (s *patchSymbols) side(file, lang string, h *depHunk, which byte) {
	var lines []string
	var kinds []byte
	for _, l := range h.lines {
		if l.kind == ' ' || l.kind == which {
			lines = append(lines, l.text)
			kinds = append(kinds, l.kind)
		}
	}
	start := h.newPos
	if which == '-' {
		start = h.oldPos
	}
	at := func(line int) place { return place{file, start + line, lines[line]} }
	var toks []token
	var defs []definition
	switch lang {
	case "kconfig":
		toks, defs = kconfigTokens(lines), kconfigDefinitions(lines)
	default:
		toks = tokenize(lines)
		if lang == "c" {
			defs = definitions(toks, lines, h.section)
		}
	}
	defined := map[string]int{} // name to line, of this side's definitions
	for _, d := range defs {
		name := d.name
		if d.sort == sortField {
			name = "." + name
		}
		defined[name] = d.line
		p := placedDefinition{d, at(d.line), kinds[d.line]}
		to := s.after
		if which == '-' {
			to = s.before
		}
		if len(to[name]) < 16 {
			to[name] = append(to[name], p)
		}
	}
	if which == '-' {
		for _, t := range tokenize([]string{h.section}) {
			if t.isName() && !keywords[t.text] {
				s.see(t.text, file)
			}
		}
	}
	for i, t := range toks {
		if !t.isName() || keywords[t.text] {
			continue
		}
		name := t.text
		if lang == "make" && !strings.HasPrefix(name, "CONFIG_") {
			continue
		}
		u := use{place: at(t.line)}
		if i > 0 && (toks[i-1].text == "->" || toks[i-1].text == ".") {
			name = "." + name
		}
		if i > 0 && (toks[i-1].text == "struct" || toks[i-1].text == "union" || toks[i-1].text == "enum") {
			u.tagged = true
		}
		u.call = i+1 < len(toks) && toks[i+1].text == "("
		if line, ok := defined[name]; ok && line == t.line {
			if which == '-' {
				s.see(name, file)
			}
			continue
		}
		if line, ok := defined["."+name]; ok && line == t.line {
			if which == '-' {
				s.see("."+name, file)
			}
			continue
		}
		switch {
		case kinds[t.line] == '+':
			addUse(s.uses, name, u)
			s.balance[name]++
		case which == '-':
			s.see(name, file)
			if kinds[t.line] == '-' {
				s.balance[name]--
				if _, ok := s.dropped[name]; !ok {
					s.dropped[name] = u.place
				}
			} else {
				addUse(s.context, name, u)
			}
		}
	}
	if which == '+' && lang == "c" {
		for n, l := range lines {
			if kinds[n] == '+' {
				if name, ok := includeOf(l); ok {
					s.includes = append(s.includes, place{file, start + n, name})
				}
			}
		}
	}
}

func (s *patchSymbols) see(name, file string) {
	if in := s.seen[name]; len(in) < 8 && !slices.Contains(in, file) {
		s.seen[name] = append(in, file)
	}
}

// addUse keeps the first use of a name in each file, and the first that is a call.
func addUse(m map[string][]use, name string, u use) {
	list := m[name]
	for i := range list {
		if list[i].file == u.file {
			if u.call && !list[i].call || u.tagged && !list[i].tagged {
				list[i] = use{u.place, u.call || list[i].call, u.tagged || list[i].tagged}
			}
			return
		}
	}
	if len(list) < 32 {
		m[name] = append(list, u)
	}
}

// includeOf gives the file an #include line names.
func includeOf(l string) (string, bool) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(l), "#")
	if !ok {
		return "", false
	}
	if rest, ok = strings.CutPrefix(strings.TrimSpace(rest), "include"); !ok {
		return "", false
	}
	rest = strings.TrimSpace(rest)
	if len(rest) < 2 || rest[0] != '<' && rest[0] != '"' {
		return "", false
	}
	name, _, ok := strings.Cut(rest[1:], map[byte]string{'<': ">", '"': `"`}[rest[0]])
	return name, ok && name != ""
}
