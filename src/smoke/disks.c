/* SPDX-License-Identifier: Apache-2.0 */
/* Files for what guests write. */
#include "smoke/disks.h"

#include <ferry/error.h>

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"

#define PATH_MAX_HERE 256

int smoke_disks_add(struct smoke_disks *disks, const char *value, bool is_overlaid)
{
	struct smoke_disk *grown = realloc(disks->all, (disks->count + 1) * sizeof(*grown));
	char *copy = strdup(value);

	if (grown)
		disks->all = grown;
	if (!grown || !copy) {
		free(copy);
		return because(-ENOMEM, "out of memory");
	}
	grown[disks->count++] = (struct smoke_disk){ copy, is_overlaid };
	return 0;
}

void smoke_disks_finish(struct smoke_disks *disks)
{
	for (size_t i = 0; i < disks->count; i++)
		free(disks->all[i].value);
	free(disks->all);
	*disks = (struct smoke_disks){ 0 };
}

/* Large files are for /var/tmp: /tmp may be memory (file-hierarchy(7)). */
static int make_file(char path[PATH_MAX_HERE])
{
	const char *parent = getenv("TMPDIR");
	int fd;

	if (snprintf(path, PATH_MAX_HERE, "%s/ferry-disk-XXXXXX",
		     parent && *parent ? parent : "/var/tmp") >= PATH_MAX_HERE)
		return because(-ENAMETOOLONG, "TMPDIR has too long a name");
	fd = mkostemp(path, O_CLOEXEC);
	return fd < 0 ? because(-errno, "cannot make %s: %s", path, strerror(errno)) : fd;
}

static int make_nameless(void)
{
	char path[PATH_MAX_HERE];
	int fd = make_file(path);

	if (fd >= 0)
		unlink(path);
	return fd;
}

static int copy_range(int to, int from, off_t offset, off_t end)
{
	char buf[65536];

	while (offset < end) {
		size_t want = end - offset < (off_t)sizeof(buf) ? (size_t)(end - offset) : sizeof(buf);
		ssize_t n = pread(from, buf, want, offset);

		if (n > 0)
			n = pwrite(to, buf, (size_t)n, offset);
		if (n <= 0)
			return because(n < 0 ? -errno : -EIO, "cannot copy a disk's overlay: %s",
				       strerror(n < 0 ? errno : EIO));
		offset += n;
	}
	return 0;
}

/* Holes stay holes. */
static int copy_file(int to, int from)
{
	struct stat info;
	off_t data = 0, hole;
	int err = 0;

	if (fstat(from, &info) < 0 || ftruncate(to, info.st_size) < 0)
		return because(-errno, "cannot copy a disk's overlay: %s", strerror(errno));
	while (!err && data < info.st_size && (data = lseek(from, data, SEEK_DATA)) >= 0) {
		hole = lseek(from, data, SEEK_HOLE);
		if (hole < 0)
			hole = info.st_size;
		err = copy_range(to, from, data, hole);
		data = hole;
	}
	return err;
}

static int make_overlay(int from)
{
	int fd = make_nameless();
	int err = fd >= 0 && from >= 0 ? copy_file(fd, from) : 0;

	if (fd < 0 || !err)
		return fd;
	close(fd);
	return err;
}

int smoke_overlays_make(struct smoke_overlays *overlays, const struct smoke_disks *disks,
			const struct smoke_overlays *from)
{
	*overlays = (struct smoke_overlays){ .fds = calloc(disks->count + 1, sizeof(int)) };
	if (!overlays->fds)
		return because(-ENOMEM, "out of memory");
	for (size_t i = 0; i < disks->count; i++) {
		int origin = from && i < from->count ? from->fds[i] : -1;
		int fd = disks->all[i].is_overlaid ? make_overlay(origin) : -1;

		if (disks->all[i].is_overlaid && fd < 0) {
			smoke_overlays_finish(overlays);
			return fd;
		}
		overlays->fds[overlays->count++] = fd;
	}
	return 0;
}

void smoke_overlays_finish(struct smoke_overlays *overlays)
{
	for (size_t i = 0; i < overlays->count; i++) {
		if (overlays->fds[i] >= 0)
			close(overlays->fds[i]);
	}
	free(overlays->fds);
	*overlays = (struct smoke_overlays){ 0 };
}

void smoke_overlays_words(const struct smoke_overlays *overlays, const struct smoke_disks *disks,
			  struct smoke_words *words)
{
	for (size_t i = 0; i < disks->count; i++) {
		int fd = i < overlays->count ? overlays->fds[i] : -1;

		if (fd < 0)
			smoke_words_add(words, "--disk=%s", disks->all[i].value);
		else
			smoke_words_add(words, "--disk=%s,overlay=/proc/%d/fd/%d",
					disks->all[i].value, (int)getpid(), fd);
	}
}

/* docs/interop/qcow2.txt: magic, and version 2 or 3. */
bool smoke_disk_is_qcow2(const char *path)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t head[8];

	return fd >= 0 && pread(fd, head, sizeof(head), 0) == sizeof(head) &&
	       memcmp(head, "QFI\xfb\0\0\0", 7) == 0 && (head[7] == 2 || head[7] == 3);
}

static int run_qemu_img(const char *from, const char *to)
{
	char *const words[] = { (char *)"qemu-img", (char *)"convert", (char *)"-f",
				(char *)"qcow2",    (char *)"-O",      (char *)"raw",
				(char *)"--",	    (char *)from,      (char *)to,
				NULL };
	int status, err;
	pid_t pid;

	err = posix_spawnp(&pid, words[0], NULL, NULL, words, environ);
	if (err == ENOENT)
		return because(-ENOENT, "%s is a qcow2 image, which qemu-img reads: apt install "
			       "qemu-utils", from);
	if (err)
		return because(-err, "cannot start qemu-img: %s", strerror(err));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return because(-EIO, "%s: qemu-img could not read it", from);
	return 0;
}

int smoke_disk_convert(const char *path, int *ret_fd)
{
	char raw[PATH_MAX_HERE];
	int fd = make_file(raw), err;

	if (fd < 0)
		return fd;
	/* It may put another file in this one's place. */
	close(fd);
	err = run_qemu_img(path, raw);
	if (!err) {
		fd = open(raw, O_RDONLY | O_CLOEXEC);
		err = fd < 0 ? because(-errno, "cannot open %s: %s", raw, strerror(errno)) : 0;
	}
	unlink(raw);
	if (!err)
		*ret_fd = fd;
	return err;
}
