/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nowait-self read|write: preadv2(2) or pwritev2(2) with RWF_NOWAIT, whose buffer is mapped from the same file and not resident.
 *
 * Locks: the inode lock, tried and not waited for; then in the fault the same inode lock, and a disk read, both waited for.
 * Order: inode lock, then the same inode lock. A caller of RWF_NOWAIT is an event loop that must not sleep.
 * Deterministic: the page is proved to be out of the page cache and of the page tables before the call; one thread.
 * Known from: preadv2(2); the NOWAIT paths that the GFS2 work ("[RFC 0/9] gfs2: handle page faults during read and
 * write", cluster-devel, May 2021) had to keep.
 * A correct kernel: all, a part, or EAGAIN (EOPNOTSUPP, or EINVAL, where the file system has no RWF_NOWAIT); what is transferred is right.
 */
#include "repro.h"

int main(int argc, char **argv)
{
	static const char *const words[] = { "read", "write", NULL };
	struct iovec iov;
	int writing, fd;
	ssize_t n;
	char *p;

	known_args(argc, argv, words);
	writing = has_arg(argc, argv, "write");
	fd = new_file("nowait-self", 8);
	put(fd, 0, 4, 1);
	put(fd, 4, 4, 2);
	p = evicted(fd, 4, 4, MAP_SHARED);
	check_pages("setup", "source", fd, 0, 4, 1, 0);	/* and with this they are in the page cache */
	iov.iov_base = p;
	iov.iov_len = 4 * PAGE;

	step("%s with RWF_NOWAIT, the buffer mapped from the same file", writing ? "write" : "read");
	n = writing ? pwritev2(fd, &iov, 1, 0, RWF_NOWAIT) : preadv2(fd, &iov, 1, 0, RWF_NOWAIT);
	if (n < 0 && errno != EAGAIN && errno != EOPNOTSUPP && errno != EINVAL)
		fail(writing ? "write" : "read", errno, "with RWF_NOWAIT");
	n = n < 0 ? 0 : n / 8 * 8;
	step("check the data: %zd bytes were transferred", n);
	if (!writing) {
		check("read", "mapping", p, n, 1, 0);
		check("read", "rest of the mapping", p + n, 4 * PAGE - n, 2, 4 * PAGE + n);
		return pass();
	}
	check_file("write", "source", fd, 4, 4, 2, 4 * PAGE);
	for (long i = 0; i < 4; i++) {
		long done = n - i * PAGE < 0 ? 0 : n - i * PAGE > PAGE ? PAGE : n - i * PAGE;

		want_count("verify", pread(fd, p, PAGE, i * PAGE), PAGE);
		check("write", "what was written", p, done, 2, (4 + i) * PAGE);
		check("write", "what was not", p + done, PAGE - done, 1, i * PAGE + done);
	}
	return pass();
}
