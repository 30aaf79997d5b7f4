/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The least that runs a guest: what an exit costs before any monitor does anything about it, and how
 * soon a guest with so much memory can run at all.
 */
#include <elf.h>
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEMORY      (8UL << 20) /* what a guest of tools/bench needs */
#define MIB         (1UL << 20)
#define LOW_MAX     (3UL << 30) /* beside it lies what is no memory */
#define HIGH        (4UL << 30)
#define SERIAL_PORT 0x3f8

static int must(int result, const char *what)
{
	if (result < 0)
		err(1, "%s", what);
	return result;
}

/* The guests of tools/bench have one segment. */
static uint32_t load(const char *path, uint8_t *memory)
{
	int fd = must(open(path, O_RDONLY), path);
	Elf64_Ehdr elf;
	Elf64_Phdr segment;

	if (pread(fd, &elf, sizeof(elf), 0) != sizeof(elf) ||
	    pread(fd, &segment, sizeof(segment), (off_t)elf.e_phoff) != sizeof(segment) ||
	    segment.p_paddr + segment.p_filesz > MEMORY ||
	    pread(fd, memory + segment.p_paddr, segment.p_filesz, (off_t)segment.p_offset) !=
		    (ssize_t)segment.p_filesz)
		errx(1, "%s is not a guest of tools/bench", path);
	close(fd);
	return (uint32_t)elf.e_entry;
}

/* Flat 32-bit protected mode, as PVH enters. */
static void set_registers(int vcpu, uint32_t entry)
{
	struct kvm_segment data = { .limit = ~0U, .selector = 16, .type = 3, .present = 1,
				    .db = 1, .s = 1, .g = 1 };
	struct kvm_regs regs = { .rip = entry, .rflags = 2 };
	struct kvm_sregs sregs;

	must(ioctl(vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = sregs.cs = data;
	sregs.cs.selector = 8;
	sregs.cs.type = 11;
	sregs.cr0 |= 1;
	must(ioctl(vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	must(ioctl(vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

static void run(int vcpu, const struct kvm_run *state)
{
	for (;;) {
		must(ioctl(vcpu, KVM_RUN, 0), "KVM_RUN");
		if (state->exit_reason == KVM_EXIT_IO && state->io.port == SERIAL_PORT)
			must((int)write(1, (const char *)state + state->io.data_offset, 1), "write");
		else if (state->exit_reason != KVM_EXIT_IO && state->exit_reason != KVM_EXIT_MMIO)
			errx(1, "KVM_RUN ended for reason %u", state->exit_reason);
	}
}

static void set_slot(int vm, uint32_t number, uint64_t gpa, uint8_t *memory, uint64_t size)
{
	struct kvm_userspace_memory_region slot = { .slot = number,
						    .guest_phys_addr = gpa,
						    .memory_size = size,
						    .userspace_addr = (uintptr_t)memory };

	must(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot), "KVM_SET_USER_MEMORY_REGION");
}

/* Before the interrupt controller is made: from Linux 6.18 on it would have to wait. */
static uint8_t *make_memory(int vm, uint64_t size)
{
	uint64_t low = size < LOW_MAX ? size : LOW_MAX;
	uint8_t *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		err(1, "mmap");
	set_slot(vm, 0, 0, memory, low);
	if (size > low)
		set_slot(vm, 1, HIGH, memory + low, size - low);
	return memory;
}

int main(int argc, char **argv)
{
	uint64_t size = argc == 3 ? strtoull(argv[2], NULL, 10) * MIB : MEMORY;
	int kvm = must(open("/dev/kvm", O_RDWR), "/dev/kvm");
	int vm = must(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	struct kvm_run *state;
	uint8_t *memory;
	int vcpu;

	if (argc < 2 || argc > 3 || size < MEMORY)
		errx(1, "usage: floor GUEST [MIB]");
	memory = make_memory(vm, size);
	must(ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000), "KVM_SET_TSS_ADDR");
	must(ioctl(vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
	vcpu = must(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	state = mmap(NULL, (size_t)must(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE"),
		     PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (state == MAP_FAILED)
		err(1, "mmap");
	set_registers(vcpu, load(argv[1], memory));
	run(vcpu, state);
}
