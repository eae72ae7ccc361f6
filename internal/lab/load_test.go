package lab

import (
	"reflect"
	"testing"
)

// Who loads again and again, while runs are stored, sees each time what who loads for the first time sees.
func TestLoaderIsLoad(t *testing.T) {
	e, f := ktapFake(t)
	e.Workers = 1
	l := NewLoader(e.Store, e.Spec)
	loads := 0
	load := func(load func() (*Result, error)) *Result {
		r, err := load()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first := func() (*Result, error) { return Load(e.Store, e.Spec) }
	same := func() {
		loads++
		before, got, want := load(first), load(l.Load), load(first)
		for !reflect.DeepEqual(before, want) { // something was built meanwhile
			before, got, want = want, load(l.Load), load(first)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("load %d: got %+v, want %+v", loads, got, want)
		}
	}
	f.onRun = same
	mustRun(t, e)
	same()
	if loads < 10 {
		t.Errorf("loaded %d times only", loads)
	}
}
