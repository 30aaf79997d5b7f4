/* SPDX-License-Identifier: Apache-2.0 */
/* Migrations by the control socket: who watches, who cancels, and how they end with the VM. */
#include "control/control.h"

#include <ferry/error.h>
#include <ferry/machine.h>
#include <ferry/vm.h>

#include <errno.h>
#include <json-c/json.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/util.h"
#include "check_main.h"
#include "control/client.h"
#include "control/guest.h"
#include "control/path.h"
#include "io/channel.h"
#include "migrate/dest.h"
#include "migrate/record.h"
#include "migrate/snapshot_dir.h"
#include "need_kvm.h"

static char runtime[] = "/tmp/ferry-control-XXXXXX";
static char uri[64], dir[64];
static struct machine *machine;
static struct control *control;
static struct control_session *session;
static pthread_t thread;

static int make_machine(bool blank, struct machine **ret_machine)
{
	const struct machine_options options = {
		.vm = { .name = "test", .vcpus = 2 },
		.memory = 16 * MIB,
		.kernel = GUEST_DIR "/basic/end",
		.cmdline = "spin",
		.rng_source = "",
		.blank = blank,
	};

	return machine_create(&options, ret_machine);
}

static void *run(void *arg)
{
	vm_wait(machine_vm(arg));
	return NULL;
}

static void set_up(void)
{
	struct control_options options = { .name = "test", .description = "{}" };

	ck_assert_ptr_ne(mkdtemp(runtime), NULL);
	setenv("XDG_RUNTIME_DIR", runtime, 1);
	snprintf(uri, sizeof(uri), "unix:%s/m", runtime);
	snprintf(dir, sizeof(dir), "%s/snap", runtime);
	ck_assert_msg(make_machine(false, &machine) == 0, "%s", error_text(-1));
	options.machine = machine;
	ck_assert_msg(control_create(&options, &control) == 0, "%s", error_text(-1));
	ck_assert_int_eq(vm_start(machine_vm(machine)), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, run, machine), 0);
	ck_assert_int_eq(control_open("test", &session), 0);
}

static void end_vm(void)
{
	vm_end(machine_vm(machine), VM_END_STOPPED, NULL);
	pthread_join(thread, NULL);
	control_destroy(control);
	control = NULL;
}

static void tear_down(void)
{
	char command[128];

	if (control)
		end_vm();
	control_close(session);
	machine_destroy(machine);
	snprintf(command, sizeof(command), "rm -r %s", runtime);
	ck_assert_int_eq(system(command), 0);
}

static struct json_object *migrate_params(void)
{
	struct json_object *params = json_object_new_object();

	json_object_object_add(params, "uri", json_object_new_string(uri));
	return params;
}

static int ask(const char *method, struct json_object *params, struct json_object **ret_result)
{
	return control_ask(session, method, params, NULL, NULL, ret_result);
}

static bool status_has(const char *key, const char *text)
{
	struct json_object *status, *value;
	bool has;

	ck_assert_int_eq(ask("status", NULL, &status), 0);
	has = json_object_object_get_ex(status, key, &value) &&
	      (!text || strcmp(json_object_get_string(value), text) == 0);
	json_object_put(status);
	return has;
}

/* Somebody who lets others connect, and says nothing. */
static int listen_silently(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", uri + 5);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	return fd;
}

/* A socket that leads to uri. */
static int connect_there(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", uri + 5);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void send_with(int to, const char *line, int len, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} rights = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET,
				  .cmsg_type = SCM_RIGHTS } };
	struct iovec part = { .iov_base = (char *)line, .iov_len = (size_t)len };
	const struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1,
					.msg_control = &rights,
					.msg_controllen = sizeof(rights) };

	memcpy(CMSG_DATA(&rights.header), &fd, sizeof(fd));
	ck_assert_int_eq(sendmsg(to, &message, 0), len);
}

/* A request on a connection of its own; its answer is not waited for. */
static int send_migrate(void)
{
	char line[256];
	int way = connect_there();
	int fd, len = snprintf(line, sizeof(line),
			       "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"migrate\","
			       "\"params\":{\"uri\":\"%s\"}}\n",
			       uri);

	ck_assert_int_eq(control_connect("test", &fd), 0);
	/* In two, as a slow client's; the descriptor belongs to the line, wherever it comes. */
	ck_assert_int_eq(send(fd, line, 5, 0), 5);
	send_with(fd, line + 5, len - 5, way);
	close(way);
	return fd;
}

/* Progress comes, so it has begun. */
static FILE *wait_begun(int fd)
{
	FILE *stream = fdopen(fd, "r");
	char line[2048];

	ck_assert_ptr_ne(fgets(line, sizeof(line), stream), NULL);
	ck_assert_ptr_ne(strstr(line, "\"progress\""), NULL);
	return stream;
}

/* The last line before its end, which is the answer. */
static const char *read_answer(FILE *stream)
{
	static char line[4096];

	do
		ck_assert_ptr_ne(fgets(line, sizeof(line), stream), NULL);
	while (strstr(line, "\"method\""));
	return line;
}

START_TEST(test_a_vm_that_ends_cancels_its_migration)
{
	FILE *stream;
	int fd;

	set_up();
	fd = listen_silently();
	stream = wait_begun(send_migrate());
	end_vm();
	ck_assert_ptr_ne(strstr(read_answer(stream), "ECANCELED"), NULL);
	fclose(stream);
	close(fd);
	tear_down();
}
END_TEST

START_TEST(test_who_stops_sending_is_told_the_end)
{
	struct json_object *result;
	FILE *stream;
	int fd, client;

	set_up();
	fd = listen_silently();
	client = send_migrate();
	ck_assert_int_eq(shutdown(client, SHUT_WR), 0);
	stream = wait_begun(client);
	ck_assert_int_eq(ask("migrate-cancel", NULL, &result), 0);
	json_object_put(result);
	ck_assert_ptr_ne(strstr(read_answer(stream), "went-on"), NULL);
	fclose(stream);
	close(fd);
	tear_down();
}
END_TEST

START_TEST(test_one_is_under_way_at_a_time_also_without_its_client)
{
	struct json_object *result, *params;
	FILE *stream;
	int fd;

	set_up();
	fd = listen_silently();
	stream = wait_begun(send_migrate());
	fclose(stream);
	ck_assert(status_has("migration", NULL));
	ck_assert_int_eq(ask("migrate", migrate_params(), &result), -EREMOTEIO);
	ck_assert_ptr_ne(strstr(error_text(-1), "under way"), NULL);
	params = json_object_new_object();
	json_object_object_add(params, "dir", json_object_new_string(dir));
	ck_assert_int_eq(ask("snapshot", params, &result), -EREMOTEIO);
	ck_assert_int_eq(ask("pause", NULL, &result), 0);
	json_object_put(result);
	ck_assert_int_eq(ask("migrate-cancel", NULL, &result), 0);
	json_object_put(result);
	while (status_has("migration", NULL))
		;
	ck_assert(status_has("state", "paused"));
	ck_assert_int_eq(ask("migrate-cancel", NULL, &result), -EREMOTEIO);
	close(fd);
	tear_down();
}
END_TEST

START_TEST(test_wrong_parameters_begin_nothing)
{
	static const char *const wrong[] = {
		"{}",
		"{\"uri\":5}",
		"{\"uri\":\"ftp:x\"}",
		"{\"uri\":\"fd:1\"}",
		"{\"uri\":\"unix:/x\",\"connections\":0}",
		"{\"uri\":\"unix:/x\",\"connections\":65}",
		"{\"uri\":\"unix:/x\",\"connections\":-1}",
		"{\"uri\":\"unix:/x\",\"compress\":23}",
		"{\"uri\":\"unix:/x\",\"bandwidth\":-1}",
		"{\"uri\":\"unix:/x\",\"downtime_ms\":4294967296}",
		"{\"uri\":\"unix:/x\",\"colour\":1}",
	};
	struct json_object *result;

	set_up();
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		ck_assert_msg(ask("migrate", json_tokener_parse(wrong[i]), &result) == -EREMOTEIO,
			      "%s", wrong[i]);
	ck_assert_int_eq(ask("migrate-recover", NULL, &result), -EREMOTEIO);
	ck_assert_int_eq(ask("migrate-postcopy", NULL, &result), -EREMOTEIO);
	ck_assert(!status_has("migration", NULL));
	tear_down();
}
END_TEST

static struct snapshot_dir files;

static void attach_files(void)
{
	static int fds[2];

	ck_assert_int_eq(snapshot_dir_make(&files, dir), 0);
	fds[0] = files.memory_fd;
	fds[1] = files.state_fd;
	control_attach(session, fds, 2);
}

START_TEST(test_a_snapshot_without_its_files_is_refused)
{
	struct json_object *params = json_object_new_object(), *result;

	set_up();
	json_object_object_add(params, "dir", json_object_new_string(dir));
	ck_assert_int_eq(ask("snapshot", params, &result), -EREMOTEIO);
	ck_assert_ptr_ne(strstr(error_text(-1), "descriptors"), NULL);
	ck_assert(!status_has("migration", NULL));
	tear_down();
}
END_TEST

START_TEST(test_a_snapshot_is_written_and_the_vm_goes_on)
{
	struct json_object *params = json_object_new_object(), *result;
	char path[128];

	set_up();
	json_object_object_add(params, "dir", json_object_new_string(dir));
	attach_files();
	ck_assert_msg(ask("snapshot", params, &result) == 0, "%s", error_text(-1));
	ck_assert_int_eq(snapshot_dir_commit(&files), 0);
	snapshot_dir_finish(&files);
	ck_assert_str_eq(json_object_get_string(json_object_object_get(result, "outcome")),
			 "written");
	json_object_put(result);
	snprintf(path, sizeof(path), "%s/state", dir);
	ck_assert_int_eq(access(path, R_OK), 0);
	ck_assert(status_has("state", "running"));
	ck_assert(!status_has("migration", NULL));
	tear_down();
}
END_TEST

/* The other side: a blank machine in this process. */
struct there {
	struct machine *machine;
	struct control_guest guest;
	struct channel_listener *listener;
	pthread_t loop, receiver;
	enum migrate_arrival arrival;
};

static void *receive(void *arg)
{
	struct there *there = arg;
	struct migrate_dest *dest;
	int err;

	ck_assert_int_eq(migrate_dest_open(there->listener, &dest), 0);
	ck_assert_str_eq(migrate_dest_machine(dest), "{}");
	there->arrival = migrate_dest_run(dest, &there->guest.ops, &err);
	migrate_dest_destroy(dest);
	return NULL;
}

static void begin_there(struct there *there, const struct channel_fault *fault)
{
	const struct channel_options options = { .fault = fault };

	ck_assert_int_eq(make_machine(true, &there->machine), 0);
	ck_assert_int_eq(control_guest_init(&there->guest, there->machine, true), 0);
	ck_assert_msg(channel_listen(uri, &options, &there->listener) == 0, "%s", error_text(-1));
	ck_assert_int_eq(pthread_create(&there->loop, NULL, run, there->machine), 0);
	ck_assert_int_eq(pthread_create(&there->receiver, NULL, receive, there), 0);
}

static void end_there(struct there *there)
{
	pthread_join(there->receiver, NULL);
	vm_end(machine_vm(there->machine), VM_END_STOPPED, NULL);
	pthread_join(there->loop, NULL);
	channel_listener_destroy(there->listener);
	control_guest_finish(&there->guest);
	machine_destroy(there->machine);
}

static int ask_to_move(struct json_object **ret_result)
{
	int err, ways[] = { connect_there(), connect_there() };

	control_attach(session, ways, ARRAY_SIZE(ways));
	err = ask("migrate", migrate_params(), ret_result);
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		close(ways[i]);
	return err;
}

START_TEST(test_a_vm_ends_when_its_client_knows_that_it_moved)
{
	struct there there;
	struct json_object *result;

	set_up();
	begin_there(&there, NULL);
	ck_assert_msg(ask_to_move(&result) == 0, "%s", error_text(-1));
	ck_assert_str_eq(json_object_get_string(json_object_object_get(result, "outcome")),
			 "moved");
	ck_assert_double_gt(json_object_get_double(json_object_object_get(result, "downtime_ms")),
			    0);
	json_object_put(result);
	pthread_join(thread, NULL);
	ck_assert_int_eq(vm_ended(machine_vm(machine)), VM_END_MIGRATED);
	ck_assert_ptr_ne(strstr(vm_end_text(machine_vm(machine)), uri), NULL);
	ck_assert_int_eq(pthread_create(&thread, NULL, run, machine), 0);
	end_there(&there);
	ck_assert_int_eq(there.arrival, MIGRATE_ARRIVED);
	tear_down();
}
END_TEST

/* RUNNING does not get through: the one record whose loss leaves the source without knowledge. */
static int lose_running(void *self, enum channel_op op, const void *data, size_t len,
			struct channel_fault_action *action)
{
	(void)self;
	if (op == CHANNEL_WRITE && len == RECORD_HEADER_SIZE && get_u32(data) == RECORD_RUNNING)
		action->kind = CHANNEL_FAULT_CLOSE;
	return 0;
}

START_TEST(test_in_doubt_a_vm_waits_for_somebody_to_decide)
{
	static const struct channel_fault fault = { .before = lose_running };
	struct json_object *result, *force = json_tokener_parse("{\"force\":true}");
	struct there there;

	set_up();
	begin_there(&there, &fault);
	ck_assert_int_eq(ask_to_move(&result), -EREMOTEIO);
	ck_assert_str_eq(json_object_get_string(json_object_object_get(
				 control_error_data(session), "outcome")),
			 "in-doubt");
	ck_assert(status_has("state", "in-doubt"));
	ck_assert(status_has("advice", NULL));
	ck_assert_int_eq(ask("resume", NULL, &result), -EREMOTEIO);
	ck_assert_ptr_ne(strstr(error_text(-1), "ferry ctl test resume --force"), NULL);
	ck_assert_int_eq(ask("pause", NULL, &result), -EREMOTEIO);
	ck_assert_int_eq(ask("migrate", migrate_params(), &result), -EREMOTEIO);
	end_there(&there);
	ck_assert_int_eq(there.arrival, MIGRATE_ARRIVED);
	ck_assert_int_eq(ask("resume", force, &result), 0);
	json_object_put(result);
	ck_assert(status_has("state", "running"));
	ck_assert(!machine_is_held(machine));
	tear_down();
}
END_TEST

START_TEST(test_an_heir_gets_the_name_when_its_holder_has_ended)
{
	struct control_options options = { .name = "test", .inherits = true, .is_blank = true };
	struct control_session *asked;
	struct json_object *status;
	struct control *heir;
	pthread_t heir_thread;

	set_up();
	ck_assert_int_eq(make_machine(true, &options.machine), 0);
	ck_assert_msg(control_create(&options, &heir) == 0, "%s", error_text(-1));
	ck_assert_str_eq(control_future_name(heir), "test");
	ck_assert_str_ne(control_name(heir), "test");
	ck_assert_int_eq(pthread_create(&heir_thread, NULL, run, options.machine), 0);
	ck_assert(status_has("name", "test"));
	end_vm();
	/* Its ring has the connection as well. */
	machine_destroy(machine);
	machine = NULL;
	control_wait_heir("test");
	ck_assert_msg(control_open("test", &asked) == 0, "%s", error_text(-1));
	ck_assert_int_eq(control_ask(asked, "status", NULL, NULL, NULL, &status), 0);
	ck_assert_str_eq(json_object_get_string(json_object_object_get(status, "name")), "test");
	ck_assert_ptr_null(json_object_object_get(status, "becomes"));
	json_object_put(status);
	control_close(asked);
	vm_end(machine_vm(options.machine), VM_END_STOPPED, NULL);
	pthread_join(heir_thread, NULL);
	control_destroy(heir);
	machine_destroy(options.machine);
	tear_down();
}
END_TEST

CHECK_MAIN("control/migrate", test_an_heir_gets_the_name_when_its_holder_has_ended,
	   test_a_vm_that_ends_cancels_its_migration,
	   test_who_stops_sending_is_told_the_end,
	   test_one_is_under_way_at_a_time_also_without_its_client,
	   test_wrong_parameters_begin_nothing,
	   test_a_snapshot_without_its_files_is_refused, test_a_snapshot_is_written_and_the_vm_goes_on,
	   test_a_vm_ends_when_its_client_knows_that_it_moved,
	   test_in_doubt_a_vm_waits_for_somebody_to_decide)
