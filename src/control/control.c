/* SPDX-License-Identifier: Apache-2.0 */
/* Listens for the clients of one VM. */
#include "control/control.h"

#include <ferry/error.h>
#include <ferry/machine.h>
#include <ferry/vm.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"
#include "control/path.h"
#include "control/server.h"

static void client_waits(struct loop_watch *watch, unsigned events);

static int listen_on_loop(struct control *control)
{
	return loop_watch_add(control->loop, &control->watch, control->fd, POLLIN, client_waits);
}

static void client_waits(struct loop_watch *watch, unsigned events)
{
	struct control *control = container_of(watch, struct control, watch);
	int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd >= 0)
		client_create(control, fd);
	/* The others wait in the socket's queue. So they do when descriptors run out. */
	if (control->client_count >= CONTROL_CLIENTS_MAX ||
	    (fd < 0 && control->client_count > 0 && (errno == EMFILE || errno == ENFILE))) {
		loop_watch_remove(control->loop, &control->watch);
		control->is_full = true;
	}
}

void control_has_room(struct control *control)
{
	if (control->is_full && listen_on_loop(control) == 0)
		control->is_full = false;
}

/* It is free, or another VM's for now: then there is another until that has ended. */
static int find_name(struct control *control, bool inherits)
{
	int holder, err;

	if (!inherits)
		return control_check_free(control->name);
	err = control_connect(control->name, &holder);
	if (err == -ENOENT || err == -ECONNREFUSED)
		return 0;
	return err ? err : heir_begin(control, holder);
}

/* Under the directory's lock: nobody else decides about this name meanwhile. */
static int take_address(struct control *control, bool inherits)
{
	int err = control_directory_open(true, &control->directory);

	if (!err)
		err = find_name(control, inherits);
	if (err)
		return err;
	error_clear();
	if (unlink(control->address.sun_path) != 0 && errno != ENOENT)
		return because(-errno, "cannot remove the old socket %s: %s",
			       control->address.sun_path, strerror(errno));
	/* The mode of a bound socket's file is that of the socket. */
	if (fchmod(control->fd, 0600) != 0 ||
	    bind(control->fd, (struct sockaddr *)&control->address, sizeof(control->address)) != 0)
		return because(-errno, "cannot make the control socket %s: %s",
			       control->address.sun_path, strerror(errno));
	control->is_bound = true;
	if (listen(control->fd, SOMAXCONN) != 0)
		return because(-errno, "listen: %s", strerror(errno));
	return 0;
}

static int start(struct control *control, const struct control_options *options)
{
	struct timespec now;
	int err;

	clock_gettime(CLOCK_MONOTONIC, &now);
	control->machine = options->machine;
	control->memory = options->memory;
	control->patience = CONTROL_PATIENCE;
	control->loop = vm_loop(machine_vm(options->machine));
	control->started = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	control->name = strdup(options->name);
	control->description = options->description ? strdup(options->description) : NULL;
	if (!control->name || (options->description && !control->description))
		return because(-ENOMEM, "out of memory");
	err = control_address(control->name, &control->address);
	if (err)
		return err;
	control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (control->fd < 0)
		return because(-errno, "socket: %s", strerror(errno));
	err = take_address(control, options->inherits);
	if (control->directory >= 0)
		flock(control->directory, LOCK_UN);
	if (!err)
		err = heir_watch(control);
	if (!err)
		err = control_guest_init(&control->guest, control->machine, options->is_blank);
	return err ? err : listen_on_loop(control);
}

int control_create(const struct control_options *options, struct control **ret_control)
{
	struct control *control = calloc(1, sizeof(*control));
	int err;

	if (!control)
		return because(-ENOMEM, "out of memory");
	control->fd = control->directory = control->holder = -1;
	err = start(control, options);
	if (err) {
		control_destroy(control);
		return err;
	}
	*ret_control = control;
	return 0;
}

const struct migrate_guest *control_guest(struct control *control)
{
	return &control->guest.ops;
}

int control_directory_of(const struct control *control)
{
	return control->directory;
}

/* By what was opened at the start: a path may lead nowhere any more. */
static void remove_address(const struct control *control)
{
	while (flock(control->directory, LOCK_EX) != 0 && errno == EINTR)
		;
	unlinkat(control->directory, strrchr(control->address.sun_path, '/') + 1, 0);
	flock(control->directory, LOCK_UN);
}

void control_destroy(struct control *control)
{
	if (!control)
		return;
	/* First: its client is told how it ended. */
	if (control->loop)
		control_end_migration(control);
	control->is_full = false;
	/*
	 * Before it is closed: so nobody sees a dead socket that is about to vanish. And before clients are
	 * gone: one may wait for the name.
	 */
	if (control->is_bound)
		remove_address(control);
	while (control->clients)
		client_destroy(control->clients);
	loop_watch_remove(control->loop, &control->watch);
	heir_finish(control);
	if (control->fd >= 0)
		close(control->fd);
	if (control->directory >= 0)
		close(control->directory);
	free(control->name);
	free(control->description);
	control_guest_finish(&control->guest);
	free(control->doubt);
	free(control->advice);
	free(control->gone_to);
	free(control);
}
