/* SPDX-License-Identifier: Apache-2.0 */
/*
 * punch-race [read|write]: fallocate(2) punches holes into the pages that a second thread dirties through a mapping and that the first one
 * writes; with read or write into the mapping that is a transfer's buffer.
 *
 * Locks: punching: inode lock, invalidate_lock (GFS2: the glock; XFS: mmaplock), page locks, transaction. The thread's fault: mmap_lock,
 * invalidate_lock, page lock, transaction in page_mkwrite. Order: the page cache lock before page locks before
 * the journal, in both; a page that is made dirty between the unmapping and the freeing of its blocks is lost data or worse.
 * With read or write: the transfer's inode lock, then in its fault the same one and those of the punching.
 * Not deterministic: 25 punches a run against 50 rounds of dirtying; 40 transfers against as many punches as begin beside them. As to the
 * self-recursion read and write are deterministic. That the hole comes while the fault is served is sure in uffd-slow read punch.
 * Without an argument no kernel run so far fails it: 10 runs on each file system with 5.10 and with 6.1. With read or write GFS2 on 5.10:
 * BUG in 3 of 3 runs of each form; the other file systems pass, and with 6.1 all do, 3 runs each.
 * Known from: 730633f0b7f9 ("mm: Protect operations adding pages to page cache with invalidate_lock", Linux 5.15) and the file
 * systems' patches around it; fstests generic/469 and their kin.
 * A correct kernel: each page holds the data or zeros, and from the disk the same as from the page cache.
 */
#include "repro.h"

#define PAGES 16L
#define ROUNDS 25

static int fd;

static void *dirty(void *mapping)
{
	volatile uint64_t *p = mapping;

	for (int round = 0; round < 2 * ROUNDS; round++)
		for (long i = 0; i < PAGES; i++)
			p[i * PAGE / 8] = (uint64_t)1 << 40 | (uint64_t)(i * PAGE);
	return NULL;
}

static volatile int over;

static void *puncher(void *unused)
{
	(void)unused;
	for (int i = 0; i < 5000 && !over; i++)
		if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGES / 2 * PAGE, PAGES / 2 * PAGE))
			fail("punch", errno, "beside the transfer");
	return NULL;
}

/* The mapping holds nothing but zeros, so that no transfer and no hole changes what is there. */
static int transfer(const char *op, int writing)
{
	char *p;

	fd = new_file("punch-race", PAGES);
	put(fd, 0, 4, 1);
	p = evicted(fd, PAGES / 2, PAGES / 2, MAP_SHARED);
	step("%s 40 times, holes punched into the mapping beside", op);
	beside(puncher, NULL);
	for (int round = 0; round < 40; round++) {
		madvise(p, PAGES / 2 * PAGE, MADV_DONTNEED);
		if (round % 8 == 0)
			p[round / 8 * PAGE] = 0; /* a block to punch out */
		want_count(op, writing ? pwrite(fd, p, 4 * PAGE, 4 * PAGE) : pread(fd, p, 4 * PAGE, 4 * PAGE), 4 * PAGE);
	}
	over = 1;
	together();
	step("check the data");
	check_file(op, "first pages", fd, 0, 4, 1, 0);
	check_file(op, "the others", fd, 4, PAGES - 4, 0, 0);
	return pass();
}

int main(int argc, char **argv)
{
	static const char *const words[] = { "read", "write", NULL };
	uint64_t cached[PAGES];
	char *p;

	known_args(argc, argv, words);
	if (argc > 1)
		return transfer(argv[1], !strcmp(argv[1], "write"));
	fd = new_file("punch-race", PAGES);
	p = map(fd, 0, PAGES, MAP_SHARED);

	step("punch and write %d times, the pages dirtied beside", ROUNDS);
	beside(dirty, p);
	for (int round = 0; round < ROUNDS; round++) {
		if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, round % 4 * PAGE, (PAGES - 4) * PAGE))
			fail("punch", errno, "in round %d", round);
		put(fd, round % PAGES, 1, 1);
	}
	together();
	step("check the data");
	for (long i = 0; i < PAGES; i++) {
		want_count("verify", pread(fd, &cached[i], 8, i * PAGE), 8);
		if (cached[i] && cached[i] != ((uint64_t)1 << 40 | (uint64_t)(i * PAGE)))
			wrong("punch", "page %ld begins with %llx", i, (unsigned long long)cached[i]);
	}
	evict(fd, p, PAGES);
	for (long i = 0; i < PAGES; i++) {
		uint64_t disk;

		want_count("verify", pread(fd, &disk, 8, i * PAGE), 8);
		if (disk != cached[i])
			wrong("punch", "page %ld begins with %llx in the page cache, %llx on disk", i,
			      (unsigned long long)cached[i], (unsigned long long)disk);
	}
	return pass();
}
