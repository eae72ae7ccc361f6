package series

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// Source is what series are applied to: a commit of a git repository, or an unpacked source tree. It is
// never written to; what is made on top of it goes to the Repo. Its methods may be called from several
// goroutines.
type Source struct {
	repo    *Repo
	dir     string // absolute
	objects *objects
	commit  plumbing.Hash
	tree    plumbing.Hash

	mu    sync.Mutex
	steps map[stepKey]outcome
	trial *Source // what Try has made; nil before
}

// SourceError is a source that cannot be opened.
type SourceError struct {
	Dir  string
	hint string
	Err  error
}

func (e *SourceError) Error() string { return fmt.Sprintf("open source %s: %v", e.Dir, e.Err) }

func (e *SourceError) Unwrap() error { return e.Err }

// Hint says what the user can do, "" when nothing is known.
func (e *SourceError) Hint() string { return e.hint }

// OpenSource opens dir: a git repository (work tree, bare, linked work tree, shallow, with alternates or
// extensions that only git knows) at revision rev, HEAD when rev is "", or a plain unpacked source tree,
// for which rev must be "". It is a repository only if dir itself is one: a directory inside a work tree is
// a plain tree.
//
// A plain tree is hashed, and its stat kept in the Repo so that the next time is a matter of lstat;
// progress, which may be nil, is told of that. total is 0 while it is not known.
//
// A source that cannot be opened is a *SourceError, with a hint.
func (r *Repo) OpenSource(ctx context.Context, dir, rev string, progress func(what string, done, total int)) (*Source, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, &SourceError{Dir: dir, Err: err}
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		abs = real // a link names the tree; inside it links are not followed
	}
	fi, err := os.Stat(abs)
	var pe *os.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	if err == nil && !fi.IsDir() {
		err = errors.New("not a directory")
	}
	if err != nil {
		return nil, &SourceError{Dir: dir, Err: err, hint: "name a git repository or an unpacked source tree with --source"}
	}
	s := &Source{repo: r, dir: abs, steps: map[stepKey]outcome{}}
	if gitDir := gitDirOf(abs); gitDir != "" {
		err = s.openGit(ctx, dir, gitDir, rev)
	} else if rev != "" {
		err = &SourceError{
			Dir: dir, Err: fmt.Errorf("no revision %s: it is a plain source tree, not a git repository", rev),
			hint: "leave out --base, or name a git repository with --source",
		}
	} else {
		err = s.openPlain(ctx, dir, progress)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// gitDirOf gives the git directory of dir, "" when it is not a repository.
func gitDirOf(dir string) string {
	exists := func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err == nil
	}
	if exists(".git") {
		return filepath.Join(dir, ".git")
	}
	if exists("HEAD") && exists("objects") && exists("refs") {
		return dir
	}
	return ""
}

func (s *Source) openGit(ctx context.Context, dir, gitDir, rev string) (err error) {
	if rev == "" {
		rev = "HEAD"
	}
	git := newCatFiles(ctx, gitDir)
	defer func() {
		if err != nil {
			_ = git.close()
		}
	}()
	id, _, data, err := git.lookup(ctx, rev+"^{commit}")
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, errNoObject) {
		return &SourceError{Dir: dir, Err: fmt.Errorf("no commit %s", oneLine(rev)), hint: "name a commit, tag or branch of it with --base"}
	}
	if err != nil {
		return &SourceError{
			Dir: dir, Err: err,
			hint: "git on this machine cannot read it; mend it, use a newer git, or give the same source unpacked into a plain directory",
		}
	}
	if !plumbing.IsHash(id) || len(id) != 40 {
		return &SourceError{
			Dir: dir, Err: errors.New("a repository with SHA-256 object ids is not supported"),
			hint: "give a SHA-1 repository, or the same source unpacked into a plain directory",
		}
	}
	s.commit = plumbing.NewHash(id)
	c, err := decodeCommit(data)
	if err != nil {
		return &SourceError{Dir: dir, Err: fmt.Errorf("read commit %s: %w", id, err)}
	}
	s.tree = c.TreeHash
	s.objects = newObjects(s.repo, git)
	if err := s.repo.addAlternate(objectsDir(gitDir)); err != nil {
		return fmt.Errorf("note source in object store: %w", err)
	}
	return nil
}

func decodeCommit(data []byte) (*object.Commit, error) {
	var o plumbing.MemoryObject
	o.SetType(plumbing.CommitObject)
	if _, err := o.Write(data); err != nil {
		return nil, err
	}
	c := &object.Commit{}
	return c, c.Decode(&o)
}

// objectsDir is the directory of a repository's objects.
func objectsDir(gitDir string) string {
	if text, err := os.ReadFile(gitDir); err == nil { // "gitdir: …" of a linked work tree
		to := strings.TrimSpace(strings.TrimPrefix(string(text), "gitdir:"))
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(gitDir), to)
		}
		gitDir = to
	}
	if text, err := os.ReadFile(filepath.Join(gitDir, "commondir")); err == nil {
		to := strings.TrimSpace(string(text))
		if !filepath.IsAbs(to) {
			to = filepath.Join(gitDir, to)
		}
		gitDir = to
	}
	return filepath.Join(gitDir, "objects")
}

// addAlternate lets `git` in the workspace's repository find the source's objects. This package does not
// need it.
func (r *Repo) addAlternate(objects string) error {
	path := filepath.Join(r.dir, "objects", "info", "alternates")
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if strings.ContainsAny(objects, "\n\"") || strings.Contains("\n"+string(old), "\n"+objects+"\n") {
		return nil
	}
	return writeFileAtomic(path, []byte(string(old)+objects+"\n"))
}

func (s *Source) openPlain(ctx context.Context, dir string, progress func(what string, done, total int)) error {
	old := s.repo.readStatCache(s.dir)
	total := 0
	if old != nil {
		old.walk(func(d *plainDir) { total += len(d.files) })
	}
	var report func(int)
	if progress != nil {
		report = func(done int) { progress("read source", done, max(done, total)*min(total, 1)) }
	}
	plain, err := scanPlain(ctx, s.dir, old, report)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return &SourceError{Dir: dir, Err: err, hint: "name an unpacked source tree with --source, all of which can be read"}
	}
	if !sameDirs(plain.root, old) {
		if err := s.repo.writeStatCache(s.dir, plain.root); err != nil {
			return fmt.Errorf("write stat cache: %w", err)
		}
	}
	s.objects = newObjects(s.repo, plain)
	s.tree = plain.root.tree
	// The same tree is the same commit, wherever and whenever it was unpacked.
	who := object.Signature{Name: "seriesctl", Email: "seriesctl@localhost", When: time.Unix(0, 0).UTC()}
	s.commit, err = s.objects.putCommit(&object.Commit{
		Author: who, Committer: who, Message: "base: unpacked source tree\n", TreeHash: s.tree,
	})
	if err != nil {
		return fmt.Errorf("commit base: %w", err)
	}
	ids := []plumbing.Hash{s.commit}
	for id := range plain.dirs {
		ids = append(ids, id)
	}
	if wholePack(s.repo.packName(ids)) {
		s.objects.isStored(ids)
		return nil
	}
	s.objects.mu.Lock()
	for id, d := range plain.dirs {
		s.objects.add(id, gitObject{plumbing.TreeObject, encodeTree(d.entries())})
	}
	s.objects.mu.Unlock()
	return s.objects.flush(ctx)
}

// sameDirs says whether two scans found the same.
func sameDirs(a, b *plainDir) bool {
	if b == nil || len(a.files) != len(b.files) || len(a.subs) != len(b.subs) || a.path != b.path {
		return false
	}
	for i := range a.files {
		if a.files[i] != b.files[i] {
			return false
		}
	}
	for i := range a.subs {
		if !sameDirs(a.subs[i], b.subs[i]) {
			return false
		}
	}
	return true
}

// Close ends the processes that read the source. Nothing of the Source may be used after it.
func (s *Source) Close() error { return s.objects.close() }

// Base is the commit and tree that patches are applied to. For a plain tree the commit is one made up for
// it, without parents, that depends on nothing but the tree.
func (s *Source) Base() (commit, tree Hash) { return hashOf(s.commit), hashOf(s.tree) }

// ReadFile reads one file of a tree: of the base or of a variant. A path that is not there, or is a
// directory, is an error for which errors.Is(err, os.ErrNotExist) holds. For a symbolic link it is the
// link's target.
func (s *Source) ReadFile(tree Hash, path string) ([]byte, error) {
	ctx := context.Background()
	e, ok, err := s.objects.find(ctx, plumbing.NewHash(string(tree)), path)
	if err == nil && (!ok || e.isDir() || e.mode == modeGitlink) {
		err = os.ErrNotExist
	}
	if err != nil {
		return nil, fmt.Errorf("read %s of tree %s: %w", path, tree, err)
	}
	data, err := s.objects.get(ctx, e.id, plumbing.BlobObject)
	if err != nil {
		return nil, fmt.Errorf("read %s of tree %s: %w", path, tree, err)
	}
	return append([]byte(nil), data...), nil
}
