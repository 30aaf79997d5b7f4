/* SPDX-License-Identifier: Apache-2.0 */
/* The first process of a guest of 'ferry smoke --run': runs a command, says its status, switches off. */
#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <linux/reboot.h>
#include <linux/sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "init/system.h"

#define AT_FDCWD	   (-100)
#define SIGCHLD		   17
#define SYSLOG_CONSOLE_OFF 6
#define WORDS_MAX	   64

static char command[65536];
static char *const environment[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
	"TERM=linux", NULL,
};

static long call(long number, long a, long b, long c)
{
	return system_call(number, a, b, c, 0, 0);
}

static void say(const char *text)
{
	size_t len = 0;

	while (text[len])
		len++;
	call(SYS_write, 2, (long)text, (long)len);
}

static void make_mount(const char *type, const char *where)
{
	call(SYS_mkdirat, AT_FDCWD, (long)where, 0755);
	system_call(SYS_mount, (long)type, (long)where, (long)type, 0, 0);
}

/* One byte at a time: what follows the command is the command's. */
static char read_byte(void)
{
	char byte = '\0';

	return call(SYS_read, 0, (long)&byte, 1) == 1 ? byte : '\n';
}

/* From somebody who types: src/smoke/init.h. */
static void ask_for_command(void)
{
	struct termios before, raw;
	size_t len = 0;

	call(SYS_ioctl, 0, TCGETS, (long)&before);
	raw = before;
	raw.c_iflag = 0;
	raw.c_lflag = 0;
	call(SYS_ioctl, 0, TCSETS, (long)&raw);
	say("\nferry-init: waiting for a command\n");
	for (char digit; (digit = read_byte()) >= '0' && digit <= '9';)
		len = len * 10 + (size_t)(digit - '0');
	if (len >= sizeof(command))
		len = 0;
	for (size_t i = 0; i < len; i++)
		command[i] = read_byte();
	call(SYS_ioctl, 0, TCSETS, (long)&before);
}

static void read_command(void)
{
	long fd = system_call(SYS_openat, AT_FDCWD, (long)"/ferry/command", 0, 0, 0), n;

	if (fd < 0) {
		ask_for_command();
		return;
	}
	n = call(SYS_read, fd, (long)command, sizeof(command) - 1);
	command[n > 0 ? n : 0] = '\0';
	call(SYS_close, fd, 0, 0);
}

/* Where there is no shell: words between blanks. */
static void run_words(void)
{
	char *words[WORDS_MAX + 1];
	size_t count = 0;

	for (char *at = command; *at && count < WORDS_MAX;) {
		while (*at == ' ')
			*at++ = '\0';
		if (*at)
			words[count++] = at;
		while (*at && *at != ' ')
			at++;
	}
	words[count] = NULL;
	if (count)
		call(SYS_execve, (long)words[0], (long)words, (long)environment);
}

static void run_command(void)
{
	char *const shell[] = { "/bin/sh", "-c", command, NULL };

	call(SYS_setsid, 0, 0, 0);
	call(SYS_ioctl, 0, TIOCSCTTY, 0);
	call(SYS_execve, (long)shell[0], (long)shell, (long)environment);
	run_words();
	say("ferry-init: cannot run the command\n");
	call(SYS_exit_group, 127, 0, 0);
}

/* What a shell says: the status, or 128 and the signal. */
static unsigned run(void)
{
	long child = system_call(SYS_clone, SIGCHLD, 0, 0, 0, 0), pid;
	int status = 0;

	if (child == 0)
		run_command();
	do
		pid = system_call(SYS_wait4, -1, (long)&status, 0, 0, 0);
	while (pid > 0 && pid != child);
	if (pid < 0)
		return 126;
	return status & 0x7f ? 128U + (status & 0x7f) : (unsigned)(status >> 8 & 0xff);
}

/* Whole, and with nothing of the kernel's in between. */
static void tell(unsigned status)
{
	char line[] = "\nferry-init: status 000.\n";
	char *digits = line + sizeof("\nferry-init: status ") - 1;

	for (int i = 2; i >= 0; i--, status /= 10)
		digits[i] = (char)('0' + status % 10);
	call(SYS_syslog, SYSLOG_CONSOLE_OFF, 0, 0);
	say(line);
}

void guest_init(void) __attribute__((noreturn, used));

void guest_init(void)
{
	make_mount("devtmpfs", "/dev");
	make_mount("proc", "/proc");
	make_mount("sysfs", "/sys");
	make_mount("tmpfs", "/tmp");
	make_mount("tmpfs", "/run");
	read_command();
	tell(run());
	call(SYS_sync, 0, 0, 0);
	for (;;)
		system_call(SYS_reboot, (long)LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
			    LINUX_REBOOT_CMD_POWER_OFF, 0, 0);
}
