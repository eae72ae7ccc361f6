/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the reproducers share: the protocol on standard output, test data that says where it came from, and files
 * whose pages are on disk and not in the page cache.
 *
 * Protocol. Before each step that a broken kernel may not come back from:
 *	step: WHAT
 * and as the last line exactly one of
 *	result: pass
 *	result: fail OP ERRNO DETAILS	a system call failed
 *	result: data OP DETAILS		wrong or short data; DETAILS begins with "short" for a short count
 * A short count is a failure here: POSIX allows it, but of a regular file, away from its end and without a signal, no
 * application expects it.
 * OP "setup" says that the situation to be tested could not be made. The exit status is 0 after a pass, else 1.
 *
 * Files are made in the directory $REPRO_DIR, /mnt when it is not set.
 *
 * Data. Every 8 bytes hold a seed and their own offset in the file, so that a page that is stale, displaced or
 * from another file shows.
 */
#ifndef REPRO_H
#define REPRO_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#define HELPER static __attribute__((unused))

/* The page size of every architecture and file system the plans use. */
#define PAGE 4096L

HELPER void step(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
HELPER void fail(const char *op, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4), noreturn));
HELPER void wrong(const char *op, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));

HELPER void step(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("step: ", stdout);
	vprintf(fmt, ap);
	putchar('\n');
	fflush(stdout);
	va_end(ap);
}

/* errno_name names the errors that file I/O gives; others are "E" and their number. */
HELPER const char *errno_name(int err)
{
	static char number[16];

	switch (err) {
#define NAME(e) case e: return #e;
	NAME(EPERM) NAME(ENOENT) NAME(EINTR) NAME(EIO) NAME(ENXIO) NAME(E2BIG) NAME(EBADF) NAME(ECHILD) NAME(EAGAIN)
	NAME(ENOMEM) NAME(EACCES) NAME(EFAULT) NAME(ENOTBLK) NAME(EBUSY) NAME(EEXIST) NAME(EXDEV) NAME(ENODEV) NAME(ENOTDIR)
	NAME(EISDIR) NAME(EINVAL) NAME(ENFILE) NAME(EMFILE) NAME(ETXTBSY) NAME(EFBIG) NAME(ENOSPC) NAME(ESPIPE) NAME(EROFS)
	NAME(EPIPE) NAME(ERANGE) NAME(EDEADLK) NAME(ENOSYS) NAME(ENODATA) NAME(EOVERFLOW) NAME(EUCLEAN) NAME(EOPNOTSUPP)
	NAME(ETIMEDOUT) NAME(ESTALE) NAME(EDQUOT)
#undef NAME
	}
	snprintf(number, sizeof(number), "E%d", err);
	return number;
}

HELPER void fail(const char *op, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("result: fail %s %s ", op, errno_name(err));
	vprintf(fmt, ap);
	putchar('\n');
	fflush(stdout);
	va_end(ap);
	_exit(1);
}

HELPER void wrong(const char *op, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("result: data %s ", op);
	vprintf(fmt, ap);
	putchar('\n');
	fflush(stdout);
	va_end(ap);
	_exit(1);
}

HELPER int pass(void)
{
	puts("result: pass");
	fflush(stdout);
	return 0;
}

/* want_count ends the program unless a transfer of want bytes returned want. */
HELPER void want_count(const char *op, ssize_t got, size_t want)
{
	if (got < 0)
		fail(op, errno, "%zu bytes", want);
	if ((size_t)got != want)
		wrong(op, "short %zd of %zu bytes", got, want);
}

/* has_arg says whether a word is among the arguments. */
HELPER int has_arg(int argc, char **argv, const char *word)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], word))
			return 1;
	return 0;
}

/* known_args ends the program when an argument is none of the NULL-terminated words. */
HELPER void known_args(int argc, char **argv, const char *const *words)
{
	for (int i = 1; i < argc; i++) {
		const char *const *w = words;

		while (*w && strcmp(*w, argv[i]))
			w++;
		if (!*w)
			fail("setup", EINVAL, "unknown argument %s", argv[i]);
	}
}

/* fill writes the pattern of (seed, file offset off) to buf; off and len are multiples of 8. */
HELPER void fill(void *buf, size_t len, unsigned seed, off_t off)
{
	uint64_t *p = buf;

	for (size_t i = 0; i < len / 8; i++)
		p[i] = (uint64_t)seed << 40 | (uint64_t)(off + 8 * (off_t)i);
}

/* check ends the program unless buf holds the pattern of (seed, off). Seed 0 means zeros, as in a hole. */
HELPER void check(const char *op, const char *what, const volatile void *buf, size_t len, unsigned seed, off_t off)
{
	const volatile uint64_t *p = buf;

	for (size_t i = 0; i < len / 8; i++) {
		uint64_t want = seed ? (uint64_t)seed << 40 | (uint64_t)(off + 8 * (off_t)i) : 0;
		uint64_t got = p[i];

		if (got != want)
			wrong(op, "%s: byte %zu: got seed %u offset %llu, want seed %u offset %llu", what, 8 * i,
			      (unsigned)(got >> 40), (unsigned long long)(got & 0xffffffffffULL),
			      (unsigned)(want >> 40), (unsigned long long)(want & 0xffffffffffULL));
	}
}

/* path returns DIR/name in a buffer of its own for each of up to four names at once. */
HELPER const char *path(const char *name)
{
	static char bufs[4][256];
	static unsigned next;
	char *buf = bufs[next++ % 4];
	const char *dir = getenv("REPRO_DIR");

	snprintf(buf, sizeof(bufs[0]), "%s/%s", dir ? dir : "/mnt", name);
	return buf;
}

/*
 * open_file opens a file without readahead, so that a page nobody asked for stays out of the page cache.
 * flags are added to O_RDWR.
 */
HELPER int open_file(const char *name, int flags)
{
	int fd = open(path(name), O_RDWR | flags, 0600);

	if (fd < 0)
		fail(flags & O_DIRECT ? "open-direct" : "open", errno, "%s", name);
	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	return fd;
}

/* new_file makes an empty file of pages pages, all of it a hole. */
HELPER int new_file(const char *name, long pages)
{
	int fd;

	unlink(path(name));
	fd = open_file(name, O_CREAT | O_EXCL);
	if (ftruncate(fd, pages * PAGE))
		fail("setup", errno, "ftruncate %s", name);
	return fd;
}

/* put writes the pattern of seed to pages [first, first + pages). */
HELPER void put(int fd, long first, long pages, unsigned seed)
{
	char buf[PAGE];

	for (long i = first; i < first + pages; i++) {
		ssize_t n;

		fill(buf, PAGE, seed, i * PAGE);
		n = pwrite(fd, buf, PAGE, i * PAGE);
		if (n != PAGE)
			fail("setup", n < 0 ? errno : ENOSPC, "write page %ld", i);
	}
}

/* map maps pages [first, first + pages) for reading and writing; nothing of it is in the page tables yet. */
HELPER void *map(int fd, long first, long pages, int flags)
{
	void *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, flags, fd, first * PAGE);

	if (p == MAP_FAILED)
		fail("setup", errno, "mmap");
	madvise(p, pages * PAGE, MADV_RANDOM);
	return p;
}

/* resident counts the pages of a mapping that the page cache holds. */
HELPER long resident(void *p, long pages)
{
	unsigned char vec[256];
	long n = 0;

	if (pages > (long)sizeof(vec))
		fail("setup", E2BIG, "mincore of %ld pages", pages);
	if (mincore(p, pages * PAGE, vec))
		fail("setup", errno, "mincore");
	for (long i = 0; i < pages; i++)
		n += vec[i] & 1;
	return n;
}

/* in_memory says whether a file is on tmpfs, whose pages have no disk to go to: its page cache is the file. */
HELPER int in_memory(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs))
		fail("setup", errno, "fstatfs");
	return fs.f_type == 0x01021994; /* TMPFS_MAGIC in linux/magic.h */
}

/*
 * evict writes all of a file to disk and takes it out of the page cache, and proves it on the mapping p of pages
 * pages, which it also takes out of the page tables. Without that proof there is nothing to test: fail setup. A file in memory
 * goes out of the page tables only: what touches the mapping then faults too, and finds the page.
 */
HELPER void evict(int fd, void *p, long pages)
{
	long left = pages;

	if (in_memory(fd)) {
		if (madvise(p, pages * PAGE, MADV_DONTNEED))
			fail("setup", errno, "madvise");
		return;
	}
	for (int try = 0; try < 20 && left; try++) {
		if (try)
			usleep(5000);
		if (madvise(p, pages * PAGE, MADV_DONTNEED))
			fail("setup", errno, "madvise");
		if (fsync(fd))
			fail("fsync", errno, "before evicting");
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		left = resident(p, pages);
	}
	if (left)
		fail("setup", EBUSY, "%ld of %ld pages stay in the page cache", left, pages);
}

/* evicted maps pages of a file that neither the page tables nor the page cache hold. */
HELPER char *evicted(int fd, long first, long pages, int flags)
{
	char *p = map(fd, first, pages, flags);

	evict(fd, p, pages);
	return p;
}

/*
 * beside starts body in a thread that leaves this call together with the caller. A deadlock of one leaves the other in the
 * kernel, waiting or gone, so that the case stands still; so loops of either side are bounded. Ends with together().
 */
HELPER void beside(void *(*body)(void *), void *arg);
HELPER void together(void);

static pthread_t beside_thread;
static pthread_barrier_t beside_start;
static struct { void *(*body)(void *); void *arg; } beside_what;

HELPER void *beside_run(void *unused)
{
	(void)unused;
	pthread_barrier_wait(&beside_start);
	return beside_what.body(beside_what.arg);
}

HELPER void beside(void *(*body)(void *), void *arg)
{
	beside_what.body = body;
	beside_what.arg = arg;
	pthread_barrier_init(&beside_start, NULL, 2);
	errno = pthread_create(&beside_thread, NULL, beside_run, NULL);
	if (errno)
		fail("setup", errno, "pthread_create");
	pthread_barrier_wait(&beside_start);
}

HELPER void together(void)
{
	pthread_join(beside_thread, NULL);
}

/* check_pages reads pages and checks them. */
HELPER void check_pages(const char *op, const char *what, int fd, long first, long pages, unsigned seed, off_t off)
{
	static char buf[PAGE] __attribute__((aligned(4096)));

	for (long i = 0; i < pages; i++) {
		char where[96];

		snprintf(where, sizeof(where), "%s, page %ld", what, first + i);
		want_count("verify", pread(fd, buf, PAGE, (first + i) * PAGE), PAGE);
		check(op, where, buf, PAGE, seed, off + i * PAGE);
	}
}

/* drop writes a file to disk and takes out of the page cache what nobody has mapped. */
HELPER void drop(int fd)
{
	if (fsync(fd))
		fail("fsync", errno, "before dropping the page cache");
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

/* check_file checks pages through the page cache, then once more from disk. */
HELPER void check_file(const char *op, const char *what, int fd, long first, long pages, unsigned seed, off_t off)
{
	char disk[64];

	check_pages(op, what, fd, first, pages, seed, off);
	drop(fd);
	snprintf(disk, sizeof(disk), "%s, on disk", what);
	check_pages(op, disk, fd, first, pages, seed, off);
}

#endif
