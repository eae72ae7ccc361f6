package series

import (
	"net/mail"
	"slices"
	"strings"

	"github.com/seriesctl/seriesctl/internal/pattern"
)

var (
	trailerLine = pattern.New(`^([A-Za-z][A-Za-z0-9-]{0,40})\s*:\s+(\S.*)$`)
	// personKey are the trailers by which a person takes part; only these are taken from replies.
	personKey = pattern.New(`^(?i)[a-z][a-z-]*-by$`)
	pickedBy  = pattern.New(`^\(cherry picked from commit |^\[.*\]$`)
)

// readTrailer reads one line; ok is false when it is no trailer.
func readTrailer(line string) (key, value string, ok bool) {
	m := trailerLine.FindStringSubmatch(line)
	if m == nil {
		return "", "", false
	}
	value = strings.TrimSpace(m[2])
	return m[1], value, value != ""
}

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
			trailers[n-1].Value = strings.TrimSpace(trailers[n-1].Value + " " + strings.TrimSpace(line))
			continue
		}
		key, value, ok := readTrailer(line)
		switch {
		case ok:
			signed = signed || strings.EqualFold(key, "Signed-off-by")
			trailers = append(trailers, Trailer{Key: key, Value: value, From: "patch"})
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

var (
	// citedKey are trailers that name no person; anybody may add them.
	citedKey = pattern.New(`^(?i)(?:link|buglink|closes|obsoleted-by)$`)
	fixesKey = pattern.New(`^(?i)fixes$`)
	fixed    = pattern.New(`^[0-9a-f]{6,}\b`)
	// mailto is what a mail program makes of an address on its way through HTML.
	mailto = pattern.New(`<mailto:[^<>]*>`)
	// remark is what people add behind an address: "# on arm64".
	remark = pattern.New(`\s+#[^#]*$`)
	// angled is an address at the end of a line; names in trailers follow no rule.
	angled = pattern.New(`^(.*?)\s*<([^<>\s]+@[^<>\s]+)>`)
)

// replyTrailers returns the trailers a reply gives, outside of quotes, signature and diffs, by the rules b4
// documents: those of a person ("…-by", Cc) when the person is the sender, and Fixes, Link, Closes and the like
// from anybody. "…-by" lines in the name of somebody else are returned apart.
func replyTrailers(body, from string) (own, others []Trailer) {
	lines := strings.Split(body, "\n")
	inDiff := false
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		if strings.TrimRight(line, "\r") == "-- " {
			break
		}
		inDiff = inDiff || strings.HasPrefix(line, "diff --git ") || strings.HasPrefix(line, "--- a/")
		if !strings.Contains(line, ":") || inDiff && isDiffLine(line) {
			continue
		}
		key, value, ok := readTrailer(strings.TrimSpace(line))
		if !ok {
			continue
		}
		t := Trailer{Key: key, Value: value, From: "reply"}
		switch {
		case citedKey.MatchString(key):
			if strings.Contains(value, "://") || strings.EqualFold(key, "obsoleted-by") {
				own = append(own, t)
			}
		case fixesKey.MatchString(key):
			if fixed.MatchString(value) {
				own = append(own, t)
			}
		case personKey.MatchString(key) || strings.EqualFold(key, "cc"):
			if next := i + 1; !strings.Contains(value, "@") && next < len(lines) {
				// "Reviewed-by: A Very Long Name", and the address on the next line.
				if below := strings.TrimSpace(lines[next]); strings.HasPrefix(below, "<") && strings.HasSuffix(below, ">") {
					value += " " + below
					i = next
				}
			}
			t.Value = mailto.ReplaceAllString(value, "")
			person, ok := trailerPerson(t.Value)
			switch {
			case !ok:
			case samePerson(person, from):
				own = append(own, t)
			case personKey.MatchString(key):
				others = append(others, t)
			}
		}
	}
	return own, others
}

// isDiffLine says whether a line that follows a diff's header may belong to the diff.
func isDiffLine(line string) bool { return strings.IndexByte(" \t+-\\@", line[0]) >= 0 }

// trailerPerson reads the value of a trailer that names a person; false when there is no address.
func trailerPerson(value string) (*mail.Address, bool) {
	value = remark.ReplaceAllString(value, "")
	if m := angled.FindStringSubmatch(value); m != nil {
		return &mail.Address{Name: strings.Trim(m[1], `"`), Address: m[2]}, true
	}
	if address, err := mail.ParseAddress(value); err == nil {
		return address, true
	}
	name, email := splitAuthor(value)
	return &mail.Address{Name: name, Address: email}, strings.Contains(email, "@")
}

// samePerson says whether a trailer's person is the sender: the same address but for a +tag or one more
// component of the domain, or the same name, "Last, First" too. Case does not count.
func samePerson(p *mail.Address, from string) bool {
	name, email := splitAuthor(from)
	if sameAddress(p.Address, email) {
		return true
	}
	have, want := strings.ToLower(collapse(p.Name)), strings.ToLower(name)
	if have == "" || want == "" {
		return false
	}
	if have == want {
		return true
	}
	return strings.Contains(want, ",") && sameWords(have, want)
}

// sameWords says whether two names have the same words, in any order.
func sameWords(a, b string) bool {
	split := func(s string) []string {
		w := strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
		slices.Sort(w)
		return w
	}
	return slices.Equal(split(a), split(b))
}

// sameAddress compares addresses as b4 does: ann+linux@example.org is ann@example.org, and so is
// ann@mail.example.org.
func sameAddress(a, b string) bool {
	localA, domainA, okA := strings.Cut(strings.ToLower(a), "@")
	localB, domainB, okB := strings.Cut(strings.ToLower(b), "@")
	if !okA || !okB {
		return false
	}
	localA, _, _ = strings.Cut(localA, "+")
	localB, _, _ = strings.Cut(localB, "+")
	if localA != localB {
		return false
	}
	if len(domainA) < len(domainB) {
		domainA, domainB = domainB, domainA
	}
	return domainA == domainB ||
		strings.HasSuffix(domainA, "."+domainB) && strings.Count(domainA, ".") == strings.Count(domainB, ".")+1
}

// addTrailer appends t unless the list has it, whatever the case.
func addTrailer(list []Trailer, t Trailer) []Trailer {
	if hasTrailer(list, t) {
		return list
	}
	return append(list, t)
}

// hasTrailer says whether the list has t.
func hasTrailer(list []Trailer, t Trailer) bool {
	return slices.ContainsFunc(list, func(have Trailer) bool {
		return strings.EqualFold(have.Key, t.Key) && sameValue(have.Value, t.Value)
	})
}

// sameValue compares the values of trailers: persons by name and address, where one may lack the name.
func sameValue(a, b string) bool {
	if strings.EqualFold(collapse(a), collapse(b)) {
		return true
	}
	pa, okA := trailerPerson(a)
	pb, okB := trailerPerson(b)
	if !okA || !okB || !strings.EqualFold(pa.Address, pb.Address) {
		return false
	}
	na, nb := collapse(pa.Name), collapse(pb.Name)
	return na == "" || nb == "" || strings.EqualFold(na, nb) || strings.EqualFold(na, pa.Address) || strings.EqualFold(nb, pb.Address)
}
