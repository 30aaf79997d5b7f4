/* SPDX-License-Identifier: Apache-2.0 */
/* The options of `ferry run`, and what each value means. */
#include "cli/run_options.h"

#include <ferry/error.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "cli/command.h"
#include "cli/describe.h"
#include "cli/run.h"
#include "cli/value.h"
#include "io/channel.h"

#define MEMORY_DEFAULT (512 * MIB)
#define CPUS_MAX       65535
#define CMDLINE_MAX    4096

char *run_options_keep(struct run_options *options, const char *text)
{
	char **kept = realloc(options->kept, (options->kept_count + 1) * sizeof(*kept));
	char *copy;

	if (!kept)
		return NULL;
	options->kept = kept;
	copy = strdup(text);
	if (copy)
		kept[options->kept_count++] = copy;
	return copy;
}

int run_options_keep_in(struct run_options *options, const char **where, const char *text)
{
	*where = run_options_keep(options, text);
	return *where ? 0 : because(-ENOMEM, "out of memory");
}

int run_options_keep_path(struct run_options *options, const char **where, const char *path)
{
	if (!path || !*path)
		return because(-EINVAL, "the file's name is empty");
	return run_options_keep_in(options, where, path);
}

void *run_options_grow(void **array, size_t *count, size_t size)
{
	char *grown = realloc(*array, (*count + 1) * size);

	if (!grown)
		return NULL;
	*array = grown;
	memset(grown + *count * size, 0, size);
	return grown + (*count)++ * size;
}

static int set_kernel(void *target, const char *value, bool on)
{
	struct run_options *options = target;

	(void)on;
	return run_options_keep_path(options, &options->machine.kernel, value);
}

static int set_initrd(void *target, const char *value, bool on)
{
	struct run_options *options = target;
	const char **initrd = run_options_grow((void **)&options->initrds,
					       &options->machine.initrd_count, sizeof(*initrd));

	(void)on;
	return initrd ? run_options_keep_path(options, initrd, value)
		      : because(-ENOMEM, "out of memory");
}

static int set_cmdline(void *target, const char *value, bool on)
{
	struct run_options *options = target;

	(void)on;
	return run_options_keep_in(options, &options->cmdline, value);
}

static int set_append(void *target, const char *value, bool on)
{
	struct run_options *options = target;
	char both[CMDLINE_MAX];

	(void)on;
	if (!options->append)
		return run_options_keep_in(options, &options->append, value);
	if (snprintf(both, sizeof(both), "%s %s", options->append, value) >= (int)sizeof(both))
		return because(-EINVAL, "the kernel's command line is longer than %d bytes",
			       CMDLINE_MAX - 1);
	return run_options_keep_in(options, &options->append, both);
}

static int set_kaslr(void *target, const char *value, bool on)
{
	struct run_options *options = target;

	(void)value;
	options->machine.kaslr = on;
	return 0;
}

static int set_cpus(void *target, const char *value, bool on)
{
	struct run_options *options = target;
	uint64_t count;
	int err = value_count(value, 1, CPUS_MAX, &count);

	(void)on;
	if (!err)
		options->machine.vm.vcpus = (uint32_t)count;
	return err;
}

static int set_hugepages(void *target, const char *value, bool on)
{
	struct run_options *options = target;
	uint64_t size = 2 * MIB;
	int err = value ? value_size(value, &size) : 0;

	if (err)
		return err;
	if (size != 2 * MIB && size != GIB)
		return because(-EINVAL, "huge pages are 2M or 1G, not %s", value);
	options->machine.vm.hugepage_size = on ? size : 0;
	return 0;
}

static int set_prealloc(void *target, const char *value, bool on)
{
	struct run_options *options = target;

	(void)value;
	options->machine.vm.prealloc = on;
	return 0;
}

static int set_rng(void *target, const char *value, bool on)
{
	struct run_options *options = target;

	options->machine.rng_source = on ? NULL : "";
	return value ? run_options_keep_path(options, &options->machine.rng_source, value) : 0;
}

static int set_balloon(void *target, const char *value, bool on)
{
	struct run_options *options = target;

	(void)value;
	options->machine.balloon = on;
	return 0;
}

static int set_exit_port(void *target, const char *value, bool on)
{
	struct run_options *options = target;

	(void)value;
	options->machine.exit_port = on;
	return 0;
}

static int set_sdei(void *target, const char *value, bool on)
{
	static const char *const names[] = { "auto", "on", "off", NULL };
	struct run_options *options = target;
	unsigned choice;
	int err = value_choice(value, names, &choice);

	(void)on;
	if (!err)
		options->machine.sdei = (enum machine_sdei)choice;
	return err;
}

static int set_cpu(void *target, const char *value, bool on)
{
	struct run_options *options = target;

	(void)on;
	return run_options_keep_in(options, &options->machine.vm.cpu, value);
}

static int set_fw(void *target, const char *value, bool on)
{
	struct run_options *options = target;

	(void)on;
	return run_options_keep_in(options, &options->machine.fw, value);
}

static int set_like(void *target, const char *value, bool on)
{
	struct run_options *options = target;

	(void)on;
	return run_options_keep_path(options, &options->like, value);
}

static int set_hyperv(void *target, const char *value, bool on)
{
	struct run_options *options = target;
	const char *features = value ? value : "";
	char all[256];
	int err = on ? machine_hyperv_resolve(features, all, sizeof(all)) : 0;

	options->machine.hyperv = NULL;
	return err || !on ? err : run_options_keep_in(options, &options->machine.hyperv, features);
}

static int set_hyperv_engine(void *target, const char *value, bool on)
{
	static const char *const names[] = { "auto", "kernel", "portable", NULL };
	struct run_options *options = target;
	unsigned choice;
	int err = value_choice(value, names, &choice);

	(void)on;
	if (!err)
		options->machine.hyperv_engine = (enum machine_hyperv_engine)choice;
	return err;
}

static int set_console(void *target, const char *value, bool on)
{
	static const char *const names[] = { "serial", "virtio", "xen", "none", NULL };
	struct run_options *options = target;
	unsigned choice;
	int err = value_choice(value, names, &choice);

	(void)on;
	if (err)
		return err;
	options->console = choice;
	/* none is about who sees it: the guest's device is what it was. */
	if (choice != RUN_CONSOLE_NONE)
		options->machine.console = (enum machine_console)choice;
	return 0;
}

static int set_console_output(void *target, const char *value, bool on)
{
	struct run_options *options = target;

	(void)on;
	return run_options_keep_path(options, &options->console_output, value);
}

static int set_name(void *target, const char *value, bool on)
{
	struct run_options *options = target;
	int err = value_vm_name(value);

	(void)on;
	return err ? err : run_options_keep_in(options, &options->machine.vm.name, value);
}

/* command_parse() has read the file before it comes here. */
static int set_config(void *target, const char *value, bool on)
{
	(void)target;
	(void)value;
	(void)on;
	return 0;
}

static int set_trace_kvm(void *target, const char *value, bool on)
{
	struct run_options *options = target;

	options->trace_kvm = on;
	options->trace_file = NULL;
	return value ? run_options_keep_path(options, &options->trace_file, value) : 0;
}

static int set_log_level(void *target, const char *value, bool on)
{
	static const char *const names[] = { "error", "warn", "info", "debug", NULL };
	struct run_options *options = target;
	unsigned choice;
	int err = value_choice(value, names, &choice);

	(void)on;
	if (!err)
		options->log_level = choice;
	return err;
}

/* "4.17"; without a value a version that all guests know. */
static int set_xen(void *target, const char *value, bool on)
{
	struct run_options *options = target;
	uint32_t version = MACHINE_XEN_VERSION;
	char *end = NULL;

	/* There is no other major version that guests of today know. */
	if (value) {
		if (value[0] != '4' || value[1] != '.' || !isdigit((unsigned char)value[2]))
			return because(-EINVAL, "%s is no version of Xen, such as 4.17", value);
		version = 4U << 16 | (uint32_t)min_u64(strtoul(value + 2, &end, 10), 0xffff);
		if (*end)
			return because(-EINVAL, "%s is no version of Xen, such as 4.17", value);
	}
	options->machine.xen_version = on ? version : 0;
	return machine_xen_check(version);
}

static int set_xen_engine(void *target, const char *value, bool on)
{
	static const char *const names[] = { "auto", "kernel", "portable", NULL };
	struct run_options *options = target;
	unsigned choice;
	int err = value_choice(value, names, &choice);

	(void)on;
	if (!err)
		options->machine.xen_engine = choice;
	return err;
}

static int set_xen_pirqs(void *target, const char *value, bool on)
{
	struct run_options *options = target;

	(void)value;
	options->machine.xen_pirqs = on;
	return 0;
}

static int set_xen_entry(void *target, const char *value, bool on)
{
	static const char *const names[] = { "pvh", "hvm", NULL };
	struct run_options *options = target;
	unsigned choice;
	int err = value_choice(value, names, &choice);

	(void)on;
	if (!err)
		options->machine.xen_entry = choice;
	return err;
}

static int set_incoming(void *target, const char *value, bool on)
{
	struct run_options *options = target;
	int err = channel_uri_check(value);

	(void)on;
	return err ? err : run_options_keep_in(options, &options->incoming, value);
}

static int set_restore(void *target, const char *value, bool on)
{
	struct run_options *options = target;

	(void)on;
	return run_options_keep_path(options, &options->restore, value);
}

static int set_clock(void *target, const char *value, bool on)
{
	static const char *const names[] = { "advance", "freeze", NULL };
	struct run_options *options = target;
	unsigned choice;
	int err = value_choice(value, names, &choice);

	(void)on;
	options->has_clock = true;
	if (!err)
		options->machine.clock = choice ? MACHINE_CLOCK_FREEZE : MACHINE_CLOCK_ADVANCE;
	return err;
}

static int set_tls(void *target, const char *value, bool on)
{
	struct run_options *options = target;

	(void)on;
	return run_options_keep_path(options, &options->tls, value);
}

static int set_insecure_plaintext(void *target, const char *value, bool on)
{
	struct run_options *options = target;

	(void)value;
	options->insecure_plaintext = on;
	return 0;
}

static int set_sandbox(void *target, const char *value, bool on)
{
	static const char *const names[] = { "auto", "on", "off", NULL };
	struct run_options *options = target;
	unsigned choice;
	int err = value_choice(value, names, &choice);

	(void)on;
	if (!err)
		options->sandbox = (enum run_sandbox)choice;
	return err;
}

static int set_cgroup(void *target, const char *value, bool on)
{
	struct run_options *options = target;

	(void)on;
	return run_options_keep_path(options, &options->cgroup, value);
}

static int set_dry_run(void *target, const char *value, bool on)
{
	struct run_options *options = target;

	(void)value;
	options->dry_run = on;
	return 0;
}

static int set_die_with_parent(void *target, const char *value, bool on)
{
	struct run_options *options = target;

	(void)value;
	options->dies_with_parent = on;
	return 0;
}

static const struct command_option option_table[] = {
	{ "kernel", "FILE", "bzImage or vmlinux; the same as KERNEL", "vmlinuz", 0, set_kernel },
	{ "initrd", "FILE", "initial RAM disk; several are joined", "initrd.img", OPTION_REPEAT,
	  set_initrd },
	{ "cmdline", "TEXT", "kernel's command line (console=ttyS0 panic=-1)", "console=ttyS0", 0,
	  set_cmdline },
	{ "append", "TEXT", "words to add to the command line", "root=/dev/vda", OPTION_REPEAT,
	  set_append },
	{ "kaslr", NULL, "load the kernel where it was linked to be", NULL, OPTION_NEGATED,
	  set_kaslr },
	{ "memory", "SIZE[,max=N]", "memory, with K, M, G or T (512M); to grow to max", "4G",
	  OPTION_MACHINE, run_set_memory },
	{ "cpus", "N", "number of vCPUs (1)", "4", OPTION_MACHINE, set_cpus },
	{ "hugepages", "SIZE", "back the memory by huge pages of 2M or 1G", "2M",
	  OPTION_OPTIONAL | OPTION_MACHINE, set_hugepages },
	{ "prealloc", NULL, "take all memory from the host at the start", NULL,
	  OPTION_MACHINE | OPTION_RARE,
	  set_prealloc },
	{ "disk", "FILE[,KEY..]", "keys: readonly direct queues=N serial=TEXT bus=B",
	  "path=x.img,readonly", OPTION_REPEAT | OPTION_MACHINE, run_set_disk },
	{ "net", "user|tap=NAME", "network by passt or a tap; also ,mac=ADDRESS ,bus=B", "user",
	  OPTION_REPEAT | OPTION_MACHINE, run_set_net },
	{ "rng", "FILE", "random numbers (on, from the host's kernel)", "/dev/hwrng",
	  OPTION_OPTIONAL | OPTION_NEGATED | OPTION_MACHINE | OPTION_RARE, set_rng },
	{ "balloon", NULL, "a balloon for 'ferry ctl NAME balloon SIZE'", NULL, OPTION_MACHINE,
	  set_balloon },
	{ "shmem", "FILE,size=SIZE", "memory behind a PCI BAR, shared through a file",
	  "path=/dev/shm/x,size=16M", OPTION_MACHINE | OPTION_RARE, run_set_shmem },
	{ "xen", "VERSION", "the guest sees Xen, of that version (4.17)", "4.17",
	  OPTION_OPTIONAL | OPTION_MACHINE, set_xen },
	{ "xen-engine", "KIND", "who serves a Xen guest: auto, kernel or portable (auto)", "portable",
	  OPTION_RARE, set_xen_engine },
	{ "xen-entry", "KIND", "what kind of domain a Xen guest is: pvh or hvm (pvh)", "hvm",
	  OPTION_MACHINE | OPTION_RARE, set_xen_entry },
	{ "xen-pirqs", NULL, "a Xen guest may take devices' interrupts as events", NULL,
	  OPTION_MACHINE | OPTION_RARE, set_xen_pirqs },
	{ "sdei", "HOW", "arm64: events by firmware: auto, on or off (auto)", "on", OPTION_MACHINE |
	  OPTION_RARE, set_sdei },
	{ "cpu", "LIST", "arm64: what vCPUs have besides: pmu, sve, sve=BITS", "pmu,sve=256",
	  OPTION_RARE | OPTION_MACHINE, set_cpu },
	{ "fw", "LIST", "arm64: pin firmware: psci=V,std=N,std-hyp=N", "psci=1.0",
	  OPTION_RARE, set_fw },
	{ "like", "SNAPSHOT", "arm64: the CPU and firmware of the guest in SNAPSHOT", "old.snap",
	  OPTION_RARE | OPTION_NO_FILE, set_like },
	{ "hyperv", "FEATURES", "let the guest see Hyper-V, not KVM", "default,spinlocks=8191",
	  OPTION_OPTIONAL | OPTION_MACHINE, set_hyperv },
	{ "hyperv-engine", "WHICH", "who plays Hyper-V: auto, kernel or portable (auto)", "portable",
	  OPTION_RARE, set_hyperv_engine },
	{ "console", "KIND", "serial, virtio, xen or none (serial)", "virtio", OPTION_MACHINE, set_console },
	{ "console-output", "FILE", "keep a copy of what the console says", "console.log", 0,
	  set_console_output },
	{ "name", "NAME", "name for ctl, list and inspect (ferry-PID)", "web1", OPTION_MACHINE,
	  set_name },
	{ "incoming", "URI", "take a guest that 'ferry migrate' sends", "unix:web1.sock",
	  OPTION_NO_FILE, set_incoming },
	{ "restore", "DIR", "go on with the guest of 'ferry snapshot'", "web1.snap",
	  OPTION_NO_FILE, set_restore },
	{ "clock", "HOW", "time on the way: advance, or freeze the guest's clocks (advance)",
	  "freeze", OPTION_RARE, set_clock },
	{ "tls", "DIR", "with --incoming tcp: ca-cert.pem, cert.pem and key.pem", "/etc/ferry/tls",
	  OPTION_RARE, set_tls },
	{ "insecure-plaintext", NULL, "--incoming tcp: beyond this host without --tls", NULL,
	  OPTION_RARE, set_insecure_plaintext },
	{ "config", "FILE", "JSON or TOML with these names; options here win", "vm.json",
	  OPTION_NO_FILE, set_config },
	{ "trace-kvm", "FILE", "write every KVM ioctl to standard error or FILE", "kvm.log",
	  OPTION_OPTIONAL | OPTION_RARE, set_trace_kvm },
	{ "log-level", "LEVEL", "error, warn, info or debug (warn)", "info", OPTION_RARE,
	  set_log_level },
	{ "sandbox", "HOW", "give up what a guest could misuse: auto, on or off (auto)", "on",
	  OPTION_RARE, set_sandbox },
	{ "cgroup", "DIR", "run in that cgroup, a directory of its file system",
	  "/sys/fs/cgroup/vms/web1", OPTION_RARE, set_cgroup },
	{ "dry-run", NULL, "check everything, then do not start", NULL, 0, set_dry_run },
	{ "exit-port", NULL, "a test program may end the VM by port 0xf4", NULL,
	  OPTION_RARE | OPTION_MACHINE, set_exit_port },
	{ "die-with-parent", NULL, "stop when the program ends that started this", NULL, OPTION_RARE,
	  set_die_with_parent },
};

static const char *const notes[] = {
	"Exit status: 0 the guest switched itself off, 1 ferry or the host failed,",
	"2 wrong usage, 32 guest reset, 33 guest crash, 34 guest panic, 35 stopped,",
	"36 the guest runs on another host now, 37 its test failed (--exit-port).",
	NULL,
};

static const char *const more[] = {
	"Memory. --memory 2G,max=16G: the guest boots with 2G; 'ferry ctl NAME memory 8G' asks it to",
	"have 8G, or less again (virtio-mem; Linux 5.16 and newer). Whether Linux uses what comes is",
	"its setting: memhp_default_state=online_movable on its command line does, and lets it give",
	"most of it back. What is not plugged costs nothing. max is SIZE and a multiple of 2M, better",
	"of 128M, by which Linux adds memory. While the guest is saved or moved it has to wait.",
	"",
	"Disks. --disk x.img, or --disk path=x.img with any of these behind a comma:",
	"  readonly     the guest cannot write",
	"  overlay=FILE  what the guest writes goes there, and x.img stays as it is: many may use it at",
	"               once. FILE is made if it is not there, takes as much room as was written, and goes",
	"               with the guest that has it; what the guest flushes is not flushed. Not with direct",
	"  direct       past the host's page cache (O_DIRECT)",
	"  queues=N     request queues, 1 to 16 (as many as vCPUs)",
	"  serial=TEXT  what the guest sees as the disk's serial number, up to 20 characters",
	"  bus=xen      a disk of a Xen guest (xvda), not virtio's; 1 to 8 queues, no serial number",
	"  persistent   with bus=xen: persistent grants are offered. A guest that takes them copies",
	"               everything it reads or writes once more, which pays with Xen's own back ends only",
	"A comma in a file's name is written twice, here and with --shmem: --disk path=a,,b.img is a,b.img.",
	"In a config file's object ({ \"path\": \"a,b.img\" }) it is written once.",
	"",
	"Firmware and CPU (arm64). A guest sees what its first host has, and moves to hosts that have",
	"as much. --fw psci=1.0,std=N,std-hyp=N,vendor-hyp=N gives it less: a version of PSCI, and which",
	"hypercalls there are, as bits (the kernel's fw-pseudo-registers.rst). --like SNAPSHOT gives it",
	"the ID registers, the caches and the firmware that the guest in SNAPSHOT has: one that was",
	"begun on the oldest host, say, under Linux 6.1; and --sdei off, which 6.1 cannot do. --cpu pmu",
	"adds performance counters, sve vectors, sve=256 those of 256 bits at the most.",
	"",
	"Networks. --net user needs no privilege: passt connects the guest as a program of",
	"yours. --net tap=NAME uses a tap device, and makes one where there is none, which takes",
	"root. Both take ,mac=ADDRESS.",
	"",
	"Shared memory. --shmem path=FILE,size=SIZE: a PCI function (1af4:1110, ivshmem-plain) whose",
	"BAR 2 is the file, for programs of the host and other guests that map it too. The size is a",
	"power of two; a file that is not there is made. What is in it stays where it is, as on a disk,",
	"when the guest is saved or moved.",
	"",
	"Hyper-V guests. --hyperv, or --hyperv=FEATURES with commas: relaxed vapic spinlocks=N",
	"vpindex runtime crash reset time frequencies synic stimer stimer-direct tlbflush",
	"tlbflush-ext ipi xmm-input reenlightenment, named as QEMU's hv-...; default is relaxed,",
	"vpindex, runtime, crash, reset, time, frequencies, tlbflush, ipi and xmm-input. What a feature",
	"needs comes with it; 'ferry run --log-level info' says so. --hyperv-engine=portable is ferry's",
	"own, on every KVM that leaves MSRs to user space; kernel is KVM's. 'ferry ctl NAME",
	"hyperv-inhibit VCPU on' lets vCPUs wait that ask to flush that vCPU's TLB, until off.",
	"",
	"The console. Where standard input is a terminal the guest gets every key but ctrl-]:",
	"ctrl-] q ends the VM, ctrl-] p presses its power button, ctrl-] ? says so, ctrl-] ctrl-]",
	"is one ctrl-] for the guest. Input may be a pipe; its end does not end the VM. A slow",
	"reader of the output slows down a guest that waits for its UART, as Linux does; what",
	"others send faster than it is read is lost, as on the real thing.",
	"",
	"Xen guests. --xen makes the machine a Xen HVM or PVH domain, of any version from 4.5 on. Its",
	"hypercalls and event channels are KVM's where the kernel has Xen support ('ferry doctor'",
	"says), else ferry's own: --xen-engine=kernel or portable insists on one. A guest may be",
	"restored and moved from one to the other. Its devices are the machine's, by virtio. With",
	"--xen-entry=hvm Linux is entered as by a boot loader, takes itself for an HVM domain and finds",
	"Xen's platform device; else by PVH, without one. With --xen-pirqs devices' interrupts may come",
	"as events (XENFEAT_hvm_pirqs), which Xen's default is not.",
	"",
	"A guest from elsewhere. --incoming waits for what 'ferry migrate' sends, and --restore takes",
	"what 'ferry snapshot' wrote, which must stay as it is while the guest runs. Both bring a",
	"description of the machine: the options that it was made with, but for the kernel. Options",
	"here, on the command line or in the config file, replace the description's: --disk and --net",
	"all of its disks and networks, whose addresses stay, --name its name. Without --name a guest",
	"that moves within this host is NAME.PID until its source, which is NAME, has ended, and then",
	"NAME. 'ferry ctl NAME status' says how much of it has come. The guest goes on if this machine",
	"has all that the guest was promised; else every reason is told. The disks of",
	"'ferry migrate --copy-disks' are written over what is in --disk's files, or into new ones where",
	"there are none, which are removed again if the guest does not come. What the",
	"description names is opened here: take guests only from whom you trust, by unix:, or by tcp:",
	"with --tls. --incoming takes one guest, and ends with status 1 when it did not come. URIs:",
	"  tcp:HOST:PORT  a port 0 is replaced by a free one; beyond this host only with --tls",
	"  unix:PATH      a socket, made and removed here; memory is handed over, not copied",
	"  fd:N, fd:R,W   inherited descriptors: a socket, or two to read from and to write to",
	"  exec:COMMAND   what a command reads and writes, such as exec:'ssh -W ...'",
	"--clock advance: the guest's clocks have gone on meanwhile; freeze: they stood still.",
	"--tls DIR has the certificates of who may sign the other side's, and one's own with its key.",
	"",
	"The sandbox. Before the guest runs ferry gives up what it needs no more: system calls (seccomp, by",
	"kind of thread), every path and TCP port (Landlock), capabilities and new privileges, core",
	"files, and, where it may, the host's root directory and network (user, mount, network, IPC and",
	"UTS namespaces). No file is opened and no socket made while a guest runs: 'ferry migrate' and",
	"'ferry snapshot' make them and pass them on. --sandbox=auto leaves out what this host has not",
	"('ferry doctor' says), on insists on all of it, off is for debugging. A call that is not",
	"allowed ends ferry with status 1 and the call's name. --cgroup DIR joins a cgroup first.",
	"",
	"The config file has the options' names, in JSON, or in TOML where its name ends in .toml:",
	"  { \"kernel\": \"vmlinuz\", \"memory\": \"2G\", \"cpus\": 2, \"balloon\": true,",
	"    \"disk\": [ \"root.img\", { \"path\": \"data.img\", \"readonly\": true } ] }",
	"Switches are true or false, what may be repeated is an array or one value. An option",
	"on the command line replaces the file's. File names are relative to where ferry runs.",
	NULL,
};

static int set_kernel_operand(void *target, unsigned index, const char *value)
{
	struct run_options *options = target;

	(void)index;
	if (options->machine.kernel)
		return because(-EINVAL, "two kernels: %s and %s", options->machine.kernel, value);
	return set_kernel(target, value, true);
}

const struct command command_run = {
	.name = "run",
	.summary = "boot a kernel in a VM, or take a running guest",
	.operands = { "KERNEL" },
	.operand = set_kernel_operand,
	.options = option_table,
	.option_count = ARRAY_SIZE(option_table),
	.notes = notes,
	.more = more,
	.run = run_main,
};

void run_options_init(struct run_options *options)
{
	*options = (struct run_options){
		.machine = {
			.vm = { .vcpus = 1 },
			.memory = MEMORY_DEFAULT,
			.kaslr = true,
		},
		.log_level = LOG_LEVEL_WARN,
	};
}

void run_options_finish(struct run_options *options)
{
	for (size_t i = 0; i < options->kept_count; i++)
		free(options->kept[i]);
	free(options->kept);
	free(options->disks);
	free(options->nets);
	free(options->described.disks);
	free(options->described.nets);
	free(options->initrds);
	*options = (struct run_options){ 0 };
}

/* Memory is mapped by huge pages, and plugged by them or by smaller blocks. */
static int check_memory(const struct machine_options *machine)
{
	uint64_t page = machine->vm.hugepage_size, block = max_u64(page, MACHINE_MEMORY_BLOCK);
	char text[32];

	if (page && machine->memory % page) {
		value_size_text(page, text, sizeof(text));
		return because(-EINVAL, "--memory must be a multiple of %s with --hugepages=%s",
			       text, text);
	}
	if (machine->memory_max && (machine->memory_max - machine->memory) % block) {
		value_size_text(block, text, sizeof(text));
		return because(-EINVAL, "--memory: max must be a multiple of %s more than the size",
			       text);
	}
	return 0;
}

static int join_cmdline(struct run_options *options)
{
	const char *given = options->cmdline;
	char whole[CMDLINE_MAX];

	if (!given)
		given = options->machine.console != MACHINE_CONSOLE_SERIAL ?
				"console=hvc0 panic=-1" :
				"console=ttyS0 panic=-1";
	if (snprintf(whole, sizeof(whole), "%s%s%s", given, options->append ? " " : "",
		     options->append ? options->append : "") >= (int)sizeof(whole))
		return because(-EINVAL, "the kernel's command line is longer than %d bytes",
			       CMDLINE_MAX - 1);
	return run_options_keep_in(options, &options->machine.cmdline, whole);
}

/* A guest that runs already has been booted, and the other side of a URI is only there for --incoming. */
static int check_arrival(const struct run_options *options)
{
	const struct machine_options *machine = &options->machine;
	const char *how = options->incoming ? "--incoming" : "--restore";

	if (options->incoming && options->restore)
		return because(-EINVAL, "either --incoming or --restore");
	if (machine->kernel || machine->initrd_count || options->cmdline || options->append)
		return because(-EINVAL, "%s brings a guest that runs: no kernel, no --initrd, "
					"--cmdline or --append", how);
	if (options->incoming && options->dry_run)
		return because(-EINVAL, "--dry-run cannot tell what --incoming will bring");
	return 0;
}

int run_options_check(const struct run_options *options)
{
	int err = run_options_arrives(options) ? check_arrival(options) : 0;

	if (err)
		return err;
	if ((options->tls || options->insecure_plaintext) && !options->incoming)
		return because(-EINVAL, "--tls and --insecure-plaintext belong to --incoming");
	if (options->machine.xen_version && options->machine.hyperv)
		return because(-EINVAL, "either --xen or --hyperv: they are in each other's place");
	if ((options->like || options->machine.fw) && run_options_arrives(options))
		return because(-EINVAL, "--like and --fw: a guest that comes brings what it was promised");
	if (options->has_clock && !run_options_arrives(options))
		return because(-EINVAL, "--clock belongs to --incoming and --restore");
	if (!options->machine.kernel && !run_options_arrives(options))
		return because(-EINVAL, "which kernel? 'ferry run KERNEL', or \"kernel\" in the "
					"config file");
	return 0;
}

int run_options_complete(struct run_options *options)
{
	struct machine_options *machine = &options->machine;
	char name[32];
	int err = run_options_check(options);

	if (!err)
		err = check_memory(machine);
	if (err)
		return err;
	if (!machine->vm.name) {
		snprintf(name, sizeof(name), "ferry-%d", (int)getpid());
		if (run_options_keep_in(options, &machine->vm.name, name))
			return -ENOMEM;
	}
	describe_fill(options);
	machine->blank = run_options_arrives(options);
	machine->initrds = options->initrds;
	machine->disks = options->disks;
	machine->nets = options->nets;
	return join_cmdline(options);
}
