/* SPDX-License-Identifier: Apache-2.0 */
/* Does what its command line says, one act after the other, with ';' between them: see acts[]. */
#include "lib/guest.h"

#define UART_RBR  0
#define UART_LSR  5
#define LSR_READY 0x01

/* What Linux prints when it panics, after a process has begun a line of its own. */
static void act_panic(const char *text)
{
	guest_puts("[    1.000000] Kernel panic - not syncing: ");
	guest_puts(text);
	guest_puts("\r\n[    1.000100] CPU: 0 PID: 1 Comm: swapper/0 Not tainted 6.12.0 #1\r\n"
		   "[    1.000200] Call Trace:\r\n"
		   "[    1.000300]  <TASK>\r\n"
		   "[    1.000400]  dump_stack_lvl+0x36/0x50\r\n"
		   "[    1.000500]  panic+0x32e/0x340\r\n"
		   "[    1.000600]  ? kernel_init+0x1a/0x140\r\n"
		   "[    1.000700]  mount_root+0x150/0x230\r\n"
		   "[    1.000800]  prepare_namespace+0x1c5/0x240\r\n"
		   "[    1.000900]  kernel_init+0x16/0x1c0\r\n"
		   "[    1.001000]  </TASK>\r\n"
		   "[    1.001100] ---[ end Kernel panic - not syncing ]---\r\n");
}

static void act_oops(const char *text)
{
	guest_puts("[    2.000000] BUG: ");
	guest_puts(text);
	guest_puts("\n[    2.000100] RIP: 0010:foo_probe+0x12/0x40 [foo]\n"
		   "[    2.000200] Call Trace:\n"
		   "[    2.000300]  foo_probe+0x12/0x40 [foo]\n"
		   "[    2.000400]  really_probe+0xde/0x340\n"
		   "[    2.000500] ---[ end trace 0000000000000000 ]---\n");
}

static void act_say(const char *text)
{
	guest_puts(text);
	guest_puts("\n");
}

static void act_prompt(const char *text)
{
	guest_puts(text);
}

/* Waits for a line of input, and repeats it. */
static void act_ask(const char *text)
{
	char c[2] = "";

	guest_puts(text);
	for (;;) {
		while (!(uart_read(UART_LSR) & LSR_READY))
			cpu_relax();
		c[0] = (char)uart_read(UART_RBR);
		if (c[0] == '\n')
			break;
		guest_puts(c);
	}
	guest_puts("\n");
}

static void act_hang(const char *text)
{
	(void)text;
	for (;;)
		cpu_relax();
}

static void act_loop(const char *text)
{
	for (;;)
		act_say(text);
}

/* So many lines, each with its number, and a little work between. */
static void act_count(const char *text)
{
	uint64_t end = 0;

	for (; *text; text++)
		end = end * 10 + (uint64_t)(*text - '0');
	for (uint64_t i = 0; i < end; i++) {
		guest_puts("count ");
		guest_put_dec(i);
		guest_puts("\n");
		for (uint32_t spin = 0; spin < 1000; spin++)
			cpu_relax();
	}
}

/* One subtest passes, one is skipped, and the last is what the text says: "ok" or "not ok". */
static void act_ktap(const char *text)
{
	guest_puts("KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: math\n    1..3\n"
		   "    ok 1 add\n    ok 2 divide # SKIP no zero\n    ");
	guest_puts(text);
	guest_puts(" 3 multiply\n");
	guest_puts(text);
	guest_puts(" 1 math\n");
}

static void act_reset(const char *text)
{
	(void)text;
	guest_reset();
}

#ifndef __aarch64__
static void act_fault(const char *text)
{
	(void)text;
	guest_triple_fault();
}
#endif

static void act_pvpanic(const char *text)
{
	(void)text;
	guest_panic();
}

static const struct {
	const char *name;
	void (*act)(const char *text);
} acts[] = {
	{ "say", act_say },	{ "prompt", act_prompt }, { "ask", act_ask },
	{ "panic", act_panic }, { "oops", act_oops },	  { "count", act_count },
	{ "hang", act_hang },	{ "loop", act_loop },	  { "ktap", act_ktap },
	{ "reset", act_reset }, { "pvpanic", act_pvpanic },
#ifndef __aarch64__
	{ "fault", act_fault },
#endif
};

/* Behind word and the blank that follows it, if line begins with it. */
static const char *after(const char *line, const char *word)
{
	while (*word && *line == *word) {
		line++;
		word++;
	}
	if (*word || (*line && *line != ' '))
		return NULL;
	return *line ? line + 1 : line;
}

static void act(const char *line)
{
	for (uint32_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		const char *text = after(line, acts[i].name);

		if (text) {
			acts[i].act(text);
			return;
		}
	}
	guest_puts("no such act: ");
	act_say(line);
}

void guest_main(const void *info)
{
	const char *from = guest_cmdline(info);
	char line[256];

	while (*from) {
		uint32_t n = 0;

		while (*from && *from != ';' && n < sizeof(line) - 1)
			line[n++] = *from++;
		line[n] = '\0';
		from += *from == ';';
		act(line);
	}
}
