/* spin user: burns CPU time in user space for ever. spin kernel: in one long system call after another that does no I/O. sleep: sleeps. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "user";
	if (!strcmp(mode, "sleep"))
		sleep(1000);
	if (!strcmp(mode, "kernel")) {
		size_t n = 16 << 20;
		char *p = malloc(n);
		int fd = open("/dev/urandom", O_RDONLY);
		for (;;)
			if (syscall(SYS_read, fd, p, n) < 0)
				return 1;
	}
	for (volatile unsigned long i = 0;; i++)
		;
}
