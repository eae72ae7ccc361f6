package qemu

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seriesctl/seriesctl/internal/pattern"
	"github.com/seriesctl/seriesctl/internal/xec"
)

// suite is a build of other people's tests, in a workshop. That it fails, for want of a library or by its own fault, is an
// *InfraError: it is no kernel's.
type suite struct {
	op       string
	shop     workshop
	log      string // the file that the output is written to
	out      *suiteLog
	env      []string          // beside the usual
	packages map[string]string // what may be missing → Debian's package of it
	needs    string            // hints at all that may be missing
}

// make runs argv; what it prints is added to the log.
func (s suite) make(ctx context.Context, argv ...string) error {
	if s.shop.sandbox {
		if err := checkSandbox(); err != nil {
			return err
		}
	}
	if err := errors.Join(s.shop.makeDirs(), os.MkdirAll(filepath.Dir(s.log), 0o755)); err != nil {
		return &InfraError{Op: s.op, Err: err, Hint: spaceHint(err)}
	}
	how := os.O_TRUNC
	if s.out.written > 0 {
		how = os.O_APPEND
	}
	log, err := os.OpenFile(s.log, os.O_WRONLY|os.O_CREATE|how, 0o644)
	if err != nil {
		return &InfraError{Op: s.op, Err: err, Hint: spaceHint(err)}
	}
	defer log.Close()
	s.out.file = log
	tmp := s.shop.tmp
	if s.shop.sandbox {
		tmp = "/tmp"
	}
	env := []string{"PATH=" + os.Getenv("PATH") + ":/usr/sbin:/sbin", "HOME=" + tmp, "TMPDIR=" + tmp, "LC_ALL=C"}
	cmd := s.shop.cmd(append(env, s.env...), argv)
	cmd.Stdout = s.out
	err = cmd.Run(ctx)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
		return nil
	}
	if e := sandboxFailure(err); e != nil {
		return e
	}
	if errors.As(err, new(*InfraError)) {
		return err
	}
	var x *xec.Error
	if errors.As(err, &x) && s.out.reason() != "" {
		err = errors.New(s.out.reason())
	}
	hint := s.needs
	if pkg := s.out.hint(s.packages); pkg != "" {
		hint = pkg + "; all that it needs: " + s.needs
	}
	return &InfraError{Op: s.op, Err: err, Hint: hint + "; the whole output is in " + s.log}
}

// suiteLog follows a build: what is made, and what went wrong first.
type suiteLog struct {
	file     *os.File // where it is written to
	progress func(Progress)
	total    int
	done     int
	written  int
	part     string
	last     []string // lines that may say why, the first ones
	missing  []string // files, libraries and programs that the host has not
	what     string   // is built
	unbuilt  []Unbuilt
}

const (
	suiteLines    = 20
	suiteLineSize = 300
)

var (
	suiteStep = pattern.New(`^\s*\[(?:CC|LD)\]\s+(\S+)`)
	// of a make that goes on: "make[1]: [../lib.mk:147: /out/mm/x] Error 1 (ignored)", in older ones without the makefile's line
	suiteIgnored = pattern.New(`^make(?:\[\d+\])?: \[(?:[^][]*: )?([^][]+)\] Error \d+ \(ignored\)$`)
	suiteTrouble = pattern.New(`(?i)\berror\b|fatal|cannot find|not found|no such file|undefined reference|cannot .* header`)
	suiteNoise   = pattern.New(`^checking |^make(?:\[\d+\])?: (?:\*\*\*|Entering|Leaving)|\.\.\. (?:yes|no)$|Waiting for unfinished`)
	suiteMissing = pattern.New(`(?:cannot find a valid <|fatal error: )([A-Za-z0-9_./-]+\.h)|cannot find -l([A-Za-z0-9_-]+)|(?:^|[: /])([a-z0-9-]+): (?:command )?not found|^make(?:\[\d+\])?: ([a-z0-9-]+): No such file`)
)

func (l *suiteLog) Write(p []byte) (int, error) {
	if l.written < maxLog {
		n, err := l.file.Write(p[:min(len(p), maxLog-l.written)])
		l.written += n
		if err != nil {
			return n, err
		}
	}
	lines := strings.SplitAfter(l.part+string(p), "\n")
	l.part = lines[len(lines)-1]
	if len(l.part) > maxLine {
		l.part = l.part[:maxLine]
	}
	for _, line := range lines[:len(lines)-1] {
		l.line(strings.TrimRight(line, "\r\n"))
	}
	return len(p), nil
}

func (l *suiteLog) line(s string) {
	if m := suiteStep.FindStringSubmatch(s); m != nil {
		l.done++
		if l.progress != nil {
			l.progress(Progress{Step: "building " + l.what, File: m[1], Done: l.done, Total: max(l.done, l.total)})
		}
		return
	}
	if l.progress != nil && l.done == 0 && strings.HasPrefix(s, "checking ") {
		l.progress(Progress{Step: "configuring " + l.what})
	}
	if m := suiteIgnored.FindStringSubmatch(s); m != nil {
		l.unbuilt = append(l.unbuilt, Unbuilt{Name: m[1], Reason: orElse(l.reason(), "the log says why"), Hint: l.hint(selftestPackages)})
		l.missing, l.last = nil, nil
		return
	}
	if suiteNoise.MatchString(s) || !suiteTrouble.MatchString(s) {
		return
	}
	if m := suiteMissing.FindStringSubmatch(s); m != nil {
		for _, name := range m[1:] {
			if name != "" && !slices.Contains(l.missing, name) && len(l.missing) < suiteLines {
				l.missing = append(l.missing, name)
			}
		}
	}
	if len(l.last) < suiteLines {
		l.last = append(l.last, strings.TrimSpace(s[:min(len(s), suiteLineSize)]))
	}
}

// reason is the line that says best why it does not build.
func (l *suiteLog) reason() string {
	if len(l.missing) > 0 {
		return "this host has no " + strings.Join(l.missing[:min(3, len(l.missing))], ", ")
	}
	if len(l.last) == 0 {
		return ""
	}
	return l.last[0]
}

// hint names the package that has what is missing, "" where it is not known.
func (l *suiteLog) hint(packages map[string]string) string {
	for _, name := range l.missing {
		if pkg := packages[filepath.Base(name)]; pkg != "" {
			return "apt install " + pkg
		}
	}
	return ""
}

// why is the reason of the first thing that was not built, or of the whole.
func (l *suiteLog) why(otherwise string) string {
	if len(l.unbuilt) > 0 {
		return l.unbuilt[0].Reason
	}
	return orElse(l.reason(), otherwise)
}

// reset forgets what went before.
func (l *suiteLog) reset() { l.last, l.missing, l.unbuilt, l.done = nil, nil, nil, 0 }
