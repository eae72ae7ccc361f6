package series

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// maxChain bounds how far up a thread is walked; References can also be a loop.
const maxChain = 1000

// threads finds out what belongs together among the messages of one input.
type threads struct {
	messages []*entry          // one per message
	entries  []*entry          // patches attached to one message are entries of their own
	byID     map[string]*entry // never a copy
	postings []*posting

	// Filled by index, when everything is in its place.
	members  map[*posting][]*posting // by family
	related  map[*posting][]*entry   // the messages of a family, in their order
	answers  map[*posting][]*entry   // the replies to a posting
	direct   map[*entry][]*entry     // the replies to a patch or cover
	lost     []*entry                // numbered patches without a diff
	bad      []*entry                // unreadable messages
	attached map[*entry]*posting     // the posting of the patches a message has attached
}

// arrange reads the messages of one input and puts each in its place.
func arrange(raw [][]byte) *threads {
	t := &threads{byID: make(map[string]*entry, len(raw))}
	for _, e := range readEntries(raw) {
		t.add(e)
	}
	t.numbered()
	t.letters()
	t.unnumbered()
	t.rerolls()
	t.widen()
	t.unmarked()
	t.emptyCovers()
	t.families()
	t.replies()
	t.index()
	return t
}

// index notes what belongs to each posting and family, so that no step after it looks at all messages for
// each series.
func (t *threads) index() {
	t.members, t.related, t.answers = map[*posting][]*posting{}, map[*posting][]*entry{}, map[*posting][]*entry{}
	t.attached = map[*entry]*posting{}
	t.direct = map[*entry][]*entry{}
	for _, p := range t.postings {
		t.members[p.root()] = append(t.members[p.root()], p)
	}
	for _, e := range t.entries {
		if e.order > 0 && e.posting != nil {
			t.attached[t.messages[e.at]] = e.posting
		}
		if e.answers != nil {
			t.answers[e.answers.posting] = append(t.answers[e.answers.posting], e)
			t.direct[e.answers] = append(t.direct[e.answers], e)
		}
	}
	for _, e := range t.messages {
		if e.m.bad != "" {
			t.bad = append(t.bad, e)
		} else if p := t.home(e); p != nil {
			t.related[p.root()] = append(t.related[p.root()], e)
		}
		if e.patch == nil && e.posting == nil && e.copyOf == nil && e.sub.index > 0 && !e.sub.reply {
			t.lost = append(t.lost, e)
		}
	}
}

// home is the posting a message has to do with, nil for one that has to do with none.
func (t *threads) home(e *entry) *posting {
	for e.copyOf != nil {
		e = e.copyOf
	}
	switch {
	case e.posting != nil:
		return e.posting
	case e.answers != nil:
		return e.answers.posting
	}
	return t.attached[e]
}

// add takes one message in, and the patches attached to it.
func (t *threads) add(e *entry) {
	m := e.m
	attached := m.attached
	m.attached = nil
	t.messages = append(t.messages, e)
	if have := t.byID[m.id]; have != nil && m.id != "" {
		if have.patch != nil || e.patch == nil {
			e.copyOf = have
			return
		}
		// The copy seen first lost its patch on the way: this one is better.
		have.copyOf = e
		t.entries = slices.DeleteFunc(t.entries, func(x *entry) bool { return x == have })
	}
	if m.id != "" {
		t.byID[m.id] = e
	}
	t.entries = append(t.entries, e)
	if e.patch != nil || e.sub.reply {
		return
	}
	for i, text := range attached {
		sub := parseMessage(text)
		sub.id, sub.parents = m.id, m.parents
		a := newEntry(sub, e.at)
		a.order = i + 1
		if a.isPatch() {
			t.entries = append(t.entries, a)
		}
	}
}

// parent returns the message an entry answers and how many messages away it is; nil when none is there.
func (t *threads) parent(e *entry) (*entry, int) {
	for i, id := range e.m.parents {
		if p := t.byID[id]; p != nil && p != e && p.m != e.m {
			return p, i + 1
		}
	}
	if e.order > 0 {
		return t.messages[e.at], 1
	}
	return nil, 0
}

// ancestor walks up from an entry to the first message that fits; nil without one.
func (t *threads) ancestor(e *entry, fits func(*entry) bool) *entry {
	for range maxChain {
		if e, _ = t.parent(e); e == nil || fits(e) {
			return e
		}
	}
	return nil
}

func (t *threads) newPosting(e *entry) *posting {
	p := &posting{revision: e.revision(), total: e.sub.total, sender: e.sender, patches: map[int]*entry{}, sequence: len(t.postings)}
	p.family = p
	t.postings = append(t.postings, p)
	return p
}

// isReroll says whether a patch replaces a single patch of an older posting: "v1.1 3/9". A version that
// could be a kernel's is one only when the thread has that revision.
func (t *threads) isReroll(e *entry) bool {
	if e.sub.minor == 0 || e.sub.total == 0 {
		return false
	}
	if !e.sub.release() {
		return true
	}
	return t.ancestor(e, func(a *entry) bool {
		return a.sub.revision == e.sub.revision && a.sub.minor == 0 && a.sub.total == e.sub.total
	}) != nil
}

// numbered groups covers and patches that say N/M.
func (t *threads) numbered() {
	type runKey struct {
		run             string
		revision, total int
	}
	type rootKey struct {
		root            string
		revision, total int
	}
	runs := map[runKey]*posting{}
	roots := map[rootKey]*posting{}
	counted := t.counted()

	// Covers first: they are what patches hang from.
	for _, e := range t.entries {
		if !e.isCover() || e.m.bad != "" {
			continue
		}
		if have := t.sameCover(e); have != nil {
			e.copyOf = have
			continue
		}
		p := t.newPosting(e)
		p.cover, e.posting = e, p
		if run := e.run(); run != "" {
			key := runKey{run, e.revision(), e.sub.total}
			if runs[key] == nil {
				runs[key] = p
			}
		}
	}
	for _, e := range t.entries {
		if !e.isPatch() || e.sub.total == 0 || t.isReroll(e) {
			continue
		}
		run := runKey{e.run(), e.revision(), e.sub.total}
		root := rootKey{"", e.revision(), e.sub.total}
		if n := len(e.m.parents); n > 0 && t.byID[e.m.parents[n-1]] == nil {
			root.root = e.m.parents[n-1]
		}
		var p *posting
		up := t.ancestor(e, func(a *entry) bool {
			return a.posting != nil && a.revision() == e.revision() && a.sub.total == e.sub.total && a.sub.index != e.sub.index
		})
		switch {
		case up != nil:
			p = up.posting
		case run.run != "" && runs[run] != nil:
			p = runs[run]
		case root.root != "" && roots[root] != nil:
			p = roots[root]
		case t.mixedNumbers(e, counted) != nil:
			p = t.mixedNumbers(e, counted)
			p.mixed = true
			p.revision = max(p.revision, e.revision())
			p.total = e.sub.total
		default:
			p = t.fallback(e)
		}
		if p == nil {
			p = t.newPosting(e)
		}
		p.put(e, e.sub.index)
		if run.run != "" && runs[run] == nil {
			runs[run] = p
		}
		if root.root != "" && roots[root] == nil {
			roots[root] = p
		}
	}
}

// mixedNumbers finds the posting of the cover that e answers, or of the mail that e answers and was sent in one
// run with, where one of the two says a version and the other none, or a cover says another total than all that
// answer it.
func (t *threads) mixedNumbers(e *entry, counted map[*entry]bool) *posting {
	up, _ := t.parent(e)
	if up == nil || up.posting == nil || up.sender != e.sender || up.posting.patches[e.sub.index] != nil || !near(up, e, 10*time.Minute) {
		return nil
	}
	p := up.posting
	isCover := p.cover == up
	sameVersion := up.sub.revision == e.sub.revision
	switch {
	case !sameVersion && up.sub.revision != 0 && e.sub.revision != 0, up.sub.index == e.sub.index:
		return nil
	case up.sub.total == e.sub.total && !sameVersion && (isCover || e.run() != "" && e.run() == up.run()):
		return p
	case up.sub.total != e.sub.total && isCover && !counted[up] && (len(p.patches) == 0 || p.total == e.sub.total):
		return p
	}
	return nil
}

// counted are the covers that have a patch with their total.
func (t *threads) counted() map[*entry]bool {
	covers := map[*entry]bool{}
	for _, e := range t.entries {
		if up, _ := t.parent(e); e.isPatch() && up != nil && up.isCover() && up.sub.total == e.sub.total {
			covers[up] = true
		}
	}
	return covers
}

// letters finds the covers that have no number: a mail of the same sender, sent with the patches that answer it.
func (t *threads) letters() {
	for _, p := range t.postings {
		first := p.first()
		if p.cover != nil || first == nil {
			continue
		}
		up, _ := t.parent(first)
		if up == nil || up.posting != nil || up.copyOf != nil || up.patch != nil || up.sub.reply || up.m.bad != "" ||
			up.sender != first.senderOr(up) || !near(up, first, time.Hour) {
			continue
		}
		p.cover, up.posting = up, p
	}
}

// widen makes room for patches numbered beyond the total: "3/2".
func (t *threads) widen() {
	for _, p := range t.postings {
		for index := range p.patches {
			if index > p.total {
				p.extra += index - p.total
				p.total = index
			}
		}
	}
}

// unmarked makes a series of its own of a patch that answers one of the same sender with nothing in its
// subject to say where it belongs.
func (t *threads) unmarked() {
	for _, e := range t.entries {
		if !e.isPatch() || e.posting != nil || e.copyOf != nil || e.sub.marked {
			continue
		}
		up := t.ancestor(e, func(a *entry) bool { return a.posting != nil })
		if up == nil || up.sender != e.sender {
			continue
		}
		if have := up.posting.copyAmong(e); have != nil {
			e.copyOf = have
			continue
		}
		up.posting.unplaced = append(up.posting.unplaced, e)
		p := t.newPosting(e)
		p.total = 1
		p.put(e, 1)
	}
}

// sameCover finds the cover of which e is another copy, sent again with a new id.
func (t *threads) sameCover(e *entry) *entry {
	for _, p := range t.postings {
		if c := p.cover; c != nil && c.revision() == e.revision() && c.sub.total == e.sub.total &&
			c.sub.resend == e.sub.resend && near(c, e, time.Hour) && c.sender == e.sender && c.sameContent(e) {
			return c
		}
	}
	return nil
}

// fallback finds a posting for a patch that no thread or id ties to one: same sender, revision and total,
// sent the same day, and that patch not there yet.
func (t *threads) fallback(e *entry) *posting {
	sender := e.sender
	for i := len(t.postings) - 1; i >= 0; i-- {
		p := t.postings[i]
		if p.revision != e.revision() || p.total != e.sub.total {
			continue
		}
		// Files of git format-patch have no ids, and the letter is from who ran it, not from the author.
		files := e.m.id == "" && p.first() != nil && p.first().m.id == ""
		if p.sender != sender && !files {
			continue
		}
		if have := p.patches[e.sub.index]; have != nil && !have.sameContent(e) {
			continue
		}
		if first := p.first(); files || first == nil || near(first, e, 24*time.Hour) && first.sub.resend == e.sub.resend {
			return p
		}
	}
	return nil
}

// put adds a patch to a posting; of two different ones for one place the later is used.
func (p *posting) put(e *entry, index int) {
	have := p.patches[index]
	switch {
	case have == nil:
		p.patches[index] = e
	case have.sameContent(e):
		e.copyOf = have
		return
	case have.before(e):
		p.replaced = append(p.replaced, have)
		p.mended = append(p.mended, e)
		p.patches[index] = e
	default:
		p.replaced = append(p.replaced, e)
		p.mended = append(p.mended, have)
	}
	e.posting = p
}

// first is the message that stands for a posting: its cover, else its first patch.
func (p *posting) first() *entry {
	if p.cover != nil {
		return p.cover
	}
	lowest := 0
	for index := range p.patches {
		if lowest == 0 || index < lowest {
			lowest = index
		}
	}
	return p.patches[lowest]
}

// unnumbered groups patches without N/M: those that answer one letter, those attached to one mail, those
// in files without ids; any other is a series of its own.
func (t *threads) unnumbered() {
	var loose *posting
	var patches []*entry
	for _, e := range t.entries {
		if e.isPatch() && e.sub.total == 0 && (e.sub.marked || len(e.m.parents) == 0 || e.order > 0) {
			patches = append(patches, e)
		}
	}
	for _, e := range patches {
		var p *posting
		up, _ := t.parent(e)
		switch {
		case e.m.id == "" && up == nil:
			if loose == nil || loose.revision != e.revision() {
				loose = t.newPosting(e)
			}
			p = loose
		case up == nil:
		case up.posting == nil && !up.sub.reply && up.patch == nil && up.m.bad == "" && up.sender == e.senderOr(up):
			p = t.newPosting(e)
			p.cover, up.posting = up, p
		case up.posting != nil && up.posting.cover == up && up.sender == e.senderOr(up) && len(up.posting.patches) == up.posting.countUnnumbered():
			p = up.posting
		case up.posting != nil && up.isPatch() && up.sub.total == 0 && up.sender == e.sender &&
			up.revision() == e.revision() && up.sub.title != e.sub.title && near(up, e, 10*time.Minute):
			p = up.posting
		}
		if p == nil {
			p = t.newPosting(e)
		}
		if have := p.copyAmong(e); have != nil {
			e.copyOf = have
			continue
		}
		p.put(e, len(p.patches)+1)
	}
	for _, p := range t.postings {
		if p.total == 0 {
			p.total = len(p.patches)
			p.byDate()
		}
	}
}

// senderOr is the sender, for an attached patch that of the mail it came in.
func (e *entry) senderOr(outer *entry) string {
	if e.order > 0 {
		return outer.sender
	}
	return e.sender
}

// letter is the cover letter that goes with a posting: its own, for a partial re-roll that of its base.
func (p *posting) letter() *entry {
	for range maxChain {
		if p.cover != nil || p.base == nil {
			break
		}
		p = p.base
	}
	return p.cover
}

func (p *posting) countUnnumbered() int {
	n := 0
	for _, e := range p.patches {
		if e.sub.total == 0 {
			n++
		}
	}
	return n
}

func (p *posting) copyAmong(e *entry) *entry {
	for _, index := range p.indices() {
		if p.patches[index].sameContent(e) {
			return p.patches[index]
		}
	}
	return nil
}

func (p *posting) indices() []int {
	list := make([]int, 0, len(p.patches))
	for index := range p.patches {
		list = append(list, index)
	}
	slices.Sort(list)
	return list
}

// byDate numbers patches that have no numbers: in the order they were sent when every one came by mail, in
// that of the input when they are files.
func (p *posting) byDate() {
	list := make([]*entry, 0, len(p.patches))
	mailed := true
	for _, index := range p.indices() {
		list = append(list, p.patches[index])
		mailed = mailed && p.patches[index].m.id != "" && p.patches[index].order == 0
	}
	if mailed {
		slices.SortStableFunc(list, func(a, b *entry) int {
			if a.before(b) {
				return -1
			}
			return 1
		})
	}
	for i, e := range list {
		p.patches[i+1] = e
	}
}

// rerolls places "v1.1 3/9" and finds what a re-roll of single patches completes itself from.
func (t *threads) rerolls() {
	for _, e := range t.entries {
		if !e.isPatch() || e.posting != nil || e.copyOf != nil || !t.isReroll(e) {
			continue
		}
		p := t.rerolled(e)
		if p == nil {
			p = t.newPosting(e)
		}
		have := p.patches[e.sub.index]
		if have != nil && have.sub.minor < e.sub.minor && !have.sameContent(e) {
			p.replaced = append(p.replaced, have)
			p.mended = append(p.mended, e)
			p.patches[e.sub.index], e.posting = e, p
			continue
		}
		p.put(e, e.sub.index)
	}
	for _, p := range t.postings {
		if p.cover != nil || len(p.patches) == 0 || len(p.patches) >= p.total {
			continue
		}
		up := t.ancestor(p.first(), func(a *entry) bool {
			return a.posting != nil && a.posting != p && a.posting.total == p.total && a.posting.revision < p.revision
		})
		if up != nil {
			p.base = up.posting
		} else if p.revision > 1 {
			p.base = t.completed(p)
		}
	}
	for _, p := range t.postings {
		if p.base != nil {
			t.newestBefore(p)
		}
	}
	t.joinRerolls()
}

// joinRerolls makes one posting of re-rolls of single patches that have one revision and complete themselves
// from the same posting, where each gives other patches.
func (t *threads) joinRerolls() {
	type key struct {
		base     *posting
		revision int
	}
	byBase := map[key]*posting{}
	t.postings = slices.DeleteFunc(t.postings, func(p *posting) bool {
		if p.base == nil {
			return false
		}
		into := byBase[key{p.base, p.revision}]
		if into == nil {
			byBase[key{p.base, p.revision}] = p
			return false
		}
		if into.sender != p.sender || len(p.replaced) > 0 || slices.ContainsFunc(p.indices(), func(i int) bool { return into.patches[i] != nil }) {
			return false
		}
		for index, e := range p.patches {
			into.patches[index], e.posting = e, into
		}
		for _, o := range t.postings {
			if o.base == p {
				o.base = into
			}
		}
		return true
	})
}

// newestBefore moves the base of a partial re-roll up to the newest revision before it: "v3 3/4" may answer
// patch 3 of v1, but stands on what v2 made of the others.
func (t *threads) newestBefore(p *posting) {
	for _, o := range t.postings {
		if o != p && o.sender == p.sender && o.total == p.total && o.revision > p.base.revision && o.revision < p.revision &&
			(o.base != nil || len(o.patches) == o.total) {
			p.base = o
		}
	}
}

// completed finds the posting that has what a later revision of the same sender lacks, when no thread ties
// the two.
func (t *threads) completed(p *posting) *posting {
	var best *posting
	for _, o := range t.postings {
		if o.sender != p.sender || o.total != p.total || o.revision >= p.revision || best != nil && o.revision <= best.revision {
			continue
		}
		all := true
		for index := 1; index <= p.total && all; index++ {
			all = p.patches[index] != nil || o.patches[index] != nil
		}
		if all && o.first().m.date.Before(p.first().m.date) {
			best = o
		}
	}
	return best
}

// emptyCovers takes a cover that no patch hangs from for a copy, when the same sender sent one with the same
// subject within the hour and the patches hang from that: people correct a letter and send it once more.
func (t *threads) emptyCovers() {
	t.postings = slices.DeleteFunc(t.postings, func(p *posting) bool {
		if p.cover == nil || len(p.patches) > 0 {
			return false
		}
		for _, o := range t.postings {
			if c := o.cover; o != p && c != nil && len(o.patches) > 0 && o.revision == p.revision && o.total == p.total && o.sender == p.sender &&
				c.sub.title == p.cover.sub.title && c.sub.resend == p.cover.sub.resend && near(c, p.cover, time.Hour) {
				p.cover.copyOf, p.cover.posting = c, nil
				return true
			}
		}
		return false
	})
}

// rerolled finds the posting of which e replaces a patch.
func (t *threads) rerolled(e *entry) *posting {
	fits := func(p *posting) bool {
		return p != nil && p.revision == max(e.sub.revision, 1) && p.total == e.sub.total
	}
	if up := t.ancestor(e, func(a *entry) bool { return fits(a.posting) }); up != nil {
		return up.posting
	}
	for _, p := range t.postings {
		if fits(p) && p.sender == e.sender {
			return p
		}
	}
	return nil
}

// families joins the postings that are revisions of one series: the same change-id, the same sender with the
// same subject or most of the patches, or one sent in answer to the other, or completed by it.
func (t *threads) families() {
	byTitle := map[string]*posting{}
	byChange := map[string]*posting{}
	byPatch := map[string]*posting{}
	for _, p := range t.postings {
		first := p.first()
		if first == nil {
			continue
		}
		key := p.sender + "\n" + first.sub.title
		if have := byTitle[key]; have != nil {
			join(have, p)
		} else {
			byTitle[key] = p
		}
		if id := p.changeID(); id != "" {
			if have := byChange[id]; have != nil {
				join(have, p)
			} else {
				byChange[id] = p
			}
		}
		if p.base != nil {
			join(p.base, p)
		}
		shared := map[*posting]int{}
		for _, index := range p.indices() {
			key := p.sender + "\n" + p.patches[index].sub.title
			if have := byPatch[key]; have != nil {
				shared[have]++
			} else {
				byPatch[key] = p
			}
		}
		for o, n := range shared {
			if n > 1 && 2*n >= min(len(o.patches), len(p.patches)) {
				join(o, p)
			}
		}
		for _, index := range append([]int{0}, p.indices()...) {
			e := p.patches[index]
			if index == 0 {
				e = p.cover
			}
			if e == nil || e.sub.total == 0 && p.revision == 1 {
				continue
			}
			up := t.ancestor(e, func(a *entry) bool { return a.posting != nil && a.posting != p && a.posting.sender == p.sender })
			if up != nil {
				join(up.posting, p)
			}
		}
	}
}

// changeID is the id b4 gives all revisions of a series, "" without one.
func (p *posting) changeID() string {
	for _, index := range append([]int{0}, p.indices()...) {
		e := p.patches[index]
		if index == 0 {
			e = p.cover
		}
		if e != nil && e.needs.changeID != "" {
			return e.needs.changeID
		}
	}
	return ""
}

func (p *posting) root() *posting {
	for p.family != p {
		p.family = p.family.family
		p = p.family
	}
	return p
}

func join(a, b *posting) {
	ra, rb := a.root(), b.root()
	if ra.sequence > rb.sequence {
		ra, rb = rb, ra
	}
	rb.family = ra
}

// replies finds what each other message answers: by thread, else by subject.
func (t *threads) replies() {
	type title struct {
		revision, index, total int
		text                   string
	}
	titles := map[title]*entry{}
	for _, e := range t.entries {
		if e.posting == nil {
			continue
		}
		for _, key := range []title{{e.sub.revision, e.sub.index, e.sub.total, e.sub.title}, {text: e.sub.title}} {
			if titles[key] == nil {
				titles[key] = e
			}
		}
	}
	for _, e := range t.entries {
		if e.posting != nil || e.copyOf != nil || e.m.bad != "" {
			continue
		}
		at, depth := e, 0
		for range maxChain {
			up, hops := t.parent(at)
			if up == nil {
				break
			}
			depth += hops
			if up.copyOf != nil {
				up = up.copyOf
			}
			if up.posting != nil {
				e.answers, e.depth = up, depth
				break
			}
			at = up
		}
		if e.answers != nil || !e.sub.reply {
			continue
		}
		up := titles[title{e.sub.revision, e.sub.index, e.sub.total, e.sub.title}]
		if up == nil {
			up = titles[title{text: e.sub.title}]
		}
		if up != nil {
			e.answers, e.depth = up, max(depth+1, len(e.m.parents), 1)
		}
	}
}

// newestLast orders postings: families by their newest mail, then by revision, completeness and date. A family
// that others sent in answer to another comes before that one, as does one without patches.
func (t *threads) newestLast() []*posting {
	postings := slices.Clone(t.postings)
	newest := map[*posting]time.Time{}
	revision, patches := map[*posting]int{}, map[*posting]int{}
	for _, p := range postings {
		r := p.root()
		if d := p.date(); d.After(newest[r]) {
			newest[r] = d
		}
		revision[r] = max(revision[r], p.revision)
		patches[r] += len(p.patches)
	}
	over := map[*posting]*posting{}
	for _, p := range postings {
		r := p.root()
		if e := p.first(); p == r && e != nil {
			up := t.ancestor(e, func(a *entry) bool { return a.posting != nil && a.posting.root() != r })
			if up != nil && revision[up.posting.root()] >= revision[r] && patches[up.posting.root()] > 0 {
				over[r] = up.posting.root()
			}
		}
	}
	// top is the family that r answers in the end, over how many others.
	top := func(r *posting) (*posting, int) {
		depth := 0
		for ; over[r] != nil && depth < maxChain; depth++ {
			r = over[r]
		}
		return r, depth
	}
	slices.SortStableFunc(postings, func(a, b *posting) int {
		if ra, rb := a.root(), b.root(); ra != rb {
			ta, da := top(ra)
			tb, db := top(rb)
			return cmp.Or(cmp.Compare(min(patches[ta], 1), min(patches[tb], 1)), newest[ta].Compare(newest[tb]), cmp.Compare(ta.sequence, tb.sequence),
				-cmp.Compare(da, db), newest[ra].Compare(newest[rb]), cmp.Compare(ra.sequence, rb.sequence))
		}
		return cmp.Or(cmp.Compare(a.revision, b.revision), cmp.Compare(a.complete(), b.complete()),
			a.date().Compare(b.date()), cmp.Compare(a.sequence, b.sequence))
	})
	return postings
}

// complete is how many of a hundred patches are there.
func (p *posting) complete() int {
	if p.base != nil || p.total == 0 {
		return 100
	}
	return 100 * len(p.patches) / p.total
}

func (p *posting) date() time.Time {
	if e := p.first(); e != nil {
		return e.m.date
	}
	return time.Time{}
}

// spans writes numbers as ranges: "1-3, 7".
func spans(list []int) string {
	out := ""
	for i := 0; i < len(list); {
		j := i
		for j+1 < len(list) && list[j+1] == list[j]+1 {
			j++
		}
		if out != "" {
			out += ", "
		}
		out += strconv.Itoa(list[i])
		if j > i {
			out += "-" + strconv.Itoa(list[j])
		}
		i = j + 1
	}
	return out
}
