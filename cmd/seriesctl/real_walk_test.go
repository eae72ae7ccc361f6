package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/seriesctl/seriesctl/qemu"
	"github.com/seriesctl/seriesctl/testplan"
)

// walksAll builds the tree that the run left in its worker once more, all directories walked, which is what a Builder does
// that does not know what changed: nothing must be left to compile, and the kernel must be the one that was tested.
func (b *bench) walksAll() {
	b.t.Helper()
	plan, err := testplan.Load("mmap-deadlock")
	if err != nil {
		b.t.Fatal(err)
	}
	config := qemu.Config{Base: plan.Kernel.Config, Fragments: plan.Kernel.Fragments, Options: plan.Kernel.Options}
	toolchain, err := qemu.Toolchain(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	hash, err := config.Hash()
	if err != nil {
		b.t.Fatal(err)
	}
	workspace := filepath.Join(b.work, workspaceName)
	record, err := os.ReadFile(filepath.Join(workspace, "worker0", "src.tree"))
	if err != nil {
		b.t.Fatal(err)
	}
	tree := strings.Fields(string(record))[1]
	tested, err := (&qemu.Builder{Images: filepath.Join(workspace, "images")}).Image(qemu.ImageKey(tree, hash, toolchain))
	if err != nil {
		b.t.Fatal(err)
	}
	worker := &qemu.Builder{Dir: filepath.Join(workspace, "worker0"), Images: b.t.TempDir(), Jobs: runtime.NumCPU(), Sandbox: true}
	again, err := worker.Build(b.t.Context(), "again", config, filepath.Join(b.t.TempDir(), "log"))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Logf("all walked: %d objects, %.1f s", again.Compiled, again.Seconds)
	if again.Compiled != 0 || again.Hash != tested.Hash {
		b.t.Errorf("walking all directories compiles %d objects; the same kernel: %t", again.Compiled, again.Hash == tested.Hash)
	}
}
