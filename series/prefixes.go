package series

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// ApplyOptions say how patches go on.
type ApplyOptions struct {
	Prerequisites []*Patch // applied to the base first, in order
	Resolutions   string   // directory of patch files that stand in for patches that do not apply; "" for none
	Fuzz          int      // lines of context that may be left out at either end of a hunk, as patch(1) counts

	// ThreeWay merges a patch that does not apply, as `git am -3` does, from the blobs that its index lines
	// name. It comes before Fuzz and before Resolutions. A plain tree has no blobs but those of its files.
	ThreeWay bool
}

// PrerequisiteError is a prerequisite that does not apply to the base.
type PrerequisiteError struct {
	Subject   string
	Conflicts []ConflictedHunk
}

func (e *PrerequisiteError) Error() string {
	why := "it does not apply"
	if len(e.Conflicts) > 0 {
		c := e.Conflicts[0]
		why = c.Reason
		if c.File != "" {
			why = fmt.Sprintf("%s: %s", c.place(), why)
		}
	}
	return fmt.Sprintf("apply prerequisite %q: %s", oneLine(e.Subject), why)
}

// Hint says what the user can do.
func (e *PrerequisiteError) Hint() string {
	return "give the base the prerequisite was written for (--base), or a resolution of it (--resolutions)"
}

// place is the file and, where there is one, the hunk and its line.
func (c ConflictedHunk) place() string {
	if c.Hunk == 0 {
		return c.File
	}
	return fmt.Sprintf("%s hunk %d (line %d)", c.File, c.Hunk, c.Line)
}

// Prefixes applies patches in order on the base. The result has len(patches)+1 variants: index 0 is the
// base with its prerequisites, index k holds patches[:k]; after a conflict the later ones are blocked. The
// trees and commits are in the workspace's repository when it returns.
//
// Each tree is the one `git am` makes, hash for hash. Each commit has the author, date and message that
// `git am` gives it, and the author for committer, at the author's date, so that the same patches on the
// same base are the same commits.
//
// A patch that does not apply is a Variant, not an error. Errors are a *PrerequisiteError, and what is not
// the patches' fault: a source or directory of resolutions that cannot be read, a disk that is full.
func (s *Source) Prefixes(ctx context.Context, patches []*Patch, o ApplyOptions) ([]Variant, error) {
	variants, err := s.prefixes(ctx, patches, o)
	if err != nil {
		return nil, err
	}
	if err := s.objects.flush(ctx); err != nil {
		return nil, err
	}
	return variants, nil
}

func (s *Source) prefixes(ctx context.Context, patches []*Patch, o ApplyOptions) ([]Variant, error) {
	var resolutions []resolution
	if o.Resolutions != "" {
		var err error
		if resolutions, err = readResolutions(o.Resolutions); err != nil {
			return nil, err
		}
	}
	head := Variant{Status: Applied, Commit: hashOf(s.commit), Tree: hashOf(s.tree)}
	for _, p := range o.Prerequisites {
		v, err := s.next(ctx, head, p, resolutions, o)
		if err != nil {
			return nil, err
		}
		if v.Status != Applied {
			return nil, &PrerequisiteError{Subject: p.Subject, Conflicts: v.Conflicts}
		}
		head.Commit, head.Tree, head.How = v.Commit, v.Tree, worse(head.How, v.How)
	}
	variants := []Variant{head}
	for i, p := range patches {
		v := Variant{Status: Blocked}
		if head.Status == Applied {
			var err error
			if v, err = s.next(ctx, head, p, resolutions, o); err != nil {
				return nil, err
			}
		}
		v.Index, v.Subject = i+1, p.Subject
		head = v
		variants = append(variants, v)
	}
	return variants, nil
}

// next applies p on top of head, by a resolution where it does not go by itself.
func (s *Source) next(ctx context.Context, head Variant, p *Patch, resolutions []resolution, o ApplyOptions) (Variant, error) {
	tree := plumbing.NewHash(string(head.Tree))
	out, err := s.step(ctx, tree, p.Diff, 0)
	if err == nil && out.conflicts != nil && o.ThreeWay {
		out, err = s.mergeStep(ctx, head, p.Diff, out)
	}
	if err == nil && out.conflicts != nil && o.Fuzz > 0 {
		var fuzzy outcome
		if fuzzy, err = s.step(ctx, tree, p.Diff, o.Fuzz); fuzzy.conflicts == nil || !o.ThreeWay {
			out = fuzzy
		}
	}
	if err != nil {
		return Variant{}, fmt.Errorf("apply %q: %w", oneLine(p.Subject), err)
	}
	if out.conflicts != nil {
		if r := resolutionFor(p, resolutions); r != nil {
			if out, err = s.step(ctx, tree, r.diff, 0); err != nil {
				return Variant{}, fmt.Errorf("apply resolution %s: %w", r.file, err)
			}
			out.how = ByResolution
			for i := range out.conflicts {
				out.conflicts[i].Reason = fmt.Sprintf("resolution %s: %s", r.file, out.conflicts[i].Reason)
			}
		}
	}
	if out.conflicts != nil {
		return Variant{Status: Conflict, Conflicts: out.conflicts}, nil
	}
	if out.how == ThreeWay && out.tree == tree {
		// It is there already: git am -3 makes no commit either.
		return Variant{Status: Applied, How: ThreeWay, Commit: head.Commit, Tree: head.Tree}, nil
	}
	commit, err := s.commitPatch(p, plumbing.NewHash(string(head.Commit)), out.tree)
	if err != nil {
		return Variant{}, fmt.Errorf("commit %q: %w", oneLine(p.Subject), err)
	}
	return Variant{Status: Applied, How: out.how, Commit: hashOf(commit), Tree: hashOf(out.tree)}, nil
}

// stepKey is a diff on a tree. Subsets of a series share most of their steps.
type stepKey struct {
	tree plumbing.Hash
	diff [sha256.Size]byte
	fuzz int
}

const maxSteps = 10_000

// step is applyDiff with a memory. Its conflicts are the caller's own.
func (s *Source) step(ctx context.Context, tree plumbing.Hash, diff []byte, fuzz int) (outcome, error) {
	return s.remembered(stepKey{tree, sha256.Sum256(diff), fuzz}, func() (outcome, error) {
		return s.objects.applyDiff(ctx, tree, diff, fuzz)
	})
}

// mergeStep is threeWay with a memory; where no merge can be tried, the conflicts of direct, and why.
func (s *Source) mergeStep(ctx context.Context, head Variant, diff []byte, direct outcome) (outcome, error) {
	// The blobs that can be found depend on head's commits, not on its tree alone.
	key := stepKey{plumbing.NewHash(string(head.Commit)), sha256.Sum256(diff), byMerge}
	return s.remembered(key, func() (outcome, error) {
		out, err := s.threeWay(ctx, head, diff)
		var none *noMerge
		if errors.As(err, &none) {
			for i := range direct.conflicts {
				direct.conflicts[i].Reason += "; no three-way merge: " + none.reason
			}
			return direct, nil
		}
		return out, err
	})
}

// byMerge stands for the fuzz in the key of a three-way merge.
const byMerge = -1

func (s *Source) remembered(key stepKey, do func() (outcome, error)) (outcome, error) {
	s.mu.Lock()
	out, ok := s.steps[key]
	s.mu.Unlock()
	if !ok {
		var err error
		if out, err = do(); err != nil {
			return outcome{}, err
		}
		s.mu.Lock()
		if len(s.steps) >= maxSteps {
			clear(s.steps)
		}
		s.steps[key] = out
		s.mu.Unlock()
	}
	out.conflicts = append([]ConflictedHunk(nil), out.conflicts...)
	return out, nil
}

// commitPatch makes the commit of a patch.
func (s *Source) commitPatch(p *Patch, parent, tree plumbing.Hash) (plumbing.Hash, error) {
	who := signature(p.Author, p.Date)
	message := p.CommitMessage
	if message == "" {
		message = p.Subject
	}
	message = strings.TrimRight(strings.ReplaceAll(message, "\x00", ""), "\n") + "\n"
	return s.objects.putCommit(&object.Commit{
		Author: who, Committer: who, Message: message, TreeHash: tree, ParentHashes: []plumbing.Hash{parent},
	})
}

func (o *objects) putCommit(c *object.Commit) (plumbing.Hash, error) {
	var m plumbing.MemoryObject
	if err := c.Encode(&m); err != nil {
		return plumbing.ZeroHash, err
	}
	r, err := m.Reader()
	if err != nil {
		return plumbing.ZeroHash, err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	return o.put(plumbing.CommitObject, data), nil
}

// signature turns "Name <address>" into what a commit can hold: git leaves out the characters that would
// end a field, and blanks and punctuation at the ends of it (ident.c).
func signature(author string, date time.Time) object.Signature {
	name, email := author, ""
	if i := strings.LastIndexByte(author, '<'); i >= 0 {
		name, email = author[:i], strings.TrimSuffix(strings.TrimSpace(author[i+1:]), ">")
	} else if a, err := mail.ParseAddress(author); err == nil {
		name, email = a.Name, a.Address
	}
	clean := func(s string) string {
		s = strings.TrimFunc(s, func(r rune) bool { return r <= ' ' || strings.ContainsRune(`.,:;<>"\'`, r) })
		return strings.Map(func(r rune) rune {
			if r == '\n' || r == '<' || r == '>' || r == 0 {
				return -1
			}
			return r
		}, s)
	}
	name, email = clean(name), clean(email)
	if name == "" {
		name = email
	}
	// Git's dates begin with 1970.
	if date.Unix() < 0 {
		date = time.Unix(0, 0).UTC()
	}
	return object.Signature{Name: name, Email: email, When: date}
}

func hashOf(h plumbing.Hash) Hash { return Hash(h.String()) }
