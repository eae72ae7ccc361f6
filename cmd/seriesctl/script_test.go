package main

import (
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/seriesctl/seriesctl/internal/store"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"seriesctl": func() { os.Exit(run(untilSignal(), os.Args[1:])) },
	})
}

// TestScript runs the commands as a person would. In each script: tree is a small git repository, three.mbox a
// series of three patches to it made by git format-patch, and the tools are those of the host. $ARCHIVE is a
// mail archive on this machine that has three.mbox as the thread of <three@example.org>.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			if err := makeSeries(env.WorkDir); err != nil {
				return err
			}
			archive := httptest.NewServer(mailArchive(filepath.Join(env.WorkDir, "three.mbox")))
			env.Defer(archive.Close)
			env.Setenv("ARCHIVE", archive.URL)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			// beside-a-run WORKSPACE COMMAND…: the command while another process, this one, builds and runs there.
			"beside-a-run": func(ts *testscript.TestScript, _ bool, args []string) {
				st, err := store.Open(ts.MkAbs(args[0]), false)
				ts.Check(err)
				defer st.Close()
				unlock, err := st.Lock()
				ts.Check(err)
				defer unlock()
				ts.Check(ts.Exec(args[1], args[2:]...))
			},
			// only-tools NAME…: from here on PATH holds nothing but these of the host's programs.
			"only-tools": func(ts *testscript.TestScript, _ bool, names []string) {
				dir := ts.MkAbs("only")
				ts.Check(os.MkdirAll(dir, 0o755))
				self, err := exec.LookPath("seriesctl")
				if err == nil {
					ts.Check(os.Symlink(self, filepath.Join(dir, "seriesctl")))
				}
				for _, n := range names {
					path, err := exec.LookPath(n)
					ts.Check(err)
					ts.Check(os.Symlink(path, filepath.Join(dir, n)))
				}
				ts.Setenv("PATH", dir)
			},
		},
	})
}

// mailArchive serves an mbox as public-inbox does.
func mailArchive(mbox string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := os.ReadFile(mbox)
		if err != nil || r.URL.Path != "/all/three@example.org/t.mbox.gz" {
			http.NotFound(w, r)
			return
		}
		pack := gzip.NewWriter(w)
		_, _ = pack.Write(data)
		_ = pack.Close()
	})
}

// makeSeries makes tree and three.mbox in dir with git.
func makeSeries(dir string) error {
	script := `
set -e
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
export GIT_AUTHOR_NAME='A Developer' GIT_AUTHOR_EMAIL=dev@example.org GIT_COMMITTER_NAME=c GIT_COMMITTER_EMAIL=c@example.org
export GIT_AUTHOR_DATE='2021-05-20T12:00:00Z' GIT_COMMITTER_DATE='2021-05-20T12:00:00Z'
git init -q -b main tree
cd tree
mkdir -p fs lib
seq 1 40 > fs/a.c
seq 101 140 > lib/b.c
git add -A
git commit -q -m base
git tag base
sed -i 's/^10$/ten/' fs/a.c; git commit -qam 'fs: write ten as a word'
sed -i 's/^20$/twenty/' fs/a.c; git commit -qam 'fs: write twenty as a word'
sed -i 's/^120$/hundred and twenty/' lib/b.c; git commit -qam 'lib: spell it out'
git format-patch -q --stdout --thread=shallow --subject-prefix='RFC PATCH' --cover-letter --cover-from-description=none base > ../three.mbox
git branch -q done
git checkout -q base
git checkout -q -b work
`
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return &exec.Error{Name: string(out), Err: err}
	}
	return nil
}
