/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuse-slow read|write: a transfer whose buffer is mapped from a file of a FUSE file system, served by a second process that takes its
 * time and, before it answers, reads from the file that is transferred; with read it also writes to it.
 *
 * Locks: the transfer holds its lock (GFS2: the inode glock) while the fault waits for FUSE_READ; the server needs the same one, exclusive
 * to write, shared to read. What is a window of microseconds elsewhere lasts here until the server is done: no luck is needed. Unlike
 * with userfaultfd the fault goes through the page cache of another file system: page lock, then FUSE.
 * Order: inode lock, page lock of the FUSE file, server; the server: inode lock, then its answer.
 * Deterministic: the server answers only when its own I/O is done. XFS: deadlock in 10 of 10 runs with 5.10 and with 6.1.
 * Known from: FUSE's use to stretch race windows; a case of the rule of the thread "[RFC 0/9] gfs2: handle page faults
 * during read and write" (cluster-devel, May 2021): no fault may be served under a lock that serving it may need.
 * A correct kernel: by that rule both end, and the data is right. With write the server does not write, as every file system holds the
 * inode's i_rwsem over a write. XFS holds its own lock over the copy of a read by design and hangs; the wait can be killed.
 */
#include "repro.h"

#include <linux/fuse.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#define PAGES 4L
#define NODE 2	/* the one file, "slow" */

static int fuse, fd, writing;

static void answer(const struct fuse_in_header *in, int err, const void *body, size_t len)
{
	struct fuse_out_header out = { .len = sizeof(out) + len, .error = -err, .unique = in->unique };
	struct iovec iov[2] = { { &out, sizeof(out) }, { (void *)body, len } };

	if (writev(fuse, iov, 2) < 0 && errno != ENOENT)
		_exit(2);
}

static struct fuse_attr attr(uint64_t node)
{
	return (struct fuse_attr){ .ino = node, .nlink = 1, .mode = node == NODE ? S_IFREG | 0600 : S_IFDIR | 0700,
				   .size = node == NODE ? PAGES * PAGE : 0, .blksize = PAGE };
}

static void serve(void)
{
	static char request[64 << 10] __attribute__((aligned(8)));
	static char data[PAGES * PAGE];
	const struct fuse_in_header *in = (void *)request;

	for (;;) {
		const void *arg = request + sizeof(*in);

		if (read(fuse, request, sizeof(request)) < 0) {
			if (errno == EINTR || errno == ENOENT)
				continue;
			_exit(0);	/* unmounted */
		}
		switch (in->opcode) {
		case FUSE_INIT: {
			struct fuse_init_out out = { .major = FUSE_KERNEL_VERSION, .minor = 31, .max_readahead = 0, .max_write = PAGES * PAGE };

			answer(in, 0, &out, sizeof(out));
			break;
		}
		case FUSE_LOOKUP: {
			struct fuse_entry_out out = { .nodeid = NODE, .entry_valid = 60, .attr_valid = 60, .attr = attr(NODE) };

			answer(in, strcmp(arg, "slow") ? ENOENT : 0, &out, strcmp(arg, "slow") ? 0 : sizeof(out));
			break;
		}
		case FUSE_GETATTR: {
			struct fuse_attr_out out = { .attr_valid = 60, .attr = attr(in->nodeid) };

			answer(in, 0, &out, sizeof(out));
			break;
		}
		case FUSE_OPEN: {
			struct fuse_open_out out = { .fh = 1 };

			answer(in, 0, &out, sizeof(out));
			break;
		}
		case FUSE_READ: {
			const struct fuse_read_in *r = arg;
			size_t len = r->offset >= sizeof(data) ? 0 : sizeof(data) - r->offset < r->size ? sizeof(data) - r->offset : r->size;
			char word[8];

			usleep(50000);
			want_count("read", pread(fd, word, sizeof(word), 6 * PAGE), sizeof(word));
			fill(word, sizeof(word), 3, 12 * PAGE);
			if (!writing)
				want_count("write", pwrite(fd, word, sizeof(word), 12 * PAGE), sizeof(word));
			fill(data, sizeof(data), 2, 0);
			answer(in, 0, data + r->offset, len);
			break;
		}
		case FUSE_FORGET:
		case FUSE_BATCH_FORGET:
		case FUSE_INTERRUPT:
			break;
		default:
			answer(in, in->opcode == FUSE_FLUSH || in->opcode == FUSE_RELEASE ? 0 : ENOSYS, NULL, 0);
		}
	}
}

int main(int argc, char **argv)
{
	static const char *const words[] = { "read", "write", NULL };
	char options[128], *p;
	int slow, status;
	pid_t server;

	known_args(argc, argv, words);
	writing = has_arg(argc, argv, "write");
	if (getenv("REPRO_DIR"))
		fail("setup", EPERM, "it would mount on somebody's machine: only for the VM");
	fd = new_file("fuse-slow", 16);
	put(fd, 0, 8, 1);
	drop(fd);
	fuse = open("/dev/fuse", O_RDWR);
	if (fuse < 0 && errno == ENOENT && !mknod("/dev/fuse", S_IFCHR | 0600, makedev(10, 229)))
		fuse = open("/dev/fuse", O_RDWR);
	if (fuse < 0)
		fail("setup", errno, "open /dev/fuse");
	mkdir("/tmp/fuse-slow", 0700);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40700,user_id=0,group_id=0", fuse);
	if (mount("slow", "/tmp/fuse-slow", "fuse", 0, options))
		fail("setup", errno, "mount fuse");
	server = fork();
	if (server < 0)
		fail("setup", errno, "fork");
	if (!server)
		serve();
	slow = open("/tmp/fuse-slow/slow", O_RDWR);
	if (slow < 0)
		fail("setup", errno, "open the slow file");
	/* Private: a read makes copies of what the server gave. */
	p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, slow, 0);
	if (p == MAP_FAILED)
		fail("setup", errno, "map the slow file");

	step("%s %ld pages, the buffer mapped from a slow FUSE file", writing ? "write" : "read", PAGES);
	want_count(writing ? "write" : "read", writing ? pwrite(fd, p, PAGES * PAGE, 0) : pread(fd, p, PAGES * PAGE, 0), PAGES * PAGE);
	check(writing ? "write" : "read", "buffer", p, PAGES * PAGE, writing ? 2 : 1, 0);
	step("check the data");
	check_file(writing ? "write" : "read", "file", fd, 0, PAGES, writing ? 2 : 1, 0);
	check_file(writing ? "write" : "read", "beside", fd, PAGES, 4, 1, PAGES * PAGE);
	munmap(p, PAGES * PAGE);
	close(slow);
	kill(server, SIGKILL);
	waitpid(server, &status, 0);
	umount2("/tmp/fuse-slow", MNT_DETACH);
	return pass();
}
