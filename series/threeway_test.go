package series

import (
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// gitAmThreeWay is git am -3; where it refuses, the work tree is as it was.
func gitAmThreeWay(t testing.TB, dir string, mail []byte) (said string, ok bool) {
	t.Helper()
	return gitAm(t, dir, mail, "-3", "--keep-cr")
}

// Patches by git on files that have gone on since: merged where git am -3 merges, with the same tree.
func TestThreeWayAsGitAm(t *testing.T) {
	needGit(t)
	rounds := 60
	if testing.Short() {
		rounds = 12
	}
	rng := rand.New(rand.NewSource(3))
	words := []string{"{", "}", "", "\treturn 0;", "int a;", "if (x)"}
	lines := func(n int) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = words[rng.Intn(len(words))]
			if rng.Intn(3) > 0 {
				out[i] += fmt.Sprint(rng.Intn(1000))
			}
		}
		return out
	}
	edit := func(text string, n int) string {
		l := strings.SplitAfter(text, "\n")
		for range n {
			at := rng.Intn(len(l))
			end := min(len(l)-1, at+rng.Intn(3))
			l = append(l[:at:at], append([]string{strings.Join(lines(1+rng.Intn(2)), "\n") + "\n"}, l[max(at, end):]...)...)
		}
		return strings.Join(l, "")
	}
	merged, refused, direct := 0, 0, 0
	for round := range rounds {
		base := map[string]string{}
		for _, name := range []string{"f", "d/g", "d/h"} {
			base[name] = strings.Join(lines(30+rng.Intn(30)), "\n") + "\n"
		}
		dir := newGitRepo(t, base)
		mustGit(t, dir, "checkout", "-q", "-b", "side")
		theirs, ours := map[string]string{}, map[string]string{}
		for name, text := range base {
			theirs[name] = edit(text, rng.Intn(3))
			ours[name] = edit(text, rng.Intn(4))
			switch rng.Intn(14) {
			case 0:
				theirs[name] = "-"
			case 1:
				ours[name] = "-"
			case 2:
				theirs[name], theirs[name+".moved"] = "-", theirs[name]
			case 3:
				ours[name], ours[name+".gone"] = "-", ours[name]
			case 4:
				theirs[name] = "!" + theirs[name]
			case 5:
				ours[name] = theirs[name]
			case 6:
				theirs["new"], ours["new"] = "one\n", []string{"one\n", "two\n"}[rng.Intn(2)]
			}
		}
		writeTree(t, dir, theirs)
		commitAll(t, dir, "x: change")
		mail := mustGit(t, dir, "format-patch", "--stdout", "-M", "-1") + "\n"
		mustGit(t, dir, "checkout", "-q", "main")
		writeTree(t, dir, ours)
		head := commitAll(t, dir, "ours")
		patches := mailPatches(t, []byte(mail))
		if len(patches) == 0 {
			continue // no change
		}
		s := openTestSource(t, dir, "")
		v, err := s.Prefixes(t.Context(), patches, ApplyOptions{ThreeWay: true})
		if err != nil {
			t.Fatal(err)
		}
		tried, err := s.Try(t.Context(), patches, ApplyOptions{ThreeWay: true})
		if err != nil || fmt.Sprint(tried) != fmt.Sprint(v) {
			t.Errorf("round %d: Prefixes gives %+v, Try %+v %v", round, v, tried, err)
		}
		said, ok := gitAmThreeWay(t, dir, []byte(mail))
		got := v[1]
		if !ok {
			refused++
			if got.Status != Conflict || len(got.Conflicts) == 0 {
				t.Errorf("round %d: git am -3 refuses, this gives %+v\n%s\n%s", round, got, said, mail)
			}
			continue
		}
		if got.How == ThreeWay {
			merged++
		} else {
			direct++
		}
		if want := mustGit(t, dir, "rev-parse", "HEAD^{tree}"); got.Status != Applied || want != string(got.Tree) {
			t.Errorf("round %d: git am -3 gives tree %s, this %+v\n%s", round, want, got, mail)
		}
		if none := mustGit(t, dir, "rev-parse", "HEAD") == head; none != (string(got.Commit) == head) {
			t.Errorf("round %d: commit is %s on %s", round, got.Commit, head)
		}
		mustGit(t, s.repo.dir, "ls-tree", "-r", string(got.Tree))
		mustGit(t, s.repo.dir, "fsck", "--connectivity-only")
	}
	t.Logf("%d merged, %d applied without, %d refused", merged, direct, refused)
	if merged < rounds/10 || refused < rounds/10 {
		t.Error("the test does not test")
	}
}

// The blob that a patch in the middle names is made by the one before it, and is in no repository.
func TestThreeWayOnEarlierPatches(t *testing.T) {
	text := numbered(30, "line %d")
	dir := newGitRepo(t, map[string]string{"f": text})
	one := strings.Replace(text, "line 5\n", "five\n", 1)
	two := strings.Replace(one, "line 8\n", "eight\n", 1)
	var diffs [][]byte
	for _, to := range []string{one, two} {
		writeTree(t, dir, map[string]string{"f": to})
		diffs = append(diffs, []byte(mustGit(t, dir, "diff")+"\n"))
		mustGit(t, dir, "add", "f")
	}
	mustGit(t, dir, "reset", "-q", "--hard")
	mustGit(t, dir, "prune", "--expire=now")
	s := openTestSource(t, dir, "")
	between := &Patch{Subject: "between", Diff: []byte("--- a/f\n+++ b/f\n@@ -10,3 +10,3 @@\n line 10\n-line 11\n+eleven\n line 12\n")}
	v, err := s.Prefixes(t.Context(), []*Patch{{Subject: "1", Diff: diffs[0]}, between, {Subject: "2", Diff: diffs[1]}}, ApplyOptions{ThreeWay: true})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.ReadFile(v[3].Tree, "f")
	if want := strings.Replace(two, "line 11\n", "eleven\n", 1); err != nil || string(got) != want || v[3].How != ThreeWay {
		t.Errorf("got %+v %v\n%s", v, err, got)
	}
	// Without the first patch the blob is nowhere.
	v, err = s.Prefixes(t.Context(), []*Patch{between, {Subject: "2", Diff: diffs[1]}}, ApplyOptions{ThreeWay: true})
	if err != nil || v[2].Status != Conflict || !strings.Contains(v[2].Conflicts[0].Reason, "; no three-way merge: the source does not have the blob ") {
		t.Errorf("got %+v %v", v, err)
	}
	// Only when it is asked for.
	v, err = s.Prefixes(t.Context(), []*Patch{{Subject: "1", Diff: diffs[0]}, between, {Subject: "2", Diff: diffs[1]}}, ApplyOptions{})
	if err != nil || v[3].Status != Conflict {
		t.Errorf("got %+v %v", v, err)
	}
}

func TestThreeWaySaysWhatConflicts(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	text := numbered(40, "line %d")
	dir := newGitRepo(t, map[string]string{"f": text, "g": "x\n"})
	writeTree(t, dir, map[string]string{"f": strings.NewReplacer("line 5\n", "five\n", "line 20\n", "twenty\n", "line 35\n", "thirty-five\n").Replace(text)})
	diff := []byte(mustGit(t, dir, "diff") + "\n")
	writeTree(t, dir, map[string]string{"f": strings.NewReplacer("line 2\n", "two\n", "line 20\n", "XX\n", "line 32\n", "YY\n").Replace(text)})
	commitAll(t, dir, "ours")
	s := openTestSource(t, dir, "")
	conflicts := func(s *Source, diff []byte) string {
		v, err := s.Prefixes(t.Context(), []*Patch{{Subject: "x", Diff: diff}}, ApplyOptions{ThreeWay: true})
		if err != nil || v[1].Status != Conflict {
			t.Fatalf("%+v %v", v, err)
		}
		return fmt.Sprint(v[1].Conflicts)
	}
	if got, want := conflicts(s, diff), "[f: hunk 2 at line 17: three-way merge: the same lines have been changed here too]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	// Names that are no ids are looked up nowhere.
	evil := []byte(strings.Replace(string(diff), "index ", "index HEAD:g..", 1))
	if got := conflicts(s, evil); !strings.Contains(got, "no index line names the blob of f") {
		t.Errorf("got %s", got)
	}
	plain := t.TempDir()
	writeTree(t, plain, map[string]string{"f": "other\n"})
	if got := conflicts(openTestSource(t, plain, ""), diff); !strings.Contains(got, "the source is a plain tree") {
		t.Errorf("got %s", got)
	}
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "seriesctl-merge-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
