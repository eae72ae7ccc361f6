/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dio-read-anon: O_DIRECT read(2) of 16 pages into fresh anonymous memory, none of which was ever touched.
 *
 * Locks: pinning the buffer takes mmap_lock under the inode lock (GFS2: the inode glock, deferred). Nothing of the
 * file system is needed for the fault, so no lock is taken twice; but a file system that pins with page faults
 * disabled, to be safe against faults on itself, must fault the pages in and try again, as for a mapping of a file.
 * Order: inode lock, then mmap_lock.
 * Deterministic: memory that nobody has touched; one thread.
 * Known from: the way to the final version of the GFS2 work, where one step reads nothing here; programs that read with
 * O_DIRECT into memory from malloc(3) are everywhere (databases, qemu-img).
 * A correct kernel: all 16 pages are read.
 */
#include "repro.h"

#define PAGES 16L

int main(int argc, char **argv)
{
	static const char *const words[] = { NULL };
	int fd, dfd;
	char *p;

	known_args(argc, argv, words);
	fd = new_file("dio-read-anon", PAGES);
	put(fd, 0, PAGES, 1);
	drop(fd);
	dfd = open_file("dio-read-anon", O_DIRECT);
	p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		fail("setup", errno, "mmap");

	step("read %ld pages with O_DIRECT into fresh anonymous memory", PAGES);
	want_count("read", pread(dfd, p, PAGES * PAGE, 0), PAGES * PAGE);
	check("read", "memory", p, PAGES * PAGE, 1, 0);
	return pass();
}
