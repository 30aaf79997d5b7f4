/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Takes SDEI's event 0 through Linux's driver: a CPU that has masked interrupts, and stays in a
 * loop, is signalled by another. Says what came of it in the kernel's log, when it is loaded.
 */
#include <linux/arm-smccc.h>
#include <linux/arm_sdei.h>
#include <linux/cpumask.h>
#include <linux/kprobes.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/ptrace.h>
#include <linux/smp.h>

#define FN_EVENT_SIGNAL 0xc400002f
#define EVENT		0
#define PATIENCE_MS	20000

/* The driver exports nothing: its functions are looked up. */
static int (*event_register)(u32 event, sdei_event_callback *callback, void *arg);
static int (*event_unregister)(u32 event);
static int (*event_enable)(u32 event);
static int (*event_disable)(u32 event);

static struct {
	unsigned int cpu;
	bool was_masked, was_in_loop;
} hit;
static unsigned int hits;
static bool spins, is_in_loop;
static unsigned int target;
static u64 mpidr;

/* In the context of an NMI. */
static int handle(u32 event, struct pt_regs *regs, void *arg)
{
	hit.cpu = smp_processor_id();
	hit.was_masked = !interrupts_enabled(regs);
	hit.was_in_loop = READ_ONCE(is_in_loop);
	smp_store_release(&hits, hits + 1);
	return 0;
}

/* On the target, with interrupts masked. */
static void spin(void *unused)
{
	ktime_t end = ktime_add_ms(ktime_get(), PATIENCE_MS);

	WRITE_ONCE(mpidr, read_cpuid_mpidr() & MPIDR_HWID_BITMASK);
	WRITE_ONCE(is_in_loop, true);
	smp_store_release(&spins, true);
	while (!smp_load_acquire(&hits) && ktime_before(ktime_get(), end))
		cpu_relax();
	WRITE_ONCE(is_in_loop, false);
}

static int find(const char *name, void *where)
{
	struct kprobe probe = { .symbol_name = name };
	int err = register_kprobe(&probe);

	if (err)
		return err;
	*(void **)where = probe.addr;
	unregister_kprobe(&probe);
	return 0;
}

static int find_all(void)
{
	int err = find("sdei_event_register", &event_register);

	if (!err)
		err = find("sdei_event_unregister", &event_unregister);
	if (!err)
		err = find("sdei_event_enable", &event_enable);
	return err ? err : find("sdei_event_disable", &event_disable);
}

/* The target is not the CPU that this runs on, and stays on: that one would wait for its own loop to end. */
static long signal_target(void)
{
	ktime_t end = ktime_add_ms(ktime_get(), PATIENCE_MS);
	struct arm_smccc_res result;
	int err;

	target = cpumask_any_but(cpu_online_mask, get_cpu());
	err = smp_call_function_single(target, spin, NULL, false);
	if (err) {
		put_cpu();
		return err;
	}
	while (!smp_load_acquire(&spins))
		cpu_relax();
	arm_smccc_1_1_hvc(FN_EVENT_SIGNAL, EVENT, READ_ONCE(mpidr), &result);
	while (!smp_load_acquire(&hits) && ktime_before(ktime_get(), end))
		cpu_relax();
	put_cpu();
	return (long)result.a0;
}

static int __init sdei_event_init(void)
{
	long result = -ENXIO;
	int err = find_all();

	if (!err)
		err = event_register(EVENT, handle, NULL);
	if (err) {
		pr_err("sdei_event: cannot register: %d\n", err);
		return err;
	}
	err = event_enable(EVENT);
	if (!err)
		result = signal_target();
	pr_info("sdei_event: enable=%d signal=%ld hits=%u there=%d masked=%d in_loop=%d\n", err,
		result, hits, hit.cpu == target, hit.was_masked, hit.was_in_loop);
	err = event_disable(EVENT);
	pr_info("sdei_event: disable=%d unregister=%d\n", err, event_unregister(EVENT));
	return 0;
}

static void __exit sdei_event_exit(void)
{
}

module_init(sdei_event_init);
module_exit(sdei_event_exit);
MODULE_DESCRIPTION("Takes SDEI's event 0");
MODULE_LICENSE("GPL v2");
