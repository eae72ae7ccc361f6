/* fill MB: writes files until there is no room; that must be before MB megabytes, and the lab must not notice. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static char block[1 << 16];
int main(int argc, char **argv)
{
	long max = atol(argc > 1 ? argv[1] : "1"), bytes = 0;
	char name[32];
	if (access("full0", F_OK) == 0) {
		puts("the file of an earlier run is there");
		return 99;
	}
	memset(block, 'x', sizeof block);
	for (int i = 0; bytes <= max << 20; i++) {
		snprintf(name, sizeof name, "full%d", i);
		int fd = open(name, O_CREAT | O_WRONLY, 0600);
		ssize_t n = fd < 0 ? -1 : 0;
		for (int j = 0; n >= 0 && j < 64; j++)
			if ((n = write(fd, block, sizeof block)) > 0)
				bytes += n;
		if (n >= 0 && (n = fsync(fd)) == 0) {
			close(fd);
			continue;
		}
		if (errno != ENOSPC) {
			perror(name);
			return 98;
		}
		fprintf(stderr, bytes > 8 << 20 ? "written\n" : "too little: %ld\n", bytes);
		return bytes > 8 << 20 ? 0 : 97;
	}
	puts("it does not get full");
	return 96;
}
