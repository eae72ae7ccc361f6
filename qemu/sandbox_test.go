package qemu

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// escapeSource tries what a build must not be able to do and says what it could. Its arguments are a port on
// 127.0.0.1, the name of an abstract socket and a process, all of the host.
const escapeSource = `
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void could(const char *what, int ok) { if (ok) printf("SUCCEEDED: %s\n", what); fflush(stdout); }
static int opens(const char *path, int flags) { return open(path, flags, 0600) >= 0; }
static int child(void *x) { return 0; }

int main(int argc, char **argv)
{
	static char stack[65536] __attribute__((aligned(16)));
	struct sockaddr_in in = { AF_INET, htons(atoi(argv[1])), { htonl(INADDR_LOOPBACK) } };
	struct sockaddr_un un = { AF_UNIX };
	struct rlimit r;
	char path[100];
	int fd, pid = atoi(argv[3]);

	could("inet", connect(socket(AF_INET, SOCK_STREAM, 0), (void *)&in, sizeof in) == 0);
	could("inet6", socket(AF_INET6, SOCK_DGRAM, 0) >= 0);
	could("netlink", socket(AF_NETLINK, SOCK_RAW, 0) >= 0);
	could("packet", socket(AF_PACKET, SOCK_RAW, 0) >= 0);
	could("vsock", socket(40, SOCK_STREAM, 0) >= 0);
	strcpy(un.sun_path + 1, argv[2]);
	could("abstract", connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&un, offsetof(struct sockaddr_un, sun_path) + 1 + strlen(argv[2])) == 0);
	could("signal", kill(pid, 0) == 0);
	could("trace", ptrace(PTRACE_SEIZE, pid, 0, 0) == 0);
	if ((fd = fork()) == 0)
		_exit(ptrace(PTRACE_TRACEME, 0, 0, 0) != 0);
	waitpid(fd, &fd, 0);
	could("trace itself", fd == 0);
	sprintf(path, "/proc/%d/environ", pid);
	could("environment", opens(path, O_RDONLY));
	could("user namespace", unshare(CLONE_NEWUSER) == 0);
	could("user namespace by clone", clone(child, stack + sizeof stack, CLONE_NEWUSER | SIGCHLD, 0) > 0);
	could("mount", mount("none", "/tmp", "tmpfs", 0, "") == 0);
	could("device", mknod("device", S_IFBLK | 0600, makedev(8, 0)) == 0 && opens("device", O_RDONLY));
	could("memory file", syscall(SYS_memfd_create, "x", 0) >= 0);
	could("kernel message", opens("/dev/kmsg", O_WRONLY));
	could("sysctl", opens("/proc/sys/kernel/core_pattern", O_WRONLY));
	could("sysrq", opens("/proc/sysrq-trigger", O_WRONLY));
	could("sysfs", opens("/sys/kernel/mm/ksm/run", O_WRONLY));
	could("fill the root", opens("/fill", O_CREAT | O_WRONLY));
	could("fill /dev", opens("/dev/fill", O_CREAT | O_WRONLY));
	could("fill /dev/shm", opens("/dev/shm/fill", O_CREAT | O_WRONLY));
	could("write the source", opens("/build/src/new", O_CREAT | O_WRONLY));
	could("write the system", opens("/usr/seriesctl-test", O_CREAT | O_WRONLY));
	getrlimit(RLIMIT_DATA, &r);
	r.rlim_max = r.rlim_cur = RLIM_INFINITY;
	could("limit", setrlimit(RLIMIT_DATA, &r) == 0);
	could("write here", opens("here", O_CREAT | O_WRONLY));
	printf("all tried\n");
	return 0;
}
`

// What a makefile can not do in the sandbox, each with the control that the same program can without it.
func TestSandboxEscapes(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	abstract := fmt.Sprintf("seriesctl-test-%d", os.Getpid())
	unixSocket, err := net.Listen("unix", "@"+abstract)
	if err != nil {
		t.Fatal(err)
	}
	defer unixSocket.Close()
	victim := exec.Command("sleep", "1000")
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = victim.Process.Kill(); _ = victim.Wait() }()

	try := func(b *Builder) []string {
		_, port, _ := net.SplitHostPort(tcp.Addr().String())
		write(t, filepath.Join(b.Dir, "src/escape.c"), escapeSource)
		write(t, filepath.Join(b.Dir, "src/extra.mk"), fmt.Sprintf("EXTRA = cd $(O) && gcc -w -o escape $(S)/escape.c && ./escape %s %s %d\n",
			port, abstract, victim.Process.Pid))
		mustBuild(t, b, "k")
		log := readFile(t, filepath.Join(b.Dir, "log"))
		if !strings.Contains(log, "all tried") {
			t.Fatalf("not all tried:\n%s", log)
		}
		var could []string
		for line := range strings.Lines(log) {
			if what, ok := strings.CutPrefix(line, "SUCCEEDED: "); ok {
				could = append(could, strings.TrimSpace(what))
			}
		}
		return could
	}
	b := sandboxed(t, newBuilder(t, nil))
	if got := try(b); !slices.Equal(got, []string{"write here"}) {
		t.Errorf("in the sandbox a makefile could %q", got)
	}
	got := try(newBuilder(t, nil))
	for _, want := range []string{"inet", "netlink", "abstract", "signal", "trace itself", "environment", "memory file", "write here"} {
		if !slices.Contains(got, want) {
			t.Errorf("without the sandbox a makefile could not %q: the test proves nothing", want)
		}
	}
}

const bombSource = `
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	if (!strcmp(argv[1], "fork"))
		for (;;)
			fork();
	if (!strcmp(argv[1], "fork asleep"))
		for (;;)
			if (fork() == 0)
				sleep(1000);
	if (!strcmp(argv[1], "many"))
		for (int i = 0; i < 20; i++)
			if (fork() == 0)
				break;
	for (;;) {
		int kind = strcmp(argv[1], "shared") ? MAP_PRIVATE : MAP_SHARED;
		char *p = mmap(0, 4 << 20, PROT_READ | PROT_WRITE, kind | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			sleep(1000);
		memset(p, 1, 4 << 20);
		usleep(10000);
	}
}
`

// A makefile that takes all it can get is ended, the tree has not built and the reason is said; nothing is left of it, and
// the next build is none the worse.
func TestSandboxLimits(t *testing.T) {
	bomb := func(how string) string {
		return "cd $(O) && gcc -O -o seriesctl-bomb $(S)/bomb.c && ./seriesctl-bomb '" + how + "'"
	}
	for name, tt := range map[string]struct{ recipe, want string }{
		"fork without end":     {bomb("fork"), "build kernel: build used more than 200 processes"},
		"fork and sleep":       {bomb("fork asleep"), "build kernel: build used more than 200 processes"},
		"all memory":           {bomb("private"), "build kernel: build used more than 400 MiB of memory"},
		"all memory, by many":  {bomb("many"), "build kernel: build used more than 400 MiB of memory"},
		"all memory, shared":   {bomb("shared"), "build kernel: build used more than 400 MiB of memory"},
		"fill /tmp":            {"i=0; while :; do i=$$((i+1)); head -c 8M /dev/zero > /tmp/seriesctl-bomb$$i; done", "build kernel: build used more than 100 MiB of disk space"},
		"fill the object tree": {"cd $(O) && i=0; while :; do i=$$((i+1)); head -c 8M /dev/zero > f$$i; done", "build kernel: build used more than 100 MiB of disk space"},
	} {
		t.Run(name, func(t *testing.T) {
			b := sandboxed(t, newBuilder(t, nil))
			b.limits = limits{processes: 200, memory: 400 << 20, disk: 100 << 20}
			write(t, filepath.Join(b.Dir, "src/bomb.c"), bombSource)
			write(t, filepath.Join(b.Dir, "src/extra.mk"), "EXTRA = "+tt.recipe+"\n")
			before := surroundings(t)
			_, err := b.Build(t.Context(), "k", askA, filepath.Join(b.Dir, "log"))
			var tree *BuildError
			if !errors.As(err, &tree) || err.Error() != tt.want {
				t.Fatalf("got %v, want %s", err, tt.want)
			}
			before.check(t)
			write(t, filepath.Join(b.Dir, "src/extra.mk"), "")
			mustBuild(t, b, "k2")
		})
	}
}

// A host that is full is not the tree's failure, and the build ends before there is no room at all.
func TestSandboxOnFullDisk(t *testing.T) {
	b := sandboxed(t, newBuilder(t, map[string]string{
		"extra.mk": "EXTRA = i=0; while :; do i=$$((i+1)); head -c 1M /dev/zero > $(O)/f$$i || sleep 1; done\n"}))
	dir, log := t.TempDir(), filepath.Join(t.TempDir(), "log")
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=256m"); err != nil {
		t.Skipf("a small file system needs root: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	if err := os.CopyFS(dir, os.DirFS(b.Dir)); err != nil {
		t.Fatal(err)
	}
	b.Dir = dir
	before := surroundings(t)
	_, err := b.Build(t.Context(), "k", askA, log)
	var infra *InfraError
	if !errors.As(err, &infra) || !errors.Is(err, syscall.ENOSPC) || infra.Hint == "" {
		t.Fatalf("got %v", err)
	}
	before.check(t)
}
