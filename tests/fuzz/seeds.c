/* SPDX-License-Identifier: Apache-2.0 */
/* Writes what the fuzz targets begin with: seeds DIRECTORY makes DIRECTORY/TARGET/NAME. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz/fuzz.h"
#include "fuzz/guest.h"
#include "fuzz/seeds.h"
#include "migrate/bytes.h"
#include "migrate/hello.h"
#include "migrate/pages.h"
#include "migrate/regions.h"
#include "migrate/stores.h"

static struct mem mem;
static struct fake_regs regs;
static struct migrate_store store = { .id = "disk0", .size = FUZZ_STORE_SIZE };
static const struct migrate_guest guest = { .stores = &store, .store_count = 1 };
static struct buffer state, names;

static void check(int err)
{
	if (err)
		abort();
}

void write_bytes(const char *dir, const char *target, const char *name, const void *data, size_t size)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, target);
	mkdir(path, 0777);
	snprintf(path, sizeof(path), "%s/%s/%s", dir, target, name);
	file = fopen(path, "w");
	if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0) {
		perror(path);
		exit(1);
	}
}

static void write_seed(const char *dir, const char *target, const char *name,
		       const struct buffer *seed)
{
	write_bytes(dir, target, name, seed->data, seed->size);
}

static void add_lists(const struct stream *stream)
{
	check(stream_send_buffer(stream, RECORD_NAMES, &names));
	check(stream_send_buffer(stream, RECORD_REGISTERS, &state));
}

static void make_state_seed(const char *dir)
{
	struct buffer seed = { 0 };
	const uint8_t head[] = { 0, (uint8_t)names.size, (uint8_t)(names.size >> 8) };

	check(buffer_add(&seed, head, sizeof(head)));
	check(buffer_add(&seed, names.data, names.size));
	check(buffer_add(&seed, state.data, state.size));
	write_seed(dir, "state", "all", &seed);
	buffer_finish(&seed);
}

static void make_snapshot_seed(const char *dir)
{
	struct bytes bytes = { 0 };
	const struct stream stream = bytes_stream(&bytes);

	check(buffer_add(&bytes.buffer, "", 1));
	check(stream_send_header(&stream, STREAM_SNAPSHOT));
	check(stream_send(&stream, RECORD_MACHINE, 0, 0, "{}", 2));
	check(regions_send(&stream, RECORD_MEMORY_FILE, &mem));
	add_lists(&stream);
	check(stream_send(&stream, RECORD_END, 0, 0, NULL, 0));
	write_seed(dir, "snapshot", "all", &bytes.buffer);
	bytes_finish(&bytes);
}

/* A page of each kind, as the packer sends them. */
static void add_pages(const struct stream *stream, int compress)
{
	uint64_t page[GUEST_PAGE_SIZE / 8] = { 0 };
	struct page_packer packer;
	struct page_sink sink;

	check(page_packer_init(&packer, *stream, compress));
	sink = page_packer_sink(&packer);
	check(sink.add_zero(sink.self, 0, 3));
	for (unsigned i = 0; i < ARRAY_SIZE(page); i++)
		page[i] = 5;
	check(sink.add(sink.self, 4 * GUEST_PAGE_SIZE, page));
	for (unsigned i = 0; i < ARRAY_SIZE(page); i++)
		page[i] = compress ? i / 64 : i * 0x9e3779b97f4a7c15;
	check(sink.add(sink.self, 79 * GUEST_PAGE_SIZE, page));
	check(sink.flush(sink.self));
	page_packer_finish(&packer);
}

static void add_part(struct buffer *seed, const struct buffer *part)
{
	const uint8_t size[] = { (uint8_t)part->size, (uint8_t)(part->size >> 8) };

	check(buffer_add(seed, size, sizeof(size)));
	check(buffer_add(seed, part->data, part->size));
}

/* What a source says before any memory moves. */
static void add_question(const struct stream *stream, unsigned flags, unsigned connections)
{
	check(regions_send(stream, RECORD_REGIONS, &mem));
	add_lists(stream);
	check(stream_send(stream, RECORD_CHECK, 0, 0, NULL, 0));
	check(stream_send(stream, RECORD_CONNECTIONS, connections, flags & HELLO_POSTCOPY, NULL,
			  0));
}

static void add_memory(const struct stream *stream, unsigned flags, bool by_descriptor)
{
	static const uint64_t missing[] = { 0xff, 0, 1 };
	const struct buffer bitmaps = { .data = (uint8_t *)missing, .size = sizeof(missing) };

	if (flags & HELLO_DISKS) {
		check(stream_send(stream, RECORD_DISK_BLOCKS, 0, MIGRATE_STORE_BLOCK, NULL, 0));
		check(stream_send(stream, RECORD_DISK_SYNC, 0, 0, NULL, 0));
	}
	if (by_descriptor)
		check(regions_send(stream, RECORD_MEMORY_FD, &mem));
	else
		add_pages(stream, 1);
	if (flags & HELLO_POSTCOPY)
		check(stream_send_buffer(stream, RECORD_MISSING, &bitmaps));
	check(stream_send_buffer(stream, RECORD_REGISTERS, &state));
	check(stream_send(stream, RECORD_END, 0, 0, NULL, 0));
	check(stream_send(stream, RECORD_RUN, 0, 0, NULL, 0));
	if (flags & HELLO_POSTCOPY) {
		add_pages(stream, 0);
		check(stream_send(stream, RECORD_DONE, 0, 0, NULL, 0));
	}
}

static void make_dest_seed(const char *dir, const char *name, unsigned flags, unsigned connections,
			   bool by_descriptor)
{
	struct bytes control = { 0 }, extra = { 0 }, urgent = { 0 };
	const struct stream to_control = bytes_stream(&control), to_extra = bytes_stream(&extra);
	const struct stream to_urgent = bytes_stream(&urgent);
	const uint8_t head = (uint8_t)(flags << 4);
	struct buffer seed = { 0 };

	add_pages(&to_extra, 0);
	check(stream_send(&to_extra, RECORD_DONE, 0, 0, NULL, 0));
	if (flags & HELLO_POSTCOPY)
		check(stream_send(&to_extra, RECORD_DONE, 0, 0, NULL, 0));
	add_pages(&to_urgent, 0);
	add_question(&to_control, flags, connections);
	add_memory(&to_control, flags, by_descriptor);
	check(buffer_add(&seed, &head, 1));
	add_part(&seed, &extra.buffer);
	add_part(&seed, &extra.buffer);
	add_part(&seed, &urgent.buffer);
	check(buffer_add(&seed, control.buffer.data, control.buffer.size));
	write_seed(dir, "dest", name, &seed);
	buffer_finish(&seed);
	bytes_finish(&control);
	bytes_finish(&extra);
	bytes_finish(&urgent);
}

/* One connection, with its header and its hello. */
static void make_lonely_seed(const char *dir, const char *name, unsigned flags)
{
	static const uint8_t head[1 + 2 * 3] = { FUZZ_RAW_HEADER };
	static const uint8_t session[SESSION_SIZE];
	struct bytes bytes = { 0 };
	const struct stream stream = bytes_stream(&bytes);

	check(buffer_add(&bytes.buffer, head, sizeof(head)));
	check(stream_send_header(&stream, STREAM_CONTROL));
	check(stream_send(&stream, RECORD_HELLO, 0, flags, session, sizeof(session)));
	check(stream_send(&stream, RECORD_MACHINE, 0, 0, "{}", 2));
	if (flags & HELLO_DISKS)
		check(stores_send(&stream, &guest));
	add_question(&stream, flags, 0);
	add_memory(&stream, flags, false);
	write_seed(dir, "dest", name, &bytes.buffer);
	bytes_finish(&bytes);
}

static void write_hcall_seed(const char *dir, const char *name, const uint64_t *words, size_t size)
{
	struct buffer seed = { 0 };

	check(buffer_add(&seed, words, size));
	write_seed(dir, "hcall", name, &seed);
	buffer_finish(&seed);
}

/*
 * A flush of a set and a list, interrupts of a set, a message, all by memory; an event in registers:
 * fuzz_hcall.c says what is where.
 */
static void make_hcall_seeds(const char *dir)
{
	static const uint64_t list[] = { 0, 0, 0x0000000100040014, 0x1000, 0,
					 0, 0, 0, 0x8000000000000001, 1, 1, 0x7000 };
	static const uint64_t ipi[] = { 0, 0, 0x20015, 0x1000, 0, 0x40, 0, 1, 3 };
	static const uint64_t post[5 + 32] = { 0, 0, 0x5c, 0x1000, 0, 0x10, 1 | 8ULL << 32, 7 };
	static const uint64_t event[] = { 0, 0, 0x1005d, 0x20 | 7ULL << 32, 0 };

	write_hcall_seed(dir, "list", list, sizeof(list));
	write_hcall_seed(dir, "ipi", ipi, sizeof(ipi));
	write_hcall_seed(dir, "post", post, sizeof(post));
	write_hcall_seed(dir, "event", event, sizeof(event));
}

/* An event is registered, enabled, triggered, delivered and completed: pv/sdei/walk.c has the steps. */
static void make_sdei_seed(const char *dir)
{
	static const uint8_t steps[] = { 0, 0, 0, 0, 0, 2, 0, 0, 7, 0, 0, 11, 0, 0, 15, 0,
					 0, 13, 0, 0, 0, 5, 0, 0, 17, 0, 0, 0 };
	struct buffer seed = { 0 };

	check(buffer_add(&seed, steps, sizeof(steps)));
	write_seed(dir, "sdei", "event", &seed);
	buffer_finish(&seed);
}

static void add_message(struct buffer *seed, uint32_t type, uint32_t tx, const char *payload,
			uint32_t len)
{
	const uint32_t header[] = { type, 1, tx, len };
	uint8_t size = (uint8_t)(sizeof(header) + len);

	check(buffer_add(seed, &size, 1));
	check(buffer_add(seed, header, sizeof(header)));
	check(buffer_add(seed, payload, len));
}

/* A write, a watch, a transaction; and a request for a disk: fuzz_rings.c says what is where. */
static void make_rings_seeds(const char *dir)
{
	static uint8_t page[2 * 4096 + 1] = { 0 };
	struct buffer seed = { 0 };

	check(buffer_add(&seed, "\x01", 1));
	add_message(&seed, 11, 0, "data/a\0b", 8);
	add_message(&seed, 4, 0, "data\0t", 7);
	add_message(&seed, 6, 0, "", 1);
	add_message(&seed, 11, 1, "data/c\0d", 8);
	add_message(&seed, 7, 1, "T", 2);
	add_message(&seed, 13, 0, "data/a", 7);
	add_message(&seed, 14, 0, "data\0n1", 8);
	write_seed(dir, "rings", "store", &seed);
	buffer_finish(&seed);
	page[1 + 8] = 1;		  /* a grant of page 0, to domain 0 */
	page[1 + 4096] = 1;		  /* req_prod */
	page[1 + 4096 + 64 + 1] = 1;	  /* a segment */
	page[1 + 4096 + 64 + 24] = 1;	  /* by that grant */
	page[1 + 4096 + 64 + 24 + 5] = 7; /* all of it */
	check(buffer_add(&seed, page, sizeof(page)));
	write_seed(dir, "rings", "block", &seed);
	buffer_finish(&seed);
}

static void make_text_seed(const char *dir, const char *target, const char *name, uint8_t head,
			   bool has_head, const char *text)
{
	struct buffer seed = { 0 };

	if (has_head)
		check(buffer_add(&seed, &head, 1));
	check(buffer_add(&seed, text, strlen(text)));
	write_seed(dir, target, name, &seed);
	buffer_finish(&seed);
}

static void make_config_seeds(const char *dir)
{
	make_text_seed(dir, "config", "file", 0, true,
		       "{ \"kernel\": \"vmlinuz\", \"memory\": \"2G,max=16G\", \"cpus\": 2, "
		       "\"balloon\": true, \"disk\": [ \"root.img\", { \"path\": \"data.img\", "
		       "\"readonly\": true } ], \"net\": \"user,mac=52:54:00:00:00:07\" }");
	make_text_seed(dir, "config", "description", 1, true,
		       "{ \"memory\": \"64M\", \"cpus\": 1, \"name\": \"a\", \"disk\": "
		       "[ \"/x,,y,serial=1\" ], \"hyperv\": \"default\", \"console\": \"virtio\" }");
	make_text_seed(dir, "toml", "matrix", 0, false,
		       "timeout = 1_20.5\nexpect = ['a\\', \"\"\"\nb \\\n \\u00e9\"\"\"] # c\n"
		       "[matrix]\ncpus = [1, 0x2]\n[[tests]]\nname = 'x'\n"
		       "net.a = { b.c = true, d = 1979-05-27 07:32:00.5Z }\n"
		       "[[tests]]\n[tests.'y']\nz = [-inf, '''\nw''', 1e-5]\n");
	make_text_seed(dir, "control", "status", 0, false,
		       "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}");
	make_text_seed(dir, "control", "migrate", 0, false,
		       "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"migrate\",\"params\":"
		       "{\"uri\":\"tcp:a:1\",\"connections\":4,\"postcopy\":true}}");
	make_text_seed(dir, "control", "batch", 0, false,
		       "[{\"jsonrpc\":\"2.0\",\"method\":\"stop\"},{\"jsonrpc\":\"2.0\",\"id\":2,"
		       "\"method\":\"balloon\",\"params\":{\"target\":5}}]");
}

int main(int argc, char **argv)
{
	uint64_t count;

	if (argc != 2) {
		fprintf(stderr, "usage: seeds DIRECTORY\n");
		return 2;
	}
	mkdir(argv[1], 0777);
	fuzz_map(&mem);
	fuzz_regs(&regs);
	fake_regs_fill(&regs, 1);
	check(state_save(&regs.file, &state, &count));
	check(state_save_names(&regs.file, &names));
	make_state_seed(argv[1]);
	make_hcall_seeds(argv[1]);
	make_sdei_seed(argv[1]);
	make_xen_seeds(argv[1]);
	make_rings_seeds(argv[1]);
	make_snapshot_seed(argv[1]);
	make_config_seeds(argv[1]);
	make_machine_seeds(argv[1]);
	make_boot_seeds(argv[1]);
	make_dest_seed(argv[1], "copied", 0, 0, false);
	make_dest_seed(argv[1], "connections", 0, 2, false);
	make_dest_seed(argv[1], "descriptor", 0, 0, true);
	make_dest_seed(argv[1], "postcopy", HELLO_POSTCOPY, 2, false);
	make_dest_seed(argv[1], "disks", HELLO_DISKS, 1, false);
	make_lonely_seed(argv[1], "alone", 0);
	make_lonely_seed(argv[1], "alone-disks", HELLO_DISKS);
	buffer_finish(&state);
	buffer_finish(&names);
	fake_regs_finish(&regs);
	mem_finish(&mem);
	return 0;
}
