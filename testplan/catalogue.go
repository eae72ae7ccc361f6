package testplan

import (
	"embed"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/seriesctl/seriesctl/internal/pattern"
	"github.com/seriesctl/seriesctl/qemu"
)

//go:embed plans reproducers
var embedded embed.FS

// header is included by every reproducer.
const header = "repro.h"

// Reproducer is an entry of the catalogue.
type Reproducer struct {
	Name string
	Doc  string // the header comment: usage, locks and their order, where known from, what a correct kernel does
	qemu.Source
}

var (
	argWords  = pattern.New(`\bwords\[\] = \{([^}]*)\}`)
	quotation = pattern.New(`"([^"]*)"`)
)

// Args are the arguments that it takes: the words its source checks them against.
func (r Reproducer) Args() []string {
	var out []string
	if m := argWords.FindStringSubmatch(r.Files[r.Name+".c"]); m != nil {
		for _, w := range quotation.FindAllStringSubmatch(m[1], -1) {
			out = append(out, w[1])
		}
	}
	return out
}

// Catalogue returns the embedded reproducers, by name. The caller must not change them.
func Catalogue() []Reproducer { return catalogue() }

var catalogue = sync.OnceValue(func() []Reproducer {
	sources, err := fs.Glob(embedded, "reproducers/*.c")
	if err != nil {
		panic(err)
	}
	slices.Sort(sources)
	var out []Reproducer
	for _, s := range sources {
		file := path.Base(s)
		src := readEmbedded(s)
		out = append(out, Reproducer{
			Name:   strings.TrimSuffix(file, ".c"),
			Doc:    headerComment(src),
			Source: qemu.Source{Main: file, Files: map[string]string{file: src, header: readEmbedded("reproducers/" + header)}},
		})
	}
	return out
})

// Plans returns the names of the embedded plans.
func Plans() []string {
	files, err := fs.Glob(embedded, "plans/*.yaml")
	if err != nil {
		panic(err)
	}
	var out []string
	for _, f := range files {
		out = append(out, strings.TrimSuffix(path.Base(f), ".yaml"))
	}
	return out
}

func reproducer(name string) (Reproducer, bool) {
	for _, r := range Catalogue() {
		if r.Name == name {
			return r, true
		}
	}
	return Reproducer{}, false
}

func reproducerNames() []string {
	var out []string
	for _, r := range Catalogue() {
		out = append(out, r.Name)
	}
	return out
}

// readEmbedded reads a file that go:embed guarantees.
func readEmbedded(name string) string {
	b, err := embedded.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// headerComment returns the text of the second comment of a C source, the first being the licence.
func headerComment(src string) string {
	_, rest, _ := strings.Cut(src, "*/")
	_, rest, _ = strings.Cut(rest, "/*")
	text, _, _ := strings.Cut(rest, "*/")
	var lines []string
	for l := range strings.Lines(text) {
		lines = append(lines, strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(l), "*")))
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}
