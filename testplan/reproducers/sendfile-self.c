/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sendfile-self: sendfile(2) within one file, while a second thread reads and dirties a mapping of the pages it reads from and writes to.
 *
 * Locks: for each pipe-full the inode lock (shared for the read, GFS2: the glock) and then the inode lock for the write; the thread takes
 * it in each fault. Order: read lock, released; write lock; the thread: mmap_lock, then inode lock.
 * Deterministic in that 50 faults a run begin while sendfile runs: it goes on until they have. In which of its steps they come is chance.
 * No kernel run so far fails it: 10 runs on each file system with 5.10 and with 6.1 of a form with fewer faults, 3 of this one.
 * Known from: sendfile(2); the splice paths take the locks of read_iter and write_iter from another side than read(2) and write(2).
 * A correct kernel: all is copied; the thread's bytes, which lie beside, stay.
 */
#include "repro.h"

#include <sys/sendfile.h>

#define PAGES 32L	/* copied */
#define ROUNDS 500	/* at most */
#define MEETINGS 50

static int fd;
static volatile int copying, met, over;

static void *touch(void *mapping)
{
	volatile char *p = mapping;

	/* The pages behind the copied ones: the same inode's locks, not the same bytes. */
	for (int round = 0; round < 4 * ROUNDS && !over; round++) {
		madvise(mapping, 16 * PAGE, MADV_DONTNEED);
		posix_fadvise(fd, 2 * PAGES * PAGE, 16 * PAGE, POSIX_FADV_DONTNEED);
		for (long i = 0; i < 16; i++) {
			met += copying;
			p[i * PAGE] = p[i * PAGE];
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static const char *const words[] = { NULL };
	loff_t from;
	int out;
	char *p;

	known_args(argc, argv, words);
	fd = new_file("sendfile-self", 2 * PAGES + 16);
	put(fd, 0, PAGES, 1);
	put(fd, 2 * PAGES, 16, 3);
	out = open_file("sendfile-self", 0);
	p = evicted(fd, 2 * PAGES, 16, MAP_SHARED);
	drop(fd);

	beside(touch, p);
	step("sendfile pages 0 to %ld behind themselves, until %d faults have begun meanwhile", PAGES - 1, MEETINGS);
	for (int round = 0; round < ROUNDS && met < MEETINGS; round++) {
		if (lseek(out, PAGES * PAGE, SEEK_SET) < 0)
			fail("setup", errno, "lseek");
		from = 0;
		for (long left = PAGES * PAGE; left;) {
			ssize_t n;

			copying = 1;
			n = sendfile(out, fd, &from, left);
			copying = 0;
			if (n <= 0)
				fail("sendfile", n ? errno : EPIPE, "with %ld bytes left", left);
			left -= n;
		}
	}
	over = 1;
	together();
	if (met < MEETINGS)
		fail("setup", EBUSY, "%d faults met the copy", met);
	step("check the data");
	check_file("sendfile", "source", fd, 0, PAGES, 1, 0);
	check_file("sendfile", "target", fd, PAGES, PAGES, 1, 0);
	check_file("sendfile", "beside", fd, 2 * PAGES, 16, 3, 2 * PAGES * PAGE);
	return pass();
}
