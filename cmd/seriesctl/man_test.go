package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seriesctl/seriesctl/internal/tui"
)

// Every command has a page with all its flags, every key is on the TUI's page, all pages are well-formed and refer to pages
// that there are, and none is wider than 80 columns.
func TestManPages(t *testing.T) {
	dir := t.TempDir()
	a := &app{out: io.Discard, err: io.Discard}
	root := a.rootCommand()
	root.SetArgs([]string{"man", dir})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		page, err := os.ReadFile(filepath.Join(dir, name+".1"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.NewReplacer(`\fB`, "", `\fR`, "", `\fI`, "", `\-`, "-", `\(aq`, "'", `\(ha`, "^", "\n", " ").Replace(string(page))
	}
	var check func(c *cobra.Command)
	check = func(c *cobra.Command) {
		page := read(pageName(c))
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "help" && f.Name != "version" && !strings.Contains(page, "--"+f.Name) {
				t.Errorf("%s: no --%s", pageName(c), f.Name)
			}
		})
		for _, sub := range documented(c) {
			check(sub)
		}
	}
	check(root)
	keys := read(tuiPage)
	for _, table := range tui.Keys() {
		if !strings.Contains(keys, ".SH \""+strings.ToUpper(table.Title)+"\" "+ofScreen[table.Title][:10]) {
			t.Errorf("what is the screen %s?", table.Title)
		}
		for _, b := range table.Bindings {
			if !strings.Contains(keys, ".TP 14 "+b.Label+" "+b.Help) {
				t.Errorf("%s: no %s", table.Title, b.Label)
			}
		}
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil || len(pages) < 16 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, page := range pages {
		name := strings.TrimSuffix(filepath.Base(page), ".1")
		for _, m := range regexp.MustCompile(`(seriesctl[a-z-]*)\(1\)`).FindAllStringSubmatch(read(name), -1) {
			if _, err := os.Stat(filepath.Join(dir, m[1]+".1")); err != nil {
				t.Errorf("%s refers to %s", name, m[0])
			}
		}
		lint, _ := exec.Command("mandoc", "-Tlint", page).CombinedOutput()
		for line := range strings.Lines(string(lint)) {
			// A test binary does not know when it was made.
			if !strings.Contains(line, "missing date") {
				t.Error(line)
			}
		}
		text, err := exec.Command("mandoc", "-Tascii", "-Owidth=80", page).Output()
		if err != nil {
			t.Fatalf("mandoc: %v: make setup installs it", err)
		}
		for line := range bytes.Lines(text) {
			// Bold is a character, a backspace and the character again.
			if n := len(line) - 1 - 2*bytes.Count(line, []byte("\b")); n > 80 {
				t.Errorf("%s: %d columns: %s", name, n, line)
			}
		}
	}
}
