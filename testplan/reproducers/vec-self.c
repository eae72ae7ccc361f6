/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vec-self read|write: readv(2) or writev(2) over six segments, four of them parts of pages that are mapped from the
 * same file and not resident, two in anonymous memory.
 *
 * Locks: as in read-self and write-self. What is new: the fault comes after part of the transfer is done, in a segment that
 * does not begin or end at a page, so that a kernel that retries must resume at the right byte; and one that
 * faults in only the first segment beforehand is not saved by it. Order: inode lock, then the same inode lock.
 * Deterministic: the page is proved to be out of the page cache and of the page tables before the call; one thread.
 * Known from: the thread "[RFC 0/9] gfs2: handle page faults during read and write" (cluster-devel, May 2021), where
 * the size of the window to fault in is argued about.
 * A correct kernel: the whole vector is transferred in order, and no byte beside the segments changes.
 */
#include "repro.h"

#define FIRST 8L	/* of the mapped pages */
#define MAPPED 8L
#define SEGMENTS 6

static const struct { int mapped; long off, len; } plan[SEGMENTS] = {
	{ 1, 0, 512 },
	{ 0, 64, 1000 },
	{ 1, 2 * PAGE - 256, 512 },
	{ 1, 4 * PAGE + 8, PAGE },
	{ 0, 2048, 24 },
	{ 1, 7 * PAGE - 8, PAGE + 8 },
};

int main(int argc, char **argv)
{
	static const char *const words[] = { "read", "write", NULL };
	static char anon[PAGE], file[16 * PAGE], mapping[MAPPED * PAGE], got[16 * PAGE];
	struct iovec iov[SEGMENTS];
	size_t total = 0, at = 0;
	const char *op;
	int writing, fd;
	char *p;

	known_args(argc, argv, words);
	writing = has_arg(argc, argv, "write");
	op = writing ? "writev" : "readv";
	fd = new_file("vec-self", 16);
	put(fd, 0, 16, 1);
	p = map(fd, FIRST, MAPPED, MAP_SHARED);
	fill(anon, sizeof(anon), 2, 0);
	for (int i = 0; i < SEGMENTS; i++) {
		iov[i].iov_base = (plan[i].mapped ? p : anon) + plan[i].off;
		iov[i].iov_len = plan[i].len;
		total += plan[i].len;
	}

	/* What the file and the anonymous page must hold in the end. */
	fill(file, sizeof(file), 1, 0);
	memcpy(mapping, file + FIRST * PAGE, sizeof(mapping));
	if (writing) {
		for (int i = 0; i < SEGMENTS; i++) {
			memcpy(file + 512 + at, (plan[i].mapped ? mapping : anon) + plan[i].off, plan[i].len);
			at += plan[i].len;
		}
	} else {
		for (int i = 0; i < SEGMENTS; i++) {
			if (plan[i].mapped)
				memcpy(file + FIRST * PAGE + plan[i].off, file + 512 + at, plan[i].len);
			at += plan[i].len;
		}
	}
	evict(fd, p, MAPPED);

	step("%s of %d segments, 4 of them mapped from the same file, at 512", op, SEGMENTS);
	want_count(op, writing ? pwritev(fd, iov, SEGMENTS, 512) : preadv(fd, iov, SEGMENTS, 512), total);

	step("check the data");
	for (int round = 0; round < 2; round++) {
		want_count("verify", pread(fd, got, sizeof(got), 0), sizeof(got));
		for (size_t i = 0; i < sizeof(got); i++)
			if (got[i] != file[i])
				wrong(op, "byte %zu of the file %s", i, round ? "on disk" : "in the page cache");
		evict(fd, p, MAPPED);
	}
	for (size_t i = 0; i < sizeof(mapping); i++)
		if (p[i] != file[FIRST * PAGE + i])
			wrong(op, "byte %zu of the mapping", i);
	at = 0;
	for (int i = 0; i < SEGMENTS && !writing; i++) {
		if (!plan[i].mapped && memcmp(anon + plan[i].off, file + 512 + at, plan[i].len))
			wrong(op, "segment %d, in anonymous memory", i);
		at += plan[i].len;
	}
	return pass();
}
