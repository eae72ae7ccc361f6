/* Stacks of a case that does not move. Some of these files take locks that a stuck task may hold (a task stuck in execve holds
 * what /proc/TID/stack needs), so a child reads them and the agent waits for it no longer than it should. */
#define _GNU_SOURCE
#include "agent.h"
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define REPORT_MAX (128 << 10)
#define CPU_LOOKS 3
#define REPORT_WAIT_MS 1500
#define REPORT_SLOW_MS 15000
#define STUCK_LOOKS 10 /* SCAN_MS apart */
#define RETURN_WAIT_MS 5000
#define SPIN_LOOKS 20 /* SCAN_MS apart */

static char text[REPORT_MAX];
static size_t len;

static void add(const char *fmt, const char *s)
{
	if (len < sizeof text - 1) {
		int n = snprintf(text + len, sizeof text - len, fmt, s);
		len += n < 0 ? 0 : n;
		if (len > sizeof text - 1)
			len = sizeof text - 1;
	}
}

static char *strip(char *s)
{
	for (char *p = s; *p; p++)
		if ((unsigned char)*p < ' ')
			*p = p[1] ? '?' : 0;
	return s;
}

/* Whether a sleeping system call waits for somebody else and not for the clock. What is not known to, may wake. */
static int waits_forever(const char *call)
{
	long nr;
	unsigned long a[6];
	if (sscanf(call, "%ld %lx %lx %lx %lx %lx %lx", &nr, a, a + 1, a + 2, a + 3, a + 4, a + 5) != 7)
		return 0;
	switch (nr) {
	case SYS_wait4: case SYS_waitid: case SYS_read: case SYS_readv: case SYS_write: case SYS_writev:
	case SYS_flock: case SYS_fcntl: case SYS_semop: case SYS_msgrcv: case SYS_msgsnd: case SYS_pread64:
	case SYS_pwrite64: case SYS_accept: case SYS_recvfrom: case SYS_recvmsg: case SYS_open: case SYS_openat:
	case SYS_io_submit:
		return 1;
	case SYS_futex:
		return a[3] == 0;
	case SYS_poll:
		return (int)a[2] < 0;
	case SYS_ppoll:
		return a[2] == 0;
	case SYS_select: case SYS_pselect6:
		return a[4] == 0;
	case SYS_epoll_wait: case SYS_epoll_pwait:
		return (int)a[3] < 0;
	}
	return 0;
}

/* What was seen of the case's threads: one waits for the clock; one is blocked and does not. */
struct seen {
	int timed, blocked;
};

/* Prints one task. */
static void one(struct task *t, struct seen *seen)
{
	char path[96], buf[8192], head[64], *line, *save;
	snprintf(head, sizeof head, "T %d %d %c\n", t->pid, t->tid, t->state);
	add("%s", head);
	snprintf(path, sizeof path, "/proc/%d/task/%d/comm", t->pid, t->tid);
	read_file(path, buf, sizeof buf);
	add("c %s\n", strip(buf));
	snprintf(path, sizeof path, "/proc/%d/task/%d/wchan", t->pid, t->tid);
	read_file(path, buf, sizeof buf);
	add("w %s\n", strip(buf));
	if (!t->kthread) {
		snprintf(path, sizeof path, "/proc/%d/task/%d/syscall", t->pid, t->tid);
		read_file(path, buf, sizeof buf);
		if (t->state == 'S' && !waits_forever(buf))
			seen->timed = 1;
		if (t->state == 'D' && clock_waits(t->tid))
			seen->timed = 1;
		else if (t->state == 'D')
			seen->blocked = 1;
	}
	snprintf(path, sizeof path, "/proc/%d/task/%d/stack", t->pid, t->tid);
	/* There is none while it runs; one that loops sleeps now and then. */
	for (int try = 0; read_file(path, buf, sizeof buf) <= 0 && try < 25; try++)
		usleep(2000);
	for (line = strtok_r(buf, "\n", &save); line; line = strtok_r(0, "\n", &save)) {
		char *f = strstr(line, "] ");
		f = f ? f + 2 : line;
		add("f %s\n", f);
	}
}

/* In the child: all tasks to text. */
static struct seen collect(int agent)
{
	DIR *d = opendir("/proc"), *td;
	struct dirent *e, *te;
	char path[300];
	struct seen seen = { 0, 0 };
	int self = getpid();
	while (d && (e = readdir(d))) {
		int pid = atoi(e->d_name);
		struct task t;
		if (!isdigit((unsigned char)e->d_name[0]) || pid == agent || pid == self || read_task(pid, pid, &t, 0) < 0)
			continue;
		if (t.kthread) {
			if (t.state == 'D')
				one(&t, &(struct seen){ 0, 0 });
			continue;
		}
		snprintf(path, sizeof path, "/proc/%d/task", pid);
		td = opendir(path);
		while (td && (te = readdir(td)))
			if (isdigit((unsigned char)te->d_name[0]) && read_task(pid, atoi(te->d_name), &t, 0) == 0 &&
			    t.state != 'Z' && t.state != 'X')
				one(&t, &seen);
		if (td)
			closedir(td);
	}
	return seen;
}

/* Whether a child can't get on, and is not just slow. */
static int is_stuck(pid_t child)
{
	struct task t;
	return read_task(child, child, &t, 0) < 0 || t.state == 'D';
}

/* Collects what a child writes, appended to text, at most for wait ms, or REPORT_SLOW_MS of one that a busy host lets wait; whether the
 * child came to its end. A child that is stuck itself is left alone. */
static int gather(int fd, pid_t child, int64_t wait)
{
	uint64_t end = now_ms() + wait, last = now_ms() + REPORT_SLOW_MS;
	int complete = 0, looks = 0;
	while (child > 0) {
		struct pollfd p = { fd, POLLIN, 0 };
		int64_t left = end - now_ms();
		if (left <= 0 || poll(&p, 1, left) <= 0) {
			looks = is_stuck(child) ? looks + 1 : 0;
			if (now_ms() > last || looks >= STUCK_LOOKS)
				break;
			send_msg("beat", "", 0);
			end = now_ms() + SCAN_MS;
			continue;
		}
		ssize_t r = read(fd, text + len, sizeof text - len);
		if (r <= 0) {
			complete = r == 0;
			break;
		}
		len += r;
	}
	close(fd);
	if (child > 0 && complete)
		waitpid(child, 0, 0);
	else if (child > 0)
		kill(child, SIGKILL);
	return child > 0 && complete;
}

/* Starts a child that writes to *fd; in the child *fd is the end to write to. */
static pid_t reader(int *fd)
{
	int p[2];
	pid_t child;
	if (pipe2(p, O_CLOEXEC) < 0)
		return -1;
	child = fork();
	*fd = p[child == 0];
	close(p[child != 0]);
	return child;
}

static int stop_thread(int tid)
{
	return ptrace(PTRACE_SEIZE, tid, 0, 0) < 0 || ptrace(PTRACE_INTERRUPT, tid, 0, 0) < 0 ? -1 : 0;
}

/* In the child: asks the thread to stop on its way to user space, and counts its page faults while it does not get there. */
static int watch_return(const struct task *of)
{
	struct task t, start;
	uint64_t end = now_ms() + RETURN_WAIT_MS;
	int ws;
	if (read_task(of->pid, of->tid, &start, 0) < 0 || stop_thread(of->tid) < 0)
		return 0;
	while (now_ms() < end) {
		if (waitpid(of->tid, &ws, WNOHANG | __WALL) != 0 || read_task(of->pid, of->tid, &t, 0) < 0)
			return 0;
		if (t.faults - start.faults > 100 + start.pages)
			return 1;
		usleep(2000);
	}
	return 0;
}

/* In the child: asks the thread to stop on its way to user space, and looks whether it uses the CPU for long and does not get there.
 * One that gets there and was in no system call faults at the same place again and again. */
static int watch_spin(const struct task *of)
{
	struct task t, start;
	struct user_regs_struct regs;
	int ws;
	if (read_task(of->pid, of->tid, &start, 0) < 0 || stop_thread(of->tid) < 0)
		return 0;
	for (int look = 0; look < SPIN_LOOKS; look++) {
		usleep(SCAN_MS * 1000);
		if (waitpid(of->tid, &ws, WNOHANG | __WALL) != 0)
			return WIFSTOPPED(ws) && ptrace(PTRACE_GETREGS, of->tid, 0, &regs) == 0 && (long)regs.orig_rax < 0;
	}
	return read_task(of->pid, of->tid, &t, 0) == 0 &&
	       t.stime - start.stime >= SPIN_LOOKS * SCAN_MS * (unsigned long)sysconf(_SC_CLK_TCK) / 1000 / 4;
}

/* What proof says of the task, in a child, which lets go of the thread when it ends. */
static int proved(int (*proof)(const struct task *), const struct task *t)
{
	int ws;
	uint64_t end = now_ms() + RETURN_WAIT_MS + REPORT_WAIT_MS, beat = now_ms();
	pid_t child = fork(), got = 0;
	if (child == 0)
		_exit(!proof(t));
	while (child > 0 && (got = waitpid(child, &ws, WNOHANG)) == 0 && now_ms() < end) {
		if (now_ms() - beat > BEAT_MS) {
			beat = now_ms();
			send_msg("beat", "", 0);
		}
		usleep(5000);
	}
	if (child > 0 && got == 0)
		kill(child, SIGKILL);
	return got == child && child > 0 && WIFEXITED(ws) && WEXITSTATUS(ws) == 0;
}

int faults_in_one_call(const struct task *t) { return proved(watch_return, t); }

int spins_in_kernel(const struct task *t) { return proved(watch_spin, t); }

/* Fills text with the tasks, behind a byte: 't' when the hang ends by itself. Whether the reading came to its end. */
static int read_tasks(const char *kind, double seconds, int all)
{
	int fd = -1, agent = getpid();
	char head[96];
	pid_t child;
	len = 0;
	if ((child = reader(&fd)) == 0) {
		snprintf(head, sizeof head, "%s %.1f\n", kind, seconds);
		add("%s", head);
		struct seen seen = collect(agent);
		char *s = text;
		/* Of a hang of all it is enough that one waits for the clock, else all that are blocked must. */
		if (write(fd, (all ? seen.timed : !seen.blocked) ? "t" : "f", 1) != 1)
			_exit(1);
		while (len) {
			ssize_t r = write(fd, s, len);
			if (r <= 0)
				_exit(1);
			s += r;
			len -= r;
		}
		_exit(0);
	}
	if (gather(fd, child, REPORT_WAIT_MS) && len > 0)
		return 1;
	/* The reader is stuck as well: say what is known without it. */
	len = snprintf(text, sizeof text, "f%s %.1f\n", kind, seconds);
	return 0;
}

int report_hang(const char *kind, double seconds)
{
	int all = !strcmp(kind, "deadlock"), cpus = strcmp(kind, "stuck") && !all;
	int fd, agent = getpid();
	pid_t child;

	clock_reset();
	int known = read_tasks(kind, seconds, all);
	if (!cpus && text[0] == 'f') {
		/* Asked last, as the console shows it. */
		clock_read();
		if (known)
			read_tasks(kind, seconds, all);
	}
	if (!cpus && text[0] == 't') {
		len = 0;
		return 0;
	}
	/* These take the lock on the address space, for which a task may wait: whole, or not at all. */
	size_t whole = len;
	if ((child = reader(&fd)) == 0) {
		FILE *f = fdopen(fd, "w");
		report_io(f, agent);
		_exit(fclose(f) != 0);
	}
	if (!gather(fd, child, REPORT_WAIT_MS))
		len = whole;
	send_msg("hang", text + 1, len - 1);
	len = 0;
	/* The console gets the kernel's own view: blocked tasks, held locks, what the CPUs do. */
	for (int i = 0; i < CPU_LOOKS && cpus; i++) {
		/* In the first instructions of a function its callers are not seen. */
		if (i)
			usleep(20000);
		write_file("/proc/sysrq-trigger", "l");
	}
	if (cpus) /* else they are there already */
		write_file("/proc/sysrq-trigger", "w");
	if (access("/proc/lockdep", F_OK) == 0)
		write_file("/proc/sysrq-trigger", "d");
	send_msg("hangend", "", 0);
	return 1;
}
