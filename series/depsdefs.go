package series

import (
	"path"
	"strings"
)

// Sorts of symbols.
const (
	sortFunction = "function"
	sortMacro    = "macro"
	sortType     = "type"
	sortField    = "field"
	sortEnum     = "enum value"
	sortVariable = "variable"
	sortKconfig  = "Kconfig symbol"
)

// definition is a symbol that code defines or declares.
type definition struct {
	name, sort string
	line       int    // of the stream
	form       string // its words up to the body: a change of it is a change of signature
	static     bool
	body       bool // a definition with a body, not a declaration
}

var keywords = wordSet(`if else for while do switch case default break continue return goto sizeof typeof static inline extern
	const volatile struct union enum typedef void int char short long unsigned signed float double bool register
	__always_inline noinline __init __exit __user __iomem __rcu __must_check __maybe_unused __percpu asmlinkage
	defined include ifdef ifndef endif elif undef pragma define error NULL true false u8 u16 u32 u64 s8 s16 s32 s64
	size_t ssize_t loff_t pgoff_t gfp_t sector_t __le16 __le32 __le64 __be16 __be32 __be64 __u8 __u16 __u32 __u64`)

// statement are the keywords that no declaration begins with.
var statement = wordSet(`if else for while do switch case default break continue return goto sizeof`)

func wordSet(s string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(s) {
		m[w] = true
	}
	return m
}

// scope is what a brace opened.
type scope struct {
	sort string // "struct", "enum", "code"
}

// sectionScope guesses what a hunk with this text after its @@ starts in.
func sectionScope(section string) string {
	toks := tokenize([]string{section})
	paren, kind := false, ""
	for _, t := range toks {
		switch t.text {
		case "(":
			paren = true
		case "struct", "union", "enum":
			if kind == "" {
				kind = t.text
			}
		case "=":
			return "code"
		}
	}
	switch {
	case paren:
		return "code"
	case kind == "enum":
		return "enum"
	case kind != "":
		return "struct"
	}
	return ""
}

// definitions reads the definitions out of the code of a hunk's one side. toks are all of its tokens, lines its
// text; section is what the hunk starts in.
func definitions(toks []token, lines []string, section string) []definition {
	var defs []definition
	var stack []scope
	if s := sectionScope(section); s != "" {
		stack = append(stack, scope{s})
	}
	inside := func() string {
		if len(stack) == 0 {
			return ""
		}
		return stack[len(stack)-1].sort
	}
	for i := 0; i < len(toks); {
		t := toks[i]
		first := i == 0 || toks[i-1].line != t.line
		if first && t.text == "#" {
			end := endOfDirective(toks, lines, i)
			if i+2 < end && toks[i+1].text == "define" && toks[i+2].isName() {
				defs = append(defs, definition{name: toks[i+2].text, sort: sortMacro, line: t.line, form: macroForm(toks[i+2 : end]), body: true})
			}
			i = end
			continue
		}
		if first && t.col == 0 && (t.isName() || t.text == "}") {
			// Whatever was open, a word at the margin is outside of it, or a label.
			if t.isName() && (i+1 >= len(toks) || toks[i+1].text != ":") {
				stack = stack[:0]
				var found []definition
				var open string
				var ok bool
				if found, i, open, ok = topLevel(toks, i); ok {
					defs = append(defs, found...)
					if open != "" {
						stack = append(stack, scope{open})
					}
					continue
				}
			}
			if t.text == "}" {
				stack = stack[:0]
				i++
				continue
			}
		}
		switch t.text {
		case "{":
			kind := "code"
			if in := inside(); in == "struct" {
				kind = "struct"
			}
			for j := i - 1; j >= max(0, i-3) && toks[j].isName(); j-- {
				switch toks[j].text {
				case "struct", "union":
					kind = "struct"
				case "enum":
					kind = "enum"
				}
			}
			if len(stack) < 100 {
				stack = append(stack, scope{kind})
			}
			i++
			continue
		case "}":
			if len(stack) > 0 {
				stack = stack[:len(stack)-1]
			}
			i++
			continue
		}
		switch inside() {
		case "enum":
			if first && t.isName() && !keywords[t.text] {
				if i+1 == len(toks) || toks[i+1].text == "," || toks[i+1].text == "=" || toks[i+1].text == "}" || toks[i+1].line != t.line {
					defs = append(defs, definition{name: t.text, sort: sortEnum, line: t.line, form: t.text, body: true})
				}
			}
			i++
		case "struct":
			if first && t.isName() && t.col > 0 {
				end := i
				for end < len(toks) && toks[end].text != ";" && toks[end].text != "{" && toks[end].text != "}" && toks[end].text != "=" && end-i < 60 {
					end++
				}
				if end < len(toks) && toks[end].text == ";" {
					if d, ok := fieldOf(toks[i:end]); ok {
						defs = append(defs, d)
					}
					i = end + 1
					continue
				}
			}
			i++
		default:
			i++
		}
	}
	return defs
}

// endOfDirective is the token after a preprocessor line and its continuations.
func endOfDirective(toks []token, lines []string, i int) int {
	line := toks[i].line
	for line+1 < len(lines) && strings.HasSuffix(strings.TrimRight(lines[line], " \t\r"), `\`) {
		line++
	}
	for i < len(toks) && toks[i].line <= line {
		i++
	}
	return i
}

// macroForm is a macro's name with its parameters.
func macroForm(toks []token) string {
	if len(toks) < 2 || toks[1].text != "(" || toks[1].col != toks[0].col+len(toks[0].text) {
		return toks[0].text
	}
	for i, t := range toks {
		if t.text == ")" {
			return joinTokens(toks[:i+1])
		}
	}
	return toks[0].text
}

func joinTokens(toks []token) string {
	var b strings.Builder
	for i, t := range toks {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(t.text)
	}
	return b.String()
}

// topLevel reads a declaration that begins at the margin at toks[i]: what it defines, the token after it, what
// it opens ("" when it ends with its semicolon). ok is false for what is none.
func topLevel(toks []token, i int) (defs []definition, next int, open string, ok bool) {
	if statement[toks[i].text] {
		return nil, i, "", false
	}
	start, depth, paren := i, 0, -1
	limit := min(len(toks), i+120)
	end := start
scan:
	for ; end < limit; end++ {
		switch t := toks[end].text; t {
		case "(":
			if depth == 0 && paren < 0 {
				paren = end
			}
			depth++
		case ")":
			depth--
		case ";", "{", "=", "}", "#":
			if depth <= 0 {
				break scan
			}
			if t == "{" || t == "}" || t == "#" {
				return nil, i, "", false
			}
		case "":
			if paren < 0 {
				return nil, i, "", false
			}
		}
	}
	static := false
	for _, t := range toks[start:min(end, len(toks))] {
		if t.text == "static" {
			static = true
		}
	}
	if end >= limit {
		return nil, i, "", false
	}
	stop := toks[end].text
	head := toks[start:end]
	if stop == "#" || stop == "}" {
		return nil, end, "", true
	}
	if paren >= 0 && stop != "=" {
		name := toks[paren-1]
		if paren == start+1 {
			// NAME(…): a macro at the margin. The kernel's definers take the name first.
			if strings.HasPrefix(name.text, "DEFINE_") && !strings.Contains(name.text, "PER_CPU") && paren+1 < end && toks[paren+1].isName() {
				defs = append(defs, definition{name: toks[paren+1].text, sort: sortVariable, line: name.line, form: joinTokens(head), body: true})
			}
			return defs, end + 1, "", true
		}
		if !name.isName() || keywords[name.text] || paren == start {
			return nil, end + 1, opens(stop, "code"), true
		}
		d := definition{name: name.text, sort: sortFunction, line: name.line, form: form(head), static: static, body: stop == "{"}
		if stop == ";" || stop == "{" {
			defs = append(defs, d)
		}
		return defs, end + 1, opens(stop, "code"), true
	}
	kind, at := "", -1
	for k, t := range head {
		if t.text == "struct" || t.text == "union" || t.text == "enum" {
			kind, at = t.text, start+k
			break
		}
	}
	if head[0].text == "typedef" && stop == ";" && head[len(head)-1].isName() {
		return []definition{{name: head[len(head)-1].text, sort: sortType, line: head[0].line, form: form(head), body: true}}, end + 1, "", true
	}
	if stop == "{" {
		open = "code"
		if kind != "" {
			open = "struct"
			if kind == "enum" {
				open = "enum"
			}
			if at+1 < end && toks[at+1].isName() && at+2 == end {
				defs = append(defs, definition{name: toks[at+1].text, sort: sortType, line: toks[at].line, form: kind, body: true})
			}
		}
		return defs, end + 1, open, true
	}
	// A variable: words, then the name, then [ ] or nothing.
	last := end - 1
	for last > start && toks[last].text != "[" && !toks[last].isName() {
		last--
	}
	for k := start; k < end; k++ {
		if toks[k].text == "[" {
			last = k - 1
			break
		}
	}
	if last > start && toks[last].isName() && !keywords[toks[last].text] && (at < 0 || last > at+1) && !keywordOnly(head) {
		defs = append(defs, definition{name: toks[last].text, sort: sortVariable, line: toks[last].line, form: form(toks[start : last+1]), static: static, body: stop == "=" || head[0].text != "extern"})
	}
	if stop == "=" {
		// Its value is no declaration.
		for depth = 0; end < len(toks); end++ {
			switch toks[end].text {
			case "{":
				depth++
			case "}":
				depth--
			}
			if depth <= 0 && toks[end].text == ";" || end+1 < len(toks) && toks[end+1].col == 0 && toks[end+1].isName() {
				break
			}
		}
	}
	return defs, end + 1, "", true
}

func opens(stop, kind string) string {
	if stop == "{" {
		return kind
	}
	return ""
}

func keywordOnly(toks []token) bool {
	for _, t := range toks {
		if t.isName() && !keywords[t.text] {
			return false
		}
	}
	return true
}

// form is a declaration's words, without those that change nothing for its users.
func form(toks []token) string {
	kept := make([]token, 0, len(toks))
	for _, t := range toks {
		switch t.text {
		case "extern", "static", "inline", "noinline", "__always_inline", "__init", "__must_check", "__maybe_unused":
		default:
			kept = append(kept, t)
		}
	}
	return joinTokens(kept)
}

// fieldOf reads the declaration of a struct's field, without its semicolon.
func fieldOf(toks []token) (definition, bool) {
	depth := 0
	last := -1
	for i, t := range toks {
		switch t.text {
		case "(":
			if depth == 0 && i+2 < len(toks) && toks[i+1].text == "*" && toks[i+2].isName() {
				n := toks[i+2]
				return definition{name: n.text, sort: sortField, line: n.line, form: joinTokens(toks), body: true}, i > 0
			}
			depth++
		case ")":
			depth--
		case ":", "[":
			if depth == 0 && last > 0 {
				return definition{name: toks[last].text, sort: sortField, line: toks[last].line, form: joinTokens(toks), body: true}, true
			}
		case "return", "goto", "->", ".":
			return definition{}, false
		}
		if depth == 0 && t.isName() && !keywords[t.text] && !strings.HasPrefix(t.text, "__") {
			last = i
		}
	}
	if last < 1 {
		return definition{}, false
	}
	return definition{name: toks[last].text, sort: sortField, line: toks[last].line, form: joinTokens(toks), body: true}, true
}

// kconfigDefinitions reads "config NAME" lines.
func kconfigDefinitions(lines []string) []definition {
	var defs []definition
	for n, l := range lines {
		f := strings.Fields(l)
		if len(f) == 2 && (f[0] == "config" || f[0] == "menuconfig") && kconfigName(f[1]) && !strings.HasPrefix(l, " ") && !strings.HasPrefix(l, "\t") {
			defs = append(defs, definition{name: "CONFIG_" + f[1], sort: sortKconfig, line: n, form: f[1], body: true})
		}
	}
	return defs
}

func kconfigName(s string) bool {
	for i := range len(s) {
		if !nameByte(s[i]) {
			return false
		}
	}
	return s != "" && len(s) <= maxName
}

// kconfigTokens are the names that Kconfig's own words refer to, as CONFIG_NAME.
func kconfigTokens(lines []string) []token {
	var out []token
	for n, l := range lines {
		f := strings.Fields(l)
		if len(f) < 2 {
			continue
		}
		switch f[0] {
		case "depends", "select", "imply", "if", "default", "visible", "def_bool", "def_tristate", "config", "menuconfig":
		default:
			continue
		}
		l, _, _ = strings.Cut(l, "#")
		for _, t := range tokenize([]string{l})[1:] {
			if t.isName() && t.text == strings.ToUpper(t.text) {
				out = append(out, token{"CONFIG_" + t.text, n, t.col})
			}
		}
	}
	return out
}

// language is how a file's words are read: "c", "kconfig", "make", or "" for not at all.
func language(name string) string {
	base := path.Base(name)
	switch {
	case strings.HasPrefix(base, "Kconfig"):
		return "kconfig"
	case base == "Makefile" || base == "Kbuild":
		return "make"
	}
	switch path.Ext(base) {
	case ".c", ".h", ".S", ".lds":
		return "c"
	}
	return ""
}
