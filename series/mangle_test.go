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
			raw := splitMbox(mboxText(t, whole))
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
	switch m.IntN(6) {
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
	case 3, 4:
		// What a list makes of a signed mail, and of one whose text it takes for octets: its footer comes behind.
		if bytes.Contains(lower, []byte("\ncontent-type:")) {
			return mail
		}
		kind := "multipart/signed; micalg=pgp-sha256; protocol=\"application/pgp-signature\""
		inner, last := "text/plain; charset=utf-8", "application/pgp-signature; name=signature.asc"
		if m.IntN(2) == 0 {
			kind, inner, last = "multipart/mixed", "application/octet-stream; x-default=true", "text/plain; charset=us-ascii"
		}
		return fmt.Appendf(nil, "%s\nMIME-Version: 1.0\nContent-Type: %s; boundary=\"=_list\"\n\n--=_list\nContent-Type: %s\n\n%s\n--=_list\nContent-Type: %s\n\n"+
			"____\nlist mailing list\nlist@lists.example\n--=_list--\n", head, kind, inner, body, last)
	}
	return mail
}

// TestRerolledThreads adds a next revision to real threads, whole or of some patches only, in the thread of
// the first or in one of its own, and checks that each revision is found with its patches.
func TestRerolledThreads(t *testing.T) {
	const rounds = 12
	for _, file := range dataFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			whole, err := ParseMbox(readFile(t, file))
			if err != nil {
				t.Fatal(err)
			}
			s, err := whole.Pick(0)
			if err != nil {
				t.Fatal(err)
			}
			if len(s.Missing) > 0 || s.Total < 2 {
				t.Skip("needs all of several patches")
			}
			for seed := range uint64(rounds) {
				reroll(t, rand.New(rand.NewPCG(seed, 11)), whole, s)
			}
		})
	}
}

// reroll makes the next revision of s: every patch that is sent again has one line changed.
func reroll(t *testing.T, r *rand.Rand, whole *Mailbox, s *Series) {
	t.Helper()
	next := s.Revision + 1
	partial, threaded := r.IntN(2) == 0, r.IntN(2) == 0
	var letter string
	for _, m := range s.Messages {
		if m.Disposition == IsCover {
			letter = m.MessageID
		}
	}
	day := s.Date.AddDate(0, 1, 0).Format(dateLayouts[0])
	box := mboxText(t, whole)
	send := func(id, parent string, index int, title, body string) {
		mail := fmt.Sprintf("From: %s\nDate: %s\nMessage-ID: <%s>\nSubject: [PATCH v%d %d/%d] %s\n", s.Author, day, id, next, index, s.Total, title)
		if parent != "" {
			mail += "In-Reply-To: <" + parent + ">\n"
		}
		box = appendMboxrd(box, []byte(mail+"\n"+body))
	}
	root := ""
	if threaded || partial {
		root = letter
	}
	if !partial {
		send("next-0@x.y", root, 0, s.Subject, "what changed\n")
		root = "next-0@x.y"
	}
	changed := map[int]bool{}
	for _, p := range s.Patches {
		if partial && (changed[p.Index-1] || r.IntN(3) > 0 && p.Index < s.Total) || len(p.Files) == 0 {
			continue
		}
		at := bytes.Index(p.Diff, []byte("\n+++ "))
		end := at + 1 + lineLen(p.Diff[at+1:])
		if at < 0 || !isHunk(p.Diff[end:end+lineLen(p.Diff[end:])]) {
			continue
		}
		// The same change with another context.
		hunk := end + lineLen(p.Diff[end:])
		diff := string(p.Diff[:hunk]) + string(p.Diff[hunk:hunk+1]) + "changed" + string(p.Diff[hunk+1:])
		parent := root
		if partial {
			parent = p.MessageID
		}
		send(fmt.Sprintf("next-%d@x.y", p.Index), parent, p.Index, p.Subject, "From: "+p.Author+"\n\n"+p.CommitMessage+"---\n"+diff)
		changed[p.Index] = true
	}
	if len(changed) == 0 || len(changed) < s.Total && !partial {
		return
	}
	got, err := ParseMbox(box)
	if err != nil {
		t.Error(err)
		return
	}
	old, err := got.Pick(s.Revision)
	if err != nil || !slices.Equal(patchIDs(old), patchIDs(s)) {
		t.Errorf("v%d is another one when v%d is there (partial %v, threaded %v): %v", s.Revision, next, partial, threaded, err)
	}
	rerolled, err := got.Pick(next)
	if err != nil {
		t.Errorf("partial %v, threaded %v: %v", partial, threaded, err)
		return
	}
	if len(rerolled.Missing) > 0 || len(rerolled.Patches) != len(s.Patches) {
		t.Errorf("partial %v, threaded %v: v%d has %d patches, %v missing", partial, threaded, next, len(rerolled.Patches), rerolled.Missing)
		return
	}
	for i, p := range rerolled.Patches {
		if changed[p.Index] == (p.PatchID == s.Patches[i].PatchID) {
			t.Errorf("partial %v, threaded %v: patch %d of v%d is not the one sent", partial, threaded, p.Index, next)
		}
		for _, trailer := range p.Trailers {
			if trailer.Stale && !changed[p.Index] {
				t.Errorf("patch %d is unchanged, but %s: %s is stale", p.Index, trailer.Key, trailer.Value)
			}
		}
	}
	if len(rerolled.Messages) != len(whole.Series[0].Messages)+len(changed)+map[bool]int{true: 0, false: 1}[partial] {
		t.Errorf("%d dispositions", len(rerolled.Messages))
	}
}

func patchIDs(s *Series) []string {
	var ids []string
	for _, p := range s.Patches {
		ids = append(ids, p.PatchID)
	}
	return ids
}
