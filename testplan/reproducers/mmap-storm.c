/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mmap-storm: write(2) from a mapping of the same file, page by page not resident, while a second thread maps and unmaps the file.
 *
 * Locks: the writer: inode lock, then in the fault mmap_lock for reading. The thread: mmap_lock for writing, and under it, with
 * MAP_POPULATE and at munmap, page locks and (GFS2: the glock; others: page_mkwrite's locks) the inode's. A pending writer of
 * mmap_lock stops new readers, so a reader under the inode lock waits for a thread that waits for the inode lock.
 * Order: inode lock, mmap_lock; and mmap_lock, inode lock.
 * Deterministic as to the self-recursion; the inversion with mmap_lock is chance, 25 writes against 150 mappings a
 * run. Measured on GFS2 with 5.10 (TCG, 2 CPUs): BUG in 9 of 13 runs, and the inversion, a deadlock, in 4.
 * Known from: the comment at generic_perform_write() about faulting pages in beforehand; Documentation/filesystems/locking.rst.
 * A correct kernel: all writes are done and right.
 */
#include "repro.h"

#define PAGES 8L
#define ROUNDS 25

static int fd;

static void *storm(void *unused)
{
	(void)unused;
	for (int i = 0; i < 6 * ROUNDS; i++) {
		char *q = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, PAGES * PAGE);

		if (q == MAP_FAILED)
			fail("mmap", errno, "beside the write");
		munmap(q, PAGES * PAGE);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static const char *const words[] = { NULL };
	char *p;

	known_args(argc, argv, words);
	fd = new_file("mmap-storm", 2 * PAGES);
	put(fd, 0, PAGES, 1);
	put(fd, PAGES, PAGES, 2);
	p = evicted(fd, PAGES, PAGES, MAP_SHARED);

	step("write %d times from a mapping of the same file, mmap and munmap beside", ROUNDS);
	beside(storm, NULL);
	for (int round = 0; round < ROUNDS; round++) {
		madvise(p, PAGES * PAGE, MADV_DONTNEED);
		posix_fadvise(fd, PAGES * PAGE, PAGES * PAGE, POSIX_FADV_DONTNEED);
		want_count("write", pwrite(fd, p, PAGES * PAGE, 0), PAGES * PAGE);
	}
	together();
	step("check the data");
	check_file("write", "target", fd, 0, PAGES, 2, PAGES * PAGE);
	check_file("write", "source", fd, PAGES, PAGES, 2, PAGES * PAGE);
	return pass();
}
