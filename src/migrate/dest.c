/* SPDX-License-Identifier: Apache-2.0 */
/* Receives a guest: says what it cannot be given, takes memory and registers, and runs it when told to. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/util.h"
#include "mem/adopt.h"
#include "mem/mem.h"
#include "mem/pager.h"
#include "mem/window.h"
#include "migrate/dest_impl.h"
#include "migrate/regions.h"
#include "migrate/source.h"
#include "migrate/stores.h"

void dest_set_phase(struct migrate_dest *dest, enum migrate_phase phase)
{
	pthread_mutex_lock(&dest->lock);
	dest->progress.phase = phase;
	pthread_mutex_unlock(&dest->lock);
}

void dest_set_missing(struct migrate_dest *dest, uint64_t pages)
{
	pthread_mutex_lock(&dest->lock);
	dest->missing = pages;
	dest->arrived = 0;
	pthread_mutex_unlock(&dest->lock);
}

static int receive_hello(struct migrate_dest *dest)
{
	const struct stream *control = &dest->control;
	struct record record = { 0 };
	int err = stream_receive_header(control, STREAM_CONTROL);

	if (!err)
		err = stream_expect(control, RECORD_HELLO, &record);
	if (!err)
		err = stream_receive_payload(control, &record, dest->session);
	if (!err && record.b & HELLO_RECOVER)
		err = because(-EINVAL, "the guest that this connection is for is not here");
	if (err)
		return err;
	channel_trust(dest->channel);
	dest->can_postcopy = record.b & HELLO_POSTCOPY;
	dest->copies_disks = record.b & HELLO_DISKS;
	err = stream_expect(control, RECORD_MACHINE, &record);
	if (!err)
		err = stream_receive_buffer(control, &record, &dest->machine);
	if (!err)
		err = state_check_machine(&dest->machine);
	if (!err && dest->copies_disks)
		err = stores_receive(control, &dest->disks);
	return err;
}

static int create(struct channel_listener *listener, struct channel *channel,
		  struct migrate_dest **ret_dest)
{
	struct migrate_dest *dest = calloc(1, sizeof(*dest));

	if (!dest) {
		channel_destroy(channel);
		return because(-ENOMEM, "out of memory");
	}
	pthread_mutex_init(&dest->lock, NULL);
	pthread_mutex_init(&dest->request_lock, NULL);
	pthread_mutex_init(&dest->answer_lock, NULL);
	dest->listener = listener;
	dest->channel = channel;
	dest->control = stream_of_channel(channel);
	dest->begun = clock_now();
	*ret_dest = dest;
	return 0;
}

int migrate_dest_open(struct channel_listener *listener, struct migrate_dest **ret_dest)
{
	struct migrate_dest *dest = NULL;
	struct channel *channel = NULL;
	bool repeats;
	int err;

	for (;;) {
		err = channel_accept(listener, -1, &channel);
		if (err == -ECANCELED || err == -EOPNOTSUPP)
			return err;
		if (err)
			continue; /* one connection's failure */
		repeats = channel_can_repeat(channel);
		err = create(listener, channel, &dest);
		if (err || !dest)
			return err;
		err = receive_hello(dest);
		if (!err)
			break;
		stream_abort(&dest->control, err);
		migrate_dest_destroy(dest);
		dest = NULL;
		if (!repeats)
			return err;
	}
	*ret_dest = dest;
	return 0;
}

const char *migrate_dest_machine(const struct migrate_dest *dest)
{
	return (const char *)dest->machine.data;
}

void migrate_dest_refuse(struct migrate_dest *dest, int err)
{
	stream_abort(&dest->control, err);
}

unsigned migrate_dest_disks(const struct migrate_dest *dest)
{
	return stores_table_count(&dest->disks);
}

uint64_t migrate_dest_disk(const struct migrate_dest *dest, unsigned number, const char **ret_id)
{
	*ret_id = stores_table_id(&dest->disks, number);
	return stores_table_size(&dest->disks, number);
}

/*
 * The disks are this side's own, and it takes them before it writes to them: where they turn out to be the
 * source's, that has them.
 */
static int check_disks(struct migrate_dest *dest)
{
	const struct migrate_guest *guest = dest->guest;
	int err = 0;

	stores_compare(&dest->disks, guest, &dest->verdict);
	if (!dest->verdict.refusals)
		err = guest->retake(guest->self);
	if (err)
		verdict_refuse(&dest->verdict, "disks: %s", error_text(err));
	return store_receiver_init(&dest->stores, guest);
}

/* KVM has written into it on behalf of a register or two; pages that are not sent are zero. */
static int empty_memory(struct mem *mem)
{
	const struct mem_map *map = mem_map_pinned(mem);
	int err = 0;

	for (size_t i = 0; i < map->count && !err; i++)
		err = mem_discard(mem, mem_map_at(map, i)->gpa, mem_map_at(map, i)->size);
	return err;
}

/* Some registers make memory; from then on it stays where it is, until all of the guest is here. */
static int try_state(struct migrate_dest *dest)
{
	const struct migrate_guest *guest = dest->guest;
	uint64_t before = mem_total(guest->mem);
	int err = state_load_shape(guest->regs, &dest->state, &dest->names, &dest->verdict);

	if (err)
		return err;
	mem_pin(guest->mem);
	dest->has_pinned = true;
	pthread_mutex_lock(&dest->lock);
	dest->progress.total += mem_total(guest->mem) - before;
	pthread_mutex_unlock(&dest->lock);
	regions_compare(&dest->regions, guest->mem, false, &dest->verdict);
	return state_load_rest(guest->regs, &dest->state, &dest->names, &dest->verdict);
}

/* Everything that stands in the guest's way, at once: disks, the memory's map and each register. */
static int check(struct migrate_dest *dest)
{
	const struct stream *control = &dest->control;
	struct record record;
	int err = dest->copies_disks ? check_disks(dest) : 0;

	if (!err)
		err = stream_expect(control, RECORD_REGIONS, &record);
	if (!err)
		err = regions_receive(control, &record, &dest->regions);
	if (!err)
		err = stream_expect(control, RECORD_NAMES, &record);
	if (!err)
		err = stream_receive_parts(control, &record, &dest->names);
	if (!err)
		err = state_check_names(&dest->names);
	if (!err)
		err = stream_expect(control, RECORD_REGISTERS, &record);
	if (!err)
		err = stream_receive_parts(control, &record, &dest->state);
	if (!err)
		err = stream_expect(control, RECORD_CHECK, &record);
	if (!err)
		err = try_state(dest);
	if (!err)
		err = empty_memory(dest->guest->mem);
	if (!err && dest->can_postcopy)
		dest->can_postcopy = pull_check(dest) == 0;
	if (!err)
		err = stream_send(control, RECORD_VERDICT, dest->verdict.refusals,
				  dest->can_postcopy ? HELLO_POSTCOPY : 0,
				  dest->verdict.text.data, dest->verdict.text.size);
	if (!err && dest->verdict.refusals)
		err = because(-EREMOTE, "the guest cannot live here: %u thing%s in the way",
			      dest->verdict.refusals, dest->verdict.refusals == 1 ? " is" : "s are");
	return err;
}

static int adopt_memory(struct migrate_dest *dest, const struct record *record)
{
	AUTO_CLOSE int fd = -1;
	int err;

	dest->regions.size = 0;
	err = regions_receive(&dest->control, record, &dest->regions);
	if (!err)
		regions_compare(&dest->regions, dest->guest->mem, true, &dest->verdict);
	if (!err && dest->verdict.refusals)
		err = because(-EBADMSG, "the memory lies elsewhere in its file");
	if (!err)
		err = channel_receive_fd(dest->channel, &fd);
	if (!err)
		err = mem_adopt(dest->guest->mem, fd, MEM_ADOPT_SHARED);
	if (!err)
		fd_take(&fd);
	return err;
}

static int receive_disks(struct migrate_dest *dest, const struct record *record)
{
	int err;

	if (record->type == RECORD_DISK_BLOCKS)
		return store_receiver_receive(&dest->stores, &dest->control, record);
	err = store_receiver_sync(&dest->stores);
	return err ? err : receivers_answer_sync(dest);
}

static bool is_of_disks(const struct record *record)
{
	return record->type == RECORD_DISK_BLOCKS || record->type == RECORD_DISK_SYNC;
}

/* Disks, and memory, or how to get at it later, until the registers come. */
static int receive_memory(struct migrate_dest *dest, struct record *ret_record)
{
	const struct stream *control = &dest->control;
	bool shared = false;
	int err;

	for (;;) {
		err = receivers_wait(dest->channel, ret_record);
		if (err)
			return err;
		if (ret_record->type == RECORD_MEMORY_FD && !shared && !dest->receiver_count) {
			shared = true;
			err = adopt_memory(dest, ret_record);
		} else if (ret_record->type == RECORD_MISSING && !shared && !dest->postcopy &&
			   dest->urgent) {
			err = pull_begin(dest, ret_record);
		} else if (page_record(ret_record) && !shared && !dest->postcopy) {
			err = page_unpacker_receive(&dest->unpacker, control, ret_record);
		} else if (is_of_disks(ret_record) && dest->copies_disks) {
			err = receive_disks(dest, ret_record);
		} else {
			return 0;
		}
		if (err)
			return err;
	}
}

/* The registers as they are at last, when all memory is there: some are written into it. */
static int load(struct migrate_dest *dest, const struct record *first)
{
	const struct stream *control = &dest->control;
	struct record record;
	int err;

	if (first->type != RECORD_REGISTERS)
		return because(-EBADMSG, "a record of %s where registers were due",
			       record_name(first->type));
	dest_set_phase(dest, MIGRATE_HOLDING);
	dest->state.size = 0;
	err = stream_receive_parts(control, first, &dest->state);
	if (!err)
		err = stream_expect(control, RECORD_END, &record);
	if (!err && !dest->postcopy)
		err = receivers_join(dest);
	if (!err)
		err = store_receiver_sync(&dest->stores);
	if (!err)
		err = state_load(dest->guest->regs, &dest->state, &dest->names, &dest->verdict);
	if (!err && dest->verdict.refusals)
		err = because(-EREMOTE, "%s", verdict_text(&dest->verdict));
	return err;
}

static int receive(struct migrate_dest *dest)
{
	struct record record;
	int err = check(dest);

	if (!err)
		err = page_unpacker_init(&dest->unpacker, dest->guest->mem, NULL);
	dest->unpacker.arrived = &dest->arrived;
	dest_set_phase(dest, MIGRATE_COPYING);
	if (!err)
		err = receivers_accept(dest);
	if (!err)
		err = receive_memory(dest, &record);
	return err ? err : load(dest, &record);
}

/*
 * Everything is here. A source that gives up now says so or has gone on by itself, unless it has sent
 * RUN: with the connection gone nobody knows, and the guest stays held until somebody decides.
 */
static enum migrate_arrival take_over(struct migrate_dest *dest, int *ret_err)
{
	struct record record;
	int err, failed;

	dest_set_phase(dest, MIGRATE_HANDING);
	*ret_err = stream_send(&dest->control, RECORD_LOADED, 0, 0, NULL, 0);
	if (!*ret_err)
		*ret_err = stream_expect(&dest->control, RECORD_RUN, &record);
	if (*ret_err == -EREMOTEIO)
		return MIGRATE_NOT_ARRIVED;
	/* Without the rest of its memory there is nothing to decide about: only the source has a guest. */
	if (*ret_err)
		return dest->postcopy ? MIGRATE_NOT_ARRIVED : MIGRATE_ARRIVAL_IN_DOUBT;
	*ret_err = dest->guest->arrive(dest->guest->self);
	if (*ret_err) {
		stream_abort(&dest->control, *ret_err);
		return MIGRATE_NOT_ARRIVED;
	}
	/* The guest runs, whether its source hears of it or not. */
	err = stream_send(&dest->control, RECORD_RUNNING, 0, 0, NULL, 0);
	failed = receivers_running(dest);
	if (dest->postcopy)
		*ret_err = pull_finish(dest, err ? err : failed);
	return *ret_err ? MIGRATE_ARRIVED_IN_PART : MIGRATE_ARRIVED;
}

enum migrate_arrival migrate_dest_run(struct migrate_dest *dest, const struct migrate_guest *guest,
				      int *ret_err)
{
	enum migrate_arrival arrival = MIGRATE_NOT_ARRIVED;
	int err;

	dest->guest = guest;
	dest->progress.total = mem_total(guest->mem);
	if (dest->copies_disks)
		dest->progress.total += stores_total(guest);
	dest_set_phase(dest, MIGRATE_CHECKING);
	err = receive(dest);
	if (!err)
		err = receivers_loaded(dest);
	if (err) {
		receivers_fail(dest, err);
		receivers_join(dest);
		err = because(dest->err, "%s", dest->err_text);
	} else {
		arrival = take_over(dest, &err);
	}
	if (dest->has_pinned)
		mem_unpin(guest->mem);
	dest->has_pinned = false;
	dest_set_phase(dest, MIGRATE_ENDED);
	*ret_err = err;
	return arrival;
}

int migrate_dest_cancel(struct migrate_dest *dest)
{
	return receivers_cancel(dest);
}

void migrate_dest_progress(struct migrate_dest *dest, struct migrate_progress *ret_progress)
{
	uint64_t arrived;

	pthread_mutex_lock(&dest->lock);
	arrived = dest->arrived;
	*ret_progress = dest->progress;
	ret_progress->copied = arrived * GUEST_PAGE_SIZE;
	ret_progress->remaining = (dest->missing - min_u64(arrived, dest->missing)) * GUEST_PAGE_SIZE;
	ret_progress->sent = dest->channel ? channel_bytes_read(dest->channel) : 0;
	for (unsigned i = 0; i < dest->receiver_count; i++)
		ret_progress->sent += channel_bytes_read(dest->receivers[i].channel);
	pthread_mutex_unlock(&dest->lock);
	ret_progress->elapsed_ns = clock_now() - dest->begun;
}

const char *migrate_dest_refusals(const struct migrate_dest *dest)
{
	return verdict_text(&dest->verdict);
}

void migrate_dest_destroy(struct migrate_dest *dest)
{
	if (!dest)
		return;
	receivers_close(dest);
	pager_destroy(dest->pager);
	page_unpacker_finish(&dest->unpacker);
	store_receiver_finish(&dest->stores);
	channel_destroy(dest->channel);
	buffer_finish(&dest->machine);
	buffer_finish(&dest->disks);
	buffer_finish(&dest->regions);
	buffer_finish(&dest->names);
	buffer_finish(&dest->state);
	verdict_finish(&dest->verdict);
	pthread_mutex_destroy(&dest->request_lock);
	pthread_mutex_destroy(&dest->answer_lock);
	pthread_mutex_destroy(&dest->lock);
	free(dest);
}
