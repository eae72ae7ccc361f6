/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xattr-self: getxattr(2), listxattr(2) and setxattr(2) of a file with a buffer that is mapped from it and not resident.
 *
 * Locks: the inode lock (GFS2: the glock; ext4: xattr_sem) while the attribute is read or changed. The VFS copies between user space and
 * memory of its own before or after that; a file system that copied under the lock would take it again in the fault.
 * Order: none taken twice, if it is done right.
 * Deterministic: the page is proved to be out of the page cache and of the page tables before the call; one thread.
 * Known from: the system calls with a user buffer that the thread "[RFC 0/9] gfs2: handle page faults during read and write"
 * (cluster-devel, May 2021) had to look at.
 * A correct kernel: all three work as with other memory.
 */
#include "repro.h"

#include <sys/xattr.h>

#define LEN 400	/* of the value: two of them fit into a block of 1 KiB, as replacing may need */

int main(int argc, char **argv)
{
	static const char *const words[] = { NULL };
	static char value[LEN / 8 * 8];
	int fd;
	char *p;

	known_args(argc, argv, words);
	fd = new_file("xattr-self", 8);
	fill(value, sizeof(value), 7, 0);
	if (fsetxattr(fd, "user.repro", value, sizeof(value), 0))
		fail("setxattr", errno, "from the stack");
	put(fd, 0, 8, 1);
	p = evicted(fd, 4, 2, MAP_SHARED);

	step("getxattr into a mapping of the file");
	want_count("getxattr", fgetxattr(fd, "user.repro", p, PAGE), sizeof(value));
	check("getxattr", "value", p, sizeof(value), 7, 0);
	evict(fd, p, 2);
	step("listxattr into a mapping of the file");
	if (flistxattr(fd, p, PAGE) < (ssize_t)sizeof("user.repro"))
		fail("listxattr", errno, "into the mapping");
	if (!memmem(p, PAGE, "user.repro", sizeof("user.repro")))
		wrong("listxattr", "user.repro is not in the list");
	evict(fd, p, 2);
	step("setxattr from a mapping of the file");
	if (fsetxattr(fd, "user.repro", p + PAGE, sizeof(value), XATTR_REPLACE))
		fail("setxattr", errno, "from the mapping");
	want_count("getxattr", fgetxattr(fd, "user.repro", value, sizeof(value)), sizeof(value));
	check("setxattr", "value", value, sizeof(value), 1, 5 * PAGE);
	return pass();
}
