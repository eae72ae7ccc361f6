/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pressure-self read|write: transfers with a mapping of the same file while nearly all memory is taken.
 *
 * Locks: each fault under the inode lock has to reclaim pages first, and the pages there are to reclaim are those of this
 * file: page locks and writeback, and with them the journal, under the inode lock; or another's inode, whose last
 * reference goes and which is evicted in a transaction. Order: inode lock, inode lock (fault), then what reclaim takes.
 * Deterministic as to the fault (GFS2 on 5.10: BUG in all runs, 4 at least of each form); what reclaim finds differs from run to
 * run. Of that nothing was seen: the other file systems, and all with 6.1, pass as many.
 * Known from: Documentation/core-api/gfp_mask-from-fs-io.rst: why GFP_NOFS is.
 * A correct kernel: all transfers are done and right; nobody is killed.
 */
#include "repro.h"

#define PAGES 64L
#define ROUNDS 3
#define LEFT (32L << 20)	/* bytes that stay available */

/* available is what the kernel thinks can be had without swapping, in bytes. */
static long available(const char *what)
{
	char line[128];
	FILE *f = fopen("/proc/meminfo", "r");
	long kb = 0;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, what, strlen(what)))
			kb = atol(line + strlen(what));
	if (f)
		fclose(f);
	return kb << 10;
}

int main(int argc, char **argv)
{
	static const char *const words[] = { "read", "write", NULL };
	const char *op;
	int writing, fd;
	char *p;

	known_args(argc, argv, words);
	writing = has_arg(argc, argv, "write");
	op = writing ? "write" : "read";
	if (available("MemTotal:") > 2L << 30)
		fail("setup", EFBIG, "there is too much memory to take");
	fd = new_file("pressure-self", 2 * PAGES);
	put(fd, 0, PAGES, 1);
	put(fd, PAGES, PAGES, 2);
	p = evicted(fd, PAGES, PAGES, MAP_SHARED);
	step("take the memory");
	for (long room; (room = available("MemAvailable:") - LEFT) > 1 << 20;) {
		long len = room > 32 << 20 ? 32 << 20 : room / PAGE * PAGE;
		char *q = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (q == MAP_FAILED)
			break;
		for (long i = 0; i < len; i += PAGE)
			q[i] = 1;
	}

	for (int round = 0; round < ROUNDS; round++) {
		step("round %d: %s %ld pages", round, op, PAGES);
		want_count(op, writing ? pwrite(fd, p, PAGES * PAGE, 0) : pread(fd, p, PAGES * PAGE, 0), PAGES * PAGE);
		evict(fd, p, PAGES);
	}
	step("check the data");
	check_file(op, "first half", fd, 0, PAGES, writing ? 2 : 1, writing ? PAGES * PAGE : 0);
	check_file(op, "second half", fd, PAGES, PAGES, writing ? 2 : 1, writing ? PAGES * PAGE : 0);
	return pass();
}
