package testplan

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seriesctl/seriesctl/internal/xec"
	"github.com/seriesctl/seriesctl/qemu"
)

var (
	chancy = regexp.MustCompile(`Not deterministic|\bchance\b|differs from\s+run|the kernel's\s+choice`)
	rate   = regexp.MustCompile(`\d+\s+(?:of \d+\s+)?runs|\d+ at least|\d+ more; with`)
)

func TestCatalogue(t *testing.T) {
	if len(Catalogue()) == 0 {
		t.Fatal("empty")
	}
	for _, r := range Catalogue() {
		if !strings.HasPrefix(r.Doc, r.Name) {
			t.Errorf("%s: the header comment begins %.40q", r.Name, r.Doc)
		}
		for _, part := range []string{"Locks:", "Order: ", "deterministic", "Known from:", "A correct kernel:"} {
			if !strings.Contains(r.Doc, part) && (part != "deterministic" || !strings.Contains(r.Doc, "Deterministic")) {
				t.Errorf("%s: the header comment has no %q", r.Name, part)
			}
		}
		if chancy.MatchString(r.Doc) && !rate.MatchString(r.Doc) {
			t.Errorf("%s: the header comment leaves something to chance and states no rate", r.Name)
		}
		if len(r.Files) != 2 || r.Files[r.Name+".c"] == "" || r.Files[header] == "" {
			t.Errorf("%s: got %d files", r.Name, len(r.Files))
		}
	}
}

// build compiles a reproducer as the VM gets it, and returns the program's path.
func build(t *testing.T, r Reproducer) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range r.Files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	bin := filepath.Join(dir, r.Name)
	err := xec.Cmd{Name: "gcc", Args: []string{"-static", "-O2", "-pthread", "-Wall", "-Wextra", "-Werror", "-o", bin, r.Name + ".c"}, Dir: dir}.Run(context.Background())
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("gcc is not installed")
	}
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// TestReproducersOnTheHost runs every case of the embedded plan on the host's own file system: a kernel and a file
// system that people work on all day, so what fails is the reproducer.
func TestReproducersOnTheHost(t *testing.T) {
	dir := t.TempDir()
	probe, err := os.OpenFile(filepath.Join(dir, "probe"), os.O_RDWR|os.O_CREATE|0o40000, 0o600)
	if err != nil {
		t.Skipf("the temporary directory's file system has no O_DIRECT: %v", err)
	}
	_ = probe.Close()
	p, err := Load("page-faults")
	if err != nil {
		t.Fatal(err)
	}
	p, err = p.Select([]string{"ext4/*"})
	if err != nil {
		t.Fatal(err)
	}
	programs, bins := t.TempDir(), make(map[string]string)
	for _, c := range p.Cases {
		t.Run(c.Name, func(t *testing.T) {
			if bins[c.Reproducer] == "" {
				r, _ := reproducer(c.Reproducer)
				bin := build(t, r)
				bins[c.Reproducer] = filepath.Join(programs, c.Reproducer)
				if err := os.Rename(bin, bins[c.Reproducer]); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			out, err := xec.Cmd{Name: bins[c.Reproducer], Args: c.Run.Argv[1:], Env: []string{"REPRO_DIR=" + dir}}.Output(ctx)
			o := qemu.Observation{Exited: true, Output: string(out)}
			var xe *xec.Error
			if errors.As(err, &xe) {
				o.Status = xe.Status
			}
			j := Judge(o)
			if strings.HasPrefix(j.Signature, "setup ") {
				t.Skipf("this host cannot make the situation: %s", j.Evidence)
			}
			if j.Outcome != Pass {
				t.Errorf("got %s: %s\n%s", State(j), j.Evidence, out)
			}
		})
	}
}

func TestReproducerRefusesUnknownArguments(t *testing.T) {
	for _, r := range Catalogue() {
		bin := build(t, r)
		out, err := xec.Cmd{Name: bin, Args: []string{"bogus"}, Env: []string{"REPRO_DIR=" + t.TempDir()}}.Output(context.Background())
		if err == nil || !strings.Contains(string(out), "result: fail setup EINVAL unknown argument bogus") {
			t.Errorf("%s: got %v %s", r.Name, err, out)
		}
	}
}
