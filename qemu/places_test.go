package qemu

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/seriesctl/seriesctl/internal/xec"
)

// placed builds a program with debug information, or without, and returns it with the symbol of its function frob.
func placed(t *testing.T, flags ...string) (path string, frob string) {
	t.Helper()
	cc, err := compiler()
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	source := "int frob(int x)\n{\n\tint y = x * 3;\n\treturn y / x;\n}\nint main(void) { return frob(1); }\n"
	if err := os.MkdirAll(filepath.Join(dir, "fs"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "fs", "frob.c"), []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "a")
	args := append([]string{"-O0", "-static", "-o", path, "fs/frob.c"}, flags...)
	if err := (xec.Cmd{Name: cc, Args: args, Dir: dir}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := readSymbols(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range s.funcs {
		if f.Name == "frob" {
			return path, fmt.Sprintf("frob+%%#x/%#x", f.Size)
		}
	}
	t.Fatal("no frob")
	return "", ""
}

func TestSymbolise(t *testing.T) {
	for _, dwarf := range []string{"-gdwarf-4", "-gdwarf-5"} {
		path, frob := placed(t, dwarf)
		c := &Crash{Report: "[ 1.0] RIP: 0010:" + fmt.Sprintf(frob, 0) + "\n[ 1.0]  " + fmt.Sprintf(frob, 0xb) + "\n" +
			"[ 1.0]  frob+0x1/0x7777\n[ 1.0]  nobody+0x1/0x2\n[ 1.0]  " + fmt.Sprintf(frob, 0xb) + " [gfs2]\n"}
		plain := c.Report
		c.symbolise(path)
		got := strings.Split(c.Report, "\n")
		if !strings.HasSuffix(got[0], " fs/frob.c:2") || !regexp.MustCompile(` fs/frob\.c:[23]$`).MatchString(got[1]) {
			t.Errorf("%s: got\n%s", dwarf, c.Report)
		}
		if want := strings.Split(plain, "\n")[2:]; strings.Join(got[2:], "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: what is not known was changed:\n%s", dwarf, c.Report)
		}
		h := &Hang{Tasks: []Stack{{Frames: []string{fmt.Sprintf(frob, 0xb), "nobody+0x1/0x2"}}, {Frames: []string{"nobody+0x1/0x2"}}, {}}}
		h.symbolise(path)
		if p := h.Tasks[0].Places; len(p) != 2 || !regexp.MustCompile(`^fs/frob\.c:[23]$`).MatchString(p[0]) || p[1] != "" || h.Tasks[1].Places != nil {
			t.Errorf("%s: places %+v", dwarf, h.Tasks)
		}
		again := &Crash{Report: plain}
		again.symbolise(path)
		if again.Report != c.Report {
			t.Errorf("the second time:\n%s", again.Report)
		}
	}
}

func TestSymboliseWithout(t *testing.T) {
	path, frob := placed(t, "-g0")
	report := "[ 1.0] RIP: 0010:" + fmt.Sprintf(frob, 0) + "\n"
	for _, vmlinux := range []string{path, filepath.Join(t.TempDir(), "none")} {
		c := &Crash{Report: report}
		c.symbolise(vmlinux)
		if c.Report != report {
			t.Errorf("%s: got\n%s", vmlinux, c.Report)
		}
	}
	(*Crash)(nil).symbolise(path)
}
