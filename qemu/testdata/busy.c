/* busy mount: leaves something mounted in the file system. busy child: leaves a process in it. */
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "child")) {
		if (!fork())
			sleep(1000);
		return 0;
	}
	return mkdir("sub", 0755) || mount("sysfs", "sub", "sysfs", 0, "");
}
