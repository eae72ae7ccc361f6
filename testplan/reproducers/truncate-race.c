/* SPDX-License-Identifier: Apache-2.0 */
/*
 * truncate-race read|write: a transfer with a mapping of the same file while a second thread truncates the file below the mapping
 * and extends it again.
 *
 * Locks: the transfer: inode lock, then in the fault the same inode lock and page locks. The thread: inode lock, exclusive, then page
 * locks of all that goes (and mapping->invalidate_lock). A fault in a page that is being truncated waits for
 * it. Order: inode lock, invalidate_lock, page lock; a fault: mmap_lock, invalidate_lock, page lock.
 * Deterministic as to the self-recursion; the meeting with truncation is chance, 40 transfers against 160 truncations
 * a run. GFS2 on 5.10: BUG in 10 of 10 runs of each form. Of truncation nothing was seen: the other file systems, and all with 6.1,
 * pass at least 13 runs of each.
 * Known from: 730633f0b7f9 ("mm: Protect operations adding pages to page cache with invalidate_lock", Linux 5.15).
 * A correct kernel: each transfer ends with all, a part or EFAULT, as the mapping had all, some or none of its pages; no byte
 * of the rest of the file changes.
 */
#include "repro.h"

#define PAGES 8L
#define ROUNDS 40

static int fd;

static void *truncator(void *unused)
{
	(void)unused;
	for (int i = 0; i < 2 * ROUNDS; i++) {
		if (ftruncate(fd, (PAGES + i % 4) * PAGE) || ftruncate(fd, 2 * PAGES * PAGE))
			fail("truncate", errno, "beside the transfer");
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static const char *const words[] = { "read", "write", NULL };
	const char *op;
	int writing;
	char *p;

	known_args(argc, argv, words);
	writing = has_arg(argc, argv, "write");
	op = writing ? "write" : "read";
	fd = new_file("truncate-race", 2 * PAGES);
	put(fd, 0, 4, 1);
	p = evicted(fd, PAGES, PAGES, MAP_SHARED);

	step("%s %d times, the mapping truncated beside", op, ROUNDS);
	beside(truncator, NULL);
	for (int round = 0; round < ROUNDS; round++) {
		ssize_t n;

		madvise(p, PAGES * PAGE, MADV_DONTNEED);
		/* The mapping holds nothing but zeros, so writing it to pages 4 to 7 changes no content. */
		n = writing ? pwrite(fd, p, 4 * PAGE, 4 * PAGE) : pread(fd, p, PAGES * PAGE / 2, 4 * PAGE);
		if (n < 0 && errno != EFAULT)
			fail(op, errno, "in round %d", round);
	}
	together();
	step("check the data");
	check_file(op, "first pages", fd, 0, 4, 1, 0);
	check_file(op, "the others", fd, 4, 2 * PAGES - 4, 0, 0);
	return pass();
}
