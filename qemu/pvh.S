/* What begins a bare program that is entered like a kernel through PVH, at start. See the PVH boot ABI in the kernel's Documentation. */
	.section .note.pvh, "a", @note
	.long 4, 4, 18			/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.long start

	.section .text
	.code32
	.globl start
