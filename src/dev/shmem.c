/* SPDX-License-Identifier: Apache-2.0 */
/* Memory shared through a file: its PCI function. */
#include "dev/shmem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ferry/bus.h>
#include <ferry/error.h>

#include "base/util.h"
#include "dev/pci/pci.h"
#include "mem/mem.h"

/* ivshmem-spec: PCI BARs */
#define REGISTERS_BAR  0
#define REGISTERS_SIZE 256
#define MEMORY_BAR     2

#define VENDOR	   0x1af4
#define DEVICE	   0x1110
#define REVISION   1
#define SUBSYSTEM  0x1100
#define CLASS_RAM  0x050000 /* PCI Code and ID Assignment 1.6 */

struct shmem {
	int fd;
	struct pci_device *pci;
};

static void registers_read(void *self, uint64_t offset, void *data, unsigned len)
{
	static const uint64_t zero;

	(void)self, (void)offset;
	copy_access(data, &zero, len);
}

static void registers_write(void *self, uint64_t offset, const void *data, unsigned len)
{
	(void)self, (void)offset, (void)data, (void)len;
}

static const struct bus_ops registers_ops = { .read = registers_read, .write = registers_write };

static int fit_file(int fd, const struct shmem_options *options)
{
	struct stat st;
	int r = fstat(fd, &st);

	if (r == 0 && !S_ISREG(st.st_mode))
		return because(-EINVAL, "shared memory %s is not a file", options->path);
	if (r == 0 && st.st_size && (uint64_t)st.st_size < options->size)
		return because(-EINVAL, "shared memory %s has %llu bytes, and %llu are needed",
			       options->path, (unsigned long long)st.st_size,
			       (unsigned long long)options->size);
	if (r == 0 && !st.st_size)
		r = ftruncate(fd, (off_t)options->size);
	return r < 0 ? because(-errno, "shared memory %s: %s", options->path, strerror(errno)) : 0;
}

static int open_file(const struct shmem_options *options)
{
	int fd = open(options->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return because(-errno, "shared memory %s: %s", options->path, strerror(errno));
	r = fit_file(fd, options);
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

static int add_function(struct shmem *shmem, struct pci_host *host, uint64_t size)
{
	const struct pci_device_options options = {
		.name = "shmem",
		.vendor = VENDOR,
		.device = DEVICE,
		.subsystem_vendor = VENDOR,
		.subsystem = SUBSYSTEM,
		.class_code = CLASS_RAM,
		.revision = REVISION,
		.bars = {
			[REGISTERS_BAR] = { .size = REGISTERS_SIZE, .ops = &registers_ops },
			[MEMORY_BAR] = { .size = size, .is_64bit = true, .is_memory = true,
					 .fd = shmem->fd },
		},
		.self = shmem,
	};

	return pci_device_add(host, -1, &options, &shmem->pci);
}

int shmem_create(struct pci_host *host, const struct shmem_options *options,
		 struct shmem **ret_shmem)
{
	struct shmem *shmem;
	int r;

	if (options->size < GUEST_PAGE_SIZE || (options->size & (options->size - 1)))
		return because(-EINVAL, "shared memory of %llu bytes: the size is a power of two",
			       (unsigned long long)options->size);
	shmem = calloc(1, sizeof(*shmem));
	if (!shmem)
		return -ENOMEM;
	shmem->fd = r = open_file(options);
	if (r >= 0)
		r = add_function(shmem, host, options->size);
	if (r < 0)
		goto fail;
	*ret_shmem = shmem;
	return 0;
fail:
	shmem_destroy(shmem);
	return r;
}

void shmem_destroy(struct shmem *shmem)
{
	if (!shmem)
		return;
	pci_device_remove(shmem->pci);
	if (shmem->fd >= 0)
		close(shmem->fd);
	free(shmem);
}
