package series

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
)

// Diffs on files whose context has drifted: with the same fuzz this applies where patch(1) does, and makes
// the same of them. Lines are unique, since the two look for a place that is not unique in their own order.
func TestFuzzAsPatch(t *testing.T) {
	if _, err := exec.LookPath("patch"); err != nil {
		t.Skip("no patch(1) to compare with")
	}
	rounds := 250
	if testing.Short() {
		rounds = 40
	}
	rng := rand.New(rand.NewSource(5))
	next := 0
	line := func() string { next++; return fmt.Sprintf("line %d of it\n", next) }
	edit := func(lines []string, n int) []string {
		lines = append([]string(nil), lines...)
		for range n {
			at := rng.Intn(len(lines))
			switch rng.Intn(3) {
			case 0:
				lines[at] = line()
			case 1:
				lines = append(lines[:at:at], append([]string{line()}, lines[at:]...)...)
			case 2:
				lines = append(lines[:at:at], lines[at+1:]...)
			}
		}
		return lines
	}
	dir := newGitRepo(t, map[string]string{"f": "x\n"})
	s := openTestSource(t, dir, "")
	applied := map[int]int{}
	for round := range rounds {
		var base []string
		for range 12 + rng.Intn(20) {
			base = append(base, line())
		}
		theirs, ours := edit(base, 1), strings.Join(edit(base, 1+rng.Intn(3)), "")
		work := t.TempDir()
		writeTree(t, work, map[string]string{"a/f": strings.Join(base, ""), "b/f": strings.Join(theirs, ""), "ours": ours})
		cmd := exec.Command("diff", "-u", "a/f", "b/f")
		cmd.Dir = work
		diff, _ := cmd.Output() // exits with 1 where they differ
		tree := s.objects.putTree([]treeEntry{{"f", modeFile, s.objects.put(plumbing.BlobObject, []byte(ours))}})
		for fuzz := range 4 {
			cmd := exec.Command("patch", "-s", "-f", "-N", "-p1", fmt.Sprintf("-F%d", fuzz), "-r", "-", "-o", "out", "ours")
			cmd.Dir, cmd.Stdin = work, bytes.NewReader(diff)
			said, err := cmd.CombinedOutput()
			ok := err == nil
			out, err := s.objects.applyDiff(t.Context(), tree, diff, fuzz)
			if err != nil {
				t.Fatal(err)
			}
			if ok != (out.conflicts == nil) {
				t.Errorf("round %d, fuzz %d: patch(1) %v, this %+v\n%s%s\non\n%s", round, fuzz, ok, out, said, diff, ours)
				continue
			}
			if !ok {
				continue
			}
			applied[fuzz]++
			e, _, err := s.objects.find(t.Context(), out.tree, "f")
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.objects.get(t.Context(), e.id, plumbing.BlobObject)
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(filepath.Join(work, "out"))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("round %d, fuzz %d: this gives\n%spatch(1)\n%sfor\n%son\n%s", round, fuzz, got, want, diff, ours)
			}
		}
	}
	t.Logf("of %d diffs apply with fuzz: %v", rounds, applied)
	if applied[0] == applied[2] {
		t.Error("fuzz makes no difference: the test does not test")
	}
}
