/* exit STATUS: writes a file and ends with STATUS. */
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv)
{
	FILE *f = fopen("left-behind", "r");
	if (f) {
		puts("the file of an earlier run is there");
		return 99;
	}
	f = fopen("left-behind", "w");
	if (!f || fputs("x", f) < 0 || fclose(f)) {
		perror("left-behind");
		return 98;
	}
	puts("written");
	return argc > 1 ? atoi(argv[1]) : 0;
}
