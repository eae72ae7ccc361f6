/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read-self [private]: read(2) into a page that is mapped from the same file and not resident.
 *
 * Locks: read takes the file's inode lock for reading (GFS2: the inode glock, shared) and copies to user space
 * under it; the copy faults, and the fault handler takes the lock of the same inode again: exclusive for a
 * shared mapping (page_mkwrite), shared for a private one. Order: inode lock, then the same inode lock.
 * Deterministic: the page is proved to be out of the page cache and of the page tables before the call; one thread.
 * Known from: the thread "[RFC 0/9] gfs2: handle page faults during read and write" (cluster-devel, May 2021); fixed
 * upstream by 00bfe02f4796 ("gfs2: Fix mmap + page fault deadlocks for buffered I/O"), Linux 5.16.
 * A correct kernel: the whole page is read, as into any other buffer. A shared mapping changes the file
 * under it too; a private one does not.
 */
#include "repro.h"

int main(int argc, char **argv)
{
	static const char *const words[] = { "private", NULL };
	int private, fd;
	char *p;

	known_args(argc, argv, words);
	private = has_arg(argc, argv, "private");
	fd = new_file("read-self", 8);
	put(fd, 0, 8, 1);
	p = map(fd, 5, 1, private ? MAP_PRIVATE : MAP_SHARED);
	evict(fd, p, 1);

	step("read page 0 into a %s mapping of page 5 of the same file", private ? "private" : "shared");
	want_count("read", pread(fd, p, PAGE, 0), PAGE);

	step("check the data");
	check("read", "mapping", p, PAGE, 1, 0);
	check_file("read", "source", fd, 0, 1, 1, 0);
	check_file("read", "page under the mapping", fd, 5, 1, 1, private ? 5 * PAGE : 0);
	check_file("read", "neighbour", fd, 4, 1, 1, 4 * PAGE);
	return pass();
}
