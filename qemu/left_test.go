package qemu

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// surrounding is what the tests' process holds of the host: what must be as before when a call has ended.
type surrounding struct{ processes, files, mounts []string }

func surroundings(t *testing.T) surrounding {
	t.Helper()
	var s surrounding
	parent := map[string]string{}
	names, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range names {
		pid := filepath.Base(filepath.Dir(name))
		n, _ := strconv.Atoi(pid)
		if f := processStat(n); len(f) > 1 && f[0][0] != 'Z' {
			parent[pid] = string(f[1])
		}
	}
	me := strconv.Itoa(os.Getpid())
	for pid := range parent {
		for p := parent[pid]; p != ""; p = parent[p] {
			if p == me {
				comm, _ := os.ReadFile("/proc/" + pid + "/comm")
				s.processes = append(s.processes, pid+" "+strings.TrimSpace(string(comm)))
				break
			}
		}
		// One that lost its parents is init's child, and still named as the test named it.
		comm, _ := os.ReadFile("/proc/" + pid + "/comm")
		if c := strings.TrimSpace(string(comm)); strings.HasPrefix(c, "seriesctl-bomb") {
			s.processes = append(s.processes, pid+" "+c)
		}
	}
	slices.Sort(s.processes)
	fds, _ := os.ReadDir("/proc/self/fd")
	for _, fd := range fds {
		to, err := os.Readlink("/proc/self/fd/" + fd.Name())
		if err == nil && (strings.HasPrefix(to, "socket:") || strings.HasPrefix(to, "pipe:") || strings.HasPrefix(to, os.TempDir())) {
			s.files = append(s.files, to)
		}
	}
	slices.Sort(s.files)
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	s.mounts = strings.Split(string(mounts), "\n")
	return s
}

// check fails the test when something came since before was taken and does not go away.
func (before surrounding) check(t *testing.T) {
	t.Helper()
	var left []string
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		now := surroundings(t)
		left = nil
		for _, pair := range [][2][]string{{before.processes, now.processes}, {before.files, now.files}, {before.mounts, now.mounts}} {
			for _, x := range pair[1] {
				if !slices.Contains(pair[0], x) {
					left = append(left, x)
				}
			}
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Errorf("left behind: %q", left)
			return
		}
	}
}
