/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mlock-race: mlock(2) and munlock(2) of a mapping while the file is written from it.
 *
 * Locks: mlock faults every page in for writing under mmap_lock: mmap_lock, then (in page_mkwrite) the inode's locks and the journal. The write:
 * inode lock, then mmap_lock in the fault. munlock takes mmap_lock for writing between the two.
 * Order: mmap_lock, inode lock; and inode lock, mmap_lock.
 * Deterministic as to the self-recursion (a write of a page that is out); the inversion with mmap_lock is chance, 25
 * writes a run. GFS2 on 5.10: BUG in 10 of 10 runs. The inversion was not seen: the other file systems, and all with 6.1, pass at
 * least 13 runs each.
 * Known from: mlock(2); __mm_populate() is the one fault path that walks a whole range while holding mmap_lock.
 * A correct kernel: all calls end; the written data is right.
 */
#include "repro.h"

#define PAGES 8L	/* within RLIMIT_MEMLOCK */
#define ROUNDS 25

static int fd;

static void *locker(void *mapping)
{
	for (int i = 0; i < 2 * ROUNDS; i++) {
		if (mlock(mapping, PAGES * PAGE))
			fail("mlock", errno, "beside the write");
		munlock(mapping, PAGES * PAGE);
		madvise(mapping, PAGES * PAGE, MADV_DONTNEED);
		posix_fadvise(fd, PAGES * PAGE, PAGES * PAGE, POSIX_FADV_DONTNEED);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static const char *const words[] = { NULL };
	char *p;

	known_args(argc, argv, words);
	fd = new_file("mlock-race", 2 * PAGES);
	put(fd, 0, PAGES, 1);
	put(fd, PAGES, PAGES, 2);
	p = evicted(fd, PAGES, PAGES, MAP_SHARED);

	step("write %d times from a mapping of the same file, locked and unlocked beside", ROUNDS);
	beside(locker, p);
	for (int round = 0; round < ROUNDS; round++)
		want_count("write", pwrite(fd, p, PAGES * PAGE, 0), PAGES * PAGE);
	together();
	step("check the data");
	check_file("write", "target", fd, 0, PAGES, 2, PAGES * PAGE);
	return pass();
}
