/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's init of the plain way that BenchmarkMatrix measures against: make the file system, mount it, run
 * the case, power off. The kernel hands over TYPE=, MKFS= and CASE= (words split at commas) in the environment. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t start(char *words)
{
	char *argv[32];
	int n = 0;
	pid_t pid;

	for (char *w = strtok(words, ","); w && n < 31; w = strtok(NULL, ","))
		argv[n++] = w;
	argv[n] = NULL;
	pid = fork();
	if (pid == 0) {
		execv(argv[0], argv);
		_exit(127);
	}
	return pid;
}

int main(void)
{
	int status = -1;
	pid_t pid;

	mkdir("/proc", 0755);
	mkdir("/mnt", 0755);
	mount("proc", "/proc", "proc", 0, "");
	mount("dev", "/dev", "devtmpfs", 0, "");
	waitpid(start(getenv("MKFS")), &status, 0);
	printf("PLAIN mkfs %d\n", status);
	if (mount("/dev/vda", "/mnt", getenv("TYPE"), 0, "") < 0)
		perror("PLAIN mount");
	pid = start(getenv("CASE"));
	status = -1;
	for (int tick = 0; tick < 1000 && waitpid(pid, &status, WNOHANG) == 0; tick++)
		usleep(10000);
	printf("PLAIN case %d\n", status);
	fflush(stdout);
	reboot(RB_AUTOBOOT);
	return 0;
}
