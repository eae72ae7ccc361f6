package qemu

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/seriesctl/seriesctl/internal/xec"
)

// Accel is how QEMU runs the guest's code.
type Accel string

// The accelerators: the host's virtualisation, and emulation, which works everywhere.
const (
	KVM Accel = "kvm"
	TCG Accel = "tcg"
)

// emulator is the program that runs guests.
const emulator = "qemu-system-x86_64"

// kernelArgs is the guest's command line: the console is the serial port; an oops ends the kernel, which then stays as it is,
// so that the report can be read; addresses do not change from run to run; an NMI from the host makes a stuck guest say
// where it is; nothing waits for randomness; a timer that a busy host serves late is no reason to panic. The last line leaves
// out what costs boot time and no case needs: registering 256 pairs of BSD pseudo-terminals takes a second under TCG.
const kernelArgs = "console=ttyS0 earlyprintk=ttyS0,115200 oops=panic panic=0 nokaslr unknown_nmi_panic random.trust_cpu=on no_timer_check" +
	" pty.legacy_count=0 8250.nr_uarts=1 i8042.nokbd i8042.noaux"

// cpuModel is the most the accelerator at hand can do.
const cpuModel = "max"

// machineType is q35 without the devices that no case needs.
const machineType = "q35,sata=off,smbus=off,usb=off,vmport=off"

// Machine is the VM's settings; everything that can change what a run shows is part of Key.
type Machine struct {
	CPUs        int // 0 is 2
	MemoryMB    int // 0 is 256
	Accel       Accel
	Filesystems []Filesystem
	Programs    map[string]string // name in /bin → path of a static program on the host
	System      *System           // nil for none
	// Tools are programs of the host that the guest has in PATH. With any of them it has the usual ones too, those that the
	// host has: a shell, coreutils, mount, xfs_io…; all with their libraries.
	Tools []string
	// Files are copied into the guest: absolute path there → a file or a directory on the host. Programs among them get the
	// libraries they take.
	Files map[string]string
}

func (m Machine) withDefaults() Machine {
	if m.CPUs == 0 {
		m.CPUs = 2
	}
	if m.MemoryMB == 0 {
		m.MemoryMB = 256
	}
	if m.Accel == "" {
		m.Accel = TCG
	}
	return m
}

// Key is a hash of the machine's content: the settings, the agent's source, the programs' bytes, the host's tools, the files, the
// file systems and the programs that make them, and QEMU's version. The order of programs and the paths they are at do not count.
func (m Machine) Key() (string, error) {
	m = m.withDefaults()
	version, err := emulatorVersion(context.Background())
	if err != nil {
		return "", err
	}
	k := newKey("machine")
	k.add(version, kernelArgs, machineType, fmt.Sprint(m.CPUs), fmt.Sprint(m.MemoryMB), string(m.Accel),
		fmt.Sprint(deadlockAfter), fmt.Sprint(livelockAfter))
	k.add(pvhSource, loaderSource)
	agent := agentSource()
	for _, name := range sortedKeys(agent) {
		k.add(name, agent[name])
	}
	for _, name := range sortedKeys(m.Programs) {
		k.add(name)
		if err := k.addFile(m.Programs[name]); err != nil {
			return "", &InfraError{Op: "read program " + name, Err: err}
		}
	}
	if len(m.Tools) > 0 {
		found, err := findTools(m.Tools)
		if err != nil {
			return "", err
		}
		tools, err := toolsKey(found)
		if err != nil {
			return "", err
		}
		k.add("tools", tools)
	}
	for _, path := range sortedKeys(m.Files) {
		files, err := FilesHash(m.Files[path])
		if err != nil {
			return "", err
		}
		k.add("files", path, files)
	}
	for _, f := range m.Filesystems {
		d, err := diskKey(f)
		if err != nil {
			return "", err
		}
		k.add(f.Name, f.Type, f.Options, d)
		if f.Scratch {
			k.add("scratch")
		}
	}
	if m.System != nil {
		k.add("system", m.System.Key)
	}
	return k.sum(), nil
}

// emulatorVersion is the first line of QEMU's --version.
func emulatorVersion(ctx context.Context) (string, error) {
	path, err := findEmulator()
	if err != nil {
		return "", err
	}
	out, err := xec.Cmd{Name: path, Args: []string{"--version"}}.Output(ctx)
	if err != nil {
		return "", &InfraError{Op: "run " + emulator, Err: err}
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line, nil
}

func findEmulator() (string, error) {
	path, err := xec.Find(emulator)
	if err != nil {
		return "", &InfraError{Op: "find qemu", Err: errors.New(emulator + ": not installed"), Hint: "install qemu-system-x86"}
	}
	return path, nil
}

// serial is the serial number of the disk of file system i, by which the agent finds it; "" when it has none.
func serial(i int, f Filesystem) string {
	if !f.hasDisk() {
		return ""
	}
	return fmt.Sprintf("case-%d", i)
}

// args is QEMU's command line; paths but the loader's are relative to the VM's directory, aio is how it reads and writes disks. The
// state disk comes first: savevm writes the machine's state to the first disk that can hold it.
func (m Machine) args(loader, aio string) []string {
	a := []string{
		"-M", machineType, "-cpu", cpuModel, "-smp", fmt.Sprint(m.CPUs), "-m", fmt.Sprint(m.MemoryMB),
		"-nodefaults", "-no-user-config", "-no-reboot", "-no-shutdown", "-display", "none",
		"-kernel", loader, "-fw_cfg", "name=opt/seriesctl/kernel,file=" + kernelFile, "-initrd", "initramfs.cpio", "-append", kernelArgs,
		"-chardev", "socket,id=monitor,path=monitor.sock", "-mon", "chardev=monitor,mode=control",
		"-chardev", "socket,id=console,path=console.sock", "-serial", "chardev:console",
		"-device", "virtio-serial-pci,max_ports=2",
		"-chardev", "socket,id=agent,path=agent.sock", "-device", "virtserialport,chardev=agent,name=seriesctl.agent",
		"-drive", "if=none,id=state,file=state.qcow2,format=qcow2,cache=unsafe,aio=" + aio,
	}
	if m.Accel == KVM {
		a = append(a, "-accel", "kvm")
	} else {
		a = append(a, "-accel", "tcg,thread=multi")
	}
	for _, d := range m.disks() {
		a = append(a,
			"-drive", fmt.Sprintf("if=none,id=%s,file=%[1]s.qcow2,format=qcow2,cache=unsafe,aio=%s,werror=stop,rerror=stop", d.id, aio),
			"-device", fmt.Sprintf("virtio-blk-pci,drive=%s,serial=%s", d.id, d.serial))
	}
	return a
}

// disk is one of the machine's, but for the one that its state is saved to.
type disk struct {
	id     string // and its file's name, without .qcow2
	serial string // by which the agent finds it
	fs     *Filesystem
	size   int64 // of an empty one
}

func (m Machine) disks() []disk {
	var out []disk
	for i := range m.Filesystems {
		f := &m.Filesystems[i]
		if !f.hasDisk() {
			continue
		}
		out = append(out, disk{id: fmt.Sprintf("disk%d", i), serial: serial(i, *f), fs: f})
		if f.Scratch {
			out = append(out, disk{id: fmt.Sprintf("scratch%d", i), serial: "scratch-" + serial(i, *f), size: f.Size})
		}
	}
	if m.System != nil {
		out = append(out, disk{id: "system", serial: systemSerial})
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
