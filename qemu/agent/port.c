#include "agent.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define PORT_NAME "seriesctl.agent\n"
#define PORT_WAIT_MS 10000

char nonce[64] = "0";
int port = -1;

/* Finds the port by its name: devices are numbered in the order in which the kernel finds them. */
static int find_port(unsigned *maj, unsigned *min)
{
	DIR *d = opendir("/sys/class/virtio-ports");
	struct dirent *e;
	char path[512], buf[64];
	int found = 0;
	while (d && !found && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", e->d_name);
		if (read_file(path, buf, sizeof buf) < 0 || strcmp(buf, PORT_NAME))
			continue;
		snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/dev", e->d_name);
		found = read_file(path, buf, sizeof buf) > 0 && sscanf(buf, "%u:%u", maj, min) == 2;
	}
	if (d)
		closedir(d);
	return found;
}

void port_open(void)
{
	unsigned maj, min;
	uint64_t end = now_ms() + PORT_WAIT_MS;
	while (!find_port(&maj, &min)) {
		if (now_ms() > end) {
			errno = ENODEV;
			die("no virtio-serial port (CONFIG_VIRTIO_CONSOLE, CONFIG_VIRTIO_PCI)");
		}
		usleep(5000);
	}
	if (mknod("/dev/agent", S_IFCHR | 0600, makedev(maj, min)) < 0 && errno != EEXIST)
		die("make /dev/agent");
	port = open("/dev/agent", O_RDWR | O_CLOEXEC);
	if (port < 0)
		die("open /dev/agent");
}

static void read_exact(char *p, size_t n)
{
	while (n) {
		ssize_t r = read(port, p, n);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0) {
			/* The host is not connected: reading returns at once. */
			usleep(20000);
			continue;
		}
		p += r;
		n -= r;
	}
}

size_t read_msg(char *type, size_t tsize, char *data, size_t max)
{
	char line[128], word[16];
	size_t n, len;
	for (;;) {
		for (n = 0; n < sizeof line - 1;) {
			read_exact(line + n, 1);
			if (line[n++] == '\n')
				break;
		}
		line[n] = 0;
		if (sscanf(line, "%15s %60s %zu\n", word, nonce, &len) == 3 && len <= max)
			break;
	}
	snprintf(type, tsize, "%s", word);
	read_exact(data, len);
	data[len] = 0;
	return len;
}

char *next_string(char **p, char *end)
{
	char *s = *p;
	if (s >= end)
		return "";
	*p += strlen(s) + 1;
	return s;
}

static void write_all(const char *p, size_t n)
{
	while (n) {
		ssize_t r = write(port, p, n);
		if (r < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (r < 0)
			die("write to the host");
		p += r;
		n -= r;
	}
}

void send_msg(const char *type, const void *data, size_t len)
{
	char head[128];
	int n = snprintf(head, sizeof head, "%s %s %zu\n", type, nonce, len);
	write_all(head, n);
	if (len)
		write_all(data, len);
}
