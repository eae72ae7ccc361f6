/* SPDX-License-Identifier: Apache-2.0 */
/*
 * getdents-self: getdents64(2) of a directory into a mapping of a file in it, not resident; a second thread makes and
 * removes names in the directory.
 *
 * Locks: the directory's inode lock, shared (GFS2: its glock), under which the entries are copied out; the fault takes the file's lock, and for
 * a hole the journal. The thread: the directory's lock, exclusive, then the file's. Order: directory, then file, in both.
 * Deterministic as to the fault under the directory's lock; the names that come and go beside are chance.
 * No kernel run so far fails it: 10 runs on each file system with 5.10 and with 6.1.
 * Known from: readdir is one of the last places where file systems copy to user space under an inode lock; the list of them was a
 * part of the thread "[RFC 0/9] gfs2: handle page faults during read and write" (cluster-devel, May 2021).
 * A correct kernel: the names that stay are listed once each.
 */
#include "repro.h"

#include <dirent.h>
#include <sys/syscall.h>

#define NAMES 60
#define ROUNDS 10

static const char *in_dir(const char *name)
{
	static _Thread_local char buf[64];

	snprintf(buf, sizeof(buf), "getdents-self/%s", name);
	return path(buf);
}

static void *churn(void *unused)
{
	char name[32];

	(void)unused;
	for (int i = 0; i < 5 * ROUNDS; i++) {
		int fd;

		snprintf(name, sizeof(name), "churn-%d", i % 7);
		fd = open(in_dir(name), O_CREAT | O_RDWR, 0600);
		if (fd >= 0)
			close(fd);
		unlink(in_dir(name));
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static const char *const words[] = { NULL };
	int dir, fd, seen;
	char name[32], *p;

	known_args(argc, argv, words);
	mkdir(path("getdents-self"), 0700);
	for (int i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "name-%03d", i);
		fd = open(in_dir(name), O_CREAT | O_RDWR, 0600);
		if (fd < 0)
			fail("setup", errno, "make %s", name);
		close(fd);
	}
	fd = new_file("getdents-self/buffer", 8);
	put(fd, 0, 4, 1);
	p = map(fd, 0, 8, MAP_SHARED);	/* half data, half hole */

	beside(churn, NULL);
	for (int round = 0; round < ROUNDS; round++) {
		long n;

		dir = open(path("getdents-self"), O_RDONLY | O_DIRECTORY);
		if (dir < 0)
			fail("setup", errno, "open the directory");
		step("round %d: list the directory into a mapping of a file in it", round);
		seen = 0;
		do {
			evict(fd, p, 8);
			n = syscall(SYS_getdents64, dir, p + 2 * PAGE, 4 * PAGE);
			if (n < 0)
				fail("getdents", errno, "into the mapping");
			for (long at = 0; at < n;) {
				struct dirent64 *d = (void *)(p + 2 * PAGE + at);

				seen += !strncmp(d->d_name, "name-", 5);
				at += d->d_reclen;
			}
		} while (n);
		close(dir);
		if (seen != NAMES)
			wrong("getdents", "%d of %d names", seen, NAMES);
	}
	together();
	return pass();
}
