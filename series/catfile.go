package series

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/seriesctl/seriesctl/internal/xec"
)

// catFile reads objects of any git repository with one long-lived `git cat-file --batch`: git reads every
// kind of repository there is, and maps packs of gigabytes instead of loading them. It never fetches what
// a partial clone lacks.
type catFile struct {
	ctx    context.Context
	cancel context.CancelFunc
	gitDir string

	mu   sync.Mutex
	proc *xec.Process
	in   *os.File
	out  *bufio.Reader
	pipe *os.File
}

func newCatFile(ctx context.Context, gitDir string) *catFile {
	// The process outlives the call that opened the source.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	return &catFile{ctx: ctx, cancel: cancel, gitDir: gitDir}
}

// repositoryVariables are those by which git can be pointed at other objects than gitDir's.
var repositoryVariables = []string{
	"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES",
	"GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_CONFIG_COUNT", "GIT_CONFIG_PARAMETERS", "GIT_CONFIG",
	"GIT_REPLACE_REF_BASE", "GIT_GRAFT_FILE", "GIT_SHALLOW_FILE", "GIT_QUARANTINE_PATH",
}

// gitCommand is git on the repository gitDir, whatever repository the environment speaks of, and cut off
// from the network.
func gitCommand(gitDir string, args ...string) xec.Cmd {
	c := xec.Cmd{
		Name: "git",
		Args: append([]string{"--git-dir=" + gitDir, "--no-replace-objects"}, args...),
		Env: []string{
			"GIT_NO_LAZY_FETCH=1",     // from git 2.45
			"GIT_ALLOW_PROTOCOL=none", // before
			"GIT_TERMINAL_PROMPT=0",
			"GIT_OPTIONAL_LOCKS=0",
		},
	}
	var unset []string
	for _, v := range repositoryVariables {
		if _, ok := os.LookupEnv(v); ok {
			unset = append(unset, "-u", v)
		}
	}
	if unset != nil {
		c.Args = append(append(unset, c.Name), c.Args...)
		c.Name = "env"
	}
	return c
}

func (c *catFile) start() error {
	inR, inW, err := os.Pipe()
	if err != nil {
		return err
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		inR.Close()
		inW.Close()
		return err
	}
	cmd := gitCommand(c.gitDir, "cat-file", "--batch")
	cmd.Stdin, cmd.Stdout, cmd.Grace = inR, outW, -1
	proc, err := cmd.Start(c.ctx)
	inR.Close()
	outW.Close()
	if err != nil {
		inW.Close()
		outR.Close()
		return err
	}
	c.proc, c.in, c.pipe, c.out = proc, inW, outR, bufio.NewReaderSize(outR, 64<<10)
	return nil
}

// stop ends the process and says how it ended.
func (c *catFile) stop() error {
	if c.proc == nil {
		return nil
	}
	c.in.Close()
	c.pipe.Close()
	err := c.proc.Wait()
	c.proc = nil
	return err
}

// lookup reads the object that git finds under name, an id or any revision.
func (c *catFile) lookup(ctx context.Context, name string) (id string, kind plumbing.ObjectType, data []byte, err error) {
	if strings.ContainsAny(name, "\n\x00") {
		return "", 0, nil, errNoObject
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return "", 0, nil, err
	}
	if c.proc == nil {
		if err := c.start(); err != nil {
			return "", 0, nil, err
		}
	}
	id, kind, data, err = c.ask(name)
	if err != nil && !errors.Is(err, errNoObject) {
		// Either git ended, and says why, or the two are out of step; it is started anew for the next object.
		c.proc.Kill()
		var died *xec.Error
		if end := c.stop(); errors.As(end, &died) && died.Stderr != "" {
			err = &diedError{gitSays(died)}
		}
	}
	return id, kind, data, err
}

func (c *catFile) ask(name string) (id string, kind plumbing.ObjectType, data []byte, err error) {
	if _, err := io.WriteString(c.in, name+"\n"); err != nil {
		return "", 0, nil, err
	}
	line, err := c.out.ReadString('\n')
	if err != nil {
		return "", 0, nil, err
	}
	line = strings.TrimSuffix(line, "\n")
	if strings.HasSuffix(line, " missing") || strings.HasSuffix(line, " ambiguous") {
		return "", 0, nil, errNoObject
	}
	f := strings.Fields(line)
	if len(f) != 3 {
		return "", 0, nil, fmt.Errorf("git cat-file says %q", line)
	}
	if kind, err = plumbing.ParseObjectType(f[1]); err != nil {
		return "", 0, nil, err
	}
	size, err := strconv.ParseInt(f[2], 10, 64)
	if err != nil || size < 0 {
		return "", 0, nil, fmt.Errorf("git cat-file says %q", line)
	}
	data = make([]byte, size)
	if _, err := io.ReadFull(c.out, data); err != nil {
		return "", 0, nil, err
	}
	_, err = c.out.Discard(1)
	return f[0], kind, data, err
}

func (c *catFile) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancel()
	_ = c.stop() // killed
}

// catFiles is a git repository as a backend: as many readers as are used at once, up to workers().
type catFiles struct {
	all []*catFile

	mu   sync.Mutex
	some *sync.Cond
	free []*catFile
}

func newCatFiles(ctx context.Context, gitDir string) *catFiles {
	c := &catFiles{}
	c.some = sync.NewCond(&c.mu)
	for range workers() {
		c.all = append(c.all, newCatFile(ctx, gitDir))
	}
	c.free = append(c.free, c.all...)
	return c
}

// lookup reads the object that git finds under name, an id or any revision.
func (c *catFiles) lookup(ctx context.Context, name string) (id string, kind plumbing.ObjectType, data []byte, err error) {
	c.mu.Lock()
	for len(c.free) == 0 {
		c.some.Wait()
	}
	one := c.free[len(c.free)-1]
	c.free = c.free[:len(c.free)-1]
	c.mu.Unlock()
	id, kind, data, err = one.lookup(ctx, name)
	c.mu.Lock()
	c.free = append(c.free, one)
	c.some.Signal()
	c.mu.Unlock()
	return id, kind, data, err
}

// object is part of backend.
func (c *catFiles) object(ctx context.Context, id plumbing.Hash) (plumbing.ObjectType, []byte, error) {
	_, kind, data, err := c.lookup(ctx, id.String())
	var died *diedError
	if errors.As(err, &died) && ctx.Err() == nil {
		err = &MissingObjectError{ID: hashOf(id), Err: err}
	}
	return kind, data, err
}

func (c *catFiles) close() error {
	for _, one := range c.all {
		one.close()
	}
	return nil
}

// diedError is a cat-file that ended instead of answering, with what it said.
type diedError struct{ error }

// gitSays turns what git printed as it died into one line.
func gitSays(e *xec.Error) error {
	lines := strings.Split(strings.TrimSpace(e.Stderr), "\n")
	for i, l := range lines {
		if reason, ok := strings.CutPrefix(l, "fatal: "); ok {
			if strings.HasSuffix(reason, ":") { // a list follows
				reason += " " + strings.Join(strings.Fields(strings.Join(lines[i+1:], " ")), " ")
			}
			return errors.New(reason)
		}
	}
	return errors.New(lines[len(lines)-1])
}
