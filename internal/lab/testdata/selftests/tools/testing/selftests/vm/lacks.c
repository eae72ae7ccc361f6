#include <no-such/numa.h>

int main(void)
{
	return 0;
}
