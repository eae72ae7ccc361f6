package qemu

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/seriesctl/seriesctl/internal/pattern"
)

// Bounds of what is kept of a build's messages.
const (
	maxLine        = 2 << 10 // bytes of one line of output that are looked at
	maxExcerpt     = 20      // lines
	maxDiagnostics = 200
)

// diagnostics reads a build's output line by line and keeps its warnings and errors.
type diagnostics struct {
	roots   []string // source and object tree as the build sees them; cut off file names
	list    []Diagnostic
	from    []string     // of each: the object whose compilation said it, "" for another step
	object  string       // that is being compiled
	open    bool         // the last of list can still get excerpt lines
	lines   int          // of its excerpt
	failed  []Diagnostic // targets make gave up on: the errors when nothing said why
	trouble string       // the first line that shows the host's failure, not the tree's
	missing string       // a program or header of the host that the build did not find
	future  []string     // files that are newer than the clock says
}

var (
	// gcc, cpp, as: "fs/gfs2/file.c:12:3: error: text"
	compilerLine = pattern.New(`^([^\s:][^:]*):(\d+):(?:\d+:)? (?i:(fatal error|error|warning)): (.*)$`)
	// Kconfig: "fs/gfs2/Kconfig:3:warning: text", "fs/Kconfig:7: syntax error"
	kconfigLine = pattern.New(`^([^\s:]*Kconfig[^\s:]*):(\d+): ?(?:(warning|error): ?)?(.*)$`)
	// ld: "file.c:(.text+0x1f): undefined reference to `f'"
	linkerLine = pattern.New(`^(?:[^\s:]*ld: )?([^\s:]+):\(([^)]+)\): (undefined reference to .*|multiple definition of .*)$`)
	// ld: "ld: fs/x.o:(.bss+0x0): multiple definition of ..." is linkerLine; "ld: text" of the rest
	linkerError = pattern.New(`^(?:[^\s:]*/)?ld(?:\.bfd|\.lld|\.gold)?: (.*)$`)
	// modpost: `ERROR: modpost: "f" [m.ko] undefined!`
	modpostLine = pattern.New(`^(ERROR|WARNING): (modpost: .*)$`)
	// objtool: "fs/gfs2/file.o: warning: objtool: f()+0x12: text", "vmlinux.o: error: objtool: text"
	objtoolLine = pattern.New(`^([^\s:]+\.o): (warning|error): (objtool: .*)$`)
	// make: "fs/gfs2/Makefile:3: *** missing separator.  Stop.", "make[2]: *** No rule to make target ..."
	makefileLine = pattern.New(`^([^\s:]+):(\d+): \*\*\* (.*)$`)
	noRuleLine   = pattern.New(`^make(?:\[\d+\])?: \*\*\* (No rule to make target .*)$`)
	// make: "make[3]: *** [../scripts/Makefile.build:250: fs/gfs2/file.o] Error 1"
	failedLine = pattern.New(`^make(?:\[\d+\])?: \*\*\* \[(?:[^\]]*: )?([^\]:]+)\] (.*)$`)

	// The host's own failures: a full disk, no processes, a compiler or make that got a signal. Of the sentences of errno the end
	// of the line, or where perl and gas go on; a line of source that has one ends in a quote.
	troubleLine = pattern.New(`[:\]] '?(?:No space left on device|Disk quota exceeded|Cannot allocate memory|` +
		`Input/output error|Resource temporarily unavailable|Too many open files(?: in system)?|Stale file handle|Structure needs cleaning|` +
		`Transport endpoint is not connected)(?:'?$| at \S+ line \d+\.?$)|` +
		`^[^\s:]*sh: (?:\S+ )?\d+: Cannot fork$|` +
		`^[\w+-]+: fatal error: .*signal terminated program|^[\w+-]+: internal compiler error: .*signal terminated|` +
		`: internal compiler error: (?:Segmentation fault|Bus error|Killed|Aborted)|` +
		`virtual memory exhausted|: memory exhausted$|: out of memory(?:$| allocating \d+ bytes)|` +
		`^make(?:\[\d+\])?: \*\*\* \[.*\] (?:Killed|Terminated|Interrupt|Hangup|Segmentation fault|Bus error|Error 13[0579]|Error 143)`)
	// What a host lacks to build any kernel: a program that sh, make, env or gcc do not find, a header, what kbuild says itself.
	missingLine = pattern.New(`(?:^|[\s/])(` + hostTools + `): (?:command )?not found$|` +
		`^make(?:\[\d+\])?: (?:/\S*/)?(` + hostTools + `): (?:No such file or directory|Permission denied|Command not found)$|` +
		`^\S*env: '?(` + hostTools + `)'?: No such file or directory$|` +
		`^[\w+-]+: (?:fatal error: cannot execute|fatal error: cannot find|error trying to exec) '?(cc1|as|ld|collect2)'?(?:: execvp: .*)?$|` +
		`fatal error: (gelf\.h|libelf\.h|openssl/\S+\.h|stdio\.h|stdlib\.h|string\.h|gcc-plugin\.h|gmp\.h): No such file or directory$|` +
		`please install (libelf-dev)|` +
		// scripts/Kconfig.include
		`^scripts/Kconfig\.include:\d+: (?:compiler|linker|assembler) '([^']+)' not found$`)
)

// pluginLine is said of a gcc without the headers for plugins, and of plugins that were made for another gcc.
var pluginLine = pattern.New(`your gcc installation does not support plugins|error: incompatible gcc/plugin versions$`)

// hostTools are the programs that building some kernel takes.
const hostTools = `flex|bison|bc|gcc|g\+\+|cc|cpp|clang|ld|ld\.bfd|ld\.lld|as|ar|nm|strip|objcopy|objdump|readelf|perl|python3?|pahole|cpio|gzip|bzip2|xz|lz4c?|` +
	`zstd|lzop|lzma|openssl|rustc|bindgen|rustfmt|awk|gawk|sed|grep|find|tar|cmp|m4|rsync|depmod|pkg-config|bash|make`

// line takes one line of output, without its newline.
func (d *diagnostics) line(s string) {
	if len(s) > maxLine {
		s = s[:maxLine]
	}
	s = strings.ToValidUTF8(strings.TrimRight(s, "\r"), "?")
	if s == "" || s[0] == ' ' || !strings.Contains(s, ":") {
		d.excerpt(s)
		return
	}
	if m := skewLine.FindStringSubmatch(s); m != nil && len(d.future) < maxDiagnostics {
		d.future = append(d.future, m[1])
	}
	if d.trouble == "" && troubleLine.MatchString(s) {
		d.trouble = s
	}
	if pluginLine.MatchString(s) && d.missing == "" {
		d.missing = "headers of gcc's plugins, or those of another gcc"
	}
	if m := missingLine.FindStringSubmatch(s); m != nil && d.missing == "" {
		d.missing = strings.Join(m[1:], "") // one of them matched
	}
	if m := failedLine.FindStringSubmatch(s); m != nil {
		d.failed = append(d.failed, Diagnostic{File: d.rel(m[1]), Kind: "error", Text: "make: " + m[2]})
		d.open = false
		return
	}
	if m := objtoolLine.FindStringSubmatch(s); m != nil {
		d.add(Diagnostic{File: d.rel(m[1]), Kind: m[2], Text: m[3]})
		return
	}
	if m := compilerLine.FindStringSubmatch(s); m != nil {
		kind := strings.ToLower(m[3])
		if kind == "fatal error" {
			kind = "error"
		}
		d.add(Diagnostic{File: d.rel(m[1]), Line: atoi(m[2]), Kind: kind, Text: m[4]})
		return
	}
	if m := linkerLine.FindStringSubmatch(s); m != nil {
		d.add(Diagnostic{File: d.rel(m[1]), Kind: "error", Text: "link: " + m[3] + " in " + m[2]})
		return
	}
	if m := makefileLine.FindStringSubmatch(s); m != nil {
		d.add(Diagnostic{File: d.rel(m[1]), Line: atoi(m[2]), Kind: "error", Text: "make: " + m[3]})
		return
	}
	if m := noRuleLine.FindStringSubmatch(s); m != nil {
		d.add(Diagnostic{Kind: "error", Text: "make: " + m[1]})
		return
	}
	if m := modpostLine.FindStringSubmatch(s); m != nil {
		d.add(Diagnostic{Kind: strings.ToLower(m[1]), Text: m[2]})
		return
	}
	if m := kconfigLine.FindStringSubmatch(s); m != nil {
		kind := m[3]
		if kind == "" {
			kind = "error"
		}
		d.add(Diagnostic{File: d.rel(m[1]), Line: atoi(m[2]), Kind: kind, Text: m[4]})
		return
	}
	if m := linkerError.FindStringSubmatch(s); m != nil && !strings.Contains(s, ": in function ") {
		kind := "error"
		if text, ok := strings.CutPrefix(m[1], "warning: "); ok {
			kind, m[1] = "warning", text
		}
		d.add(Diagnostic{Kind: kind, Text: "link: " + m[1]})
		return
	}
	d.excerpt(s)
}

// excerpt adds s to the last diagnostic if it is one of the compiler's lines about it.
func (d *diagnostics) excerpt(s string) {
	if !d.open {
		return
	}
	isExcerpt := strings.HasPrefix(s, " ") && strings.Contains(s, "|") || strings.Contains(s, ": note: ")
	if !isExcerpt {
		d.open = false
		return
	}
	if d.lines == maxExcerpt {
		return
	}
	last := &d.list[len(d.list)-1]
	if d.lines > 0 {
		last.Excerpt += "\n"
	}
	for _, root := range d.roots {
		s = strings.ReplaceAll(s, root+"/", "")
	}
	last.Excerpt += s
	d.lines++
}

func (d *diagnostics) add(x Diagnostic) {
	d.open = false
	// Errors must get in, even after a flood of warnings.
	if len(d.list) >= maxDiagnostics && (x.Kind != "error" || len(d.list) >= 2*maxDiagnostics) {
		return
	}
	d.list, d.from = append(d.list, x), append(d.from, d.object)
	d.open, d.lines = true, 0
}

// skewLine is what make says of a file that is newer than now.
var skewLine = pattern.New(`^make(?:\[\d+\])?: [Ww]arning: File '([^']+)' has modification time .* in the future$`)

func (d *diagnostics) rel(path string) string { return relativePath(path, d.roots...) }

// warnings returns the warnings, each once, by file and line: the order of a parallel build is chance.
func (d *diagnostics) warnings() []Diagnostic {
	return tidy(slices.DeleteFunc(slices.Clone(d.list), func(x Diagnostic) bool { return x.Kind != "warning" }))
}

// failure returns the diagnostics of a build that failed, errors first.
func (d *diagnostics) failure() []Diagnostic {
	errs := slices.DeleteFunc(slices.Clone(d.list), func(x Diagnostic) bool { return x.Kind != "error" })
	if len(errs) == 0 {
		errs = d.failed[:min(1, len(d.failed))] // the first is where it broke, the rest are its parents
	}
	return append(tidy(errs), d.warnings()...)
}

func tidy(list []Diagnostic) []Diagnostic {
	slices.SortStableFunc(list, func(a, b Diagnostic) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line, strings.Compare(a.Text, b.Text))
	})
	return slices.CompactFunc(list, func(a, b Diagnostic) bool {
		return a.File == b.File && a.Line == b.Line && a.Kind == b.Kind && a.Text == b.Text
	})
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}
