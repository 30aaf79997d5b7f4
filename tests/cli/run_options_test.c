/* SPDX-License-Identifier: Apache-2.0 */
/* The command line and the config file of `ferry run`. */
#include "cli/run_options.h"

#include <ferry/error.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "check_main.h"
#include "cli/command.h"
#include "cli/config.h"

static struct run_options options;
static char path[] = "/tmp/ferry-config-XXXXXX";

static int parse(const char *line)
{
	static char copy[2048];
	char *argv[64];
	int argc = 0, err;

	strcpy(copy, line);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	run_options_finish(&options);
	run_options_init(&options);
	error_clear();
	err = command_parse(&command_run, argc, argv, &options);
	return err ? err : run_options_complete(&options);
}

/* The command line with --config and a file of this text. */
static int parse_with(const char *line, const char *text)
{
	char whole[512];
	int fd, err;

	strcpy(path, "/tmp/ferry-config-XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	snprintf(whole, sizeof(whole), "--config %s %s", path, line);
	err = parse(whole);
	unlink(path);
	return err;
}

START_TEST(test_defaults_need_only_a_kernel)
{
	ck_assert_int_eq(parse("vmlinuz"), 0);
	ck_assert_str_eq(options.machine.kernel, "vmlinuz");
	ck_assert_str_eq(options.machine.cmdline, "console=ttyS0 panic=-1");
	ck_assert_uint_eq(options.machine.memory, 512 * MIB);
	ck_assert_uint_eq(options.machine.vm.vcpus, 1);
	ck_assert(options.machine.kaslr);
	ck_assert(options.machine.console == MACHINE_CONSOLE_SERIAL);
	ck_assert_ptr_eq(options.machine.rng_source, NULL);
	ck_assert_int_eq(strncmp(options.machine.vm.name, "ferry-", 6), 0);
}
END_TEST

START_TEST(test_a_kernel_is_needed_once)
{
	ck_assert_int_eq(parse("--cpus 2"), -EINVAL);
	ck_assert_int_eq(parse("a b"), -EINVAL);
	ck_assert_int_eq(parse("--kernel a b"), -EINVAL);
	ck_assert_int_eq(parse("--kernel a"), 0);
	ck_assert_int_eq(parse("-- -strange"), 0);
	ck_assert_str_eq(options.machine.kernel, "-strange");
}
END_TEST

START_TEST(test_every_option_has_its_effect)
{
	ck_assert_int_eq(parse("k --initrd a --initrd=b --cmdline root=x --append one --append two "
			       "--no-kaslr --memory 4G --cpus=4 --hugepages=1G --prealloc "
			       "--disk path=d,readonly,direct,queues=3,serial=S1 --disk e "
			       "--net user --net tap=t0,mac=52:54:00:00:00:02 --rng=/dev/hwrng "
			       "--balloon --console virtio --console-output log --name vm1 "
			       "--shmem /dev/shm/a,size=16M "
			       "--trace-kvm=t --log-level debug --dry-run"),
			 0);
	ck_assert_uint_eq(options.machine.initrd_count, 2);
	ck_assert_str_eq(options.machine.initrds[1], "b");
	ck_assert_str_eq(options.machine.cmdline, "root=x one two");
	ck_assert(!options.machine.kaslr);
	ck_assert_uint_eq(options.machine.memory, 4 * GIB);
	ck_assert_uint_eq(options.machine.vm.vcpus, 4);
	ck_assert_uint_eq(options.machine.vm.hugepage_size, GIB);
	ck_assert(options.machine.vm.prealloc);
	ck_assert_uint_eq(options.machine.disk_count, 2);
	ck_assert_str_eq(options.machine.disks[0].path, "d");
	ck_assert(options.machine.disks[0].readonly && options.machine.disks[0].direct);
	ck_assert_uint_eq(options.machine.disks[0].queues, 3);
	ck_assert_str_eq(options.machine.disks[0].serial, "S1");
	ck_assert_str_eq(options.machine.disks[1].path, "e");
	ck_assert(!options.machine.disks[1].readonly);
	ck_assert_int_eq(options.machine.nets[0].kind, MACHINE_NET_USER);
	ck_assert_int_eq(options.machine.nets[1].kind, MACHINE_NET_TAP);
	ck_assert_str_eq(options.machine.nets[1].tap, "t0");
	ck_assert_mem_eq(options.machine.nets[1].mac, "\x52\x54\x00\x00\x00\x02", 6);
	ck_assert_str_eq(options.machine.rng_source, "/dev/hwrng");
	ck_assert(options.machine.balloon && options.machine.console == MACHINE_CONSOLE_VIRTIO);
	ck_assert_str_eq(options.machine.shmem, "/dev/shm/a");
	ck_assert_uint_eq(options.machine.shmem_size, 16 * MIB);
	ck_assert_str_eq(options.console_output, "log");
	ck_assert_str_eq(options.machine.vm.name, "vm1");
	ck_assert(options.trace_kvm && options.dry_run);
	ck_assert_str_eq(options.trace_file, "t");
	ck_assert_int_eq(options.log_level, LOG_LEVEL_DEBUG);
}
END_TEST

START_TEST(test_switches_can_be_undone)
{
	ck_assert_int_eq(parse("k --balloon --no-balloon --no-rng --no-kaslr --kaslr"), 0);
	ck_assert(!options.machine.balloon);
	ck_assert_str_eq(options.machine.rng_source, "");
	ck_assert(options.machine.kaslr);
	ck_assert_int_eq(parse("k --no-memory"), -EINVAL);
	ck_assert_int_eq(parse("k --no-balloon=1"), -EINVAL);
}
END_TEST

/* Every option with values that it cannot have; each must fail, in one line that names the option.
 */
START_TEST(test_bad_values_are_refused_and_named)
{
	static const char *const bad[] = {
		"--kernel=",
		"--initrd=",
		"--memory=0",
		"--memory=512",
		"--memory=1K",
		"--memory=65T",
		"--memory=12Q",
		"--memory=2049K",
		"--memory=",
		"--memory=max=1G",
		"--memory=1G,max=1G",
		"--memory=1G,max=512M",
		"--memory=1G,max=9T",
		"--memory=1G,max=",
		"--memory=1G,max",
		"--memory=1G,2G",
		"--memory=1G,",
		"--xen=3.4",
		"--xen=4.4",
		"--xen=4.17x",
		"--xen-engine=mine",
		"--cpus=0",
		"--cpus=-1",
		"--cpus=two",
		"--cpus=65536",
		"--hugepages=4K",
		"--hugepages=",
		"--disk=",
		"--disk=readonly",
		"--disk=a,queues=0",
		"--disk=a,queues=17",
		"--disk=a,colour",
		"--disk=a,serial=123456789012345678901",
		"--disk=path=",
		"--disk=a,,",
		"--net=",
		"--net=wifi",
		"--net=user,tap=x",
		"--net=tap=",
		"--net=tap=a/b",
		"--net=tap=0123456789012345",
		"--net=user,mac=5",
		"--net=user,mac=53:54:00:00:00:01",
		"--net=mac=52:54:00:00:00:01",
		"--shmem=",
		"--shmem=a",
		"--shmem=size=16M",
		"--shmem=a,size=3M",
		"--shmem=a,size=2K",
		"--shmem=a,size=16M,readonly",
		"--rng=",
		"--console=vga",
		"--console=",
		"--console-output=",
		"--name=",
		"--name=a/b",
		"--config=",
		"--config=/nonexistent",
		"--trace-kvm=",
		"--log-level=loud",
		"--balloon=1",
		"--prealloc=yes",
		"--dry-run=1",
		"--no-kaslr=1",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char line[128];

		snprintf(line, sizeof(line), "k %s", bad[i]);
		if (strcmp(bad[i], "--disk=a,,") == 0) {
			ck_assert_int_eq(parse(line), 0); /* a file whose name ends in a comma */
			continue;
		}
		ck_assert_msg(parse(line) < 0, "%s was taken", bad[i]);
		ck_assert_ptr_eq(strchr(error_text(-EINVAL), '\n'), NULL);
		ck_assert_uint_gt(strlen(error_text(-EINVAL)), 10);
	}
}
END_TEST

START_TEST(test_a_bare_number_of_memory_suggests_its_unit)
{
	ck_assert_int_eq(parse("k --memory 512"), -EINVAL);
	ck_assert_ptr_ne(strstr(error_text(-EINVAL), "did you mean 512M"), NULL);
}
END_TEST

START_TEST(test_memory_fits_its_huge_pages)
{
	ck_assert_int_eq(parse("k --hugepages --memory 3M"), -EINVAL);
	ck_assert_int_eq(parse("k --hugepages --memory 4M"), 0);
	ck_assert_uint_eq(options.machine.vm.hugepage_size, 2 * MIB);
	ck_assert_int_eq(parse("k --hugepages=1G --memory 1536M"), -EINVAL);
}
END_TEST

START_TEST(test_memory_that_grows_does_so_by_blocks)
{
	ck_assert_int_eq(parse("k --memory 1G,max=4G"), 0);
	ck_assert_uint_eq(options.machine.memory, GIB);
	ck_assert_uint_eq(options.machine.memory_max, 4 * GIB);
	ck_assert_int_eq(parse("k --memory size=1G,max=1026M"), 0);
	ck_assert_int_eq(parse("k --memory 1G,max=1025M"), -EINVAL);
	ck_assert_ptr_ne(strstr(error_text(-EINVAL), "2M"), NULL);
	ck_assert_int_eq(parse("k --memory 1G,max=1026M --hugepages=1G"), -EINVAL);
	ck_assert_ptr_ne(strstr(error_text(-EINVAL), "1G"), NULL);
	ck_assert_int_eq(parse("k --memory 1G,max=4G --memory 2G"), 0);
	ck_assert_uint_eq(options.machine.memory, 2 * GIB);
	ck_assert_uint_eq(options.machine.memory_max, 0);
	ck_assert_int_eq(parse_with("", "{\"kernel\": \"k\", \"memory\": {\"max\": \"2G\", "
					"\"size\": \"512M\"}}"),
			 0);
	ck_assert_uint_eq(options.machine.memory, 512 * MIB);
	ck_assert_uint_eq(options.machine.memory_max, 2 * GIB);
}
END_TEST

START_TEST(test_an_unknown_option_suggests_the_nearest)
{
	ck_assert_int_eq(parse("k --memry 1G"), -EINVAL);
	ck_assert_ptr_ne(strstr(error_text(-EINVAL), "--memory"), NULL);
	ck_assert_int_eq(parse("k --zzzzzz"), -EINVAL);
	ck_assert_ptr_ne(strstr(error_text(-EINVAL), "ferry help run"), NULL);
	ck_assert_int_eq(parse("k -m 1G"), -EINVAL);
	ck_assert_int_eq(parse("k --memory"), -EINVAL);
	ck_assert_ptr_ne(strstr(error_text(-EINVAL), "--memory 4G"), NULL);
}
END_TEST

START_TEST(test_the_virtio_console_has_its_own_command_line)
{
	ck_assert_int_eq(parse("k --console virtio"), 0);
	ck_assert_str_eq(options.machine.cmdline, "console=hvc0 panic=-1");
}
END_TEST

START_TEST(test_a_long_command_line_is_refused)
{
	char line[512] = "k";

	for (int i = 0; i < 6; i++)
		strcat(line,
		       " --append 0123456789012345678901234567890123456789012345678901234567");
	ck_assert_int_eq(parse(line), 0);
	run_options_finish(&options);
	run_options_init(&options);
	for (int i = 0; i < 100; i++) {
		int err = command_run.options[3].set(&options, line + 2, true);

		ck_assert_str_eq(command_run.options[3].name, "append");
		if (err)
			return;
	}
	ck_abort_msg("it never ended");
}
END_TEST

START_TEST(test_a_config_file_has_the_options_names)
{
	ck_assert_int_eq(parse_with("",
				    "{\"kernel\": \"k\", \"memory\": \"1G\", \"cpus\": 2,\n"
				    "\"initrd\": [\"a\", \"b\"], \"kaslr\": false, \"rng\": true,\n"
				    "\"disk\": [\"x.img\", {\"path\": \"a,b\", \"readonly\": true,"
				    " \"direct\": false, \"queues\": 2}],\n"
				    "\"net\": \"user\", \"balloon\": true, \"hugepages\": \"2M\"}"),
			 0);
	ck_assert_str_eq(options.machine.kernel, "k");
	ck_assert_uint_eq(options.machine.memory, GIB);
	ck_assert_uint_eq(options.machine.vm.vcpus, 2);
	ck_assert_uint_eq(options.machine.initrd_count, 2);
	ck_assert(!options.machine.kaslr);
	ck_assert_uint_eq(options.machine.disk_count, 2);
	ck_assert_str_eq(options.machine.disks[1].path, "a,b");
	ck_assert(options.machine.disks[1].readonly && !options.machine.disks[1].direct);
	ck_assert_uint_eq(options.machine.disks[1].queues, 2);
	ck_assert_uint_eq(options.machine.net_count, 1);
	ck_assert_uint_eq(options.machine.vm.hugepage_size, 2 * MIB);
}
END_TEST

START_TEST(test_the_command_line_wins_over_the_config_file)
{
	ck_assert_int_eq(parse_with("--memory 2G --disk c k2 --no-balloon",
				    "{\"memory\": \"1G\", \"disk\": [\"a\", \"b\"], "
				    "\"balloon\": true, \"cpus\": 3}"),
			 0);
	ck_assert_uint_eq(options.machine.memory, 2 * GIB);
	ck_assert_uint_eq(options.machine.disk_count, 1);
	ck_assert_str_eq(options.machine.disks[0].path, "c");
	ck_assert(!options.machine.balloon);
	ck_assert_uint_eq(options.machine.vm.vcpus, 3);
}
END_TEST

START_TEST(test_bad_config_files_are_refused_with_the_place)
{
	static const struct {
		const char *text, *place;
	} bad[] = {
		{ "", "line 1" },
		{ "[]", "object" },
		{ "{\n  \"memory\": ,\n}", "line 2" },
		{ "{\"memory\": \"1G\"", "line 1, column 16" },
		{ "{\"memory\": \"1G\"} x", "line 1" },
		{ "{\"memory\": \"1G\",}", "line 1" },
		{ "{'memory': '1G'}", "line 1" },
		{ "{\"memry\": \"1G\"}", "did you mean memory" },
		{ "{\"memory\": true}", "memory" },
		{ "{\"memory\": null}", "memory" },
		{ "{\"memory\": 1.5}", "memory" },
		{ "{\"memory\": [\"1G\"]}", "memory" },
		{ "{\"memory\": \"12Q\"}", "memory" },
		{ "{\"cpus\": 0}", "cpus" },
		{ "{\"balloon\": \"yes\"}", "balloon" },
		{ "{\"balloon\": 1}", "balloon" },
		{ "{\"disk\": [\"a\", null]}", "disk[1]" },
		{ "{\"disk\": [\"a\", {\"path\": \"b\", \"colour\": 1}]}", "disk[1]" },
		{ "{\"disk\": {\"path\": [\"b\"]}}", "path" },
		{ "{\"disk\": {\"readonly\": true}}", "disk" },
		{ "{\"config\": \"other.json\"}", "config" },
		{ "{\"name\": \"a\\u0000b\"}", "name" },
		{ "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}}}}}", "line 1" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ck_assert_msg(parse_with("k", bad[i].text) < 0, "%s was taken", bad[i].text);
		ck_assert_msg(strstr(error_text(-EINVAL), bad[i].place), "%s: \"%s\" has no \"%s\"",
			      bad[i].text, error_text(-EINVAL), bad[i].place);
		ck_assert_int_eq(strncmp(error_text(-EINVAL), path, strlen(path)), 0);
	}
}
END_TEST

/* What an option stands beside. */
static const char *beside(const char *name)
{
	static const char *const alone[] = { "kernel", "incoming", "restore" };
	static const char *const arriving[] = { "clock", "tls" };

	for (size_t i = 0; i < ARRAY_SIZE(alone); i++)
		if (strcmp(name, alone[i]) == 0)
			return "";
	for (size_t i = 0; i < ARRAY_SIZE(arriving); i++)
		if (strcmp(name, arriving[i]) == 0)
			return "--incoming unix:x";
	return "k";
}

START_TEST(test_every_example_of_the_table_is_taken)
{
	for (size_t i = 0; i < command_run.option_count; i++) {
		const struct command_option *option = &command_run.options[i];
		char line[128];

		ck_assert(!option->arg == !option->example);
		ck_assert_ptr_ne(option->help, NULL);
		if (!option->arg || strcmp(option->name, "config") == 0)
			continue;
		snprintf(line, sizeof(line), "%s --%s=%s", beside(option->name), option->name,
			 option->example);
		ck_assert_msg(parse(line) == 0, "%s: %s", line, error_text(-EINVAL));
	}
}
END_TEST

CHECK_MAIN("cli/run_options", test_defaults_need_only_a_kernel, test_a_kernel_is_needed_once,
	   test_every_option_has_its_effect, test_switches_can_be_undone,
	   test_bad_values_are_refused_and_named, test_a_bare_number_of_memory_suggests_its_unit,
	   test_memory_fits_its_huge_pages, test_memory_that_grows_does_so_by_blocks,
	   test_an_unknown_option_suggests_the_nearest,
	   test_the_virtio_console_has_its_own_command_line, test_a_long_command_line_is_refused,
	   test_a_config_file_has_the_options_names,
	   test_the_command_line_wins_over_the_config_file,
	   test_bad_config_files_are_refused_with_the_place,
	   test_every_example_of_the_table_is_taken)
