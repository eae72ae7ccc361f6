/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dio-write-self hole|data: O_DIRECT write(2) from a page that is mapped from the same file and not resident.
 *
 * Locks: the write takes the inode lock (GFS2: also the inode glock, deferred) and pins the buffer's pages under it, which
 * faults, and the fault handler takes the lock of the same inode, shared. Order: inode lock, then the same inode
 * lock. Over a hole many file systems fall back to buffered writing, which copies under other locks (GFS2: the
 * glock, exclusive).
 * Deterministic: the page is proved to be out of the page cache and of the page tables before the call; one thread.
 * Known from: the thread "[RFC 0/9] gfs2: handle page faults during read and write" (cluster-devel, May 2021); fixed
 * upstream by b01b2d72da25 ("gfs2: Fix mmap + page fault deadlocks for direct I/O"), Linux 5.16; fstests generic/647.
 * A correct kernel: the whole page is written; the page cache and the disk both have it.
 */
#include "repro.h"

int main(int argc, char **argv)
{
	static const char *const words[] = { "hole", "data", NULL };
	int hole, fd, dfd;
	char *p;

	known_args(argc, argv, words);
	hole = has_arg(argc, argv, "hole");
	fd = new_file("dio-write-self", 8);
	put(fd, 4, 4, 1);
	if (!hole)
		put(fd, 0, 4, 1);
	dfd = open_file("dio-write-self", O_DIRECT);
	p = map(fd, 5, 1, MAP_SHARED);
	evict(fd, p, 1);

	step("write page 0 (%s) with O_DIRECT from a mapping of page 5 of the same file", hole ? "a hole" : "data");
	want_count("write", pwrite(dfd, p, PAGE, 0), PAGE);

	step("check the data");
	check("write", "mapping", p, PAGE, 1, 5 * PAGE);
	check_file("write", "target", fd, 0, 1, 1, 5 * PAGE);
	check_file("write", "source", fd, 5, 1, 1, 5 * PAGE);
	check_file("write", "neighbour", fd, 1, 1, hole ? 0 : 1, PAGE);
	return pass();
}
