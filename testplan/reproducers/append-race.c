/* SPDX-License-Identifier: Apache-2.0 */
/*
 * append-race: two threads append to one file with O_APPEND, both from a mapping of its beginning, not resident.
 *
 * Locks: inode lock, exclusive, under which the end of the file is looked up; in the fault the same inode lock. The other thread waits for it
 * meanwhile. A kernel that drops the lock to fault and takes it again must look the end up again, or keep what was
 * written so far: else one thread overwrites the other. Order: inode lock, then the same inode lock.
 * Deterministic as to the fault under the lock (each append finds its source thrown out); who appends first is
 * chance. GFS2 on 5.10: BUG in 10 of 10 runs. Nothing else was seen: the other file systems, and all with 6.1, pass at least 13 runs each.
 * Known from: write(2) on O_APPEND; the partial writes that the thread "[RFC 0/9] gfs2: handle page faults during read and write"
 * (cluster-devel, May 2021) is about.
 * A correct kernel: every append is in the file once and whole.
 */
#include "repro.h"

#define PAGES 4L
#define ROUNDS 12

static char *mapping;
static int fd;

static void append(void)
{
	int afd = open_file("append-race", O_APPEND);

	for (int i = 0; i < ROUNDS; i++) {
		madvise(mapping, PAGES * PAGE, MADV_DONTNEED);
		posix_fadvise(fd, 0, PAGES * PAGE, POSIX_FADV_DONTNEED);
		want_count("write", write(afd, mapping, PAGES * PAGE), PAGES * PAGE);
	}
	close(afd);
}

static void *appender(void *unused)
{
	(void)unused;
	append();
	return NULL;
}

int main(int argc, char **argv)
{
	static const char *const words[] = { NULL };
	struct stat st;

	known_args(argc, argv, words);
	fd = new_file("append-race", PAGES);
	put(fd, 0, PAGES, 1);
	mapping = evicted(fd, 0, PAGES, MAP_SHARED);

	step("two threads append %d times each", ROUNDS);
	beside(appender, NULL);
	append();
	together();
	step("check the data");
	if (fstat(fd, &st))
		fail("stat", errno, "after the writes");
	if (st.st_size != (2 * ROUNDS + 1) * PAGES * PAGE)
		wrong("write", "the file has %lld bytes, not %ld", (long long)st.st_size, (2 * ROUNDS + 1) * PAGES * PAGE);
	for (int i = 0; i <= 2 * ROUNDS; i++) {
		static char buf[PAGES * PAGE];

		want_count("verify", pread(fd, buf, sizeof(buf), i * PAGES * PAGE), sizeof(buf));
		check("write", "an append", buf, sizeof(buf), 1, 0);
	}
	return pass();
}
