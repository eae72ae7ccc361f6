/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uring-self read|write [fixed] [direct]: io_uring READ or WRITE whose buffer is mapped from the same file and not resident; with fixed, from a
 * registered buffer in anonymous memory.
 *
 * Locks: io_uring tries with the inode lock not waited for, in the submitter; when that would block, again in a worker
 * thread that has the submitter's memory. There: inode lock, then the same inode lock in the fault. With fixed the pages are pinned
 * beforehand and nothing faults: the way out that applications take.
 * Order: inode lock, then the same inode lock.
 * Deterministic: the page is proved to be out; whether the submitter or a worker does the transfer is the kernel's
 * choice. GFS2 on 5.10: BUG in all runs of all forms but the fixed ones, which nothing fails; at least 4 runs of each.
 * Known from: io_uring(7); the thread "[RFC 0/9] gfs2: handle page faults during read and write" (cluster-devel, May 2021).
 * A correct kernel: the request completes with all bytes, or with a part, after which another one does the rest.
 */
#include "repro.h"

#include <linux/io_uring.h>
#include <sys/syscall.h>

#define PAGES 8L

static struct {
	int fd;
	unsigned *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
} ring;

static char *ring_map(size_t len, off_t at)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd, at);

	if (p == MAP_FAILED)
		fail("setup", errno, "map the ring");
	return p;
}

static void ring_new(void)
{
	struct io_uring_params par = { 0 };
	char *sq, *cq;

	ring.fd = syscall(SYS_io_uring_setup, 4, &par);
	if (ring.fd < 0)
		fail("setup", errno, "io_uring_setup");
	sq = ring_map(par.sq_off.array + par.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
	cq = ring_map(par.cq_off.cqes + par.cq_entries * sizeof(struct io_uring_cqe), IORING_OFF_CQ_RING);
	ring.sqes = (void *)ring_map(par.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	ring.sq_tail = (void *)(sq + par.sq_off.tail);
	ring.sq_mask = (void *)(sq + par.sq_off.ring_mask);
	ring.sq_array = (void *)(sq + par.sq_off.array);
	ring.cq_head = (void *)(cq + par.cq_off.head);
	ring.cq_tail = (void *)(cq + par.cq_off.tail);
	ring.cq_mask = (void *)(cq + par.cq_off.ring_mask);
	ring.cqes = (void *)(cq + par.cq_off.cqes);
}

/* ring_do has one request done and returns its result, errno and -1 as system calls do. */
static ssize_t ring_do(int opcode, int fd, void *buf, size_t len, off_t off)
{
	unsigned tail = *ring.sq_tail, i = tail & *ring.sq_mask;
	ssize_t n;

	memset(&ring.sqes[i], 0, sizeof(ring.sqes[i]));
	ring.sqes[i].opcode = opcode;
	ring.sqes[i].fd = fd;
	ring.sqes[i].addr = (uintptr_t)buf;
	ring.sqes[i].len = len;
	ring.sqes[i].off = off;
	ring.sq_array[i] = i;
	__atomic_store_n(ring.sq_tail, tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring.fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		fail("io_uring_enter", errno, "one request");
	while (*ring.cq_head == __atomic_load_n(ring.cq_tail, __ATOMIC_ACQUIRE))
		;
	n = ring.cqes[*ring.cq_head & *ring.cq_mask].res;
	__atomic_store_n(ring.cq_head, *ring.cq_head + 1, __ATOMIC_RELEASE);
	if (n < 0) {
		errno = -n;
		n = -1;
	}
	return n;
}

int main(int argc, char **argv)
{
	static const char *const words[] = { "read", "write", "fixed", "direct", NULL };
	int writing, fixed, direct, fd, dfd, opcode;
	const char *op;
	ssize_t done = 0;
	char *p;

	known_args(argc, argv, words);
	writing = has_arg(argc, argv, "write");
	fixed = has_arg(argc, argv, "fixed");
	direct = has_arg(argc, argv, "direct");
	op = writing ? "write" : "read";
	opcode = fixed ? (writing ? IORING_OP_WRITE_FIXED : IORING_OP_READ_FIXED) : (writing ? IORING_OP_WRITE : IORING_OP_READ);
	ring_new();
	fd = new_file("uring-self", 2 * PAGES);
	put(fd, 0, PAGES, 1);
	put(fd, PAGES, PAGES, 2);
	dfd = open_file("uring-self", direct ? O_DIRECT : 0);
	if (fixed) {
		struct iovec iov;

		p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			fail("setup", errno, "mmap");
		fill(p, PAGES * PAGE, 2, PAGES * PAGE);
		iov.iov_base = p;
		iov.iov_len = PAGES * PAGE;
		if (syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_BUFFERS, &iov, 1))
			fail("setup", errno, "register the buffer");
		drop(fd);
	} else {
		p = evicted(fd, PAGES, PAGES, MAP_SHARED);
	}

	step("io_uring %s of %ld pages%s, the buffer %s", op, PAGES, direct ? " with O_DIRECT" : "", fixed ? "registered" : "mapped from the same file");
	while (done < PAGES * PAGE) {
		ssize_t n = ring_do(opcode, dfd, p + done, PAGES * PAGE - done, done);

		if (n <= 0)
			fail(op, n ? errno : EPIPE, "at %zd of %ld", done, PAGES * PAGE);
		done += n;
	}
	step("check the data");
	check(op, "buffer", p, PAGES * PAGE, writing ? 2 : 1, writing ? PAGES * PAGE : 0);
	check_file(op, "first half", fd, 0, PAGES, writing ? 2 : 1, writing ? PAGES * PAGE : 0);
	if (!fixed)
		check_file(op, "second half", fd, PAGES, PAGES, writing ? 2 : 1, writing ? PAGES * PAGE : 0);
	return pass();
}
