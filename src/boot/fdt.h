/* SPDX-License-Identifier: Apache-2.0 */
/* The device tree of an arm64 machine. */
#ifndef BOOT_FDT_H
#define BOOT_FDT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fdt_window {
	uint64_t base;
	uint64_t size;
};

/* A device: where it is, and its shared peripheral interrupt, edge-triggered. */
struct fdt_device {
	uint64_t base;
	uint64_t size;
	uint32_t spi;
};

#define FDT_SEED_SIZE 32

/* What the tree says. Windows and devices of size 0 are left out. */
struct fdt_options {
	const char *cmdline;
	struct fdt_window ram;
	struct fdt_window initrd;
	const uint64_t *cpus; /* the affinity of each: MPIDR_EL1 without its flags */
	uint32_t cpu_count;
	uint64_t kaslr_seed;		   /* 0: the kernel stays where it is */
	uint8_t rng_seed[FDT_SEED_SIZE];
	struct fdt_window gic_dist, gic_redist, its;
	/* Of a GICv2 instead of the latter two: its CPU interface, and the frame of messages. */
	struct fdt_window gic_cpu, gicv2m;
	uint32_t msi_first, msi_count; /* SPIs of it */
	struct fdt_device serial; /* 16550 */
	struct fdt_device rtc;	  /* PL031 */
	struct fdt_device watchdog; /* SP805 */
	struct fdt_device gpio;	  /* PL061 */
	unsigned button_pin;
	struct fdt_window pvpanic;
	struct fdt_window ecam; /* bus 0 */
	struct fdt_window mmio32, mmio64;
	bool sdei; /* firmware has it */
	uint32_t pmu_ppi; /* private interrupt of the CPUs' PMU; 0: they have none */
};

/*
 * Builds it in memory that the caller frees; *ret_size is its size, and below 2 MiB (Linux
 * Documentation/arch/arm64/booting.rst). -ENOMEM; -ENOSPC: too much for it.
 */
int fdt_build(const struct fdt_options *options, void **ret_fdt, size_t *ret_size);

#endif
