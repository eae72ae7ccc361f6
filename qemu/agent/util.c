#include "agent.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PF_KTHREAD 0x00200000

uint64_t now_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

int read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t n = 0;
	buf[0] = 0;
	if (fd < 0)
		return -1;
	while (n < size - 1) {
		ssize_t r = read(fd, buf + n, size - 1 - n);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			break;
		n += r;
	}
	close(fd);
	buf[n] = 0;
	return n;
}

int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t r;
	if (fd < 0)
		return -1;
	r = write(fd, text, strlen(text));
	close(fd);
	return r < 0 ? -1 : 0;
}

/* PID 1 must not end: the kernel would panic, and that would look like a finding. */
void die(const char *what)
{
	for (;;) {
		dprintf(2, "seriesctl-agent: %s: %s\n", what, strerror(errno));
		sleep(3600);
	}
}

static uint64_t field(const char *status, const char *key)
{
	const char *p = strstr(status, key);
	return p ? strtoull(p + strlen(key), 0, 10) : 0;
}

int read_task(int pid, int tid, struct task *t, int with_switches)
{
	char path[64], buf[4096], *p;
	unsigned long flags;
	unsigned long long utime, stime, minflt, majflt, vsize;

	memset(t, 0, sizeof *t);
	t->pid = pid;
	t->tid = tid;
	snprintf(path, sizeof path, "/proc/%d/task/%d/stat", pid, tid);
	if (read_file(path, buf, sizeof buf) <= 0)
		return -1;
	/* "TID (any ) name) S ppid pgrp session tty tpgid flags minflt cminflt majflt cmajflt utime stime cutime cstime priority nice
	 * threads itreal start vsize" */
	p = strrchr(buf, ')');
	if (!p || sscanf(p + 1, " %c %*d %*d %*d %*d %*d %lu %llu %*u %llu %*u %llu %llu %*d %*d %*d %*d %*d %*d %*u %llu",
			 &t->state, &flags, &minflt, &majflt, &utime, &stime, &vsize) != 7)
		return -1;
	t->faults = minflt + majflt;
	t->pages = vsize / 4096;
	t->kthread = !!(flags & PF_KTHREAD);
	t->utime = utime;
	t->stime = stime;
	if (with_switches) {
		snprintf(path, sizeof path, "/proc/%d/task/%d/status", pid, tid);
		if (read_file(path, buf, sizeof buf) <= 0)
			return -1;
		t->switches = field(buf, "\nvoluntary_ctxt_switches:") + field(buf, "\nnonvoluntary_ctxt_switches:");
	}
	return 0;
}
