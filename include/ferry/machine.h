/* SPDX-License-Identifier: Apache-2.0 */
/* A machine: a VM with memory, devices and a kernel, assembled from one description. */
#ifndef FERRY_MACHINE_H
#define FERRY_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ferry/vm.h>

/* What a disk or a network is to the guest. */
enum machine_bus {
	MACHINE_BUS_VIRTIO, /* a PCI function */
	MACHINE_BUS_XEN,    /* a paravirtual device of Xen's; of Xen guests only */
};

struct machine_disk {
	enum machine_bus bus;
	const char *path;
	const char *overlay; /* a file that takes what is written, and keeps it from path; NULL: none */
	bool readonly;
	bool direct;         /* O_DIRECT */
	unsigned queues;     /* 0: one per vCPU, at most 16 */
	const char *serial;  /* at most 20 bytes; NULL: none */
	bool persistent;     /* Xen's bus: the guest is offered persistent grants */
};

enum machine_net_kind {
	MACHINE_NET_USER, /* passt: no privilege needed */
	MACHINE_NET_TAP,
};

struct machine_net {
	enum machine_bus bus;
	enum machine_net_kind kind;
	const char *tap; /* interface name */
	uint8_t mac[6];  /* all zero: made from the VM's name and the device's number */
};

enum machine_console {
	MACHINE_CONSOLE_SERIAL, /* the 16550, ttyS0 */
	MACHINE_CONSOLE_VIRTIO, /* virtio-console, hvc0 */
	MACHINE_CONSOLE_XEN,	/* the PV console of a Xen guest, hvc0 */
	MACHINE_CONSOLES,
};

/* What the time that a VM spends in a file or on the way to another host is to its guest. */
enum machine_clock {
	MACHINE_CLOCK_ADVANCE, /* time: its clocks have gone on, as if it had not stood still */
	MACHINE_CLOCK_FREEZE,  /* nothing: its clocks go on where they stood */
};

/* What kind of domain a Xen guest is, which is how its Linux is entered; HVM has the platform device. */
enum machine_xen_entry {
	MACHINE_XEN_ENTRY_PVH, /* where it has that entry */
	MACHINE_XEN_ENTRY_HVM,
};

enum machine_xen_engine {
	MACHINE_XEN_AUTO,
	MACHINE_XEN_KERNEL,   /* KVM's own */
	MACHINE_XEN_PORTABLE, /* ferry's, on any KVM that can leave MSRs to user space */
};

#define MACHINE_XEN_VERSION	0x40011u
#define MACHINE_XEN_VERSION_MIN 0x40005u

/* Whether there can be Xen guests of that version: 0 or -EINVAL, with the reason. */
int machine_xen_check(uint32_t version);

/* arm64: whether firmware has SDEI, by which events reach a CPU that has masked interrupts. */
enum machine_sdei {
	MACHINE_SDEI_AUTO, /* where the host's kernel can */
	MACHINE_SDEI_ON,
	MACHINE_SDEI_OFF,
};

enum machine_hyperv_engine {
	MACHINE_HYPERV_AUTO,
	MACHINE_HYPERV_KERNEL,	 /* KVM's own */
	MACHINE_HYPERV_PORTABLE, /* ferry's, on any KVM that can leave MSRs to user space */
};

/*
 * Of a list of Hyper-V features as machine_options takes it, all that it comes to; -EINVAL when it is
 * none, with the reason.
 */
int machine_hyperv_resolve(const char *features, char *text, size_t size);

/* The address that the net of this number gets by default: the same name gives the same addresses. */
void machine_net_address(const char *name, size_t number, uint8_t mac[6]);

#define MACHINE_MEMORY_BLOCK 0x200000

/* Everything is copied by machine_create(); nothing need outlive it. */
struct machine_options {
	struct vm_options vm;
	uint64_t memory; /* bytes; a multiple of the page size of the backing */
	/*
	 * What machine_memory_request() may make of it: the rest is memory that the guest plugs, a
	 * multiple of MACHINE_MEMORY_BLOCK and of the huge page. 0: no more than memory.
	 */
	uint64_t memory_max;
	const char *kernel;
	const char *const *initrds;
	size_t initrd_count;
	const char *cmdline;
	bool kaslr;
	const struct machine_disk *disks;
	size_t disk_count;
	const struct machine_net *nets;
	size_t net_count;
	const char *rng_source; /* NULL: getrandom(2); "": no virtio-rng */
	bool balloon;
	/* A file that the guest has as memory behind a PCI BAR, and its size (dev/shmem.h). NULL: none. */
	const char *shmem;
	uint64_t shmem_size;
	bool exit_port; /* x86: port 0xf4, by which a test program ends the machine */
	/* Which is for people; virtio-console and Xen's need not be there otherwise. */
	enum machine_console console;
	/* The version of Xen that the guest sees, major << 16 | minor; 0: it sees KVM. x86 only. */
	uint32_t xen_version;
	enum machine_xen_engine xen_engine;
	enum machine_xen_entry xen_entry;
	bool xen_pirqs; /* the guest may take devices' interrupts as events */
	enum machine_sdei sdei;
	/*
	 * arm64: what firmware is at the most, so that the guest sees the same on every host:
	 * "psci=1.0,std-hyp=0". NULL: all that this host's KVM has.
	 */
	const char *fw;
	/*
	 * Hyper-V features by QEMU's names with commas between them; what they need comes with them.
	 * "": those that suit most guests; NULL: the guest sees KVM. x86 only.
	 */
	const char *hyperv;
	enum machine_hyperv_engine hyperv_engine;
	/*
	 * The guest comes from a snapshot or from another host. Memory is left all zero, no kernel is
	 * loaded, and writable disks are opened without their locks. The machine counts as held;
	 * nothing runs before machine_release(MACHINE_ARRIVED), which starts the vCPUs as well.
	 */
	bool blank;
	/* Fills it as soon as its memory is there, and nothing else: mem_adopt(), say. May be NULL. */
	int (*fill_memory)(void *self, struct mem *mem);
	void *fill_self;
	enum machine_clock clock; /* when registers are set */
	/*
	 * Output of a console, on the loop's thread: returns how many bytes it took. After a short
	 * count it is not called for that console again until machine_output_ready(). NULL: dropped.
	 */
	size_t (*output)(void *self, enum machine_console console, const void *buf, size_t len);
	/* There is room for machine_input() again. May be NULL. */
	void (*input_ready)(void *self, enum machine_console console);
	void *self;
};

struct machine;

/*
 * Assembles the machine and loads the kernel; nothing runs yet. Whatever is wrong (a file, a size, a
 * host without KVM) is in the error text, and nothing is left behind.
 */
int machine_create(const struct machine_options *options, struct machine **ret_machine);
void machine_destroy(struct machine *machine);

/* vm_start(), vm_pause(), vm_wait() … of this do the running. Destroyed with the machine. */
struct vm *machine_vm(struct machine *machine);

/*
 * Brings the machine to rest: vCPUs are paused, every device has finished what was under way and
 * touches the guest's memory no more, what was written to disks is on stable storage. All that the
 * guest is stands in memory and registers then, and stays as it is until machine_release(). Disks
 * are flushed once before the vCPUs are paused, so that little is left to be done while they stand.
 *
 * Any thread but a vCPU's and the loop's; blocks; the loop must be running.
 *   -EBUSY      it is held already (a blank machine is)
 *   -ETIMEDOUT  a device did not come to rest within 10 s; the text names it
 *   -ECANCELED  the VM has ended
 * and what fdatasync(2) says of a disk. After a failure the machine goes on as before.
 */
int machine_hold(struct machine *machine);

enum machine_release {
	/* After a snapshot, or a move that failed: same host, same process. Time has gone on. */
	MACHINE_GO_ON,
	/*
	 * The registers and the memory came from elsewhere. Takes the disks' locks, starts the vCPUs'
	 * threads, tells the guest's watchdogs that it stood still (KVM_KVMCLOCK_CTRL), looks at every
	 * queue and raises its interrupt once, and announces the guest to its networks.
	 */
	MACHINE_ARRIVED,
};

/*
 * Lets a held machine run: not, if somebody called vm_pause() as well, before vm_resume(). Any thread
 * but a vCPU's; the loop need not be running yet.
 *   -EINVAL  it is not held, or it is blank and has not arrived
 *   -EBUSY   (MACHINE_ARRIVED) another process uses a disk: nothing has run, and it is still held
 * and those of vm_start().
 */
int machine_release(struct machine *machine, enum machine_release how);
bool machine_is_held(struct machine *machine);

/*
 * The locks of the writable disks of a held machine: the source gives them up right before the
 * destination is told to run, and takes them back when it turns out not to have done so: -EBUSY when
 * it has, with a text that names the disk; none is taken then. Any thread.
 */
void machine_surrender_disks(struct machine *machine);
int machine_take_disks(struct machine *machine);

/*
 * The content of the writable disks, for who copies them to another host while the guest goes on. What
 * is asked for consists of whole blocks of MACHINE_STORE_BLOCK bytes (the last may be a part of one),
 * and so buffers are aligned: images may be open for direct I/O. All of these block; any thread but a
 * vCPU's and the loop's; different stores, and different blocks of one, may be used at the same time.
 * They return what the host's kernel says, with a text that names the disk; -EINVAL: no such blocks.
 */
#define MACHINE_STORE_BLOCK 65536

struct machine_store; /* the machine's, and lives as long */

size_t machine_store_count(struct machine *machine);
/* Of disks with an overlay there is none: -EOPNOTSUPP with a text that names the first, else 0. */
int machine_stores_check(struct machine *machine);
/* number is below the count; the order is that of machine_options. */
struct machine_store *machine_store(struct machine *machine, size_t number);
/* "disk0": by its number among all disks, those that are only read included. */
const char *machine_store_id(const struct machine_store *store);
uint64_t machine_store_size(const struct machine_store *store);

/* What is read while the guest writes there may be a mixture of old and new: it is told as written. */
int machine_store_read(struct machine_store *store, uint64_t offset, void *buf, size_t len);
/* For a blank machine that has the locks (machine_take_disks()). Zeros are a hole where that can be. */
int machine_store_write(struct machine_store *store, uint64_t offset, const void *buf, size_t len);
int machine_store_zero(struct machine_store *store, uint64_t offset, uint64_t len);
int machine_store_sync(struct machine_store *store);
/*
 * The next run of bytes that may hold something else than zeros: 1, and *offset is moved to where it
 * begins and *ret_len is its length; 0: there is no more. A store without holes is one such run.
 */
int machine_store_next_data(struct machine_store *store, uint64_t *offset, uint64_t *ret_len);

/*
 * From track to untrack collect ORs into bitmap the blocks that the guest has written since the last
 * collect (a bit each, in 64-bit words, lowest first; discarding and zeroing count): collect first, then
 * read those. Nothing is missed if collect is called once more when the machine is held. One thread at
 * a time. -EBUSY: it is tracked already; -ENOMEM.
 */
int machine_store_track(struct machine_store *store);
void machine_store_collect(struct machine_store *store, uint64_t *bitmap);
void machine_store_untrack(struct machine_store *store);

/*
 * Withholds so many percent (0 … 99) of its time from each vCPU, in slices of a few milliseconds: for
 * a guest that dirties memory faster than it can be sent. Ends with the VM. Any thread.
 */
void machine_throttle(struct machine *machine, unsigned percent);

/* "kernel" or "portable"; NULL: not a Xen guest. */
const char *machine_xen_engine_name(const struct machine *machine);

/*
 * While a vCPU is inhibited, others that ask Hyper-V to flush its TLB wait outside the guest, and make
 * their hypercall again afterwards. When this returns with on, none that targets it is under way. Any
 * thread but a vCPU's. -ENODEV: not a Hyper-V guest; -ENOENT: no such vCPU.
 */
int machine_hyperv_inhibit(struct machine *machine, uint32_t vcpu, bool on);

struct machine_hyperv_vcpu {
	bool is_inhibited, waits;
	uint32_t waits_on; /* a vCPU, when it waits */
};
/* -ENODEV, -ENOENT. */
int machine_hyperv_vcpu(struct machine *machine, uint32_t vcpu,
			struct machine_hyperv_vcpu *ret_state);
/* "kernel" or "portable"; NULL: not a Hyper-V guest. */
const char *machine_hyperv_engine_name(const struct machine *machine);

/*
 * Reads len bytes where the vCPU finds them at a virtual address, by its page tables as they are;
 * x86 only. The vCPU stands still meanwhile. Of a Hyper-V guest it is inhibited as well: who takes
 * the page away from it by a hypercall waits until all is read. *ret_physical is where the first
 * byte is; a len of 0 asks for nothing else. Any thread but a vCPU's. -ENOENT: no such vCPU;
 * -EFAULT: not all of it is mapped, or is memory; -EOPNOTSUPP.
 */
int machine_read_virtual(struct machine *machine, uint32_t vcpu, uint64_t address, void *buf,
			 size_t len, uint64_t *ret_physical);

/* The rest belongs to the loop's thread. */

/*
 * Keyboard input; returns how many bytes were taken: none while the machine is held. input_ready
 * tells when to go on.
 */
size_t machine_input(struct machine *machine, enum machine_console console, const void *buf,
		     size_t len);
/* The console can take output again. */
void machine_output_ready(struct machine *machine, enum machine_console console);
/* Hands out what the consoles still hold, as far as output() takes it. After the VM has ended. */
void machine_flush(struct machine *machine);
/* The size of the terminal behind virtio-console. Like the next, later if the machine is held. */
void machine_console_size(struct machine *machine, uint16_t columns, uint16_t rows);
/* Presses the ACPI power button. */
void machine_power_button(struct machine *machine);
/*
 * Triggers an SDEI event of the guest's; a private one on that vCPU (abi/sdei.h has the numbers). Any
 * thread. -ENODEV: the machine has no SDEI; -ENOENT: no such event; -EINVAL: no such vCPU; -ENXIO:
 * the guest has not registered it.
 */
int machine_sdei_inject(struct machine *machine, uint32_t event, uint32_t vcpu);
/*
 * Asks the balloon to leave the guest that many bytes. -ENODEV without a balloon; -ERANGE; -EBUSY
 * while the machine is held.
 */
int machine_balloon(struct machine *machine, uint64_t bytes);

/* All of them with the memory that the guest was booted with; bytes. */
struct machine_memory {
	uint64_t requested; /* what the guest was asked to have */
	uint64_t plugged;   /* what it has so far */
	uint64_t min, max;  /* what can be asked for */
};

/*
 * Asks the guest to have that many bytes of memory, which is a whole number of blocks more than it
 * was booted with; it does so in its own time, not while it is being saved or moved, and may not be
 * able to give memory back. -ENODEV without memory_max; -ERANGE; -EINVAL; -EBUSY while the machine
 * is held.
 */
int machine_memory_request(struct machine *machine, uint64_t bytes);
/* -ENODEV. */
int machine_memory(struct machine *machine, struct machine_memory *ret_memory);

#endif
