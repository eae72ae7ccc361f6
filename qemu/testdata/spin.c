/* spin user: burns CPU time in user space for ever. spin kernel: in a system call that takes long, does no I/O and heeds no signal.
 * spin calls: in one system call after another. sleep: sleeps. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "user";
	if (!strcmp(mode, "sleep"))
		sleep(1000);
	if (!strcmp(mode, "calls")) {
		static char p[1 << 20];
		int fd = open("/dev/urandom", O_RDONLY);
		for (;;)
			if (syscall(SYS_read, fd, p, sizeof p) < 0)
				return 1;
	}
	if (!strcmp(mode, "kernel")) {
		/* Twelve million times the page of zeros. */
		size_t size = 48ul << 30;
		prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
		for (;;) {
			void *p = mmap(0, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_POPULATE, -1, 0);
			if (p == MAP_FAILED || munmap(p, size) < 0)
				return 2;
		}
	}
	for (volatile unsigned long i = 0;; i++)
		;
}
