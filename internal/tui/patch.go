package tui

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/plain"
	"github.com/seriesctl/seriesctl/internal/report"
	"github.com/seriesctl/seriesctl/series"
)

// patchView is one patch, or for the base the cover letter: the message with the diff, what was replied, what
// the patch needs, what its build warned of, and its row of the matrix. On a wide screen the replies
// stand beside the rest.
type patchView struct {
	pager
	row, number int // in the matrix; in the series, 0 for the cover letter
	patch       *series.Patch
	mail        string // the patch as it was sent, or the cover letter
	replies     []series.Reply
	unfolded    bool  // quoted parts of the replies are shown whole
	subset      []int // the patches of a subset: it is shown instead of one patch
	loading     bool
	err         error
}

// beside is the width of a screen from which the replies stand beside the patch, left what the patch then gets
// at least: a diff of 80 columns.
const (
	beside    = 160
	leftLeast = 84
	thread    = "thread"
	tabBuild  = "build"
	tabCases  = "cases"
)

// depends is what the patches of a series need of each other, found once: of 58 patches it takes longer than all else.
type depends struct {
	mu     sync.Mutex
	series *series.Series
	graph  *series.Graph
}

func (d *depends) of(s *series.Series) *series.Graph {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.series != s {
		d.series, d.graph = s, series.Depend(s.Patches)
	}
	return d.graph
}

// newPatchView makes the view of a row of the matrix. s is nil when the series cannot be read, err says why.
func newPatchView(m *matrix, row int, s *series.Series, deps *depends, err error) *patchView {
	v := &patchView{pager: pager{look: m.look}, row: row, number: m.Prefix(row).Patch, err: err}
	if s == nil {
		return v
	}
	var text strings.Builder
	if sub := m.Subset(row); sub != nil {
		v.subset = sub.Patches
		v.add("patches", subsetPatches(m, sub, s))
		v.add(tabBuild, buildText(m, row))
		v.add(tabCases, casesText(m, row))
		return v
	}
	if v.number == 0 {
		_ = report.Cover(&text, s) // to memory
		v.replies = s.CoverReplies
		if v.mail = text.String(); v.mail != "" {
			v.tabs = append(v.tabs, tab{name: "cover"})
		}
	}
	for _, p := range s.Patches {
		if p.Index != v.number {
			continue
		}
		v.patch, v.replies = p, p.Replies
		_ = report.PatchAlone(&text, s, p) // to memory
		v.mail = text.String()
		v.tabs = append(v.tabs, tab{name: "patch"})
	}
	if v.patch == nil && v.number != 0 {
		v.err = fmt.Errorf("the series has no patch %d", v.number)
	}
	if len(v.replies) > 0 {
		v.tabs = append(v.tabs, tab{name: thread})
	}
	v.breakLines()
	if v.patch != nil {
		v.add("needs", report.PatchDeps(deps.of(s), v.number, report.Options{Width: 100, ASCII: v.ascii}))
	}
	v.add(tabBuild, buildText(m, row))
	v.add(tabCases, casesText(m, row))
	return v
}

// breakLines puts what is mail into its tabs, for the width there is; each remains where it is, about.
func (v *patchView) breakLines() {
	for i := range v.tabs {
		t := &v.tabs[i]
		text, st := v.mail, diffStyle
		switch t.name {
		case "cover":
			st = nil
		case "patch":
		case thread:
			var b strings.Builder
			_ = report.Replies(&b, v.replies) // to memory
			if text, st = b.String(), mailStyle; !v.unfolded {
				text = foldQuotes(text, v.pick("…", "..."))
			}
		default:
			continue
		}
		text = strings.TrimRight(text, "\n")
		broken, top := breakMail(text, v.widthOf(t.name)-2), int64(0)
		if t.win != nil && t.win.size > 0 {
			top = t.win.top * int64(len(broken)) / t.win.size
		}
		t.win = newWindow(v.look, strings.NewReader(broken), int64(len(broken)))
		t.win.style, t.win.unbroken, t.win.top = st, text, lineAt(t.win, top)
	}
}

// widthOf is the width of a tab.
func (v *patchView) widthOf(tab string) int {
	left := max(v.width/2, leftLeast)
	switch {
	case !v.split():
		return v.width
	case tab == thread:
		return v.width - left - 1
	}
	return left
}

// fold shows the quoted parts of the replies whole, or folded again.
func (v *patchView) fold() {
	v.stopSearch()
	v.unfolded = !v.unfolded
	v.breakLines()
	v.fitTabs()
}

// split says whether the replies stand beside the rest.
func (v *patchView) split() bool {
	return v.width >= beside && len(v.replies) > 0 && len(v.tabs) > 1
}

// left is the tab on the left of a split screen.
func (v *patchView) left() tab {
	if t := v.tabs[v.tab]; t.name != thread {
		return t
	}
	return v.tabs[0]
}

func (v *patchView) resize(width, height int) {
	other := width != v.width
	v.width, v.height = width, height
	if other {
		v.stopSearch()
		v.breakLines()
	}
	v.fitTabs()
}

// fitTabs gives each tab its part of the screen.
func (v *patchView) fitTabs() {
	for _, t := range v.tabs {
		t.win.resize(v.widthOf(t.name), v.height-1)
	}
}

func (v *patchView) view() []string {
	if !v.split() {
		return v.pager.view()
	}
	left := v.left().win
	var right *window
	for _, t := range v.tabs {
		if t.name == thread {
			right = t.win
		}
	}
	lines := []string{v.tabLine()}
	mine, theirs := left.view(), right.view()
	for i := range mine {
		lines = append(lines, v.pad(mine[i], left.width)+v.paint(faint, v.pick("│", "|"))+theirs[i])
	}
	return v.fill(lines)
}

// headLine says in one line what the patch is.
func (v *patchView) headLine() string {
	switch {
	case v.loading:
		return " reading the patch" + v.pick("…", "...")
	case v.err != nil:
		return " cannot show it: " + v.text(v.err.Error())
	case v.subset != nil:
		return fmt.Sprintf(" the base with exactly %s: %s", patches(len(v.subset)), report.Ranges(v.subset))
	case v.patch == nil:
		return fmt.Sprintf(" the base, without any patch; %s", report.CountReplies(len(v.replies)))
	}
	p := v.patch
	s := fmt.Sprintf(" %s, +%d -%d, %s", report.Count(len(p.Files), "file"), p.Insertions, p.Deletions, report.CountReplies(len(p.Replies)))
	given := 0
	for _, t := range p.Trailers {
		if t.From == "reply" && !t.Stale {
			given++
		}
	}
	if given > 0 {
		s += fmt.Sprintf(", %s from replies", report.Count(given, "trailer"))
	}
	return s
}

// subsetPatches is what a subset is made of, a line a patch, with what each does as a step of the series.
func subsetPatches(m *matrix, sub *lab.SubsetRow, s *series.Series) string {
	var b strings.Builder
	does := map[int]string{}
	for row := range m.all.Prefixes() {
		does[m.all.Prefix(row).Patch] = m.all.Does(row)
	}
	for _, p := range s.Patches {
		if slices.Contains(sub.Patches, p.Index) {
			fmt.Fprintf(&b, "%3d  %-12s  %s\n", p.Index, does[p.Index], p.Subject)
		}
	}
	return b.String()
}

// buildText is what building the row's prefix took and warned of.
func buildText(m *matrix, row int) string {
	p := m.Prefix(row)
	if p.Status == lab.PrefixPending && m.all.Cols() == 0 {
		return "" // nobody has asked for one
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", m.Where(row), p.Status)
	if p.Detail != "" {
		fmt.Fprintf(&b, ": %s", p.Detail)
	}
	b.WriteByte('\n')
	if p.BuildSeconds > 0 {
		fmt.Fprintf(&b, "built in %.1f s, %s compiled\n", p.BuildSeconds, report.Count(p.Compiled, "object"))
	}
	if p.SameImageAs != nil {
		fmt.Fprintf(&b, "the image is that of prefix %d\n", *p.SameImageAs)
	}
	if found := m.Found(row); len(found) > 0 {
		b.WriteString("\n" + strings.Join(found, "\n") + "\n")
	}
	return b.String()
}

// casesText is the row of the matrix, a line a case.
func casesText(m *matrix, row int) string {
	var b strings.Builder
	longest := 0
	for col := range m.Cols() {
		longest = max(longest, len(m.Case(col).Name))
	}
	for col := range m.Cols() {
		word, mark := m.parts(row, col)
		name := m.Case(col).Name
		said := m.Sentence(row, col)
		if _, what, ok := strings.Cut(said, name+": "); ok {
			said = what // the patch and the case are said
		}
		fmt.Fprintf(&b, "%-*s  %-4s  %-3s  %s\n", longest, name, word, mark, said)
	}
	return b.String()
}

// shortQuote is the longest quoted part, in lines, that is not worth folding.
const shortQuote = 4

// foldQuotes replaces the middle of long quoted parts by a line that counts it; what is replied to is mostly in
// their last lines.
func foldQuotes(text, dots string) string {
	var out []string
	var quoted []string
	flush := func() {
		if n := len(quoted); n > shortQuote+1 {
			first := quoted[0]
			indent := first[:len(first)-len(strings.TrimLeft(first, " "))]
			out = append(out, fmt.Sprintf("%s> %s %d quoted lines (z shows them)", indent, dots, n-2))
			quoted = quoted[n-2:]
		}
		out = append(out, quoted...)
		quoted = nil
	}
	for line := range strings.SplitSeq(text, "\n") {
		if isQuoted(line) {
			quoted = append(quoted, line)
			continue
		}
		flush()
		out = append(out, line)
	}
	flush()
	return strings.Join(out, "\n")
}

func isQuoted(line string) bool { return strings.HasPrefix(strings.TrimLeft(line, " "), ">") }

// diffStyle colours a patch as git does.
func diffStyle(line string) style {
	switch {
	case strings.HasPrefix(line, "+++ "), strings.HasPrefix(line, "--- "), strings.HasPrefix(line, "diff --git "), strings.HasPrefix(line, "index "):
		return bold
	case strings.HasPrefix(line, "@@ "):
		return moving
	case strings.HasPrefix(line, "+"):
		return good
	case strings.HasPrefix(line, "-") && line != "---":
		return bad
	}
	return normal
}

// mailStyle colours replies: who writes, and what is quoted.
func mailStyle(line string) style {
	switch {
	case isQuoted(line):
		return faint
	case strings.HasPrefix(strings.TrimLeft(line, " "), "* "):
		return bold
	}
	return normal
}

// some is the beginning of s, of whole characters and at most n bytes: measuring all that is left of a long line for each piece of
// it would take the square of its length.
func some(s string, n int) string {
	if n >= len(s) {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// breakMail breaks the lines of a mail that are wider than width between words, and begins the rest as they begin: indented, quoted.
// A diff stays as it is.
func breakMail(text string, width int) string {
	if width < 20 {
		return text
	}
	var out []string
	diff := false
	for line := range strings.SplitSeq(text, "\n") {
		if diff = diff || line == "---"; diff || len(line) <= width || textWidth(plain.Line(line)) <= width {
			out = append(out, line)
			continue
		}
		line = plain.Line(line)
		prefix := line[:len(line)-len(strings.TrimLeft(line, " >"))]
		if len(prefix) > width/2 {
			prefix = ""
		}
		rest := line[len(prefix):]
		for room := width - len(prefix); rest != ""; {
			head := plain.Cut(some(rest, 16*room), room, "")
			if at := strings.LastIndexByte(head, ' '); at > 0 && len(head) < len(rest) && rest[len(head)] != ' ' {
				head = head[:at]
			}
			if head == "" {
				head = rest // a character that is wider than the room
			}
			out = append(out, prefix+strings.TrimRight(head, " "))
			if strings.HasPrefix(head, "* ") {
				prefix, room = prefix+"  ", room-2 // below who writes
			}
			rest = strings.TrimLeft(rest[len(head):], " ")
		}
	}
	return strings.Join(out, "\n")
}
