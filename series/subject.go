package series

import (
	"strconv"
	"strings"

	"github.com/seriesctl/seriesctl/internal/pattern"
)

// subject is what the subject line of a mail says about its place in a series.
type subject struct {
	title    string // what it is about, without any prefix
	prefix   string // the bracketed words of the patch prefix as written, without the number
	reply    bool   // "Re:" and its like in other languages, "Fwd:"
	marked   bool   // it has a patch prefix: PATCH, RFC, a number or a version
	resend   bool
	revision int // 0 when it gives none
	minor    int // the 1 of "v1.1", which replaces single patches of v1; 0 when it gives none
	index    int // the N of N/M; above M for a patch added later
	total    int // the M of N/M; 0 when it is not numbered
}

var (
	replyWord   = pattern.New(`^(?i:re|aw|sv|vs|antw|fwd?|wg|tr|回复|答复|转发)(?:\[\d+\])?\s*[:：]\s*`)
	subsetWord  = pattern.New(`^(?i)\(subset\)\s*`)
	versionWord = pattern.New(`^(?i)(?:patch|rfc|resend)?[-_]?(?:v|ver|version|rev)[-_.]?(\d{1,4})(?:\.(\d{1,3}))?$`)
	numberWord  = pattern.New(`^(\d{1,5})/(\d{1,5})$`)
	ofWords     = pattern.New(`(?i)(?:^|[\s,])(\d{1,5})\s+of\s+(\d{1,5})(?:$|[\s,])`)
	markWord    = pattern.New(`^(?i)(?:\d*patch(?:es|set)?|rfc|rft|resend|repost|resent)$`)
	// bare is a prefix without its brackets.
	bare = pattern.New(`^(?i)((?:(?:patch|rfc|resend)(?:[-_]?v\d{1,4})?\s+|v\d{1,4}(?:\.\d{1,3})?\s+)*\d{1,5}(?:/|\s+of\s+)\d{1,5})\s*[:\-]?\s+(\S.*)$`)
)

// parseSubject reads a decoded subject line. Bracketed groups that say nothing about a series, such as the
// tag a mailing list adds, are dropped from the title as `git am` drops them.
func parseSubject(s string) subject {
	out := subject{}
	var prefix []string
	s = collapse(s)
	for {
		s = strings.TrimLeft(s, " :")
		if m := replyWord.FindString(s); m != "" {
			out.reply = true
			s = s[len(m):]
			continue
		}
		if m := subsetWord.FindString(s); m != "" && out.reply {
			s = s[len(m):]
			continue
		}
		end := strings.IndexByte(s, ']')
		if !strings.HasPrefix(s, "[") || end < 0 {
			break
		}
		if words, ok := out.group(s[1:end]); ok && words != "" {
			prefix = append(prefix, words)
		}
		s = s[end+1:]
	}
	if m := bare.FindStringSubmatch(s); m != nil && out.total == 0 {
		if words, ok := out.group(m[1]); ok {
			if words != "" {
				prefix = append(prefix, words)
			}
			s = m[2]
		}
	}
	out.prefix = strings.Join(prefix, " ")
	out.title = strings.TrimSpace(s)
	return out
}

// group reads the words of one bracket and returns them without the number; false when they are not about
// patches.
func (s *subject) group(text string) (string, bool) {
	found := false
	if m := ofWords.FindStringSubmatchIndex(text); m != nil {
		if s.number(text[m[2]:m[3]], text[m[4]:m[5]]) {
			found = true
			text = text[:m[2]] + text[m[5]:]
		}
	}
	var words []string
	for _, w := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' }) {
		bare := strings.Trim(w, ":;")
		if m := numberWord.FindStringSubmatch(bare); m != nil && s.number(m[1], m[2]) {
			found = true
			continue
		}
		if m := versionWord.FindStringSubmatch(bare); m != nil {
			s.revision, _ = strconv.Atoi(m[1])
			s.minor, _ = strconv.Atoi(m[2])
			found = true
		} else if markWord.MatchString(bare) {
			found = true
			s.resend = s.resend || strings.HasPrefix(strings.ToLower(bare), "res") || strings.EqualFold(bare, "repost")
		}
		words = append(words, w)
	}
	s.marked = s.marked || found
	return strings.Join(words, " "), found
}

// mostExtra is how far N of "N/M" may be above M: "3/2" is a patch sent after the two of a series.
const mostExtra = 9

// number takes N and M of "N/M"; false when that is no place in a series.
func (s *subject) number(n, m string) bool {
	index, err1 := strconv.Atoi(n)
	total, err2 := strconv.Atoi(m)
	if err1 != nil || err2 != nil || total == 0 || index > total+mostExtra {
		return false
	}
	s.index, s.total = index, total
	return true
}

// release says whether the version is rather that of a kernel than of the series: "v5.10", "v6.1".
func (s subject) release() bool { return s.minor > 0 && s.revision >= 3 && s.revision <= 9 }
