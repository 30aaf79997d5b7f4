/* SPDX-License-Identifier: Apache-2.0 */
/* The least that runs a guest: what an exit costs before any monitor does anything about it. */
#include <elf.h>
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEMORY      (8UL << 20)
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

int main(int argc, char **argv)
{
	int kvm = must(open("/dev/kvm", O_RDWR), "/dev/kvm");
	int vm = must(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	uint8_t *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kvm_userspace_memory_region slot = { .memory_size = MEMORY,
						    .userspace_addr = (uintptr_t)memory };
	struct kvm_run *state;
	int vcpu;

	if (argc != 2 || memory == MAP_FAILED)
		errx(1, "usage: floor GUEST");
	must(ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000), "KVM_SET_TSS_ADDR");
	must(ioctl(vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
	must(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot), "KVM_SET_USER_MEMORY_REGION");
	vcpu = must(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	state = mmap(NULL, (size_t)must(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE"),
		     PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (state == MAP_FAILED)
		err(1, "mmap");
	set_registers(vcpu, load(argv[1], memory));
	run(vcpu, state);
}
