/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cow-fork: O_DIRECT read(2) into a part of a private page, while another thread forks and writes another part of that page.
 *
 * Locks: none is at fault. The read pins the page; fork makes it copy-on-write; the write then gives the parent a copy, and the data of the
 * read arrives in the old page, which is now the child's alone. Order: pin, fork, write, the disk's answer.
 * The window is the time of one disk read; measured by hand rather than promised: see the documentation's table.
 * Known from: the pages that lose their pins at fork are described in Documentation/core-api/pin_user_pages.rst and open(2), NOTES
 * ("O_DIRECT I/Os should never be run concurrently with the fork(2) system call"); repaired in Linux 5.19 by
 * exclusive anonymous pages.
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
