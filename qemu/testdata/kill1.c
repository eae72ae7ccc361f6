/* kill1: sends PID 1 to address 0; it dies, and the kernel with it. */
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void)
{
	struct user_regs_struct regs;
	if (ptrace(PTRACE_ATTACH, 1, 0, 0) < 0) {
		perror("ptrace");
		return 1;
	}
	waitpid(1, 0, 0);
	ptrace(PTRACE_GETREGS, 1, 0, &regs);
	regs.rip = 0;
	ptrace(PTRACE_SETREGS, 1, 0, &regs);
	ptrace(PTRACE_DETACH, 1, 0, 0);
	sleep(60);
	return 0;
}
