package qemu

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// socketFilter is a seccomp filter (the kernel's Documentation/userspace-api/seccomp_filter.rst), as bubblewrap reads it:
// a build can make no sockets but unix ones, no namespaces, and has none of the system calls by which one process gets
// at another, at the kernel, or at memory that belongs to no process.
var socketFilter = makeFilter()

// forbiddenCalls fail with EPERM.
var forbiddenCalls = []uint32{
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PIDFD_GETFD,
	unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_OPEN_TREE,
	unix.SYS_MOVE_MOUNT, unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR,
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL,
	unix.SYS_SYSLOG, unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD,
}

// unknownCalls fail as on a kernel that has not got them, so that programs do without.
var unknownCalls = []uint32{
	unix.SYS_CLONE3, // its flags are out of a filter's reach
	unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
	unix.SYS_MEMFD_CREATE, unix.SYS_MEMFD_SECRET, unix.SYS_SHMGET,
}

func makeFilter() []byte {
	const (
		load = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		jeq  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		jge  = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
		jset = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
		ret  = unix.BPF_RET | unix.BPF_K
		// struct seccomp_data
		offNr, offArch, offArg0 = 0, 4, 16
		x32                     = 0x40000000
	)
	var prog []unix.SockFilter
	add := func(code uint16, k uint32, jt, jf uint8) {
		prog = append(prog, unix.SockFilter{Code: code, K: k, Jt: jt, Jf: jf})
	}
	fail := func(e unix.Errno) { add(ret, unix.SECCOMP_RET_ERRNO|uint32(e), 0, 0) }
	add(load, offArch, 0, 0)
	add(jeq, unix.AUDIT_ARCH_X86_64, 1, 0)
	fail(unix.ENOSYS)
	add(load, offNr, 0, 0)
	add(jge, x32, 0, 1)
	fail(unix.ENOSYS)
	for _, nr := range forbiddenCalls {
		add(jeq, nr, 0, 1)
		fail(unix.EPERM)
	}
	for _, nr := range unknownCalls {
		add(jeq, nr, 0, 1)
		fail(unix.ENOSYS)
	}
	add(jeq, unix.SYS_SOCKET, 0, 3)
	add(load, offArg0, 0, 0)
	add(jeq, unix.AF_UNIX, 4, 0)
	fail(unix.EAFNOSUPPORT)
	add(jeq, unix.SYS_CLONE, 0, 2)
	add(load, offArg0, 0, 0)
	add(jset, unix.CLONE_NEWUSER, 1, 0)
	add(ret, unix.SECCOMP_RET_ALLOW, 0, 0)
	fail(unix.EPERM)
	var b bytes.Buffer
	_ = binary.Write(&b, binary.NativeEndian, prog)
	return b.Bytes()
}
