package series

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seriesctl/seriesctl/internal/pattern"
)

// entry is a message in its place among the others: first what it says of itself, then what was made of it.
type entry struct {
	m        *message
	at       int // place in the input, from 0
	order    int // place among the patches of one message
	sub      subject
	sender   string // address in lower case
	patch    *Patch // nil without a diff of its own
	problems []Problem
	body     string // of covers and replies
	needs    needs  // of covers and patches

	copyOf  *entry   // it is a duplicate of this one
	posting *posting // it is a patch or the cover of this one
	// A reply: what it answers in the end, over how many messages.
	answers *entry
	depth   int
}

// posting is one set of patches sent at once: a series before it is made presentable.
type posting struct {
	revision, total int
	sender          string // address in lower case
	cover           *entry
	patches         map[int]*entry
	replaced        []*entry // patches of it that a later mail replaces
	mended          []*entry // the patches that replaced them
	extra           int      // patches beyond the M of N/M
	unplaced        []*entry // patches that answer it and say nothing of their place
	mixed           bool     // its mails do not say the same revision or total
	base            *posting // the posting a partial re-roll completes itself from
	family          *posting // representative of the postings that are revisions of each other
	sequence        int      // in order of first message
	series          *Series
}

// readEntries reads messages, on all processors: no step takes longer.
func readEntries(raw [][]byte) []*entry {
	entries := make([]*entry, len(raw))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(raw)) {
		wg.Go(func() {
			for {
				at := int(next.Add(1) - 1)
				if at >= len(raw) {
					return
				}
				entries[at] = newEntry(parseMessage(raw[at]), at)
			}
		})
	}
	wg.Wait()
	return entries
}

func newEntry(m *message, at int) *entry {
	_, email := splitAuthor(m.from)
	e := &entry{m: m, at: at, sub: parseSubject(m.subject), sender: strings.ToLower(email)}
	if m.bad != "" {
		return e
	}
	if !e.sub.reply && !e.isCover() {
		e.patch, e.problems = readPatch(m)
	}
	if e.patch == nil {
		e.body = m.text()
		if !e.sub.reply {
			e.needs = readNeeds(e.body)
			for _, p := range m.parts {
				if doubt := wrongCharset(p.text, p.charset); doubt != "" {
					e.problems = append(e.problems, Problem{"wrong-charset", fmt.Sprintf("%q: %s", m.subject, doubt)})
				}
			}
		}
	} else {
		e.needs = readNeeds(besideDiff(m, e.patch))
	}
	m.header, m.parts = nil, nil
	return e
}

// besideDiff is the text of a patch mail that may say what it stands on: its message, and the lines below the
// diff.
func besideDiff(m *message, p *Patch) string {
	text := p.CommitMessage
	for _, part := range m.parts {
		_, after, ok := bytes.Cut(part.text, p.Diff[max(0, len(p.Diff)-200):])
		if !ok {
			after = part.text
		}
		for line := range bytes.Lines(after) {
			if mayNeed(line[0]) && (baseLine.Match(line) || prerequisiteLine.Match(line) || changeLine.Match(line)) {
				text += string(line)
			}
		}
	}
	return text
}

// isCover says whether the subject is that of a numbered cover letter.
func (e *entry) isCover() bool { return e.sub.total > 0 && e.sub.index == 0 && !e.sub.reply }

// isPatch says whether the mail is a patch that somebody sent, not a diff in a discussion.
func (e *entry) isPatch() bool { return e.patch != nil && !e.sub.reply && !e.isCover() }

// revision is the number of the revision it belongs to, 1 when it says none.
func (e *entry) revision() int {
	if e.sub.revision == 0 || e.sub.release() {
		return 1
	}
	return e.sub.revision
}

// before orders entries by date, then by their place in the input.
func (e *entry) before(o *entry) bool {
	if !e.m.date.Equal(o.m.date) && !e.m.date.IsZero() && !o.m.date.IsZero() {
		return e.m.date.Before(o.m.date)
	}
	if e.at != o.at {
		return e.at < o.at
	}
	return e.order < o.order
}

// sameContent says whether two mails carry the same patch or the same text.
func (e *entry) sameContent(o *entry) bool {
	if (e.patch == nil) != (o.patch == nil) {
		return false
	}
	if e.patch == nil {
		return e.sub.title == o.sub.title && words(e.body) == words(o.body)
	}
	return e.patch.CommitMessage == o.patch.CommitMessage && bytes.Equal(e.patch.Diff, o.patch.Diff)
}

// words is a text without quoting of "From", signature, list footer and differences in white space.
func words(body string) string {
	if i := strings.Index(body, "\n-- \n"); i >= 0 {
		body = body[:i]
	}
	return collapse(body)
}

// sendRun matches the ids `git send-email` gives: all mails of one run share all but the number.
var sendRun = pattern.New(`^(\d{14}\.\d+)-\d+-(.*)$`)

// run is what the ids of one `git send-email` run have in common, "" for other ids.
func (e *entry) run() string {
	m := sendRun.FindStringSubmatch(e.m.id)
	if m == nil {
		return ""
	}
	return m[1] + "-" + m[2]
}

// near says whether two mails were sent within d of each other; a mail without a date is near to all.
func near(a, b *entry, d time.Duration) bool {
	if a.m.date.IsZero() || b.m.date.IsZero() {
		return true
	}
	return a.m.date.Sub(b.m.date).Abs() <= d
}

func (e *entry) String() string {
	return fmt.Sprintf("%q <%s>", e.m.subject, e.m.id)
}
