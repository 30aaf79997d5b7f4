/* SPDX-License-Identifier: Apache-2.0 */
/* Image files for the disks that a guest brings along: made where there are none yet. */
#ifndef CLI_IMAGES_H
#define CLI_IMAGES_H

#include <stddef.h>

struct machine_options;
struct migrate_dest;

/* Those that were made here. A zeroed one has none. */
struct images {
	int *directories; /* open: when they are removed there may be no path to them any more */
	char **names;	  /* in there */
	size_t count;
};

/*
 * Makes the files that are missing of the disks that the source copies, sparse and as large as it says.
 * What open(2) says, with a text; what was made until then is in *images.
 */
int images_make(struct images *images, const struct machine_options *machine,
		const struct migrate_dest *dest);
/* Removes them again: the guest did not come. */
void images_remove(struct images *images);
void images_finish(struct images *images);

#endif
