package series

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"testing"
)

// kernelRepo makes a git repository, with a work tree, of the kernel that realSeries names, with the
// prerequisite applied. It takes half a minute.
func kernelRepo(b *testing.B) (dir string, patches []*Patch) {
	b.Helper()
	source, patches, o := realSeries(b)
	dir = os.Getenv("SERIESCTL_LINUX_5_10_GIT")
	if dir == "" {
		dir = filepath.Join(b.TempDir(), "linux")
		if err := os.MkdirAll(dir, 0o777); err != nil {
			b.Fatal(err)
		}
		mustGit(b, dir, "init", "-q", "-b", "main")
		mustGit(b, dir, "config", "gc.auto", "0")
		mustGit(b, dir, "--work-tree="+source, "add", "-A", "-f")
		mustGit(b, dir, "commit", "-q", "-m", "base")
		mustGit(b, dir, "repack", "-adq", "--window=0")
	} else {
		from := dir
		dir = filepath.Join(b.TempDir(), "linux")
		mustGit(b, filepath.Dir(dir), "clone", "-q", "-s", "-n", from, dir)
	}
	mustGit(b, dir, "reset", "-q", "--hard")
	for _, p := range o.Prerequisites {
		if _, err := tryGit(dir, mailOf(p), nil, "am", "-q"); err != nil {
			b.Fatal(err)
		}
	}
	return dir, patches
}

// mailOf makes a mail of a patch.
func mailOf(p *Patch) []byte {
	return fmt.Appendf(nil, "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\nFrom: %s\nDate: %s\nSubject: [PATCH] %s\n\nWhy.\n---\n\n%s-- \n2.39\n\n",
		p.Author, p.Date.Format("Mon, 2 Jan 2006 15:04:05 -0700"), p.Subject, p.Diff)
}

// BenchmarkFivePatches puts five patches on the whole kernel in a git work tree: with git am; here from
// opening the source to having stored the objects; and here with the source open.
func BenchmarkFivePatches(b *testing.B) {
	dir, patches := kernelRepo(b)
	patches = patches[:5]
	perPatch := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(patches)), "µs/patch")
	}
	b.Run("git-am", func(b *testing.B) {
		var box bytes.Buffer
		for _, p := range patches {
			box.Write(mailOf(p))
		}
		head := mustGit(b, dir, "rev-parse", "HEAD")
		for b.Loop() {
			if _, err := tryGit(dir, box.Bytes(), nil, "am", "-q"); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			mustGit(b, dir, "reset", "-q", "--hard", head)
			b.StartTimer()
		}
		perPatch(b)
	})
	open := func(b *testing.B) *Source {
		r, err := OpenRepo(filepath.Join(b.TempDir(), fmt.Sprint(rand.Int63())))
		if err != nil {
			b.Fatal(err)
		}
		s, err := r.OpenSource(b.Context(), dir, "", nil)
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	apply := func(b *testing.B, how func() ([]Variant, error)) {
		v, err := how()
		if err != nil || v[len(v)-1].Status != Applied {
			b.Fatal(v, err)
		}
	}
	b.Run("open-apply-store", func(b *testing.B) {
		for b.Loop() {
			s := open(b)
			apply(b, func() ([]Variant, error) { return s.Prefixes(b.Context(), patches, ApplyOptions{}) })
			s.Close()
		}
		perPatch(b)
	})
	b.Run("apply-store", func(b *testing.B) {
		s := open(b)
		defer s.Close()
		apply(b, func() ([]Variant, error) { return s.Try(b.Context(), patches, ApplyOptions{}) })
		for b.Loop() {
			b.StopTimer()
			own := s.repo
			fresh, err := OpenRepo(filepath.Join(b.TempDir(), fmt.Sprint(rand.Int63())))
			if err != nil {
				b.Fatal(err)
			}
			s.objects.repo = fresh
			clear(s.steps)
			clear(s.objects.stored)
			b.StartTimer()
			apply(b, func() ([]Variant, error) { return s.Prefixes(b.Context(), patches, ApplyOptions{}) })
			b.StopTimer()
			s.objects.repo = own
			b.StartTimer()
		}
		perPatch(b)
	})
	b.Run("apply", func(b *testing.B) {
		s := open(b)
		defer s.Close()
		apply(b, func() ([]Variant, error) { return s.Try(b.Context(), patches, ApplyOptions{}) })
		for b.Loop() {
			s.trial = nil
			apply(b, func() ([]Variant, error) { return s.Try(b.Context(), patches, ApplyOptions{}) })
		}
		perPatch(b)
	})
}

// BenchmarkThousandSubsets tries 1,000 random subsets, each in random order or that of the series, of a
// series of nine patches on the whole kernel.
func BenchmarkThousandSubsets(b *testing.B) {
	source, patches, o := realSeries(b)
	o.Resolutions = ""
	s := openTestSource(b, source, "")
	for _, shuffled := range []bool{false, true} {
		b.Run(map[bool]string{false: "in-order", true: "any-order"}[shuffled], func(b *testing.B) {
			applied := 0
			for b.Loop() {
				rng := rand.New(rand.NewSource(1))
				s.trial = nil
				for range 1000 {
					var some []*Patch
					for _, p := range patches {
						if rng.Intn(2) == 0 {
							some = append(some, p)
						}
					}
					if shuffled {
						rng.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
					}
					v, err := s.Try(b.Context(), some, o)
					if err != nil {
						b.Fatal(err)
					}
					if v[len(v)-1].Status == Applied {
						applied++
					}
				}
			}
			if applied == 0 {
				b.Error("no subset applies")
			}
			b.ReportMetric(float64(applied)/float64(b.N), "applied")
		})
	}
}
