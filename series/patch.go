package series

import (
	"fmt"
	"regexp"
	"strings"
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
	if p.Date.IsZero() {
		problems = append(problems, Problem{"no-date", fmt.Sprintf("%q: its date %q is not readable", p.Subject, mi.date)})
	}
	return p, problems
}

var viaList = regexp.MustCompile(`^['"]?(.*?)['"]? (?i:via) [^ ].*$`)

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

var (
	baseLine         = regexp.MustCompile(`(?m)^base-commit:[ \t]*(\S+)`)
	prerequisiteLine = regexp.MustCompile(`(?m)^prerequisite-(?:patch-id|message-id|change-id):[ \t]*<?([^\s<>]+)>?`)
)

// dependencies reads the base-commit and prerequisite lines `git format-patch --base` and b4 write.
func dependencies(body string) (base string, prerequisites []string) {
	if m := baseLine.FindStringSubmatch(body); m != nil {
		base = m[1]
	}
	for _, m := range prerequisiteLine.FindAllStringSubmatch(body, 1000) {
		prerequisites = append(prerequisites, m[1])
	}
	return base, prerequisites
}
