/* SPDX-License-Identifier: Apache-2.0 */
/* `ferry run --incoming`: listens, and takes the guest that another ferry sends. */
#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/util.h"
#include "cli/images.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "cli/run.h"
#include "cli/terminal.h"
#include "control/control.h"
#include "control/migration.h"
#include "control/path.h"
#include "io/channel.h"
#include "mem/pager.h"
#include "migrate/dest.h"
#include "vm/vm.h"

/* How long a source that has connected and says nothing is waited for when ferry is to end. */
#define LAST_WAIT_MS 1000

/* Moves that take longer than that say how far they are: the guest may use the terminal, so in lines. */
#define PROGRESS_NS (5 * 1000000000ULL)

struct incoming {
	struct run *run;
	struct images images;
	pthread_t thread;
	int ready;	    /* an eventfd: the thread that waits for a source has ended */
	unsigned receiving; /* 1 while the thread receives; the loop's */
	bool has_failed;    /* that is why the VM ended; the loop's */
	struct loop_timer timer;

	/* The thread's while there is one. */
	int err;
	char text[ERROR_TEXT_MAX];
	enum migrate_arrival arrival;
	char *refusals;

	pthread_mutex_t lock;
	/* Under lock while the thread receives; NULL afterwards. */
	struct migrate_dest *dest;
	struct channel_listener *listener;
};

static void keep_text(struct incoming *in, int err)
{
	in->err = err;
	snprintf(in->text, sizeof(in->text), "%s", error_text(err));
}

static int listen_there(struct incoming *in)
{
	const struct run_options *options = &in->run->options;
	const struct channel_options channel = {
		.tls = options->tls,
		.insecure_plaintext = options->insecure_plaintext,
	};
	int err = channel_listen(options->incoming, &channel, &in->listener);

	if (!err)
		terminal_line("listening at %s", channel_listener_uri(in->listener));
	return err;
}

/* A name that somebody asked for; what its source is called is not known yet. */
static int check_name(const struct run_options *options)
{
	return options->machine.vm.name ? control_check_free(options->machine.vm.name) : 0;
}

static void *wait_main(void *arg)
{
	struct incoming *in = arg;

	error_clear();
	keep_text(in, migrate_dest_open(in->listener, &in->dest));
	(void)!write(in->ready, &(uint64_t){ 1 }, sizeof(uint64_t));
	return NULL;
}

/*
 * A signal ends the wait. The thread may be listening to somebody who has connected and says nothing;
 * then it ends with the process, now.
 */
static int stop_waiting(struct incoming *in, int err)
{
	struct pollfd ready = { .fd = in->ready, .events = POLLIN };

	channel_listener_stop(in->listener);
	if (poll(&ready, 1, LAST_WAIT_MS) <= 0) {
		channel_listener_destroy(in->listener);
		_exit(run_report(VM_END_STOPPED, error_text(err)));
	}
	pthread_join(in->thread, NULL);
	return err;
}

/* -ECANCELED: a signal asked for the end. */
static int wait_for_source(struct incoming *in)
{
	int err = -pthread_create(&in->thread, NULL, wait_main, in);

	if (err)
		return because(err, "cannot start a thread: %s", strerror(-err));
	err = signals_wait(&in->run->signals, in->ready);
	if (err)
		return stop_waiting(in, err);
	pthread_join(in->thread, NULL);
	return in->err ? because(in->err, "%s", in->text) : 0;
}

/* The machine that the source describes; or the source is told why there is none. */
static int make_machine(struct incoming *in)
{
	int err = run_read_again(in->run, migrate_dest_machine(in->dest));

	if (!err)
		err = images_make(&in->images, &in->run->options.machine, in->dest);
	if (!err)
		err = run_make(in->run);
	if (err)
		migrate_dest_refuse(in->dest, err);
	else if (control_future_name(in->run->control))
		terminal_line("until %s has ended here, this VM's name is %s",
			      control_future_name(in->run->control), control_name(in->run->control));
	return err;
}

static void end_vm(struct incoming *in, const char *what)
{
	struct vm *vm = machine_vm(in->run->machine);
	char text[ERROR_TEXT_MAX];

	if (vm_ended(vm) != VM_END_NONE)
		return; /* and that is why nothing came */
	in->has_failed = true;
	snprintf(text, sizeof(text), "%s: %.900s", what, in->text);
	vm_end(vm, VM_END_FAILED, text);
}

static void stay_in_doubt(struct incoming *in)
{
	struct control *control = in->run->control;

	if (control_doubt(control, MACHINE_ARRIVED, in->text) != 0) {
		end_vm(in, "nobody knows where the guest runs");
		return;
	}
	terminal_line("the guest is here, and is not run: %s", in->text);
	terminal_line("%s", control_doubt_advice(control));
}

/* On the loop. */
static void received(void *arg)
{
	struct incoming *in = arg;

	in->receiving = 0;
	switch (in->arrival) {
	case MIGRATE_ARRIVED:
		break;
	case MIGRATE_ARRIVED_IN_PART:
		end_vm(in, "the rest of the guest's memory did not come");
		break;
	case MIGRATE_NOT_ARRIVED:
		end_vm(in, "the guest did not arrive");
		break;
	case MIGRATE_ARRIVAL_IN_DOUBT:
		stay_in_doubt(in);
		break;
	}
}

static bool ask_progress(void *self, struct migrate_progress *ret_progress)
{
	struct incoming *in = self;
	bool arrives;

	pthread_mutex_lock(&in->lock);
	arrives = in->dest != NULL;
	if (arrives)
		migrate_dest_progress(in->dest, ret_progress);
	pthread_mutex_unlock(&in->lock);
	return arrives;
}

static void show_progress(struct loop_timer *timer)
{
	struct incoming *in = container_of(timer, struct incoming, timer);
	struct migrate_progress progress;
	struct json_object *arrival;
	char text[256];

	if (!ask_progress(in, &progress))
		return;
	arrival = migration_describe_arrival(&progress);
	progress_arrival_text(arrival, text, sizeof(text));
	json_object_put(arrival);
	terminal_line("%s", text);
	loop_timer_arm(vm_loop(machine_vm(in->run->machine)), timer, PROGRESS_NS, show_progress);
}

static void *receive_main(void *arg)
{
	struct incoming *in = arg;
	struct vm *vm = machine_vm(in->run->machine);
	struct channel_listener *listener = in->listener;
	struct migrate_dest *dest = in->dest;
	int err;

	error_clear();
	err = vm_begin_thread(vm, VM_THREAD_MIGRATION);
	if (err)
		migrate_dest_refuse(dest, err);
	else
		in->arrival = migrate_dest_run(dest, control_guest(in->run->control), &err);
	keep_text(in, err);
	in->refusals = strdup(migrate_dest_refusals(dest));
	pthread_mutex_lock(&in->lock);
	in->dest = NULL;
	in->listener = NULL;
	pthread_mutex_unlock(&in->lock);
	migrate_dest_destroy(dest);
	channel_listener_destroy(listener);
	/* For want of memory: somebody waits for this message, so it must come. */
	while (loop_call(vm_loop(vm), received, in) != 0)
		sched_yield();
	return NULL;
}

/* When the VM has ended, by itself or because nothing came. */
static void end_receiving(struct incoming *in)
{
	pthread_mutex_lock(&in->lock);
	if (in->dest) {
		migrate_dest_cancel(in->dest);
		channel_listener_stop(in->listener);
	}
	pthread_mutex_unlock(&in->lock);
	/* The thread may wait for the loop. */
	loop_drain(vm_loop(machine_vm(in->run->machine)), &in->receiving);
	pthread_join(in->thread, NULL);
}

/* Before the peer says more than who it is. */
static int confine(struct incoming *in)
{
	int removes[RUN_REMOVES_MAX] = { channel_listener_directory(in->listener) };
	size_t count = 1;

	for (size_t i = 0; i < in->images.count && count < RUN_REMOVES_MAX; i++)
		removes[count++] = in->images.directories[i];
	pager_prepare(vm_mem(machine_vm(in->run->machine)));
	return run_confine(in->run, removes, count);
}

static int start_receiving(struct incoming *in)
{
	int err = confine(in);

	if (err)
		return err;
	err = -pthread_create(&in->thread, NULL, receive_main, in);
	return err ? because(err, "cannot start a thread: %s", strerror(-err)) : 0;
}

static enum exit_status receive(struct incoming *in)
{
	struct run *run = in->run;
	struct loop *loop = vm_loop(machine_vm(run->machine));
	char text[ERROR_TEXT_MAX];
	enum vm_end why;
	int err = start_receiving(in);

	if (err) {
		migrate_dest_refuse(in->dest, err);
		return run_failed(run, STATUS_FAILED, err);
	}
	in->receiving = 1;
	control_arrival(run->control, ask_progress, in);
	/* Who is not told how far it is gets the guest all the same. */
	(void)loop_timer_arm(loop, &in->timer, PROGRESS_NS, show_progress);
	why = run_loop(run, text);
	end_receiving(in);
	loop_timer_disarm(loop, &in->timer);
	run_finish(run);
	if (!in->has_failed)
		return run_report(why, text);
	terminal_line("%s", text);
	print_refusals(in->refusals);
	return STATUS_FAILED;
}

static void finish(struct incoming *in)
{
	if (in->arrival == MIGRATE_NOT_ARRIVED)
		images_remove(&in->images);
	images_finish(&in->images);
	migrate_dest_destroy(in->dest);
	channel_listener_destroy(in->listener);
	if (in->ready >= 0)
		close(in->ready);
	pthread_mutex_destroy(&in->lock);
	free(in->refusals);
}

static int prepare(struct incoming *in)
{
	int err = signals_init(&in->run->signals);

	in->ready = eventfd(0, EFD_CLOEXEC);
	if (!err && in->ready < 0)
		err = because(-errno, "eventfd: %s", strerror(errno));
	if (!err)
		err = check_name(&in->run->options);
	return err ? err : listen_there(in);
}

enum exit_status run_incoming(struct run *run)
{
	struct incoming in = {
		.run = run,
		.ready = -1,
		.arrival = MIGRATE_NOT_ARRIVED,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
	enum exit_status status;
	int err = prepare(&in);

	if (!err)
		err = wait_for_source(&in);
	if (err == -ECANCELED) {
		char text[ERROR_TEXT_MAX];

		snprintf(text, sizeof(text), "%s", error_text(err));
		run_finish(run);
		status = run_report(VM_END_STOPPED, text);
	} else {
		if (!err)
			err = make_machine(&in);
		status = err ? run_failed(run, STATUS_FAILED, err) : receive(&in);
	}
	finish(&in);
	return status;
}
