package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/testplan"
)

// The tests in this file build and boot real kernels. They take minutes and run when SERIESCTL_REAL names a directory
// for their workspaces, on the sources that SERIESCTL_LINUX_6_1 and SERIESCTL_LINUX_5_10 name: `make test` does both.

// bench is a built seriesctl with a workspace of its own.
type bench struct {
	t         testing.TB
	bin, work string
}

func newBench(t testing.TB) *bench {
	t.Helper()
	top := os.Getenv("SERIESCTL_REAL")
	if top == "" {
		t.Skip("SERIESCTL_REAL is not set: real kernels are built and booted by `make test`")
	}
	b := &bench{t: t, bin: filepath.Join(t.TempDir(), "seriesctl"), work: filepath.Join(top, t.Name())}
	if err := errors.Join(os.RemoveAll(b.work), os.MkdirAll(b.work, 0o755)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", b.bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return b
}

// source is the kernel source that the environment names.
func source(t testing.TB, env string) string {
	t.Helper()
	dir := os.Getenv(env)
	if _, err := os.Stat(filepath.Join(dir, "Makefile")); dir == "" || err != nil {
		t.Skipf("%s names no kernel source", env)
	}
	return dir
}

// run runs seriesctl to its end; progress goes to the test's log.
func (b *bench) run(args ...string) (stdout, stderr string, code int) {
	b.t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(b.bin, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = b.work, &out, &errs
	begin := time.Now()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		b.t.Fatal(err)
	}
	b.t.Logf("seriesctl %s: exit %d after %.1f s", strings.Join(args, " "), cmd.ProcessState.ExitCode(), time.Since(begin).Seconds())
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// result runs a command with --json and reads its matrix.
func (b *bench) result(wantCode int, args ...string) *lab.Result {
	b.t.Helper()
	out, errs, code := b.run(append(args, "--json")...)
	var r lab.Result
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != wantCode {
		b.t.Fatalf("exit %d (want %d), %v\n%s\n%s", code, wantCode, err, out, errs)
	}
	return &r
}

// killed starts a run, kills it without warning once n more runs are stored, and checks that nothing of it lives on.
func (b *bench) killed(n int, args ...string) {
	b.t.Helper()
	before := b.stored()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.bin, args...)
	cmd.Dir = b.work
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	ended := make(chan struct{})
	var ending error
	go func() {
		ending = cmd.Wait()
		close(ended)
	}()
	for b.stored() < before+n {
		select {
		case <-ended:
			b.t.Fatalf("the run ended before it was killed: %v", ending)
		case <-time.After(200 * time.Millisecond):
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		b.t.Fatal(err)
	}
	<-ended
	// They are killed when it ends, and end when the memory of their guests is given back.
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		out, err := exec.Command("pgrep", "-af", b.work).Output()
		if err != nil {
			return
		}
		if time.Now().After(end) {
			b.t.Fatalf("alive after kill -9:\n%s", out)
		}
	}
}

// stored is how many runs of the matrix are kept.
func (b *bench) stored() int {
	b.t.Helper()
	out, err := exec.Command(b.bin, "--workspace", filepath.Join(b.work, workspaceName), "report", "--format", "json").Output()
	if err != nil {
		return 0 // nothing was run yet
	}
	var r lab.Result
	if err := json.Unmarshal(out, &r); err != nil {
		b.t.Fatal(err)
	}
	return runsOf(&r)
}

// runsOf counts the runs of a matrix, each image's once.
func runsOf(r *lab.Result) int {
	n := 0
	for _, c := range r.Cells {
		if c.InheritedFrom == nil {
			n += c.Runs
		}
	}
	return n
}

func cellAt(t *testing.T, r *lab.Result, prefix int, name string) lab.Cell {
	t.Helper()
	for _, c := range r.Cells {
		if c.Prefix == prefix && c.Case == name {
			return c
		}
	}
	t.Fatalf("no cell %d %s", prefix, name)
	return lab.Cell{}
}

// TestRealExample is `make demo` with its matrix checked: begun and interrupted with keys in the TUI, which stays, a kill -9 in
// the middle, a run to the end, and one that finds everything done.
func TestRealExample(t *testing.T) {
	src := source(t, "SERIESCTL_LINUX_6_1")
	b := newBench(t)
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	var expected map[string][]*string
	doc, err := os.ReadFile(filepath.Join(examples, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(doc, &expected); err != nil {
		t.Fatal(err)
	}
	args := []string{"run", "--source", src, "--plan", filepath.Join(examples, "testplan.yaml")}
	d := b.sit()
	d.loadAndRun(filepath.Join(examples, "gfs2-read-write-cleanup.mbox"), strings.Join(args, " "))
	d.deadlock("gfs2/cross-read", 2)
	d.interrupt()
	b.badConfig(src)
	b.killed(5, args...)
	before := b.result(exitDone, "report")
	r := b.result(exitFound, args...)
	for name, want := range expected {
		for prefix, outcome := range want {
			got := cellAt(t, r, prefix, name)
			switch {
			case outcome == nil && got.State != lab.CellNone, outcome != nil && string(got.Outcome) != *outcome:
				t.Errorf("prefix %d %s: got %s %q, want %v", prefix, name, got.Outcome, got.Signature, deref(outcome))
			}
		}
	}
	if len(r.Cells) != len(r.Prefixes)*len(r.Cases) || len(expected) != len(r.Cases) {
		t.Errorf("%d cells of %d prefixes and %d cases, %d expected", len(r.Cells), len(r.Prefixes), len(r.Cases), len(expected))
	}
	// Nothing of the killed run is lost, and nothing is run twice.
	if got, want := r.Totals.Runs, runsOf(r)-runsOf(before); got != want {
		t.Errorf("the resumed run made %d runs, %d were missing", got, want)
	}
	b.nothingToDo(exitFound, args...)
	// The TUI was there all the time, and has the whole matrix now.
	for _, size := range [][2]int{{60, 15}, {80, 24}} {
		d.Resize(size[0], size[1])
		d.deadlock("gfs2/cross-read", 2)
		d.blame(2)
	}
	d.leave(t)
	b.shell()
}

// shell is in prefix 0 for a script, and for a person at a terminal.
func (b *bench) shell() {
	b.t.Helper()
	inside := func(name, input string, args ...string) (string, int) {
		var out bytes.Buffer
		cmd := exec.Command(name, args...)
		cmd.Dir, cmd.Stdin, cmd.Stdout = b.work, strings.NewReader(input), &out
		begin := time.Now()
		err := cmd.Run()
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			b.t.Fatal(err)
		}
		b.t.Logf("a shell took %.1f s", time.Since(begin).Seconds())
		return out.String(), cmd.ProcessState.ExitCode()
	}
	if out, code := inside(b.bin, "sanity && pwd; exit 9\n", "shell", "0", "--case", "ext4/sanity"); code != 9 || strings.Count(out, "result: pass") != 2 || !strings.HasSuffix(out, "/fs/ext4\n") {
		b.t.Errorf("exit %d, output %q", code, out)
	}
	if script, err := exec.LookPath("script"); err == nil {
		out, code := inside(script, "tty; exit 4\n", "-qec", b.bin+" shell 0", "/dev/null")
		if code != 4 || !strings.Contains(out, "/dev/pts/0") {
			b.t.Errorf("exit %d, output %q", code, out)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(b.work, workspaceName, "shell-*")); len(left) > 0 {
		b.t.Errorf("left behind: %v", left)
	}
}

// badConfig asks for an option that no kernel has.
func (b *bench) badConfig(src string) {
	b.t.Helper()
	plan := filepath.Join(b.work, "bad.yaml")
	text := "name: bad\nkernel: {arch: x86_64, config: tinyconfig, fragments: [vm, ext4], options: [CONFIG_NO_SUCH_OPTION=y]}\n" +
		"filesystems:\n  ext4: {type: ext4, mkfs: [mkfs.ext4, -q, -F], size: 64M}\ncases:\n  - {reproducer: sanity, filesystems: [ext4]}\n"
	if err := os.WriteFile(plan, []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
	_, errs, code := b.run("run", "--source", src, "--plan", plan)
	if code != exitUsage || !strings.Contains(errs, "seriesctl: configure kernel: CONFIG_NO_SUCH_OPTION=y did not survive") || !strings.Contains(errs, "\nhint: ") {
		b.t.Errorf("exit %d\n%s", code, errs)
	}
}

// nothingToDo runs a finished run again: no build, no boot, no run.
func (b *bench) nothingToDo(code int, args ...string) {
	b.t.Helper()
	if again := b.result(code, args...); again.Totals.Builds+again.Totals.Boots+again.Totals.Runs != 0 {
		b.t.Errorf("the same command again did %+v", again.Totals)
	}
}

func deref(s *string) string {
	if s == nil {
		return "no image"
	}
	return *s
}

// rfc is the thread that the program was conceived for, what it was written on, and its patches resolved for 5.10.
func rfc(t testing.TB) (mbox, prerequisite, fixups string) {
	t.Helper()
	data := os.Getenv("SERIESCTL_DATA")
	if data == "" {
		data = "../../../shared/data"
	}
	data, err := filepath.Abs(data)
	if err != nil {
		t.Fatal(err)
	}
	mbox = filepath.Join(data, "series/gfs2-mmap-rfc-v1.mbox")
	if _, err := os.Stat(mbox); err != nil {
		t.Skip(err)
	}
	return mbox, filepath.Join(data, "series/gfs2-mmap-rfc-v1-prerequisite.mbox"), filepath.Join(data, "fixups/linux-5.10")
}

// TestRealRFC is the thread the program was conceived for (cluster-devel, 20 May 2021, "gfs2: handle page faults
// during read and write"), on the kernel it was asked for.
func TestRealRFC(t *testing.T) {
	src := source(t, "SERIESCTL_LINUX_5_10")
	b := newBench(t)
	mbox, prerequisite, fixups := rfc(t)
	on := []string{"--source", src, "--prerequisite", prerequisite, "--resolutions", fixups}
	if _, errs, code := b.run("load", mbox); code != 0 {
		t.Fatal(errs)
	}

	t.Run("apply", func(t *testing.T) {
		out, errs, code := b.run(append([]string{"apply", "--json"}, on...)...)
		var doc struct {
			Prefixes []struct {
				Index             int
				Status, How, Tree string
			}
		}
		if err := json.Unmarshal([]byte(out), &doc); err != nil || code != 0 || len(doc.Prefixes) != 10 {
			t.Fatalf("exit %d, %d prefixes, %v\n%s", code, len(doc.Prefixes), err, errs)
		}
		want := gitAm(t, src, prerequisite, mbox)
		for _, p := range doc.Prefixes {
			resolved := slices.Contains([]int{6, 8, 9}, p.Index)
			if p.Status != "applied" || (p.How == "resolution") != resolved {
				t.Errorf("prefix %d: %s %s", p.Index, p.Status, p.How)
			}
			if p.Index < len(want) && p.Tree != want[p.Index] {
				t.Errorf("prefix %d: tree %s, git am gives %s", p.Index, p.Tree, want[p.Index])
			}
		}
	})

	args := append([]string{"run"}, on...)
	b.killed(20, args...)
	before := b.result(exitDone, "report")
	r := b.result(exitDone, args...)
	if len(r.Prefixes) != 10 || len(r.Cells) != 10*len(r.Cases) || len(r.Cases) < 20 {
		t.Errorf("%d prefixes, %d cases, %d cells", len(r.Prefixes), len(r.Cases), len(r.Cells))
	}
	if got, want := r.Totals.Runs, runsOf(r)-runsOf(before); got != want {
		t.Errorf("the resumed run made %d runs, %d were missing", got, want)
	}
	for _, c := range r.Cells {
		if c.State != lab.CellDone || c.Outcome == testplan.Infra {
			t.Errorf("prefix %d %s: %s %s", c.Prefix, c.Case, c.State, c.Outcome)
		}
	}
	for prefix := range 10 {
		got := cellAt(t, r, prefix, "gfs2/read-self")
		want := testplan.Pass
		switch {
		case prefix < 4:
			want = testplan.Crash
		case prefix < 9:
			want = testplan.Fail
		}
		if got.Outcome != want || want == testplan.Crash && !strings.HasPrefix(got.Signature, "kernel BUG") ||
			want == testplan.Fail && got.Signature != "read EFAULT" {
			t.Errorf("prefix %d gfs2/read-self: got %s %q, want %s", prefix, got.Outcome, got.Signature, want)
		}
		for _, name := range []string{"gfs2/sanity", "ext4/sanity", "ext4/read-self"} {
			if got := cellAt(t, r, prefix, name); got.Outcome != testplan.Pass {
				t.Errorf("prefix %d %s: got %s %q", prefix, name, got.Outcome, got.Signature)
			}
		}
	}
	// Nothing stops the last patch from faulting the buffer in again and again, which the write itself drops.
	if got := cellAt(t, r, 9, "gfs2/dio-write-onto-itself"); got.Outcome != testplan.Livelock || got.Signature != "gfs2_file_write_iter" {
		t.Errorf("prefix 9 gfs2/dio-write-onto-itself: got %s %q", got.Outcome, got.Signature)
	}
	if got := cellAt(t, r, 0, "gfs2/cross-write"); got.Outcome == testplan.Deadlock {
		out, _, _ := b.run("log", "0", "gfs2/cross-write")
		words := strings.Join(strings.Fields(out), " ") // it is wrapped
		if !strings.Contains(words, "the write of cross-a faults on cross-b, held by the write of cross-b, which faults on cross-a") {
			t.Errorf("the cycle is not named:\n%s", out)
		}
	}
	effects := map[int]testplan.Effect{}
	for _, a := range r.Attributions {
		if a.Case == "gfs2/read-self" {
			effects[a.Patch] = a.Effect
		}
	}
	if fmt.Sprint(effects) != "map[4:changes-symptom 9:fixes]" {
		t.Errorf("gfs2/read-self: got %v", effects)
	}
	b.nothingToDo(exitDone, args...)
	b.walksAll()
	b.bisect()
}

// bisect asks of the kernels that the matrix has built which patch changes gfs2/read-self, which is known, and asks again by hand.
func (b *bench) bisect() {
	b.t.Helper()
	out, errs, code := b.run("bisect", "--case", "gfs2/read-self", "--json")
	var auto lab.Bisection
	if err := json.Unmarshal([]byte(out), &auto); err != nil || code != exitDone {
		b.t.Fatalf("exit %d, %v\n%s\n%s", code, err, out, errs)
	}
	changes := map[int]testplan.Effect{auto.Patch: auto.Effect}
	for _, a := range auto.Others {
		changes[a.Patch] = a.Effect
	}
	// It trusts in one change, so two of them take it a few runs more than the matrix, and no build.
	if fmt.Sprint(changes) != "map[4:changes-symptom 9:fixes]" || auto.Totals.Builds != 0 || auto.Totals.Runs > 10 {
		b.t.Errorf("got %v by %+v", changes, auto.Totals)
	}
	// Enter takes what the case shows.
	cmd := exec.Command(b.bin, "bisect", "--manual", "--case", "gfs2/read-self", "--json")
	cmd.Dir, cmd.Stdin = b.work, strings.NewReader("\n\ns uname -r\n\n\n\n\n\n")
	text, err := cmd.Output()
	var hand lab.Bisection
	if uerr := json.Unmarshal(text, &hand); err != nil || uerr != nil || hand.Patch != 9 || hand.First != 0 || hand.Effect != testplan.Fixes || len(hand.Manual.Answers) != 5 {
		b.t.Errorf("%v, %v\n%s", err, uerr, text)
	}
}

// gitAm imports src into a repository and applies the prerequisite and the first 5 patches of mbox with git am; it
// returns the tree of each prefix.
func gitAm(t *testing.T, src, prerequisite, mbox string) []string {
	t.Helper()
	dir := t.TempDir()
	script := `
set -e
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x@example.org GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x@example.org
git init -q "$DIR"
cp -a "$SRC/." "$DIR/"
cd "$DIR"
git config core.looseCompression 0
git config gc.auto 0
git add -A -f
git commit -q -m base
git am -q "$PREREQUISITE"
git rev-parse HEAD^{tree}
git mailsplit -o"$MAILS" "$MBOX" >/dev/null
for n in 1 2 3 4 5; do
	grep -l -m1 "^Subject:.*RFC $n/9\]" "$MAILS"/* | while read -r f; do
		grep -q '^Subject: *Re:' "$f" || git am -q "$f"
	done
	git rev-parse HEAD^{tree}
done
`
	cmd := exec.Command("sh", "-c", script)
	cmd.Env = append(os.Environ(), "DIR="+filepath.Join(dir, "linux"), "MAILS="+t.TempDir(), "SRC="+src, "PREREQUISITE="+prerequisite, "MBOX="+mbox)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git am: %v\n%s", err, errs.String())
	}
	trees := strings.Fields(string(out))
	if len(trees) != 6 {
		t.Fatalf("git am gave %d trees", len(trees))
	}
	return trees
}
