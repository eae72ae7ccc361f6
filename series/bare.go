package series

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"

	"github.com/seriesctl/seriesctl/internal/pattern"
)

var (
	mercurialUser = pattern.New(`(?m)^# User (.+)$`)
	mercurialDate = pattern.New(`(?m)^# Date (\d+) (-?\d+)$`)
)

// bareMail puts a mail around a patch that has none: what Mercurial exports, what StGit and quilt write
// (description, then diff), or a diff alone, whose subject is then the name of its file.
func bareMail(data []byte, name string) []byte {
	var out bytes.Buffer
	if bytes.HasPrefix(data, []byte("# HG changeset patch")) {
		comments := 0
		for bytes.HasPrefix(data[comments:], []byte("#")) {
			comments += lineLen(data[comments:])
		}
		top := data[:comments]
		data = data[comments:]
		if m := mercurialUser.FindSubmatch(top); m != nil {
			out.WriteString("From: " + string(m[1]) + "\n")
		}
		if m := mercurialDate.FindSubmatch(top); m != nil {
			out.WriteString("Date: " + mercurialTime(string(m[1]), string(m[2])) + "\n")
		}
	}
	data = data[leadingBlank(data):]
	line := data[:lineLen(data)]
	switch {
	case len(line) == 0 || startsPatch(line):
		out.WriteString("Subject: " + clean(name) + "\n\n")
	case isHeaderLine(line):
		// "From: …" before the description, as StGit may have it: in-body header lines of a mail.
		out.WriteString("Subject: " + clean(name) + "\n\n")
	default:
		out.WriteString("Subject: " + clean(string(line)) + "\n\n")
		data = data[len(line):]
	}
	out.Write(data)
	return out.Bytes()
}

// clean makes text fit for one header line.
func clean(s string) string { return collapse(strings.ToValidUTF8(s, "\uFFFD")) }

// quilt orders patch files as the file "series" beside them lists them; those it does not list are left out.
func quilt(dir string, files []string) []string {
	data, err := os.ReadFile(filepath.Join(dir, "series"))
	if err != nil {
		return files
	}
	have := map[string]bool{}
	for _, f := range files {
		have[f] = true
	}
	var out []string
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(line, "#")
		if words := strings.Fields(line); len(words) > 0 {
			if f := filepath.Join(dir, words[0]); have[f] {
				out = append(out, f)
			}
		}
	}
	if len(out) == 0 {
		return files
	}
	return out
}
