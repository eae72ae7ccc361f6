/* SPDX-License-Identifier: Apache-2.0 */
/*
 * freeze-fault: the file system is frozen and thawed (FIFREEZE, FITHAW) while a second thread dirties a mapping and writes from it.
 *
 * Locks: freezing raises three barriers one after the other, for write(2), page faults and transactions, and waits for each to drain. A
 * write(2) is inside the first when its fault enters the second, and that one a transaction, the third.
 * Order: SB_FREEZE_WRITE, inode lock, mmap_lock, SB_FREEZE_PAGEFAULT, SB_FREEZE_FS. A file system that takes the
 * journal or a lock before the barrier above it never drains.
 * The fault under the lock is deterministic (GFS2 on 5.10: BUG in 24 of 24 runs); what happens at the thaw is not:
 * GFS2 on 6.1 withdraws in 18 of 43 runs (TCG, 2 CPUs).
 * Known from: Documentation/filesystems/locking.rst; the comment at sb_start_pagefault(). GFS2's withdrawal came with b77b4a4815a9 and went
 * with 2cbd80642b76 (both Linux 6.5); 6.1.y has the first only.
 * A correct kernel: the freeze succeeds, everything waits while it lasts and goes on after it; the data is right.
 */
#include "repro.h"

#include <linux/fs.h>
#include <sys/ioctl.h>

#define PAGES 8L
#define ROUNDS 3

static int fd;
static volatile int done;

static void *writer(void *mapping)
{
	volatile uint64_t *p = mapping;

	while (!done) {
		for (long i = 0; i < PAGES; i++)
			p[i * PAGE / 8] = (uint64_t)2 << 40 | (uint64_t)((PAGES + i) * PAGE);
		madvise(mapping, PAGES * PAGE, MADV_DONTNEED);
		want_count("write", pwrite(fd, mapping, PAGES * PAGE, 0), PAGES * PAGE);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static const char *const words[] = { NULL };
	int dir;
	char *p;

	known_args(argc, argv, words);
	if (getenv("REPRO_DIR"))
		fail("setup", EPERM, "it would freeze somebody's file system: only for the VM's /mnt");
	fd = new_file("freeze-fault", 2 * PAGES);
	put(fd, 0, PAGES, 1);
	put(fd, PAGES, PAGES, 2);
	dir = open(path("."), O_RDONLY | O_DIRECTORY);
	p = evicted(fd, PAGES, PAGES, MAP_SHARED);

	beside(writer, p);
	for (int round = 0; round < ROUNDS; round++) {
		usleep(20000);
		step("round %d: freeze", round);
		if (ioctl(dir, FIFREEZE, 0))
			fail("freeze", errno, "in round %d", round);
		usleep(200000);
		step("round %d: thaw", round);
		if (ioctl(dir, FITHAW, 0))
			fail("thaw", errno, "in round %d", round);
	}
	done = 1;
	together();
	step("check the data");
	check_file("write", "target", fd, 0, PAGES, 2, PAGES * PAGE);
	check_file("write", "source", fd, PAGES, PAGES, 2, PAGES * PAGE);
	return pass();
}
