package main

import (
	"reflect"
	"testing"

	"github.com/spf13/cobra"

	"github.com/seriesctl/seriesctl/internal/lab"
)

// What is said on the command line goes before what the last run was asked, also where it says "none".
func TestFill(t *testing.T) {
	last := lab.Asked{Source: "/linux", Base: "v5.10", Prerequisites: []string{"/pre"}, Patches: "1-3", Fuzz: 2, ThreeWay: true, Plan: "mine"}
	for _, tt := range []struct {
		args []string
		want func(a *lab.Asked)
	}{
		{nil, func(*lab.Asked) {}},
		{[]string{"--patches", "2", "--resolutions", "fixed"}, func(a *lab.Asked) { a.Patches, a.Resolutions = "2", "fixed" }},
		{[]string{"--patches", "", "--fuzz", "0", "--3way=false"}, func(a *lab.Asked) { a.Patches, a.Fuzz, a.ThreeWay = "", 0, false }},
		{[]string{"--base", "v5.11", "--prerequisite", "a", "--prerequisite", "b"}, func(a *lab.Asked) { a.Base, a.Prerequisites = "v5.11", []string{"a", "b"} }},
	} {
		var f sourceFlags
		cmd := &cobra.Command{Use: "x"}
		f.add(cmd)
		if err := cmd.ParseFlags(tt.args); err != nil {
			t.Fatal(err)
		}
		f.fill(last)
		want := last
		tt.want(&want)
		if !reflect.DeepEqual(f.Asked, want) {
			t.Errorf("%q: got %+v, want %+v", tt.args, f.Asked, want)
		}
	}
}
