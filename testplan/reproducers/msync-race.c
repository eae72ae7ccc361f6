/* SPDX-License-Identifier: Apache-2.0 */
/*
 * msync-race: msync(2) and fsync(2) of a file while it is written from a mapping of itself and dirtied through it.
 *
 * Locks: fsync: page locks and writeback, the journal, in some file systems the inode lock. The write: inode lock, then the same in the
 * fault, page lock, transaction. page_mkwrite waits for writeback of a stable page while holding what the caller held.
 * Order: inode lock, page lock, journal; writeback: page lock, journal.
 * Deterministic as to the self-recursion; the meeting with writeback is chance, 30 writes against 15 syncs a run.
 * GFS2 on 5.10: BUG in 10 of 10 runs. Of writeback nothing was seen: the other file systems, and all with 6.1, pass at least 13 runs each.
 * Known from: Documentation/filesystems/locking.rst (writepage, page_mkwrite); the thread "[RFC 0/9] gfs2: handle page faults during
 * read and write" (cluster-devel, May 2021).
 * A correct kernel: all calls end; after the last fsync the disk holds what was written.
 */
#include "repro.h"

#define PAGES 8L
#define ROUNDS 15

static int fd;

static void *syncer(void *mapping)
{
	for (int i = 0; i < ROUNDS; i++) {
		if (msync(mapping, PAGES * PAGE, MS_SYNC))
			fail("msync", errno, "beside the write");
		if (fsync(fd))
			fail("fsync", errno, "beside the write");
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static const char *const words[] = { NULL };
	volatile uint64_t *p;

	known_args(argc, argv, words);
	fd = new_file("msync-race", 2 * PAGES);
	put(fd, 0, PAGES, 1);
	put(fd, PAGES, PAGES, 2);
	p = (void *)evicted(fd, PAGES, PAGES, MAP_SHARED);

	step("write %d times from a mapping of the same file, synced beside", 2 * ROUNDS);
	beside(syncer, (void *)p);
	for (int round = 0; round < 2 * ROUNDS; round++) {
		for (long i = 0; i < PAGES; i++)
			p[i * PAGE / 8] = (uint64_t)2 << 40 | (uint64_t)((PAGES + i) * PAGE);
		madvise((void *)p, PAGES * PAGE, MADV_DONTNEED);
		posix_fadvise(fd, PAGES * PAGE, PAGES * PAGE, POSIX_FADV_DONTNEED);
		want_count("write", pwrite(fd, (void *)p, PAGES * PAGE, 0), PAGES * PAGE);
	}
	together();
	step("check the data");
	check_file("write", "target", fd, 0, PAGES, 2, PAGES * PAGE);
	check_file("write", "source", fd, PAGES, PAGES, 2, PAGES * PAGE);
	return pass();
}
