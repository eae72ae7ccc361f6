package lab

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/internal/xec"
	"github.com/seriesctl/seriesctl/qemu"
	"github.com/seriesctl/seriesctl/testplan"
)

// TestKindsOfCases runs a case of every kind, as a plan has them, in a real guest: SERIESCTL_KERNEL is a vmlinux with
// the fragments vm and ext4.
func TestKindsOfCases(t *testing.T) {
	kernel := os.Getenv("SERIESCTL_KERNEL")
	if kernel == "" {
		t.Skip("SERIESCTL_KERNEL is not the path of a vmlinux")
	}
	for _, p := range []string{"qemu-system-x86_64", "mkfs.ext4", "gcc", "bash"} {
		if _, err := xec.Find(p); err != nil {
			t.Skipf("%s is not installed", p)
		}
	}
	plan, err := testplan.Load("testdata/cases/plan.yaml")
	if err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(filepath.Join(t.TempDir(), "ws"), true)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	host, err := NewHost(t.Context(), st, nil, plan, 1, true)
	if err != nil {
		t.Fatal(err)
	}
	if len(host.Warnings) != 1 || host.Warnings[0].File != "mine.c" || !strings.Contains(host.Warnings[0].Text, "unused variable") {
		t.Errorf("warnings: %+v", host.Warnings)
	}
	vm, err := qemu.Start(t.Context(), kernel, host.Machine, filepath.Join(t.TempDir(), "vm"), st.Disks())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := vm.Close(); err != nil {
			t.Error(err)
		}
	}()
	want := map[string]string{
		"tmpfs/run-12": "pass", "ext4/run-12": "pass",
		"tmpfs/skip":   ": skipped",
		"tmpfs/mine-7": "pass", "ext4/mine-7": "pass",
		"tmpfs/forever": "pass",
		"tmpfs/results": "fail: subtests", "tmpfs/results:opens": "pass", "tmpfs/results:reads": "fail: error", "tmpfs/results:maps": ": skipped", "tmpfs/results:seeks": "pass",
		"tmpfs/nested": "pass", "tmpfs/nested:one:number-1": "pass", "tmpfs/nested:one:number-2": "pass", "tmpfs/nested:one:number-3": "pass",
		"tmpfs/nested:two:number-1": "pass", "tmpfs/nested:two:number-2": "pass", "tmpfs/nested:two:number-3": "pass",
		"tmpfs/ksft": "fail: subtests", "tmpfs/ksft:demo:good.sh": "pass", "tmpfs/ksft:demo:nested.sh:left": "pass", "tmpfs/ksft:demo:nested.sh:right": "pass",
		"tmpfs/ksft:demo:bad.sh": "fail: exit 3", "tmpfs/ksft:demo:elsewhere.sh": ": skipped",
	}
	for _, c := range plan.Cases {
		o, err := vm.Run(t.Context(), c.Run, filepath.Join(t.TempDir(), "console"))
		if err != nil {
			t.Fatal(errors.Join(errors.New(c.Name), err))
		}
		cases := []testplan.Case{c}
		if c.KTAP {
			cases = append(cases, c.Subtests([]*testplan.KTAP{testplan.ParseKTAP(o.Output)})...)
		}
		for _, c := range cases {
			j := c.Judge(o)
			got := string(j.Outcome)
			if j.Signature != "" {
				got += ": " + j.Signature
			}
			if got != want[c.Name] {
				t.Errorf("%s: got %q (%s), want %q; output\n%s", c.Name, got, j.Evidence, want[c.Name], o.Output)
			}
			if c.Syz && j.Evidence != "ran for 4s without a report" {
				t.Errorf("got %+v", j)
			}
			delete(want, c.Name)
		}
	}
	if len(want) > 0 {
		t.Errorf("not there: %v", want)
	}
}
