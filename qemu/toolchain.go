package qemu

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/seriesctl/seriesctl/internal/xec"
)

// buildHint names what a kernel build needs, by the packages of Debian and Fedora.
const buildHint = "install what builds a kernel: `apt install build-essential flex bison bc libelf-dev`" +
	" or `dnf install gcc make binutils flex bison bc elfutils-libelf-devel`"

// buildTools are the programs every kernel build starts.
var buildTools = []string{"make", "gcc", "ld", "flex", "bison", "bc"}

// Toolchain names the compiler and linker that Build uses, with their versions: "gcc (Debian 12.2.0-14) 12.2.0;
// GNU ld (GNU Binutils for Debian) 2.40". It is an *InfraError when one is missing or does not run.
func Toolchain(ctx context.Context) (string, error) {
	var versions []string
	for _, tool := range []string{"gcc", "ld"} {
		out, err := xec.Cmd{Name: tool, Args: []string{"--version"}}.Output(ctx)
		if err := ctx.Err(); err != nil {
			return "", err
		}
		if err != nil {
			return "", &InfraError{Op: "find compiler", Err: err, Hint: buildHint}
		}
		first, _, _ := strings.Cut(string(out), "\n")
		versions = append(versions, strings.TrimSpace(first))
	}
	return strings.Join(versions, "; "), nil
}

// checkBuildTools is an *InfraError that names every program a build needs and does not find. The sandbox shows a build
// only the system's own directories.
func checkBuildTools(sandbox bool) error {
	var missing []string
	for _, tool := range buildTools {
		path, err := xec.Find(tool)
		switch {
		case err != nil:
			missing = append(missing, tool)
		case sandbox && !inSystemDirs(path):
			return &InfraError{
				Op:   "build kernel",
				Err:  fmt.Errorf("%s is %s, which the build sandbox does not show", tool, path),
				Hint: "put the system's compiler first in PATH, or give --no-sandbox",
			}
		}
	}
	if missing == nil {
		return nil
	}
	return &InfraError{
		Op:   "build kernel",
		Err:  fmt.Errorf("not installed: %s", strings.Join(missing, ", ")),
		Hint: buildHint,
	}
}

func inSystemDirs(path string) bool {
	return slices.ContainsFunc(systemDirs, func(dir string) bool { return strings.HasPrefix(path, dir+"/") })
}
