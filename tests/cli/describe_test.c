/* SPDX-License-Identifier: Apache-2.0 */
/* A machine written down and read again, by somebody who may not trust the writer. */
#include "cli/describe.h"

#include <ferry/error.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "check_main.h"
#include "cli/command.h"
#include "cli/run_options.h"

static struct run_options options;

/* The command line on top of a description, which may be NULL. */
static int parse(const char *description, const char *line)
{
	static char copy[1024];
	char *argv[32];
	int argc = 0, err = 0;

	strcpy(copy, line);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	run_options_finish(&options);
	run_options_init(&options);
	error_clear();
	if (description)
		err = describe_read(description, &options);
	if (!err)
		err = command_parse(&command_run, argc, argv, &options);
	return err ? err : run_options_complete(&options);
}

static char *describe(const char *line)
{
	char *text = NULL;

	ck_assert_msg(parse(NULL, line) == 0, "%s", error_text(-1));
	ck_assert_int_eq(describe_machine(&options, &text), 0);
	return text;
}

START_TEST(test_what_was_described_is_made_again)
{
	AUTO_FREE char *text = describe("vmlinuz --name web --memory 96M,max=4G --cpus 3 "
					"--hugepages "
					"--disk /a,readonly,queues=2,serial=x --disk /b,direct,bus=xen,persistent "
					"--net user --net tap=tap7,mac=52:54:00:00:00:09 --no-rng "
					"--balloon --console virtio --shmem /c,size=1M");
	AUTO_FREE char *again = NULL;

	ck_assert_msg(parse(text, "--incoming unix:x") == 0, "%s", error_text(-1));
	ck_assert_str_eq(options.machine.vm.name, "web");
	ck_assert_uint_eq(options.machine.memory, 96 * MIB);
	ck_assert_uint_eq(options.machine.memory_max, 4 * GIB);
	ck_assert_uint_eq(options.machine.vm.vcpus, 3);
	ck_assert_uint_eq(options.machine.vm.hugepage_size, 2 * MIB);
	ck_assert_uint_eq(options.machine.disk_count, 2);
	ck_assert_str_eq(options.machine.disks[0].serial, "x");
	ck_assert(options.machine.disks[0].readonly && !options.machine.disks[0].direct);
	ck_assert_uint_eq(options.machine.disks[0].queues, 2);
	ck_assert(options.machine.disks[1].direct);
	ck_assert(options.machine.disks[1].bus == MACHINE_BUS_XEN && options.machine.disks[1].persistent);
	ck_assert_uint_eq(options.machine.net_count, 2);
	ck_assert_str_eq(options.machine.nets[1].tap, "tap7");
	ck_assert_str_eq(options.machine.rng_source, "");
	ck_assert(options.machine.balloon && options.machine.console == MACHINE_CONSOLE_VIRTIO);
	ck_assert_str_eq(options.machine.shmem, "/c");
	ck_assert_uint_eq(options.machine.shmem_size, MIB);
	ck_assert(options.machine.blank && !options.machine.kernel);
	ck_assert_int_eq(describe_machine(&options, &again), 0);
	ck_assert_str_eq(text, again);
}
END_TEST

START_TEST(test_addresses_do_not_depend_on_the_name_there)
{
	AUTO_FREE char *text = describe("vmlinuz --name web --net user");
	uint8_t mac[6];

	machine_net_address("web", 0, mac);
	ck_assert_int_eq(parse(text, "--restore x --name other"), 0);
	ck_assert_mem_eq(options.machine.nets[0].mac, mac, 6);
	/* Nor on which network it is. */
	ck_assert_int_eq(parse(text, "--restore x --name other --net tap=tap1"), 0);
	ck_assert_uint_eq(options.machine.net_count, 1);
	ck_assert_str_eq(options.machine.nets[0].tap, "tap1");
	ck_assert_mem_eq(options.machine.nets[0].mac, mac, 6);
}
END_TEST

START_TEST(test_paths_are_absolute)
{
	AUTO_FREE char *text = describe("vmlinuz --disk x.img --rng=dice");
	AUTO_FREE char *here = getcwd(NULL, 0);
	char path[4096];

	ck_assert_int_eq(parse(text, "--restore x"), 0);
	snprintf(path, sizeof(path), "%s/x.img", here);
	ck_assert_str_eq(options.machine.disks[0].path, path);
	snprintf(path, sizeof(path), "%s/dice", here);
	ck_assert_str_eq(options.machine.rng_source, path);
}
END_TEST

START_TEST(test_options_there_win)
{
	AUTO_FREE char *text = describe("vmlinuz --memory 1G,max=8G --disk /a --disk /b --balloon "
					"--console virtio --name a");

	ck_assert_int_eq(parse(text, "--incoming unix:x --memory 2G --disk /c --no-balloon"), 0);
	ck_assert_uint_eq(options.machine.memory, 2 * GIB);
	ck_assert_uint_eq(options.machine.memory_max, 0);
	ck_assert_uint_eq(options.machine.disk_count, 1);
	ck_assert_str_eq(options.machine.disks[0].path, "/c");
	ck_assert(!options.machine.balloon);
	/* Not to look at the console does not take it away. */
	ck_assert_int_eq(parse(text, "--incoming unix:x --console none --name b"), 0);
	ck_assert(options.machine.console == MACHINE_CONSOLE_VIRTIO);
	ck_assert_int_eq(options.console, RUN_CONSOLE_NONE);
	ck_assert_str_eq(options.machine.vm.name, "b");
	ck_assert_int_eq(parse(text, "--incoming unix:x --console serial"), 0);
	ck_assert(options.machine.console == MACHINE_CONSOLE_SERIAL);
}
END_TEST

START_TEST(test_only_a_machine_is_described)
{
	static const char *const wrong[] = {
		"{\"console-output\":\"/etc/passwd\"}",
		"{\"trace-kvm\":\"/tmp/x\"}",
		"{\"config\":\"/etc/passwd\"}",
		"{\"incoming\":\"exec:sh\"}",
		"{\"restore\":\"/x\"}",
		"{\"kernel\":\"/x\"}",
		"{\"no-rng\":true}",
		"{\"name\":\"../x\"}",
		"{\"name\":[\"x\"]}",
		"{\"memory\":-1}",
		"{\"memory\":{\"max\":1073741824}}",
		"{\"memory\":{\"size\":1073741824,\"max\":1}}",
		"{\"disk\":{\"path\":\"/a\",\"format\":\"qcow2\"}}",
		"{\"disk\":[[\"/a\"]]}",
		"{\"\":\"\"}",
		"[]",
		"",
		"{",
		"{} {}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		ck_assert_msg(parse(wrong[i], "--incoming unix:x") == -EINVAL, "%s", wrong[i]);
	ck_assert_int_eq(parse("{}", "--incoming unix:x"), 0);
}
END_TEST

START_TEST(test_all_unknown_names_are_told_at_once)
{
	ck_assert_int_eq(parse("{\"tpm\":1,\"memory\":\"64M\",\"gpu\":2,\"append\":\"x\"}",
			       "--incoming unix:x"),
			 -EINVAL);
	ck_assert_ptr_ne(strstr(error_text(-EINVAL), "'tpm', 'gpu', 'append'"), NULL);
}
END_TEST

CHECK_MAIN("cli/describe", test_what_was_described_is_made_again,
	   test_addresses_do_not_depend_on_the_name_there, test_paths_are_absolute,
	   test_options_there_win, test_only_a_machine_is_described,
	   test_all_unknown_names_are_told_at_once)
