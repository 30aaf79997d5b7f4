/* SPDX-License-Identifier: Apache-2.0 */
/* Xenstore from the ring: values, directories, rights, watches, transactions, quotas, and a ring gone mad. */
#include <abi/pvh.h>

#include "lib/cmdline.h"
#include "lib/xen_store.h"

#define HOME "/local/domain/1"

static char answer[4097];
static uint32_t len;

static uint32_t ask(uint32_t type, uint32_t tx, const char *payload, uint32_t size)
{
	return xen_store_ask(type, tx, payload, size, answer, sizeof(answer), &len);
}

#define ASK(type, tx, text) ask(type, tx, text, sizeof(text))

static void values(void)
{
	xen_expect_text("domid", xen_store_read("domid"), "1");
	xen_expect_text("by its whole path", xen_store_read(HOME "/domid"), "1");
	xen_expect_text("nothing there", xen_store_read("data/none"), "ENOENT");
	xen_expect_text("not ours", xen_store_read("/tool/x"), "EACCES");
	xen_expect_text("a name", xen_store_read("data/a b"), "EINVAL");
	xen_expect_text("a slash", xen_store_read("data/"), "EINVAL");
	xen_expect_text("write", xen_store_write("data/a/b/c", "hello"), "OK");
	xen_expect_text("read", xen_store_read("data/a/b/c"), "hello");
	xen_expect_text("made on the way", xen_store_read("data/a"), "");
	xen_expect_text("not to be written", xen_store_write("domid", "7"), "EACCES");
	xen_expect_text("nor made", xen_store_write("mine", "7"), "EACCES");
	ASK(XS_WRITE, 0, "data/z");
	ASK(XS_DIRECTORY, 0, "data");
	xen_expect("two names", len, 4);
	xen_expect_text("the first", answer, "a");
	xen_expect_text("the second", answer + 2, "z");
	ASK(XS_DIRECTORY_PART, 0, "data\0" "0");
	xen_expect("all names in one part", answer[len - 1] == 0 && answer[len - 2] == 0, 1);
	ASK(XS_MKDIR, 0, "data/dir");
	xen_expect_text("mkdir", answer, "OK");
	ASK(XS_RM, 0, "data/a");
	xen_expect_text("rm", answer, "OK");
	xen_expect_text("with all below", xen_store_read("data/a/b/c"), "ENOENT");
	ASK(XS_RM, 0, "data/none/there");
	xen_expect_text("rm of nothing", answer, "ENOENT");
	ASK(XS_GET_DOMAIN_PATH, 0, "5");
	xen_expect_text("path", answer, "/local/domain/5");
	ASK(XS_IS_DOMAIN_INTRODUCED, 0, "5");
	xen_expect_text("introduced", answer, "F");
	ASK(XS_INTRODUCE, 0, "1");
	xen_expect_text("introduce", answer, "EACCES");
	xen_expect("no such type", ASK(99, 0, "x"), XS_ERROR);
	xen_expect_text("is", answer, "ENOSYS");
}

static void rights(void)
{
	ASK(XS_GET_PERMS, 0, "domid");
	xen_expect_text("perms", answer, "n0");
	xen_expect_text("perms", answer + 3, "r1");
	ASK(XS_SET_PERMS, 0, "data/z\0n1\0r7");
	xen_expect_text("set", answer, "OK");
	ASK(XS_GET_PERMS, 0, "data/z");
	xen_expect_text("they are", answer + 3, "r7");
	ASK(XS_SET_PERMS, 0, "data/z\0n7");
	xen_expect_text("given away", answer, "EPERM");
	ASK(XS_SET_PERMS, 0, "data/z\0x1");
	xen_expect_text("no such right", answer, "EINVAL");
	ASK(XS_SET_PERMS, 0, "domid\0n1");
	xen_expect_text("of another's", answer, "EACCES");
}

static void expect_event(const char *path, const char *token)
{
	struct xen_xsd_sockmsg header = { 0 };
	uint32_t size = 0;

	answer[0] = '\0';
	xen_expect("an event", xen_store_take(&header, answer, sizeof(answer)), 1);
	xen_expect("is one", header.type, XS_WATCH_EVENT);
	xen_expect_text("of", answer, path);
	while (answer[size])
		size++;
	xen_expect_text("token", answer + size + 1, token);
}

static void watches(void)
{
	struct xen_xsd_sockmsg header;

	ASK(XS_WATCH, 0, "data\0token");
	xen_expect_text("watch", answer, "OK");
	expect_event("data", "token");
	ASK(XS_WATCH, 0, "data\0token");
	xen_expect_text("again", answer, "EEXIST");
	ASK(XS_WATCH, 0, HOME "/data\0other");
	expect_event(HOME "/data", "other");
	/* The event comes before the answer to the next question, which drops it. */
	xen_store_put(&(struct xen_xsd_sockmsg){ XS_WRITE, 1000, 0, 9 }, 16);
	xen_store_put("data/w\0ab", 9);
	expect_event("data/w", "token");
	expect_event(HOME "/data/w", "other");
	xen_expect("and the answer", xen_store_take(&header, answer, sizeof(answer)), 1);
	xen_expect("of it", header.req_id, 1000);
	ASK(XS_UNWATCH, 0, "data\0token");
	xen_expect_text("unwatch", answer, "OK");
	ASK(XS_UNWATCH, 0, "data\0token");
	xen_expect_text("again", answer, "ENOENT");
	ASK(XS_RESET_WATCHES, 0, "");
	xen_expect_text("reset", answer, "OK");
	xen_expect_text("quiet", xen_store_write("data/w", "c"), "OK");
	xen_expect("no event", xen_store_take(&header, answer, sizeof(answer)), 0);
	for (int i = 0; i < 128; i++) {
		char watch[] = "data\0t00";

		watch[6] = (char)('0' + i / 16);
		watch[7] = (char)('a' + i % 16);
		ask(XS_WATCH, 0, watch, sizeof(watch));
	}
	ASK(XS_WATCH, 0, "data\0more");
	xen_expect_text("too many", answer, "E2BIG");
	ASK(XS_RESET_WATCHES, 0, "");
}

static uint32_t start(void)
{
	uint32_t id = 0;

	ASK(XS_TRANSACTION_START, 0, "");
	for (const char *at = answer; *at >= '0' && *at <= '9'; at++)
		id = id * 10 + (uint32_t)(*at - '0');
	return id;
}

static void transactions(void)
{
	uint32_t one = start(), two = start();

	ASK(XS_WRITE, one, "data/t\0" "1");
	xen_expect_text("not seen outside", xen_store_read("data/t"), "ENOENT");
	ASK(XS_READ, one, "data/t");
	xen_expect("seen inside", answer[0], '1');
	ASK(XS_WRITE, two, "data/t\0" "2");
	ASK(XS_TRANSACTION_END, one, "T");
	xen_expect_text("commit", answer, "OK");
	xen_expect("seen", xen_store_read("data/t")[0], '1');
	ASK(XS_TRANSACTION_END, two, "T");
	xen_expect_text("it lost", answer, "EAGAIN");
	ASK(XS_TRANSACTION_END, two, "T");
	xen_expect_text("it is gone", answer, "ENOENT");
	one = start();
	ASK(XS_RM, one, "data/t");
	ASK(XS_TRANSACTION_END, one, "F");
	xen_expect_text("undone", answer, "OK");
	xen_expect("still there", xen_store_read("data/t")[0], '1');
	for (int i = 0; i < 10; i++)
		start();
	ASK(XS_TRANSACTION_START, 0, "");
	xen_expect_text("too many", answer, "ENOSPC");
	ASK(XS_RESET_WATCHES, 0, "");
}

/* Longer than the ring, both ways. */
static void long_ones(void)
{
	static char payload[8 + 2049] = "data/l";

	for (uint32_t i = 7; i < sizeof(payload); i++)
		payload[i] = (char)('a' + i % 26);
	ask(XS_WRITE, 0, payload, 7 + 2048);
	xen_expect_text("as long as can be", answer, "OK");
	ask(XS_READ, 0, "data/l", 7);
	xen_expect("all of it", len, 2048);
	xen_expect("its last", answer[2047], payload[7 + 2047]);
	ask(XS_WRITE, 0, payload, 7 + 2049);
	xen_expect_text("too long", answer, "ENOSPC");
}

static void too_many_nodes(void)
{
	char path[] = "data/n/000";
	int made = 0;

	for (; made < 2000; made++) {
		path[7] = (char)('a' + made / 256 % 16);
		path[8] = (char)('a' + made / 16 % 16);
		path[9] = (char)('a' + made % 16);
		ask(XS_WRITE, 0, path, sizeof(path));
		if (answer[0] != 'O')
			break;
	}
	xen_expect_text("nodes end", answer, "ENOSPC");
	xen_expect("before 1000", made < 1000 && made > 900, 1);
	ASK(XS_RM, 0, "data/n");
	xen_expect_text("all go", answer, "OK");
}

static void run_away(void)
{
	struct xen_xs_ring *ring = xen_store_ring();

	ring->req_prod = ring->req_cons + 5000;
	xen_store_put("", 0);
	xen_expect("it is told", ring->error, XEN_XS_ERROR_RINGIDX);
}

/* As Linux's driver: it can be asked, waits for that by a watch, and says that it has heard. */
static void shutdown(void)
{
	struct xen_xsd_sockmsg header;

	xen_expect_text("feature", xen_store_write("control/feature-poweroff", "1"), "OK");
	ASK(XS_WATCH, 0, "control/shutdown\0off");
	xen_expect_text("watched", answer, "OK");
	expect_event("control/shutdown", "off");
	guest_puts("waits\n");
	while (!xen_store_take(&header, answer, sizeof(answer)))
		cpu_relax();
	xen_expect("an event", header.type, XS_WATCH_EVENT);
	xen_expect_text("of it", answer, "control/shutdown");
	xen_expect_text("asked", xen_store_read("control/shutdown"), "poweroff");
	xen_expect_text("heard", xen_store_write("control/shutdown", ""), "OK");
}

void guest_main(const void *info)
{
	const struct hvm_start_info *start = info;

	if (!xen_init())
		return;
	xen_store_init();
	if (cmdline_number((const char *)(uintptr_t)start->cmdline_paddr, "shutdown", 0)) {
		shutdown();
		xen_verdict();
		return;
	}
	values();
	rights();
	watches();
	transactions();
	long_ones();
	too_many_nodes();
	run_away();
	xen_verdict();
}
