/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cow-fork: O_DIRECT read(2) into a part of a private page, while another thread forks and writes another part of that page.
 *
 * Locks: none is at fault. The read takes a reference on the page; fork makes it copy-on-write; the write then gives the parent a copy, and the data of the
 * read arrives in the old page, which is now the child's alone. Order: reference, fork, write, the disk's answer.
 * Not deterministic: the window is one disk read, opened 60 times a run. Measured (TCG, 2 CPUs): fails in 9 of 24
 * runs on ext4, 8 of 24 on GFS2, 6 of 24 on XFS with 5.10; in 7, 14 and 8 of 24 with 6.1. On btrfs and f2fs, which
 * read less than 4096 bytes through the page cache, there is nothing to lose.
 * Known from: open(2), NOTES ("O_DIRECT I/Os should never be run concurrently with the fork(2) system call");
 * Documentation/core-api/pin_user_pages.rst; the thread "[PATCH 1/4] mm: Trial do_wp_page() simplification" (linux-mm, September
 * 2020). fork() copies pinned pages at once since Linux 5.9, but O_DIRECT pins its pages only since 6.5: a7e689dd1c06, 1ccf164ec866.
 * A correct kernel: the parent finds what it read.
 */
#include "repro.h"

#include <signal.h>
#include <sys/wait.h>

#define ROUNDS 60

static char *page;
static int dfd;
static volatile int reading;

static void *forker(void *unused)
{
	(void)unused;
	for (int i = 0; i < 2 * ROUNDS; i++) {
		pid_t child = fork();

		if (child < 0)
			fail("setup", errno, "fork");
		if (!child) {
			usleep(2000);	/* it keeps the old page */
			_exit(0);
		}
		page[2048 + i % 1024]++;
		waitpid(child, NULL, 0);
		if (!reading)
			break;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static const char *const words[] = { NULL };
	int fd;

	known_args(argc, argv, words);
	fd = new_file("cow-fork", ROUNDS);
	put(fd, 0, ROUNDS, 1);
	drop(fd);
	dfd = open_file("cow-fork", O_DIRECT);
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		fail("setup", errno, "mmap");
	page[0] = 1;

	step("read %d times with O_DIRECT into half a page, fork and write the other half beside", ROUNDS);
	reading = 1;
	beside(forker, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		memset(page, 0, 2048);
		want_count("read", pread(dfd, page, 2048, i * PAGE), 2048);
		check("read", "what was read", page, 2048, 1, i * PAGE);
	}
	reading = 0;
	together();
	return pass();
}
