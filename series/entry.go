package series

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// entry is a message in its place among the others: first what it says of itself, then what was made of it.
type entry struct {
	m        *message
	at       int // place in the input, from 0
	order    int // place among the patches of one message
	sub      subject
	patch    *Patch // nil without a diff of its own
	problems []Problem
	body     string // of covers and replies

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
	base            *posting // the posting a partial re-roll completes itself from
	family          *posting // representative of the postings that are revisions of each other
	sequence        int      // in order of first message
	series          *Series
}

func newEntry(m *message, at int) *entry {
	e := &entry{m: m, at: at, sub: parseSubject(m.subject)}
	if m.bad != "" {
		return e
	}
	if !e.sub.reply && !e.isCover() {
		e.patch, e.problems = readPatch(m)
	}
	if e.patch == nil {
		e.body = m.text()
	} else if base := afterDiff(m); base != "" {
		e.body = base
	}
	m.parts = nil
	return e
}

// afterDiff keeps of a patch mail only the lines that say what it depends on.
func afterDiff(m *message) string {
	var b strings.Builder
	for _, p := range m.parts {
		if !bytes.Contains(p.text, []byte("base-commit:")) && !bytes.Contains(p.text, []byte("prerequisite-")) {
			continue
		}
		for line := range bytes.Lines(p.text) {
			if bytes.HasPrefix(line, []byte("base-commit:")) || bytes.HasPrefix(line, []byte("prerequisite-")) {
				b.Write(line)
			}
		}
	}
	return b.String()
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

func (e *entry) sender() string {
	_, email := splitAuthor(e.m.from)
	return strings.ToLower(email)
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
var sendRun = regexp.MustCompile(`^(\d{14}\.\d+)-\d+-(.*)$`)

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
