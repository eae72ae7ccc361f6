/* Is the case moving? A thread moves when it uses CPU time or is switched to; a thread that does neither has the stack it
 * had. Looks are counted, not seconds: a host that does not let the guest run must not make a hang. */
#define _GNU_SOURCE
#include "agent.h"
#include <ctype.h>
#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct task last[MAXTHREADS];
static int still[MAXTHREADS]; /* looks since last[i] moved */
static int nlast;
static char disks[4096];
static int blocked_scans, livelock_run, stuck_scans;
static uint64_t live_utime, live_stime, live_since;

void watch_reset(void)
{
	nlast = blocked_scans = livelock_run = stuck_scans = 0;
	disks[0] = 0;
}

void watch_again(void) { blocked_scans = 0; }

int watch_stuck(void) { return stuck_scans; }

/* Every look on another CPU: after a few, each has run what was waiting for it. */
static void next_cpu(void)
{
	static int cpu;
	cpu_set_t set;
	int n = sysconf(_SC_NPROCESSORS_ONLN);
	CPU_ZERO(&set);
	CPU_SET(++cpu % (n > 0 ? n : 1), &set);
	sched_setaffinity(0, sizeof set, &set);
}

/* Whether block I/O is in flight or was done since the last look (Documentation/admin-guide/iostats.rst: the 4th and 8th
 * fields count completed reads and writes, the 12th what is in flight). */
static int disks_work(void)
{
	char buf[8192], now[4096], *line, *save;
	size_t n = 0;
	int busy = 0;
	read_file("/proc/diskstats", buf, sizeof buf);
	now[0] = 0;
	for (line = strtok_r(buf, "\n", &save); line; line = strtok_r(0, "\n", &save)) {
		char name[64];
		unsigned long reads, writes, flight;
		if (sscanf(line, " %*u %*u %63s %lu %*u %*u %*u %lu %*u %*u %*u %lu", name, &reads, &writes, &flight) != 4)
			continue;
		busy |= flight > 0;
		if (reads + writes && n < sizeof now - 128)
			n += snprintf(now + n, sizeof now - n, "%s %lu %lu\n", name, reads, writes);
	}
	busy |= strcmp(now, disks) != 0;
	strcpy(disks, now);
	return busy;
}

static int list(struct task *out)
{
	DIR *d = opendir("/proc"), *td;
	struct dirent *e, *te;
	char path[300];
	int n = 0, self = getpid();
	while (d && (e = readdir(d))) {
		int pid = atoi(e->d_name);
		if (!isdigit((unsigned char)e->d_name[0]) || pid == self || pid <= 2)
			continue;
		struct task t;
		if (read_task(pid, pid, &t, 0) < 0 || t.kthread)
			continue;
		snprintf(path, sizeof path, "/proc/%d/task", pid);
		td = opendir(path);
		while (td && n < MAXTHREADS && (te = readdir(td)))
			if (isdigit((unsigned char)te->d_name[0]) &&
			    read_task(pid, atoi(te->d_name), &out[n], 1) == 0 && out[n].state != 'Z' && out[n].state != 'X')
				n++;
		if (td)
			closedir(td);
	}
	if (d)
		closedir(d);
	return n;
}

enum verdict watch_scan(int deadlock_scans, int livelock_scans)
{
	static struct task now[MAXTHREADS];
	static int fresh[MAXTHREADS];
	uint64_t utime = 0, stime = 0;
	int n, i, j, moved = 0, asleep = 1, in_d = 0, stuck = 0, io = disks_work();

	next_cpu();
	n = list(now);
	for (i = 0; i < n; i++) {
		struct task *t = &now[i];
		utime += t->utime;
		stime += t->stime;
		fresh[i] = 0;
		for (j = 0; j < nlast && last[j].tid != t->tid; j++)
			;
		if (j < nlast && last[j].switches == t->switches && last[j].utime == t->utime &&
		    last[j].stime == t->stime && last[j].state == t->state)
			fresh[i] = still[j] + 1;
		else
			moved = 1;
		asleep &= t->state == 'D' || t->state == 'S';
		if (t->state == 'D') {
			in_d = 1;
			if (fresh[i] > stuck)
				stuck = fresh[i];
		}
	}
	moved |= n != nlast;
	memcpy(last, now, n * sizeof *now);
	memcpy(still, fresh, n * sizeof *fresh);
	nlast = n;

	blocked_scans = n && !moved && !io && asleep && in_d ? blocked_scans + 1 : 0;
	stuck_scans = io ? 0 : stuck;

	/* A livelock: system time grows, user time does not, no I/O comes of it. */
	if (io || !n || utime != live_utime || stime < live_stime || asleep) {
		livelock_run = 0;
	}
	if (livelock_run++ == 0) {
		live_utime = utime;
		live_stime = stime;
		live_since = now_ms();
	}
	if (blocked_scans >= deadlock_scans)
		return DEADLOCK;
	if (livelock_run > livelock_scans) {
		uint64_t ticks = (now_ms() - live_since) * sysconf(_SC_CLK_TCK) / 1000;
		livelock_run = 0;
		if (stime - live_stime >= ticks / 2)
			return LIVELOCK;
	}
	return MOVING;
}
