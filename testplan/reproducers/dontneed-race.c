/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dontneed-race read|write|dio-read|dio-write: a transfer with a mapping of the same file while a second thread throws the
 * mapping's pages out of the page tables and of the page cache, over and over.
 *
 * Locks: as in read-self and its kin: inode lock, then the same inode lock in the fault. What is new: a kernel that faults the buffer
 * in, takes the lock and goes on with page faults disabled finds it gone again, so it must make progress
 * byte by byte, or it spins for good. Order: inode lock, then the same inode lock.
 * Deterministic as to the self-recursion (GFS2 on 5.10: BUG in all of 60 runs); the meeting with writeback is chance:
 * dio-read on ext4 with 5.10 (TCG, 2 CPUs) shows WARNING in ext4_set_page_dirty in 13 of 24 runs and loses data in 3
 * more; with 6.1 in none of 13.
 * Known from: the discussion of the retry loop in "[RFC 0/9] gfs2: handle page faults during read and write" (cluster-devel, May
 * 2021); 00bfe02f4796 and b01b2d72da25 (Linux 5.16) are its final form. ext4's warning: the thread that <20180103100430.GE4911@quack2.suse.cz>
 * began (linux-mm, January 2018); e41c81d0d30e (Linux 5.18) takes this way to it away.
 * A correct kernel: every transfer ends, in full, with the right data.
 */
#include "repro.h"

#define PAGES 8L
#define ROUNDS 20

static int fd;

static void *evictor(void *mapping)
{
	for (int i = 0; i < 40 * ROUNDS; i++) {
		madvise(mapping, PAGES * PAGE, MADV_DONTNEED);
		if (i % 8 == 0)
			sync_file_range(fd, PAGES * PAGE, PAGES * PAGE, SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
		posix_fadvise(fd, PAGES * PAGE, PAGES * PAGE, POSIX_FADV_DONTNEED);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static const char *const words[] = { "read", "write", "dio-read", "dio-write", NULL };
	int writing, direct, dfd;
	const char *op;
	char *p;

	known_args(argc, argv, words);
	writing = has_arg(argc, argv, "write") || has_arg(argc, argv, "dio-write");
	direct = has_arg(argc, argv, "dio-read") || has_arg(argc, argv, "dio-write");
	op = writing ? "write" : "read";
	fd = new_file("dontneed-race", 2 * PAGES);
	put(fd, 0, PAGES, 1);
	put(fd, PAGES, PAGES, 2);
	dfd = open_file("dontneed-race", direct ? O_DIRECT : 0);
	p = evicted(fd, PAGES, PAGES, MAP_SHARED);

	step("%s %d times%s, the buffer thrown out beside", op, ROUNDS, direct ? " with O_DIRECT" : "");
	beside(evictor, p);
	for (int round = 0; round < ROUNDS; round++) {
		want_count(op, writing ? pwrite(dfd, p, PAGES * PAGE, 0) : pread(dfd, p, PAGES * PAGE, 0), PAGES * PAGE);
		check(op, "mapping", p, PAGES * PAGE, writing ? 2 : 1, writing ? PAGES * PAGE : 0);
	}
	together();
	step("check the data");
	check_file(op, "first half", fd, 0, PAGES, writing ? 2 : 1, writing ? PAGES * PAGE : 0);
	check_file(op, "second half", fd, PAGES, PAGES, writing ? 2 : 1, writing ? PAGES * PAGE : 0);
	return pass();
}
