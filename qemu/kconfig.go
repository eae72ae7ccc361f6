package qemu

import (
	"path"
	"slices"
	"strings"
)

// Bounds of reading a tree's Kconfig files: they may be hostile.
const (
	maxKconfigFiles = 4000
	maxKconfigDepth = 32
)

// kconfig is what the Kconfig files of a tree say about its options, read without running anything.
type kconfig struct {
	defs      map[string][]kconfigDef
	selectors map[string][]string // options that select one
	read      func(path string) ([]byte, error)
	files     int
}

// kconfigDef is one definition of an option.
type kconfigDef struct {
	depends string // with the menus and ifs around it; "" for nothing
	prompt  bool   // a user can set it
}

// readKconfig reads the Kconfig of an x86 kernel, with all that it sources.
func readKconfig(read func(path string) ([]byte, error)) *kconfig {
	k := &kconfig{defs: map[string][]kconfigDef{}, selectors: map[string][]string{}, read: read}
	k.file("Kconfig", nil, 0)
	return k
}

// file reads one file; around are the conditions of the blocks that it is sourced in.
func (k *kconfig) file(name string, around []string, depth int) {
	if k.files++; k.files > maxKconfigFiles || depth > maxKconfigDepth {
		return
	}
	text, err := k.read(name)
	if err != nil || len(text) > maxConfigFile {
		return
	}
	var (
		blocks  = slices.Clone(around) // a condition for each open block
		option  string                 // the config entry being read
		def     kconfigDef
		deps    []string
		inBlock bool // "depends on" is about the innermost block: a menu or choice has just begun
		help    = -1 // indentation of a help text's first line; 0 before it is known, -1 outside
	)
	end := func() {
		if option != "" {
			def.depends = allOf(append(slices.Clone(blocks), deps...))
			k.defs[option] = append(k.defs[option], def)
		}
		option, def, deps, inBlock = "", kconfigDef{}, nil, false
	}
	for line := range strings.SplitSeq(strings.ReplaceAll(string(text), "\\\n", " "), "\n") {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		indent := len(line) - len(strings.TrimLeft(line, " \t"))
		if help >= 0 {
			if help == 0 {
				help = indent
			}
			if indent >= help && indent > 0 {
				continue
			}
			help = -1
		}
		rest := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), f[0]))
		switch f[0] {
		case "config", "menuconfig":
			end()
			option = strings.Join(f[1:], "")
		case "if":
			end()
			blocks = append(blocks, rest)
		case "menu", "choice":
			end()
			blocks, inBlock = append(blocks, ""), true
		case "endif", "endmenu", "endchoice":
			end()
			if len(blocks) > len(around) {
				blocks = blocks[:len(blocks)-1]
			}
		case "comment", "mainmenu":
			end()
		case "source", "rsource", "osource", "orsource":
			end()
			to := strings.NewReplacer("$(SRCARCH)", "x86", "$SRCARCH", "x86", "$(HEADER_ARCH)", "x86").Replace(strings.Trim(rest, `"'`))
			if strings.HasSuffix(f[0], "rsource") {
				to = path.Join(path.Dir(name), to)
			}
			k.file(path.Clean(to), blocks, depth+1)
		case "help", "---help---":
			help = 0
		case "depends":
			cond := strings.TrimSpace(strings.TrimPrefix(rest, "on"))
			cond, _, _ = strings.Cut(cond, "#")
			switch {
			case option != "":
				deps = append(deps, cond)
			case inBlock:
				blocks[len(blocks)-1] = allOf([]string{blocks[len(blocks)-1], cond})
			}
		case "bool", "tristate", "string", "int", "hex", "prompt", "def_bool", "def_tristate":
			def.prompt = def.prompt || len(f) > 1 && f[0] != "def_bool" && f[0] != "def_tristate"
		case "select":
			if option != "" && len(f) > 1 && !slices.Contains(k.selectors[f[1]], option) {
				k.selectors[f[1]] = append(k.selectors[f[1]], option)
			}
		}
	}
	end()
}

// allOf joins conditions with "&&"; one that is there is not repeated.
func allOf(conds []string) string {
	var out []string
	for _, c := range conds {
		c = strings.Join(strings.Fields(c), " ")
		if c == "" || slices.Contains(out, c) {
			continue
		}
		out = append(out, c)
	}
	if len(out) == 1 {
		return out[0]
	}
	for i, c := range out {
		if orOutside(c) {
			out[i] = "(" + c + ")"
		}
	}
	return strings.Join(out, " && ")
}

// orOutside says whether an expression has an "||" outside of parentheses.
func orOutside(expr string) bool {
	depth := 0
	return slices.ContainsFunc(kconfigTokens(expr), func(t string) bool {
		switch t {
		case "(":
			depth++
		case ")":
			depth--
		}
		return t == "||" && depth == 0
	})
}

// depends is what an option depends on in words of Kconfig, "" when on nothing, and whether the tree has the option.
func (k *kconfig) depends(name string) (expr string, known bool) {
	var any []string
	for _, d := range k.defs[name] {
		if d.depends == "" {
			return "", true
		}
		if !slices.Contains(any, d.depends) {
			any = append(any, d.depends)
		}
	}
	return strings.Join(any, " || "), len(k.defs[name]) > 0
}

// hidden says that an option can't be asked for: only others select it, or its default sets it.
func (k *kconfig) hidden(name string) bool {
	return len(k.defs[name]) > 0 && !slices.ContainsFunc(k.defs[name], func(d kconfigDef) bool { return d.prompt })
}

// unmet lists the parts of a Kconfig expression that make it false with a config: "DLM", "!SMP", "A=y".
func unmet(expr string, config map[string]string) []string {
	p := kconfigExpr{tokens: kconfigTokens(expr), config: config}
	ok, why := p.or(0)
	if ok || p.broken {
		return nil
	}
	slices.Sort(why)
	return slices.Compact(why)
}

// kconfigExpr evaluates an expression (Documentation/kbuild/kconfig-language.rst, "Menu dependencies"); m counts as true.
type kconfigExpr struct {
	tokens []string
	config map[string]string
	broken bool
}

func kconfigTokens(expr string) []string {
	var out []string
	for i := 0; i < len(expr); {
		two := expr[i:min(i+2, len(expr))]
		switch c := expr[i]; {
		case c == ' ' || c == '\t':
			i++
		case two == "&&" || two == "||" || two == "!=" || two == "<=" || two == ">=":
			out = append(out, two)
			i += 2
		case strings.IndexByte("()!=<>", c) >= 0:
			out = append(out, string(c))
			i++
		default:
			end := i + 1
			if c == '"' || c == '\'' || c == '$' {
				if c == '$' { // $(macro), whose arguments may hold anything
					c = ')'
				}
				for end < len(expr) && expr[end] != c {
					end++
				}
				end = min(end+1, len(expr))
			} else {
				for end < len(expr) && strings.IndexByte(" \t()!=<>&|", expr[end]) < 0 {
					end++
				}
			}
			out = append(out, expr[i:end])
			i = end
		}
	}
	return out
}

func (p *kconfigExpr) next() string {
	if len(p.tokens) == 0 {
		return ""
	}
	return p.tokens[0]
}

func (p *kconfigExpr) take() string {
	t := p.next()
	if p.tokens = p.tokens[min(1, len(p.tokens)):]; t == "" {
		p.broken = true
	}
	return t
}

func (p *kconfigExpr) or(depth int) (bool, []string) {
	ok, why := p.and(depth)
	if p.next() != "||" {
		return ok, why
	}
	ways := []string{strings.Join(why, " && ")}
	for p.next() == "||" {
		p.take()
		right, more := p.and(depth)
		if way := strings.Join(more, " && "); !slices.Contains(ways, way) {
			ways = append(ways, way)
		}
		ok = ok || right
	}
	return ok, []string{strings.Join(ways, " || ")}
}

func (p *kconfigExpr) and(depth int) (bool, []string) {
	ok, why := p.term(depth)
	if ok {
		why = nil
	}
	for p.next() == "&&" {
		p.take()
		right, more := p.term(depth)
		if !right {
			why = append(why, more...)
		}
		ok = ok && right
	}
	return ok, why
}

func (p *kconfigExpr) term(depth int) (bool, []string) {
	if depth > maxNesting {
		p.broken = true
		return false, nil
	}
	switch t := p.take(); t {
	case "!":
		from := strings.Join(p.tokens, " ")
		ok, _ := p.term(depth + 1)
		text := strings.TrimSpace(strings.TrimSuffix(from, strings.Join(p.tokens, " ")))
		return !ok, []string{"!" + text}
	case "(":
		ok, why := p.or(depth + 1)
		if p.take() != ")" {
			p.broken = true
		}
		return ok, why
	case "&&", "||", ")":
		p.broken = true
		return false, nil
	default:
		switch op := p.next(); op {
		case "=", "!=", "<", ">", "<=", ">=":
			p.take()
			right := p.take()
			a, b := p.value(t), p.value(right)
			ok := op == "=" && a == b || op == "!=" && a != b
			if op[0] == '<' || op[0] == '>' {
				ok = true // compares numbers: versions of tools, mostly
			}
			return ok, []string{t + op + right}
		}
		return p.value(t) != "n", []string{t}
	}
}

// value is that of an option, or of a constant.
func (p *kconfigExpr) value(t string) string {
	switch {
	case t == "y" || t == "m" || t == "n":
		return t
	case strings.HasPrefix(t, `"`) || strings.HasPrefix(t, "'") || strings.HasPrefix(t, "$"):
		return strings.Trim(t, `"'`)
	}
	if v, ok := p.config[t]; ok {
		return v
	}
	return "n"
}
