/* hog: takes every CPU with real-time priority, so that nothing else in user space ever runs. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>
int main(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	FILE *f = fopen("/proc/sys/kernel/sched_rt_runtime_us", "w");
	if (!f || fputs("-1", f) < 0 || fclose(f))
		return 1;
	for (long cpu = n - 1; cpu >= 0; cpu--) {
		if (cpu && fork())
			continue;
		cpu_set_t set;
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		sched_setaffinity(0, sizeof set, &set);
		if (sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ .sched_priority = 99 }) < 0)
			return 2;
		for (;;)
			;
	}
}
