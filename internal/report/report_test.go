package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/plain"
	"github.com/seriesctl/seriesctl/internal/report/reporttest"
	"github.com/seriesctl/seriesctl/series"
	"github.com/seriesctl/seriesctl/testplan"
)

func write(t *testing.T, format string, r *lab.Result, o Options) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, format, r, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	tests := []struct {
		name, format string
		r            *lab.Result
		o            Options
	}{
		{"rfc-80.txt", "text", reporttest.RFC(), Options{Width: 80}},
		{"rfc-80-ascii.txt", "text", reporttest.RFC(), Options{Width: 80, ASCII: true}},
		{"rfc-160.txt", "text", reporttest.RFC(), Options{Width: 160}},
		{"rfc-60-color.txt", "text", reporttest.RFC(), Options{Width: 60, Color: true}},
		{"subsets-80.txt", "text", reporttest.Subsets(), Options{Width: 80}},
		{"subsets-60-ascii.txt", "text", reporttest.Subsets(), Options{Width: 60, ASCII: true}},
		{"subsets.md", "markdown", reporttest.Subsets(), Options{}},
		{"live-80.txt", "text", reporttest.Live(), Options{Width: 80}},
		{"empty.txt", "text", &lab.Result{}, Options{}},
		{"rfc.md", "markdown", reporttest.RFC(), Options{}},
		{"hostile.txt", "text", reporttest.Hostile(), Options{}},
		{"hostile.md", "markdown", reporttest.Hostile(), Options{}},
		{"hostile.json", "json", reporttest.Hostile(), Options{}},
		{"empty.md", "markdown", &lab.Result{}, Options{}},
		{"empty.json", "json", &lab.Result{}, Options{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := write(t, tt.format, tt.r, tt.o)
			golden(t, tt.name, got)
			if again := write(t, tt.format, tt.r, tt.o); again != got {
				t.Error("not deterministic")
			}
		})
	}
}

func TestTextFitsItsWidth(t *testing.T) {
	for _, width := range []int{40, 60, 80, 100, 133, 200} {
		for _, r := range []*lab.Result{reporttest.RFC(), reporttest.Subsets(), reporttest.Live(), reporttest.Hostile(), reporttest.Large(30, 40)} {
			for i, line := range strings.Split(write(t, "text", r, Options{Width: width}), "\n") {
				if n := plain.Width(line); n > width {
					t.Errorf("width %d: %s: line %d takes %d columns: %s", width, r.Series, i+1, n, line)
				}
			}
		}
	}
}

// Subtests have long names, which begin alike.
func TestTextTellsLongNamesApart(t *testing.T) {
	r := reporttest.Large(5, 12)
	for i := range r.Cases {
		old := r.Cases[i].Name
		r.Cases[i].Name = fmt.Sprintf("gfs2/mm:run_vmtests.sh/running the tests of huge pages, number %d", i)
		for j := range r.Cells {
			if r.Cells[j].Case == old {
				r.Cells[j].Case = r.Cases[i].Name
			}
		}
	}
	seen := map[string]bool{}
	for line := range strings.Lines(write(t, "text", r, Options{})) {
		name, _, found := strings.Cut(line, "─")
		if !found {
			continue
		}
		if n := plain.Width(strings.TrimRight(line, "\n")); n > 80 || seen[name] {
			t.Errorf("%d columns: %s", n, line)
		}
		seen[name] = true
	}
	if len(seen) != len(r.Cases) {
		t.Errorf("%d names of %d", len(seen), len(r.Cases))
	}
}

// Every format says the same of the model question: patch 4 changes the symptom, patch 9 fixes.
func TestTwins(t *testing.T) {
	for _, format := range []string{"text", "markdown"} {
		got := strings.ReplaceAll(strings.Join(strings.Fields(write(t, format, reporttest.RFC(), Options{Width: 1000})), " "), "`", "")
		for _, want := range []string{
			"changes the symptom of gfs2/read-self, gfs2/readv-self: crash (kernel BUG in gfs2_glock_nq) → fail (read EFAULT)",
			"fixes gfs2/cross-two-files: deadlock (gfs2_glock_wait, inode_dio_wait) → pass (98% sure)",
			"fixes gfs2/read-self, gfs2/readv-self: fail (read EFAULT) → pass",
			"no effect: the image is the same as prefix 4's",
			"does not build: lib/iov_iter.c:1472:6: error",
			"effect not known: prefix 6 has no image to compare with",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("%s does not say %q:\n%s", format, want, got)
			}
		}
	}
}

func TestHostileTextIsSafe(t *testing.T) {
	outputs := map[string]string{}
	for _, format := range formats {
		outputs[format] = write(t, format, reporttest.Hostile(), Options{})
	}
	var b bytes.Buffer
	v := []series.Variant{{Index: 1, Subject: reporttest.Nasty, Status: series.Conflict, Conflicts: []series.ConflictedHunk{{File: reporttest.Nasty, Hunk: 1, Line: 3, Reason: reporttest.Nasty}}}}
	if err := Apply(&b, Base{}, v, Options{}); err != nil {
		t.Fatal(err)
	}
	outputs["apply"] = b.String()
	b.Reset()
	if err := ApplyJSON(&b, Base{}, v); err != nil {
		t.Fatal(err)
	}
	outputs["apply json"] = b.String()
	b.Reset()
	runs := reporttest.Runs()
	for i := range runs {
		runs[i].Judgement.Evidence = reporttest.Nasty
		runs[i].Command = reporttest.Nasty
		runs[i].Observation.Output = reporttest.Nasty
	}
	if err := Log(&b, "prefix 0", lab.Cell{Case: reporttest.Nasty}, runs, consoles(reporttest.Nasty), Options{}); err != nil {
		t.Fatal(err)
	}
	outputs["log"] = b.String()
	for name, out := range outputs {
		for _, r := range out {
			if r < 0x20 && r != '\n' || r >= 0x7f && r < 0xa0 || r == '\u202e' {
				t.Errorf("%s lets %U through:\n%q", name, r, out)
				break
			}
		}
	}
}

func TestASCII(t *testing.T) {
	for _, r := range []*lab.Result{reporttest.RFC(), reporttest.Subsets(), reporttest.Live(), reporttest.Hostile()} {
		for _, format := range []string{"text", "markdown"} {
			for _, c := range write(t, format, r, Options{ASCII: true, Width: 70}) {
				if c > 0x7e {
					t.Fatalf("%s: %s: %U in ASCII output", r.Series, format, c)
				}
			}
		}
	}
}

func TestUnknownFormat(t *testing.T) {
	err := Write(io.Discard, "yaml", &lab.Result{}, Options{})
	var hint interface{ Hint() string }
	if !errors.As(err, &hint) || hint.Hint() != "formats: text, markdown, json" {
		t.Errorf("got %v", err)
	}
}

func TestJSONHasTheContractsFieldsAndNoNullList(t *testing.T) {
	got := write(t, "json", &lab.Result{Prefixes: []lab.Prefix{{}}, Cells: []lab.Cell{{}}, Cases: []testplan.Case{{}}}, Options{})
	for _, list := range []string{"prefixes", "cases", "cells", "attributions", "warnings"} {
		if strings.Contains(got, `"`+list+`": null`) {
			t.Errorf("%s is null in\n%s", list, got)
		}
	}
	var doc map[string]any
	if err := json.Unmarshal([]byte(got), &doc); err != nil {
		t.Fatal(err)
	}
	has := func(where string, m map[string]any, keys ...string) {
		for _, k := range keys {
			if _, ok := m[k]; !ok {
				t.Errorf("%s has no %q", where, k)
			}
		}
	}
	first := func(key string) map[string]any { return doc[key].([]any)[0].(map[string]any) }
	has("the document", doc, "series", "base", "config", "accel", "prefixes", "cases", "cells", "attributions", "totals")
	has("prefix", first("prefixes"), "index", "subject", "status", "tree", "image", "build_seconds", "compiled", "warnings")
	has("case", first("cases"), "name", "reproducer", "filesystem")
	has("cell", first("cells"), "prefix", "case", "outcome", "signature", "runs", "agree", "confidence")
	has("totals", doc["totals"].(map[string]any), "builds", "boots", "runs", "seconds")
}

func TestJSONRoundTrips(t *testing.T) {
	r := reporttest.Hostile()
	var back lab.Result
	if err := json.Unmarshal([]byte(write(t, "json", r, Options{})), &back); err != nil {
		t.Fatal(err)
	}
	if want := strings.ToValidUTF8(r.Subject, "\ufffd"); back.Subject != want {
		t.Errorf("subject is %q, want %q", back.Subject, want)
	}
}

// A matrix with cells that nobody has run is not known.
func TestNotRunIsNotKnown(t *testing.T) {
	r := reporttest.RFC()
	r.Totals = lab.Totals{}
	r.Cells = nil
	for _, format := range []string{"text", "markdown"} {
		if got := write(t, format, r, Options{}); strings.Contains(got, "all was known") || !strings.Contains(got, "run now") {
			t.Errorf("%s says:\n%s", format, got)
		}
	}
}

func TestWriteFailure(t *testing.T) {
	for _, format := range formats {
		if err := Write(failingWriter{}, format, reporttest.RFC(), Options{}); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s: got %v", format, err)
		}
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, fs.ErrClosed }

func TestSentence(t *testing.T) {
	rfc, live := NewMatrix(reporttest.RFC()), NewMatrix(reporttest.Live())
	tests := []struct {
		m        *Matrix
		row, col int
		want     string
	}{
		{rfc, 0, 0, "the base: gfs2/read-self: crash (kernel BUG in gfs2_glock_nq) (1 run)"},
		{rfc, 1, 0, "patch 1 has no effect on gfs2/read-self: crash (kernel BUG in gfs2_glock_nq) (1 run)"},
		{rfc, 4, 0, "patch 4 changes the symptom of gfs2/read-self: crash (kernel BUG in gfs2_glock_nq) → fail (read EFAULT) (1 run)"},
		{rfc, 4, 7, "patch 4 fixes gfs2/cross-two-files: deadlock (gfs2_glock_wait, inode_dio_wait) → pass (98% sure) (1 run)"},
		{rfc, 5, 0, "patch 5 has no effect on gfs2/read-self: fail (read EFAULT) (1 run of prefix 4, same image)"},
		{rfc, 6, 0, "patch 6 does not build: lib/iov_iter.c:1472:6: error: implicit declaration of function 'fault_in_writeable'"},
		{rfc, 7, 0, "prefix 7: gfs2/read-self: fail (read EFAULT); the prefix before has no verdict to compare with (1 run)"},
		{rfc, 8, 8, "patch 8 regresses gfs2/sanity: pass → warn (WARNING in iomap_dio_complete) (1 run)"},
		{rfc, 8, 16, "patch 8 may change (undetermined) ext4/cross-two-files: pass → timeout (71% sure) (3 of 5 runs)"},
		{live, 3, 4, "gfs2/direct-write-self is running on prefix 3"},
		{live, 3, 6, "gfs2/writev-self is queued on prefix 3, for 2 runs"},
		{live, 4, 0, "gfs2/read-self waits for prefix 4, which is being built"},
		{live, 5, 0, "gfs2/read-self waits for prefix 5 to be built"},
	}
	for _, tt := range tests {
		if got := tt.m.Sentence(tt.row, tt.col); got != tt.want {
			t.Errorf("%d, %d:\n got %s\nwant %s", tt.row, tt.col, got, tt.want)
		}
	}
}

func TestDoes(t *testing.T) {
	rfc, live := NewMatrix(reporttest.RFC()), NewMatrix(reporttest.Live())
	for row, want := range []string{"", "", "", "", "FIX 1 chg 5", "=4", "bld", "", "REG 1 ? 1", "FIX 6 ? 1"} {
		if got := rfc.Does(row); got != want {
			t.Errorf("row %d: got %q, want %q", row, got, want)
		}
	}
	if got := live.Does(4); got != "make" {
		t.Errorf("building: got %q", got)
	}
}

// In a run of a subset a prefix's index is not its patch's number: effects go by the number.
func TestSubset(t *testing.T) {
	r := reporttest.RFC()
	for i := range r.Prefixes[1:] {
		r.Prefixes[i+1].Patch += 10
	}
	for i := range r.Attributions {
		r.Attributions[i].Patch += 10
	}
	m := NewMatrix(r)
	if got, want := m.Sentence(4, 0), "patch 14 changes the symptom of gfs2/read-self: "; !strings.HasPrefix(got, want) {
		t.Errorf("got %q", got)
	}
	if got, want := m.Sentence(7, 0), "prefix 7: gfs2/read-self: "; !strings.HasPrefix(got, want) {
		t.Errorf("got %q", got)
	}
	if got := write(t, "text", r, Options{}); !strings.Contains(got, `patch 14 "gfs2: Fix mmap`) || !strings.Contains(got, "patches 11-13: no effect") {
		t.Errorf("got\n%s", got)
	}
}

// A change that one of several patches made, one of which has no image, is said of the range.
func TestUndeterminedRange(t *testing.T) {
	r := reporttest.RFC()
	r.Attributions = []testplan.Attribution{{Case: "gfs2/read-self", Patch: 7, First: 6, Effect: testplan.Undetermined, Before: "fail read EFAULT", After: "pass", Probability: 0.5}}
	const want = "patch 7 may change (undetermined, one of patches 6-7) gfs2/read-self: fail (read EFAULT) → pass (50% sure)"
	if got := NewMatrix(r).Sentence(7, 0); !strings.HasPrefix(got, want) {
		t.Errorf("got %q", got)
	}
}

// Of a patch inside such a range nobody can say that it has no effect.
func TestInsideAnUndeterminedRange(t *testing.T) {
	r := reporttest.RFC()
	r.Attributions = []testplan.Attribution{{Case: "gfs2/read-self", Patch: 2, First: 1, Effect: testplan.Undetermined, Before: "fail read EFAULT", After: "pass", Probability: 0.5}}
	m := NewMatrix(r)
	if got := m.noEffect(1); !strings.Contains(got, "not known of 1") || m.NoEffect(1) {
		t.Errorf("got %q, %v", got, m.NoEffect(1))
	}
	r.Attributions = nil
	m = NewMatrix(r)
	if got := m.noEffect(1); strings.Contains(got, "not known of 1") {
		t.Errorf("got %q", got)
	}
}

func TestRanges(t *testing.T) {
	if got := Ranges([]int{1, 2, 3, 5, 7, 8}); got != "1-3, 5, 7-8" {
		t.Errorf("got %q", got)
	}
}

func TestLetters(t *testing.T) {
	for n, want := range map[int]string{0: "a", 25: "z", 26: "aa", 51: "az", 52: "ba", 701: "zz", 702: "aaa"} {
		if got := letters(n); got != want {
			t.Errorf("letters(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestApply(t *testing.T) {
	base := Base{"1111111111111111111111111111111111111111", "2222222222222222222222222222222222222222"}
	variants := []series.Variant{
		{Index: 0, Status: series.Applied, Commit: "aaaaaaaaaaaaaaaa", Tree: "bbbbbbbbbbbbbbbb"},
		{Index: 1, Subject: "iov_iter: Add iov_iter_fault_in_writeable()", Status: series.Applied, How: series.Exact, Commit: "cccccccccccccccc", Tree: "dddddddddddddddd"},
		{Index: 2, Subject: "gfs2: Fix mmap + page fault deadlocks (part 1)", Status: series.Applied, How: series.ByResolution, Commit: "eeeeeeeeeeeeeeee", Tree: "ffffffffffffffff"},
		{Index: 3, Subject: "gfs2: Add wrappers", Status: series.Conflict, Conflicts: []series.ConflictedHunk{{File: "fs/gfs2/file.c", Hunk: 2, Line: 880, Reason: "the context is not there"}, {File: "fs/gfs2/new.c", Reason: "exists already"}}},
		{Index: 4, Subject: "gfs2: More", Status: series.Blocked},
	}
	var b bytes.Buffer
	if err := Apply(&b, base, variants, Options{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "apply.txt", b.String())
	b.Reset()
	if err := ApplyJSON(&b, base, variants); err != nil {
		t.Fatal(err)
	}
	golden(t, "apply.json", b.String())
	if strings.Contains(b.String(), "null") {
		t.Error("null in the JSON")
	}
}

// consoles opens the same text for every path.
func consoles(text string) func(string) (io.ReadCloser, error) {
	return func(string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
}

func TestLog(t *testing.T) {
	three := 3
	cell := lab.Cell{Prefix: 3, Case: "gfs2/cross-two-files", Outcome: testplan.Deadlock, Signature: reporttest.Hang, Runs: 3, Agree: 1, Confidence: 0.6, InheritedFrom: &three}
	open := func(path string) (io.ReadCloser, error) {
		if path == "logs/43.console" {
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		}
		return io.NopCloser(strings.NewReader("[    0.000000] Linux version 5.10.223\n\x1b[31m[    1.5] gfs2: mounted\x1b[0m\n" + strings.Repeat("x", 20<<10) + "\nlast line without an end")), nil
	}
	var b bytes.Buffer
	if err := Log(&b, "prefix 3", cell, reporttest.Runs(), open, Options{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "log.txt", strings.ReplaceAll(b.String(), strings.Repeat("x", 4000), "<4000 x>"))
}

// A cell without runs says why there are none.
func TestSentenceOf(t *testing.T) {
	r := reporttest.RFC()
	r.Prefixes[3].Status, r.Prefixes[3].Detail = lab.PrefixBuildFailed, "build kernel: fs/a.c:3: no"
	m := NewMatrix(r)
	if got := m.SentenceOf(lab.Cell{Prefix: 3, Case: "gfs2/read-self"}); got != "patch 3 does not build: build kernel: fs/a.c:3: no" {
		t.Errorf("got %q", got)
	}
	if got := m.SentenceOf(lab.Cell{Prefix: 1, Case: "gfs2/read-self"}); !strings.HasPrefix(got, "patch 1 has no effect on gfs2/read-self") {
		t.Errorf("got %q", got)
	}
}
