package qemu

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fakePath makes PATH a directory of scripts; xec.Find looks into the sbin directories besides.
func fakePath(t *testing.T, scripts map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, body := range scripts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
}

func byName(t *testing.T, checks []Check, name string) Check {
	t.Helper()
	for _, c := range checks {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no check %q", name)
	return Check{}
}

func TestCheckHostVersions(t *testing.T) {
	fakePath(t, map[string]string{
		"qemu-system-x86_64": "echo 'QEMU emulator version 5.2.0 (Debian 1:5.2+dfsg-11)'",
		"gcc":                "echo 'gcc (Debian 12.2.0-14) 12.2.0'",
		"git":                "echo 'git version 2.39.5'",
		"make":               "echo nothing",
		"bison":              "exit 3",
		"bwrap":              "echo 'setting up uid map: Permission denied' >&2; exit 1",
	})
	checks := CheckHost(t.Context(), t.TempDir())
	for _, tc := range []struct {
		name   string
		ok     bool
		detail string
	}{
		{"qemu", false, "version 5.2.0, needs 6.0"},
		{"gcc", true, "12.2.0"},
		{"git", true, "2.39.5"},
		{"make", false, "gives no version"},
		{"bison", false, "does not run"},
		{"bubblewrap", false, "Permission denied"},
		{"flex", false, "not found"},
		{"static libc", false, "does not run"},
		{"ccache", false, "not found"},
	} {
		c := byName(t, checks, tc.name)
		if c.OK != tc.ok || !strings.Contains(c.Detail, tc.detail) {
			t.Errorf("%s: ok %v %q, want %v %q", tc.name, c.OK, c.Detail, tc.ok, tc.detail)
		}
		if c.OK != (c.Fix == "") {
			t.Errorf("%s: ok %v with fix %q", tc.name, c.OK, c.Fix)
		}
	}
	if c := byName(t, checks, "ccache"); c.Required {
		t.Error("ccache is required")
	}
}

func TestCheckHostCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if c := byName(t, CheckHost(ctx, t.TempDir()), "gcc"); c.OK {
		t.Errorf("a cancelled check is ok: %+v", c)
	}
}

func TestCheckDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "yet")
	if _, err := checkDisk(dir, 1); err != nil {
		t.Errorf("a workspace that does not exist: %v", err)
	}
	if _, err := checkDisk(dir, 1<<62); err == nil || !strings.Contains(err.Error(), "needs about") {
		t.Errorf("4 EiB are free: %v", err)
	}
}

func TestCheckMemory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "meminfo")
	for _, tc := range []struct {
		text string
		ok   bool
	}{
		{"MemTotal: 9 kB\nMemAvailable:    4194304 kB\n", true},
		{"MemAvailable:    1048576 kB\n", false},
		{"MemTotal: 9 kB\n", false},
	} {
		if err := os.WriteFile(file, []byte(tc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if detail, err := checkMemory(file, 2<<30); (err == nil) != tc.ok {
			t.Errorf("%q: %q, %v", tc.text, detail, err)
		}
	}
}

func TestPackageFamily(t *testing.T) {
	p := packages{"libelf-dev", "elfutils-libelf-devel"}
	for _, tc := range []struct{ text, want string }{
		{"NAME=x\nID=debian\n", "sudo apt-get install libelf-dev"},
		{"ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", "sudo apt-get install libelf-dev"},
		{"ID=fedora\n", "sudo dnf install elfutils-libelf-devel"},
		{"ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", "sudo dnf install elfutils-libelf-devel"},
		{"ID=arch\n", "install the package that is libelf-dev in Debian and elfutils-libelf-devel in Fedora"},
	} {
		if got := packageFamily(tc.text).install(p); got != tc.want {
			t.Errorf("%q: %q, want %q", tc.text, got, tc.want)
		}
	}
}
