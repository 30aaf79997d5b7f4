/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of buffers: copies from and to flat ones. */
#ifndef IO_IOV_H
#define IO_IOV_H

#include <stdint.h>
#include <sys/uio.h>

/* Copy at most len bytes from offset on; return how many there were. */
uint64_t iov_to_buf(const struct iovec *iov, unsigned count, uint64_t offset, void *buf, uint64_t len);
uint64_t iov_from_buf(const struct iovec *iov, unsigned count, uint64_t offset, const void *buf,
		      uint64_t len);

/* Moves the beginning on by so many bytes, at most by all. */
void iov_skip(struct iovec **iov, unsigned *count, uint64_t bytes);

#endif
