package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/seriesctl/seriesctl/internal/plain"
	"github.com/seriesctl/seriesctl/series"
)

// Base is the tree that variant 0 starts from, before any prerequisite.
type Base struct {
	Commit series.Hash `json:"commit"`
	Tree   series.Hash `json:"tree"`
}

// Apply writes what became of each variant, for a person: how it applied, its commit and tree, and every
// conflicting hunk.
func Apply(w io.Writer, base Base, variants []series.Variant, o Options) error {
	p := newPen(o)
	var b bytes.Buffer
	if base.Tree != "" {
		p.wrap(&b, "", "  ", strings.TrimSpace("base "+short(string(base.Commit)))+", tree "+short(string(base.Tree)))
		b.WriteByte('\n')
	}
	index, subject := 1, 4
	for _, v := range variants {
		index = max(index, len(fmt.Sprint(v.Index)))
		subject = max(subject, plain.Width(p.text(v.Subject)))
	}
	const how, hash = 10, 12
	subject = max(min(subject, p.width-index-how-2*hash-6), 16)
	fmt.Fprintf(&b, " %*s %s %-*s %-*s %s\n", index, "#", plain.Pad("patch", subject, ""), how, "applies", hash, "commit", "tree")
	counts := map[series.Status]int{}
	for _, v := range variants {
		name := p.text(v.Subject)
		if v.Index == 0 {
			if name == "" {
				name = "base"
			}
		} else {
			counts[v.Status]++
		}
		word, st := string(v.How), style("")
		switch {
		case v.Status != series.Applied:
			word, st = string(v.Status), red
		case word == "":
			word = "-"
		case v.How == series.Fuzz || v.How == series.ThreeWay:
			st = yellow
		}
		line := fmt.Sprintf(" %*d %s %s", index, v.Index, plain.Pad(name, subject, p.tail()), p.paint(st, fmt.Sprintf("%-*s", how, word)))
		if v.Status == series.Applied {
			line += fmt.Sprintf(" %-*s %s", hash, short(string(v.Commit)), short(string(v.Tree)))
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
		for _, c := range v.Conflicts {
			p.wrap(&b, strings.Repeat(" ", index+2), strings.Repeat(" ", index+4), conflictText(c))
		}
	}
	b.WriteByte('\n')
	said := []string{fmt.Sprintf("%d of %s", counts[series.Applied], count(counts[series.Applied]+counts[series.Conflict]+counts[series.Blocked], "patch", "patches")) + plural(counts[series.Applied], " applies", " apply")}
	if n := counts[series.Conflict]; n > 0 {
		said = append(said, fmt.Sprintf("%d %s", n, plural(n, "conflicts", "conflict")))
	}
	if n := counts[series.Blocked]; n > 0 {
		said = append(said, fmt.Sprintf("%d blocked behind it", n))
	}
	b.WriteString(strings.Join(said, ", ") + "\n")
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write applied patches: %w", err)
	}
	return nil
}

func conflictText(c series.ConflictedHunk) string {
	s := plain.Line(c.File)
	if c.Line > 0 {
		s += fmt.Sprintf(":%d", c.Line)
	}
	if c.Hunk > 0 {
		s += fmt.Sprintf(" (hunk %d)", c.Hunk)
	}
	return s + ": " + plain.Line(c.Reason)
}

// ApplyJSON writes the document of `apply --json` (CONTRACT): the base and, per prefix, status, how, commit,
// tree and conflicts, the subject added.
func ApplyJSON(w io.Writer, base Base, variants []series.Variant) error {
	type prefix struct {
		Index     int                     `json:"index"`
		Subject   string                  `json:"subject"`
		Status    series.Status           `json:"status"`
		How       series.How              `json:"how"`
		Commit    series.Hash             `json:"commit"`
		Tree      series.Hash             `json:"tree"`
		Conflicts []series.ConflictedHunk `json:"conflicts"`
	}
	doc := struct {
		Base     Base     `json:"base"`
		Prefixes []prefix `json:"prefixes"`
	}{base, []prefix{}}
	for _, v := range variants {
		doc.Prefixes = append(doc.Prefixes, prefix{v.Index, v.Subject, v.Status, v.How, v.Commit, v.Tree, list(v.Conflicts)})
	}
	return WriteJSON(w, doc)
}
