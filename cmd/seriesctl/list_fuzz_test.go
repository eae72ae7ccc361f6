package main

import (
	"errors"
	"strconv"
	"strings"
	"testing"
)

// FuzzParseList checks that a list of numbers stays within its bounds, and is itself when written out.
func FuzzParseList(f *testing.F) {
	for _, s := range []string{"1-4,7", "", " 3 ,2", "1-1", "4-1", "0", "1-99999999999999999999", "-1", "1--2", "+1", "1,,2", "1-9,1-9,1-9"} {
		f.Add(s, 1, 9)
	}
	f.Fuzz(func(t *testing.T, s string, lo, hi int) {
		if lo < 0 || hi > 1000 {
			return
		}
		list, err := parseList("patches", s, lo, hi)
		if err != nil {
			var bad *userError
			if !errors.As(err, &bad) || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Fatalf("%q", err)
			}
			return
		}
		if len(list) == 0 || len(list) > (strings.Count(s, ",")+1)*(hi-lo+1) {
			t.Fatalf("%d numbers", len(list))
		}
		var out []string
		for _, n := range list {
			if n < lo || n > hi {
				t.Fatalf("%d is not between %d and %d", n, lo, hi)
			}
			out = append(out, strconv.Itoa(n))
		}
		again, err := parseList("patches", strings.Join(out, ","), lo, hi)
		if err != nil || len(again) != len(list) {
			t.Fatalf("written out it is %v %v, not %v", again, err, list)
		}
		for i := range list {
			if again[i] != list[i] {
				t.Fatalf("written out it is %v, not %v", again, list)
			}
		}
	})
}
