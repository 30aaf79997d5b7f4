/* SPDX-License-Identifier: Apache-2.0 */
/* A machine's parts, and the list of them that each architecture supplies. */
#ifndef MACHINE_MACHINE_H
#define MACHINE_MACHINE_H

#include <pthread.h>

#include <ferry/machine.h>

struct acpi_pm;
struct balloon;
struct shmem;
struct blk;
struct console;
struct disk;
struct disk_image;
struct hyperv;
struct net;
struct pci_host;
struct pl031;
struct pl061;
struct gicv2m;
struct sp805;
struct pvpanic;
struct exit_port;
struct rng;
struct rtc;
struct sdei;
struct serial;
struct vmem;
struct vmem_blocks;
struct xen;

enum hold_state {
	HOLD_NONE,
	HOLD_BEGINNING,
	HOLD_HELD,
	HOLD_BLANK, /* held since it was made */
};

/* What hold.c and disk_locks.c know. */
struct machine_hold {
	/* lock: what follows it, up to the loop's share; the VM's and the loop's are taken under it. */
	pthread_mutex_t lock;
	pthread_cond_t changed; /* step_ended, CLOCK_MONOTONIC */
	enum hold_state state;
	bool disks_given_up;
	bool arrived;	 /* how the last release was */
	unsigned step;	 /* number of the last that was asked of the loop */
	bool step_ended;
	int step_result;
	char culprit[64]; /* who is to blame for it */
	uint64_t limit_ns; /* that a device may take to come to rest; fixed */

	/* The loop's, from here on. */
	unsigned steps_begun;
	unsigned quiesce_step, flush_step;
	unsigned flushing; /* disks */
	int flush_result;
	char flush_culprit[64];
	bool at_rest;
	/* What came meanwhile, for later. */
	bool input_refused[MACHINE_CONSOLES], output_ready[MACHINE_CONSOLES];
	bool power_button, resized;
	uint16_t columns, rows;
};

/* A writable disk's image, which is the disk's. */
struct machine_store {
	char id[32];
	struct disk_image *image;
};

struct machine {
	struct vm *vm;
	const struct machine_options *options; /* the caller's, during machine_create() only */
	size_t parts_added;                    /* of machine_parts, for undoing */
	size_t (*output)(void *self, enum machine_console console, const void *buf, size_t len);
	void (*input_ready)(void *self, enum machine_console console);
	void *self;
	uint64_t memory, memory_max;
	uint64_t low_end; /* RAM from 0 on ends here */
	uint64_t rsdp;
	struct serial *serial;
	struct rtc *rtc;
	struct acpi_pm *pm;
	struct pvpanic *pvpanic;
	struct exit_port *exit_port;
	struct pl031 *pl031;
	struct pl061 *pl061;
	struct gicv2m *gicv2m;
	struct sp805 *sp805;
	struct sdei *sdei;
	struct pci_host *pci;
	struct rng *rng;
	struct balloon *balloon;
	struct vmem_blocks *blocks; /* NULL: memory is what it is */
	struct vmem *vmem;
	struct shmem *shmem;
	struct console *console;
	struct blk **blks;
	size_t blk_count;
	struct disk **disks; /* of all devices, in the order of the options */
	size_t disk_count;
	struct machine_store *stores; /* of those that are written */
	size_t store_count;
	struct net **nets;
	size_t net_count;
	struct xen *xen; /* x86, and only of a Xen guest */
	struct xen_platform *xen_platform; /* likewise */
	struct hyperv *hyperv; /* x86, and only of a Hyper-V guest */
	struct machine_hold hold;
};

/* One line of a machine's list: added in order, removed in reverse. remove may be NULL. */
struct machine_part {
	int (*add)(struct machine *machine);
	void (*remove)(struct machine *machine);
};

/* The architecture's RAM, before there are parts. */
int machine_map_memory(struct machine *machine, struct mem *mem);
/* Its list. Its order is the order in which registers are restored. */
extern const struct machine_part machine_parts[];
extern const size_t machine_parts_count;

/*
 * What differs: its clock and its power button come to rest, and go on; the button is pressed. Loop
 * thread.
 */
void machine_own_hold(struct machine *machine);
void machine_own_go_on(struct machine *machine, bool arrived);
void machine_own_power_button(struct machine *machine);

/* hold.c */
void machine_hold_init(struct machine *machine);
void machine_hold_finish(struct machine *machine);
/* The machine is complete, and blank. */
int machine_hold_blank(struct machine *machine);

/* A Xen guest's part of hold and release, where there is one. Not on a vCPU's thread. */
void machine_xen_hold(struct machine *machine);
void machine_xen_go_on(struct machine *machine, bool arrived);

/* Its devices come to rest, then done(machine) is called; they go on; which one has not. Loop thread. */
void machine_xen_quiesce(struct machine *machine, void (*done)(void *machine));
void machine_xen_resume(struct machine *machine);
const char *machine_xen_busy(const struct machine *machine);
/* Asks the guest as Xen's tools do; false: its driver has not said that it can be asked so. Loop. */
bool machine_xen_power_off(struct machine *machine);
/* A disk of its own kind, the number-th of those. */
int machine_xen_add_disk(struct machine *machine, const struct machine_disk *given, const char *id,
			 unsigned number, struct disk **ret_disk);
int machine_xen_add_net(struct machine *machine, const struct machine_net *given, const char *id,
			unsigned number, const uint8_t mac[6]);
/* Its console. Loop thread. */
size_t machine_xen_input(struct machine *machine, const void *buf, size_t len);
void machine_xen_output_ready(struct machine *machine);

/* Parts that both architectures have. */
int machine_map_ram(struct machine *machine, struct mem *mem, uint64_t low_base, uint64_t low_max,
		    uint64_t high_base);
int machine_add_rng(struct machine *machine);
void machine_remove_rng(struct machine *machine);
int machine_add_shmem(struct machine *machine);
int machine_close_slots(struct machine *machine);
void machine_remove_shmem(struct machine *machine);
int machine_add_balloon(struct machine *machine);
void machine_remove_balloon(struct machine *machine);
/* What can be plugged, from base on; its device comes when there is PCI. */
int machine_add_blocks(struct machine *machine, uint64_t base);
void machine_remove_blocks(struct machine *machine);
int machine_add_vmem(struct machine *machine);
void machine_remove_vmem(struct machine *machine);
int machine_add_console(struct machine *machine);
void machine_remove_console(struct machine *machine);
int machine_add_disks(struct machine *machine);
void machine_remove_disks(struct machine *machine);
int machine_add_nets(struct machine *machine);
void machine_remove_nets(struct machine *machine);
/* On ports, or without (0) at an address. */
int machine_add_serial(struct machine *machine, uint16_t port, uint32_t address, uint32_t gsi);
void machine_remove_serial(struct machine *machine);

#endif
