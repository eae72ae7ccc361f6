package qemu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seriesctl/seriesctl/internal/pattern"
	"github.com/seriesctl/seriesctl/internal/xec"
)

// Checks that can be asked for beside building.
const (
	CheckPatch  = "checkpatch" // the tree's own scripts/checkpatch.pl on the patch
	CheckW1     = "W=1"        // the compiler with more warnings, on the objects of the patch's files
	CheckSparse = "sparse"     // likewise
)

// Checks lists all checks.
func Checks() []string { return []string{CheckPatch, CheckW1, CheckSparse} }

// NoCheckError is a check that this host or tree can not do: no evidence for or against a patch.
type NoCheckError struct{ Check, Reason string }

func (e *NoCheckError) Error() string { return fmt.Sprintf("check with %s: %s", e.Check, e.Reason) }

// patchTime is what checkpatch may take: the script is the tree's, and may not end.
const patchTime = time.Minute

// CheckPatch has the tree in Dir check a patch, given as a mail. A script that does not end, or says nothing that is
// understood, is a *NoCheckError.
func (b *Builder) CheckPatch(ctx context.Context, patch []byte) ([]Diagnostic, error) {
	const script = "scripts/checkpatch.pl"
	w := b.workshop()
	switch _, err := os.Lstat(filepath.Join(w.src, script)); {
	case errors.Is(err, os.ErrNotExist):
		return nil, &NoCheckError{CheckPatch, "this kernel has no " + script}
	case err != nil:
		return nil, err
	}
	if _, err := xec.Find("perl"); err != nil {
		return nil, &NoCheckError{CheckPatch, "perl is not installed"}
	}
	unlock, err := b.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := w.makeDirs(); err != nil {
		return nil, err
	}
	const name = "patch"
	if err := os.WriteFile(filepath.Join(w.tmp, name), patch, 0o644); err != nil {
		return nil, err
	}
	src, _, _ := w.seen()
	tmp := w.tmp
	if w.sandbox {
		tmp = "/tmp"
	}
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + tmp, "LC_ALL=C.UTF-8"}
	cmd := w.cmd(env, []string{
		"perl", src + "/" + script, "--root=" + src, "--no-summary", "--show-types", "--color=never",
		"--ignore=UNKNOWN_COMMIT_ID", // the tree has no history that could know it
		tmp + "/" + name,
	})
	var out bytes.Buffer
	cmd.Stdout = &limited{w: &out, left: maxLog}
	limit, cancel := context.WithTimeout(ctx, patchTime)
	defer cancel()
	err = cmd.Run(limit)
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("check patch: %w", ctx.Err())
	case limit.Err() != nil:
		return nil, &NoCheckError{CheckPatch, script + " did not end"}
	case sandboxFailure(err) != nil:
		return nil, sandboxFailure(err)
	}
	found := readCheckpatch(out.String())
	if err != nil && len(found) == 0 {
		return nil, &NoCheckError{CheckPatch, fmt.Sprintf("%s failed: %v", script, err)}
	}
	return found, nil
}

// limited drops what is beyond left bytes.
type limited struct {
	w    io.Writer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	n, err := l.w.Write(p[:min(len(p), l.left)])
	if l.left -= n; err != nil {
		return n, err
	}
	return len(p), nil
}

var (
	// "WARNING:LONG_LINE: line length of 103 exceeds 100 columns"
	checkpatchLine = pattern.New(`^(ERROR|WARNING|CHECK):([A-Z0-9_]+): (.*)$`)
	// "#45: FILE: fs/gfs2/file.c:812:", "#7:" for a line of the message
	checkpatchPlace = pattern.New(`^#\d+:(?: FILE: (.+):(\d+):)?`)
)

// readCheckpatch reads what checkpatch.pl prints with --show-types.
func readCheckpatch(text string) []Diagnostic {
	var out []Diagnostic
	var open *Diagnostic
	lines := 0
	for line := range strings.SplitSeq(strings.ToValidUTF8(text, "?"), "\n") {
		line = line[:min(len(line), maxLine)]
		if m := checkpatchLine.FindStringSubmatch(line); m != nil {
			if len(out) == maxDiagnostics {
				return out
			}
			kind := "warning"
			if m[1] == "ERROR" {
				kind = "error"
			}
			out = append(out, Diagnostic{Kind: kind, Text: m[2] + ": " + m[3]})
			open, lines = &out[len(out)-1], 0
			continue
		}
		if open == nil || line == "" {
			open = nil
			continue
		}
		if m := checkpatchPlace.FindStringSubmatch(line); m != nil {
			if m[1] != "" && open.File == "" {
				open.File, open.Line = m[1], atoi(m[2])
			}
			continue
		}
		if lines++; lines <= maxExcerpt {
			open.Excerpt = strings.TrimPrefix(open.Excerpt+"\n"+line, "\n")
		}
	}
	return out
}

// CheckSources has make check the objects that are compiled from files, one by one, and returns what is said of the files.
// The tree must be the one that Build built last; its object tree stays as it is. log is where make's output goes.
// Errors are those of Build, and *NoCheckError.
func (b *Builder) CheckSources(ctx context.Context, check string, c Config, files []string, log string) ([]Diagnostic, error) {
	var vars []string
	switch check {
	case CheckW1:
		vars = []string{"W=1"}
	case CheckSparse:
		if _, err := xec.Find("sparse"); err != nil {
			return nil, &NoCheckError{check, "sparse is not installed"}
		}
		vars = []string{"C=2", "CHECK=sparse"}
	default:
		return nil, fmt.Errorf("check with %s: no such check", check)
	}
	found, err := b.checkSources(ctx, vars, c, files, log)
	return found, b.blame(ctx, asBuildError(err, log))
}

func (b *Builder) checkSources(ctx context.Context, vars []string, c Config, files []string, log string) ([]Diagnostic, error) {
	r, err := b.open(ctx, c, log)
	if err != nil {
		return nil, err
	}
	defer r.close()
	var objects []string
	for _, f := range files {
		if fi, err := r.obj.Lstat(objectOf(f)); err == nil && fi.Mode().IsRegular() && strings.HasSuffix(f, ".c") {
			objects = append(objects, objectOf(f))
		}
	}
	if len(objects) == 0 {
		return []Diagnostic{}, nil
	}
	if err := b.setMarker(); err != nil {
		return nil, err
	}
	back, err := r.setAside(objects)
	if err == nil {
		err = r.make(ctx, nil, append(vars, objects...)...)
	}
	var tree *BuildError
	if errors.As(err, &tree) {
		err = nil // with more warnings a tree may take them for errors
	}
	if err = r.ended(errors.Join(err, back())); err != nil {
		return nil, err
	}
	found := slices.DeleteFunc(r.out.diag.list, func(d Diagnostic) bool { return !slices.Contains(files, d.File) })
	return tidy(append([]Diagnostic{}, found...)), nil
}

// setAside takes objects out of the way, so that they are made anew, and returns what puts them back with their time
// stamps: the next build must find them up to date.
func (r *job) setAside(objects []string) (back func() error, err error) {
	const aside = ".aside"
	moved := map[string]string{}
	back = func() error {
		var errs []error
		for object, kept := range moved {
			errs = append(errs, r.obj.Rename(kept, object))
		}
		return errors.Join(append(errs, r.obj.RemoveAll(aside))...)
	}
	if err := r.obj.RemoveAll(aside); err != nil {
		return back, err
	}
	if err := r.obj.Mkdir(aside, 0o700); err != nil {
		return back, err
	}
	for _, object := range objects {
		for _, name := range []string{object, path.Join(path.Dir(object), "."+path.Base(object)+".cmd")} {
			kept := path.Join(aside, strconv.Itoa(len(moved)))
			if err := r.obj.Rename(name, kept); err != nil {
				return back, err
			}
			moved[name] = kept
		}
	}
	return back, nil
}
