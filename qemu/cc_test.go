package qemu

import (
	"debug/elf"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/seriesctl/seriesctl/internal/xec"
)

func needCompiler(t *testing.T) {
	t.Helper()
	if _, err := xec.Find("gcc"); err != nil {
		t.Skip("gcc is not installed")
	}
}

// TestCompile: a C file of the user's, with headers in directories, threads, a library; warned of once.
func TestCompile(t *testing.T) {
	needCompiler(t)
	cache := t.TempDir()
	src := Source{Main: "tests/a.c", Flags: []string{"-lm", "-DN=3"}, Files: map[string]string{
		"tests/a.c": "#include <pthread.h>\n#include <sched.h>\n#include \"own.h\"\n#include \"top.h\"\n" +
			"static void *run(void *p) { return p; }\n" +
			"int main(int argc, char **argv)\n{\n\tpthread_t t;\n\tint unused;\n\tcpu_set_t set; CPU_ZERO(&set);\n" +
			"\treturn pthread_create(&t, 0, run, 0) + OWN + TOP + N + (int)own(argc);\n}\n",
		"tests/own.h": "#include <math.h>\n#define OWN 1\nstatic double own(double x) { return floor(cbrt(x)); }\n",
		"top.h":       "#define TOP 2\n",
		"bad.c":       "no C at all\n",
	}}
	path, warnings, err := Compile(t.Context(), "a", src, cache)
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) != 1 || warnings[0].File != "tests/a.c" || warnings[0].Line != 9 || !strings.Contains(warnings[0].Text, "unused variable") {
		t.Errorf("got %+v", warnings)
	}
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("not static")
		}
	}
	again, warnings, err := Compile(t.Context(), "a", src, cache)
	if err != nil || again != path || warnings != nil {
		t.Errorf("got %s %v %v", again, warnings, err)
	}
	src.Flags = []string{"-lm"}
	src.Files["tests/a.c"] = strings.Replace(src.Files["tests/a.c"], "+ N", "", 1)
	if other, _, err := Compile(t.Context(), "a", src, cache); err != nil || other == path {
		t.Errorf("got %s %v", other, err)
	}
	// A file that sets _GNU_SOURCE itself, in any way, is not told that it does so twice.
	for _, define := range []string{"#define _GNU_SOURCE\n", "#define _GNU_SOURCE 1\n"} {
		_, warnings, err := Compile(t.Context(), "g", Source{Main: "g.c", Files: map[string]string{"g.c": define + "int main(void) { return 0; }\n"}}, cache)
		if err != nil || len(warnings) > 0 {
			t.Errorf("%q: got %v %v", define, warnings, err)
		}
	}
	if left, err := os.ReadDir(cache); err != nil || len(left) != 4 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestCompileErrors(t *testing.T) {
	needCompiler(t)
	for name, tc := range map[string]struct {
		text  string
		flags []string
		want  string
	}{
		"a type":       {"int main(void)\n{\n\tfoo_t x;\n\treturn 0;\n}\n", nil, "compile my-test.c:3: unknown type name ‘foo_t’: foo_t x;"},
		"after others": {"int main(void)\n{\n\tint u;\n\treturn y;\n}\n", nil, "compile my-test.c:4: ‘y’ undeclared (first use in this function): return y;"},
		"a header":     {"#include \"none.h\"\n", nil, `compile my-test.c:1: none.h: No such file or directory: #include "none.h"`},
		"no main":      {"int x;\n", nil, "compile my-test.c: "},
		"a function":   {"void f(void);\nint main(void) { f(); }\n", nil, "compile my-test.c: link: undefined reference to `f'"},
		"a library":    {"int main(void) { return 0; }\n", []string{"-lnone"}, "compile my-test.c: link: cannot find -lnone"},
		"a directive":  {"#error \"\x1b[31mred\"\n", nil, "compile my-test.c:1: "},
	} {
		_, _, err := Compile(t.Context(), "my-test", Source{Main: "my-test.c", Files: map[string]string{"my-test.c": tc.text}, Flags: tc.flags}, t.TempDir())
		var failed *CompileError
		if !errors.As(err, &failed) || !strings.HasPrefix(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %T %v\nwant %s", name, err, err, tc.want)
		}
	}
	_, _, err := Compile(t.Context(), "my-test", Source{Main: "my-test.c", Files: map[string]string{"my-test.c": "#include \"own.h\"\nint main(void) { return 0; }\n", "own.h": "foo_t x;\n"}}, t.TempDir())
	if want := "compile my-test.c: own.h:1: unknown type name"; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	for _, bad := range []string{"../a.c", "/a.c", "a/../b.c", "."} {
		if _, _, err := Compile(t.Context(), "a", Source{Main: bad, Files: map[string]string{bad: ""}}, t.TempDir()); err == nil || !strings.Contains(err.Error(), "not plain") {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}
