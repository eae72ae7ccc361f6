/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dio-write-onto-itself: O_DIRECT write(2) of a mapped page onto the place it is mapped from.
 *
 * Locks: as in dio-write-self; beyond that, the write first drops the written range from the page cache, which is
 * the very buffer. A kernel that faults the buffer in, takes the lock and then writes with page faults disabled
 * finds it gone each time. Order: inode lock, page cache invalidation, then the inode lock by the fault.
 * Deterministic: the page is proved to be out of the page cache and of the page tables before the first call; one
 * thread. btrfs with 5.10: deadlock in 10 of 10 runs.
 * Known from: fstests generic/729, and the fall back to buffered writing in gfs2_file_direct_write that it led to.
 * A correct kernel: the write succeeds and changes nothing, whether the page was resident, dirty or on disk only.
 */
#include "repro.h"

int main(int argc, char **argv)
{
	static const char *const words[] = { NULL };
	int fd, dfd;
	char *p;

	known_args(argc, argv, words);
	fd = new_file("dio-write-onto-itself", 8);
	put(fd, 0, 8, 1);
	dfd = open_file("dio-write-onto-itself", O_DIRECT);
	p = map(fd, 2, 1, MAP_SHARED);
	evict(fd, p, 1);

	step("write page 2 with O_DIRECT from a mapping of page 2, not resident");
	want_count("write", pwrite(dfd, p, PAGE, 2 * PAGE), PAGE);
	check("write", "mapping", p, PAGE, 1, 2 * PAGE);

	step("write page 2 with O_DIRECT from a mapping of page 2, dirty");
	fill(p, PAGE, 2, 2 * PAGE);
	want_count("write", pwrite(dfd, p, PAGE, 2 * PAGE), PAGE);

	step("check the data");
	check("write", "mapping", p, PAGE, 2, 2 * PAGE);
	check_file("write", "page", fd, 2, 1, 2, 2 * PAGE);
	check_file("write", "neighbour", fd, 3, 1, 1, 3 * PAGE);
	return pass();
}
