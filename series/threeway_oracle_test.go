package series

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// extras are files of kinds that the threads do not touch, which the test gives every base.
var extras = map[string]string{
	"x/data.bin": strings.Repeat("\x00binary \x01\x02\n", 60), "x/link": "@crlf.txt", "x/run.sh": "!" + numbered(30, "echo %d"),
	"x/crlf.txt": strings.ReplaceAll(numbered(30, "line %d of it"), "\n", "\r\n"), "x/no-end": strings.TrimSuffix(numbered(20, "end %d"), "\n"),
}

// bothKernels makes a repository of the files that patches touch, each kernel's a commit on the one before,
// source's the last.
func bothKernels(t *testing.T, sources map[string]string, version string, patches []mailedPatch) string {
	t.Helper()
	dir := t.TempDir()
	mustGit(t, dir, "init", "-q", "-b", "main")
	mustGit(t, dir, "config", "gc.auto", "0")
	for v, source := range sources {
		if v != version {
			copyTouched(t, source, dir, patches)
			commitAll(t, dir, v)
			mustGit(t, dir, "rm", "-rqf", "--ignore-unmatch", ".")
		}
	}
	copyTouched(t, sources[version], dir, patches)
	writeTree(t, dir, extras)
	commitAll(t, dir, "base")
	return dir
}

// editNear changes lines of text at random, mostly near those numbers.
func editNear(rng *rand.Rand, text string, near []int) string {
	lines := strings.SplitAfter(text, "\n")
	for range 1 + rng.Intn(2) {
		at := rng.Intn(len(lines))
		if len(near) > 0 && rng.Intn(4) > 0 {
			at = min(max(near[rng.Intn(len(near))]-8+rng.Intn(20), 0), len(lines)-1)
		}
		switch rng.Intn(4) {
		case 0:
			lines[at] = fmt.Sprintf("changed %d\n", rng.Intn(100))
		case 1:
			lines = slices.Insert(lines, at, fmt.Sprintf("\tnew %d;\n", rng.Intn(100)))
		case 2:
			lines = slices.Delete(lines, at, min(at+1+rng.Intn(2), len(lines)))
		case 3:
			lines = slices.Insert(lines, at, lines[at]) // a line twice
		}
		if len(lines) == 0 {
			return ""
		}
	}
	return strings.Join(lines, "")
}

// changeKind changes what a file is: its name, mode, kind or line ends. It says what it did.
func changeKind(t *testing.T, rng *rand.Rand, dir, name string) string {
	path := filepath.Join(dir, name)
	fi, err := os.Lstat(path)
	if err != nil {
		return "nothing"
	}
	regular := fi.Mode().IsRegular()
	switch rng.Intn(6) {
	case 0:
		mustGit(t, dir, "mv", name, name+".moved")
		return "rename " + name
	case 1:
		mustGit(t, dir, "rm", "-qf", name)
		return "delete " + name
	case 2:
		if regular {
			if err := os.Chmod(path, fi.Mode().Perm()^0o111); err != nil {
				t.Fatal(err)
			}
			return "chmod " + name
		}
	case 3:
		if regular {
			text := readFile(t, path)
			writeTree(t, dir, map[string]string{name: strings.ReplaceAll(string(text), "\n", "\r\n")})
			return "crlf " + name
		}
	case 4:
		writeTree(t, dir, map[string]string{name: "@elsewhere"})
		return "link " + name
	case 5:
		mustGit(t, dir, "mv", name, "moved-"+strings.ReplaceAll(name, "/", "-"))
		return "move " + name
	}
	return "nothing"
}

// before makes files that a patch applies to: its hunks' lines where they belong, others between them. ok is
// false when the patch makes no sense alone.
func before(t *testing.T, p *Patch) (files map[string]string, ok bool) {
	t.Helper()
	diffs, err := parseDiff(p.Diff)
	if err != nil {
		return nil, false
	}
	files = map[string]string{}
	for _, f := range diffs {
		if f.oldName == "" {
			continue
		}
		if files[f.oldName] != "" || f.isBinary || badPath(f.oldName, f.oldMode) != "" {
			return nil, false
		}
		var text strings.Builder
		line := 1
		fill := func(to int) {
			for ; line < to; line++ {
				fmt.Fprintf(&text, "line %d of %s\n", line, f.oldName)
			}
		}
		for _, h := range f.hunks {
			fill(h.oldPos)
			side := h.text()
			text.Write(bytes.Join(side.pre, nil))
			line += len(side.pre)
		}
		if f.isDelete == no {
			fill(line + 10)
		}
		files[f.oldName] = text.String()
		if f.oldMode&0o100 != 0 {
			files[f.oldName] = "!" + text.String()
		}
	}
	return files, true
}

// TestRealThreadsMergeAsWithGitAm applies the patches of the threads to a kernel, or to files made out of their
// hunks, and takes what git writes of that, often with a change of another kind added, to bases whose lines
// and files have drifted: merged where git am -3 merges, with the same tree, and refused where it refuses. So
// are some of the mails as they came. SERIESCTL_MERGE_ROUNDS is how many bases each patch gets.
func TestRealThreadsMergeAsWithGitAm(t *testing.T) {
	needGit(t)
	rounds := 1
	if n := os.Getenv("SERIESCTL_MERGE_ROUNDS"); n != "" {
		rounds, _ = strconv.Atoi(n)
	}
	sources := kernels(t)
	for version := range sources {
		for _, file := range dataFiles(t) {
			t.Run(version+"/"+filepath.Base(file), func(t *testing.T) {
				t.Parallel()
				all, _ := threadPatches(t, file)
				dir := bothKernels(t, sources, version, all)
				base := mustGit(t, dir, "rev-parse", "HEAD")
				rng := rand.New(rand.NewSource(int64(len(all))))
				count := map[string]int{}
				compare := func(what string, mail []byte, patch *Patch) {
					t.Helper()
					head := mustGit(t, dir, "rev-parse", "HEAD")
					s := openTestSource(t, dir, head)
					v, err := s.Prefixes(t.Context(), []*Patch{patch}, ApplyOptions{ThreeWay: true})
					if err != nil {
						t.Fatal(err)
					}
					got := v[1]
					said, ok := gitAmThreeWay(t, dir, mail)
					switch tree := mustGit(t, dir, "rev-parse", "HEAD^{tree}"); {
					case ok != (got.Status == Applied):
						t.Errorf("%s on %s: git am -3 %v %s, this %+v\n%s", what, head, ok, said, got, mail)
					case ok && tree != string(got.Tree):
						t.Errorf("%s on %s: git am -3 gives tree %s, this %+v\n%s", what, head, tree, got, mail)
					case ok:
						count[string(got.How)]++
					case strings.Contains(got.Conflicts[0].Reason, "no three-way merge"):
						count["no merge"]++
					default:
						count["conflict"]++
					}
					mustGit(t, dir, "reset", "-q", "--hard", base)
				}
				for i, p := range all {
					if rounds == 1 && len(sources) > 1 && (version == "6.1") == (i%2 == 0) {
						continue // for the other kernel
					}
					mustGit(t, dir, "reset", "-q", "--hard", base)
					if i%8 < 2 || rounds > 1 {
						compare("as it came: "+p.Subject, p.raw, p.Patch)
					}
					if _, ok := gitAm(t, dir, p.raw); !ok {
						// It does not apply to the kernel alone: to a history in which it does.
						files, ok := before(t, p.Patch)
						if !ok {
							continue
						}
						writeTree(t, dir, files)
						commitAll(t, dir, "before")
						if said, ok := gitAm(t, dir, p.raw); !ok {
							t.Logf("%q does not apply to what it was made on: %s", p.Subject, said)
							continue
						}
					}
					head := mustGit(t, dir, "rev-parse", "HEAD")
					for round := range rounds {
						compareDrifted(t, rng, dir, head, fmt.Sprintf("%q round %d", p.Subject, round), compare)
					}
				}
				t.Logf("%d patches: %v", len(all), count)
			})
		}
	}
}

// compareDrifted gives compare the commit head as a mail, with its parent drifted.
func compareDrifted(t *testing.T, rng *rand.Rand, dir, head, what string, compare func(string, []byte, *Patch)) {
	t.Helper()
	mustGit(t, dir, "reset", "-q", "--hard", head)
	touched := strings.Fields(mustGit(t, dir, "diff", "--name-only", "--no-renames", "HEAD^", "HEAD"))
	if rng.Intn(2) == 0 {
		name := touched[rng.Intn(len(touched))]
		if rng.Intn(2) == 0 {
			name = []string{"x/crlf.txt", "x/run.sh", "x/no-end", "x/link", "x/data.bin"}[rng.Intn(5)]
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil && name != "x/link" {
				writeTree(t, dir, map[string]string{name: editNear(rng, string(readFile(t, filepath.Join(dir, name))), nil)})
			}
			touched = append(touched, name)
		}
		if rng.Intn(3) > 0 {
			what += ", theirs: " + changeKind(t, rng, dir, name)
		}
		mustGit(t, dir, "add", "-A", "-f")
		mustGit(t, dir, "commit", "-q", "--amend", "--no-edit")
	}
	full := "--full-index" // else a binary patch has no use
	if rng.Intn(2) == 0 {
		full = "--abbrev=12"
	}
	mail := append([]byte(mustGit(t, dir, "format-patch", "--stdout", "--binary", full, "-M", "-1")), '\n')
	patches := mailPatches(t, mail)
	if len(patches) != 1 {
		return
	}
	near := map[string][]int{}
	if files, err := parseDiff(patches[0].Diff); err == nil {
		for _, f := range files {
			for _, h := range f.hunks {
				near[f.oldName] = append(near[f.oldName], h.oldPos+h.leading)
			}
		}
	}
	mustGit(t, dir, "reset", "-q", "--hard", "HEAD^")
	for _, name := range touched {
		fi, err := os.Lstat(filepath.Join(dir, name))
		if err != nil || !fi.Mode().IsRegular() || rng.Intn(4) == 0 {
			continue
		}
		text := readFile(t, filepath.Join(dir, name))
		now := editNear(rng, string(text), near[name])
		if fi.Mode().Perm()&0o100 != 0 {
			now = "!" + now
		}
		writeTree(t, dir, map[string]string{name: now})
	}
	if rng.Intn(5) == 0 {
		what += ", ours: " + changeKind(t, rng, dir, touched[rng.Intn(len(touched))])
	}
	commitAll(t, dir, "drifted")
	if bytes.Contains(mail, []byte("\n@@ ")) || bytes.Contains(mail, []byte("GIT binary patch")) || bytes.Contains(mail, []byte("\nrename ")) {
		compare(what, mail, patches[0])
	}
}
