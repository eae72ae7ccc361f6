package main

import (
	"bytes"
	"flag"
	"os"
	"testing"

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
