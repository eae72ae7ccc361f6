package qemu

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/seriesctl/seriesctl/internal/pattern"
	"github.com/seriesctl/seriesctl/internal/xec"
)

// staticFlags compile a program for the guest: static, as its initramfs has no libraries.
var staticFlags = []string{"-static", "-O1", "-g0", "-Wall", "-pthread", "-s"}

// Source is a C program.
type Source struct {
	Files map[string]string // by their path below the directory it is compiled in
	Main  string            // the one of them that is compiled; the others can be included, from that directory or their own
	Flags []string          // more flags for the compiler; libraries among them are linked last
}

// CompileError is a program that does not compile: its author's fault, not the lab's.
type CompileError struct {
	Name        string
	Diagnostics []Diagnostic // errors first; there is one at least
}

func (e *CompileError) Error() string {
	d := e.Diagnostics[0]
	where := fmt.Sprintf("%s:%d", d.File, d.Line)
	if d.File != e.Name {
		where = e.Name + ": " + where
	}
	switch {
	case d.Line == 0:
		return fmt.Sprintf("compile %s: %s", e.Name, d.Text)
	case d.Excerpt == "":
		return fmt.Sprintf("compile %s: %s", where, d.Text)
	}
	// "    3 |   foo_t x;", and a line that points into it.
	code, _, _ := strings.Cut(d.Excerpt, "\n")
	if _, after, ok := strings.Cut(code, "|"); ok {
		code = after
	}
	return fmt.Sprintf("compile %s: %s: %s", where, d.Text, strings.TrimSpace(code))
}

// Compile compiles a program, static, and returns its path, cacheDir/NAME-KEY, and what the compiler warns of; what is there
// already is not compiled again, and warned of no more. The errors are *CompileError, *InfraError and ctx.Err().
func Compile(ctx context.Context, name string, src Source, cacheDir string) (string, []Diagnostic, error) {
	flags := []string{"-iquote", "."}
	gnu := true // unless the source decides
	for _, text := range src.Files {
		gnu = gnu && (!strings.Contains(text, "_GNU_SOURCE") || strings.Contains(text, "#ifndef _GNU_SOURCE"))
	}
	if gnu {
		flags = append(flags, "-D_GNU_SOURCE")
	}
	var libs []string
	for _, f := range src.Flags {
		if strings.HasPrefix(f, "-l") {
			libs = append(libs, f)
		} else {
			flags = append(flags, f)
		}
	}
	path, said, err := compile(ctx, name, src.Files, []string{src.Main}, flags, libs, cacheDir)
	d := &diagnostics{}
	for line := range strings.Lines(said) {
		d.line(strings.TrimSuffix(line, "\n"))
	}
	var x *xec.Error
	if !errors.As(err, &x) || ctx.Err() != nil {
		return path, d.warnings(), err
	}
	list := d.failure()
	switch {
	case d.trouble != "" || x.Status < 0:
		return "", nil, &InfraError{Op: "compile " + name, Err: err}
	case len(list) == 0 || list[0].Kind != "error":
		list = []Diagnostic{{Kind: "error", Text: x.Error()}}
	}
	if lib := missingLibrary.FindStringSubmatch(said); lib != nil && !slices.Contains(libs, "-l"+lib[1]) {
		return "", nil, compileError(name, err)
	}
	return "", nil, &CompileError{Name: src.Main, Diagnostics: list}
}

var missingLibrary = pattern.New(`(?:cannot find -l|unable to find library -l)([^\s:]+)`)

// CompileStatic compiles one of our own programs, all of whose files have plain names: those that end in .c are compiled, the
// others can be included. It is as Compile, but what goes wrong is an *InfraError, which holds the compiler's first error.
func CompileStatic(ctx context.Context, name string, files map[string]string, cacheDir string) (string, error) {
	var units []string
	for n := range files {
		if n != filepath.Base(n) {
			return "", fmt.Errorf("compile %s: file name %q is not plain", name, n)
		}
		if strings.HasSuffix(n, ".c") {
			units = append(units, n)
		}
	}
	sort.Strings(units)
	return compileOurs(ctx, name, files, units, []string{"-D_GNU_SOURCE"}, cacheDir)
}

// compileOurs is compile for what can't fail by its author: then the error is an *InfraError with the compiler's first error.
func compileOurs(ctx context.Context, name string, files map[string]string, units, flags []string, cacheDir string) (string, error) {
	path, _, err := compile(ctx, name, files, units, flags, nil, cacheDir)
	var x *xec.Error
	if errors.As(err, &x) && ctx.Err() == nil {
		err = compileError(name, err)
	}
	return path, err
}

// compile makes cacheDir/NAME-KEY where there is none, and returns what the compiler said.
func compile(ctx context.Context, name string, files map[string]string, units, flags, libs []string, cacheDir string) (path, said string, err error) {
	cc, err := compiler()
	if err != nil {
		return "", "", err
	}
	version, err := xec.Cmd{Name: cc, Args: []string{"--version"}}.Output(ctx)
	if err != nil {
		return "", "", &InfraError{Op: "run " + cc, Err: err}
	}
	args := append(slices.Clone(staticFlags), flags...)
	args = append(args, "-o", "out")
	for _, u := range units {
		args = append(args, "./"+u)
	}
	args = append(args, libs...)
	h := newKey("program")
	h.add(string(version), strings.Join(args, " "))
	for _, n := range sortedKeys(files) {
		if !filepath.IsLocal(n) || n == "." || filepath.Clean(n) != n {
			return "", "", fmt.Errorf("compile %s: file name %q is not plain", name, n)
		}
		h.add(n, files[n])
	}
	path = filepath.Join(cacheDir, name+"-"+h.sum()[:16])
	if _, err := os.Stat(path); err == nil {
		return path, "", nil
	}
	if err := os.MkdirAll(cacheDir, 0o755); err != nil {
		return "", "", &InfraError{Op: "make cache directory", Err: err}
	}
	dir, err := os.MkdirTemp(cacheDir, "cc-")
	if err != nil {
		return "", "", &InfraError{Op: "make cache directory", Err: err}
	}
	defer os.RemoveAll(dir)
	for n, text := range files {
		to := filepath.Join(dir, n)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return "", "", &InfraError{Op: "write source", Err: err}
		}
		if err := os.WriteFile(to, []byte(text), 0o644); err != nil {
			return "", "", &InfraError{Op: "write source", Err: err, Hint: spaceHint(err)}
		}
	}
	var out beginning
	if err := (xec.Cmd{Name: cc, Args: args, Dir: dir, Stderr: &out}).Run(ctx); err != nil {
		if ctx.Err() != nil {
			return "", "", ctx.Err()
		}
		return "", out.String(), err
	}
	if err := os.Rename(filepath.Join(dir, "out"), path); err != nil {
		return "", "", &InfraError{Op: "keep program", Err: err}
	}
	return path, out.String(), nil
}

// beginning keeps the first MiB of what is written to it.
type beginning struct{ bytes.Buffer }

func (b *beginning) Write(p []byte) (int, error) {
	b.Buffer.Write(p[:max(0, min(len(p), 1<<20-b.Len()))])
	return len(p), nil
}

func compiler() (string, error) {
	for _, cc := range []string{"gcc", "cc", "clang"} {
		if p, err := xec.Find(cc); err == nil {
			return p, nil
		}
	}
	return "", &InfraError{Op: "find c compiler", Err: errors.New("no gcc, cc or clang in PATH"), Hint: "install gcc"}
}

func compileError(name string, err error) error {
	var x *xec.Error
	if !errors.As(err, &x) {
		return &InfraError{Op: "compile " + name, Err: err}
	}
	hint := ""
	first := ""
	for line := range strings.Lines(x.Stderr) {
		line = strings.TrimSpace(line)
		switch {
		case strings.Contains(line, "cannot find -l"), strings.Contains(line, "unable to find library"):
			hint = "install the static C library (libc6-dev, or glibc-static)"
		case strings.Contains(line, "error:") && first == "":
			first = line
		}
	}
	if first != "" {
		return &InfraError{Op: "compile " + name, Err: errors.New(first), Hint: hint}
	}
	return &InfraError{Op: "compile " + name, Err: err, Hint: hint}
}

// key is a content key under construction: the hash of the hashes of its parts, so that no two lists of parts collide.
type key struct{ parts []byte }

func newKey(kind string) *key {
	k := &key{}
	k.add(kind)
	return k
}

func (k *key) add(parts ...string) {
	for _, p := range parts {
		s := sha256.Sum256([]byte(p))
		k.parts = append(k.parts, s[:]...)
	}
}

// addFile adds the content of a file.
func (k *key) addFile(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	k.add(string(b))
	return nil
}

func (k *key) sum() string {
	s := sha256.Sum256(k.parts)
	return hex.EncodeToString(s[:])
}
