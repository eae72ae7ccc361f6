package qemu

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seriesctl/seriesctl/internal/xec"
)

// tinySelftests is a tree that has what a kernel's has for its self-tests: headers that install, and collections that build, list and
// install their tests.
func tinySelftests(t *testing.T) *Kselftest {
	t.Helper()
	if _, err := xec.Find("rsync"); err != nil {
		t.Skip("needs rsync")
	}
	dir := t.TempDir()
	b := &Kselftest{Source: filepath.Join(dir, "tree"), Dir: filepath.Join(dir, "build"), Log: filepath.Join(dir, "log"), Jobs: 2, Sandbox: true}
	if _, err := xec.Find("bwrap"); err != nil {
		b.Sandbox = false
	}
	const collection = `TESTS := $(patsubst %.c,%,$(wildcard *.c))
all: $(addprefix $(OUTPUT)/,$(TESTS))
$(OUTPUT)/%: %.c
	$(CC) $^ $(LDLIBS_$*) -o $@
install: all
	mkdir -p $(INSTALL_PATH)
	rsync -a $(addprefix $(OUTPUT)/,$(TESTS)) $(INSTALL_PATH)/
emit_tests:
	@for t in $(TESTS); do echo $(COLLECTION):$$t; done
LDLIBS_links = -lno-such
`
	writeFiles(t, b.Source, map[string]string{
		"Makefile": "headers_install:\n\tmkdir -p $(INSTALL_HDR_PATH)/include/linux\n\techo '#define MINE 3' >$(INSTALL_HDR_PATH)/include/linux/mine.h\n",
		"tools/testing/selftests/run_kselftest.sh": "cat; cat kselftest-list.txt; for t in $(cut -d: -f2 kselftest-list.txt); do (cd one && ./$t; echo \"$t: $?\"); done\n",
		"tools/testing/selftests/Makefile": "install:\n\tmkdir -p $(O)/kselftest/$(TARGETS) $(KSFT_INSTALL_PATH)\n\tcp run_kselftest.sh $(KSFT_INSTALL_PATH)\n" +
			"\t$(MAKE) OUTPUT=$(O)/kselftest/$(TARGETS) -C $(TARGETS) INSTALL_PATH=$(KSFT_INSTALL_PATH)/$(TARGETS) install\n" +
			"\t$(MAKE) -s --no-print-directory COLLECTION=$(TARGETS) -C $(TARGETS) emit_tests >$(KSFT_INSTALL_PATH)/kselftest-list.txt\n",
		"tools/testing/selftests/one/Makefile":     collection,
		"tools/testing/selftests/one/good.c":       "#include <stdio.h>\n#include <linux/mine.h>\nint main(void) { return MINE; }\n",
		"tools/testing/selftests/one/header.c":     "#include <sys/no-such's.h>\nint main(void) { return 0; }\n",
		"tools/testing/selftests/one/links.c":      "int main(void) { return 0; }\n",
		"tools/testing/selftests/bad/Makefile":     collection,
		"tools/testing/selftests/bad/numa.c":       "#include <no-such/numa.h>\n",
		"tools/testing/selftests/deep/er/Makefile": collection,
		"tools/testing/selftests/lib.sh":           "",
	})
	return b
}

func TestKselftest(t *testing.T) {
	b := tinySelftests(t)
	if got := b.Collections(); !slices.Equal(got, []string{"bad", "deep/er", "one"}) {
		t.Errorf("collections %v", got)
	}
	dest := filepath.Join(t.TempDir(), "a", "one")
	if _, err := ReadCollection(dest); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("before it is built: %v", err)
	}
	c, err := b.Build(t.Context(), "one", dest)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(c.Tests)
	if !slices.Equal(c.Tests, []string{"good", "header", "links"}) || len(c.Unbuilt) != 2 {
		t.Fatalf("got %+v", c)
	}
	for i, want := range []Unbuilt{{Name: "header", Reason: "this host has no sys/no-such's.h"}, {Name: "links", Reason: "this host has no no-such"}} {
		if got := c.Unbuilt[i]; got.Name != want.Name || got.Reason != want.Reason && got.Reason != "sys/no-such's.h" && !strings.Contains(got.Reason, "no-such") {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	if again, err := ReadCollection(dest); err != nil || len(again.Tests) != 3 || again.Unbuilt[1] != c.Unbuilt[1] {
		t.Errorf("read again: %+v, %v", again, err)
	}
	// As the guest runs it: what was not built skips, and its source's quotes do no harm.
	// In a shell they are run again where they have been, and what follows on standard input is the shell's.
	all, here := []string{"good: 3", "header: 4", "links: 4", "not built: "}, t.TempDir()
	for i, run := range []struct {
		test string
		want []string
	}{{"", all}, {"good", []string{"good: 3", "one:good"}}, {"", all}} {
		script := strings.TrimSpace("sh " + filepath.Join(dest, SelftestRun) + " " + dest + " " + run.test)
		out, err := xec.Cmd{Name: "sh", Stdin: strings.NewReader(script + "\necho and on\n"), Dir: here}.Output(t.Context())
		for _, w := range append(run.want, "\nand on\n") {
			if err != nil || !strings.Contains(string(out), w) {
				t.Errorf("run %d, %q: %v, want %q in\n%s", i, run.test, err, w, out)
			}
		}
		if run.test != "" && strings.Contains(string(out), "links") {
			t.Errorf("run %s:\n%s", run.test, out)
		}
		// Only a program by itself has no time limit but the case's.
		settings, _ := os.ReadFile(filepath.Join(here, "selftests", "one", "settings"))
		if strings.HasSuffix(string(settings), "\ntimeout=0\n") != (run.test != "") {
			t.Errorf("run %d, %q: settings %q", i, run.test, settings)
		}
	}
	if entries, err := os.ReadDir(filepath.Join(b.Source, "tools/testing/selftests/one")); err != nil || len(entries) != 4 {
		t.Errorf("the tree was written to: %v, %v", entries, err)
	}
}

func TestKselftestNothingBuilds(t *testing.T) {
	b := tinySelftests(t)
	_, err := b.Build(t.Context(), "bad", filepath.Join(t.TempDir(), "bad"))
	var infra *InfraError
	if !errors.As(err, &infra) || !strings.Contains(err.Error(), "build self-tests bad: this host has no no-such/numa.h") || !strings.Contains(infra.Hint, "apt install libnuma-dev") {
		t.Errorf("got %v (%+v)", err, infra)
	}
	if _, err := os.Stat(b.Log); err != nil {
		t.Error(err)
	}
}

// TestKselftestLinux builds collections of the kernels' own trees.
func TestKselftestLinux(t *testing.T) {
	for _, env := range []string{"SERIESCTL_LINUX_5_10", "SERIESCTL_LINUX_6_1"} {
		src := os.Getenv(env)
		if src == "" {
			t.Skip(env + " names no kernel source")
		}
		b := tinySelftests(t)
		b.Source = src
		for name, want := range map[string]string{"timens": "timens", "mincore": "mincore_selftest"} {
			dest := filepath.Join(t.TempDir(), name)
			c, err := b.Build(t.Context(), name, dest)
			if err != nil || !slices.Contains(c.Tests, want) || len(c.Unbuilt) > 0 {
				t.Errorf("%s, %s: %+v, %v", env, name, c, err)
			}
			if _, err := os.Stat(filepath.Join(dest, selftestsInside, name, want)); err != nil {
				t.Error(err)
			}
		}
	}
}
