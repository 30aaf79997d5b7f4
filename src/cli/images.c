/* SPDX-License-Identifier: Apache-2.0 */
/* Makes empty disks, and takes them away. */
#include "cli/images.h"

#include <ferry/error.h>
#include <ferry/machine.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "migrate/dest.h"

/* How large the source's disk of this number is; 0: it does not copy it. */
static uint64_t size_of(const struct migrate_dest *dest, size_t number)
{
	char wanted[32];

	snprintf(wanted, sizeof(wanted), "disk%zu", number);
	for (unsigned i = 0; i < migrate_dest_disks(dest); i++) {
		const char *id;
		uint64_t size = migrate_dest_disk(dest, i, &id);

		if (strcmp(id, wanted) == 0)
			return size;
	}
	return 0;
}

static int remember(struct images *images, const char *path)
{
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *directory = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	int *directories = realloc(images->directories, (images->count + 1) * sizeof(int));
	char **names;

	if (directories)
		images->directories = directories;
	names = realloc(images->names, (images->count + 1) * sizeof(*names));
	if (names)
		images->names = names;
	if (!directory || !directories || !names)
		return because(-ENOMEM, "out of memory");
	names[images->count] = strdup(slash ? slash + 1 : path);
	if (!names[images->count])
		return because(-ENOMEM, "out of memory");
	directories[images->count] = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	images->count++;
	return 0;
}

static int make(struct images *images, const char *path, uint64_t size)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int err;

	if (fd < 0)
		return errno == EEXIST ? 0 : because(-errno, "cannot make %s: %s", path, strerror(errno));
	err = remember(images, path);
	if (err) {
		unlink(path);
		return err;
	}
	if (ftruncate(fd, (off_t)size) < 0)
		return because(-errno, "cannot make %s of %llu bytes: %s", path,
			       (unsigned long long)size, strerror(errno));
	return 0;
}

int images_make(struct images *images, const struct machine_options *machine,
		const struct migrate_dest *dest)
{
	int err = 0;

	for (size_t i = 0; i < machine->disk_count && !err; i++) {
		const struct machine_disk *disk = &machine->disks[i];
		uint64_t size = disk->readonly ? 0 : size_of(dest, i);

		if (size)
			err = make(images, disk->path, size);
	}
	return err;
}

void images_remove(struct images *images)
{
	for (size_t i = 0; i < images->count; i++)
		unlinkat(images->directories[i], images->names[i], 0);
}

void images_finish(struct images *images)
{
	for (size_t i = 0; i < images->count; i++) {
		if (images->directories[i] >= 0)
			close(images->directories[i]);
		free(images->names[i]);
	}
	free(images->directories);
	free(images->names);
	*images = (struct images){ 0 };
}
