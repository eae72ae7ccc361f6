/* SPDX-License-Identifier: Apache-2.0 */
/*
 * write-self: write(2) from a page that is mapped from the same file and not resident.
 *
 * Locks: write takes the inode lock and the file system's own (GFS2: the inode glock, exclusive; ext4: a page lock
 * inside a transaction) and copies from user space under them; the copy faults, and the fault handler takes
 * the lock of the same inode, shared. Order: inode lock, page lock, then inode lock.
 * Kernels fault the first bytes of the buffer in before they take the locks, which hides the problem for one page, so that
 * the write here spans four pages at an offset inside a page.
 * Deterministic: the page is proved to be out of the page cache and of the page tables before the call; one thread.
 * Known from: the thread "[RFC 0/9] gfs2: handle page faults during read and write" (cluster-devel, May 2021); fixed
 * upstream by 00bfe02f4796 ("gfs2: Fix mmap + page fault deadlocks for buffered I/O"), Linux 5.16.
 * A correct kernel: all of it is written, nothing beside it, as from any other buffer.
 */
#include "repro.h"

#define OFF 1024L	/* of the write, in page 0 */
#define LEN (4 * PAGE)

int main(int argc, char **argv)
{
	static const char *const words[] = { NULL };
	static char want[6 * PAGE], got[6 * PAGE];
	int fd;
	char *p;

	known_args(argc, argv, words);
	fd = new_file("write-self", 16);
	put(fd, 0, 16, 1);
	p = map(fd, 10, 4, MAP_SHARED);
	evict(fd, p, 4);

	step("write 4 pages at %ld from a mapping of pages 10 to 13 of the same file", OFF);
	want_count("write", pwrite(fd, p, LEN, OFF), LEN);

	step("check the data");
	fill(want, sizeof(want), 1, 0);
	fill(want + OFF, LEN, 1, 10 * PAGE);
	for (int round = 0; round < 2; round++) {
		want_count("verify", pread(fd, got, sizeof(got), 0), sizeof(got));
		for (size_t i = 0; i < sizeof(got); i++)
			if (got[i] != want[i])
				wrong("write", "byte %zu of the file %s", i, round ? "on disk" : "in the page cache");
		evict(fd, p, 4);
	}
	check("write", "mapping", p, LEN, 1, 10 * PAGE);
	return pass();
}
