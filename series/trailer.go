package series

import (
	"net/mail"
	"regexp"
	"strings"
)

var (
	trailerLine = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9-]{0,40})\s*:\s+(\S.*)$`)
	// personKey are the trailers by which a person takes part; only these are taken from replies.
	personKey = regexp.MustCompile(`^(?i)[a-z][a-z-]*-by$`)
	pickedBy  = regexp.MustCompile(`^\(cherry picked from commit |^\[.*\]$`)
)

// messageTrailers returns the trailers at the end of a commit message. As git-interpret-trailers(1) has it,
// the last paragraph is a block of trailers when all of its lines are, or when it has a Signed-off-by and a
// quarter of its lines are.
func messageTrailers(message string) []Trailer {
	trailers := []Trailer{}
	paragraphs := strings.Split(strings.TrimRight(message, "\n"), "\n\n")
	if len(paragraphs) < 2 {
		return trailers
	}
	other, signed := 0, false
	for _, line := range strings.Split(paragraphs[len(paragraphs)-1], "\n") {
		if n := len(trailers); n > 0 && line != "" && (line[0] == ' ' || line[0] == '\t') {
			trailers[n-1].Value += " " + strings.TrimSpace(line)
			continue
		}
		m := trailerLine.FindStringSubmatch(line)
		switch {
		case m != nil:
			signed = signed || strings.EqualFold(m[1], "Signed-off-by")
			trailers = append(trailers, Trailer{m[1], strings.TrimSpace(m[2]), "patch"})
		case pickedBy.MatchString(line):
			signed = true
		default:
			other++
		}
	}
	if other > 0 && (!signed || len(trailers) < other/3) {
		return []Trailer{}
	}
	return trailers
}

// replyTrailers returns the trailers a reply gives: "…-by" lines that are not quoted and carry an address.
// Those in the name of somebody other than the sender are returned apart: b4 refuses them too.
func replyTrailers(body, from string) (own, others []Trailer) {
	for line := range strings.SplitSeq(body, "\n") {
		if strings.HasPrefix(line, "diff --git ") || strings.HasPrefix(line, "--- a/") {
			break
		}
		if !strings.Contains(line, ":") {
			continue
		}
		line = strings.TrimSpace(line)
		m := trailerLine.FindStringSubmatch(line)
		if m == nil || !personKey.MatchString(m[1]) || strings.EqualFold(m[1], "Signed-off-by") {
			continue
		}
		value := strings.TrimSpace(m[2])
		address, err := mail.ParseAddress(value)
		if err != nil {
			name, email := splitAuthor(value)
			if !strings.Contains(email, "@") {
				continue
			}
			address = &mail.Address{Name: name, Address: email}
		}
		t := Trailer{m[1], value, "reply"}
		if samePerson(address, from) {
			own = append(own, t)
		} else {
			others = append(others, t)
		}
	}
	return own, others
}

// samePerson says whether a trailer's person is the sender: same address, or same name, whatever the case.
func samePerson(p *mail.Address, from string) bool {
	name, email := splitAuthor(from)
	return strings.EqualFold(p.Address, email) || p.Name != "" && strings.EqualFold(collapse(p.Name), name)
}

// addTrailer appends t unless the list has it, whatever the case.
func addTrailer(list []Trailer, t Trailer) []Trailer {
	for _, have := range list {
		if strings.EqualFold(have.Key, t.Key) && sameValue(have.Value, t.Value) {
			return list
		}
	}
	return append(list, t)
}

func sameValue(a, b string) bool {
	_, ea := splitAuthor(a)
	_, eb := splitAuthor(b)
	if ea != "" && strings.EqualFold(ea, eb) {
		return true
	}
	return strings.EqualFold(collapse(a), collapse(b))
}
