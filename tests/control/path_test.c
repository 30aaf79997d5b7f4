/* SPDX-License-Identifier: Apache-2.0 */
/* Where control sockets are, and who may be there. */
#include "control/path.h"

#include <ferry/error.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check_main.h"
#include "control/client.h"

static char runtime[] = "/tmp/ferry-path-XXXXXX";
static char directory[64];

static void set_up(void)
{
	ck_assert_ptr_ne(mkdtemp(runtime), NULL);
	setenv("XDG_RUNTIME_DIR", runtime, 1);
	snprintf(directory, sizeof(directory), "%s/ferry", runtime);
}

static void tear_down(void)
{
	rmdir(directory);
	rmdir(runtime);
}

static int open_and_close(bool create)
{
	int fd, err = control_directory_open(create, &fd);

	if (!err)
		close(fd);
	return err;
}

START_TEST(test_the_directory_is_made_private)
{
	struct stat st;

	set_up();
	ck_assert_int_eq(open_and_close(false), -ENOENT);
	ck_assert_int_eq(open_and_close(true), 0);
	ck_assert_int_eq(stat(directory, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	tear_down();
}
END_TEST

START_TEST(test_a_directory_open_to_others_is_refused)
{
	set_up();
	ck_assert_int_eq(mkdir(directory, 0700), 0);
	ck_assert_int_eq(chmod(directory, 0711), 0);
	ck_assert_int_eq(open_and_close(true), -EPERM);
	ck_assert_ptr_ne(strstr(error_text(-EPERM), "chmod 700"), NULL);
	tear_down();
}
END_TEST

START_TEST(test_a_link_in_its_place_is_refused)
{
	set_up();
	ck_assert_int_eq(symlink(".", directory), 0);
	ck_assert_int_lt(open_and_close(true), 0);
	unlink(directory);
	tear_down();
}
END_TEST

START_TEST(test_a_runtime_directory_that_is_no_path_is_refused)
{
	struct sockaddr_un address;
	char path[300];

	setenv("XDG_RUNTIME_DIR", "relative", 1);
	ck_assert_int_eq(control_directory(path, sizeof(path)), -EINVAL);
	setenv("XDG_RUNTIME_DIR",
	       "/0123456789012345678901234567890123456789012345678901234567890"
	       "123456789012345678901234567890",
	       1);
	ck_assert_int_eq(control_address("0123456789", &address), -ENAMETOOLONG);
	unsetenv("XDG_RUNTIME_DIR");
	ck_assert_int_eq(control_directory(path, sizeof(path)), 0);
	ck_assert_int_eq(path[0], '/');
}
END_TEST

/* A socket as a VM leaves it: listening while fd is open, dead after it. */
static int make_socket(const char *name)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;

	ck_assert_int_eq(open_and_close(true), 0);
	ck_assert_int_eq(control_address(name, &address), 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	return fd;
}

START_TEST(test_a_dead_socket_is_removed_and_a_live_one_is_not)
{
	struct sockaddr_un address;
	char **names;
	size_t count;
	int dead, live;

	set_up();
	dead = make_socket("dead");
	live = make_socket("live");
	ck_assert(control_is_alive("dead"));
	close(dead);
	ck_assert(!control_is_alive("dead"));
	ck_assert(!control_is_alive("none"));
	ck_assert_int_eq(control_names(&names, &count), 0);
	ck_assert_uint_eq(count, 1);
	ck_assert_str_eq(names[0], "live");
	free(names[0]);
	free(names);
	ck_assert_int_eq(control_address("dead", &address), 0);
	ck_assert_int_ne(access(address.sun_path, F_OK), 0);
	ck_assert_int_eq(control_remove_stale("live"), 0);
	ck_assert_int_eq(control_address("live", &address), 0);
	ck_assert_int_eq(access(address.sun_path, F_OK), 0);
	unlink(address.sun_path);
	close(live);
	tear_down();
}
END_TEST

/* As io_uring does it for a process that was killed: here the descriptor that the parent has. */
START_TEST(test_a_socket_that_outlives_its_process_is_dead)
{
	struct sockaddr_un address;
	int fd, status;
	pid_t child;

	set_up();
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(open_and_close(true), 0);
	ck_assert_int_eq(control_address("killed", &address), 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	child = fork();
	if (child == 0)
		_exit(listen(fd, 16) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
	ck_assert_int_eq(waitid(P_PID, (id_t)child, &(siginfo_t){ 0 }, WEXITED | WNOWAIT), 0);
	ck_assert(!control_is_alive("killed"));
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
	ck_assert(!control_is_alive("killed"));
	ck_assert_int_eq(control_remove_stale("killed"), 0);
	ck_assert_int_ne(access(address.sun_path, F_OK), 0);
	close(fd);
	tear_down();
}
END_TEST

START_TEST(test_no_directory_means_no_vm)
{
	struct control_session *session;
	char **names;
	size_t count;

	set_up();
	ck_assert_int_eq(control_names(&names, &count), 0);
	ck_assert_uint_eq(count, 0);
	free(names);
	ck_assert_int_eq(control_open("web", &session), -ENOENT);
	ck_assert_ptr_ne(strstr(error_text(-ENOENT), "ferry list"), NULL);
	tear_down();
}
END_TEST

CHECK_MAIN("control/path", test_the_directory_is_made_private,
	   test_a_directory_open_to_others_is_refused, test_a_link_in_its_place_is_refused,
	   test_a_runtime_directory_that_is_no_path_is_refused,
	   test_a_dead_socket_is_removed_and_a_live_one_is_not,
	   test_a_socket_that_outlives_its_process_is_dead, test_no_directory_means_no_vm)
