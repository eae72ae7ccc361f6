package testplan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/seriesctl/seriesctl/qemu"
)

// SelectError is a glob that matches no case of the plan, or is none.
type SelectError struct {
	Glob   string
	Reason string
	hint   string
}

func (e *SelectError) Error() string { return fmt.Sprintf("select cases %q: %s", e.Glob, e.Reason) }

// Hint names the cases that may have been meant.
func (e *SelectError) Hint() string { return e.hint }

// Select returns the plan with only the cases that one of globs matches, in the plan's order. Globs are those of path.Match, but
// that * stands for "/" too. One that does not match a whole name is matched against the name behind the file system: "read-self"
// and "generic/647" mean all file systems, "gfs2/*" all cases of one; without ":" it means all kernels, "debug:*/*" is
// all of one. File systems that no case is left for are dropped. No globs: the plan itself.
func (p *Plan) Select(globs []string) (*Plan, error) {
	if len(globs) == 0 {
		return p, nil
	}
	chosen := make(map[string]bool)
	for _, g := range globs {
		found := false
		for _, c := range p.Cases {
			ok, err := c.Match(g)
			if err != nil {
				return nil, &SelectError{Glob: g, Reason: "not a pattern", hint: "* and ? stand for any text and one character, [a-z] for one of a set"}
			}
			if ok {
				chosen[c.Name], found = true, true
			}
		}
		if !found {
			return nil, &SelectError{Glob: g, Reason: "no case of plan " + p.Name + " matches", hint: DidYouMean(g, p.names(strings.Contains(g, "/")))}
		}
	}
	out := *p
	out.Cases, out.Filesystems, out.Kernels = nil, nil, nil
	used := make(map[string]bool)
	for _, c := range p.Cases {
		if chosen[c.Name] {
			out.Cases = append(out.Cases, c)
			used[c.Filesystem] = true
		}
	}
	var kernels []Kernel
	for _, k := range p.All() {
		if slices.ContainsFunc(out.Cases, func(c Case) bool { return c.Kernel == k.Name }) {
			kernels = append(kernels, k)
		}
	}
	out.Kernel, out.Kernels = kernels[0], kernels[1:]
	for _, fs := range p.Filesystems {
		if used[fs.Name] {
			out.Filesystems = append(out.Filesystems, fs)
		}
	}
	return &out, nil
}

// Match says whether a glob of Select means the case; the error is path.ErrBadPattern.
func (c *Case) Match(glob string) (bool, error) {
	flat := func(s string) string { return strings.ReplaceAll(s, "/", "\x00") } // which * stands for
	name := c.Name
	if !strings.Contains(glob, ":") {
		name = strings.TrimPrefix(name, c.Kernel+":")
	}
	_, behind, _ := strings.Cut(c.Name, "/")
	if !strings.Contains(glob, "/") {
		return path.Match(glob, flat(behind))
	}
	ok, err := path.Match(flat(glob), flat(name))
	if !ok && err == nil {
		ok, err = path.Match(flat(glob), flat(behind))
	}
	return ok, err
}

// names returns the names of the cases, without file system unless full, each once.
func (p *Plan) names(full bool) []string {
	var out []string
	for _, c := range p.Cases {
		name := c.Name
		if !full {
			_, name, _ = strings.Cut(name, "/")
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// Programs returns the source of every program that a case of the plan needs compiled, by the name it has in the VM.
func (p *Plan) Programs() map[string]qemu.Source {
	out := make(map[string]qemu.Source)
	for _, c := range p.Cases {
		if len(c.Program.Files) > 0 {
			out[c.Run.Argv[0]] = c.Program
		}
	}
	return out
}

// Files returns the files and directories that a case of the plan needs in the VM, by their path there.
func (p *Plan) Files() map[string]string {
	out := make(map[string]string)
	for _, c := range p.Cases {
		maps.Copy(out, c.Files)
	}
	return out
}

// Tools returns the host's programs that a case of the plan needs in the VM, each once, in the alphabet's order.
func (p *Plan) Tools() []string {
	var out []string
	for _, c := range p.Cases {
		out = append(out, c.Run.Tools...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// caseHash is the content key of a case: what is run, on what, and for how long. Its name and what is expected of
// it are no part of it.
func (p *parser) caseHash(at *yaml.Node, c Case, fs qemu.Filesystem) string {
	run := c.Run
	fs.Name, run.Filesystem = "", ""
	if c.Kind == KindC {
		run.Argv = slices.Clone(run.Argv)
		run.Argv[0] = c.Program.Main // its name in the VM may be the case's
	}
	content := make(map[string]string)
	for to, from := range c.Files {
		hash, err := qemu.FilesHash(from)
		if err != nil {
			p.failAt(at, "", "%s: %v", c.Reproducer, err)
		}
		content[to] = hash
	}
	b, err := json.Marshal(struct {
		Run     qemu.Case
		Files   map[string]string
		FS      qemu.Filesystem
		Content map[string]string `json:",omitempty"`
		Flags   []string          `json:",omitempty"`
	}{run, c.Program.Files, fs, content, c.Program.Flags})
	if err != nil {
		panic(err) // strings and numbers only
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
