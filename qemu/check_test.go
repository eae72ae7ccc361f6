package qemu

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestReadCheckpatch(t *testing.T) {
	got := readCheckpatch(`WARNING:COMMIT_MESSAGE: Missing commit description
ERROR:OPEN_BRACE: open brace '{' following function definitions go on the next line
#13: FILE: fs/gfs2/lops.c:2:
+int x(void) {

CHECK:SPACING: two places
#14: FILE: fs/gfs2/lops.c:3:
+	int foo,bar;
 	       ^

NOTE: For some of the reported defects, checkpatch may be able to
      mechanically convert to the typical style using --fix.

/tmp/patch has style problems, please review.
`)
	want := []Diagnostic{
		{Kind: "warning", Text: "COMMIT_MESSAGE: Missing commit description"},
		{File: "fs/gfs2/lops.c", Line: 2, Kind: "error", Text: "OPEN_BRACE: open brace '{' following function definitions go on the next line", Excerpt: "+int x(void) {"},
		{File: "fs/gfs2/lops.c", Line: 3, Kind: "warning", Text: "SPACING: two places", Excerpt: "+\tint foo,bar;\n \t       ^"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	if n := len(readCheckpatch(strings.Repeat("ERROR:X: y\n", 100000))); n > maxDiagnostics {
		t.Errorf("%d kept", n)
	}
}

// The script is the tree's: it gets the patch, can write nothing of the user's, and need not be right.
func TestCheckPatch(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "x")
	b := sandboxed(t, newBuilder(t, map[string]string{"scripts/checkpatch.pl": `
open(my $in, "<", $ARGV[-1]) or die;
open(my $out, ">", "` + outside + `");
while (<$in>) { print "ERROR:FOUND: $_" if /needle/; }
exit 1;
`}))
	found, err := b.CheckPatch(t.Context(), []byte("a\nneedle here\n"))
	if err != nil || !reflect.DeepEqual(found, []Diagnostic{{Kind: "error", Text: "FOUND: needle here"}}) {
		t.Errorf("got %v, %v", found, err)
	}
	if _, err := os.Stat(outside); err == nil {
		t.Error("the script wrote outside")
	}
	var no *NoCheckError
	if found, err := b.CheckPatch(t.Context(), []byte("nothing\n")); !errors.As(err, &no) {
		t.Errorf("a script that fails and says nothing: %v, %v", found, err)
	}
	write(t, filepath.Join(b.Dir, "src/scripts/checkpatch.pl"), "exit 0;")
	if found, err := b.CheckPatch(t.Context(), []byte("x\n")); err != nil || len(found) != 0 {
		t.Errorf("a clean patch: %v, %v", found, err)
	}
	if err := os.Remove(filepath.Join(b.Dir, "src/scripts/checkpatch.pl")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.CheckPatch(t.Context(), nil); !errors.As(err, &no) {
		t.Errorf("no script: %v", err)
	}
}

// warningTree compiles two files, each a line of output that looks like kbuild's; W=1 says more.
var warningTree = map[string]string{
	"Makefile": `S := $(CURDIR)
allnoconfig:
	cp $(KCONFIG_ALLCONFIG) $(KCONFIG_CONFIG)
vmlinux: $(O)/fs/a.o $(O)/fs/b.o $(O)/include/config/auto.conf.cmd
	cd $(O) && ld -Ttext=0x1000000 -o vmlinux fs/a.o fs/b.o
fs/%.o: $(O)/fs/%.o
	@:
$(O)/fs/%.o: $(S)/fs/%.c
	@mkdir -p $(O)/fs
	@echo "  CC      fs/$*.o"
	cd $(O) && $(CC) $(if $(W),-Wall) -Wunused-variable -fno-diagnostics-color -fmessage-length=0 -ffreestanding -c $(S)/fs/$*.c -o fs/$*.o
	@echo x > $(O)/fs/.$*.o.cmd
$(O)/include/config/auto.conf.cmd: $(S)/Kconfig
	mkdir -p $(O)/include/config
	printf 'deps_config := \\\n\tKconfig\n\nx\n' > $@
`,
	"fs/a.c": "int _start(void) { return 1; }\nvoid a(void) { int unused; }\n",
	"fs/b.c": "static int quiet(void) { return 1; }\nint b;\n",
}

// A build that compiles one object has the warnings of the others too, and one that fails loses none.
func TestWarningsHoldWhereNothingIsCompiled(t *testing.T) {
	b := newBuilder(t, warningTree)
	of := func(img *Image) string {
		var names []string
		for _, w := range img.Warnings {
			names = append(names, filepath.Base(w.File)+": "+w.Text)
		}
		return strings.Join(names, "; ")
	}
	const a, more = "a.c: unused variable ‘unused’ [-Wunused-variable]", "b.c: unused variable ‘late’ [-Wunused-variable]"
	plain := func(s string) string { return strings.NewReplacer("‘", "'", "’", "'").Replace(s) }
	first := mustBuild(t, b, "first")
	if got := of(first); plain(got) != plain(a) {
		t.Fatalf("got %q", got)
	}
	fb, good := filepath.Join(b.Dir, "src/fs/b.c"), warningTree["fs/b.c"]
	write(t, fb, "void c(void) { int late; }\n"+good)
	second := mustBuild(t, b, "second")
	if got := of(second); second.Compiled != 1 || plain(got) != plain(a+"; "+more) {
		t.Errorf("compiled %d: %q", second.Compiled, got)
	}
	// What a failed build compiled before it failed is not compiled again.
	write(t, filepath.Join(b.Dir, "src/fs/a.c"), "int _start(void) { return 1; }\nvoid a(void) { int other; }\n")
	write(t, fb, "error\n")
	if _, err := b.Build(t.Context(), "broken", askA, filepath.Join(b.Dir, "log")); !errors.As(err, new(*BuildError)) {
		t.Fatal(err)
	}
	write(t, fb, good)
	if got := of(mustBuild(t, b, "mended")); plain(got) != "a.c: unused variable 'other' [-Wunused-variable]" {
		t.Errorf("got %q", got)
	}
}

// Checking an object must not make the next build compile it, nor leave what it compiled.
func TestCheckSourcesLeavesTheObjectTree(t *testing.T) {
	b := newBuilder(t, warningTree)
	before := mustBuild(t, b, "before")
	object := filepath.Join(b.Dir, "obj/fs/b.o")
	was, err := os.Stat(object)
	if err != nil {
		t.Fatal(err)
	}
	text := readFile(t, object)
	time.Sleep(20 * time.Millisecond) // make compares time stamps
	found, err := b.CheckSources(t.Context(), CheckW1, askA, []string{"fs/b.c", "fs/none.c", "include/x.h"}, filepath.Join(b.Dir, "log"))
	if err != nil || len(found) != 1 || found[0].File != "fs/b.c" || !strings.Contains(found[0].Text, "quiet") {
		t.Fatalf("got %v, %v", found, err)
	}
	if fi, err := os.Stat(object); err != nil || !fi.ModTime().Equal(was.ModTime()) || readFile(t, object) != text {
		t.Errorf("the object was changed: %v", err)
	}
	after := mustBuild(t, b, "after")
	if after.Compiled != 0 || after.Hash != before.Hash || !reflect.DeepEqual(after.Warnings, before.Warnings) {
		t.Errorf("%d compiled, warnings %v", after.Compiled, after.Warnings)
	}
	if found, err := b.CheckSources(t.Context(), CheckW1, askA, []string{"Makefile"}, filepath.Join(b.Dir, "log")); err != nil || len(found) != 0 {
		t.Errorf("nothing to compile: %v, %v", found, err)
	}
}

func TestNewDiagnostics(t *testing.T) {
	d := func(file string, line int, text, code string) Diagnostic {
		return Diagnostic{File: file, Line: line, Kind: "warning", Text: text, Excerpt: "  12 | " + code + "\n     | ^"}
	}
	a, moved, edited := d("a.c", 3, "unused 'x'", "int x;"), d("a.c", 90, "unused 'x'", "int x;"), d("a.c", 3, "unused 'x'", "int x, y;")
	for name, tt := range map[string]struct{ before, after, want []Diagnostic }{
		"the same":            {[]Diagnostic{a}, []Diagnostic{a}, nil},
		"moved":               {[]Diagnostic{a}, []Diagnostic{moved}, nil},
		"its line edited":     {[]Diagnostic{a}, []Diagnostic{edited}, nil},
		"one more of a kind":  {[]Diagnostic{a}, []Diagnostic{edited, moved}, []Diagnostic{edited}},
		"new":                 {nil, []Diagnostic{a}, []Diagnostic{a}},
		"in another file":     {[]Diagnostic{a}, []Diagnostic{a, d("b.c", 3, "unused 'x'", "int x;")}, []Diagnostic{d("b.c", 3, "unused 'x'", "int x;")}},
		"gone":                {[]Diagnostic{a, edited}, []Diagnostic{moved}, nil},
		"twice, both already": {[]Diagnostic{a, moved}, []Diagnostic{moved, a}, nil},
	} {
		if got := NewDiagnostics(tt.before, tt.after); len(got) != len(tt.want) || len(got) > 0 && !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}
