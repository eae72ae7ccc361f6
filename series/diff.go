package series

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// cut is the diff of a mail, without the text around it.
type cut struct {
	text                  []byte
	files                 []string // new names, old ones for deletions; sorted, each once
	stats                 []FileStat
	insertions, deletions int
	damage                string // why a hunk cannot be read, "" when all can
}

// FileStat is what a diff does to one file.
type FileStat struct {
	Name                  string // the new name, the old one for a deletion
	Insertions, Deletions int
	Binary                bool
}

// DiffStat returns the files of a diff in its order, one entry for each diff header.
func DiffStat(diff []byte) []FileStat { return cutDiff(diff).stats }

// cutter walks the lines of a patch.
type cutter struct {
	patch, rest []byte
	out         cut
	start       int      // where in patch the first line kept is
	from        int      // the same, -1 when out.text is a copy
	file        FileStat // the one being read
	line        int      // of the line that next returns, from 1
	bare        int      // where in patch the last header kept ends, 0 when its contents were kept too
}

// cutDiff takes the diffs out of the patch part of a mail: from each file's first header line to the last
// line its hunks count. What stands between and after them (diffstat, signature, list footer) is left out.
// Where a hunk's lines do not add up to its counts, or a hunk has no file, nothing is cut any more, and damage
// names the hunk.
func cutDiff(patch []byte) cut {
	c := &cutter{patch: patch, rest: patch, line: 1}
	for len(c.rest) > 0 {
		line := c.peek()
		switch {
		case bytes.HasPrefix(line, []byte("diff --git ")):
			c.gitFile()
		case c.startsTraditional():
			c.traditionalFile()
		case c.startsBroken():
			c.file = FileStat{Name: stripFirst(markedName(string(line[4:])))}
			c.out.stats = append(c.out.stats, c.file)
			c.damaged(c.line, "no hunk header where one must be")
		case isHunk(line):
			c.damaged(c.line, "it belongs to no file")
		default:
			c.skip()
		}
	}
	for _, f := range c.out.stats {
		c.out.insertions += f.Insertions
		c.out.deletions += f.Deletions
		if f.Name != "" {
			c.out.files = append(c.out.files, f.Name)
		}
	}
	slices.Sort(c.out.files)
	c.out.files = slices.Compact(c.out.files)
	return c.out
}

func (c *cutter) peek() []byte { return c.rest[:lineLen(c.rest)] }

func (c *cutter) skip() []byte {
	line := c.peek()
	c.rest = c.rest[len(line):]
	c.line++
	return line
}

// keep takes the next line into the diff. As long as the lines kept follow each other, the diff is a part of
// the patch text, not a copy.
func (c *cutter) keep() {
	offset := len(c.patch) - len(c.rest)
	line := c.skip()
	switch {
	case len(c.out.text) == 0:
		c.start, c.from = offset, offset
		fallthrough
	case c.from >= 0 && c.from+len(c.out.text) == offset:
		end := offset + len(line)
		c.out.text = c.patch[c.from:end:end]
	default:
		c.from = -1
		c.out.text = append(c.out.text, line...)
	}
}

// startsTraditional says whether a diff without a git header starts here: ---, +++ and @@ lines.
func (c *cutter) startsTraditional() bool {
	if !bytes.HasPrefix(c.rest, []byte("--- ")) {
		return false
	}
	rest := c.rest[lineLen(c.rest):]
	if !bytes.HasPrefix(rest, []byte("+++ ")) {
		return false
	}
	rest = rest[lineLen(rest):]
	return isHunk(rest[:lineLen(rest)])
}

// startsBroken says whether what starts here can only be meant as a diff: --- a/…, +++ b/… and a line that
// starts like a hunk header.
func (c *cutter) startsBroken() bool {
	if !bytes.HasPrefix(c.rest, []byte("--- a/")) {
		return false
	}
	rest := c.rest[lineLen(c.rest):]
	return bytes.HasPrefix(rest, []byte("+++ ")) && bytes.HasPrefix(rest[lineLen(rest):], []byte("@@"))
}

// extended are the lines that may follow "diff --git" before the hunks; git-apply knows the same.
var extended = []string{
	"old mode ", "new mode ", "deleted file mode ", "new file mode ", "copy from ", "copy to ",
	"rename from ", "rename to ", "rename old ", "rename new ", "similarity index ", "dissimilarity index ", "index ",
}

func (c *cutter) gitFile() {
	start, bare := len(c.out.text), c.bare
	c.bare = 0
	c.file = FileStat{}
	header := string(bytes.TrimRight(c.peek(), "\r\n"))
	name := gitName(header)
	namesFile := strings.HasPrefix(header, "diff --git a/") || strings.HasPrefix(header, `diff --git "a/`)
	c.keep()
	known, change := false, false
	for len(c.rest) > 0 {
		line := string(bytes.TrimRight(c.peek(), "\r\n"))
		i := slices.IndexFunc(extended, func(p string) bool { return strings.HasPrefix(line, p) })
		if i < 0 {
			break
		}
		if to, ok := strings.CutPrefix(line, "rename to "); ok {
			name = plainName(to)
		} else if to, ok := strings.CutPrefix(line, "copy to "); ok {
			name = plainName(to)
		}
		known = true
		change = change || !strings.HasPrefix(line, "index ") && !strings.Contains(line, "similarity index ")
		c.keep()
	}
	switch {
	case c.startsTraditional():
		if n := c.hunkNames(); name == "" || n != "" {
			name = n
		}
		known = true
		c.hunks()
	case bytes.HasPrefix(c.rest, []byte("GIT binary patch")):
		known = true
		c.file.Binary = true
		c.binary()
	case bytes.HasPrefix(c.rest, []byte("Binary files ")):
		known = true
		c.file.Binary = true
		c.keep()
	case bytes.HasPrefix(c.rest, []byte("--- ")), bytes.HasPrefix(c.rest, []byte("+++ ")):
		known = true
		c.damaged(c.line, "no hunk header where one must be")
	case known && !change:
		c.damaged(c.line, "no change follows the file's header")
	case !known && name == "" && namesFile:
		known = true
		c.damaged(c.line-1, "the file's header does not name it")
	default:
		c.bare = len(c.patch) - len(c.rest)
	}
	if !known {
		// The words "diff --git" in a text, no diff.
		c.out.text, c.bare = c.out.text[:start:start], bare
		return
	}
	c.file.Name = name
	c.out.stats = append(c.out.stats, c.file)
}

func (c *cutter) traditionalFile() {
	if at := len(c.patch) - len(c.rest); c.bare > 0 {
		// What stands between keeps these lines from being the rest of that header.
		if c.from >= 0 {
			c.out.text = c.patch[c.from:at:at]
		} else {
			c.out.text = append(c.out.text, c.patch[c.bare:at]...)
		}
		c.bare = 0
	}
	c.file = FileStat{Name: c.hunkNames()}
	c.hunks()
	c.out.stats = append(c.out.stats, c.file)
}

// hunkNames keeps the --- and +++ lines and returns the file they name.
func (c *cutter) hunkNames() string {
	before := markedName(string(c.peek()[4:]))
	c.keep()
	after := markedName(string(c.peek()[4:]))
	c.keep()
	if after == "/dev/null" {
		return stripFirst(before)
	}
	return stripFirst(after)
}

// hunks keeps the hunks that follow.
func (c *cutter) hunks() {
	for len(c.rest) > 0 {
		before, after, ok := hunkCounts(c.peek())
		if !ok {
			return
		}
		first := c.line
		c.keep()
		for before > 0 || after > 0 {
			if len(c.rest) == 0 {
				c.damaged(first, "the mail ends inside it")
				return
			}
			line := c.peek()
			switch line[0] {
			case ' ', '\n':
				before--
				after--
			case '-':
				before--
				c.file.Deletions++
			case '+':
				after--
				c.file.Insertions++
			case '\\':
			default:
				c.damaged(first, fmt.Sprintf("line %d of the patch is no diff line (wrapped by a mailer?)", c.line))
				return
			}
			if before < 0 || after < 0 {
				c.damaged(first, "its lines do not add up to its counts")
				return
			}
			c.keep()
		}
		if bytes.HasPrefix(c.rest, []byte(`\ `)) {
			c.keep()
		}
	}
}

// damaged gives up: all from the first header on is kept as it is, so that whoever applies the diff refuses
// it too.
func (c *cutter) damaged(first int, reason string) {
	c.out.damage = fmt.Sprintf("hunk at line %d of the patch: %s", first, reason)
	if len(c.out.text) == 0 {
		c.start = len(c.patch) - len(c.rest)
	}
	c.out.text = c.patch[c.start:]
	c.rest = nil
}

// binary keeps a "GIT binary patch": its forward and reverse blocks, each ended by a blank line.
func (c *cutter) binary() {
	c.keep()
	for range 2 {
		if !bytes.HasPrefix(c.rest, []byte("literal ")) && !bytes.HasPrefix(c.rest, []byte("delta ")) {
			return
		}
		for len(c.rest) > 0 {
			blank := len(bytes.TrimRight(c.peek(), "\r\n")) == 0
			c.keep()
			if blank {
				break
			}
		}
	}
}

func isHunk(line []byte) bool {
	_, _, ok := hunkCounts(line)
	return ok
}

// hunkCounts reads "@@ -a,b +c,d @@": b and d, 1 where they are left out.
func hunkCounts(line []byte) (before, after int, ok bool) {
	rest, ok := strings.CutPrefix(string(line[:min(len(line), 100)]), "@@ -")
	if !ok {
		return 0, 0, false
	}
	old, rest, ok1 := strings.Cut(rest, " +")
	now, _, ok2 := strings.Cut(rest, " @@")
	if !ok1 || !ok2 {
		return 0, 0, false
	}
	before, ok1 = count(old)
	after, ok2 = count(now)
	return before, after, ok1 && ok2
}

func count(s string) (int, bool) {
	first, n, found := strings.Cut(s, ",")
	if _, err := strconv.ParseUint(first, 10, 63); err != nil {
		return 0, false
	}
	if !found {
		return 1, true
	}
	v, err := strconv.ParseUint(n, 10, 31)
	return int(v), err == nil
}

// markedName is the name on a --- or +++ line: up to a tab, unquoted.
func markedName(s string) string {
	s = strings.TrimRight(s, "\r\n")
	if strings.HasPrefix(s, `"`) {
		return plainName(s)
	}
	s, _, _ = strings.Cut(s, "\t")
	return s
}

// stripFirst removes the first component ("a/", "b/"), as `git am` does.
func stripFirst(name string) string {
	if _, rest, ok := strings.Cut(name, "/"); ok && name != "/dev/null" {
		return rest
	}
	return name
}

// gitName is the file that "diff --git a/x b/x" names; "" where that cannot be told, as for a rename.
func gitName(line string) string {
	line = strings.TrimPrefix(line, "diff --git ")
	if strings.HasPrefix(line, `"`) {
		if i := strings.LastIndex(line, ` "`); i > 0 {
			return stripFirst(plainName(line[i+1:]))
		}
		return ""
	}
	// Both halves are the same but for the first component: the name may have spaces.
	for i := 0; i < len(line); i++ {
		if line[i] == ' ' && stripFirst(line[:i]) == stripFirst(line[i+1:]) {
			return stripFirst(line[i+1:])
		}
	}
	return ""
}

// plainName undoes git's C-style quoting of a file name; a name without quotes is itself.
func plainName(s string) string {
	if len(s) > 1 && s[0] == '"' {
		if name, _, ok := unquoteName(s); ok {
			return name
		}
	}
	return s
}
