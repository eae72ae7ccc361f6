package qemu

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seriesctl/seriesctl/internal/xec"
)

func TestCanaryRunsUnderTCG(t *testing.T) {
	for _, tool := range []string{"qemu-system-x86_64", "gcc"} {
		if _, err := xec.Find(tool); err != nil {
			t.Skip(err)
		}
	}
	if err := bootCanary(context.Background(), TCG); err != nil {
		t.Fatal(err)
	}
}

// An emulator that aborts, or that starts a guest which never says a word, is not taken for working.
func TestDeadAcceleratorIsFound(t *testing.T) {
	if _, err := xec.Find("gcc"); err != nil {
		t.Skip(err)
	}
	for name, tc := range map[string]struct{ script, want string }{
		"aborts":   {"echo 'error: failed to set MSR' >&2; kill -ABRT $$", "failed to set MSR"},
		"silent":   {"sleep 60", "printed 0 bytes"},
		"exits":    {"exit 0", "without a word"},
		"chatters": {"echo something else; exit 43", "status 43"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "qemu-system-x86_64"), []byte("#!/bin/sh\n"+tc.script+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
			err := bootCanary(context.Background(), KVM)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want %q", err, tc.want)
			}
		})
	}
}
