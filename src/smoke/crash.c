/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel prints in trouble: lib/bug.c, kernel/panic.c, arch/…/kernel/{traps,dumpstack}.c */
#include "smoke/crash.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/util.h"

#define WORD "(^|[^[:alnum:]_])"

static const char *const panics[] = {
	"Kernel panic - not syncing",
	"PANIC: double fault",
};

static const char *const oopses[] = {
	WORD "BUG:",
	WORD "BUG [a-zA-Z0-9_-]+ \\(",
	"[Kk]ernel BUG at ",
	WORD "WARNING: CPU: [0-9]",
	WORD "WARNING: (possible|suspicious|inconsistent|bad unlock|lock held|nested lock)",
	WORD "WARNING: at ",
	WORD "INFO: (possible|suspicious|inconsistent|trying to register non-static)",
	WORD "INFO: task .* blocked for more than",
	WORD "INFO: rcu_[a-z_]+ (self-)?detected",
	"Unable to handle kernel ",
	"general protection fault",
	"stack segment: [0-9a-f]",
	"divide[ _]error: [0-9a-f]",
	"invalid opcode: [0-9a-f]",
	"int3: [0-9a-f]",
	WORD "Oops( -|:)",
	WORD "UBSAN: ",
	WORD "Internal error: ",
	WORD "Unhandled fault:",
	"unreferenced object 0x",
	"unregister_netdevice: waiting for",
	"rust_kernel: panicked",
};

/* What says it of a process, not of the kernel; what only reports on an earlier one. */
static const char *const ignores[] = {
	"traps: .* general protection fault",
	"traps: .* trap (divide error|invalid opcode|int3)",
	"INFO: lockdep is turned off",
};

static int add_all(struct smoke_patterns *patterns, const char *const *sources, size_t count)
{
	int err = 0;

	for (size_t i = 0; i < count && !err; i++)
		err = smoke_patterns_add(patterns, sources[i]);
	return err;
}

int smoke_signs_init(struct smoke_signs *signs)
{
	int err;

	*signs = (struct smoke_signs){ 0 };
	err = add_all(&signs->panics, panics, ARRAY_SIZE(panics));
	if (!err)
		err = add_all(&signs->oopses, oopses, ARRAY_SIZE(oopses));
	if (!err)
		err = add_all(&signs->ignores, ignores, ARRAY_SIZE(ignores));
	if (err)
		smoke_signs_finish(signs);
	return err;
}

void smoke_signs_finish(struct smoke_signs *signs)
{
	smoke_patterns_finish(&signs->panics);
	smoke_patterns_finish(&signs->oopses);
	smoke_patterns_finish(&signs->ignores);
}

enum smoke_verdict smoke_signs_read(const struct smoke_signs *signs,
				    const struct smoke_patterns *own, const char *line)
{
	enum smoke_verdict verdict = SMOKE_NONE;

	if (smoke_patterns_match(&signs->panics, line))
		verdict = SMOKE_PANIC;
	else if (smoke_patterns_match(&signs->oopses, line))
		verdict = SMOKE_OOPS;
	if (verdict && (smoke_patterns_match(&signs->ignores, line) ||
			smoke_patterns_match(own, line)))
		return SMOKE_NONE;
	return verdict;
}

/* Whether name is part of how a kernel reports, and so says nothing of where. */
static bool is_machinery(const char *name)
{
	static const char *const all[] = {
		"dump_stack", "dump_stack_lvl", "dump_backtrace", "show_stack", "panic", "vpanic",
		"nmi_panic", "check_panic_on_warn", "report_bug", "handle_bug", "die", "oops_end",
		"bug_handler", "call_break_hook", "brk_handler", "page_fault_oops",
		"show_trace_log_lvl", "print_report", "kasan_report",
	};
	static const char *const prefixes[] = { "exc_", "asm_exc_", "__warn", "warn_slowpath",
						"__die", "die_", "el1h_64_", "el1_", "do_trap",
						"do_error_trap", "do_mem_abort", "__do_kernel_fault" };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (strcmp(all[i], name) == 0)
			return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		if (strncmp(prefixes[i], name, strlen(prefixes[i])) == 0)
			return true;
	}
	return false;
}

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '.';
}

/* Where "name+0x1/0x2" begins; *ret_len is the name's length. "? name" is a guess: no frame. */
static const char *find_frame(const char *line, size_t *ret_len)
{
	const char *plus = strstr(line, "+0x"), *at = plus;

	while (at && at > line && is_name(at[-1]))
		at--;
	if (!plus || at == plus || !strstr(plus, "/0x"))
		return NULL;
	if (at - line >= 2 && at[-1] == ' ' && at[-2] == '?')
		return NULL;
	*ret_len = strcspn(at, "+.");
	return at;
}

void smoke_frames_read(struct smoke_frames *frames, const char *line)
{
	size_t len;
	const char *at = find_frame(line, &len);
	char *name = frames->names[frames->count % SMOKE_FRAMES];

	if (!at || !len || len >= SMOKE_FRAME_MAX || frames->count == SMOKE_FRAMES)
		return;
	/* The report's first lines name a task's and a warning's place, not a frame. */
	if (strstr(line, "kernel BUG") || strstr(line, "WARNING: ") || strstr(line, "Workqueue:"))
		return;
	memcpy(name, at, len);
	name[len] = '\0';
	if (is_machinery(name))
		return;
	/* RIP and the first line of the trace are often the same. */
	if (frames->count && strcmp(frames->names[frames->count - 1], name) == 0)
		return;
	frames->count++;
}

bool smoke_crash_ends(enum smoke_verdict verdict, const char *line)
{
	return strstr(line, verdict == SMOKE_PANIC ? "---[ end Kernel panic" : "---[ end trace");
}
