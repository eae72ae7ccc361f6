package series

import (
	"fmt"
	"strings"

	"github.com/seriesctl/seriesctl/internal/pattern"
)

// readPatch makes a Patch of a mail. Index, Replies and trailers of replies are left to the caller. The
// second result are doubts about it. A mail without a diff of its own gives nil.
func readPatch(m *message) (*Patch, []Problem) {
	mi := readMailInfo(m)
	if len(mi.patch) == 0 {
		return nil, nil
	}
	diff := cutDiff(mi.patch)
	if len(diff.text) == 0 {
		return nil, nil
	}
	var problems []Problem
	author, email := mi.author, mi.email
	if !mi.inBody {
		if name, address, ok := realAuthor(m, author, email); ok {
			problems = append(problems, Problem{"author-rewritten",
				fmt.Sprintf("%q: from %s <%s> through the list; taken as %s <%s>", mi.subject, author, email, name, address)})
			author, email = name, address
		}
	}
	p := &Patch{
		Subject:       strings.ToValidUTF8(mi.subject, "\uFFFD"),
		Author:        author + " <" + email + ">",
		Date:          parseDate(mi.date),
		MessageID:     m.id,
		PatchID:       PatchID(diff.text),
		Files:         diff.files,
		Insertions:    diff.insertions,
		Deletions:     diff.deletions,
		Replies:       []Reply{},
		CommitMessage: stripSpace(mi.subject + "\n\n" + string(mi.log)),
		Diff:          diff.text,
	}
	if p.Files == nil {
		p.Files = []string{}
	}
	p.Trailers = messageTrailers(p.CommitMessage)
	if diff.damage != "" {
		problems = append(problems, Problem{"damaged-patch", fmt.Sprintf("%q: %s", p.Subject, diff.damage)})
	}
	if mi.charset != "" {
		problems = append(problems, Problem{"wrong-charset", fmt.Sprintf("%q: %s", p.Subject, mi.charset)})
	}
	if scissors.Match(mi.log) {
		problems = append(problems, Problem{"scissors", fmt.Sprintf("%q: its message has a scissors line; all of it is kept, as git am does without --scissors", p.Subject)})
	}
	if p.Date.IsZero() {
		problems = append(problems, Problem{"no-date", fmt.Sprintf("%q: its date %q is not readable", p.Subject, mi.date)})
	}
	return p, problems
}

// scissors is a line that git-mailinfo --scissors takes for one, as people write it.
var scissors = pattern.New(`(?m)^[-\t ]*-[-\t ]*(?:8<|>8|%<|>%)[-\t ]*-[-\t 8<>%]*$`)

var viaList = pattern.New(`^['"]?(.*?)['"]? (?i:via) [^ ].*$`)

// realAuthor undoes what mailman does to the From of a domain with a strict DMARC policy: "Name via list
// <list@host>", with the author in Reply-To or X-Original-From.
func realAuthor(m *message, author, email string) (name, address string, ok bool) {
	via := viaList.FindStringSubmatch(author)
	if via == nil {
		return "", "", false
	}
	for _, field := range []string{"X-Original-From", "Reply-To"} {
		name, address = splitAuthor(collapse(decodeWords(m.header.get(field))))
		if address != "" && strings.Contains(address, "@") && !strings.EqualFold(address, email) {
			if name == address {
				name = strings.Trim(via[1], `'"`)
			}
			return name, address, true
		}
	}
	return "", "", false
}

// realFrom is the sender of a mail as it left the sender.
func realFrom(m *message) string {
	from := collapse(decodeWords(m.header.get("From")))
	name, email := splitAuthor(from)
	via := viaList.FindStringSubmatch(name)
	if via == nil {
		return from
	}
	if name, address, ok := realAuthor(m, name, email); ok {
		return name + " <" + address + ">"
	}
	return via[1] + " <" + email + ">"
}

// needs is what a mail says its series stands on.
type needs struct {
	base          string   // of a base-commit line, any revision; "" without one
	words         string   // "based on v6.1-rc2" in the text, where there is no such line
	wordsBase     string   // the revision of words
	prerequisites []string // patch-ids, message-ids and change-ids
	changeID      string
}

var (
	baseLine         = pattern.New(`(?im)^base-commit:[ \t]*(\S+)`)
	changeLine       = pattern.New(`(?im)^change-id:[ \t]*(\S+)`)
	prerequisiteLine = pattern.New(`(?im)^prerequisite-(?:patch-id|message-id|change-id):[ \t]*<?([^\s<>]+)>?`)
	// Depends-on is patchwork's, Based-on is QEMU's: a message-id, or a link that has one.
	dependsLine = pattern.New(`(?im)^(?:depends-on|based-on):[ \t]*(\S.*)$`)
	linkedID    = pattern.New(`([^\s<>/]+@[^\s<>/]+)`)
	baseWords   = pattern.New(`(?i)\bbased (?:on top of|on|off(?: of)?):?\s+(?:[\w/.'-]+\s+){0,4}?` +
		`(v\d+\.\d+(?:\.\d+)*(?:-rc\d+)?|next-\d{8}|[0-9a-f]{12,40})\b`)
)

// readNeeds reads the base-commit and prerequisite lines `git format-patch --base` and b4 write, and what
// people write instead.
func readNeeds(body string) needs {
	var n needs
	// The expressions are slow, so they see as little as need be.
	var lines strings.Builder
	for line := range strings.Lines(body) {
		if mayNeed(line[0]) {
			lines.WriteString(line)
		}
	}
	stated := lines.String()
	if m := baseLine.FindStringSubmatch(stated); m != nil {
		n.base = m[1]
	}
	if m := changeLine.FindStringSubmatch(stated); m != nil {
		n.changeID = m[1]
	}
	for _, m := range prerequisiteLine.FindAllStringSubmatch(stated, 1000) {
		n.prerequisites = append(n.prerequisites, m[1])
	}
	for _, m := range dependsLine.FindAllStringSubmatch(stated, 1000) {
		if id := linkedID.FindString(m[1]); id != "" {
			n.prerequisites = append(n.prerequisites, id)
		}
	}
	if n.base == "" && (strings.Contains(body, "ased ") || strings.Contains(body, "ASED ")) {
		if m := baseWords.FindStringSubmatch(body); m != nil {
			n.words, n.wordsBase = collapse(m[0]), m[1]
		}
	}
	return n
}

// mayNeed says whether a line that starts with c may be one of those readNeeds looks for.
func mayNeed(c byte) bool { return strings.IndexByte("bcdp", c|0x20) >= 0 }
