package qemu

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/seriesctl/seriesctl/internal/xec"
)

// staticFlags compile a program for the guest: static, as its initramfs has no libraries.
var staticFlags = []string{"-static", "-O1", "-g0", "-Wall", "-pthread", "-s", "-D_GNU_SOURCE"}

// CompileStatic compiles C source to a static program and returns its path, cacheDir/NAME-KEY; what is there already is not
// compiled again. files maps names to contents: those that end in .c are compiled, the others can be included. Errors
// are an *InfraError, which holds the compiler's first error.
func CompileStatic(ctx context.Context, name string, files map[string]string, cacheDir string) (string, error) {
	cc, err := compiler()
	if err != nil {
		return "", err
	}
	version, err := xec.Cmd{Name: cc, Args: []string{"--version"}}.Output(ctx)
	if err != nil {
		return "", &InfraError{Op: "run " + cc, Err: err}
	}
	names := make([]string, 0, len(files))
	for n := range files {
		names = append(names, n)
	}
	sort.Strings(names)
	h := newKey("program")
	h.add(string(version), strings.Join(staticFlags, " "))
	for _, n := range names {
		if n != filepath.Base(n) || n == "." || n == ".." {
			return "", fmt.Errorf("compile %s: file name %q is not plain", name, n)
		}
		h.add(n, files[n])
	}
	path := filepath.Join(cacheDir, name+"-"+h.sum()[:16])
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(cacheDir, 0o755); err != nil {
		return "", &InfraError{Op: "make cache directory", Err: err}
	}
	dir, err := os.MkdirTemp(cacheDir, "cc-")
	if err != nil {
		return "", &InfraError{Op: "make cache directory", Err: err}
	}
	defer os.RemoveAll(dir)
	args := append([]string{}, staticFlags...)
	args = append(args, "-o", "out")
	for _, n := range names {
		if err := os.WriteFile(filepath.Join(dir, n), []byte(files[n]), 0o644); err != nil {
			return "", &InfraError{Op: "write source", Err: err}
		}
		if strings.HasSuffix(n, ".c") {
			args = append(args, "./"+n)
		}
	}
	if err := (xec.Cmd{Name: cc, Args: args, Dir: dir}).Run(ctx); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", compileError(name, err)
	}
	if err := os.Rename(filepath.Join(dir, "out"), path); err != nil {
		return "", &InfraError{Op: "keep program", Err: err}
	}
	return path, nil
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
