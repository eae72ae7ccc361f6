/* In the shape of syzkaller's reproducers: it forks for ever, each child runs its calls on threads in a directory of its own, and
 * is killed when it takes too long. It says nothing of use and does not end. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct call { int number, done; pthread_t thread; } calls[3];
static intptr_t result = -1;

static void *one(void *arg)
{
	struct call *c = arg;

	switch (c->number) {
	case 0:
		result = syscall(SYS_openat, AT_FDCWD, "file", O_RDWR | O_CREAT, 0600);
		break;
	case 1:
		syscall(SYS_pwrite64, result, (void *)0x20000000, 0x1000, 0x800);
		break;
	case 2:
		syscall(SYS_ftruncate, result, 0x123456);
		break;
	}
	__atomic_store_n(&c->done, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &c->done, FUTEX_WAKE, 1, 0, 0, 0);
	return 0;
}

static void child(int iteration)
{
	char dir[32];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgrp();
	snprintf(dir, sizeof dir, "./%d", iteration);
	if (mkdir(dir, 0777) || chdir(dir))
		exit(1);
	for (int i = 0; i < 3; i++) {
		struct timespec wait = { 0, 20000000 };

		calls[i].number = i;
		if (pthread_create(&calls[i].thread, 0, one, &calls[i]))
			exit(1);
		if (!__atomic_load_n(&calls[i].done, __ATOMIC_ACQUIRE))
			syscall(SYS_futex, &calls[i].done, FUTEX_WAIT, 0, &wait, 0, 0);
	}
	if (iteration % 10 == 9)
		pause(); /* until it is killed */
	exit(0);
}

int main(void)
{
	syscall(SYS_mmap, 0x20000000ul, 0x1000000ul, 7ul, 0x32ul, -1, 0ul);
	signal(SIGSEGV, SIG_IGN);
	printf("result: fail this EIO\n"); /* not for anybody */
	fflush(stdout);
	if (unshare(CLONE_NEWPID)) {
	}
	for (int i = 0;; i++) {
		int status, ms = 0;
		pid_t pid = fork();

		if (pid < 0)
			exit(1);
		if (pid == 0)
			child(i);
		while (waitpid(-1, &status, WNOHANG | __WALL) != pid) {
			usleep(1000);
			if (++ms > 100) {
				kill(-pid, SIGKILL);
				kill(pid, SIGKILL);
			}
		}
	}
}
