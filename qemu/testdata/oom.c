/* oom user: takes memory until the kernel kills it. oom kernel: takes memory that is nobody's, so that killing does not help. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	static char block[1 << 20];
	memset(block, 'x', sizeof block);
	puts("taking it");
	fflush(stdout);
	if (argc > 1 && !strcmp(argv[1], "user"))
		for (;;)
			memset(malloc(1 << 20), 'x', 1 << 20);
	mkdir("/tmp/full", 0700);
	if (mount("none", "/tmp/full", "tmpfs", 0, "size=100g") < 0) {
		perror("mount");
		return 1;
	}
	int fd = open("/tmp/full/file", O_CREAT | O_WRONLY, 0600);
	while (write(fd, block, sizeof block) > 0)
		;
	perror("write");
	return 2;
}
