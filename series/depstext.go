package series

import (
	"slices"
	"strings"
)

// traceBudget is how many lines are visited for a series before its lines are no longer traced: about two
// seconds. The 58 patches of the largest thread at hand need 0.3 million.
const traceBudget = 1 << 25

// nobody made a line: it is of the base.
const nobody = -1

// tracedLine is a line of a file that the patches so far have shown.
type tracedLine struct {
	pos  int // from 1, in the file as it is now
	text string
	by   int // the patch that added it, or nobody
	// gap is the patch that last removed lines right before this one, or nobody. Those lines are cut: what
	// follows them is known to stand here only since.
	gap     int
	gapText string // the first of them
}

// tracedFile is what is known of a file.
type tracedFile struct {
	lines []tracedLine // by pos
	by    int          // the patch that last created, renamed or deleted it, or nobody
	how   string       // "created", "renamed", "deleted"
	gone  bool
}

type lineTracer struct {
	b       *graphBuilder
	patches []*Patch
	files   map[string]*tracedFile
	gaps    bool // patches so far do not follow each other
	effort  int
}

// traceLines finds the textual edges.
func traceLines(b *graphBuilder, patches []*Patch, diffs [][]depFile) {
	t := &lineTracer{b: b, patches: patches, files: map[string]*tracedFile{}}
	for i, files := range diffs {
		if i > 0 && patches[i].Index != patches[i-1].Index+1 {
			t.gaps = true
		}
		for _, f := range files {
			if t.effort > traceBudget {
				b.g.problem("too-large", "patch %d and later: too many lines to trace", patches[i].Index)
				return
			}
			t.file(i, f)
		}
	}
}

func (t *lineTracer) file(patch int, f depFile) {
	from := f.oldName
	if from == "" {
		from = f.newName
	}
	m := t.files[from]
	if m == nil {
		m = &tracedFile{by: nobody}
		t.files[from] = m
	}
	if m.by != nobody && m.by != patch {
		t.b.textual(patch, m.by, Strong, Reason{What: "file", File: from, Text: m.how})
	}
	switch {
	case f.oldName == "" || f.copied:
		// What is there, if anything, was deleted or is only copied.
		kept := m
		m = &tracedFile{by: patch, how: "created"}
		if f.copied {
			m.lines = slices.Clone(kept.lines)
			t.effort += len(m.lines)
		}
		if to := t.files[f.newName]; f.copied && to != nil && to.by != nobody && to.by != patch {
			t.b.textual(patch, to.by, Strong, Reason{What: "file", File: f.newName, Text: to.how})
		}
		t.files[f.newName] = m
		t.hunks(patch, f.newName, m, f.hunks)
		return
	case f.newName != "" && f.newName != f.oldName:
		if to := t.files[f.newName]; to != nil && to.by != nobody && to.by != patch {
			t.b.textual(patch, to.by, Strong, Reason{What: "file", File: f.newName, Text: to.how})
		}
		t.files[f.oldName] = &tracedFile{by: patch, how: "renamed", gone: true}
		t.files[f.newName] = m
		t.hunks(patch, f.newName, m, f.hunks)
		m.by, m.how = patch, "renamed"
		return
	}
	t.hunks(patch, from, m, f.hunks)
	if f.newName == "" {
		t.files[from] = &tracedFile{by: patch, how: "deleted", gone: true}
	}
}

// hunks applies the hunks of one file to what is known of it, and notes whose lines they meet.
func (t *lineTracer) hunks(patch int, name string, m *tracedFile, hunks []depHunk) {
	out := make([]tracedLine, 0, len(m.lines)+len(hunks)*8)
	next := 0       // of m.lines
	done := 0       // position in the old file up to which out is complete
	shift := 0      // new minus old positions so far
	lastOffset := 0 // between where hunks say and are
	var index map[string][]int
	for n := range hunks {
		h := &hunks[n]
		old := h.old()
		t.effort += len(old) + len(h.lines)
		pos, found := t.place(m, old, h.oldPos, lastOffset, done+1, &index)
		if !found {
			t.b.g.problem("unplaced-hunk", "patch %d: %s hunk %d (line %d): the lines there are not those that the patches before leave",
				t.patches[patch].Index, oneLine(name), n+1, h.oldPos)
		}
		if pos <= done {
			continue // overlaps the hunk before; no honest diff does
		}
		lastOffset = pos - h.oldPos
		for next < len(m.lines) && m.lines[next].pos < pos {
			l := m.lines[next]
			l.pos += shift
			out = append(out, l)
			next++
		}
		var known []tracedLine
		for next < len(m.lines) && m.lines[next].pos < pos+len(old) {
			known = append(known, m.lines[next])
			next++
		}
		t.effort += len(known)
		// Lines removed right after the hunk's last line are no business of the hunk, unless it ends there with
		// a change: see blame.
		var after *tracedLine
		if next < len(m.lines) && m.lines[next].pos == pos+len(old) {
			after = &m.lines[next]
		}
		if !found {
			known = nil
		}
		lines := t.blame(patch, name, h, known, after, pos, pos+shift)
		out = append(out, lines...)
		done = pos + len(old) - 1
		shift += h.growth()
	}
	t.effort += len(m.lines) + len(out)
	for ; next < len(m.lines); next++ {
		l := m.lines[next]
		l.pos += shift
		out = append(out, l)
	}
	m.lines = out
}

// old are the lines the hunk expects.
func (h *depHunk) old() []string {
	var old []string
	for _, l := range h.lines {
		if l.kind != '+' {
			old = append(old, l.text)
		}
	}
	return old
}

func (h *depHunk) growth() int {
	n := 0
	for _, l := range h.lines {
		switch l.kind {
		case '+':
			n++
		case '-':
			n--
		}
	}
	return n
}

// place finds where a hunk stands among the known lines: where it says; with the last hunk's offset; or where
// the most of its lines are known to be. found is false where known lines contradict every one of them.
func (t *lineTracer) place(m *tracedFile, old []string, want, offset, least int, index *map[string][]int) (pos int, found bool) {
	match := func(pos int) (same, differ int) {
		i, _ := slices.BinarySearchFunc(m.lines, pos, func(l tracedLine, p int) int { return l.pos - p })
		for ; i < len(m.lines) && m.lines[i].pos < pos+len(old); i++ {
			t.effort++
			if m.lines[i].text == old[m.lines[i].pos-pos] {
				if telling(m.lines[i].text) {
					same++
				}
			} else {
				differ++
			}
		}
		return same, differ
	}
	same, differ := match(want)
	// Where no patch is missing, line numbers are believed unless a known line contradicts them.
	if differ == 0 && (same > 0 || offset == 0 && !t.gaps) {
		return want, true
	}
	if p := want + offset; offset != 0 && p >= least {
		if s, d := match(p); d == 0 && s > 0 {
			return p, true
		}
	}
	if *index == nil {
		*index = map[string][]int{}
		for _, l := range m.lines {
			if at := (*index)[l.text]; telling(l.text) && len(at) < 16 {
				(*index)[l.text] = append(at, l.pos)
			}
		}
		t.effort += len(m.lines)
	}
	votes := map[int]int{}
	for i, text := range old {
		for _, p := range (*index)[text] {
			votes[p-i]++
			t.effort++
		}
	}
	best, most := 0, 0
	for p, n := range votes {
		if p >= least && (n > most || n == most && (abs(p-want) < abs(best-want) || abs(p-want) == abs(best-want) && p < best)) {
			best, most = p, n
		}
	}
	least = 2
	if differ == 0 {
		least = 3 // nothing is wrong with the place it names
	}
	if most >= least {
		if s, d := match(best); d == 0 && s >= least {
			return best, true
		}
	}
	return want, differ == 0
}

// telling says whether a line is likely to be the only one like it.
func telling(s string) bool { return len(strings.TrimSpace(s)) > 3 }

// blame notes what a hunk does to known lines, and gives the lines it leaves. pos is where it stands in the old
// file, newPos in the new one. after is the known line right behind it, nil for none.
func (t *lineTracer) blame(patch int, name string, h *depHunk, known []tracedLine, after *tracedLine, pos, newPos int) []tracedLine {
	at := make(map[int]tracedLine, len(known))
	for _, k := range known {
		at[k.pos] = k
	}
	note := func(by int, what string, line int, text string) {
		if by == nobody || by == patch {
			return
		}
		kind := Strong
		if what == "context" {
			kind = Weak
		}
		t.b.textual(patch, by, kind, Reason{What: what, File: name, Line: line, Lines: 1, Text: text})
	}
	changed := func(i int) bool { return i >= 0 && i < len(h.lines) && h.lines[i].kind != ' ' }

	out := make([]tracedLine, 0, len(h.lines))
	old := pos
	gap, gapText := nobody, "" // lines removed since the last one that stays
	first := true              // no line of the old file yet: what was removed before it is out of the hunk's sight
	for i, l := range h.lines {
		k, isKnown := at[old]
		by := nobody
		if l.kind != '+' {
			if isKnown {
				by = k.by
				if k.gap != nobody && k.gap != by && (!first || changed(i-1)) {
					// The place where another patch removed lines lies in the hunk.
					what := "context"
					if changed(i) || changed(i-1) {
						what = "adjoins"
					}
					note(k.gap, what, old, k.gapText)
				}
			}
			first = false
		}
		switch l.kind {
		case '-':
			note(by, "removes", old, l.text)
			if gap == nobody {
				gapText = l.text
			}
			gap = patch
			old++
		case '+':
			out = append(out, tracedLine{pos: newPos, text: l.text, by: patch, gap: gap, gapText: gapText})
			gap, gapText = nobody, ""
			newPos++
		default:
			what := "context"
			if changed(i-1) || changed(i+1) {
				what = "adjoins"
			}
			note(by, what, old, l.text)
			kept := tracedLine{pos: newPos, text: l.text, by: by, gap: gap, gapText: gapText}
			if gap == nobody && isKnown && (i == 0 || h.lines[i-1].kind == ' ') {
				kept.gap, kept.gapText = k.gap, k.gapText
			}
			gap, gapText = nobody, ""
			out = append(out, kept)
			old++
			newPos++
		}
	}
	if n := len(h.lines); after != nil && gap != nobody {
		after.gap, after.gapText = gap, gapText
	} else if after != nil && n > 0 && h.lines[n-1].kind == '+' {
		note(after.gap, "adjoins", old, after.gapText)
	}
	return out
}
