package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/seriesctl/seriesctl/internal/plain"
)

// View draws the screen.
func (m *model) View() tea.View {
	v := tea.NewView(strings.Join(m.lines(), "\n"))
	v.AltScreen = true
	v.WindowTitle = "seriesctl"
	return v
}

// lines is the screen, a string a line, at most m.height of them.
func (m *model) lines() []string {
	if m.width <= 0 || m.height <= 0 {
		return nil
	}
	if m.width < 30 || m.height < 8 {
		return []string{m.cut("too small: 30x8 at least", m.width)}
	}
	if m.help {
		return m.helpScreen()
	}
	lines := []string{m.paint(bar, m.title())}
	switch {
	case m.patch != nil:
		lines = append(lines, m.paint(bold, m.cut(m.patch.headLine(), m.width)))
		lines = append(lines, m.patch.view()...)
	case m.cell != nil:
		lines = append(lines, m.paint(bold, m.cut(m.cell.runLine(), m.width)))
		lines = append(lines, m.cell.view()...)
	case m.matrix.Rows() == 0 || m.matrix.Cols() == 0:
		lines = append(lines, m.empty()...)
	default:
		lines = append(lines, m.matrix.grid.view(m.matrix)...)
	}
	if room := m.height - m.footer(); len(lines) > room {
		lines = lines[:room]
	} else {
		for len(lines) < room {
			lines = append(lines, "")
		}
	}
	lines = append(lines, m.sentenceBlock()...)
	if s := m.statusLine(); s != "" {
		st := moving
		if m.status.Err != nil {
			st = bad
		}
		lines = append(lines, m.paint(st, m.cut(s, m.width)))
	}
	return append(lines, m.lastLine())
}

func (m *model) title() string {
	r := m.result
	if v := m.patch; v != nil && v.row < m.matrix.Rows() {
		if v.number == 0 {
			return m.ends(" "+m.text(r.Subject), m.text(r.Series)+" ", m.width)
		}
		return m.ends(fmt.Sprintf(" patch %d: %s", v.number, m.matrix.subject(v.row)), m.matrix.Does(v.row)+" ", m.width)
	}
	if c := m.cell; c != nil {
		word := ""
		if m.matrix.Rows() > c.row && m.matrix.Cols() > c.col {
			word, _ = m.matrix.parts(c.row, c.col)
		}
		left := fmt.Sprintf(" %s  prefix %d", m.text(c.caseName), c.prefix)
		if c.row < m.matrix.Rows() {
			left += ": " + m.matrix.subject(c.row)
		}
		return m.ends(left, word+" ", m.width)
	}
	left := " seriesctl"
	if r.Series != "" {
		left = " " + m.text(r.Series)
	}
	if r.Subject != "" {
		left += "  " + m.text(r.Subject)
	}
	var right []string
	if base := m.text(r.Base); base != "" && m.width >= 70 {
		right = append(right, "base "+plain.Cut(base, 12, ""))
	}
	if r.Accel != "" {
		right = append(right, m.text(r.Accel))
	}
	if n := m.matrix.Rows(); n > m.matrix.grid.bodyRows() {
		right = append(right, fmt.Sprintf("%d/%d", m.matrix.grid.row, n-1))
	}
	return m.ends(left, strings.Join(right, "  ")+" ", m.width)
}

// sentenceBlock is the words about the cell under the cursor in their lines; what does not fit is cut.
func (m *model) sentenceBlock() []string {
	n := m.sentenceLines()
	out := make([]string, 0, n)
	if n > 2 && m.pager() == nil && m.matrix.Rows() > 0 && m.matrix.Cols() > 0 {
		row := m.matrix.grid.row
		out = append(out, m.paint(bold, m.cut(fmt.Sprintf(" %d %s", m.matrix.Prefix(row).Index, m.matrix.subject(row)), m.width)))
	}
	text := plain.Wrap(m.sentence(), m.width-1)
	if room := n - len(out); len(text) > room {
		text[room-1] = strings.Join(text[room-1:], " ")
		text = text[:room]
	}
	for _, line := range text {
		if line != "" {
			line = " " + m.cut(line, m.width-1)
		}
		out = append(out, line)
	}
	for len(out) < n {
		out = append(out, "")
	}
	return out
}

func (m *model) lastLine() string {
	switch {
	case m.leaving:
		return m.paint(bold, m.cut(" A run goes on; the same command resumes it. Quit? y/n", m.width))
	case m.asking:
		return m.cut(" /"+m.text(m.asked)+m.pick("█", "_"), m.width)
	case m.said != "":
		return m.paint(changed, m.cut(" "+m.text(m.said), m.width))
	}
	return m.paint(faint, short(m.table(), m.width))
}

// empty says what to do next where there is no matrix yet.
func (m *model) empty() []string {
	lines := []string{""}
	next := func(commands ...[2]string) {
		lines = append(lines, "")
		longest := 0
		for _, c := range commands {
			longest = max(longest, len(c[0]))
		}
		for _, c := range commands {
			lines = append(lines, m.cut(fmt.Sprintf("   %-*s  %s", longest, c[0], c[1]), m.width))
		}
	}
	switch {
	case m.status.Running:
		lines = append(lines, m.paint(bold, " The run begins; the matrix comes with the first prefix."))
	case m.result.Series == "":
		lines = append(lines, m.paint(bold, " No series here yet."))
		next([2]string{"seriesctl load THREAD.mbox", "read a series from mail"}, [2]string{"seriesctl doctor", "check this host"})
	default:
		lines = append(lines, m.paint(bold, " The series is loaded; nothing has been run yet."))
		next([2]string{"seriesctl apply --source LINUX", "does it apply?"}, [2]string{"seriesctl run --source LINUX", "what does each patch do?"})
	}
	if !m.status.Running {
		lines = append(lines, "", m.paint(faint, m.cut(" Q quits; come back here while a run goes on or after it.", m.width)))
	}
	return lines
}

func (m *model) helpLines() []string {
	title := "Matrix"
	switch {
	case m.patch != nil:
		title = "Patch"
	case m.cell != nil:
		title = "Cell"
	}
	lines := []string{m.paint(bold, " "+title), ""}
	for _, b := range m.table() {
		lines = append(lines, m.cut(fmt.Sprintf("   %-12s %s", b.label, b.help), m.width))
	}
	if m.pager() == nil {
		lines = append(lines, "", m.paint(bold, " Cells"), "")
		words := []string{"ok passes", "FAIL wrong data or errno", "HANG deadlock", "LIVE livelock", "BUG kernel crash", "WARN kernel warning",
			"TIME still moving at its time limit", "flky runs disagree", "infr the lab failed, no evidence", "run running",
			m.pick("·", ".") + " not run yet", "bld boot conf blkd the prefix has no image: does not build, boot, apply; blocked",
			"FIX or + the patch fixes the case", "REG or ! the patch breaks it", "chg or ~ the patch changes the symptom", "? the patch may change it",
			"not built (beside a patch) none of its code is compiled, so no test says anything of it",
			"=3 (beside a patch) the image is the same as prefix 3's"}
		for _, w := range words {
			lines = append(lines, m.cut("   "+w, m.width))
		}
	}
	return lines
}

func (m *model) helpScreen() []string {
	all := m.helpLines()
	top := min(m.helpTop, max(len(all)-m.height+1, 0))
	lines := append([]string{}, all[top:min(len(all), top+m.height-1)]...)
	for len(lines) < m.height-1 {
		lines = append(lines, "")
	}
	last := " any other key closes"
	if len(all) > m.height-1 {
		last = " j k scroll, any other key closes"
	}
	return append(lines, m.paint(faint, last))
}
