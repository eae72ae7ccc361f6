package lab

import (
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/series"
	"github.com/seriesctl/seriesctl/testplan"
)

// newSession is a session of n prefixes; the commit of prefix k is k in hexadecimal, 40 digits.
func newSession(t *testing.T, n int, cases ...string) (*Session, *Engine, *fakeLab) {
	t.Helper()
	e, f := newFake(t, n, cases...)
	for i := range e.Spec.Variants {
		v := &e.Spec.Variants[i]
		if v.Commit = series.Hash(fmt.Sprintf("%040x", i+0xabc000)); i > 0 {
			v.Subject = fmt.Sprint("patch ", i)
		}
	}
	name := ""
	if len(cases) > 0 {
		name = cases[0]
	}
	s, err := NewSession(e.Spec, name, "", "")
	if err != nil {
		t.Fatal(err)
	}
	refresh(t, s, e)
	return s, e, f
}

// bareSession is newSession without a store: nothing is known of its kernels.
func bareSession(n int) *Session {
	spec := &Spec{Series: "s"}
	s := &Session{Spec: spec, cost: defaultCost}
	for i := range n {
		p := point{Prefix: Prefix{Index: i, Patch: i, Status: PrefixPending}, commit: series.Hash(fmt.Sprintf("%040x", i+0xabc000)), subst: fmt.Sprint("t", i)}
		if i > 0 {
			p.Subject = fmt.Sprint("patch ", i)
		}
		s.points, spec.Patches = append(s.points, p), append(spec.Patches, i)
	}
	return s
}

func refresh(t *testing.T, s *Session, e *Engine) {
	t.Helper()
	if err := s.Refresh(e.Store); err != nil {
		t.Fatal(err)
	}
}

// follow answers what is asked by the truth: prefixes from patch on are bad, before it good, or the other way round when
// fix. Those of lost can't be judged. It returns the number of answers.
func follow(t *testing.T, s *Session, patch int, fix bool, lost map[int]bool) int {
	t.Helper()
	for n := 0; ; n++ {
		step := s.Next()
		if step.Done {
			return n
		}
		if n > 100 {
			t.Fatal("it never ends")
		}
		var err error
		switch {
		case lost[step.Prefix]:
			err = s.Skip(step.Prefix)
		case (step.Prefix < patch) != fix:
			err = s.Good(step.Prefix)
		default:
			err = s.Bad(step.Prefix)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestSessionFindsThePatchInAsFewStepsAsThereAreBits(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5, 8, 9, 16, 20} {
		for patch := 1; patch <= n+1; patch++ { // n+1: none
			for _, fix := range []bool{false, true} {
				s := bareSession(n + 1)
				promised := s.Next().Steps
				steps := follow(t, s, patch, fix, nil)
				if most := 2 + bits.Len(uint(n-1)); steps > most || promised != most {
					t.Errorf("%d patches, patch %d: %d steps, %d promised, want %d", n, patch, steps, promised, most)
				}
				b := s.Finding()
				want := Bisection{Patch: patch, Effect: testplan.Regresses}
				if fix {
					want.Effect = testplan.Fixes
				}
				if patch > n {
					want = Bisection{Effect: testplan.NoEffect}
				}
				if b.Patch != want.Patch || b.Effect != want.Effect || b.First != 0 || len(b.Skipped) != 0 || b.Manual.Next != nil {
					t.Errorf("%d patches, patch %d, fix %v: got %+v", n, patch, fix, b)
				}
			}
		}
	}
}

// With any prefixes that can't be judged, the range holds the patch, and every prefix in it was skipped.
func TestSessionAnswersWithARangeAroundWhatCanNotBeJudged(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		n := 2 + rng.IntN(20)
		patch, fix := 1+rng.IntN(n), rng.IntN(2) == 0
		s := bareSession(n + 1)
		lost, unbuilt := map[int]bool{}, map[int]bool{}
		for p := 1; p < n; p++ {
			switch rng.IntN(6) {
			case 0:
				lost[p] = true
			case 1:
				unbuilt[p] = true
				s.points[p].Status = PrefixBuildFailed
			}
		}
		follow(t, s, patch, fix, lost)
		b := s.Finding()
		first := b.First
		if first == 0 {
			first = b.Patch
		}
		if patch < first || patch > b.Patch || b.Effect == testplan.Undetermined || b.Patch-first != len(b.Skipped) {
			t.Fatalf("%d patches, patch %d, lost %v and %v: got %+v", n, patch, lost, unbuilt, b)
		}
		for _, p := range b.Skipped {
			if !lost[p] && !unbuilt[p] {
				t.Fatalf("prefix %d is in the range and could be judged", p)
			}
		}
	}
}

func TestSessionPassesOverWhatHasNoKernel(t *testing.T) {
	s, e, f := newSession(t, 8, "read")
	f.unbuilt["k3"], f.unbooted["k4"] = true, true
	e.Spec.Variants[6].Status, e.Spec.Variants[6].Commit, e.Spec.Variants[6].Key = series.Conflict, "", ""
	e.Spec.Variants[7].Status, e.Spec.Variants[7].Commit, e.Spec.Variants[7].Key = series.Blocked, "", ""
	for _, p := range []int{3, 4} {
		e.Strategy = OneCell(p, 0, 1)
		mustRun(t, e)
	}
	refresh(t, s, e)
	follow(t, s, 4, false, nil)
	if b := s.Finding(); b.First != 3 || b.Patch != 5 || fmt.Sprint(b.Skipped) != "[3 4]" {
		t.Errorf("got %+v", b)
	}
	want := map[int]PrefixStatus{3: PrefixBuildFailed, 4: PrefixBootFailed, 6: PrefixConflict, 7: PrefixBlocked}
	if got := s.PassedOver(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v", got)
	}
	refused(t, s.Good(6), "prefix 6 has no kernel: it does not apply")
	log := s.Log()
	for _, line := range []string{"# prefix 3: build-failed\n# skip: [0000000000000000000000000000000000abc003] patch 3\ngit bisect skip 0000000000000000000000000000000000abc003\n",
		"# only skipped commits left to test\n# possible first bad commit: [0000000000000000000000000000000000abc005] patch 5\n"} {
		if !strings.Contains(log, line) {
			t.Errorf("no %q in\n%s", line, log)
		}
	}
}

func TestSessionRefusesWhatContradicts(t *testing.T) {
	s, _, _ := newSession(t, 10)
	for _, a := range []struct {
		prefix int
		word   string
		want   string // "" for an answer that is taken
	}{
		{0, "good", ""}, {0, "good", ""}, {6, "bad", ""},
		{0, "bad", "prefix 0 is good already"},
		{0, "skip", "prefix 0 is good already"},
		{8, "good", "prefix 8 can't be good: prefix 0 is good and prefix 6 is bad, and there is one change only"},
		{10, "good", "there is no prefix 10"},
		{-1, "good", "there is no prefix -1"},
		{3, "fine", `"fine" is no answer here`},
		{3, "skip", ""}, {3, "good", ""},
		{2, "bad", "prefix 2 can't be bad: prefix 0 is good, prefix 3 is good and prefix 6 is bad, and there is one change only"},
	} {
		before := slices.Clone(s.Answers)
		err := s.Answer(a.prefix, a.word)
		if a.want == "" {
			if err != nil {
				t.Fatal(err)
			}
			continue
		}
		refused(t, err, a.want)
		if !slices.Equal(before, s.Answers) {
			t.Errorf("%d %s was refused and kept", a.prefix, a.word)
		}
	}
}

// refused wants an *AnswerError that says so.
func refused(t *testing.T, err error, want string) {
	t.Helper()
	if e := (*AnswerError)(nil); !errors.As(err, &e) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want %q", err, want)
	}
}

func TestSessionUndo(t *testing.T) {
	s, _, _ := newSession(t, 10)
	_, err := s.Undo(Latest)
	refused(t, err, "nothing to undo")
	for p, word := range map[int]string{0: "bad", 9: "good"} {
		if err := s.Answer(p, word); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Skip(4); err != nil {
		t.Fatal(err)
	}
	if a, err := s.Undo(0); err != nil || a.Word != "bad" {
		t.Errorf("got %v, %v", a, err)
	}
	if a, err := s.Undo(Latest); err != nil || a.Prefix != 4 {
		t.Errorf("got %v, %v", a, err)
	}
	_, err = s.Undo(4)
	refused(t, err, "there is no answer for prefix 4")
	if step := s.Next(); step.Prefix != 0 || len(s.Answers) != 1 {
		t.Errorf("got %+v, %v", step, s.Answers)
	}
}

func TestSessionSharesTheAnswerOfAnImage(t *testing.T) {
	s, e, f := newSession(t, 6)
	for i := range 6 {
		f.image[fmt.Sprint("k", i)] = fmt.Sprint("i", i/3) // 0-2 are one kernel, 3-5 another
		if err := e.Image(t.Context(), e.Spec.Variants[i]); err != nil {
			t.Fatal(err)
		}
	}
	refresh(t, s, e)
	if n := follow(t, s, 3, false, nil); n != 2 {
		t.Errorf("%d answers", n)
	}
	if b := s.Finding(); b.Patch != 3 || b.First != 0 {
		t.Errorf("got %+v", b)
	}
}

func TestSessionTakesWhatIsBuiltAndSaysWhatItCosts(t *testing.T) {
	s, e, _ := newSession(t, 10)
	if step := s.Next(); !step.Guess || step.Seconds < defaultCost.First {
		t.Errorf("before anything is built: %+v", step)
	}
	for p, word := range map[int]string{0: "good", 9: "bad"} {
		if err := s.Answer(p, word); err != nil {
			t.Fatal(err)
		}
	}
	if step := s.Next(); step.Prefix != 4 || step.Steps != 4 || step.First != 1 || step.Last != 9 {
		t.Errorf("got %+v", step)
	}
	for key, seconds := range map[string]float64{"k0": 900, "k5": 100} { // the first compiles everything
		if err := e.Store.PutBuild(key, store.Build{Image: "i" + key[1:], Seconds: seconds}); err != nil {
			t.Fatal(err)
		}
	}
	refresh(t, s, e)
	step := s.Next()
	if step.Prefix != 5 || step.Guess || step.Seconds < 400 || step.Seconds > 420 {
		t.Errorf("got %+v, want the prefix that is built, and four builds of 100 s", step)
	}
}

func TestSessionProposesWhatTheCaseShows(t *testing.T) {
	s, e, f := newSession(t, 3, "read")
	e.Spec.Cases[0].Expect = testplan.Expect{Outcome: testplan.Fail, Words: []string{"EFAULT"}}
	f.outcome = func(key, _ string, _ int) string {
		return map[string]string{"k0": "EFAULT", "k1": "pass", "k2": "infra"}[key]
	}
	if s.Propose(0) != "" || s.Cell(0) != nil {
		t.Error("a proposal before a run")
	}
	for p := range 3 {
		e.Strategy = OneCell(p, 0, 2)
		mustRun(t, e)
	}
	refresh(t, s, e)
	if got := s.Propose(0) + " " + s.Propose(1) + " " + s.Propose(2); got != "good bad " {
		t.Errorf("got %q", got)
	}
	if c := s.Cell(0); c == nil || c.Runs != 2 {
		t.Errorf("got %+v", c)
	}
	if n := len(f.runs); n != 2+2+infraTries {
		t.Errorf("%d runs: %v", n, f.runs)
	}
	for terms, want := range map[[2]string]string{{"broken", "fixed"}: "fixed broken", {"fast", "slow"}: " "} {
		if err := s.setTerms(terms[0], terms[1]); err != nil {
			t.Fatal(err)
		}
		if got := s.Propose(0) + " " + s.Propose(1); got != want {
			t.Errorf("%v: got %q", terms, got)
		}
	}
}

// Of a subtest the proposal is what it showed, not what its case did.
func TestSessionOfASubtest(t *testing.T) {
	e, _ := ktapFake(t)
	e.Spec.Cases = e.Spec.Cases[:1]
	e.Spec.Cases[0].Subexpect = map[string]testplan.Expect{"c": {Outcome: testplan.Fail, Words: []string{"exit", "1"}}}
	for i := range e.Spec.Variants {
		e.Spec.Variants[i].Commit = series.Hash(fmt.Sprintf("%040x", i+0xabc000))
	}
	mustRun(t, e)
	for name, want := range map[string]string{"tmpfs/mm": "bad bad bad bad bad", "tmpfs/mm:b": "bad bad good good ", "tmpfs/mm:c": " good good bad "} {
		s, err := NewSession(e.Spec, name, "", "")
		if err != nil {
			t.Fatal(err)
		}
		refresh(t, s, e)
		var got []string
		for p := range 5 {
			got = append(got, s.Propose(p))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %q, want %q", name, strings.Join(got, " "), want)
		}
	}
}

func TestSessionWithTerms(t *testing.T) {
	s, e, _ := newSession(t, 5)
	for _, bad := range [][2]string{{"a", ""}, {"same", "same"}, {"good", "slow"}, {"start", "slow"}, {"UP", "down"}, {"a b", "c"}, {"--x", "c"}} {
		_, err := NewSession(e.Spec, "", bad[0], bad[1])
		refused(t, err, "can't be the terms")
	}
	if err := s.setTerms("fast", "slow"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Good(1), s.Answer(4, "slow")); err != nil {
		t.Fatal(err)
	}
	refused(t, s.Answer(2, "good"), "no answer here")
	if _, err := s.Undo(1); err != nil {
		t.Fatal(err)
	}
	if err := s.Answer(0, "slow"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Undo(4); err != nil {
		t.Fatal(err)
	}
	refused(t, s.Answer(4, "fast"), "fast comes before slow")
}

func TestSessionLogIsReplayed(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 1000 {
		n := 1 + rng.IntN(12)
		s := bareSession(n + 1)
		lost := map[int]bool{1 + rng.IntN(n): rng.IntN(2) == 0}
		follow(t, s, 1+rng.IntN(n), rng.IntN(2) == 0, lost)
		for range rng.IntN(3) {
			if len(s.Answers) > 0 {
				if _, err := s.Undo(Latest); err != nil {
					t.Fatal(err)
				}
			}
		}
		other := bareSession(n + 1)
		if err := other.Replay(strings.NewReader(s.Log())); err != nil {
			t.Fatalf("%v\n%s", err, s.Log())
		}
		a, b := s.Finding(), other.Finding()
		if a.Patch != b.Patch || a.First != b.First || a.Effect != b.Effect || len(s.Answers) != len(other.Answers) || fmt.Sprint(s.Next()) != fmt.Sprint(other.Next()) {
			t.Fatalf("%+v became %+v by\n%s", a, b, s.Log())
		}
		if again := other.Log(); again != s.Log() {
			t.Fatalf("the log\n%sbecame\n%s", s.Log(), again)
		}
	}
}

// Git, given the log where it has the commits, finds what the session finds: also where answers came in any order, and were shared by
// prefixes of one image.
func TestGitFindsTheSameByTheLog(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	const n = 9
	dir := t.TempDir()
	git := func(args ...string) (string, error) {
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b")
		out, err := cmd.Output()
		return strings.TrimSpace(string(out)), err
	}
	var commits []string
	if _, err := git("init", "-q"); err != nil {
		t.Fatal(err)
	}
	for i := range n + 1 {
		if _, err := git("commit", "-q", "--allow-empty", "-m", fmt.Sprint("patch ", i)); err != nil {
			t.Fatal(err)
		}
		hash, err := git("rev-parse", "HEAD")
		if err != nil {
			t.Fatal(err)
		}
		commits = append(commits, hash)
	}
	rng := rand.New(rand.NewPCG(5, 6))
	done := 0
	for range 60 {
		s := bareSession(n + 1)
		patch, fix := 1+rng.IntN(n), rng.IntN(2) == 0
		for i := range s.points {
			p := &s.points[i]
			p.commit = series.Hash(commits[i])
			switch {
			case i > 0 && i != patch && rng.IntN(4) == 0:
				p.subst = s.points[i-1].subst
			case i != patch && i != patch-1 && i != 0 && i != n && rng.IntN(5) == 0:
				p.Status = PrefixBuildFailed
			}
		}
		lost := map[int]bool{rng.IntN(n): rng.IntN(3) == 0}
		for _, i := range rng.Perm(n + 1)[:rng.IntN(4)] {
			if !s.open(i) {
				continue
			}
			say := s.Bad
			if (i < patch) != fix {
				say = s.Good
			}
			if err := say(i); err != nil {
				t.Fatal(err)
			}
		}
		follow(t, s, patch, fix, lost)
		want := s.Finding()
		if want.Patch == 0 {
			continue
		}
		done++
		log := filepath.Join(dir, ".git", "the-log")
		if err := os.WriteFile(log, []byte(s.Log()), 0o600); err != nil {
			t.Fatal(err)
		}
		out, _ := git("bisect", "replay", log)
		var first, last string
		if want.First == 0 {
			first = commits[want.Patch] + " is the first "
		} else {
			first, last = "only 'skip'ped commits left", commits[want.Patch]
		}
		if !strings.Contains(out, first) || !strings.Contains(out, last) {
			t.Errorf("patch %d, found %d-%d; git says:\n%s\nby\n%s", patch, want.First, want.Patch, out, s.Log())
		}
		if _, err := git("bisect", "reset"); err != nil {
			t.Fatal(err)
		}
	}
	if done < 40 {
		t.Errorf("only %d sessions came to an answer", done)
	}
}

func TestSessionReplaysWhatGitWrites(t *testing.T) {
	log := `# bad: [0000000000000000000000000000000000abc009] patch 9
# good: [0000000000000000000000000000000000abc000] base
git bisect start '0000000000000000000000000000000000abc009' '0000000000000000000000000000000000abc000' '--' 'fs/gfs2'
# status: waiting
git bisect skip 0000000000000000000000000000000000abc004 0000000000000000000000000000000000abc005

git-bisect good 0000000000000000000000000000000000abc003
`
	s, _, _ := newSession(t, 10)
	if err := s.Replay(strings.NewReader(log)); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range s.Answers {
		got = append(got, fmt.Sprint(a.Prefix, a.Word))
	}
	if fmt.Sprint(got) != "[9bad 0good 4skip 5skip 3good]" {
		t.Errorf("got %v", got)
	}
	old := "git bisect start\ngit bisect old 0000000000000000000000000000000000abc000\ngit bisect new 0000000000000000000000000000000000abc002\n"
	if err := s.Replay(strings.NewReader(old)); err != nil || s.TermOld != "old" || len(s.Answers) != 2 {
		t.Errorf("%v, %+v", err, s.Answers)
	}
}

func TestSessionRefusesABadLog(t *testing.T) {
	const base = "0000000000000000000000000000000000abc000"
	s, _, _ := newSession(t, 10)
	if err := s.Good(0); err != nil {
		t.Fatal(err)
	}
	for log, want := range map[string]string{
		"":                                "it is empty",
		"# nothing\n":                     "it is empty",
		"hello\n":                         "line 1 is no line of",
		"git bisect start\nrm -rf /\n":    "line 2 is no line of",
		"git bisect good\n":               "line 1: git bisect good names no commit",
		"git bisect run make\n":           `line 1: commit make is no prefix`,
		"git bisect good 123\n":           "line 1: commit 123 is no prefix of s",
		"git bisect good 0000000\n":       "line 1: commit 0000000 is more than one prefix",
		"git bisect good HEAD\n":          "commit HEAD is no prefix",
		"git bisect good \x1b[2J\n":       "is no prefix",
		"git bisect terms " + base + "\n": `line 1: "terms" is no answer here`,
		"git bisect start --term-old\n":   "--term-old names no term",
		"git bisect start --term-old=a\n": "can't be the terms",
		"git bisect good 'a\n":            "is no prefix",
		strings.Repeat("x", 5000):         "line 1: ",
		"git bisect good " + base + "\ngit bisect bad " + base + "\n": "line 2: prefix 0 is good already",
	} {
		err := s.Replay(strings.NewReader(log))
		refused(t, err, want)
		if err != nil && strings.Contains(err.Error(), "\x1b") {
			t.Errorf("an escape got through: %q", err)
		}
		if len(s.Answers) != 1 {
			t.Errorf("%q changed the answers", log)
		}
	}
}

func TestSessionOutlivesTheProcess(t *testing.T) {
	s, e, f := newSession(t, 6, "read")
	f.outcome = func(string, string, int) string { return "EFAULT" }
	e.Strategy = OneCell(0, 0, 1)
	mustRun(t, e)
	if err := errors.Join(s.Bad(0), s.Good(5), s.Keep(e.Store)); err != nil {
		t.Fatal(err)
	}
	if err := e.Store.Close(); err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(filepath.Clean(e.Store.Dir), false)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	back, err := OpenSession(st, "s")
	if err != nil || back.Case != "read" || fmt.Sprint(back.Next()) == fmt.Sprint(Step{}) || back.Next().Prefix != 2 || back.Propose(0) != "bad" {
		t.Fatalf("got %+v, %v", back, err)
	}
	if !back.Same(e.Spec, "read") || back.Same(e.Spec, "write") {
		t.Error("it is not known again")
	}
	moved := *e.Spec
	moved.Variants = slices.Clone(moved.Variants)
	moved.Variants[3].Commit = "f00"
	if back.Same(&moved, "read") {
		t.Error("another commit is taken for the same")
	}
	if err := DropSession(st, "s"); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSession(st, "s"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}
