/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dio-partial: O_DIRECT write(2) whose buffer is mapped from the same file and of which only the first page is resident.
 *
 * Locks: as in dio-write-self: inode lock, then in the fault the same inode lock. What is new: the part of the buffer that
 * could be pinned is written before the rest faults, so the kernel has to go on in the middle, and must neither write
 * the first part twice at the wrong place nor forget that the request is not done.
 * Order: inode lock, then the same inode lock.
 * Deterministic: which pages are resident is proved; one thread.
 * Known from: fstests generic/708; btrfs lost the rest of such writes after 51bd9563b678 (Linux 5.16).
 * A correct kernel: all 8 pages are written, and the data is that of the mapping.
 */
#include "repro.h"

int main(int argc, char **argv)
{
	static const char *const words[] = { NULL };
	int fd, dfd;
	char *p;

	known_args(argc, argv, words);
	fd = new_file("dio-partial", 16);
	put(fd, 0, 8, 1);
	put(fd, 8, 8, 2);
	dfd = open_file("dio-partial", O_DIRECT);
	p = evicted(fd, 8, 8, MAP_SHARED);
	check("setup", "first page", p, PAGE, 2, 8 * PAGE);	/* and with this it is resident */

	step("write pages 0 to 7 with O_DIRECT from a mapping of pages 8 to 15, the first of them resident");
	want_count("write", pwrite(dfd, p, 8 * PAGE, 0), 8 * PAGE);
	step("check the data");
	check_file("write", "target", fd, 0, 8, 2, 8 * PAGE);
	check_file("write", "source", fd, 8, 8, 2, 8 * PAGE);
	return pass();
}
