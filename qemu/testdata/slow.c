/* slow fsync: one fsync of 1 MiB. slow refault: writes a mapping to another file, its pages dropped each time. slow write: a few
 * long writes. All are made to take long by a slow disk or host, and move. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define SIZE (256 << 10)
int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "fsync";
	int fd = open("a", O_CREAT | O_RDWR, 0644), to = open("b", O_CREAT | O_RDWR, 0644), n = argc > 2 ? atoi(argv[2]) : 1;
	static char block[8 << 20];
	memset(block, 'x', sizeof block);
	if (!strcmp(mode, "fsync"))
		return pwrite(fd, block, 1 << 20, 0) != 1 << 20 || fsync(fd);
	if (!strcmp(mode, "write")) {
		while (n--)
			if (pwrite(fd, block, sizeof block, 0) != sizeof block)
				return 1;
		return 0;
	}
	if (pwrite(fd, block, SIZE, 0) != SIZE || fsync(fd))
		return 1;
	while (n--) {
		char *p = mmap(0, SIZE, PROT_READ, MAP_SHARED, fd, 0);
		if (posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) || pwrite(to, p, SIZE, 0) != SIZE)
			return 1;
		munmap(p, SIZE);
	}
	return 0;
}
