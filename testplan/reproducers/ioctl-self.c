/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ioctl-self: FS_IOC_GETFLAGS and FS_IOC_SETFLAGS with their word in a page that is mapped from the same file and not resident.
 *
 * Locks: GETFLAGS may hold the inode lock shared (GFS2: the glock), SETFLAGS holds it exclusive and a freeze reference
 * (mnt_want_write); the word is copied before or after, if it is done right; under it, the fault takes the lock again.
 * Order: freeze protection, inode lock; in the fault: freeze protection, inode lock.
 * Deterministic: the page is proved to be out of the page cache and of the page tables before the call; one thread.
 * Known from: the system calls with a user buffer that the thread "[RFC 0/9] gfs2: handle page faults during read and write"
 * (cluster-devel, May 2021) had to look at.
 * A correct kernel: the flags are the same as with a word on the stack.
 */
#include "repro.h"

#include <linux/fs.h>
#include <sys/ioctl.h>

int main(int argc, char **argv)
{
	static const char *const words[] = { NULL };
	unsigned flags = 0, *mapped;
	int fd;

	known_args(argc, argv, words);
	fd = new_file("ioctl-self", 8);
	put(fd, 0, 8, 1);
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags))
		fail("getflags", errno, "into the stack");
	mapped = (void *)evicted(fd, 4, 1, MAP_SHARED);

	step("FS_IOC_GETFLAGS into a mapping of the file");
	if (ioctl(fd, FS_IOC_GETFLAGS, mapped))
		fail("getflags", errno, "into the mapping");
	if (*mapped != flags)
		wrong("getflags", "%#x in the mapping, %#x in the stack", *mapped, flags);
	*mapped = flags | FS_NOATIME_FL;
	evict(fd, mapped, 1);
	step("FS_IOC_SETFLAGS from a mapping of the file");
	if (ioctl(fd, FS_IOC_SETFLAGS, mapped))
		fail("setflags", errno, "from the mapping");
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags))
		fail("getflags", errno, "into the stack");
	if (!(flags & FS_NOATIME_FL))
		wrong("setflags", "%#x has no FS_NOATIME_FL", flags);
	return pass();
}
