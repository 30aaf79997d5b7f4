/* SPDX-License-Identifier: Apache-2.0 */
/* membarrier(2), for which the C library has no name. */
#include "base/barrier.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ferry/error.h>

int barrier_everywhere(void)
{
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) < 0 ||
	    syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) < 0)
		return because(-errno, "membarrier(2), which ferry needs: %s", strerror(errno));
	return 0;
}
