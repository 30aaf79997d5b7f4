/* SPDX-License-Identifier: Apache-2.0 */
/* A disk's image: opened, locked, flushed. */
#include "io/disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <ferry/error.h>

#include "base/util.h"
#include "io/disk_io.h"

static int open_image(struct disk *disk, const struct disk_options *options)
{
	const char *path = options->overlay ? options->overlay : options->path;
	int r;

	if (options->overlay && (options->readonly || options->direct))
		return because(-EINVAL, "%s: an overlay is written, and through the page cache",
			       options->path);
	if (options->overlay)
		r = disk_image_init_overlay(&disk->image, options->path, options->overlay);
	else
		r = disk_image_init(&disk->image, options->path, options->readonly,
				    options->direct);
	if (r == 0 && (!options->unlocked || options->readonly))
		r = disk_image_lock(&disk->image, path, options->readonly);
	return r;
}

int disk_init(struct disk *disk, struct loop *loop, const struct disk_options *options)
{
	int r;

	*disk = (struct disk){ .loop = loop, .image.fd = -1, .readonly = options->readonly };
	disk->waiting_tail = &disk->waiting;
	r = open_image(disk, options);
	if (r < 0)
		goto fail;
	r = -ENOMEM;
	disk->id = strdup(options->id);
	disk->path = strdup(options->overlay ? options->overlay : options->path);
	if (!disk->id || !disk->path)
		goto fail;
	/* Never written, so it is the kernel's zero page throughout. */
	disk->zeroes = mmap(NULL, DISK_ZEROES_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (disk->zeroes == MAP_FAILED) {
		disk->zeroes = NULL;
		goto fail;
	}
	return 0;
fail:
	disk_finish(disk);
	return r;
}

void disk_finish(struct disk *disk)
{
	if (!disk->loop)
		return;
	loop_drain(disk->loop, &disk->flush.running);
	for (unsigned i = 0; i < disk->bounce_count; i++)
		free(disk->bounces[i]);
	if (disk->zeroes)
		munmap(disk->zeroes, DISK_ZEROES_SIZE);
	free(disk->id);
	free(disk->path);
	disk_image_finish(&disk->image);
	*disk = (struct disk){ 0 };
}

int disk_lock(struct disk *disk)
{
	return disk->readonly ? 0 : disk_image_lock(&disk->image, disk->path, false);
}

void disk_unlock(struct disk *disk)
{
	if (!disk->readonly)
		disk_image_unlock(&disk->image);
}

static void flushed(struct loop_op *op, int res)
{
	struct disk *disk = container_of(op, struct disk, flush.op);

	disk->flush.running = 0;
	disk->flush.done(disk->flush.arg, disk->id, res < 0 ? res : 0);
}

void disk_flush(struct disk *disk, void (*done)(void *arg, const char *id, int res), void *arg)
{
	if (disk->readonly) {
		done(arg, disk->id, 0);
		return;
	}
	disk->flush.done = done;
	disk->flush.arg = arg;
	disk->flush.running = 1;
	disk->flush.op.done = flushed;
	loop_fdatasync(disk->loop, &disk->flush.op, disk->image.fd);
}
