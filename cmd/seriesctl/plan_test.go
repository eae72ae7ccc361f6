package main

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/testplan"
)

var update = flag.Bool("update", false, "write the golden files")

// TestPlanForTheRFC suggests a plan for the thread that the program was conceived for, on the kernel it was asked for.
func TestPlanForTheRFC(t *testing.T) {
	mbox, prerequisite, fixups := rfc(t)
	src := source(t, "SERIESCTL_LINUX_5_10")
	var out, errs bytes.Buffer
	do := func(args ...string) {
		t.Helper()
		out.Reset()
		a := &app{in: os.Stdin, out: &out, err: &errs}
		root := a.rootCommand()
		root.SetArgs(append(args, "--workspace", t.TempDir()+"/../ws", "--quiet"))
		if code := a.exit(root.ExecuteContext(t.Context())); code != exitDone {
			t.Fatalf("%v: exit %d\n%s", args, code, &errs)
		}
	}
	do("load", mbox)
	do("plan", "new", "-o", "-", "--source", src, "--prerequisite", prerequisite, "--resolutions", fixups)
	const golden = "testdata/plan-rfc-5.10.yaml"
	if *update {
		if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("%s differs (go test -update writes it):\n%s", golden, &out)
	}
	if _, err := testplan.Load(golden); err != nil {
		t.Error(err)
	}
}

// TestPlanWithoutASeries: a workspace that holds none, as one that a load was killed in, gives a plan to start from.
func TestPlanWithoutASeries(t *testing.T) {
	dir := t.TempDir()
	st, err := store.Open(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"plan", "new", "-o", "-"}, {"plan", "new", "-o", "-", "mine"}} {
		var out, errs bytes.Buffer
		a := &app{in: os.Stdin, out: &out, err: &errs}
		root := a.rootCommand()
		root.SetArgs(append(args, "--workspace", dir))
		code := a.exit(root.ExecuteContext(t.Context()))
		if named := len(args) > 4; named != (code == exitUsage) || named == strings.HasPrefix(out.String(), "# A plan to start from") {
			t.Errorf("%v: exit %d\n%s%s", args, code, &out, &errs)
		}
	}
}
