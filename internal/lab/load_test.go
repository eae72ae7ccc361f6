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
	same := func() {
		loads++
		got, err := l.Load()
		if err != nil {
			t.Fatal(err)
		}
		want, err := Load(e.Store, e.Spec)
		if err != nil {
			t.Fatal(err)
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
