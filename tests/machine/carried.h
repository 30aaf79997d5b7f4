/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that is carried from machine to machine inside one process: hold, all registers, all
 * memory, release. Its console goes on through all of them.
 */
#ifndef TESTS_MACHINE_CARRIED_H
#define TESTS_MACHINE_CARRIED_H

#include <ferry/error.h>
#include <ferry/machine.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"
#include "check_main.h"
#include "image.h"
#include "vm/vm.h"

#define CARRIED_WAIT_S 20

struct carried {
	struct machine_options options;
	struct machine *machine;
	pthread_t loop; /* runs machine's loop */
	unsigned seed;
	useconds_t transit; /* so long it is nowhere */
	useconds_t delay;   /* so long it has arrived, and does not run */

	/* lock: what the guest has said, on a loop's thread. */
	pthread_mutex_t lock;
	pthread_cond_t more;
	char console[1 << 20];
	size_t said;
};

static inline size_t carried_output(void *self, enum machine_console console, const void *buf,
				    size_t len)
{
	struct carried *c = self;
	size_t room;

	(void)console;
	pthread_mutex_lock(&c->lock);
	room = sizeof(c->console) - 1 - c->said;
	memcpy(c->console + c->said, buf, min_u64(len, room));
	c->said += min_u64(len, room);
	pthread_cond_broadcast(&c->more);
	pthread_mutex_unlock(&c->lock);
	return len;
}

static void *carried_run_loop(void *arg)
{
	vm_wait(machine_vm(arg));
	return NULL;
}

static inline struct machine *carried_make(struct carried *c, bool blank)
{
	struct machine_options options = c->options;
	struct machine *machine;
	int r;

	options.blank = blank;
	r = machine_create(&options, &machine);
	ck_assert_msg(r == 0, "machine_create: %s", error_text(r));
	return machine;
}

static inline void carried_begin_loop(struct carried *c)
{
	ck_assert_int_eq(pthread_create(&c->loop, NULL, carried_run_loop, c->machine), 0);
}

/* Starts the guest. Kernel, command line and devices are in options. */
static inline void carried_start(struct carried *c, struct machine_options options)
{
	*c = (struct carried){ .options = options, .seed = 1 };
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->more, NULL);
	c->options.vm.name = "carried";
	if (!c->options.memory)
		c->options.memory = 6 * MIB;
	if (!c->options.vm.vcpus)
		c->options.vm.vcpus = 1;
	c->options.output = carried_output;
	c->options.self = c;
	c->machine = carried_make(c, false);
	ck_assert_int_eq(vm_start(machine_vm(c->machine)), 0);
	carried_begin_loop(c);
}

static inline void carried_copy_memory(struct machine *to, struct machine *from)
{
	const struct mem_map *map = mem_map(vm_mem(machine_vm(from)));

	for (size_t i = 0; i < map->count; i++) {
		const struct mem_region *region = mem_map_at(map, i);
		void *hva = mem_ptr_rw(vm_mem(machine_vm(to)), region->gpa, region->size);

		ck_assert_ptr_nonnull(hva);
		memcpy(hva, region->hva, region->size);
	}
}

/* The machine that the guest was in goes; nothing of it ran on. */
static inline void carried_end(struct carried *c, struct machine *machine, pthread_t loop)
{
	(void)c;
	vm_end(machine_vm(machine), VM_END_MIGRATED, NULL);
	pthread_join(loop, NULL);
	machine_destroy(machine);
}

/* Carries everything into a new machine, which comes to life; the old one is held until the end. */
static inline void carried_move(struct carried *c)
{
	struct machine *from = c->machine;
	pthread_t loop = c->loop;
	struct image image;
	int r;

	r = machine_hold(from);
	ck_assert_msg(r == 0, "machine_hold: %s", error_text(r));
	image_save(vm_regs(machine_vm(from)), &image);
	c->machine = carried_make(c, true);
	carried_begin_loop(c);
	carried_copy_memory(c->machine, from);
	usleep(c->transit);
	image_restore(vm_regs(machine_vm(c->machine)), &image);
	usleep(c->delay);
	machine_surrender_disks(from);
	r = machine_release(c->machine, MACHINE_ARRIVED);
	ck_assert_msg(r == 0, "machine_release: %s", error_text(r));
	carried_end(c, from, loop);
	image_finish(&image);
}

/* Whether the guest says anything more, in time. Stops when it found something wrong. */
static inline void carried_wait(struct carried *c, size_t more)
{
	const char *bad, *slowdown = getenv("FERRY_TEST_SLOWDOWN");
	struct timespec end;
	size_t goal;
	int r = 0;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += CARRIED_WAIT_S * (slowdown ? atoi(slowdown) : 1);
	pthread_mutex_lock(&c->lock);
	goal = c->said + more;
	while (c->said < goal && r == 0)
		r = pthread_cond_timedwait(&c->more, &c->lock, &end);
	bad = strstr(c->console, "bad");
	while (bad && !strchr(bad, '\n') && r == 0)
		r = pthread_cond_timedwait(&c->more, &c->lock, &end);
	ck_assert_msg(!bad, "%s", bad);
	ck_assert_msg(r == 0, "the guest says no more (it said %zu, the VM's end is %d)", c->said,
		      vm_ended(machine_vm(c->machine)));
	pthread_mutex_unlock(&c->lock);
}

/* So many moves at random moments; the guest gets somewhere in each machine. */
static inline void carried_move_often(struct carried *c, unsigned moves)
{
	for (unsigned i = 0; i < moves; i++) {
		carried_wait(c, 1);
		usleep((useconds_t)rand_r(&c->seed) % 3000);
		carried_move(c);
	}
	carried_wait(c, 10);
}

static inline void carried_finish(struct carried *c)
{
	carried_end(c, c->machine, c->loop);
	pthread_cond_destroy(&c->more);
	pthread_mutex_destroy(&c->lock);
}

#endif
