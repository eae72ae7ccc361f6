package qemu

import (
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/seriesctl/seriesctl/internal/pattern"
)

//go:embed fragments/*.config
var fragments embed.FS

// maxConfigFile bounds one config file or fragment, in bytes. A distribution's .config has about 300 KB.
const maxConfigFile = 4 << 20

// Config says what kernel to build.
type Config struct {
	// Base is "tinyconfig" (what neither it nor a fragment asks for is off), "defconfig" (the
	// architecture's) or the path of a .config file; with the last two, what nothing asks for gets
	// Kconfig's default. "" is tinyconfig.
	Base string
	// Fragments are names of embedded fragments ([FragmentNames]) or paths (with a slash, or ending in .config).
	Fragments []string
	// Options are single lines, "CONFIG_X=y" or "# CONFIG_X is not set". They come last, and the last wins.
	Options []string
}

// tinySuffix ends the name of an embedded fragment that goes with the one of the plain name on tinyconfig.
const tinySuffix = ".tiny"

// FragmentNames lists the embedded fragments that can be asked for, sorted.
func FragmentNames() []string {
	entries, err := fragments.ReadDir("fragments")
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if name := strings.TrimSuffix(e.Name(), ".config"); !strings.HasSuffix(name, tinySuffix) {
			names = append(names, name)
		}
	}
	return names
}

// Hash is the hash of the content of what is asked for: the names of embedded bases, the bytes of files.
// Comments count not at all, the order of lines does.
func (c Config) Hash() (string, error) {
	r, err := c.resolve()
	if err != nil {
		return "", err
	}
	return r.hash(), nil
}

// Asked is what the fragments and options ask for, as lines of a .config: what make olddefconfig adds is not in it.
func (c Config) Asked() (string, error) {
	r, err := c.resolve()
	if err != nil {
		return "", err
	}
	return r.fragment(), nil
}

// request is a Config with its files read.
type request struct {
	base     string // "tinyconfig", "defconfig" or "file"
	baseText string // content, for "file"
	wants    []option
}

// option is one line of a config: name without CONFIG_, value as written; "n" for "is not set".
type option struct{ name, value string }

func (o option) String() string {
	if o.value == "n" {
		return "# CONFIG_" + o.name + " is not set"
	}
	return "CONFIG_" + o.name + "=" + o.value
}

func (r request) hash() string {
	h := sha256.New()
	fmt.Fprintf(h, "config 1\n%s\n%d\n%s", r.base, len(r.baseText), r.baseText)
	for _, o := range r.wants {
		fmt.Fprintln(h, o)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// fragment is the text handed to Kconfig.
func (r request) fragment() string {
	var b strings.Builder
	for _, o := range r.wants {
		b.WriteString(o.String())
		b.WriteByte('\n')
	}
	return b.String()
}

func (c Config) resolve() (request, error) {
	var r request
	switch c.Base {
	case "", "tinyconfig":
		r.base = "tinyconfig"
	case "defconfig":
		r.base = "defconfig"
	default:
		text, err := readConfigFile(c.Base)
		if err != nil {
			return r, fmt.Errorf("read base config: %w", err)
		}
		if _, err := parseOptions(text); err != nil {
			return r, fmt.Errorf("read base config %s: %w", c.Base, err)
		}
		r.base, r.baseText = "file", text
	}
	var all []option
	for _, name := range c.Fragments {
		text, err := readFragment(name, r.base == "tinyconfig")
		if err != nil {
			return r, err
		}
		opts, err := parseOptions(text)
		if err != nil {
			return r, fmt.Errorf("read config fragment %s: %w", name, err)
		}
		all = append(all, opts...)
	}
	opts, err := parseOptions(strings.Join(c.Options, "\n"))
	if err != nil {
		return r, fmt.Errorf("read config options: %w", err)
	}
	r.wants = lastOfEach(append(all, opts...))
	return r, nil
}

// lastOfEach keeps the last value asked for of each option, where it was first asked for.
func lastOfEach(opts []option) []option {
	at := map[string]int{}
	var out []option
	for _, o := range opts {
		if i, ok := at[o.name]; ok {
			out[i].value = o.value
			continue
		}
		at[o.name] = len(out)
		out = append(out, o)
	}
	return out
}

// readFragment reads a fragment, with what goes with it on tinyconfig when tiny.
func readFragment(name string, tiny bool) (string, error) {
	if strings.ContainsRune(name, '/') || strings.HasSuffix(name, ".config") {
		text, err := readConfigFile(name)
		if err != nil {
			return "", fmt.Errorf("read config fragment: %w", err)
		}
		return text, nil
	}
	text, err := fragments.ReadFile("fragments/" + name + ".config")
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read config fragment %s: unknown; there are %s", name, strings.Join(FragmentNames(), ", "))
	}
	if err != nil || !tiny {
		return string(text), err
	}
	more, err := fragments.ReadFile("fragments/" + name + tinySuffix + ".config")
	if errors.Is(err, fs.ErrNotExist) {
		return string(text), nil
	}
	return string(text) + string(more), err
}

func readConfigFile(path string) (string, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !fi.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a regular file", path)
	}
	if fi.Size() > maxConfigFile {
		return "", fmt.Errorf("%s has %d bytes, more than a config can have", path, fi.Size())
	}
	text, err := os.ReadFile(path)
	return string(text), err
}

var (
	setLine   = pattern.New(`^CONFIG_([A-Za-z0-9_]+)=(\S.*)$`)
	unsetLine = pattern.New(`^# CONFIG_([A-Za-z0-9_]+) is not set$`)
)

// parseOptions reads the lines of a .config or fragment; other comments and empty lines are skipped.
func parseOptions(text string) ([]option, error) {
	var out []option
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if m := unsetLine.FindStringSubmatch(line); m != nil {
			out = append(out, option{m[1], "n"})
			continue
		}
		if line == "" || line[0] == '#' {
			continue
		}
		m := setLine.FindStringSubmatch(line)
		if m == nil {
			return nil, fmt.Errorf("line %d: %q is no config option", i+1, line)
		}
		out = append(out, option{m[1], strings.TrimSpace(m[2])})
	}
	return out, nil
}

// configValues is a config by the names of its options, without CONFIG_.
func configValues(list []option) map[string]string {
	values := make(map[string]string, len(list))
	for _, o := range list {
		values[o.name] = o.value
	}
	return values
}

// treeReader reads files of a tree; a link does not lead out of it.
func treeReader(src *os.Root) func(name string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		fi, err := src.Lstat(name)
		if err == nil && (!fi.Mode().IsRegular() || fi.Size() > maxConfigFile) {
			err = fs.ErrNotExist
		}
		if err != nil {
			return nil, err
		}
		return src.ReadFile(name)
	}
}

// checkSurvived compares what was asked for with a finished .config; src is the kernel's tree, for the reason.
// The first option that did not survive is a *ConfigError.
func checkSurvived(wants []option, dotConfig string, src *os.Root) error {
	have, err := parseOptions(dotConfig)
	if err != nil {
		return fmt.Errorf("read .config: %w", err)
	}
	values := configValues(have)
	var tree *kconfig
	for _, w := range wants {
		got, ok := values[w.name]
		if got == w.value || !ok && w.value == "n" {
			continue
		}
		e := &ConfigError{Option: w.String(), Got: "not set"}
		if tree == nil {
			tree = readKconfig(treeReader(src))
		}
		var known bool
		e.Needs, known = tree.depends(w.name)
		switch {
		case ok && got != "n":
			e.Got = option{w.name, got}.String()
		case !known:
			e.Got = "unknown to this kernel"
		}
		if w.value == "n" {
			e.SelectedBy = slices.DeleteFunc(slices.Clone(tree.selectors[w.name]), func(by string) bool { return cmp.Or(values[by], "n") == "n" })
		} else if e.Unmet = unmet(e.Needs, values); tree.hidden(w.name) {
			e.SelectedBy = tree.selectors[w.name]
		}
		return e
	}
	return nil
}

// Hint says what can be done.
func (e *ConfigError) Hint() string {
	switch {
	case e.Got == "unknown to this kernel":
		return "remove the option, or give it only to kernels that have it"
	case len(e.Unmet) > 0:
		return "ask for " + strings.Join(e.Unmet, ", ") + " too, in a fragment or an option"
	case strings.HasPrefix(e.Option, "#") && len(e.SelectedBy) > 0:
		return "it is selected; leave out " + someOf(e.SelectedBy)
	case len(e.SelectedBy) > 0:
		return "no one can set it; ask for what selects it: " + someOf(e.SelectedBy)
	case e.Needs != "":
		return "ask for what it depends on too, in a fragment or an option"
	default:
		return "another option forces it; see `make menuconfig` on the tree for what selects it"
	}
}

// someOf lists the first of many names.
func someOf(names []string) string {
	const most = 4
	if len(names) > most {
		return strings.Join(names[:most], ", ") + " and others"
	}
	return strings.Join(names, ", ")
}

// Lacks returns those of names, without CONFIG_, that a kernel of this config will not have, as far as that can be said
// without its tree: on tinyconfig what nothing asks for, on every base what is asked to be off. A .config file's own lines count.
func (c Config) Lacks(names ...string) ([]string, error) {
	r, err := c.resolve()
	if err != nil {
		return nil, err
	}
	base, err := parseOptions(r.baseText)
	if err != nil {
		return nil, fmt.Errorf("read base config %s: %w", c.Base, err)
	}
	values := configValues(append(base, r.wants...))
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		value, ok := values[name]
		if !ok {
			return r.base != "tinyconfig"
		}
		return value != "n"
	}), nil
}

// LacksForGuest returns the options, without CONFIG_, without which no guest boots to its agent and that a kernel of this config will
// not have. All are in the fragment vm.
func (c Config) LacksForGuest() ([]string, error) {
	if c.Base == "defconfig" {
		c.Base = "tinyconfig"
		return c.Lacks("PVH") // which x86's has not; of the others newer ones have some
	}
	return c.Lacks("PVH", "SERIAL_8250_CONSOLE", "VIRTIO_PCI", "VIRTIO_CONSOLE")
}
