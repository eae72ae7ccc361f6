package qemu

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestDiagnostics(t *testing.T) {
	for name, tt := range map[string]struct {
		output string
		want   []Diagnostic // of a failed build
	}{
		"gcc": {
			`In file included from /build/src/fs/gfs2/file.c:7:
/build/src/fs/gfs2/file.c: In function 'gfs2_file_read_iter':
/build/src/fs/gfs2/file.c:12:3: warning: unused variable 'x' [-Wunused-variable]
   12 |   int x;
      |       ^
/build/src/fs/gfs2/file.c:20:9: error: 'foo' undeclared (first use in this function); did you mean 'for'?
   20 |  return foo;
      |         ^~~
      |         for
/build/src/fs/gfs2/file.c:20:9: note: each undeclared identifier is reported only once for each function it appears in
make[3]: *** [/build/src/scripts/Makefile.build:250: fs/gfs2/file.o] Error 1
make[2]: *** [/build/src/scripts/Makefile.build:500: fs/gfs2] Error 2
`,
			[]Diagnostic{
				{"fs/gfs2/file.c", 20, "error", "'foo' undeclared (first use in this function); did you mean 'for'?",
					"   20 |  return foo;\n      |         ^~~\n      |         for\n" +
						"fs/gfs2/file.c:20:9: note: each undeclared identifier is reported only once for each function it appears in"},
				{"fs/gfs2/file.c", 12, "warning", "unused variable 'x' [-Wunused-variable]", "   12 |   int x;\n      |       ^"},
			},
		},
		"header": {
			"/build/src/fs/gfs2/x.c:3:10: fatal error: nope.h: No such file or directory\n    3 | #include \"nope.h\"\ncompilation terminated.\n",
			[]Diagnostic{{"fs/gfs2/x.c", 3, "error", "nope.h: No such file or directory", "    3 | #include \"nope.h\""}},
		},
		"linker": {
			"ld: vmlinux.o: in function `gfs2_x':\nfile.c:(.text+0x1f): undefined reference to `nope'\nmake[1]: *** [/build/src/Makefile:1200: vmlinux] Error 1\n",
			[]Diagnostic{{"file.c", 0, "error", "link: undefined reference to `nope' in .text+0x1f", ""}},
		},
		"linker, defined twice": {
			"ld: fs/gfs2/b.o:(.bss+0x0): multiple definition of `x'; fs/gfs2/a.o:(.bss+0x0): first defined here\n",
			[]Diagnostic{{"fs/gfs2/b.o", 0, "error", "link: multiple definition of `x'; fs/gfs2/a.o:(.bss+0x0): first defined here in .bss+0x0", ""}},
		},
		"assembler": {
			"/build/src/arch/x86/entry/entry_64.S:99: Error: no such instruction: `blah'\n",
			[]Diagnostic{{"arch/x86/entry/entry_64.S", 99, "error", "no such instruction: `blah'", ""}},
		},
		"objtool": {
			"fs/gfs2/file.o: warning: objtool: f()+0x12: unreachable instruction\nmake[1]: *** [/build/src/Makefile:9: fs] Error 2\n",
			[]Diagnostic{
				{"fs", 0, "error", "make: Error 2", ""},
				{"fs/gfs2/file.o", 0, "warning", "objtool: f()+0x12: unreachable instruction", ""},
			},
		},
		"modpost": {
			"ERROR: modpost: \"foo\" [fs/gfs2/gfs2.ko] undefined!\n",
			[]Diagnostic{{"", 0, "error", "modpost: \"foo\" [fs/gfs2/gfs2.ko] undefined!", ""}},
		},
		"kconfig": {
			"fs/gfs2/Kconfig:3:warning: ignoring unsupported character '@'\nfs/gfs2/Kconfig:7: syntax error\n",
			[]Diagnostic{
				{"fs/gfs2/Kconfig", 7, "error", "syntax error", ""},
				{"fs/gfs2/Kconfig", 3, "warning", "ignoring unsupported character '@'", ""},
			},
		},
		"makefile": {
			"/build/src/fs/gfs2/Makefile:3: *** missing separator.  Stop.\nmake[1]: *** [/build/src/Makefile:1850: fs/gfs2] Error 2\n",
			[]Diagnostic{{"fs/gfs2/Makefile", 3, "error", "make: missing separator.  Stop.", ""}},
		},
		"no source": {
			"make[3]: *** No rule to make target 'fs/gfs2/nope.o', needed by 'fs/gfs2/built-in.a'.  Stop.\n",
			[]Diagnostic{{"", 0, "error", "make: No rule to make target 'fs/gfs2/nope.o', needed by 'fs/gfs2/built-in.a'.  Stop.", ""}},
		},
		"only make says so": {
			"some script failed\nmake[3]: *** [/build/src/scripts/Makefile.build:250: fs/gfs2/file.o] Error 1\nmake[2]: *** [/build/src/scripts/Makefile.build:500: fs/gfs2] Error 2\n",
			[]Diagnostic{{"fs/gfs2/file.o", 0, "error", "make: Error 1", ""}},
		},
		"twice, and in another order": {
			"b.c:2:1: warning: w\na.c:9:1: warning: v\nb.c:2:1: warning: w\n",
			[]Diagnostic{{"a.c", 9, "warning", "v", ""}, {"b.c", 2, "warning", "w", ""}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := parse(tt.output)
			if got := d.failure(); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got\n%+v\nwant\n%+v", got, tt.want)
			}
			if d.trouble != "" || d.missing != "" {
				t.Errorf("taken for the host's failure: %q, %q", d.trouble, d.missing)
			}
		})
	}
}

func TestHostTrouble(t *testing.T) {
	for line, want := range map[string]string{
		"fs/x.c:12:1: fatal error: error writing to /tmp/ccx.s: No space left on device":                         "trouble",
		"/usr/bin/ld: final link failed: No space left on device":                                                "trouble",
		"gcc: fatal error: Killed signal terminated program cc1":                                                 "trouble",
		"/build/src/fs/x.c:3:1: internal compiler error: Segmentation fault":                                     "trouble",
		"make[3]: *** [/build/src/scripts/Makefile.build:250: fs/gfs2/file.o] Killed":                            "trouble",
		"virtual memory exhausted: Cannot allocate memory":                                                       "trouble",
		"/bin/sh: 1: flex: not found":                                                                            "flex",
		"/bin/sh: line 1: bison: command not found":                                                              "bison",
		"/build/src/tools/objtool/elf.h:10:10: fatal error: gelf.h: No such file or directory":                   "gelf.h",
		"error: Cannot generate ORC metadata for CONFIG_UNWINDER_ORC=y, please install libelf-dev":               "libelf-dev",
		"/tmp/cc1.s: Fatal error: can't write 48 bytes to section .text of x.o: 'No space left on device'":       "trouble",
		"can't write to x: No space left on device at ./scripts/mkcapflags line 12.":                             "trouble",
		"OSError: [Errno 28] No space left on device":                                                            "trouble",
		"sort: write failed: /tmp/sortA: Disk quota exceeded":                                                    "trouble",
		"/bin/sh: 1: Cannot fork":                                                                                "trouble",
		"sh: fork: retry: Resource temporarily unavailable":                                                      "trouble",
		"make[2]: vfork: Resource temporarily unavailable":                                                       "trouble",
		"make: open: x.mk: Too many open files in system":                                                        "trouble",
		"cc1: out of memory allocating 65536 bytes after a total of 3145728 bytes":                               "trouble",
		"ld: final link failed: memory exhausted":                                                                "trouble",
		"gcc: internal compiler error: Killed (program cc1)":                                                     "trouble",
		"make[2]: *** [/build/src/scripts/Makefile.build:250: fs/x.o] Error 137":                                 "trouble",
		"gcc: fatal error: cannot execute 'cc1': execvp: No such file or directory":                              "cc1",
		"gcc: error trying to exec 'cc1': execvp: No such file or directory":                                     "cc1",
		"collect2: fatal error: cannot find 'ld'":                                                                "ld",
		"make[1]: python3: No such file or directory":                                                            "python3",
		"/usr/bin/env: 'python3': No such file or directory":                                                     "python3",
		"/bin/sh: 1: rustc: not found":                                                                           "rustc",
		"scripts/gcc-plugins/gcc-common.h:10:10: fatal error: gcc-plugin.h: No such file or directory":           "gcc-plugin.h",
		"Makefile:9: your gcc installation does not support plugins, perhaps the necessary headers are missing?": "headers of gcc's plugins, or those of another gcc",
		"cc1: error: incompatible gcc/plugin versions":                                                           "headers of gcc's plugins, or those of another gcc",
		"make[1]: frobnicate: No such file or directory":                                                         "",
		"fs/x.c:1:10: fatal error: python3: No such file or directory":                                           "",
		"sh: 1: cannot create /build/src/x: Read-only file system":                                               "",
		"   12 | #error \"No space left on device\"":                                                             "",
		"fs/x.c:12:2: error: #error \"No space left on device\"":                                                 "",
		"/bin/sh: 1: frobnicate: not found":                                                                      "",
	} {
		d := parse(line + "\n")
		got := d.missing
		if d.trouble != "" {
			got = "trouble"
		}
		if got != want {
			t.Errorf("%s\ngot %q, want %q", line, got, want)
		}
	}
}

func TestDiagnosticsAreBounded(t *testing.T) {
	d := &diagnostics{}
	for i := range 1000 {
		d.line(fmt.Sprintf("a.c:%d:1: warning: %s", i+1, strings.Repeat("w", 5000)))
		for range 30 {
			d.line("   12 | " + strings.Repeat("x", 3000))
		}
	}
	d.line("z.c:1:1: error: the one that counts")
	if got := d.failure(); got[0].Text != "the one that counts" || len(got) > maxDiagnostics+1 {
		t.Errorf("%d diagnostics, first %q", len(got), got[0].Text[:20])
	}
	for _, x := range d.list {
		if len(x.Excerpt) > maxExcerpt*(maxLine+1) {
			t.Fatalf("an excerpt of %d bytes", len(x.Excerpt))
		}
	}
}

func parse(output string) *diagnostics {
	d := &diagnostics{roots: []string{"/build/src", "/build/obj"}}
	for line := range strings.Lines(output) {
		d.line(strings.TrimSuffix(line, "\n"))
	}
	return d
}
