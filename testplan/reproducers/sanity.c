/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sanity: plain write, read, mmap, O_DIRECT and truncate, with no page of a file as the buffer of its own I/O.
 *
 * Locks: each of them (inode lock, mmap_lock, page lock, a cluster file system's inode lock) is taken, but
 * none while another file's or the same file's is held by the same task. Order: none.
 * Deterministic: one thread.
 * Known from: nowhere. It is the control: where it fails, the other cases say little about page faults.
 * A correct kernel: everything succeeds, all data is where it was put, also after the page cache is dropped.
 */
#include "repro.h"

int main(int argc, char **argv)
{
	static const char *const words[] = { NULL };
	static char buf[4 * PAGE] __attribute__((aligned(4096)));
	int fd, dfd;
	char *p;

	known_args(argc, argv, words);
	fd = new_file("sanity", 8);
	step("write 4 pages");
	fill(buf, sizeof(buf), 1, 0);
	want_count("write", pwrite(fd, buf, sizeof(buf), 0), sizeof(buf));

	step("read 4 pages and a hole");
	memset(buf, 0xff, sizeof(buf));
	want_count("read", pread(fd, buf, sizeof(buf), 0), sizeof(buf));
	check("read", "data", buf, sizeof(buf), 1, 0);
	want_count("read", pread(fd, buf, PAGE, 5 * PAGE), PAGE);
	check("read", "hole", buf, PAGE, 0, 0);

	step("fault 8 pages from disk");
	p = map(fd, 0, 8, MAP_SHARED);
	evict(fd, p, 8);
	check("mmap", "data", p, 4 * PAGE, 1, 0);
	check("mmap", "hole", p + 4 * PAGE, 4 * PAGE, 0, 0);

	step("write 2 pages through the mapping, one of them into the hole");
	fill(p + 3 * PAGE, 2 * PAGE, 2, 3 * PAGE);
	if (msync(p, 8 * PAGE, MS_SYNC))
		fail("msync", errno, "8 pages");
	check_file("mmap", "written through the mapping", fd, 3, 2, 2, 3 * PAGE);
	if (munmap(p, 8 * PAGE))
		fail("munmap", errno, "8 pages");

	step("write and read with O_DIRECT");
	dfd = open_file("sanity", O_DIRECT);
	fill(buf, PAGE, 3, PAGE);
	want_count("write", pwrite(dfd, buf, PAGE, PAGE), PAGE);
	memset(buf, 0xff, 2 * PAGE);
	want_count("read", pread(dfd, buf, 2 * PAGE, 0), 2 * PAGE);
	check("read", "before the O_DIRECT write", buf, PAGE, 1, 0);
	check("read", "the O_DIRECT write", buf + PAGE, PAGE, 3, PAGE);
	check_file("write", "the O_DIRECT write", fd, 1, 1, 3, PAGE);

	step("read at the end of the file");
	want_count("read", pread(fd, buf, 2 * PAGE, 7 * PAGE), PAGE);
	want_count("read", pread(fd, buf, PAGE, 8 * PAGE), 0);

	step("truncate");
	if (ftruncate(fd, 2 * PAGE))
		fail("ftruncate", errno, "2 pages");
	want_count("read", pread(fd, buf, 4 * PAGE, 0), 2 * PAGE);
	return pass();
}
