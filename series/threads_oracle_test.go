package series

import (
	"bytes"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// kernels are the unpacked sources that real mail is applied to; the test is skipped where none is named.
func kernels(t testing.TB) map[string]string {
	t.Helper()
	dirs := map[string]string{}
	for version, env := range map[string]string{"5.10": "SERIESCTL_LINUX_5_10", "6.1": "SERIESCTL_LINUX_6_1"} {
		if dir := os.Getenv(env); dir != "" {
			dirs[version] = dir
		}
	}
	if len(dirs) == 0 {
		t.Skip("neither SERIESCTL_LINUX_5_10 nor SERIESCTL_LINUX_6_1 names an unpacked linux-source")
	}
	return dirs
}

// mailedPatch is a patch as it came, and as it was read.
type mailedPatch struct {
	raw []byte
	*Patch
	rewritten bool // its author is not the one of the mail's From
}

// threadPatches gives every patch of a thread, those of all revisions, and the thread's series.
func threadPatches(t testing.TB, file string) (all []mailedPatch, inSeries [][]mailedPatch) {
	t.Helper()
	data := readFile(t, file)
	byID := map[string]mailedPatch{}
	for _, raw := range splitMbox(data) {
		e := newEntry(parseMessage(raw), 0)
		if !e.isPatch() {
			continue
		}
		p, problems := readPatch(parseMessage(raw))
		m := mailedPatch{raw: raw, Patch: p}
		m.rewritten = slices.ContainsFunc(problems, func(p Problem) bool { return p.Kind == "author-rewritten" })
		all = append(all, m)
		byID[p.MessageID] = m
	}
	box, err := ParseMbox(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range box.Series {
		var one []mailedPatch
		for _, p := range s.Patches {
			if m, ok := byID[p.MessageID]; ok {
				one = append(one, m)
			}
		}
		inSeries = append(inSeries, one)
	}
	return all, inSeries
}

// touchedFiles makes a git repository of those files of a source that the patches name: to a patch it looks
// the same as the whole.
func touchedFiles(t testing.TB, source string, patches []mailedPatch) string {
	t.Helper()
	dir := t.TempDir()
	mustGit(t, dir, "init", "-q", "-b", "main")
	mustGit(t, dir, "config", "gc.auto", "0")
	copyTouched(t, source, dir, patches)
	commitAll(t, dir, "base")
	return dir
}

// copyTouched copies those files of a source that the patches name.
func copyTouched(t testing.TB, source, dir string, patches []mailedPatch) {
	t.Helper()
	seen := map[string]bool{}
	for _, p := range patches {
		files, err := parseDiff(p.Diff)
		if err != nil {
			continue
		}
		for _, f := range files {
			for _, name := range []string{f.oldName, f.newName} {
				if name == "" || seen[name] || badPath(name, 0) != "" {
					continue
				}
				seen[name] = true
				copyFile(t, filepath.Join(source, name), filepath.Join(dir, name))
			}
		}
	}
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	fi, err := os.Lstat(from)
	if err != nil || !fi.Mode().IsRegular() {
		return
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, fi.Mode().Perm())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

// gitAm applies a mail to the work tree with git am; where git refuses, the tree is as it was, and the
// result is what git said.
func gitAm(t testing.TB, dir string, mail []byte, flags ...string) (said string, ok bool) {
	t.Helper()
	_, err := tryGit(dir, mail, nil, append([]string{"am", "-q", "--committer-date-is-author-date"}, flags...)...)
	if err == nil {
		return "", true
	}
	if err := os.RemoveAll(filepath.Join(dir, ".git", "rebase-apply")); err != nil {
		t.Fatal(err)
	}
	mustGit(t, dir, "reset", "-q", "--hard")
	mustGit(t, dir, "clean", "-qfdx")
	return err.Error(), false
}

var (
	patchFailed  = regexp.MustCompile(`(?m)^error: patch failed: (.*):(\d+)$`)
	becausePatch = regexp.MustCompile(`patch does not apply|does not exist in index|already exists in index|corrupt patch`)
)

// sameAsAm compares a variant with what git am did in dir, in one direction and the other.
func sameAsAm(t *testing.T, what, dir string, s *Source, p mailedPatch, v Variant, said string, ok bool) {
	t.Helper()
	if !ok {
		if v.Status != Conflict {
			t.Errorf("%s: git am refuses (%s), this gives %+v", what, said, v)
			return
		}
		for _, c := range v.Conflicts {
			if c.File == "" && len(v.Conflicts) > 1 || c.Reason == "" || strings.Contains(c.Reason, "\n") || c.Hunk > 0 && c.Line == 0 {
				t.Errorf("%s: conflict %+v does not say where", what, c)
			}
		}
		if !becausePatch.MatchString(said) {
			t.Errorf("%s: git am fails for another reason: %s", what, said)
		}
		for _, m := range patchFailed.FindAllStringSubmatch(said, -1) {
			if !slices.ContainsFunc(v.Conflicts, func(c ConflictedHunk) bool { return c.File == m[1] && fmt.Sprint(c.Line) == m[2] }) {
				t.Errorf("%s: git am says %s, this %+v", what, m[0], v.Conflicts)
			}
		}
		return
	}
	if tree := mustGit(t, dir, "rev-parse", "HEAD^{tree}"); v.Status != Applied || tree != string(v.Tree) {
		t.Errorf("%s: git am gives tree %s, this %+v", what, tree, v)
		return
	}
	format := "--format=%an <%ae>%n%ad%n%cd%n%B"
	if p.rewritten {
		format = "--format=%ad%n%cd%n%B"
	}
	want := mustGit(t, dir, "log", "-1", "--date=raw", format)
	if got := mustGit(t, s.repo.dir, "log", "-1", "--date=raw", format, string(v.Commit)); got != want {
		t.Errorf("%s: commit is\n%s\ngit am makes\n%s", what, got, want)
	}
}

// TestRealThreadsApplyAsWithGitAm applies every patch of every thread to each kernel, alone and in its series;
// after a conflict the series goes on without the patch. Where git am applies, the tree is the same, and
// author, dates and message of the commit; where it refuses, this does, and names the places git names.
func TestRealThreadsApplyAsWithGitAm(t *testing.T) {
	needGit(t)
	for version, source := range kernels(t) {
		for _, file := range dataFiles(t) {
			t.Run(version+"/"+filepath.Base(file), func(t *testing.T) {
				t.Parallel()
				all, inSeries := threadPatches(t, file)
				dir := touchedFiles(t, source, all)
				base := mustGit(t, dir, "rev-parse", "HEAD")
				s := openTestSource(t, dir, "")
				applied, refused := 0, 0
				for i, p := range all {
					v, err := s.Prefixes(t.Context(), []*Patch{p.Patch}, ApplyOptions{})
					if err != nil {
						t.Fatal(err)
					}
					said, ok := gitAm(t, dir, p.raw)
					sameAsAm(t, fmt.Sprintf("patch %d %q alone", i, p.Subject), dir, s, p, v[1], said, ok)
					if ok {
						applied++
						mustGit(t, dir, "reset", "-q", "--hard", base)
					} else {
						refused++
					}
				}
				for _, patches := range inSeries {
					mustGit(t, dir, "reset", "-q", "--hard", base)
					var on []*Patch
					for _, p := range patches {
						v, err := s.Prefixes(t.Context(), append(slices.Clone(on), p.Patch), ApplyOptions{})
						if err != nil {
							t.Fatal(err)
						}
						said, ok := gitAm(t, dir, p.raw)
						sameAsAm(t, fmt.Sprintf("patch %d %q after %d others", p.Index, p.Subject, len(on)), dir, s, p, v[len(v)-1], said, ok)
						if ok {
							on = append(on, p.Patch)
						}
					}
				}
				t.Logf("%d patches alone: %d apply, %d do not; %d series", len(all), applied, refused, len(inSeries))
				if len(all) == 0 || !bytes.Contains(all[0].raw, []byte("diff")) {
					t.Error("no patches in the thread")
				}
			})
		}
	}
}

// mangle damages the diff of a mail the way mailers, people and transports do.
func mangle(rng *rand.Rand, raw []byte) []byte {
	at := bytes.Index(raw, []byte("\n@@ -"))
	if at < 0 {
		return raw
	}
	lines := bytes.SplitAfter(raw[at+1:], []byte("\n"))
	for range 1 + rng.Intn(3) {
		i := rng.Intn(len(lines))
		switch l := lines[i]; rng.Intn(8) {
		case 0: // a line lost
			lines = slices.Delete(lines, i, i+1)
		case 1: // a line twice
			lines = slices.Insert(lines, i, l)
		case 2: // white space at the end
			lines[i] = append(bytes.TrimRight(l, "\n"), " \t\n"...)
		case 3: // white space at the end taken away
			lines[i] = append(bytes.TrimRight(l, " \t\r\n"), '\n')
		case 4: // tabs made blanks
			lines[i] = bytes.ReplaceAll(l, []byte("\t"), []byte("        "))
		case 5: // another line number
			lines[i] = bytes.Replace(l, []byte("@@ -"), []byte("@@ -1"), 1)
		case 6: // a byte changed
			if len(l) > 1 {
				lines[i] = slices.Clone(l)
				lines[i][rng.Intn(len(l)-1)] = byte(33 + rng.Intn(90))
			}
		case 7: // wrapped
			if n := len(l); n > 20 {
				lines[i] = slices.Concat(l[:n/2], []byte("\n"), l[n/2:])
			}
		}
		if len(lines) == 0 {
			break
		}
	}
	return slices.Concat(raw[:at+1], bytes.Join(lines, nil))
}

// TestRealMangledMailAppliesAsWithGitAm damages the diffs of mails that apply; git am is the oracle for whether
// they still do, and what then comes of them.
func TestRealMangledMailAppliesAsWithGitAm(t *testing.T) {
	needGit(t)
	rounds := 4
	if n := os.Getenv("SERIESCTL_MANGLE_ROUNDS"); n != "" {
		rounds, _ = strconv.Atoi(n)
	}
	for version, source := range kernels(t) {
		for _, file := range dataFiles(t) {
			t.Run(version+"/"+filepath.Base(file), func(t *testing.T) {
				t.Parallel()
				all, _ := threadPatches(t, file)
				dir := touchedFiles(t, source, all)
				base := mustGit(t, dir, "rev-parse", "HEAD")
				s := openTestSource(t, dir, "")
				rng := rand.New(rand.NewSource(int64(len(all))))
				applied, refused := 0, 0
				for i, p := range all {
					v, err := s.Prefixes(t.Context(), []*Patch{p.Patch}, ApplyOptions{})
					if err != nil {
						t.Fatal(err)
					}
					for n := 0; n < rounds && v[1].Status == Applied; n++ {
						mail := mangle(rng, p.raw)
						said, ok := gitAm(t, dir, mail)
						got := Variant{Status: Conflict}
						bad, _ := readPatch(parseMessage(mail))
						if bad != nil {
							made, err := s.Prefixes(t.Context(), []*Patch{bad}, ApplyOptions{})
							if err != nil {
								t.Fatal(err)
							}
							got = made[1]
						}
						tree := mustGit(t, dir, "rev-parse", "HEAD^{tree}")
						if ok != (got.Status == Applied) || ok && tree != string(got.Tree) {
							t.Errorf("patch %d, round %d: git am %v %s %s, this gives %+v for\n%s", i, n, ok, tree, said, got, mail)
						}
						if ok {
							applied++
							mustGit(t, dir, "reset", "-q", "--hard", base)
						} else {
							refused++
						}
					}
				}
				t.Logf("%d mangled mails apply, %d do not", applied, refused)
			})
		}
	}
}
