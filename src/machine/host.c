/* SPDX-License-Identifier: Apache-2.0 */
/* Looks at the host. */
#include "machine/host.h"

#include <ferry/error.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "io/loop.h"
#include "kvm/kvm.h"
#include "sandbox/sandbox.h"

struct list {
	struct host_facts *facts;
	bool failed; /* a fact is missing for want of memory */
};

static void add(struct list *list, const struct host_fact *fact, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void add(struct list *list, const struct host_fact *fact, const char *fmt, ...)
{
	struct host_facts *facts = list->facts;
	struct host_fact *grown = realloc(facts->facts, (facts->count + 1) * sizeof(*grown));
	va_list args;

	if (!grown) {
		list->failed = true;
		return;
	}
	facts->facts = grown;
	grown += facts->count++;
	*grown = *fact;
	va_start(args, fmt);
	vsnprintf(grown->detail, sizeof(grown->detail), fmt, args);
	va_end(args);
}

static void add_kernel(struct list *list)
{
	struct utsname name;

	if (uname(&name) == 0)
		add(list, &(struct host_fact){ .name = "kernel", .have = HOST_YES }, "%s %s %s",
		    name.sysname, name.release, name.machine);
}

static const char *kvm_module(void)
{
	static const char *const modules[] = { "kvm_intel", "kvm_amd", "kvm_pvm" };
	char path[64];

	for (size_t i = 0; i < ARRAY_SIZE(modules); i++) {
		snprintf(path, sizeof(path), "/sys/module/%s", modules[i]);
		if (access(path, F_OK) == 0)
			return modules[i];
	}
	return "built into the kernel";
}

static const char *why_no_kvm(int err)
{
	switch (err) {
	case ENOENT:
		return "not there: load kvm_intel or kvm_amd, or switch on virtualization in the "
		       "firmware";
	case EACCES:
		return "no permission: become a member of the group kvm";
	default:
		return strerror(err);
	}
}

/* Stock Linux needs all of a CPU; kvm_pvm interprets the guest's kernel, and not all of it. */
static void add_linux_guests(struct list *list, bool has_kvm)
{
	bool software = strcmp(kvm_module(), "kvm_pvm") == 0;

	add(list,
	    &(struct host_fact){
		    .name = "stock Linux guests",
		    .have = has_kvm && !software ? HOST_YES : HOST_NO,
		    .without = "boots them in the lab: tools/lab",
	    },
	    "%s", software ? "kvm_pvm interprets kernels, and not every instruction" : "");
}

/*
 * Its slots can only be deleted, never moved, logged or made read-only (api.rst,
 * KVM_SET_USER_MEMORY_REGION2), and up to Linux 6.17 nobody can map it: devices could not reach it.
 */
void host_describe_guest_memfd(int value, char *text, size_t size)
{
	(void)value;
	snprintf(text, size, "not used: it can neither be moved nor logged");
}

static void add_cap(struct list *list, const struct host_cap *cap, const struct kvm_caps *caps)
{
	int value = *(const int *)((const char *)caps + cap->offset);
	struct host_fact fact = { .name = cap->name,
				  .have = value ? HOST_YES : HOST_NO,
				  .is_needed = cap->is_needed,
				  .without = cap->without };
	char text[sizeof(fact.detail)] = "";

	if (value && cap->describe)
		cap->describe(value, text, sizeof(text));
	else if (value && cap->is_number)
		snprintf(text, sizeof(text), "%d", value);
	add(list, &fact, "%s", text);
}

static void add_kvm(struct list *list)
{
	AUTO_CLOSE int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	struct host_fact device = { .name = "/dev/kvm",
				    .is_needed = true,
				    .without = "runs no VM" };
	struct kvm_caps caps = { 0 };

	if (fd < 0) {
		add(list, &device, "%s", why_no_kvm(errno));
		add_linux_guests(list, false);
		return;
	}
	device.have = kvm_get_api_version(fd) == KVM_API_VERSION ? HOST_YES : HOST_NO;
	add(list, &device, "%s, API version %d", kvm_module(), kvm_get_api_version(fd));
	add_linux_guests(list, true);
	kvm_caps_read(fd, &caps);
	host_look_further(fd, &caps);
	for (size_t i = 0; i < host_caps_count; i++)
		add_cap(list, &host_caps[i], &caps);
}

static void add_io_uring(struct list *list)
{
	struct host_fact fact = { .name = "io_uring", .is_needed = true, .without = "runs no VM" };
	struct loop *loop = NULL;
	int err;

	error_clear();
	err = loop_create(&loop);
	fact.have = err ? HOST_NO : HOST_YES;
	add(list, &fact, "%s", err ? error_text(err) : "");
	loop_destroy(loop);
	error_clear();
}

static void add_userfaultfd(struct list *list)
{
	AUTO_CLOSE int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	AUTO_CLOSE int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	add(list,
	    &(struct host_fact){ .name = "userfaultfd",
				 .have = fd >= 0 || device >= 0 ? HOST_YES : HOST_NO,
				 .without = "moves all memory before a VM goes on" },
	    "%s",
	    fd < 0 && device < 0 ? "set vm.unprivileged_userfaultfd, or allow "
				   "/dev/userfaultfd"
				 : "");
}

static void add_tun(struct list *list)
{
	AUTO_CLOSE int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	add(list,
	    &(struct host_fact){ .name = "tap networks",
				 .have = fd >= 0 ? HOST_YES : HOST_NO,
				 .without = "connects VMs by --net user only" },
	    "%s", fd < 0 ? "cannot open /dev/net/tun" : "");
}

/* Whether the shell would find the program. */
static bool find_program(const char *name, char *path, size_t size)
{
	const char *directories = getenv("PATH");
	AUTO_FREE char *search = strdup(directories ? directories : "/usr/bin:/bin");
	char *rest = search;
	const char *dir;

	while (rest) {
		dir = strsep(&rest, ":");
		if (snprintf(path, size, "%s/%s", *dir ? dir : ".", name) < (int)size &&
		    access(path, X_OK) == 0)
			return true;
	}
	return false;
}

static void add_program(struct list *list, const char *fact, const char *program,
			const char *without)
{
	char path[128];
	bool found = find_program(program, path, sizeof(path));

	add(list,
	    &(struct host_fact){
		    .name = fact, .have = found ? HOST_YES : HOST_NO, .without = without },
	    "%s%s", found ? path : "not found: ", found ? "" : program);
}

/* The number in a file of sysfs; 0 where there is none. */
static unsigned long read_number(const char *directory, const char *name)
{
	char path[128], text[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (!fgets(text, sizeof(text), file))
		text[0] = '\0';
	fclose(file);
	return strtoul(text, NULL, 10);
}

static void add_hugepages(struct list *list, const char *name, const char *kib)
{
	struct host_fact fact = { .name = name, .without = "refuses --hugepages of that size" };
	unsigned long total, idle;
	char directory[64];

	snprintf(directory, sizeof(directory), "/sys/kernel/mm/hugepages/hugepages-%skB", kib);
	total = read_number(directory, "nr_hugepages");
	idle = read_number(directory, "free_hugepages");
	fact.have = idle ? HOST_YES : total ? HOST_PARTLY : HOST_NO;
	if (total)
		add(list, &fact, "%lu of %lu are free", idle, total);
	else
		add(list, &fact, "none: write how many to nr_hugepages of %skB", kib);
}

/* Each of its layers does without the others. */
static void add_sandbox(struct list *list)
{
	static const char *const facts[] = {
		[SANDBOX_NAMESPACES] = "sandbox: namespaces",
		[SANDBOX_PRIVILEGES] = "sandbox: no privileges",
		[SANDBOX_LANDLOCK] = "sandbox: Landlock",
		[SANDBOX_SECCOMP] = "sandbox: seccomp",
	};
	static const char *const without[] = {
		[SANDBOX_NAMESPACES] = "leaves a guest's process the host's root and network",
		[SANDBOX_PRIVILEGES] = "leaves a guest's process its privileges",
		[SANDBOX_LANDLOCK] = "leaves files to seccomp alone",
		[SANDBOX_SECCOMP] = "leaves every system call to a guest's process",
	};

	for (unsigned i = 0; i < SANDBOX_LAYERS; i++) {
		int err;

		error_clear();
		err = sandbox_probe(i);
		add(list,
		    &(struct host_fact){ .name = facts[i],
					 .have = err ? HOST_NO : HOST_YES,
					 .without = without[i] },
		    "%s", err ? error_text(err) : "");
	}
	error_clear();
}

int host_facts_read(struct host_facts *facts)
{
	struct list list = { .facts = facts };

	add_kernel(&list);
	add_kvm(&list);
	add_io_uring(&list);
	add_userfaultfd(&list);
	add_hugepages(&list, "huge pages of 2M", "2048");
	add_hugepages(&list, "huge pages of 1G", "1048576");
	add_tun(&list);
	add_sandbox(&list);
	add_program(&list, "passt", "passt", "has no --net user");
	add_program(&list, "lab for x86_64", "qemu-system-x86_64", "has no lab for x86_64");
	add_program(&list, "lab for arm64", "qemu-system-aarch64", "has no lab for arm64");
	return list.failed ? because(-ENOMEM, "out of memory") : 0;
}

void host_facts_finish(struct host_facts *facts)
{
	free(facts->facts);
	*facts = (struct host_facts){ 0 };
}

bool host_facts_suffice(const struct host_facts *facts)
{
	for (size_t i = 0; i < facts->count; i++) {
		if (facts->facts[i].is_needed && facts->facts[i].have == HOST_NO)
			return false;
	}
	return true;
}
