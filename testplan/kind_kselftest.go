package testplan

import (
	"os"
	"path"
	"path/filepath"
	"slices"

	"gopkg.in/yaml.v3"
)

// runKselftest is the script that runs a directory of installed self-tests.
const runKselftest = "run_kselftest.sh"

// kselftestTools are what that script and its helpers call.
var kselftestTools = []string{"basename", "cat", "cut", "dirname", "grep", "head", "realpath", "sed", "sh", "timeout", "tr", "wc"}

// kselftest reads a case that is a directory of the kernel's self-tests as `make -C tools/testing/selftests install` makes it.
func (p *parser) kselftest(f map[string]*yaml.Node, c *Case, args []string) string {
	n := f["kselftest"]
	dir := c.Reproducer
	if !filepath.IsAbs(dir) {
		if p.dir == "" {
			p.failAt(n, "", "kselftest: %q: an embedded plan has no files", dir)
		}
		dir = filepath.Join(p.dir, dir)
	}
	if fi, err := os.Stat(filepath.Join(dir, runKselftest)); err != nil || !fi.Mode().IsRegular() {
		p.failAt(n, "make -C tools/testing/selftests TARGETS=… INSTALL_PATH=DIR install", "kselftest: %s: no %s in it", dir, runKselftest)
	}
	c.Run.Tools = slices.Clone(kselftestTools)
	if n := f["tools"]; n != nil {
		c.Run.Tools = append(c.Run.Tools, p.tools(n)...)
		slices.Sort(c.Run.Tools)
		c.Run.Tools = slices.Compact(c.Run.Tools)
	}
	c.KTAP = true
	inside := path.Join(guestDir, filepath.Base(dir))
	c.Files = map[string]string{inside: dir}
	c.Run.Argv = append([]string{"sh", path.Join(inside, runKselftest)}, args...)
	return baseName(dir)
}
