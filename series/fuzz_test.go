package series

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
)

// FuzzParseMbox checks what must hold for any input: no crash, the same result from Raw, a disposition for
// every message, and patches in order within the series' count.
func FuzzParseMbox(f *testing.F) {
	for _, mail := range mails {
		f.Add([]byte("From a@b Mon Jan  1 10:00:00 2024\n" + mail))
	}
	for _, c := range threadCases {
		f.Add(mboxOf(c.mails))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		box, err := ParseMbox(data)
		if err != nil {
			return
		}
		again, err := ParseMbox(box.Raw)
		if err != nil {
			t.Fatalf("Raw is not readable: %v", err)
		}
		a, _ := json.Marshal(box.Series)
		b, _ := json.Marshal(again.Series)
		if !bytes.Equal(a, b) {
			t.Fatalf("Raw gives another result:\n%s\n%s", a, b)
		}
		if !bytes.Equal(box.Raw, again.Raw) {
			t.Fatal("Raw of Raw differs")
		}
		for _, s := range box.Series {
			checkSeries(t, s)
		}
		if _, err := box.Pick(0); err != nil {
			t.Fatalf("nothing to pick: %v", err)
		}
	})
}

// checkSeries checks what holds for every series.
func checkSeries(t *testing.T, s *Series) {
	t.Helper()
	last := 0
	for _, p := range s.Patches {
		if p.Index <= last || p.Index > s.Total {
			t.Errorf("%s: patch %d after %d of %d", s.ID, p.Index, last, s.Total)
		}
		last = p.Index
		if len(p.Diff) == 0 || p.CommitMessage == "" && p.Subject != "" {
			t.Errorf("%s: patch %d is empty", s.ID, p.Index)
		}
		if again := cutDiff(p.Diff); again.damage == "" && !bytes.Equal(again.text, p.Diff) {
			t.Errorf("%s: patch %d: cut again, the diff differs", s.ID, p.Index)
		}
	}
	if len(s.Patches)+len(s.Missing) != s.Total {
		t.Errorf("%s: %d patches and %d missing of %d", s.ID, len(s.Patches), len(s.Missing), s.Total)
	}
	for _, m := range s.Messages {
		if m.Disposition == "" {
			t.Errorf("%s: nothing said of %q", s.ID, m.Subject)
		}
	}
}

// bigMbox is an mbox of n messages of about 5 kB: series of ten patches with cover letters and replies.
func bigMbox(n int) []byte {
	var b bytes.Buffer
	filler := bytes.Repeat([]byte(" context line of the file\n"), 150)
	for i := 0; b.Len() == 0 || i < n; i++ {
		run, at := i/20, i%20
		id := func(k int) string { return fmt.Sprintf("20240101100000.%d-%d-a@b.c", run, k) }
		fmt.Fprintf(&b, "From mboxrd@z Thu Jan  1 00:00:00 1970\nReceived: from x by y; Mon, 1 Jan 2024 10:00:00 +0000\nFrom: A B <a@b.c>\nMessage-Id: <%s>\nDate: Mon, %d Jan 2024 10:%02d:%02d +0000\n",
			id(at+1), 1+run/100%28, run%60, at)
		switch {
		case at == 0:
			fmt.Fprintf(&b, "Subject: [PATCH 00/10] series %d\n\nwords\n", run)
			b.Write(filler)
		case at <= 10:
			fmt.Fprintf(&b, "In-Reply-To: <%s>\nSubject: [PATCH %02d/10] sub: patch %d of series %d\n\nwhy\n\nSigned-off-by: A B <a@b.c>\n---\n f | 1 +\n\n", id(1), at, at, run)
			fmt.Fprintf(&b, "diff --git a/f%d b/f%d\n--- a/f%d\n+++ b/f%d\n@@ -1,150 +1,151 @@\n", at, at, at, at)
			b.Write(filler)
			b.WriteString("+new\n-- \n2.39.5\n")
		default:
			fmt.Fprintf(&b, "In-Reply-To: <%s>\nReferences: <%s> <%s>\nSubject: Re: [PATCH %02d/10] sub: patch %d of series %d\n\n> why\n\nReviewed-by: A B <a@b.c>\n", id(at-9), id(1), id(at-9), at-10, at-10, run)
			b.Write(filler)
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

func BenchmarkParseMbox(b *testing.B) {
	data := bigMbox(10000)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		box, err := ParseMbox(data)
		if err != nil {
			b.Fatal(err)
		}
		if len(box.Series) != 500 {
			b.Fatalf("%d series", len(box.Series))
		}
	}
}
