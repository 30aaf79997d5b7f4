/* SPDX-License-Identifier: Apache-2.0 */
/* Landlock (Documentation/userspace-api/landlock.rst): no path leads anywhere, but for what is named here. */
#include "sandbox/sandbox_impl.h"

#include <errno.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/cleanup.h"
#include "sandbox/uapi.h"

static uint64_t low_bits(unsigned count)
{
	return (1ULL << count) - 1;
}

static struct landlock_ruleset ruleset_for(long abi)
{
	struct landlock_ruleset set = { .handled_access_fs = low_bits(LANDLOCK_FS_BITS_1) };

	if (abi >= 2)
		set.handled_access_fs = low_bits(LANDLOCK_FS_BITS_2);
	if (abi >= 3)
		set.handled_access_fs = low_bits(LANDLOCK_FS_BITS_3);
	if (abi >= 4)
		set.handled_access_net = LANDLOCK_NET_BIND_TCP | LANDLOCK_NET_CONNECT_TCP;
	if (abi >= 5)
		set.handled_access_fs = low_bits(LANDLOCK_FS_BITS_5);
	if (abi >= 6)
		set.scoped = LANDLOCK_SCOPE_ABSTRACT_UNIX;
	return set;
}

static int allow(int rules, int directory, uint64_t access)
{
	const struct landlock_path_beneath_attr rule = {
		.allowed_access = access,
		.parent_fd = directory,
	};

	if (directory < 0)
		return 0;
	if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return because(-errno, "Landlock: a rule: %s", strerror(errno));
	return 0;
}

int sandbox_landlock(const struct sandbox_options *options)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct landlock_ruleset set = ruleset_for(abi);
	AUTO_CLOSE int rules = -1;
	int r;

	if (abi < 1)
		return because(-errno, "this kernel has no Landlock, or it is off (%s)",
			       strerror(errno));
	rules = (int)syscall(SYS_landlock_create_ruleset, &set, sizeof(set), 0);
	if (rules < 0)
		return because(-errno, "Landlock: %s", strerror(errno));
	r = allow(rules, options->tasks, LANDLOCK_ACCESS_FS_READ_FILE);
	for (size_t i = 0; r == 0 && i < options->remove_count; i++)
		r = allow(rules, options->removes[i], LANDLOCK_ACCESS_FS_REMOVE_FILE);
	/* Landlock takes a new name for a removal and a new file. */
	if (r == 0)
		r = allow(rules, options->renames,
			  LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_SOCK);
	if (r == 0 && syscall(SYS_landlock_restrict_self, rules, 0) < 0)
		r = because(-errno, "Landlock: %s", strerror(errno));
	return r;
}
