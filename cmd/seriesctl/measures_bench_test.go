package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seriesctl/seriesctl/series"
)

// BenchmarkMeasures measures what seriesctl is held to, each beside what it is held against, turn by turn in one run:
// `make bench`. Times are medians; "times-faster" is to be at least "times-wanted", what is counted at most what is
// "allowed".
func BenchmarkMeasures(b *testing.B) {
	bin := filepath.Join(b.TempDir(), "seriesctl")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	b.Run("load-mailbox", func(b *testing.B) { measureMailbox(b, bin) })
	b.Run("load-thread", func(b *testing.B) { measureThread(b, bin) })
	dir, patches := gitKernel(b)
	b.Run("apply", func(b *testing.B) { measureApply(b, bin, dir, patches) })
	b.Run("apply-in-process", func(b *testing.B) { measureInProcess(b, dir, patches) })
	b.Run("try-subsets", func(b *testing.B) { measureSubsets(b, dir, patches) })
}

// measureMailbox loads 10,000 messages of 50 MB. The memory is the most that was resident, as wait4 says it; that is at
// least this process's own, which therefore stays small.
func measureMailbox(b *testing.B, bin string) {
	mbox := filepath.Join(b.TempDir(), "large.mbox")
	size, runs := writeMailbox(b, mbox)
	var ours []time.Duration
	var most int64
	for b.Loop() {
		workspace := b.TempDir()
		cmd := exec.Command(bin, "--workspace", workspace, "load", mbox)
		ours = append(ours, timed(b, cmd))
		most = max(most, cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) // KiB
		b.StopTimer()
		var list []struct{ Patches int }
		out, err := exec.Command(bin, "--workspace", workspace, "list", "--json").Output()
		if err = errors.Join(err, json.Unmarshal(out, &list)); err != nil || len(list) != runs || list[0].Patches != 10 {
			b.Fatalf("%d series, want %d: %v", len(list), runs, err)
		}
		b.StartTimer()
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(size)/1e6, "MB-of-mail")
	b.ReportMetric(median(ours).Seconds(), "s")
	b.ReportMetric(2, "s-allowed")
	b.ReportMetric(float64(most)*1024/1e6, "MB")
	b.ReportMetric(200, "MB-allowed")
}

// writeMailbox writes series of ten patches, each with its cover letter and nine replies: 10,000 messages. It gives
// the size in bytes and the number of series.
func writeMailbox(b *testing.B, path string) (size int64, runs int) {
	const messages, each = 10_000, 20
	rng := rand.New(rand.NewPCG(1, 1))
	vocabulary := make([]string, 3000)
	for i := range vocabulary {
		word := make([]byte, 2+rng.IntN(9))
		for j := range word {
			word[j] = byte('a' + rng.IntN(26))
		}
		vocabulary[i] = string(word)
	}
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriter(f)
	lines := func(n int, prefix string) {
		for range n {
			w.WriteString(prefix)
			for range 8 {
				w.WriteString(vocabulary[rng.IntN(len(vocabulary))])
				w.WriteByte(' ')
			}
			w.WriteByte('\n')
		}
	}
	for i := range messages {
		run, at := i/each, i%each
		id := func(k int) string { return fmt.Sprintf("20240101100000.%d-%d-dev@example.org", run, k) }
		fmt.Fprintf(w, "From mboxrd@z Thu Jan  1 00:00:00 1970\n")
		for hop := range 4 {
			fmt.Fprintf(w, "Received: from host%d.example.org (host%d.example.org [192.0.2.%d])\n\tby relay%d.example.org (Postfix) with ESMTPS id %016X\n\tfor <list@example.org>; Mon, 1 Jan 2024 10:00:%02d +0000 (UTC)\n",
				hop, hop, hop, hop, rng.Uint64(), hop)
		}
		fmt.Fprintf(w, "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org;\n\ts=key; h=from:subject:date:message-id:to:cc;\n\tb=%0128x\n", rng.Uint64())
		fmt.Fprintf(w, "From: A Developer <dev@example.org>\nTo: list@example.org\nCc: A Maintainer <m@example.org>,\n\tAnother <n@example.org>\nMessage-Id: <%s>\nDate: Mon, %d Jan 2024 10:%02d:%02d +0000\n",
			id(at+1), 1+run/100%28, run%60, at)
		switch {
		case at == 0:
			fmt.Fprintf(w, "Subject: [PATCH 00/10] series %d\n\n", run)
			lines(72, "")
		case at <= 10:
			fmt.Fprintf(w, "In-Reply-To: <%s>\nSubject: [PATCH %02d/10] sub: patch %d of series %d\n\n", id(1), at, at, run)
			lines(10, "")
			fmt.Fprintf(w, "\nSigned-off-by: A Developer <dev@example.org>\n---\n f%d | 1 +\n\ndiff --git a/f%d b/f%d\n--- a/f%d\n+++ b/f%d\n@@ -1,60 +1,61 @@\n", at, at, at, at, at)
			lines(60, " ")
			w.WriteString("+new\n-- \n2.39.5\n")
		default:
			fmt.Fprintf(w, "In-Reply-To: <%s>\nReferences: <%s>\n\t<%s>\nSubject: Re: [PATCH %02d/10] sub: patch %d of series %d\n\n", id(at-9), id(1), id(at-9), at-10, at-10, run)
			lines(32, "> ")
			lines(20, "")
			w.WriteString("Reviewed-by: A Maintainer <m@example.org>\n")
		}
		w.WriteByte('\n')
	}
	size, err = f.Seek(0, io.SeekCurrent)
	if err = errors.Join(err, w.Flush(), f.Close()); err != nil {
		b.Fatal(err)
	}
	return size, messages / each
}

// measureThread loads the RFC's thread beside `b4 am`. Both are given the same copy of it, with its headers unfolded: of
// the 16 threads at hand b4 0.12 reads one, of a single patch, as it is and ends in a traceback on the folded subjects of
// the others; unfolded, it reads all. It is spared what it may do beyond reading the thread: the network, its cache,
// attestation, trailers, the cover letter.
func measureThread(b *testing.B, bin string) {
	if _, err := exec.LookPath("b4"); err != nil {
		b.Skip(err)
	}
	dir := b.TempDir()
	mbox := filepath.Join(dir, "thread.mbox")
	err := os.WriteFile(mbox, unfolded(thread(b, "gfs2-mmap-rfc-v1.mbox")), 0o666)
	err = errors.Join(err, os.WriteFile(filepath.Join(dir, ".gitconfig"), []byte("[b4]\n\tattestation-policy = off\n"), 0o666))
	if err != nil {
		b.Fatal(err)
	}
	var ours, theirs []time.Duration
	for b.Loop() {
		ours = append(ours, timed(b, exec.Command(bin, "--workspace", b.TempDir(), "load", mbox)))
		b4 := exec.Command("b4", "--quiet", "--no-interactive", "--offline-mode", "--no-stdin", "am",
			"--no-cache", "--no-cover", "--no-add-trailers", "--use-local-mbox", mbox, "--outdir", b.TempDir())
		b4.Dir, b4.Env = dir, append(os.Environ(), "HOME="+dir, "XDG_CACHE_HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
		theirs = append(theirs, timed(b, b4))
	}
	compare(b, ours, theirs, 4, "ms", time.Millisecond)
}

// unfolded joins the folded header lines of an mbox.
func unfolded(mbox []byte) []byte {
	var out []byte
	header := false
	for line := range bytes.Lines(mbox) {
		switch {
		case bytes.HasPrefix(line, []byte("From ")):
			header = true
		case len(bytes.TrimSpace(line)) == 0:
			header = false
		case header && (line[0] == ' ' || line[0] == '\t'):
			out = append(bytes.TrimRight(out, "\r\n"), ' ')
			line = bytes.TrimLeft(line, " \t")
		}
		out = append(out, line...)
	}
	return out
}

// measureApply applies five patches beside `git am`, both from process start to exit, ours into a new object store.
func measureApply(b *testing.B, bin, dir string, patches []*series.Patch) {
	workspace := filepath.Join(b.TempDir(), workspaceName)
	mbox := filepath.Join(b.TempDir(), "thread.mbox")
	if err := os.WriteFile(mbox, thread(b, "gfs2-mmap-rfc-v1.mbox"), 0o666); err != nil {
		b.Fatal(err)
	}
	timed(b, exec.Command(bin, "--workspace", workspace, "load", mbox))
	var ours, theirs []time.Duration
	for b.Loop() {
		if err := os.RemoveAll(filepath.Join(workspace, "git")); err != nil {
			b.Fatal(err)
		}
		ours = append(ours, timed(b, exec.Command(bin, "--workspace", workspace, "apply", "--source", dir, "--patches", "1-5")))
		theirs = append(theirs, gitAmTime(b, dir, patches[:5]))
	}
	compare(b, ours, theirs, 5, "ms", time.Millisecond)
}

// measureInProcess is measureApply for a program that has the source open, for one patch: from the patches, with nothing
// of the source read yet, to their objects synced to the disk.
func measureInProcess(b *testing.B, dir string, patches []*series.Patch) {
	patches = patches[:5]
	var ours, theirs []time.Duration
	for b.Loop() {
		s := openKernel(b, dir)
		begin := time.Now()
		v, err := s.Prefixes(b.Context(), patches, series.ApplyOptions{})
		ours = append(ours, time.Since(begin)/5)
		if err != nil || v[5].Status != series.Applied {
			b.Fatal(v, err)
		}
		_ = s.Close() // read only
		theirs = append(theirs, gitAmTime(b, dir, patches)/5)
	}
	compare(b, ours, theirs, 50, "ms/patch", time.Millisecond)
}

// measureSubsets tries 1,000 random subsets of nine patches, every other one in random order.
func measureSubsets(b *testing.B, dir string, patches []*series.Patch) {
	var ours []time.Duration
	applied := 0
	for b.Loop() {
		s := openKernel(b, dir)
		rng := rand.New(rand.NewPCG(1, 1))
		begin := time.Now()
		for i := range 1000 {
			var some []*series.Patch
			for _, p := range patches {
				if rng.IntN(2) == 0 {
					some = append(some, p)
				}
			}
			if i%2 == 1 {
				rng.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
			}
			v, err := s.Try(b.Context(), some, series.ApplyOptions{})
			if err != nil {
				b.Fatal(err)
			}
			if v[len(v)-1].Status == series.Applied {
				applied++
			}
		}
		ours = append(ours, time.Since(begin))
		_ = s.Close() // read only
	}
	if applied == 0 {
		b.Error("no subset applies")
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(applied)/float64(len(ours)), "applied")
	b.ReportMetric(median(ours).Seconds(), "s")
	b.ReportMetric(5, "s-allowed")
}

// compare reports medians in that unit.
func compare(b *testing.B, ours, theirs []time.Duration, wanted float64, unit string, of time.Duration) {
	o, t := median(ours), median(theirs)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(o)/float64(of), unit)
	b.ReportMetric(float64(t)/float64(of), unit+"-theirs")
	b.ReportMetric(float64(t)/float64(o), "times-faster")
	b.ReportMetric(wanted, "times-wanted")
}

func median(list []time.Duration) time.Duration {
	slices.Sort(list)
	return list[len(list)/2]
}

// timed runs a command from start to exit.
func timed(b *testing.B, cmd *exec.Cmd) time.Duration {
	b.Helper()
	var errs bytes.Buffer
	cmd.Stderr = &errs
	begin := time.Now()
	err := cmd.Run()
	took := time.Since(begin)
	if err != nil {
		b.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, errs.String())
	}
	return took
}

// thread reads one of the real threads.
func thread(b *testing.B, name string) []byte {
	b.Helper()
	data := os.Getenv("SERIESCTL_DATA")
	if data == "" {
		data = "../../../shared/data"
	}
	mbox, err := os.ReadFile(filepath.Join(data, "series", name))
	if err != nil {
		b.Skip(err)
	}
	return mbox
}

// openKernel opens a source with an object store of its own.
func openKernel(b *testing.B, dir string) *series.Source {
	b.Helper()
	r, err := series.OpenRepo(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	s, err := r.OpenSource(b.Context(), dir, "", nil)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// gitKernel makes a git repository with a work tree of the kernel the RFC was tried on, with its prerequisite applied,
// and gives the RFC's patches. It takes a minute, and half of that where SERIESCTL_LINUX_5_10_GIT names a repository of
// that source.
func gitKernel(b *testing.B) (dir string, patches []*series.Patch) {
	source, from := os.Getenv("SERIESCTL_LINUX_5_10"), os.Getenv("SERIESCTL_LINUX_5_10_GIT")
	if source == "" && from == "" {
		b.Skip("neither SERIESCTL_LINUX_5_10 nor SERIESCTL_LINUX_5_10_GIT names a Linux 5.10.223: `make test` fetches one")
	}
	box, err := series.ParseMbox(thread(b, "gfs2-mmap-rfc-v1.mbox"))
	if err != nil {
		b.Fatal(err)
	}
	dir = filepath.Join(b.TempDir(), "linux")
	if from != "" {
		git(b, "", nil, "clone", "-q", "-s", "-n", from, dir)
	} else {
		git(b, "", nil, "init", "-q", dir)
		git(b, dir, nil, "config", "gc.auto", "0")
		git(b, dir, nil, "--work-tree="+source, "add", "-A", "-f")
		git(b, dir, nil, "commit", "-q", "-m", "base")
		git(b, dir, nil, "repack", "-adq", "--window=0")
	}
	git(b, dir, nil, "reset", "-q", "--hard")
	git(b, dir, thread(b, "gfs2-mmap-rfc-v1-prerequisite.mbox"), "am", "-q")
	return dir, box.Series[len(box.Series)-1].Patches
}

// gitAmTime applies patches with git am, and takes them back.
func gitAmTime(b *testing.B, dir string, patches []*series.Patch) time.Duration {
	b.Helper()
	var mails bytes.Buffer
	for _, p := range patches {
		fmt.Fprintf(&mails, "From %040d Mon Sep 17 00:00:00 2001\nFrom: %s\nDate: %s\nSubject: %s---\n\n%s-- \n2.39\n\n",
			p.Index, p.Author, p.Date.Format(time.RFC1123Z), p.CommitMessage, p.Diff)
	}
	took := git(b, dir, mails.Bytes(), "am", "-q")
	git(b, dir, nil, "reset", "-q", "--hard", fmt.Sprintf("HEAD~%d", len(patches)))
	return took
}

// git runs git in dir as it comes, without the user's configuration.
func git(b *testing.B, dir string, stdin []byte, args ...string) time.Duration {
	b.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(stdin)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=x", "GIT_AUTHOR_EMAIL=x@example.org",
		"GIT_COMMITTER_NAME=x", "GIT_COMMITTER_EMAIL=x@example.org")
	return timed(b, cmd)
}
