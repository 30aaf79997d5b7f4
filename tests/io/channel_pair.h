/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of channels share: two ends, and a stream of bytes that can be checked. */
#ifndef TESTS_IO_CHANNEL_PAIR_H
#define TESTS_IO_CHANNEL_PAIR_H

#include "check_main.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <ferry/error.h>

#include "io/channel.h"

/* A deadline that tests wait out, and one that they should never see. */
#define SHORT_MS 300
#define LONG_MS	 20000

#define CHUNK ((size_t)256 << 10)

struct pair {
	struct channel_listener *listener;
	struct channel *near; /* connected */
	struct channel *far;  /* accepted */
	int accepted;	      /* channel_accept()'s result and text */
	char text[ERROR_TEXT_MAX];
	pthread_t thread;
};

static inline void *pair_accept(void *arg)
{
	struct pair *pair = arg;

	pair->accepted = channel_accept(pair->listener, LONG_MS, &pair->far);
	snprintf(pair->text, sizeof(pair->text), "%s", error_text(pair->accepted));
	return NULL;
}

static inline void pair_listen(struct pair *pair, const char *uri,
			       const struct channel_options *options)
{
	int r;

	*pair = (struct pair){ 0 };
	r = channel_listen(uri, options, &pair->listener);
	ck_assert_msg(r == 0, "%s", error_text(r));
	ck_assert_int_eq(pthread_create(&pair->thread, NULL, pair_accept, pair), 0);
}

/* Both sides, whatever comes of it: channel_connect()'s result. */
static inline int pair_try(struct pair *pair, const char *uri, const struct channel_options *far,
			   const struct channel_options *near)
{
	int r;

	pair_listen(pair, uri, far);
	r = channel_connect(channel_listener_uri(pair->listener), near, &pair->near);
	pthread_join(pair->thread, NULL);
	return r;
}

static inline void pair_open(struct pair *pair, const char *uri,
			     const struct channel_options *options)
{
	int r = pair_try(pair, uri, options, options);

	ck_assert_msg(r == 0, "%s", error_text(r));
	ck_assert_msg(pair->accepted == 0, "%s", pair->text);
}

static inline void pair_close(struct pair *pair)
{
	channel_destroy(pair->near);
	channel_destroy(pair->far);
	channel_listener_destroy(pair->listener);
}

static inline int write_bytes(struct channel *channel, const void *data, size_t len)
{
	struct iovec iov = { (void *)data, len };

	return channel_write(channel, &iov, 1);
}

/* A stream that both sides can compute, in chunks cut into uneven buffers. */
struct flow {
	struct channel *channel;
	uint64_t bytes;
	uint64_t seed;
	int result;
	char text[ERROR_TEXT_MAX];
	pthread_t thread;
};

static inline void flow_fill(uint64_t *seed, unsigned char *chunk)
{
	for (size_t i = 0; i < CHUNK; i += sizeof(*seed)) {
		*seed ^= *seed << 13;
		*seed ^= *seed >> 7;
		*seed ^= *seed << 17;
		memcpy(chunk + i, seed, sizeof(*seed));
	}
}

static inline void *flow_write(void *arg)
{
	static const size_t cuts[] = { 0, 24, 24, 4120, 40001, 40002, 120000, CHUNK };
	unsigned char *chunk = malloc(CHUNK);
	struct flow *flow = arg;

	for (uint64_t done = 0; done < flow->bytes && flow->result == 0; done += CHUNK) {
		struct iovec iov[7];

		flow_fill(&flow->seed, chunk);
		for (unsigned i = 0; i < 7; i++)
			iov[i] = (struct iovec){ chunk + cuts[i], cuts[i + 1] - cuts[i] };
		flow->result = channel_write(flow->channel, iov, 7);
	}
	snprintf(flow->text, sizeof(flow->text), "%s", error_text(flow->result));
	free(chunk);
	return NULL;
}

static inline void *flow_read(void *arg)
{
	unsigned char *chunk = malloc(2 * CHUNK), *wanted = chunk + CHUNK;
	struct flow *flow = arg;

	for (uint64_t done = 0; done < flow->bytes && flow->result == 0; done += CHUNK) {
		size_t head = 1 + done / CHUNK % 5000;

		flow_fill(&flow->seed, wanted);
		flow->result = channel_read(flow->channel, chunk, head);
		if (flow->result == 0)
			flow->result = channel_read(flow->channel, chunk + head, CHUNK - head);
		if (flow->result == 0 && memcmp(chunk, wanted, CHUNK) != 0)
			flow->result = -EILSEQ;
	}
	snprintf(flow->text, sizeof(flow->text), "%s", error_text(flow->result));
	free(chunk);
	return NULL;
}

static inline void flow_start(struct flow *flow, struct channel *channel, uint64_t bytes,
			      uint64_t seed, void *(*run)(void *))
{
	*flow = (struct flow){ .channel = channel, .bytes = bytes, .seed = seed };
	ck_assert_int_eq(pthread_create(&flow->thread, NULL, run, flow), 0);
}

static inline void flow_end(struct flow *flow)
{
	pthread_join(flow->thread, NULL);
	ck_assert_msg(flow->result == 0, "%d: %s", flow->result, flow->text);
}

/* bytes from one to the other, and the same number back at the same time. */
static inline void flow_both_ways(struct channel *one, struct channel *other, uint64_t bytes)
{
	uint64_t had = channel_bytes_read(other);
	struct flow there[2], back[2];

	flow_start(&there[0], one, bytes, 1, flow_write);
	flow_start(&there[1], other, bytes, 1, flow_read);
	flow_start(&back[0], other, bytes, 2, flow_write);
	flow_start(&back[1], one, bytes, 2, flow_read);
	for (int i = 0; i < 2; i++) {
		flow_end(&there[i]);
		flow_end(&back[i]);
	}
	ck_assert_uint_eq(channel_bytes_read(other) - had, bytes);
}

#endif
