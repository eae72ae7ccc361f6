/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cross read|write|dio-read|dio-write: two processes, two files. A transfers between file A and a mapping of file B
 * while B transfers between file B and a mapping of file A; all mapped pages are not resident.
 *
 * Locks: each process takes its own file's inode lock (GFS2: glock; shared for read, exclusive for write, deferred for
 * O_DIRECT) and then, in the fault, the other file's (exclusive for a write fault, shared for a read fault).
 * Order: A then B in one process, B then A in the other.
 * To make them meet, both start from a barrier and each call is one transfer of 24 pages with a fault, and a
 * disk read, in every page, so that the first calls overlap for nearly all of their time; ROUNDS times.
 * Deterministic in effect: measured on GFS2 with 5.10 (TCG, 2 CPUs), deadlock in 10 of 10 runs of each of the four
 * forms, in the first round.
 * Known from: the thread "[RFC 9/9] gfs2: Fix mmap + page fault deadlocks (part 2)" (cluster-devel, May 2021); fixed
 * upstream by 00bfe02f4796 and b01b2d72da25, Linux 5.16.
 * A correct kernel: both transfer everything. The halves of the files that are read and written do not
 * overlap, so the data is the same whoever comes first.
 */
#include "repro.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>

#define PAGES 24L	/* in each half of a file: first half the file side, second half the mapped side */
#define ROUNDS 3

static struct { atomic_int arrived; } *shared;

/*
 * barrier n waits until both processes have come to it, at most 5 s. tight keeps both on the CPU, so that they leave
 * it together.
 */
static void barrier(int n, int tight)
{
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	atomic_fetch_add(&shared->arrived, 1);
	while (atomic_load(&shared->arrived) < 2 * n) {
		if (tight)
			sched_yield();
		else
			usleep(200);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec - start.tv_sec > 5)
			fail("barrier", ETIMEDOUT, "the other process does not come");
	}
}

static void cross(int leads, int writing, int direct)
{
	const char *mine = leads ? "cross-a" : "cross-b", *other = leads ? "cross-b" : "cross-a";
	unsigned seed = leads ? 100 : 200, other_seed = leads ? 200 : 100;
	const char *op = writing ? "write" : "read";
	int fd, dfd, ofd, at = 0;
	char *p, *q;

	fd = open_file(mine, 0);
	dfd = open_file(mine, direct ? O_DIRECT : 0);
	ofd = open_file(other, 0);
	for (int round = 0; round < ROUNDS; round++) {
		put(fd, 0, 2 * PAGES, seed + round);
		q = map(fd, 0, PAGES, MAP_SHARED);
		p = map(ofd, PAGES, PAGES, MAP_SHARED);
		barrier(++at, 0);
		if (leads) {
			evict(fd, q, PAGES);
			evict(ofd, p, PAGES);
		}
		barrier(++at, 0);
		step("round %d: %s %ld pages of %s, %s a mapping of %s", round, op, PAGES, mine,
		     writing ? "from" : "into", other);
		barrier(++at, 1);
		want_count(op, writing ? pwrite(dfd, p, PAGES * PAGE, 0) : pread(dfd, p, PAGES * PAGE, 0),
			   PAGES * PAGE);
		check(op, "mapping", p, PAGES * PAGE, (writing ? other_seed : seed) + round, writing ? PAGES * PAGE : 0);
		barrier(++at, 0);
		munmap(p, PAGES * PAGE);
		munmap(q, PAGES * PAGE);
		/* What the own file holds: what was written to it, and what the other process's read put under its mapping. */
		for (int disk = 0; disk < 2; disk++) {
			if (disk)
				drop(fd);
			check_pages(op, mine, fd, 0, PAGES, (writing ? other_seed : seed) + round, writing ? PAGES * PAGE : 0);
			check_pages(op, mine, fd, PAGES, PAGES, (writing ? seed : other_seed) + round, writing ? PAGES * PAGE : 0);
		}
		barrier(++at, 0);
	}
}

int main(int argc, char **argv)
{
	static const char *const words[] = { "read", "write", "dio-read", "dio-write", NULL };
	int writing, direct, status, bad = 0;
	pid_t child[2];

	known_args(argc, argv, words);
	writing = has_arg(argc, argv, "write") || has_arg(argc, argv, "dio-write");
	direct = has_arg(argc, argv, "dio-read") || has_arg(argc, argv, "dio-write");
	close(new_file("cross-a", 2 * PAGES));
	close(new_file("cross-b", 2 * PAGES));
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		fail("setup", errno, "mmap");
	for (int i = 0; i < 2; i++) {
		child[i] = fork();
		if (child[i] < 0)
			fail("setup", errno, "fork");
		if (!child[i]) {
			cross(i == 0, writing, direct);
			_exit(0);
		}
	}
	/* A child that fails has printed the result; the other may wait for it for good, so it goes too. */
	for (int i = 0; i < 2; i++) {
		pid_t pid = wait(&status);

		if (pid < 0)
			fail("wait", errno, "for the two processes");
		if (bad || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
			continue;
		bad = 1;
		kill(child[pid == child[0]], SIGKILL);
		if (WIFSIGNALED(status))
			fail("signal", EINTR, "a process was killed by signal %d", WTERMSIG(status));
	}
	return bad ? 1 : pass();
}
