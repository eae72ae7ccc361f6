package series

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// Guess is a commit that a series may have been made on, judged by the files its patches change: an index
// line names the blob each was made on.
type Guess struct {
	Commit Hash   `json:"commit"`
	Name   string `json:"name"` // the branch or tag it is, else the abbreviated commit
	// Files is how many files of the series have an index line for contents that are older than the series;
	// Matches is how many of these the commit has just so.
	Files   int      `json:"files"`
	Matches int      `json:"matches"`
	Differ  []string `json:"differ"` // the files that do not match; sorted
	Why     string   `json:"why"`    // how it came to be looked at: "named as base-commit", "branch or tag", …
}

func (g Guess) String() string {
	s := fmt.Sprintf("%s: %d of %d files are as the patches expect them", g.Name, g.Matches, g.Files)
	if len(g.Differ) > 0 {
		s += ", not " + some(g.Differ)
	}
	return s
}

// Bounds on the search for a base.
const (
	mostRefs      = 300
	mostCommits   = 600
	mostLookups   = 60_000          // paths looked up in candidates, together
	historyTime   = 8 * time.Second // for git log on the touched files
	historyBefore = 400 * 24 * time.Hour
	mostPathsLog  = 100
)

// GuessBase finds the commits of the git repository in dir that s may have been made on, best first: those
// where most of the files are the blobs that the index lines name. Looked at are the base-commit s names, HEAD,
// the newest branches and tags, and the commits of the year before s that touch its files. Of equal ones, the
// first in this order is best. The list is empty when dir is no git repository or the patches have no index
// lines. The work is bounded, whatever the repository's size. progress, which may be nil, is told how many
// candidates there are so far. Errors are git's, or the context's.
func GuessBase(ctx context.Context, dir string, s *Series, progress func(candidates int)) ([]Guess, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("guess base: %w", err)
	}
	gitDir := gitDirOf(abs)
	want := expected(s.Patches)
	if gitDir == "" || len(want) == 0 {
		return []Guess{}, nil
	}
	g := guesser{gitDir: gitDir, want: want, seen: map[string]bool{}, found: progress}
	if progress == nil {
		g.found = func(int) {}
	}
	for path := range want {
		g.paths = append(g.paths, path)
	}
	sort.Strings(g.paths)
	if err := g.candidates(ctx, s); err != nil {
		return nil, fmt.Errorf("guess base: %w", err)
	}
	if err := g.judge(ctx); err != nil {
		return nil, fmt.Errorf("guess base: %w", err)
	}
	sort.SliceStable(g.list, func(i, j int) bool { return g.list[i].Matches > g.list[j].Matches })
	return g.list, nil
}

// expected is the blob each file has before the series, as far as it is written in the index lines. What the series itself makes is not expected of the base.
func expected(patches []*Patch) map[string]string {
	want := map[string]string{}
	touched := map[string]bool{}
	for _, p := range patches {
		files, err := parseDiff(p.Diff)
		if err != nil {
			continue
		}
		for _, f := range files {
			if name := f.oldName; name != "" && !touched[name] && len(f.oldID) >= 7 && strings.Trim(f.oldID, "0") != "" {
				want[name] = f.oldID
			}
			touched[f.oldName], touched[f.newName] = true, true
		}
	}
	return want
}

type guesser struct {
	gitDir string
	want   map[string]string
	paths  []string
	seen   map[string]bool
	list   []Guess
	found  func(candidates int) // told how many there are, as they come
}

func (g *guesser) add(commit, name, why string) {
	if commit == "" || g.seen[commit] || (len(g.list)+1)*len(g.paths) > mostLookups {
		return
	}
	g.seen[commit] = true
	if name == "" {
		name = commit[:min(12, len(commit))]
	}
	g.list = append(g.list, Guess{Commit: Hash(commit), Name: name, Files: len(g.want), Differ: []string{}, Why: why})
	g.found(len(g.list))
}

// candidates gathers the commits to look at, those that need the least trust in chance first.
func (g *guesser) candidates(ctx context.Context, s *Series) error {
	resolve := func(rev string) string {
		if rev == "" || strings.HasPrefix(rev, "-") {
			return ""
		}
		out, err := gitCommand(g.gitDir, "rev-parse", "--verify", "--quiet", "--end-of-options", rev+"^{commit}").Output(ctx)
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(out))
	}
	g.add(resolve(s.BaseCommit), s.BaseCommit, "named as base-commit")
	g.add(resolve("HEAD"), "HEAD", "HEAD")
	out, err := gitCommand(g.gitDir, "for-each-ref", fmt.Sprintf("--count=%d", mostRefs), "--sort=-creatordate",
		"--format=%(objecttype) %(objectname) %(*objecttype) %(*objectname) %(refname)", "refs/heads", "refs/tags", "refs/remotes").Output(ctx)
	if err != nil {
		return err
	}
	// Tags first: of two names for a commit, the one that stays.
	for _, tags := range []bool{true, false} {
		for line := range strings.Lines(string(out)) {
			f := strings.Fields(line)
			if len(f) == 0 {
				continue
			}
			name, isTag := strings.CutPrefix(f[len(f)-1], "refs/tags/")
			switch {
			case isTag != tags:
			case len(f) == 3 && f[0] == "commit":
				g.add(f[1], strings.TrimPrefix(strings.TrimPrefix(name, "refs/heads/"), "refs/remotes/"), "branch or tag")
			case len(f) == 5 && f[2] == "commit":
				g.add(f[3], name, "branch or tag")
			}
		}
	}
	return g.history(ctx, s)
}

// history adds the commits before the series that touch its files. When git is not done in time, those it has
// found by then.
func (g *guesser) history(ctx context.Context, s *Series) error {
	limited, cancel := context.WithTimeout(ctx, historyTime)
	defer cancel()
	args := []string{"log", "--format=%H", fmt.Sprintf("--max-count=%d", mostCommits), "--all", "HEAD"}
	if !s.Date.IsZero() {
		args = append(args, "--since="+s.Date.Add(-historyBefore).UTC().Format(time.RFC3339), "--until="+s.Date.Add(24*time.Hour).UTC().Format(time.RFC3339))
	}
	args = append(args, "--")
	for _, path := range g.paths[:min(len(g.paths), mostPathsLog)] {
		args = append(args, ":(literal)"+path)
	}
	cmd := gitCommand(g.gitDir, args...)
	lines := &lineWriter{line: func(commit string) { g.add(commit, "", "touches the same files") }}
	cmd.Stdout, cmd.Grace = lines, -1
	err := cmd.Run(limited)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil && limited.Err() == nil {
		return err
	}
	return nil
}

// lineWriter gives every whole line written to it to line, without its newline.
type lineWriter struct {
	line func(string)
	rest []byte
}

func (w *lineWriter) Write(data []byte) (int, error) {
	w.rest = append(w.rest, data...)
	for {
		line, rest, ok := bytes.Cut(w.rest, []byte("\n"))
		if !ok {
			return len(data), nil
		}
		w.line(string(line))
		w.rest = rest
	}
}

// judge counts what matches in every candidate, with one git process for all.
func (g *guesser) judge(ctx context.Context) error {
	var ask bytes.Buffer
	for _, c := range g.list {
		for _, path := range g.paths {
			fmt.Fprintf(&ask, "%s:%s\n", c.Commit, strings.ReplaceAll(path, "\n", "?"))
		}
	}
	cmd := gitCommand(g.gitDir, "cat-file", "--batch-check=%(objectname)")
	cmd.Stdin = &ask
	out, err := cmd.Output(ctx)
	if err != nil {
		return err
	}
	answers := strings.SplitAfter(string(out), "\n")
	if len(answers) < len(g.list)*len(g.paths) {
		return fmt.Errorf("git cat-file gave %d answers for %d objects", len(answers)-1, len(g.list)*len(g.paths))
	}
	for i := range g.list {
		c := &g.list[i]
		for j, path := range g.paths {
			if strings.HasPrefix(answers[i*len(g.paths)+j], g.want[path]) {
				c.Matches++
			} else {
				c.Differ = append(c.Differ, path)
			}
		}
	}
	return nil
}
