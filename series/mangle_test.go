package series

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"mime/quotedprintable"
	"path/filepath"
	"slices"
	"testing"
)

// TestMangledThreads makes threads from the real ones, in other orders, quotings, encodings and revisions and
// with mails sent twice, and checks that the same patches come out and that every message has its disposition.
func TestMangledThreads(t *testing.T) {
	const rounds = 12
	for _, file := range dataFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			whole, err := ParseMbox(readFile(t, file))
			if err != nil {
				t.Fatal(err)
			}
			series, err := whole.Pick(0)
			if err != nil {
				t.Fatal(err)
			}
			raw := splitMbox(whole.Raw)
			for seed := range uint64(rounds) {
				m := &mangler{Rand: rand.New(rand.NewPCG(seed, 7)), series: series, raw: raw}
				m.check(t, seed)
			}
		})
	}
}

type mangler struct {
	*rand.Rand
	series *Series
	raw    [][]byte
}

// check makes one thread of patches of the series and reads it.
func (m *mangler) check(t *testing.T, seed uint64) {
	t.Helper()
	var mails [][]byte
	want := map[string]int{} // disposition → messages
	copies := 0
	ids := map[string]bool{}
	for i, msg := range m.series.Messages {
		switch msg.Disposition {
		case IsDuplicate, IsUnreadable:
			continue
		}
		mail := m.reencode(m.raw[i])
		mails = append(mails, mail)
		want[string(msg.Disposition)]++
		if msg.MessageID != "" && !ids[msg.MessageID] && m.IntN(4) == 0 {
			ids[msg.MessageID] = true
			copies++
			mails = append(mails, bytes.Replace(m.reencode(m.raw[i]), []byte("Subject: "), []byte("X-List: other\nSubject: "), 1))
		}
	}
	want[string(IsDuplicate)] = copies
	if m.IntN(2) == 0 {
		m.Shuffle(len(mails), func(i, j int) { mails[i], mails[j] = mails[j], mails[i] })
	}
	var mbox []byte
	style := m.IntN(4)
	for _, mail := range mails {
		switch style {
		case 0:
			mbox = appendMboxrd(mbox, mail)
		case 1: // mboxo, nothing but "From " quoted
			mbox = append(mbox, "From a@b.c Mon Jan  1 10:00:00 2024\n"...)
			mbox = append(mbox, bytes.ReplaceAll(mail, []byte("\nFrom "), []byte("\n>From "))...)
			mbox = append(mbox, '\n')
		case 2: // mboxcl2
			head, body, _ := bytes.Cut(mail, []byte("\n\n"))
			mbox = fmt.Appendf(mbox, "From a@b.c Mon Jan  1 10:00:00 2024\n%s\nContent-Length: %d\n\n%s\n", head, len(body), body)
		case 3: // CRLF
			mbox = append(mbox, bytes.ReplaceAll(appendMboxrd(nil, mail), []byte("\n"), []byte("\r\n"))...)
		}
	}
	box, err := ParseMbox(mbox)
	if err != nil {
		t.Errorf("seed %d: %v", seed, err)
		return
	}
	got, err := box.Pick(m.series.Revision)
	if err != nil {
		t.Errorf("seed %d: %v", seed, err)
		return
	}
	a, b := patchLines(m.series), patchLines(got)
	if len(a) != len(b) {
		t.Errorf("seed %d, style %d: %d patches, want %d", seed, style, len(b), len(a))
	}
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			t.Errorf("seed %d, style %d:\n got %s\nwant %s", seed, style, b[i], a[i])
		}
	}
	counts := map[string]int{}
	for _, msg := range got.Messages {
		counts[string(msg.Disposition)]++
	}
	if len(got.Messages) != len(mails) {
		t.Errorf("seed %d: %d dispositions for %d messages", seed, len(got.Messages), len(mails))
	}
	for d, n := range want {
		if counts[d] != n {
			t.Errorf("seed %d, style %d: %d %s, want %d", seed, style, counts[d], d, n)
		}
	}
	checkSeries(t, got)
}

// patchLines is what must be the same of a series' patches.
func patchLines(s *Series) []string {
	var out []string
	for _, p := range s.Patches {
		var replies []string
		for _, r := range p.Replies {
			replies = append(replies, r.MessageID)
		}
		slices.Sort(replies)
		out = append(out, fmt.Sprintf("%d %s %q %s %s %v", p.Index, p.PatchID, p.CommitMessage, p.Author, p.Date.UTC(), replies))
	}
	return out
}

// reencode writes a plain mail in another transfer encoding; a mail that is not plain stays as it is.
func (m *mangler) reencode(mail []byte) []byte {
	head, body, ok := bytes.Cut(mail, []byte("\n\n"))
	lower := bytes.ToLower(head)
	if !ok || bytes.Contains(lower, []byte("\ncontent-transfer-encoding:")) || bytes.Contains(lower, []byte("\ncontent-type:")) && !bytes.Contains(lower, []byte("text/plain")) {
		return mail
	}
	switch m.IntN(4) {
	case 0:
		var out bytes.Buffer
		fmt.Fprintf(&out, "%s\nContent-Transfer-Encoding: base64\n\n", head)
		text := base64.StdEncoding.EncodeToString(body)
		for len(text) > 76 {
			out.WriteString(text[:76] + "\n")
			text = text[76:]
		}
		out.WriteString(text + "\n")
		return out.Bytes()
	case 1:
		var out bytes.Buffer
		fmt.Fprintf(&out, "%s\nContent-Transfer-Encoding: quoted-printable\n\n", head)
		w := quotedprintable.NewWriter(&out)
		_, _ = w.Write(body)
		_ = w.Close()
		return bytes.ReplaceAll(out.Bytes(), []byte("\r\n"), []byte("\n"))
	case 2:
		// A multipart with the text first and something else behind it.
		if bytes.Contains(lower, []byte("\ncontent-type:")) {
			return mail
		}
		return fmt.Appendf(nil, "%s\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"=_cut\"\n\n--=_cut\nContent-Type: text/plain; charset=utf-8\n\n%s\n--=_cut\nContent-Type: application/octet-stream\n\nxyz\n--=_cut--\n", head, body)
	}
	return mail
}
