package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/seriesctl/seriesctl/series"
)

// depsFixture is a series with every kind of edge, and a subject that means harm.
func depsFixture() (*series.Series, *series.Graph) {
	s := &series.Series{ID: "fs-make-it-work-v1", Total: 5}
	for i, subject := range []string{
		"fs: add a helper", "fs: use \"it\" \x1b[31meverywhere, with a subject that goes on for longer than eighty columns",
		"fs: unrelated", "fs: rework", "fs: stand alone",
	} {
		s.Patches = append(s.Patches, &series.Patch{Index: i + 1, Subject: subject})
	}
	use := func(name string, line int) series.Reason {
		return series.Reason{What: "uses", File: "fs/b.c", Line: line, Lines: 1, Text: "\t" + name + "(x);", Symbol: name, Sort: "function",
			Done: "added", DefFile: "include/linux/a.h", DefLine: 12, DefText: "int " + name + "(int);"}
	}
	g := &series.Graph{
		Patches: []int{1, 2, 3, 4, 5},
		Edges: []series.Edge{
			{Patch: 2, Needs: 1, Kind: series.Strong, Proof: series.ProofConflict, Why: []series.Reason{{What: "removes", File: "fs/b.c", Line: 10, Lines: 2, Text: "x"}}},
			{Patch: 2, Needs: 1, Kind: series.BySymbol, Why: []series.Reason{use("helper_one", 7), use("helper_one", 9), use("helper_two", 8), use("helper_three", 9), use("helper_four", 10)}},
			{Patch: 4, Needs: 1, Kind: series.Weak, Proof: series.ProofUnknown, Why: []series.Reason{{What: "context", File: "fs/b.c", Line: 30, Lines: 1, Text: "y"}}},
			{Patch: 4, Needs: 2, Kind: series.Strong, Why: []series.Reason{{What: "file", File: "fs/n\x1b[2J.c", Text: "created"}}},
			{Patch: 4, Needs: 3, Kind: series.Weak, Proof: series.ProofApplies, Why: []series.Reason{{What: "context", File: "fs/b.c", Line: 40, Lines: 1, Text: "z"}}},
		},
		Problems: []series.Problem{{Kind: "unplaced-hunk", Detail: "patch 5: fs/c.c hunk 1 (line 3): the lines there are not those that the patches before leave"}},
	}
	return s, g
}

func TestDepsGolden(t *testing.T) {
	s, g := depsFixture()
	for _, c := range []struct {
		name, format string
		o            Options
	}{
		{"deps-80.txt", "text", Options{}},
		{"deps-60-ascii.txt", "text", Options{Width: 60, ASCII: true}},
		{"deps.json", "json", Options{}},
		{"deps.dot", "dot", Options{}},
	} {
		var b bytes.Buffer
		if err := Deps(&b, c.format, s, g, c.o); err != nil {
			t.Fatal(err)
		}
		golden(t, c.name, b.String())
		if bytes.ContainsRune(b.Bytes(), '\x1b') {
			t.Errorf("%s: an escape sequence", c.name)
		}
	}
}

func TestDepsJSONEmpty(t *testing.T) {
	var b bytes.Buffer
	if err := Deps(&b, "json", &series.Series{}, series.Depend(nil), Options{}); err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"patches", "edges", "problems"} {
		if list, ok := doc[k].([]any); !ok || len(list) != 0 {
			t.Errorf("%s is %v, want []", k, doc[k])
		}
	}
}

func TestDepsFormat(t *testing.T) {
	s, g := depsFixture()
	err := Deps(&bytes.Buffer{}, "html", s, g, Options{})
	var fe *FormatError
	if !errors.As(err, &fe) || fe.Hint() != "formats: text, json, dot" {
		t.Errorf("got %v", err)
	}
}
