package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/internal/report"
	"github.com/seriesctl/seriesctl/internal/xec"
	"github.com/seriesctl/seriesctl/qemu"
	"github.com/seriesctl/seriesctl/series"
	"github.com/seriesctl/seriesctl/testplan"
)

func TestLeaveKeys(t *testing.T) {
	tests := []struct {
		name, typed, want string
		left              bool
	}{
		{"nothing special", "ls\r\x03\x04\x1b[A", "ls\r\x03\x04\x1b[A", false},
		{"leave", "ls\r\x01xrm -rf /\r", "ls\r", true},
		{"ctrl-a twice", "a\x01\x01xb", "a\x01xb", false},
		{"ctrl-a and another", "\x01bx", "\x01bx", false},
		{"x alone", "xx", "xx", false},
		{"three of them", "\x01\x01\x01x", "\x01", true},
	}
	for _, tt := range tests {
		for name, slow := range map[string]func(io.Reader) io.Reader{"at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader} {
			t.Run(tt.name+" "+name, func(t *testing.T) {
				left := false
				k := &leaveKeys{r: slow(strings.NewReader(tt.typed)), leave: func() { left = true }}
				var got bytes.Buffer
				if _, err := io.Copy(&got, k); err != nil {
					t.Fatal(err)
				}
				if got.String() != tt.want || left != tt.left {
					t.Fatalf("got %q, left %v", got.String(), left)
				}
			})
		}
	}
}

func TestTyped(t *testing.T) {
	if got := typed([]string{"read-self", "a b", "it's", "x=1"}, true); got != `read-self 'a b' 'it'\''s' x=1 &`+"\n" {
		t.Fatalf("got %q", got)
	}
	if got := typed([]string{"read-self"}, false); got != "read-self\n" {
		t.Fatalf("got %q", got)
	}
}

// A shell that starts with a case of self-tests has them in the guest, built if need be, and says where; a shell of another case has not.
func TestShellSelftests(t *testing.T) {
	if _, err := xec.Find("rsync"); err != nil {
		t.Skip("needs rsync")
	}
	st := withSeries(t)
	file := filepath.Join(t.TempDir(), "p.yaml")
	text := "filesystems: {tmpfs: {type: tmpfs}}\ncases:\n- reproducer: read-self\n- kselftest: mm\n- {kselftest: mm:one, tree: series}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	plan, err := testplan.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	f := &sourceFlags{Asked: lab.Asked{Source: filepath.FromSlash("../../internal/lab/testdata/selftests")}}
	for _, tt := range []struct {
		of    int
		shows string // of the progress; the second of a tree is kept
	}{{1, "building self-tests vm"}, {1, ""}, {2, ""}} {
		first := &plan.Cases[tt.of]
		host := &lab.Host{Store: st, Builder: &qemu.Builder{Jobs: 1}, Machine: qemu.Machine{Files: map[string]string{}}}
		var shown bytes.Buffer
		now := time.Time{}
		tick := func() time.Time { now = now.Add(time.Second); return now } // so every step is drawn
		p := report.NewProgress(&shown, report.ProgressOptions{Terminal: true, ASCII: true, Now: tick})
		err := shellSelftests(t.Context(), st, &series.Series{ID: "s"}, plan, first, f, host, p)
		p.Close()
		if err != nil {
			t.Fatal(err)
		}
		inside := first.Selftests.Inside()
		if dir := host.Machine.Files[inside]; len(host.Machine.Files) != 1 || dir == "" {
			t.Errorf("%s: not at hand: %v", first.Name, host.Machine.Files)
		} else if _, err := os.Stat(filepath.Join(dir, "tests", "vm", "one")); err != nil {
			t.Errorf("%s: not at hand: %v", first.Name, err)
		}
		if !strings.Contains(shown.String(), tt.shows) || tt.shows == "" && strings.Contains(shown.String(), "built self-tests") {
			t.Errorf("%s: the progress was %q", first.Name, shown.String())
		}
		if !strings.Contains(shown.String(), "lacks is not built") {
			t.Errorf("%s: what is not built is not said: %q", first.Name, shown.String())
		}
		run := "sh " + inside + "/run " + inside
		if lines := welcome("prefix 0", &qemu.Shell{Machine: host.Machine}, first, true); !slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, run+" TEST") }) {
			t.Errorf("%s: no %q in %q", first.Name, run, lines)
		}
		if got := typed(first.Run.Argv, false); !strings.HasPrefix(got, run) {
			t.Errorf("%s is started with %q", first.Name, got)
		}
	}
	if lines := welcome("prefix 0", &qemu.Shell{}, &plan.Cases[0], true); strings.Contains(strings.Join(lines, "\n"), "self-tests") {
		t.Errorf("a reproducer's shell: %q", lines)
	}
}
