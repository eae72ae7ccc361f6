/* kmsg MB: prints that many megabytes on the console as fast as the kernel lets it, with a BUG in the middle if "bug" follows. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	static char line[900], bug[] = "<0>kernel BUG at fs/flood.c:1!\n";
	long left = atol(argc > 1 ? argv[1] : "1") << 20, half = left / 2;
	int on = open("/proc/sys/kernel/printk_devkmsg", O_WRONLY), fd = open("/dev/kmsg", O_WRONLY);
	if (on < 0 || fd < 0 || write(on, "on\n", 3) != 3) {
		perror("kmsg");
		return 1;
	}
	memset(line, 'x', sizeof line - 1);
	line[sizeof line - 1] = '\n';
	puts("written");
	fflush(stdout);
	for (; left > 0; left -= sizeof line) {
		if (write(fd, line, sizeof line) < 0) {
			perror("write");
			return 2;
		}
		if (argc > 2 && left > half && left - (long)sizeof line <= half && write(fd, bug, sizeof bug - 1) < 0)
			return 3;
	}
	return 0;
}
