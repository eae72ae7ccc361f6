/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uffd-slow read [punch|truncate]|write|dio-read|dio-write: a transfer whose buffer's pages are given by a second thread through userfaultfd(2), which takes
 * its time and, before it gives a page, asks for the file's size and reads from the same file; with read it also writes to it, or
 * takes the pages that are read away: by a hole or by cutting the file and making it long again.
 *
 * Locks: the transfer holds its lock (GFS2: the inode glock) while it waits for the page; the thread needs the same one, exclusive to write, shared to
 * read. What is a window of microseconds elsewhere lasts here until the thread is done: no luck is needed.
 * Order: inode lock, then the page that the thread gives; the thread: inode lock, then the page.
 * Deterministic: the thread gives the page only when its own I/O is done. XFS: deadlock in all runs with 5.10 and with 6.1, 10 of read and
 * of write, 3 of read punch and of read truncate. GFS2 on 5.10: deadlock in all runs of every form.
 * Known from: userfaultfd(2), and its use to stretch race windows; a case of the rule of the thread "[RFC 0/9] gfs2: handle page
 * faults during read and write" (cluster-devel, May 2021): no fault may be served under a lock that serving it may need.
 * A correct kernel: by that rule both end, and the data is right. With write the thread does not write, as every file system holds the
 * inode's i_rwsem over a write. XFS holds its own lock over the copy of a read by design and hangs, also where the thread punches
 * or truncates, which takes that lock exclusive; the wait can be killed.
 */
#include "repro.h"

#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#define PAGES 4L

static int fd, uffd, writing, mild, punch, cut;

/* serve gives the pages, each once. */
static void *serve(void *buffer)
{
	static char content[PAGE] __attribute__((aligned(4096)));
	long given = 0;

	while (given < PAGES) {
		struct pollfd pfd = { .fd = uffd, .events = POLLIN };
		struct uffd_msg msg;
		struct uffdio_copy copy = { .len = PAGE, .src = (uintptr_t)content };
		struct stat st;
		char word[8];

		if (poll(&pfd, 1, 4000) <= 0)
			return NULL;
		if (read(uffd, &msg, sizeof(msg)) != sizeof(msg) || msg.event != UFFD_EVENT_PAGEFAULT)
			fail("setup", errno, "read from the userfaultfd");
		usleep(50000);
		if (fstat(fd, &st))
			fail("stat", errno, "while a page is asked for");
		want_count("read", pread(fd, word, sizeof(word), 6 * PAGE), sizeof(word));
		fill(word, sizeof(word), 3, 12 * PAGE);
		if (punch && fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGES * PAGE))
			fail("punch", errno, "while a page is asked for");
		if (cut && (ftruncate(fd, PAGE) || ftruncate(fd, 16 * PAGE)))
			fail("truncate", errno, "while a page is asked for");
		if (!mild && !punch && !cut)
			want_count("write", pwrite(fd, word, sizeof(word), 12 * PAGE), sizeof(word));
		copy.dst = msg.arg.pagefault.address & ~(PAGE - 1);
		fill(content, PAGE, 2, copy.dst - (uintptr_t)buffer);
		if (ioctl(uffd, UFFDIO_COPY, &copy) && errno != EEXIST)
			fail("setup", errno, "UFFDIO_COPY");
		given++;
	}
	return NULL;
}

/* check_gone ends the program unless each page of buf is what it was, all zeros, or, behind a short read, what the thread gave. */
static void check_gone(const char *buf, long got)
{
	for (long i = 0; i < PAGES; i++) {
		const char *page = buf + i * PAGE;
		unsigned seed = *(const volatile uint64_t *)page >> 40;

		check("read", "buffer", page, PAGE, seed == 2 && i * PAGE >= got ? 2 : seed ? 1 : 0, i * PAGE);
	}
}

int main(int argc, char **argv)
{
	static const char *const words[] = { "read", "write", "dio-read", "dio-write", "punch", "truncate", NULL };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_api api = { .api = UFFD_API };
	int direct, dfd;
	const char *op;
	char *p;

	known_args(argc, argv, words);
	writing = has_arg(argc, argv, "write") || has_arg(argc, argv, "dio-write");
	direct = has_arg(argc, argv, "dio-read") || has_arg(argc, argv, "dio-write");
	mild = writing || direct;
	punch = has_arg(argc, argv, "punch");
	cut = has_arg(argc, argv, "truncate");
	op = writing ? "write" : "read";
	fd = new_file("uffd-slow", 16);
	put(fd, 0, 8, 1);
	drop(fd);
	dfd = open_file("uffd-slow", direct ? O_DIRECT : 0);
	uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api))
		fail("setup", errno, "userfaultfd");
	p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		fail("setup", errno, "mmap");
	reg.range.start = (uintptr_t)p;
	reg.range.len = PAGES * PAGE;
	if (ioctl(uffd, UFFDIO_REGISTER, &reg))
		fail("setup", errno, "UFFDIO_REGISTER");

	step("%s %ld pages%s, the buffer served slowly by a thread that %s the file", op, PAGES, direct ? " with O_DIRECT" : "",
	     mild ? "reads" : punch ? "punches" : cut ? "truncates" : "writes");
	beside(serve, p);
	if (punch || cut) {
		ssize_t n = pread(dfd, p, PAGES * PAGE, 0);

		if (n < 0)
			fail("read", errno, "%ld pages", PAGES);
		if (punch)
			want_count("read", n, PAGES * PAGE);
		check_gone(p, n);
		step("wait for the thread");
		together();
		check_file("read", "file", fd, cut ? 1 : 0, PAGES - 1, 0, 0);
		check_file("read", "beside", fd, PAGES, 4, cut ? 0 : 1, PAGES * PAGE);
		return pass();
	}
	want_count(op, writing ? pwrite(dfd, p, PAGES * PAGE, 0) : pread(dfd, p, PAGES * PAGE, 0), PAGES * PAGE);
	/* A page that the transfer did not need, as it replaced all of it, is asked for here. */
	check(op, "buffer", p, PAGES * PAGE, writing ? 2 : 1, 0);
	step("wait for the thread");
	together();
	step("check the data");
	check_file(op, "file", fd, 0, PAGES, writing ? 2 : 1, 0);
	check_file(op, "beside", fd, PAGES, 4, 1, PAGES * PAGE);
	return pass();
}
