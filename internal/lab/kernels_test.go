package lab

import (
	"context"
	"strings"
	"testing"

	"github.com/seriesctl/seriesctl/internal/store"
	"github.com/seriesctl/seriesctl/series"
	"github.com/seriesctl/seriesctl/testplan"
)

// Two kernels of a plan are one matrix: each has its own images, and a patch is charged on the kernel that shows it.
func TestKernelsAreOneMatrix(t *testing.T) {
	e, f := newFake(t, 3, "read", "sanity")
	other := *e.Spec
	other.Kernel, other.Variants, other.Cases = "debug", nil, nil
	for i, v := range e.Spec.Variants {
		v.Key = "debug" + v.Key
		e.Spec.Variants[i].Status = series.Applied
		other.Variants = append(other.Variants, v)
	}
	for _, c := range e.Spec.Cases {
		c.Kernel, c.Name = "debug", "debug:"+c.Name
		other.Cases = append(other.Cases, c)
	}
	e.Spec.More = []*Spec{&other}
	f.outcome = func(key, program string, _ int) string {
		if program == "read" && strings.HasPrefix(key, "debug") && key != "debugk2" {
			return "EFAULT"
		}
		return "pass"
	}
	f.unbuilt["debugk1"] = true
	first := mustRun(t, e)
	if len(first.Cases) != 2 || first.Totals.Builds != 3 {
		t.Errorf("the first kernel's run: %d cases, %d builds", len(first.Cases), first.Totals.Builds)
	}
	mustRun(t, &Engine{Store: e.Store, Spec: &other, Maker: f, Workers: 2})
	r, err := Load(e.Store, e.Spec)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Cases) != 4 || len(r.Cells) != 12 {
		t.Fatalf("%d cases, %d cells", len(r.Cases), len(r.Cells))
	}
	for i, c := range r.Cells {
		if want := r.Cases[i%4].Name; c.Prefix != i/4 || c.Case != want {
			t.Errorf("cell %d is %d %s, want %d %s", i, c.Prefix, c.Case, i/4, want)
		}
	}
	if got := outcomes(r, "read"); got[0] != testplan.Pass {
		t.Errorf("read: %v", got)
	}
	if got := outcomes(r, "debug:read"); got[0] != testplan.Fail || got[1] != "" || got[2] != testplan.Pass {
		t.Errorf("debug:read: %v", got)
	}
	if p := r.Prefixes[1]; p.Status != PrefixOK || len(p.Kernels) != 1 || p.Kernels[0].Status != PrefixBuildFailed || p.Kernels[0].Kernel != "debug" {
		t.Errorf("prefix 1: %+v", p)
	}
	if len(r.Attributions) != 1 || r.Attributions[0].Case != "debug:read" {
		t.Errorf("attributions: %+v", r.Attributions)
	}
	r.Prefixes[2].Kernels[0].Status = PrefixPending
	Overlay(r, Status{Build: &Activity{Prefix: 2, Kernel: "debug"}})
	if p := r.Prefixes[2]; p.Status != PrefixOK || p.Kernels[0].Status != PrefixBuilding {
		t.Errorf("overlay: %s, %s", p.Status, p.Kernels[0].Status)
	}
	runs, err := Runs(e.Store, e.Spec, 2, "debug:read")
	if err != nil || len(runs) == 0 {
		t.Errorf("%d runs, %v", len(runs), err)
	}
}

func TestBesideSharesTheSourceTree(t *testing.T) {
	st, err := store.Open(t.TempDir(), true)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	h, err := NewHost(context.Background(), st, nil, &testplan.Plan{}, 1, false)
	if err != nil {
		t.Fatal(err)
	}
	o := h.Beside(1, testplan.Kernel{Config: "defconfig", Fragments: []string{"vm"}})
	if o.Builder.Dir == h.Builder.Dir || o.Builder.SourceDir() != h.Builder.SourceDir() || o.Builder == h.Builder {
		t.Errorf("%+v beside %+v", o.Builder, h.Builder)
	}
	if o.Config.Base != "defconfig" {
		t.Errorf("config %+v", o.Config)
	}
}
