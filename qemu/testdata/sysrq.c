/* sysrq LETTER: asks the kernel for it, then sleeps. */
#include <stdio.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	FILE *f = fopen("/proc/sysrq-trigger", "w");
	printf("before\n");
	fflush(stdout);
	if (argc < 2 || !f || fputs(argv[1], f) < 0 || fclose(f))
		return 1;
	sleep(60);
	return 0;
}
