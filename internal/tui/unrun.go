package tui

import (
	"fmt"

	tea "charm.land/bubbletea/v2"

	"github.com/seriesctl/seriesctl/internal/report"
)

// A series that was not run yet is shown as its patches, to be read.

// extent is how much there is to read of a patch, in words.
type extent struct{ lines, replies string }

// extentsMsg are those of a series, by the patches' numbers; 0 is the cover letter.
type extentsMsg map[int]extent

// unrun says whether there are patches and no cases.
func (s *matrixScreen) unrun() bool { return s.Rows() > 0 && s.all.Cols() == 0 }

// measure finds how much there is to read of each patch.
func (s *matrixScreen) measure() tea.Cmd {
	src, ok := s.src.(PatchSource)
	if !ok || !s.unrun() {
		return nil
	}
	return ask(s, func() tea.Msg {
		whole, err := src.Series()
		if err != nil {
			return nil // who opens a patch is told
		}
		replies := func(n int) string {
			if n == 0 {
				return ""
			}
			return report.CountReplies(n)
		}
		sizes := extentsMsg{0: {"", replies(len(whole.CoverReplies))}}
		for _, p := range whole.Patches {
			sizes[p.Index] = extent{fmt.Sprintf("+%d -%d", p.Insertions, p.Deletions), replies(len(p.Replies))}
		}
		return sizes
	})
}

// patchList is the patches, a line each.
func (s *matrixScreen) patchList() []string {
	var widest extent
	size := func(row int) extent { return s.sizes[s.Prefix(row).Patch] }
	for row := range s.Rows() {
		e := size(row)
		if len(e.lines) > len(widest.lines) {
			widest.lines = e.lines
		}
		if len(e.replies) > len(widest.replies) {
			widest.replies = e.replies
		}
	}
	g := &s.grid
	lines := []string{s.corner(0, g.label)}
	for row := g.top; row < min(g.top+g.bodyRows(), s.Rows()); row++ {
		e, subject := size(row), s.subject(row)
		if s.Prefix(row).Patch == 0 {
			subject += ", with the cover letter"
		}
		line := s.ends(fmt.Sprintf(" %*s %s", s.index, s.Name(row), subject),
			fmt.Sprintf("%*s  %-*s ", len(widest.lines), e.lines, len(widest.replies), e.replies), g.width)
		if row == g.row {
			line = s.paint(bar, line)
		}
		lines = append(lines, line)
	}
	return lines
}

// next says how to go on.
func (s *matrixScreen) next() string {
	if s.running() {
		return runBegins
	}
	return "nothing has been run yet; :apply --source LINUX, does it apply? :run --source LINUX, what does each patch do?"
}
