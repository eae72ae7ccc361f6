/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eof-self read|write: read(2) that crosses the end of the file into a mapping of the same file, or write(2) that begins at
 * the end of the file, from a mapping of it.
 *
 * Locks: as in read-self and write-self: inode lock, then the same inode lock in the fault. What is new: a kernel that faults the
 * buffer in for the whole length asked for must not take the short count at the end of the file for a
 * fault; and an appending write that is tried again must not append twice. Order: inode lock, then the same inode lock.
 * Deterministic: the page is proved to be out of the page cache and of the page tables before the call; one thread.
 * Known from: the thread "[RFC 0/9] gfs2: handle page faults during read and write" (cluster-devel, May 2021); POSIX read(2).
 * A correct kernel: the read returns the bytes up to the end and leaves the rest of the buffer alone; the write
 * grows the file by just its length.
 */
#include "repro.h"

#define TAIL 104L

int main(int argc, char **argv)
{
	static const char *const words[] = { "read", "write", NULL };
	int writing, fd;
	struct stat st;
	char *p;

	known_args(argc, argv, words);
	writing = has_arg(argc, argv, "write");
	fd = new_file("eof-self", 8);
	put(fd, 0, 8, 1);
	if (ftruncate(fd, 6 * PAGE + TAIL))
		fail("setup", errno, "ftruncate");
	p = evicted(fd, 0, 2, MAP_SHARED);

	if (writing) {
		step("write 2 pages at the end of the file from a mapping of its pages 0 and 1");
		want_count("write", pwrite(fd, p, 2 * PAGE, 6 * PAGE + TAIL), 2 * PAGE);
		if (fstat(fd, &st))
			fail("stat", errno, "after the write");
		if (st.st_size != 8 * PAGE + TAIL)
			wrong("write", "the file has %lld bytes, not %ld", (long long)st.st_size, 8 * PAGE + TAIL);
		drop(fd);
		want_count("verify", pread(fd, p, 2 * PAGE, 6 * PAGE + TAIL), 2 * PAGE);
		check("write", "appended data", p, 2 * PAGE, 1, 0);
		return pass();
	}
	step("read 2 pages at page 5, %ld bytes of the second there, into a mapping of pages 0 and 1", TAIL);
	want_count("read", pread(fd, p, 2 * PAGE, 5 * PAGE), PAGE + TAIL);
	check("read", "what was read", p, PAGE + TAIL, 1, 5 * PAGE);
	check("read", "what was not", p + PAGE + TAIL, PAGE - TAIL, 1, PAGE + TAIL);
	return pass();
}
