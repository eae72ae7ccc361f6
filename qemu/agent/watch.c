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
static uint64_t live_stimes[MAXTHREADS]; /* last[i].stime then */
/* A case is calm while none of its threads uses time in user space. */
static uint64_t calm_utime, calm_since;
static uint64_t calm_faults[MAXTHREADS]; /* last[i].faults when it became so */
static int calm_run;
static uint64_t verdict_since;
static struct task *verdict_task;

void watch_reset(void)
{
	nlast = blocked_scans = livelock_run = stuck_scans = calm_run = 0;
	disks[0] = 0;
}

void watch_again(void) { blocked_scans = 0; }

int watch_stuck(void) { return stuck_scans; }

double watch_seconds(void) { return (now_ms() - verdict_since) / 1e3; }

const struct task *watch_task(void) { return verdict_task; }

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

/* The thread that has had more page faults since the case is calm than its whole address space can explain. If it does not return
 * to user space either (faults_in_one_call), what it faults in is taken away again and again. */
static struct task *refaulting(void)
{
	for (int i = 0; i < nlast; i++)
		if (last[i].faults - calm_faults[i] > 200 + last[i].pages)
			return &last[i];
	return 0;
}

/* The thread that has used most system time since nothing else went by. If its system call does not return either
 * (spins_in_kernel), it is in a loop. */
static struct task *busiest(void)
{
	struct task *t = &last[0];
	uint64_t most = 0;
	for (int i = 0; i < nlast; i++)
		if (last[i].stime - live_stimes[i] > most) {
			most = last[i].stime - live_stimes[i];
			t = &last[i];
		}
	return t;
}

enum verdict watch_scan(int deadlock_scans, int livelock_scans)
{
	static struct task now[MAXTHREADS];
	static int fresh[MAXTHREADS];
	static uint64_t faults[MAXTHREADS], stimes[MAXTHREADS];
	uint64_t utime = 0, stime = 0, t_ms = now_ms();
	struct task *t;
	int n, i, j, moved = 0, asleep = 1, in_d = 0, stuck = 0, io = disks_work();

	next_cpu();
	n = list(now);
	for (i = 0; i < n; i++) {
		t = &now[i];
		utime += t->utime;
		stime += t->stime;
		fresh[i] = 0;
		for (j = 0; j < nlast && last[j].tid != t->tid; j++)
			;
		faults[i] = j < nlast ? calm_faults[j] : t->faults;
		stimes[i] = j < nlast ? live_stimes[j] : t->stime;
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
	memcpy(calm_faults, faults, n * sizeof *faults);
	memcpy(live_stimes, stimes, n * sizeof *stimes);
	nlast = n;

	blocked_scans = n && !moved && !io && asleep && in_d ? blocked_scans + 1 : 0;
	stuck_scans = io ? 0 : stuck;

	/* A livelock: system time grows, user time does not, no I/O comes of it. */
	if (io || !n || utime != live_utime || stime < live_stime || asleep)
		livelock_run = 0;
	if (livelock_run++ == 0) {
		live_utime = utime;
		live_stime = stime;
		live_since = t_ms;
		for (i = 0; i < n; i++)
			live_stimes[i] = last[i].stime;
	}
	/* Another: I/O comes of it, but it is the same again and again. */
	if (utime != calm_utime)
		calm_run = 0;
	if (calm_run++ == 0) {
		calm_utime = utime;
		calm_since = t_ms;
		for (i = 0; i < n; i++)
			calm_faults[i] = last[i].faults;
	}

	if (blocked_scans >= deadlock_scans)
		return DEADLOCK;
	if (livelock_run > 1 && livelock_run % livelock_scans == 1) {
		verdict_since = live_since;
		verdict_task = busiest();
		if (stime - live_stime >= (t_ms - live_since) * sysconf(_SC_CLK_TCK) / 1000 / 2)
			return LIVELOCK;
		livelock_run = 0;
	}
	if (calm_run > livelock_scans / 2 && (t = refaulting())) {
		verdict_task = t;
		verdict_since = calm_since;
		return REFAULT;
	}
	return MOVING;
}

void watch_moves(void) { livelock_run = calm_run = 0; }
