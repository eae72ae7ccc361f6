/* The I/O that stuck threads are in: which file they hold, and by what memory they came to fault on another. */
#define _GNU_SOURCE
#include "agent.h"
#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define IOV_MAX_SHOWN 64

static const char *transfer(long nr, int *vector)
{
	*vector = nr == SYS_readv || nr == SYS_preadv || nr == SYS_preadv2 || nr == SYS_writev || nr == SYS_pwritev || nr == SYS_pwritev2;
	switch (nr) {
	case SYS_read: case SYS_pread64: case SYS_readv: case SYS_preadv: case SYS_preadv2:
		return "read";
	case SYS_write: case SYS_pwrite64: case SYS_writev: case SYS_pwritev: case SYS_pwritev2:
		return "write";
	}
	return 0;
}

/* Prints "b FILE" for each file mapping of process pid that a buffer lies in. */
static void mappings(FILE *out, int pid, const struct iovec *iov, int n)
{
	char path[64], line[4400], last[4200] = "";
	snprintf(path, sizeof path, "/proc/%d/maps", pid);
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof line, f)) {
		unsigned long from, to;
		char file[4200];
		if (sscanf(line, "%lx-%lx %*s %*s %*s %*s /%4190[^\n]", &from, &to, file) != 3)
			continue;
		for (int i = 0; i < n; i++) {
			unsigned long at = (unsigned long)iov[i].iov_base;
			if (at < to && at + iov[i].iov_len > from && strcmp(last, file)) {
				fprintf(out, "b /%s\n", file);
				strcpy(last, file);
			}
		}
	}
	if (f)
		fclose(f);
}

static void one(FILE *out, int pid, int tid)
{
	char path[96], buf[512], file[4096];
	long nr;
	unsigned long a[3];
	int vector, n = 1;
	struct iovec iov[IOV_MAX_SHOWN];
	snprintf(path, sizeof path, "/proc/%d/task/%d/syscall", pid, tid);
	/* There is nothing to see while it runs; one that loops sleeps now and then. */
	for (int try = 0; read_file(path, buf, sizeof buf) > 0 && !strncmp(buf, "running", 7) && try < 50; try++)
		usleep(2000);
	if (sscanf(buf, "%ld %lx %lx %lx", &nr, a, a + 1, a + 2) != 4)
		return;
	const char *what = transfer(nr, &vector);
	snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, (int)a[0]);
	ssize_t r = readlink(path, file, sizeof file - 1);
	if (!what || r <= 0 || file[0] != '/')
		return;
	file[r] = 0;
	for (char *p = file; *p; p++)
		if (iscntrl((unsigned char)*p))
			*p = '?';
	fprintf(out, "I %d\ni %s %s\n", tid, what, file);
	iov[0] = (struct iovec){ (void *)a[1], a[2] };
	if (vector) {
		n = a[2] < IOV_MAX_SHOWN ? a[2] : IOV_MAX_SHOWN;
		struct iovec here = { iov, n * sizeof *iov }, there = { (void *)a[1], n * sizeof *iov };
		r = process_vm_readv(pid, &here, 1, &there, 1, 0);
		n = r > 0 ? r / sizeof *iov : 0;
	}
	mappings(out, pid, iov, n);
}

void report_io(FILE *out, int agent)
{
	DIR *d = opendir("/proc"), *td;
	struct dirent *e, *te;
	char path[300];
	int self = getpid();
	while (d && (e = readdir(d))) {
		int pid = atoi(e->d_name);
		struct task t;
		if (!isdigit((unsigned char)e->d_name[0]) || pid == agent || pid == self || read_task(pid, pid, &t, 0) < 0 || t.kthread)
			continue;
		snprintf(path, sizeof path, "/proc/%d/task", pid);
		td = opendir(path);
		while (td && (te = readdir(td)))
			if (isdigit((unsigned char)te->d_name[0]))
				one(out, pid, atoi(te->d_name));
		if (td)
			closedir(td);
	}
}
