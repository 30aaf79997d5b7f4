/* SPDX-License-Identifier: Apache-2.0 */
/* Initial RAM disks made of what is at hand: a directory of the host's, a command to run. */
#ifndef SMOKE_OVERLAY_H
#define SMOKE_OVERLAY_H

/*
 * Both are archives of cpio's newc format (Documentation/driver-api/early-userspace/buffer-format.rst)
 * in memory that ends with the descriptor. -errno with a text.
 */

/* All of a directory, as root's. Sockets are left out. */
int smoke_overlay_directory(const char *path, int *ret_fd);
/* /ferry/init, for rdinit=, which runs command. */
int smoke_overlay_command(const char *command, int *ret_fd);

#endif
