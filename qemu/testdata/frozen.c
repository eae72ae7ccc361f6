/* frozen MODE: a child writes to the frozen file system and blocks in D state. The parent
 * wait: waits for it for ever; thaw MS: thaws after MS milliseconds; poll: looks every 50 ms, for ever;
 * sleep: sleeps; leave: ends, once the child is blocked. */
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "wait";
	int fd = open(".", O_RDONLY);
	if (ioctl(fd, FIFREEZE, 0) < 0) {
		perror("FIFREEZE");
		return 1;
	}
	pid_t child = fork();
	if (child == 0) {
		int f = open("x", O_CREAT | O_WRONLY, 0644);
		_exit(f < 0 || write(f, "x", 1) != 1);
	}
	if (!strcmp(mode, "thaw")) {
		usleep(atoi(argv[2]) * 1000);
		if (ioctl(fd, FITHAW, 0) < 0)
			return 1;
	}
	if (!strcmp(mode, "leave")) {
		usleep(300000);
		return 0;
	}
	if (!strcmp(mode, "sleep"))
		sleep(1000);
	while (!strcmp(mode, "poll") && waitpid(child, 0, WNOHANG) == 0)
		usleep(50000);
	waitpid(child, 0, 0);
	return 0;
}
