package report

import (
	"bytes"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/qemu"
	"github.com/seriesctl/seriesctl/testplan"
)

// blanks is a matrix of two prefixes whose cases pass, skip themselves, are absent and not reached on the second.
func blanks() *lab.Result {
	r := &lab.Result{Series: "s", Subject: "S", Accel: "tcg"}
	for i, subject := range []string{"", "the patch"} {
		r.Prefixes = append(r.Prefixes, lab.Prefix{Index: i, Patch: i, Subject: subject, Status: lab.PrefixOK, Image: subject + "x"})
	}
	for _, name := range []string{"tmpfs/run", "tmpfs/mm:a", "tmpfs/mm:b"} {
		r.Cases = append(r.Cases, testplan.Case{Name: name, Reproducer: "run.sh", Filesystem: "tmpfs"})
		r.Cells = append(r.Cells, lab.Cell{Prefix: 0, Case: name, State: lab.CellDone, Outcome: testplan.Pass, Runs: 1, Agree: 1, Confidence: 0.999})
	}
	r.Cells = append(r.Cells, lab.Cell{Prefix: 1, Case: "tmpfs/run", State: lab.CellSkipped, Signature: testplan.Skipped},
		lab.Cell{Prefix: 1, Case: "tmpfs/mm:a", State: lab.CellAbsent, Signature: "absent"},
		lab.Cell{Prefix: 1, Case: "tmpfs/mm:b", State: lab.CellAbsent, Signature: "not reached"})
	return r
}

// TestCellsWithoutOutcome: what shows nothing of the kernel is said so, and never as a pass or as no effect.
func TestCellsWithoutOutcome(t *testing.T) {
	r := blanks()
	m := NewMatrix(r)
	for col, want := range []struct{ word, sentence string }{
		{"skip", "tmpfs/run on prefix 1: skipped, which says nothing about the patch"},
		{"abs", "tmpfs/mm:a on prefix 1: absent, which says nothing about the patch"},
		{"abs", "tmpfs/mm:b on prefix 1: not reached, which says nothing about the patch"},
	} {
		if got := m.Word(1, col); got != want.word {
			t.Errorf("word %q, want %q", got, want.word)
		}
		if got := m.Sentence(1, col); got != want.sentence {
			t.Errorf("got  %s\nwant %s", got, want.sentence)
		}
	}
	for _, format := range []string{"text", "markdown"} {
		var b bytes.Buffer
		if err := Write(&b, format, r, Options{Width: 80}); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"skip", "abs", "effect not known yet"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s lacks %q:\n%s", format, want, b.String())
			}
		}
	}
	run := lab.Run{Judgement: testplan.Judgement{Signature: testplan.Skipped, Evidence: "exit status 77: it does not apply here"}, Observation: qemu.Observation{Exited: true, Status: 77}}
	var b bytes.Buffer
	if err := Log(&b, "prefix 1", r.Cells[3], []lab.Run{run}, func(string) (io.ReadCloser, error) { return nil, fs.ErrNotExist }, Options{}); err != nil {
		t.Fatal(err)
	}
	if want := "tmpfs/run on prefix 1: skipped: no evidence\n\nrun 1 of 1: skipped\n  evidence: exit status 77: it does not apply here\n"; !strings.HasPrefix(b.String(), want) {
		t.Errorf("got  %q\nwant %q", b.String(), want)
	}
}

func TestWarningsAreBounded(t *testing.T) {
	var list []qemu.Diagnostic
	for i := range mostWarnings + 3 {
		list = append(list, qemu.Diagnostic{File: "a\x1b[31m.c", Line: i, Kind: "warning", Text: "w"})
	}
	lines := Warnings(list)
	if len(lines) != mostWarnings+1 || lines[mostWarnings] != "and 3 warnings more" || strings.Contains(lines[0], "\x1b") {
		t.Errorf("got %q", lines)
	}
	if Warnings(nil) != nil {
		t.Error("something of nothing")
	}
}
