/* A shell for a person instead of a case.
 *
 * "shell" holds strings: what the shell's standard streams are ("tty": a pseudo-terminal; "pipe"; "console": the serial
 * console, which the host reads by itself), rows and columns of the terminal, the program, the number of file systems and for each
 * its name, disk, type and options, then the environment. File systems are mounted at /fs/NAME; the shell starts in the first.
 * Then the host sends "in" (what was typed), "eof" and "size"; the agent "note" (a line to show), "up" (the shell runs), "out", "err"
 * and at last "exit" (status and signal).
 */
#define _GNU_SOURCE
#include "agent.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define MOUNT_WAIT_MS 10000 /* a mount that takes longer does not keep the shell from starting */
#define ENV_MAX 64

static char home[300] = "/tmp";

static void note(const char *text) { send_msg("note", text, strlen(text)); }

/* Mounts in a child: a kernel under test may never come back from it. */
static void mount_all(char **p, char *end, int n)
{
	int out[2];
	char buf[4096];
	uint64_t until = now_ms() + MOUNT_WAIT_MS;
	pid_t child;

	mkdir("/fs", 0755);
	if (pipe2(out, O_CLOEXEC) < 0)
		die("make pipe");
	char *fs = *p;
	for (int i = 0; i < 4 * n; i++)
		next_string(p, end);
	if (n)
		snprintf(home, sizeof home, "/fs/%.200s", fs);
	child = fork();
	if (child == 0) {
		for (; n > 0; n--) {
			char *name = next_string(&fs, end), *disk = next_string(&fs, end);
			char *type = next_string(&fs, end), *options = next_string(&fs, end);
			char dir[300], dev[300];
			snprintf(dir, sizeof dir, "/fs/%.200s", name);
			snprintf(dev, sizeof dev, "%s%.200s", *disk ? "/dev/fs-" : "", *disk ? name : type);
			mkdir(dir, 0755);
			int err = *disk ? find_disk(disk, dev) : 0;
			if (!err && mount(dev, dir, type, 0, options) < 0)
				err = errno;
			if (err)
				dprintf(out[1], "mount %s %s: %s\n", dev, dir, strerror(err));
		}
		_exit(0);
	}
	close(out[1]);
	for (;;) {
		struct pollfd fd = { out[0], POLLIN, 0 };
		int64_t left = until - now_ms();
		if (left <= 0 || poll(&fd, 1, left) <= 0) {
			note("mounting is not done yet, it goes on");
			break;
		}
		ssize_t r = read(out[0], buf, sizeof buf);
		if (r <= 0)
			break;
		send_msg("note", buf, r);
	}
	close(out[0]);
}

static void set_size(int tty, const char *size)
{
	struct winsize w = { 0 };
	if (sscanf(size, "%hu %hu", &w.ws_row, &w.ws_col) == 2)
		ioctl(tty, TIOCSWINSZ, &w);
}

/* Opens a pseudo-terminal; its user's side is returned in *user. -1 and errno when the kernel has none. */
static int open_pty(int *user)
{
	int zero = 0, n, master;
	char path[32];
	mkdir("/dev/pts", 0755);
	mount("devpts", "/dev/pts", "devpts", 0, "mode=600,ptmxmode=666");
	node("/dev/ptmx", 5, 2);
	master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (master < 0 || ioctl(master, TIOCSPTLCK, &zero) < 0 || ioctl(master, TIOCGPTN, &n) < 0)
		return -1;
	snprintf(path, sizeof path, "/dev/pts/%d", n);
	*user = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	return *user < 0 ? -1 : master;
}

static void become(const char *program, char **env, int in, int out, int err, int tty)
{
	const char *base = strrchr(program, '/');
	char *argv[] = { (char *)(base ? base + 1 : program), 0 };
	cpu_set_t all;

	memset(&all, 0xff, sizeof all);
	sched_setaffinity(0, sizeof all, &all);
	signal(SIGPIPE, SIG_DFL);
	setsid();
	if (tty)
		ioctl(in, TIOCSCTTY, 1);
	dup2(in, 0);
	dup2(out, 1);
	dup2(err, 2);
	if (chdir(home) < 0 && chdir("/") < 0)
		_exit(126);
	execve(program, argv, env);
	dprintf(2, "execute %s: %s\n", program, strerror(errno));
	_exit(127);
}

/* Hands on what fd has; -1 when there will be no more. */
static int hand_on(int fd, const char *type)
{
	static char buf[16384];
	ssize_t r = read(fd, buf, sizeof buf);
	if (r > 0)
		send_msg(type, buf, r);
	if (r > 0 || (r < 0 && errno == EINTR))
		return 1;
	return r < 0 && errno == EAGAIN ? 0 : -1;
}

/* Carries bytes both ways until the child ends; its wait status. The fds are not blocking; in is that of the terminal, too. */
static int relay(pid_t child, int in, int out, int err, int tty)
{
	static char data[COMMAND_MAX + 1];
	char type[16];
	size_t have = 0, done = 0;
	int ws, pid, eof = 0;

	for (;;) {
		struct pollfd fds[4] = {
			{ done < have ? -1 : port, POLLIN, 0 }, { done < have ? in : -1, POLLOUT, 0 }, { out, POLLIN, 0 }, { err, POLLIN, 0 },
		};
		poll(fds, 4, 20);
		if (fds[0].revents & POLLIN) {
			size_t n = read_msg(type, sizeof type, data, COMMAND_MAX);
			if (!strcmp(type, "in")) {
				have = n;
				done = 0;
			} else if (!strcmp(type, "size") && tty >= 0) {
				set_size(tty, data);
			} else if (!strcmp(type, "eof")) {
				eof = 1;
				if (tty >= 0)
					kill(child, SIGHUP); /* the terminal is gone */
			}
		}
		if (done < have) {
			ssize_t r = in < 0 ? (ssize_t)(have - done) : write(in, data + done, have - done);
			if (r < 0 && errno != EAGAIN && errno != EINTR)
				done = have; /* nobody reads it any more */
			else if (r > 0)
				done += r;
		}
		if (eof && done == have && tty < 0 && in >= 0) {
			close(in);
			in = -1;
		}
		if (out >= 0 && hand_on(out, "out") < 0)
			out = -1;
		if (err >= 0 && hand_on(err, "err") < 0)
			err = -1;
		while ((pid = waitpid(-1, &ws, WNOHANG)) > 0)
			if (pid == child) {
				while (out >= 0 && hand_on(out, "out") > 0)
					;
				while (err >= 0 && hand_on(err, "err") > 0)
					;
				return ws;
			}
	}
}

void shell(char *p, size_t len)
{
	char *end = p + len, *env[ENV_MAX + 1], buf[64];
	char *mode = next_string(&p, end), *size = next_string(&p, end), *program = next_string(&p, end);
	int n = atoi(next_string(&p, end)), nenv = 0, ws;
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, err[2] = { -1, -1 }, tty = -1;
	pid_t child;

	/* A run ends with the first oops; a person wants to look around. */
	write_file("/proc/sys/kernel/panic_on_oops", "0");
	sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){ 0 });
	mount_all(&p, end, n);
	while (p < end && nenv < ENV_MAX)
		env[nenv++] = next_string(&p, end);
	env[nenv] = 0;

	if (!strcmp(mode, "pipe")) {
		if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
			die("make pipe");
		fcntl(in[1], F_SETFL, O_NONBLOCK);
		fcntl(out[0], F_SETFL, O_NONBLOCK);
		fcntl(err[0], F_SETFL, O_NONBLOCK);
	} else if (!strcmp(mode, "console")) {
		node("/dev/ttyS0", 4, 64);
		in[0] = tty = open("/dev/ttyS0", O_RDWR | O_NOCTTY | O_CLOEXEC);
	} else {
		in[1] = out[0] = tty = open_pty(&in[0]);
	}
	if (in[0] < 0) {
		int e = snprintf(buf, sizeof buf, "open terminal: %s", strerror(errno));
		send_msg("note", buf, e);
		send_msg("exit", "126 0", 5);
		return;
	}
	if (tty >= 0)
		set_size(tty, size);
	child = fork();
	if (child < 0)
		die("fork");
	if (child == 0)
		become(program, env, in[0], tty >= 0 ? in[0] : out[1], tty >= 0 ? in[0] : err[1], tty >= 0);
	if (strcmp(mode, "console"))
		close(in[0]);
	close(out[1]);
	close(err[1]);
	send_msg("up", "", 0);
	ws = relay(child, in[1], out[0], err[0], tty);
	n = snprintf(buf, sizeof buf, "%d %d", WIFEXITED(ws) ? WEXITSTATUS(ws) : 0, WIFSIGNALED(ws) ? WTERMSIG(ws) : 0);
	send_msg("exit", buf, n);
}
