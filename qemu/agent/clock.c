/* Waits that the kernel itself ends. A thread that sleeps uninterruptibly with a time limit looks blocked for good, and
 * /proc/TID/stack leaves out the scheduler's own functions, which would tell; sysrq-w prints them. */
#define _GNU_SOURCE
#include "agent.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int tids[MAXTHREADS], ntids;
static int tid;      /* whose stack the lines are of */
static int sleeping; /* its schedule_timeout() has been seen, and not yet who called it */

static void wakes(void)
{
	sleeping = 0;
	if (tid && ntids < MAXTHREADS)
		tids[ntids++] = tid;
	tid = 0;
}

static int begins(const char *s, const char *with) { return !strncmp(s, with, strlen(with)); }

/* A frame, the innermost first. schedule_timeout() is called without a limit too, by what waits for a completion or a semaphore. */
static void frame(char *f)
{
	char *end = strchr(f, '+');
	if (!end)
		return;
	*end = 0;
	if (!sleeping) {
		if (begins(f, "schedule_timeout"))
			sleeping = 1;
		else if (begins(f, "usleep_range"))
			wakes();
		else if (!begins(f, "schedule") && !begins(f, "io_schedule") && !begins(f, "__s") && !begins(f, "context_switch"))
			tid = 0; /* it has not called the scheduler with a limit */
		return;
	}
	if (begins(f, "schedule_timeout") || begins(f, "io_schedule_timeout"))
		return;
	/* Inner parts, which a compiler may have left or not, say nothing yet; the outermost has the limit in its name. */
	if (begins(f, "do_wait_for_common") || begins(f, "wait_for_common") || begins(f, "__wait_for_common") ||
	    begins(f, "__down") || begins(f, "___down"))
		return;
	if ((begins(f, "wait_for_completion") || begins(f, "down")) && !strstr(f, "timeout")) {
		sleeping = 0;
		tid = 0;
		return;
	}
	wakes();
}

void clock_reset(void) { ntids = tid = sleeping = 0; }

/* One line of what sysrq-w prints. */
void clock_line(char *s)
{
	char *p;
	if ((p = strstr(s, "state:")) && (p = strstr(p, " pid:"))) {
		tid = atoi(p + 5);
		sleeping = 0;
		return;
	}
	/* Before Linux 5.9: "cross           D    0    31     30 0x00000000" */
	if (s[0] != ' ' && (p = strstr(s, " D ")) && sscanf(p, " D %*d %d %*d 0x", &tid) == 1) {
		sleeping = 0;
		return;
	}
	while (*s == ' ' || *s == '\t')
		s++;
	if (s[0] != '?' && tid)
		frame(s);
}

int clock_waits(int of)
{
	for (int i = 0; i < ntids; i++)
		if (tids[i] == of)
			return 1;
	return 0;
}

/* Has the kernel print its blocked threads, and reads what it says of them. */
void clock_read(void)
{
	char record[2048], *s;
	ssize_t n;
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	clock_reset();
	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	write_file("/proc/sysrq-trigger", "w");
	/* EPIPE: records were overwritten before they were read. */
	while (fd >= 0 && ((n = read(fd, record, sizeof record - 1)) > 0 || (n < 0 && errno == EPIPE))) {
		if (n < 0)
			continue;
		record[n] = 0;
		/* "6,1234,5678,-;text", then lines of a dictionary */
		record[strcspn(record, "\n")] = 0;
		if ((s = strchr(record, ';')))
			clock_line(s + 1);
	}
	if (fd >= 0)
		close(fd);
}
