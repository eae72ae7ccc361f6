/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dsync-self [direct]: write(2) on an O_DSYNC descriptor, with O_DIRECT or without, from a page that is mapped from the same file and not
 * resident.
 *
 * Locks: inode lock, then the same inode lock in the fault; and the fsync of the write, which waits for the journal and, in some
 * file systems, takes the inode lock again. Order: inode lock, inode lock (fault); then inode lock, log.
 * Deterministic: the page is proved to be out of the page cache and of the page tables before the call; one thread.
 * Known from: btrfs deadlocked in O_DIRECT|O_DSYNC writes when iomap called fsync under the inode lock, and lost O_DSYNC where a fault
 * ended the first try (51bd9563b678; fstests generic/703).
 * A correct kernel: the write is done, and its data is on the disk when it returns.
 */
#include "repro.h"

int main(int argc, char **argv)
{
	static const char *const words[] = { "direct", NULL };
	int direct, fd, sfd;
	char *p;

	known_args(argc, argv, words);
	direct = has_arg(argc, argv, "direct");
	fd = new_file("dsync-self", 8);
	put(fd, 0, 4, 1);
	put(fd, 4, 4, 2);
	sfd = open_file("dsync-self", O_DSYNC | (direct ? O_DIRECT : 0));
	p = evicted(fd, 4, 4, MAP_SHARED);

	step("write pages 0 to 3 with O_DSYNC%s from a mapping of pages 4 to 7", direct ? "|O_DIRECT" : "");
	want_count("write", pwrite(sfd, p, 4 * PAGE, 0), 4 * PAGE);
	step("check the data");
	check_file("write", "target", fd, 0, 4, 2, 4 * PAGE);
	check_file("write", "source", fd, 4, 4, 2, 4 * PAGE);
	return pass();
}
