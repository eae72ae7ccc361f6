package qemu

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestHashKernel: what counts and what does not. The table entries are laid out as by arch/x86/include/asm/bug.h.
func TestHashKernel(t *testing.T) {
	hash := func(text string, ldFlags ...string) string {
		t.Helper()
		dir := t.TempDir()
		write(t, filepath.Join(dir, "a.s"), text)
		run := func(name string, args ...string) {
			cmd := exec.Command(name, args...)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				if errors.Is(err, exec.ErrNotFound) {
					t.Skip(err)
				}
				t.Fatalf("%s: %v\n%s", name, err, out)
			}
		}
		run("as", "-o", "a.o", "a.s")
		run("ld", append([]string{"-N", "-o", "a", "a.o"}, ldFlags...)...)
		f, err := os.Open(filepath.Join(dir, "a"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		h, err := hashKernel(f)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	kernel := func(line, flags, code int) string {
		return `.globl _start
_start: nop
2: ud2
 mov $` + strconv.Itoa(code) + `, %eax
.section __bug_table, "aw"
1: .long 2b - .
 .long 0
 .word ` + strconv.Itoa(line) + `
 .word ` + strconv.Itoa(flags) + "\n"
	}
	base := hash(kernel(10, 1, 7), "--build-id")
	for name, tt := range map[string]struct {
		got  string
		same bool
	}{
		"again":               {hash(kernel(10, 1, 7), "--build-id"), true},
		"another build id":    {hash(kernel(10, 1, 7), "--build-id=0x"+strings.Repeat("ab", 20)), true},
		"another line":        {hash(kernel(11, 1, 7), "--build-id"), true},
		"other flags":         {hash(kernel(10, 3, 7), "--build-id"), false},
		"other code":          {hash(kernel(10, 1, 8), "--build-id"), false},
		"another address":     {hash(kernel(10, 1, 7), "--build-id", "-Ttext=0x2000000"), false},
		"symbols only":        {hash(kernel(10, 1, 7)+".set local_name, 5\n", "--build-id"), true},
		"not a table of bugs": {hash(strings.Replace(kernel(11, 1, 7), "2b - .", "77", 1), "--build-id"), false},
	} {
		if (tt.got == base) != tt.same {
			t.Errorf("%s: same hash is %t, want %t", name, tt.got == base, tt.same)
		}
	}
}

// FuzzHashKernel: the kernel comes out of a build that is not trusted.
func FuzzHashKernel(f *testing.F) {
	self, err := os.ReadFile("/bin/true")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.Fatal(err)
	}
	f.Add(self[:min(len(self), 4096)])
	f.Add([]byte("\x7fELF"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := hashKernel(strings.NewReader(string(data)))
		if err == nil && len(h) != 64 {
			t.Errorf("hash %q", h)
		}
	})
}

func TestImageKey(t *testing.T) {
	keys := map[string]bool{}
	for _, k := range [][3]string{{"t", "c", "g"}, {"t2", "c", "g"}, {"t", "c2", "g"}, {"t", "c", "g2"}, {"tc", "", "g"}} {
		keys[ImageKey(k[0], k[1], k[2])] = true
	}
	if len(keys) != 5 {
		t.Errorf("%d keys of 5", len(keys))
	}
}
