/* SPDX-License-Identifier: Apache-2.0 */
/* One loop over all guests under test. */
#include "smoke/runner.h"

#include <ferry/error.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/util.h"
#include "smoke/guest.h"

#define TICK_NS		   100000000ULL
#define GUESTS_MAX	   512
#define GUEST_OVERHEAD	   (32 * MIB) /* of a ferry and its guest's page tables */

/* One pass over some tests: the boots, or those that begin from them. */
struct run {
	const struct smoke_runner *runner;
	const struct smoke_test *tests;
	const struct run *boots; /* that came before; NULL: these are the boots */
	struct smoke_signs signs;
	struct smoke_results results;
	struct smoke_overlays *overlays; /* of each boot that has ended */
	struct smoke_guest **guests; /* those that run: they stay where they are */
	size_t running, next, done;
	struct pollfd *fds;
	unsigned cpus, host_cpus;
	uint64_t memory, host_memory;
	bool stopped;
};

unsigned smoke_host_cpus(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		return (unsigned)CPU_COUNT(&set);
	return (unsigned)max_u64(1, (uint64_t)sysconf(_SC_NPROCESSORS_ONLN));
}

uint64_t smoke_host_memory(void)
{
	AUTO_CLOSE int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	char text[4096];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	const char *line;

	if (n <= 0)
		return UINT64_MAX;
	text[n] = '\0';
	line = strstr(text, "MemAvailable:");
	return line ? strtoull(line + strlen("MemAvailable:"), NULL, 10) * KIB : UINT64_MAX;
}

/* While a guest moves two processes have its memory. */
static uint64_t memory_of(const struct smoke_test *test)
{
	return (test->memory + GUEST_OVERHEAD) * (test->move_every > 0 ? 2 : 1);
}

/* A test that is too large for the host alone runs alone. */
static bool has_room(const struct run *run, const struct smoke_test *test)
{
	if (!run->running)
		return true;
	if (run->runner->jobs && run->running >= run->runner->jobs)
		return false;
	return run->running < GUESTS_MAX && run->cpus + test->cpus <= run->host_cpus &&
	       run->memory + memory_of(test) <= run->host_memory / 10 * 9;
}

/* What the boot ended with that the test was to begin from, if it did not come that far. */
static int inherit_result(struct run *run, const struct smoke_test *test)
{
	const struct smoke_watcher *watcher = &run->runner->watcher;
	const struct smoke_result *boot = &run->boots->results.all[test->warm - 1];
	struct smoke_result *result = &run->results.all[run->next];
	int err = smoke_result_copy(boot, test->name, result);

	if (!err && watcher->ended)
		watcher->ended(watcher->self, run->next, result);
	run->next++;
	run->done++;
	return err;
}

static int start_guest(struct run *run, const struct smoke_test *test,
		       const struct smoke_origin *origin)
{
	const struct smoke_runner *runner = run->runner;
	struct smoke_guest *guest = calloc(1, sizeof(*guest));
	int err = guest ? smoke_guest_start(guest, test, run->next, &run->signs, &runner->place,
					    origin)
			: because(-ENOMEM, "out of memory");

	if (err) {
		free(guest);
		return err;
	}
	run->next++;
	run->guests[run->running++] = guest;
	run->cpus += test->cpus;
	run->memory += memory_of(test);
	if (runner->watcher.started)
		runner->watcher.started(runner->watcher.self, guest);
	return 0;
}

static int start_next(struct run *run)
{
	const struct smoke_test *test = &run->tests[run->next];
	size_t boot = test->warm - 1;
	struct smoke_origin origin;

	if (!test->warm)
		return start_guest(run, test, NULL);
	if (run->boots->results.all[boot].verdict != SMOKE_PASS)
		return inherit_result(run, test);
	origin = (struct smoke_origin){
		.snapshot = run->runner->tests->boots[boot].snapshot,
		.overlays = &run->boots->overlays[boot],
	};
	return start_guest(run, test, &origin);
}

static int retire(struct run *run, size_t index)
{
	struct smoke_guest *guest = run->guests[index];
	struct smoke_result *result = &run->results.all[guest->number];
	const struct smoke_watcher *watcher = &run->runner->watcher;
	int err = smoke_guest_result(guest, result);

	run->cpus -= guest->test->cpus;
	run->memory -= memory_of(guest->test);
	run->guests[index] = run->guests[--run->running];
	run->done++;
	if (!err && run->boots && watcher->ended)
		watcher->ended(watcher->self, guest->number, result);
	if (!run->boots) {
		run->overlays[guest->number] = guest->overlays;
		guest->overlays = (struct smoke_overlays){ 0 };
	}
	smoke_guest_finish(guest);
	free(guest);
	return err;
}

/* In ms, rounded up; -1: for ever. */
static int until(uint64_t now, uint64_t deadline)
{
	if (deadline == UINT64_MAX)
		return -1;
	if (deadline <= now)
		return 0;
	return (int)min_u64((deadline - now) / 1000000 + 1, 1000);
}

static void wait_for_something(struct run *run)
{
	uint64_t deadline = run->runner->watcher.tick ? clock_now() + TICK_NS : UINT64_MAX;
	nfds_t count = 0;

	if (run->runner->stop_fd >= 0 && !run->stopped)
		run->fds[count++] = (struct pollfd){ .fd = run->runner->stop_fd, .events = POLLIN };
	for (size_t i = 0; i < run->running; i++) {
		count += smoke_guest_poll(run->guests[i], &run->fds[count]);
		deadline = min_u64(deadline, smoke_guest_deadline(run->guests[i]));
	}
	poll(run->fds, count, until(clock_now(), deadline));
	if (run->runner->stop_fd >= 0 && run->fds[0].fd == run->runner->stop_fd &&
	    run->fds[0].revents)
		run->stopped = true;
}

static int step(struct run *run)
{
	const struct smoke_watcher *watcher = &run->runner->watcher;
	int err = 0;

	wait_for_something(run);
	for (size_t i = run->running; i > 0 && !err; i--) {
		struct smoke_guest *guest = run->guests[i - 1];

		if (run->stopped)
			smoke_guest_cancel(guest, "interrupted");
		smoke_guest_step(guest, clock_now());
		if (guest->ended)
			err = retire(run, i - 1);
	}
	if (watcher->tick)
		watcher->tick(watcher->self, run->guests, run->running, run->done);
	return err;
}

static int run_all(struct run *run)
{
	size_t count = run->results.count;
	int err = 0;

	while (!err && (run->running || (run->next < count && !run->stopped))) {
		while (!err && !run->stopped && run->next < count &&
		       has_room(run, &run->tests[run->next]))
			err = start_next(run);
		if (!err && run->running)
			err = step(run);
	}
	return err;
}

/* Those that did not come to run. */
static int fill_in(struct run *run)
{
	for (size_t i = run->next; i < run->results.count; i++) {
		struct smoke_result *result = &run->results.all[i];

		*result = (struct smoke_result){
			.name = strdup(run->tests[i].name),
			.verdict = SMOKE_ERROR,
			.reason = strdup("interrupted before it began"),
			.first_byte = -1,
			.guest_status = -1,
		};
		if (!result->name || !result->reason)
			return because(-ENOMEM, "out of memory");
	}
	return 0;
}

static int prepare(struct run *run, const struct smoke_test *tests, size_t count)
{
	size_t most = min_u64(count, GUESTS_MAX);

	run->tests = tests;
	run->host_cpus = smoke_host_cpus();
	run->host_memory = smoke_host_memory();
	run->results.all = calloc(count + 1, sizeof(*run->results.all));
	run->overlays = calloc(count + 1, sizeof(*run->overlays));
	run->guests = calloc(most + 1, sizeof(struct smoke_guest *));
	run->fds = calloc(most * SMOKE_GUEST_FDS + 1, sizeof(*run->fds));
	if (!run->results.all || !run->overlays || !run->guests || !run->fds)
		return because(-ENOMEM, "out of memory");
	run->results.count = count;
	return smoke_signs_init(&run->signs);
}

/* Whatever comes of it, finish() is next. */
static int run_tests(struct run *run, const struct smoke_test *tests, size_t count)
{
	int err = prepare(run, tests, count);

	if (!err)
		err = run_all(run);
	if (!err)
		err = fill_in(run);
	return err;
}

/* The results stay. */
static void finish(struct run *run)
{
	for (size_t i = 0; i < run->running; i++) {
		smoke_guest_finish(run->guests[i]);
		free(run->guests[i]);
	}
	for (size_t i = 0; run->overlays && i < run->results.count; i++)
		smoke_overlays_finish(&run->overlays[i]);
	free(run->overlays);
	free(run->guests);
	free(run->fds);
	smoke_signs_finish(&run->signs);
}

int smoke_runner_run(const struct smoke_runner *runner, struct smoke_results *ret_results)
{
	const struct smoke_tests *tests = runner->tests;
	struct run boots = { .runner = runner };
	struct run run = { .runner = runner, .boots = &boots };
	int err = run_tests(&boots, tests->boots, tests->boot_count);

	run.stopped = boots.stopped;
	if (!err)
		err = run_tests(&run, tests->all, tests->count);
	finish(&boots);
	finish(&run);
	smoke_results_finish(&boots.results);
	if (err)
		smoke_results_finish(&run.results);
	else
		*ret_results = run.results;
	return !err && run.stopped ? because(-ECANCELED, "interrupted") : err;
}
