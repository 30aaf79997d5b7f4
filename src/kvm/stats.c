/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the file of KVM's binary statistics. */
#include "kvm/stats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "kvm/kvm.h"

/* More than any kernel has; what is beyond is a misunderstanding. */
#define STATS_MAX      1024
#define NAME_BYTES_MAX 256
#define VALUES_MAX     65536

int kvm_stats_open(struct kvm_stats *stats, int fd)
{
	int r = kvm_get_stats_fd(fd);

	if (r < 0)
		return r;
	stats->fd = r;
	return 0;
}

static void forget(struct kvm_stats *stats)
{
	free(stats->stats);
	free(stats->names);
	free(stats->values);
	stats->stats = NULL;
	stats->names = NULL;
	stats->values = NULL;
	stats->count = stats->value_count = 0;
}

void kvm_stats_finish(struct kvm_stats *stats)
{
	if (stats->fd >= 0)
		close(stats->fd);
	forget(stats);
	stats->fd = -1;
}

static int strange(const char *what, unsigned long long value)
{
	return because(-EPROTO, "KVM's statistics: %s %llu", what, value);
}

static int read_at(int fd, void *buf, size_t len, uint64_t offset)
{
	ssize_t n = pread(fd, buf, len, (off_t)offset);

	if (n < 0)
		return because(-errno, "KVM's statistics: %s", strerror(errno));
	return (size_t)n == len ? 0 : strange("the file ends at", offset + (uint64_t)n);
}

static int check_header(const struct kvm_stats_header *header)
{
	if (header->name_size < 1 || header->name_size > NAME_BYTES_MAX)
		return strange("names of a size of", header->name_size);
	if (header->num_desc > STATS_MAX)
		return strange("their number is", header->num_desc);
	if (header->data_offset % sizeof(uint64_t))
		return strange("values begin at", header->data_offset);
	return 0;
}

static int take_one(struct kvm_stats *stats, const struct kvm_stats_desc *desc, const char *name)
{
	struct kvm_stat *stat = &stats->stats[stats->count];
	size_t first = desc->offset / sizeof(uint64_t);

	if (desc->offset % sizeof(uint64_t) || desc->size < 1 || first + desc->size > VALUES_MAX)
		return strange("values at", desc->offset);
	*stat = (struct kvm_stat){
		.name = name,
		.kind = desc->flags & KVM_STATS_TYPE_MASK,
		.unit = (desc->flags & KVM_STATS_UNIT_MASK) >> KVM_STATS_UNIT_SHIFT,
		.base = (desc->flags & KVM_STATS_BASE_MASK) == KVM_STATS_BASE_POW2 ? 2 : 10,
		.exponent = desc->exponent,
		.bucket_size = desc->bucket_size,
		.count = desc->size,
	};
	stats->count++;
	stats->value_count = max_u64(stats->value_count, first + desc->size);
	return 0;
}

/* Values get their place when all are known. */
static int place_values(struct kvm_stats *stats, const uint8_t *block, size_t stride)
{
	struct kvm_stats_desc desc;

	stats->values = calloc(stats->value_count + 1, sizeof(*stats->values));
	if (!stats->values)
		return -ENOMEM;
	for (size_t i = 0; i < stats->count; i++) {
		memcpy(&desc, block + i * stride, sizeof(desc));
		stats->stats[i].values = stats->values + desc.offset / sizeof(uint64_t);
	}
	return 0;
}

static int take_all(struct kvm_stats *stats, const struct kvm_stats_header *header,
		    const uint8_t *block)
{
	size_t stride = sizeof(struct kvm_stats_desc) + header->name_size;
	struct kvm_stats_desc desc;
	int r = 0;

	for (uint32_t i = 0; i < header->num_desc && r == 0; i++) {
		char *name = stats->names + (size_t)i * header->name_size;

		memcpy(&desc, block + i * stride, sizeof(desc));
		memcpy(name, block + i * stride + sizeof(desc), header->name_size);
		name[header->name_size - 1] = '\0';
		r = take_one(stats, &desc, name);
	}
	return r == 0 ? place_values(stats, block, stride) : r;
}

static int read_descriptors(struct kvm_stats *stats)
{
	struct kvm_stats_header header;
	AUTO_FREE uint8_t *block = NULL;
	size_t size;
	int r = read_at(stats->fd, &header, sizeof(header), 0);

	if (r == 0)
		r = check_header(&header);
	if (r < 0)
		return r;
	size = header.num_desc * (sizeof(struct kvm_stats_desc) + header.name_size);
	block = malloc(size + 1);
	stats->names = calloc(header.num_desc + 1, header.name_size);
	stats->stats = calloc(header.num_desc + 1, sizeof(*stats->stats));
	stats->values_at = header.data_offset;
	if (!block || !stats->names || !stats->stats)
		return -ENOMEM;
	r = read_at(stats->fd, block, size, header.desc_offset);
	return r == 0 ? take_all(stats, &header, block) : r;
}

int kvm_stats_read(struct kvm_stats *stats)
{
	int r = 0;

	if (stats->fd < 0)
		return because(-ENODEV, "this KVM has no statistics");
	if (!stats->values)
		r = read_descriptors(stats);
	if (r < 0) {
		forget(stats);
		return r;
	}
	return read_at(stats->fd, stats->values, stats->value_count * sizeof(uint64_t),
		       stats->values_at);
}

const struct kvm_stat *kvm_stats_find(const struct kvm_stats *stats, const char *name)
{
	for (size_t i = 0; i < stats->count; i++)
		if (strcmp(stats->stats[i].name, name) == 0)
			return &stats->stats[i];
	return NULL;
}
