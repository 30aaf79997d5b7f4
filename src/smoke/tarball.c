/* SPDX-License-Identifier: Apache-2.0 */
/* A tarball as an initial RAM disk. */
#include <ferry/error.h>

#include <errno.h>
#include <search.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "smoke/archive_library.h"
#include "smoke/cpio.h"
#include "smoke/overlay.h"

#define NAME_MAX_HERE 4096 /* of what Linux unpacks: PATH_MAX */

/* A file that another name may come to mean. */
struct file {
	char *name;
	uint32_t number;
	struct file *next;
};

struct tarball {
	struct archive_library library;
	struct archive *archive;
	const char *path;
	struct cpio cpio;
	void *files; /* by name: tsearch(3) */
	struct file *all;
	struct smoke_root root;
};

static int failed(struct tarball *tar)
{
	const char *why = tar->library.error_string(tar->archive);

	return because(-EINVAL, "%s: %s", tar->path, why ? why : "is no tarball");
}

/* Of "./usr/bin/" what the kernel is to make: "usr/bin"; "" for the root itself. */
static int clean_name(const char *given, char name[NAME_MAX_HERE])
{
	size_t len = 0;

	name[0] = '\0';
	for (const char *at = given; *at;) {
		size_t part = strcspn(at, "/");

		if (part == 2 && memcmp(at, "..", 2) == 0)
			return because(-EINVAL, "%s: is outside of the root", given);
		if (part && !(part == 1 && *at == '.')) {
			if (len + part + 2 > NAME_MAX_HERE)
				return because(-ENAMETOOLONG, "%.64s...: too long a name", given);
			if (len)
				name[len++] = '/';
			memcpy(name + len, at, part);
			len += part;
		}
		at += part + (at[part] == '/');
	}
	name[len] = '\0';
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct file *)a)->name, ((const struct file *)b)->name);
}

/* Of two files with one name the last counts. */
static int remember(struct tarball *tar, const char *name, uint32_t number)
{
	struct file *file = calloc(1, sizeof(*file));
	struct file **found;

	if (!file)
		return because(-ENOMEM, "out of memory");
	file->next = tar->all;
	tar->all = file;
	file->name = strdup(name);
	found = file->name ? tsearch(file, &tar->files, compare) : NULL;
	if (!found)
		return because(-ENOMEM, "out of memory");
	(*found)->number = number;
	return 0;
}

static int find(struct tarball *tar, const char *target, uint32_t *ret_number)
{
	char name[NAME_MAX_HERE];
	const struct file key = { .name = name };
	struct file **found;
	int err = clean_name(target, name);

	if (err)
		return err;
	found = tfind(&key, &tar->files, compare);
	if (!found)
		return because(-EINVAL, "a link to %s, which does not come before it", target);
	*ret_number = (*found)->number;
	return 0;
}

static int put_content(struct tarball *tar, uint64_t size)
{
	char buf[65536];

	while (size) {
		size_t want = size < sizeof(buf) ? (size_t)size : sizeof(buf);
		la_ssize_t n = tar->library.read_data(tar->archive, buf, want);

		if (n < 0)
			return failed(tar);
		if (n == 0)
			return because(-EINVAL, "the tarball ends too early");
		cpio_put(&tar->cpio, buf, (size_t)n);
		size -= (size_t)n;
	}
	cpio_pad(&tar->cpio);
	return 0;
}

static int put_file(struct tarball *tar, struct cpio_entry *entry, struct archive_entry *from)
{
	la_int64_t size = tar->library.entry_size(from);
	int err;

	if (size < 0 || size > UINT32_MAX)
		return because(-EFBIG, "too large for an initial RAM disk");
	entry->size = (uint64_t)size;
	entry->links = 2; /* there may be more: the kernel remembers it then */
	err = remember(tar, entry->name, entry->number);
	if (err)
		return err;
	cpio_begin(&tar->cpio, entry);
	return put_content(tar, entry->size);
}

static int put_symlink(struct tarball *tar, struct cpio_entry *entry, const char *target)
{
	if (!target)
		return because(-EINVAL, "a link to nowhere");
	entry->size = strlen(target);
	cpio_begin(&tar->cpio, entry);
	cpio_put(&tar->cpio, target, entry->size);
	cpio_pad(&tar->cpio);
	return 0;
}

static int put_entry(struct tarball *tar, struct archive_entry *from, const char *name)
{
	const char *target = tar->library.entry_hardlink(from);
	struct cpio_entry entry = {
		.name = name,
		.mode = tar->library.entry_mode(from),
		.uid = (uid_t)tar->library.entry_uid(from),
		.gid = (gid_t)tar->library.entry_gid(from),
		.number = cpio_number(&tar->cpio),
		.links = 1,
	};
	int err = 0;

	if (target) {
		err = find(tar, target, &entry.number);
		entry.mode = S_IFREG | (entry.mode & 07777);
		entry.links = 2;
		if (!err)
			cpio_begin(&tar->cpio, &entry);
	} else if (S_ISREG(entry.mode)) {
		err = put_file(tar, &entry, from);
	} else if (S_ISLNK(entry.mode)) {
		err = put_symlink(tar, &entry, tar->library.entry_symlink(from));
	} else if (!S_ISSOCK(entry.mode)) {
		entry.device = tar->library.entry_rdev(from);
		cpio_begin(&tar->cpio, &entry);
	}
	return err;
}

/* OCI image-spec, layer.md and image-layout.md; Docker's archives of images have a manifest.json. */
static int take(struct tarball *tar, struct archive_entry *from)
{
	const char *given = tar->library.entry_pathname(from);
	char name[NAME_MAX_HERE];
	const char *slash;
	int err;

	if (!given)
		return because(-EINVAL, "an entry without a name");
	err = clean_name(given, name);
	if (err)
		return err;
	if (strcmp(name, "oci-layout") == 0 || strcmp(name, "manifest.json") == 0)
		return because(-EINVAL, "it is an image of layers: 'docker export', 'podman export' "
					"or 'umoci unpack' make a root of it");
	slash = strrchr(name, '/');
	if (!*name || strncmp(slash ? slash + 1 : name, ".wh.", 4) == 0)
		return 0;
	tar->root.has_init = tar->root.has_init || strcmp(name, "init") == 0;
	err = put_entry(tar, from, name);
	return err ? because_of(err, "%s", name) : 0;
}

static int take_all(struct tarball *tar)
{
	struct archive_entry *entry;
	int r, err = 0;

	tar->library.read_support_filter_all(tar->archive);
	tar->library.read_support_format_tar(tar->archive);
	if (tar->library.read_open_filename(tar->archive, tar->path, 65536) != ARCHIVE_OK)
		return failed(tar);
	while (!err && (r = tar->library.read_next_header(tar->archive, &entry)) != ARCHIVE_EOF) {
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
			return failed(tar);
		err = take(tar, entry);
	}
	return err;
}

static void forget_files(struct tarball *tar)
{
	while (tar->files)
		tdelete(*(struct file **)tar->files, &tar->files, compare);
	while (tar->all) {
		struct file *file = tar->all;

		tar->all = file->next;
		free(file->name);
		free(file);
	}
}

int smoke_overlay_tarball(const char *path, struct smoke_root *ret_root)
{
	struct tarball tar = { .path = path };
	int err = archive_library_load(&tar.library);

	if (!err)
		err = cpio_init(&tar.cpio);
	if (err)
		return err;
	tar.archive = tar.library.read_new();
	cpio_add_console(&tar.cpio);
	err = tar.archive ? take_all(&tar) : because(-ENOMEM, "out of memory");
	err = cpio_finish(&tar.cpio, err, &tar.root.fd);
	if (tar.archive)
		tar.library.read_free(tar.archive);
	forget_files(&tar);
	if (err)
		return because_of(err, "%s", path);
	*ret_root = tar.root;
	return 0;
}
