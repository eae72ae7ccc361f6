/* dsync N: N processes each write a block to a file of their own and wait for the disk. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 1, bad = 0, status;
	static char block[4096];
	for (int i = 0; i < n; i++) {
		if (fork())
			continue;
		char name[16];
		snprintf(name, sizeof name, "f%d", i);
		int fd = open(name, O_CREAT | O_WRONLY | O_DSYNC, 0644);
		_exit(fd < 0 || write(fd, block, sizeof block) != sizeof block);
	}
	while (wait(&status) > 0)
		bad |= status;
	return bad != 0;
}
