package lab

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/internal/xec"
	"github.com/seriesctl/seriesctl/qemu"
	"github.com/seriesctl/seriesctl/testplan"
)

// TestFstestsCells edits a checkout of fstests: the cells that it matters for must get other keys, and no others.
func TestFstestsCells(t *testing.T) {
	for _, program := range []string{"mke2fs", "qemu-system-x86_64"} {
		if _, err := xec.Find(program); err != nil {
			t.Skip(err)
		}
	}
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "fstests"), os.DirFS("../../testplan/testdata/fstests")); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write("plan.yaml", `
filesystems:
  ext4: {mkfs: mkfs.ext4 -q -F, size: 64M}
cases:
  - fstests: {path: fstests, tests: [generic/001, generic/003]}
  - reproducer: sanity
`)
	st, err := store.Open(filepath.Join(dir, "workspace"), true)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	steps := map[string]bool{}
	keys := func() map[string]string {
		t.Helper()
		p, err := testplan.Load(filepath.Join(dir, "plan.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		h, err := NewHost(context.Background(), st, nil, p, 1, false) // few tools are not where a sandbox sees them
		if err != nil {
			t.Fatal(err)
		}
		clear(steps)
		if err := h.Fstests(context.Background(), p, func(a Activity) { steps[a.Step] = true }); err != nil {
			t.Fatal(err)
		}
		spec, err := h.Spec(context.Background(), p, nil)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for _, c := range spec.Cases {
			out[c.Name] = c.Key
		}
		return out
	}
	t.Setenv("PATH", fewTools(t)) // what else the host has makes the system larger, not other
	both := []string{"ext4/generic/001", "ext4/generic/003"}
	before := keys()
	if !steps["building fstests"] {
		t.Errorf("steps: %v", steps)
	}
	for _, e := range []struct {
		file, text string
		want       []string
	}{
		{"fstests/tests/generic/003", "#!/bin/bash\n", both[1:]},
		{"fstests/tests/generic/001.out", "other\n", both[:1]},
		{"fstests/tests/generic/002", "#!/bin/bash\n", nil},
		{"fstests/common/rc", "true\n", both},
		{"fstests/src/say.c", "int main(void) { return 7; }\n", both},
		{"fstests/src/say.c", "int main(void) { return 7; } /* the same program */\n", nil},
	} {
		write(e.file, e.text)
		now := keys()
		var changed []string
		for _, name := range slices.Sorted(maps.Keys(now)) {
			if now[name] != before[name] {
				changed = append(changed, name)
			}
		}
		if !slices.Equal(changed, e.want) {
			t.Errorf("%s: changes %v, want %v", e.file, changed, e.want)
		}
		before = now
	}
}

// fewTools is a directory with no more of the host's programs than building and packing a small tree takes.
func fewTools(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"as", "awk", "bash", "bc", "cat", "cc", "df", "env", "gcc", "ld", "make", "mke2fs", "mkfs", "mkfs.ext4", "mount", "qemu-system-x86_64", "sed", "sh", "umount"} {
		if p, err := xec.Find(name); err == nil {
			if err := os.Symlink(p, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	// The real one has 50 MB of modules.
	if err := os.WriteFile(filepath.Join(dir, "perl"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestFstestsRun runs the tests of the small checkout on a real kernel: SERIESCTL_KERNEL.
func TestFstestsRun(t *testing.T) {
	kernel := os.Getenv("SERIESCTL_KERNEL")
	if kernel == "" {
		t.Skip("SERIESCTL_KERNEL is not the path of a vmlinux")
	}
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "fstests"), os.DirFS("../../testplan/testdata/fstests")); err != nil {
		t.Fatal(err)
	}
	plan := "filesystems:\n  ext4: {mkfs: mkfs.ext4 -q -F, size: 64M}\ncases:\n  - fstests: {path: fstests, groups: [all], timeout: 2m}\n"
	if err := os.WriteFile(filepath.Join(dir, "plan.yaml"), []byte(plan), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := testplan.Load(filepath.Join(dir, "plan.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(filepath.Join(dir, "workspace"), true)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	_, err = xec.Find("bwrap")
	h, err := NewHost(t.Context(), st, nil, p, 1, err == nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Fstests(t.Context(), p, func(Activity) {}); err != nil {
		t.Fatal(err)
	}
	vm, err := qemu.Start(t.Context(), kernel, h.Machine, t.TempDir(), st.Disks())
	if err != nil {
		t.Fatal(err)
	}
	defer vm.Close()
	want := map[string]string{
		"ext4/ext4/001":    "pass",
		"ext4/generic/001": "pass",
		"ext4/generic/002": " not run: this needs a kernel of tomorrow",
		"ext4/generic/003": "fail output mismatch EFAULT",
		"ext4/generic/004": "fail exit 3",
		"ext4/generic/005": "fail no expected output",
		"ext4/generic/006": "fail scratch fs inconsistent",
		"ext4/generic/007": "pass", // its shell waits for a child that sleeps
		"ext4/generic/008": "pass",
		"ext4/generic/009": "deadlock", // its shell waits for a child that is blocked for good
		"ext4/shared/032":  "pass",
	}
	for _, c := range p.Cases {
		o, err := vm.Run(t.Context(), c.Run, filepath.Join(dir, "console"))
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		j := c.Judge(o)
		got := strings.TrimSuffix(string(j.Outcome)+" "+j.Signature, " ")
		if j.Outcome == testplan.Deadlock {
			got = "deadlock"
		}
		if got != want[c.Name] {
			t.Errorf("%s: %s, want %s\n%s", c.Name, got, want[c.Name], o.Output)
		}
		t.Logf("%s: %s in %v: %s", c.Name, got, o.Duration, j.Evidence)
		if c.Name == "ext4/generic/003" && (!strings.Contains(o.Output, "  step one\n") || !strings.Contains(o.Output, "  +read: Bad address\n")) {
			t.Errorf("what the test wrote is not kept: %s", o.Output)
		}
	}
}
