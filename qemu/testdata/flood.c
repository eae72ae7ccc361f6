/* flood BYTES: writes that many bytes of output, "head" first and "tail" last. */
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv)
{
	long n = argc > 1 ? atol(argv[1]) : 0;
	puts("head");
	while (n-- > 0)
		putchar(n % 80 ? 'x' : '\n');
	puts("\ntail");
	return 0;
}
