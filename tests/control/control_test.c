/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket of a VM that runs: right and wrong clients. */
#include "control/control.h"

#include <ferry/error.h>
#include <ferry/machine.h>
#include <ferry/vm.h>

#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"
#include "base/cleanup.h"
#include "check_main.h"
#include "control/client.h"
#include "control/path.h"
#include "control/server.h"
#include "need_kvm.h"

static char runtime[] = "/tmp/ferry-control-XXXXXX";
static struct machine *machine;
static struct control *control;
static pthread_t thread;
static uint64_t patience = CONTROL_PATIENCE;

static int make_control(void)
{
	const struct control_options options = { .machine = machine,
						 .name = "test",
						 .memory = 16 * MIB };

	return control_create(&options, &control);
}

static void *run(void *arg)
{
	(void)arg;
	vm_wait(machine_vm(machine));
	return NULL;
}

static void set_up(void)
{
	const struct machine_options options = {
		.vm = { .name = "test", .vcpus = 2 },
		.memory = 16 * MIB,
		.kernel = GUEST_DIR "/basic/end",
		.cmdline = "spin",
		.rng_source = "",
	};

	ck_assert_ptr_ne(mkdtemp(runtime), NULL);
	setenv("XDG_RUNTIME_DIR", runtime, 1);
	ck_assert_msg(machine_create(&options, &machine) == 0, "%s", error_text(-1));
	ck_assert_msg(make_control() == 0, "%s", error_text(-1));
	control->patience = patience;
	ck_assert_int_eq(vm_start(machine_vm(machine)), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, run, NULL), 0);
}

static void tear_down(void)
{
	char path[64];

	vm_end(machine_vm(machine), VM_END_STOPPED, NULL);
	pthread_join(thread, NULL);
	control_destroy(control);
	machine_destroy(machine);
	snprintf(path, sizeof(path), "%s/ferry", runtime);
	/* It holds nothing any more. */
	ck_assert_int_eq(rmdir(path), 0);
	rmdir(runtime);
}

static const char *ask_state(struct control_session *session, const char *method)
{
	static char state[16];
	struct json_object *result;

	ck_assert_msg(control_ask(session, method, NULL, NULL, NULL, &result) == 0, "%s",
		      error_text(-1));
	snprintf(state, sizeof(state), "%s",
		 json_object_get_string(json_object_object_get(result, "state")));
	json_object_put(result);
	return state;
}

START_TEST(test_the_socket_is_the_owners_alone)
{
	struct sockaddr_un address;
	struct stat st;

	set_up();
	ck_assert_int_eq(control_address("test", &address), 0);
	ck_assert_int_eq(stat(address.sun_path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	tear_down();
}
END_TEST

START_TEST(test_pause_and_resume_do_not_count)
{
	struct control_session *session;

	set_up();
	ck_assert_int_eq(control_open("test", &session), 0);
	ck_assert_str_eq(ask_state(session, "status"), "running");
	ck_assert_str_eq(ask_state(session, "pause"), "paused");
	ck_assert_str_eq(ask_state(session, "pause"), "paused");
	ck_assert(vm_is_paused(machine_vm(machine)));
	ck_assert_str_eq(ask_state(session, "resume"), "running");
	ck_assert_str_eq(ask_state(session, "resume"), "running");
	control_close(session);
	tear_down();
}
END_TEST

static atomic_bool interrupts;
static pthread_t interrupted;

static void ignore(int signal)
{
	(void)signal;
}

static void *interrupt(void *arg)
{
	const struct timespec moment = { .tv_nsec = 20000 };

	(void)arg;
	while (atomic_load(&interrupts)) {
		pthread_kill(interrupted, SIGUSR1);
		nanosleep(&moment, NULL);
	}
	return NULL;
}

/* Not only by signals: a ring of io_uring that is taken down interrupts a thread that has used it. */
START_TEST(test_who_asks_may_be_interrupted)
{
	const struct sigaction action = { .sa_handler = ignore, .sa_flags = SA_RESTART };
	struct control_session *session;
	pthread_t disturber;

	set_up();
	ck_assert_int_eq(control_open("test", &session), 0);
	sigaction(SIGUSR1, &action, NULL);
	interrupted = pthread_self();
	atomic_store(&interrupts, true);
	ck_assert_int_eq(pthread_create(&disturber, NULL, interrupt, NULL), 0);
	for (unsigned i = 0; i < 500; i++)
		ck_assert_str_eq(ask_state(session, "status"), "running");
	atomic_store(&interrupts, false);
	pthread_join(disturber, NULL);
	control_close(session);
	tear_down();
}
END_TEST

START_TEST(test_stop_ends_the_vm)
{
	struct control_session *session;

	set_up();
	ck_assert_int_eq(control_open("test", &session), 0);
	ck_assert_str_eq(ask_state(session, "stop"), "ended");
	pthread_join(thread, NULL);
	ck_assert_int_eq(vm_ended(machine_vm(machine)), VM_END_STOPPED);
	ck_assert_int_eq(pthread_create(&thread, NULL, run, NULL), 0);
	control_close(session);
	tear_down();
}
END_TEST

/* A register that only a CPU has. */
#ifdef __aarch64__
#define PC "pstate"
#else
#define PC "rip"
#endif

struct seen {
	unsigned registers, values;
	bool pc;
};

static void see(void *self, struct json_object *params)
{
	struct seen *seen = self;
	const char *name = json_object_get_string(json_object_object_get(params, "name"));

	seen->registers++;
	seen->values += json_object_object_get_ex(params, "value", NULL);
	seen->pc |= strstr(name, PC) != NULL;
}

START_TEST(test_inspect_tells_every_register)
{
	struct control_session *session;
	struct json_object *result;
	struct seen seen = { 0 };

	set_up();
	ck_assert_int_eq(control_open("test", &session), 0);
	ck_assert_int_eq(control_ask(session, "inspect", NULL, see, &seen, &result), 0);
	ck_assert_uint_eq(json_object_get_int(json_object_object_get(result, "registers")),
			  seen.registers);
	ck_assert_uint_gt(seen.registers, 100);
	ck_assert_uint_eq(seen.registers, seen.values);
	ck_assert(seen.pc);
	json_object_put(result);
	ck_assert(!vm_is_paused(machine_vm(machine)));
	control_close(session);
	tear_down();
}
END_TEST

START_TEST(test_a_failing_method_has_a_text)
{
	struct control_session *session;
	struct json_object *result, *params;

	set_up();
	ck_assert_int_eq(control_open("test", &session), 0);
	params = json_object_new_object();
	json_object_object_add(params, "target", json_object_new_int(4096));
	ck_assert_int_eq(control_ask(session, "balloon", params, NULL, NULL, &result), -EREMOTEIO);
	ck_assert_ptr_ne(strstr(error_text(-1), "balloon"), NULL);
	ck_assert_int_eq(control_ask(session, "explode", NULL, NULL, NULL, &result), -EREMOTEIO);
	control_close(session);
	tear_down();
}
END_TEST

START_TEST(test_a_second_vm_of_the_name_is_refused)
{
	struct control *first;

	set_up();
	first = control;
	ck_assert_int_eq(make_control(), -EEXIST);
	ck_assert_ptr_eq(control, first);
	tear_down();
}
END_TEST

/* Sends bytes as they are and returns what comes until the end of a line, or of the connection. */
static ssize_t exchange(int fd, const char *bytes, size_t len, char *answer, size_t size)
{
	size_t got = 0;
	ssize_t n;

	/* A server that has closed already does not take all of it. */
	(void)!send(fd, bytes, len, MSG_NOSIGNAL);
	while (got + 1 < size && (n = recv(fd, answer + got, 1, 0)) == 1) {
		if (answer[got++] == '\n')
			break;
	}
	answer[got] = '\0';
	return (ssize_t)got;
}

START_TEST(test_a_line_without_an_end_is_cut_off)
{
	AUTO_FREE char *line = malloc(2 * RPC_LINE_MAX);
	char answer[256];
	int fd;

	set_up();
	memset(line, ' ', 2 * RPC_LINE_MAX);
	ck_assert_int_eq(control_connect("test", &fd), 0);
	ck_assert_int_gt(exchange(fd, line, 2 * RPC_LINE_MAX, answer, sizeof(answer)), 0);
	ck_assert_ptr_ne(strstr(answer, "-32600"), NULL);
	ck_assert_int_eq(exchange(fd, "", 0, answer, sizeof(answer)), 0);
	close(fd);
	tear_down();
}
END_TEST

START_TEST(test_requests_may_come_in_pieces_and_together)
{
	static const char two[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"version\"}\n\n"
				  "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"version\"}\n";
	char answer[256];
	int fd;

	set_up();
	ck_assert_int_eq(control_connect("test", &fd), 0);
	for (const char *p = "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"version\"}"; *p; p++)
		ck_assert_int_eq(send(fd, p, 1, 0), 1);
	ck_assert_int_gt(exchange(fd, "\n", 1, answer, sizeof(answer)), 0);
	ck_assert_ptr_ne(strstr(answer, "\"id\":0"), NULL);
	ck_assert_int_gt(exchange(fd, two, strlen(two), answer, sizeof(answer)), 0);
	ck_assert_ptr_ne(strstr(answer, "\"id\":1"), NULL);
	ck_assert_int_gt(exchange(fd, "", 0, answer, sizeof(answer)), 0);
	ck_assert_ptr_ne(strstr(answer, "\"id\":2"), NULL);
	close(fd);
	tear_down();
}
END_TEST

START_TEST(test_more_clients_than_places_wait_their_turn)
{
	int fds[CONTROL_CLIENTS_MAX + 4];
	char answer[256];
	static const char request[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"version\"}\n";

	set_up();
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		ck_assert_int_eq(control_connect("test", &fds[i]), 0);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		ck_assert_int_gt(exchange(fds[i], request, strlen(request), answer, sizeof(answer)),
				 0);
		close(fds[i]);
	}
	tear_down();
}
END_TEST

START_TEST(test_a_client_that_leaves_in_the_middle_harms_nobody)
{
	struct control_session *session;
	int fd;

	set_up();
	for (unsigned i = 0; i < 20; i++) {
		static const char inspect[] =
			"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"inspect\"}\n";

		ck_assert_int_eq(control_connect("test", &fd), 0);
		(void)!send(fd, inspect, strlen(inspect) - i % 2, MSG_NOSIGNAL);
		close(fd);
	}
	ck_assert_int_eq(control_open("test", &session), 0);
	ck_assert_str_eq(ask_state(session, "status"), "running");
	control_close(session);
	tear_down();
}
END_TEST

START_TEST(test_a_client_that_does_not_read_is_dropped)
{
	static const char request[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"inspect\"}\n";
	char answer[65536];
	struct pollfd hangup = { .events = 0 };
	size_t answers = 0;
	ssize_t n;
	int fd;

	patience = 50 * 1000000;
	set_up();
	ck_assert_int_eq(control_connect("test", &fd), 0);
	hangup.fd = fd;
	for (unsigned i = 0; i < 100; i++)
		(void)!send(fd, request, strlen(request), MSG_NOSIGNAL);
	ck_assert_int_eq(poll(&hangup, 1, 10000), 1);
	while ((n = recv(fd, answer, sizeof(answer), 0)) > 0)
		answers += memmem(answer, (size_t)n, "\"result\"", 8) != NULL;
	ck_assert_uint_lt(answers, 100);
	close(fd);
	tear_down();
}
END_TEST

CHECK_MAIN("control/control", test_the_socket_is_the_owners_alone,
	   test_pause_and_resume_do_not_count, test_who_asks_may_be_interrupted,
	   test_stop_ends_the_vm,
	   test_inspect_tells_every_register, test_a_failing_method_has_a_text,
	   test_a_second_vm_of_the_name_is_refused, test_a_line_without_an_end_is_cut_off,
	   test_requests_may_come_in_pieces_and_together,
	   test_more_clients_than_places_wait_their_turn,
	   test_a_client_that_leaves_in_the_middle_harms_nobody,
	   test_a_client_that_does_not_read_is_dropped)
