package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/qemu"
	"github.com/seriesctl/seriesctl/series"
	"github.com/seriesctl/seriesctl/testplan"
)

// scripted are kernels that show what they are told to: the case fails before patch 5, prefix 4 does not build.
type scripted struct {
	st   *store.Store
	spec *lab.Spec
	did  []string
	err  error
}

func (k *scripted) Image(_ context.Context, prefix int) error {
	k.did = append(k.did, fmt.Sprint("image ", prefix))
	b := store.Build{Image: fmt.Sprint("i", prefix), Seconds: 10}
	if prefix == 4 {
		b = store.Build{Detail: "a.c:3: error: no"}
	}
	return errors.Join(k.err, k.st.PutBuild(k.spec.Variants[prefix].Key, b))
}

func (k *scripted) Run(ctx context.Context, prefix, runs int) error {
	if err := k.Image(ctx, prefix); err != nil || prefix == 4 {
		return err
	}
	k.did = append(k.did, fmt.Sprint("run ", prefix, " ", runs))
	o := qemu.Observation{Exited: true, Output: "result: pass\n"}
	if prefix < 5 {
		o = qemu.Observation{Exited: true, Status: 1, Output: "result: fail read EFAULT\n"}
	}
	_, err := k.st.PutRun(fmt.Sprint("i", prefix), k.spec.Cases[0].Key, store.Run{Observation: o})
	return err
}

func (k *scripted) Shell(_ context.Context, prefix int, command string) error {
	k.did = append(k.did, fmt.Sprint("shell ", prefix, " ", command))
	return statusError(3)
}

// newTalk is a dialogue about nine patches with scripted kernels; name is its case or "".
func newTalk(t *testing.T, name string, in io.Reader) (*talker, *scripted, *bytes.Buffer, *bytes.Buffer) {
	t.Helper()
	st, err := store.Open(filepath.Join(t.TempDir(), "ws"), true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	spec := &lab.Spec{Series: "s", Runs: 1, Confirm: 2}
	for i := range 10 {
		spec.Patches = append(spec.Patches, i)
		spec.Variants = append(spec.Variants, lab.Variant{Key: fmt.Sprint("k", i),
			Variant: series.Variant{Index: i, Status: series.Applied, Subject: fmt.Sprint("fs: step ", i), Tree: series.Hash(fmt.Sprint("t", i)), Commit: series.Hash(fmt.Sprintf("%040d", i))}})
	}
	if name != "" {
		spec.Cases = []lab.Case{{Case: testplan.Case{Name: name, Run: qemu.Case{Argv: []string{"read-self"}}}, Key: "cell"}}
	}
	sess, err := lab.NewSession(spec, name, "", "")
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	a := &app{out: &out, err: &errs, color: "never"}
	h := &judging{a: a, st: st, s: &series.Series{ID: "s"}, sess: sess}
	if err := h.keep(); err != nil {
		t.Fatal(err)
	}
	k := &scripted{st: st, spec: spec}
	return &talker{a: a, h: h, k: k, in: newTyping(in), echo: true}, k, &out, &errs
}

func TestDialogueProposesWhatTheCaseShows(t *testing.T) {
	d, k, out, _ := newTalk(t, "gfs2/read-self", strings.NewReader("\n\ns ls /fs\nr\nc\n\n\n\n\n"))
	if err := d.talk(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := d.h.sess.Finding()
	if b.Effect != testplan.Fixes || b.Patch != 5 || b.First != 4 || fmt.Sprint(b.Skipped) != "[4]" || len(b.Cells) == 0 {
		t.Errorf("got %+v", b)
	}
	if got := strings.Join(k.did, ", "); !strings.HasPrefix(got, "image 0, run 0 1, image 9, run 9 1, image 4, image 5, run 5 1, shell 5 ls /fs, image 5, run 5 2, ") {
		t.Errorf("did %s", got)
	}
	for _, want := range []string{"prefix 0: good, bad or skip? [bad] \n", "prefix 9: good, bad or skip? [good] \n", "prefix 4 is skipped: it does not build: a.c:3: error: no\n",
		"gfs2/read-self: pass (2 runs", "run 2 of 2: pass"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// Without a case the ends can be said without a kernel; then the kernel is there before the question.
func TestDialogueHasTheKernelAtEachStep(t *testing.T) {
	d, k, out, errs := newTalk(t, "", strings.NewReader("bad\ng\nr\nb\nx\n"))
	if err := d.talk(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(k.did, ", "); got != "image 4, image 5, image 7, image 6" {
		t.Errorf("did %s\n%s", got, out)
	}
	if !strings.HasSuffix(out.String(), "left; `seriesctl bisect --manual` goes on here\n") || !strings.Contains(errs.String(), "there is no case to run") {
		t.Errorf("got %s\n%s", out, errs)
	}
}

// What the lab can't do is said, and the person can still judge.
func TestDialogueSurvivesTheLab(t *testing.T) {
	d, k, _, errs := newTalk(t, "gfs2/read-self", strings.NewReader("bad\ngood\nskip\nq\n"))
	k.err = &qemu.InfraError{Op: "build kernel", Err: errors.New("no room")}
	if err := d.talk(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(d.h.sess.Answers); n != 3 || strings.Count(errs.String(), "seriesctl: build kernel: no room\nhint: ") < 3 {
		t.Errorf("%d answers, %s", n, errs)
	}
}

func TestDialogueIsInterruptedAndLosesNothing(t *testing.T) {
	r, w := io.Pipe()
	defer func() { _ = w.Close() }()
	d, _, _, _ := newTalk(t, "", r)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.talk(ctx) }()
	if _, err := io.WriteString(w, "good 0\nbad 9\n"); err != nil {
		t.Fatal(err)
	}
	for s, err := lab.OpenSession(d.h.st, "s"); err != nil || len(s.Answers) < 2; s, err = lab.OpenSession(d.h.st, "s") {
		time.Sleep(time.Millisecond)
	}
	cancel()
	err := <-done
	if code, _ := classify(err); code != exitInterrupted {
		t.Fatalf("got %v", err)
	}
	s, err := lab.OpenSession(d.h.st, "s")
	if err != nil || s.Next().Prefix != 5 && s.Next().Prefix != 4 {
		t.Errorf("got %+v, %v", s, err)
	}
}

// A shell that ends leaves what was typed behind its end to the dialogue.
func TestTypingIsShared(t *testing.T) {
	r, w := io.Pipe()
	in := newTyping(r)
	for range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		got := make(chan string, 1)
		go func() {
			all, _ := io.ReadAll(in.until(ctx))
			got <- string(all)
		}()
		go func() {
			_, _ = io.WriteString(w, "x")
			_, _ = io.WriteString(w, "good\n")
		}()
		cancel()
		shell := <-got
		if shell == "xgood\n" { // it was all typed before the shell ended
			continue
		}
		line, err := in.line(t.Context())
		if err != nil || shell+line != "xgood" {
			t.Fatalf("the shell got %q, the dialogue %q, %v", shell, line, err)
		}
	}
	go func() {
		_, _ = io.WriteString(w, strings.Repeat("y", maxTyped+1)+"\n")
		_ = w.Close()
	}()
	if _, err := in.line(t.Context()); err == nil {
		t.Error("a line without an end is read")
	}
}
