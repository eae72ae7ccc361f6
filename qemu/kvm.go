package qemu

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/seriesctl/seriesctl/internal/xec"
)

//go:embed canary.S
var canarySource string

const (
	// canaryTime is how long the canary has to print its word; with TCG it takes 0.1 s.
	canaryTime = 5 * time.Second
	// canaryWord is what it prints, canaryStatus the status QEMU then exits with.
	canaryWord   = "canary\n"
	canaryStatus = 43
)

// ProbeKVM says whether guests really run with KVM here, by booting one; why says what is wrong when they do not:
// "no /dev/kvm", "/dev/kvm present but dead: …". That /dev/kvm exists, and even that virtual machines can be made,
// proves nothing: nested and container hosts have been seen where QEMU then aborts or the guest never runs.
func ProbeKVM(ctx context.Context) (ok bool, why string) {
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, "no /dev/kvm"
	case err != nil:
		return false, fmt.Sprintf("/dev/kvm cannot be opened: %v", err)
	}
	_ = f.Close()
	if err := bootCanary(ctx, KVM); err != nil {
		return false, "/dev/kvm present but dead: " + err.Error()
	}
	return true, ""
}

// bootCanary boots the smallest guest with an accelerator and returns why it did not run.
func bootCanary(ctx context.Context, accel Accel) error {
	dir, err := os.MkdirTemp("", "seriesctl-canary-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	kernel, err := assemble(ctx, "canary", canarySource, loadAt, dir)
	if err != nil {
		return fmt.Errorf("assemble canary: %w", err)
	}
	emulator, err := findEmulator()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, canaryTime)
	defer cancel()
	var console bytes.Buffer
	err = xec.Cmd{Name: emulator, Args: []string{"-M", "q35", "-accel", string(accel), "-cpu", cpuModel, "-m", "64",
		"-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-kernel", kernel,
		"-device", "isa-debug-exit,iobase=0xf4,iosize=1"}, Stdout: &console, Grace: -1}.Run(ctx)
	var exit *xec.Error
	switch {
	case errors.As(err, &exit) && exit.Status == canaryStatus && console.String() == canaryWord:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the guest printed %d bytes in %v and did not end", console.Len(), canaryTime)
	case exit != nil && exit.Stderr != "":
		first, _, _ := strings.Cut(exit.Stderr, "\n")
		return fmt.Errorf("qemu: %w: %s", exit.Err, strings.TrimPrefix(first, filepath.Base(emulator)+": "))
	case err != nil:
		return err
	}
	return errors.New("the guest ended without a word")
}
