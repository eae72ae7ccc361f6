package testplan

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seriesctl/seriesctl/internal/pattern"
)

// checkout is what a source tree of fstests says of its tests: name ("generic/001") → its groups.
type checkout struct {
	dir   string
	tests map[string][]string
	names []string // in order
}

// Bounds of what is read of a checkout: it is somebody else's.
const (
	maxTests    = 20000
	maxTestHead = 16 << 10 // bytes of a test, up to where it names its groups
	maxTestFile = 8 << 20  // bytes of one of a test's files
)

var (
	testID    = pattern.New(`^[0-9]{3}-?[A-Za-z0-9-]{0,60}$`) // fstests' common/test_names
	testDir   = pattern.New(`^[a-z0-9][a-z0-9_-]{0,31}$`)
	testBegin = pattern.New(`^\s*_begin_fstest\s+([^#]*)`)
)

// readCheckout reads the names and groups of all tests below dir/tests. A test's groups are those that it names itself (fstests
// since 2021); of one that names none, those in the lists beside it: group, written by hand, or group.list, made by make.
func readCheckout(dir string) (*checkout, error) {
	c := &checkout{dir: dir, tests: map[string][]string{}}
	if _, err := os.Stat(filepath.Join(dir, "common", "rc")); err != nil {
		return nil, errors.New("no checkout of fstests: it has no common/rc")
	}
	dirs, err := os.ReadDir(filepath.Join(dir, "tests"))
	if err != nil {
		return nil, errors.New("no checkout of fstests: it has no directory tests")
	}
	for _, d := range dirs {
		if !d.IsDir() || !testDir.MatchString(d.Name()) {
			continue
		}
		if err := c.readDir(d.Name()); err != nil {
			return nil, err
		}
	}
	if len(c.tests) == 0 {
		return nil, errors.New("no checkout of fstests: no tests in it")
	}
	for name := range c.tests {
		c.names = append(c.names, name)
	}
	slices.Sort(c.names)
	return c, nil
}

func (c *checkout) readDir(name string) error {
	dir := filepath.Join(c.dir, "tests", name)
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	listed := map[string][]string{}
	for _, list := range []string{"group.list", "group"} {
		if err := readGroups(filepath.Join(dir, list), listed); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, f := range files {
		if !f.Type().IsRegular() || !testID.MatchString(f.Name()) {
			continue
		}
		groups, ok, err := ownGroups(filepath.Join(dir, f.Name()))
		if err != nil {
			return err
		}
		if !ok {
			groups = listed[f.Name()]
		}
		c.tests[name+"/"+f.Name()] = groups
		if len(c.tests) > maxTests {
			return fmt.Errorf("more than %d tests", maxTests)
		}
	}
	return nil
}

// readGroups reads a list of lines "001 auto quick", with comments.
func readGroups(file string, into map[string][]string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	in := bufio.NewScanner(io.LimitReader(f, maxTestFile))
	for in.Scan() {
		line, _, _ := strings.Cut(in.Text(), "#")
		if words := strings.Fields(line); len(words) > 0 {
			into[words[0]] = words[1:]
		}
	}
	return in.Err()
}

// ownGroups are those on a test's line "_begin_fstest auto quick"; false when it has none.
func ownGroups(file string) ([]string, bool, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, maxTestHead))
	if err != nil {
		return nil, false, err
	}
	for line := range strings.Lines(string(head)) {
		if m := testBegin.FindStringSubmatch(line); m != nil {
			return strings.Fields(m[1]), true, nil
		}
	}
	return nil, false, nil
}

// everywhere are the directories whose tests are for all file systems; those of others are for the one they are named after.
var everywhere = []string{"generic", "shared", "selftest", "perf"}

// runsOn says whether a test is for file systems of a type.
func runsOn(test, fstype string) bool {
	dir, _, _ := strings.Cut(test, "/")
	if fstype == "ext2" || fstype == "ext3" {
		fstype = "ext4" // as fstests' check has it
	}
	return dir == fstype || slices.Contains(everywhere, dir)
}

// inGroup are the tests of a group, in order, whatever file system they are for: of one directory where the name says so
// ("xfs/quick"); "all" are all.
func (c *checkout) inGroup(name string) []string {
	in, g, ok := strings.Cut(name, "/")
	if !ok {
		in, g = "", name
	}
	var out []string
	for _, t := range c.names {
		if (in == "" || strings.HasPrefix(t, in+"/")) && (g == "all" || slices.Contains(c.tests[t], g)) {
			out = append(out, t)
		}
	}
	return out
}

// group are the tests of a group for file systems of a type. As in fstests' check a name without a directory means generic, shared
// and that of the file system.
func (c *checkout) group(name, fstype string) []string {
	return slices.DeleteFunc(c.inGroup(name), func(t string) bool {
		aside := strings.HasPrefix(t, "selftest/") || strings.HasPrefix(t, "perf/")
		return !runsOn(t, fstype) || aside && !strings.Contains(name, "/")
	})
}

// groups are the names of all groups there are.
func (c *checkout) groups() []string {
	out := []string{"all"}
	for _, groups := range c.tests {
		out = append(out, groups...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// match are the tests that a name or a pattern ("generic/64?") means, in order.
func (c *checkout) match(pattern string) []string {
	var out []string
	for _, t := range c.names {
		if ok, _ := path.Match(pattern, t); ok {
			out = append(out, t)
		}
	}
	return out
}

// files reads what a test consists of: its script and what it is compared with, 001, 001.out, 001.cfg…
func (c *checkout) files(test string) (map[string]string, error) {
	dir, id, _ := strings.Cut(test, "/")
	entries, err := os.ReadDir(filepath.Join(c.dir, "tests", dir))
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, e := range entries {
		if e.Name() != id && !strings.HasPrefix(e.Name(), id+".") || !e.Type().IsRegular() {
			continue
		}
		f := filepath.Join(c.dir, "tests", dir, e.Name())
		if fi, err := e.Info(); err != nil || fi.Size() > maxTestFile {
			return nil, errors.Join(err, fmt.Errorf("%s: more than %d MiB", f, maxTestFile>>20))
		}
		b, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		out[e.Name()] = string(b)
	}
	return out, nil
}
