/*
 * The smallest guest that proves an accelerator runs guests as a kernel needs it: entered like a kernel through
 * PVH (32-bit, paging off), it turns on paging and long mode, prints a word on the first serial port and stops
 * the machine through isa-debug-exit. See the PVH boot ABI in the kernel's Documentation and Intel SDM 3A 9.8.5.
 */
#include "pvh.S"
start:
	movl $tables, %edi		/* one 2 MiB page, mapped to itself */
	movl $tables + 0x1000 + 3, (%edi)
	movl $tables + 0x2000 + 3, 0x1000(%edi)
	movl $0x83, 0x2000(%edi)
	movl %edi, %cr3
	movl $0x20, %eax		/* CR4.PAE */
	movl %eax, %cr4
	movl $0xc0000080, %ecx		/* EFER.LME */
	rdmsr
	orl $0x100, %eax
	wrmsr
	movl %cr0, %eax
	orl $0x80000001, %eax		/* CR0.PG, CR0.PE */
	movl %eax, %cr0
	lgdt gdt_pointer
	ljmp $8, $long_mode

	.code64
long_mode:
	movl $message, %esi
	movl $0x3f8, %edx
1:	lodsb
	testb %al, %al
	jz 2f
	outb %al, %dx
	jmp 1b
2:	movl $0xf4, %edx		/* isa-debug-exit: exit status 2 * value + 1 */
	movb $0x15, %al
	outb %al, %dx
3:	hlt
	jmp 3b

message:
	.asciz "canary\n"

	.align 8
gdt:	.quad 0, 0x00af9a000000ffff	/* a 64-bit code segment */
gdt_pointer:
	.word . - gdt - 1
	.long gdt

	.align 4096
tables:	.skip 0x3000
