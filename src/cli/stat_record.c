/* SPDX-License-Identifier: Apache-2.0 */
/* From a recorded file to a drawn one. */
#include "cli/stat_plot.h"

#include <ferry/error.h>

#include <errno.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

struct record {
	struct json_object **intervals;
	size_t count;
};

static void record_finish(struct record *record)
{
	for (size_t i = 0; i < record->count; i++)
		json_object_put(record->intervals[i]);
	free(record->intervals);
}

static bool is_interval(struct json_object *object)
{
	struct json_object *cpus = json_object_object_get(object, "cpus");

	if (!json_object_is_type(cpus, json_type_array) ||
	    !json_object_object_get_ex(object, "time_ns", NULL) ||
	    !json_object_object_get_ex(object, "interval_ns", NULL))
		return false;
	for (size_t i = 0; i < json_object_array_length(cpus); i++)
		if (!json_object_is_type(json_object_array_get_idx(cpus, i), json_type_object))
			return false;
	return true;
}

/* Takes object, which may be NULL. */
static int add(struct record *record, struct json_object *object)
{
	struct json_object **grown;

	if (!json_object_is_type(object, json_type_object) || !is_interval(object)) {
		json_object_put(object);
		return because(-EINVAL, "line %zu is not from 'ferry stat --record'",
			       record->count + 1);
	}
	grown = reallocarray(record->intervals, record->count + 1, sizeof(*grown));
	if (!grown) {
		json_object_put(object);
		return because(-ENOMEM, "out of memory");
	}
	record->intervals = grown;
	record->intervals[record->count++] = object;
	return 0;
}

static int record_read(const char *path, struct record *record)
{
	FILE *file = fopen(path, "re");
	AUTO_FREE char *line = NULL;
	size_t size = 0;
	int err = 0;

	if (!file)
		return because(-errno, "%s: %s", path, strerror(errno));
	while (!err && getline(&line, &size, file) >= 0)
		err = add(record, json_tokener_parse(line));
	fclose(file);
	if (!err && !record->count)
		err = because(-EINVAL, "nothing is recorded in it");
	return err ? because_of(err, "%s", path) : 0;
}

static int write_svg(const struct record *record, const char *path)
{
	FILE *file = fopen(path, "we");
	int err = 0;

	if (!file)
		return because(-errno, "%s: %s", path, strerror(errno));
	stat_plot_write(file, record->intervals, record->count);
	if (ferror(file))
		err = -EIO;
	if (fclose(file) != 0 && !err)
		err = -errno;
	return err ? because(err, "%s: %s", path, strerror(-err)) : 0;
}

int stat_plot_file(const char *record, const char *svg)
{
	struct record read = { 0 };
	int err = record_read(record, &read);

	if (!err)
		err = write_svg(&read, svg);
	record_finish(&read);
	return err;
}
