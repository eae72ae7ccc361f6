package series

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// edgeText is an edge in short: "9>5 symbol".
func edgeText(g *Graph) []string {
	out := []string{}
	for _, e := range g.Edges {
		out = append(out, fmt.Sprintf("%d>%d %s", e.Patch, e.Needs, e.Kind))
	}
	return out
}

// modify is a diff of one hunk of one file that exists.
func modify(name, hunk string) string {
	return fmt.Sprintf("diff --git a/%s b/%s\nindex 1111111..2222222 100644\n--- a/%s\n+++ b/%s\n%s", name, name, name, name, hunk)
}

func patchesOf(diffs ...string) []*Patch {
	var out []*Patch
	for i, d := range diffs {
		out = append(out, &Patch{Index: i + 1, Subject: fmt.Sprintf("patch %d", i+1), Diff: []byte(d)})
	}
	return out
}

const addX = "@@ -10,4 +10,5 @@ int main(void)\n a1\n a2\n+new line\n a3\n a4\n"

var dependCases = []struct {
	name  string
	diffs []string
	want  []string
}{
	{"far apart", []string{modify("f.c", addX), modify("f.c", "@@ -31,3 +32,4 @@\n b1\n b2\n+other line\n b3\n")}, nil},
	{"other file", []string{modify("f.c", addX), modify("g.c", addX)}, nil},
	{"removes", []string{modify("f.c", addX), modify("f.c", "@@ -11,3 +11,2 @@\n a2\n-new line\n a3\n")}, []string{"2>1 strong"}},
	{"adjoins", []string{modify("f.c", addX), modify("f.c", "@@ -11,3 +11,4 @@\n a2\n new line\n+another\n a3\n")}, []string{"2>1 strong"}},
	{"context", []string{modify("f.c", addX), modify("f.c", "@@ -12,4 +12,5 @@\n new line\n a3\n a4\n+more text\n a5\n")}, []string{"2>1 weak"}},
	{
		"spans removed lines",
		[]string{modify("f.c", "@@ -10,3 +10,2 @@\n a1\n-gone line\n a2\n"), modify("f.c", "@@ -10,4 +10,5 @@\n a1\n a2\n a3\n+more text\n a4\n")},
		[]string{"2>1 weak"},
	},
	{
		"changes next to removed lines",
		[]string{modify("f.c", "@@ -10,3 +10,2 @@\n a1\n-gone line\n a2\n"), modify("f.c", "@@ -10,2 +10,2 @@\n a1\n-a2\n+b2\n")},
		[]string{"2>1 strong"},
	},
	{
		"starts after removed lines",
		[]string{modify("f.c", "@@ -10,3 +10,2 @@\n a1\n-gone line\n a2\n"), modify("f.c", "@@ -11,3 +11,4 @@\n a2\n a3\n+more text\n a4\n")},
		nil,
	},
	{
		"lines moved by an earlier hunk",
		[]string{modify("f.c", addX), modify("f.c", "@@ -1,2 +1,4 @@\n top1\n+one\n+two\n top2\n"), modify("f.c", "@@ -13,3 +13,2 @@\n a2\n-new line\n a3\n")},
		[]string{"3>1 strong"},
	},
	{
		"created",
		[]string{"diff --git a/n.c b/n.c\nnew file mode 100644\nindex 0000000..1111111\n--- /dev/null\n+++ b/n.c\n@@ -0,0 +1,2 @@\n+one\n+two\n", modify("n.c", "@@ -1,2 +1,3 @@\n one\n two\n+three\n")},
		[]string{"2>1 strong"},
	},
	{
		"renamed",
		[]string{"diff --git a/o.c b/n.c\nsimilarity index 100%\nrename from o.c\nrename to n.c\n", modify("n.c", addX)},
		[]string{"2>1 strong"},
	},
	{
		"lines go with a rename",
		[]string{modify("o.c", addX), "diff --git a/o.c b/n.c\nsimilarity index 90%\nrename from o.c\nrename to n.c\n--- a/o.c\n+++ b/n.c\n@@ -11,3 +11,2 @@\n a2\n-new line\n a3\n"},
		[]string{"2>1 strong"},
	},
	{
		"created where another was deleted",
		[]string{"diff --git a/n.c b/n.c\ndeleted file mode 100644\nindex 1111111..0000000\n--- a/n.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-one\n", "diff --git a/n.c b/n.c\nnew file mode 100644\nindex 0000000..1111111\n--- /dev/null\n+++ b/n.c\n@@ -0,0 +1 @@\n+two\n"},
		[]string{"2>1 strong"},
	},
	{
		"function",
		[]string{modify("a.h", "@@ -1,1 +1,3 @@\n top\n+static inline int\n+foo_bar(struct x *p) { return 0; }\n"), modify("b.c", "@@ -1,1 +1,2 @@\n {\n+\treturn foo_bar(p);\n")},
		[]string{"2>1 symbol"},
	},
	{
		"name in a comment and a string",
		[]string{modify("a.h", "@@ -1,1 +1,2 @@\n top\n+int foo_bar(void);\n"), modify("b.c", "@@ -1,3 +1,6 @@\n {\n+\t/* foo_bar() is\n+\t * foo_bar */\n+\tp(\"foo_bar\"); // foo_bar\n x\n }\n")},
		nil,
	},
	{
		"inside a comment that began before",
		[]string{modify("a.h", "@@ -1,1 +1,2 @@\n top\n+int foo_bar(void);\n"), modify("b.c", "@@ -8,3 +8,4 @@\n  * words\n+ * and foo_bar(x)\n  */\n int x;\n")},
		nil,
	},
	{
		"static function of another file",
		[]string{modify("a.c", "@@ -1,1 +1,2 @@\n top\n+static int foo_bar(void) { return 1; }\n"), modify("b.c", "@@ -1,1 +1,2 @@\n {\n+\tfoo_bar();\n")},
		nil,
	},
	{
		"known before",
		[]string{modify("a.c", "@@ -1,2 +1,3 @@\n \tfoo_bar();\n top\n+int foo_bar(void) { return 1; }\n"), modify("b.c", "@@ -1,1 +1,2 @@\n {\n+\tfoo_bar();\n")},
		nil,
	},
	{
		"signature",
		[]string{modify("a.c", "@@ -1,2 +1,2 @@\n top\n-int foo_bar(int a)\n+int foo_bar(int a, int b)\n {\n"), modify("b.c", "@@ -1,1 +1,2 @@\n {\n+\tfoo_bar(1, 2);\n")},
		[]string{"2>1 symbol"},
	},
	{
		"field",
		[]string{modify("a.h", "@@ -1,3 +1,4 @@ struct holder {\n \tint x;\n+\tstruct list_head gh_waiting;\n \tint y;\n };\n"), modify("b.c", "@@ -1,1 +1,2 @@\n {\n+\tlist_del(&gh->gh_waiting);\n")},
		[]string{"2>1 symbol"},
	},
	{
		"field of a common name",
		[]string{modify("a.h", "@@ -1,3 +1,4 @@ struct holder {\n \tint x;\n+\tint flags;\n \tint y;\n };\n"), modify("b.c", "@@ -1,1 +1,2 @@\n {\n+\tother->flags = 1;\n")},
		nil,
	},
	{
		"enum value",
		[]string{modify("a.h", "@@ -1,3 +1,4 @@ enum {\n \tGLF_ONE\t= 1,\n+\tGLF_TWO\t= 2,\n \tGLF_END,\n };\n"), modify("b.c", "@@ -1,1 +1,2 @@\n {\n+\tset_bit(GLF_TWO, &x);\n")},
		[]string{"2>1 symbol"},
	},
	{
		"macro",
		[]string{modify("a.h", "@@ -1,1 +1,3 @@\n top\n+#define each_thing(x) \\\n+\tfor (x = 0; x; x++)\n"), modify("b.c", "@@ -1,1 +1,2 @@\n {\n+\teach_thing(x)\n")},
		[]string{"2>1 symbol"},
	},
	{
		"type",
		[]string{modify("a.h", "@@ -1,1 +1,4 @@\n top\n+struct control {\n+\tint x;\n+};\n"), modify("b.c", "@@ -1,1 +1,2 @@\n {\n+\tstruct control c;\n")},
		[]string{"2>1 symbol"},
	},
	{
		"kconfig",
		[]string{modify("fs/Kconfig", "@@ -1,1 +1,3 @@\n menu \"x\"\n+config FOO_FS\n+\tbool \"foo\"\n"), modify("fs/Makefile", "@@ -1,1 +1,2 @@\n obj-y += a.o\n+obj-$(CONFIG_FOO_FS) += foo.o\n"), modify("lib/Kconfig", "@@ -1,1 +1,3 @@\n menu \"y\"\n+config BAR\n+\tdepends on FOO_FS\n")},
		[]string{"2>1 symbol", "3>1 symbol"},
	},
	{
		"removes what is no longer used",
		[]string{modify("b.c", "@@ -1,3 +1,3 @@\n {\n-\tfoo_bar();\n+\tbaz_bar();\n }\n"), modify("a.c", "@@ -1,3 +1,1 @@\n top\n-int foo_bar(void)\n-{ return 1; }\n")},
		[]string{"2>1 symbol"},
	},
	{
		"from inline to extern is no change for users",
		[]string{modify("a.h", "@@ -1,2 +1,2 @@\n top\n-static inline int foo_bar(int a) { return a; }\n+extern int foo_bar(int a);\n"), modify("b.c", "@@ -1,1 +1,2 @@\n {\n+\tfoo_bar(1);\n")},
		nil,
	},
	{
		"made global",
		[]string{modify("a.c", "@@ -1,2 +1,2 @@\n top\n-static int foo_bar(int a)\n+int foo_bar(int a)\n {\n"), modify("b.c", "@@ -1,1 +1,2 @@\n {\n+\tfoo_bar(1);\n")},
		[]string{"2>1 symbol"},
	},
	{
		"method",
		[]string{modify("a.h", "@@ -1,3 +1,4 @@ struct operations {\n \tint x;\n+\tvoid (*readahead)(struct control *);\n \tint y;\n };\n"), modify("b.c", "@@ -1,1 +1,2 @@ struct operations ops = {\n \t.x = 1,\n+\t.readahead = foo,\n")},
		[]string{"2>1 symbol"},
	},
	{
		"header",
		[]string{"diff --git a/include/linux/n.h b/include/linux/n.h\nnew file mode 100644\nindex 0000000..1111111\n--- /dev/null\n+++ b/include/linux/n.h\n@@ -0,0 +1 @@\n+/* x */\n", modify("b.c", "@@ -1,1 +1,2 @@\n x\n+#include <linux/n.h>\n")},
		[]string{"2>1 symbol"},
	},
}

// fixCounts writes the right counts into the headers of a diff's hunks.
func fixCounts(diff string) string {
	lines := strings.SplitAfter(diff, "\n")
	for i, l := range lines {
		if !strings.HasPrefix(l, "@@ ") {
			continue
		}
		old, now := 0, 0
		for _, b := range lines[i+1:] {
			if b == "" || strings.HasPrefix(b, "@@ ") || strings.HasPrefix(b, "diff ") {
				break
			}
			if b[0] != '+' {
				old++
			}
			if b[0] != '-' {
				now++
			}
		}
		var a, c, x, y int
		if n, _ := fmt.Sscanf(l, "@@ -%d,%d +%d,%d @@", &a, &x, &c, &y); n == 4 {
			_, section, _ := strings.Cut(l, " @@")
			lines[i] = fmt.Sprintf("@@ -%d,%d +%d,%d @@%s", a, old, c, now, section)
		}
	}
	return strings.Join(lines, "")
}

func TestDepend(t *testing.T) {
	for _, c := range dependCases {
		t.Run(c.name, func(t *testing.T) {
			var diffs []string
			for _, d := range c.diffs {
				diffs = append(diffs, fixCounts(d))
			}
			g := Depend(patchesOf(diffs...))
			if got := edgeText(g); !slices.Equal(got, c.want) && len(got)+len(c.want) > 0 {
				t.Errorf("got %q, want %q: %+v", got, c.want, g.Edges)
			}
			if len(g.Problems) > 0 {
				t.Errorf("problems %v", g.Problems)
			}
		})
	}
}

// TestDependGap: patch 2 of 3 is missing, which moved the lines by 40.
func TestDependGap(t *testing.T) {
	patches := patchesOf(
		fixCounts(modify("f.c", "@@ -10,2 +10,5 @@\n a1\n+first new\n+second new\n+third new\n a2\n")), "",
		fixCounts(modify("f.c", "@@ -50,5 +50,4 @@\n a1\n first new\n-second new\n third new\n a2\n")))
	g := Depend([]*Patch{patches[0], patches[2]})
	if got := edgeText(g); !slices.Equal(got, []string{"3>1 strong"}) {
		t.Errorf("got %q", got)
	}
}

// TestDependReadersAgree compares go-diff with the package's own parser on real patches.
func TestDependReadersAgree(t *testing.T) {
	fell, all := 0, 0
	for _, file := range dataFiles(t) {
		box, err := ParseMbox(readFile(t, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range box.Series {
			for _, p := range s.Patches {
				all++
				files, ok := readGoDiff(p.Diff)
				if !ok {
					fell++
					continue
				}
				own, err := parseDiff(p.Diff)
				if err != nil || len(own) != len(files) {
					t.Errorf("%s: go-diff reads %d files, git's rules %d: %v", p.Subject, len(files), len(own), err)
					continue
				}
				for i, f := range files {
					if f.name() != own[i].name() || len(f.hunks) != len(own[i].hunks) {
						t.Errorf("%s: %s with %d hunks, want %s with %d", p.Subject, f.name(), len(f.hunks), own[i].name(), len(own[i].hunks))
						continue
					}
					for k, h := range f.hunks {
						if !slices.Equal(h.lines, hunkLines(own[i].hunks[k].body)) {
							t.Errorf("%s: %s hunk %d differs", p.Subject, f.name(), k+1)
						}
					}
				}
			}
		}
	}
	t.Logf("%d patches, %d left to the package's own parser", all, fell)
	if fell*10 > all {
		t.Errorf("go-diff reads too few: %d of %d left", fell, all)
	}
}

func TestDependRFC(t *testing.T) {
	box, err := ParseMbox(readFile(t, filepath.Join(dataDir(t), "gfs2-mmap-rfc-v1.mbox")))
	if err != nil {
		t.Fatal(err)
	}
	s, err := box.Pick(0)
	if err != nil {
		t.Fatal(err)
	}
	g := Depend(s.Patches)
	// Read by eye in the thread.
	want := []string{
		"4>1 strong", "4>3 symbol", "7>6 strong", "8>7 symbol",
		"9>1 weak", "9>2 strong", "9>4 strong", "9>5 symbol", "9>7 symbol", "9>8 symbol",
	}
	if got := edgeText(g); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := g.Closure(4); !slices.Equal(got, []int{1, 3, 4}) {
		t.Errorf("closure of 4: %v", got)
	}
	if got := g.Closure(8, 3); !slices.Equal(got, []int{3, 6, 7, 8}) {
		t.Errorf("closure of 8 and 3: %v", got)
	}
}

// TestProve compares what Prove says with git: each edge it proves conflicts for git, too.
func TestProve(t *testing.T) {
	needGit(t)
	var base strings.Builder
	for i := range 60 {
		fmt.Fprintf(&base, "line %d\n", i+1)
	}
	dir := newGitRepo(t, map[string]string{"f.c": base.String()})
	commit := mustGit(t, dir, "rev-parse", "HEAD")
	step := func(old, new string) string {
		data := string(readFile(t, filepath.Join(dir, "f.c")))
		writeTree(t, dir, map[string]string{"f.c": strings.Replace(data, old, new, 1)})
		diff := mustGit(t, dir, "diff") + "\n"
		commitAll(t, dir, "step")
		return diff
	}
	diffs := []string{
		step("line 10\n", "ten\n"),
		step("line 40\n", "forty\n"),
		step("ten\n", "TEN\n"),            // removes what 1 added
		step("line 12\n", "twelve\n"),     // context of 3
		step("line 55\n", "fifty-five\n"), // alone
	}
	patches := patchesOf(diffs...)
	src := openTestSource(t, dir, commit)
	_, tree := src.Base()
	g := Depend(patches)
	if err := g.Prove(t.Context(), src, tree, patches); err != nil {
		t.Fatal(err)
	}
	got := []string{}
	for _, e := range g.Edges {
		got = append(got, fmt.Sprintf("%d>%d %s %s", e.Patch, e.Needs, e.Kind, e.Proof))
	}
	want := []string{"3>1 strong conflict", "4>3 weak conflict"}
	if !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	for i := range diffs {
		ids := g.Closure(i + 1)
		at := string(tree)
		for _, n := range ids {
			var ok bool
			if at, ok = gitApply(t, dir, at, []byte(diffs[n-1])); !ok {
				t.Errorf("git refuses %d of the closure %v: %s", n, ids, at)
				break
			}
		}
	}
	if _, ok := gitApply(t, dir, string(tree), []byte(diffs[2])); ok {
		t.Error("git applies 3 without 1")
	}
}

// FuzzDepend checks what holds for any patches: no crash, edges back in time only, each with a reason, the
// same again.
func FuzzDepend(f *testing.F) {
	for _, c := range dependCases {
		if len(c.diffs) > 1 {
			f.Add([]byte(fixCounts(c.diffs[0])), []byte(fixCounts(c.diffs[1])), []byte(c.diffs[0]))
		}
	}
	f.Fuzz(func(t *testing.T, a, b, c []byte) {
		patches := patchesOf(string(a), string(b), string(c), string(a))
		start := time.Now()
		g := Depend(patches)
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("took %v", d)
		}
		for _, e := range g.Edges {
			if e.Needs >= e.Patch || len(e.Why) == 0 || len(e.Why) > maxReasons {
				t.Errorf("edge %+v", e)
			}
		}
		if again := Depend(patches); fmt.Sprint(again) != fmt.Sprint(g) {
			t.Error("not the same again")
		}
		for _, n := range g.Patches {
			if !slices.Contains(g.Closure(n), n) {
				t.Errorf("%d is not in its closure", n)
			}
		}
	})
}

// TestDependHostile gives it patches made to be slow.
func TestDependHostile(t *testing.T) {
	hunks := func(n int, line string) string {
		var b strings.Builder
		b.WriteString("diff --git a/f.c b/f.c\nindex 1111111..2222222 100644\n--- a/f.c\n+++ b/f.c\n")
		for i := range n {
			fmt.Fprintf(&b, "@@ -%d,1 +%d,2 @@\n %s\n+%s\n", 3*i+1, 4*i+1, line, line)
		}
		return b.String()
	}
	for _, c := range []struct {
		name string
		diff string
		n    int
	}{
		{"many hunks of one line", hunks(5_000, "the same"), 10},
		{"braces", modify("a.c", "@@ -0,0 +1,1 @@\n+"+strings.Repeat("int x {", 200_000)+"\n"), 5},
		{"comment lines", modify("a.c", "@@ -0,0 +1,20000 @@\n"+strings.Repeat("+ * x\n", 20_000)), 5},
		{"margin", modify("a.c", "@@ -0,0 +1,20000 @@\n"+strings.Repeat("+int (\n", 20_000)), 5},
		{"directives", modify("a.c", "@@ -0,0 +1,20000 @@\n"+strings.Repeat("+#define x(y) \\\n", 20_000)), 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := time.Now()
			var diffs []string
			for range c.n {
				diffs = append(diffs, c.diff)
			}
			Depend(patchesOf(diffs...))
			if d := time.Since(start); d > 20*time.Second {
				t.Errorf("took %v", d)
			} else {
				t.Log(d)
			}
		})
	}
}

func BenchmarkDepend(b *testing.B) {
	for _, file := range []string{"gfs2-mmap-rfc-v1.mbox", "readahead-v6-two-postings-in-one-thread.mbox", "pks-pmem-rfc-58-partial.mbox"} {
		box, err := ParseMbox(readFile(b, filepath.Join(dataDir(b), file)))
		if err != nil {
			b.Fatal(err)
		}
		s, err := box.Pick(0)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("%s-%d", strings.TrimSuffix(file, ".mbox"), len(s.Patches)), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(func() (n int) {
				for _, p := range s.Patches {
					n += len(p.Diff)
				}
				return n
			}()))
			for b.Loop() {
				Depend(s.Patches)
			}
		})
	}
}
