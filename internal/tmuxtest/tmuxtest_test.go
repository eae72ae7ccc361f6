package tmuxtest

import "testing"

func TestStatus(t *testing.T) {
	for command, want := range map[string]string{
		"exit 3": "3",
		"trap '' HUP; exec </dev/null >/dev/null 2>&1; sleep 0.5; exit 4": "4", // as a process does whose files take long to close
		"kill -9 $$": "signal 9",
	} {
		if got := Start(t, t.TempDir(), 20, 5, command).Status(); got != want {
			t.Errorf("%s: got %q", command, got)
		}
	}
}
