/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of io/disk share. */
#ifndef IO_DISK_IO_H
#define IO_DISK_IO_H

/* Zeros to write where the file system cannot make any. */
#define DISK_ZEROES_SIZE (1U << 20)

#endif
