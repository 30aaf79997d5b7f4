/* SPDX-License-Identifier: Apache-2.0 */
/* For tests that make a VM: without /dev/kvm the program is skipped, with a reason. */
#ifndef TESTS_NEED_KVM_H
#define TESTS_NEED_KVM_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((constructor)) static void need_kvm(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		printf("skipped: /dev/kvm: %s\n", strerror(errno));
		fflush(stdout);
		_exit(77);
	}
	close(fd);
}

#endif
