/* SPDX-License-Identifier: Apache-2.0 */
/* The first vCPU's state at the kernel's entry. */
#include <errno.h>
#include <string.h>

#include <abi/multiboot.h>
#include <ferry/error.h>

#include "kvm/kvm_x86.h"
#include "vm/vm.h"

#define CR0_PE (1UL << 0)
#define CR0_ET (1UL << 4)
#define CR0_PG (1UL << 31)
#define CR4_PAE (1UL << 5)
#define EFER_LME (1UL << 8)
#define EFER_LMA (1UL << 10)

#define PAGE_WORDS 512UL /* entries of a page table */

#define PTE_PRESENT (1UL << 0)
#define PTE_WRITE   (1UL << 1)
#define PTE_LARGE   (1UL << 7)

/* Selectors that Linux's boot protocols ask for: __BOOT_CS, __BOOT_DS. */
#define BOOT_CS 0x10
#define BOOT_DS 0x18
#define BOOT_TR 0x20

enum segment_type {
	SEGMENT_CODE = 0xb,  /* execute, read, accessed */
	SEGMENT_DATA = 0x3,  /* read, write, accessed */
	SEGMENT_TSS32 = 0xb, /* busy; a system segment */
};

static struct kvm_segment flat(uint16_t selector, enum segment_type type, bool long_mode)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.s = 1,
		.g = 1,
		.db = !long_mode,
		.l = long_mode,
	};
}

/* xen/include/public/arch-x86/hvm/start_info.h; boot.rst, 64-bit boot protocol */
static void set_segments(struct kvm_sregs *sregs, bool long_mode)
{
	struct kvm_segment data = flat(BOOT_DS, SEGMENT_DATA, false);

	sregs->cs = flat(BOOT_CS, SEGMENT_CODE, long_mode);
	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = data;
	sregs->tr = (struct kvm_segment){ .limit = 0x67, .selector = BOOT_TR,
					  .type = SEGMENT_TSS32, .present = 1 };
	sregs->ldt = (struct kvm_segment){ .unusable = 1 };
}

static void enter_protected(struct kvm_sregs *sregs)
{
	set_segments(sregs, false);
	sregs->cr0 = CR0_PE | CR0_ET;
	sregs->cr4 = 0;
	sregs->efer = 0;
}

/* Maps the first 4 GiB one to one with pages of 2 MiB: a PML4, a PDPT, four PDs; then the GDT. */
static int write_tables(struct mem *mem, gpa_t at, gpa_t *ret_gdt)
{
	/* Flat descriptors of BOOT_CS (64-bit code) and BOOT_DS. */
	static const uint64_t gdt[] = { 0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff };
	uint64_t *pages = mem_ptr_rw(mem, at, 7 * GUEST_PAGE_SIZE);
	uint64_t *directory;

	if (!pages || at & (GUEST_PAGE_SIZE - 1))
		return because(-EFAULT, "no room for page tables at %#llx", (unsigned long long)at);
	memset(pages, 0, 7 * GUEST_PAGE_SIZE);
	pages[0] = (at + GUEST_PAGE_SIZE) | PTE_PRESENT | PTE_WRITE;
	for (uint64_t i = 0; i < 4; i++)
		pages[PAGE_WORDS + i] = (at + (2 + i) * GUEST_PAGE_SIZE) | PTE_PRESENT | PTE_WRITE;
	directory = pages + 2 * PAGE_WORDS;
	for (uint64_t i = 0; i < 4 * PAGE_WORDS; i++)
		directory[i] = i << 21 | PTE_PRESENT | PTE_WRITE | PTE_LARGE;
	memcpy(pages + 6 * PAGE_WORDS, gdt, sizeof(gdt));
	*ret_gdt = at + 6 * GUEST_PAGE_SIZE;
	return 0;
}

static int enter_long(struct vm *vm, struct kvm_sregs *sregs, gpa_t scratch)
{
	gpa_t gdt = 0;
	int r = write_tables(&vm->mem, scratch, &gdt);

	if (r < 0)
		return r;
	set_segments(sregs, true);
	sregs->gdt.base = gdt;
	sregs->gdt.limit = 4 * 8 - 1;
	sregs->cr3 = scratch;
	sregs->cr4 = CR4_PAE;
	sregs->cr0 = CR0_PE | CR0_ET | CR0_PG;
	sregs->efer = EFER_LME | EFER_LMA;
	return 0;
}

int arch_vcpu_set_entry(struct vcpu *vcpu, const struct boot_entry *entry)
{
	struct kvm_regs regs = { .rip = entry->pc, .rflags = 2 };
	struct kvm_sregs sregs;
	int r = kvm_get_sregs(vcpu->fd, &sregs);

	if (r < 0)
		return because(r, "KVM_GET_SREGS: %s", strerror(-r));
	switch (entry->mode) {
	case BOOT_NONE:
		return 0;
	case BOOT_PVH:
		enter_protected(&sregs);
		regs.rbx = entry->arg;
		break;
	case BOOT_MULTIBOOT:
		enter_protected(&sregs);
		regs.rax = MULTIBOOT_LOADER_MAGIC;
		regs.rbx = entry->arg;
		break;
	case BOOT_LINUX64:
		r = enter_long(vcpu->vm, &sregs, entry->scratch);
		regs.rsi = entry->arg;
		break;
	default:
		return because(-EINVAL, "an x86 vCPU cannot be entered that way");
	}
	if (r == 0)
		r = kvm_set_sregs(vcpu->fd, &sregs);
	if (r == 0)
		r = kvm_set_regs(vcpu->fd, &regs);
	return r < 0 ? because(r, "cannot enter the kernel at %#llx: %s",
			       (unsigned long long)entry->pc, strerror(-r)) :
		       0;
}
