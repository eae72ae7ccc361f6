package series

import (
	"bytes"
	"slices"
	"strings"

	godiff "github.com/sourcegraph/go-diff/diff"
)

// depFile is what a patch does to a file, as far as dependencies go.
type depFile struct {
	oldName, newName string // "" where there is none
	copied           bool
	hunks            []depHunk
}

func (f *depFile) name() string {
	if f.newName != "" {
		return f.newName
	}
	return f.oldName
}

// depHunk is a hunk. Positions are lines from 1; with no old lines, oldPos is the line after the place.
type depHunk struct {
	oldPos, newPos int
	section        string // what follows the second @@
	lines          []depLine
}

type depLine struct {
	kind byte // ' ', '-' or '+'
	text string
}

// readDepFiles reads a patch's diff with go-diff, and with parseDiff what go-diff reads differently from git:
// binary and mode-only files, quoted names, copies, a hunk whose removed line looks like a file header, one
// whose body does not have the lines its header counts.
func readDepFiles(diff []byte) ([]depFile, error) {
	if files, ok := readGoDiff(diff); ok {
		return files, nil
	}
	parsed, err := parseDiff(diff)
	if err != nil {
		return nil, err
	}
	files := make([]depFile, 0, len(parsed))
	for _, p := range parsed {
		f := depFile{oldName: p.oldName, newName: p.newName, copied: p.isCopy}
		if p.isNew == yes {
			f.oldName = ""
		}
		if p.isDelete == yes {
			f.newName = ""
		}
		for _, h := range p.hunks {
			d := depHunk{oldPos: h.oldPos, newPos: h.newPos, lines: hunkLines(h.body)}
			d.fixEmpty(h.oldLines, h.newLines)
			f.hunks = append(f.hunks, d)
		}
		files = append(files, f)
	}
	return files, nil
}

// readGoDiff is ok only where every file and every hunk is what git would take it for.
func readGoDiff(diff []byte) ([]depFile, bool) {
	parsed, err := godiff.ParseMultiFileDiffOptions(diff, godiff.ParseOptions{KeepCR: true})
	if err != nil {
		return nil, false
	}
	headers, hunks := 0, 0
	for line := range bytes.Lines(diff) {
		if bytes.HasPrefix(line, []byte("diff --git ")) {
			headers++
		} else if bytes.HasPrefix(line, []byte("@@ -")) {
			hunks++
		}
	}
	if headers != len(parsed) {
		return nil, false
	}
	files := make([]depFile, 0, len(parsed))
	for _, p := range parsed {
		f := depFile{oldName: goName(p.OrigName, "a/"), newName: goName(p.NewName, "b/")}
		if f.oldName == "" && f.newName == "" || strings.ContainsAny(p.OrigName+p.NewName, "\"\\\t") {
			return nil, false
		}
		for i, x := range p.Extended {
			switch {
			case i == 0 && !strings.HasPrefix(x, "diff --git "):
				return nil, false
			case strings.HasPrefix(x, "copy from "), strings.HasPrefix(x, "GIT binary patch"), strings.HasPrefix(x, "Binary files "):
				return nil, false
			}
		}
		if len(p.Hunks) == 0 && !slices.ContainsFunc(p.Extended, func(x string) bool { return strings.HasPrefix(x, "rename to ") }) {
			return nil, false
		}
		hunks -= len(p.Hunks)
		for _, h := range p.Hunks {
			d := depHunk{oldPos: int(h.OrigStartLine), newPos: int(h.NewStartLine), section: h.Section, lines: hunkLines(h.Body)}
			old, now := 0, 0
			for _, l := range d.lines {
				if l.kind != '+' {
					old++
				}
				if l.kind != '-' {
					now++
				}
			}
			if old != int(h.OrigLines) || now != int(h.NewLines) || old+now == 0 {
				return nil, false
			}
			d.fixEmpty(old, now)
			f.hunks = append(f.hunks, d)
		}
		files = append(files, f)
	}
	return files, hunks == 0
}

// fixEmpty makes the position of a side without lines the line after the place, as it is with lines.
func (h *depHunk) fixEmpty(old, now int) {
	if old == 0 {
		h.oldPos++
	}
	if now == 0 {
		h.newPos++
	}
	h.oldPos, h.newPos = max(h.oldPos, 1), max(h.newPos, 1)
}

// goName is a name as go-diff gives it, without its first component; "" for /dev/null.
func goName(name, prefix string) string {
	if name == "/dev/null" {
		return ""
	}
	if rest, ok := strings.CutPrefix(name, prefix); ok {
		return rest
	}
	return stripFirst(name)
}

// hunkLines splits a hunk's body. An empty line is an empty line of context, whose space a mailer ate.
func hunkLines(body []byte) []depLine {
	lines := make([]depLine, 0, bytes.Count(body, []byte{'\n'}))
	for raw := range bytes.Lines(body) {
		text := string(bytes.TrimSuffix(raw, []byte{'\n'}))
		switch {
		case text == "":
			lines = append(lines, depLine{' ', ""})
		case text[0] == ' ' || text[0] == '-' || text[0] == '+':
			lines = append(lines, depLine{text[0], text[1:]})
		}
	}
	return lines
}
