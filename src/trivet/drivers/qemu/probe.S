# The probe guest: a boot sector that goes from real mode to 64-bit mode, does there what the first
# instructions of every operating system do, and leaves through QEMU's isa-debug-exit device.
# Exit status of QEMU: 0x21 << 1 | 1 = 67 when everything ran; anything else (or no exit) is a no.
        .code16
        .global _start
_start: cli
        xorw %ax, %ax
        movw %ax, %ds
        movw %ax, %es
        movw %ax, %ss
        movw $0x7c00, %sp
        # identity map of 2 MiB: PML4 at 0x1000, PDPT at 0x2000, PD at 0x3000
        movw $0x1000, %di
        movw $0x1800, %cx
        cld
        rep stosw
        movw $0x2003, 0x1000
        movw $0x3003, 0x2000
        movw $0x0083, 0x3000
        lgdtl gdtr
        movl %cr4, %eax
        orl $0x20, %eax
        movl %eax, %cr4
        movl $0x1000, %eax
        movl %eax, %cr3
        movl $0xc0000080, %ecx
        rdmsr
        orl $0x100, %eax
        wrmsr
        movl %cr0, %eax
        orl $0x80000001, %eax
        movl %eax, %cr0
        ljmpl $0x08, $long
        .code64
long:   movl $0x10, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        movl $0x7c00, %esp
        # an exception taken and returned from, through a gate of ours at 0x4000
        movl $0x4000, %edi
        leaq handler(%rip), %rax
        movw %ax, 3*16(%rdi)
        movw $0x08, 3*16+2(%rdi)
        movw $0x8e00, 3*16+4(%rdi)
        shrl $16, %eax
        movl %eax, 3*16+6(%rdi)
        movl $0, 3*16+10(%rdi)
        lidt idtr
        xorl %ebp, %ebp
        movl $1000, %ebx
again:  int3
        movq %cr3, %rax
        movq %rax, %cr3
        xorl %eax, %eax
        pushq %rbx
        cpuid
        popq %rbx
        decl %ebx
        jnz again
        cmpl $1000, %ebp
        jne stay
        movl $0x21, %eax
        outl %eax, $0xf4
stay:   hlt
        jmp stay
handler: incl %ebp
        iretq
        .balign 8
gdt:    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdtr:   .word 23
        .long gdt
idtr:   .word 0x3f
        .quad 0x4000
        .org 510
        .word 0xaa55
