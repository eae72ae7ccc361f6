/* SPDX-License-Identifier: Apache-2.0 */
/*
 * splice-self: vmsplice(2) of pages that are mapped from a file and not resident into a pipe, and splice(2) of the pipe into the
 * same file.
 *
 * Locks: vmsplice pins the pages, with the fault's locks and no other; splice then takes the inode lock to write them. The pages in
 * the pipe are pages of the file itself, so the copy is from the file's page cache under the lock of the file, with a page lock
 * that may be the same. Order: pipe lock, then inode lock, then page lock.
 * Deterministic: as read-self, one thread.
 * Known from: splice(2), vmsplice(2); the page faults of iov_iter users that the thread "[RFC 0/9] gfs2: handle page faults during
 * read and write" (cluster-devel, May 2021) goes through.
 * A correct kernel: all pages are copied.
 */
#include "repro.h"

#define PAGES 8L

int main(int argc, char **argv)
{
	static const char *const words[] = { NULL };
	struct iovec iov;
	loff_t at = 0;
	int fd, pipes[2];
	char *p;

	known_args(argc, argv, words);
	fd = new_file("splice-self", 2 * PAGES);
	put(fd, 0, PAGES, 1);
	put(fd, PAGES, PAGES, 2);
	if (pipe(pipes))
		fail("setup", errno, "pipe");
	p = evicted(fd, PAGES, PAGES, MAP_SHARED);
	iov.iov_base = p;
	iov.iov_len = PAGES * PAGE;

	step("vmsplice a mapping of %ld pages into a pipe", PAGES);
	want_count("vmsplice", vmsplice(pipes[1], &iov, 1, 0), PAGES * PAGE);
	step("splice the pipe into the same file");
	for (long left = PAGES * PAGE; left;) {
		ssize_t n = splice(pipes[0], NULL, fd, &at, left, 0);

		if (n <= 0)
			fail("splice", n ? errno : EPIPE, "with %ld bytes left", left);
		left -= n;
	}
	step("check the data");
	check_file("splice", "target", fd, 0, PAGES, 2, PAGES * PAGE);
	check_file("splice", "source", fd, PAGES, PAGES, 2, PAGES * PAGE);
	return pass();
}
