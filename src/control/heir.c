/* SPDX-License-Identifier: Apache-2.0 */
/* The name of a VM that comes from this host: its source has it until it ends. */
#include <ferry/error.h>
#include <ferry/machine.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "control/path.h"
#include "control/server.h"
#include "vm/vm.h"

const char *control_name(const struct control *control)
{
	return control->name;
}

const char *control_future_name(const struct control *control)
{
	return control->future_name;
}

int heir_begin(struct control *control, int holder)
{
	char *name;

	control->holder = holder;
	if (asprintf(&name, "%s.%d", control->name, (int)getpid()) < 0)
		return because(-ENOMEM, "out of memory");
	control->future_name = control->name;
	control->name = name;
	return control_address(control->name, &control->address);
}

static void forget_holder(struct control *control)
{
	loop_watch_remove(control->loop, &control->holder_watch);
	if (control->holder >= 0)
		close(control->holder);
	control->holder = -1;
}

/* It is asked nothing, so it says nothing. */
static void holder_ended(struct loop_watch *watch, unsigned events)
{
	struct control *control = container_of(watch, struct control, holder_watch);
	char byte;

	(void)events;
	if (recv(control->holder, &byte, 1, MSG_DONTWAIT) > 0)
		return;
	forget_holder(control);
	heir_take_name(control);
}

int heir_watch(struct control *control)
{
	if (control->holder < 0)
		return 0;
	return loop_watch_add(control->loop, &control->holder_watch, control->holder, POLLIN,
			      holder_ended);
}

/* Both are in the open directory: there may be no path to it any more. */
static int rename_socket(const struct control *control, const char *to)
{
	const char *from = strrchr(control->address.sun_path, '/') + 1;
	int err;

	while (flock(control->directory, LOCK_EX) != 0 && errno == EINTR)
		;
	err = renameat2(control->directory, from, control->directory, to, RENAME_NOREPLACE);
	err = err < 0 ? -errno : 0;
	flock(control->directory, LOCK_UN);
	return err;
}

void heir_take_name(struct control *control)
{
	const struct log *log = vm_log(machine_vm(control->machine));
	struct sockaddr_un address;
	int err;

	if (!control->future_name || control->holder >= 0 || control->doubt)
		return;
	err = control_address(control->future_name, &address);
	if (!err)
		err = rename_socket(control, strrchr(address.sun_path, '/') + 1);
	if (err) {
		log_write(log, LOG_LEVEL_WARN, "this VM stays %s: it cannot become %s: %s",
			  control->name, control->future_name, strerror(-err));
		return;
	}
	control->address = address;
	free(control->name);
	control->name = control->future_name;
	control->future_name = NULL;
}

void heir_finish(struct control *control)
{
	if (control->loop)
		forget_holder(control);
	free(control->future_name);
}
