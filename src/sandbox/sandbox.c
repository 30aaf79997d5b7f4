/* SPDX-License-Identifier: Apache-2.0 */
/* Enters the sandbox, layer after layer. */
#include "sandbox/sandbox_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/log.h"

static const char *layer_name(enum sandbox_layer layer)
{
	static const char *const names[] = {
		[SANDBOX_NAMESPACES] = "namespaces",
		[SANDBOX_PRIVILEGES] = "no privileges",
		[SANDBOX_LANDLOCK] = "Landlock",
		[SANDBOX_SECCOMP] = "seccomp",
	};

	return names[layer];
}

bool sandbox_is_built(void)
{
	return FERRY_SANDBOX;
}

/* Those that there are now: none is started later. Where the kernel does not tell, none can be ended. */
static void find_children(struct sandbox_values *values)
{
	char path[64], text[SANDBOX_CHILDREN * 12], *at, *end;
	long pid;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", values->pid);
	file = fopen(path, "re");
	if (!file)
		return;
	at = fgets(text, sizeof(text), file);
	fclose(file);
	while (at && values->child_count < SANDBOX_CHILDREN) {
		pid = strtol(at, &end, 10);
		if (end == at)
			break;
		values->children[values->child_count++] = (int)pid;
		at = end;
	}
}

static int make_filters(struct sandbox *sandbox, const struct sandbox_values *values)
{
	int r = sandbox_filter_probe();

	for (unsigned i = 0; r == 0 && i < SANDBOX_THREADS; i++)
		r = sandbox_filter_make(i, values, &sandbox->filters[i]);
	return r;
}

/* A thread that finds no filter has none to load. */
static void forget_filters(struct sandbox *sandbox)
{
	for (unsigned i = 0; i < SANDBOX_THREADS; i++) {
		free(sandbox->filters[i].code);
		sandbox->filters[i] = (struct sandbox_filter){ 0 };
	}
}

static int enter_layer(struct sandbox *sandbox, enum sandbox_layer layer,
		       const struct sandbox_options *options, struct sandbox_values *values)
{
	int r;

	switch (layer) {
	case SANDBOX_NAMESPACES:
		return sandbox_namespaces();
	case SANDBOX_PRIVILEGES:
		return sandbox_privileges();
	case SANDBOX_LANDLOCK:
		r = sandbox_landlock(options);
		/* Relative paths from there lead everywhere, where nothing else forbids it. */
		values->tasks = r < 0 ? -1 : options->tasks;
		return r;
	case SANDBOX_SECCOMP:
		r = make_filters(sandbox, values);
		if (r < 0)
			forget_filters(sandbox);
		return r;
	case SANDBOX_LAYERS:
		break;
	}
	return -EINVAL;
}

int sandbox_enter(const struct sandbox_options *options, struct sandbox **ret_sandbox)
{
	struct sandbox *sandbox = calloc(1, sizeof(*sandbox));
	struct sandbox_values values = { .pid = getpid(), .tasks = -1 };
	int r;

	if (!sandbox)
		return because(-ENOMEM, "out of memory");
	find_children(&values);
	for (unsigned i = 0; i < SANDBOX_LAYERS; i++) {
		r = enter_layer(sandbox, i, options, &values);
		if (r == 0)
			continue;
		if (options->insists) {
			sandbox_destroy(sandbox);
			return because_of(r, "--sandbox=on");
		}
		if (options->log)
			log_write(options->log, LOG_LEVEL_INFO, "sandbox: without %s: %s", layer_name(i),
				 error_text(r));
		error_clear();
	}
	*ret_sandbox = sandbox;
	return 0;
}

int sandbox_enter_thread(const struct sandbox *sandbox, enum sandbox_thread thread)
{
	const struct sandbox_filter *filter = &sandbox->filters[thread];

	return filter->code ? sandbox_filter_load(filter) : 0;
}

void sandbox_destroy(struct sandbox *sandbox)
{
	if (!sandbox)
		return;
	forget_filters(sandbox);
	free(sandbox);
}

static int try_layer(enum sandbox_layer layer)
{
	const struct sandbox_options options = { .tasks = -1, .renames = -1 };
	struct sandbox_values values = { .pid = getpid(), .tasks = -1 };
	struct sandbox sandbox = { 0 };
	int r;

	/* Without it who is not root may load no filter. */
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	r = enter_layer(&sandbox, layer, &options, &values);
	return r < 0 ? r : sandbox_enter_thread(&sandbox, SANDBOX_LOOP);
}

int sandbox_probe(enum sandbox_layer layer)
{
	char text[ERROR_TEXT_MAX] = "";
	int ends[2], r;
	pid_t pid;

	if (!sandbox_is_built())
		return because(-EOPNOTSUPP, "this ferry was built with sanitizers");
	if (pipe(ends) < 0)
		return because(-errno, "pipe: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		r = try_layer(layer);
		if (r < 0)
			(void)!write(ends[1], error_text(r), strlen(error_text(r)));
		syscall(SYS_exit_group, r < 0);
	}
	close(ends[1]);
	if (pid < 0 || read(ends[0], text, sizeof(text) - 1) < 0)
		snprintf(text, sizeof(text), "cannot tell: %s", strerror(errno));
	close(ends[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return text[0] ? because(-EPERM, "%s", text) : 0;
}
