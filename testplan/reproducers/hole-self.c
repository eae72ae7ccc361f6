/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hole-self read|write: a transfer of data, hole, data whose buffer is mapped from a hole of the same file.
 *
 * Locks: inode lock, then in the fault the same inode lock; the fault is on a hole, so for the read (a write fault) page_mkwrite also
 * starts a transaction and allocates blocks under it: journal after inode lock after inode lock.
 * Order: inode lock, then the same inode lock, then the journal.
 * Deterministic: the page is proved to be out of the page cache and of the page tables before the call; one thread.
 * Known from: the thread "[RFC 0/9] gfs2: handle page faults during read and write" (cluster-devel, May 2021);
 * fstests generic/647.
 * A correct kernel: data, zeros, data are transferred, and what was a hole beside them still reads as zeros.
 */
#include "repro.h"

int main(int argc, char **argv)
{
	static const char *const words[] = { "read", "write", NULL };
	int writing, fd;
	char *p;

	known_args(argc, argv, words);
	writing = has_arg(argc, argv, "write");
	fd = new_file("hole-self", 16);
	put(fd, 0, 1, 1);
	put(fd, 2, 1, 1);
	p = evicted(fd, 8, 3, MAP_SHARED);

	if (writing) {
		step("write 3 pages from a mapping of a hole of the same file over data, hole, data");
		want_count("write", pwrite(fd, p, 3 * PAGE, 0), 3 * PAGE);
		check_file("write", "target", fd, 0, 3, 0, 0);
	} else {
		step("read data, hole, data into a mapping of a hole of the same file");
		want_count("read", pread(fd, p, 3 * PAGE, 0), 3 * PAGE);
		for (int disk = 0; disk < 2; disk++) {
			check("read", "first page", p, PAGE, 1, 0);
			check("read", "hole", p + PAGE, PAGE, 0, 0);
			check("read", "third page", p + 2 * PAGE, PAGE, 1, 2 * PAGE);
			evict(fd, p, 3);
		}
	}
	check_file("hole", "beside", fd, 11, 4, 0, 0);
	return pass();
}
