package series

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Bounds: dispositions kept over all series of a Mailbox, unreadable messages listed in a series, older
// revisions whose trailers are looked at.
const (
	mostOlder        = 30
	mostDispositions = 1 << 20
	mostUnreadable   = 20
)

// series makes every posting presentable, newest last.
func (t *threads) series() []*Series {
	list := []*Series{}
	ids := map[string]bool{}
	for _, p := range t.newestLast() {
		if len(p.patches) == 0 && p.cover == nil {
			continue
		}
		s := t.assemble(p)
		s.ID = uniqueID(ids, s)
		p.series = s
		list = append(list, s)
	}
	for _, p := range t.postings {
		switch {
		case p.series == nil:
		case len(list)*len(t.messages) <= mostDispositions:
			p.series.Messages = t.dispositions(p, t.messages)
		default:
			p.series.Messages = t.dispositions(p, t.related[p.root()])
		}
	}
	return list
}

// uniqueID is the slug of the subject with the revision, and a number where two series have the same.
func uniqueID(taken map[string]bool, s *Series) string {
	base := slug(s.Subject) + "-v" + strconv.Itoa(s.Revision)
	id := base
	for n := 2; taken[id]; n++ {
		id = base + "-" + strconv.Itoa(n)
	}
	taken[id] = true
	return id
}

// slug is text as it can stand in a file name: lower-case ASCII letters and digits, words joined by "-", at
// most 48 bytes cut at a word.
func slug(text string) string {
	const most = 48
	out := ""
	for _, word := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}) {
		switch {
		case out == "":
			out = word[:min(len(word), most)]
		case len(out)+1+len(word) > most:
			return out
		default:
			out += "-" + word
		}
	}
	if out == "" {
		return "series"
	}
	return out
}

// assemble makes the Series of one posting, without ID and Messages.
func (t *threads) assemble(p *posting) *Series {
	first, letter := p.first(), p.letter()
	s := &Series{
		Subject: first.sub.title, Revision: p.revision, Prefix: first.sub.prefix, Total: p.total, Date: first.m.date,
		Patches: []*Patch{}, CoverReplies: []Reply{}, Missing: []int{}, Prerequisites: []string{}, Problems: []Problem{},
	}
	if first.sub.prefix == "" && len(p.patches) > 0 {
		s.Prefix = p.patches[p.indices()[0]].sub.prefix // of a letter without one
	}
	name, email := splitAuthor(first.m.from)
	s.Author = name + " <" + email + ">"
	if first.patch != nil {
		s.Author, s.Date = first.patch.Author, first.patch.Date
		if s.Subject == "" {
			s.Subject = first.patch.Subject
		}
	}
	if letter != nil {
		s.Subject = letter.sub.title
		s.Cover = strings.TrimSpace(letter.body)
		s.Problems = append(s.Problems, letter.problems...)
		t.depends(s, letter)
	}

	used := t.usedPatches(p)
	for index := 1; index <= p.total; index++ {
		e := used[index]
		if e == nil {
			s.Missing = append(s.Missing, index)
			continue
		}
		patch := *e.patch
		patch.Index = index
		patch.Trailers = slices.Clone(patch.Trailers)
		s.Patches = append(s.Patches, &patch)
		s.Problems = append(s.Problems, e.problems...)
		t.depends(s, e)
	}
	t.doubts(s, p)
	t.attach(s, p, used)
	t.inherit(s, p, used)
	return s
}

// usedPatches are the patches of a posting by index; a partial re-roll has the others of its base too.
func (t *threads) usedPatches(p *posting) map[int]*entry {
	used := map[int]*entry{}
	for at, n := p, 0; at != nil && n < maxChain; at, n = at.base, n+1 {
		for index, e := range at.patches {
			if used[index] == nil {
				used[index] = e
			}
		}
	}
	return used
}

// depends adds what one message of a series says it stands on.
func (t *threads) depends(s *Series, e *entry) {
	switch n := e.needs; {
	case s.BaseCommit != "":
	case n.base != "":
		s.BaseCommit = n.base
	case n.words != "" && e.patch == nil:
		s.BaseCommit = n.wordsBase
		s.Problems = append(s.Problems, Problem{"base-in-words", fmt.Sprintf("there is no base-commit line, but %q", n.words)})
	}
	if s.ChangeID == "" {
		s.ChangeID = e.needs.changeID
	}
	for _, n := range e.needs.prerequisites {
		if !slices.Contains(s.Prerequisites, n) {
			s.Prerequisites = append(s.Prerequisites, n)
		}
	}
}

// doubts adds what a person should know of how the series was put together.
func (t *threads) doubts(s *Series, p *posting) {
	add := func(kind, format string, args ...any) {
		s.Problems = append(s.Problems, Problem{kind, fmt.Sprintf(format, args...)})
	}
	if n := len(s.Missing); n > 0 {
		noun, verb := "patch", "is"
		if n > 1 {
			noun, verb = "patches", "are"
		}
		add("missing-patch", "%s %s of %d %s not in the input", noun, spans(s.Missing), s.Total, verb)
	}
	if p.cover == nil && p.base == nil && p.first().sub.total > 1 {
		if n := len(p.first().m.parents); n > 0 && t.byID[p.first().m.parents[n-1]] == nil {
			add("missing-cover", "the message the patches answer, <%s>, is not in the input", p.first().m.parents[n-1])
		}
	}
	if p.base != nil {
		add("partial-reroll", "v%d gives patch %s of %d only; the others are those of v%d", p.revision, spans(p.indices()), p.total, p.base.revision)
	}
	if p.extra > 0 {
		add("extra-patch", "%d more than the %d the series says it has", p.extra, p.total-p.extra)
	}
	if p.mixed {
		add("mixed-versions", "its mails do not say the same version or number of patches; taken for one posting, v%d of %d", p.revision, p.total)
	}
	for _, e := range p.unplaced {
		add("unplaced-patch", "%s has a patch, but nothing says where in the series; it is a series of its own", e)
	}
	for _, e := range t.answers[p] {
		if e.isPatch() {
			add("unplaced-patch", "%s has a patch, but nothing says where in the series; it is taken for a reply", e)
		}
	}
	for i, old := range p.replaced {
		e := p.mended[i]
		kind := "patch-sent-twice"
		if e.sub.minor > 0 {
			kind = "reroll"
		}
		add(kind, "patch %d/%d: %s is used, %s is not", e.sub.index, e.sub.total, e, old)
	}
	for _, o := range t.members[p.root()] {
		if o != p && o.revision == p.revision && len(o.patches) > 0 {
			add("two-postings", "v%d was posted more than once: there is also a posting of %d with %d patches, %q",
				p.revision, o.total, len(o.patches), o.first().m.subject)
		}
	}
	for i, e := range t.bad {
		if i == mostUnreadable {
			add("unreadable-message", "and %d more", len(t.bad)-i)
			break
		}
		add("unreadable-message", "message %d of the input: %s", e.at+1, e.m.bad)
	}
	for _, e := range t.related[p.root()] {
		if e.copyOf != nil && e.copyOf.posting == p {
			add("duplicate", "%s is a copy of a message that is used", e)
		}
	}
	for _, e := range t.lost {
		if e.sub.total == p.total && e.revision() == p.revision && slices.Contains(s.Missing, e.sub.index) {
			add("no-diff", "%s has no patch in it", e)
		}
	}
}

// attach gives every patch and the cover their replies, and the trailers that come with them.
func (t *threads) attach(s *Series, p *posting, used map[int]*entry) {
	letter := p.letter()
	patches := map[*entry]*Patch{}
	for _, patch := range s.Patches {
		patches[used[patch.Index]] = patch
	}
	var answers []*entry
	for at, n := p, 0; at != nil && n < maxChain; at, n = at.base, n+1 {
		for _, e := range t.answers[at] {
			if patches[e.answers] != nil || e.answers == letter {
				answers = append(answers, e)
			}
		}
	}
	for _, e := range t.threadOrder(answers) {
		reply := Reply{From: e.m.from, Date: e.m.date, MessageID: e.m.id, Depth: e.depth, Body: e.body}
		own, others := replyTrailers(e.body, e.m.from)
		for _, o := range others {
			if slices.ContainsFunc(s.Patches, func(p *Patch) bool { return hasTrailer(p.Trailers, o) }) {
				continue // quoted, without a mark
			}
			s.Problems = append(s.Problems, Problem{"trailer-identity",
				fmt.Sprintf("not taken: \"%s: %s\" in a mail from %s", o.Key, o.Value, e.m.from)})
		}
		targets := s.Patches
		if patch := patches[e.answers]; patch != nil {
			patch.Replies = append(patch.Replies, reply)
			targets = []*Patch{patch}
		} else {
			s.CoverReplies = append(s.CoverReplies, reply)
		}
		for _, patch := range targets {
			for _, trailer := range own {
				patch.Trailers = addTrailer(patch.Trailers, trailer)
			}
		}
	}
}

// inherit adds the trailers that replies gave to older revisions of the patches. They hold for a patch that is
// unchanged, and are stale for one that was changed.
func (t *threads) inherit(s *Series, p *posting, used map[int]*entry) {
	byID, byTitle, byEntry := map[string]*Patch{}, map[string]*Patch{}, map[*entry]bool{}
	byIndex := map[int]*Patch{}
	for _, patch := range s.Patches {
		e := used[patch.Index]
		byEntry[e] = true
		byIndex[patch.Index] = patch
		byTitle[e.sub.title] = patch
		if patch.PatchID != "" {
			byID[patch.PatchID] = patch
		}
	}
	match := func(old *entry, sameSeries bool) *Patch {
		switch {
		case byEntry[old]:
			return nil
		case byID[old.patch.PatchID] != nil:
			return byID[old.patch.PatchID]
		case byTitle[old.sub.title] != nil:
			return byTitle[old.sub.title]
		case sameSeries:
			return byIndex[old.sub.index]
		}
		return nil
	}
	var older []*posting
	for _, o := range t.members[p.root()] {
		if o == p || o.revision < p.revision || o.revision == p.revision && o.date().Before(p.date()) {
			older = append(older, o)
		}
	}
	for _, o := range older[max(0, len(older)-mostOlder):] {
		// What the cover of the older revision was told, all its patches were told.
		var all []*entry
		for _, index := range o.indices() {
			all = append(all, o.patches[index])
		}
		all = append(all, o.replaced...)
		// The replies to the letter of a partial re-roll's base are those of the series itself.
		fromLetter := o != p && o.cover != nil && o.cover != p.letter()
		for _, old := range all {
			patch := match(old, o == p || p.base == o)
			if patch == nil {
				continue
			}
			replies := slices.Clone(t.direct[old])
			if fromLetter {
				replies = append(replies, t.direct[o.cover]...)
			}
			for _, e := range t.threadOrder(replies) {
				own, _ := replyTrailers(e.body, e.m.from)
				for _, trailer := range own {
					trailer.Stale = patch.PatchID == "" || patch.PatchID != old.patch.PatchID
					patch.Trailers = addTrailer(patch.Trailers, trailer)
				}
			}
		}
	}
}

// threadOrder sorts replies as a mail reader shows a thread: each one after what it answers, brothers by
// date.
func (t *threads) threadOrder(replies []*entry) []*entry {
	children := map[*entry][]*entry{}
	var roots []*entry
	for _, e := range replies {
		if up, _ := t.parent(e); up != nil && up.answers == e.answers && e.depth > up.depth {
			children[up] = append(children[up], e)
		} else {
			roots = append(roots, e)
		}
	}
	var out []*entry
	var walk func([]*entry)
	walk = func(list []*entry) {
		slices.SortStableFunc(list, func(a, b *entry) int {
			if a.before(b) {
				return -1
			}
			return 1
		})
		for _, e := range list {
			out = append(out, e)
			walk(children[e])
		}
	}
	walk(roots)
	return out
}

// dispositions says what became of messages, as the series of p sees it.
func (t *threads) dispositions(p *posting, messages []*entry) []Message {
	used := map[*entry]bool{}
	for _, e := range t.usedPatches(p) {
		used[t.messages[e.at]] = true
	}
	letter, root := p.letter(), p.root()
	list := make([]Message, 0, len(messages))
	for _, e := range messages {
		var d Disposition
		home := t.home(e)
		switch {
		case e.m.bad != "":
			d = IsUnreadable
		case home != nil && home.root() != root:
			d = IsOther
		case e.copyOf != nil:
			d = IsDuplicate
		case used[e]:
			d = IsPatch
		case e == letter:
			d = IsCover
		case e.posting != nil || t.attached[e] != nil:
			d = IsSuperseded
		case e.answers != nil:
			d = IsReply
		default:
			d = IsNotAPatch
		}
		list = append(list, Message{e.m.id, e.m.subject, d})
	}
	return list
}
