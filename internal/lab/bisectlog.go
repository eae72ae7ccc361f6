package lab

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/seriesctl/seriesctl/internal/pattern"
	"github.com/seriesctl/seriesctl/internal/plain"
)

// Log is the session as `git bisect log` prints one: git can replay it where it has the commits, and so can Replay. Prefixes
// that do not build or boot are skipped in it, and those with the image of a judged one are judged. When bad comes before good the
// terms are broken and fixed, as git does not take that.
func (s *Session) Log() string {
	var b strings.Builder
	words := map[string]string{WordSkip: WordSkip}
	for _, w := range s.Words() {
		words[w] = w
	}
	terms := [2]string{s.TermOld, s.TermNew}
	before, after, changes := s.change()
	if changes && s.word(before) == WordBad {
		terms = [2]string{WordBroken, WordFixed}
		words[WordBad], words[WordGood] = WordBroken, WordFixed
	}
	b.WriteString("git bisect start")
	if terms[0] != "" {
		fmt.Fprintf(&b, " '--term-old' '%s' '--term-new' '%s'", terms[0], terms[1])
	}
	b.WriteByte('\n')
	line := func(word string, p *point) {
		fmt.Fprintf(&b, "# %s: [%s] %s\ngit bisect %s %s\n", word, p.commit, subjectOf(p), word, p.commit)
	}
	last := -1 // said to be behind the change: git knows the last only
	for _, a := range s.Answers {
		if i, err := s.at(a.Prefix); err == nil {
			line(words[a.Word], &s.points[i])
			if changes && a.Word == s.word(after) {
				last = i
			}
		}
	}
	for i := range s.points {
		p := &s.points[i]
		switch said := s.said(p.Index); {
		case said != "" || p.commit == "":
		case p.Status == PrefixBuildFailed || p.Status == PrefixBootFailed:
			fmt.Fprintf(&b, "# prefix %d: %s\n", p.Index, p.Status)
			line(WordSkip, p)
		case s.word(i) == WordSkip || changes && i <= before && s.word(i) == s.word(before):
			fmt.Fprintf(&b, "# prefix %d has the same kernel as one that was judged\n", p.Index)
			line(words[s.word(i)], p)
		}
	}
	if changes && last != after {
		line(words[s.word(after)], &s.points[after])
	}
	step := s.Next()
	if !step.Done || !changes {
		return b.String()
	}
	bad := WordBad
	if terms[0] != "" {
		bad = terms[1]
	}
	if after == before+1 {
		p := &s.points[after]
		fmt.Fprintf(&b, "# first %s commit: [%s] %s\n", bad, p.commit, subjectOf(p))
		return b.String()
	}
	b.WriteString("# only skipped commits left to test\n")
	for i := after; i > before; i-- {
		if p := &s.points[i]; p.commit != "" {
			fmt.Fprintf(&b, "# possible first %s commit: [%s] %s\n", bad, p.commit, subjectOf(p))
		}
	}
	return b.String()
}

func subjectOf(p *point) string {
	if p.Subject == "" {
		return "the base"
	}
	return plain.Line(p.Subject)
}

// Bounds of a log that is replayed: it may come from anywhere.
const (
	maxLog     = 1 << 20
	maxLogLine = 4 << 10
)

var logHash = pattern.New(`^[0-9a-f]{7,64}$`)

// Replay puts the answers of a `git bisect log` in the place of those there are. Commits are named by their hashes, whole or at least
// seven digits; each must be a prefix of the series. What is refused is an *AnswerError, and changes nothing.
func (s *Session) Replay(r io.Reader) error {
	fresh := *s
	fresh.Answers, fresh.TermOld, fresh.TermNew = []Answer{}, "", ""
	lines := bufio.NewScanner(io.LimitReader(r, maxLog))
	lines.Buffer(nil, maxLogLine)
	n, commands := 0, 0
	for lines.Scan() {
		n++
		words := dequote(lines.Text())
		if len(words) > 0 && words[0] == "git-bisect" {
			words = append([]string{"git", "bisect"}, words[1:]...)
		}
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if len(words) < 3 || words[0] != "git" || words[1] != "bisect" {
			return &AnswerError{fmt.Sprintf("replay log: line %d is no line of `git bisect log`", n), "such a line is like: git bisect good 1a2b3c4d5e6f"}
		}
		commands++
		if err := fresh.replayLine(words[2], words[3:]); err != nil {
			return &AnswerError{fmt.Sprintf("replay log: line %d: %s", n, strings.TrimPrefix(err.Error(), "bisect by hand: ")), hintOf(err)}
		}
	}
	if err := lines.Err(); err != nil {
		return &AnswerError{fmt.Sprintf("replay log: line %d: %v", n+1, err), ""}
	}
	if commands == 0 {
		return &AnswerError{"replay log: it is empty", "`git bisect log` and `seriesctl bisect --manual log` write one"}
	}
	s.Answers, s.TermOld, s.TermNew = fresh.Answers, fresh.TermOld, fresh.TermNew
	return nil
}

func hintOf(err error) string {
	if refused := (*AnswerError)(nil); errors.As(err, &refused) {
		return refused.hint
	}
	return ""
}

// replayLine does one command of a log.
func (s *Session) replayLine(command string, args []string) error {
	if command == "start" {
		return s.replayStart(args)
	}
	if (command == "old" || command == "new") && s.TermOld == "" && len(s.Answers) == 0 {
		if err := s.setTerms("old", "new"); err != nil {
			return err
		}
	}
	if len(args) == 0 {
		return &AnswerError{"git bisect " + plain.Line(command) + " names no commit", ""}
	}
	for _, hash := range args {
		p, err := s.prefixOf(hash)
		if err != nil {
			return err
		}
		if err := s.Answer(p, command); err != nil {
			return err
		}
	}
	return nil
}

// replayStart does `git bisect start [--term-old X --term-new Y] [NEW [OLD…]] [-- PATH…]`.
func (s *Session) replayStart(args []string) error {
	var before, after string
	var commits []string
	for i := 0; i < len(args); i++ {
		name, value, inline := strings.Cut(args[i], "=")
		switch name {
		case "--term-old", "--term-good", "--term-new", "--term-bad":
			if !inline {
				if i++; i == len(args) {
					return &AnswerError{name + " names no term", ""}
				}
				value = args[i]
			}
			if name == "--term-old" || name == "--term-good" {
				before = value
			} else {
				after = value
			}
		case "--":
			i = len(args)
		case "--no-checkout", "--first-parent":
		default:
			commits = append(commits, args[i])
		}
	}
	if err := s.setTerms(before, after); err != nil {
		return err
	}
	for i, hash := range commits {
		p, err := s.prefixOf(hash)
		if err != nil {
			return err
		}
		if i == 0 {
			err = s.Bad(p)
		} else {
			err = s.Good(p)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// prefixOf finds the prefix that a commit is.
func (s *Session) prefixOf(hash string) (int, error) {
	found := -1
	for i := range s.points {
		if !logHash.MatchString(hash) || !strings.HasPrefix(string(s.points[i].commit), hash) {
			continue
		}
		if found >= 0 {
			return 0, &AnswerError{fmt.Sprintf("commit %s is more than one prefix", hash), "write the whole hash"}
		}
		found = s.points[i].Index
	}
	if found < 0 {
		return 0, &AnswerError{fmt.Sprintf("commit %s is no prefix of %s", plain.Line(hash), s.Spec.Series), "`seriesctl apply` prints their commits; the base must be the same"}
	}
	return found, nil
}

// dequote cuts a line into words; single quotes hold one together, as git writes them.
func dequote(line string) []string {
	var words []string
	var word strings.Builder
	in, quoted := false, false
	for _, c := range strings.TrimSpace(line) {
		switch {
		case c == '\'':
			quoted, in = !quoted, true
		case !quoted && (c == ' ' || c == '\t'):
			if in {
				words = append(words, word.String())
			}
			word.Reset()
			in = false
		default:
			word.WriteRune(c)
			in = true
		}
	}
	if in {
		words = append(words, word.String())
	}
	return words
}
