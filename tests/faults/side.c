/* SPDX-License-Identifier: Apache-2.0 */
/* The two sides' processes. */
#include "side.h"

#include <ferry/error.h>
#include <ferry/machine.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"
#include "control/guest.h"
#include "io/loop.h"
#include "migrate/dest.h"
#include "migrate/record.h"
#include "migrate/source.h"
#include "vm/vm.h"

/* A side that says nothing is given up after this: short, so that a stall is short too. */
#define STEP_MS 1000

const char *const way_names[WAYS] = { "pre-copy", "descriptor", "post-copy", "disks" };
const char *const fault_names[FAULTS] = { "nothing",	"closed",    "stalled", "short write",
					  "flipped byte", "no space", "kill -9" };

/* A file's name, and what a disk is like: something at its beginning, a hole, something at its end. */
#define SCRATCH	   "/tmp/ferry-faults-%d"
#define DISK	   "/tmp/ferry-faults-%d.img"
#define DISK_BYTES (2 * MIB)
#define DISK_PART  (64UL << 10)

/* This process's side. */
static struct {
	struct plan plan;
	pthread_mutex_t lock;
	unsigned ops;
	struct machine *machine;
	char disk[64];
	struct control_guest guest;
	pthread_t loop;
	char console[65536];
	size_t said, heard;
} me = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* A machine that is slower than others: so many times. */
static int slowdown(void)
{
	const char *value = getenv("FERRY_TEST_SLOWDOWN");

	return value ? atoi(value) : 1;
}

static void tell(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

static const char *what_is(enum channel_op op, const void *data, size_t len)
{
	static const char *const names[] = { "connect", "accept", "read", "write", "descriptor" };
	struct record record;

	if (op == CHANNEL_WRITE && len >= RECORD_HEADER_SIZE && record_decode(data, &record) == 0)
		return record_name(record.type);
	return names[op];
}

static int before(void *self, enum channel_op op, const void *data, size_t len,
		  struct channel_fault_action *action)
{
	static const enum channel_fault_kind kinds[FAULTS] = {
		[FAULT_CLOSE] = CHANNEL_FAULT_CLOSE,
		[FAULT_STALL] = CHANNEL_FAULT_STALL,
		[FAULT_SHORT] = CHANNEL_FAULT_SHORT,
		[FAULT_FLIP] = CHANNEL_FAULT_FLIP,
	};
	unsigned op_number;

	(void)self;
	pthread_mutex_lock(&me.lock);
	op_number = me.ops++;
	if (me.plan.is_traced)
		tell("op %u %s", op_number, what_is(op, data, len));
	pthread_mutex_unlock(&me.lock);
	if (op_number != me.plan.at || me.plan.fault == FAULT_NONE)
		return 0;
	if (me.plan.fault == FAULT_KILL)
		raise(SIGKILL);
	if (me.plan.fault == FAULT_ERROR)
		return -ENOSPC;
	action->kind = kinds[me.plan.fault];
	action->at = len / 2;
	return 0;
}

static const struct channel_fault fault_point = { .before = before };

static size_t output(void *self, enum machine_console console, const void *buf, size_t len)
{
	size_t room;

	(void)self;
	(void)console;
	pthread_mutex_lock(&me.lock);
	room = sizeof(me.console) - 1 - me.said;
	memcpy(me.console + me.said, buf, min_u64(len, room));
	me.said += min_u64(len, room);
	pthread_mutex_unlock(&me.lock);
	return len;
}

/* The guest's next whole line that has word in it; false: not in time. */
static bool hear_guest(const char *word, char *line, size_t size)
{
	for (int i = 0; i < SIDE_PATIENCE_MS * slowdown(); i++) {
		char *begin, *end = NULL;

		pthread_mutex_lock(&me.lock);
		me.console[me.said] = '\0';
		begin = strstr(me.console + me.heard, word);
		end = begin ? strchr(begin, '\n') : NULL;
		if (end) {
			snprintf(line, size, "%.*s", (int)(end - begin), begin);
			me.heard = (size_t)(end - me.console);
		}
		pthread_mutex_unlock(&me.lock);
		if (end)
			return true;
		poll(NULL, 0, 1);
	}
	return false;
}

static void *run_loop(void *arg)
{
	(void)arg;
	vm_wait(machine_vm(me.machine));
	return NULL;
}

static uint8_t disk_byte(size_t at)
{
	return at < DISK_PART || at >= DISK_BYTES - DISK_PART ? (uint8_t)(at * 7 + at / 4096) : 0;
}

/* An empty one is for what comes. */
static int make_disk(bool empty)
{
	static uint8_t bytes[DISK_BYTES];
	FILE *file;
	int err;

	snprintf(me.disk, sizeof(me.disk), DISK, getpid());
	for (size_t at = 0; at < DISK_BYTES && !empty; at++)
		bytes[at] = disk_byte(at);
	file = fopen(me.disk, "w");
	if (!file)
		return -errno;
	err = fwrite(bytes, DISK_BYTES, 1, file) == 1 ? 0 : -EIO;
	return fclose(file) == 0 ? err : -EIO;
}

static bool disk_is_whole(void)
{
	static uint8_t bytes[DISK_BYTES];
	FILE *file = fopen(me.disk, "r");
	bool ok = file && fread(bytes, DISK_BYTES, 1, file) == 1;

	if (file)
		fclose(file);
	for (size_t at = 0; at < DISK_BYTES && ok; at++)
		ok = bytes[at] == disk_byte(at);
	return ok;
}

static int make_machine(bool blank)
{
	const struct machine_disk disk = { .path = me.disk };
	struct machine_options options = {
		.vm = { .name = "faults", .vcpus = 1 },
		.memory = 32 * MIB,
		.kernel = GUEST_DIR "/migrate/oracle",
		.cmdline = "mem=4M fill=50% rate=2000 scan=2000",
		.output = output,
		.blank = blank,
		.disks = &disk,
		.disk_count = me.plan.way == WAY_DISKS,
	};
	int err = options.disk_count ? make_disk(blank) : 0;

	if (!err)
		err = machine_create(&options, &me.machine);
	if (!err)
		err = control_guest_init(&me.guest, me.machine, blank);
	if (!err && !blank)
		err = vm_start(machine_vm(me.machine));
	if (!err)
		err = -pthread_create(&me.loop, NULL, run_loop, NULL);
	return err;
}

static void press(void *arg)
{
	machine_input(me.machine, MACHINE_CONSOLE_SERIAL, arg, 1);
}

static void check(void)
{
	char line[512];

	loop_call(vm_loop(machine_vm(me.machine)), press, "c");
	if (!hear_guest("check ", line, sizeof(line)))
		tell("check never: the guest does not answer");
	else if (me.plan.way == WAY_DISKS && !disk_is_whole())
		tell("check bad: its disk is not what it was");
	else
		tell("%s", line);
}

static struct channel_options channel_options(void)
{
	return (struct channel_options){ .timeout_ms = STEP_MS * slowdown(),
					 .fault = &fault_point };
}

static void move(struct migrate_source **source, const char *uri, bool recover)
{
	struct migrate_source_options options = {
		.uri = uri,
		.channel = channel_options(),
		.machine = "{}",
		.connections = me.plan.way == WAY_DESCRIPTOR ? 1 : 2,
		.downtime_ms = 1,
		.throttle = true,
		.postcopy = me.plan.way == WAY_POSTCOPY,
		.copy_disks = me.plan.way == WAY_DISKS,
	};
	enum migrate_outcome outcome;
	int err;

	if (recover) {
		outcome = migrate_source_recover(*source, NULL, &err);
	} else {
		migrate_source_destroy(*source);
		err = migrate_source_create(&me.guest.ops, &options, source);
		if (err) {
			tell("outcome -1 %s", error_text(err));
			return;
		}
		outcome = migrate_source_run(*source, &err);
	}
	tell("outcome %d %s", outcome, err ? error_text(err) : "");
}

/* The operator's choice, on either side. */
static void force(bool is_source)
{
	const struct migrate_guest *ops = &me.guest.ops;
	int err = is_source ? ops->retake(ops->self) : 0;

	if (!err)
		err = is_source ? ops->go_on(ops->self) : ops->arrive(ops->self);
	if (err)
		tell("failed %s", error_text(err));
	else
		tell("forced");
}

static void source_main(void)
{
	struct migrate_source *source = NULL;
	char line[1024];
	int err = make_machine(false);

	if (err || !hear_guest("oracle ready", line, sizeof(line))) {
		tell("failed %s", err ? error_text(err) : "the guest does not begin");
		return;
	}
	tell("ready");
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "go ", 3) == 0)
			move(&source, line + 3, false);
		else if (strcmp(line, "recover") == 0)
			move(&source, NULL, true);
		else if (strcmp(line, "check") == 0)
			check();
		else if (strcmp(line, "force") == 0)
			force(true);
		else if (strcmp(line, "end") == 0)
			break;
	}
}

static void *arrive(void *arg)
{
	struct migrate_dest *dest = arg;
	enum migrate_arrival arrival;
	int err;

	arrival = migrate_dest_run(dest, &me.guest.ops, &err);
	tell("arrival %d %s", arrival, err ? error_text(err) : "");
	return NULL;
}

static int listen_for_it(struct channel_listener **ret_listener)
{
	const struct channel_options options = channel_options();
	char uri[128];

	if (me.plan.way == WAY_DESCRIPTOR)
		snprintf(uri, sizeof(uri), "unix:" SCRATCH, getpid());
	else
		snprintf(uri, sizeof(uri), "tcp:127.0.0.1:0");
	return channel_listen(uri, &options, ret_listener);
}

static void dest_main(void)
{
	struct channel_listener *listener = NULL;
	struct migrate_dest *dest = NULL;
	pthread_t thread;
	char line[64];
	int err = make_machine(true);

	if (!err)
		err = listen_for_it(&listener);
	if (err) {
		tell("failed %s", error_text(err));
		return;
	}
	tell("listening %s", channel_listener_uri(listener));
	err = migrate_dest_open(listener, &dest);
	if (err) {
		tell("arrival %d %s", MIGRATE_NOT_ARRIVED, error_text(err));
		return;
	}
	pthread_create(&thread, NULL, arrive, dest);
	while (fgets(line, sizeof(line), stdin)) {
		if (strcmp(line, "check\n") == 0)
			check();
		else if (strcmp(line, "force\n") == 0)
			force(false);
		else if (strcmp(line, "end\n") == 0)
			break;
	}
	channel_listener_destroy(listener);
}

static void start(struct side *side, const struct plan *plan, void (*body)(void))
{
	int to[2], from[2];

	if (pipe(to) < 0 || pipe(from) < 0)
		abort();
	fflush(stdout);
	side->pid = fork();
	if (side->pid == 0) {
		dup2(to[0], STDIN_FILENO);
		dup2(from[1], STDOUT_FILENO);
		for (int fd = 3; fd < 64; fd++)
			close(fd);
		me.plan = *plan;
		body();
		fflush(stdout);
		_exit(0);
	}
	close(to[0]);
	close(from[1]);
	side->in = fdopen(to[1], "w");
	side->out = fdopen(from[0], "r");
	setvbuf(side->out, NULL, _IONBF, 0);
}

void side_start_source(struct side *side, const struct plan *plan)
{
	start(side, plan, source_main);
}

void side_start_dest(struct side *side, const struct plan *plan)
{
	start(side, plan, dest_main);
}

void side_end(struct side *side)
{
	char path[64];

	if (!side->pid)
		return;
	kill(side->pid, SIGKILL);
	waitpid(side->pid, NULL, 0);
	fclose(side->in);
	fclose(side->out);
	snprintf(path, sizeof(path), SCRATCH, side->pid);
	unlink(path);
	snprintf(path, sizeof(path), DISK, side->pid);
	unlink(path);
	*side = (struct side){ 0 };
}

void side_say(struct side *side, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(side->in, fmt, args);
	va_end(args);
	fputc('\n', side->in);
	fflush(side->in);
}

const char *side_hear(struct side *side, const char *word, int patience_ms)
{
	struct pollfd out = { .fd = fileno(side->out), .events = POLLIN };

	/* Its lines are short and written at once: after the first byte the rest is there. */
	while (poll(&out, 1, patience_ms * slowdown()) == 1 &&
	       fgets(side->line, sizeof(side->line), side->out)) {
		side->line[strcspn(side->line, "\n")] = '\0';
		if (strncmp(side->line, word, strlen(word)) == 0)
			return side->line + strlen(word);
		if (strncmp(side->line, "op ", 3) != 0)
			fprintf(stderr, "# unexpected: %s\n", side->line);
	}
	return NULL;
}
