/* SPDX-License-Identifier: Apache-2.0 */
/*
 * enospc-fault: on a full file system, read(2) into a mapping of a hole of the same file, and a store to one.
 *
 * Locks: inode lock, then in the fault the same inode lock; page_mkwrite finds no blocks, after it has started a transaction and,
 * perhaps, waited for the journal to give blocks back. Order: inode lock, inode lock, journal, resource groups.
 * Deterministic: the file system is filled until a write fails; one thread.
 * Known from: page_mkwrite must fail with SIGBUS (a store) or EFAULT (a system call), mmap(2); file systems retry after a
 * journal commit (ext4_should_retry_alloc()), which must not wait for the caller's own transaction.
 * A correct kernel: EFAULT or a short count, and SIGBUS; when there is room again the same calls work.
 */
#include "repro.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/statvfs.h>

static sigjmp_buf back;

static void on_sigbus(int sig)
{
	siglongjmp(back, sig);
}

int main(int argc, char **argv)
{
	static const char *const words[] = { NULL };
	static char junk[16 * PAGE];
	struct sigaction sa = { .sa_handler = on_sigbus };
	struct statvfs fs;
	int fd, filler;
	ssize_t n;
	char *p;

	known_args(argc, argv, words);
	if (statvfs(path("."), &fs))
		fail("setup", errno, "statvfs");
	if ((unsigned long long)fs.f_bfree * fs.f_frsize > 512ULL << 20)
		fail("setup", EFBIG, "the file system is too big to be filled");
	fd = new_file("enospc-fault", 64);
	put(fd, 0, 1, 1);
	p = map(fd, 8, 32, MAP_SHARED);
	if (fsync(fd))
		fail("fsync", errno, "before filling");
	filler = new_file("enospc-filler", 0);
	step("fill the file system");
	for (size_t len = sizeof(junk); len >= 512; len /= 2)
		while ((n = write(filler, junk, len)) > 0)
			;
	fsync(filler);
	sigaction(SIGBUS, &sa, NULL);

	step("read into a mapping of a hole");
	for (int i = 0; i < 16; i++) {
		n = pread(fd, p + i * PAGE, PAGE, 0);
		if (n < 0 && errno != EFAULT && errno != ENOSPC)
			fail("read", errno, "on a full file system");
	}
	step("store to a mapping of a hole");
	for (volatile int i = 16; i < 32; i++)
		if (!sigsetjmp(back, 1))
			p[i * PAGE] = 1;
	step("make room and do it again");
	close(filler);
	if (unlink(path("enospc-filler")))
		fail("unlink", errno, "the filler");
	sync();
	/* Freed blocks may come back only with the next commit of the journal. */
	for (int try = 0; try < 50 && statvfs(path("."), &fs) == 0 && fs.f_bfree * fs.f_frsize < 1 << 20; try++)
		usleep(20000);
	want_count("read", pread(fd, p, PAGE, 0), PAGE);
	check("read", "mapping", p, PAGE, 1, 0);
	return pass();
}
