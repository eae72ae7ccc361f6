package testplan

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/seriesctl/seriesctl/internal/pattern"
	"github.com/seriesctl/seriesctl/qemu"
)

// Selftests is what a case runs of the self-tests of a kernel tree. They are built once, so every prefix runs the same.
type Selftests struct {
	Tree       string // "" for the base, SeriesTree for that with all patches, else the absolute path of a tree
	Collection string // "mm", "filesystems/binderfs"
	Test       string // one of its programs, "" for all its tests
}

// SeriesTree is the tree with all patches of the series.
const SeriesTree = "series"

// runKselftest is the script that runs a directory of installed self-tests.
const runKselftest = "run_kselftest.sh"

// kselftestTools are what that script and its helpers call.
var kselftestTools = []string{"basename", "cat", "cut", "dirname", "grep", "head", "realpath", "sed", "sh", "timeout", "tr", "wc"}

// selftestTimeout is that of a case which states none: each test of a collection has 45 s by itself.
const selftestTimeout = 5 * time.Minute

var collectionPattern = pattern.New(`^([A-Za-z0-9][A-Za-z0-9_.-]*(?:/[A-Za-z0-9][A-Za-z0-9_.-]*){0,2})(?::([A-Za-z0-9_][A-Za-z0-9_.+-]*))?$`)

// kselftest reads a case that is self-tests of the kernel: a collection or a test of a tree, or a directory that
// `make -C tools/testing/selftests install` made.
func (p *parser) kselftest(f map[string]*yaml.Node, c *Case, args []string) string {
	n := f["kselftest"]
	c.KTAP = true
	c.Run.Tools = slices.Clone(kselftestTools)
	if n := f["tools"]; n != nil {
		c.Run.Tools = append(c.Run.Tools, p.tools(n)...)
	}
	dir := c.Reproducer
	if !filepath.IsAbs(dir) && p.dir != "" {
		dir = filepath.Join(p.dir, dir)
	}
	fi, err := os.Stat(filepath.Join(dir, runKselftest))
	installed := err == nil && fi.Mode().IsRegular()
	name := ""
	if m := collectionPattern.FindStringSubmatch(c.Reproducer); m != nil && (!installed || p.dir == "") {
		if f["args"] != nil {
			p.failAt(f["args"], "name one test like "+m[1]+":TEST", "args: a collection of a tree takes none")
		}
		c.Run.Tools = append(c.Run.Tools, "cp", "rm")
		name = p.selftests(f, c, m[1], m[2])
	} else {
		if f["tree"] != nil {
			p.failAt(f["tree"], "name a collection, like mm, instead", "tree: %s is built already", c.Reproducer)
		}
		if !installed {
			p.failAt(n, "name a collection of the tree, like mm, or a directory that make -C tools/testing/selftests TARGETS=… INSTALL_PATH=DIR install made",
				"kselftest: %s: no %s in it", dir, runKselftest)
		}
		inside := path.Join(guestDir, filepath.Base(dir))
		c.Files = map[string]string{inside: dir}
		c.Run.Argv = append([]string{"sh", path.Join(inside, runKselftest)}, args...)
		name = baseName(dir)
	}
	slices.Sort(c.Run.Tools)
	c.Run.Tools = slices.Compact(c.Run.Tools)
	return name
}

// selftests fills in a case that is built from a tree.
func (p *parser) selftests(f map[string]*yaml.Node, c *Case, collection, test string) string {
	c.Selftests = Selftests{Collection: collection, Test: test}
	if n := f["tree"]; n != nil {
		switch tree := p.text(n, "tree"); tree {
		case "base":
		case SeriesTree:
			c.Selftests.Tree = tree
		default:
			c.Selftests.Tree = p.tree(n, tree)
		}
	}
	if f["timeout"] == nil {
		c.Run.Timeout = selftestTimeout
	}
	inside := c.Selftests.Inside()
	c.Run.Argv = []string{"sh", path.Join(inside, qemu.SelftestRun), inside}
	name := collection
	if test != "" {
		c.Run.Argv = append(c.Run.Argv, test)
		name += "-" + test
	}
	return strings.ToLower(strings.NewReplacer("/", "-", "+", "_").Replace(name))
}

// tree resolves the path of a kernel tree.
func (p *parser) tree(n *yaml.Node, dir string) string {
	if !filepath.IsAbs(dir) {
		if p.dir == "" {
			p.failAt(n, "", "tree: %q: an embedded plan has no files", dir)
		}
		dir = filepath.Join(p.dir, dir)
	}
	dir = filepath.Clean(dir)
	if fi, err := os.Stat(dir); err != nil || !fi.IsDir() {
		p.failAt(n, "base, series, or the directory of a kernel tree", "tree: %s: no such directory", dir)
	}
	return dir
}

// Inside is the directory that the collection has in the VM.
func (s Selftests) Inside() string {
	tree := "base"
	if s.Tree == SeriesTree {
		tree = s.Tree
	} else if s.Tree != "" {
		sum := sha256.Sum256([]byte(s.Tree))
		tree = hex.EncodeToString(sum[:4])
	}
	return path.Join(guestDir, "kselftest", tree, strings.ReplaceAll(s.Collection, "/", "-"))
}

// Selftests are the collections that the plan's cases are of, each once, in the plan's order.
func (p *Plan) Selftests() []Selftests {
	var out []Selftests
	for _, c := range p.Cases {
		s := c.Selftests
		if s.Test = ""; s.Collection != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
