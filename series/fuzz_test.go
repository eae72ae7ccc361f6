package series

import (
	"bytes"
	"encoding/json"
	"testing"
)

// FuzzParseMbox checks what must hold for any input: no crash, the same result from what it writes, a disposition for
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
		written := mboxText(t, box)
		again, err := ParseMbox(written)
		if err != nil {
			t.Fatalf("what it writes is not readable: %v", err)
		}
		a, _ := json.Marshal(box.Series)
		b, _ := json.Marshal(again.Series)
		if !bytes.Equal(a, b) {
			t.Fatalf("what it writes gives another result:\n%s\n%s", a, b)
		}
		if !bytes.Equal(written, mboxText(t, again)) {
			t.Fatal("written again it differs")
		}
		for _, s := range box.Series {
			checkSeries(t, s)
		}
		if _, err := box.Pick(0); err != nil {
			t.Fatalf("nothing to pick: %v", err)
		}
	})
}

// mboxText is what a Mailbox writes.
func mboxText(t testing.TB, box *Mailbox) []byte {
	t.Helper()
	var b bytes.Buffer
	if n, err := box.WriteTo(&b); err != nil || n != int64(b.Len()) {
		t.Fatalf("%d bytes written, said %d: %v", b.Len(), n, err)
	}
	return b.Bytes()
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
