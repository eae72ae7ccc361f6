package series

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strings"
)

// Mailbox is everything read from the inputs of one command.
type Mailbox struct {
	// Series are all series found: families of revisions by their newest mail, but one that answers another
	// before that one, in each the newest revision last; of two postings of one revision the more complete one
	// last. Never empty. In a mailbox of very many series, Messages of each has the messages of its own family only; in what Pick returns it has all.
	Series []*Series

	messages [][]byte
	threads  *threads
	postings map[*Series]*posting
}

// ParseMbox reads the messages of one mbox, in any of the quotings. It fails with an *InputError when there
// is no message or no patch in it.
func ParseMbox(raw []byte) (*Mailbox, error) {
	return parseMessages(splitMbox(raw), "the mail")
}

// parseMessages makes a Mailbox of messages; object names them in errors.
func parseMessages(messages [][]byte, object string) (*Mailbox, error) {
	if len(messages) == 0 {
		return nil, &InputError{Verb: "read", Object: object, Reason: "there is no mail in it",
			hint: "give an mbox, a maildir, patch files, or - for standard input"}
	}
	for i, msg := range messages {
		if !bytes.HasSuffix(msg, []byte("\n")) {
			// An mbox cannot say that a message ends without one.
			messages[i] = append(bytes.Clone(msg), '\n')
		}
	}
	t := arrange(messages)
	box := &Mailbox{messages: messages, threads: t, postings: map[*Series]*posting{}}
	patches := 0
	for _, s := range t.series() {
		box.Series = append(box.Series, s)
		patches += len(s.Patches)
	}
	for _, p := range t.postings {
		if p.series != nil {
			box.postings[p.series] = p
		}
	}
	if patches == 0 {
		return nil, &InputError{Verb: "read", Object: object, Reason: withoutPatches(t),
			hint: "give the whole thread: the mails that carry the patches, not only the discussion"}
	}
	return box, nil
}

// WriteTo writes every message as one mboxrd. ParseMbox gives the same Series from it.
func (m *Mailbox) WriteTo(w io.Writer) (int64, error) {
	var n int64
	var buf []byte
	for _, msg := range m.messages {
		buf = appendMboxrd(buf[:0], msg)
		k, err := w.Write(buf)
		n += int64(k)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// withoutPatches says what is there instead of patches.
func withoutPatches(t *threads) string {
	covers, replies := 0, 0
	for _, e := range t.entries {
		if e.isCover() {
			covers++
		} else if e.sub.reply {
			replies++
		}
	}
	return fmt.Sprintf("no patch in %s (%s, %s)", plural(len(t.messages), "message"), plural(covers, "cover letter"), plural(replies, "reply"))
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, ok := strings.CutSuffix(noun, "y"); ok {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Pick returns the series to work on: of the family with the most patches the given revision, 0 for the
// newest; of several postings of it the most complete, then the latest. Of families with as many patches it is
// the newest that answers no other. Where there was a choice, the copy that is returned has a Problem
// "several-series" or "several-revisions" that says what was chosen and why.
// An unknown revision is an *InputError.
func (m *Mailbox) Pick(revision int) (*Series, error) {
	// Of two families with as many patches, the one that should have more.
	patches, totals := map[*posting]int{}, map[*posting]int{}
	for _, s := range m.Series {
		root := m.postings[s].root()
		patches[root], totals[root] = max(patches[root], len(s.Patches)), max(totals[root], s.Total)
	}
	var family *posting
	for _, s := range m.Series {
		if root := m.postings[s].root(); family == nil ||
			cmp.Or(cmp.Compare(patches[root], patches[family]), cmp.Compare(totals[root], totals[family])) >= 0 {
			family = root
		}
	}
	var chosen *Series
	var have, others []string
	for _, s := range m.Series {
		if m.postings[s].root() != family {
			others = append(others, s.ID)
			continue
		}
		have = append(have, fmt.Sprintf("v%d", s.Revision))
		if (revision == 0 || s.Revision == revision) && len(s.Patches) > 0 {
			chosen = s
		}
	}
	if chosen == nil {
		return nil, &InputError{Verb: "pick", Object: fmt.Sprintf("revision %d", revision), Reason: "the mail has " + strings.Join(unique(have), ", "),
			hint: "name one of these with --revision, or none for the newest"}
	}
	out := *chosen
	out.Problems = append([]Problem{}, chosen.Problems...)
	if len(out.Messages) < len(m.threads.messages) {
		out.Messages = m.threads.dispositions(m.postings[chosen], m.threads.messages)
	}
	if len(others) > 0 {
		out.Problems = append(out.Problems, Problem{"several-series",
			fmt.Sprintf("chosen because it has the most patches, or of those is the newest that answers no other; the input also has %s", some(others))})
	}
	if revs := unique(have); len(revs) > 1 {
		why := "as asked"
		if revision == 0 {
			why = "as the newest"
		}
		out.Problems = append(out.Problems, Problem{"several-revisions",
			fmt.Sprintf("v%d chosen %s; the input has %s", out.Revision, why, strings.Join(revs, ", "))})
	}
	return &out, nil
}

// some joins names, the first few of many.
func some(names []string) string {
	const few = 8
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
}

// unique drops repetitions of neighbours.
func unique(list []string) []string {
	var out []string
	for _, s := range list {
		if len(out) == 0 || out[len(out)-1] != s {
			out = append(out, s)
		}
	}
	return out
}
