package lab

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/internal/xec"
	"github.com/seriesctl/seriesctl/qemu"
	"github.com/seriesctl/seriesctl/series"
	"github.com/seriesctl/seriesctl/testplan"
)

// TestSelftests builds a collection of a tree once, under the name that the tree has for it, and puts it into the machine of its
// cases and of no others.
func TestSelftests(t *testing.T) {
	if _, err := xec.Find("rsync"); err != nil {
		t.Skip("needs rsync")
	}
	dir := t.TempDir()
	st, err := store.Open(filepath.Join(dir, "ws"), true)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	repo, err := series.OpenRepo(st.Git())
	if err != nil {
		t.Fatal(err)
	}
	src, err := repo.OpenSource(t.Context(), "testdata/selftests", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	_, hash := src.Base()
	plan := func(entry string) *testplan.Plan {
		t.Helper()
		file := filepath.Join(dir, "p.yaml")
		if err := os.WriteFile(file, []byte("filesystems: {tmpfs: {type: tmpfs}}\ncases:\n- reproducer: sanity\n- "+entry+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := testplan.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	h := &Host{Store: st, Builder: &qemu.Builder{Jobs: 1}, Machine: qemu.Machine{Files: map[string]string{}}}
	var steps []string
	build := func(p *testplan.Plan) ([]string, error) {
		steps = nil
		return h.Selftests(t.Context(), p, map[string]Tree{"": {src, hash}}, func(a Activity) { steps = append(steps, a.Step) })
	}
	p := plan("kselftest: mm")
	want := []string{
		"self-test mm:lacks is not built: this host has no no-such/numa.h (apt install libnuma-dev)",
		"self-tests vm ask for options that the kernel lacks; some tests may skip or fail: CONFIG_USERFAULTFD=y",
	}
	if err := os.MkdirAll(filepath.Join(st.Dir, "selftests", ".build-killed", "src"), 0o755); err != nil {
		t.Fatal(err)
	}
	for round, built := range []bool{true, false} {
		notes, err := build(p)
		want := want
		if built {
			want = append([]string{"built self-tests vm"}, want...)
		}
		if err != nil || !slices.Equal(notes, want) {
			t.Errorf("round %d: %q, %v", round, notes, err)
		}
		if slices.Contains(steps, "building self-tests vm") != built {
			t.Errorf("round %d: %q", round, steps)
		}
	}
	inside := p.Selftests()[0].Inside()
	if _, err := os.Stat(filepath.Join(h.Machine.Files[inside], "tests", "vm", "one")); err != nil {
		t.Error(err)
	}
	for i, files := range []int{0, 1} {
		if m := h.machineFor(p.Cases[i]); len(m.Files) != files {
			t.Errorf("%s has %v", p.Cases[i].Name, m.Files)
		}
	}
	if left, err := filepath.Glob(filepath.Join(st.Dir, "selftests", ".*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	var none *NoCollectionError
	if _, err := build(plan("kselftest: vn")); !errors.As(err, &none) || !strings.Contains(none.Hint(), "did you mean vm?") {
		t.Errorf("got %v", err)
	}
}
