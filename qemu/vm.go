package qemu

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/seriesctl/seriesctl/internal/pattern"
	"github.com/seriesctl/seriesctl/internal/xec"
)

const (
	bootQuiet   = 30 * time.Second  // without a byte on the console, before the agent
	bootMax     = 120 * time.Second // from QEMU's start to the agent, whatever it prints
	bootFlood   = 2 << 20           // bytes on the console before the agent
	answerMax   = 20 * time.Second  // for QEMU to answer its monitor
	snapshotMax = 120 * time.Second // to write or read a snapshot
	startMax    = 15 * time.Second  // for the agent to take up a case
	panicQuiet  = time.Second       // after which a panic's report is over
	panicMax    = 3 * time.Second   // a panic's report takes no longer
	snapshotTag = "agent"
)

// VM is a virtual machine that has booted to its agent. It serves one Run at a time.
type VM struct {
	kernel  string
	machine Machine
	dir     string
	disks   string
	extras  extras

	mu         sync.Mutex // held by Run and Close
	guest      *guest     // nil when it has to boot first
	atTag      bool       // the guest stands at its snapshot
	noSnapshot string     // why there are none: then each run is from a boot of its own
}

// guest is one QEMU process and its connections.
type guest struct {
	dir     string
	process *xec.Process
	qmp     *qmp
	serial  *stream
	agent   *stream
	conn    *net.UnixConn // the agent's
	parser  messageParser
	console atomic.Pointer[console]
	sink    atomic.Pointer[sink]
	stopped atomic.Bool // a signal stopped QEMU, and it was ended for that
	booted  time.Duration
	saved   time.Duration
}

// sink takes what a guest says while somebody listens.
type sink struct {
	ch   chan any // message, or qmpEvent
	done chan struct{}
}

func (g *guest) listen() *sink {
	s := &sink{ch: make(chan any, 64), done: make(chan struct{})}
	g.sink.Store(s)
	return s
}

func (g *guest) unlisten(s *sink) {
	g.sink.CompareAndSwap(s, nil)
	close(s.done)
}

func (g *guest) tell(x any) {
	if s := g.sink.Load(); s != nil {
		select {
		case s.ch <- x:
		case <-s.done:
		}
	}
}

// BootLog is the name of a boot's console log.
const BootLog = "boot.log"

// Start boots kernel, an ELF vmlinux, to the agent and takes the snapshot that every Run restores. dir is a private
// directory for sockets, overlays and the boot's console log (BootLog), written while it boots; disks is a cache for file-system images and the
// agent, and can be shared. Errors: *BootError when the kernel does not reach the agent, *InfraError, or ctx.Err().
func Start(ctx context.Context, kernel string, m Machine, dir, disks string) (*VM, error) {
	kernel, err := filepath.Abs(kernel)
	if err != nil {
		return nil, &InfraError{Op: "find kernel", Err: err}
	}
	if _, err := os.Stat(kernel); err != nil {
		return nil, &InfraError{Op: "find kernel", Err: err}
	}
	v := &VM{kernel: kernel, machine: m.withDefaults(), dir: dir, disks: disks}
	if err := v.boot(ctx); err != nil {
		_ = v.Close() // removes what it prepared
		return nil, err
	}
	return v, nil
}

// boot starts QEMU and brings it to the snapshot.
func (v *VM) boot(ctx context.Context) error {
	g, err := launch(ctx, v.kernel, v.machine, v.dir, v.disks, v.extras)
	if err != nil {
		return err
	}
	if err := g.toAgent(ctx); err != nil {
		if failed := (*BootError)(nil); errors.As(err, &failed) {
			failed.Crash.symbolise(v.kernel)
			if failed.Crash != nil && oomPanic.MatchString(failed.Crash.Title) {
				err = noMemory("boot kernel")
			}
		}
		g.kill()
		return err
	}
	if v.noSnapshot != "" {
		err = g.stop(ctx)
	} else if err = g.snapshot(ctx); err != nil {
		if no := refusal(""); errors.As(err, &no) && cannotSnapshot.MatchString(string(no)) {
			v.noSnapshot, err = string(no), nil
		}
	}
	if err != nil {
		g.kill()
		return err
	}
	v.guest, v.atTag = g, true
	return nil
}

// cannotSnapshot matches what QEMU says of devices and accelerators that have no snapshots, and not of a full disk.
var cannotSnapshot = pattern.New(`(?i)support (?:live )?snapshot|accept snapshots|migrat|state blocked`)

// NoSnapshot says why QEMU takes no snapshots of this machine, "" when it does. Without them each run has a boot of its own,
// which takes longer and shows the same.
func (v *VM) NoSnapshot() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.noSnapshot
}

// extras are what a guest for a person has beyond one for runs.
type extras struct {
	args []string  // QEMU's
	echo io.Writer // gets what the console prints
}

// launch prepares disks and starts QEMU; it returns when QEMU has connected.
func launch(ctx context.Context, kernel string, m Machine, dir, disks string, x extras) (*guest, error) {
	path, err := findEmulator()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, &InfraError{Op: "make vm directory", Err: err, Hint: spaceHint(err)}
	}
	if err := prepare(ctx, m, dir, disks); err != nil {
		return nil, err
	}
	loader, err := prepareKernel(ctx, kernel, dir, disks)
	if err != nil {
		return nil, err
	}
	if !noURing.Load() {
		g, err := startQEMU(ctx, path, append(m.args(loader, "io_uring"), x.args...), dir, x.echo)
		if !refusesURing(err) {
			return g, err
		}
		noURing.Store(true)
	}
	return startQEMU(ctx, path, append(m.args(loader, "threads"), x.args...), dir, x.echo)
}

// noURing says that the host or its QEMU has no io_uring, which makes a restore a fifth cheaper than QEMU's own threads do.
var noURing atomic.Bool

// refusesURing says whether QEMU did not start for want of io_uring: it is not built with it, or the host does not allow it.
func refusesURing(err error) bool {
	var x *xec.Error
	return errors.As(err, &x) && strings.Contains(x.Stderr, "io_uring")
}

// startQEMU starts QEMU, at path, on what is prepared in dir; echo gets what the console prints, nil for nobody.
func startQEMU(ctx context.Context, path string, args []string, dir string, echo io.Writer) (_ *guest, err error) {
	g := &guest{dir: dir}
	g.console.Store(newConsole())

	// A socket's path has 108 bytes at most, a workspace's may have more: QEMU gets names relative to its directory, and
	// here they go through the directory's descriptor.
	d, err := os.Open(dir)
	if err != nil {
		return nil, &InfraError{Op: "open vm directory", Err: err}
	}
	defer d.Close()
	var listeners []*net.UnixListener
	defer func() {
		for _, l := range listeners {
			_ = l.Close() // unlinks the socket
		}
	}()
	for _, name := range []string{"monitor.sock", "console.sock", "agent.sock"} {
		_ = os.Remove(filepath.Join(dir, name))
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), name), Net: "unix"})
		if err != nil {
			return nil, &InfraError{Op: "listen for qemu", Err: err}
		}
		listeners = append(listeners, l)
	}
	// The process must outlive this call's context: Close and kill end it.
	g.process, err = xec.Cmd{Name: path, Args: args, Dir: dir, Grace: -1}.Start(context.WithoutCancel(ctx))
	if err != nil {
		return nil, &InfraError{Op: "start qemu", Err: err}
	}
	go g.endWhenStopped()
	conns := make([]*net.UnixConn, len(listeners))
	for i, l := range listeners {
		if conns[i], err = accept(ctx, l, g.process); err != nil {
			for _, c := range conns[:i] {
				_ = c.Close()
			}
			g.process.Kill()
			if ctx.Err() == nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				err = g.death(err)
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, &InfraError{Op: "start qemu", Err: err, Hint: startHint(err)}
		}
	}
	g.conn = conns[2]
	g.serial = newStream(conns[1], func(b []byte) {
		_, _ = g.console.Load().Write(b)
		if echo != nil {
			_, _ = echo.Write(b)
		}
	})
	g.agent = newStream(conns[2], func(b []byte) {
		for _, m := range g.parser.feed(b) {
			g.tell(m)
		}
	})
	qctx, cancel := context.WithTimeout(ctx, answerMax)
	defer cancel()
	g.qmp, err = dialQMP(qctx, conns[0], func(e qmpEvent) { g.tell(e) })
	if err != nil {
		_ = conns[0].Close()
		g.kill()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		err = g.death(err)
		return nil, &InfraError{Op: "start qemu", Err: err, Hint: startHint(err)}
	}
	return g, nil
}

// startHint is what helps a QEMU that ends at once, by what it said.
func startHint(err error) string {
	said := err.Error()
	var x *xec.Error
	if errors.As(err, &x) {
		said = x.Stderr
	}
	switch {
	case strings.Contains(strings.ToLower(said), "kvm"):
		return "use another accelerator: --accel tcg; `seriesctl doctor` checks this host"
	case strings.Contains(said, "invalid option"), strings.Contains(said, "nvalid parameter"), strings.Contains(said, "unsupported machine type"),
		strings.Contains(said, "not a valid device"), strings.Contains(said, "not found"):
		return "QEMU 6.0 or newer is needed; `seriesctl doctor` checks this host"
	}
	return ""
}

// accept waits for QEMU to connect.
func accept(ctx context.Context, l *net.UnixListener, p *xec.Process) (*net.UnixConn, error) {
	if err := l.SetDeadline(time.Now().Add(answerMax)); err != nil {
		return nil, err
	}
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-ctx.Done():
		case <-p.Done():
		case <-stop:
			return
		}
		_ = l.Close()
	}()
	return l.AcceptUnix()
}

// prepare makes the files that QEMU opens in dir.
func prepare(ctx context.Context, m Machine, dir, disks string) error {
	for _, d := range m.disks() {
		image := ""
		switch {
		case d.fs != nil:
			var err error
			if image, err = makeDisk(ctx, *d.fs, disks); err != nil {
				return err
			}
		case d.size == 0:
			image = m.System.Image
		}
		if err := overlay(filepath.Join(dir, d.id+".qcow2"), image, d.size); err != nil {
			return err
		}
	}
	if err := overlay(filepath.Join(dir, "state.qcow2"), "", 1<<20); err != nil {
		return err
	}
	agent, err := buildAgent(ctx, disks)
	if err != nil {
		return err
	}
	archive := ""
	if len(m.Tools) > 0 {
		if archive, err = toolArchive(ctx, disks, m.Tools); err != nil {
			return err
		}
	}
	files, err := fileRecords(ctx, m.Files)
	if err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, "initramfs.cpio"))
	if err != nil {
		return &InfraError{Op: "write initramfs", Err: err, Hint: spaceHint(err)}
	}
	err = writeInitramfs(f, agent, m.Programs)
	if err == nil && archive != "" {
		err = appendFile(f, archive)
	}
	if err == nil && len(files) > 0 {
		err = appendRecords(f, files)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return &InfraError{Op: "write initramfs", Err: err, Hint: spaceHint(err)}
	}
	return nil
}

// toAgent waits for the agent, at most bootQuiet without a byte on the console and at most bootMax. What the console showed
// is in boot.log.
func (g *guest) toAgent(ctx context.Context) error {
	s := g.listen()
	defer g.unlisten(s)
	start := time.Now()
	con := g.console.Load()
	log := filepath.Join(g.dir, BootLog)
	defer con.follow(log)()
	fail := func(reason string) error {
		g.serial.flush()
		if err := con.save(log); err != nil {
			return &InfraError{Op: "write boot log", Err: err, Hint: spaceHint(err)}
		}
		return &BootError{Reason: reason, Crash: con.crash(), Log: log}
	}
	late := func(reason string) error {
		if starved(turns{}, turnsOf(g.process.PID())) {
			return tooBusy("boot kernel", reason)
		}
		return fail(reason)
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-g.process.Done():
			return &InfraError{Op: "boot kernel", Err: g.death(errors.New("qemu ended"))}
		case x := <-s.ch:
			switch x := x.(type) {
			case message:
				if x.kind == "ready" {
					g.booted = time.Since(start)
					g.serial.flush()
					if err := con.save(log); err != nil {
						return &InfraError{Op: "write boot log", Err: err, Hint: spaceHint(err)}
					}
					return allProcessors(x.data)
				}
			case qmpEvent:
				switch x.Name {
				case "SHUTDOWN":
					return fail("the kernel reset the machine before the agent")
				case "BLOCK_IO_ERROR":
					return diskError(x)
				}
			}
		case <-tick.C:
			switch {
			case con.paniced():
				return fail("panic before the agent")
			case con.printed() == 0 && con.quietFor() > bootQuiet:
				return late(fmt.Sprintf("nothing on the console in %v", bootQuiet))
			case con.printed() > bootFlood:
				return fail(fmt.Sprintf("the console is flooded: %d MiB before the agent", bootFlood>>20))
			case con.quietFor() > bootQuiet:
				return late(fmt.Sprintf("no agent, and nothing on the console for %v", bootQuiet))
			case time.Since(start) > bootMax:
				return late(fmt.Sprintf("no agent after %v", bootMax))
			}
		}
	}
}

// allProcessors reads how many processors run, and how many the kernel would: one that does not come up within the kernel's ten seconds
// is left out without a word, and a race that needs two would look fixed.
func allProcessors(ready []byte) error {
	var run, all int
	if n, err := fmt.Sscan(string(ready), &run, &all); err != nil || n != 2 || run >= all {
		return nil
	}
	return &InfraError{Op: "boot kernel", Err: fmt.Errorf("only %d of %d processors came up", run, all), Hint: "the host is too busy: fewer --jobs"}
}

// diskError is why QEMU stopped a guest whose disk it could not read or write.
func diskError(e qmpEvent) error {
	var failed struct {
		Operation string `json:"operation"`
		Full      bool   `json:"nospace"`
		Reason    string `json:"reason"`
	}
	_ = json.Unmarshal(e.Data, &failed)
	err := fmt.Errorf("qemu stopped the guest: %s", strings.ToLower(failed.Reason))
	if failed.Full {
		err = fmt.Errorf("qemu stopped the guest: %w", syscall.ENOSPC)
	}
	return &InfraError{Op: cmp.Or(failed.Operation, "use") + " guest disk", Err: err, Hint: "free disk space, or move the workspace"}
}

// snapshot stops the guest and saves it.
func (g *guest) snapshot(ctx context.Context) error {
	start := time.Now()
	if err := g.stop(ctx); err != nil {
		return err
	}
	sctx, cancel := context.WithTimeout(ctx, snapshotMax)
	defer cancel()
	if err := g.qmp.silent(sctx, "savevm "+snapshotTag); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err = g.death(err); diskIsFull(g.dir) { // QEMU says "Input/output error"
			err = fmt.Errorf("%w: %w", syscall.ENOSPC, err)
		}
		return &InfraError{Op: "save snapshot", Err: err, Hint: spaceHint(err)}
	}
	g.saved = time.Since(start)
	return nil
}

// stop stops the guest; everything it printed and said has then been handled.
func (g *guest) stop(ctx context.Context) error {
	qctx, cancel := context.WithTimeout(ctx, answerMax)
	defer cancel()
	if _, err := g.qmp.command(qctx, "stop", nil); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &InfraError{Op: "stop guest", Err: g.death(err)}
	}
	g.serial.flush()
	g.agent.flush()
	return nil
}

// restore brings a stopped guest to the snapshot.
func (g *guest) restore(ctx context.Context) error {
	sctx, cancel := context.WithTimeout(ctx, snapshotMax)
	defer cancel()
	if err := g.qmp.silent(sctx, "loadvm "+snapshotTag); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &InfraError{Op: "restore snapshot", Err: g.death(err)}
	}
	g.serial.flush()
	g.agent.flush()
	g.parser.reset()
	return nil
}

// death is err, or how QEMU ended when it has.
func (g *guest) death(err error) error {
	select {
	case <-g.process.Done():
	case <-time.After(100 * time.Millisecond):
		return err
	}
	if g.stopped.Load() {
		return errors.New("qemu was stopped by a signal from outside (SIGSTOP)")
	}
	if werr := g.process.Wait(); werr != nil {
		return werr
	}
	return fmt.Errorf("qemu ended: %w", err)
}

// stoppedMax is how long QEMU may be stopped by a signal.
const stoppedMax = 2 * time.Second

// endWhenStopped kills a QEMU that somebody stops: it would answer nothing, and its guest would look as if it hung. A
// process that only gets no CPU time is in another state.
func (g *guest) endWhenStopped() {
	const every = 250 * time.Millisecond
	tick := time.NewTicker(every)
	defer tick.Stop()
	for seen := time.Duration(0); seen < stoppedMax; {
		select {
		case <-g.process.Done():
			return
		case <-tick.C:
		}
		if state, _ := processState(g.process.PID()); state == 'T' {
			seen += every
		} else {
			seen = 0
		}
	}
	g.stopped.Store(true)
	g.process.Kill()
}

// kill ends QEMU at once and closes its connections.
func (g *guest) kill() {
	g.process.Kill()
	_ = g.process.Wait()
	if g.qmp != nil {
		g.qmp.close()
	}
	g.serial.close()
	g.agent.close()
}

// Run restores the snapshot and runs c. What the guest prints in this run is written to the file console while it does, at most
// about 1 MiB of it: beginning, first incident and end of a flood. What the kernel did is in the Observation, whatever it is; the
// error is an *InfraError or ctx.Err(). After a failure of the lab the machine is booted again and c run once more, before
// it is reported.
func (v *VM) Run(ctx context.Context, c Case, console string) (Observation, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.check(c); err != nil {
		return Observation{}, err
	}
	o, err := v.try(ctx, c, console)
	if err == nil || ctx.Err() != nil {
		return o, err
	}
	first := err
	v.drop()
	if o, err = v.try(ctx, c, console); err == nil || ctx.Err() != nil {
		return o, err
	}
	v.drop()
	return Observation{}, twice(first, err)
}

// twice is the lab's failure that a fresh boot did not mend.
func twice(first, second error) error {
	infra := &InfraError{Op: "run case", Err: second}
	var e *InfraError
	if errors.As(second, &e) {
		infra = &InfraError{e.Op, e.Err, e.Hint}
	}
	if first.Error() == second.Error() {
		infra.Err = fmt.Errorf("%w (also after a fresh boot)", infra.Err)
	} else {
		infra.Err = fmt.Errorf("%w (after a fresh boot; before: %w)", infra.Err, first)
	}
	return infra
}

// defaultTimeout is a case's when it states none.
const defaultTimeout = time.Minute

// check refuses a case that this machine cannot run.
func (v *VM) check(c Case) error {
	if len(c.Argv) == 0 {
		return &InfraError{Op: "run case", Err: errors.New("no command")}
	}
	switch _, ok := v.machine.Programs[c.Argv[0]]; {
	case c.System && v.machine.System == nil:
		return &InfraError{Op: "run case", Err: errors.New("the vm has no system to run it in")}
	case !ok && !c.System && !slices.Contains(c.Tools, c.Argv[0]):
		return &InfraError{Op: "run case", Err: fmt.Errorf("the vm has no program %q", c.Argv[0])}
	}
	for _, t := range c.Tools {
		if !slices.Contains(v.machine.Tools, t) {
			return &InfraError{Op: "run case", Err: fmt.Errorf("the vm has no tool %q", t)}
		}
	}
	f, _, ok := v.filesystem(c.Filesystem)
	switch {
	case !ok:
		return &InfraError{Op: "run case", Err: fmt.Errorf("the vm has no file system %q", c.Filesystem)}
	case c.Scratch && !f.Scratch:
		return &InfraError{Op: "run case", Err: fmt.Errorf("the vm has no scratch disk beside file system %q", c.Filesystem)}
	}
	return nil
}

func (v *VM) filesystem(name string) (Filesystem, string, bool) {
	if name == "" {
		return Filesystem{}, "", true
	}
	for i, f := range v.machine.Filesystems {
		if f.Name == name {
			return f, serial(i, f), true
		}
	}
	return Filesystem{}, "", false
}

// try runs c once, from the snapshot or from a fresh boot when there is none to restore.
func (v *VM) try(ctx context.Context, c Case, console string) (Observation, error) {
	if !v.atTag && v.noSnapshot != "" {
		v.drop()
	}
	if v.guest == nil {
		if err := v.boot(ctx); err != nil {
			// The same kernel has booted before: that it does not now is not its doing.
			var b *BootError
			if errors.As(err, &b) {
				err = &InfraError{Op: "boot again", Err: b}
			}
			return Observation{}, err
		}
	}
	if !v.atTag {
		if err := v.guest.restore(ctx); err != nil {
			// A refusal is no better the next time; Run tries once more, with a boot.
			if no := refusal(""); errors.As(err, &no) {
				v.noSnapshot = string(no)
			}
			return Observation{}, err
		}
	}
	v.atTag = false
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	r := &run{guest: v.guest, kernel: v.kernel, c: c, nonce: nonce(), console: newConsole(), out: output{size: c.Output}}
	r.fs, r.disk, _ = v.filesystem(c.Filesystem)
	stop := r.console.follow(console)
	o, err := r.do(ctx)
	stop()
	if err == nil {
		if err = r.console.save(console); err != nil {
			err = &InfraError{Op: "write console log", Err: err, Hint: spaceHint(err)}
		}
	}
	o.Console = console
	if err != nil || r.gone {
		v.drop()
	}
	return o, err
}

func (v *VM) drop() {
	if v.guest != nil {
		v.guest.kill()
		v.guest = nil
	}
}

func nonce() string {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// Close ends QEMU and removes the VM's files but boot.log. It is not an error to close twice.
func (v *VM) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.drop()
	return removeFiles(v.dir, v.machine)
}
