package qemu

import (
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestConsoles judges whole logs of many kinds and kernels, as they are and changed in what no title may depend on.
func TestConsoles(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/consoles.txtar")
	if err != nil || len(archive.Files) < 100 {
		t.Fatalf("%d logs, %v", len(archive.Files), err)
	}
	for _, f := range archive.Files {
		t.Run(f.Name, func(t *testing.T) {
			part := strings.SplitN(string(f.Data), "\n", 3)
			title, typ, console := part[0], part[1], part[2]
			if v := judged(t, console); v.Type != typ || v.Title != title || v.Corrupted {
				t.Errorf("got %q %q, corrupted %v, want %q %q", v.Type, v.Title, v.Corrupted, typ, title)
			}
			if all := Crashes([]byte(console)); len(all) == 1 && FirstCrash([]byte(console)).Title != title {
				t.Errorf("of a run: got %q, want %q", FirstCrash([]byte(console)).Title, title)
			}
			for name, change := range perturbations {
				if v := judged(t, change(console)); v.Type != typ || v.Title != title {
					t.Errorf("%s: got %q %q, want %q %q", name, v.Type, v.Title, typ, title)
				}
			}
		})
	}
}
