/*
 * What QEMU loads in the kernel's place. QEMU writes what it loaded again at each reset, and it resets the machine before it
 * restores a snapshot: of a whole kernel that takes a fifth of a run's processor time under TCG, as what is translated of it
 * goes block by block. So it loads these few bytes. They are entered as a kernel is through PVH (32-bit, flat, paging off, %ebx
 * points to the start info), fetch the kernel through fw_cfg and go on to its own PVH entry, %ebx as it was. See QEMU's
 * docs/specs/fw_cfg and the PVH boot ABI. The file in fw_cfg is written by writeKernel in loader.go.
 */
	.set DMA, 0x518			/* of the DMA register, the half that starts a transfer */
	.set READ, 2
	.set SELECT, 8
	.set DIRECTORY, 0x19

#include "pvh.S"
start:
	cld
	movl $stack, %esp
	movl $DIRECTORY << 16 | SELECT | READ, %eax
	movl $4, %ecx
	movl $count, %edi
	call transfer
	movl count, %edx
	bswap %edx
1:	testl %edx, %edx		/* each file of the directory */
	jz stop
	decl %edx
	movl $READ, %eax
	movl $64, %ecx
	movl $file, %edi
	call transfer
	movl $name, %esi
	movl $file + 8, %edi
	movl $name_end - name, %ecx
	repe cmpsb
	jne 1b

	movzwl file + 4, %eax		/* its key, big-endian */
	xchgb %al, %ah
	shll $16, %eax
	orl $SELECT | READ, %eax
	movl $12, %ecx
	movl $entry, %edi
	call transfer
	movl $READ, %eax
	movl size, %ecx
	movl address, %edi
	call transfer
	jmp *entry

transfer:				/* %ecx bytes to %edi, %eax says what of */
	bswap %eax
	bswap %ecx
	bswap %edi
	movl %eax, control
	movl %ecx, length
	movl %edi, to
	movl $control, %eax
	bswap %eax
	pushl %edx
	movl $DMA, %edx
	outl %eax, %dx			/* over when it returns */
	popl %edx
	cmpl $0, control
	jne stop
	ret

stop:	hlt				/* no such file, or an error */
	jmp stop

name:	.asciz "opt/seriesctl/kernel"
name_end:

	.section .data
	.align 8
control: .long 0
length:	.long 0
	.long 0				/* the address's upper half */
to:	.long 0
count:	.long 0
file:	.skip 64
entry:	.long 0
address: .long 0
size:	.long 0
	.skip 64
stack:
