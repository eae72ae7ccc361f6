/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dio-read-self hole|data: O_DIRECT read(2) into a page that is mapped from the same file and not resident.
 *
 * Locks: the read takes the inode lock (GFS2: the inode glock, deferred) and pins the buffer's pages under it (data) or
 * clears them (hole); both fault, and the fault handler takes the lock of the same inode, exclusive, for
 * page_mkwrite. Order: inode lock, then the same inode lock. In a file system that drops the page cache when the lock
 * changes its mode, faulting the page in first and then taking the lock throws it out again.
 * Deterministic: the page is proved to be out of the page cache and of the page tables before the call; one thread.
 * Known from: the thread "[RFC 0/9] gfs2: handle page faults during read and write" (cluster-devel, May 2021); fixed
 * upstream by b01b2d72da25 ("gfs2: Fix mmap + page fault deadlocks for direct I/O"), Linux 5.16; fstests generic/647.
 * A correct kernel: the whole page is read: the data, or zeros from the hole; the mapping and the file under it
 * hold it.
 */
#include "repro.h"

int main(int argc, char **argv)
{
	static const char *const words[] = { "hole", "data", NULL };
	int hole, fd, dfd;
	char *p;

	known_args(argc, argv, words);
	hole = has_arg(argc, argv, "hole");
	fd = new_file("dio-read-self", 8);
	put(fd, 4, 4, 1);
	if (!hole)
		put(fd, 0, 4, 1);
	dfd = open_file("dio-read-self", O_DIRECT);
	p = map(fd, 5, 1, MAP_SHARED);
	evict(fd, p, 1);

	step("read page 0 (%s) with O_DIRECT into a mapping of page 5 of the same file", hole ? "a hole" : "data");
	want_count("read", pread(dfd, p, PAGE, 0), PAGE);

	step("check the data");
	check("read", "mapping", p, PAGE, hole ? 0 : 1, 0);
	check_file("read", "source", fd, 0, 1, hole ? 0 : 1, 0);
	check_file("read", "page under the mapping", fd, 5, 1, hole ? 0 : 1, 0);
	check_file("read", "neighbour", fd, 4, 1, 1, 4 * PAGE);
	return pass();
}
