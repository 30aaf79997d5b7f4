/* SPDX-License-Identifier: Apache-2.0 */
/* Sends a guest: asks first, copies while it runs, and lets go of it only when the other side has all. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/clock.h"
#include "base/util.h"
#include "mem/adopt.h"
#include "mem/dirty.h"
#include "mem/window.h"
#include "migrate/regions.h"
#include "migrate/source_impl.h"
#include "migrate/stores.h"

void source_set_phase(struct migrate_source *source, enum migrate_phase phase)
{
	pthread_mutex_lock(&source->lock);
	source->progress.phase = phase;
	pthread_mutex_unlock(&source->lock);
}

int source_was_cancelled(void)
{
	return because(-ECANCELED, "cancelled");
}

/* A connection is known to who cancels from the moment it exists. */
static int add_channel(struct migrate_source *source, struct channel *channel,
		       enum stream_kind kind)
{
	int err;

	pthread_mutex_lock(&source->lock);
	if (kind == STREAM_URGENT) {
		source->urgent = channel;
	} else {
		source->streams[source->channel_count] = stream_of_channel(channel);
		source->channels[source->channel_count++] = channel;
	}
	err = source->cancelled ? source_was_cancelled() : 0;
	pthread_mutex_unlock(&source->lock);
	return err;
}

int source_connect(struct migrate_source *source, enum stream_kind kind, unsigned flags)
{
	const struct migrate_source_options *options = &source->options;
	struct channel *channel = NULL;
	struct stream stream;
	int err;

	if (options->connect)
		err = options->connect(options->connect_self, &channel);
	else
		err = channel_connect(source->uri, &options->channel, &channel);
	if (err)
		return err;
	stream = stream_of_channel(channel);
	err = add_channel(source, channel, kind);
	if (!err)
		err = stream_send_header(&stream, kind);
	if (!err)
		err = stream_send(&stream, RECORD_HELLO, 0, flags,
				  source->session, sizeof(source->session));
	return err;
}

static int save_state(void *arg)
{
	struct migrate_source *source = arg;
	uint64_t count;

	return state_save(source->guest->regs, &source->state, &count);
}

static int save_image(void *arg)
{
	struct buffer *names = ((void **)arg)[1];
	int err = save_state(((void **)arg)[0]);

	return err ? err : state_save_names(((struct migrate_source *)((void **)arg)[0])->guest->regs, names);
}

static int receive_verdict(struct migrate_source *source)
{
	const struct stream *control = &source->streams[0];
	struct record record;
	int err = stream_expect(control, RECORD_VERDICT, &record);

	if (!err)
		err = stream_receive_buffer(control, &record, &source->refusals);
	for (size_t i = 0; !err && i < source->refusals.size; i++) {
		uint8_t *c = &source->refusals.data[i];

		if (*c != '\n' && (*c < ' ' || *c > '~'))
			*c = '?';
	}
	if (!err)
		err = buffer_add(&source->refusals, "", 1);
	if (!err && !(record.b & HELLO_POSTCOPY))
		source->can_postcopy = false;
	if (!err && record.a)
		err = because(-EREMOTE, "the guest cannot live there: %llu thing%s in the way",
			      (unsigned long long)record.a, record.a == 1 ? " is" : "s are");
	return err;
}

/*
 * A whole image of the registers, which the other side writes into its new machine: what it cannot
 * take is told before any memory moves. The guest stands still only while it is read.
 */
static int ask_first(struct migrate_source *source)
{
	const struct stream *control = &source->streams[0];
	struct buffer names = { 0 };
	void *arg[] = { source, &names };
	int err = stream_send(control, RECORD_MACHINE, 0, 0, source->machine,
			      strlen(source->machine));

	if (!err && source->options.copy_disks)
		err = stores_send(control, source->guest);
	if (!err)
		err = regions_send(control, RECORD_REGIONS, source->guest->mem);
	if (!err)
		err = source->guest->glance(source->guest->self, save_image, arg);
	if (!err)
		err = stream_send_buffer(control, RECORD_NAMES, &names);
	if (!err)
		err = stream_send_buffer(control, RECORD_REGISTERS, &source->state);
	if (!err)
		err = stream_send(control, RECORD_CHECK, 0, 0, NULL, 0);
	buffer_finish(&names);
	return err ? err : receive_verdict(source);
}

static uint64_t bytes_sent(const struct migrate_source *source)
{
	uint64_t sent = 0;

	for (unsigned i = 0; i < source->channel_count; i++)
		sent += channel_bytes_written(source->channels[i]);
	return sent;
}

/* lock held. */
static void add_copied(const struct migrate_source *source, struct migrate_progress *progress)
{
	if (source->copier) {
		progress->remaining = copier_pending(source->copier) * GUEST_PAGE_SIZE;
		progress->copied = copier_copied(source->copier) * GUEST_PAGE_SIZE;
	}
	if (source->disks) {
		progress->remaining += store_copier_pending(source->disks);
		progress->copied += store_copier_copied(source->disks);
	}
}

void migrate_source_progress(struct migrate_source *source, struct migrate_progress *ret_progress)
{
	pthread_mutex_lock(&source->lock);
	*ret_progress = source->progress;
	ret_progress->sent += bytes_sent(source);
	add_copied(source, ret_progress);
	if (ret_progress->phase != MIGRATE_ENDED)
		ret_progress->elapsed_ns = clock_now() - source->begun;
	pthread_mutex_unlock(&source->lock);
}

int source_hold(struct migrate_source *source)
{
	int err;

	pthread_mutex_lock(&source->lock);
	err = source->cancelled ? source_was_cancelled() : 0;
	source->progress.phase = MIGRATE_HOLDING;
	source->held_at = err ? 0 : clock_now();
	pthread_mutex_unlock(&source->lock);
	if (!err) {
		err = source->guest->hold(source->guest->self);
		source->is_held = !err;
	}
	return err;
}

/* Both processes map the same pages: none is copied. */
static int give_memory(struct migrate_source *source)
{
	int err = source->options.copy_disks ? precopy_run_disks(source) : source_hold(source);

	if (!err)
		err = regions_send(&source->streams[0], RECORD_MEMORY_FD, source->guest->mem);
	return err ? err : channel_send_fd(source->channels[0], source->guest->mem->memfd);
}

static bool can_give_memory(const struct migrate_source *source)
{
	return !source->options.copy_memory && channel_can_send_fd(source->channels[0]) &&
	       mem_is_shared(source->guest->mem);
}

static int send_state(struct migrate_source *source)
{
	const struct stream *control = &source->streams[0];
	struct record record;
	int err = save_state(source);

	if (!err)
		err = stream_send_buffer(control, RECORD_REGISTERS, &source->state);
	if (!err)
		err = stream_send(control, RECORD_END, 0, 0, NULL, 0);
	return err ? err : stream_expect(control, RECORD_LOADED, &record);
}

/* After this nobody cancels any more. */
static int commit(struct migrate_source *source)
{
	bool cancelled;

	pthread_mutex_lock(&source->lock);
	cancelled = source->cancelled;
	source->committed = !cancelled;
	source->progress.phase = MIGRATE_HANDING;
	pthread_mutex_unlock(&source->lock);
	return cancelled ? source_was_cancelled() : 0;
}

/*
 * The other side has everything. From the moment RUN may have reached it until its answer, nobody here
 * knows where the guest runs; if there is no answer, nobody here decides it either.
 */
static enum migrate_outcome hand_over(struct migrate_source *source, int *ret_err)
{
	const struct migrate_guest *guest = source->guest;
	const struct stream *control = &source->streams[0];
	struct record record;
	int err = commit(source);

	if (err) {
		*ret_err = err;
		return MIGRATE_WENT_ON;
	}
	guest->surrender(guest->self);
	err = stream_send(control, RECORD_RUN, 0, 0, NULL, 0);
	if (!err)
		err = stream_expect(control, RECORD_RUNNING, &record);
	*ret_err = err;
	pthread_mutex_lock(&source->lock);
	source->progress.downtime_ns = clock_now() - source->held_at;
	pthread_mutex_unlock(&source->lock);
	if (!err)
		return MIGRATE_MOVED;
	/* It said itself that it does not run. */
	if (err == -EREMOTEIO && guest->retake(guest->self) == 0)
		return MIGRATE_WENT_ON;
	*ret_err = because_of(err, "the other side was told to run the guest and did not answer");
	if (source->progress.throttle)
		guest->throttle(guest->self, 0);
	/* If it runs there, it lacks what is only here, and waits for it: a recovery finds that out. */
	return source->postcopy ? MIGRATE_BROKEN : MIGRATE_IN_DOUBT;
}

static int connect_rest(struct migrate_source *source)
{
	int err = stream_send(&source->streams[0], RECORD_CONNECTIONS,
			      source->options.connections - 1,
			      source->can_postcopy ? HELLO_POSTCOPY : 0, NULL, 0);

	while (!err && source->channel_count < source->options.connections)
		err = source_connect(source, STREAM_DATA, 0);
	if (!err && source->can_postcopy)
		err = source_connect(source, STREAM_URGENT, 0);
	return err;
}

static int prepare(struct migrate_source *source)
{
	unsigned disks = source->options.copy_disks ? HELLO_DISKS : 0;
	int err = source_connect(source, STREAM_CONTROL, HELLO_POSTCOPY | disks);

	if (err)
		return err;
	source->can_postcopy = channel_can_repeat(source->channels[0]);
	if (source->options.connections > 1 && !source->can_postcopy)
		return because(-EINVAL, "%s is one connection only", source->uri);
	if (source->options.postcopy && !source->can_postcopy)
		return because(-EINVAL, "post-copy needs more than the one connection of %s",
			       source->uri);
	source_set_phase(source, MIGRATE_CHECKING);
	err = ask_first(source);
	if (!err && source->options.postcopy && !source->can_postcopy)
		err = because(-EOPNOTSUPP, "the other side cannot do post-copy: it lacks userfaultfd, "
					   "or has huge pages");
	if (err || !can_give_memory(source))
		return err ? err : connect_rest(source);
	return stream_send(&source->streams[0], RECORD_CONNECTIONS, 0, 0, NULL, 0);
}

/* Nothing of it is seen afterwards: not by the guest, and not by a second attempt. */
static void undo(struct migrate_source *source, int err)
{
	char text[ERROR_TEXT_MAX];

	strncpy(text, error_text(err), sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	if (source->channel_count)
		stream_abort(&source->streams[0], err);
	if (source->progress.throttle)
		source->guest->throttle(source->guest->self, 0);
	if (source->is_held && source->guest->go_on(source->guest->self))
		because_of(err, "%s; and then the guest could not go on", text);
	else
		because(err, "%s", text);
}

/* The words of a peer that gave up explain more than the broken connection that followed. */
static int prefer_reason(struct migrate_source *source, int err)
{
	struct record record;

	if (err != -EPIPE && err != -ECONNRESET)
		return err;
	if (channel_wait_readable(source->channels[0], 0) > 0 &&
	    stream_receive(&source->streams[0], &record) == -EREMOTEIO)
		return -EREMOTEIO;
	return err;
}

static int send_all(struct migrate_source *source)
{
	int err = prepare(source);

	if (!err)
		err = can_give_memory(source) ? give_memory(source) : precopy_run(source);
	return err ? err : send_state(source);
}

static void end_progress(struct migrate_source *source, enum migrate_outcome outcome)
{
	uint64_t now = clock_now();

	pthread_mutex_lock(&source->lock);
	source->progress.phase = MIGRATE_ENDED;
	source->progress.elapsed_ns = now - source->begun;
	source->progress.sent = bytes_sent(source);
	if (source->is_held && !source->progress.downtime_ns)
		source->progress.downtime_ns = now - source->held_at;
	add_copied(source, &source->progress);
	if (outcome != MIGRATE_BROKEN)
		source->progress.remaining = 0;
	pthread_mutex_unlock(&source->lock);
}

/* The connections and the threads; what is left serves those who ask for progress, or a recovery. */
static void close_all(struct migrate_source *source)
{
	struct store_copier *disks;
	struct channel *urgent;
	struct copier *copier;
	unsigned count;

	/* Its thread looks at it until it has ended. */
	if (source->urgent)
		channel_shutdown(source->urgent);
	postcopy_end(source);
	pthread_mutex_lock(&source->lock);
	copier = source->copier;
	disks = source->disks;
	count = source->channel_count;
	urgent = source->urgent;
	source->copier = NULL;
	source->disks = NULL;
	source->channel_count = 0;
	source->urgent = NULL;
	pthread_mutex_unlock(&source->lock);
	channel_destroy(urgent);
	copier_destroy(copier);
	store_copier_destroy(disks);
	for (unsigned i = 0; i < count; i++) {
		page_packer_finish(&source->packers[i]);
		channel_destroy(source->channels[i]);
	}
}

/* It was cancelled before the other side was told to run the guest. */
static bool gave_up(struct migrate_source *source)
{
	bool cancelled;

	pthread_mutex_lock(&source->lock);
	cancelled = source->cancelled && !source->committed;
	pthread_mutex_unlock(&source->lock);
	return cancelled;
}

enum migrate_outcome migrate_source_run(struct migrate_source *source, int *ret_err)
{
	enum migrate_outcome outcome = MIGRATE_WENT_ON;
	char text[ERROR_TEXT_MAX];
	int err;

	pthread_mutex_lock(&source->lock);
	source->begun = clock_now();
	pthread_mutex_unlock(&source->lock);
	mem_pin(source->guest->mem);
	err = send_all(source);
	if (!err)
		outcome = hand_over(source, &err);
	if (outcome == MIGRATE_MOVED && source->postcopy) {
		err = postcopy_push(source);
		outcome = err ? MIGRATE_BROKEN : MIGRATE_MOVED;
	}
	if (err && outcome == MIGRATE_WENT_ON && source->channel_count)
		err = prefer_reason(source, err);
	if (err && gave_up(source))
		err = source_was_cancelled();
	if (source->is_tracking)
		mem_dirty_stop(source->guest->mem);
	mem_unpin(source->guest->mem);
	if (outcome == MIGRATE_WENT_ON)
		undo(source, err);
	strncpy(text, error_text(err), sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	end_progress(source, outcome);
	close_all(source);
	because(err, "%s", text);
	*ret_err = err;
	return outcome;
}

/* The other side says what it lacks, and then gets it over new connections. */
static int recover(struct migrate_source *source)
{
	struct buffer missing = { 0 };
	struct record record;
	eventfd_t given_up;
	int err;

	eventfd_read(source->give_up, &given_up);
	source_set_phase(source, MIGRATE_CONNECTING);
	err = source_connect(source, STREAM_CONTROL, HELLO_RECOVER);

	if (!err)
		err = stream_expect(&source->streams[0], RECORD_MISSING, &record);
	if (!err)
		err = stream_receive_parts(&source->streams[0], &record, &missing);
	if (!err)
		err = connect_rest(source);
	if (!err)
		err = precopy_start_copier(source);
	if (!err)
		err = copier_import(source->copier, &missing);
	if (!err)
		err = postcopy_serve(source);
	buffer_finish(&missing);
	return err ? err : postcopy_push(source);
}

enum migrate_outcome migrate_source_recover(struct migrate_source *source, const char *uri,
					    int *ret_err)
{
	enum migrate_outcome outcome;
	char text[ERROR_TEXT_MAX];
	char *copy = uri ? strdup(uri) : NULL, *before = source->uri;

	if (copy)
		source->uri = copy;
	*ret_err = recover(source);
	outcome = *ret_err ? MIGRATE_BROKEN : MIGRATE_MOVED;
	snprintf(text, sizeof(text), "%s", error_text(*ret_err));
	end_progress(source, outcome);
	close_all(source);
	/* Where nobody waited for this guest is not where the next attempt goes by itself. */
	if (*ret_err)
		source->uri = before;
	if (copy)
		free(*ret_err ? copy : before);
	if (*ret_err)
		because(*ret_err, "%s", text);
	return outcome;
}

int migrate_source_postcopy(struct migrate_source *source)
{
	int err = 0;

	pthread_mutex_lock(&source->lock);
	if (source->progress.phase > MIGRATE_COPYING)
		err = because(-EALREADY, "too late: the guest is held already");
	else if (source->progress.phase == MIGRATE_COPYING && !source->urgent)
		err = because(-EOPNOTSUPP, "the other side cannot do post-copy");
	else
		source->wants_postcopy = true;
	if (!err && source->copier)
		copier_interrupt(source->copier);
	pthread_mutex_unlock(&source->lock);
	return err;
}

int migrate_source_cancel(struct migrate_source *source)
{
	int err = 0;

	pthread_mutex_lock(&source->lock);
	eventfd_write(source->give_up, 1);
	if (source->committed) {
		err = because(-EALREADY, "too late: the other side has been told to run the guest");
	} else {
		source->cancelled = true;
		if (source->copier)
			copier_stop(source->copier, source_was_cancelled());
		if (source->disks)
			store_copier_stop(source->disks);
		/* A source that holds its guest soon asks whether it was cancelled, and can still say so. */
		for (unsigned i = 0; i < source->channel_count && !source->held_at; i++)
			channel_shutdown(source->channels[i]);
	}
	pthread_mutex_unlock(&source->lock);
	return err;
}

const char *migrate_source_refusals(const struct migrate_source *source)
{
	return source->refusals.size ? (const char *)source->refusals.data : "";
}

static int check_options(const struct migrate_source_options *options)
{
	if (options->connections < 1 || options->connections > MIGRATE_CONNECTIONS_MAX)
		return because(-EINVAL, "%u connections: 1 to %d", options->connections,
			       MIGRATE_CONNECTIONS_MAX);
	return channel_uri_check(options->uri);
}

int migrate_source_create(const struct migrate_guest *guest,
			  const struct migrate_source_options *options,
			  struct migrate_source **ret_source)
{
	struct migrate_source *source;
	int err = check_options(options);

	if (err)
		return err;
	source = calloc(1, sizeof(*source));
	if (!source)
		return because(-ENOMEM, "out of memory");
	pthread_mutex_init(&source->lock, NULL);
	source->guest = guest;
	source->options = *options;
	source->uri = strdup(options->uri);
	source->machine = strdup(options->machine);
	source->tls = options->channel.tls ? strdup(options->channel.tls) : NULL;
	source->options.channel.tls = source->tls;
	source->give_up = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	source->options.channel.cancel_fd = &source->give_up;
	source->wants_postcopy = options->postcopy;
	source->progress.total = mem_total(guest->mem);
	if (options->copy_disks)
		source->progress.total += stores_total(guest);
	source->begun = clock_now();
	if (source->give_up < 0 || !source->uri || !source->machine || (options->channel.tls && !source->tls) ||
	    getrandom(source->session, sizeof(source->session), 0) != sizeof(source->session)) {
		migrate_source_destroy(source);
		return because(-ENOMEM, "out of memory");
	}
	*ret_source = source;
	return 0;
}

void migrate_source_destroy(struct migrate_source *source)
{
	if (!source)
		return;
	if (source->give_up >= 0)
		close(source->give_up);
	buffer_finish(&source->state);
	buffer_finish(&source->refusals);
	pthread_mutex_destroy(&source->lock);
	free(source->uri);
	free(source->machine);
	free(source->tls);
	free(source);
}
