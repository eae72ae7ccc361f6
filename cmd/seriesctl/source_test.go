package main

import (
	"reflect"
	"testing"

	"github.com/seriesctl/seriesctl/internal/lab"
	"github.com/seriesctl/seriesctl/series"
)

// What is said beside no --source counts; the rest is as it was in the last run.
func TestTheLastRunGivesWhatTheFlagsLeaveOpen(t *testing.T) {
	st := withSeries(t)
	spec := specWith("gfs2/sanity")
	spec.Asked = lab.Asked{Source: "/src", Base: "v6.1", Prerequisites: []string{"/p.mbox"}, Patches: "1-4", Plan: "/plan.yaml"}
	if err := st.PutMatrix("s", spec); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ said, want lab.Asked }{
		{lab.Asked{}, spec.Asked},
		{lab.Asked{Patches: "1-2", Fuzz: 1}, lab.Asked{Source: "/src", Base: "v6.1", Prerequisites: []string{"/p.mbox"}, Patches: "1-2", Fuzz: 1, Plan: "/plan.yaml"}},
		{lab.Asked{Base: "v6.2", Prerequisites: []string{"/q.mbox"}, ThreeWay: true}, lab.Asked{Source: "/src", Base: "v6.2", Prerequisites: []string{"/q.mbox"}, Patches: "1-4", ThreeWay: true, Plan: "/plan.yaml"}},
		{lab.Asked{Source: "/other"}, lab.Asked{Source: "/other"}},
	} {
		f := &sourceFlags{Asked: tc.said}
		if f.defaults(st, &series.Series{ID: "s"}); !reflect.DeepEqual(f.Asked, tc.want) {
			t.Errorf("said %+v: got %+v, want %+v", tc.said, f.Asked, tc.want)
		}
	}
}
