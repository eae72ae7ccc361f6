/* A test of the user's, in the form of the embedded reproducers: with their header, one of its own, and a library. */
#include "repro.h"
#include "own.h"
#include <math.h>

int main(int argc, char **argv)
{
	static char buf[PAGES * PAGE];
	int fd = new_file("mine", pages()), unused;
	char *p;

	step("write %d pages and read them through a mapping", pages());
	fill(buf, sizeof buf, 1, 0);
	want_count("write", pwrite(fd, buf, sizeof buf, 0), sizeof buf);
	p = map(fd, 0, pages(), MAP_SHARED);
	check("mmap", "what was written", p, sizeof buf, 1, 0);
	if (argc != 2 || cbrt(atoi(argv[1]) + 1) != 2)
		fail("setup", EINVAL, "arguments");
	return pass();
}
