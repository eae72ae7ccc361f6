/* SPDX-License-Identifier: Apache-2.0 */
/*
 * huge-read [direct]: read(2) of 2 MiB into untouched anonymous memory that may be one huge page.
 *
 * Locks: the first fault, under the inode lock, makes 512 pages at once, and to find them may reclaim, compact and write back pages
 * of the very file system whose inode lock (and, for a write, transaction) is held. Order: inode lock, mmap_lock, then
 * what reclaim takes: page locks, the journal.
 * Deterministic as to the fault; whether the memory is one huge page is the kernel's choice. No kernel run so far fails it: at least
 * 4 runs on each file system with 5.10 and with 6.1.
 * Known from: Documentation/admin-guide/mm/transhuge.rst; Documentation/core-api/gfp_mask-from-fs-io.rst.
 * A correct kernel: all is read. On a kernel without CONFIG_TRANSPARENT_HUGEPAGE the memory has small pages and little is tested.
 */
#include "repro.h"

#define HUGE (2L << 20)

int main(int argc, char **argv)
{
	static const char *const words[] = { "direct", NULL };
	int direct, fd, rfd;
	char *p;

	known_args(argc, argv, words);
	direct = has_arg(argc, argv, "direct");
	fd = new_file("huge-read", HUGE / PAGE);
	put(fd, 0, HUGE / PAGE, 1);
	drop(fd);
	rfd = open_file("huge-read", direct ? O_DIRECT : 0);
	p = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		fail("setup", errno, "mmap");
	p += HUGE - (uintptr_t)p % HUGE;
	madvise(p, HUGE, MADV_HUGEPAGE);

	step("read %ld bytes%s into untouched huge memory", HUGE, direct ? " with O_DIRECT" : "");
	want_count("read", pread(rfd, p, HUGE, 0), HUGE);
	check("read", "memory", p, HUGE, 1, 0);
	return pass();
}
