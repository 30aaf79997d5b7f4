/* SPDX-License-Identifier: Apache-2.0 */
/* The fault point: operations are counted in a clean run, and any of them can be spoilt. */
#include "io/channel_certs.h"
#include "io/channel_pair.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

/* What befalls the operation number .at, counted from 0, of a side. */
struct plan {
	struct channel_fault fault;
	int at; /* -1: none */
	enum channel_fault_kind kind;
	size_t byte;
	int err;
	bool dies;
	_Atomic int count; /* two threads use a channel */
	enum channel_op seen[64];
	size_t len[64];
	unsigned char first[64]; /* of what is written */
};

static int before(void *self, enum channel_op op, const void *data, size_t len,
		  struct channel_fault_action *action)
{
	struct plan *plan = self;
	int n = plan->count++;

	ck_assert_int_lt(n, 64);
	ck_assert_int_eq(action->kind, CHANNEL_FAULT_NONE);
	plan->seen[n] = op;
	plan->len[n] = len;
	plan->first[n] = data && len ? *(const unsigned char *)data : 0;
	if (n != plan->at)
		return 0;
	if (plan->dies)
		kill(getpid(), SIGKILL);
	action->kind = plan->kind;
	action->at = plan->byte;
	return plan->err;
}

static void plan_init(struct plan *plan)
{
	*plan = (struct plan){ .fault = { before, plan }, .at = -1 };
}

/*
 * A protocol of three steps: a question of 4 + 60 bytes, an answer of 10, a descriptor or a last
 * word. What each side makes of it: 0, or the first error.
 */
struct side {
	struct channel *channel;
	int result;
	char text[ERROR_TEXT_MAX];
	char got[64];
	pthread_t thread;
};

static int ask(struct side *side)
{
	char question[64];
	struct iovec iov[3] = { { "?abc", 4 }, { question, 0 }, { question, 60 } };
	int r;

	memset(question, 'q', sizeof(question));
	r = channel_write(side->channel, iov, 3);
	if (r == 0)
		r = channel_read(side->channel, side->got, 10);
	if (r == 0 && channel_can_send_fd(side->channel))
		r = channel_send_fd(side->channel, STDERR_FILENO);
	return r;
}

static int answer(struct side *side)
{
	int fd, r = channel_read(side->channel, side->got, 64);

	if (r == 0)
		r = write_bytes(side->channel, "0123456789", 10);
	if (r < 0 || !channel_can_send_fd(side->channel))
		return r;
	r = channel_receive_fd(side->channel, &fd);
	if (r == 0)
		close(fd);
	return r;
}

static void *run_far(void *arg)
{
	struct side *side = arg;

	side->result = answer(side);
	snprintf(side->text, sizeof(side->text), "%s", error_text(side->result));
	return NULL;
}

static struct channel_options near_options, far_options;
static struct plan near_plan, far_plan;
static struct side near, far;
static int connected, accepted;

/* The whole, once; sides that could not begin have the result of that. */
static void run(const char *uri)
{
	struct pair pair;

	near = far = (struct side){ 0 };
	near_options.fault = &near_plan.fault;
	far_options.fault = &far_plan.fault;
	connected = pair_try(&pair, uri, &far_options, &near_options);
	snprintf(near.text, sizeof(near.text), "%s", error_text(connected));
	accepted = pair.accepted;
	near.channel = pair.near;
	far.channel = pair.far;
	near.result = connected;
	far.result = accepted;
	if (far.channel)
		pthread_create(&far.thread, NULL, run_far, &far);
	if (near.channel) {
		near.result = ask(&near);
		snprintf(near.text, sizeof(near.text), "%s", error_text(near.result));
		if (near.result < 0) {
			channel_destroy(pair.near);
			pair.near = NULL;
		}
	}
	if (far.channel)
		pthread_join(far.thread, NULL);
	pair_close(&pair);
}

static char unix_uri[64];

static void begin(void)
{
	snprintf(unix_uri, sizeof(unix_uri), "unix:/tmp/ferry-fault-%d", getpid());
	near_options = far_options = (struct channel_options){ .timeout_ms = SHORT_MS };
	plan_init(&near_plan);
	plan_init(&far_plan);
}

START_TEST(test_a_clean_run_counts_the_operations)
{
	static const enum channel_op wanted_near[] = { CHANNEL_CONNECT, CHANNEL_WRITE, CHANNEL_READ,
						       CHANNEL_FD };
	static const enum channel_op wanted_far[] = { CHANNEL_ACCEPT, CHANNEL_READ, CHANNEL_WRITE,
						      CHANNEL_FD };

	begin();
	run(unix_uri);
	ck_assert_int_eq(near.result, 0);
	ck_assert_int_eq(far.result, 0);
	ck_assert_int_eq(near_plan.count, 4);
	ck_assert_int_eq(far_plan.count, 4);
	ck_assert_int_eq(memcmp(near_plan.seen, wanted_near, sizeof(wanted_near)), 0);
	ck_assert_int_eq(memcmp(far_plan.seen, wanted_far, sizeof(wanted_far)), 0);
	/* A write shows its header, a read how much is wanted. */
	ck_assert_uint_eq(near_plan.len[1], 4);
	ck_assert_uint_eq(near_plan.first[1], '?');
	ck_assert_uint_eq(far_plan.len[1], 64);
}
END_TEST

/* Each operation of each side, spoilt in each way: nobody hangs, nobody takes it for success. */
static void campaign(const char *uri)
{
	static const enum channel_fault_kind kinds[] = { CHANNEL_FAULT_CLOSE, CHANNEL_FAULT_STALL,
							 CHANNEL_FAULT_NONE };
	static const int results[] = { -EPIPE, -ETIMEDOUT, -ENOSPC };
	int cases = 0, steps[2];

	begin();
	run(uri);
	ck_assert_msg(near.result == 0 && far.result == 0, "%s, %s", near.text, far.text);
	steps[0] = near_plan.count;
	steps[1] = far_plan.count;
	for (int who = 0; who < 2; who++) {
		for (int at = 0; at < steps[who]; at++) {
			for (int kind = 0; kind < 3; kind++) {
				struct plan *plan = who ? &far_plan : &near_plan;
				struct side *side = who ? &far : &near;

				plan_init(&near_plan);
				plan_init(&far_plan);
				plan->at = at;
				plan->kind = kinds[kind];
				plan->err = kinds[kind] ? 0 : -ENOSPC;
				run(uri);
				ck_assert_int_eq(side->result, results[kind]);
				cases++;
			}
		}
	}
	ck_assert_int_eq(cases, 3 * (steps[0] + steps[1]));
}

START_TEST(test_any_operation_of_a_unix_channel_can_be_spoilt)
{
	begin();
	campaign(unix_uri);
}
END_TEST

START_TEST(test_any_operation_of_a_tcp_channel_can_be_spoilt)
{
	campaign("tcp:127.0.0.1:0");
}
END_TEST

START_TEST(test_a_closed_connection_is_closed_for_both)
{
	begin();
	near_plan.at = 1;
	near_plan.kind = CHANNEL_FAULT_CLOSE;
	run(unix_uri);
	ck_assert_int_eq(near.result, -EPIPE);
	ck_assert_msg(strstr(near.text, "a fault that was asked for"), "%s", near.text);
	ck_assert_int_eq(far.result, -EPIPE);
	ck_assert_ptr_null(strstr(far.text, "middle"));
}
END_TEST

START_TEST(test_a_short_write_leaves_the_peer_in_the_middle)
{
	begin();
	near_plan.at = 1;
	near_plan.kind = CHANNEL_FAULT_SHORT;
	near_plan.byte = 64 + 5; /* modulo the whole write's length */
	run(unix_uri);
	ck_assert_int_eq(near.result, -EPIPE);
	ck_assert_int_eq(far.result, -EPIPE);
	ck_assert_msg(strstr(far.text, "5 of 64 bytes"), "%s", far.text);
	ck_assert_int_eq(memcmp(far.got, "?abcq", 6), 0);
	/* A short read: the reader has its bytes, and nobody a connection. */
	begin();
	far_plan.at = 1;
	far_plan.kind = CHANNEL_FAULT_SHORT;
	far_plan.byte = 4;
	run(unix_uri);
	ck_assert_int_eq(far.result, -EPIPE);
	ck_assert_int_eq(memcmp(far.got, "?abc", 5), 0);
	ck_assert(near.result == -EPIPE || near.result == -ECONNRESET);
}
END_TEST

static void flipped(struct plan *plan, size_t at)
{
	run(unix_uri);
	ck_assert_int_eq(near.result, 0);
	ck_assert_int_eq(far.result, 0);
	ck_assert_int_eq(plan->count, 4);
	for (size_t i = 0; i < 64; i++) {
		unsigned char wanted = i < 4 ? (unsigned char)"?abc"[i] : 'q';

		ck_assert_uint_eq((unsigned char)far.got[i], wanted ^ (i == at ? 0xff : 0));
	}
}

START_TEST(test_one_byte_is_flipped)
{
	static const size_t places[] = { 0, 3, 4, 63 };

	for (size_t i = 0; i < 4; i++) {
		begin();
		near_plan.at = 1;
		near_plan.kind = CHANNEL_FAULT_FLIP;
		near_plan.byte = places[i];
		flipped(&near_plan, places[i]);
		begin();
		far_plan.at = 1;
		far_plan.kind = CHANNEL_FAULT_FLIP;
		far_plan.byte = places[i];
		flipped(&far_plan, places[i]);
	}
}
END_TEST

START_TEST(test_a_stall_can_be_shut_down)
{
	struct plan plan;
	struct channel_options options = { .timeout_ms = LONG_MS, .fault = &plan.fault };
	struct flow flow;
	struct pair pair;

	plan_init(&plan);
	plan.at = 2;
	plan.kind = CHANNEL_FAULT_STALL;
	pair_open(&pair, "tcp:127.0.0.1:0", &options);
	flow_start(&flow, pair.far, CHUNK, 1, flow_read);
	usleep(20000);
	channel_shutdown(pair.far);
	pthread_join(flow.thread, NULL);
	ck_assert_int_eq(flow.result, -ECANCELED);
	pair_close(&pair);
}
END_TEST

START_TEST(test_a_process_may_die_at_an_operation)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		begin();
		near_plan.at = 2;
		near_plan.dies = true;
		run("tcp:127.0.0.1:0");
		exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}
END_TEST

/* Flipped above the encryption: TLS carries it, and only a checksum would tell. */
START_TEST(test_faults_work_under_tls)
{
	char dir[] = "/tmp/ferry-fault-XXXXXX";
	struct ca ca;

	begin();
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ca_init(&ca, "a CA");
	certs_make(dir, &ca, &ca, &(struct cert_options){ 0 });
	near_options.tls = far_options.tls = dir;
	near_options.timeout_ms = far_options.timeout_ms = LONG_MS;
	near_plan.at = 1;
	near_plan.kind = CHANNEL_FAULT_FLIP;
	near_plan.byte = 2;
	run("tcp:127.0.0.1:0");
	ck_assert_msg(near.result == 0 && far.result == 0, "%s, %s", near.text, far.text);
	ck_assert_uint_eq((unsigned char)far.got[2], 'b' ^ 0xff);
	plan_init(&near_plan);
	plan_init(&far_plan);
	near_plan.at = 1;
	near_plan.kind = CHANNEL_FAULT_SHORT;
	near_plan.byte = 7;
	run("tcp:127.0.0.1:0");
	ck_assert_int_eq(near.result, -EPIPE);
	ck_assert_msg(strstr(far.text, "7 of 64 bytes"), "%s", far.text);
	/* In the handshake: the side that was not spoilt says what it saw. */
	plan_init(&near_plan);
	plan_init(&far_plan);
	far_plan.at = 0;
	far_plan.kind = CHANNEL_FAULT_CLOSE;
	run("tcp:127.0.0.1:0");
	ck_assert_int_eq(accepted, -EPIPE);
	ck_assert_int_eq(connected, -EPIPE);
	certs_remove(dir);
	ca_finish(&ca);
}
END_TEST

CHECK_MAIN("channel_fault", test_a_clean_run_counts_the_operations,
	   test_any_operation_of_a_unix_channel_can_be_spoilt,
	   test_any_operation_of_a_tcp_channel_can_be_spoilt,
	   test_a_closed_connection_is_closed_for_both,
	   test_a_short_write_leaves_the_peer_in_the_middle, test_one_byte_is_flipped,
	   test_a_stall_can_be_shut_down, test_a_process_may_die_at_an_operation,
	   test_faults_work_under_tls)
