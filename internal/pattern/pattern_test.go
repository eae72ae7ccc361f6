package pattern

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
)

// Every expression that is written out in this program compiles, whether a test uses it or not.
func TestAllCompile(t *testing.T) {
	files, err := filepath.Glob("../../*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(node ast.Node) bool {
			call, ok := node.(*ast.CallExpr)
			if !ok || len(call.Args) != 1 {
				return true
			}
			fun, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || fun.Sel.Name != "New" {
				return true
			}
			if pkg, ok := fun.X.(*ast.Ident); !ok || pkg.Name != "pattern" {
				return true
			}
			if lit, ok := call.Args[0].(*ast.BasicLit); ok {
				expr, err := strconv.Unquote(lit.Value)
				if err == nil {
					_, err = regexp.Compile(expr)
				}
				if err != nil {
					t.Errorf("%s: %v", file, err)
				}
				n++
			}
			return true
		})
	}
	if n < 50 {
		t.Errorf("found %d only", n)
	}
}

func TestRegexp(t *testing.T) {
	p := New(`a(b+)`)
	if m := p.FindStringSubmatch("xabbb"); len(m) != 2 || m[1] != "bbb" || !p.MatchString("ab") || p.ReplaceAllString("abc", "-$1") != "-bc" {
		t.Errorf("got %q", m)
	}
}
