package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/seriesctl/seriesctl/internal/plain"
	"github.com/seriesctl/seriesctl/series"
)

// minWidth is the narrowest output Series lays out.
const minWidth = 40

// Series prints a series as a table of its patches, with what is missing, what is doubtful and what became
// of the messages. Lines are cut to width columns where that loses nothing but the end of a subject; 0 does
// not cut.
func Series(w io.Writer, s *series.Series, width int) error {
	out := bufio.NewWriter(w)
	if width > 0 {
		width = max(width, minWidth)
	}
	fmt.Fprintf(out, "%s\n", line(s.Subject))
	prefix := ""
	if s.Prefix != "" {
		prefix = "[" + line(s.Prefix) + "]"
	}
	fmt.Fprintf(out, "  %-11s%s\n", "series", strings.TrimSpace(s.ID+"  "+prefix))
	fmt.Fprintf(out, "  %-11s%s\n", "from", person(s.Author))
	if !s.Date.IsZero() {
		fmt.Fprintf(out, "  %-11s%s\n", "date", stamp(s.Date))
	}
	fmt.Fprintf(out, "  %-11s%s\n", "patches", patchCount(s))
	if s.BaseCommit != "" {
		fmt.Fprintf(out, "  %-11s%s\n", "base", line(s.BaseCommit))
	}
	if s.ChangeID != "" {
		fmt.Fprintf(out, "  %-11s%s\n", "change-id", line(s.ChangeID))
	}
	for i, id := range s.Prerequisites {
		name := ""
		if i == 0 {
			name = "needs"
		}
		fmt.Fprintf(out, "  %-11s%s\n", name, line(id))
	}
	if n := len(s.CoverReplies); n > 0 {
		fmt.Fprintf(out, "  %-11s%s to the cover letter\n", "replies", Count(n, "message"))
	}
	out.WriteByte('\n')
	patchTable(out, s, width)
	if len(s.Problems) > 0 {
		out.WriteString("\nproblems\n")
		for _, p := range s.Problems {
			wrapped(out, width, "  "+p.Kind+": ", line(p.Detail))
		}
	}
	fmt.Fprintf(out, "\nmessages  %s\n", dispositions(s.Messages))
	return out.Flush()
}

func patchCount(s *series.Series) string {
	if len(s.Patches) == s.Total {
		return fmt.Sprint(s.Total)
	}
	return fmt.Sprintf("%d of %d", len(s.Patches), s.Total)
}

// patchTable prints a line per patch and, between them, a line for every gap.
func patchTable(out *bufio.Writer, s *series.Series, width int) {
	digits := max(2, len(fmt.Sprint(s.Total)))
	// "N  +add -del  files  trailers replies  subject"
	fmt.Fprintf(out, "%*s  %6s %6s %5s %4s %4s  %s\n", digits, "#", "+", "-", "files", "tags", "re", "subject")
	last := 0
	gap := func(next int) {
		switch next {
		case last + 1:
		case last + 2:
			fmt.Fprintf(out, "%*d  %29s(missing)\n", digits, last+1, "")
		default:
			fmt.Fprintf(out, "%*s  %29s(%d-%d missing)\n", digits, ":", "", last+1, next-1)
		}
	}
	for _, p := range s.Patches {
		gap(p.Index)
		last = p.Index
		row := fmt.Sprintf("%*d  %6s %6s %5d %4s %4s  ", digits, p.Index, signed("+", p.Insertions), signed("-", p.Deletions),
			len(p.Files), orDot(len(p.Trailers)), orDot(len(p.Replies)))
		subject := line(p.Subject)
		if width > 0 {
			subject = plain.Cut(subject, width-len(row), "~")
		}
		fmt.Fprintf(out, "%s%s\n", row, subject)
	}
	gap(s.Total + 1)
}

func signed(sign string, n int) string {
	if n == 0 {
		return "."
	}
	return fmt.Sprintf("%s%d", sign, n)
}

func orDot(n int) string {
	if n == 0 {
		return "."
	}
	return fmt.Sprint(n)
}

// dispositions counts what became of the messages, in the order the dispositions are defined in.
func dispositions(messages []series.Message) string {
	counts := map[series.Disposition]int{}
	for _, m := range messages {
		counts[m.Disposition]++
	}
	list := []string{}
	for _, d := range []struct {
		what      series.Disposition
		one, many string
	}{
		{series.IsCover, "cover", "covers"}, {series.IsPatch, "patch", "patches"}, {series.IsReply, "reply", "replies"},
		{series.IsDuplicate, "duplicate", "duplicates"}, {series.IsSuperseded, "superseded", "superseded"},
		{series.IsOther, "of another series", "of other series"}, {series.IsNotAPatch, "without a patch", "without a patch"},
		{series.IsUnreadable, "unreadable", "unreadable"},
	} {
		switch n := counts[d.what]; n {
		case 0:
		case 1:
			list = append(list, "1 "+d.one)
		default:
			list = append(list, fmt.Sprintf("%d %s", n, d.many))
		}
	}
	return fmt.Sprintf("%d: %s", len(messages), strings.Join(list, ", "))
}

// Patch prints patch n of a series: header, message, diff, and the replies to it. The error is not nil when
// the series has no such patch.
func Patch(w io.Writer, s *series.Series, n int) error {
	var p *series.Patch
	for _, have := range s.Patches {
		if have.Index == n {
			p = have
		}
	}
	if p == nil {
		return &NoPatchError{Series: s.ID, Index: n, Total: s.Total, Missing: n >= 1 && n <= s.Total}
	}
	if err := PatchAlone(w, s, p); err != nil {
		return err
	}
	if len(p.Replies) > 0 {
		if _, err := fmt.Fprintf(w, "\n%s\n\n", CountReplies(len(p.Replies))); err != nil {
			return err
		}
	}
	return Replies(w, p.Replies)
}

// Cover prints the head of a series and its cover letter.
func Cover(w io.Writer, s *series.Series) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "%s\n  %-11s%s\n", line(s.Subject), "from", person(s.Author))
	if !s.Date.IsZero() {
		fmt.Fprintf(out, "  %-11s%s\n", "date", stamp(s.Date))
	}
	out.WriteByte('\n')
	indented(out, "    ", strings.Trim(s.Cover, "\n"))
	return out.Flush()
}

// PatchAlone prints a patch of a series: header, message and diff.
func PatchAlone(w io.Writer, s *series.Series, p *series.Patch) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "patch %d/%d  %s\n", p.Index, s.Total, line(p.Subject))
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(out, "  %-11s%s\n", name, value)
		}
	}
	field("from", person(p.Author))
	if !p.Date.IsZero() {
		field("date", stamp(p.Date))
	}
	field("message-id", line(p.MessageID))
	field("patch-id", p.PatchID)
	out.WriteByte('\n')
	_, body, _ := strings.Cut(p.CommitMessage, "\n")
	indented(out, "    ", strings.Trim(body, "\n"))
	from := []series.Trailer{}
	for _, t := range p.Trailers {
		if t.From == "reply" {
			from = append(from, t)
		}
	}
	if len(from) > 0 {
		out.WriteString("\n  from replies\n")
		for _, t := range from {
			older := ""
			if t.Stale {
				older = "  (for an older revision; the patch changed since)"
			}
			fmt.Fprintf(out, "    %s: %s%s\n", line(t.Key), line(t.Value), older)
		}
	}
	out.WriteString("---\n")
	diffStat(out, series.DiffStat(p.Diff))
	fmt.Fprintf(out, " %s, %s, %s\n\n", Count(len(p.Files), "file"), Count(p.Insertions, "insertion")+"(+)", Count(p.Deletions, "deletion")+"(-)")
	indented(out, "", strings.TrimRight(string(p.Diff), "\n"))
	return out.Flush()
}

// Replies prints replies with their bodies, each indented by its depth in the thread.
func Replies(w io.Writer, replies []series.Reply) error {
	out := bufio.NewWriter(w)
	for i, r := range replies {
		if i > 0 {
			out.WriteByte('\n')
		}
		// Deeper than this, a thread is as well read flat.
		indent := strings.Repeat("  ", min(r.Depth-1, 8))
		fmt.Fprintf(out, "%s* %s", indent, person(r.From))
		if !r.Date.IsZero() {
			fmt.Fprintf(out, ", %s", stamp(r.Date))
		}
		fmt.Fprintf(out, "\n%s  <%s>\n", indent, line(r.MessageID))
		out.WriteByte('\n')
		indented(out, indent+"    ", strings.Trim(r.Body, "\n"))
	}
	return out.Flush()
}

// diffStat prints a line per file as `git diff --stat` does, without its bars.
func diffStat(out *bufio.Writer, files []series.FileStat) {
	name, plus, minus := 0, 0, 0
	for _, f := range files {
		name = max(name, plain.Width(line(f.Name)))
		plus = max(plus, len(signed("+", f.Insertions)))
		minus = max(minus, len(signed("-", f.Deletions)))
	}
	for _, f := range files {
		n := line(f.Name)
		pad := strings.Repeat(" ", name-plain.Width(n))
		if f.Binary {
			fmt.Fprintf(out, " %s%s | binary\n", n, pad)
			continue
		}
		fmt.Fprintf(out, " %s%s | %*s %*s\n", n, pad, plus, signed("+", f.Insertions), minus, signed("-", f.Deletions))
	}
}

// NoPatchError is a patch number the series does not have.
type NoPatchError struct {
	Series       string
	Index, Total int
	Missing      bool // the number is right, but the mail has no such patch
}

func (e *NoPatchError) Error() string {
	if e.Missing {
		return fmt.Sprintf("show patch %d: it is missing from %s", e.Index, e.Series)
	}
	return fmt.Sprintf("show patch %d: %s has patches 1 to %d", e.Index, e.Series, e.Total)
}

// Hint says what the user can do.
func (e *NoPatchError) Hint() string {
	if e.Missing {
		return "load the thread again with that message in it"
	}
	return "`seriesctl show " + e.Series + "` lists the patches"
}

// person is "Name <address>", or the address alone where it stands for the name too.
func person(s string) string {
	s = line(s)
	if name, address, ok := strings.Cut(strings.TrimSuffix(s, ">"), " <"); ok && name == address {
		return address
	}
	return s
}

// stamp is a date as in a mail reader, in the sender's zone.
func stamp(t time.Time) string { return t.Format("Mon, 2 Jan 2006 15:04 -0700") }

// Count is a number with its noun: "1 file", "2 files".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// CountReplies is Count for replies.
func CountReplies(n int) string {
	if n == 1 {
		return "1 reply"
	}
	return fmt.Sprintf("%d replies", n)
}

// indented prints text line by line after an indent; blank lines get none.
func indented(out *bufio.Writer, indent, text string) {
	if text == "" {
		return
	}
	for l := range strings.SplitSeq(plain.Text(text), "\n") {
		if l != "" {
			out.WriteString(indent)
			out.WriteString(l)
		}
		out.WriteByte('\n')
	}
}

// wrapped prints words after a label, broken at width columns; the following lines are indented by four.
func wrapped(out *bufio.Writer, width int, label, text string) {
	column := plain.Width(label)
	out.WriteString(label)
	for i, word := range strings.Fields(text) {
		n := plain.Width(word)
		switch {
		case i == 0:
		case width > 0 && column+1+n > width:
			out.WriteString("\n    ")
			column = 4
		default:
			out.WriteByte(' ')
			column++
		}
		out.WriteString(word)
		column += n
	}
	out.WriteByte('\n')
}

// line is text for one line: printable, white space collapsed.
func line(s string) string { return strings.Join(strings.Fields(plain.Line(s)), " ") }
