package testplan

import (
	"path"
	"slices"
	"strings"

	"github.com/seriesctl/seriesctl/internal/pattern"
)

// exercise is something of the kernel that a reproducer uses and a patch may touch: "read", "direct", "splice".
type exercise string

// Exercises that are the transfer itself; the others are special: a case that has one is about it.
const (
	exRead   exercise = "read"
	exWrite  exercise = "write"
	exDirect exercise = "direct"
)

// headerWord in a reproducer's header comment says that it exercises something.
type headerWord struct {
	re *pattern.Regexp
	ex exercise
}

var headerWords = []headerWord{
	{pattern.New(`\bp?readv?2?\(2\)|\bread\|`), exRead},
	{pattern.New(`\bp?writev?2?\(2\)|\|write\b`), exWrite},
	{pattern.New(`O_DIRECT`), exDirect},
	{pattern.New(`splice\(2\)|sendfile\(2\)`), "splice"},
	{pattern.New(`copy_file_range\(2\)`), "copy"},
	{pattern.New(`io_uring`), "uring"},
	{pattern.New(`xattr\(2\)`), "xattr"},
	{pattern.New(`getdents64\(2\)`), "dir"},
	{pattern.New(`FS_IOC_GETFLAGS`), "ioctl"},
	{pattern.New(`FIEMAP`), "fiemap"},
	{pattern.New(`fallocate\(2\)`), "punch"},
	{pattern.New(`truncates`), "truncate"},
	{pattern.New(`msync\(2\)|fsync\(2\)|O_DSYNC`), "sync"},
	{pattern.New(`O_APPEND`), "append"},
	{pattern.New(`RWF_NOWAIT`), "nowait"},
	{pattern.New(`mlock\(2\)`), "mlock"},
	{pattern.New(`FIFREEZE`), "freeze"},
	{pattern.New(`full file system`), "enospc"},
	{pattern.New(`userfaultfd\(2\)`), "uffd"},
	{pattern.New(`FUSE`), "fuse"},
	{pattern.New(`huge page`), "huge"},
	{pattern.New(`memory is taken`), "pressure"},
	{pattern.New(`forks`), "fork"},
	{pattern.New(`maps and unmaps`), "map"},
	{pattern.New(`throws the`), "evict"},
}

// exercises is what a case exercises: its reproducer's usage, narrowed by its arguments where they choose a direction, and what else
// they name.
func exercises(r Reproducer, args []string) []exercise {
	usage, _, _ := strings.Cut(r.Doc, "\n\n")
	var out []exercise
	for _, w := range headerWords {
		if w.re.MatchString(usage) {
			out = append(out, w.ex)
		}
	}
	var chosen []exercise
	for _, a := range args {
		direct, is := strings.CutPrefix(a, "dio-")
		if slices.ContainsFunc(headerWords, func(w headerWord) bool { return string(w.ex) == direct }) {
			chosen = append(chosen, exercise(direct))
		}
		if is {
			chosen = append(chosen, exDirect)
		}
	}
	if len(chosen) == 0 {
		return out
	}
	out = slices.DeleteFunc(out, func(e exercise) bool {
		directed := slices.Contains(chosen, exRead) || slices.Contains(chosen, exWrite)
		return directed && (e == exRead || e == exWrite)
	})
	for _, e := range chosen {
		if !slices.Contains(out, e) {
			out = append(out, e)
		}
	}
	return out
}

// special are the exercises beside the transfer itself.
func special(list []exercise) []exercise {
	return slices.DeleteFunc(slices.Clone(list), func(e exercise) bool { return e == exRead || e == exWrite || e == exDirect })
}

// reaches says whether a case that exercises list tells of a patch to what touched names.
func reaches(list, touched []exercise) bool {
	about := special(list)
	if len(about) == 0 {
		about = list
	}
	return slices.ContainsFunc(about, func(e exercise) bool { return slices.Contains(touched, e) })
}

// served says which code, outside of a file system's own directory, serves which exercises of all file systems.
var served = []struct {
	files string // globs of path.Match
	ex    []exercise
}{
	{"lib/iov_iter.c include/linux/uio.h", []exercise{exRead, exWrite, exDirect}},
	{"mm/filemap.c mm/readahead.c include/linux/pagemap.h", []exercise{exRead, exWrite, "evict"}},
	{"mm/gup.c mm/memory.c mm/mmap.c arch/x86/mm/fault.c", []exercise{exRead, exWrite, exDirect, "map", "fork"}},
	{"fs/read_write.c include/linux/fs.h", []exercise{exRead, exWrite, exDirect, "copy", "append", "nowait"}},
	{"fs/direct-io.c fs/iomap/direct-io.c", []exercise{exDirect}},
	{"fs/iomap/* include/linux/iomap.h fs/buffer.c fs/mpage.c fs/dax.c", []exercise{exRead, exWrite, exDirect, "punch", "truncate", "fiemap"}},
	{"fs/splice.c fs/pipe.c", []exercise{"splice"}},
	{"fs/xattr.c fs/posix_acl.c", []exercise{"xattr"}},
	{"fs/readdir.c fs/namei.c", []exercise{"dir"}},
	{"fs/ioctl.c fs/fcntl.c", []exercise{"ioctl", "fiemap"}},
	{"fs/io_uring.c fs/io-wq.c io_uring/*", []exercise{"uring"}},
	{"fs/userfaultfd.c mm/userfaultfd.c", []exercise{"uffd"}},
	{"fs/fuse/*", []exercise{"fuse"}},
	{"fs/open.c mm/truncate.c", []exercise{"truncate", "punch"}},
	{"fs/sync.c mm/msync.c mm/page-writeback.c fs/fs-writeback.c", []exercise{"sync"}},
	{"fs/super.c fs/freeze.c", []exercise{"freeze"}},
	{"mm/mlock.c", []exercise{"mlock"}},
	{"mm/huge_memory.c mm/khugepaged.c", []exercise{"huge"}},
	{"mm/vmscan.c mm/page_alloc.c mm/shrinker.c", []exercise{"pressure"}},
	{"mm/rmap.c kernel/fork.c", []exercise{"fork", "map"}},
	{"mm/madvise.c", []exercise{"evict", "punch"}},
}

// touches says what files that a series touches serve: everything of the file systems in own, and ex of all of them. other
// are those of which no reproducer tells, without documentation.
func touches(files, filesystems []string) (own []string, ex []exercise, other []string) {
	for _, f := range files {
		known := false
		dir := ""
		if rest, ok := strings.CutPrefix(f, "fs/"); ok {
			dir, _, _ = strings.Cut(rest, "/")
		} else if f == "mm/shmem.c" {
			dir = "tmpfs"
		}
		if slices.Contains(filesystems, dir) {
			known = true
			if !slices.Contains(own, dir) {
				own = append(own, dir)
			}
		}
		for _, g := range served {
			if slices.ContainsFunc(strings.Fields(g.files), func(glob string) bool { ok, _ := path.Match(glob, f); return ok }) {
				known = true
				for _, e := range g.ex {
					if !slices.Contains(ex, e) {
						ex = append(ex, e)
					}
				}
			}
		}
		if !known && !strings.HasPrefix(f, "Documentation/") {
			other = append(other, f)
		}
	}
	return own, ex, other
}

// groups are the groups of xfstests (its doc/group-names.txt) that reach an exercise.
var groups = map[exercise]string{exRead: "rw", exWrite: "rw", exDirect: "aio", "splice": "splice", "copy": "copy_range", "uring": "io_uring", "xattr": "attr", "dir": "dir",
	"fiemap": "fiemap", "punch": "punch", "freeze": "freeze", "enospc": "enospc"}

// partGroups are those that reach a file of a file system's own, by what such files are called.
var partGroups = []struct {
	names  string // globs of path.Match
	groups []string
}{
	{"*xattr*.c *_attr*.c", []string{"attr"}},
	{"*acl.c", []string{"acl"}},
	{"*quota*.c *dquot*.c *_qm*.c", []string{"quota"}},
	{"*qgroup*.c", []string{"qgroup"}},
	{"dir*.c *_dir*.c namei.c *dentry.c", []string{"dir", "rename"}},
	{"symlink.c *_symlink*.c", []string{"symlink"}},
	{"log.c *_log*.c lops.c journal.c *recover*.c tree-log.c", []string{"log", "shutdown", "recoveryloop"}},
	{"super.c *_super.c", []string{"mount", "remount", "freeze"}},
	{"extent*.c *_bmap*.c bmap.c", []string{"prealloc", "punch", "fiemap"}},
	{"*alloc*.c rgrp.c free-space*.c segment.c", []string{"prealloc", "enospc"}},
	{"ioctl.c *_ioctl.c", []string{"ioctl"}},
	{"export.c *_export.c", []string{"exportfs"}}, //nolint:misspell // its name
	{"*reflink*.c", []string{"clone", "dedupe"}},
	{"verity.c", []string{"verity"}},
	{"*crypto.c", []string{"encrypt"}},
}

// groupsOf lists the groups of xfstests for what is touched: for exercises, and for files of file systems of their own. Every case
// here has to do with mappings.
func groupsOf(list []exercise, files []string) []string {
	out := []string{"mmap"}
	add := func(g string) {
		if g != "" && !slices.Contains(out, g) {
			out = append(out, g)
		}
	}
	for _, e := range list {
		add(groups[e])
	}
	for _, f := range files {
		for _, own := range partGroups {
			if slices.ContainsFunc(strings.Fields(own.names), func(glob string) bool { ok, _ := path.Match(glob, path.Base(f)); return ok }) {
				for _, g := range own.groups {
					add(g)
				}
			}
		}
	}
	return out
}
