#define _GNU_SOURCE
#include "agent.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGS_MAX 256
#define MOUNT_TIMEOUT_MS 60000
#define BUSY_MS 2500 /* for killed processes to let go of the file system; longer than a deadlock takes to be seen */

struct command {
	long timeout_ms, deadlock_ms, livelock_ms;
	char *disk, *fstype, *options;
	char *system, *scratch; /* disks, "" for none: the case's own root file system, and an empty one for it */
	char *argv[ARGS_MAX + 1];
};

static char cmdbuf[COMMAND_MAX + 1];

void node(const char *path, unsigned maj, unsigned min)
{
	if (mknod(path, S_IFCHR | 0666, makedev(maj, min)) < 0 && errno != EEXIST)
		die(path);
}

static void link_to(const char *path, const char *target)
{
	if (symlink(target, path) < 0 && errno != EEXIST)
		die(path);
}

static void setup(void)
{
	umask(0);
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/dev", 0755);
	mkdir("/tmp", 0777);
	mkdir("/mnt", 0755);
	if (mount("proc", "/proc", "proc", 0, "") < 0)
		die("mount /proc");
	if (mount("sysfs", "/sys", "sysfs", 0, "") < 0)
		die("mount /sys");
	if (mount("devtmpfs", "/dev", "devtmpfs", 0, "") < 0 && mount("tmpfs", "/dev", "tmpfs", 0, "") < 0 && errno != ENODEV)
		die("mount /dev");
	mount("tmpfs", "/tmp", "tmpfs", 0, ""); /* without it /tmp is the initramfs */
	mkdir("/dev/shm", 01777);
	mount("tmpfs", "/dev/shm", "tmpfs", 0, "");
	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, "");
	node("/dev/null", 1, 3);
	node("/dev/zero", 1, 5);
	node("/dev/full", 1, 7);
	node("/dev/random", 1, 8);
	node("/dev/urandom", 1, 9);
	link_to("/dev/fd", "/proc/self/fd");
	link_to("/dev/stdin", "fd/0");
	link_to("/dev/stdout", "fd/1");
	link_to("/dev/stderr", "fd/2");
	signal(SIGPIPE, SIG_IGN);
	/* However many threads the case has, the agent gets its turn. Its children do not inherit this. */
	sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &(struct sched_param){ .sched_priority = 1 });
}

/* The strings of a "run". */
static void parse_command(struct command *c, size_t len)
{
	char *p = cmdbuf, *end = cmdbuf + len;
	c->timeout_ms = atol(next_string(&p, end));
	c->deadlock_ms = atol(next_string(&p, end));
	c->livelock_ms = atol(next_string(&p, end));
	c->disk = next_string(&p, end);
	c->fstype = next_string(&p, end);
	c->options = next_string(&p, end);
	c->system = next_string(&p, end);
	c->scratch = next_string(&p, end);
	int argc = 0;
	while (p < end && argc < ARGS_MAX)
		c->argv[argc++] = next_string(&p, end);
	c->argv[argc] = 0;
}

/* Finds the disk with the given serial number: its kernel's name and number; an errno. */
static int look_up(const char *serial, char *name, size_t size, dev_t *dev)
{
	DIR *d = opendir("/sys/block");
	struct dirent *e;
	char file[512], buf[64];
	unsigned maj, min;
	int err = ENODEV;
	while (d && (e = readdir(d))) {
		snprintf(file, sizeof file, "/sys/block/%s/serial", e->d_name);
		if (e->d_name[0] == '.' || read_file(file, buf, sizeof buf) < 0)
			continue;
		buf[strcspn(buf, "\n")] = 0;
		if (strcmp(buf, serial))
			continue;
		snprintf(file, sizeof file, "/sys/block/%s/dev", e->d_name);
		if (read_file(file, buf, sizeof buf) > 0 && sscanf(buf, "%u:%u", &maj, &min) == 2) {
			snprintf(name, size, "%s", e->d_name);
			*dev = makedev(maj, min);
			err = 0;
		}
		break;
	}
	if (d)
		closedir(d);
	return err;
}

/* Makes the node of the disk with the given serial number; an errno. */
int find_disk(const char *serial, const char *path)
{
	char name[64];
	dev_t dev;
	int err = look_up(serial, name, sizeof name, &dev);
	if (!err && mknod(path, S_IFBLK | 0600, dev) < 0 && errno != EEXIST)
		err = errno;
	return err;
}

/* Sets NAME in the environment to the path of a disk that goes by the kernel's name, as sysfs and /proc/mounts do; an errno. */
static int name_disk(const char *name, const char *serial)
{
	char path[80] = "/dev/";
	dev_t dev;
	int err = *serial ? look_up(serial, path + 5, sizeof path - 5, &dev) : 0;
	if (!err && *serial && mknod(path, S_IFBLK | 0600, dev) < 0 && errno != EEXIST)
		err = errno;
	if (!err && setenv(name, *serial ? path : "", 1) < 0)
		err = errno;
	return err;
}

/* In the child: makes the system on a disk its root, read-only but for /tmp, /mnt, /run and /var; an errno. What is to be tested is
 * left to the case: it mounts and unmounts it. */
static int enter(struct command *c)
{
	static const char *writable[] = { "/system/tmp", "/system/mnt", "/system/run", "/system/var" };
	int err = find_disk(c->system, "/dev/system-disk");
	mkdir("/system", 0755);
	if (!err && (mount("/dev/system-disk", "/system", "ext4", MS_RDONLY, "") < 0 || mount("/dev", "/system/dev", 0, MS_BIND, "") < 0 ||
		     mount("/proc", "/system/proc", 0, MS_BIND, "") < 0 || mount("/sys", "/system/sys", 0, MS_BIND | MS_REC, "") < 0))
		err = errno;
	for (size_t i = 0; !err && i < sizeof writable / sizeof *writable; i++)
		if (mount("tmpfs", writable[i], "tmpfs", 0, "mode=1777") < 0)
			err = errno;
	if (!err)
		err = name_disk("DISK", c->disk);
	if (!err)
		err = name_disk("SCRATCH", c->scratch);
	if (!err && (setenv("FSTYPE", c->fstype, 1) < 0 || setenv("OPTIONS", c->options, 1) < 0 || chroot("/system") < 0 || chdir("/tmp") < 0))
		err = errno;
	return err;
}

/* In the child: mounts, and becomes the case. Tells how far it got in two-byte words "m\0" (mounted), "M", "S" (system) and "X" with
 * an errno. */
static void become(struct command *c, int out, int status)
{
	static char *env[] = { "PATH=/bin", "HOME=/tmp", "TERM=dumb", 0 };
	char path[300], word[2] = { 'm', 0 };
	cpu_set_t all;
	sigset_t none;
	int null;

	setsid();
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, 0);
	memset(&all, 0xff, sizeof all);
	sched_setaffinity(0, sizeof all, &all);
	if (*c->system) {
		int err = enter(c);
		if (err) {
			word[0] = 'S';
			word[1] = err;
			_exit(write(status, word, 2) != 2);
		}
	} else if (*c->fstype) {
		const char *dev = *c->disk ? "/dev/case-disk" : c->fstype;
		int err = *c->disk ? find_disk(c->disk, dev) : 0;
		if (!err && mount(dev, "/mnt", c->fstype, 0, c->options) < 0)
			err = errno;
		if (!err && chdir("/mnt") < 0)
			err = errno;
		if (err) {
			word[0] = 'M';
			word[1] = err;
			_exit(write(status, word, 2) != 2);
		}
	} else if (chdir("/tmp") < 0) {
		_exit(1);
	}
	if (write(status, word, 2) != 2)
		_exit(1);
	null = open("/dev/null", O_RDONLY);
	dup2(null, 0);
	dup2(out, 1);
	dup2(out, 2);
	snprintf(path, sizeof path, "%s%s", c->argv[0][0] == '/' ? "" : "/bin/", c->argv[0]);
	if (*c->system) {
		setenv("PATH", "/bin:/sbin:/usr/bin:/usr/sbin", 1);
		setenv("HOME", "/tmp", 1);
		setenv("TERM", "dumb", 1);
	}
	execve(path, c->argv, *c->system ? environ : env);
	word[0] = 'X';
	word[1] = errno;
	_exit(write(status, word, 2) != 2);
}

static void child_ended(int sig)
{
	(void)sig; /* it ends await() */
}

/* From here on a child that ends is noticed by await(), and only there. */
static void hold_children(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaction(SIGCHLD, &(struct sigaction){ .sa_handler = child_ended }, 0);
	sigprocmask(SIG_BLOCK, &set, 0);
}

/* Waits for the descriptors, a child's end, or a time (now_ms). Each time that the agent runs it is in the case's way. */
static void await(struct pollfd *fds, int n, uint64_t until)
{
	uint64_t t = now_ms(), ms = until > t ? until - t : 0;
	sigset_t none;
	sigemptyset(&none);
	for (int i = 0; i < n; i++)
		fds[i].revents = 0;
	ppoll(fds, n, &(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, &none);
}

/* Sends what the case wrote; the number of bytes. */
static int pump(int out)
{
	static char buf[4096];
	ssize_t r = read(out, buf, sizeof buf);
	if (r > 0)
		send_msg("out", buf, r);
	return r > 0 ? r : 0;
}

/* Unmounts in a child, for it can hang; nothing that the case left running keeps the file system busy. Its status is an errno. */
static pid_t start_umount(void)
{
	pid_t child = fork();
	if (child < 0)
		die("fork");
	if (child == 0) {
		uint64_t end = now_ms() + BUSY_MS;
		prctl(PR_SET_NAME, "umount");
		kill(-1, SIGKILL); /* all but this one and the agent, see kill(2) */
		while (umount2("/mnt", 0) < 0) {
			if (errno != EBUSY || now_ms() > end)
				_exit(errno);
			usleep(10000);
		}
		_exit(0);
	}
	return child;
}

static void send_number(const char *type, int n)
{
	char buf[16];
	send_msg(type, buf, snprintf(buf, sizeof buf, "%d", n));
}

/* Follows the case, then the unmounting: what a case did to its file system may show only there. */
static void run(struct command *c)
{
	int out[2], status[2], timedout = 0, unmounting = 0, wstatus, mounted = 0, reported = 0;
	uint64_t begin, next_scan, next_beat;
	long limit;
	char buf[128];
	pid_t child;

	watch_reset();
	hold_children();
	if (pipe2(out, O_CLOEXEC | O_NONBLOCK) < 0 || pipe2(status, O_CLOEXEC | O_NONBLOCK) < 0)
		die("make pipe");
	/* The case's end blocks. */
	fcntl(out[1], F_SETFL, 0);
	fcntl(status[1], F_SETFL, 0);
	child = fork();
	if (child < 0)
		die("fork");
	if (child == 0)
		become(c, out[1], status[1]);
	close(out[1]);
	close(status[1]);
	send_msg("start", "", 0);
	begin = now_ms();
	next_scan = begin + SCAN_MS;
	next_beat = begin + BEAT_MS;

	struct pollfd fds[2] = { { out[0], POLLIN, 0 }, { status[0], POLLIN, 0 } };
	for (;;) {
		unsigned char word[2];
		int pid, ws, ended = 0;
		uint64_t t;

		await(fds, 2, next_scan < next_beat ? next_scan : next_beat);
		if (fds[0].revents && pump(out[0]) == 0 && fds[0].revents & POLLHUP)
			fds[0].fd = -1; /* nobody has the other end open any more */
		if (fds[1].revents & POLLHUP)
			fds[1].fd = -1; /* what is left in it is read now */
		while (read(status[0], word, 2) == 2) {
			if (word[0] == 'm') {
				mounted = 1;
				begin = now_ms();
				send_msg("mounted", "", 0);
			} else {
				send_number(word[0] == 'M' ? "mount" : word[0] == 'S' ? "system" : "exec", word[1]);
			}
		}
		while ((pid = waitpid(-1, &ws, WNOHANG)) > 0)
			if (pid == child) {
				ended = 1;
				wstatus = ws;
			}
		if (ended && !unmounting) {
			while (pump(out[0]) > 0)
				;
			int n = snprintf(buf, sizeof buf, "%d %d", WIFEXITED(wstatus) ? WEXITSTATUS(wstatus) : 0,
					 WIFSIGNALED(wstatus) ? WTERMSIG(wstatus) : 0);
			send_msg("exit", buf, n);
			if (!*c->fstype || *c->system || !mounted)
				break;
			unmounting = 1;
			child = start_umount();
			begin = now_ms();
			continue;
		}
		if (ended) {
			int err = WIFEXITED(wstatus) ? WEXITSTATUS(wstatus) : EINTR;
			/* What holds the file system may be a thread that is blocked for good. */
			if (err == EBUSY && watch_stuck() >= c->deadlock_ms / SCAN_MS)
				report_hang("stuck", watch_stuck() * SCAN_MS / 1e3);
			if (err)
				send_number("umount", err);
			break;
		}
		t = now_ms();
		if (t >= next_beat) {
			next_beat = t + BEAT_MS;
			send_msg("beat", "", 0);
		}
		if (t < next_scan)
			continue;
		next_scan = t + SCAN_MS;
		switch (watch_scan(c->deadlock_ms / SCAN_MS, c->livelock_ms / SCAN_MS)) {
		case DEADLOCK:
			/* Looked at again when it is not for good, reported once when it is. */
			if (!reported)
				reported = report_hang("deadlock", c->deadlock_ms / 1e3);
			if (!reported)
				watch_again();
			break;
		case LIVELOCK:
			if (spins_in_kernel(watch_task()))
				report_hang("livelock", watch_seconds());
			else
				watch_moves();
			break;
		case REFAULT:
			if (faults_in_one_call(watch_task()))
				report_hang("refault", watch_seconds());
			else
				watch_moves();
			break;
		case MOVING:
			break;
		}
		limit = c->timeout_ms;
		if ((unmounting || !mounted) && limit < MOUNT_TIMEOUT_MS)
			limit = MOUNT_TIMEOUT_MS;
		if (!timedout && t - begin > (uint64_t)limit) {
			timedout = 1;
			if (watch_stuck() >= c->deadlock_ms / SCAN_MS)
				report_hang("stuck", watch_stuck() * SCAN_MS / 1e3);
			send_msg("timeout", "", 0);
		}
	}
	send_msg("done", "", 0);
	close(out[0]);
	close(status[0]);
}

int main(void)
{
	static struct command c;
	char cpus[32];
	setup();
	port_open();
	/* How many run, and how many this kernel would. */
	send_msg("ready", cpus, snprintf(cpus, sizeof cpus, "%ld %ld", sysconf(_SC_NPROCESSORS_ONLN), sysconf(_SC_NPROCESSORS_CONF)));
	for (;;) {
		char type[16];
		size_t len = read_msg(type, sizeof type, cmdbuf, COMMAND_MAX);
		if (!strcmp(type, "run")) {
			parse_command(&c, len);
			run(&c);
		} else if (!strcmp(type, "shell")) {
			shell(cmdbuf, len);
		}
	}
}
