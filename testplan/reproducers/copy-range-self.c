/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy-range-self: copy_file_range(2) within one file, while a second thread faults on a mapping of the source and dirties it.
 *
 * Locks: inode lock, once for both ends when they are one inode; in file systems with reflinks the page cache of both ranges is locked
 * against faults too (XFS: mmaplock; btrfs: extent lock). The thread: mmap_lock, then those. Order: inode lock, page
 * cache lock, transaction; a fault: mmap_lock, page cache lock, transaction.
 * Deterministic in that 50 faults a run begin while copy_file_range runs: it goes on until they have. In which of its steps they come is
 * chance.
 * No kernel run so far fails it: 10 runs on each file system with 5.10 and with 6.1 of a form with fewer faults, 3 of this one.
 * Known from: copy_file_range(2); fstests generic/430 to 434 test the call, none of them with faults beside it.
 * A correct kernel: each page of the copy is the page of the source as it was before or after the thread wrote it.
 */
#include "repro.h"

#define PAGES 16L
#define ROUNDS 5000	/* at most: XFS, which shares the blocks, needs a thousand for 41 to 50 faults */
#define MEETINGS 50

static int fd;
static volatile int copying, met, over;

static void *dirty(void *mapping)
{
	volatile uint64_t *p = mapping;

	for (int round = 0; round < 4 * ROUNDS && !over; round++) {
		posix_fadvise(fd, 0, PAGES * PAGE, POSIX_FADV_DONTNEED);
		for (long i = 0; i < PAGES; i++) {
			met += copying;
			p[i * PAGE / 8] = (uint64_t)1 << 40 | (uint64_t)(i * PAGE); /* what is there already */
		}
		madvise(mapping, PAGES * PAGE, MADV_DONTNEED);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static const char *const words[] = { NULL };
	char *p;

	known_args(argc, argv, words);
	fd = new_file("copy-range-self", 2 * PAGES);
	put(fd, 0, PAGES, 1);
	p = evicted(fd, 0, PAGES, MAP_SHARED);

	beside(dirty, p);
	step("copy pages 0 to %ld behind themselves, until %d faults have begun meanwhile", PAGES - 1, MEETINGS);
	for (int round = 0; round < ROUNDS && met < MEETINGS; round++) {
		loff_t from = 0, to = PAGES * PAGE;

		while (from < PAGES * PAGE) {
			ssize_t n;

			copying = 1;
			n = copy_file_range(fd, &from, fd, &to, PAGES * PAGE - from, 0);
			copying = 0;
			if (n <= 0)
				fail("copy_file_range", n ? errno : EPIPE, "at %lld", (long long)from);
		}
	}
	over = 1;
	together();
	if (met < MEETINGS)
		fail("setup", EBUSY, "%d faults met the copy", met);
	step("check the data");
	check_file("copy_file_range", "source", fd, 0, PAGES, 1, 0);
	check_file("copy_file_range", "copy", fd, PAGES, PAGES, 1, 0);
	return pass();
}
