package testplan

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/seriesctl/seriesctl/internal/plain"
	"github.com/seriesctl/seriesctl/qemu"
)

// Touched is a series that a plan is wanted for.
type Touched struct {
	Title string   // of the series, "" for none
	Files []string // that it touches, each once
	// Read reads a file of the tree with the whole series, nil where there is no tree at hand: then nothing is said about options.
	Read func(path string) ([]byte, error)
	// Costs says what running takes, in a line or two, for so many cells of a prefix; nil for nothing.
	Costs func(cells int) string
}

// catalogPlan is the embedded plan that has every reproducer, with the arguments it takes, and every file system.
const catalogPlan = "page-faults"

// catalogEntry is a case of catalogPlan, as it is written there.
type catalogEntry struct {
	Reproducer string
	Args       []string `yaml:",omitempty,flow"`
	Name       string   `yaml:",omitempty"`
	Except     []string `yaml:",omitempty,flow"` // file systems that can't do it
}

// on are those of some file systems that the case runs on.
func (c catalogEntry) on(filesystems []string) []string {
	return slices.DeleteFunc(slices.Clone(filesystems), func(fs string) bool { return slices.Contains(c.Except, fs) })
}

// catalog is what of catalogPlan suggestions are made of.
type catalog struct {
	Filesystems yaml.Node
	Cases       []catalogEntry
}

// filesystem is the entry of a file system, as it is written, with its comments.
func (c catalog) filesystem(name string) []string {
	var lines []string
	all := c.Filesystems.Content
	for i := 0; i+1 < len(all); i += 2 {
		if all[i].Value != name {
			continue
		}
		entry := all[i+1].Content
		for k := 0; k+1 < len(entry); k += 2 {
			if entry[k].HeadComment != "" {
				lines = append(lines, entry[k].HeadComment)
			}
			lines = append(lines, entry[k].Value+": "+entry[k+1].Value)
		}
	}
	return lines
}

// Suggest writes a plan for a series, with comments: the file systems and options for what it touches, the cases that reach it,
// and, commented out, fstests and a kernel with detectors. Without files it is a plan to start from. What it writes is a valid plan.
func Suggest(t Touched) (string, error) {
	var all catalog
	if err := yaml.Unmarshal([]byte(readEmbedded("plans/"+catalogPlan+".yaml")), &all); err != nil {
		return "", fmt.Errorf("read plan %s: %w", catalogPlan, err)
	}
	p, err := Load(catalogPlan)
	if err != nil {
		return "", err
	}
	s := &suggestion{t: t, p: p, all: all}
	s.choose(all.Cases)
	if err := s.options(); err != nil {
		return "", err
	}
	return s.text(), nil
}

// suggestion is a plan in the making.
type suggestion struct {
	t       Touched
	p       *Plan      // catalogPlan
	all     catalog    // the same, as it is written
	own     []string   // file systems that the series changes
	served  []exercise // what it touches of all of them
	ex      []exercise // what cases are wanted for: that, or where to start
	other   []string   // files of which no case tells
	fs      []string   // file systems of the plan
	every   []catalogEntry
	only    []catalogEntry // on own alone
	extra   []string       // fragments that cases need
	option  []string       // that files need
	comment []string       // about files that are not compiled
}

// starting are the file system and the exercises where nothing says what is wanted.
var (
	startingFS = []string{"ext4"}
	startingEx = []exercise{exRead, exWrite, exDirect}
)

// choose picks file systems and cases.
func (s *suggestion) choose(cases []catalogEntry) {
	var names []string
	for _, fs := range s.p.Filesystems {
		names = append(names, fs.Name)
	}
	s.own, s.served, s.other = touches(s.t.Files, names)
	s.ex = s.served
	switch {
	case len(s.own) == 0 && len(s.ex) == 0:
		s.fs, s.ex = startingFS, startingEx
	case len(s.ex) == 0:
		s.fs = s.own
	default:
		s.fs = slices.Concat(s.own, slices.DeleteFunc(names, func(n string) bool { return slices.Contains(s.own, n) }))
	}
	for _, c := range cases {
		r, _ := reproducer(c.Reproducer)
		ex := exercises(r, c.Args)
		all := c.Reproducer == "sanity" || reaches(ex, s.ex) || len(s.fs) == len(s.own)
		switch {
		case all && len(c.on(s.fs)) > 0:
			s.every = append(s.every, c)
		case !all && len(c.on(s.own)) > 0:
			s.only = append(s.only, c)
		default:
			continue
		}
		s.needs(ex)
	}
	s.fs = slices.DeleteFunc(slices.Clone(s.fs), func(fs string) bool { return !s.tells(fs) })
}

// tells says whether a case runs on a file system.
func (s *suggestion) tells(fs string) bool {
	on := func(c catalogEntry) bool { return !slices.Contains(c.Except, fs) }
	return slices.ContainsFunc(s.every, on) || slices.Contains(s.own, fs) && slices.ContainsFunc(s.only, on)
}

// needs notes what the kernel must have for a case beside its file system.
func (s *suggestion) needs(list []exercise) {
	for ex, fragment := range map[exercise]string{"uring": "io-uring", "uffd": "userfaultfd", "fuse": "fuse"} {
		if slices.Contains(list, ex) && !slices.Contains(s.extra, fragment) {
			s.extra = append(s.extra, fragment)
		}
	}
	if slices.Contains(list, "huge") && !slices.Contains(s.option, "CONFIG_TRANSPARENT_HUGEPAGE=y") {
		s.option = append(s.option, "CONFIG_TRANSPARENT_HUGEPAGE=y")
	}
	slices.Sort(s.extra)
}

// fragments are those of the kernel. A file system without one, like tmpfs, is in all kernels.
func (s *suggestion) fragments() []string {
	known := qemu.FragmentNames()
	fs := slices.DeleteFunc(slices.Clone(s.fs), func(name string) bool { return !slices.Contains(known, name) })
	return slices.Concat([]string{"vm"}, fs, s.extra)
}

// options asks the tree's makefiles which option the touched files lack. What Kconfig would not take as it is is a comment.
func (s *suggestion) options() error {
	if s.t.Read == nil {
		return nil
	}
	config, err := qemu.Config{Fragments: s.fragments(), Options: s.option}.Asked()
	if err != nil {
		return err
	}
	for _, u := range qemu.Uses(s.t.Files, config, s.t.Read) {
		var lacks []string
		for _, n := range u.Needs {
			switch {
			case len(n.SelectedBy) > 0 && slices.ContainsFunc(n.SelectedBy, func(by string) bool { return strings.Contains(config, "CONFIG_"+by+"=y\n") }):
			case len(n.SelectedBy) == 0 && len(n.Unmet) == 0 && !n.Unknown && optionPattern.MatchString(n.Option+"=y"):
				if o := n.Option + "=y"; !slices.Contains(s.option, o) {
					s.option = append(s.option, o)
				}
			default:
				lacks = append(lacks, lack(n))
			}
		}
		if len(lacks) > 0 {
			s.comment = append(s.comment, plain.Line(u.File+" is not compiled: it needs "+strings.Join(lacks, ", ")))
		}
	}
	return nil
}

// lack is an option that can't just be asked for.
func lack(n qemu.Need) string {
	switch {
	case n.Unknown:
		return n.Option + ", which no Kconfig file has"
	case len(n.SelectedBy) > 0:
		return n.Option + ", which " + strings.Join(n.SelectedBy[:min(3, len(n.SelectedBy))], " or ") + " selects"
	case len(n.Unmet) > 0:
		return n.Option + " with " + strings.Join(n.Unmet, ", ")
	}
	return n.Option
}

// text writes the plan.
func (s *suggestion) text() string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	note := func(indent, text string) {
		for _, line := range plain.Wrap(plain.Line(text), 100) {
			say("%s# %s", indent, line)
		}
	}
	if s.t.Title == "" {
		note("", "A plan to start from; `seriesctl plan check` validates it.")
	} else {
		note("", "Suggested for: "+s.t.Title)
		note("", s.about()+" `seriesctl plan check` validates what you make of it.")
	}
	if s.t.Costs != nil {
		note("", s.t.Costs(s.cells()))
	}
	say("")
	say("kernel:")
	say("  arch: x86_64")
	say("  config: tinyconfig # or defconfig, or a .config file: more is compiled then")
	say("  fragments: [%s]", strings.Join(s.fragments(), ", "))
	if len(s.option) > 0 {
		say("  options: [%s]", strings.Join(s.option, ", "))
	}
	for _, c := range s.comment {
		note("  ", c)
	}
	say("")
	say("# Instead of kernel, two of them: the second with lockdep and KASAN. It wants memory: 512M and timeout: 60s.")
	say("# kernels:")
	options := ""
	if len(s.option) > 0 {
		options = ", options: [" + strings.Join(s.option, ", ") + "]"
	}
	say("#   - {fragments: [%s]%s}", strings.Join(s.fragments(), ", "), options)
	say("#   - {name: debug, fragments: [%s, debug, kasan]%s}", strings.Join(s.fragments(), ", "), options)
	say("")
	say("vm:")
	say("  cpus: 2 # cases of two processes need two")
	say("  memory: 256M")
	say("")
	say("filesystems:")
	for _, fs := range s.p.Filesystems {
		if slices.Contains(s.fs, fs.Name) {
			say("  %s:", fs.Name)
			for _, line := range s.all.filesystem(fs.Name) {
				say("    %s", line)
			}
		}
	}
	say("")
	say("# Of each patch; there are also W=1 and sparse.")
	say("checks: [checkpatch]")
	say("")
	say("runs: 1 # least runs of a cell")
	say("confirm: 2 # runs of the cells on both sides of a change")
	say("timeout: 20s")
	say("")
	say("cases:")
	for _, c := range s.every {
		var except []string
		for _, fs := range c.Except {
			if slices.Contains(s.fs, fs) {
				except = append(except, fs)
			}
		}
		say("  - %s", c.yaml(nil, except))
	}
	if len(s.only) > 0 {
		say("")
		note("  ", "The rest of the catalogue, for the file systems that are changed themselves.")
	}
	for _, c := range s.only {
		say("  - %s", c.yaml(c.on(s.own), nil))
	}
	say("")
	note("  ", fmt.Sprintf("Groups of xfstests that reach it: %s.", strings.Join(s.groups(), ", ")))
	say("  # - fstests: {path: /path/to/xfstests-dev, groups: [%s]}", strings.Join(s.groups(), ", "))
	return b.String()
}

func (s *suggestion) groups() []string {
	ex := slices.Clone(s.ex)
	if len(s.own) > 0 {
		ex = append(ex, startingEx...)
	}
	files := slices.DeleteFunc(slices.Clone(s.t.Files), func(f string) bool {
		return !slices.ContainsFunc(s.own, func(fs string) bool { return strings.HasPrefix(f, "fs/"+fs+"/") })
	})
	return groupsOf(ex, files)
}

// cells are those of one prefix.
func (s *suggestion) cells() int {
	n := 0
	for _, c := range s.every {
		n += len(c.on(s.fs))
	}
	for _, c := range s.only {
		n += len(c.on(s.own))
	}
	return n
}

// about says in sentences what the series touches.
func (s *suggestion) about() string {
	var parts []string
	if len(s.own) > 0 {
		parts = append(parts, strings.Join(s.own, ", "))
	}
	if len(s.served) > 0 {
		var words []string
		for _, e := range s.served {
			words = append(words, string(e))
		}
		parts = append(parts, "what serves "+strings.Join(words, ", ")+" on every file system")
	}
	text := ""
	if len(parts) > 0 {
		text = "It touches " + strings.Join(parts, ", and ") + "."
	}
	if len(s.other) > 0 {
		text = strings.TrimSpace(text + " No reproducer tells of " + some(s.other, 4) + ".")
	}
	return text
}

// some lists the first of many.
func some(list []string, n int) string {
	if len(list) <= n {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more files", strings.Join(list[:n], ", "), len(list)-n)
}

// yaml is an entry in a line, on some file systems or, nil, on all but some.
func (c catalogEntry) yaml(filesystems, except []string) string {
	if c.Name == "" && len(c.Args) == 0 && filesystems == nil && except == nil {
		return "reproducer: " + c.Reproducer
	}
	var parts []string
	if c.Name != "" {
		parts = append(parts, "name: "+c.Name)
	}
	parts = append(parts, "reproducer: "+c.Reproducer)
	if len(c.Args) > 0 {
		parts = append(parts, "args: ["+strings.Join(c.Args, ", ")+"]")
	}
	if filesystems != nil {
		parts = append(parts, "filesystems: ["+strings.Join(filesystems, ", ")+"]")
	}
	if except != nil {
		parts = append(parts, "except: ["+strings.Join(except, ", ")+"]")
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
